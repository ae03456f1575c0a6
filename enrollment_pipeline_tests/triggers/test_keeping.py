"""Making, changing and ending triggers: what is kept, what is refused, and what is written down."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidRequestError,
    InvalidTriggerError,
    TriggerExistsError,
    TriggerNotFoundError,
    WorkflowNotFoundError,
    WrongSubjectError,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import keeping
from enrollment_pipeline.triggers.store.triggers import Trigger
from enrollment_pipeline_tests.triggers.conftest import (
    PAYMENT,
    Automation,
    Document,
    MakeAutomation,
)

Where = tuple[Database, Account]
LARGE = {"field": "data.amount", "operator": "greater_than", "value": 500}


def where(automation: Automation) -> Where:
    """The arguments that everything begins with."""
    return automation.database, automation.account


def entries(automation: Automation) -> list[Document]:
    """What the audit log says of triggers, in order."""
    return automation.query(
        "select actor, action, result, subject, details from enrollment.audit_log "
        "where account_id = :account and action like 'trigger.%' order by id",
        account=automation.account.id,
    )


def as_kept(document: Document) -> Document:
    """A document in its full form."""
    return keeping.parse_trigger(document).as_dict()


# Each once


def test_a_trigger_is_made_once_and_written_down_once(automation: Automation) -> None:
    workflow = automation.workflow()
    document = {**PAYMENT, "filters": LARGE}

    made, new = keeping.create(*where(automation), "Welcome", document, actor="ann")
    again, other = keeping.create(*where(automation), "WELCOME", as_kept(document), actor="bob")

    assert (new, other) == (True, False)
    assert again == made
    assert (made.workflow.id, made.version, made.created_by) == (workflow, 1, "ann")
    assert entries(automation) == [
        {
            "actor": "ann",
            "action": "trigger.create",
            "result": "done",
            "subject": str(made.id),
            "details": {"workflow": "Welcome", "before": None, "after": as_kept(document)},
        }
    ]


def test_a_workflow_has_one_trigger(automation: Automation) -> None:
    made = automation.automate(PAYMENT)

    with pytest.raises(TriggerExistsError) as refused:
        automation.trigger({"event": "deal_won"})

    assert refused.value.code == "TRIGGER_EXISTS"
    assert str(refused.value).startswith(
        "The workflow 'Welcome' has a trigger on payment_received."
    )
    assert refused.value.details == {"trigger_id": str(made.id)}
    assert len(entries(automation)) == 1


def test_a_workflow_for_items_gets_no_trigger(automation: Automation) -> None:
    automation.workflow("Roles", subject="item")

    with pytest.raises(WrongSubjectError, match="'Roles' takes items") as refused:
        keeping.create(*where(automation), "Roles", PAYMENT, actor="ann")

    assert refused.value.code == "WRONG_SUBJECT"
    assert keeping.list_triggers(*where(automation))[1] == 0
    assert entries(automation) == []


def test_after_its_end_a_trigger_makes_room_for_another(automation: Automation) -> None:
    first = automation.automate(PAYMENT)
    gone = keeping.delete(*where(automation), "Welcome", actor="bob")
    second = automation.trigger(PAYMENT)

    assert gone.id == first.id != second.id
    deleted = entries(automation)[1]
    assert (deleted["actor"], deleted["action"]) == ("bob", "trigger.delete")
    assert deleted["subject"] == str(first.id)
    assert deleted["details"] == {"workflow": "Welcome", "before": as_kept(PAYMENT), "after": None}


def test_what_has_ended_is_not_found_and_does_not_end_again(automation: Automation) -> None:
    made = automation.automate(PAYMENT)
    keeping.delete(*where(automation), str(made.id), actor="ann")

    for reference in (str(made.id), "Welcome"):
        for act in (keeping.delete, keeping.activate, keeping.deactivate):
            with pytest.raises(TriggerNotFoundError):
                act(*where(automation), reference, actor="ann")
        with pytest.raises(TriggerNotFoundError):
            keeping.update(*where(automation), reference, {}, actor="ann")
    assert [one["action"] for one in entries(automation)] == ["trigger.create", "trigger.delete"]


def test_a_change_is_made_once_and_written_down_with_before_and_after(
    automation: Automation,
) -> None:
    made = automation.automate(PAYMENT)

    for _ in range(2):
        changed = keeping.update(*where(automation), "Welcome", {"filters": LARGE}, actor="bob")

    assert (changed.id, changed.version) == (made.id, 2)
    assert changed.document.as_dict() == as_kept({**PAYMENT, "filters": LARGE})
    assert changed.active_since == made.active_since
    assert entries(automation)[1:] == [
        {
            "actor": "bob",
            "action": "trigger.update",
            "result": "done",
            "subject": str(made.id),
            "details": {
                "workflow": "Welcome",
                "before": as_kept(PAYMENT),
                "after": as_kept({**PAYMENT, "filters": LARGE}),
            },
        }
    ]


def test_a_trigger_is_switched_once_and_waits_from_then_on(automation: Automation) -> None:
    made = automation.automate(PAYMENT)

    for _ in range(2):
        off = keeping.deactivate(*where(automation), "Welcome", actor="bob")
    for _ in range(2):
        on = keeping.activate(*where(automation), "Welcome", actor="bob")

    assert (off.active, on.active) == (False, True)
    assert made.active_since == off.active_since < on.active_since
    assert [(one["actor"], one["action"]) for one in entries(automation)] == [
        ("ann", "trigger.create"),
        ("bob", "trigger.deactivate"),
        ("bob", "trigger.activate"),
    ]
    details = entries(automation)[1]["details"]
    assert details["before"]["settings"]["active"] is True
    assert details["after"]["settings"]["active"] is False


DATED: Document = {
    "event": "scheduled_date",
    "parameters": {"date_field": "birthday", "time": "08:00"},
    "filters": {"field": "source", "operator": "equals", "value": "web"},
    "settings": {"lateness": "skip"},
}


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, DATED),
        (
            {"parameters": {"offset_days": -7}},
            {**DATED, "parameters": {**DATED["parameters"], "offset_days": -7}},
        ),
        (
            {"parameters": {"time": None}},
            {**DATED, "parameters": {"date_field": "birthday"}},
        ),
        (
            {"settings": {"lateness_hours": 3}},
            {**DATED, "settings": {"lateness": "skip", "lateness_hours": 3}},
        ),
        ({"filters": {}}, {**DATED, "filters": {}}),
        # Another event begins with parameters of its own; settings stay, and so do filters.
        ({"event": "birthday"}, {**DATED, "event": "birthday", "parameters": {}}),
        (
            {"event": "anniversary", "parameters": {"date_field": "created_at"}},
            {**DATED, "event": "anniversary", "parameters": {"date_field": "created_at"}},
        ),
    ],
    ids=str,
)
def test_what_a_change_leaves_out_stays_as_it_is(
    automation: Automation, changes: Document, result: Document
) -> None:
    automation.automate(DATED)
    changed = keeping.update(*where(automation), "Welcome", changes, actor="ann")
    assert changed.document.as_dict() == as_kept(result)


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        (5, None),
        ({"event": "nothing"}, ["event"]),
        ({"event": "tag_added"}, ["parameters.tag"]),
        ({"colour": "red"}, [""]),
        (
            {"parameters": {"time": "noon"}, "settings": {"active": "perhaps"}},
            ["settings.active", "parameters.time"],
        ),
    ],
    ids=str,
)
def test_a_change_that_is_not_valid_changes_nothing(
    automation: Automation, changes: object, paths: list[str] | None
) -> None:
    made = automation.automate(DATED)

    with pytest.raises(InvalidTriggerError) as refused:
        keeping.update(*where(automation), "Welcome", changes, actor="ann")

    if paths is not None:
        assert [one["path"] for one in refused.value.details["errors"]] == paths
    assert keeping.find(*where(automation), "Welcome") == made
    assert len(entries(automation)) == 1


def test_a_trigger_that_is_not_valid_is_not_made(automation: Automation) -> None:
    automation.workflow()
    with pytest.raises(InvalidTriggerError) as refused:
        automation.trigger({"event": "tag_added", "settings": {"active": "perhaps"}})
    paths = [one["path"] for one in refused.value.details["errors"]]
    assert paths == ["settings.active", "parameters.tag"]
    with pytest.raises(TriggerNotFoundError, match="The workflow 'Welcome' has no trigger"):
        keeping.find(*where(automation), "Welcome")
    assert entries(automation) == []


# Finding


def test_a_trigger_is_found_by_its_id_and_by_its_workflow(automation: Automation) -> None:
    made = automation.automate(PAYMENT)
    for reference in (str(made.id), f" {made.id} ", str(made.workflow.id), "welcome", " Welcome"):
        assert keeping.find(*where(automation), reference) == made


@pytest.mark.parametrize("reference", ["Nothing", "", " ", str(UUID(int=1)), "x" * 5_000])
def test_what_there_is_not_is_not_found(automation: Automation, reference: str) -> None:
    automation.automate(PAYMENT)
    with pytest.raises(TriggerNotFoundError):
        keeping.find(*where(automation), reference)
    if reference:
        with pytest.raises(WorkflowNotFoundError):
            automation.trigger(PAYMENT, reference)


def test_triggers_are_listed_by_the_name_of_their_workflow(automation: Automation) -> None:
    for name, document, active in (
        ("cherry", PAYMENT, True),
        ("Banana", {"event": "birthday"}, False),
        ("apple", {"event": "birthday"}, True),
        ("Date", PAYMENT, True),
    ):
        automation.automate(document, name, active=active)
    keeping.delete(*where(automation), "Date", actor="ann")

    def listed(**wanted: Any) -> tuple[list[str], int]:
        found, total = keeping.list_triggers(*where(automation), **wanted)
        return [one.workflow.name for one in found], total

    assert listed() == (["apple", "Banana", "cherry"], 3)
    assert listed(event="birthday") == (["apple", "Banana"], 2)
    assert listed(active=False) == (["Banana"], 1)
    assert listed(event="birthday", active=True) == (["apple"], 1)
    assert listed(event="deal_won") == ([], 0)
    assert listed(limit=2, page=2) == (["cherry"], 3)
    assert listed(limit=2, page=3) == ([], 3)
    for wanted in ({"event": "birth"}, {"page": 0}, {"limit": 0}):
        with pytest.raises(InvalidRequestError):
            listed(**wanted)


@pytest.mark.parametrize(
    ("status", "active", "waiting"),
    [("active", True, True), ("paused", True, False), ("active", False, False)],
)
def test_everything_about_a_trigger_is_told(
    automation: Automation, status: str, active: bool, waiting: bool
) -> None:
    made = automation.automate({**PAYMENT, "filters": LARGE}, status=status, active=active)

    told = keeping.document_of(made)

    assert told["waiting"] is waiting
    assert told["workflow_status"] == status
    assert {name: told[name] for name in ("event", "parameters", "filters", "settings")} == (
        made.document.as_dict()
    )
    assert (told["trigger_id"], told["workflow_name"]) == (str(made.id), "Welcome")


# Who may, and who may not even see


def test_triggers_of_other_accounts_are_not_there(make_automation: MakeAutomation) -> None:
    ours, theirs = make_automation(), make_automation()
    made = theirs.automate(PAYMENT)

    for reference in (str(made.id), str(made.workflow.id), "Welcome"):
        with pytest.raises(TriggerNotFoundError):
            keeping.find(*where(ours), reference)
        with pytest.raises(TriggerNotFoundError):
            keeping.delete(*where(ours), reference, actor="ann")
    with pytest.raises(WorkflowNotFoundError):
        ours.trigger(PAYMENT, str(made.workflow.id))
    assert keeping.list_triggers(*where(ours)) == ([], 0)
    assert keeping.find(*where(theirs), "Welcome") == made


OPERATIONS: dict[str, Callable[[Where, str], object]] = {
    "create": lambda at, actor: keeping.create(*at, "Second", PAYMENT, actor=actor),
    "update": lambda at, actor: keeping.update(*at, "First", {"filters": LARGE}, actor=actor),
    "activate": lambda at, actor: keeping.activate(*at, "Off", actor=actor),
    "deactivate": lambda at, actor: keeping.deactivate(*at, "First", actor=actor),
    "delete": lambda at, actor: keeping.delete(*at, "First", actor=actor),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_who_may_edit_workflows_may_change_triggers(automation: Automation, name: str) -> None:
    automation.automate(PAYMENT, "First")
    automation.automate(PAYMENT, "Off", active=False)
    automation.workflow("Second")
    members.add(*where(automation), "boss", ["account:admin"], actor="boss")
    members.add(*where(automation), "bob", ["workflow:edit"], actor="boss")
    members.add(*where(automation), "cat", ["workflow:manage", "contacts:manage"], actor="boss")
    before = keeping.list_triggers(*where(automation))

    for actor in ("cat", "nobody"):
        with pytest.raises(ForbiddenError):
            OPERATIONS[name](where(automation), actor)
    assert keeping.list_triggers(*where(automation)) == before
    OPERATIONS[name](where(automation), "bob")

    log = [(one["actor"], one["action"], one["result"]) for one in entries(automation)[2:]]
    denied = [(actor, f"trigger.{name}", "denied") for actor in ("cat", "nobody")]
    assert log == [*denied, ("bob", f"trigger.{name}", "done")]


def test_of_two_who_give_a_workflow_its_trigger_at_once_one_does(automation: Automation) -> None:
    automation.workflow()
    made: list[tuple[Trigger, bool]] = []
    refused: list[TriggerExistsError] = []
    barrier = threading.Barrier(4)

    def create(document: Document) -> None:
        barrier.wait(timeout=10)
        try:
            made.append(keeping.create(*where(automation), "Welcome", document, actor="ann"))
        except TriggerExistsError as error:
            refused.append(error)

    documents = [PAYMENT, PAYMENT, {"event": "deal_won"}, {"event": "deal_won"}]
    threads = [threading.Thread(target=create, args=(one,)) for one in documents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(new for _, new in made) == [False, True]
    assert len({one.id for one, _ in made}) == 1
    assert len(refused) == 2
    assert len(entries(automation)) == 1
