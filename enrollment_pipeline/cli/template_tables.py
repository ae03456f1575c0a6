"""Templates and what changes in them, as documents for programs, and as tables for people.

Does not belong here: the steps of a template as a tree, which is `workflows.tree`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from enrollment_pipeline.cli.output import facts, table

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType

    from enrollment_pipeline.templates.service import Change, Offer, Preview, Template, Update

_WHOSE = {"system": "shipped with the product", "custom": "the account's own"}
_LONGEST = 60


def template_document(template: "Template") -> dict[str, Any]:
    """Return what a program is told of a template, without its content."""
    return {
        "template_id": template.id,
        "name": template.name,
        "slug": template.slug,
        "origin": template.origin,
        "category": template.category,
        "description": template.description,
        "tags": template.tags,
        "step_types": template.step_types,
        "version": template.version,
        "used": template.used,
        "created_by": template.created_by,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }


def preview_document(found: "Preview") -> dict[str, Any]:
    """Return what a program is told of a template, and what a clone of it needs."""
    return {
        **template_document(found.template),
        "integrations": found.integrations,
        "values": found.values,
        "shared_by": found.shared_by,
        "shared_with": found.shared_with,
    }


def template_facts(document: Mapping[str, Any]) -> "RenderableType":
    """Return what a template is, but for its steps."""
    told = {
        "Template": document["name"],
        "Description": document["description"],
        "Whose": _WHOSE.get(document["origin"], f"shared by {document['shared_by'] or 'agency'}"),
        "Category": document["category"],
        "Tags": ", ".join(document["tags"]),
        "Version": document["version"],
        "Used": f"{document['used']:,}",
        "Integrations": ", ".join(document["integrations"]) or "none",
        "Asks for": ", ".join(document["values"]) or "nothing",
    }
    if document["origin"] == "custom":
        told["Shared with"] = ", ".join(document["shared_with"]) or "nobody"
    if document["slug"] is not None:
        told["Short name"] = document["slug"]
    return facts({**told, "Id": document["template_id"]})


def templates_table(documents: Iterable[Mapping[str, Any]]) -> "RenderableType":
    """Return templates, one a line."""
    rows = [
        (
            one["name"],
            one["origin"],
            one["category"],
            ", ".join(one["tags"]),
            one["version"],
            f"{one['used']:,}",
            one["slug"] or one["template_id"],
        )
        for one in documents
    ]
    return table(
        "Name", "Origin", "Category", "Tags", "Version", "Used", "Short name or id", rows=rows
    )


def categories_table(documents: Sequence[Mapping[str, Any]]) -> "RenderableType":
    """Return categories with the number of their templates, one a line."""
    origins = [name for name in documents[0] if name != "category"]
    rows = [(one["category"], *(one[origin] for origin in origins)) for one in documents]
    return table("Category", *map(str.capitalize, origins), rows=rows)


def replaced_parts(replaced: Sequence[Mapping[str, Any]]) -> "list[RenderableType]":
    """Return what was personal in a document, and what stands there now."""
    if not replaced:
        return ["Nothing personal was found in it."]
    rows = [(one["path"], one["kind"], one["placeholder"] or "left out") for one in replaced]
    return [
        "What was personal is replaced:",
        table("Where", "What it was", "What is there now", rows=rows),
    ]


def versions_table(versions: Iterable[Mapping[str, Any]]) -> "RenderableType":
    """Return the versions of a template, one a line."""
    rows = [
        (one["version"], _minute(one["created_at"]), one["created_by"], one["note"])
        for one in versions
    ]
    return table("Version", "Made", "By", "Note", rows=rows)


def change_document(change: "Change") -> dict[str, Any]:
    """Return a place, and what stands there before and after."""
    return {
        "id": change.id,
        "kind": change.kind,
        "before": change.before,
        "after": change.after,
    }


def update_document(update: "Update") -> dict[str, Any]:
    """Return a change that a template offers to a clone."""
    return {**change_document(update.change), "conflict": update.conflict}


def changes_table(changes: Iterable[Mapping[str, Any]]) -> "RenderableType":
    """Return changes, or those that are offered, one a line; long texts are cut."""
    rows = [
        (
            one["id"],
            f"{one['kind']}, in conflict" if one.get("conflict") else one["kind"],
            _short(one["before"]),
            _short(one["after"]),
        )
        for one in changes
    ]
    return table("Id", "Kind", "Before", "After", rows=rows)


def offer_document(offer: "Offer") -> dict[str, Any]:
    """Return a clone, its template, and how much the newest version of that would change."""
    lineage = offer.workflow.lineage
    return {
        "workflow_id": offer.workflow.id,
        "workflow_name": offer.workflow.workflow.name,
        "workflow_status": offer.workflow.workflow.status,
        "template_id": offer.template.id,
        "template_name": offer.template.name,
        "version": None if lineage is None else lineage.version,
        "newest_version": offer.template.version,
        "offered": len(offer.updates),
        "conflicts": sum(update.conflict for update in offer.updates),
    }


def offers_table(offers: Iterable[Mapping[str, Any]]) -> "RenderableType":
    """Return clones with a newer version of their template, one a line."""
    rows = [
        (
            one["workflow_name"],
            one["workflow_status"],
            one["template_name"],
            f"{one['version']} -> {one['newest_version']}",
            one["offered"],
            one["conflicts"],
            one["workflow_id"],
        )
        for one in offers
    ]
    return table(
        "Workflow", "Status", "Template", "Version", "Offered", "In conflict", "Id", rows=rows
    )


def usage_parts(document: Mapping[str, Any]) -> "list[RenderableType]":
    """Return how often a template was used, and one page of by whom and when."""
    rows = [
        (
            one["account"],
            one["workflow_name"],
            one["workflow_status"],
            one["version"],
            one["used_by"],
            one["used_at"][:16].replace("T", " "),
            _percent(one["completion_rate"]),
        )
        for one in document["usage"]
    ]
    told = {
        "Template": document["name"],
        "Used": f"{document['usage_count']:,}",
        "Completed": _percent(document["completion_rate"]) or "not known yet",
    }
    columns = ("Account", "Workflow", "Status", "Version", "By", "Used", "Completed")
    return [facts(told), table(*columns, rows=rows)]


def _short(value: object) -> str:
    """Return a value as one short line."""
    if value is None:
        return ""
    # Of a long text, no more is looked at than could be shown.
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(text[: 10 * _LONGEST].split())
    if len(line) <= _LONGEST and len(text) <= 10 * _LONGEST:
        return line
    return f"{line[: _LONGEST - 3]}..."


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"


def _minute(instant: "datetime | None") -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M}"
