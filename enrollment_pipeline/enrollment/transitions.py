"""What each phase of a job does within its transaction, and the state it moves the job to.

Belongs here: the work itself, in the caller's transaction, so that a run and a dry run do the same.
When a phase may be done, and once only, is in `phases`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from enrollment_pipeline.enrollment import handover, notices, report
from enrollment_pipeline.enrollment.claims import LaneWork
from enrollment_pipeline.enrollment.eligibility import count_by_outcome, rules_for
from enrollment_pipeline.enrollment.request import Options
from enrollment_pipeline.enrollment.states import JobStatus, closing_status, require_move
from enrollment_pipeline.enrollment.store import batches, jobs, outcomes, selected
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.enrollment.store.outcomes import OutcomeCounts
from enrollment_pipeline.errors import (
    InvalidRequestError,
    JobIncompleteError,
    WorkflowInactiveError,
    WrongSubjectError,
)
from enrollment_pipeline.limits.service import budget_of
from enrollment_pipeline.records import (
    Account,
    EligibilityRule,
    Outcome,
    ReenrollmentPolicy,
    Subject,
    Workflow,
    WorkflowStatus,
)
from enrollment_pipeline.selections.resolving import resolve
from enrollment_pipeline.selections.store import Owner
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.targets.base import EnrollmentOrder
from enrollment_pipeline.targets.database import DatabaseTarget

# What `enrollments.source` says, but for the jobs of triggers.
SOURCE = "bulk_enrollment"


@dataclass(frozen=True, slots=True)
class Check:
    """One promise held against a job: its name, whether it holds, and the figures."""

    name: str
    passed: bool
    figures: dict[str, int]


def select_contacts(connection: Connection, job: Job, account: Account, settings: Settings) -> None:
    """Resolve the selection of a job and count it.

    Raises:
        RefusedError: the workflow takes no enrollments, or the selection cannot be resolved.
    """
    require_active(job.workflow.name, job.workflow.status)
    now = datetime.now(UTC)
    counts = resolve(
        connection,
        Owner(job.account_id, job.id),
        job.request["selection"],
        limits=account.settings,
        most=account.settings.max_contacts_per_job,
        scratch=settings.scratch,
        now=now,
    )
    if counts.duplicate and not job.request["options"]["skip_duplicates"]:
        raise InvalidRequestError(
            f"The input names contacts more than once ({counts.duplicate} times), and the request "
            "does not allow duplicates.",
            remedy="Remove them from the input, or leave skip_duplicates on.",
        )
    move(
        connection,
        job,
        JobStatus.VALIDATING,
        started_at=job.started_at or now,
        selected_at=datetime.now(UTC),
        heartbeat_at=datetime.now(UTC),
        input_rows=counts.input_rows,
        total_contacts=counts.total_contacts,
        duplicate=counts.duplicate,
        unmatched=counts.unmatched,
        rejected=counts.rejected,
    )


def validate_contacts(connection: Connection, job: Job) -> None:
    """Mark the selected contacts that a rule excludes, and count them by code."""
    excluded = selected.exclude(connection, job, _rules(job))
    counts = count_by_outcome(excluded)
    jobs.change(
        connection,
        job.id,
        validated_at=datetime.now(UTC),
        heartbeat_at=datetime.now(UTC),
        exclusions=excluded,
        skipped=counts.get(Outcome.SKIPPED, 0),
        already_enrolled=counts.get(Outcome.ALREADY_ENROLLED, 0),
    )


def partition_contacts(connection: Connection, job: Job) -> None:
    """Cut the contacts that no rule excludes into batches."""
    number = selected.partition(connection, job, job.request["options"]["batch_size"])
    move(
        connection,
        job,
        JobStatus.QUEUED,
        batched_at=datetime.now(UTC),
        heartbeat_at=datetime.now(UTC),
        total_batches=number,
    )


def begin_enrolling(connection: Connection, job: Job) -> None:
    """Let lanes work on the batches."""
    move(connection, job, JobStatus.PROCESSING, error=None)


def lane_work(job: Job, account: Account, settings: Settings) -> LaneWork:
    """Return what the lanes of a job work on."""
    # Through the model, because a request of an earlier version lacks what came later.
    options = Options.model_validate(job.request["options"])
    order = EnrollmentOrder(
        account_id=job.account_id,
        workflow_id=job.workflow.id,
        first_step=job.workflow.first_step,
        source=handover.SOURCE if job.source == handover.SOURCE else SOURCE,
        source_id=job.id,
        rules=_rules(job),
        add_tags=options.add_tags,
    )
    return LaneWork(
        account_id=job.account_id,
        job_id=job.id,
        order=order,
        batch_size=options.batch_size,
        target=DatabaseTarget(),
        budget=budget_of(account.settings, settings),
        max_lanes=account.settings.max_lanes,
        max_failure_share=options.max_failure_share,
        settings=settings,
    )


def check_outcomes(connection: Connection, job: Job, counts: OutcomeCounts) -> list[Check]:
    """Return the three checks every run is held against."""
    doubled = outcomes.count_enrolled_twice(connection, job.id)
    foreign = outcomes.count_foreign(connection, job.id)
    derived = {str(outcome): number for outcome, number in counts.outcomes.items()}
    agree = counts.outcomes == job.outcomes
    return [
        Check(
            "outcomes_add_up",
            agree and counts.total == job.input_rows,
            {"input_rows": job.input_rows, **derived},
        ),
        Check("nobody_enrolled_twice", doubled == 0, {"enrolled_twice": doubled}),
        Check("contacts_belong_to_account", foreign == 0, {"foreign_contacts": foreign}),
    ]


def close_job(
    connection: Connection, settings: Settings, job: Job, counts: OutcomeCounts, now: datetime
) -> None:
    """End a job that has nothing left to do, as its counts say, and keep them as its report."""
    status = closing_status(
        enrolled=counts.outcomes[Outcome.ENROLLED],
        failed=counts.outcomes[Outcome.FAILED],
        unprocessed=counts.outcomes[Outcome.UNPROCESSED],
    )
    summary = summary_of(job, counts, now)
    # What was wrong with it on the way has been mended.
    move(connection, job, status, completed_at=now, report=summary, error=None)
    notices.tell(connection, settings, job.id)


def summary_of(job: Job, counts: OutcomeCounts, now: datetime) -> dict[str, Any]:
    """Return what is kept of a job for good: its counts, as its row holds them."""
    return {
        "outcomes": {str(outcome): number for outcome, number in counts.outcomes.items()},
        "reasons": counts.reasons,
        "seconds": report.duration_of(job, now),
    }


def kept_counts(job: Job) -> OutcomeCounts | None:
    """Return the counts that are kept of a job whose details were removed; None for any other."""
    if job.pruned_at is None or job.report is None:
        return None
    outcomes = {outcome: job.report["outcomes"][outcome] for outcome in Outcome}
    reasons = sorted(job.report["reasons"].items(), key=lambda item: -item[1])
    return OutcomeCounts(outcomes, dict(reasons))


def require_active(name: str, status: WorkflowStatus) -> None:
    """Do nothing for a workflow that takes enrollments.

    Raises:
        WorkflowInactiveError: it does not.
    """
    if status is not WorkflowStatus.ACTIVE:
        raise WorkflowInactiveError(
            f"The workflow {name!r} is {status}; only an active one takes enrollments.",
            remedy=f"Activate it with: enrollment workflows activate {name!r}",
        )


def require_contacts(workflow: Workflow) -> None:
    """Do nothing for a workflow that contacts are enrolled into.

    Raises:
        WrongSubjectError: it is for items.
    """
    if workflow.subject is not Subject.CONTACT:
        raise WrongSubjectError(
            f"The workflow {workflow.name!r} takes items, not contacts.",
            remedy="Name a workflow for contacts; items are submitted with: "
            "enrollment onboarding submit",
        )


def move(connection: Connection, job: Job, status: JobStatus, **values: Any) -> None:
    """Move a job along the table of states, and set columns with it."""
    require_move(job.status, status)
    jobs.change(connection, job.id, status=status, **values)


def require_done(done_at: datetime | None, otherwise: str) -> None:
    """Do nothing for a phase that is done.

    Raises:
        JobIncompleteError: it is not.
    """
    if done_at is None:
        raise JobIncompleteError(otherwise)


def require_finished(connection: Connection, job: Job) -> None:
    """Do nothing for a job all of whose batches have ended.

    Raises:
        JobIncompleteError: some are left, or not made yet.
    """
    require_done(job.batched_at, "The contacts of the job are not in batches yet.")
    left = batches.open_batches(connection, job.id).batches
    if left:
        raise JobIncompleteError(f"{left} batches of the job are not finished.")


def _rules(job: Job) -> tuple[EligibilityRule, ...]:
    options = Options.model_validate(job.request["options"])
    policy = job.workflow.reenrollment
    return rules_for(
        skip_unsubscribed=options.skip_unsubscribed,
        reenrollment=ReenrollmentPolicy.NEVER_TWICE if options.single_enrollment else policy,
        required_fields=job.workflow.required_fields,
    )
