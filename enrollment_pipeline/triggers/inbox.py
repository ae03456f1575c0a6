"""Files of events in the inbox: JSON lines dropped into the folder `events` of an account.

Belongs here: what is made of a file. Does not belong here: how it is noticed, copied and moved
(`enrollment_pipeline.inbox`), what a line may say (`events`).

The events know each other by their ids, so a file that is taken twice changes nothing.
"""

from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError, RefusedError
from enrollment_pipeline.inbox.route import ACTOR, CheckedCopy, Taken
from enrollment_pipeline.inbox.rules import shown
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.intake import receive_lines

_MARK = 16


class EventsRoute:
    """Keeps the events of a file, one a line, for the triggers of the account."""

    folder = "events"
    place = "ACCOUNT/events"
    suffixes = (".jsonl",)

    def wrong_name(self, name: str) -> RefusedError:
        """Return the refusal of a file that is none of events by its name."""
        return InvalidFileError(
            f'"{shown(name)}" is no file of JSON lines by its name.',
            remedy="Write one event a line as JSON, and let the name end in .jsonl.",
        )

    def most_bytes(self, _database: Database, account: Account, _folder: str) -> int:
        """Return the account's limit of a file."""
        return account.settings.csv_max_bytes

    def take(self, database: Database, account: Account, copy: CheckedCopy) -> Taken | None:
        """Keep the events of a file that are new.

        Raises:
            FileTooLargeError: it has more lines than the account allows.
            ForbiddenError: the inbox may not do this in the account.
            InvalidFileError: not one line of it is an event; nothing was kept.
        """
        most = account.settings.csv_max_lines
        with copy.path.open("rb") as file:
            number = sum(1 for _ in file)
        if number > most:
            raise FileTooLargeError(
                f'"{copy.shown}" has {number:,} lines; at most {most:,} are allowed.',
                details={"found": number, "limit": most},
            )
        with copy.path.open("rb") as lines:
            found = receive_lines(
                database, account, lines, source="inbox", actor=ACTOR, all_or_some=True
            )
        told = _number(found.accepted, "event")
        if found.duplicate:
            told += f", {_number(found.duplicate, 'known one')}"
        if found.rejected:
            told += f", {_number(found.rejected, 'rejected line')}"
        return Taken(copy.sha256[:_MARK], told)


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
