"""Reading what triggers did: the log, the events, and how many came to what each day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from enrollment_pipeline.conditions.explain import mask, show
from enrollment_pipeline.errors import ContactNotFoundError, InvalidRequestError
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.evaluation import Result
from enrollment_pipeline.triggers.keeping import find
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline.triggers.store import contacts, daily, evaluations, events

EVENT_STATES = ("pending", "processed", "rejected")


def list_log(
    database: Database,
    account: Account,
    *,
    trigger: str | None = None,
    contact: str | None = None,
    event_id: str | None = None,
    result: str | None = None,
    limit: int = 50,
    page: int = 1,
) -> dict[str, Any]:
    """Return one page of the log, newest first, and the number of its rows.

    `trigger` is an id, or the name of its workflow; `contact` an id or an e-mail address.

    Raises:
        ContactNotFoundError: the account has no such contact.
        InvalidRequestError: there is no such result, or no such page.
        TriggerNotFoundError: the account has no such trigger.
    """
    if result is not None and result not in list(Result):
        raise InvalidRequestError(
            f"There is no result {result!r}.", remedy=f"Use one of: {', '.join(Result)}."
        )
    offset = offset_of(limit, page)
    if event_id is not None and not _is_text(event_id):
        return {"log": [], "total": 0, "page": page}
    trigger_id = None if trigger is None else find(database, account, trigger).id
    with database.account(account.id) as connection:
        wanted = evaluations.LogFilter(
            trigger_id=trigger_id,
            contact_id=None if contact is None else contact_of(connection, contact),
            event_id=event_id,
            result=result,
        )
        rows, total = evaluations.log_page(connection, wanted, limit=limit, offset=offset)
    return {"log": [_entry(row) for row in rows], "total": total, "page": page}


def list_events(
    database: Database,
    account: Account,
    *,
    status: str | None = None,
    event_type: str | None = None,
    limit: int = 50,
    page: int = 1,
) -> dict[str, Any]:
    """Return one page of the events, newest first, and their number; addresses are masked.

    Raises:
        InvalidRequestError: there is no such status or event type, or no such page.
    """
    if status is not None and status not in EVENT_STATES:
        raise InvalidRequestError(
            f"There is no status {status!r}.", remedy=f"Use one of: {', '.join(EVENT_STATES)}."
        )
    offset = offset_of(limit, page)
    known = event_type is None or event_type in EVENT_TYPES
    rows: Sequence[Row[Any]] = ()
    total = 0
    if event_type is None or _is_text(event_type):
        with database.account(account.id) as connection:
            rows, total = events.page(
                connection, status=status, type_=event_type, limit=limit, offset=offset
            )
            # A rejected event is kept under the type that its sender has misspelt.
            known = known or bool(total or events.has_type(connection, event_type))
    if not known:
        raise InvalidRequestError(
            f"There is no event type {event_type!r}, and no event that came in under it.",
            remedy="List them: enrollment triggers types",
        )
    return {"events": [_event(row) for row in rows], "total": total, "page": page}


def analytics(
    database: Database,
    account: Account,
    *,
    first: date,
    last: date,
    trigger: str | None = None,
) -> list[dict[str, Any]]:
    """Return how many came to what on each of these days, by the account's clock.

    Shape of an entry: `{"day", "evaluated", "matched", "enrolled", "refused": {reason: number}}`.

    Raises:
        InvalidRequestError: the last day is before the first.
        TriggerNotFoundError: the account has no such trigger.
    """
    if last < first:
        raise InvalidRequestError("The last day is before the first.")
    zone = ZoneInfo(account.settings.timezone)
    since = datetime.combine(first, datetime.min.time(), zone).astimezone(UTC)
    until = datetime.combine(last + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
    trigger_id = None if trigger is None else find(database, account, trigger).id
    with database.account(account.id) as connection:
        rows = daily.counts(
            connection, since=since, until=until, zone=account.settings.timezone, only=trigger_id
        )
    days = {
        first + timedelta(days=number): _nothing(first + timedelta(days=number))
        for number in range((last - first).days + 1)
    }
    for row in rows:
        _count(days[row.day], row)
    return list(days.values())


def contact_of(connection: Connection, reference: str) -> UUID:
    """Return the id of the contact that an id or an e-mail address names, also of a deleted one.

    Raises:
        ContactNotFoundError: the account has none.
    """
    text = reference.strip()
    try:
        found = contacts.named(connection, ids={UUID(text)}, wanted=())
        contact = found.find(UUID(text), None, None)
    except ValueError:
        # What no text in the database can hold is nobody's address.
        emails = {text} if text.isprintable() else set()
        found = contacts.named(connection, emails=emails, wanted=())
        contact = found.find(None, text, None)
    if contact is None:
        raise ContactNotFoundError(f"There is no contact {mask(text)} in this account.")
    contact_id: UUID = contact["id"]
    return contact_id


def _nothing(day: date) -> dict[str, Any]:
    return {"day": day.isoformat(), "evaluated": 0, "matched": 0, "enrolled": 0, "refused": {}}


def _count(day: dict[str, Any], row: Row[Any]) -> None:
    day["evaluated"] += row.number
    day["matched"] += row.number if row.matched else 0
    if row.enrolled:
        day["enrolled"] += row.number
    else:
        day["refused"][row.why] = day["refused"].get(row.why, 0) + row.number


def _entry(row: Row[Any]) -> dict[str, Any]:
    kept = row._mapping
    plain = ("event_id", "event_type", "occurrence", "result", "matched", "enrolled", "reason")
    return {
        "evaluated_at": _iso(row.evaluated_at),
        "trigger_id": str(row.trigger_id),
        "workflow_name": row.workflow_name,
        "contact_id": None if row.contact_id is None else str(row.contact_id),
        **{name: kept[name] for name in plain},
        "due_at": _iso(row.due_at),
        "fire_at": _iso(row.fire_at),
        "job_id": None if row.job_id is None else str(row.job_id),
    }


def _event(row: Row[Any]) -> dict[str, Any]:
    return {
        "event_id": row.event_id,
        "type": row.type,
        "status": row.status,
        "contact_id": None if row.contact_id is None else str(row.contact_id),
        "email": None if row.email is None else mask(row.email),
        "external_id": None if row.external_id is None else show(row.external_id)[1:-1],
        "occurred_at": _iso_of_utc(row.occurred_at),
        "received_at": _iso_of_utc(row.received_at),
        "processed_at": _iso_of_utc(row.processed_at),
        "source": row.source,
        "rejection": row.rejection,
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()


def _iso_of_utc(naive: datetime | None) -> str | None:
    return None if naive is None else naive.replace(tzinfo=UTC).isoformat()


def _is_text(text: str) -> bool:
    """Return whether the database could hold it; what it cannot hold is in no row."""
    return "\0" not in text and text == text.encode("utf-8", "replace").decode()
