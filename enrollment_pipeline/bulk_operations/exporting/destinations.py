"""Where exported files are kept: in their folder, or at a place that a URL names.

Belongs here: bringing files there, taking them away, and what a link to one looks like. Does not
belong here: what is in the files, and when they go.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from pydantic import SecretStr

from enrollment_pipeline.errors import ConfigurationError

_SETTING = "ENROLLMENT_EXPORTS_URL"
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:(?P<user>[^/]*)@)?(?P<rest>[^?#]*)")
_HIDDEN = "***"
# What stands before the @ is the container there.
_WITH_CONTAINER = frozenset({"abfs", "abfss"})
_WITHOUT_USERS = frozenset({"file", "local", "memory"})
# They have no folders, and to make one could make a bucket, where its name was mistyped.
_WITHOUT_FOLDERS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci", "tos"})


def publish(
    files: Mapping[str, Path],
    *,
    url: SecretStr | None,
    account_id: UUID,
    operation_id: UUID,
    folder: Path,
) -> dict[str, str]:
    """Bring files to where exports are kept, and return a link to each by its name.

    Without a URL they stay where they are, and the links are absolute paths. Otherwise they go to
    `URL/ACCOUNT/OPERATION/FILE`, one that is there already is replaced, and the copies here are
    removed, with `folder` if nothing else is in it. A link never holds credentials.

    Raises:
        ConfigurationError: the URL cannot be used, or what it names cannot be reached or written.
    """
    if url is None:
        return {name: str(path.absolute()) for name, path in files.items()}
    there = {
        name: _below(url.get_secret_value(), f"{account_id}/{operation_id}/{path.name}")
        for name, path in files.items()
    }
    for name, path in files.items():
        _upload(path, there[name])
    for path in files.values():
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
    return {name: _link(place) for name, place in there.items()}


def remove(files: Mapping[str, str], *, url: SecretStr | None) -> None:
    """Remove the files of these links, and the folder of each if nothing else is in it.

    What is gone already is no trouble. `url` has the credentials, which no link holds.

    Raises:
        ConfigurationError: one of them cannot be reached or removed.
    """
    for link in files.values():
        if "://" in link:
            _remove_there(_with_credentials(link, url))
        else:
            path = Path(link)
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()


def _upload(path: Path, place: str) -> None:
    with _in_words(place):
        system, there = _open(place)
        if _parts(place)["scheme"] not in _WITHOUT_FOLDERS:
            system.makedirs(_folder(there), exist_ok=True)
        # In pieces, and whole or not at all where the other side can do that.
        system.put_file(str(path), there)


def _remove_there(place: str) -> None:
    with _in_words(place):
        system, there = _open(place)
        with suppress(FileNotFoundError):
            system.rm_file(there)
        if _parts(place)["scheme"] not in _WITHOUT_FOLDERS:
            with suppress(OSError):
                system.rmdir(_folder(there))


def _open(place: str) -> tuple[Any, str]:
    # A tenth of a second to import, for which no other command should have to wait.
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    system, path = url_to_fs(place)
    return system, path


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _parts(place: str) -> dict[str, str | None]:
    """Return scheme, user and rest of a URL.

    Raises:
        ConfigurationError: it is none, or one of the kind that is not understood here.
    """
    found = _URL.fullmatch(place)
    if found is None or "::" in place or _hides_a_secret(found):
        # Without a word of it: who knows where its secret is.
        raise ConfigurationError(
            f"{_SETTING} is not a URL of one place for files, without ? and #.",
            remedy="Give one such as s3://bucket/folder or file:///mnt/exports; in a password, "
            "write / as %2F and @ as %40.",
        )
    return found.groupdict()


def _hides_a_secret(found: re.Match[str]) -> bool:
    """Return whether an @ stands where no user ends: behind a / that belongs to a password."""
    return found["scheme"] not in _WITHOUT_USERS and "@" in found["rest"]


def _below(url: str, path: str) -> str:
    place = f"{url}{'' if url.endswith('/') else '/'}{path}"
    _parts(place)
    return place


def _link(place: str) -> str:
    """Return the URL as it may be shown."""
    parts = _parts(place)
    scheme, user, rest = parts["scheme"], parts["user"], parts["rest"]
    if user and scheme in _WITH_CONTAINER and ":" not in user:
        return f"{scheme}://{user}@{rest}"
    return f"{scheme}://{rest}"


def _with_credentials(link: str, url: SecretStr | None) -> str:
    """Return where a link leads, with the credentials of `url` if it leads below that."""
    if url is None:
        return link
    secret = _below(url.get_secret_value(), "")
    shown = _link(secret)
    return secret + link.removeprefix(shown) if link.startswith(shown) else link


@contextmanager
def _in_words(place: str) -> Iterator[None]:
    """Say what went wrong without what must not be said.

    Each kind of place has exceptions of its own, and any may quote the URL.
    """
    try:
        yield
    except ConfigurationError:
        raise
    except ImportError as error:
        raise ConfigurationError(
            f"{_SETTING}: {_parts(place)['scheme']}:// needs a Python package that is not "
            f"installed ({_told(error, place)}).",
            remedy="Install the package beside the product, or choose another place.",
        ) from None
    except PermissionError as error:
        raise ConfigurationError(
            f"{_SETTING}: it is not permitted to write or remove {_link(place)} "
            f"({_told(error, place)}).",
            remedy="Let the product's user or key write, replace and remove files there.",
        ) from None
    except Exception as error:
        raise ConfigurationError(
            f"{_SETTING}: {_link(place)} cannot be written or removed ({_told(error, place)}).",
            remedy="Check the setting, and that the place is there and can be reached.",
        ) from None


def _told(error: Exception, place: str) -> str:
    """Return the first line of what an exception says, without secrets."""
    said = str(error).strip() or type(error).__name__
    user = _parts(place)["user"] or ""
    secrets = {place, user, *user.split(":", 1)}
    secrets |= {unquote(one) for one in secrets}
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        said = said.replace(secret, _HIDDEN)
    return said.splitlines()[0].rstrip(".")
