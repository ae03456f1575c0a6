"""A large job in a database whose statistics know nothing of it yet.

The planner then takes it for a handful of rows. A plan that compares every row with every other
takes half a minute for these 10,000 contacts; the right one takes less than a second.
"""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from sqlalchemy import create_engine

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.engine import database_urls
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, MakeBulk, run_phases

TABLES = (
    "selected_contacts",
    "enrollments",
    "enrollment_batches",
    "enrollment_failures",
    "enrollment_jobs",
    "contacts",
)


@pytest.fixture
def impatient(settings: Settings) -> Iterator[Database]:
    """The database over new connections that bear no statement of more than 10 seconds."""
    engine = create_engine(
        database_urls(settings).app, connect_args={"options": "-c statement_timeout=10s"}
    )
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def crowded(
    make_bulk: MakeBulk, impatient: Database, add_workflow: Callable[..., UUID]
) -> Iterator[Bulk]:
    """A new account of 10,000 contacts, in a database analyzed when it held many small jobs."""
    bulk = make_bulk()
    for table in TABLES:
        bulk.sql(f"alter table enrollment.{table} set (autovacuum_enabled = false)")
    bulk.sql(
        "insert into enrollment.selected_contacts "
        "(account_id, job_id, position, identifier, contact_id) "
        "select account, job, n, n, gen_random_uuid() "
        "from (select gen_random_uuid() as account, gen_random_uuid() as job "
        "from generate_series(1, 60)) jobs, generate_series(1, 30) n"
    )
    bulk.sql(
        "insert into enrollment.enrollments "
        "(account_id, workflow_id, contact_id, current_step, source, source_id) "
        "select account_id, job_id, contact_id, 'start', 'test', job_id "
        "from enrollment.selected_contacts where contact_id is not null "
        "on conflict do nothing"
    )
    bulk.sql("analyze")
    bulk.database = impatient
    add_workflow(bulk.account)
    yield bulk
    for table in TABLES:
        bulk.sql(f"alter table enrollment.{table} reset (autovacuum_enabled)")


@pytest.mark.parametrize("case", ["all new", "all enrolled before", "half blocked meanwhile"])
def test_no_step_compares_every_row_with_every_other(crowded: Bulk, case: str) -> None:
    workflow = crowded.query(
        "select id from enrollment.workflows where account_id = :id", id=crowded.account.id
    )[0]["id"]
    people = crowded.crowd(10_000)
    if case == "all enrolled before":
        crowded.enroll_before(workflow, people)
    job_id = crowded.submit(EVERYBODY)
    crowded.prepare(job_id)
    if case == "half blocked meanwhile":
        crowded.change_contacts(people[::2], "status = 'blocked'")

    run_phases(crowded.phases(job_id))

    job = crowded.verified(job_id)
    assert job["status"] == "completed"
    assert job["outcomes"]["unprocessed"] == 0
    assert {batch["attempts"] for batch in crowded.batches(job_id)} <= {0}
    assert service.list_failures(crowded.database, crowded.account, job_id)["page"] == 1
    crowded.preview(EVERYBODY)
