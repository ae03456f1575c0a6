"""A workflow that would start itself gets no trigger: directly, through others, or at once."""

import threading
from collections.abc import Callable

import pytest

from enrollment_pipeline.errors import TriggerLoopError
from enrollment_pipeline.triggers import keeping
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.triggers.conftest import Automation, Document, MakeAutomation


def waits(tag: str, **settings: object) -> Document:
    """A trigger on a tag."""
    return {"event": "tag_added", "parameters": {"tag": tag}, "settings": settings}


def adds(*tags: str) -> list[Document]:
    """Steps that add tags."""
    return [{"type": "add_tag", "config": {"tag": tag}} for tag in tags]


def refused(act: Callable[[], object]) -> str:
    """The cycle for which something is refused."""
    with pytest.raises(TriggerLoopError) as error:
        act()
    cycle = str(error.value.details["cycle"])
    assert error.value.code == "TRIGGER_LOOP"
    assert str(error.value).endswith(f"would start itself: {cycle}.")
    return cycle


def count(automation: Automation) -> int:
    """How many triggers the account has."""
    return keeping.list_triggers(automation.database, automation.account)[1]


@pytest.mark.parametrize(
    ("trigger", "step", "does"),
    [
        (waits("lead"), adds("lead")[0], 'adds tag "lead" (step s1)'),
        (
            {"event": "tag_removed", "parameters": {"tag": "lead"}},
            {"type": "remove_tag", "config": {"tags": ["x", "lead"]}},
            'removes tag "lead" (step s1)',
        ),
        (
            {"event": "custom_field_changed", "parameters": {"field": "plan"}},
            {"type": "update_field", "config": {"field": "custom_fields.plan"}},
            'changes custom field "plan" (step s1)',
        ),
        (
            {"event": "contact_updated"},
            {"type": "add_tag", "tag": "lead"},
            "updates the contact by add_tag (step s1)",
        ),
    ],
)
def test_a_workflow_whose_own_step_causes_its_event_gets_no_such_trigger(
    automation: Automation, trigger: Document, step: Document, does: str
) -> None:
    automation.workflow("A", steps=[step])
    assert refused(lambda: automation.trigger(trigger, "A")) == f"A -> {does} -> A"
    assert count(automation) == 0
    assert automation.audit() == []


@pytest.mark.parametrize(
    "trigger",
    [
        waits("other"),
        {"event": "tag_removed", "parameters": {"tag": "lead"}},
        {"event": "payment_received"},
        {"event": "recurring_schedule", "parameters": {"cron": "0 9 * * *"}},
    ],
)
def test_a_workflow_that_causes_something_else_gets_its_trigger(
    automation: Automation, trigger: Document
) -> None:
    automation.workflow("A", steps=adds("lead"))
    automation.trigger(trigger, "A")


@pytest.fixture
def chain(automation: Automation) -> Automation:
    """A adds a tag that B waits for, B one that C waits for, C one that A might wait for."""
    automation.workflow("A", steps=adds("a"))
    automation.workflow("B", steps=adds("x", "b"))
    automation.workflow("C", steps=adds("c"))
    automation.trigger(waits("a"), "B")
    automation.trigger(waits("b"), "C")
    return automation


CYCLE = 'A -> adds tag "a" (step s1) -> B -> adds tag "b" (step s2) -> C -> adds tag "c" (step s1)'


def test_a_loop_through_two_others_is_refused_and_shown(chain: Automation) -> None:
    assert refused(lambda: chain.trigger(waits("c"), "A")) == f"{CYCLE} -> A"
    assert count(chain) == 2


def test_a_loop_is_refused_whatever_would_close_it(chain: Automation) -> None:
    where = chain.database, chain.account
    chain.trigger(waits("elsewhere"), "A")
    # The trigger of an active one with steps is not changed alone.
    workflows.pause(*where, "A", actor="ann")
    change = {"parameters": {"tag": "c"}}
    assert refused(lambda: keeping.update(*where, "A", change, actor="ann")) == f"{CYCLE} -> A"
    keeping.deactivate(*where, "A", actor="ann")
    # What waits for nothing closes no loop, until it is activated.
    changed = keeping.update(*where, "A", change, actor="ann")
    assert refused(lambda: keeping.activate(*where, "A", actor="ann")) == f"{CYCLE} -> A"

    assert keeping.find(*where, "A") == changed
    assert [action for _, action, _ in chain.audit()[-2:]] == [
        "trigger.deactivate",
        "trigger.update",
    ]


@pytest.mark.parametrize("end", [keeping.deactivate, keeping.delete])
def test_without_one_of_its_triggers_there_is_no_loop(
    chain: Automation, end: Callable[..., object]
) -> None:
    if end is keeping.delete:
        workflows.pause(chain.database, chain.account, "B", actor="ann")
    end(chain.database, chain.account, "B", actor="ann")
    chain.trigger(waits("c"), "A")
    assert refused(
        lambda: (
            keeping.activate(chain.database, chain.account, "B", actor="ann")
            if end is keeping.deactivate
            else chain.trigger(waits("a"), "B")
        )
    ).startswith('B -> adds tag "b" (step s2) -> C -> ')


def test_workflows_of_other_accounts_are_no_part_of_a_loop(make_automation: MakeAutomation) -> None:
    ours, theirs = make_automation(), make_automation()
    ours.workflow("A", steps=adds("a"))
    theirs.workflow("B", steps=adds("b"))
    theirs.trigger(waits("a"), "B")
    ours.trigger(waits("b"), "A")


def test_what_does_not_change_is_not_refused_for_a_loop_that_there_is(
    automation: Automation,
) -> None:
    automation.workflow("A")
    automation.trigger(waits("lead"), "A")
    automation.sql(
        "update enrollment.workflows set config = "
        """'{"steps": [{"id": "s", "type": "add_tag", "tag": "lead"}]}' where account_id = :id""",
        id=automation.account.id,
    )
    where = automation.database, automation.account

    keeping.update(*where, "A", {}, actor="ann")
    keeping.activate(*where, "A", actor="ann")
    # The way out of it is open.
    keeping.deactivate(*where, "A", actor="ann")
    refused(lambda: keeping.activate(*where, "A", actor="ann"))


def test_of_changes_that_make_a_loop_together_one_is_refused(automation: Automation) -> None:
    size = 4
    for number in range(size):
        automation.workflow(f"W{number}", steps=adds(f"t{number}"))
    barrier = threading.Barrier(size)
    loops: list[TriggerLoopError] = []

    def create(number: int) -> None:
        barrier.wait(timeout=10)
        try:
            automation.trigger(waits(f"t{(number - 1) % size}"), f"W{number}")
        except TriggerLoopError as error:
            loops.append(error)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(loops) == 1
    assert count(automation) == size - 1
