"""Random jobs of random ages under random settings: what is kept, against an oracle in Python."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from enrollment_pipeline.enrollment import retention, service
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage import schema
from enrollment_pipeline_tests.enrollment.conftest import OUTCOMES, Bulk, Document, MakeBulk

NOW = datetime.now(UTC)
CODES = ("ENROLLMENT_ERROR", "TARGET_REFUSED", "CONTACT_BLOCKED", "ALREADY_ENROLLED")
OUTCOME_OF = {"CONTACT_BLOCKED": "skipped", "ALREADY_ENROLLED": "already_enrolled"}


@dataclass(frozen=True)
class Past:
    """A job as a run left it: how many were enrolled, and why others were not."""

    enrolled: int
    duplicates: int
    failures: tuple[str, ...]
    # None of an open one.
    age: timedelta | None
    has_report: bool


AGES = st.one_of(
    st.none(),
    st.integers(1, 12).map(lambda days: timedelta(days=days)),
    st.integers(1, 12).map(lambda days: timedelta(days=days, microseconds=1)),
    st.integers(1, 12).map(lambda days: timedelta(days=days) - timedelta(microseconds=1)),
)
PASTS = st.lists(
    st.builds(
        Past,
        enrolled=st.integers(0, 3),
        duplicates=st.integers(0, 2),
        failures=st.lists(st.sampled_from(CODES), max_size=6).map(tuple),
        age=AGES,
        has_report=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
KEPT = st.fixed_dictionaries(
    {
        "history_days": st.integers(1, 12),
        "failure_days": st.integers(1, 12),
        "max_failure_rows": st.integers(0, 6),
    }
)


def remember(bulk: Bulk, workflow: UUID, past: Past) -> UUID:
    """Write a job and all that its run left, as it left it."""
    job_id = uuid4()
    of_job = {"account_id": bulk.account.id, "job_id": job_id}
    enrolled = [uuid4() for _ in range(past.enrolled)]
    failed = [uuid4() for _ in past.failures]
    contacts = [*enrolled, *failed]
    counts = Counter(OUTCOME_OF.get(code, "failed") for code in past.failures)
    outcomes = {**counts, "enrolled": past.enrolled, "duplicate": past.duplicates}
    reasons = Counter(past.failures)
    reasons["DUPLICATE"] = past.duplicates
    job = {
        "id": job_id,
        "account_id": bulk.account.id,
        "workflow_id": workflow,
        "request": {},
        "selection_type": "manual",
        "source": "test",
        "requested_by": "test",
        "status": "completed" if past.age else "processing",
        "runner": "caller",
        "input_rows": len(contacts) + past.duplicates,
        "total_contacts": len(contacts),
        "total_batches": 1,
        "completed_at": NOW - past.age if past.age is not None else None,
        "report": {
            "outcomes": {**dict.fromkeys(OUTCOMES, 0), **outcomes},
            "reasons": dict(+reasons),
            "seconds": 1.0,
        }
        if past.has_report and past.age
        else None,
        **outcomes,
    }
    lines = [
        {**of_job, "position": place, "identifier": "x", "contact_id": contact, "exclusion": None}
        for place, contact in enumerate(contacts)
    ]
    lines += [
        {
            **of_job,
            "position": len(contacts) + number,
            "identifier": "x",
            "contact_id": None,
            "exclusion": "DUPLICATE",
        }
        for number in range(past.duplicates)
    ]
    with bulk.owner.begin() as connection:
        connection.execute(insert(schema.enrollment_jobs).values(job))
        if lines:
            connection.execute(insert(schema.selected_contacts), lines)
        batch = {"number": 1, "contact_ids": contacts, "status": "completed"}
        connection.execute(
            insert(schema.enrollment_batches).values(
                {**of_job, **batch, "processed": len(contacts)}
            )
        )
        for contact, code in zip(failed, past.failures, strict=True):
            failure = {"contact_id": contact, "code": code, "message": "", "batch_number": 1}
            connection.execute(insert(schema.enrollment_failures).values({**of_job, **failure}))
        for contact in enrolled:
            enrollment = {
                "account_id": bulk.account.id,
                "workflow_id": workflow,
                "contact_id": contact,
                "current_step": "start",
                "source": "bulk_enrollment",
                "source_id": job_id,
            }
            connection.execute(insert(schema.enrollments).values(enrollment))
    return job_id


def held(bulk: Bulk, job_id: UUID) -> dict[str, list[Document]]:
    """The rows of a job, table by table."""
    with bulk.owner.connect() as connection:
        return {
            table.name: [
                dict(row)
                for row in connection.execute(
                    select(table).where(table.c.job_id == job_id).order_by(*table.primary_key)
                ).mappings()
            ]
            for table in (
                schema.selected_contacts,
                schema.enrollment_batches,
                schema.enrollment_failures,
            )
        }


def expected(
    account: Account, past: Past, before: dict[str, list[Document]]
) -> dict[str, list[Document]]:
    """The rows that must be left."""
    kept = account.settings
    if past.age is None or past.age <= timedelta(days=min(kept.history_days, kept.failure_days)):
        return before
    if past.age > timedelta(days=kept.history_days):
        return {table: [] for table in before}
    failures = before["enrollment_failures"][: kept.max_failure_rows]
    return {**before, "enrollment_failures": failures}


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pasts=PASTS, kept=KEPT)
def test_nothing_younger_than_the_limits_goes_and_the_counts_stay_true(
    make_bulk: MakeBulk, add_workflow: Callable[..., UUID], pasts: list[Past], kept: dict[str, int]
) -> None:
    bulk = make_bulk(**kept)
    workflow = add_workflow(bulk.account)
    ids = [remember(bulk, workflow, past) for past in pasts]
    before = [held(bulk, job_id) for job_id in ids]
    told = [bulk.describe(job_id) for job_id in ids]
    wanted = [expected(bulk.account, past, rows) for past, rows in zip(pasts, before, strict=True)]

    foreseen = retention.plan(bulk.database, bulk.account, now=NOW)
    assert [held(bulk, job_id) for job_id in ids] == before
    pruned = retention.prune(bulk.database, bulk.account, now=NOW, actor="test")

    after = [held(bulk, job_id) for job_id in ids]
    assert after == wanted
    changed = [one != other for one, other in zip(before, after, strict=True)]
    assert foreseen == pruned
    assert pruned.jobs == sum(changed)
    assert pruned.rows["enrollment_failures"] == sum(
        len(one["enrollment_failures"]) - len(other["enrollment_failures"])
        for one, other in zip(before, after, strict=True)
    )
    for job_id, past, was, is_pruned in zip(ids, pasts, told, changed, strict=True):
        now_told = bulk.describe(job_id)
        assert now_told == {**was, "pruned_at": NOW.isoformat() if is_pruned else None}
        listed = service.list_failures(bulk.database, bulk.account, job_id)
        assert bool(listed["pruned_at"]) is is_pruned
        if past.age is not None:
            checks = {check.name: check.passed for check in bulk.phases(job_id).check()}
            assert checks["outcomes_add_up"], (past, now_told)
