"""The contacts that events name, and how often they were started; in the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Text, cast, func, select, text

from enrollment_pipeline.storage.schema import contacts
from enrollment_pipeline.triggers.store import exact_json

_column = contacts.c
# Whatever else is asked of a contact is read only where a filter asks.
_ALWAYS = ("id", "deleted_at")

Contact = Mapping[str, Any]


@dataclass(slots=True)
class People:
    """Contacts by what events name them; of several with one name there is none."""

    by_id: dict[UUID, Contact] = field(default_factory=dict)
    by_email: dict[str, Contact] = field(default_factory=dict)
    by_external_id: dict[str, Contact | None] = field(default_factory=dict)

    def find(
        self, contact_id: UUID | None, email: str | None, external_id: str | None
    ) -> Contact | None:
        """Return the contact that an event names."""
        if contact_id is not None:
            return self.by_id.get(contact_id)
        if email:
            return self.by_email.get(email)
        return self.by_external_id.get(external_id) if external_id else None


def named(
    connection: Connection,
    *,
    ids: Collection[UUID] = (),
    emails: Collection[str] = (),
    external_ids: Collection[str] = (),
    wanted: Collection[str],
) -> People:
    """Return the account's contacts of these names, with the columns `wanted`.

    Deleted ones are among them, unless a living one has the name.
    """
    found = People()
    for row in _rows(connection, _column.id, ids, wanted):
        found.by_id[row["id"]] = row
    if emails:
        # Lower case is left to the database, whose lower() decides what matches.
        asked = connection.execute(_LOWER, {"emails": list(emails)}).all()
        keys = {key for _, key in asked}
        living = _rows(connection, _column.email_key, keys, wanted)
        known = {row["email_key"]: row for row in living}
        gone = _rows(connection, _column.email_key, keys - known.keys(), wanted, deleted=True)
        known |= {row["email_key"]: row for row in gone}
        found.by_email = {email: known[key] for email, key in asked if key in known}
    for row in _rows(connection, _column.external_id, external_ids, wanted, deleted=None):
        _add_external(found.by_external_id, row)
    return found


def starts(
    connection: Connection,
    account_id: UUID,
    pairs: Iterable[tuple[UUID, UUID]],
    *,
    since: datetime,
    at_least: int,
) -> dict[tuple[UUID, UUID], int]:
    """Return how often contacts were enrolled since then, by workflow and contact.

    Of the pairs asked for, those with at least so many.
    """
    asked = list(pairs)
    rows = connection.execute(
        _STARTS,
        {
            "account_id": account_id,
            "workflows": [one[0] for one in asked],
            "contacts": [one[1] for one in asked],
            "since": since,
            "at_least": at_least,
        },
    )
    return {(row.workflow_id, row.contact_id): row.number for row in rows}


_LOWER = text("select e, lower(e) from unnest(cast(:emails as text[])) e")
# One probe of the index for each pair.
_STARTS = text(
    """
    select p.workflow_id, p.contact_id, n.number
    from unnest(cast(:workflows as uuid[]), cast(:contacts as uuid[])) p (workflow_id, contact_id)
    cross join lateral (
      select count(*) as number from enrollment.enrollments e
      where e.account_id = :account_id and e.workflow_id = p.workflow_id
        and e.contact_id = p.contact_id and e.enrolled_at > :since
    ) n
    where n.number >= :at_least
    """
)


def _rows(
    connection: Connection,
    name: ColumnElement[Any],
    values: Collection[Any],
    wanted: Collection[str],
    *,
    deleted: bool | None = False,
) -> Sequence[Contact]:
    """Return contacts by one of their names; of the ids, deleted ones too, as with None."""
    if not values:
        return []
    own = "custom_fields" in wanted
    plain = [one for one in wanted if one != "custom_fields"]
    columns: list[ColumnElement[Any]] = [
        _column[one] for one in dict.fromkeys((*_ALWAYS, str(name.key), *plain))
    ]
    if own:
        columns.append(cast(_column.custom_fields, Text).label("custom_fields"))
    statement = select(*columns).where(name == func.any(list(values)))
    if deleted is not None and name is not _column.id:
        gone = _column.deleted_at
        statement = statement.where(gone.is_not(None) if deleted else gone.is_(None))
    names = [str(column.key) for column in columns]
    rows = [dict(zip(names, row, strict=True)) for row in connection.execute(statement)]
    if own:
        for row in rows:
            row["custom_fields"] = exact_json.read(row["custom_fields"])
    return rows


def _add_external(found: dict[str, Contact | None], row: Contact) -> None:
    key = row["external_id"]
    known = found.get(key)
    if key not in found or (known is not None and known["deleted_at"] is not None):
        found[key] = row
    elif row["deleted_at"] is None:
        # Two living ones: nobody knows which is meant.
        found[key] = None
