"""Taking hold of a job: pause, resume, reschedule, retry."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from enrollment_pipeline.enrollment import queue, service
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.errors import (
    ConfigurationError,
    InvalidRequestError,
    InvalidStateError,
    JobNotFoundError,
    NothingToRetryError,
    RequestIdUsedError,
)
from enrollment_pipeline_tests.enrollment.conftest import (
    EVERYBODY,
    Bulk,
    Impatient,
    MakeBulk,
    Trip,
    manual,
)

AddWorkflow = Callable[..., UUID]
POISON = "raise exception 'poison';"


@pytest.fixture(autouse=True)
def workflow(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """The workflow that the jobs of the test enroll into."""
    return add_workflow(bulk.account)


def audit(bulk: Bulk, subject: UUID) -> list[tuple[str, str]]:
    rows = bulk.query(
        "select actor, action from enrollment.audit_log where subject = :subject order by id",
        subject=str(subject),
    )
    return [(row["actor"], row["action"]) for row in rows]


class AfterSome:
    """Does something at the first look after so many contacts are enrolled."""

    def __init__(self, bulk: Bulk, job_id: UUID, least: int, what: Callable[[], object]) -> None:
        self._bulk, self._job_id, self._least, self._what = bulk, job_id, least, what
        self._done = False

    def is_set(self) -> bool:
        if not self._done and len(self._bulk.enrolled_by(self._job_id)) >= self._least:
            self._done = True
            self._what()
        return False

    def wait(self, timeout: float | None = None) -> bool:
        raise AssertionError("nothing to wait for")


def test_a_paused_job_keeps_what_is_done_and_goes_on_with_the_rest(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(12_00)), batch_size=500)
    bulk.sql(
        "update enrollment.accounts set settings = '{\"burst_per_second\": 400}' where id = :id",
        id=bulk.account.id,
    )
    bulk.prepare(job_id)
    stop = AfterSome(
        bulk,
        job_id,
        400,
        lambda: service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann"),
    )

    assert bulk.phases(job_id).lane(stop).drain() is LaneEnd.PAUSED

    document = bulk.describe(job_id)
    assert (document["status"], document["outcomes"]["enrolled"]) == ("paused", 400)
    assert document["error"]["code"] == "JOB_PAUSED"
    assert "paused by ann" in document["error"]["message"]
    with pytest.raises(InvalidStateError, match="paused"):
        bulk.phases(job_id).open_lanes()
    service.resume(bulk.database, bulk.account, job_id, actor="bob")
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 1200
    assert audit(bulk, job_id) == [
        ("unknown", "job.submit"),
        ("ann", "job.pause"),
        ("bob", "job.resume"),
    ]


def test_only_a_job_at_work_can_be_paused(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    with pytest.raises(InvalidStateError, match="pending"):
        service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    bulk.finish(job_id)
    with pytest.raises(InvalidStateError, match="completed"):
        service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    with pytest.raises(JobNotFoundError):
        service.pause(bulk.database, bulk.settings, bulk.account, uuid4(), actor="ann")


def in_queue(bulk: Bulk, job_id: UUID) -> list[tuple[int, str]]:
    return [
        (job.attempt, str(job.status))
        for job in queue.open_jobs(bulk.database)
        if job.job_id == job_id
    ]


def test_a_job_can_be_resumed_by_the_queue(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)
    service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    assert in_queue(bulk, job_id) == []

    service.resume(bulk.database, bulk.account, job_id, actor="ann", runner="queue")
    assert in_queue(bulk, job_id) == [(2, "queued")]

    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert in_queue(bulk, job_id) == []


def test_a_job_that_says_what_is_wrong_with_it_is_not_started_again(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)
    assert in_queue(bulk, job_id) == [(1, "processing")]
    bulk.sql("update enrollment.enrollment_jobs set error = '{}' where id = :job", job=job_id)
    assert in_queue(bulk, job_id) == []


def test_a_scheduled_job_can_be_moved_and_cancelled_before_its_start(bulk: Bulk) -> None:
    bulk.crowd(3)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    job_id = bulk.submit(EVERYBODY, scheduled_at=tomorrow)
    later = (tomorrow + timedelta(days=1)).replace(microsecond=0)

    def move(at: datetime | None, zone: str | None = None) -> None:
        service.reschedule(bulk.database, bulk.account, job_id, at=at, timezone=zone, actor="ann")

    move(later)
    assert bulk.describe(job_id)["scheduled_at"] == later.isoformat()
    move(later.replace(tzinfo=None), "America/New_York")
    there = later.replace(tzinfo=ZoneInfo("America/New_York"))
    assert bulk.describe(job_id)["scheduled_at"] == there.astimezone(UTC).isoformat()
    with pytest.raises(InvalidRequestError, match="in the past"):
        move(datetime.now(UTC) - timedelta(minutes=1))
    with pytest.raises(InvalidRequestError, match="not a time zone"):
        move(later, "Mars/Olympus")
    assert in_queue(bulk, job_id) == []
    move(None)
    assert in_queue(bulk, job_id) == [(1, "scheduled")]

    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    assert bulk.describe(job_id)["status"] == "cancelled"
    with pytest.raises(InvalidStateError, match="cancelled"):
        move(later)


def test_a_time_that_is_given_with_a_zone_is_read_by_the_clock_there(bulk: Bulk) -> None:
    job_id = bulk.submit(EVERYBODY, scheduled_at="2030-07-01T09:00", timezone="Europe/Berlin")
    assert bulk.describe(job_id)["scheduled_at"] == "2030-07-01T07:00:00+00:00"


def test_what_failed_is_tried_again_as_a_new_job(bulk: Bulk, trip: Trip, workflow: UUID) -> None:
    people = bulk.crowd(30)
    bulk.change_contacts(people[20:22], "status = 'blocked'")
    trip(people[:5], f"if stumbled <= 60 then {POISON} end if;")
    first = bulk.enroll(manual(people), batch_size=10, add_tags=["spring"], max_failure_share=1)
    assert (first["outcomes"]["enrolled"], first["outcomes"]["failed"]) == (23, 5)
    bulk.sql("select setval(c.oid, 1000) from pg_class c where relname like 'trip%'")

    job_id = service.retry(
        bulk.database, bulk.account, UUID(first["job_id"]), everything=False, actor="ann"
    )

    second = bulk.finish(job_id)
    assert second["retry_of"] == first["job_id"]
    assert (second["source"], second["requested_by"]) == ("retry", "ann")
    assert second["outcomes"]["enrolled"] == second["input_rows"] == 5
    assert bulk.enrolled_by(job_id) == set(people[:5])
    tagged = bulk.query("select tags from enrollment.contacts where id = :id", id=people[0])
    assert tagged[0]["tags"] == ["spring"]
    assert audit(bulk, UUID(first["job_id"]))[-1] == ("ann", "job.retry")


def test_contacts_of_a_batch_that_was_given_up_are_tried_again(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(20)
    trip([people[3]], "if stumbled <= 50 then raise deadlock_detected; end if;")
    job_id = bulk.submit(manual(people), batch_size=10)
    bulk.prepare(job_id)
    bulk.phases(job_id).lane(Impatient(bulk, job_id)).drain()
    first = bulk.finish(job_id)
    assert (first["outcomes"]["enrolled"], first["outcomes"]["unprocessed"]) == (10, 10)
    bulk.sql("select setval(c.oid, 1000) from pg_class c where relname like 'trip%'")

    again = service.retry(bulk.database, bulk.account, job_id, everything=False, actor="ann")
    assert bulk.finish(again)["outcomes"]["enrolled"] == 10


def test_with_all_also_what_no_later_attempt_is_likely_to_mend(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(10)
    trip(people[:2], POISON)
    job = bulk.enroll(manual(people))
    job_id = UUID(job["job_id"])
    bulk.sql(
        "update enrollment.enrollment_failures set code = 'TARGET_REFUSED' "
        "where job_id = :job and contact_id = :contact",
        job=job_id,
        contact=people[0],
    )

    def retried(everything: bool) -> set[str]:
        made = service.retry(
            bulk.database, bulk.account, job_id, everything=everything, actor="ann"
        )
        rows = bulk.finish(made)["input_rows"]
        return {str(row["contact_id"]) for row in bulk.rows(made)} if rows else set()

    assert retried(False) == {str(people[1])}
    assert retried(True) == {str(people[0]), str(people[1])}


def test_a_job_without_failures_refuses_to_be_retried(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(5)
    bulk.change_contacts(people[:2], "status = 'blocked'")
    job_id = bulk.submit(manual(people))

    def retry(everything: bool = False) -> UUID:
        return service.retry(
            bulk.database, bulk.account, job_id, everything=everything, actor="ann"
        )

    with pytest.raises(InvalidStateError, match="pending"):
        retry()
    bulk.finish(job_id)
    for everything in (False, True):
        with pytest.raises(NothingToRetryError):
            retry(everything)
    assert len(service.list_jobs(bulk.database, bulk.account)["jobs"]) == 1


def test_two_retries_of_a_job_are_not_open_at_once(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(5)
    trip(people[:2], POISON)
    job_id = UUID(bulk.enroll(manual(people))["job_id"])
    made, refused = [], []

    def retry() -> None:
        try:
            made.append(
                service.retry(bulk.database, bulk.account, job_id, everything=False, actor="ann")
            )
        except InvalidStateError as error:
            refused.append(error)

    threads = [threading.Thread(target=retry) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 3)
    assert str(made[0]) in str(refused[0])


def test_a_request_id_stands_for_one_request(bulk: Bulk, workflow: UUID) -> None:
    bulk.crowd(3)
    file = bulk.csv("email\nc1@example.com\n")
    request = bulk.request(file, request_id="march", add_tags=["a"])

    def submit(other: object = request) -> tuple[UUID, bool]:
        return service.submit(bulk.database, bulk.account, other, source="test")  # type: ignore[arg-type]

    job_id, created = submit()
    assert created
    same = {"request_id": "march", "add_tags": ["a"]}
    alike = [
        request,
        bulk.request(file, str(workflow).upper(), **same),
        bulk.request(bulk.csv("email\nc1@example.com\n"), requested_by="somebody else", **same),
    ]
    for other in alike:
        assert submit(other) == (job_id, False)
    due = "2030-01-01T09:00"
    first = bulk.request(EVERYBODY, request_id="due", scheduled_at=due, timezone="Europe/Berlin")
    same_instant = bulk.request(EVERYBODY, request_id="due", scheduled_at="2030-01-01T08:00Z")
    other_instant = bulk.request(EVERYBODY, request_id="due", scheduled_at=due)
    scheduled, _ = submit(first)
    assert submit(same_instant) == (scheduled, False)
    with pytest.raises(RequestIdUsedError):
        submit(other_instant)
    different = [
        bulk.request(bulk.csv("email\nc2@example.com\n"), **same),
        bulk.request(file, request_id="march", add_tags=["b"]),
        bulk.request(EVERYBODY, **same),
        bulk.request(file, scheduled_at="2030-01-01T00:00", **same),
    ]
    for other in different:
        with pytest.raises(RequestIdUsedError, match=str(job_id)):
            submit(other)
    assert len(service.list_jobs(bulk.database, bulk.account)["jobs"]) == 2


def test_the_same_request_id_in_another_account_is_another_request(
    bulk: Bulk, make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    other = make_bulk()
    add_workflow(other.account)
    first = bulk.submit(EVERYBODY, request_id="march")
    assert other.submit(EVERYBODY, request_id="march", add_tags=["x"]) != first


def test_a_job_whose_runs_die_without_progress_is_given_up(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)

    def restart() -> bool:
        (job,) = (job for job in queue.open_jobs(bulk.database) if job.job_id == job_id)
        return queue.restart(bulk.database, bulk.settings, job)

    assert [restart() for _ in range(6)] == [True] * 5 + [False]
    document = bulk.describe(job_id)
    assert (document["status"], document["error"]["code"]) == ("paused", "RUN_FAILED")
    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 3


def test_a_job_whose_runs_die_with_progress_is_started_again_and_again(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(100)), batch_size=10)
    bulk.prepare(job_id)
    for number in range(10):
        bulk.sql(
            "update enrollment.enrollment_jobs set failed = :number where id = :job",
            number=number,
            job=job_id,
        )
        (job,) = (job for job in queue.open_jobs(bulk.database) if job.job_id == job_id)
        assert queue.restart(bulk.database, bulk.settings, job)


def test_a_job_whose_runs_die_before_it_has_batches_fails(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.phases(job_id).select()
    for _ in range(6):
        (job,) = (job for job in queue.open_jobs(bulk.database) if job.job_id == job_id)
        queue.restart(bulk.database, bulk.settings, job)
    document = bulk.describe(job_id)
    assert (document["status"], document["error"]["code"]) == ("failed", "RUN_FAILED")


def test_two_daemons_restart_a_job_once(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)
    (job,) = (job for job in queue.open_jobs(bulk.database) if job.job_id == job_id)
    assert queue.restart(bulk.database, bulk.settings, job)
    assert not queue.restart(bulk.database, bulk.settings, job)
    assert in_queue(bulk, job_id) == [(2, "processing")]


def test_a_cancellation_whose_author_has_gone_is_finished_by_the_queue(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'cancelling' where id = :job", job=job_id
    )
    (job,) = (job for job in queue.open_jobs(bulk.database) if job.job_id == job_id)

    queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")
    queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")

    bulk.phases(job_id).report()
    assert bulk.verified(job_id)["outcomes"]["cancelled"] == 20


@pytest.mark.parametrize("runner", ["caller", "queue"])
def test_a_cancellation_that_was_cut_off_is_in_the_queue_whatever_the_job_was(
    bulk: Bulk, runner: str
) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'cancelling', runner = :runner, "
        "error = '{\"code\": \"X\"}', heartbeat_at = now() - interval '3 minutes' where id = :job",
        job=job_id,
        runner=runner,
    )
    assert in_queue(bulk, job_id) == [(1, "cancelling")]
    assert f"enrollment cancel {job_id}" in bulk.describe(job_id)["attention"]

    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    assert bulk.verified(job_id)["outcomes"]["cancelled"] == 20


def test_a_job_whose_run_was_terminated_is_ended_by_the_queue(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    (job,) = (job for job in queue.open_jobs(bulk.database) if job.job_id == job_id)

    queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")

    assert bulk.describe(job_id)["status"] == "cancelled"
    assert audit(bulk, job_id)[-1] == ("dagster", "job.cancel")


def test_a_cancelled_job_no_longer_tells_why_it_was_paused(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="bob")
    assert bulk.verified(job_id)["error"] is None


def test_a_lane_that_slept_through_pause_and_resume_goes_on(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert bulk.describe(job_id)["status"] == "queued"
    assert bulk.phases(job_id).lane(threading.Event()).drain() is LaneEnd.DONE
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 20


def test_a_job_that_waits_in_the_queue_is_not_told_to_be_resumed(bulk: Bulk) -> None:
    job_id = bulk.submit(EVERYBODY)
    bulk.sql(
        "update enrollment.enrollment_jobs set created_at = now() - interval '3 minutes' "
        "where id = :job",
        job=job_id,
    )
    attention = bulk.describe(job_id)["attention"]
    assert "waits for its turn" in attention
    assert "resume" not in attention


def test_a_report_that_cannot_be_written_is_told_by_the_job(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    phases = bulk.prepare(job_id)
    phases.lane(threading.Event()).drain()
    in_the_way = bulk.settings.reports / str(bulk.account.id)
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("no folder")

    with pytest.raises(ConfigurationError, match="cannot be written"):
        phases.report()

    document = bulk.describe(job_id)
    assert (document["status"], document["error"]["code"]) == ("processing", "CONFIGURATION_ERROR")
    assert in_queue(bulk, job_id) == []
    in_the_way.unlink()
    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert bulk.finish(job_id)["error"] is None
