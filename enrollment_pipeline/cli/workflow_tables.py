"""Workflows and their problems as documents for programs, and as tables for people.

Does not belong here: the steps as a tree, which is `workflows.tree`.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Union

from enrollment_pipeline.cli.output import facts, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from enrollment_pipeline.records import Workflow
    from enrollment_pipeline.workflows.service import Shown
    from enrollment_pipeline.workflows.store import StoredWorkflow

    AnyWorkflow = Union[Workflow, StoredWorkflow, Shown]  # noqa: UP007


def workflow_document(found: "AnyWorkflow") -> dict[str, Any]:
    """Return what a program is told of a workflow; the more, the more is known of it."""
    from enrollment_pipeline.records import Workflow
    from enrollment_pipeline.workflows.service import Shown

    if isinstance(found, Workflow):
        return {
            "workflow_id": found.id,
            "name": found.name,
            "status": found.status,
            "subject": found.subject,
            "reenrollment": found.reenrollment,
            "required_fields": found.required_fields,
        }
    if isinstance(found, Shown):
        return {
            **workflow_document(found.stored),
            "document": found.document,
            "problems": [problem.as_dict() for problem in found.problems],
        }
    lineage = found.lineage
    return {
        **workflow_document(found.workflow),
        "steps": len(found.config.get("steps", ())),
        "version": found.version,
        "template": None
        if lineage is None
        else {
            "template_id": lineage.template_id,
            "version": lineage.version,
            "category": lineage.category,
            "cloned_at": lineage.cloned_at,
        },
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def _taking(document: Mapping[str, Any]) -> dict[str, str]:
    """Return whom a workflow takes, and on what terms; items have none."""
    if document["subject"] != "contact":
        return {"For": f"{document['subject']}s"}
    return {
        "Enters again": document["reenrollment"],
        "Requires": ", ".join(document["required_fields"]) or "nothing",
    }


def workflow_facts(
    document: Mapping[str, Any], update: Mapping[str, Any] | None
) -> "RenderableType":
    """Return what a workflow is, but for its steps."""
    template = document["template"]
    told = {
        "Workflow": document["name"],
        "Status": document["status"],
        **_taking(document),
        "Version": document["version"],
    }
    if template is not None:
        told["Cloned from"] = f"template {template['template_id']}, version {template['version']}"
    if update is not None:
        told["Update"] = (
            f"version {update['version']} of the template {update['template_name']} is there: "
            f"enrollment templates diff --workflow {document['workflow_id']}"
        )
    return facts({**told, "Id": document["workflow_id"]})


def workflows_table(found: Iterable["StoredWorkflow"]) -> "RenderableType":
    """Return workflows, one a line."""
    rows = [
        (
            one.workflow.name,
            one.workflow.status,
            "" if one.plain else len(one.config["steps"]),
            one.workflow.subject,
            one.workflow.reenrollment,
            ", ".join(one.workflow.required_fields),
            one.id,
        )
        for one in found
    ]
    return table("Name", "Status", "Steps", "For", "Enters again", "Requires", "Id", rows=rows)


def problems_table(problems: Iterable[Mapping[str, str]]) -> "RenderableType":
    """Return problems, one a line, each with its path."""
    rows = [(one["path"] or "document", one["message"]) for one in problems]
    return table("Where", "What is wrong", rows=rows)


def shown_parts(found: "Shown", what: str, *further: "RenderableType") -> "list[RenderableType]":
    """Return what became of a workflow, what keeps it from being active, and its id."""
    parts: list[RenderableType] = [
        f"Workflow {found.workflow.name} {what}; it is {found.workflow.status}."
    ]
    if found.problems:
        parts += [
            "Before it can be activated:",
            problems_table([problem.as_dict() for problem in found.problems]),
        ]
    return [*parts, *further, str(found.workflow.id)]
