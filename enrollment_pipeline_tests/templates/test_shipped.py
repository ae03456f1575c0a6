"""The templates that ship: each one is valid, complete, shown in full, and works when cloned."""

from collections import Counter
from html import unescape
from uuid import UUID, uuid5

import pytest

from enrollment_pipeline.errors import IntegrationMissingError, InvalidWorkflowError
from enrollment_pipeline.records import WorkflowStatus
from enrollment_pipeline.templates.documents import (
    CATEGORIES,
    CUSTOM,
    Origin,
    step_types_of,
    template_problems,
)
from enrollment_pipeline.templates.shipped_library import Shipped, shipped_templates
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.documents import KEYS
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.service import mermaid, tree
from enrollment_pipeline_tests.templates.conftest import Document, Tenant

NAMESPACE = UUID("5b0f5c1e-8f0c-5d7e-9a55-0d5cf2a1c6b3")
LONGEST_SUBJECT = 77

# E-mails about an appointment that is booked are no marketing, and need no way out.
NO_MARKETING = {
    ("appointment-reminder-email-sms", "confirmation"),
    ("appointment-reminder-email-sms", "reminder_email"),
    ("first-appointment-preparation", "preparation"),
}

LIBRARY = {one.template.slug or "": one for one in shipped_templates().values()}
every_template = pytest.mark.parametrize("shipped", LIBRARY.values(), ids=LIBRARY)


def emails(shipped: Shipped) -> list[Document]:
    return [step for step in shipped.document["steps"] if step["type"] == "send_email"]


def lines_of(content: object) -> list[str]:
    """Return the lines of all texts in a field of a step, those of an object with their keys."""
    if isinstance(content, dict):
        return [
            f"{key}: {line}" if isinstance(inner, str) else line
            for key, inner in content.items()
            for line in lines_of(inner)
        ]
    return str(content).splitlines()


def clone_filled(tenant: Tenant, shipped: Shipped) -> UUID:
    asked = tenant.preview(shipped.template.id).values
    made = tenant.clone(shipped.template.id, values=dict.fromkeys(asked, "https://example.com"))
    return made.stored.id


# The library


def test_there_are_at_least_four_in_each_of_the_six_categories() -> None:
    found = Counter(one.template.category for one in LIBRARY.values())

    assert set(found) == set(CATEGORIES) - {CUSTOM}
    assert min(found.values()) >= 4
    assert len(LIBRARY) >= 24


def test_ids_come_from_short_names_and_stay_for_good() -> None:
    for template_id, one in shipped_templates().items():
        assert one.template.slug is not None
        assert template_id == one.template.id == uuid5(NAMESPACE, one.template.slug)
    # Written out: rows of databases have it.
    assert str(LIBRARY["lead-welcome-series"].template.id) == (
        "ff9af145-ba4d-556e-b265-ac679b816370"
    )


def test_no_two_have_a_name_or_a_short_name_in_common() -> None:
    every = [one.template for one in shipped_templates().values()]
    called = [one.name.casefold() for one in every] + [str(one.slug) for one in every]

    assert len(LIBRARY) == len(every)
    assert len(set(called)) == len(called) == 2 * len(every)


# Each one


@every_template
def test_it_is_valid(shipped: Shipped) -> None:
    assert template_problems(shipped.document) == []
    assert set(shipped.document) <= set(KEYS)


@every_template
def test_it_says_what_it_is(shipped: Shipped) -> None:
    template = shipped.template

    assert template.origin is Origin.SYSTEM
    assert template.version >= 1
    assert len(template.description) >= 50
    assert template.description == shipped.document["description"]
    assert template.name == shipped.document["name"]
    assert 1 <= len(template.tags) <= 10
    assert all(tag == tag.strip().lower() and tag for tag in template.tags)
    assert len(set(template.tags)) == len(template.tags)
    assert template.step_types == step_types_of(shipped.document)
    assert shipped.document["integrations"]
    assert set(shipped.document["integrations"]) <= set(INTEGRATIONS)


@every_template
def test_its_tree_shows_every_step_and_every_line_of_every_text(shipped: Shipped) -> None:
    lines = tree(shipped.document)
    shown = "\n".join(lines)

    heads = [line for line in lines if line.lstrip("│├└─ ") != line]
    for step in shipped.document["steps"]:
        head = f"{step['id']} ({step['type']})"
        assert [line for line in heads if line.lstrip("│├└─ ").startswith(head)]
        for field in ("subject", "body", "message", "title", "description", "tag", "url"):
            for line in lines_of(step.get(field, "")):
                assert line.strip() in shown
    for goal in shipped.document.get("goals", ()):
        assert goal["name"] in shown
    for integration in shipped.document["integrations"]:
        assert integration in lines[[line.startswith("├── Integr") for line in lines].index(True)]


@every_template
def test_its_drawing_shows_every_step_and_every_goal(shipped: Shipped) -> None:
    drawn = unescape(mermaid(shipped.document).replace("#", "&#"))

    for number, step in enumerate(shipped.document["steps"], start=1):
        nodes = [line for line in drawn.splitlines() if line.strip().startswith(f"step{number}")]
        assert step["id"] in nodes[0]
        if "subject" in step and "label" not in step:
            assert step["subject"][:40] in nodes[0]
    for goal in shipped.document.get("goals", ()):
        assert f"Goal {goal['name']}"[:59] in drawn


@every_template
def test_with_its_integrations_and_no_others_its_clone_can_be_activated(
    bare: Tenant, shipped: Shipped
) -> None:
    workflow = clone_filled(bare.connected(*shipped.document["integrations"]), shipped)
    bare.activate(workflow)

    assert bare.show(workflow).problems == []
    assert bare.show(workflow).workflow.status is WorkflowStatus.ACTIVE


@every_template
def test_without_any_one_of_its_integrations_it_is_neither_cloned_nor_activated(
    tenant: Tenant, shipped: Shipped
) -> None:
    workflow = clone_filled(tenant, shipped)

    for missing in shipped.document["integrations"]:
        workflows.disconnect(*tenant.where, missing, actor="test")
        before = tenant.counts()
        with pytest.raises(IntegrationMissingError, match=f": {missing}[.]") as refusal:
            tenant.clone(shipped.template.slug)
        assert refusal.value.details == {"missing": [missing]}
        with pytest.raises(InvalidWorkflowError, match=f"{missing} is not connected"):
            tenant.activate(workflow)
        assert tenant.counts() == before
        tenant.connected(missing)
    assert tenant.show(workflow).workflow.status is WorkflowStatus.DRAFT


@every_template
def test_its_subjects_are_short_enough_to_be_read(shipped: Shipped) -> None:
    for step in emails(shipped):
        assert 1 <= len(step["subject"]) <= LONGEST_SUBJECT


# All of them


def test_every_marketing_email_tells_how_to_unsubscribe() -> None:
    without = {
        (slug, step["id"])
        for slug, one in LIBRARY.items()
        for step in emails(one)
        if "email.unsubscribe_link" not in step["body"]
    }

    assert without == NO_MARKETING


def test_all_of_them_can_be_active_in_one_account_without_a_loop(tenant: Tenant) -> None:
    made = [clone_filled(tenant, one) for one in LIBRARY.values()]
    for workflow in made:
        tenant.activate(workflow)

    assert [tenant.show(workflow).problems for workflow in made] == [[]] * len(LIBRARY)
