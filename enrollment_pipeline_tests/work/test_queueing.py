"""Whose job is next, and what becomes of one whose run has died: the rules alone."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.work.queueing import (
    ANNOUNCED_RETRY_GRACE,
    LOST_AFTER,
    RETRY_GRACE,
    QueuedWork,
    SeenRun,
    Turn,
    fair_order,
    is_lost,
    run_key,
    turn_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def job(
    number: int = 1,
    account: int = 1,
    *,
    attempt: int = 1,
    cancelling: bool = False,
    due: int = 0,
    alive: timedelta = timedelta(0),
) -> QueuedWork:
    return QueuedWork(
        kind="job",
        account_id=UUID(int=account),
        account_name=f"account-{account}",
        work_id=UUID(int=number),
        attempt=attempt,
        cancelling=cancelling,
        due_at=NOW + due * SECOND,
        alive_at=NOW - alive,
    )


def run(
    attempt: int | None = 1,
    *,
    begun: timedelta | None = SECOND,
    ended: timedelta | None = None,
    terminated: bool = False,
    retried: bool = False,
) -> SeenRun:
    return SeenRun(
        terminated=terminated,
        retried=retried,
        run_key=None if attempt is None else f"{UUID(int=1)}:{attempt}",
        begun_at=None if begun is None else NOW - begun,
        ended_at=None if ended is None else NOW - ended,
    )


LONG_AGO = timedelta(hours=1)


@pytest.mark.parametrize(
    ("described", "queued", "runs", "turn"),
    [
        ("never had a run", job(), [], Turn.START),
        ("its run lives", job(), [run()], Turn.WAIT),
        ("its run waits in Dagster's queue", job(), [run(begun=None)], Turn.WAIT),
        ("its run has just died", job(), [run(ended=RETRY_GRACE - SECOND)], Turn.WAIT),
        ("its run has died", job(), [run(ended=RETRY_GRACE)], Turn.RESTART),
        ("Dagster will retry it", job(), [run(ended=RETRY_GRACE, retried=True)], Turn.WAIT),
        (
            "Dagster does not retry it after all",
            job(),
            [run(ended=ANNOUNCED_RETRY_GRACE, retried=True)],
            Turn.RESTART,
        ),
        (
            "its run was terminated",
            job(),
            [run(ended=SECOND, terminated=True)],
            Turn.FINISH_CANCELLING,
        ),
        (
            "an earlier attempt was terminated, and the job resumed",
            job(attempt=2),
            [run(ended=LONG_AGO, terminated=True)],
            Turn.START,
        ),
        (
            "an earlier run was terminated, and a later one died",
            job(),
            [run(ended=LONG_AGO), run(ended=2 * LONG_AGO, terminated=True)],
            Turn.RESTART,
        ),
        ("Dagster retries it", job(), [run(None), run(ended=LONG_AGO)], Turn.WAIT),
        (
            "the retry has died, too",
            job(),
            [run(None, ended=2 * LONG_AGO), run(ended=LONG_AGO)],
            Turn.RESTART,
        ),
        ("an earlier attempt had a run", job(attempt=2), [run(ended=LONG_AGO)], Turn.START),
        ("somebody ran its partition before", job(), [run(None, ended=LONG_AGO)], Turn.START),
        (
            "its canceller has gone",
            job(cancelling=True),
            [run(ended=SECOND)],
            Turn.FINISH_CANCELLING,
        ),
        ("it is being cancelled", job(cancelling=True), [run()], Turn.WAIT),
        (
            "its run is lost, and not yet given up",
            job(alive=LOST_AFTER + SECOND),
            [run(begun=LONG_AGO)],
            Turn.WAIT,
        ),
        (
            "its run has just begun on an old job",
            job(alive=LONG_AGO),
            [run(begun=SECOND)],
            Turn.WAIT,
        ),
        ("its run shows life", job(alive=SECOND), [run(begun=LONG_AGO)], Turn.WAIT),
        (
            "a new run works beside the lost one",
            job(attempt=2, alive=LONG_AGO),
            [run(2, begun=SECOND), run(1, begun=LONG_AGO)],
            Turn.WAIT,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_queue_does_with_a_job(
    described: str, queued: QueuedWork, runs: list[SeenRun], turn: Turn
) -> None:
    assert turn_of(queued, runs, NOW) is turn


@pytest.mark.parametrize(
    ("queued", "seen", "lost"),
    [
        (job(alive=LOST_AFTER + SECOND), run(begun=LONG_AGO), True),
        (job(alive=LOST_AFTER), run(begun=LONG_AGO), False),
        (job(alive=LONG_AGO), run(begun=SECOND), False),
        (job(alive=LONG_AGO), run(begun=None), False),
        (job(alive=LONG_AGO), run(begun=LONG_AGO, ended=SECOND), False),
    ],
)
def test_a_run_is_lost_when_neither_it_nor_its_job_has_shown_life(
    queued: QueuedWork, seen: SeenRun, lost: bool
) -> None:
    assert is_lost(queued, seen, NOW) is lost


def test_each_attempt_has_a_key_of_its_own() -> None:
    assert len({run_key(job(1)), run_key(job(1, attempt=2)), run_key(job(2))}) == 3


def accounts_of(jobs: list[QueuedWork]) -> list[int]:
    return [one.account_id.int for one in jobs]


def test_ten_jobs_of_one_account_do_not_hold_up_another() -> None:
    waiting = [job(number, 1, due=number) for number in range(10)] + [job(99, 2, due=100)]
    assert accounts_of(fair_order(waiting, {}, 3)) == [1, 2, 1]


def test_an_account_with_runs_at_work_comes_after_one_without() -> None:
    waiting = [job(1, 1, due=0), job(2, 2, due=9)]
    assert accounts_of(fair_order(waiting, {UUID(int=1): 1}, 2)) == [2, 1]


def test_among_equals_whoever_waits_longest_is_next() -> None:
    waiting = [job(1, 3, due=5), job(2, 2, due=1), job(3, 1, due=3)]
    assert accounts_of(fair_order(waiting, {}, 3)) == [2, 1, 3]


jobs = st.lists(st.tuples(st.integers(1, 5), st.integers(-50, 50)), max_size=30).map(
    lambda pairs: [job(n, account, due=due) for n, (account, due) in enumerate(pairs)]
)
loads = st.dictionaries(st.integers(1, 5).map(lambda n: UUID(int=n)), st.integers(0, 6))


@given(waiting=jobs, at_work=loads, places=st.integers(0, 12))
def test_places_are_filled_in_turn(
    waiting: list[QueuedWork], at_work: dict[UUID, int], places: int
) -> None:
    chosen = fair_order(waiting, at_work, places)

    assert len(chosen) == len(set(chosen)) == min(places, len(waiting))
    for account in {one.account_id for one in waiting}:
        own = sorted(
            (one for one in waiting if one.account_id == account),
            key=lambda one: (one.due_at, one.work_id),
        )
        taken = [one for one in chosen if one.account_id == account]
        # The jobs of an account keep their order.
        assert taken == own[: len(taken)]
    # Nobody got a place while another, with fewer, still waited.
    have = Counter(at_work) + Counter(one.account_id for one in chosen)
    still_waiting = {one.account_id for one in waiting} - {
        account
        for account in {one.account_id for one in waiting}
        if all(one in chosen for one in waiting if one.account_id == account)
    }
    for served in {one.account_id for one in chosen}:
        for other in still_waiting:
            assert have[served] - 1 <= have[other]
