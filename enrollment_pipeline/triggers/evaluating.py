"""Evaluating events: claimed, held against the triggers that wait for them, logged, handed over.

Belongs here: one transaction for a batch of events of one account. Killed in the middle, none of it
has happened; done, no event of it is pending. The rules are in `evaluation`, what follows in
`firing`.
"""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.conditions.evaluate import Evaluator
from enrollment_pipeline.conditions.model import Group, members
from enrollment_pipeline.records import Account, WorkflowStatus
from enrollment_pipeline.storage.failures import transient_reason
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.documents import EnrollmentLimit, unreadable
from enrollment_pipeline.triggers.evaluation import (
    Ready,
    Result,
    Waiter,
    findings_on,
    value_of_key,
)
from enrollment_pipeline.triggers.events import payload_faults, told, type_fault
from enrollment_pipeline.triggers.firing import Considered, fire
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline.triggers.store import contacts, events, triggers
from enrollment_pipeline.triggers.store.events import ClaimedEvent
from enrollment_pipeline.triggers.store.triggers import StoredTrigger

BATCH = 12_500
"""Events of one transaction: some 40 MB in memory, and about a second."""

_log = logging.getLogger(__name__)

MOST_READY = 50_000
"""Triggers that a process remembers; some 3 kB each."""

_STATUSES = {str(status): status for status in WorkflowStatus}

MOST_AT_ONCE = 20_000
"""Verdicts in memory at a time, but for those of one event."""

Waiting = dict[tuple[str, str | None], list[Waiter]]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a batch came to: its events, those rejected, and verdicts of triggers by result."""

    events: int
    rejected: int
    results: Counter[Result]


class Evaluation:
    """Evaluates events of any account; keeps the triggers it has made ready for the next batch."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._clock = clock
        self._ready: dict[UUID, Ready] = {}

    def evaluate(self, account: Account, *, most: int = BATCH) -> Evaluated:
        """Evaluate the account's oldest pending events that nobody else has in hand."""
        with without_collecting(), self._database.account(account.id) as connection:
            claimed = events.claim(connection, account.id, most=most)
            return self._evaluate(connection, account, claimed)

    def evaluate_next(self, account: Account) -> Evaluated:
        """Evaluate the oldest of them alone; reject it where it cannot be evaluated.

        Both in one transaction: otherwise it could by then be in the hands of another process, and
        the next one be rejected in its place.
        """
        with self._database.account(account.id) as connection:
            claimed = events.claim(connection, account.id, most=1)
            try:
                with connection.begin_nested():
                    return self._evaluate(connection, account, claimed)
            except Exception as error:
                if isinstance(error, DBAPIError) and transient_reason(error):
                    raise
                _log.debug("An event could not be evaluated.", exc_info=True)
                reason = (
                    f"it cannot be evaluated ({type(error).__name__}); report that, with the event"
                )
                events.reject(connection, [(one.number, reason) for one in claimed])
        return Evaluated(len(claimed), len(claimed), Counter())

    def _evaluate(
        self, connection: Connection, account: Account, claimed: list[ClaimedEvent]
    ) -> Evaluated:
        if not claimed:
            return Evaluated(0, 0, Counter())
        understood = _understood(connection, claimed)
        now = self._clock()
        results: Counter[Result] = Counter()
        for considered in self.consider(connection, understood, now):
            results += fire(connection, account, considered, now=now)
        return Evaluated(len(claimed), len(claimed) - len(understood), results)

    def consider(
        self, connection: Connection, happened: Sequence[ClaimedEvent], now: datetime
    ) -> Iterator[list[Considered]]:
        """Hold events against the triggers that wait for them; writes nothing.

        Yields what was found in pieces: of a type that thousands of triggers wait for, all of it
        would not fit into memory.
        """
        waiting = self._waiting(connection, happened)
        concerned = [(one, _both(waiting, one)) for one in happened]
        concerned = [pair for pair in concerned if pair[1]]
        people = _people(connection, concerned)
        considered: list[Considered] = []
        for event, triggers_ in concerned:
            contact = people.find(event.contact_id, event.email, event.external_id)
            contact_id = None if contact is None else contact["id"]
            found = findings_on(event, contact, triggers_, now)
            considered += [
                Considered(one, contact_id, finding, event_number=event.number)
                for (one, _), finding in zip(triggers_, found, strict=True)
            ]
            if len(considered) >= MOST_AT_ONCE:
                yield considered
                considered = []
        if considered:
            yield considered

    def _waiting(self, connection: Connection, happened: Sequence[ClaimedEvent]) -> Waiting:
        """Return the triggers that wait for these events, by type and key."""
        rows = triggers.waiting(connection, {(one.type, _key(one)) for one in happened})
        if len(self._ready) > MOST_READY:
            self._ready.clear()
        stale = []
        for trigger_id, version, *_, name in rows:
            known = self._ready.get(trigger_id)
            # The workflow may have been renamed, which is no new version of its trigger.
            if known is None or (known.version, known.workflow_name) != (version, name):
                stale.append(trigger_id)
        if stale:
            self._ready.update((one.id, ready(one)) for one in triggers.stored(connection, stale))
        found: Waiting = {}
        for trigger_id, _, event, key, status, _ in rows:
            pair = self._ready[trigger_id], _STATUSES[status]
            found.setdefault((event, key), []).append(pair)
        return found


@contextmanager
def without_collecting() -> Iterator[None]:
    """Hold off the garbage collector, which looks in vain for what a batch leaves behind.

    Measured: with 10,000 triggers in memory it took half of the time.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def ready(trigger: StoredTrigger) -> Ready:
    """Return a trigger made ready to be asked; one that cannot be will say so to whoever asks."""
    document = trigger.document
    try:
        evaluator = Evaluator(document.filters)
    # Whatever somebody has written into the row: it must hold up no other trigger.
    except Exception as error:
        document = unreadable(document.event.name, error)
        evaluator = Evaluator(document.filters)
    settings = document.settings
    return Ready(
        id=trigger.id,
        workflow_id=trigger.workflow_id,
        workflow_name=trigger.workflow_name,
        version=trigger.version,
        document=document,
        evaluator=evaluator,
        asks=frozenset(asked_fields(document.filters)),
        single=settings.enrollment_limit is EnrollmentLimit.SINGLE,
        waits_for_opening=settings.respect_business_hours,
    )


def asked_fields(tree: Group) -> set[str]:
    """Return the columns, or `data`, that a filter looks at."""
    found: set[str] = set()
    for _, member in members(tree):
        found |= asked_fields(member) if isinstance(member, Group) else {member.field.path[0]}
    return found


def _understood(connection: Connection, claimed: list[ClaimedEvent]) -> list[ClaimedEvent]:
    """Return the events that can be evaluated, after rejecting the others.

    What is written into the table itself has not been looked at by anybody.
    """
    faults = [(one.number, fault) for one in claimed if (fault := _fault(one))]
    if not faults:
        return claimed
    events.reject(connection, faults)
    rejected = {number for number, _ in faults}
    return [one for one in claimed if one.number not in rejected]


def _fault(event: ClaimedEvent) -> str | None:
    kind = EVENT_TYPES.get(event.type)
    if kind is None or kind.timed:
        return type_fault(event.type)
    if not event.dated:
        return "occurred_at: must be a time of the years 1 to 9999"
    if not isinstance(event.data, dict):
        return "data: must be an object, and one that is not nested too deeply"
    faults = payload_faults(kind, event.data)
    if not (event.contact_id or event.email or event.external_id):
        faults.append("one of contact_id, email and external_id names the contact")
    return told(faults) if faults else None


def _key(event: ClaimedEvent) -> str | None:
    return value_of_key(EVENT_TYPES[event.type], event.data)


def _both(waiting: Waiting, event: ClaimedEvent) -> list[Waiter]:
    found = waiting.get((event.type, None), [])
    key = _key(event)
    return found if key is None else found + waiting.get((event.type, key), [])


def _people(
    connection: Connection,
    concerned: Sequence[tuple[ClaimedEvent, list[Waiter]]],
) -> contacts.People:
    wanted = set().union(*{one.asks for _, ones in concerned for one, _ in ones})
    named = [event for event, _ in concerned]
    return contacts.named(
        connection,
        ids={one.contact_id for one in named if one.contact_id},
        emails={one.email for one in named if one.email and not one.contact_id},
        external_ids={
            one.external_id
            for one in named
            if one.external_id and not (one.contact_id or one.email)
        },
        wanted=wanted - {"data"},
    )
