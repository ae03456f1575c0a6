"""Whose job is next, and what becomes of one whose run has died: the rules alone."""

from collections import Counter
from collections.abc import Mapping
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
    Room,
    SeenRun,
    TagLimit,
    Turn,
    fair_order,
    is_lost,
    run_key,
    run_tags,
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
    tags: Mapping[str, str] | None = None,
    priority: int = 0,
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
        tags=tags or {},
        priority=priority,
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


def test_a_run_tells_its_account_and_its_work_beside_tags_of_its_own() -> None:
    queued = job(7, 2, tags={"color": "red", "enrollment/account": "another"}, priority=-3)

    assert run_tags(queued) == {
        "enrollment/account": "account-2",
        "enrollment/job": str(UUID(int=7)),
        "color": "red",
        "dagster/priority": "-3",
    }
    assert "dagster/priority" not in run_tags(job())


def accounts_of(jobs: list[QueuedWork]) -> list[int]:
    return [one.account_id.int for one in jobs]


def numbers_of(jobs: list[QueuedWork]) -> list[int]:
    return [one.work_id.int for one in jobs]


def test_ten_jobs_of_one_account_do_not_hold_up_another() -> None:
    waiting = [job(number, 1, due=number) for number in range(10)] + [job(99, 2, due=100)]
    assert accounts_of(fair_order(waiting, {}, 3, Room())) == [1, 2, 1]


def test_an_account_with_runs_at_work_comes_after_one_without() -> None:
    waiting = [job(1, 1, due=0), job(2, 2, due=9)]
    assert accounts_of(fair_order(waiting, {UUID(int=1): 1}, 2, Room())) == [2, 1]


def test_among_equals_whoever_waits_longest_is_next() -> None:
    waiting = [job(1, 3, due=5), job(2, 2, due=1), job(3, 1, due=3)]
    assert accounts_of(fair_order(waiting, {}, 3, Room())) == [2, 1, 3]


def test_a_priority_goes_before_older_work_of_the_same_account_and_of_no_other() -> None:
    waiting = [
        job(1, 1, due=0),
        job(2, 1, due=5, priority=10),
        job(3, 1, due=-9, priority=-1),
        job(4, 2, due=4),
    ]
    assert numbers_of(fair_order(waiting, {}, 4, Room())) == [4, 2, 1, 3]


ALL_RED = TagLimit("color", "red", 2)
ANY_COLOR = TagLimit("color", None, 3)
EACH_SIZE = TagLimit("size", None, 1, per_value=True)
RED, BLUE, SMALL, LARGE = {"color": "red"}, {"color": "blue"}, {"size": "s"}, {"size": "l"}


@pytest.mark.parametrize(
    ("described", "limits", "unfinished", "tags", "fits"),
    [
        ("no limit", [], [RED] * 9, RED, True),
        ("below the limit", [ALL_RED], [RED], RED, True),
        ("at the limit", [ALL_RED], [RED, RED], RED, False),
        ("over the limit", [ALL_RED], [RED] * 5, RED, False),
        ("another value", [ALL_RED], [RED, RED], BLUE, True),
        ("another key with that value", [ALL_RED], [RED, RED], {"paint": "red"}, True),
        ("any value counts", [ANY_COLOR], [RED, BLUE, BLUE], {"color": "green"}, False),
        ("each value by itself", [EACH_SIZE], [SMALL], LARGE, True),
        ("the same value again", [EACH_SIZE], [SMALL], SMALL, False),
        ("one of two limits is met", [ALL_RED, EACH_SIZE], [SMALL], RED | SMALL, False),
        ("the narrower limit is met", [ANY_COLOR, ALL_RED], [RED, RED], RED, False),
        ("the wider limit is met", [ANY_COLOR, ALL_RED], [BLUE] * 3, RED, False),
        ("none may run", [TagLimit("color", "red", 0)], [], RED, False),
        ("an empty value is a value", [TagLimit("color", "", 0)], [], RED, True),
        ("without any tag", [ALL_RED, ANY_COLOR, EACH_SIZE], [RED] * 9, {}, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whether_one_more_run_has_room(
    described: str,
    limits: list[TagLimit],
    unfinished: list[dict[str, str]],
    tags: dict[str, str],
    fits: bool,
) -> None:
    assert Room(limits, unfinished).fits(tags) is fits


def test_work_without_room_lets_what_comes_after_it_pass() -> None:
    waiting = [
        job(1, 1, due=0, tags=RED),
        job(2, 1, due=1),
        job(3, 2, due=2, tags=RED),
        job(4, 2, due=3, tags=BLUE),
    ]
    assert numbers_of(fair_order(waiting, {}, 9, Room([ALL_RED], [RED, RED]))) == [2, 4]


def test_what_is_chosen_takes_the_room_of_what_comes_after_it() -> None:
    waiting = [job(number, 1, due=number, tags=RED) for number in range(1, 4)]
    waiting.append(job(9, 2, due=9, tags=RED))
    assert numbers_of(fair_order(waiting, {}, 9, Room([ALL_RED]))) == [1, 9]


def test_the_tags_that_every_run_has_are_limited_like_others() -> None:
    waiting = [job(number, 1, due=number) for number in range(1, 4)] + [job(9, 2, due=9)]
    each_account = TagLimit("enrollment/account", None, 2, per_value=True)
    assert numbers_of(fair_order(waiting, {}, 9, Room([each_account]))) == [1, 9, 2]


tags = st.fixed_dictionaries(
    {},
    optional={
        "color": st.sampled_from(["red", "blue"]),
        "size": st.sampled_from(["s", "m", "l"]),
    },
)
jobs = st.lists(
    st.tuples(st.integers(1, 5), st.integers(-9, 9), st.integers(-1, 1), tags), max_size=30
).map(
    lambda drawn: [
        job(number, account, due=due, priority=priority, tags=own)
        for number, (account, due, priority, own) in enumerate(drawn)
    ]
)
loads = st.dictionaries(st.integers(1, 5).map(lambda n: UUID(int=n)), st.integers(0, 6))
counts = st.integers(0, 5)
limits = st.lists(
    st.builds(TagLimit, st.just("color"), st.sampled_from([None, "red", "blue"]), counts)
    | st.builds(TagLimit, st.just("size"), st.none(), counts, st.booleans()),
    max_size=4,
)


@given(waiting=jobs, at_work=loads, places=st.integers(0, 12))
def test_places_are_filled_where_nothing_is_limited(
    waiting: list[QueuedWork], at_work: dict[UUID, int], places: int
) -> None:
    chosen = fair_order(waiting, at_work, places, Room())

    assert len(chosen) == len(set(chosen)) == min(places, len(waiting))


@given(waiting=jobs, at_work=loads, places=st.integers(0, 12), limits=limits, old=st.lists(tags))
def test_places_are_filled_in_turn_as_far_as_there_is_room(
    waiting: list[QueuedWork],
    at_work: dict[UUID, int],
    places: int,
    limits: list[TagLimit],
    old: list[dict[str, str]],
) -> None:
    chosen = fair_order(waiting, at_work, places, Room(limits, old))

    assert len(chosen) == len(set(chosen)) <= places
    left, room, have = list(waiting), Room(limits, old), Counter(at_work)
    for taken in chosen:
        could = [one for one in left if room.fits(run_tags(one))]
        # Nobody got a place while another, with fewer, had work that could begin.
        assert have[taken.account_id] == min(have[one.account_id] for one in could)
        # The work of an account keeps its order.
        own = [one for one in could if one.account_id == taken.account_id]
        assert taken == min(own, key=lambda one: (-one.priority, one.due_at, one.work_id))
        left.remove(taken)
        room.take(run_tags(taken))
        have[taken.account_id] += 1
    # Nothing that could begin is left while a place is free.
    assert len(chosen) == places or not any(room.fits(run_tags(one)) for one in left)


@given(waiting=jobs, places=st.integers(0, 12), limits=limits, old=st.lists(tags))
def test_no_limit_is_passed(
    waiting: list[QueuedWork], places: int, limits: list[TagLimit], old: list[dict[str, str]]
) -> None:
    chosen = fair_order(waiting, {}, places, Room(limits, old))

    for limit in limits:
        before, new = (
            Counter(
                own[limit.key] if limit.per_value else "all"
                for own in runs
                if limit.key in own and limit.value in (None, own[limit.key])
            )
            for runs in (old, [one.tags for one in chosen])
        )
        for value, count in new.items():
            assert before[value] + count <= limit.limit
