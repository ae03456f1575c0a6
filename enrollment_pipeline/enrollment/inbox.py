"""CSV files of the inbox: one dropped into the folder of a workflow becomes an enrollment job.

Belongs here: what is made of a file. Does not belong here: how it is noticed, copied and moved
(`enrollment_pipeline.inbox`).

The job keeps, as its origin, which drop it was made of. By that it is found again when the process
died before the file was moved.
"""

from pathlib import Path
from uuid import UUID

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.errors import (
    InvalidFileError,
    RefusedError,
    RequestIdUsedError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.files.identifiers import find_identifier_column
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline.inbox.route import ACTOR, CheckedCopy, Taken
from enrollment_pipeline.inbox.rules import reference, shown, with_again
from enrollment_pipeline.records import Account, Workflow
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.storage.workflow_rows import find_workflow

SOURCE = "inbox"


class CsvRoute:
    """Makes an enrollment job of a CSV file, in the workflow that its folder is called after."""

    folder = None
    place = "ACCOUNT/WORKFLOW"
    suffixes = (".csv", ".tsv", ".txt")

    def wrong_name(self, name: str) -> RefusedError:
        """Return the refusal of a file that is no table by its name."""
        return InvalidFileError(
            f'"{shown(name)}" is no CSV file by its name.',
            remedy=f"Save the table as CSV, and let its name end in {', '.join(self.suffixes)}.",
        )

    def most_bytes(self, database: Database, account: Account, folder: str) -> int:
        """Return the account's limit of a CSV file.

        Raises:
            WorkflowNotFoundError: no workflow is called as the folder is.
        """
        _workflow(database, account, folder)
        return account.settings.csv_max_bytes

    def take(self, database: Database, account: Account, copy: CheckedCopy) -> Taken | None:
        """Return the job made of this drop, now or earlier.

        Raises:
            RequestIdUsedError: another drop of the same content became a job.
            RefusedError: the file cannot become a job.
        """
        workflow = _workflow(database, account, copy.folder)
        known_as = request_id(workflow.id, copy)
        job_id = _earlier(database, account, known_as, copy)
        if job_id is None:
            _require_identifiers(copy.path, account)
            job_id = _submit(database, account, workflow, known_as, copy)
        return None if job_id is None else Taken(str(job_id), f"job {job_id}")


def request_id(workflow_id: UUID, copy: CheckedCopy) -> str:
    """Return the request id of a drop: the same bytes are the same request.

    With `--again` in the name, only the same drop is.
    """
    return f"inbox:{workflow_id}:{copy.key}"


def _workflow(database: Database, account: Account, folder: str) -> Workflow:
    with database.account(account.id) as connection:
        return find_workflow(connection, reference(folder, WorkflowNotFoundError))


def _earlier(database: Database, account: Account, known_as: str, copy: CheckedCopy) -> UUID | None:
    """Return the job that this very drop became; None where there is no job of this content.

    Raises:
        RequestIdUsedError: another drop of the same content became a job.
    """
    with database.account(account.id) as connection:
        job_id = jobs.with_request_id(connection, known_as)
        if job_id is None:
            return None
        origin = jobs.load(connection, job_id).request.get("origin")
    if copy.identity.is_origin(origin):
        return job_id
    raise RequestIdUsedError(
        f"A file with the same content was taken for this workflow before, as job {job_id}.",
        remedy="Nothing needs to be done. To enroll from it once more, drop it under a name "
        f'with --again in it, such as "{shown(with_again(copy.name))}".',
        details={"job_id": str(job_id)},
    )


def _submit(
    database: Database, account: Account, workflow: Workflow, known_as: str, copy: CheckedCopy
) -> UUID | None:
    request = parse_request(
        {
            "workflow": str(workflow.id),
            "selection": {"type": "csv", "path": copy.path},
            "requested_by": ACTOR,
            "request_id": known_as,
        }
    )
    try:
        job_id, created = service.submit(
            database, account, request, source=SOURCE, origin=copy.identity.as_origin()
        )
    except RequestIdUsedError:
        created = False
    # Somebody else was faster, with this drop or with another one.
    return job_id if created else _earlier(database, account, known_as, copy)


def _require_identifiers(path: Path, account: Account) -> None:
    limits = account.settings
    with open_table(
        path,
        max_bytes=limits.csv_max_bytes,
        max_lines=limits.csv_max_lines,
        name=shown(path.name),
    ) as table:
        find_identifier_column(table.columns, table.sample)
