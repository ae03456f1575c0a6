"""Clones: all that the template has, a place of their own, and nothing of what was refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from enrollment_pipeline.errors import (
    ForbiddenError,
    IntegrationMissingError,
    InvalidRequestError,
    InvalidTemplateError,
    InvalidWorkflowError,
    RefusedError,
    TemplateNotFoundError,
    WorkflowExistsError,
    WorkflowLimitError,
)
from enrollment_pipeline.records import Permission, WorkflowStatus
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.documents import Template
from enrollment_pipeline.templates.shipped_library import shipped_templates
from enrollment_pipeline.triggers.documents import parse_trigger
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.templates.conftest import (
    Document,
    MakeTenant,
    Tenant,
    content,
    outcomes,
    plain,
    series,
    with_step,
)
from enrollment_pipeline_tests.workflows.examples import full

SHIPPED = {str(one.template.slug): one for one in shipped_templates().values()}


def assert_all_is_kept(clone: Document, template: Document) -> None:
    """Compare field by field, so that a failure says what was lost."""
    if "trigger" in template:
        assert clone["trigger"] == parse_trigger(template["trigger"]).as_dict()
    assert [step["id"] for step in clone["steps"]] == [step["id"] for step in template["steps"]]
    for mine, given in zip(clone["steps"], template["steps"], strict=True):
        assert mine == given
    for part in ("goals", "settings", "values", "description", "integrations", "schema"):
        assert clone.get(part) == template.get(part), part
    assert set(clone) == set(template)


# What a clone has


@pytest.mark.parametrize("slug", SHIPPED)
def test_a_clone_has_all_that_the_shipped_template_has(tenant: Tenant, slug: str) -> None:
    made = tenant.clone(slug)

    assert_all_is_kept(tenant.show(made.stored.id).document, SHIPPED[slug].document)


@pytest.mark.parametrize("document", [series(), full()], ids=["series", "full"])
def test_a_clone_has_all_that_a_template_of_ones_own_has(
    tenant: Tenant, document: Document
) -> None:
    template = tenant.template("Series")
    # As it is, also where saving would make placeholders of texts.
    tenant.rewrite_version(template.id, 1, document)

    made = tenant.clone("Series")

    assert_all_is_kept(tenant.show(made.stored.id).document, document)


def test_a_clone_is_a_draft_with_an_id_of_its_own(tenant: Tenant) -> None:
    first, second = (tenant.clone("lead-welcome-series") for _ in range(2))

    assert first.workflow.status is second.workflow.status is WorkflowStatus.DRAFT
    assert first.stored.id != second.stored.id
    assert tenant.count("workflows") == tenant.count("triggers") == 2
    tenant_rows = tenant.sql("select workflow_id from enrollment.triggers")
    assert {row["workflow_id"] for row in tenant_rows} == {first.stored.id, second.stored.id}


def test_the_trigger_of_a_clone_is_found_as_that_of_any_workflow(tenant: Tenant) -> None:
    made = tenant.clone("lead-welcome-series")

    (row,) = tenant.sql("select workflow_id, event, match_key, version from enrollment.triggers")
    assert row == {
        "workflow_id": made.stored.id,
        "event": "tag_added",
        "match_key": "lead",
        "version": 1,
    }


def test_a_clone_keeps_its_lineage(tenant: Tenant) -> None:
    template = tenant.template("Series", series())
    tenant.update("Series", series(description="Another."), category="onboarding")
    before = datetime.now(UTC)

    made = tenant.clone("Series")

    lineage = tenant.show(made.stored.id).stored.lineage
    assert lineage is not None
    assert (lineage.template_id, lineage.version, lineage.category) == (
        template.id,
        2,
        "onboarding",
    )
    assert lineage.cloned_at is not None
    assert before - timedelta(seconds=1) <= lineage.cloned_at <= datetime.now(UTC)


def test_a_clone_of_a_shipped_template_keeps_what_it_began_with(tenant: Tenant) -> None:
    shipped = SHIPPED["birthday-greeting"]

    tenant.clone("birthday-greeting")
    tenant.clone("birthday-greeting")

    assert tenant.sql(
        "select template_id, version, document from enrollment.template_versions"
    ) == [
        {
            "template_id": shipped.template.id,
            "version": shipped.template.version,
            "document": shipped.document,
        }
    ]


def test_a_clone_is_written_down_once_as_use_and_once_in_the_log(tenant: Tenant) -> None:
    template = tenant.template("Series")
    before = {**tenant.counts(), "templates": tenant.count("templates")}

    made = tenant.clone("series", name="Mine")

    after = {**tenant.counts(), "templates": tenant.count("templates")}
    assert {table: after[table] - before[table] for table in after} == {
        "workflows": 1,
        "triggers": 1,
        "template_usage": 1,
        "template_versions": 0,
        "audit_log": 1,
        "templates": 0,
    }
    (use,) = tenant.sql(
        "select account_id, template_id, template_version, template_account_id, workflow_id, "
        "used_by from enrollment.template_usage"
    )
    assert use == {
        "account_id": tenant.account.id,
        "template_id": template.id,
        "template_version": 1,
        "template_account_id": tenant.account.id,
        "workflow_id": made.stored.id,
        "used_by": "ann",
    }
    assert tenant.audit("template.clone") == [
        {
            "actor": "ann",
            "action": "template.clone",
            "result": "done",
            "subject": str(template.id),
            "details": {
                "template": "Series",
                "version": 1,
                "workflow_id": str(made.stored.id),
                "workflow": "Mine",
            },
        }
    ]


def test_use_of_a_shipped_template_names_no_owner(tenant: Tenant) -> None:
    tenant.clone("lead-welcome-series")

    (use,) = tenant.sql("select template_id, template_account_id from enrollment.template_usage")
    assert use == {
        "template_id": SHIPPED["lead-welcome-series"].template.id,
        "template_account_id": None,
    }


# Names


def test_without_a_name_it_has_that_of_the_template_with_a_number_where_it_is_taken(
    tenant: Tenant,
) -> None:
    tenant.template("Series", plain())
    tenant.create(plain("series 3"))

    names = [tenant.clone("Series").workflow.name for _ in range(3)]

    assert names == ["Series", "Series 2", "Series 4"]


def test_a_name_with_signs_of_search_patterns_is_numbered_too(tenant: Tenant) -> None:
    tenant.template("100%_off", plain())
    tenant.create(plain("100 per cent off 2"))

    assert [tenant.clone("100%_off").workflow.name for _ in range(2)] == ["100%_off", "100%_off 2"]


def test_the_longest_name_is_numbered_too(tenant: Tenant) -> None:
    name = "sale " * 39 + "sales"
    assert len(name) == 200
    tenant.template("Sales", plain())
    tenant.update("Sales", name=name)

    first, second = (tenant.clone(name).workflow.name for _ in range(2))

    assert first == name
    assert second.endswith(" 2")
    assert len(second) <= 200


def test_it_gets_the_name_that_is_given(tenant: Tenant) -> None:
    made = tenant.clone("lead-welcome-series", name="  My leads ")

    assert made.workflow.name == made.document["name"] == "My leads"
    assert tenant.show("my leads").stored.id == made.stored.id
    assert content(made.document) == content(
        {
            **SHIPPED["lead-welcome-series"].document,
            "trigger": parse_trigger(SHIPPED["lead-welcome-series"].document["trigger"]).as_dict(),
        }
    )


# Values


def test_values_are_filled_in_and_the_others_stay(tenant: Tenant) -> None:
    document = plain(values={"shop_link": "", "motto": "Be kind", "sign": ""})
    tenant.rewrite_version(tenant.template("Series").id, 1, document)

    made = tenant.clone("Series", values={"shop_link": "https://example.com/shop"})

    assert tenant.show(made.stored.id).document["values"] == {
        "shop_link": "https://example.com/shop",
        "motto": "Be kind",
        "sign": "",
    }
    assert [problem.path for problem in made.problems] == ["values.sign"]
    assert tenant.preview("Series").document["values"]["shop_link"] == ""


# Refused


def without_integrations(tenant: Tenant) -> str:
    for name in ("calendar", "email"):
        workflows.disconnect(*tenant.where, name, actor="test")
    return "lead-welcome-series"


def at_the_limit(tenant: Tenant) -> str:
    for number in range(3):
        tenant.create(plain(f"Workflow {number}"))
    return "lead-welcome-series"


def with_document(document: Document) -> Callable[[Tenant], str]:
    def arrange(tenant: Tenant) -> str:
        tenant.rewrite_version(tenant.template("Series").id, 1, document)
        return "Series"

    return arrange


def with_name_taken(tenant: Tenant) -> str:
    tenant.create(plain("MINE"))
    return "lead-welcome-series"


def deleted(tenant: Tenant) -> str:
    found = tenant.template("Series")
    templates.delete(*tenant.where, "Series", actor="ann")
    return str(found.id)


DEPRECATED = plain(
    steps=[
        {"id": "tells", "type": "notify", "message": "Look here"},
        {"id": "hello", "type": "email", "subject": "Hello", "body": "Good day."},
    ]
)
BROKEN = with_step(series(), "asks", then="nowhere")

Arrange = Callable[[Tenant], str]


@pytest.mark.parametrize(
    ("arrange", "more", "kind", "told"),
    [
        (without_integrations, {}, IntegrationMissingError, "email, calendar"),
        (at_the_limit, {}, WorkflowLimitError, "3 workflows"),
        (with_document(DEPRECATED), {}, InvalidTemplateError, r"steps\[1\].*send_email"),
        (with_document(BROKEN), {}, InvalidTemplateError, r"steps\[2\]\.then.*nowhere"),
        (with_document({**series(), "trigger": None}), {}, InvalidTemplateError, "trigger"),
        (with_name_taken, {"name": "mine"}, WorkflowExistsError, "mine"),
        (lambda tenant: "lead-welcome-series", {"name": " "}, InvalidWorkflowError, "name"),
        (
            lambda tenant: "lead-welcome-series",
            {"values": {"colour": "red"}},
            InvalidRequestError,
            "colour",
        ),
        (
            with_document(series()),
            {"values": {"motto": "x" * 2_001}},
            InvalidWorkflowError,
            "values",
        ),
        (lambda tenant: "Nothing", {}, TemplateNotFoundError, "Nothing"),
        (lambda tenant: str(uuid4()), {}, TemplateNotFoundError, "no template"),
        (lambda tenant: "\0", {}, TemplateNotFoundError, "no template"),
        (deleted, {}, TemplateNotFoundError, "no template"),
    ],
    ids=[
        "integrations",
        "limit",
        "deprecated",
        "broken",
        "no-trigger",
        "name-taken",
        "name-empty",
        "unknown-value",
        "long-value",
        "unknown-name",
        "unknown-id",
        "no-name",
        "deleted",
    ],
)
def test_what_is_refused_has_created_nothing(
    make_tenant: MakeTenant,
    arrange: Arrange,
    more: dict[str, Any],
    kind: type[RefusedError],
    told: str,
) -> None:
    tenant = make_tenant(max_workflows=3)
    reference = arrange(tenant)
    before = tenant.counts()

    with pytest.raises(kind, match=told):
        tenant.clone(reference, **more)

    assert tenant.counts() == before


def test_all_missing_integrations_are_named_and_none_that_is_there(tenant: Tenant) -> None:
    workflows.disconnect(*tenant.where, "email", actor="test")
    workflows.disconnect(*tenant.where, "calendar", actor="test")

    with pytest.raises(IntegrationMissingError) as refusal:
        tenant.clone("lead-welcome-series")

    assert refusal.value.code == "INTEGRATION_MISSING"
    assert refusal.value.details == {"missing": ["email", "calendar"]}
    assert "'Welcome series for new leads' needs" in refusal.value.message
    tenant.connected("calendar")
    with pytest.raises(IntegrationMissingError) as refusal:
        tenant.clone("lead-welcome-series")
    assert refusal.value.details == {"missing": ["email"]}
    assert "integrations connect email" in refusal.value.advice


def test_whoever_may_not_edit_workflows_clones_nothing_and_the_log_says_so(tenant: Tenant) -> None:
    tenant.allow(bob=Permission.CONTACTS_MANAGE, eve=Permission.WORKFLOW_EDIT)
    before = tenant.counts()

    with pytest.raises(ForbiddenError, match="workflow:edit"):
        templates.clone(*tenant.where, "lead-welcome-series", actor="bob")

    assert tenant.counts() == {**before, "audit_log": before["audit_log"] + 1}
    (denied,) = tenant.audit("template.clone")
    assert (denied["actor"], denied["result"]) == ("bob", "denied")
    assert templates.clone(*tenant.where, "lead-welcome-series", actor="eve")


def test_a_deprecated_step_type_is_refused_with_what_replaced_it(tenant: Tenant) -> None:
    tenant.rewrite_version(tenant.template("Series").id, 1, DEPRECATED)

    with pytest.raises(InvalidTemplateError) as refusal:
        tenant.clone("Series")

    assert refusal.value.code == "INVALID_TEMPLATE"
    errors = refusal.value.details["errors"]
    assert [one["path"] for one in errors] == ["steps[1]"]
    assert errors[0]["message"] == 'type "email" is deprecated: use send_email.'


def test_an_archived_workflow_makes_room_for_a_clone(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(max_workflows=1)
    tenant.create(plain())
    with pytest.raises(WorkflowLimitError):
        tenant.clone("lead-welcome-series")

    workflows.archive(*tenant.where, "Plain", actor="ann")

    assert tenant.clone("lead-welcome-series").workflow.status is WorkflowStatus.DRAFT


# At once


def test_of_two_clones_at_once_only_one_passes_the_limit(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(max_workflows=2)
    tenant.create(plain())
    slugs = ["lead-welcome-series", "birthday-greeting", "new-contact-welcome"]

    found = outcomes([partial(tenant.clone, slug) for slug in slugs])

    assert found == ["WORKFLOW_LIMIT", "WORKFLOW_LIMIT", "done"]
    assert tenant.count("workflows") == 2
    assert tenant.count("template_usage") == tenant.count("template_versions") == 1


def test_clones_at_once_without_a_name_all_get_one(tenant: Tenant) -> None:
    found = outcomes([lambda: tenant.clone("lead-welcome-series")] * 4)

    assert found == ["done"] * 4
    names = {row["name"] for row in tenant.sql("select name from enrollment.workflows")}
    first = "Welcome series for new leads"
    assert names == {first, f"{first} 2", f"{first} 3", f"{first} 4"}


# Large, and long


def test_a_template_of_fifty_steps_is_cloned_whole(tenant: Tenant) -> None:
    steps: list[Document] = []
    for number in range(25):
        steps.append({"id": f"tells_{number}", "type": "notify", "message": f"Part {number}"})
        steps.append({"id": f"rests_{number}", "type": "wait", "duration": f"{number + 1} days"})
    tenant.template("Long", plain(steps=steps))

    made = tenant.clone("Long")
    tenant.activate(made.stored.id)

    assert tenant.show(made.stored.id).document["steps"] == steps


def test_a_clone_lives_on_when_its_template_is_deleted(tenant: Tenant) -> None:
    template: Template = tenant.template("Series")
    made = tenant.clone("Series")

    templates.delete(*tenant.where, "Series", actor="ann")

    tenant.activate(made.stored.id)
    found = tenant.show(made.stored.id)
    assert found.document == made.document
    assert found.workflow.status is WorkflowStatus.ACTIVE
    assert found.stored.lineage is not None
    assert found.stored.lineage.template_id == template.id
    assert workflows.edit(*tenant.where, made.workflow.name, {"description": "x"}, actor="ann")


def test_a_change_of_a_clone_changes_neither_the_template_nor_another_clone(
    tenant: Tenant,
) -> None:
    tenant.template("Series")
    before = tenant.preview("Series").document
    first, second = tenant.clone("Series"), tenant.clone("Series")

    steps = with_step(first.document, "hello", subject="Mine")["steps"]
    workflows.edit(*tenant.where, str(first.stored.id), {"steps": steps}, actor="ann")

    assert tenant.preview("Series").document == before
    assert tenant.show(second.stored.id).document == second.document
