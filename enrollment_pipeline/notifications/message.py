"""What is told, to whom, and in which words; pure.

Belongs here: the events, the shape of what is kept of one, which recipients can be used, and the
texts of an e-mail and of a webhook. A message holds counts and names of workflows, never the data
of a contact. Does not belong here: how a message is kept (`outbox`) and sent (`delivery`).
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict
from urllib.parse import SplitResult, urlsplit, urlunsplit
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from enrollment_pipeline.errors import InvalidRequestError

LONGEST_URL = 2000
_LONGEST_SUBJECT = 200

_VISIBLE_ASCII = re.compile(r"[!-\[\]-~]+")
_HOST_NAME = re.compile(r"(?=.{1,253}\.?\Z)[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?")


class Event(StrEnum):
    """What can be told: of a job, or of a workflow."""

    JOB_COMPLETED = "job_completed"
    JOB_COMPLETED_WITH_ERRORS = "job_completed_with_errors"
    JOB_FAILED = "job_failed"
    JOB_CANCELLED = "job_cancelled"
    JOB_PAUSED = "job_paused"
    RUN_FAILED = "run_failed"
    TEMPLATE_UPDATED = "template_updated"


class Channel(StrEnum):
    """Which way a message goes."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class Links(TypedDict):
    """Where to look: the Dagster UI, and the report where there is one."""

    ui: str
    report: str | None


class JobPayload(TypedDict):
    """What a message tells of a job, as plain JSON values.

    `outcomes` holds all nine; `reason` says why a job failed or paused; `duration_seconds` is None
    for a job that never began.
    """

    job_id: str
    workflow_name: str
    status: str
    outcomes: dict[str, int]
    input_rows: int
    duration_seconds: float | None
    reason: str | None
    requested_by: str
    links: Links


class TemplatePayload(TypedDict):
    """What a message tells of a workflow whose template has a newer version."""

    workflow_id: str
    workflow_name: str
    template_id: str
    template_name: str
    version: int
    cloned_version: int
    changes: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened and is to be told.

    `occasion` tells apart what may happen to one subject more than once, such as a pause: the same
    event, subject and occasion is told to a recipient once.
    """

    event: Event
    subject_id: UUID
    occasion: str
    payload: JobPayload | TemplatePayload


@dataclass(frozen=True, slots=True)
class Recipients:
    """Whom one request wants told, beside the channels of its account."""

    emails: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()


def email_address(text: str) -> str:
    """Return an e-mail address in the form that is kept: ASCII, in lower case.

    Raises:
        InvalidRequestError: it is none, or not one that every mail server takes.
    """
    try:
        found = validate_email(
            text.strip(" "), check_deliverability=False, allow_smtputf8=False, strict=True
        ).ascii_email
    except EmailNotValidError as error:
        raise InvalidRequestError(
            f"{text[:100]!r} cannot be used as an e-mail address: {error}"
        ) from None
    # As everywhere in the product, letter case does not make another address.
    return (found or "").lower()


def webhook_url(text: str) -> str:
    """Return the URL of a webhook in the form that is kept.

    Raises:
        InvalidRequestError: it cannot be used. The message does not repeat the URL, which may hold
            a password.
    """
    url = text.strip(" ")
    for problem, holds in _URL_PROBLEMS:
        if holds(url):
            raise InvalidRequestError(
                f"The webhook URL {problem}.",
                remedy="Use one such as https://example.com/hooks/enrollment.",
            )
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path or "/", parts.query, ""))


def shown(channel: Channel, recipient: str) -> str:
    """Return a recipient as logs may show it: path and query of a URL are often a secret."""
    if channel is Channel.EMAIL:
        return recipient
    parts = urlsplit(recipient)
    hidden = parts.path != "/" or parts.query
    return f"{parts.scheme}://{parts.netloc}/{'...' if hidden else ''}"


def subject_of(event: Event, payload: Mapping[str, Any]) -> str:
    """Return the subject of an e-mail: one line, without control characters."""
    if event is Event.TEMPLATE_UPDATED:
        told = f"An update for {payload['workflow_name']}: version {payload['version']}"
        return _one_line(told)[:_LONGEST_SUBJECT]
    outcomes = payload["outcomes"]
    told = _SUBJECTS[event].format(
        workflow=payload["workflow_name"],
        rows=f"{payload['input_rows']:,}",
        enrolled=f"{outcomes['enrolled']:,}",
        failed=f"{outcomes['failed'] + outcomes['unprocessed']:,}",
    )
    return _one_line(told)[:_LONGEST_SUBJECT]


def body_of(event: Event, payload: Mapping[str, Any]) -> str:
    """Return the text of an e-mail."""
    if event is Event.TEMPLATE_UPDATED:
        return _update_body(payload)
    job_id = payload["job_id"]
    seconds = payload["duration_seconds"]
    links = payload["links"]
    facts = {
        "Workflow": payload["workflow_name"],
        "Status": payload["status"],
        "Reason": payload["reason"],
        "Requested by": payload["requested_by"],
        "Duration": None if seconds is None else timedelta(seconds=round(seconds)),
        "Job": job_id,
        "In the UI": links["ui"],
        "Report": links["report"],
    }
    told = [(name, _one_line(str(fact))) for name, fact in facts.items() if fact is not None]
    counts = [(outcome, f"{number:,}") for outcome, number in payload["outcomes"].items() if number]
    lines = [
        _SENTENCES[event].format(job=job_id),
        "",
        *(f"{name + ':':<14}{fact}" for name, fact in told),
        "",
        f"{'input rows':<18}{payload['input_rows']:>12,}",
        *(f"{outcome:<18}{number:>12}" for outcome, number in counts),
        "",
    ]
    return "\n".join(lines)


def _update_body(payload: Mapping[str, Any]) -> str:
    workflow = payload["workflow_id"]
    facts = {
        "Workflow": payload["workflow_name"],
        "Template": payload["template_name"],
        "Version": f"{payload['version']}, the workflow has {payload['cloned_version']}",
        "Changes": f"{payload['changes']:,}",
    }
    lines = [
        "The template that a workflow was made from has a newer version. The workflow stays as it "
        "is, until somebody takes over what is new.",
        "",
        *(f"{name + ':':<14}{_one_line(fact)}" for name, fact in facts.items()),
        "",
        f"What is new:  enrollment templates diff --workflow {workflow}",
        f"Take it over: enrollment templates merge {workflow} --all-unchanged",
        "",
    ]
    return "\n".join(lines)


def document_of(event: Event, payload: Mapping[str, Any], told_at: datetime) -> dict[str, Any]:
    """Return what a webhook is sent, in the shape that Standard Webhooks recommends.

    `told_at` is when it happened, so that every attempt to send it sends the same.
    """
    return {
        "type": str(event),
        "timestamp": told_at.astimezone(UTC).isoformat(),
        "data": dict(payload),
    }


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _is_no_host(url: str) -> bool:
    parts = _split(url)
    host = parts.hostname if parts else None
    if not host:
        return True
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host).scope_id is not None
        except ValueError:
            return True
    return not _HOST_NAME.fullmatch(host)


# Asked in this order: each may rely on what those before it have ruled out. Whoever sends takes
# host, port and path from the same split, so a URL cannot mean one thing here and another there.
_URL_PROBLEMS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (f"is longer than {LONGEST_URL} characters", lambda url: len(url) > LONGEST_URL),
    (
        "holds blanks, backslashes, control characters or characters beyond ASCII",
        lambda url: not _VISIBLE_ASCII.fullmatch(url),
    ),
    (
        "does not begin with https:// or http://",
        lambda url: not url.lower().startswith(("https://", "http://")),
    ),
    (
        "holds a user name or password",
        lambda url: "@" in re.split("[/?#]", url.partition("//")[2])[0],
    ),
    ("holds a fragment (#), which is never sent", lambda url: "#" in url),
    ("has no host that can be used, or a port that is none", _is_no_host),
)

_SUBJECTS = {
    Event.JOB_COMPLETED: "Enrolled into {workflow}: {enrolled} of {rows} rows",
    Event.JOB_COMPLETED_WITH_ERRORS: "Enrolled into {workflow}: {enrolled} of {rows} rows, "
    "{failed} not because of errors",
    Event.JOB_FAILED: "Enrolling into {workflow} failed",
    Event.JOB_CANCELLED: "Enrolling into {workflow} was cancelled: {enrolled} of {rows} rows done",
    Event.JOB_PAUSED: "Enrolling into {workflow} is paused: {enrolled} of {rows} rows done",
    Event.RUN_FAILED: "A run that enrolls into {workflow} failed",
}

_SENTENCES = {
    Event.JOB_COMPLETED: "The job is completed, and nobody failed.",
    Event.JOB_COMPLETED_WITH_ERRORS: "The job is completed, with errors. Who failed, and why: "
    "enrollment failures {job}",
    Event.JOB_FAILED: "The job failed. Who failed, and why: enrollment failures {job}",
    Event.JOB_CANCELLED: "The job was cancelled. What was enrolled stays.",
    Event.JOB_PAUSED: "The job is paused. Go on with it: enrollment resume {job}",
    Event.RUN_FAILED: "The run ended before the job was done. Go on with it: "
    "enrollment resume {job}",
}
