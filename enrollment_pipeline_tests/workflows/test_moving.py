"""The moves of a workflow between statuses, and what must hold before it becomes active."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidStateError,
    InvalidWorkflowError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.records import Account, Workflow, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service
from enrollment_pipeline_tests.workflows.conftest import Ask
from enrollment_pipeline_tests.workflows.examples import mailing, small

AddWorkflow = Callable[..., UUID]
Audit = Callable[[], list[dict[str, Any]]]
Move = Callable[..., Workflow]

ACTIVATE, PAUSE, ARCHIVE = service.activate, service.pause, service.archive
MOVES: dict[tuple[str, Move], str | None] = {
    ("draft", ACTIVATE): "active",
    ("draft", PAUSE): None,
    ("draft", ARCHIVE): "archived",
    ("active", ACTIVATE): "active",
    ("active", PAUSE): "paused",
    ("active", ARCHIVE): None,
    ("paused", ACTIVATE): "active",
    ("paused", PAUSE): "paused",
    ("paused", ARCHIVE): "archived",
    ("archived", ACTIVATE): None,
    ("archived", PAUSE): None,
    ("archived", ARCHIVE): "archived",
}


@pytest.mark.parametrize(("present", "move", "becomes"), [(*k, v) for k, v in MOVES.items()])
def test_only_the_moves_of_the_table_are_made(
    database: Database,
    account: Account,
    ask: Ask,
    audit: Audit,
    present: str,
    move: Move,
    becomes: str | None,
) -> None:
    service.create_from(database, account, small(), actor="ann")
    ask("update enrollment.workflows set status = :status returning 1", status=present)
    statement = "select xmin::text, status, version, updated_at from enrollment.workflows"
    before = ask(statement)

    if becomes is None:
        with pytest.raises(InvalidStateError, match=f"is {present}; it cannot become"):
            move(database, account, "welcome", actor="bob")
    else:
        moved = move(database, account, "welcome", actor="bob")
        assert moved.status == becomes
        assert service.find(database, account, "Welcome") == moved

    entries = [(one["actor"], one["action"], one["result"]) for one in audit()[1:]]
    if becomes in (None, present):
        assert ask(statement) == before
        assert entries == []
    else:
        assert entries == [("bob", f"workflow.{move.__name__}", "done")]
        # A move is no change of the document.
        assert ask(statement)[0]["version"] == 1
        assert ask(statement)[0]["updated_at"] > before[0]["updated_at"]


@pytest.mark.parametrize(
    ("status", "move", "advice"),
    [
        ("draft", PAUSE, "can become: active, archived."),
        ("active", ARCHIVE, "can become: paused."),
        ("archived", ACTIVATE, "Create a new workflow: one that is archived stays so."),
    ],
)
def test_a_refused_move_says_which_ones_there_are(
    database: Database,
    account: Account,
    add_workflow: AddWorkflow,
    status: str,
    move: Move,
    advice: str,
) -> None:
    add_workflow(account, status=status)

    with pytest.raises(InvalidStateError) as refused:
        move(database, account, "Welcome", actor="ann")

    assert advice in refused.value.advice


@pytest.mark.parametrize("present", ["draft", "paused"])
def test_activating_one_that_is_not_valid_lists_all_its_problems(
    database: Database, account: Account, ask: Ask, audit: Audit, present: str
) -> None:
    document = {
        "name": "Welcome",
        "integrations": ["email", "shop"],
        "values": {"link": ""},
        "steps": [{"id": "a", "type": "send_email", "body": "{{nothing.x}}", "next": "ghost"}],
    }
    service.create_from(database, account, document, actor="ann")
    ask("update enrollment.workflows set status = :status returning 1", status=present)

    with pytest.raises(InvalidWorkflowError) as refused:
        service.activate(database, account, "Welcome", actor="ann")

    told = refused.value.details["errors"]
    assert [one["path"] for one in told] == [
        *("values.link", "trigger", "steps[0].subject", "steps[0].next", "steps[0].body"),
        *("integrations", "integrations"),
    ]
    assert service.find(database, account, "Welcome").status == present
    assert len(audit()) == 1


def test_an_integration_that_is_not_connected_is_named_and_then_lets_it_pass(
    database: Database, account: Account
) -> None:
    service.create_from(database, account, mailing(), actor="ann")

    with pytest.raises(InvalidWorkflowError) as refused:
        service.activate(database, account, "Mailing", actor="ann")
    assert refused.value.details["errors"] == [
        {
            "path": "integrations",
            "message": "email is not connected: enrollment integrations connect email",
        }
    ]

    details = {"from_name": "Ann", "unsubscribe_link": "https://x.com/bye"}
    service.connect(database, account, "email", details, actor="ann")
    assert service.show(database, account, "Mailing").problems == []
    moved = service.activate(database, account, "Mailing", actor="ann")
    assert moved.status is WorkflowStatus.ACTIVE


def test_the_integration_of_another_account_does_not_help(
    database: Database, make_account: Callable[..., Account]
) -> None:
    mine, theirs = make_account(), make_account()
    service.connect(database, theirs, "sms", {}, actor="ann")
    service.create_from(database, mine, small(integrations=["sms"]), actor="ann")

    with pytest.raises(InvalidWorkflowError, match="sms is not connected"):
        service.activate(database, mine, "Welcome", actor="ann")


def test_an_active_workflow_stays_so_when_its_integration_goes(
    database: Database, account: Account
) -> None:
    service.connect(database, account, "sms", {}, actor="ann")
    service.create_from(database, account, small(integrations=["sms"]), active=True, actor="ann")

    service.disconnect(database, account, "sms", actor="ann")

    shown = service.show(database, account, "Welcome")
    assert shown.workflow.status is WorkflowStatus.ACTIVE
    assert [one.path for one in shown.problems] == ["integrations"]


@pytest.mark.parametrize("move", [ACTIVATE, PAUSE, ARCHIVE])
def test_a_member_without_the_permission_moves_nothing(
    database: Database, account: Account, add_workflow: AddWorkflow, move: Move
) -> None:
    add_workflow(account, status="paused")
    members.add(database, account, "boss", ["account:admin"], actor="boss")
    members.add(database, account, "bob", ["workflow:manage"], actor="boss")

    with pytest.raises(ForbiddenError, match="workflow:edit"):
        move(database, account, "Welcome", actor="bob")
    assert service.find(database, account, "Welcome").status is WorkflowStatus.PAUSED


@pytest.mark.parametrize("move", [ACTIVATE, PAUSE, ARCHIVE])
def test_the_workflow_of_another_account_is_not_moved(
    database: Database, make_account: Callable[..., Account], add_workflow: AddWorkflow, move: Move
) -> None:
    mine, theirs = make_account(), make_account()
    workflow_id = add_workflow(theirs, status="paused")

    for reference in ("Welcome", str(workflow_id)):
        with pytest.raises(WorkflowNotFoundError):
            move(database, mine, reference, actor="ann")
    assert service.find(database, theirs, "Welcome").status is WorkflowStatus.PAUSED
