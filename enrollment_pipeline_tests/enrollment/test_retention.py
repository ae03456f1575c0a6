"""What is kept of closed jobs: their counts for good, the rest for a while; and nothing lies."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline.accounts.audit import list_audit
from enrollment_pipeline.enrollment import retention, service
from enrollment_pipeline.enrollment.claims import enroll_claimed
from enrollment_pipeline.enrollment.retention import Pruned
from enrollment_pipeline.enrollment.store import batches
from enrollment_pipeline.enrollment.transitions import lane_work
from enrollment_pipeline.errors import DetailsPrunedError
from enrollment_pipeline_tests.enrollment.conftest import (
    EVERYBODY,
    Bulk,
    Document,
    Trip,
    manual,
    run_phases,
)

NOW = datetime.now(UTC)
TABLES = ("selected_contacts", "enrollment_batches", "enrollment_failures", "kept_inputs")
NOTHING = Pruned(0, dict.fromkeys((*TABLES, "notifications"), 0))
AddWorkflow = Callable[..., UUID]


def prune(bulk: Bulk, **later: float) -> Pruned:
    return retention.prune(
        bulk.database, bulk.account, now=NOW + timedelta(**later), actor="keeper"
    )


def plan(bulk: Bulk) -> Pruned:
    return retention.plan(bulk.database, bulk.account, now=NOW)


def close_ago(bulk: Bulk, job_id: UUID, **ago: float) -> None:
    """Let a job have been closed that long ago."""
    bulk.sql(
        "update enrollment.enrollment_jobs set completed_at = :at where id = :job",
        at=NOW - timedelta(**ago),
        job=job_id,
    )


def rows_of(bulk: Bulk, job_id: UUID) -> dict[str, int]:
    """How many rows of each kind the database holds of a job."""
    counted = ", ".join(
        f"(select count(*) from enrollment.{table} "
        f"where {'work_id' if table == 'kept_inputs' else 'job_id'} = :job) as {table}"
        for table in TABLES
    )
    return bulk.query(f"select {counted}", job=job_id)[0]


def log(bulk: Bulk) -> list[Document]:
    found = list_audit(bulk.database, bulk.account, action="history.prune")["entries"]
    return [{name: one[name] for name in ("actor", "subject", "details")} for one in found]


@pytest.fixture
def varied(bulk: Bulk, trip: Trip, add_workflow: AddWorkflow) -> UUID:
    """A closed job with every outcome that a job without cancelling can have but unprocessed."""
    workflow = add_workflow(bulk.account)
    ids = bulk.crowd(40)
    trip(ids[:12], "raise exception 'poison';")
    bulk.change_contacts(ids[12:15], "status = 'blocked'")
    bulk.enroll_before(workflow, ids[15:17])
    addresses = [f"c{number}@example.com" for number in range(1, 41)]
    lines = [
        "email,x",
        *(f"{address},1" for address in addresses),
        "c40@example.com,1",
        "no,1",
        "!",
    ]
    job_id = bulk.submit(bulk.csv("\n".join(lines)), batch_size=10)
    bulk.prepare(job_id)
    bulk.change_contacts(ids[17:20], "status = 'blocked'")
    outcomes = bulk.finish(job_id)["outcomes"]
    assert outcomes == outcomes | {
        "enrolled": 20,
        "already_enrolled": 2,
        "skipped": 6,
        "failed": 12,
        "duplicate": 1,
        "unmatched": 1,
        "rejected": 1,
    }
    return job_id


def test_of_an_old_job_only_its_counts_are_kept_and_they_are_the_same(
    bulk: Bulk, varied: UUID
) -> None:
    close_ago(bulk, varied, days=90, seconds=1)
    before, enrolled = bulk.describe(varied), bulk.enrolled_by(varied)
    written = {name: Path(path).read_bytes() for name, path in before["files"].items()}
    held = rows_of(bulk, varied)
    assert held == {
        "selected_contacts": 43,
        "enrollment_batches": 4,
        "enrollment_failures": 15,
        "kept_inputs": 0,
    }

    assert prune(bulk) == Pruned(1, {**held, "notifications": 0})

    assert rows_of(bulk, varied) == dict.fromkeys(TABLES, 0)
    after = bulk.describe(varied)
    assert after == {**before, "pruned_at": NOW.isoformat()}
    (listed,) = service.list_jobs(bulk.database, bulk.account)["jobs"]
    assert listed == {name: value for name, value in after.items() if name != "files"}
    assert bulk.enrolled_by(varied) == enrolled
    assert {name: Path(path).read_bytes() for name, path in after["files"].items()} == written
    assert log(bulk) == [
        {
            "actor": "keeper",
            "subject": str(varied),
            "details": {table: rows for table, rows in held.items() if rows},
        }
    ]


def test_a_file_that_was_never_read_goes_too(bulk: Bulk, varied: UUID) -> None:
    bulk.sql(
        "insert into enrollment.kept_inputs (account_id, work_id, chunk, content) "
        "values (:account, :job, 0, 'email')",
        account=bulk.account.id,
        job=varied,
    )
    close_ago(bulk, varied, days=91)

    assert prune(bulk).rows["kept_inputs"] == 1
    assert rows_of(bulk, varied)["kept_inputs"] == 0


def test_old_messages_go_and_those_still_to_be_sent_stay(bulk: Bulk, varied: UUID) -> None:
    insert = (
        "insert into enrollment.notifications (account_id, event, subject_id, channel, recipient, "
        "payload, status, created_at, closed_at) values (:account, 'job_completed', :job, 'email', "
        ":recipient, '{}', :status, :at, :closed)"
    )
    old, young = NOW - timedelta(days=91), NOW - timedelta(days=89)
    for status, at, closed in (
        ("delivered", old, old),
        ("failed", old, old),
        ("delivered", old, young),
        ("queued", old, None),
    ):
        bulk.sql(
            insert,
            account=bulk.account.id,
            job=varied,
            recipient=f"{status}-{closed}",
            status=status,
            at=at,
            closed=closed,
        )

    assert plan(bulk).rows["notifications"] == 2
    assert prune(bulk).rows["notifications"] == 2
    assert prune(bulk).rows["notifications"] == 0


def test_what_is_no_older_than_the_account_keeps_it_stays(bulk: Bulk, varied: UUID) -> None:
    held = rows_of(bulk, varied)
    for age in ({"days": 90}, {"days": 7, "seconds": 1}, {"seconds": 1}):
        close_ago(bulk, varied, **age)
        assert prune(bulk) == NOTHING
    assert rows_of(bulk, varied) == held
    assert bulk.verified(varied)["pruned_at"] is None
    assert log(bulk) == []


@pytest.mark.parametrize(
    ("most", "age"), [(0, {"days": 7, "seconds": 1}), (1, {"days": 8}), (14, {"days": 90})]
)
def test_after_some_days_the_first_failures_are_kept(
    bulk: Bulk, varied: UUID, most: int, age: dict[str, float]
) -> None:
    bulk = _with_settings(bulk, max_failure_rows=most)
    close_ago(bulk, varied, **age)
    before, failures = bulk.describe(varied), bulk.failures(varied)
    held = rows_of(bulk, varied)

    assert prune(bulk) == Pruned(1, {**NOTHING.rows, "enrollment_failures": 15 - most})

    assert rows_of(bulk, varied) == {**held, "enrollment_failures": most}
    assert bulk.failures(varied) == failures[:most]
    assert bulk.describe(varied) == {**before, "pruned_at": NOW.isoformat()}
    assert prune(bulk) == NOTHING
    # Later the rest goes, and the counts stay what they were.
    prune(bulk, days=90)
    assert rows_of(bulk, varied) == dict.fromkeys(TABLES, 0)
    later = (NOW + timedelta(days=90)).isoformat()
    assert bulk.describe(varied) == {**before, "pruned_at": later}


def test_as_many_failures_as_are_kept_are_all_kept(bulk: Bulk, varied: UUID) -> None:
    bulk = _with_settings(bulk, max_failure_rows=15)
    close_ago(bulk, varied, days=89)

    assert prune(bulk) == NOTHING
    assert bulk.verified(varied)["pruned_at"] is None


def test_details_may_be_kept_for_fewer_days_than_failures(bulk: Bulk, varied: UUID) -> None:
    bulk = _with_settings(bulk, history_days=2, failure_days=36_500, max_failure_rows=1)
    close_ago(bulk, varied, days=3)

    prune(bulk)

    assert rows_of(bulk, varied) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize("phase", ["pending", "select", "validate", "partition", "open_lanes"])
def test_an_open_job_loses_nothing_however_old_it_is(
    bulk: Bulk, add_workflow: AddWorkflow, phase: str
) -> None:
    bulk = _with_settings(bulk, max_failure_rows=0)
    add_workflow(bulk.account)
    bulk.crowd(30)
    job_id = bulk.submit(EVERYBODY)
    phases = bulk.phases(job_id)
    for step in ("select", "validate", "partition", "open_lanes"):
        if phase == "pending":
            break
        getattr(phases, step)()
        if step == phase:
            break
    bulk.sql(
        "update enrollment.enrollment_jobs set created_at = :at, started_at = :at, "
        "heartbeat_at = :at where id = :job",
        at=NOW - timedelta(days=1000),
        job=job_id,
    )
    held = rows_of(bulk, job_id)

    assert prune(bulk) == NOTHING
    assert rows_of(bulk, job_id) == held
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 30


@pytest.mark.parametrize("days", [8, 91])
def test_the_counts_of_a_cancelled_job_are_kept_though_it_has_no_report(
    bulk: Bulk, add_workflow: AddWorkflow, days: int
) -> None:
    bulk = _with_settings(bulk, max_failure_rows=2)
    add_workflow(bulk.account)
    ids = bulk.crowd(30)
    job_id = bulk.submit(manual([*ids, ids[0], "nobody"]), batch_size=10)
    phases = bulk.prepare(job_id)
    bulk.change_contacts(ids[:4], "status = 'blocked'")
    with bulk.database.account(bulk.account.id) as connection:
        claimed = batches.claim(connection, job_id, 1)
        enroll_claimed(connection, lane_work(phases.job(), bulk.account, bulk.settings), claimed)
    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="test")
    before = bulk.verified(job_id)
    assert before["reasons"] == {"CONTACT_BLOCKED": 4, "DUPLICATE": 1, "REJECTED": 1}
    close_ago(bulk, job_id, days=days)
    before = bulk.describe(job_id)

    assert prune(bulk).jobs == 1

    assert bulk.describe(job_id) == {**before, "pruned_at": NOW.isoformat()}
    run_phases(phases)
    assert bulk.describe(job_id) == {**before, "pruned_at": NOW.isoformat()}


@pytest.mark.parametrize("days", [8, 91])
def test_running_a_pruned_job_again_changes_nothing(bulk: Bulk, varied: UUID, days: int) -> None:
    bulk = _with_settings(bulk, max_failure_rows=3)
    close_ago(bulk, varied, days=days)
    counts = bulk.phases(varied).report().counts
    prune(bulk)
    before, enrolled, held = bulk.describe(varied), bulk.enrolled_by(varied), rows_of(bulk, varied)
    written = {path: Path(path).stat().st_mtime_ns for path in before["files"].values()}

    report = run_phases(bulk.phases(varied))

    assert report.counts == counts
    assert {str(path): path.stat().st_mtime_ns for path in report.files.values()} == written
    assert bulk.describe(varied) == before
    assert bulk.enrolled_by(varied) == enrolled
    assert rows_of(bulk, varied) == held


def test_a_check_still_holds_the_kept_counts_against_the_counters(bulk: Bulk, varied: UUID) -> None:
    close_ago(bulk, varied, days=91)
    prune(bulk)
    bulk.sql(
        "update enrollment.enrollment_jobs set enrolled = enrolled - 1, skipped = skipped + 1 "
        "where id = :job",
        job=varied,
    )

    checks = {check.name: check for check in bulk.phases(varied).check()}

    assert not checks["outcomes_add_up"].passed
    assert checks["outcomes_add_up"].figures["enrolled"] == 20
    assert checks["nobody_enrolled_twice"].passed


@pytest.mark.parametrize("days", [8, 91])
def test_missing_files_of_a_pruned_job_are_not_made_up(bulk: Bulk, varied: UUID, days: int) -> None:
    bulk = _with_settings(bulk, max_failure_rows=3)
    close_ago(bulk, varied, days=days)
    prune(bulk)
    files = bulk.describe(varied)["files"]

    def write_report() -> None:
        service.write_report(bulk.database, bulk.settings, bulk.account, varied)

    write_report()
    Path(files["failed"]).unlink()
    for _ in range(2):
        with pytest.raises(DetailsPrunedError, match=f"{NOW:%Y-%m-%d}") as refusal:
            write_report()
        assert str(varied) in refusal.value.advice
        shutil.rmtree(Path(files["report"]).parent, ignore_errors=True)
    assert run_phases(bulk.phases(varied)).files == {}
    assert bulk.describe(varied)["files"] == {}


def test_the_list_of_failures_says_that_some_were_removed(bulk: Bulk, varied: UUID) -> None:
    bulk = _with_settings(bulk, max_failure_rows=4)

    def failures() -> Document:
        return service.list_failures(bulk.database, bulk.account, varied, limit=3)

    assert (failures()["total"], failures()["pruned_at"]) == (15, None)
    close_ago(bulk, varied, days=8)
    prune(bulk)
    assert (failures()["total"], failures()["pruned_at"]) == (4, NOW.isoformat())
    assert len(failures()["failures"]) == 3
    prune(bulk, days=90)
    assert (failures()["total"], failures()["failures"]) == (0, [])


def test_what_is_pruned_is_not_pruned_again(bulk: Bulk, varied: UUID) -> None:
    close_ago(bulk, varied, days=91)
    prune(bulk)

    assert prune(bulk, days=1) == NOTHING
    assert bulk.describe(varied)["pruned_at"] == NOW.isoformat()
    assert len(log(bulk)) == 1


def test_a_dry_run_tells_what_would_go_and_removes_nothing(bulk: Bulk, varied: UUID) -> None:
    bulk = _with_settings(bulk, max_failure_rows=4)
    for days in (8, 91):
        close_ago(bulk, varied, days=days)
        held, before = rows_of(bulk, varied), bulk.describe(varied)

        foreseen = plan(bulk)

        assert rows_of(bulk, varied) == held
        assert bulk.describe(varied) == before
        assert len(log(bulk)) == (0 if days == 8 else 1)
        assert prune(bulk) == foreseen != NOTHING
    assert plan(bulk) == NOTHING


def _with_settings(bulk: Bulk, **changes: int) -> Bulk:
    """The same account with other settings."""
    account = bulk.account
    changed = account.settings.model_copy(update=changes)
    return Bulk(
        bulk.database,
        bulk.settings,
        bulk.owner,
        type(account)(account.id, account.name, changed),
        bulk.folder,
    )
