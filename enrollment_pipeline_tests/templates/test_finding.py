"""Finding templates: lists and their order, categories, search, and what a name means."""

import pytest

from enrollment_pipeline.errors import InvalidRequestError, TemplateNotFoundError
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.documents import CATEGORIES, Origin
from enrollment_pipeline.templates.shipped_library import shipped_templates
from enrollment_pipeline_tests.templates.conftest import Tenant, plain, series

SHIPPED = [one.template for one in shipped_templates().values()]
LEADS = "Welcome series for new leads"


def by_name(names: list[str]) -> list[str]:
    return sorted(names, key=str.casefold)


# Lists


def test_an_account_sees_all_that_ship_by_name(tenant: Tenant) -> None:
    listed = templates.list_templates(*tenant.where)

    assert [one.name for one in listed] == by_name([one.name for one in SHIPPED])
    assert {one.id: one for one in listed} == {one.id: one for one in SHIPPED}


def test_the_most_used_come_first(tenant: Tenant) -> None:
    tenant.template("beta", plain())
    tenant.template("Alpha", plain())
    tenant.template("gamma", plain())
    for reference, times in (("lead-welcome-series", 1), ("gamma", 3), ("birthday-greeting", 1)):
        for _ in range(times):
            tenant.clone(reference)

    listed = list(tenant.listed().values())

    once = by_name([LEADS, tenant.preview("birthday-greeting").template.name])
    assert [(one.name, one.used) for one in listed[:3]] == [
        ("gamma", 3),
        *((name, 1) for name in once),
    ]
    assert {one.used for one in listed[3:]} == {0}
    rest = [one.name for one in listed[3:]]
    assert rest == by_name(rest)
    assert {"Alpha", "beta"} < set(rest)
    assert tenant.preview("gamma").template.used == 3


def test_lists_are_by_category_and_by_origin(agency: Tenant) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.update("Shared", category="onboarding")
    agency.share("Shared", sub)
    sub.template("Own")
    sub.update("Own", category="onboarding")
    sub.template("Other")

    shipped = {one.name for one in SHIPPED}
    onboarding = {one.name for one in SHIPPED if one.category == "onboarding"}
    assert set(sub.listed()) == shipped | {"Shared", "Own", "Other"}
    assert set(sub.listed(origin="system")) == shipped
    assert set(sub.listed(origin="custom")) == {"Own", "Other"}
    assert set(sub.listed(origin="shared")) == {"Shared"}
    assert set(sub.listed(category="onboarding")) == onboarding | {"Shared", "Own"}
    assert set(sub.listed(category="onboarding", origin="custom")) == {"Own"}
    assert set(sub.listed(category="custom")) == {"Other"}
    assert sub.listed(category="review_request", origin="shared") == {}
    assert {one.origin for one in agency.listed(category="onboarding").values()} == {
        Origin.SYSTEM,
        Origin.CUSTOM,
    }


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"category": "sales"}, "no category 'sales'"),
        ({"category": "Onboarding"}, "no category"),
        ({"category": ""}, "no category"),
        ({"origin": "mine"}, "and not 'mine'"),
    ],
)
def test_an_unknown_category_or_origin_is_refused(
    tenant: Tenant, asked: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        tenant.listed(**asked)


def test_categories_tell_how_many_there_are_of_each_origin(agency: Tenant) -> None:
    sub = agency.sub_account()
    for name in ("One", "Two"):
        agency.template(name)
        agency.update(name, category="onboarding")
        agency.share(name, sub)
    sub.template("Own")
    sub.template("Gone")
    templates.delete(*sub.where, "Gone", actor="ann")

    counted = templates.categories(*sub.where)

    shipped = {
        category: sum(one.category == category for one in SHIPPED) for category in CATEGORIES
    }
    assert list(counted) == list(CATEGORIES)
    assert counted == {
        category: {"total": number, "system": number, "custom": 0, "shared": 0}
        for category, number in shipped.items()
    } | {
        "onboarding": {
            "total": shipped["onboarding"] + 2,
            "system": shipped["onboarding"],
            "custom": 0,
            "shared": 2,
        },
        "custom": {"total": 1, "system": 0, "custom": 1, "shared": 0},
    }


# Search


@pytest.mark.parametrize(
    "query", ["Quarterly zeppelin", "zepelin", "ZEPPELIN", "zeppelin quaterly", "zepp"]
)
def test_a_template_is_found_in_spite_of_typing_mistakes(tenant: Tenant, query: str) -> None:
    template = tenant.template("Quarterly zeppelin")

    (first, *_) = templates.search(*tenant.where, query)

    assert first[0] == template
    assert first[1].matched == "name"
    assert first[1].score > 50


@pytest.mark.parametrize(
    ("query", "part"),
    [("zeppelin", "description"), ("airship", "tags"), ("create task", "step_types")],
)
def test_description_tags_and_step_types_are_searched(
    tenant: Tenant, query: str, part: str
) -> None:
    tenant.template("Rides", series())
    tenant.update("Rides", description="A ride in a zeppelin.", tags=["airship"])

    found = {one.name: hit for one, hit in templates.search(*tenant.where, query, limit=100)}

    assert found["Rides"].matched == part


def test_shipped_templates_are_found_with_typing_mistakes(tenant: Tenant) -> None:
    found = [one.category for one, _ in templates.search(*tenant.where, "brithday", limit=3)]

    assert found == ["birthday_celebration"] * 3


def test_of_equal_ones_the_more_used_is_found_first_and_the_limit_holds(tenant: Tenant) -> None:
    tenant.template("Zeppelin east", plain())
    tenant.template("Zeppelin west", plain())
    tenant.clone("Zeppelin west")

    found = [(one.name, one.used) for one, _ in templates.search(*tenant.where, "zeppelin")]

    assert found == [("Zeppelin west", 1), ("Zeppelin east", 0)]
    assert len(templates.search(*tenant.where, "zeppelin", limit=1)) == 1
    assert templates.search(*tenant.where, "xylophone quartet") == []


def test_what_was_renamed_is_found_under_its_new_name_only(tenant: Tenant) -> None:
    tenant.template("Zeppelin", plain())
    tenant.update("Zeppelin", name="Gondola")

    assert [one.name for one, _ in templates.search(*tenant.where, "gondola")] == ["Gondola"]
    assert templates.search(*tenant.where, "zeppelin") == []


# What a name means


def test_a_template_is_found_by_id_and_by_name_in_any_letter_case(tenant: Tenant) -> None:
    template = tenant.template("Größe")

    for reference in ("Größe", "GRÖSSE", " größe ", str(template.id), f" {template.id} ".upper()):
        assert tenant.preview(reference).template == template


def test_a_shipped_template_is_found_by_short_name_too(tenant: Tenant) -> None:
    (shipped,) = [one for one in SHIPPED if one.slug == "lead-welcome-series"]

    for reference in ("lead-welcome-series", "LEAD-Welcome-Series", LEADS.upper(), str(shipped.id)):
        assert tenant.preview(reference).template == shipped


@pytest.mark.parametrize(
    "reference", ["", " ", "Nothing", "lead", "\0", "\udcff", "a\nb", "0" * 32, "x" * 5_000]
)
def test_an_unknown_template_is_refused(tenant: Tenant, reference: str) -> None:
    with pytest.raises(TemplateNotFoundError, match="There is no template"):
        tenant.preview(reference)


def test_ones_own_comes_before_a_shared_one_and_that_before_a_shipped_one(agency: Tenant) -> None:
    sub = agency.sub_account()
    for one in (agency, sub):
        # Saving refuses the name; it may have shipped only later.
        one.template("Series", plain())
        one.sql("update enrollment.templates set name = :name", name=LEADS)

    assert sub.preview(LEADS).template.origin is Origin.CUSTOM
    agency.share(LEADS, sub)
    assert sub.preview(LEADS.lower()).template.origin is Origin.CUSTOM
    assert sub.preview("lead-welcome-series").template.origin is Origin.SYSTEM

    templates.delete(*sub.where, LEADS, actor="ann")
    assert sub.preview(LEADS).template.origin is Origin.SHARED

    agency.unshare(LEADS, sub)
    assert sub.preview(LEADS).template.origin is Origin.SYSTEM


# What is shown


def test_a_preview_tells_what_a_clone_needs(tenant: Tenant) -> None:
    document = plain(
        values={"shop_link": "", "motto": "Be kind", "sign": " "}, integrations=["shop", "email"]
    )
    tenant.rewrite_version(tenant.template("Series").id, 1, document)

    shown = tenant.preview("Series")

    assert shown.integrations == ["shop", "email"]
    assert sorted(shown.values) == ["shop_link", "sign"]
    assert (shown.shared_by, shown.shared_with) == (None, ())
    assert shown.document["steps"] == plain()["steps"]


def test_what_is_shown_of_a_shipped_template_is_a_copy(tenant: Tenant) -> None:
    shown = tenant.preview("lead-welcome-series")
    shown.document["steps"] = []
    shown.document["name"] = "Mine"

    assert len(tenant.preview("lead-welcome-series").document["steps"]) > 5
    assert tenant.clone("lead-welcome-series").workflow.name == LEADS
