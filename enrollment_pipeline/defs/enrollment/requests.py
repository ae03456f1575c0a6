"""The launchpad form: a request by the Dagster UI."""

from pathlib import Path
from typing import Any, Literal, Union

import dagster as dg
from pydantic import Field

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.errors import PathNotAllowedError


class ContactIds(dg.Config):
    """Contacts by id."""

    kind: Literal["ids"] = "ids"
    contact_ids: list[str] = Field(description="Contact ids (UUIDs).")


class ContactFilter(dg.Config):
    """All contacts that match a condition tree."""

    kind: Literal["filter"] = "filter"
    filter: dict[str, Any] = Field(
        description='Condition tree, e.g. {"conditions": [{"field": "tags", '
        '"operator": "contains", "value": "lead"}]}.'
    )


class CsvFile(dg.Config):
    """The contacts that the rows of a CSV file identify."""

    kind: Literal["csv"] = "csv"
    path: str = Field(description="CSV file, relative to the data folder.")
    identifier_column: Literal["auto", "email", "contact_id"] = Field(
        default="auto", description="What the rows are identified by; auto looks at the header."
    )


class SubmitEnrollment(dg.Config):
    """The launchpad form."""

    account: str = Field(default="demo", description="Account that owns contacts and workflow.")
    workflow: str = Field(description="Name or id of an active workflow.")
    selection: Union[ContactIds, ContactFilter, CsvFile] = Field(  # noqa: UP007
        discriminator="kind", description="Which contacts: exactly one of ids, filter, csv."
    )
    batch_size: int = Field(default=100, description="Contacts in a batch, 10 to 500.")
    lanes: int = Field(default=0, description="Workers on this job, 1 to 5; 0 chooses by size.")
    add_tags: list[str] = Field(default=[], description="Tags every enrolled contact gets.")
    include_unsubscribed: bool = Field(
        default=False, description="On: unsubscribed contacts are enrolled too."
    )
    refuse_duplicates: bool = Field(
        default=False, description="On: an input that names a contact twice is refused."
    )
    max_failure_share: float = Field(
        default=0.5,
        description="Share of failures above which the job pauses, from 200 contacts on; 1 never.",
    )
    notify_emails: list[str] = Field(
        default=[], description="Addresses that are told when the job is closed or paused."
    )
    notify_webhooks: list[str] = Field(
        default=[], description="URLs that are told when the job is closed or paused."
    )
    scheduled_at: str = Field(default="", description="ISO time to start at; empty starts at once.")
    timezone: str = Field(
        default="", description="Zone of scheduled_at where it has no offset; empty: the account's."
    )
    request_id: str = Field(
        default="",
        description="Submitting the same id again does not create a second job. Empty: the run's, "
        "so that a run that is repeated creates none.",
    )
    requested_by: str = Field(default="dagster", description="Who asks, for the record.")


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Creates an enrollment job; the queue sensor starts its run.",
)
def create_enrollment_job(
    context: dg.OpExecutionContext, config: SubmitEnrollment, product: dg.ResourceParam[Product]
) -> None:
    """Submit the form as a request; the job's id is in the output's metadata."""
    with explained(), product.database() as database:
        account = accounts.find(database, config.account)
        document = request_document(config, product.settings().data)
        # A run that Dagster or a person repeats is still the same request.
        origin = context.run.root_run_id or context.run.run_id
        document["request_id"] = config.request_id or f"run {origin}"
        request = parse_request(document)
        job_id, created = service.submit(database, account, request, source="launchpad")
    # Whoever launched the form finds the job by its run, without reading the run's events.
    context.instance.add_run_tags(
        context.run.run_id, {"enrollment/account": account.name, "enrollment/job": str(job_id)}
    )
    word = "created" if created else "exists already under this request id"
    context.log.info(f"Enrollment job {job_id} {word}.")
    context.add_output_metadata(
        {"job_id": str(job_id), "account": config.account, "created": created}
    )


@dg.job(
    description="The form to enroll contacts: opens a job, which the queue then starts.",
    executor_def=dg.in_process_executor,
)
def submit_enrollment() -> None:
    """One op: create the job."""
    create_enrollment_job()


def request_document(config: SubmitEnrollment, data: Path) -> dict[str, Any]:
    """Return the form's fields as a request.

    Raises:
        PathNotAllowedError: the CSV file is not below the data folder.
    """
    return {
        "workflow": config.workflow,
        "selection": selection_document(config.selection, data),
        "options": {
            "batch_size": config.batch_size,
            "lanes": config.lanes or None,
            "add_tags": config.add_tags,
            "skip_unsubscribed": not config.include_unsubscribed,
            "skip_duplicates": not config.refuse_duplicates,
            "max_failure_share": config.max_failure_share,
            "notify": {"emails": config.notify_emails, "webhooks": config.notify_webhooks},
        },
        "scheduled_at": config.scheduled_at or None,
        "timezone": config.timezone or None,
        "request_id": config.request_id or None,
        "requested_by": config.requested_by,
    }


def selection_document(
    selection: ContactIds | ContactFilter | CsvFile, data: Path
) -> dict[str, Any]:
    """Return the part of a form that says which contacts, as the part of a request.

    Raises:
        PathNotAllowedError: the CSV file is not below the data folder.
    """
    match selection:
        case ContactIds(contact_ids=contact_ids):
            return {"type": "manual", "contact_ids": contact_ids}
        case ContactFilter(filter=document):
            return {"type": "filter", "filter": document}
        case CsvFile(path=path, identifier_column=column):
            return {"type": "csv", "path": confined(data, path), "identifier_column": column}


def confined(folder: Path, name: str) -> Path:
    """Return the file below `folder`, links resolved.

    Raises:
        PathNotAllowedError: it lies outside.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise PathNotAllowedError(f"{name!r} lies outside of the data folder {folder}.")
    return path
