"""Where files go, what links to them look like, and that no secret is ever shown."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pydantic import SecretStr

from enrollment_pipeline.bulk_operations.exporting.destinations import publish, remove
from enrollment_pipeline.errors import ConfigurationError

ACCOUNT, OPERATION = uuid4(), uuid4()
SECRET = "hunter2%2Fsecret"
PLAIN = "hunter2/secret"


class Vault(MemoryFileSystem):  # type: ignore[misc]
    """A place behind a user and a password, which tells them in its errors."""

    protocol = "vault"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    trouble: Exception | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.rpartition("@")[2].removeprefix("vault://"))

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        if self.trouble:
            raise self.trouble
        super().put_file(lpath, rpath, **options)


@pytest.fixture
def vault() -> Iterator[type[Vault]]:
    fsspec.register_implementation("vault", Vault, clobber=True)
    yield Vault
    Vault.store.clear()
    Vault.trouble = None


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "operation"
    folder.mkdir()
    path = folder / "contacts.csv"
    path.write_bytes(b"email\n" * 1_000_000)
    return {"contacts": path}


def published(files: dict[str, Path], url: str | None) -> dict[str, str]:
    return publish(
        files,
        url=None if url is None else SecretStr(url),
        account_id=ACCOUNT,
        operation_id=OPERATION,
        folder=files["contacts"].parent,
    )


def test_without_a_url_files_stay_and_links_are_absolute_paths(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = {"contacts": files["contacts"].relative_to(tmp_path)}

    assert published(relative, None) == {"contacts": str(files["contacts"])}
    assert files["contacts"].is_file()


@pytest.mark.parametrize("end", ["", "/"])
def test_with_a_url_files_go_there_and_the_copies_here_are_gone(
    files: dict[str, Path], tmp_path: Path, end: str
) -> None:
    place = tmp_path / "a place"
    content = files["contacts"].read_bytes()

    links = published(files, f"file://{place}{end}")

    there = place / str(ACCOUNT) / str(OPERATION) / "contacts.csv"
    assert links == {"contacts": f"file://{there}"}
    assert there.read_bytes() == content
    assert not files["contacts"].parent.exists()


def test_other_files_of_the_folder_stay(files: dict[str, Path], tmp_path: Path) -> None:
    other = files["contacts"].with_name("report.html")
    other.touch()

    published(files, f"file://{tmp_path}/there")

    assert list(other.parent.iterdir()) == [other]


def test_publishing_again_replaces_what_is_there(files: dict[str, Path], tmp_path: Path) -> None:
    path = files["contacts"]
    published(files, f"file://{tmp_path}/there")
    path.parent.mkdir()
    path.write_text("again")

    links = published(files, f"file://{tmp_path}/there")

    assert Path(links["contacts"].removeprefix("file://")).read_text() == "again"


@pytest.mark.parametrize("url", [None, "file://{}/there", "memory://there"])
def test_what_was_removed_is_gone_and_removing_it_again_is_no_trouble(
    files: dict[str, Path], tmp_path: Path, url: str | None
) -> None:
    url = url and url.format(tmp_path)
    links = published(files, url)
    secret = SecretStr(url) if url else None
    (link,) = links.values()
    assert fsspec.core.url_to_fs(link)[0].exists(link)

    remove(links, url=secret)
    remove(links, url=secret)

    system, path = fsspec.core.url_to_fs(link)
    assert not system.exists(path)
    assert not system.exists(path.rpartition("/")[0])


def test_removing_leaves_other_files_of_the_folder(files: dict[str, Path]) -> None:
    other = files["contacts"].with_name("report.html")
    other.touch()

    remove(published(files, None), url=None)

    assert list(other.parent.iterdir()) == [other]


def test_links_hold_no_credentials_and_are_removed_with_them(
    files: dict[str, Path], vault: type[Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"vault://user:{SECRET}@host/exports"

    links = published(files, url)

    assert links == {"contacts": f"vault://host/exports/{ACCOUNT}/{OPERATION}/contacts.csv"}
    used = []
    monkeypatch.setattr(
        "fsspec.core.url_to_fs",
        lambda place: used.append(place) or (Vault(), Vault._strip_protocol(place)),
    )
    remove(links, url=SecretStr(url))
    assert used == [f"{url}/{ACCOUNT}/{OPERATION}/contacts.csv"]
    assert Vault.store == {}


def test_credentials_are_not_carried_to_another_place(
    files: dict[str, Path], vault: type[Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    monkeypatch.setattr(
        "fsspec.core.url_to_fs",
        lambda place: used.append(place) or (Vault(), Vault._strip_protocol(place)),
    )
    for link in ("vault://host/exports-of-others/x", "vault://evil/exports/x"):
        remove({"contacts": link}, url=SecretStr(f"vault://user:{SECRET}@host/exports"))

    assert used == ["vault://host/exports-of-others/x", "vault://evil/exports/x"]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (PermissionError(f"denied for user with {PLAIN} at vault://user:{SECRET}@host"), "permit"),
        (FileNotFoundError("the bucket does not exist"), "the bucket does not exist"),
        (RuntimeError(f"NoCredentials: user:{SECRET}"), "NoCredentials"),
        (ValueError(), "ValueError"),
    ],
)
def test_trouble_is_told_without_the_secret(
    files: dict[str, Path], vault: type[Vault], trouble: Exception, words: str
) -> None:
    vault.trouble = trouble

    with pytest.raises(ConfigurationError) as raised:
        published(files, f"vault://user:{SECRET}@host/exports")

    said = repr(raised.value.as_dict())
    assert words in said
    assert "ENROLLMENT_EXPORTS_URL" in said
    assert "vault://host/exports" in said
    assert not any(secret in said for secret in (SECRET, PLAIN, "hunter2"))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert files["contacts"].is_file()


@pytest.mark.parametrize(
    "url",
    [
        "/mnt/exports",
        "exports",
        "s3:bucket",
        f"https://host/exports?key={SECRET}",
        f"https://host/exports#{SECRET}",
        f"simplecache::s3://{SECRET}@bucket",
        f"https://user:{SECRET}?@host/",
        f"s3://key:{SECRET}/more@bucket",
        f"ftp://user:se/{SECRET}@localhost:1/folder",
    ],
)
def test_what_is_no_plain_url_is_refused_without_a_word_of_it(
    files: dict[str, Path], url: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        published(files, url)

    assert "hunter2" not in repr(raised.value.as_dict())
    assert "ENROLLMENT_EXPORTS_URL" in raised.value.message


def test_an_unknown_protocol_is_told_of(files: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="Protocol not known: nosuch"):
        published(files, f"nosuch://user:{SECRET}@host/exports")


def test_a_package_that_is_missing_is_named(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: dict[str, ModuleType | None] = {"s3fs": None}
    monkeypatch.setattr(sys, "modules", {**sys.modules, **missing})

    with pytest.raises(ConfigurationError, match=r"s3:// needs a Python package .* s3fs") as raised:
        published(files, "s3://bucket/exports")

    assert "Install the package" in raised.value.advice


def test_a_bucket_is_never_made(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Bucket(Vault):
        protocol = "s3"

        def makedirs(self, path: str, exist_ok: bool = False) -> None:
            made.append(path)

        def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
            raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr("fsspec.core.url_to_fs", lambda place: (Bucket(), "bukcet/exports/file"))

    with pytest.raises(ConfigurationError, match="The specified bucket does not exist"):
        published(files, "s3://bukcet/exports")

    assert made == []


def test_the_container_of_a_storage_account_is_part_of_the_link(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fsspec.core.url_to_fs", lambda place: (fsspec.filesystem("memory"), "/container/file")
    )

    (link,) = published(files, "abfs://container@store.dfs.core.windows.net/x").values()

    assert link.startswith("abfs://container@store.dfs.core.windows.net/x/")
    files["contacts"].parent.mkdir()
    files["contacts"].touch()
    (link,) = published(files, f"abfs://user:{SECRET}@store.dfs.core.windows.net/x").values()
    assert link.startswith("abfs://store.dfs.core.windows.net/x/")
