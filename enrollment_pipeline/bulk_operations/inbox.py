"""Files of contacts in the inbox: one dropped into `contacts` of an account is an import.

Belongs here: what is made of a file. Does not belong here: how it is noticed, copied and moved
(`enrollment_pipeline.inbox`).

The operation keeps, as its origin, which drop it was made of. By that it is found again when the
process died before the file was moved.
"""

from uuid import UUID

from enrollment_pipeline.bulk_operations.request import ImportRequest
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.errors import (
    InvalidFileError,
    RefusedError,
    RequestIdUsedError,
    TooManyJobsError,
    TooManyOperationsError,
)
from enrollment_pipeline.inbox.route import ACTOR, CheckedCopy, Taken
from enrollment_pipeline.inbox.rules import shown, with_again
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.tenancy import Database

SOURCE = "inbox"


class ContactsRoute:
    """Makes an import of a file of contacts."""

    folder = "contacts"
    place = "ACCOUNT/contacts"
    suffixes = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")

    def wrong_name(self, name: str) -> RefusedError:
        """Return the refusal of a file that holds no contacts by its name."""
        return InvalidFileError(
            f'"{shown(name)}" is no file of contacts by its name.',
            remedy=f"Let the name end in one of {', '.join(self.suffixes)}.",
        )

    def most_bytes(self, _database: Database, account: Account, _folder: str) -> int:
        """Return the account's limit of a file."""
        return account.settings.csv_max_bytes

    def take(self, database: Database, account: Account, copy: CheckedCopy) -> Taken | None:
        """Return the import made of this drop, now or earlier.

        Raises:
            RequestIdUsedError: another drop of the same content became an import.
            TooManyJobsError: the account has as many open operations as it may.
            RefusedError: the file cannot become an import.
        """
        known_as = f"inbox:contacts:{copy.key}"
        operation_id = _earlier(database, account, known_as, copy)
        if operation_id is None:
            operation_id = _submit(database, account, known_as, copy)
        if operation_id is None:
            return None
        return Taken(str(operation_id), f"operation {operation_id}")


def _earlier(database: Database, account: Account, known_as: str, copy: CheckedCopy) -> UUID | None:
    """Return the import that this very drop became; None where there is none of this content.

    Raises:
        RequestIdUsedError: another drop of the same content became an import.
    """
    with database.account(account.id) as connection:
        known = operations.with_request_id(connection, known_as)
        if known is None:
            return None
        origin = operations.load(connection, known[0]).request.get("origin")
    if copy.identity.is_origin(origin):
        return known[0]
    raise RequestIdUsedError(
        f"A file with the same content was imported before, by operation {known[0]}.",
        remedy="Nothing needs to be done. To import it once more, drop it under a name with "
        f'--again in it, such as "{shown(with_again(copy.name))}".',
        details={"operation_id": str(known[0])},
    )


def _submit(database: Database, account: Account, known_as: str, copy: CheckedCopy) -> UUID | None:
    request = ImportRequest(path=copy.path, requested_by=ACTOR, request_id=known_as)
    try:
        made = submit(
            database,
            load_settings(),
            account,
            request,
            source=SOURCE,
            origin=copy.identity.as_origin(),
        )
    except RequestIdUsedError:
        return _earlier(database, account, known_as, copy)
    except TooManyOperationsError as error:
        # What the inbox knows as "not now".
        raise TooManyJobsError(error.message, remedy=error.advice) from None
    # Somebody else was faster, with this drop or with another one.
    if not made.created:
        return _earlier(database, account, known_as, copy)
    return made.operation_id
