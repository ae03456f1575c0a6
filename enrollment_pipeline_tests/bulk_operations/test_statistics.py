"""Large operations in a database whose statistics know nothing of them yet.

The planner then takes an account for a contact or two, and an operation for a handful of rows. A
plan that reads all of the account for each contact takes half a minute for these; the right ones
take less than a second.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text

from enrollment_pipeline.bulk_operations.direct import import_file
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.engine import database_urls
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.bulk_operations.operations import (
    EVERYBODY,
    Operations,
    counted,
    ids,
)

NUMBER = 6_000
TABLES = (
    "contacts",
    "import_rows",
    "selected_contacts",
    "enrollments",
    "bulk_operation_changes",
    "bulk_operation_rows",
)


@pytest.fixture
def crowded(
    operations: Operations,
    make_account: Callable[..., Account],
    add_contacts: Callable[..., list[UUID]],
) -> Iterator[Operations]:
    """An account of 6,000 contacts, in a database analyzed when there were only small ones.

    No statement may take more than 10 seconds.
    """
    for table in TABLES:
        operations.sql(f"alter table enrollment.{table} set (autovacuum_enabled = false)")
    for _ in range(20):
        add_contacts(make_account(), 2)
    operations.sql("analyze")
    operations.sql(
        "insert into enrollment.contacts (account_id, email) "
        "select :account_id, n || '@example.com' from generate_series(1, :number) n",
        number=NUMBER,
    )
    engine = create_engine(
        database_urls(operations.settings).app,
        connect_args={"options": "-c statement_timeout=10s"},
    )
    operations.database = Database(engine)
    yield operations
    engine.dispose()
    for table in TABLES:
        operations.sql(f"alter table enrollment.{table} reset (autovacuum_enabled)")


@pytest.mark.parametrize(("type_", "how"), [("update", "filter"), ("delete", "ids")])
def test_no_piece_of_a_change_or_its_rollback_reads_all_for_each_contact(
    crowded: Operations, type_: str, how: str
) -> None:
    selection = EVERYBODY if how == "filter" else ids(list(crowded.contacts()))
    fields = {"changes": {"add_tags": ["x"]}} if type_ == "update" else {}
    done = crowded.run(type_, most=10_000, selection=selection, **fields)
    assert counted(done) == {f"{type_}d": NUMBER}
    assert counted(crowded.roll_back(done, most=10_000)) == {"reversed": NUMBER}


@pytest.mark.parametrize("later", ["changed", "enrolled"])
def test_no_piece_of_the_rollback_of_an_import_reads_all_for_each_contact(
    crowded: Operations, add_workflow: Callable[..., UUID], later: str
) -> None:
    workflow = add_workflow(crowded.account)

    def act() -> None:
        crowded.sql(
            "insert into enrollment.contacts (account_id, email) "
            "select :account_id, 'new' || n || '@example.com' from generate_series(1, :number) n",
            number=NUMBER,
        )

    done = crowded.by_hand(act)
    if later == "changed":
        crowded.sql(
            "update enrollment.contacts set phone = '1' where account_id = :account_id "
            "and email like 'new%'"
        )
    else:
        crowded.sql(ENROLL_ALL, workflow=workflow, job=uuid4())
    taken_back = crowded.roll_back(done, most=10_000, cascade=True)
    assert counted(taken_back) == {"kept" if later == "changed" else "reversed": NUMBER}


ENROLL_ALL = (
    "insert into enrollment.enrollments (account_id, workflow_id, contact_id, current_step, "
    "source, source_id) select :account_id, :workflow, id, 'start', 'test', :job "
    "from enrollment.contacts where account_id = :account_id"
)


def test_no_piece_of_a_withdrawal_reads_all_for_each_enrollment(
    crowded: Operations, add_workflow: Callable[..., UUID]
) -> None:
    workflow = add_workflow(crowded.account)
    job = uuid4()
    crowded.sql(
        "insert into enrollment.enrollment_jobs (id, account_id, workflow_id, request, "
        "selection_type, source, requested_by, status, runner, completed_at) values (:job, "
        ":account_id, :workflow, '{}', 'filter', 'test', 'test', 'completed', 'caller', now())",
        job=job,
        workflow=workflow,
    )
    crowded.sql(ENROLL_ALL, workflow=workflow, job=job)
    crowded.sql(
        "update enrollment.enrollments set current_step = 'next' "
        "where source_id = :job and id % 2 = 0",
        job=job,
    )
    done = crowded.run("withdrawal", most=10_000, job_id=str(job))
    assert counted(done) == {"withdrawn": NUMBER // 2, "kept": NUMBER // 2}


@pytest.mark.parametrize("key", ["email", "contact_id", "external_id", "custom_fields.crm"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_an_import_by_any_key_reads_no_account_for_each_row(
    crowded: Operations, tmp_path: Path, key: str, known: bool
) -> None:
    if key == "contact_id" and not known:
        pytest.skip("who is named by an id is there already")
    crowded.sql(
        "update enrollment.contacts set custom_fields = "
        "jsonb_build_object('external_id', email, 'crm', email) where account_id = :account_id"
    )
    wanted = {"contact_id": "id::text", "email": "email"}.get(key, "custom_fields ->> 'crm'")
    with crowded.database.account(crowded.account.id) as connection:
        keys = list(connection.scalars(text(f"select {wanted} from enrollment.contacts")))
    column = key.removeprefix("custom_fields.").replace("_", " " if key == "contact_id" else "_")
    prefix = "" if known else "new-"
    lines = [f"{column},first name" + ("" if key == "email" else ",email")]
    lines += [
        f"{prefix}{one},Ann" + ("" if key == "email" else f",{number}@new.example.com")
        for number, one in enumerate(keys)
    ]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines))
    mode = "update" if key == "contact_id" else "upsert"

    found = import_file(
        crowded.database, crowded.settings, crowded.account, path, actor="test", key=key, mode=mode
    )

    assert found["outcomes"] == {"updated" if known else "created": NUMBER}
