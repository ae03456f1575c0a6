"""The guides of workflows and templates against the program: nothing missing, nothing gone."""

import re
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.files.documents import read_document
from enrollment_pipeline.records import Subject
from enrollment_pipeline.templates.documents import CATEGORIES
from enrollment_pipeline.templates.shipped_library import shipped_templates
from enrollment_pipeline.workflows.documents import (
    KEYS,
    MOST_GOALS,
    MOST_STEPS,
    MOST_VALUES,
    WorkflowSettings,
)
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.placeholders import FILTERS, ROOTS_FOR_CONTACTS, ROOTS_FOR_ITEMS
from enrollment_pipeline.workflows.steps import STEP_TYPES, fields_of
from enrollment_pipeline.workflows.subjects import ITEM_FIELDS, STEPS_FOR_ITEMS, subject_of
from enrollment_pipeline.workflows.validation import problems_of
from enrollment_pipeline_tests.test_docs import ROOT, blocks, rows, section

WORKFLOWS = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
TEMPLATES = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
WORD = re.compile(r"`([a-z_]+)`(\*?)")
OF_EVERY_STEP = {"id", "type", "label", "next"}


def starred(cell: str) -> dict[str, bool]:
    """Return the names in a cell, and whether each must be given."""
    return {name: star == "*" for name, star in WORD.findall(cell)}


def test_the_guide_names_every_part_of_the_document_and_no_other() -> None:
    assert tuple(rows(WORKFLOWS, "The document")) == KEYS


def test_the_guide_names_every_step_type_and_no_other() -> None:
    assert tuple(rows(WORKFLOWS, "Steps")) == tuple(STEP_TYPES)


@pytest.mark.parametrize("kind", STEP_TYPES)
def test_the_guide_names_every_field_of_a_step_and_those_that_must_be_given(kind: str) -> None:
    told = starred(rows(WORKFLOWS, "Steps")[kind][0])

    assert set(told) == set(fields_of(kind)) - OF_EVERY_STEP
    fields = STEP_TYPES[kind].model_fields.items()
    must_have = {field.alias or name for name, field in fields if field.is_required()}
    assert {name for name, must in told.items() if must} == must_have - OF_EVERY_STEP


def test_the_guide_names_every_filter_of_placeholders() -> None:
    told = re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|", section(WORKFLOWS, "Placeholders"), re.M)
    names = [name for cell in told for name in re.findall(r"`([a-z]+)`", cell)]

    assert sorted(names) == sorted(FILTERS)


def test_the_guide_names_every_beginning_of_a_placeholder() -> None:
    told = set(re.findall(r"`([a-z]+)\.[A-Za-z]+`", section(WORKFLOWS, "Placeholders")))

    assert told - set(INTEGRATIONS) == {*ROOTS_FOR_CONTACTS, *ROOTS_FOR_ITEMS} - set(INTEGRATIONS)


def test_the_guide_names_every_field_of_an_item() -> None:
    told = re.findall(r"`(item\.[a-z_]+)`", section(WORKFLOWS, "Placeholders"))

    assert sorted(told) == sorted(ITEM_FIELDS.known)


def test_the_guide_names_every_step_type_that_items_have() -> None:
    [told] = re.findall(
        r"^\* The step types are (.*)\. All others", section(WORKFLOWS, "Items"), re.M
    )

    assert tuple(re.findall(r"`([a-z_]+)`", told)) == STEPS_FOR_ITEMS


def test_the_guide_names_every_setting() -> None:
    assert set(rows(WORKFLOWS, "Settings")) == set(WorkflowSettings.model_fields)


def test_the_guide_names_every_integration_and_what_it_is_asked_for() -> None:
    told = rows(WORKFLOWS, "Integrations")

    assert tuple(told) == tuple(INTEGRATIONS)
    for name, cells in told.items():
        assert starred(cells[1]) == {
            detail.name: detail.required for detail in INTEGRATIONS[name].details
        }


def test_the_numbers_of_the_guide_are_those_of_the_program() -> None:
    told = rows(WORKFLOWS, "The document")

    assert f"up to {MOST_STEPS} " in told["steps"][0]
    assert f"up to {MOST_GOALS} " in told["goals"][0]
    assert f"at most {MOST_VALUES}" in told["values"][0]


def test_the_documents_of_the_guide_are_valid_one_for_each_subject() -> None:
    documents = [read_document(one, "the example") for one in blocks(WORKFLOWS, "yaml")]

    assert [problems_of(one) for one in documents] == [[], []]
    assert [subject_of(one) for one in documents] == [Subject.CONTACT, Subject.ITEM]


def test_the_guide_lists_every_shipped_template_and_no_other() -> None:
    told = {
        slug: (name, category.strip("`"), event.strip("`"), integrations)
        for slug, (name, category, event, integrations) in rows(
            TEMPLATES, "What comes with the product"
        ).items()
    }

    assert told == {
        one.template.slug: (
            one.template.name,
            one.template.category,
            _starts_by(one.document),
            ", ".join(one.document["integrations"]),
        )
        for one in shipped_templates().values()
    }
    assert f"{len(told)} come with the product" in TEMPLATES


def _starts_by(document: dict[str, Any]) -> str:
    if subject_of(document) is Subject.ITEM:
        return "a submission of items"
    return str(document["trigger"]["event"])


def test_every_category_but_that_of_ones_own_has_shipped_templates() -> None:
    of = [one.template.category for one in shipped_templates().values()]

    assert {category for category in CATEGORIES if of.count(category) >= 4} == set(CATEGORIES) - {
        "custom"
    }


def test_each_shipped_template_lies_where_its_category_and_short_name_say() -> None:
    folder = ROOT / "enrollment_pipeline" / "templates" / "shipped"
    places = {path.relative_to(folder) for path in folder.rglob("*.yaml")}

    assert places == {
        Path(one.template.category) / f"{one.template.slug}.yaml"
        for one in shipped_templates().values()
    }
