"""The queue sensor where runs have tags that `dagster.yaml` limits, on a real Dagster instance."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.defs.enrollment.queue import JOBS
from enrollment_pipeline.defs.queue import build_queue
from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.defs.queue_looks import adding_runs, asked_for, empty_queue, keys

EVERYBODY = {"type": "filter", "filter": {}}
Submit = Callable[..., UUID]
Tick = Callable[..., list[dg.RunRequest]]
ONBOARDING = {"enrollment/work": "onboarding"}


def of(company: str) -> dict[str, str]:
    return {**ONBOARDING, "enrollment/company": company}


@pytest.fixture
def tick(instance: dg.DagsterInstance, owner: Engine) -> Iterator[Tick]:
    """Evaluate the sensor where some jobs have tags, and all of those a priority."""

    def evaluate(tags: dict[UUID, dict[str, str]], priority: int = 0) -> list[dg.RunRequest]:
        tagged = replace(
            JOBS,
            open_work=lambda database: [
                replace(work, tags=tags[work.work_id], priority=priority)
                if work.work_id in tags
                else work
                for work in JOBS.open_work(database)
            ],
        )
        return asked_for(build_queue([tagged]), instance)

    with empty_queue(owner, instance):
        yield evaluate


@pytest.fixture
def add_run(instance: dg.DagsterInstance) -> Iterator[Callable[..., dg.DagsterRun]]:
    """Put a run into the history, as if a daemon had launched it."""
    with adding_runs(instance) as add:
        yield add


def test_work_whose_tags_have_no_free_place_waits_and_lets_others_pass(
    tick: Tick,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
) -> None:
    add_workflow(account)
    jobs = [submit(account, EVERYBODY, runner="queue") for _ in range(5)]
    # dagster.yaml lets three runs of a company work at once, and five of all that are onboarding.
    for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED):
        add_run(uuid4(), status, **of("agency / one"))
    tags = {
        jobs[0]: of("agency / one"),
        jobs[1]: of("agency / one"),
        jobs[2]: of("agency / two"),
        jobs[3]: of("agency / two"),
    }

    requests = tick(tags)

    assert keys(requests) == [f"{jobs[number]}:1" for number in (0, 2, 3, 4)]
    add_run(uuid4(), **of("agency / three"))
    assert keys(tick(tags)) == [f"{jobs[number]}:1" for number in (0, 2, 4)]
    # What has ended takes no room.
    add_run(uuid4(), dg.DagsterRunStatus.SUCCESS, **of("agency / two"))
    assert keys(tick(tags)) == [f"{jobs[number]}:1" for number in (0, 2, 4)]


def test_a_run_has_the_tags_and_the_priority_of_its_work(
    tick: Tick,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
) -> None:
    add_workflow(account)
    first, urgent = (submit(account, EVERYBODY, runner="queue") for _ in range(2))

    requests = tick({urgent: of("agency / one")}, priority=7)

    assert keys(requests) == [f"{urgent}:1", f"{first}:1"]
    own = {"enrollment/account": account.name, "enrollment/job": str(urgent)}
    expected = {**own, **of("agency / one"), "dagster/priority": "7"}
    assert expected.items() <= requests[0].tags.items()
    assert "dagster/priority" not in requests[1].tags


def test_a_report_of_what_was_ended_takes_room_of_others(
    tick: Tick,
    owner: Engine,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
) -> None:
    add_workflow(account)
    ended, waiting = (submit(account, EVERYBODY, runner="queue") for _ in range(2))
    for _ in range(2):
        add_run(uuid4(), **of("agency / one"))
    with owner.begin() as connection:
        connection.execute(
            text("update enrollment.enrollment_jobs set status = 'cancelling' where id = :job"),
            {"job": ended},
        )

    requests = tick({ended: of("agency / one"), waiting: of("agency / one")})

    assert keys(requests) == [f"{ended}:1:report"]
