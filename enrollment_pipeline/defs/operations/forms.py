"""The launchpad forms of operations on contacts: requests by the Dagster UI."""

from typing import Any, Union

import dagster as dg
from pydantic import Field

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.bulk_operations import service
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.defs.enrollment.requests import (
    ContactFilter,
    ContactIds,
    CsvFile,
    confined,
    selection_document,
)
from enrollment_pipeline.defs.product import Product, explained


class _Form(dg.Config):
    """What every form asks for."""

    account: str = Field(default="demo", description="Account that owns the contacts.")
    scheduled_at: str = Field(default="", description="ISO time to start at; empty: at once.")
    timezone: str = Field(
        default="", description="Zone of the times without an offset; empty: the account's."
    )
    after: str = Field(default="", description="Operation that must be completed before.")
    cron: str = Field(default="", description="Comes again: a cron expression of 5 fields.")
    rrule: str = Field(default="", description="Comes again: an RRULE (RFC 5545).")
    until: str = Field(default="", description="ISO time after which it does not come again.")
    notify_emails: list[str] = Field(default=[], description="Addresses that are told the end.")
    notify_webhooks: list[str] = Field(default=[], description="URLs that are told the end.")
    request_id: str = Field(
        default="",
        description="Submitting the same id again does not create a second operation. Empty: the "
        "run's, so that a run that is repeated creates none.",
    )
    requested_by: str = Field(default="dagster", description="Who asks, for the record.")


class ImportContacts(_Form):
    """The form of an import."""

    path: str = Field(description="File of contacts, relative to the data folder.")
    format: str = Field(default="auto", description="auto, csv, jsonl or parquet.")
    mode: str = Field(default="upsert", description="upsert, create or update.")
    key: str = Field(
        default="email",
        description="What a row is known by: email, contact_id or custom_fields.NAME.",
    )
    mapping: dict[str, str] = Field(
        default={}, description="Field by column name; an empty field drops the column."
    )
    drop_unmapped: bool = Field(
        default=False, description="On: columns that are no field are dropped, and not kept."
    )
    clear_blanks: bool = Field(default=False, description="On: a blank cell clears the field.")
    reject_duplicates: bool = Field(
        default=False, description="On: of rows with one key the first counts, not the last."
    )
    date_format: str = Field(default="", description="Such as %d/%m/%Y; ISO dates always count.")
    allow_resubscribe: bool = Field(
        default=False, description="On: a looser status in the file counts."
    )
    fire_triggers: bool = Field(default=False, description="On: contacts raise events.")
    max_change_share: float = Field(
        default=1.0,
        description="Share of the account's contacts above which nothing is changed; 1 never.",
    )


class ExportContacts(_Form):
    """The form of an export."""

    filter: dict[str, Any] = Field(default={}, description="Condition tree; empty: all contacts.")
    fields: list[str] = Field(default=[], description="Fields in their order; empty: all.")
    format: str = Field(default="csv", description="csv, jsonl, parquet or xlsx.")


class _Selecting(_Form):
    selection: Union[ContactIds, ContactFilter, CsvFile] = Field(  # noqa: UP007
        discriminator="kind", description="Which contacts: exactly one of ids, filter, csv."
    )
    max_change_share: float = Field(
        default=1.0,
        description="Share of the account's contacts above which nothing is changed; 1 never.",
    )


class UpdateContacts(_Selecting):
    """The form of an update."""

    set: dict[str, str] = Field(default={}, description="Value by field; an empty one clears.")
    add_tags: list[str] = Field(default=[], description="Tags that every contact gets.")
    remove_tags: list[str] = Field(default=[], description="Tags that every contact loses.")
    status: str = Field(default="", description="Status that every contact gets; empty: none.")
    allow_resubscribe: bool = Field(default=False, description="On: also a looser status.")
    fire_triggers: bool = Field(default=False, description="On: contacts raise contact_updated.")


class DeleteContacts(_Selecting):
    """The form of a delete."""


class RollBack(_Form):
    """The form that takes back an operation, or the enrollments of a job."""

    operation: str = Field(default="", description="Id of the operation to roll back.")
    job: str = Field(default="", description="Id of the enrollment job to withdraw, instead.")
    cascade: bool = Field(
        default=False, description="On: created contacts go even if they were enrolled since."
    )


@dg.op(out=dg.Out(dg.Nothing), description="Creates an import; the queue sensor starts its run.")
def create_import(
    context: dg.OpExecutionContext, config: ImportContacts, product: dg.ResourceParam[Product]
) -> None:
    """Submit the form as a request."""
    with explained():
        document = {
            "type": "import",
            "path": confined(product.settings().data, config.path),
            "format": config.format,
            "mode": config.mode,
            "key": config.key,
            "mapping": config.mapping,
            "unmapped": "drop" if config.drop_unmapped else "keep",
            "blanks": "clear" if config.clear_blanks else "keep",
            "duplicates": "reject" if config.reject_duplicates else "last",
            "date_format": config.date_format or None,
            "allow_resubscribe": config.allow_resubscribe,
            "fire_triggers": config.fire_triggers,
            "max_change_share": config.max_change_share,
        }
    _submit(context, config, product, document)


@dg.op(out=dg.Out(dg.Nothing), description="Creates an export; the queue sensor starts its run.")
def create_export(
    context: dg.OpExecutionContext, config: ExportContacts, product: dg.ResourceParam[Product]
) -> None:
    """Submit the form as a request."""
    document = {
        "type": "export",
        "filter": config.filter or None,
        "fields": config.fields,
        "format": config.format,
    }
    _submit(context, config, product, document)


@dg.op(out=dg.Out(dg.Nothing), description="Creates an update; the queue sensor starts its run.")
def create_update(
    context: dg.OpExecutionContext, config: UpdateContacts, product: dg.ResourceParam[Product]
) -> None:
    """Submit the form as a request."""
    with explained():
        document = {
            "type": "update",
            "selection": selection_document(config.selection, product.settings().data),
            "changes": {
                "set": {name: value or None for name, value in config.set.items()},
                "add_tags": config.add_tags,
                "remove_tags": config.remove_tags,
                "status": config.status or None,
            },
            "allow_resubscribe": config.allow_resubscribe,
            "fire_triggers": config.fire_triggers,
            "max_change_share": config.max_change_share,
        }
    _submit(context, config, product, document)


@dg.op(out=dg.Out(dg.Nothing), description="Creates a delete; the queue sensor starts its run.")
def create_delete(
    context: dg.OpExecutionContext, config: DeleteContacts, product: dg.ResourceParam[Product]
) -> None:
    """Submit the form as a request."""
    with explained():
        document = {
            "type": "delete",
            "selection": selection_document(config.selection, product.settings().data),
            "max_change_share": config.max_change_share,
        }
    _submit(context, config, product, document)


@dg.op(out=dg.Out(dg.Nothing), description="Creates a rollback; the queue sensor starts its run.")
def create_rollback(
    context: dg.OpExecutionContext, config: RollBack, product: dg.ResourceParam[Product]
) -> None:
    """Submit the form as a request: exactly one of operation and job."""
    document: dict[str, Any] = {
        "type": "rollback",
        "operation_id": config.operation,
        "cascade": config.cascade,
    }
    if config.job:
        document = {"type": "withdrawal", "job_id": config.job}
        if config.operation:
            # The request knows no such field, and its refusal says so.
            document["operation_id"] = config.operation
    _submit(context, config, product, document)


def _submit(
    context: dg.OpExecutionContext, config: _Form, product: Product, document: dict[str, Any]
) -> None:
    recurring = bool(config.cron or config.rrule)
    # A run that Dagster or a person repeats is still the same request.
    origin = context.run.root_run_id or context.run.run_id
    request = {
        **document,
        "timing": {
            "scheduled_at": config.scheduled_at or None,
            "timezone": config.timezone or None,
            "after": config.after or None,
            "cron": config.cron or None,
            "rrule": config.rrule or None,
            "until": config.until or None,
        },
        "notify": {"emails": config.notify_emails, "webhooks": config.notify_webhooks},
        "request_id": config.request_id or (None if recurring else f"run {origin}"),
        "requested_by": config.requested_by,
    }
    with explained(), product.database() as database:
        account = accounts.find(database, config.account)
        made = service.submit(
            database, product.settings(), account, parse_request(request), source="launchpad"
        )
    # Whoever launched the form finds the operation by its run, without reading the run's events.
    context.instance.add_run_tags(
        context.run.run_id,
        {"enrollment/account": account.name, "enrollment/operation": str(made.operation_id)},
    )
    word = "created" if made.created else "exists already under this request id"
    context.log.info(f"Operation {made.operation_id} {word}.")
    context.add_output_metadata(
        {
            "operation_id": str(made.operation_id),
            "account": config.account,
            "created": made.created,
        }
    )


def _form(name: str, op: dg.OpDefinition, description: str) -> dg.JobDefinition:
    @dg.job(name=name, description=description, executor_def=dg.in_process_executor)
    def form() -> None:
        op()

    return form


JOBS = (
    _form("import_contacts", create_import, "The form to import contacts from a file."),
    _form("export_contacts", create_export, "The form to export contacts to a file."),
    _form("update_contacts", create_update, "The form to change contacts, all in the same way."),
    _form("delete_contacts", create_delete, "The form to delete contacts."),
    _form(
        "roll_back",
        create_rollback,
        "The form to take back an operation, or the enrollments of a job.",
    ),
)
