"""Taking over what triggers have matched: jobs written in the transaction of the evaluation.

Belongs here: how matches become jobs. What matches is the business of `triggers`; running the jobs
is `direct` for small ones, and the queue's for others.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from enrollment_pipeline.enrollment.eligibility import rules_for
from enrollment_pipeline.enrollment.request import Matches, Options
from enrollment_pipeline.enrollment.store import handover
from enrollment_pipeline.enrollment.store.handover import NewJob
from enrollment_pipeline.records import Account, EligibilityRule, ReenrollmentPolicy, Workflow

SOURCE = "trigger"
# A run of its own costs some ten seconds, in which the evaluation enrolls thousands of contacts.
MOST_DIRECTLY = 1_000


def rules_of(workflow: Workflow, *, single: bool) -> tuple[EligibilityRule, ...]:
    """Return the rules that a trigger's job holds a contact against."""
    return rules_for(
        skip_unsubscribed=Options().skip_unsubscribed,
        reenrollment=ReenrollmentPolicy.NEVER_TWICE if single else workflow.reenrollment,
        required_fields=workflow.required_fields,
    )


def open_trigger_jobs(
    connection: Connection, account: Account, matches: Sequence[Matches]
) -> list[tuple[UUID, Matches, Sequence[UUID]]]:
    """Write jobs for matches; return each with the contacts it has taken.

    More contacts than a job of the account may hold are cut into several. The limit on open jobs
    holds up people, and not what happens to contacts: nothing that matched may be lost.
    """
    most = account.settings.max_contacts_per_job
    opened = [(uuid4(), one, part) for one in matches for part in _parts(one.contact_ids, most)]
    if not opened:
        return []
    handover.add(connection, account.id, SOURCE, [_new_job(*one) for one in opened])
    return opened


def _parts(contact_ids: Sequence[UUID], most: int) -> Iterator[Sequence[UUID]]:
    for first in range(0, len(contact_ids), most):
        yield contact_ids[first : first + most]


@cache
def _options(single: bool) -> dict[str, Any]:
    return Options(single_enrollment=single).model_dump(mode="json")


def _new_job(job_id: UUID, matches: Matches, part: Sequence[UUID]) -> NewJob:
    request = {
        "workflow": matches.workflow_name,
        "options": _options(matches.single),
        "requested_by": SOURCE,
        "scheduled_at": None,
        "timezone": None,
        "origin": {"trigger_id": str(matches.trigger_id)},
        "selection": {"type": "manual", "contact_ids": len(part)},
    }
    return NewJob(
        id=job_id,
        workflow_id=matches.workflow_id,
        request=json.dumps(request),
        runner="trigger" if len(part) <= MOST_DIRECTLY else "queue",
        contact_ids="".join(f"{one}\n" for one in part).encode(),
    )
