"""Events coming in: from lines of JSON or documents to rows, each kept once.

Belongs here: reading lines in constant memory, and what becomes of each. Does not belong here: what
makes an event (`events`), how other systems' payloads read (`highlevel`), files dropped into the
inbox (`inbox`).
"""

import json
import math
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.events import (
    MAX_BYTES,
    Event,
    RejectedEvent,
    read_event,
    rejected,
)
from enrollment_pipeline.triggers.highlevel import Refusal, from_highlevel
from enrollment_pipeline.triggers.store import events

MOST_SHOWN = 20
"""Rejections that the answer tells; all of them are kept."""

FORMATS = ("events", "highlevel")
"""How documents may be written: as events, or as another system's webhook payloads."""


@dataclass(slots=True)
class Intake:
    """What became of documents; `rejections` tells the first ones, by line and reason.

    `received` is the sum of the three counts. A duplicate is an event with an id that came in
    before; the first one counts. What is no event is rejected, whether or not it came in before.
    """

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejections: list[dict[str, Any]] = field(default_factory=list)


def receive_lines(
    database: Database,
    account: Account,
    lines: Iterable[bytes],
    *,
    written_as: str = "events",
    source: str,
    actor: str,
    all_or_some: bool = False,
) -> Intake:
    """Keep the events of JSON lines, all in one transaction; empty lines do not count.

    With `all_or_some`, lines of which not one is an event are not even kept as rejected.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidFileError: not one line is an event, where that is asked for.
    """
    with operation(
        database,
        account.id,
        actor=actor,
        action="events.receive",
        needs=Permission.WORKFLOW_MANAGE,
        subject=source,
    ) as doing:
        found, kept = _keep_lines(doing.connection, account, lines, written_as, source)
        if all_or_some and not found.accepted and not found.duplicate:
            raise _no_events(found)
        doing.details = {"received": found.received, "accepted": found.accepted}
        doing.silent = not kept
    return found


def _no_events(found: Intake) -> InvalidFileError:
    why = found.rejections[0]["reason"] if found.rejections else "there are no lines"
    return InvalidFileError(
        f"Not one line is an event: {why}.",
        remedy="Write one event a line, as docs/triggers.md shows it.",
    )


def keep_lines(
    connection: Connection,
    account: Account,
    lines: Iterable[bytes],
    *,
    written_as: str = "events",
    source: str,
) -> Intake:
    """Do the work of `receive_lines` in the caller's transaction."""
    return _keep_lines(connection, account, lines, written_as, source)[0]


def _keep_lines(
    connection: Connection, account: Account, lines: Iterable[bytes], written_as: str, source: str
) -> tuple[Intake, bool]:
    """Return what became of the lines, and whether that changed anything."""
    now = datetime.now(UTC)
    found = Intake()
    told = _counted(lines, _READERS[written_as], found, now)
    found.accepted, newly_rejected = events.keep(
        connection, account.id, told, now=now, source=source
    )
    found.duplicate = found.received - found.accepted - found.rejected
    return found, bool(found.accepted or newly_rejected)


def _counted(
    lines: Iterable[bytes],
    read: Callable[[object, datetime], Event | RejectedEvent],
    found: Intake,
    now: datetime,
) -> Iterator[Event | RejectedEvent]:
    for number, line in enumerate(lines, start=1):
        if not line.removeprefix(BOM_UTF8).strip():
            continue
        found.received += 1
        one = _read_line(line, read, now)
        if isinstance(one, RejectedEvent):
            found.rejected += 1
            if len(found.rejections) < MOST_SHOWN:
                found.rejections.append(
                    {"line": number, "event_id": one.event_id, "reason": one.reason}
                )
        yield one


def _read_line(
    line: bytes, read: Callable[[object, datetime], Event | RejectedEvent], now: datetime
) -> Event | RejectedEvent:
    if len(line.strip()) > MAX_BYTES:
        return rejected(_readable(line), f"the line is longer than {MAX_BYTES:,} bytes")
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        # With other characters in place of those, it would be about somebody else.
        return rejected(_readable(line), "the line is not text in UTF-8")
    try:
        document = json.loads(
            text,
            parse_float=_number,
            parse_constant=_no_number,
            object_pairs_hook=_without_repetition,
        )
    except (ValueError, RecursionError) as error:
        return rejected(text, f"the line is not JSON: {_trouble(error)}")
    return read(document, now)


def _readable(line: bytes) -> str:
    return line.decode("utf-8-sig", "replace").strip()


def _trouble(error: ValueError | RecursionError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at character {error.pos + 1}"
        case _OddNumberError() | _RepeatedKeyError():
            return str(error)
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return "it holds a number of too many digits"


class _OddNumberError(ValueError):
    """A number that no database keeps."""


class _RepeatedKeyError(ValueError):
    """A key that an object has twice."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The last of two would count, and the event be about somebody else than the first one says.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKeyError("an object holds the same key twice")
    return found


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _OddNumberError(f"{text[:20]} is too large a number")
    return number


def _no_number(text: str) -> NoReturn:
    raise _OddNumberError(f"{text} is no number")


def _read_event(document: object, now: datetime) -> Event | RejectedEvent:
    return read_event(document, now=now)


def _read_highlevel(payload: object, now: datetime) -> Event | RejectedEvent:
    found = from_highlevel(payload)
    if isinstance(found, Refusal):
        return rejected(payload, found.reason)
    return read_event(found, now=now)


_READERS = {"events": _read_event, "highlevel": _read_highlevel}


def raise_for_changes(
    connection: Connection, operation_id: UUID, mark: int, last: int, *, source: str
) -> int:
    """Raise contact_created and contact_updated for what an operation has changed; return how many.

    In the transaction of the changes, for those at the positions behind `mark` up to `last`.
    """
    return events.keep_changes(connection, operation_id, mark, last, source=source)
