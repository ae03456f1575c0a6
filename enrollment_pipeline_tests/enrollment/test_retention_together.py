"""Pruning beside others: other accounts, other jobs, and another who prunes at the same time."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.enrollment import retention
from enrollment_pipeline.enrollment.retention import Pruned
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, MakeBulk
from enrollment_pipeline_tests.enrollment.test_retention import (
    NOTHING,
    NOW,
    TABLES,
    close_ago,
    log,
    prune,
    rows_of,
)

AddWorkflow = Callable[..., UUID]


@pytest.fixture
def job(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """A closed job over three contacts."""
    add_workflow(bulk.account)
    bulk.crowd(3)
    return UUID(bulk.enroll(EVERYBODY)["job_id"])


def test_the_jobs_of_another_account_stay(bulk: Bulk, job: UUID, make_bulk: MakeBulk) -> None:
    close_ago(bulk, job, days=1000)
    held = rows_of(bulk, job)
    other = make_bulk()

    assert prune(other) == NOTHING
    assert rows_of(bulk, job) == held
    asked = retention.past_history(other.database, other.account, [job], now=NOW)
    assert asked == []


def test_jobs_of_which_only_the_counts_are_kept_are_told_from_the_others(
    bulk: Bulk, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    old, young, still_open = (bulk.submit(EVERYBODY) for _ in range(3))
    for job_id, days in ((old, 91), (young, 89)):
        bulk.finish(job_id)
        close_ago(bulk, job_id, days=days)

    found = retention.past_history(bulk.database, bulk.account, [young, old, still_open], now=NOW)

    assert found == [old]


def test_a_job_that_cannot_be_pruned_does_not_keep_those_before_it(
    bulk: Bulk, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    bulk.crowd(3)
    first, second = (UUID(bulk.enroll(EVERYBODY)["job_id"]) for _ in range(2))
    for job_id, days in ((first, 100), (second, 99)):
        close_ago(bulk, job_id, days=days)
    bulk.sql(
        "create function enrollment.keep_it() returns trigger language plpgsql as "
        "$$ begin raise exception 'kept'; end $$"
    )
    bulk.sql(
        "create trigger keep_it before delete on enrollment.selected_contacts "
        f"for each row when (old.job_id = '{second}') execute function enrollment.keep_it()"
    )
    held = rows_of(bulk, second)
    try:
        with pytest.raises(DBAPIError, match="kept"):
            prune(bulk)
    finally:
        bulk.sql("drop trigger keep_it on enrollment.selected_contacts")
        bulk.sql("drop function enrollment.keep_it()")

    assert rows_of(bulk, first) == dict.fromkeys(TABLES, 0)
    assert rows_of(bulk, second) == held
    assert [one["subject"] for one in log(bulk)] == [str(first)]
    assert prune(bulk).jobs == 1


def test_two_who_prune_at_once_remove_and_tell_each_row_once(bulk: Bulk, job: UUID) -> None:
    close_ago(bulk, job, days=91)
    held = rows_of(bulk, job)
    found: list[Pruned] = []
    workers = [threading.Thread(target=lambda: found.append(prune(bulk))) for _ in range(2)]
    with bulk.database.account(bulk.account.id) as connection:
        # Both have found the job, and wait for it.
        jobs.load(connection, job, lock=True)
        for worker in workers:
            worker.start()
        _wait_until_two_wait(bulk)
    for worker in workers:
        worker.join(timeout=10)

    assert sorted(found, key=lambda one: one.jobs) == [
        NOTHING,
        Pruned(1, {**held, "notifications": 0}),
    ]
    assert len(log(bulk)) == 1


def _wait_until_two_wait(bulk: Bulk) -> None:
    for _ in range(500):
        (row,) = bulk.query("select count(*) as number from pg_locks where not granted")
        if row["number"] >= 2:
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for the job")
