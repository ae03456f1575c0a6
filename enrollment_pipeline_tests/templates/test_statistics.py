"""What came of templates: use, and completion rates from the enrollments of their clones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from enrollment_pipeline.errors import InvalidRequestError, TemplateNotFoundError
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.documents import CATEGORIES
from enrollment_pipeline.templates.shipped_library import shipped_templates
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.templates.conftest import MakeTenant, Tenant, plain, series


def of(tenant: Tenant, category: str = "custom") -> dict[str, Any]:
    (found,) = [one for one in templates.statistics(*tenant.where) if one["category"] == category]
    return found


def rate(tenant: Tenant, template: str = "Series") -> float | None:
    found: float | None = templates.usage_of(*tenant.where, template)["completion_rate"]
    return found


@pytest.fixture
def used(tenant: Tenant) -> Tenant:
    """An account with a template and two clones of it, One and Two."""
    tenant.template("Series")
    for name in ("One", "Two"):
        tenant.clone("Series", name=name)
    return tenant


def enroll(tenant: Tenant, workflow: str, **statuses: int) -> None:
    tenant.enroll(tenant.show(workflow).stored.id, **statuses)


# Rates


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, None),
        ({"active": 3}, None),
        ({"withdrawn": 3}, None),
        ({"active": 1, "withdrawn": 2}, None),
        ({"completed": 4}, 1.0),
        ({"exited": 4}, 0.0),
        ({"completed": 3, "exited": 1}, 0.75),
        ({"completed": 1, "exited": 2, "active": 5, "withdrawn": 7}, 0.3333),
    ],
)
def test_the_rate_is_of_those_who_completed_among_those_who_came_to_an_end(
    used: Tenant, statuses: dict[str, int], expected: float | None
) -> None:
    enroll(used, "One", **statuses)

    told = templates.usage_of(*used.where, "Series")

    assert told["completion_rate"] == expected
    assert {one["workflow_name"]: one["completion_rate"] for one in told["usage"]} == {
        "One": expected,
        "Two": None,
    }
    found = of(used)
    assert found["completion_rate"] == expected
    assert found["clones_with_rate"] == (0 if expected is None else 1)


def test_the_rate_of_a_template_is_the_average_of_its_clones(used: Tenant) -> None:
    used.clone("Series", name="Three")
    # Whatever their sizes: one of nine and all of one.
    enroll(used, "One", completed=1, exited=8)
    enroll(used, "Two", completed=1)

    assert rate(used) == round((1 / 9 + 1) / 2, 4) == 0.5556
    assert (of(used)["completion_rate"], of(used)["clones_with_rate"]) == (0.5556, 2)


def test_enrollments_of_other_workflows_and_accounts_do_not_count(
    used: Tenant, make_tenant: MakeTenant
) -> None:
    enroll(used, "One", completed=1, exited=1)
    plain_one = used.create(plain())
    used.enroll(plain_one.stored.id, completed=5)
    used.template("Others", plain())
    used.clone("Others", name="Another")
    enroll(used, "Another", exited=3)
    other = make_tenant()
    other.clone("lead-welcome-series")
    other.enroll(other.show("Welcome series for new leads").stored.id, completed=1)

    assert rate(used) == 0.5
    assert rate(used, "Others") == 0.0
    assert of(used)["completion_rate"] == 0.25
    assert rate(used, "lead-welcome-series") is None


def test_a_clone_of_an_older_version_and_an_archived_one_count(used: Tenant) -> None:
    enroll(used, "One", completed=1)
    workflows.archive(*used.where, "One", actor="ann")
    used.update("Series", series(description="Newer."))

    assert rate(used) == 1.0


# Use


def test_use_is_told_the_newest_first_with_all_that_is_known(used: Tenant) -> None:
    used.activate("Two")
    used.update("Series", series(description="Newer."))
    third = used.clone("Series", name="Three")

    told = templates.usage_of(*used.where, "series")

    assert (told["name"], told["usage_count"], told["page"]) == ("Series", 3, 1)
    assert told["template_id"] == str(used.preview("Series").template.id)
    assert [
        (one["workflow_name"], one["workflow_status"], one["version"]) for one in told["usage"]
    ] == [("Three", "draft", 2), ("Two", "active", 1), ("One", "draft", 1)]
    newest = told["usage"][0]
    used_at = datetime.fromisoformat(newest.pop("used_at"))
    assert timedelta(0) <= datetime.now(UTC) - used_at < timedelta(minutes=5)
    assert newest == {
        "account": used.account.name,
        "workflow_id": str(third.stored.id),
        "workflow_name": "Three",
        "workflow_status": "draft",
        "version": 2,
        "used_by": "ann",
        "completion_rate": None,
    }


def test_use_comes_in_pages_and_the_number_is_of_all(used: Tenant) -> None:
    pages = [
        templates.usage_of(*used.where, "Series", limit=1, page=number) for number in (1, 2, 3)
    ]

    assert [[one["workflow_name"] for one in page["usage"]] for page in pages] == [
        ["Two"],
        ["One"],
        [],
    ]
    assert [page["usage_count"] for page in pages] == [2, 2, 2]
    with pytest.raises(InvalidRequestError):
        templates.usage_of(*used.where, "Series", page=0)


def test_use_of_an_unknown_or_deleted_template_is_refused(used: Tenant) -> None:
    templates.delete(*used.where, "Series", actor="ann")

    for reference in ("Nothing", "Series"):
        with pytest.raises(TemplateNotFoundError):
            templates.usage_of(*used.where, reference)


def test_what_nobody_has_used_has_no_use(tenant: Tenant) -> None:
    told = templates.usage_of(*tenant.where, "lead-welcome-series")

    assert (told["usage"], told["usage_count"], told["completion_rate"]) == ([], 0, None)


# By category


def test_every_category_is_told_with_what_was_used_most(used: Tenant) -> None:
    used.template("Others", plain())
    used.clone("Others")
    used.clone("birthday-greeting")

    told = templates.statistics(*used.where)

    assert [one["category"] for one in told] == list(CATEGORIES)
    shipped = [one.template for one in shipped_templates().values()]
    for one in told:
        number = sum(template.category == one["category"] for template in shipped)
        if one["category"] == "custom":
            assert (one["templates"], one["used"], one["most_used"]) == (2, 3, "Series")
        elif one["category"] == "birthday_celebration":
            name = used.preview("birthday-greeting").template.name
            assert (one["templates"], one["used"], one["most_used"]) == (number, 1, name)
        else:
            assert (one["templates"], one["used"], one["most_used"]) == (number, 0, None)
        assert (one["clones_with_rate"], one["completion_rate"]) == (0, None)


def test_clones_of_a_deleted_template_are_in_no_category(used: Tenant) -> None:
    enroll(used, "One", completed=1)
    templates.delete(*used.where, "Series", actor="ann")

    assert of(used) == {
        "category": "custom",
        "templates": 0,
        "used": 0,
        "clones_with_rate": 0,
        "completion_rate": None,
        "most_used": None,
    }
