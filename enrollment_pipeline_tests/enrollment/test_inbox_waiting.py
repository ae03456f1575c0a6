"""Lists in the inbox that cannot become jobs yet, and what keeps none of the others from it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.enrollment.conftest import run_phases
from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder, inbox_settings

AddWorkflow = Callable[..., UUID]


@pytest.fixture
def inbox(
    settings: Settings,
    database: Database,
    account: Account,
    add_workflow: AddWorkflow,
    tmp_path: Path,
) -> InboxFolder:
    """The inbox of an account with the active workflow "Welcome"."""
    add_workflow(account)
    return InboxFolder(inbox_settings(settings, tmp_path), database, account)


def test_a_full_account_keeps_its_files_where_they_are_until_there_is_room(
    inbox: InboxFolder, make_account: Callable[..., Account], add_workflow: AddWorkflow
) -> None:
    other = inbox.account
    inbox.account = make_account(max_open_jobs=1)
    add_workflow(inbox.account)
    for number in range(25):
        inbox.drop(f"list-{number:02}.csv", f"email\n{number}@example.com\n")
    inbox.look()
    tick = inbox.look(later=10)
    assert len(tick.taken) == 1
    # Told once for all of its files, in the same words each time.
    full = f"{inbox.account.name}: The account has 1 open jobs, which is its limit."
    assert tick.left == [full]
    assert (len(inbox.waiting()), inbox.rejected()) == (24, {})

    # The files that wait do not keep another account's from their turn.
    inbox.drop("list.csv", place=inbox.root / other.name / "Welcome")
    inbox.look(later=5)
    tick = inbox.look(later=10)
    assert tick.left == [full]
    assert [sentence.split("/")[0] for sentence in tick.taken] == [other.name]

    run_phases(Phases(inbox.database, inbox.settings, inbox.jobs()[0].id))
    assert len(inbox.look(later=5).taken) == 1
    assert len(inbox.jobs()) == 2


def test_an_error_that_nobody_expected_is_told_and_the_next_file_is_taken(
    inbox: InboxFolder, owner: Engine
) -> None:
    inbox.drop("a.csv")
    inbox.drop("b.csv", LIST + "eva@example.com\n")
    inbox.look()
    # The database refuses the first file, as an error in it would.
    digest = hashlib.sha256(LIST.encode()).hexdigest()
    name = f"inbox_{inbox.account.id.hex}"
    with owner.begin() as connection:
        connection.exec_driver_sql(
            f"alter table enrollment.enrollment_jobs add constraint {name} "
            f"check (account_id <> '{inbox.account.id}' or request_id not like '%%{digest}')"
        )
    try:
        tick = inbox.look(later=10)
    finally:
        with owner.begin() as connection:
            connection.exec_driver_sql(
                f"alter table enrollment.enrollment_jobs drop constraint {name}"
            )
    (left,) = tick.left
    assert left.startswith(f"{inbox.account.name}/Welcome/a.csv: the database says: ")
    assert len(tick.taken) == 1
    assert inbox.waiting() == ["a.csv"]

    assert len(inbox.look(later=5).taken) == 1
