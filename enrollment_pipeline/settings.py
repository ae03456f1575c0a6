"""What the environment decides, read once at the edge.

Belongs here: every environment variable the product knows, its default and its meaning. Does not
belong here: limits that an account can change (`records.AccountSettings`) and options of one
request (`enrollment/request.py`).
"""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.web.hosts import read_hosts, read_tokens

_PROJECT_MARKS = ("workspace.yaml", "dagster.yaml")


def project_folder(start: Path) -> Path | None:
    """Return the checkout that `start` lies in, or None outside of one.

    A checkout is known by the two files that Dagster reads, so every command run anywhere inside
    it finds the same database.
    """
    for folder in (start, *start.parents):
        if all((folder / mark).is_file() for mark in _PROJECT_MARKS):
            return folder
    return None


class Settings(BaseSettings):
    """The environment, validated. Every field is `ENROLLMENT_` plus its name in capitals."""

    # Compose files and CI set a variable to nothing where they mean to leave it out.
    model_config = SettingsConfigDict(
        env_prefix="ENROLLMENT_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        # What is refused may be a secret.
        hide_input_in_errors=True,
    )

    home: Path = Field(
        default=Path(".enrollment"),
        description="Folder for the embedded database, reports and Dagster's files. Default: "
        ".enrollment in the checkout, or in the current folder outside of one.",
    )
    data: Path = Field(
        default=Path("data"),
        description="Folder that files named in the Dagster UI are read from. Default: data in the "
        "checkout, or in the current folder outside of one.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="URL of a Postgres 15+ database, as its owner. Without it, an embedded "
        "Postgres is started in the home folder.",
    )
    app_database_url: SecretStr | None = Field(
        default=None,
        description="URL of the same database for the login role that the product works under. "
        "Default: role enrollment_app, which the upgrade creates.",
    )

    ui_url: str = Field(
        default="http://127.0.0.1:3000",
        description="Address under which people reach the Dagster UI; links in messages begin "
        "with it.",
    )
    global_per_minute: int | None = Field(
        default=None,
        ge=1,
        # What the database counts with, as for an account.
        le=1_000_000_000,
        description="Enrollments a minute of all accounts together. Default: no limit.",
    )
    inbox_quiet_seconds: float = Field(
        default=10.0,
        ge=0,
        description="Seconds for which a file in the inbox must not have changed before it is "
        "taken.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server: smtp://user:password@host:port, or smtps:// for TLS from the "
        "first byte. Without it, no e-mail is sent.",
    )
    mail_from: str = Field(
        default="enrollment@localhost", description="Sender address of e-mail messages."
    )
    exports_url: SecretStr | None = Field(
        default=None,
        description="Place where exported files are kept, as fsspec knows it: s3://bucket/folder, "
        "file:///mnt/exports. Default: the folder of the operation's report.",
    )
    webhook_allow_private: bool = Field(
        default=False,
        description="On: webhooks may lead to loopback, private and link-local addresses.",
    )
    http_hosts: str | None = Field(
        default=None,
        description="Hosts that http_request steps may reach, with commas between them: "
        "api.example.com, api.example.com:8443, *.example.com. Default: every public host.",
    )
    http_allow_private: bool = Field(
        default=False,
        description="On: http_request steps may reach loopback, private and link-local addresses.",
    )
    http_tokens: SecretStr | None = Field(
        default=None,
        description='Tokens that http_request steps are sent with, as JSON: {"api.example.com": '
        '"TOKEN"}. Each goes to that host alone.',
    )

    @field_validator("home", "data")
    @classmethod
    def _with_user_folder(cls, path: Path) -> Path:
        try:
            return path.expanduser()
        except RuntimeError:
            raise ValueError(f"{path.parts[0]} is no user of this machine") from None

    @field_validator("http_hosts")
    @classmethod
    def _hosts(cls, text: str | None) -> str | None:
        if text is not None:
            read_hosts(text)
        return text

    @field_validator("http_tokens")
    @classmethod
    def _tokens(cls, text: SecretStr | None) -> SecretStr | None:
        if text is not None:
            read_tokens(text.get_secret_value())
        return text

    @property
    def reports(self) -> Path:
        """Folder that holds one folder of result files per job."""
        return self.home / "reports"

    @property
    def inbox(self) -> Path:
        """Folder that CSV files are dropped into, as ACCOUNT/WORKFLOW/FILE."""
        return self.data / "inbox"

    @property
    def scratch(self) -> Path:
        """Folder for files that live no longer than the step that writes them."""
        return self.home / "scratch"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own folder, where no DAGSTER_HOME says otherwise."""
        return self.home / "dagster"


def load_settings(start: Path | None = None) -> Settings:
    """Read the environment and return it with absolute paths.

    Raises:
        ConfigurationError: a variable has a value that cannot be used.
    """
    base = (start or Path.cwd()).absolute()
    root = project_folder(base) or base
    try:
        given = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "ENROLLMENT_" + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{name} cannot be used: {reason}.") from None
    return given.model_copy(
        update={"home": (root / given.home).resolve(), "data": (root / given.data).resolve()}
    )
