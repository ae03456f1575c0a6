"""What all requests for an operation on contacts share: when, who is told, and three ways to do it.

Belongs here: the options that say so, and previewing, running or queueing a request and answering.
Does not belong here: what is asked for (`contacts`, `operations`), and whether it may be
(`enrollment_pipeline.bulk_operations`).
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from enrollment_pipeline.cli.operation_tables import operation_preview, operation_summary
from enrollment_pipeline.cli.requests import (
    AtOption,
    EmailOption,
    TimezoneOption,
    WebhookOption,
)
from enrollment_pipeline.cli.session import Session
from enrollment_pipeline.errors import OperationNotFoundError, ProductError, error_from

if TYPE_CHECKING:
    from enrollment_pipeline.bulk_operations.request import OperationRequest

PreviewOption = Annotated[
    bool, typer.Option("--preview", help="Show what would be done, and do nothing.")
]
Command = Callable[..., None]


# Without slots, because a property here extends one of its base.
@dataclass(frozen=True, kw_only=True)
class Asked:
    """When a request is done, and who is told; each field is an option."""

    at: AtOption = None
    timezone: TimezoneOption = None
    after: Annotated[
        str | None,
        typer.Option(metavar="OPERATION", help="Start when this operation is completed."),
    ] = None
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to the queue instead of doing it here.")
    ] = False
    request_id: Annotated[
        str | None, typer.Option(help="The same id submitted again is still one operation.")
    ] = None
    notify_email: EmailOption = None
    notify_webhook: WebhookOption = None

    @property
    def for_later(self) -> bool:
        """Whether it is left to the queue."""
        return self.queue or self.at is not None or self.after is not None

    def timing(self) -> dict[str, object]:
        """Return the part of a request that says when.

        Raises:
            OperationNotFoundError: what it is to follow is no id.
        """
        after = None if self.after is None else parse_operation_id(self.after)
        return {"scheduled_at": self.at, "timezone": self.timezone, "after": after}


@dataclass(frozen=True, kw_only=True)
class AskedAgain(Asked):
    """The same, and whether it comes again."""

    cron: Annotated[
        str | None,
        typer.Option(metavar="EXPRESSION", help="Again and again: a cron expression of 5 fields."),
    ] = None
    rrule: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="Again and again: an RRULE, which --at begins."),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="ISO time after which it does not come again."),
    ] = None

    @property
    def for_later(self) -> bool:
        """Whether it is left to the queue."""
        return super().for_later or self.cron is not None or self.rrule is not None

    def timing(self) -> dict[str, object]:
        """Return the part of a request that says when, as `Asked.timing`."""
        return {**super().timing(), "cron": self.cron, "rrule": self.rrule, "until": self.until}


def with_options_of(kind: type[Asked]) -> Callable[[Command], Command]:
    """Let a command have the fields of `kind` as options; it gets them as its argument `asked`.

    Typer knows no groups of options, and seven commands have these.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [one for name, one in signature.parameters.items() if name != "asked"]
        added = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=field.type,
            )
            for field in fields(kind)
        ]

        @functools.wraps(command)
        def with_options(**given: Any) -> None:
            asked = kind(**{one.name: given.pop(one.name) for one in added})
            command(**given, asked=asked)

        with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *added]
        )
        return with_options

    return decorate


def request_of(session: Session, document: dict[str, Any], asked: Asked) -> "OperationRequest":
    """Return the request that `document` and the options make.

    Raises:
        InvalidRequestError: they make none.
        OperationNotFoundError: what it is to follow is no id.
    """
    from enrollment_pipeline.bulk_operations.request import parse_request

    return parse_request(
        {
            **document,
            "timing": asked.timing(),
            "notify": {
                "emails": asked.notify_email or [],
                "webhooks": asked.notify_webhook or [],
            },
            "request_id": asked.request_id,
            "requested_by": session.requested_by,
        }
    )


def foresee(session: Session, request: "OperationRequest") -> dict[str, Any]:
    """Return what the request would do; leaves nothing behind."""
    from enrollment_pipeline.bulk_operations import service

    return service.preview(session.database, session.settings, session.account, request)


def answer_request(
    session: Session, request: "OperationRequest", asked: Asked, *, preview: bool
) -> None:
    """Preview a request, do it here, or leave it to the queue; and answer."""
    if preview:
        found = foresee(session, request)
        session.output.answer(found, *operation_preview(found))
    elif asked.for_later:
        answer_operation(session, _submit(session, request, "queue")[0])
    else:
        answer_closed(session, do_here(session, request))


def do_here(session: Session, request: "OperationRequest") -> UUID:
    """Submit a request and do it in this process; return the operation."""
    from enrollment_pipeline.bulk_operations import service
    from enrollment_pipeline.cli.local_run import OPERATIONS, prepare, run_here

    # What would keep it from running is found before there is an operation.
    prepare(session)
    operation_id, created = _submit(session, request, "caller")
    if created or service.is_left_to_caller(session.database, session.account, operation_id):
        run_here(session, operation_id, OPERATIONS)
    return operation_id


def answer_operation(session: Session, operation_id: UUID) -> None:
    """Answer with an operation as it is now."""
    document = operation_document(session, operation_id)
    session.output.answer(document, *operation_summary(document))


def answer_closed(session: Session, operation_id: UUID, **further: str) -> None:
    """Answer with an operation and what else is told of it.

    One that was refused, or did not succeed, ends the command like an error.
    """
    document = require_no_error(operation_document(session, operation_id))
    session.output.answer({**document, **further}, *operation_summary({**document, **further}))
    if document["status"] not in ("completed", "completed_with_errors"):
        raise typer.Exit(ProductError.exit_code)


def operation_document(session: Session, operation_id: UUID) -> dict[str, Any]:
    """Return the document of an operation."""
    from enrollment_pipeline.bulk_operations import service

    return service.describe(session.database, session.account, operation_id)


def require_no_error(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of an operation.

    Raises:
        ProductError: the one that it tells of.
    """
    if document["error"] is not None:
        error = error_from(document["error"])
        error.details["operation_id"] = document["operation_id"]
        raise error
    return document


def parse_operation_id(text: str) -> UUID:
    """Return the id of an operation.

    Raises:
        OperationNotFoundError: the text is no id.
    """
    try:
        return UUID(text)
    except ValueError:
        raise OperationNotFoundError(f"{text!r} is not the id of an operation.") from None


def _submit(session: Session, request: "OperationRequest", runner: str) -> tuple[UUID, bool]:
    from enrollment_pipeline.bulk_operations import service

    made = service.submit(
        session.database, session.settings, session.account, request, source="cli", runner=runner
    )
    if not made.created:
        session.output.note(
            f"This request id is operation {made.operation_id} already; nothing was submitted."
        )
    return made.operation_id, made.created
