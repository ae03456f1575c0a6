"""The launchpad form of a batch: items by the Dagster UI."""

from typing import Any

import dagster as dg
from pydantic import Field

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.enrollment.requests import confined
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.errors import InvalidRequestError, NothingAcceptedError
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.request import GivenItem, name_key
from enrollment_pipeline.runs.concurrency import at_once
from enrollment_pipeline.settings import Settings

_COLUMNS = {
    "line": "int",
    "position": "int",
    "role_name": "string",
    "code": "string",
    "message": "string",
}


class Item(dg.Config):
    """One item of the form."""

    role_name: str = Field(description="Name of the role.")
    reference_name: str = Field(
        default="", description="What it is called in the reference catalogue; empty: unknown."
    )
    attributes: dict[str, Any] = Field(default={}, description="What is known of it, by name.")
    documents: list[Any] = Field(default=[], description="Its documents, such as their URLs.")
    workflow: str = Field(default="", description="Its own workflow; empty: that of the batch.")


class SubmitOnboarding(dg.Config):
    """The form."""

    account: str = Field(default="demo", description="Account that owns the workflow.")
    company: str = Field(
        default="", description="Whose items they are; empty: the company that the file names."
    )
    workflow: str = Field(
        default="", description="Name or id of an active workflow; empty: Role onboarding."
    )
    path: str = Field(
        default="",
        description="File of items (CSV, JSON or YAML), relative to the data folder.",
    )
    items: list[Item] = Field(default=[], description="The items, instead of a file.")
    skip_enhancement: bool = Field(
        default=False, description="On: steps that are enhancements are left out."
    )
    force_rerun: bool = Field(
        default=False, description="On: what is ready already is onboarded again."
    )
    priority: int = Field(
        default=0, description="Which of the account's batches comes first, -100 to 100."
    )
    created_by: str = Field(default="", description="Whose batch it is; empty: who asks.")
    request_id: str = Field(
        default="",
        description="Submitting the same id again does not create a second batch. Empty: the "
        "file's, or the run's, so that a run that is repeated creates none.",
    )
    requested_by: str = Field(default="dagster", description="Who asks, for the record.")


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Creates a batch; the queue sensor starts a run for each of its items.",
)
def create_onboarding_batch(
    context: dg.OpExecutionContext, config: SubmitOnboarding, product: dg.ResourceParam[Product]
) -> None:
    """Submit the form as a request; what was accepted and refused is in the output's metadata."""
    settings = product.settings()
    # A run that Dagster or a person repeats is still the same request.
    origin = context.run.root_run_id or context.run.run_id
    with explained(), product.database() as database:
        account = accounts.find(database, config.account)
        said, items = _given(config, settings)
        options = service.batch_options({**said, **_filled_in(config)})
        if options.request_id is None:
            options = options.model_copy(update={"request_id": f"run {origin}"})
        tags = service.tags_of(account.name, name_key(options.company))
        try:
            made = service.submit(
                database,
                account,
                options,
                items,
                source="launchpad",
                actor=config.requested_by,
                at_once=at_once(settings, tags),
            )
        except NothingAcceptedError as error:
            raise dg.Failure(
                description=f"{error.code}: {error.message} {error.advice}",
                metadata={
                    "code": error.code,
                    "remedy": error.advice,
                    "refused": _table(error.details["refused"]),
                },
                allow_retries=False,
            ) from None
    # Whoever launched the form finds the batch by its run, without reading the run's events.
    context.instance.add_run_tags(
        context.run.run_id,
        {"enrollment/account": account.name, "enrollment/batch": str(made.batch_id)},
    )
    word = "created" if made.created else "exists already under this request id"
    context.log.info(f"Batch {made.batch_id} {word}.")
    estimate = made.estimated_seconds
    context.add_output_metadata(
        {
            "batch_id": str(made.batch_id),
            "account": account.name,
            "created": made.created,
            "accepted": made.total,
            "refused": len(made.refused),
            "refused_items": _table(made.refused),
            **({} if estimate is None else {"estimated_duration_seconds": estimate}),
        }
    )


@dg.job(
    description="The form to onboard items: opens a batch, whose items the queue then starts.",
    executor_def=dg.in_process_executor,
)
def submit_onboarding() -> None:
    """One op: create the batch."""
    create_onboarding_batch()


def _given(config: SubmitOnboarding, settings: Settings) -> tuple[dict[str, Any], list[GivenItem]]:
    """Return the options that the file says, and the items of the file or the form.

    Raises:
        InvalidRequestError: both are given.
        PathNotAllowedError: the file is not below the data folder.
    """
    if config.path and config.items:
        raise InvalidRequestError("Name either a path or items.")
    if config.path:
        return service.read_file(confined(settings.data, config.path), config.path)
    return service.read_submission([_item_of(one) for one in config.items])


def _item_of(item: Item) -> dict[str, Any]:
    return {
        "role_name": item.role_name,
        "reference_name": item.reference_name or None,
        "attributes": item.attributes,
        "documents": item.documents,
        "workflow": item.workflow or None,
    }


def _filled_in(config: SubmitOnboarding) -> dict[str, Any]:
    """Return the options of the form that somebody has filled in; they count before the file's."""
    options = {
        "company": config.company,
        "workflow": config.workflow,
        "skip_enhancement": config.skip_enhancement,
        "force_rerun": config.force_rerun,
        "priority": config.priority,
        "created_by": config.created_by,
        "request_id": config.request_id,
    }
    return {name: value for name, value in options.items() if value}


def _table(refused: list[dict[str, Any]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord({name: one[name] for name in _COLUMNS}) for one in refused],
        schema=dg.TableSchema([dg.TableColumn(name, kind) for name, kind in _COLUMNS.items()]),
    )
