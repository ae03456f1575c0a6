"""The form of the Dagster UI that makes a workflow of a template.

Belongs here: the form, what its run tells, and that a run that is repeated makes no second one.
Does not belong here: what a clone is, which is `templates.cloning`.
"""

import re

import dagster as dg
from pydantic import Field

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.service import Template
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.service import Shown

ACCOUNT_TAG = "enrollment/account"
WORKFLOW_TAG = "enrollment/workflow"


class CloneTemplate(dg.Config):
    """The launchpad form."""

    account: str = Field(default="demo", description="Account that gets the workflow.")
    template: str = Field(description="Name, short name or id of a template.")
    name: str = Field(
        default="",
        description="Name of the workflow. Empty: the template's, with a number where it is taken.",
    )
    values: dict[str, str] = Field(
        default={},
        description='Texts that the template asks for, e.g. {"shop_link": "https://..."}.',
    )
    activate: bool = Field(
        default=False,
        description="On: the workflow takes contacts at once. Where something is missing for that, "
        "the run fails and the workflow stays a draft.",
    )
    requested_by: str = Field(default="dagster", description="Who asks, for the record.")


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Makes a workflow of a template, and activates it where that is asked for.",
)
def create_clone(
    context: dg.OpExecutionContext, config: CloneTemplate, product: dg.ResourceParam[Product]
) -> None:
    """Clone once, however often the run is repeated; the workflow is in the output's metadata."""
    with explained(), product.database() as database:
        account = accounts.find(database, config.account)
        template = templates.preview(database, account, config.template).template
        # A run that Dagster or a person repeats is still the same request.
        origin = context.run.root_run_id or context.run.run_id
        workflow_id = templates.clone(
            database,
            account,
            str(template.id),
            name=config.name.strip() or None,
            values=config.values,
            request_id=f"run {origin}",
            actor=config.requested_by,
        ).stored.id
        # Whoever launched the form finds the workflow by its run, also where activating fails.
        context.instance.add_run_tags(
            context.run.run_id, {ACCOUNT_TAG: account.name, WORKFLOW_TAG: str(workflow_id)}
        )
        context.log.info(f"Workflow {workflow_id} is a clone of {template.name!r}.")
        if config.activate:
            workflows.activate(database, account, str(workflow_id), actor=config.requested_by)
        shown = workflows.show(database, account, str(workflow_id))
    context.add_output_metadata(_metadata(shown, template))


@dg.job(
    description="The form to make a workflow of a template.",
    executor_def=dg.in_process_executor,
)
def clone_template() -> None:
    """One op: clone."""
    create_clone()


def _metadata(shown: Shown, template: Template) -> dict[str, dg.MetadataValue | str | int]:
    lineage = shown.stored.lineage
    return {
        "workflow_id": str(shown.stored.id),
        "workflow": shown.workflow.name,
        "status": shown.workflow.status.value,
        "template": template.name,
        "version": template.version if lineage is None else lineage.version,
        "steps": len(shown.document.get("steps", ())),
        "problems": dg.MetadataValue.table(
            [
                dg.TableRecord({"path": one.path or "document", "message": one.message})
                for one in shown.problems
            ],
            schema=dg.TableSchema(
                [dg.TableColumn("path", "string"), dg.TableColumn("message", "string")]
            ),
        ),
        "diagram": dg.MetadataValue.md(_fenced("mermaid", workflows.mermaid(shown.document))),
        "tree": dg.MetadataValue.md(_fenced("text", "\n".join(workflows.tree(shown.document)))),
    }


def _fenced(language: str, text: str) -> str:
    """Return a text as a block of Markdown, whatever is in it."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
