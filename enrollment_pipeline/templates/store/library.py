"""Templates that accounts have made, and their versions.

Row-level security shows an account its own and those that its agency has shared with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from enrollment_pipeline.storage.schema import template_versions, templates
from enrollment_pipeline.templates.documents import Origin, Template, step_types_of

_column = templates.c
_version = template_versions.c
_ONE_NEW_AT_A_TIME = text(
    "select pg_advisory_xact_lock("
    "hashtextextended('new template ' || enrollment.current_account(), 0))"
)


def visible(connection: Connection, account_id: UUID) -> list[Template]:
    """Return the templates of the account and those shared with it."""
    rows = connection.execute(select(templates).where(_column.deleted_at.is_(None)))
    return [_template(row, account_id) for row in rows]


def with_id(
    connection: Connection, account_id: UUID, template_id: UUID, *, lock: bool = False
) -> Template | None:
    """Return a visible template; with `lock`, one of the account's own, and nobody changes it."""
    statement = select(templates).where(_column.id == template_id, _column.deleted_at.is_(None))
    if lock:
        statement = statement.where(_column.account_id == account_id).with_for_update()
    row = connection.execute(statement).first()
    return None if row is None else _template(row, account_id)


def lock_new(connection: Connection) -> None:
    """Let one new template of the account at a time pass, so that the limit holds."""
    connection.execute(_ONE_NEW_AT_A_TIME)


def count_own(connection: Connection, account_id: UUID) -> int:
    """Return how many templates the account has made and not deleted."""
    return connection.execute(
        select(func.count()).where(_column.account_id == account_id, _column.deleted_at.is_(None))
    ).scalar_one()


def add(
    connection: Connection, account_id: UUID, values: Mapping[str, Any], *, actor: str
) -> UUID | None:
    """Insert a template and return its id; None where the account has one of that name."""
    statement = (
        insert(templates)
        .values(account_id=account_id, created_by=actor, **values)
        .on_conflict_do_nothing()
        .returning(_column.id)
    )
    found: UUID | None = connection.scalar(statement)
    return found


def change(connection: Connection, template_id: UUID, values: Mapping[str, Any]) -> None:
    """Write what has changed of a template."""
    connection.execute(
        update(templates).where(_column.id == template_id).values(updated_at=func.now(), **values)
    )


def delete(connection: Connection, template_id: UUID) -> None:
    """Let a template be found no more; its versions and its clones stay."""
    connection.execute(
        update(templates).where(_column.id == template_id).values(deleted_at=func.now())
    )


def name_is_free(connection: Connection, account_id: UUID, name: str, template_id: UUID) -> bool:
    """Return whether no other template of the account has the name, in any letter case."""
    statement = select(_column.id).where(
        _column.account_id == account_id,
        _column.deleted_at.is_(None),
        func.lower(_column.name) == func.lower(name),
        _column.id != template_id,
    )
    return connection.execute(statement).first() is None


def add_version(
    connection: Connection,
    account_id: UUID,
    template_id: UUID,
    version: int,
    document: Mapping[str, Any],
    *,
    note: str = "",
    actor: str,
) -> None:
    """Keep a version of a template; one that is kept already stays as it is."""
    connection.execute(
        insert(template_versions)
        .values(
            account_id=account_id,
            template_id=template_id,
            version=version,
            document=dict(document),
            note=note,
            created_by=actor,
        )
        .on_conflict_do_nothing()
    )


def document_of(connection: Connection, template_id: UUID, version: int) -> dict[str, Any] | None:
    """Return the document of a version, the account's own copy or the one shared with it."""
    statement = select(_version.document).where(
        _version.template_id == template_id, _version.version == version
    )
    found: dict[str, Any] | None = connection.scalar(statement.limit(1))
    return found


def versions(connection: Connection, template_id: UUID) -> Iterable[Row[Any]]:
    """Return version, note, who and when of all that are kept, the newest first, each once."""
    statement = (
        select(_version.version, _version.note, _version.created_by, _version.created_at)
        .ext(distinct_on(_version.version))
        .where(_version.template_id == template_id)
        .order_by(_version.version.desc(), _version.created_at)
    )
    return connection.execute(statement)


def values_of(
    name: str,
    description: str,
    category: str,
    tags: Sequence[str],
    document: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the columns that say what a template is."""
    return {
        "name": name,
        "description": description,
        "category": category,
        "tags": list(tags),
        "step_types": list(step_types_of(document)),
    }


def _template(row: Row[Any], account_id: UUID) -> Template:
    return Template(
        id=row.id,
        name=row.name,
        description=row.description,
        category=row.category,
        tags=tuple(row.tags),
        step_types=tuple(row.step_types),
        version=row.version,
        origin=Origin.CUSTOM if row.account_id == account_id else Origin.SHARED,
        account_id=row.account_id,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
