"""Who is due: contacts by the dates that time triggers go by, streamed; and how far it was looked.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Engine,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    column,
    extract,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from enrollment_pipeline.clocks.local_time import zone_names
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import FieldKind
from enrollment_pipeline.conditions.sql_values import SqlText
from enrollment_pipeline.storage.schema import contacts, trigger_evaluations, trigger_watermarks
from enrollment_pipeline.triggers.store import exact_json

CHUNK = 5_000
"""Contacts in memory at a time."""

_contact = contacts.c
_KNOWN_ZONES: WeakKeyDictionary[Engine, list[str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class YearlyDue:
    """Of contacts in a zone, those whose month and day is `key` are due at that instant.

    `year` is the one that is celebrated.
    """

    zone: str
    key: int
    year: int
    at: datetime


@dataclass(frozen=True, slots=True)
class DatedDue:
    """Of contacts in a zone, those whose date is `day` are due at that instant."""

    zone: str
    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class DueContact:
    """A contact that is due: its columns, the occurrence it is, and when."""

    contact: dict[str, Any]
    occurrence: str
    due_at: datetime


def born_on(
    connection: Connection,
    trigger_id: UUID,
    due: Sequence[YearlyDue],
    *,
    account_zone: str,
    wanted: Collection[str],
) -> Iterator[list[DueContact]]:
    """Yield the contacts whose birthday is due and has not fired this year."""
    dues = _yearly(due)
    zone = _zone_of_contact(known_zones(connection), account_zone)
    query = (
        _select(wanted, func.cast(dues.c.year, Text).label("occurrence"), dues.c.at)
        .select_from(
            contacts.join(dues, and_(dues.c.key == _contact.birthday_key, dues.c.zone == zone))
        )
        # By the index; the zones are looked at afterwards.
        .where(_contact.birthday_key == func.any(literal(_keys(due), ARRAY(SmallInteger))))
        .where(extract("year", _contact.birthday) <= dues.c.year)
    )
    yield from _chunks(connection, trigger_id, query, wanted)


def anniversary_of(
    connection: Connection,
    trigger_id: UUID,
    field: str,
    due: Sequence[YearlyDue],
    *,
    account_zone: str,
    wanted: Collection[str],
) -> Iterator[list[DueContact]]:
    """Yield the contacts of whose date a year, or several, have passed, and who were not told."""
    dues = _yearly(due)
    zone = _zone_of_contact(known_zones(connection), account_zone)
    day = _day_of(field, zone)
    key = extract("month", day) * 100 + extract("day", day)
    query = (
        _select(wanted, _of_field(func.cast(dues.c.year, Text), field), dues.c.at)
        .select_from(contacts.join(dues, and_(dues.c.key == key, dues.c.zone == zone)))
        .where(extract("year", day) < dues.c.year)
    )
    yield from _chunks(connection, trigger_id, query, wanted)


def dated_on(
    connection: Connection,
    trigger_id: UUID,
    field: str,
    due: Sequence[DatedDue],
    *,
    account_zone: str,
    wanted: Collection[str],
) -> Iterator[list[DueContact]]:
    """Yield the contacts whose date has come, or is so many days away, and has not fired."""
    dues = (
        func.unnest(
            literal([one.zone for one in due], ARRAY(Text)),
            literal([one.day for one in due], ARRAY(Date)),
            literal([one.at for one in due], ARRAY(DateTime(timezone=True))),
        )
        .table_valued(
            column("zone", Text), column("day", Date), column("at", DateTime(timezone=True))
        )
        .render_derived("dues")
    )
    zone = _zone_of_contact(known_zones(connection), account_zone)
    day = _day_of(field, zone)
    query = _select(
        wanted, _of_field(func.to_char(dues.c.day, "YYYY-MM-DD"), field), dues.c.at
    ).select_from(contacts.join(dues, and_(dues.c.day == day, dues.c.zone == zone)))
    yield from _chunks(connection, trigger_id, query, wanted)


def matching(
    connection: Connection,
    trigger_id: UUID,
    condition: ColumnElement[bool],
    occurrence: str,
    at: datetime,
) -> Iterator[list[DueContact]]:
    """Yield the contacts that a recurring trigger takes and that this time has not fired for."""
    query = _select(
        (),
        literal(occurrence, Text).label("occurrence"),
        literal(at, DateTime(timezone=True)).label("at"),
    ).where(condition)
    yield from _chunks(connection, trigger_id, query, ())


def known_zones(connection: Connection) -> list[str]:
    """Return the names of the time zones that this program and the database both know, in order.

    One name that the database does not know would fail the look at everybody. Asked once for each
    server, because it reads the files of all zones.
    """
    engine = connection.engine
    found = _KNOWN_ZONES.get(engine)
    if found is None:
        names = connection.scalars(text("select name from pg_timezone_names"))
        found = _KNOWN_ZONES[engine] = sorted(zone_names().intersection(names))
    return found


def zones_lived_in(connection: Connection) -> set[str]:
    """Return what living contacts have as their time zone."""
    return set(
        connection.scalars(
            select(_contact.timezone)
            .where(_contact.deleted_at.is_(None), _contact.timezone.is_not(None))
            .distinct()
        )
    )


def lock_trigger(connection: Connection, trigger_id: UUID) -> None:
    """Let one look at a trigger's occurrences at a time pass, so that none fires twice."""
    connection.execute(_ONE_LOOK_AT_A_TIME, {"trigger": str(trigger_id)})


def watermark(connection: Connection, account_id: UUID) -> datetime | None:
    """Return up to when the account's time triggers were looked at; None where never."""
    return connection.execute(
        select(trigger_watermarks.c.evaluated_until).where(
            trigger_watermarks.c.account_id == account_id
        )
    ).scalar_one_or_none()


def advance(connection: Connection, account_id: UUID, until: datetime) -> None:
    """Write down that the account's time triggers were looked at up to then."""
    connection.execute(_ADVANCE, {"account_id": account_id, "until": until})


_ONE_LOOK_AT_A_TIME = text(
    "select pg_advisory_xact_lock(hashtextextended('occurrences of ' || :trigger, 0))"
)
_ADVANCE = text(
    """
    insert into enrollment.trigger_watermarks as kept (account_id, evaluated_until)
    values (:account_id, :until)
    on conflict (account_id) do update
    set evaluated_until = greatest(kept.evaluated_until, excluded.evaluated_until)
    """
)


def _yearly(due: Sequence[YearlyDue]) -> FromClause:
    return (
        func.unnest(
            literal([one.zone for one in due], ARRAY(Text)),
            literal([one.key for one in due], ARRAY(SmallInteger)),
            literal([one.year for one in due], ARRAY(Integer)),
            literal([one.at for one in due], ARRAY(DateTime(timezone=True))),
        )
        .table_valued(
            column("zone", Text),
            column("key", SmallInteger),
            column("year", Integer),
            column("at", DateTime(timezone=True)),
        )
        .render_derived("dues")
    )


def _keys(due: Sequence[YearlyDue]) -> list[int]:
    return sorted({one.key for one in due})


def _zone_of_contact(zones: Sequence[str], account_zone: str) -> ColumnElement[str]:
    """Return the zone whose clock a contact goes by; what is no known zone counts as none."""
    known = func.any(literal(zones, ARRAY(Text)))
    return case((_contact.timezone == known, _contact.timezone), else_=literal(account_zone, Text))


def _day_of(field: str, zone: ColumnElement[str]) -> ColumnElement[Any]:
    """Return the day that a date field names, by the contact's clock where it names a time."""
    found = CONTACT_FIELDS.find(field)
    if found is None:
        raise LookupError(field)
    kept: ColumnElement[Any] = _contact[found.path[0]]
    if found.kind is FieldKind.DATE:
        return kept
    if found.kind is FieldKind.INSTANT:
        return cast(func.timezone(zone, kept), Date)
    for name in found.path[1:-1]:
        kept = kept.op("->")(literal(name, Text))
    said = SqlText(kept.op("->>", return_type=Text())(literal(found.path[-1], Text)))
    moment = said.moment()
    return case(
        (func.length(said.raw) == 10, cast(func.timezone("UTC", moment), Date)),
        else_=cast(func.timezone(zone, moment), Date),
    )


def _of_field(key: ColumnElement[str], field: str) -> ColumnElement[str]:
    """Return the occurrence of a year or a day of a field: of another field it is another one."""
    return key.op("||")(literal(f" {field}", Text)).label("occurrence")


def _select(
    wanted: Collection[str], occurrence: ColumnElement[Any], at: ColumnElement[Any]
) -> Select[Any]:
    names = dict.fromkeys(("id", *(one for one in wanted if one != "custom_fields")))
    columns: list[ColumnElement[Any]] = [_contact[name] for name in names]
    if "custom_fields" in wanted:
        columns.append(cast(_contact.custom_fields, Text).label("custom_fields"))
    # Who came later is not told of what was due before.
    return select(*columns, occurrence, at.label("due_at")).where(
        _contact.deleted_at.is_(None), _contact.created_at <= at
    )


def _chunks(
    connection: Connection, trigger_id: UUID, query: Select[Any], wanted: Collection[str]
) -> Iterator[list[DueContact]]:
    """Yield what a query finds and has not fired, without holding all of it."""
    found = query.cte("due_contacts")
    kept = trigger_evaluations
    fresh = select(found).where(
        ~select(literal(1))
        .where(kept.c.trigger_id == literal(trigger_id))
        .where(kept.c.contact_id == found.c.id, kept.c.occurrence == found.c.occurrence)
        .where(kept.c.result.in_(("fired", "queued")))
        .exists()
    )
    own = "custom_fields" in wanted
    with connection.execute(fresh, execution_options={"yield_per": CHUNK}) as rows:
        for part in rows.partitions():
            chunk = []
            for row in part:
                contact = dict(row._mapping)
                occurrence, due_at = contact.pop("occurrence"), contact.pop("due_at")
                if own:
                    contact["custom_fields"] = exact_json.read(contact["custom_fields"])
                chunk.append(DueContact(contact, occurrence, due_at))
            yield chunk
