"""Workflows: making them, finding them, and the moves between statuses."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidStateError,
    WorkflowExistsError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.records import Account, ReenrollmentPolicy, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service
from enrollment_pipeline.workflows.request import MOVES, workflow_request

AddWorkflow = Callable[..., UUID]


def test_a_new_workflow_is_a_draft_that_nobody_enters_twice(
    database: Database, account: Account
) -> None:
    made = service.create(database, account, workflow_request(name="  Welcome "), actor="test")

    assert made.name == "Welcome"
    assert made.status is WorkflowStatus.DRAFT
    assert made.reenrollment is ReenrollmentPolicy.NEVER_TWICE
    assert made.required_fields == ()
    assert made.first_step == "start"


def test_what_was_asked_for_is_in_the_document(
    database: Database, account: Account, connection: Connection
) -> None:
    request = workflow_request(
        name="Welcome",
        active=True,
        reenrollment="after_exit",
        required_fields=["phone", "email", "phone"],
    )

    made = service.create(database, account, request, actor="test")

    assert made.status is WorkflowStatus.ACTIVE
    statement = text("select config from enrollment.workflows where id = :id")
    assert connection.scalar(statement, {"id": made.id}) == {
        "settings": {"reenrollment": "after_exit", "required_fields": ["phone", "email"]}
    }
    assert service.find(database, account, "Welcome") == made


def test_the_first_step_is_that_of_the_document(
    database: Database, account: Account, connection: Connection, add_workflow: AddWorkflow
) -> None:
    workflow_id = add_workflow(account)
    connection.execute(
        text("""update enrollment.workflows set config = '{"steps": [{"id": "hello"}]}'""")
    )
    connection.commit()

    assert service.find(database, account, str(workflow_id)).first_step == "hello"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "control characters"),
        ({"name": str(UUID(int=1))}, "reads like an id"),
        ({"name": "x", "reenrollment": "sometimes"}, "reenrollment"),
        ({"name": "x", "required_fields": ["fax"]}, "required_fields"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(
    values: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        workflow_request(**values)


def test_all_problems_of_a_request_are_told_at_once() -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        workflow_request(name="", reenrollment="sometimes", required_fields=["fax"])

    assert len(refusal.value.details["problems"]) == 3


def test_a_name_is_taken_in_any_letter_case(database: Database, account: Account) -> None:
    service.create(database, account, workflow_request(name="Welcome"), actor="test")

    with pytest.raises(WorkflowExistsError):
        service.create(database, account, workflow_request(name="WELCOME"), actor="test")
    assert len(service.list_workflows(database, account)) == 1


def test_a_workflow_is_found_by_id_and_by_name_in_any_letter_case(
    database: Database, account: Account, add_workflow: AddWorkflow
) -> None:
    workflow_id = add_workflow(account, "Größe")

    for reference in ("Größe", "GRÖßE", " größe ", str(workflow_id), str(workflow_id).upper()):
        assert service.find(database, account, reference).id == workflow_id


@pytest.mark.parametrize("reference", ["Nothing", "", str(UUID(int=1))])
def test_an_unknown_workflow_is_refused(
    database: Database, account: Account, reference: str
) -> None:
    with pytest.raises(WorkflowNotFoundError):
        service.find(database, account, reference)


def test_workflows_are_listed_by_name(
    database: Database, account: Account, add_workflow: AddWorkflow
) -> None:
    for name in ("beta", "Alpha", "gamma"):
        add_workflow(account, name)

    listed = service.list_workflows(database, account)

    assert [stored.workflow.name for stored in listed] == ["Alpha", "beta", "gamma"]


def test_workflows_are_listed_by_status(
    database: Database, account: Account, add_workflow: AddWorkflow
) -> None:
    for status in WorkflowStatus:
        add_workflow(account, status.value.title(), status.value)

    for status in WorkflowStatus:
        (stored,) = service.list_workflows(database, account, status=status)
        assert (stored.workflow.name, stored.workflow.status) == (status.value.title(), status)
    assert len(service.list_workflows(database, account)) == len(WorkflowStatus)


def test_two_accounts_share_names_and_see_nothing_of_each_other(
    database: Database, make_account: Callable[..., Account], add_workflow: AddWorkflow
) -> None:
    mine, theirs = make_account(), make_account()
    their_id = add_workflow(theirs, "Welcome", status="draft")
    add_workflow(theirs, "Secret")

    my_own = service.create(database, mine, workflow_request(name="welcome"), actor="test")

    assert [stored.workflow for stored in service.list_workflows(database, mine)] == [my_own]
    for reference in ("Secret", str(their_id)):
        with pytest.raises(WorkflowNotFoundError):
            service.find(database, mine, reference)
        with pytest.raises(WorkflowNotFoundError):
            service.activate(database, mine, reference, actor="test")
    assert service.find(database, theirs, "Welcome").status is WorkflowStatus.DRAFT


@pytest.mark.parametrize("present", list(WorkflowStatus))
@pytest.mark.parametrize(
    ("move", "wanted"),
    [
        (service.activate, WorkflowStatus.ACTIVE),
        (service.pause, WorkflowStatus.PAUSED),
        (service.archive, WorkflowStatus.ARCHIVED),
    ],
)
def test_only_the_moves_of_the_table_are_made(
    database: Database,
    account: Account,
    add_workflow: AddWorkflow,
    present: WorkflowStatus,
    move: Callable[..., object],
    wanted: WorkflowStatus,
) -> None:
    add_workflow(account, "Welcome", status=present.value)

    if wanted is present or wanted in MOVES[present]:
        move(database, account, "welcome", actor="test")
        assert service.find(database, account, "Welcome").status is wanted
    else:
        with pytest.raises(InvalidStateError, match=present.value):
            move(database, account, "welcome", actor="test")
        assert service.find(database, account, "Welcome").status is present


def test_the_table_of_moves_is_the_one_of_the_product() -> None:
    assert {(present.value, new.value) for present in MOVES for new in MOVES[present]} == {
        ("draft", "active"),
        ("draft", "archived"),
        ("active", "paused"),
        ("paused", "active"),
        ("paused", "archived"),
    }
    assert set(MOVES) == set(WorkflowStatus)


def test_activating_an_active_workflow_writes_nothing(
    database: Database, account: Account, connection: Connection, add_workflow: AddWorkflow
) -> None:
    add_workflow(account)
    statement = text("select xmin::text, updated_at from enrollment.workflows")
    before = connection.execute(statement).all()

    service.activate(database, account, "Welcome", actor="test")

    assert connection.execute(statement).all() == before


def test_a_move_is_recorded_with_its_time(
    database: Database, account: Account, connection: Connection, add_workflow: AddWorkflow
) -> None:
    add_workflow(account)

    service.pause(database, account, "Welcome", actor="test")

    statement = text("select updated_at > created_at from enrollment.workflows")
    assert connection.scalar(statement) is True


@pytest.mark.parametrize("reference", ["\0", "\udcff", "a\nb", ""])
def test_what_no_name_can_be_is_not_found(
    database: Database, account: Account, reference: str
) -> None:
    with pytest.raises(WorkflowNotFoundError):
        service.find(database, account, reference)
