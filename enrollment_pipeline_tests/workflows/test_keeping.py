"""Workflows as they are kept: with their document and their trigger, all of it or nothing."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.accounts import members
from enrollment_pipeline.accounts.operations import Operation
from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidStateError,
    InvalidWorkflowError,
    RefusedError,
    WorkflowChangedError,
    WorkflowExistsError,
    WorkflowLimitError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.records import Account, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.documents import parse_trigger
from enrollment_pipeline.workflows import checking, keeping, service, store
from enrollment_pipeline.workflows.request import workflow_request
from enrollment_pipeline_tests.workflows.conftest import Ask, Meanwhile
from enrollment_pipeline_tests.workflows.examples import (
    GONE,
    Document,
    full,
    mailing,
    put,
    small,
    tagging,
)

Audit = Callable[[], list[dict[str, Any]]]
KEYS = [
    *("schema", "name", "description", "integrations", "values", "trigger", "steps", "goals"),
    "settings",
]


def create(database: Database, account: Account, document: object, **more: Any) -> service.Shown:
    return service.create_from(database, account, document, actor="ann", **more)


def edit(
    database: Database, account: Account, reference: str, changes: object, **more: Any
) -> service.Shown:
    return service.edit(database, account, reference, changes, actor="bob", **more)


def canonical(document: Document) -> Document:
    """A document as it is shown."""
    return {
        "schema": 1,
        **document,
        "trigger": parse_trigger(document["trigger"]).as_dict(),
    }


def errors(refused: pytest.ExceptionInfo[InvalidWorkflowError]) -> list[tuple[str, str]]:
    return [(one["path"], one["message"]) for one in refused.value.details["errors"]]


def enroll(
    ask: Ask, account: Account, workflow_id: UUID, step: str, *, ended: bool = False
) -> None:
    ask(
        "insert into enrollment.enrollments (account_id, workflow_id, contact_id, status, "
        "current_step, source, source_id, ended_at) values (:account, :workflow, :contact, "
        ":status, :step, 'test', :contact, case when :ended then now() end) returning 1",
        account=account.id,
        workflow=workflow_id,
        contact=uuid4(),
        status="completed" if ended else "active",
        step=step,
        ended=ended,
    )


# Created


def test_a_workflow_is_created_as_a_draft_with_the_document_that_was_given(
    database: Database, account: Account
) -> None:
    made = create(database, account, full())

    assert made.workflow.name == "Welcome series"
    assert made.workflow.status is WorkflowStatus.DRAFT
    assert made.workflow.first_step == "hello"
    assert made.workflow.required_fields == ("email", "phone")
    assert made.stored.version == 1
    assert made.stored.lineage is None
    assert made.document == canonical(full())
    assert list(made.document) == KEYS
    assert service.show(database, account, "welcome series") == made


def test_name_and_trigger_are_kept_once_and_not_in_the_config(
    database: Database, account: Account, ask: Ask
) -> None:
    create(database, account, full())

    (kept,) = ask("select name, config from enrollment.workflows")
    expected = {key: part for key, part in full().items() if key not in ("name", "trigger")}
    assert kept == {"name": "Welcome series", "config": expected}
    (trigger,) = ask(
        "select event, parameters, settings ->> 'enrollment_limit' as enrollment_limit, active, "
        "created_by, deleted_at from enrollment.triggers"
    )
    assert trigger == {
        "event": "appointment_booked",
        "parameters": {},
        "enrollment_limit": "multiple",
        "active": True,
        "created_by": "ann",
        "deleted_at": None,
    }


def test_what_may_be_left_out_is_not_made_up(database: Database, account: Account) -> None:
    made = create(database, account, small(description=None, goals=None))

    assert made.document == canonical(small())
    assert made.problems == []


def test_a_name_is_kept_without_the_blanks_around_it(database: Database, account: Account) -> None:
    assert create(database, account, small("  Welcome ")).document["name"] == "Welcome"


def test_a_draft_may_be_unfinished_and_says_what_is_missing(
    database: Database, account: Account, ask: Ask
) -> None:
    made = create(database, account, {"name": "Empty"})

    assert made.document == {"schema": 1, "name": "Empty", "steps": []}
    assert [one.path for one in made.problems] == ["trigger", "steps"]
    assert ask("select * from enrollment.triggers") == []
    assert service.show(database, account, "Empty").problems == made.problems


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ([], [""]),
        ({}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "  "}, ["name"]),
        (small(name="x" * 201), ["name"]),
        (small(extra=1), ["extra"]),
        (small(trigger={"event": "nothing"}), ["trigger.event"]),
        (small(steps=[{"id": "A", "type": "mail"}, {"id": "b", "type": "sms"}]),
         ["steps[0]", "steps[1]"]),
        (small(description="a\0b"), [""]),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_with_all_its_problems(
    database: Database, account: Account, ask: Ask, audit: Audit, document: object, paths: list[str]
) -> None:
    with pytest.raises(InvalidWorkflowError) as refused:
        create(database, account, document)

    assert [path for path, _ in errors(refused)] == paths
    assert refused.value.code == "INVALID_WORKFLOW"
    assert ask("select * from enrollment.workflows") == audit() == []


def test_a_refusal_tells_the_first_ten_problems_and_lists_all(
    database: Database, account: Account
) -> None:
    steps = [{"id": f"s{number}", "type": "delay"} for number in range(12)]

    with pytest.raises(InvalidWorkflowError) as refused:
        create(database, account, small("Old", steps=steps))

    assert [path for path, _ in errors(refused)] == [f"steps[{number}]" for number in range(12)]
    message = str(refused.value)
    assert message.startswith("The workflow 'Old' is not valid (12 problems). steps[0]: type")
    assert "steps[9]:" in message
    assert "steps[10]:" not in message
    assert message.endswith("And 2 more.")


def test_a_valid_one_can_be_active_at_once(database: Database, account: Account) -> None:
    made = create(database, account, small(), active=True)

    assert made.workflow.status is WorkflowStatus.ACTIVE
    assert made.problems == []
    assert service.show(database, account, "Welcome") == made


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({"name": "Empty"}, ["trigger", "steps"]),
        ({"name": "Empty", "steps": None}, ["trigger", "steps"]),
        (small(steps=[]), ["steps"]),
        (small(values={"link": ""}), ["values.link"]),
        (mailing(), ["integrations"]),
        (tagging("Loop", "a", "a"), ["trigger"]),
    ],
)
def test_what_is_not_valid_is_not_created_active(
    database: Database, account: Account, ask: Ask, document: Document, paths: list[str]
) -> None:
    with pytest.raises(InvalidWorkflowError) as refused:
        create(database, account, document, active=True)

    assert [path for path, _ in errors(refused)] == paths
    assert ask("select * from enrollment.workflows") == []
    assert ask("select * from enrollment.triggers") == []


def test_a_name_is_taken_in_any_letter_case(database: Database, account: Account) -> None:
    create(database, account, small())

    with pytest.raises(WorkflowExistsError):
        create(database, account, tagging(" WELCOME ", "a", "b"))
    assert service.show(database, account, "Welcome").document == canonical(small())


def test_a_creation_is_written_down(database: Database, account: Account, audit: Audit) -> None:
    made = create(database, account, full())

    assert audit() == [
        {
            "actor": "ann",
            "action": "workflow.create",
            "result": "done",
            "subject": "Welcome series",
            "details": {"workflow_id": str(made.stored.id), "steps": 19},
        }
    ]


_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        # Beyond, the database writes out the digits that JSON leaves to the exponent.
        st.floats(-1e9, 1e9),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("ab.\\u0000{", max_size=8), inner, max_size=3),
    ),
    max_leaves=8,
)


@pytest.fixture
def roomy(make_account: Callable[..., Account]) -> Account:
    """An account in which any number of examples has room."""
    return make_account(max_workflows=1_000_000)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    _json, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
)
def test_what_can_be_kept_is_shown_as_it_was_given(
    database: Database, roomy: Account, body: object, message: str
) -> None:
    name = f"Workflow {uuid4().hex[:8]} x"
    document = small(
        name,
        steps=[
            {"id": "posts", "type": "webhook", "url": "https://x.com", "body": body},
            {"id": "tells", "type": "notify", "message": message},
        ],
    )

    create(database, roomy, document)

    assert service.show(database, roomy, name).document == canonical(document)


# Changed


def test_only_the_parts_that_are_given_are_replaced(database: Database, account: Account) -> None:
    create(database, account, full())
    trigger = {"event": "appointment_booked", "settings": {"active": False}}
    changes = {"description": "Else.", "trigger": trigger, "values": {"shop_link": "https://x"}}

    changed = edit(database, account, "Welcome series", changes)

    assert changed.document == canonical({**full(), **changes})
    assert changed.stored.version == 2
    assert service.show(database, account, "Welcome series") == changed


def test_none_takes_a_part_away(database: Database, account: Account, ask: Ask) -> None:
    more = {"description": "x", "integrations": [], "goals": [], "values": {"link": "x"}}
    create(database, account, small(**more, settings={"required_fields": ["email"]}))
    taken = ("description", "trigger", "goals", "settings")

    changed = edit(database, account, "Welcome", dict.fromkeys(taken))

    assert list(changed.document) == ["schema", "name", "integrations", "values", "steps"]
    assert changed.workflow.required_fields == ()
    assert ask("select * from enrollment.triggers where deleted_at is null") == []
    (left,) = ask("select config from enrollment.workflows")
    assert set(left["config"]) == {"schema", "integrations", "values", "steps"}


def test_a_workflow_is_renamed_by_its_document(database: Database, account: Account) -> None:
    made = create(database, account, small())

    edit(database, account, "WELCOME", {"name": " Hello "})

    assert service.find(database, account, "hello").id == made.stored.id
    assert service.show(database, account, "hello").document == canonical(small("Hello"))
    # Its own name in another letter case is not taken.
    assert edit(database, account, "hello", {"name": "HELLO"}).workflow.name == "HELLO"


def test_the_row_of_the_trigger_stays_while_it_says_something_else(
    database: Database, account: Account, ask: Ask
) -> None:
    create(database, account, small())
    statement = "select id, event, parameters, version from enrollment.triggers"
    (before,) = ask(statement)

    edit(database, account, "Welcome", {"description": "x"})
    assert ask(statement) == [before]

    edit(database, account, "Welcome", {"trigger": {"event": "deal_won"}})
    (after,) = ask(statement)
    assert after == {**before, "event": "deal_won", "parameters": {}, "version": 2}


def test_a_change_is_written_down_with_the_parts_that_it_changes(
    database: Database, account: Account, audit: Audit
) -> None:
    made = create(database, account, small())

    edit(database, account, "Welcome", {"name": "Hello", "goals": [], "steps": small()["steps"]})

    assert audit()[1:] == [
        {
            "actor": "bob",
            "action": "workflow.edit",
            "result": "done",
            "subject": str(made.stored.id),
            "details": {"workflow": "Hello", "changed": ["name", "goals"], "version": 2},
        }
    ]


@pytest.mark.parametrize(
    "changes", [{}, {"description": None}, {"steps": small()["steps"], "name": "Welcome"}]
)
def test_a_change_that_changes_nothing_leaves_no_trace(
    database: Database, account: Account, ask: Ask, audit: Audit, changes: Document
) -> None:
    made = create(database, account, small())
    statement = "select xmin::text, version, updated_at from enrollment.workflows"
    before = ask(statement)

    assert edit(database, account, "Welcome", changes) == made
    assert ask(statement) == before
    assert len(audit()) == 1


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"name": "Taken"}, WorkflowExistsError),
        ({"name": "tAKEN "}, WorkflowExistsError),
        ({"name": None}, InvalidWorkflowError),
        ({"name": ""}, InvalidWorkflowError),
        ({"name": " "}, InvalidWorkflowError),
        ({"step": []}, InvalidWorkflowError),
        ({"steps": [{"id": "a", "type": "nothing"}]}, InvalidWorkflowError),
        ({"trigger": {"event": "nothing"}}, InvalidWorkflowError),
        ({"description": "\0"}, InvalidWorkflowError),
        ([], InvalidWorkflowError),
        ("name", InvalidWorkflowError),
        (None, InvalidWorkflowError),
        # What a draft may lack, an active one may not.
        ({"steps": []}, InvalidWorkflowError),
        ({"steps": None}, InvalidWorkflowError),
        ({"trigger": None}, InvalidWorkflowError),
        ({"values": {"link": ""}}, InvalidWorkflowError),
        ({"steps": mailing()["steps"], "integrations": ["email"]}, InvalidWorkflowError),
        # It would start itself.
        (
            {"name": "Else", "steps": [{"id": "marks", "type": "add_tag", "tag": "lead"}]},
            InvalidWorkflowError,
        ),
    ],
)
def test_a_refused_change_of_an_active_workflow_changes_nothing(
    database: Database,
    account: Account,
    audit: Audit,
    changes: object,
    trouble: type[RefusedError],
) -> None:
    create(database, account, tagging("Taken", "x", "y"))
    before = create(database, account, small(), active=True)

    with pytest.raises(trouble):
        edit(database, account, "Welcome", changes)

    assert service.show(database, account, "Welcome") == before
    assert len(audit()) == 2


def test_a_draft_takes_the_changes_that_leave_it_unfinished(
    database: Database, account: Account
) -> None:
    create(database, account, small())

    changed = edit(database, account, "Welcome", {"steps": [], "trigger": None})

    assert [one.path for one in changed.problems] == ["trigger", "steps"]


def test_a_workflow_whose_steps_are_taken_away_is_not_valid(
    database: Database, account: Account
) -> None:
    create(database, account, small())

    assert edit(database, account, "Welcome", {"steps": None}).problems


def test_an_active_workflow_takes_a_change_that_leaves_it_valid(
    database: Database, account: Account
) -> None:
    create(database, account, small(), active=True)

    changed = edit(database, account, "Welcome", {"steps": tagging("x", "a", "b")["steps"]})

    assert changed.workflow.status is WorkflowStatus.ACTIVE
    assert changed.workflow.first_step == "marks"


def test_every_problem_of_a_change_is_listed(database: Database, account: Account) -> None:
    create(database, account, small(), active=True)

    with pytest.raises(InvalidWorkflowError) as refused:
        edit(database, account, "Welcome", {"trigger": None, "steps": mailing()["steps"]})

    assert [path for path, _ in errors(refused)] == ["trigger", "steps[0].type"]


def test_an_archived_workflow_stays_as_it_is(database: Database, account: Account) -> None:
    create(database, account, small())
    service.archive(database, account, "Welcome", actor="ann")
    before = service.show(database, account, "Welcome")

    for changes in ({"description": "x"}, {}):
        with pytest.raises(InvalidStateError, match="archived"):
            edit(database, account, "Welcome", changes)
    assert service.show(database, account, "Welcome") == before


def test_a_change_to_a_version_that_is_gone_is_refused(
    database: Database, account: Account
) -> None:
    create(database, account, small())
    second = edit(database, account, "Welcome", {"description": "First"}, version=1)

    with pytest.raises(WorkflowChangedError, match="is at version 2; the changes"):
        edit(database, account, "Welcome", {"description": "Second"}, version=1)

    assert service.show(database, account, "Welcome") == second
    assert edit(database, account, "Welcome", {"goals": []}, version=2).stored.version == 3


def test_of_two_changes_at_once_to_one_version_the_second_is_refused(
    database: Database, account: Account
) -> None:
    made = create(database, account, small())

    with database.account(account.id) as connection:
        store.with_id(connection, made.stored.id, lock=True)
        store.rewrite(connection, made.stored.id, "Welcome", made.stored.config)
        second = Meanwhile(
            lambda: edit(database, account, "Welcome", {"description": "x"}, version=1)
        )

    assert isinstance(second.wait(), WorkflowChangedError)
    assert service.show(database, account, "Welcome").stored.version == 2


def test_a_name_that_is_taken_meanwhile_is_refused(database: Database, account: Account) -> None:
    first = create(database, account, small("First"))
    create(database, account, small("Second"))

    with database.account(account.id) as connection:
        present = store.with_id(connection, first.stored.id, lock=True)
        assert present is not None
        doing = Operation(connection)
        keeping.change(doing, account, present, {"name": "Third"}, actor="ann")
        second = Meanwhile(lambda: edit(database, account, "Second", {"name": "third"}))

    assert isinstance(second.wait(), WorkflowExistsError)


# Contacts at its steps


def test_a_step_at_which_contacts_are_must_stay(
    database: Database, account: Account, ask: Ask
) -> None:
    before = create(database, account, full())
    for step in ("hello", "hello", "rests", "asks"):
        enroll(ask, account, before.stored.id, step)
    changes = {"steps": full()["steps"][2:]}

    with pytest.raises(InvalidWorkflowError) as refused:
        edit(database, account, "Welcome series", changes)

    assert errors(refused) == [
        ("steps", "2 contacts are at the step 'hello', which must stay."),
        ("steps", "1 contacts are at the step 'rests', which must stay."),
    ]
    assert service.show(database, account, "Welcome series") == before


def test_steps_that_contacts_have_left_or_are_not_at_may_go(
    database: Database, account: Account, ask: Ask
) -> None:
    made = create(database, account, full())
    other = create(database, account, small())
    enroll(ask, account, made.stored.id, "hello", ended=True)
    enroll(ask, account, made.stored.id, "awaits")
    enroll(ask, account, other.stored.id, "hello")

    changed = edit(database, account, "Welcome series", {"steps": full()["steps"][2:]})

    assert changed.document["steps"] == full()["steps"][2:]
    # At another place it is the same step.
    moved = [*full()["steps"][3:], full()["steps"][2]]
    assert edit(database, account, "Welcome series", {"steps": moved}).document["steps"] == moved


# Without steps


def test_a_plain_workflow_is_active_without_steps_and_stays_plain(
    database: Database, account: Account, ask: Ask
) -> None:
    made = service.create(database, account, workflow_request(name="Plain"), actor="ann")
    assert service.show(database, account, "Plain").problems == []

    service.activate(database, account, "Plain", actor="ann")
    changes = {"name": "Plainer", "description": "x", "settings": {"reenrollment": "always"}}
    changed = edit(database, account, "Plain", changes)

    assert changed.stored.plain
    assert changed.document == {"schema": 1, **changes}
    assert changed.problems == []
    assert changed.workflow.status is WorkflowStatus.ACTIVE
    assert service.find(database, account, str(made.id)).reenrollment == "always"
    (kept,) = ask("select config from enrollment.workflows")
    assert "steps" not in kept["config"]


def test_a_plain_workflow_keeps_its_trigger_when_something_else_is_changed(
    database: Database, account: Account
) -> None:
    service.create(database, account, workflow_request(name="Plain"), actor="ann")
    edit(database, account, "Plain", {"trigger": small()["trigger"]})

    changed = edit(database, account, "Plain", {"description": "x"})

    assert changed.document["trigger"] == parse_trigger(small()["trigger"]).as_dict()
    assert changed.stored.plain


def test_a_plain_workflow_that_gets_steps_is_validated(
    database: Database, account: Account
) -> None:
    service.create(database, account, workflow_request(name="Plain"), actor="ann")

    changed = edit(database, account, "Plain", {"steps": []})

    assert not changed.stored.plain
    assert [one.path for one in changed.problems] == ["trigger", "steps"]


# The limit


def test_an_account_has_no_more_workflows_than_it_may(
    database: Database, make_account: Callable[..., Account]
) -> None:
    account = make_account(max_workflows=2)
    create(database, account, small("First"))
    service.create(database, account, workflow_request(name="Second"), actor="ann")

    with pytest.raises(WorkflowLimitError, match="has 2 workflows, which is its limit"):
        create(database, account, small("Third"))
    with pytest.raises(WorkflowLimitError):
        service.create(database, account, workflow_request(name="Third"), actor="ann")
    listed = service.list_workflows(database, account)
    assert [one.workflow.name for one in listed] == ["First", "Second"]


def test_archived_workflows_and_those_of_others_do_not_count(
    database: Database, make_account: Callable[..., Account]
) -> None:
    account, other = make_account(max_workflows=1), make_account(max_workflows=1)
    create(database, other, small("First"))
    create(database, account, small("First"))

    service.archive(database, account, "First", actor="ann")

    create(database, account, small("Second"))
    with pytest.raises(WorkflowLimitError):
        create(database, account, small("Third"))


def test_of_two_new_workflows_at_once_one_passes_the_limit(
    database: Database, make_account: Callable[..., Account]
) -> None:
    account = make_account(max_workflows=2)
    create(database, account, small("First"))

    with database.account(account.id) as connection:
        keeping.add_document(connection, account, small("Second"), actor="ann")
        third = Meanwhile(lambda: create(database, account, small("Third")))

    assert isinstance(third.wait(), WorkflowLimitError)
    listed = service.list_workflows(database, account)
    assert [one.workflow.name for one in listed] == ["First", "Second"]


# Who may, and whose it is


def test_the_workflow_of_another_account_is_not_found(
    database: Database, make_account: Callable[..., Account]
) -> None:
    mine, theirs = make_account(), make_account()
    made = create(database, theirs, small())

    for reference in ("Welcome", str(made.stored.id)):
        with pytest.raises(WorkflowNotFoundError):
            service.show(database, mine, reference)
        with pytest.raises(WorkflowNotFoundError):
            edit(database, mine, reference, {"description": "x"})
    # Not even its name is in the way.
    create(database, mine, small())
    assert service.show(database, theirs, "Welcome") == made


def test_a_member_without_the_permission_changes_nothing(
    database: Database, account: Account, audit: Audit
) -> None:
    before = create(database, account, small())
    members.add(database, account, "boss", ["account:admin"], actor="boss")
    members.add(database, account, "bob", ["workflow:manage", "contacts:manage"], actor="boss")

    with pytest.raises(ForbiddenError, match="lacks the permission workflow:edit"):
        edit(database, account, "Welcome", {"description": "x"})
    with pytest.raises(ForbiddenError, match="'ann' is not a member"):
        create(database, account, small("Second"))
    assert service.show(database, account, "Welcome") == before
    denied = [(one["actor"], one["action"]) for one in audit() if one["result"] == "denied"]
    assert denied == [("bob", "workflow.edit"), ("ann", "workflow.create")]

    members.add(database, account, "bob", ["workflow:edit"], actor="boss")
    assert edit(database, account, "Welcome", {"description": "x"}).stored.version == 2


def test_workflows_are_listed_by_name_and_status(database: Database, account: Account) -> None:
    create(database, account, small("beta"))
    create(database, account, small("Alpha"), active=True)
    create(database, account, small("gamma"), active=True)

    def names(status: WorkflowStatus | None = None) -> list[str]:
        listed = service.list_workflows(database, account, status=status)
        return [one.workflow.name for one in listed]

    assert names() == ["Alpha", "beta", "gamma"]
    assert names(WorkflowStatus.ACTIVE) == ["Alpha", "gamma"]
    assert names(WorkflowStatus.PAUSED) == []


# Loops


def test_drafts_may_start_each_other_and_only_the_last_one_is_refused(
    database: Database, account: Account
) -> None:
    create(database, account, tagging("First", "a", "b"))
    create(database, account, tagging("Second", "b", "c"))
    last = create(database, account, tagging("Third", "c", "a"))
    assert last.problems == []

    service.activate(database, account, "First", actor="ann")
    service.activate(database, account, "Second", actor="ann")
    with pytest.raises(InvalidWorkflowError) as refused:
        service.activate(database, account, "Third", actor="ann")

    way = (
        'the workflow would start itself: Third -> adds tag "a" (step marks) -> First -> '
        'adds tag "b" (step marks) -> Second -> adds tag "c" (step marks) -> Third'
    )
    assert errors(refused) == [("trigger", way)]
    shown = service.show(database, account, "Third")
    assert shown.workflow.status is WorkflowStatus.DRAFT
    assert [(one.path, one.message) for one in shown.problems] == errors(refused)


def test_a_paused_workflow_closes_no_loop_until_it_is_active_again(
    database: Database, account: Account
) -> None:
    create(database, account, tagging("First", "a", "b"), active=True)
    service.pause(database, account, "First", actor="ann")

    create(database, account, tagging("Second", "b", "a"), active=True)

    with pytest.raises(InvalidWorkflowError, match="would start itself"):
        service.activate(database, account, "First", actor="ann")


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": [{"id": "marks", "type": "add_tag", "tag": "a"}]},
        {"trigger": {"event": "tag_added", "parameters": {"tag": "b"}},
         "steps": [{"id": "marks", "type": "add_tag", "tag": "b"}]},
    ],
)  # fmt: skip
def test_an_active_workflow_is_not_changed_into_a_loop(
    database: Database, account: Account, changes: Document
) -> None:
    create(database, account, tagging("First", "a", "b"), active=True)
    before = create(database, account, tagging("Second", "b", "c"), active=True)

    with pytest.raises(InvalidWorkflowError, match="would start itself"):
        edit(database, account, "Second", changes)
    assert service.show(database, account, "Second") == before


def test_a_trigger_that_is_off_closes_no_loop(database: Database, account: Account) -> None:
    document = tagging("Loop", "a", "a")
    put(document, "trigger.settings", {"active": False})

    create(database, account, document, active=True)

    with pytest.raises(InvalidWorkflowError, match="would start itself"):
        edit(database, account, "Loop", {"trigger": tagging("x", "a", "a")["trigger"]})


def test_of_two_activations_at_once_one_closes_the_loop_and_is_refused(
    database: Database, account: Account
) -> None:
    first = create(database, account, tagging("First", "a", "b"))
    create(database, account, tagging("Second", "b", "a"))

    with database.account(account.id) as connection:
        assert checking.problems_here(connection, first.stored.id, first.document) == []
        store.set_status(connection, first.stored.id, WorkflowStatus.ACTIVE)
        second = Meanwhile(lambda: service.activate(database, account, "Second", actor="ann"))

    assert isinstance(second.wait(), InvalidWorkflowError)
    assert service.find(database, account, "Second").status is WorkflowStatus.DRAFT


# Without an account


def test_a_document_is_validated_for_nobody_in_particular() -> None:
    document = full()
    assert service.validate(document) == []

    put(document, "steps[0].subject", GONE)
    assert [one.path for one in service.validate(document)] == ["steps[0].subject"]
