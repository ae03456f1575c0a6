"""Statements that import contacts: all rows at once, in a transaction of the account."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, distinct_on, insert

from enrollment_pipeline.bulk_operations.contact_rows import ContactRow
from enrollment_pipeline.records import ContactStatus
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.schema import contacts

# COPY is refused on a table with row-level security, so the rows wait in one without.
_SAID = ContactRow._fields[1:]
_incoming = Table(
    "incoming_contacts",
    MetaData(),
    Column("line", Integer, nullable=False),
    *(Column(name, contacts.c[name].type) for name in _SAID),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
_COPY = f"copy incoming_contacts ({', '.join(ContactRow._fields)}) from stdin"
_ONE_IMPORT_AT_A_TIME = text(
    "select pg_advisory_xact_lock(hashtextextended('import of contacts ' || :account, 0))"
)
# Consent only tightens (spec "Import"): a status gives way to a later one of these.
_LOOSE_TO_STRICT = literal(
    [
        ContactStatus.ACTIVE.value,
        ContactStatus.UNSUBSCRIBED.value,
        ContactStatus.BOUNCED.value,
        ContactStatus.BLOCKED.value,
    ],
    ARRAY(Text),
)

# An import adds tags and takes none away.
_ALL_TAGS = literal_column(
    """contacts.tags || array(
      select said.tag from unnest(excluded.tags) with ordinality said (tag, place)
      where said.tag <> all (contacts.tags) order by said.place
    )""",
    ARRAY(Text),
)


def receive(connection: Connection, rows: Iterable[ContactRow]) -> None:
    """Stream rows into the session's temporary table `incoming_contacts`."""
    _incoming.create(connection, checkfirst=False)
    with driver_cursor(connection) as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)


def apply(connection: Connection, account_id: UUID) -> Row[int, int, int, int]:
    """Create and update contacts from what was received.

    Of several rows with one address, the last counts. Returns how many rows were `received`, how
    many `addresses` they hold, and how many contacts were `created` and `updated`.
    """
    # Two imports that meet the same contacts in different orders would wait for each other.
    connection.execute(_ONE_IMPORT_AT_A_TIME, {"account": str(account_id)})
    key = func.lower(_incoming.c.email)
    latest = (
        select(_incoming).ext(distinct_on(key)).order_by(key, _incoming.c.line.desc()).cte("latest")
    )
    values = {
        "account_id": literal(account_id),
        **{name: latest.c[name] for name in _SAID},
        "status": func.coalesce(latest.c.status, ContactStatus.ACTIVE.value),
        "source": literal("import"),
    }
    # In the order of the lines, which the ids then follow.
    found = select(*values.values()).order_by(latest.c.line)
    statement = insert(contacts).from_select(list(values), found)
    merged = _merged(statement)
    written = (
        statement.on_conflict_do_update(
            index_elements=[contacts.c.account_id, contacts.c.email_key],
            index_where=contacts.c.deleted_at.is_(None),
            set_={**merged, "updated_at": func.now()},
            where=or_(*(contacts.c[name].is_distinct_from(new) for name, new in merged.items())),
        )
        # To update a row, the statement locks it, which leaves a mark that a new row has not.
        .returning(literal_column("xmax = 0", Boolean).label("created"))
        .cte("written")
    )
    return connection.execute(
        select(
            select(func.count()).select_from(_incoming).scalar_subquery().label("received"),
            select(func.count()).select_from(latest).scalar_subquery().label("addresses"),
            func.count().filter(written.c.created).label("created"),
            func.count().filter(~written.c.created).label("updated"),
        ).select_from(written)
    ).one()


def _merged(statement: Insert) -> dict[str, ColumnElement[Any]]:
    """Return what each column of a contact becomes; what a row does not say stays."""
    said, kept = statement.excluded, contacts.c
    stricter = _strictness(said.status) > _strictness(kept.status)
    return {
        **{
            name: func.coalesce(said[name], kept[name])
            for name in ("first_name", "last_name", "phone", "birthday", "timezone")
        },
        "status": case((stricter, said.status), else_=kept.status),
        "tags": _ALL_TAGS,
        "custom_fields": kept.custom_fields.op("||")(said.custom_fields),
    }


def _strictness(status: ColumnElement[str]) -> ColumnElement[int]:
    return func.array_position(_LOOSE_TO_STRICT, status, type_=Integer)
