"""Finding templates: listed, searched, shown; the account's own, shared and shipped ones together.

Belongs here: what an account sees, and under which name. Does not belong here: what is done with a
template (`cloning`, `saving`, `versions`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.errors import InvalidRequestError, TemplateNotFoundError
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates.documents import (
    CATEGORIES,
    Origin,
    Template,
    category_of,
    workflow_part,
)
from enrollment_pipeline.templates.search import Entry, Hit
from enrollment_pipeline.templates.search import search as ranked
from enrollment_pipeline.templates.shipped_library import shipped_templates
from enrollment_pipeline.templates.store import library, sharing, usage
from enrollment_pipeline.workflows.validation import listed_integrations


@dataclass(frozen=True, slots=True)
class Preview:
    """A template with its document, and what an account lacks for it."""

    template: Template
    document: dict[str, Any]
    shared_by: str | None = None
    shared_with: tuple[str, ...] = ()

    @property
    def integrations(self) -> list[str]:
        """The integrations that a clone needs."""
        return listed_integrations(self.document)

    @property
    def values(self) -> list[str]:
        """The texts that are asked for before a clone can be activated."""
        values = self.document.get("values") or {}
        return [name for name, text in values.items() if not str(text).strip()]


def list_templates(
    database: Database,
    account: Account,
    *,
    category: str | None = None,
    origin: str | None = None,
) -> list[Template]:
    """Return the templates that the account sees, the most used first, then by name.

    Raises:
        InvalidRequestError: there is no such category or origin.
    """
    if category is not None:
        category_of(category)
    if origin is not None and origin not in list(Origin):
        raise InvalidRequestError(f"Templates are {', '.join(Origin)}, and not {origin[:60]!r}.")
    with database.account(account.id) as connection:
        found = all_of(connection, account)
    wanted = (
        one
        for one in found
        if category in (None, one.category) and origin in (None, one.origin.value)
    )
    return sorted(wanted, key=lambda one: (-one.used, one.name.casefold(), str(one.id)))


def categories(database: Database, account: Account) -> dict[str, dict[str, int]]:
    """Return how many templates the account sees in each category: in all, and by origin."""
    with database.account(account.id) as connection:
        found = all_of(connection, account)
    counted = Counter((one.category, one.origin) for one in found)
    return {
        category: {
            "total": sum(counted[category, origin] for origin in Origin),
            **{origin.value: counted[category, origin] for origin in Origin},
        }
        for category in CATEGORIES
    }


def search(
    database: Database, account: Account, query: str, *, limit: int = 20
) -> list[tuple[Template, Hit]]:
    """Return the templates that a query finds, the best first; typing mistakes are forgiven."""
    with database.account(account.id) as connection:
        found = {str(one.id): one for one in all_of(connection, account)}
    entries = [
        Entry(key, one.name, one.description, one.tags, one.category, one.step_types, one.used)
        for key, one in found.items()
    ]
    return [(found[hit.entry.key], hit) for hit in ranked(entries, query, limit=limit)]


def preview(database: Database, account: Account, reference: str) -> Preview:
    """Return a template with the document of its newest version.

    Raises:
        TemplateNotFoundError: the account sees no such template.
    """
    with database.account(account.id) as connection:
        template = find_in(connection, account, reference)
        document = {**document_in(connection, template), "name": template.name}
        others = sharing.shared_with(connection, template.id)
        names = sharing.sub_accounts(connection) if others else {}
        return Preview(
            replace(template, used=usage.count_of(connection, template.id)),
            document,
            sharing.agency_name(connection) if template.origin is Origin.SHARED else None,
            tuple(names[one] for one in others if one in names),
        )


def all_of(connection: Connection, account: Account) -> list[Template]:
    """Return every template that the account sees, with how often it was used."""
    counts = usage.counts(connection)
    known = [*library.visible(connection, account.id), *_shipped()]
    return [replace(one, used=counts.get(one.id, 0)) for one in known]


def find_in(connection: Connection, account: Account, reference: str) -> Template:
    """Return a template by id, name in any letter case, or the short name of a shipped one.

    Of several of one name, the account's own comes before a shared one, and that before a shipped.

    Raises:
        TemplateNotFoundError: the account sees no such template.
    """
    found: Template | None = None
    try:
        template_id = UUID(reference.strip())
    except ValueError:
        candidates = [*library.visible(connection, account.id), *_shipped()]
        found = _named(candidates, reference)
    else:
        found = find_by_id(connection, account, template_id)
    if found is None:
        raise TemplateNotFoundError(f"There is no template {reference[:200]!r} in this account.")
    return found


def find_by_id(connection: Connection, account: Account, template_id: UUID) -> Template | None:
    """Return the template of that id, None where the account sees none."""
    shipped = shipped_templates().get(template_id)
    if shipped is not None:
        return shipped.template
    return library.with_id(connection, account.id, template_id)


def document_in(
    connection: Connection, template: Template, version: int | None = None
) -> dict[str, Any]:
    """Return the workflow document of a version of a template, by default of the newest.

    Raises:
        TemplateNotFoundError: that version is not kept.
    """
    wanted = template.version if version is None else version
    shipped = shipped_templates().get(template.id)
    if shipped is not None and shipped.template.version == wanted:
        return dict(shipped.document)
    document = library.document_of(connection, template.id, wanted)
    if document is None:
        raise TemplateNotFoundError(
            f"The template {template.name!r} has no version {wanted} here.",
            remedy=f"List its versions with: enrollment templates history {template.id}",
        )
    return workflow_part(document)


def is_shipped_name(name: str) -> bool:
    """Return whether a shipped template has this name or short name, in any letter case."""
    return _named(_shipped(), name) is not None


def _shipped() -> list[Template]:
    return [one.template for one in shipped_templates().values()]


_ORDER: Mapping[Origin, int] = {Origin.CUSTOM: 0, Origin.SHARED: 1, Origin.SYSTEM: 2}


def _named(candidates: Iterable[Template], reference: str) -> Template | None:
    wanted = reference.strip().casefold()
    named = [one for one in candidates if wanted in (one.name.casefold(), one.slug)]
    return min(named, key=lambda one: _ORDER[one.origin], default=None)
