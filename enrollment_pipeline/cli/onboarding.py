"""`enrollment onboarding`: batches of items submitted, looked at, and taken hold of.

Belongs here: arguments and answers. What a batch is, is in `enrollment_pipeline.onboarding`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from enrollment_pipeline.cli.onboarding_tables import (
    batch_line,
    batch_summary,
    batches_table,
    item_summary,
    items_listing,
    refused_table,
    submission_summary,
)
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import (
    InvalidRequestError,
    NothingAcceptedError,
    OnboardingBatchNotFoundError,
    OnboardingItemNotFoundError,
    UsageError,
)

if TYPE_CHECKING:
    from enrollment_pipeline.onboarding.states import BatchState

app = typer.Typer(
    help="Onboard roles, or other items, in batches.\n\n"
    "Example: enrollment onboarding submit roles.csv --company Northern"
)

BatchArgument = Annotated[str, typer.Argument(metavar="BATCH", help="Id of the batch.")]
AnewOption = Annotated[
    bool, typer.Option("--force-rerun", help="Begin at the first step, whatever is done already.")
]


@app.command("submit")
def submit(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Items as CSV, or with options as JSON or YAML.")
    ],
    company: Annotated[
        str | None, typer.Option(help="Whose items they are. Default: what the file says.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option(help="Name or id of the workflow. Default: Role onboarding.")
    ] = None,
    skip_enhancement: Annotated[
        bool, typer.Option("--skip-enhancement", help="Leave out steps that are enhancements.")
    ] = False,
    force_rerun: Annotated[
        bool, typer.Option("--force-rerun", help="Onboard also what is ready already.")
    ] = False,
    priority: Annotated[
        int | None,
        typer.Option(help="Which of the account's batches comes first, -100 to 100."),
    ] = None,
    created_by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose batch it is. Default: who asks.")
    ] = None,
    request_id: Annotated[
        str | None, typer.Option(help="The same id submitted again is still one batch.")
    ] = None,
) -> None:
    """Hand items to the queue, each by itself, and tell which are refused and why."""
    from enrollment_pipeline.onboarding import service
    from enrollment_pipeline.onboarding.request import name_key
    from enrollment_pipeline.runs.concurrency import at_once

    said, items = service.read_file(file)
    given = {
        "company": company,
        "workflow": workflow,
        "skip_enhancement": skip_enhancement or None,
        "force_rerun": force_rerun or None,
        "priority": priority,
        "created_by": created_by,
        "request_id": request_id,
    }
    # What is typed counts more than what the file says.
    document = {**said, **{name: value for name, value in given.items() if value is not None}}
    if document.get("company") is None:
        raise UsageError(
            "Nobody says whose items they are.", remedy="Name the company with --company."
        )
    options = service.batch_options(document)
    session = session_of(context)
    tags = service.tags_of(session.account.name, name_key(options.company))
    try:
        made = service.submit(
            session.database,
            session.account,
            options,
            items,
            source="cli",
            actor=session.requested_by,
            at_once=at_once(session.settings, tags),
        )
    except NothingAcceptedError as error:
        if not session.output.as_json:
            session.output.answer({}, refused_table(error.details["refused"]))
        raise
    if not made.created:
        session.output.note(
            f"This request id is batch {made.batch_id} already; nothing was submitted."
        )
    session.output.answer(made.as_dict(), *submission_summary(made.as_dict()))


@app.command("status")
def status(
    context: typer.Context,
    batch: BatchArgument,
    items: Annotated[
        bool, typer.Option("--items", help="List its items, and those that were refused.")
    ] = False,
    item: Annotated[
        str | None, typer.Option(metavar="ID", help="Show this item with its steps instead.")
    ] = None,
) -> None:
    """Show what has become of a batch, counted from its items as they are now."""
    from enrollment_pipeline.onboarding import service

    if items and item is not None:
        raise UsageError("Name either --items or --item.")
    session = session_of(context)
    batch_id = _batch_id(batch)
    if item is not None:
        item_id = _item_id(item)
        document = service.describe_item(session.database, session.account, item_id)
        if document["batch_id"] != str(batch_id):
            raise OnboardingItemNotFoundError(f"Batch {batch_id} has no item {item_id}.")
        session.output.answer(document, *item_summary(document))
    elif items:
        document = service.describe_items(session.database, session.account, batch_id)
        session.output.answer(document, *batch_summary(document), *items_listing(document))
    else:
        _answer_batch(session, batch_id)


@app.command("watch")
def watch(context: typer.Context, batch: BatchArgument) -> None:
    """Follow a batch until all its items have ended; with --json, one line for each change."""
    from enrollment_pipeline.onboarding import service

    session = session_of(context)
    document: dict[str, Any] = {}
    told = None
    for document in service.follow(session.database, session.account, _batch_id(batch)):
        if session.output.as_json:
            session.output.answer(document)
        elif (line := batch_line(document)) != told:
            # The time that its items take goes on without any change that a person asks for.
            session.output.note(line)
            told = line
    if not session.output.as_json:
        session.output.answer(document, *batch_summary(document))


@app.command("retry")
def retry(
    context: typer.Context,
    batch: BatchArgument,
    item: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this item; repeatable. Default: all that failed."),
    ] = None,
    degraded: Annotated[
        bool, typer.Option("--degraded", help="Also all that are degraded.")
    ] = False,
    force_rerun: AnewOption = False,
) -> None:
    """Let items that failed have another attempt, from the first step that is not finished."""
    from enrollment_pipeline.onboarding import service

    if item and degraded:
        raise UsageError("Name either --item or --degraded; a degraded item may be named, too.")
    session = session_of(context)
    batch_id = _batch_id(batch)
    chosen = service.Chosen(tuple(map(_item_id, item or ())), degraded)
    retried = service.retry(
        session.database,
        session.account,
        batch_id,
        chosen,
        force_rerun=force_rerun,
        actor=session.requested_by,
    )
    _answer_batch(session, batch_id, retried=[str(one) for one in retried])


@app.command("cancel")
def cancel(
    context: typer.Context,
    batch: BatchArgument,
    now: Annotated[
        bool, typer.Option("--now", help="End also the items that are at work.")
    ] = False,
) -> None:
    """End the items of a batch that have not begun; what is done stays."""
    from enrollment_pipeline.onboarding import service

    session = session_of(context)
    batch_id = _batch_id(batch)
    ended = service.cancel(
        session.database,
        session.settings,
        session.account,
        batch_id,
        now=now,
        actor=session.requested_by,
    )
    _answer_batch(session, batch_id, ended=ended)


@app.command("list")
def list_batches(
    context: typer.Context,
    company: Annotated[
        str | None, typer.Option(help="Only batches of this company, in any letter case.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only batches in this state.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only those submitted at this ISO date or time or later."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only those submitted before this ISO time, or up to this date."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Batches on a page.")] = 20,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """List the account's batches, newest first."""
    from zoneinfo import ZoneInfo

    from enrollment_pipeline.onboarding import service
    from enrollment_pipeline.work.bounds import since_of, until_of

    session = session_of(context)
    zone = ZoneInfo(session.account.settings.timezone)
    wanted = service.BatchFilter(
        company=company,
        state=None if state is None else _state(state),
        since=None if since is None else since_of(since, zone),
        until=None if until is None else until_of(until, zone),
    )
    found = service.list_batches(session.database, session.account, wanted, limit=limit, page=page)
    session.output.answer(found, batches_table(found), f"{found['total']:,} batches in all")


def _answer_batch(session: Session, batch_id: UUID, **further: object) -> None:
    """Answer with a batch as it is now, and what else is told of it."""
    from enrollment_pipeline.onboarding import service

    document = {**service.describe(session.database, session.account, batch_id), **further}
    session.output.answer(document, *batch_summary(document))


def _batch_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise OnboardingBatchNotFoundError(f"{text!r} is not the id of a batch.") from None


def _item_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise OnboardingItemNotFoundError(f"{text!r} is not the id of an item.") from None


def _state(text: str) -> "BatchState":
    from enrollment_pipeline.onboarding.states import BatchState

    if text not in set(BatchState):
        raise InvalidRequestError(
            f"There is no state {text!r} of batches.",
            remedy=f"Use one of: {', '.join(BatchState)}.",
        )
    return BatchState(text)
