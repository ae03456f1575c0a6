"""The environment: every variable is read, a path means the same everywhere in the checkout."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.settings import Settings, load_settings, project_folder

VARIABLES = [f"ENROLLMENT_{name.upper()}" for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the product's variables is set."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the two files that make it a checkout."""
    for name in ("workspace.yaml", "dagster.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENROLLMENT_HOME", "/srv/home")
    monkeypatch.setenv("ENROLLMENT_DATA", "/srv/data")
    monkeypatch.setenv("ENROLLMENT_DATABASE_URL", "postgresql://owner@db.example.com/product")
    monkeypatch.setenv("ENROLLMENT_APP_DATABASE_URL", "postgresql://app@db.example.com/product")

    settings = load_settings(tmp_path)

    assert (settings.home, settings.data) == (Path("/srv/home"), Path("/srv/data"))
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://owner@db.example.com/product"
    assert settings.app_database_url is not None
    assert settings.app_database_url.get_secret_value() == "postgresql://app@db.example.com/product"


def test_every_setting_says_what_it_means() -> None:
    assert all((field.description or "").endswith(".") for field in Settings.model_fields.values())


def test_a_password_does_not_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENROLLMENT_DATABASE_URL", "postgresql://owner:s3cret@db.example.com/x")

    settings = load_settings(tmp_path)

    assert "s3cret" not in f"{settings} {settings!r} {settings.model_dump()}"


def test_without_variables_everything_is_in_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    settings = load_settings()

    assert settings.home == tmp_path / ".enrollment"
    assert settings.data == tmp_path / "data"
    assert (settings.database_url, settings.app_database_url) == (None, None)


def test_the_folders_of_the_home_lie_in_it(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)

    folders = {settings.reports, settings.scratch, settings.dagster_home}
    assert len(folders) == 3
    assert {folder.parent for folder in folders} == {settings.home}


def test_inside_a_checkout_relative_paths_start_at_its_root(
    monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    below = checkout / "some" / "folder"
    below.mkdir(parents=True)
    monkeypatch.setenv("ENROLLMENT_HOME", "elsewhere/home")

    settings = load_settings(below)

    assert settings.home == checkout / "elsewhere" / "home"
    assert settings.data == checkout / "data"


def test_a_relative_start_finds_the_checkout_above_it(
    monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    below = checkout / "folder"
    below.mkdir()
    monkeypatch.chdir(below)

    assert load_settings(Path()).home == load_settings().home == checkout / ".enrollment"


def test_one_of_the_two_files_makes_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").touch()
    below = tmp_path / "folder"
    below.mkdir()

    assert project_folder(below) is None
    assert load_settings(below).home == below / ".enrollment"


def test_a_path_may_leave_the_checkout_and_begin_at_the_users_home(
    monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    monkeypatch.setenv("HOME", "/srv/user")
    monkeypatch.setenv("ENROLLMENT_HOME", "~/enrollment")
    monkeypatch.setenv("ENROLLMENT_DATA", "../data")

    settings = load_settings(checkout)

    assert settings.home == Path("/srv/user/enrollment")
    assert settings.data == checkout.parent / "data"


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_empty_variable_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    expected = load_settings(tmp_path)

    monkeypatch.setenv(variable, "")

    assert load_settings(tmp_path) == expected


@pytest.mark.parametrize("variable", ["ENROLLMENT_HOME", "ENROLLMENT_DATA"])
def test_the_home_of_an_unknown_user_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, "~nobody-of-that-name/enrollment")

    with pytest.raises(ConfigurationError) as refused:
        load_settings(tmp_path)

    assert refused.value.code == "CONFIGURATION_ERROR"
    assert refused.value.message == (
        f"{variable} cannot be used: ~nobody-of-that-name is no user of this machine."
    )


def test_hosts_and_tokens_of_services_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENROLLMENT_HTTP_HOSTS", "api.example.com, *.example.com:8443")
    monkeypatch.setenv("ENROLLMENT_HTTP_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("ENROLLMENT_HTTP_TOKENS", '{"api.example.com": "s3cret"}')

    settings = load_settings(tmp_path)

    assert settings.http_hosts == "api.example.com, *.example.com:8443"
    assert settings.http_allow_private
    assert settings.http_tokens is not None
    assert settings.http_tokens.get_secret_value() == '{"api.example.com": "s3cret"}'
    assert "s3cret" not in f"{settings} {settings!r} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("HTTP_HOSTS", ",", "it names no host"),
        ("HTTP_HOSTS", "https://a.example", "'https://a.example' is no host such as "),
        ("HTTP_TOKENS", "s3cret", "it is no JSON object such as "),
        ("HTTP_TOKENS", '{"s3cret!": "a.example"}', "host 1 is not written as HOST or HOST:PORT."),
        ("HTTP_TOKENS", '{"a.example": "s3cret 2"}', "the token of host 1 must be "),
    ],
)
def test_hosts_and_tokens_that_cannot_be_used_are_refused_without_showing_a_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"ENROLLMENT_{variable}", value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings(tmp_path)

    assert refused.value.message.startswith(f"ENROLLMENT_{variable} cannot be used: {told}")
    with pytest.raises(ValidationError) as raw:
        Settings()
    assert "s3cret" not in f"{refused.value} {raw.value} {raw.value!r}"
