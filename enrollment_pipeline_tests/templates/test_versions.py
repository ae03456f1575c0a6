"""Versions of a template, what a newer one has for a clone, and what a clone takes over of it."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidStateError,
    InvalidWorkflowError,
    RefusedError,
    TemplateNotFoundError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.templates import finding
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.changes import Kind
from enrollment_pipeline.templates.service import Change, Update
from enrollment_pipeline.templates.shipped_library import Shipped, shipped_templates
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.templates.conftest import (
    Document,
    Tenant,
    content,
    plain,
    series,
    with_step,
)

# What version 2 has: one text, one wait, one more step, and a description.
NEWER = with_step(
    with_step(series(description="Three e-mails."), "hello", subject="Good day"),
    "rests",
    duration="5 days",
)
NEWER["steps"].insert(5, {"id": "adds", "type": "add_tag", "tag": "reminded"})
ALL_CHANGES = {
    "description",
    "steps.hello.subject",
    "steps.rests.duration",
    "steps.adds",
}


def ids(updates: tuple[Update, ...]) -> dict[str, bool]:
    """The ids of what is offered, each with whether it is in conflict."""
    return {one.change.id: one.conflict for one in updates}


def offered(tenant: Tenant, workflow: str = "Series") -> dict[str, bool]:
    return ids(templates.offer(*tenant.where, workflow).updates)


def merge(
    tenant: Tenant, *chosen: str, workflow: str = "Series", settle: bool = False
) -> dict[str, bool]:
    """Take these changes over, and return what is still offered."""
    _, left = templates.merge(*tenant.where, workflow, chosen, settle=settle, actor="ann")
    return ids(left)


def follows(tenant: Tenant, workflow: str = "Series") -> int:
    """The version that a clone counts as one of."""
    lineage = tenant.show(workflow).stored.lineage
    assert lineage is not None
    return lineage.version


def edit(tenant: Tenant, workflow: str = "Series", **changes: Any) -> None:
    workflows.edit(*tenant.where, workflow, changes, actor="ann")


def state(tenant: Tenant, workflow: str = "Series") -> tuple[object, ...]:
    """Everything that a refused merge might have touched."""
    shown = tenant.show(workflow)
    rows = tenant.sql("select * from enrollment.triggers")
    return shown.stored, shown.document, rows, tenant.counts()


@pytest.fixture
def cloned(tenant: Tenant) -> Tenant:
    """An account with a template of two versions, and a clone of the first called Series."""
    tenant.template("Series", series())
    tenant.clone("Series")
    tenant.update("Series", NEWER, note="More of it")
    return tenant


# History and comparison


def test_the_history_tells_versions_the_newest_first(cloned: Tenant) -> None:
    templates.update(
        *cloned.where,
        "Series",
        templates.Wanted(),
        document=series(),
        note="As before",
        actor="eve",
    )

    told = templates.history(*cloned.where, "series")

    assert (told["name"], told["template_id"]) == (
        "Series",
        str(cloned.preview("Series").template.id),
    )
    assert [(one["version"], one["note"], one["created_by"]) for one in told["versions"]] == [
        (3, "As before", "eve"),
        (2, "More of it", "ann"),
        (1, "", "ann"),
    ]
    times = [one["created_at"] for one in told["versions"]]
    assert times == sorted(times, reverse=True)


def test_the_history_of_a_shipped_template_begins_with_its_version(tenant: Tenant) -> None:
    before = templates.history(*tenant.where, "birthday-greeting")["versions"]
    tenant.clone("birthday-greeting")
    after = templates.history(*tenant.where, "birthday-greeting")["versions"]

    assert [one["version"] for one in before] == [one["version"] for one in after] == [1]


def test_by_default_the_last_two_versions_are_compared(cloned: Tenant) -> None:
    cloned.update("Series", with_step(NEWER, "reminds", body="Hm?"))

    template, older, newer, changes = templates.compare(*cloned.where, "Series")

    assert (template.name, older, newer) == ("Series", 2, 3)
    assert changes == (Change(("steps", "reminds", "body"), Kind.CHANGED, "Well?", "Hm?"),)


def test_any_two_versions_are_compared_in_either_direction(cloned: Tenant) -> None:
    cloned.update("Series", series())

    def compared(older: int, newer: int) -> dict[str, tuple[Any, Any]]:
        answer = templates.compare(*cloned.where, "Series", older=older, newer=newer)
        assert answer[1:3] == (older, newer)
        return {one.id: (one.before, one.after) for one in answer[3]}

    forth, back = compared(1, 2), compared(2, 1)
    assert set(forth) == set(back) == ALL_CHANGES
    assert forth["steps.rests.duration"] == ("3 days", "5 days")
    assert back == {name: (after, before) for name, (before, after) in forth.items()}
    assert compared(1, 3) == compared(2, 2) == {}


def test_a_template_of_one_version_differs_in_nothing(tenant: Tenant) -> None:
    tenant.template("Series")

    assert templates.compare(*tenant.where, "Series")[1:] == (1, 1, ())
    assert templates.compare(*tenant.where, "lead-welcome-series")[1:] == (1, 1, ())


@pytest.mark.parametrize("asked", [{"newer": 3}, {"older": 0}, {"older": 9}, {"newer": -1}])
def test_a_version_that_is_not_kept_is_not_found(cloned: Tenant, asked: dict[str, int]) -> None:
    with pytest.raises(TemplateNotFoundError, match="'Series' has no version"):
        templates.compare(*cloned.where, "Series", **asked)


# What is offered


def test_a_clone_of_the_newest_version_is_offered_nothing(tenant: Tenant) -> None:
    tenant.template("Series")
    made = tenant.clone("Series")

    assert offered(tenant) == {}
    assert templates.offers(*tenant.where) == []
    assert templates.update_of(*tenant.where, made.stored) is None


def test_a_clone_is_told_of_a_newer_version_and_what_it_changes(cloned: Tenant) -> None:
    template = cloned.preview("Series").template
    stored = cloned.show("Series").stored

    assert offered(cloned) == dict.fromkeys(ALL_CHANGES, False)
    assert templates.update_of(*cloned.where, stored) == {
        "template_id": str(template.id),
        "template_name": "Series",
        "version": 2,
    }
    (offer,) = templates.offers(*cloned.where)
    assert (offer.workflow, offer.template.id, offer.template.version) == (stored, template.id, 2)
    assert offer.updates == templates.offer(*cloned.where, "Series").updates


def test_what_the_clone_has_changed_itself_is_offered_as_a_conflict(cloned: Tenant) -> None:
    mine = with_step(cloned.show("Series").document, "hello", subject="Mine")
    mine = with_step(mine, "reminds", subject="Mine as well")
    edit(cloned, steps=mine["steps"])

    updates = {one.change.id: one for one in templates.offer(*cloned.where, "Series").updates}

    assert {name: one.conflict for name, one in updates.items()} == {
        **dict.fromkeys(ALL_CHANGES, False),
        "steps.hello.subject": True,
    }
    change = updates["steps.hello.subject"].change
    assert (change.before, change.after) == ("Mine", "Good day")


def test_over_two_versions_only_what_is_new_in_the_newest_is_offered(cloned: Tenant) -> None:
    cloned.update("Series", with_step(series(), "rests", duration="5 days"))

    assert offered(cloned) == {"steps.rests.duration": False}


def test_updates_are_told_of_every_clone_that_lives_and_of_no_other_workflow(
    cloned: Tenant,
) -> None:
    cloned.clone("Series", name="Newest")
    cloned.create(plain("Never cloned"))
    cloned.template("Others", plain())
    cloned.clone("Others")
    cloned.clone("lead-welcome-series")

    assert [one.workflow.workflow.name for one in templates.offers(*cloned.where)] == ["Series"]
    workflows.archive(*cloned.where, "Series", actor="ann")
    assert templates.offers(*cloned.where) == []


def test_a_clone_of_a_shipped_template_is_told_when_that_changes(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.clone("birthday-greeting", name="Series")
    (old,) = [
        one for one in shipped_templates().values() if one.template.slug == "birthday-greeting"
    ]

    def ship(version: int, description: str) -> None:
        newer = Shipped(
            replace(old.template, version=version), {**old.document, "description": description}
        )
        library = MappingProxyType({**shipped_templates(), old.template.id: newer})
        monkeypatch.setattr(finding, "shipped_templates", lambda: library)

    ship(2, "Something newer.")
    assert offered(tenant) == {"description": False}
    assert [
        one["version"] for one in templates.history(*tenant.where, "birthday-greeting")["versions"]
    ] == [2, 1]
    assert [one.id for one in templates.compare(*tenant.where, "birthday-greeting")[3]] == [
        "description"
    ]
    assert merge(tenant, "description") == {}
    assert tenant.show("Series").document["description"] == "Something newer."
    assert follows(tenant) == 2
    # Version 2 is in no file any more: what the clone followed is kept with the account.
    ship(3, "The newest.")
    edit(tenant, description="Mine.")
    assert offered(tenant) == {"description": True}
    assert [
        one["version"] for one in templates.history(*tenant.where, "birthday-greeting")["versions"]
    ] == [3, 2, 1]


def test_a_workflow_that_was_not_cloned_has_nothing_to_be_offered(tenant: Tenant) -> None:
    made = tenant.create(plain())

    for ask in (
        lambda: templates.offer(*tenant.where, "Plain"),
        lambda: templates.merge(*tenant.where, "Plain", None, actor="ann"),
    ):
        with pytest.raises(InvalidRequestError, match="was not cloned"):
            ask()
    with pytest.raises(WorkflowNotFoundError):
        templates.offer(*tenant.where, "Nothing")
    assert templates.update_of(*tenant.where, made.stored) is None


# Merging


@pytest.mark.parametrize("chosen", sorted(ALL_CHANGES))
def test_one_chosen_change_is_made_and_all_else_stays(cloned: Tenant, chosen: str) -> None:
    # Edited where the template was not, so that there is something to lose.
    mine = with_step(cloned.show("Series").document, "reminds", subject="Mine")
    edit(cloned, steps=mine["steps"], goals=mine["goals"][:1], settings={"business_hours": True})
    expected: Document = cloned.show("Series").document
    if chosen == "description":
        expected["description"] = "Three e-mails."
    elif chosen == "steps.adds":
        expected["steps"].insert(5, {"id": "adds", "type": "add_tag", "tag": "reminded"})
    else:
        _, step, field = chosen.split(".")
        value = {"subject": "Good day", "duration": "5 days"}[field]
        expected = with_step(expected, step, **{field: value})

    left = merge(cloned, chosen)

    shown = cloned.show("Series")
    assert shown.document == expected
    assert list(shown.document) == list(expected)
    assert left == dict.fromkeys(ALL_CHANGES - {chosen}, False)
    assert offered(cloned) == left
    assert follows(cloned) == 1


def test_without_a_choice_all_is_taken_that_the_clone_has_not_changed(cloned: Tenant) -> None:
    mine = with_step(cloned.show("Series").document, "hello", subject="Mine")
    edit(cloned, steps=mine["steps"])

    shown, left = templates.merge(*cloned.where, "Series", None, actor="ann")

    newest = cloned.preview("Series").document
    assert content(shown.document) == {
        **content(with_step(newest, "hello", subject="Mine")),
        "trigger": shown.document["trigger"],
    }
    assert ids(left) == {"steps.hello.subject": True}
    assert follows(cloned) == 1


def test_a_conflict_is_taken_when_it_is_chosen(cloned: Tenant) -> None:
    mine = with_step(cloned.show("Series").document, "hello", subject="Mine", body="Mine")
    edit(cloned, steps=mine["steps"])

    merge(cloned, "steps.hello.subject")

    first = cloned.show("Series").document["steps"][0]
    assert (first["subject"], first["body"]) == ("Good day", "Mine")


def test_the_clone_follows_the_newest_version_when_nothing_is_left(cloned: Tenant) -> None:
    *some, last = sorted(ALL_CHANGES)
    merge(cloned, *some)
    assert follows(cloned) == 1

    assert merge(cloned, last) == {}

    assert follows(cloned) == 2
    assert templates.offers(*cloned.where) == []
    assert templates.update_of(*cloned.where, cloned.show("Series").stored) is None
    shown = cloned.show("Series")
    newest = cloned.preview("Series").document
    assert {**content(shown.document), "trigger": 0} == {**content(newest), "trigger": 0}


def test_a_clone_that_is_like_the_newest_already_follows_it_after_a_merge(cloned: Tenant) -> None:
    edit(cloned, steps=NEWER["steps"], description=NEWER["description"])
    assert offered(cloned) == {}
    assert follows(cloned) == 1

    assert merge(cloned) == {}

    assert follows(cloned) == 2


def test_what_is_settled_is_not_offered_again_and_what_comes_later_is(cloned: Tenant) -> None:
    before = content(cloned.show("Series").document)

    assert merge(cloned, "steps.adds", settle=True) == {}

    assert follows(cloned) == 2
    assert templates.offers(*cloned.where) == []
    assert offered(cloned) == {}
    kept = content(cloned.show("Series").document)
    assert kept["description"] == before["description"]
    cloned.update("Series", with_step(NEWER, "reminds", body="Hm?"))
    assert offered(cloned) == {"steps.reminds.body": False}


def test_settling_alone_changes_nothing_of_the_document(cloned: Tenant) -> None:
    before = cloned.show("Series").document

    merge(cloned, settle=True)

    assert cloned.show("Series").document == before
    assert follows(cloned) == 2


def test_taking_nothing_writes_nothing(cloned: Tenant) -> None:
    before = state(cloned)

    assert merge(cloned) == dict.fromkeys(ALL_CHANGES, False)

    assert state(cloned) == before


def test_a_merge_is_in_the_log_with_what_it_took(cloned: Tenant) -> None:
    merge(cloned, "steps.adds", "description", "steps.adds")

    (entry,) = cloned.audit("template.merge")
    assert (entry["actor"], entry["result"]) == ("ann", "done")
    assert entry["subject"] == str(cloned.show("Series").stored.id)
    assert entry["details"]["template"] == "Series"
    assert entry["details"]["taken"] == ["steps.adds", "description"]
    assert entry["details"]["changed"] == ["description", "steps"]
    assert cloned.audit("workflow.edit") == []


def test_a_clone_keeps_its_name_and_status_and_gets_a_new_version(cloned: Tenant) -> None:
    edit(cloned, name="Mine")
    cloned.activate("Mine")
    before = cloned.show("Mine").stored

    merge(cloned, *ALL_CHANGES, workflow="Mine")

    after = cloned.show("Mine").stored
    assert after.workflow.name == "Mine"
    assert after.workflow.status == before.workflow.status
    assert after.version == before.version + 1
    assert cloned.show("Mine").problems == []


def test_another_clone_is_not_touched(cloned: Tenant) -> None:
    edit(cloned, name="One")
    newest = cloned.clone("Series", name="Other")

    merge(cloned, *ALL_CHANGES, workflow="One")

    assert cloned.show("Other").document == newest.document
    assert cloned.show("Other").stored == newest.stored


@pytest.mark.parametrize("chosen", [["steps.nothing"], ["steps.adds", "name"], ["x" * 300]])
def test_a_change_that_is_not_offered_is_refused_and_nothing_is_taken(
    cloned: Tenant, chosen: list[str]
) -> None:
    before = state(cloned)

    with pytest.raises(InvalidRequestError, match="offers no change"):
        merge(cloned, *chosen, settle=True)

    assert state(cloned) == before


# Triggers


ITS_TRIGGER = (
    "select t.* from enrollment.triggers t join enrollment.workflows w on w.id = t.workflow_id "
    "where w.name = 'Series'"
)


def test_a_change_of_the_trigger_changes_the_row_of_the_trigger(tenant: Tenant) -> None:
    tenant.template("Series", series())
    tenant.clone("Series")
    newer = series(trigger={"event": "form_submitted", "parameters": {"form_id": "talk"}})
    tenant.update("Series", newer)
    (before,) = tenant.sql(ITS_TRIGGER)

    chosen = [name for name in offered(tenant) if name.startswith("trigger")]
    assert merge(tenant, *chosen) == {}

    (after,) = tenant.sql(ITS_TRIGGER)
    assert (before["event"], before["match_key"]) == ("tag_added", "lead")
    assert (after["id"], after["version"]) == (before["id"], before["version"] + 1)
    assert (after["event"], after["match_key"]) == ("form_submitted", "talk")
    assert tenant.show("Series").document["trigger"]["event"] == "form_submitted"
    config = tenant.show("Series").stored.config
    assert "trigger" not in config


def test_a_merge_without_the_trigger_leaves_its_row_as_it_is(cloned: Tenant) -> None:
    rows = "select xmin::text as x, * from enrollment.triggers order by id"
    before = cloned.sql(rows)

    merge(cloned, *ALL_CHANGES)

    assert cloned.sql(rows) == before


# Refused


@pytest.fixture
def texting(tenant: Tenant) -> Tenant:
    """An account with an active clone, and a newer version that needs another integration."""
    tenant.template("Series", series())
    tenant.clone("Series")
    tenant.activate("Series")
    newer = series(integrations=["email", "sms"])
    newer["steps"].insert(5, {"id": "texts", "type": "send_sms", "body": "Hello"})
    tenant.update("Series", newer)
    return tenant


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (["steps.texts"], "integrations"),
        (["steps.texts", "integrations"], "sms is not connected"),
    ],
)
def test_an_active_clone_takes_nothing_that_would_make_it_invalid(
    texting: Tenant, chosen: list[str], told: str
) -> None:
    workflows.disconnect(*texting.where, "sms", actor="ann")
    before = state(texting)

    with pytest.raises(InvalidWorkflowError, match=told):
        merge(texting, *chosen, settle=True)

    assert state(texting) == before
    assert texting.audit("template.merge") == []


def test_an_active_clone_takes_what_leaves_it_valid(texting: Tenant) -> None:
    assert merge(texting, "steps.texts", "integrations") == {}

    assert texting.show("Series").problems == []


def test_a_draft_takes_it_with_its_problems(texting: Tenant) -> None:
    workflows.pause(*texting.where, "Series", actor="ann")

    merge(texting, "steps.texts")

    (problem,) = texting.show("Series").problems
    assert "sms" in problem.message
    with pytest.raises(InvalidWorkflowError, match="sms"):
        texting.activate("Series")


def test_a_step_at_which_contacts_are_is_not_taken_away(tenant: Tenant) -> None:
    tenant.template("Series", series())
    made = tenant.clone("Series")
    newer = series()
    newer["steps"] = newer["steps"][1:]
    tenant.update("Series", newer)
    tenant.enroll(made.stored.id, active=2)
    before = state(tenant)

    with pytest.raises(InvalidWorkflowError, match="2 contacts are at the step 'hello'"):
        merge(tenant, "steps.hello")

    assert state(tenant) == before


def test_an_archived_clone_takes_nothing(cloned: Tenant) -> None:
    workflows.archive(*cloned.where, "Series", actor="ann")

    with pytest.raises(InvalidStateError, match="archived"):
        merge(cloned, "description")


def test_a_clone_of_a_deleted_template_is_told_that_it_is_gone(cloned: Tenant) -> None:
    templates.delete(*cloned.where, "Series", actor="ann")
    before = state(cloned)

    for ask in (
        lambda: templates.offer(*cloned.where, "Series"),
        lambda: merge(cloned, "description"),
        lambda: merge(cloned, settle=True),
    ):
        with pytest.raises(TemplateNotFoundError, match="is gone"):
            ask()
    with pytest.raises(TemplateNotFoundError):
        templates.history(*cloned.where, "Series")
    assert templates.offers(*cloned.where) == []
    assert templates.update_of(*cloned.where, cloned.show("Series").stored) is None
    assert state(cloned) == before


def test_a_new_template_of_the_same_name_is_another_one(cloned: Tenant) -> None:
    templates.delete(*cloned.where, "Series", actor="ann")
    again = cloned.save("Series", "For Series").template

    lineage = cloned.show("Series").stored.lineage
    assert lineage is not None
    assert isinstance(again.id, UUID)
    assert again.id != lineage.template_id
    assert again.version == 1
    with pytest.raises(RefusedError, match="is gone"):
        templates.offer(*cloned.where, "Series")
