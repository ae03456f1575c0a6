"""The work of triggers over all accounts: events, firings whose time has come, small jobs.

Belongs here: whose turn it is, what one trouble may hold up, and when to end. Each step is a
transaction of its own, so it can be killed at any moment and run twice at once.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.enrollment import service as enrollment
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.failures import transient_reason
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.evaluating import BATCH, Evaluation
from enrollment_pipeline.triggers.evaluation import Result
from enrollment_pipeline.triggers.releasing import release
from enrollment_pipeline.triggers.store import work

BACKLOG = 20_000
"""Pending events for which a further process is worth its start."""

MOST_RUNS = 2
"""Processes at once; each takes a place that enrollments need too."""

MOST_JOBS_LEFT = 500
"""Small jobs of an account with which it evaluates no further events until they have been run: some
50 seconds of work. A batch may open one for each workflow, which takes far longer to run than to
evaluate."""

_SMALLER = 10

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Totals:
    """What a run of triggers has done, over all accounts."""

    events: int = 0
    rejected: int = 0
    released: int = 0
    jobs: int = 0
    results: Counter[Result] = field(default_factory=Counter)

    @property
    def anything(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.events or self.released or self.jobs)

    @property
    def sentence(self) -> str:
        """All of it, as one line."""
        results = ", ".join(f"{number:,} {one}" for one, number in self.results.most_common())
        return (
            f"{self.events:,} events ({self.rejected:,} rejected), {self.released:,} that waited, "
            f"{self.jobs:,} jobs; {results or 'no trigger considered any'}."
        )

    def add(self, other: "Totals") -> None:
        """Count what another run has done as well."""
        self.events += other.events
        self.rejected += other.rejected
        self.released += other.released
        self.jobs += other.jobs
        self.results += other.results


def runs_wanted(database: Database, now: datetime) -> int:
    """Return how many processes should evaluate at once: none where there is nothing to do.

    One keeps up with thousands of events a second; a backlog is shared.
    """
    pending = _accounts_with_work(database, now)
    return min(MOST_RUNS, 1 + sum(pending.values()) // BACKLOG) if pending else 0


def work_off(
    database: Database,
    settings: Settings,
    *,
    account: Account | None = None,
    actor: str | None = None,
    go_on: Callable[[], bool] = lambda: True,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Totals:
    """Evaluate events until none is pending, release what is due, and run the small jobs of it.

    One batch of an account, then one of the next. With `account`, of that one alone, and with
    `actor` on behalf of somebody; without, the product does it by itself. The trouble of one
    account holds up no other; the first is raised at the end.

    Raises:
        ForbiddenError: the actor may not.
    """
    if account is not None and actor is not None:
        # A refusal is written down; what triggers do, they write down themselves.
        with operation(
            database,
            account.id,
            actor=actor,
            action="events.evaluate",
            needs=Permission.WORKFLOW_MANAGE,
        ) as doing:
            doing.silent = True
    totals = Totals()
    jobs_left: dict[UUID, int] = {}
    trouble: Exception | None = None
    evaluation = Evaluation(database, clock)
    while go_on():
        waiting = list(_accounts_with_work(database, clock()))
        if account is not None:
            waiting = [one for one in waiting if one == account.id]
        before = (totals.events, totals.released, totals.jobs)
        for account_id in waiting:
            if not go_on():
                break
            try:
                jobs_left[account_id] = _turn(
                    database,
                    settings,
                    evaluation,
                    account_id,
                    totals,
                    go_on,
                    clock,
                    jobs_left.get(account_id, 0),
                )
            except Exception as error:
                if isinstance(error, DBAPIError) and transient_reason(error):
                    raise
                _log.debug("The work of account %s was not done.", account_id, exc_info=True)
                trouble = trouble or error
        if (totals.events, totals.released, totals.jobs) == before:
            break
    if trouble is not None:
        raise trouble
    return totals


def _turn(
    database: Database,
    settings: Settings,
    evaluation: Evaluation,
    account_id: UUID,
    totals: Totals,
    go_on: Callable[[], bool],
    clock: Callable[[], datetime],
    jobs_left: int,
) -> int:
    """Do one turn of an account; return how many small jobs of it are left."""
    account = accounts.with_id(database, account_id)
    if jobs_left <= MOST_JOBS_LEFT:
        _evaluate(evaluation, account, totals, BATCH)
    released = release(database, account, now=clock())
    totals.released += released.total()
    totals.results += released
    small = enrollment.run_small_jobs(database, settings, account, go_on=go_on)
    totals.jobs += small.worked
    # Where all of them are in the hands of others, there is nothing to wait for here.
    return small.left if small.worked else 0


def _evaluate(evaluation: Evaluation, account: Account, totals: Totals, most: int) -> None:
    """Evaluate a batch; where it cannot be, a smaller one, down to the event that is the cause."""
    alone = most == 1
    try:
        found = (
            evaluation.evaluate_next(account) if alone else evaluation.evaluate(account, most=most)
        )
    except Exception as error:
        if alone or (isinstance(error, DBAPIError) and transient_reason(error)):
            raise
        _log.debug("A batch of events could not be evaluated.", exc_info=True)
        _evaluate(evaluation, account, totals, max(1, most // _SMALLER))
        return
    totals.events += found.events
    totals.rejected += found.rejected
    totals.results += found.results


def _accounts_with_work(database: Database, now: datetime) -> dict[UUID, int]:
    with database.across_accounts() as connection:
        return work.accounts_with_work(connection, now)
