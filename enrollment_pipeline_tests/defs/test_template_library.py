"""What the library of templates comes to, as an asset."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import event, text

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.templates import library
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import _QUIET
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.service import Wanted
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.defs.test_templates import DOCUMENT
from enrollment_pipeline_tests.defs.test_triggers import materialized


def count_templates(instance: dg.DagsterInstance) -> dict[str, Any]:
    result = defs.resolve_job_def("count_templates").execute_in_process(
        instance=instance, run_config=_QUIET
    )
    return materialized(result)


def end(database: Database, account: Account, workflow_id: UUID, statuses: list[str]) -> None:
    """Let contacts have come to their end in a workflow."""
    with database.account(account.id) as connection:
        for status in statuses:
            connection.execute(
                text(
                    "insert into enrollment.enrollments (account_id, workflow_id, contact_id, "
                    "status, current_step, source, source_id, ended_at) values (:account, "
                    ":workflow, gen_random_uuid(), :status, 'done', 'test', :workflow, now())"
                ),
                {"account": account.id, "workflow": workflow_id, "status": status},
            )


@pytest.fixture
def family(database: Database, account: Account) -> tuple[Account, Account]:
    """An agency with a sub-account."""
    agency = accounts.create(database, f"a{account.id.hex}", agency=True, actor="ann")
    return agency, accounts.create(database, f"s{account.id.hex}", parent=agency, actor="ann")


def test_the_library_adds_up_use_and_completion_of_all_accounts(
    instance: dg.DagsterInstance, database: Database, family: tuple[Account, Account]
) -> None:
    before = count_templates(instance)
    agency, sub = family
    workflows.create_from(database, agency, DOCUMENT, actor="ann")
    wanted = Wanted(category="lead_nurturing")
    shared = templates.save(database, agency, "Lead alert", wanted, actor="ann").template
    templates.share(database, agency, str(shared.id), [sub.name], actor="ann")
    mine = templates.clone(database, agency, str(shared.id), name="Mine", actor="ann")
    theirs = templates.clone(database, sub, str(shared.id), name="Theirs", actor="ann")
    templates.clone(database, sub, str(shared.id), name="Unused", actor="ann")
    end(database, agency, mine.stored.id, ["completed", "exited"])
    end(database, sub, theirs.stored.id, ["completed"] * 3 + ["exited", "withdrawn"])
    newer = {**DOCUMENT, "steps": DOCUMENT["steps"][:1]}
    templates.update(database, agency, str(shared.id), Wanted(), document=newer, actor="ann")

    told = count_templates(instance)

    # Each of three clones once, although the agency sees those of its sub-account as well.
    assert told["used"] - before["used"] == 3
    assert told["used_lead_nurturing"] - before["used_lead_nurturing"] == 3
    assert told["used_onboarding"] == before["used_onboarding"]
    assert told["updates"] - before["updates"] == 3
    assert told["templates_custom"] - before["templates_custom"] == 1
    assert told["templates_shared"] - before["templates_shared"] == 1
    assert told["templates_system"] == len(templates.list_templates(database, sub, origin="system"))
    rows = {row["account"]: row for row in told["accounts"]}
    assert rows[agency.name] == {
        "account": agency.name,
        "templates": 1,
        "shared_with_it": 0,
        "clones": 1,
        "updates": 1,
        "completion_rate": 0.5,
    }
    assert rows[sub.name] == {
        "account": sub.name,
        "templates": 0,
        "shared_with_it": 1,
        "clones": 2,
        "updates": 2,
        "completion_rate": 0.75,
    }
    category, old = (
        next(row for row in one["categories"] if row["category"] == "lead_nurturing")
        for one in (told, before)
    )
    assert category["used"] == told["used_lead_nurturing"]
    assert category["templates"] - old["templates"] == 1
    assert category["clones_with_rate"] - old["clones_with_rate"] == 2
    clones, rate = old["clones_with_rate"], old["completion_rate"] or 0
    assert told["completion_rate_lead_nurturing"] == category["completion_rate"]
    assert category["completion_rate"] == pytest.approx(
        (rate * clones + 0.5 + 0.75) / (clones + 2), abs=0.001
    )


def test_the_most_used_templates_come_first_and_those_never_used_not_at_all(
    database: Database, make_account: Callable[..., Account]
) -> None:
    account = make_account(max_templates=20)
    workflows.create_from(database, account, DOCUMENT, actor="ann")
    wanted = Wanted(category="lead_nurturing")
    templates.save(database, account, "Lead alert", wanted, actor="ann")
    workflows.edit(database, account, "Lead alert", {"name": "Original"}, actor="ann")
    for name in ("B", "a", *(f"T{number:02}" for number in range(9)), "Never"):
        templates.save(database, account, "Original", Wanted(name=name), actor="ann")
        if name != "Never":
            templates.clone(database, account, name, name=f"Clone {name}", actor="ann")
    templates.clone(database, account, "Lead alert", actor="ann")
    templates.clone(database, account, "Lead alert", actor="ann")
    totals = library._Totals()

    library._add(totals, database, account)

    first, *others = [record.data for record in totals.metadata()["top_templates"].records]
    assert first == {
        "template": "Lead alert",
        "category": "lead_nurturing",
        "origin": "custom",
        "account": account.name,
        "used": 2,
    }
    assert [row["template"] for row in others] == ["a", "B", *(f"T{n:02}" for n in range(7))]


def test_a_rate_that_nobody_knows_is_no_number_to_plot() -> None:
    told = library._Totals().metadata()

    assert told["used_onboarding"] == 0
    assert not [name for name in told if name.startswith("completion_rate")]


def test_an_account_costs_the_same_statements_however_much_it_has_cloned(
    database: Database, account: Account
) -> None:
    workflows.create_from(database, account, DOCUMENT, actor="ann")
    template = templates.save(database, account, "Lead alert", Wanted(), actor="ann").template
    asked: list[str] = []

    def hear(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    def statements() -> int:
        asked.clear()
        library._add(library._Totals(), database, account)
        return len(asked)

    event.listen(database._engine, "before_cursor_execute", hear)
    try:
        none = statements()
        for number in range(5):
            made = templates.clone(database, account, "Lead alert", actor="ann")
            end(database, account, made.stored.id, ["completed"])
            document = {**DOCUMENT, "description": f"The {number}th."}
            templates.update(
                database, account, str(template.id), Wanted(), document=document, actor="ann"
            )
        assert statements() == none
    finally:
        event.remove(database._engine, "before_cursor_execute", hear)


def test_the_library_is_added_up_daily_without_being_switched_on() -> None:
    schedule = defs.resolve_schedule_def("daily_template_library")
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 22, 4, tzinfo=UTC),
        repository_def=defs.get_repository_def(),
    )

    assert schedule.job_name == "count_templates"
    assert schedule.cron_schedule == "0 4 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert len(schedule.evaluate_tick(context).run_requests or []) == 1
