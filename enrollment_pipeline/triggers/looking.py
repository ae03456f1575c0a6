"""Looking before leaping: whom a trigger would take, and what it would make of one contact.

Belongs here: the answers to "how many match now" and "what if this happened to that contact", as
plain values with every address masked. Replaying what has happened is in `replaying`, what both ask
in `asking`. Nothing is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from enrollment_pipeline.clocks.local_time import instant_of_local, zone_of
from enrollment_pipeline.conditions.explain import mask, show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import (
    CHANGES,
    EVERYTHING,
    Condition,
    Group,
    Logic,
    Operator,
    members,
)
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.enrollment import service as enrollment
from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.records import Account, EligibilityRule, Workflow
from enrollment_pipeline.storage.schema import contacts as contacts_table
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.asking import (
    UNMATCHED,
    NotDue,
    due_that_day,
    next_due,
    next_firings,
    phrase,
    wanted_of,
)
from enrollment_pipeline.triggers.documents import TriggerDocument
from enrollment_pipeline.triggers.evaluating import ready
from enrollment_pipeline.triggers.evaluation import (
    DELETED,
    Finding,
    Ready,
    Record,
    Result,
    findings_on,
    judge,
    states_of,
    value_of_key,
)
from enrollment_pipeline.triggers.events import RejectedEvent, read_event
from enrollment_pipeline.triggers.firing import Considered, decide
from enrollment_pipeline.triggers.history import contact_of
from enrollment_pipeline.triggers.registry import Parameter
from enrollment_pipeline.triggers.replaying import replay
from enrollment_pipeline.triggers.store import contacts, looking
from enrollment_pipeline.triggers.store.events import ClaimedEvent
from enrollment_pipeline.triggers.store.triggers import StoredTrigger, Trigger

__all__ = ["Draft", "preview", "replay", "test"]

SAMPLES = 20
NEXT_FIRINGS = 5
FURTHEST = timedelta(days=3_660)
"""How far from now a test may be: ten years."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A trigger that nobody has saved."""

    workflow: Workflow
    document: TriggerDocument


def preview(
    database: Database, account: Account, document: TriggerDocument, *, now: datetime
) -> dict[str, Any]:
    """Return how many contacts match now, the oldest 20 of them, and when a schedule fires next.

    Shape: `{"event", "matching", "samples": [{"contact_id", "email", "first_name"}], "not_asked",
    "next"}`. What only an event can answer is taken as true, and told in `not_asked`. Of a trigger
    that goes by a date, those match that have one. `next` is empty but for a recurring schedule.
    """
    tree, not_asked = of_contacts(document.filters)
    condition = compile_filter(_with_date(tree, document), contacts_table, now=now)
    with database.account(account.id) as connection:
        number = looking.count_matching(connection, condition)
        first = looking.first_matching(connection, condition, most=SAMPLES)
    return {
        "event": document.event.name,
        "matching": number,
        "samples": [
            {
                "contact_id": str(row.id),
                "email": None if row.email is None else mask(row.email),
                "first_name": row.first_name,
            }
            for row in first
        ],
        "not_asked": [phrase(one) for one in not_asked],
        "next": [one.isoformat() for one in next_firings(account, document, now, NEXT_FIRINGS)],
    }


def of_contacts(tree: Group) -> tuple[Group, list[Condition]]:
    """Return the part of a filter that can be asked of contacts, and the conditions that cannot.

    Those are taken as true: a group joined by AND goes without them, one joined by OR is true.
    """
    return _pruned(tree) or EVERYTHING, list(_beyond_contacts(tree))


def _is_beyond_contacts(condition: Condition) -> bool:
    return condition.operator in CHANGES or condition.field.path[0] == "data"


def _beyond_contacts(tree: Group) -> Iterator[Condition]:
    for _, member in members(tree):
        if isinstance(member, Group):
            yield from _beyond_contacts(member)
        elif _is_beyond_contacts(member):
            yield member


def _pruned(tree: Group) -> Group | None:
    """Return what is left to be asked; None where the group is true whatever the contact."""
    left: list[Condition | Group] = []
    for _, member in members(tree):
        if isinstance(member, Group):
            rest: Condition | Group | None = _pruned(member)
        else:
            rest = None if _is_beyond_contacts(member) else member
        if rest is not None:
            left.append(rest)
        elif tree.logic is Logic.OR:
            return None
    return Group(tree.logic, tuple(left)) if left else None


def _with_date(tree: Group, document: TriggerDocument) -> Group:
    """Return the filter, and that the contact has the date that the trigger goes by."""
    name = document.parameters.get(Parameter.DATE_FIELD)
    if document.event.name == "birthday":
        name = "birthday"
    dated = None if name is None else CONTACT_FIELDS.find(name)
    if dated is None:
        return tree
    # True of whatever can be read as a date, and of nothing else.
    has_date = Condition(dated, Operator.GREATER_THAN_OR_EQUAL, "0001-01-01")
    return Group(Logic.AND, (tree, has_date))


@dataclass(slots=True)
class _Occasion:
    """What is supposed to happen, when it is judged, and what it comes to.

    `finding` is None where the trigger is not even asked; `why` tells that, and `obstacles` what
    else would keep it from firing. `opening` is when the business hours begin that it waits for.
    """

    at: datetime
    record: Record
    before: Record | None = None
    finding: Finding | None = None
    due: datetime | None = None
    opening: datetime | None = None
    why: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)


def test(
    database: Database,
    account: Account,
    trigger: Trigger | Draft,
    *,
    contact: str,
    data: Mapping[str, Any],
    previous_state: Mapping[str, Any] | None,
    at: datetime | date | None,
    now: datetime,
) -> dict[str, Any]:
    """Return what a trigger would make of an event of one contact, or of a day.

    `contact` is an id or an e-mail address. The event happens at `at`, an aware instant or the
    beginning of a day, or now; a key that its data lacks is the one that the trigger waits for. A
    trigger that goes by dates is asked about that day, or the contact's local day of the instant, a
    recurring one about its next firing; both as if it was run on time.

    Shape: `{"trigger_id", "workflow_name", "contact_id", "matched", "would_fire", "would_enroll",
    "reasons", "conditions": [{"path", "holds", "sentence"}], "due", "waits_until"}`. `reasons` says
    everything that stands against it, and why it would wait; `due` and `waits_until` are instants.

    Raises:
        ContactNotFoundError: the account has no such contact, and had none.
        InvalidRequestError: `at` is more than ten years from now.
    """
    day = at if isinstance(at, date) and not isinstance(at, datetime) else None
    moment = at if isinstance(at, datetime) else now if day is None else _begin(day, account)
    if abs(moment - now) > FURTHEST:
        raise InvalidRequestError(f"at: must be within ten years of now, not {moment.isoformat()}.")
    one = _ready(trigger)
    with database.rehearsal(account.id) as connection:
        contact_id = contact_of(connection, contact)
        wanted = wanted_of(one) | {"timezone", "created_at"}
        person = contacts.named(connection, ids=[contact_id], wanted=wanted).by_id[contact_id]
        if one.document.event.timed:
            occasion = _on_day(connection, account, trigger, one, person, moment, day)
        else:
            occasion = _on_event(trigger, one, person, data, previous_state, moment)
        if not trigger.document.settings.active:
            occasion.obstacles.append("the trigger is not active")
        _decide(connection, account, one, contact_id, occasion)
        blocked = []
        if person["deleted_at"] is None:
            rules = enrollment.rules_of(trigger.workflow, single=one.single)
            blocked = looking.exclusions(connection, contact_id, trigger.workflow.id, rules)
    verdict = one.evaluator.evaluate(occasion.record, now=occasion.at, previous=occasion.before)
    return {
        "trigger_id": str(trigger.id) if isinstance(trigger, Trigger) else None,
        "workflow_name": trigger.workflow.name,
        "contact_id": str(contact_id),
        **_told(occasion, blocked),
        "conditions": [
            {"path": found.path, "holds": found.matched, "sentence": found.sentence}
            for found in verdict.reasons
        ],
    }


def _begin(day: date, account: Account) -> datetime:
    return instant_of_local(datetime.combine(day, time()), zone_of(account.settings.timezone))


def _decide(
    connection: Connection, account: Account, one: Ready, contact_id: UUID, occasion: _Occasion
) -> None:
    """Hold back who was started too often, or is to wait, as it is done to whoever starts."""
    if occasion.finding is not None:
        considered = Considered(one, contact_id, occasion.finding)
        decide(connection, account, [considered], now=occasion.at)
        occasion.finding, occasion.opening = considered.finding, considered.fire_at


def _told(occasion: _Occasion, blocked: Sequence[EligibilityRule]) -> dict[str, Any]:
    finding, opening = occasion.finding, occasion.opening
    fires = finding is not None and (finding.result is Result.FIRED or opening is not None)
    would_fire = fires and not occasion.obstacles
    return {
        "matched": finding is not None and finding.result not in UNMATCHED,
        "would_fire": would_fire,
        "would_enroll": would_fire and not blocked,
        "reasons": [
            *occasion.why,
            *([finding.reason] if finding is not None and finding.reason else []),
            *occasion.obstacles,
            *(f"blocked: {rule.code.lower()}: {rule.sentence}" for rule in blocked),
        ],
        "due": _iso(occasion.due),
        "waits_until": _iso(opening),
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()


def _ready(trigger: Trigger | Draft) -> Ready:
    workflow, document = trigger.workflow, trigger.document
    trigger_id = trigger.id if isinstance(trigger, Trigger) else uuid4()
    return ready(StoredTrigger(trigger_id, workflow.id, workflow.name, 0, document))


def _on_event(
    trigger: Trigger | Draft,
    one: Ready,
    person: contacts.Contact,
    data: Mapping[str, Any],
    previous_state: Mapping[str, Any] | None,
    moment: datetime,
) -> _Occasion:
    kind, told = one.document.event, dict(data)
    if kind.key is not None and told.get(kind.key) in (None, ""):
        told[str(kind.key)] = one.document.match_key
    before = None if previous_state is None else dict(previous_state)
    event = ClaimedEvent(0, kind.name, person["id"], None, None, True, told, before)
    occasion = _Occasion(moment, *states_of(event, person))
    sent = {
        "event_id": "test",
        "type": kind.name,
        "contact_id": str(person["id"]),
        "data": told,
        "previous_state": previous_state,
    }
    understood = read_event(sent, now=moment)
    key = value_of_key(one.document.event, told)
    if isinstance(understood, RejectedEvent):
        occasion.why.append(f"the event would be rejected: {understood.reason}")
    elif key != one.document.match_key:
        waited = show(one.document.match_key)
        occasion.why.append(
            f"the trigger waits for the {kind.key} {waited}, and the event has {show(key)}"
        )
    else:
        waiting = [(one, trigger.workflow.status)]
        [occasion.finding] = findings_on(event, person, waiting, moment)
    return occasion


def _on_day(
    connection: Connection,
    account: Account,
    trigger: Trigger | Draft,
    one: Ready,
    person: contacts.Contact,
    moment: datetime,
    day: date | None,
) -> _Occasion:
    if person["deleted_at"] is not None:
        return _Occasion(moment, person, finding=DELETED)
    if one.document.event.name == "recurring_schedule":
        found = next_due(account, one.document, person, moment)
    else:
        found = due_that_day(connection, account, one.document, person, moment, day)
    if isinstance(found, NotDue):
        return _Occasion(moment, person, why=[found.reason])
    finding = judge(one, trigger.workflow.status, person, None, found.due_at)
    occasion = _Occasion(found.due_at, person, finding=finding, due=found.due_at)
    if isinstance(trigger, Trigger):
        if looking.has_fired(connection, trigger.id, person["id"], found.occurrence):
            occasion.obstacles.append(f"the occurrence {found.occurrence} has fired already")
        if found.due_at <= trigger.active_since:
            since = trigger.active_since.astimezone(UTC).isoformat(timespec="minutes")
            occasion.obstacles.append(f"the trigger is active only since {since}")
    return occasion
