"""The inbox that these tests look at: that of one account; and a destination that keeps files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline.errors import InvalidFileError, RefusedError
from enrollment_pipeline.inbox.route import CheckedCopy, Taken
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.inbox_folder import InboxFolder, inbox_settings


@dataclass
class Collecting:
    """Keeps what it was given; answers with `error` or nothing where it is told to."""

    folder = "events"
    place = "ACCOUNT/events"
    suffixes = (".jsonl",)

    error: Exception | None = None
    nothing: bool = False
    most: int = 1000
    accounts: list[Account] = field(default_factory=list)
    copies: list[CheckedCopy] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)

    def wrong_name(self, name: str) -> RefusedError:
        return InvalidFileError(f"{name} holds no events.", remedy="Write one event a line.")

    def most_bytes(self, database: Database, account: Account, folder: str) -> int:
        return self.most

    def take(self, database: Database, account: Account, copy: CheckedCopy) -> Taken | None:
        self.accounts.append(account)
        self.copies.append(copy)
        self.contents.append(copy.path.read_text())
        if self.error is not None:
            raise self.error
        return None if self.nothing else Taken(copy.sha256[:8], "1 event")


@pytest.fixture
def inbox(
    settings: Settings,
    database: Database,
    account: Account,
    add_workflow: Callable[..., UUID],
    tmp_path: Path,
) -> InboxFolder:
    """The inbox of an account with the active workflow "Welcome"."""
    add_workflow(account)
    return InboxFolder(inbox_settings(settings, tmp_path), database, account)
