"""Workflows as the rest of the product asks for them.

Belongs here: nothing but the names. Making and changing them is in `keeping`, their statuses in
`moving`, the integrations that they need in `connecting`, how they look in `tree` and `mermaid`.
"""

from enrollment_pipeline.storage.workflow_rows import find_workflow as find_in
from enrollment_pipeline.workflows.checking import missing_integrations, refuse
from enrollment_pipeline.workflows.connecting import (
    connect,
    details_of_integrations,
    disconnect,
    list_integrations,
)
from enrollment_pipeline.workflows.keeping import (
    Shown,
    add_document,
    change,
    create,
    create_from,
    document_of,
    edit,
    find,
    free_name,
    list_workflows,
    lock_new,
    locked,
    show,
    show_in,
    validate,
)
from enrollment_pipeline.workflows.mermaid import mermaid
from enrollment_pipeline.workflows.moving import activate, archive, pause
from enrollment_pipeline.workflows.store import Lineage, StoredWorkflow, clones
from enrollment_pipeline.workflows.tree import tree

__all__ = [
    "Lineage",
    "Shown",
    "StoredWorkflow",
    "activate",
    "add_document",
    "archive",
    "change",
    "clones",
    "connect",
    "create",
    "create_from",
    "details_of_integrations",
    "disconnect",
    "document_of",
    "edit",
    "find",
    "find_in",
    "free_name",
    "list_integrations",
    "list_workflows",
    "lock_new",
    "locked",
    "mermaid",
    "missing_integrations",
    "pause",
    "refuse",
    "show",
    "show_in",
    "tree",
    "validate",
]
