"""The contacts that events name, and how often they were started; in the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Text, cast, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

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
    emails: AbstractSet[str] = frozenset(),
    external_ids: Collection[str] = (),
    wanted: Collection[str],
) -> People:
    """Return the account's contacts of these names, with the columns `wanted`.

    Deleted ones are among them, unless a living one has the name.
    """
    found = People()
    for row in _rows(connection, _column.id, ids, wanted):
        found.by_id[row["id"]] = row
    found.by_email = _by_email(connection, emails, wanted, deleted=False)
    found.by_email |= _by_email(connection, emails - found.by_email.keys(), wanted, deleted=True)
    for row in _rows(connection, _column.external_id, external_ids, wanted):
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
) -> list[dict[str, Any]]:
    """Return contacts by one of their names, deleted ones too."""
    if not values:
        return []
    columns = _columns((*_ALWAYS, str(name.key)), wanted)
    return _read(connection, select(*columns).where(name == func.any(list(values))))


def _by_email(
    connection: Connection, emails: AbstractSet[str], wanted: Collection[str], *, deleted: bool
) -> dict[str, Contact]:
    """Return contacts by the addresses as they are asked for."""
    if not emails:
        return {}
    # Lower case is left to the database, whose lower() decides what matches. Made beforehand: under
    # row-level security no index serves a comparison with a function in it.
    said = func.unnest(literal(list(emails), ARRAY(Text))).column_valued("said")
    asked = (
        select(said.label("said"), func.lower(said).label("key"))
        .cte("asked")
        .prefix_with("materialized")
    )
    gone = _column.deleted_at
    statement = (
        select(asked.c.said, *_columns(_ALWAYS, wanted))
        .select_from(asked.join(contacts, _column.email_key == asked.c.key))
        .where(gone.is_not(None) if deleted else gone.is_(None))
    )
    return {row.pop("said"): row for row in _read(connection, statement)}


def _columns(always: Iterable[str], wanted: Collection[str]) -> list[ColumnElement[Any]]:
    names = dict.fromkeys((*always, *(one for one in wanted if one != "custom_fields")))
    columns: list[ColumnElement[Any]] = [_column[name] for name in names]
    if "custom_fields" in wanted:
        columns.append(cast(_column.custom_fields, Text).label("custom_fields"))
    return columns


def _read(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    found = connection.execute(statement)
    names = list(found.keys())
    rows = [dict(zip(names, row, strict=True)) for row in found]
    if "custom_fields" in names:
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
