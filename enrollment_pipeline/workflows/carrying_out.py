"""Carrying out the steps of a workflow for one subject that is an item.

Belongs here: what each step type comes to, and when a service is asked again. Does not belong here:
which step is next (`execution`), one request (`calling`), what is written down (the caller).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from enrollment_pipeline.clocks.business_hours import BusinessHours
from enrollment_pipeline.clocks.local_time import instant_of_local, zone_of
from enrollment_pipeline.conditions.evaluate import evaluate
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.conditions.values import Duration
from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.notifications.message import email_address
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.workflows.calling import Answered, Call, CallError, send
from enrollment_pipeline.workflows.documents import WorkflowDocument
from enrollment_pipeline.workflows.execution import Position, StepStatus
from enrollment_pipeline.workflows.rendering import (
    RenderError,
    Scope,
    render,
    render_headers,
    render_text,
    render_url,
)
from enrollment_pipeline.workflows.retrying import policy_of, wait_before
from enrollment_pipeline.workflows.step_errors import StepError
from enrollment_pipeline.workflows.steps import (
    Condition,
    GoalStep,
    HttpRequest,
    Notify,
    UpdateField,
    Wait,
    duration_seconds,
)
from enrollment_pipeline.workflows.subjects import item_fields

LONGEST_DASHBOARD_URL = 2_000
HIGHEST_COST = Decimal(1_000_000_000)

Pause = Callable[[float], bool]
"""Waits for seconds; returns True where nobody should wait any longer."""

During = Callable[[Callable[[], Any]], Any]
"""Makes a call and returns its answer; None where nobody should wait for it any longer."""


@dataclass(frozen=True, slots=True)
class SubjectData:
    """An item as placeholders and conditions see it, and the answers of its steps so far."""

    item: Mapping[str, Any]
    answers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a step may ask about. `integrations` has the details of each by name."""

    settings: Settings
    account: Account
    workflow_name: str
    values: Mapping[str, str]
    integrations: Mapping[str, Mapping[str, str]]
    subject: SubjectData
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """The account's zone: an item has no clock of its own."""
        return zone_of(self.account.settings.timezone)

    @property
    def scope(self) -> Scope:
        """What placeholders may name."""
        return Scope(
            {
                "item": dict(self.subject.item),
                "steps": dict(self.subject.answers),
                "values": dict(self.values),
                "account": {"name": self.account.name},
                "workflow": {"name": self.workflow_name},
                **{name: dict(details) for name, details in self.integrations.items()},
            },
            self.zone,
        )


@dataclass(frozen=True, slots=True)
class Message:
    """What a notify step tells, and the addresses that it names."""

    text: str
    emails: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a step has come to. `output` is what its checkpoint keeps; see `execution.Checkpoint`.

    `until` is the end of a wait, `message` what is to be told, and to whom besides the channels of
    the account; `cost` and `dashboard_url`
    are what a service has answered with.
    """

    status: StepStatus
    output: Any = None
    error: dict[str, Any] | None = None
    cost: Decimal = Decimal(0)
    dashboard_url: str | None = None
    until: datetime | None = None
    message: Message | None = None


def carry_out(at: Position, document: WorkflowDocument, around: Surroundings) -> Result:
    """Carry out a step that asks no service; never raises for what a document or an item holds."""
    step = at.step
    try:
        if isinstance(step, Condition):
            return _done({"matched": _holds(step.condition, document, around)})
        if isinstance(step, GoalStep):
            return _done({"reached": _reached(step, document, around)})
        if isinstance(step, UpdateField):
            return _done(render(step.value, around.scope))
        if isinstance(step, Notify):
            return _message(step, around)
        if isinstance(step, Wait):
            return _wait(at, step, around)
    except RenderError as error:
        return _failed(StepError.BAD_VALUE, str(error))
    return _done(None)


def call_service(
    at: Position,
    around: Surroundings,
    *,
    key: str,
    on_call: Callable[[], None],
    pause: Pause,
    during: During,
) -> Result | None:
    """Ask the service of a step until it answers, refuses, or has been asked often enough.

    `key` is the same for every attempt, also of another run; `on_call` is told before each. Return
    None where nobody waits for the answer any longer.
    """
    step = at.step
    if not isinstance(step, HttpRequest):
        raise TypeError(f"a step of type {step.type} asks no service")
    try:
        call = Call(
            method=step.method,
            url=render_url(step.url, around.scope),
            headers=render_headers(step.headers, around.scope),
            body=render(step.body, around.scope),
            timeout=duration_seconds(step.timeout),
            key=key,
        )
    except RenderError as error:
        return _failed(StepError.BAD_VALUE, str(error))
    policy = policy_of(step.retry)
    made = 0
    while True:
        if pause(0):
            return None
        on_call()
        answer = during(lambda: send(call, settings=around.settings, now=datetime.now(UTC)))
        if answer is None:
            return None
        if isinstance(answer, Answered):
            return _answered(answer.document)
        made += 1
        seconds = wait_before(policy, made, answer.retry_after) if answer.transient else None
        if seconds is None:
            return _refused(answer, made)
        if pause(seconds):
            return None


def _answered(document: Any) -> Result:
    told = document if isinstance(document, dict) else {}
    return Result(
        StepStatus.DONE,
        output=document,
        cost=_cost(told.get("cost")),
        dashboard_url=_dashboard_url(told.get("dashboard_url")),
    )


def _refused(answer: CallError, calls: int) -> Result:
    error = answer.as_dict()
    if calls > 1:
        error["message"] = f"{error['message']} (The last of {calls} attempts.)"
    return Result(StepStatus.FAILED, error=error)


def _cost(told: object) -> Decimal:
    """Return a number that can be a cost; whatever else a service says under that name is none."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return Decimal(0)
    if isinstance(told, float) and not isfinite(told):
        return Decimal(0)
    cost = Decimal(str(told))
    return cost if 0 <= cost <= HIGHEST_COST else Decimal(0)


def _dashboard_url(told: object) -> str | None:
    if not isinstance(told, str) or len(told) > LONGEST_DASHBOARD_URL or not told.isprintable():
        return None
    return told if told.lower().startswith(("https://", "http://")) else None


def _holds(tree: Mapping[str, Any], document: WorkflowDocument, around: Surroundings) -> bool:
    record = {"item": around.subject.item, "steps": around.subject.answers}
    fields = item_fields([{"type": step.type, "id": step.id} for step in document.steps])
    return evaluate(parse(tree, fields), record, now=around.now).matched


def _reached(step: GoalStep, document: WorkflowDocument, around: Surroundings) -> bool:
    goal = next((goal for goal in document.goals if goal.name == step.goal), None)
    if goal is None or goal.condition is None:
        return False
    return _holds(goal.condition, document, around)


def _message(step: Notify, around: Surroundings) -> Result:
    text = render_text(step.message, around.scope)
    emails = []
    for one in step.to:
        try:
            emails.append(email_address(render_text(one, around.scope).strip()))
        except InvalidRequestError as error:
            return _failed(StepError.BAD_VALUE, f"to: {error.message}")
    return Result(StepStatus.DONE, message=Message(text, tuple(dict.fromkeys(emails))))


def _wait(at: Position, step: Wait, around: Surroundings) -> Result:
    if at.checkpoint is not None and at.checkpoint.status is StepStatus.WAITING:
        until = datetime.fromisoformat(at.checkpoint.output["until"])
    else:
        until = _end_of_wait(step, around)
    if until <= around.now:
        return _done({"until": until.isoformat()})
    return Result(StepStatus.WAITING, output={"until": until.isoformat()}, until=until)


def _end_of_wait(step: Wait, around: Surroundings) -> datetime:
    if step.duration is not None:
        return _moved(around.now, step.duration)
    if step.business_hours:
        limits = around.account.settings
        hours = BusinessHours.parse(
            limits.business_days, limits.business_hours, limits.timezone, limits.holidays
        )
        return hours.next_opening(around.now) or around.now
    until = _instant(render_text(step.until or "", around.scope).strip(), around)
    return until if step.offset is None else _moved(until, step.offset)


def _instant(text: str, around: Surroundings) -> datetime:
    """Return the time of a text; now for none, which is waited for no longer."""
    if not text:
        return around.now
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except ValueError:
        raise RenderError("What the wait is for is no date and no time.") from None
    except OverflowError:
        raise RenderError("What the wait is for lies beyond the calendar.") from None
    return instant_of_local(found, around.zone)


def _moved(at: datetime, length: str) -> datetime:
    before = length.startswith("-")
    read = Duration.read(length.removeprefix("-"))
    if read is None:
        raise TypeError("the document was not validated")
    try:
        return read.after(at, sign=-1 if before else 1)
    except (ValueError, OverflowError):
        raise RenderError("The wait ends beyond the calendar.") from None


def _done(output: Any) -> Result:
    return Result(StepStatus.DONE, output=output)


def _failed(code: StepError, message: str) -> Result:
    return Result(StepStatus.FAILED, error=code.as_dict(message))
