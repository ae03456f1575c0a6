"""What one invocation of the command line works with, opened when a command first asks for it.

Belongs here: from the global options to settings, database and account. Does not belong here: what
commands do with them.
"""

import getpass
import os
from functools import cached_property
from typing import TYPE_CHECKING

import typer

from enrollment_pipeline.cli.output import Output
from enrollment_pipeline.errors import AccountExistsError, AccountNotFoundError

if TYPE_CHECKING:
    from enrollment_pipeline.records import Account
    from enrollment_pipeline.settings import Settings
    from enrollment_pipeline.storage.tenancy import Database

DEFAULT_ACCOUNT = "demo"


class Session:
    """The global options of one invocation, and what they lead to."""

    def __init__(self, *, account_name: str, requested_by: str | None, output: Output) -> None:
        self.account_name = account_name
        self.output = output
        self._requested_by = requested_by

    @cached_property
    def requested_by(self) -> str:
        """Who asks: `--as`, otherwise the user of the operating system."""
        if self._requested_by:
            return self._requested_by
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            # In a container the user may have a number and no name.
            return f"uid-{os.getuid()}"

    @cached_property
    def settings(self) -> "Settings":
        """The environment, validated."""
        from enrollment_pipeline.settings import load_settings

        return load_settings()

    @cached_property
    def database(self) -> "Database":
        """The database, migrated; the embedded one is started where needed."""
        from enrollment_pipeline.storage.engine import open_database

        return open_database(self.settings)

    @cached_property
    def account(self) -> "Account":
        """The account named by `--account`; the default one is created on first use."""
        from enrollment_pipeline.accounts import service

        try:
            return service.find(self.database, self.account_name)
        except AccountNotFoundError:
            if self.account_name != DEFAULT_ACCOUNT:
                raise
        try:
            return service.create(self.database, DEFAULT_ACCOUNT, actor=self.requested_by)
        except AccountExistsError:
            # Another process was faster.
            return service.find(self.database, DEFAULT_ACCOUNT)

    def close(self) -> None:
        """Give back what was opened."""
        if "database" in self.__dict__:
            self.database.close()


def session_of(context: typer.Context) -> Session:
    """Return the session that the global options of this invocation began."""
    session = context.obj
    if not isinstance(session, Session):
        raise TypeError("no session: commands run below the app of cli.main")
    return session
