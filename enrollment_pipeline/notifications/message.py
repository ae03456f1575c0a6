"""What is told, and to whom; pure.

Belongs here: the events, the shape of what is kept of one, which recipients can be used, and what a
webhook is sent. A message holds counts and names of workflows, never the data of a contact. Does
not belong here: the words of an e-mail (`texts`), how a message is kept (`outbox`) and sent
(`delivery`).
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict
from urllib.parse import SplitResult, urlsplit, urlunsplit
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from enrollment_pipeline.errors import InvalidRequestError

LONGEST_URL = 2000

_VISIBLE_ASCII = re.compile(r"[!-\[\]-~]+")
_HOST_NAME = re.compile(r"(?=.{1,253}\.?\Z)[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?")


class Event(StrEnum):
    """What can be told: of a job, of an operation on contacts, of a workflow, or of onboarding."""

    JOB_COMPLETED = "job_completed"
    JOB_COMPLETED_WITH_ERRORS = "job_completed_with_errors"
    JOB_FAILED = "job_failed"
    JOB_CANCELLED = "job_cancelled"
    JOB_PAUSED = "job_paused"
    OPERATION_SCHEDULED = "operation_scheduled"
    OPERATION_COMPLETED = "operation_completed"
    OPERATION_COMPLETED_WITH_ERRORS = "operation_completed_with_errors"
    OPERATION_FAILED = "operation_failed"
    OPERATION_CANCELLED = "operation_cancelled"
    RUN_FAILED = "run_failed"
    TEMPLATE_UPDATED = "template_updated"
    ONBOARDING_FINISHED = "onboarding_finished"
    ONBOARDING_STEP = "onboarding_step"


OPERATION_TYPES = ("import", "export", "update", "delete", "rollback", "withdrawal")
OF_OPERATIONS = (
    Event.OPERATION_SCHEDULED,
    Event.OPERATION_COMPLETED,
    Event.OPERATION_COMPLETED_WITH_ERRORS,
    Event.OPERATION_FAILED,
    Event.OPERATION_CANCELLED,
)


def of_type(event: Event, operation_type: str) -> str:
    """Return what a channel asks for that wants an event of one type of operation only."""
    return f"{event}:{operation_type}"


CHOICES = (
    *map(str, Event),
    *(of_type(event, one) for event in OF_OPERATIONS for one in OPERATION_TYPES),
)
"""What a channel can ask for: an event, or an event of one type of operation."""


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


class OperationLinks(TypedDict):
    """Where to look: the Dagster UI, the folder of the report, and the files by their names."""

    ui: str
    report: str | None
    files: dict[str, str]


class OperationPayload(TypedDict):
    """What a message tells of an operation on contacts, as plain JSON values.

    `counts` holds the outcomes that rows have, which add up to `total`. `scheduled_at` is ISO text
    in the zone of the account, and None for what starts after another operation, `after_id`.
    `reverses_id` is the operation that a rollback takes back, `withdraws_job_id` the enrollment job
    of a withdrawal. `reason` says why it failed or was cancelled; `duration_seconds` is None for
    one that never began.
    """

    operation_id: str
    type: str
    status: str
    counts: dict[str, int]
    total: int
    scheduled_at: str | None
    after_id: str | None
    recurring: bool
    reverses_id: str | None
    withdraws_job_id: str | None
    duration_seconds: float | None
    reason: str | None
    requested_by: str
    links: OperationLinks


class TemplatePayload(TypedDict):
    """What a message tells of a workflow whose template has a newer version."""

    workflow_id: str
    workflow_name: str
    template_id: str
    template_name: str
    version: int
    cloned_version: int
    changes: int


class BatchPayload(TypedDict):
    """What a message tells of an onboarding batch that has finished.

    `counts` holds the items by status, which add up to `total`; `success_rate` is in percent, None
    where no item completed or failed.
    """

    batch_id: str
    company: str
    state: str
    counts: dict[str, int]
    total: int
    success_rate: float | None
    requested_by: str
    links: Links


class ItemPayload(TypedDict):
    """What a step of an item's workflow tells."""

    item_id: str
    batch_id: str
    company: str
    role_name: str
    step: str
    message: str
    links: Links


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened and is to be told.

    `occasion` tells apart what may happen to one subject more than once, such as a pause: the same
    event, subject and occasion is told to a recipient once. None makes each transaction that tells
    it an occasion.
    """

    event: Event
    subject_id: UUID
    occasion: str | None
    payload: JobPayload | OperationPayload | TemplatePayload | BatchPayload | ItemPayload

    @property
    def asked_for_as(self) -> list[str]:
        """What a channel may have asked for to be told of it."""
        if self.event not in OF_OPERATIONS:
            return [str(self.event)]
        return [str(self.event), of_type(self.event, str(self.payload.get("type")))]


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


def document_of(event: Event, payload: Mapping[str, Any], told_at: datetime) -> dict[str, Any]:
    """Return what a webhook is sent, in the shape that Standard Webhooks recommends.

    `told_at` is when it happened, so that every attempt to send it sends the same.
    """
    return {
        "type": str(event),
        "timestamp": told_at.astimezone(UTC).isoformat(),
        "data": dict(payload),
    }


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
