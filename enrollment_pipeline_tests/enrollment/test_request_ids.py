"""One request id, one request: the same is answered with its job, another is refused."""

from collections.abc import Callable
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import RequestIdUsedError
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, MakeBulk

AddWorkflow = Callable[..., UUID]


@pytest.fixture(autouse=True)
def workflow(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """The workflow that the jobs of the test enroll into."""
    return add_workflow(bulk.account)


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
