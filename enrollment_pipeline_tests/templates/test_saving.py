"""Templates of an account's own: made of workflows, without persons, within the limit."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidRequestError,
    InvalidTemplateError,
    RefusedError,
    TemplateExistsError,
    TemplateFixedError,
    TemplateLimitError,
    TemplateNotFoundError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.records import Permission, Subject, WorkflowStatus
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.documents import Origin
from enrollment_pipeline.templates.saving import Wanted
from enrollment_pipeline.templates.store import library
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.templates.conftest import (
    LIBRARY_TABLES,
    MakeTenant,
    Tenant,
    content,
    outcomes,
    plain,
    series,
    with_step,
)
from enrollment_pipeline_tests.workflows.conftest import Meanwhile
from enrollment_pipeline_tests.workflows.examples import for_items

ODD_NAMES = ("Xiomarra", "Quvenzhane", "Okonkwo-Brzezicki")


def library_rows(tenant: Tenant) -> list[object]:
    """All that a refused change of the library might have touched."""
    kept = [
        tenant.sql(f"select * from enrollment.{table} order by 1, 2, 3") for table in LIBRARY_TABLES
    ]
    return [*kept, tenant.count("audit_log")]


def save(tenant: Tenant, name: str, workflow: str = "Plain") -> object:
    return tenant.save(name, workflow)


# There and back


def test_a_workflow_for_items_is_saved_cloned_and_activated_as_it_was(
    agency: Tenant,
) -> None:
    sub = agency.sub_account()
    made = agency.create(for_items())
    agency.activate(made.workflow.id)
    saved = agency.save("Roles", made.workflow.name)
    agency.share("Roles", sub)

    clone = sub.clone("Roles")
    sub.activate(clone.workflow.id)

    given = for_items()
    # Whom it tells is left out.
    del given["steps"][4]["to"]
    # Where it is carried out, too.
    del given["settings"]["target"]
    assert content(clone.document) == content(given)
    assert saved.replaced == ()
    assert sub.show(clone.workflow.id).workflow.subject is Subject.ITEM
    assert sub.show(clone.workflow.id).workflow.status is WorkflowStatus.ACTIVE
    assert "starts when an item is submitted" in "\n".join(
        workflows.tree(sub.preview("Roles").document)
    )


def test_a_workflow_goes_through_a_template_into_another_account_as_it_was(
    agency: Tenant,
) -> None:
    sub = agency.sub_account()
    made = agency.create(series())
    agency.save("Series")
    agency.share("Series", sub)

    there = sub.clone("Series")

    assert content(there.document) == content(made.document)
    assert list(there.document) == list(made.document)
    sub.activate(there.stored.id)


def test_every_shipped_template_is_saved_again_with_all_its_steps(tenant: Tenant) -> None:
    made = tenant.clone("lead-welcome-series", name="Copy")

    saved = tenant.save("Mine", "Copy")

    assert content(saved.document) == content(made.document)
    assert saved.replaced == ()


def test_a_saved_template_says_what_it_is(tenant: Tenant) -> None:
    made = tenant.create(series())

    saved = tenant.save(
        "  Series ", category="onboarding", tags=["Lead", "lead ", "new"], description=" Short. "
    ).template

    assert saved == tenant.preview("series").template
    assert (saved.name, saved.description, saved.category, saved.tags) == (
        "Series",
        "Short.",
        "onboarding",
        ("lead", "new"),
    )
    assert (saved.version, saved.origin, saved.slug) == (1, Origin.CUSTOM, None)
    assert (saved.account_id, saved.created_by) == (tenant.account.id, "ann")
    assert saved.step_types == (
        *("send_email", "wait", "condition", "create_task", "add_tag", "end"),
    )
    assert tenant.sql("select source_workflow_id from enrollment.templates") == [
        {"source_workflow_id": made.stored.id}
    ]
    (entry,) = tenant.audit("template.save")
    assert entry["subject"] == str(saved.id)
    assert entry["details"] == {"name": "Series", "workflow": "Follow up", "replaced": 0}


def test_what_is_not_said_comes_from_the_workflow(tenant: Tenant) -> None:
    tenant.create(series())

    saved = tenant.save().template

    assert (saved.name, saved.description) == ("Follow up", "Two e-mails and a task.")
    assert (saved.category, saved.tags) == ("custom", ())


def test_a_template_does_not_change_with_its_workflow(tenant: Tenant) -> None:
    tenant.create(series())
    saved = tenant.save("Series")

    workflows.edit(*tenant.where, "Follow up", {"description": "Other"}, actor="ann")
    workflows.archive(*tenant.where, "Follow up", actor="ann")

    assert content(tenant.preview("Series").document) == content(saved.document)


# Persons


def test_names_of_contacts_and_members_and_their_addresses_are_not_in_a_template(
    tenant: Tenant,
) -> None:
    tenant.allow(Thistlewood=Permission.WORKFLOW_EDIT)
    for number, name in enumerate(ODD_NAMES):
        tenant.sql(
            "insert into enrollment.contacts (account_id, email, first_name, last_name) "
            "values (:account, :email, :first, :last)",
            account=tenant.account.id,
            email=f"{number}@example.com",
            first=name,
            last=name[::-1],
        )
    told = f"Greet {', '.join((*ODD_NAMES, ODD_NAMES[0][::-1]))} and Thistlewood"
    document = with_step(series(), "hello", body=f"{told}, or xio@example.com, +49 30 901820")
    document = with_step(document, "calls", title="Call XIOMARRA", description=told)
    tenant.create(document)

    saved = tenant.save("Series")

    kept = str(tenant.sql("select document from enrollment.template_versions")).lower()
    for personal in (*ODD_NAMES, ODD_NAMES[0][::-1], "Thistlewood", "xio@", "901820"):
        assert personal.lower() not in kept
    assert len(saved.replaced) >= 2
    assert [step["id"] for step in saved.document["steps"]] == [
        step["id"] for step in document["steps"]
    ]
    assert tenant.clone("Series")


def test_names_of_contacts_of_other_accounts_are_words_like_any(
    tenant: Tenant, make_tenant: MakeTenant
) -> None:
    other = make_tenant()
    other.sql(
        "insert into enrollment.contacts (account_id, email, first_name) "
        "values (:account, 'a@example.com', 'Gloopwort')",
        account=other.account.id,
    )
    tenant.create(with_step(series(), "reminds", body="Our gloopwort is ready."))

    assert "gloopwort" in str(tenant.save("Series").document)


def test_a_description_is_cleaned_too(tenant: Tenant) -> None:
    tenant.create(series())

    saved = tenant.save("Series", description="Ask ann@example.com first.").template

    assert saved.description == "Ask ... first."


@pytest.mark.parametrize(
    "said", [{"name": "For ann@example.com"}, {"name": "Series", "tags": ["ann@example.com"]}]
)
def test_a_name_or_tag_with_a_persons_data_is_refused(tenant: Tenant, said: dict[str, Any]) -> None:
    tenant.create(series())
    before = library_rows(tenant)

    with pytest.raises(InvalidRequestError, match="person"):
        tenant.save(**said)

    assert library_rows(tenant) == before


# What may be said


@pytest.mark.parametrize(
    "said",
    [
        {"name": " "},
        {"name": "x" * 201},
        {"name": "a\nb"},
        {"name": str(uuid4())},
        {"description": "x" * 2_001},
        {"description": "a\0b"},
        {"category": "sales"},
        {"category": "Onboarding"},
        {"tags": [f"tag{number}" for number in range(11)]},
        {"tags": ["x" * 41]},
        {"tags": [" "]},
        {"tags": ["a\nb"]},
    ],
    ids=lambda said: f"{next(iter(said))}",
)
@pytest.mark.parametrize("way", ["save", "update"])
def test_what_cannot_be_said_is_refused_and_nothing_is_written(
    tenant: Tenant, way: str, said: dict[str, Any]
) -> None:
    tenant.create(series())
    tenant.save("Series")
    before = library_rows(tenant)

    do = {
        "save": lambda: tenant.save(**{"name": "Other", **said}),
        "update": lambda: tenant.update("Series", **said),
    }
    with pytest.raises(InvalidRequestError):
        do[way]()

    assert library_rows(tenant) == before


def test_what_just_fits_can_be_said(tenant: Tenant) -> None:
    tenant.create(series())
    name = "sale " * 39 + "sales"
    tags = ["sale " * 7 + "sales", *(f"sale {letter}" for letter in "abcdefghi")]

    saved = tenant.save(name, description="sale " * 399 + "sales", tags=tags).template

    assert (len(name), len(tags[0]), len(tags), len(saved.description)) == (200, 40, 10, 2_000)
    assert (saved.name, saved.tags) == (name, tuple(tags))


@pytest.mark.parametrize("name", ["SERIES", "lead-welcome-series", "Welcome SERIES for new leads"])
def test_names_of_ones_own_and_of_shipped_templates_are_taken(tenant: Tenant, name: str) -> None:
    tenant.create(series())
    tenant.save("Series")
    tenant.save("Other")
    before = library_rows(tenant)

    with pytest.raises(TemplateExistsError):
        tenant.save(name)
    with pytest.raises(TemplateExistsError):
        tenant.update("Other", name=name)

    assert library_rows(tenant) == before


def test_the_name_of_a_deleted_template_is_free(tenant: Tenant) -> None:
    first = tenant.template("Series")
    templates.delete(*tenant.where, "Series", actor="ann")

    second = tenant.save("series", "For Series").template

    assert second.id != first.id
    assert tenant.preview("Series").template.id == second.id


# What cannot be a template


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"steps": [{"id": "hello", "type": "send_email", "subject": "Hi"}]}, "steps[0].body"),
        ({"trigger": None}, "trigger"),
        ({"steps": []}, "steps"),
        ({"integrations": []}, "steps[0].type"),
    ],
)
def test_an_incomplete_workflow_is_refused_with_the_place(
    tenant: Tenant, change: dict[str, Any], path: str
) -> None:
    tenant.create({**series(), "goals": [], **change})
    before = library_rows(tenant)

    with pytest.raises(InvalidTemplateError) as refusal:
        tenant.save("Series")

    assert path in [one["path"] for one in refusal.value.details["errors"]]
    assert path in str(refusal.value)
    assert library_rows(tenant) == before


def test_a_text_that_is_asked_for_may_be_empty(tenant: Tenant) -> None:
    tenant.create(plain(values={"shop_link": ""}))

    tenant.save("Plain template", "Plain")

    assert tenant.preview("Plain template").values == ["shop_link"]


def test_an_unknown_workflow_is_refused(tenant: Tenant) -> None:
    tenant.template("Series")

    with pytest.raises(WorkflowNotFoundError):
        tenant.save("Other", "Nothing")
    with pytest.raises(WorkflowNotFoundError):
        templates.update(*tenant.where, "Series", Wanted(), workflow="Nothing", actor="ann")


# The limit


def test_a_standard_account_has_ten_and_deleted_ones_do_not_count(tenant: Tenant) -> None:
    tenant.create(plain())
    for number in range(10):
        save(tenant, f"Template {number}")
    before = library_rows(tenant)

    with pytest.raises(TemplateLimitError, match="10 templates"):
        save(tenant, "One too many")
    assert library_rows(tenant) == before

    templates.delete(*tenant.where, "Template 3", actor="ann")
    save(tenant, "Room again")
    with pytest.raises(TemplateLimitError):
        save(tenant, "One too many")


def test_an_agency_has_no_limit(agency: Tenant) -> None:
    agency.create(plain())
    for number in range(11):
        save(agency, f"Template {number}")

    assert len(agency.listed(origin="custom")) == 11


def test_what_an_agency_shares_does_not_count_for_the_sub_account(agency: Tenant) -> None:
    sub = agency.sub_account().limited(max_templates=1)
    agency.template("Shared")
    agency.share("Shared", sub)
    sub.create(plain())

    save(sub, "Own")
    with pytest.raises(TemplateLimitError):
        save(sub, "Other")


def test_the_limit_is_a_setting_and_none_is_none(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(max_templates=1)
    tenant.create(plain())
    save(tenant, "One")

    with pytest.raises(TemplateLimitError, match="1 templates"):
        save(tenant, "Two")
    save(tenant.limited(max_templates=None), "Two")


def test_of_templates_saved_at_once_only_one_passes_the_limit(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(max_templates=1)
    tenant.create(plain())

    # Somebody else has saved one, and has not come to the end of it.
    with tenant.database.account(tenant.account.id) as connection:
        library.lock_new(connection)
        values = library.values_of("First", "", "custom", (), plain())
        library.add(connection, tenant.account.id, values, actor="bob")
        second = Meanwhile(partial(save, tenant, "Second"))
        assert second.answer is None
        assert second.trouble is None

    assert isinstance(second.wait(), TemplateLimitError)
    assert list(tenant.listed(origin="custom")) == ["First"]


def test_of_templates_of_one_name_saved_at_once_one_is_there(tenant: Tenant) -> None:
    tenant.create(plain())

    found = outcomes([partial(save, tenant, "Same")] * 3)

    assert found == ["TEMPLATE_EXISTS", "TEMPLATE_EXISTS", "done"]
    assert tenant.count("templates") == tenant.count("template_versions") == 1


# Changes


def test_a_new_content_makes_a_new_version_with_its_note(tenant: Tenant) -> None:
    before = tenant.template("Series")
    newer = with_step(series(), "hello", subject="Newer")
    newer["steps"].append({"id": "tells", "type": "notify", "message": "Done"})
    newer["steps"][-2]["next"] = "tells"
    del newer["steps"][-2]
    newer["steps"][3]["next"] = "tells"

    saved = tenant.update("Series", newer, note=" Because. ")

    assert saved.template == tenant.preview("Series").template
    assert (saved.template.id, saved.template.version) == (before.id, 2)
    assert "notify" in saved.template.step_types
    assert "end" not in saved.template.step_types
    assert content(tenant.preview("Series").document) == content(newer)
    rows = tenant.sql(
        "select version, note, created_by from enrollment.template_versions order by version"
    )
    assert rows == [
        {"version": 1, "note": "", "created_by": "ann"},
        {"version": 2, "note": "Because.", "created_by": "ann"},
    ]
    (entry,) = tenant.audit("template.update")
    assert entry["subject"] == str(before.id)
    assert entry["details"] == {"name": "Series", "version": 2}


def test_the_content_can_come_from_a_workflow(tenant: Tenant) -> None:
    tenant.template("Series")
    tenant.create(plain())

    saved = templates.update(*tenant.where, "Series", Wanted(), workflow="Plain", actor="ann")

    assert saved.template.version == 2
    assert tenant.preview("Series").document["steps"] == plain()["steps"]


def test_what_is_said_about_it_makes_no_new_version(tenant: Tenant) -> None:
    tenant.template("Series")

    saved = tenant.update(
        "Series", name="Other", description="New.", category="onboarding", tags=["new"]
    ).template

    assert (saved.name, saved.description, saved.category, saved.tags, saved.version) == (
        "Other",
        "New.",
        "onboarding",
        ("new",),
        1,
    )
    assert tenant.count("template_versions") == 1
    with pytest.raises(TemplateNotFoundError):
        tenant.preview("Series")


def test_a_renamed_template_is_shown_and_cloned_under_its_new_name(tenant: Tenant) -> None:
    tenant.template("Series")

    tenant.update("Series", name="Other")

    assert tenant.preview("Other").document["name"] == "Other"
    assert tenant.clone("Other").workflow.name == "Other"


def test_a_change_of_letter_case_of_the_name_is_one(tenant: Tenant) -> None:
    tenant.template("Series")

    assert tenant.update("Series", name="SERIES").template.name == "SERIES"


@pytest.mark.parametrize("written", ["as it is", "in short", "under another name"])
def test_the_same_content_makes_no_new_version(tenant: Tenant, written: str) -> None:
    tenant.template("Series", series())
    same = {
        "as it is": tenant.preview("Series").document,
        "in short": series(),
        "under another name": series("Another name"),
    }[written]

    assert tenant.update("Series", same).template.version == 1

    assert tenant.count("template_versions") == 1


def test_a_new_content_is_cleaned_and_checked_like_the_first(tenant: Tenant) -> None:
    tenant.template("Series")

    saved = tenant.update("Series", with_step(series(), "reminds", body="Ask ann@example.com"))
    before = library_rows(tenant)
    with pytest.raises(InvalidTemplateError, match="nowhere"):
        tenant.update("Series", with_step(series(), "asks", then="nowhere"), name="Other")

    assert "ann@example.com" not in str(tenant.preview("Series").document)
    assert [one.path for one in saved.replaced]
    assert library_rows(tenant) == before


@pytest.mark.parametrize("document", [[], "text", 3])
def test_a_content_that_is_no_object_is_refused(tenant: Tenant, document: Any) -> None:
    tenant.template("Series")

    with pytest.raises(InvalidTemplateError, match="object"):
        tenant.update("Series", document)


def test_of_two_changes_at_once_each_makes_its_own_version(tenant: Tenant) -> None:
    tenant.template("Series")
    newer = [with_step(series(), "hello", subject=f"Newer {number}") for number in range(3)]

    found = outcomes([partial(tenant.update, "Series", one) for one in newer])

    assert found == ["done"] * 3
    assert tenant.preview("Series").template.version == 4
    rows = tenant.sql("select version from enrollment.template_versions order by version")
    assert [row["version"] for row in rows] == [1, 2, 3, 4]


def test_a_deleted_template_is_gone_and_its_versions_are_kept(tenant: Tenant) -> None:
    template = tenant.template("Series")

    assert templates.delete(*tenant.where, "series", actor="ann").id == template.id

    for reference in ("Series", str(template.id)):
        for do in (tenant.preview, tenant.clone, tenant.update):
            with pytest.raises(TemplateNotFoundError):
                do(reference)
        with pytest.raises(TemplateNotFoundError):
            templates.delete(*tenant.where, reference, actor="ann")
    assert "Series" not in tenant.listed()
    assert tenant.count("templates") == tenant.count("template_versions") == 1
    assert [one["subject"] for one in tenant.audit("template.delete")] == [str(template.id)]


Do = Callable[[Tenant], object]


@pytest.mark.parametrize(
    "do",
    [
        lambda tenant: tenant.update("birthday-greeting", plain()),
        lambda tenant: tenant.update("birthday-greeting", name="Mine"),
        lambda tenant: templates.delete(*tenant.where, "birthday-greeting", actor="ann"),
        lambda tenant: tenant.share("birthday-greeting"),
    ],
    ids=["update", "rename", "delete", "share"],
)
def test_shipped_templates_cannot_be_changed(tenant: Tenant, do: Do) -> None:
    before = library_rows(tenant)

    with pytest.raises(TemplateFixedError, match="shipped") as refusal:
        do(tenant)

    assert refusal.value.code == "TEMPLATE_FIXED"
    assert library_rows(tenant) == before


@pytest.mark.parametrize("way", ["save", "update", "delete"])
def test_changing_the_library_needs_the_permission(tenant: Tenant, way: str) -> None:
    tenant.template("Series")
    tenant.allow(bob=Permission.WORKFLOW_EDIT)
    before = library_rows(tenant)[:-1]

    do: dict[str, Do] = {
        "save": lambda one: templates.save(*one.where, "For Series", Wanted("Other"), actor="bob"),
        "update": lambda one: templates.update(*one.where, "Series", Wanted("Other"), actor="bob"),
        "delete": lambda one: templates.delete(*one.where, "Series", actor="bob"),
    }
    with pytest.raises(ForbiddenError, match="workflow:manage"):
        do[way](tenant)

    assert library_rows(tenant)[:-1] == before
    assert [one["result"] for one in tenant.audit(f"template.{way}")][-1] == "denied"


def test_a_refusal_is_told_with_code_and_advice(tenant: Tenant) -> None:
    with pytest.raises(RefusedError) as refusal:
        tenant.preview("Nothing")

    assert refusal.value.as_dict() == {
        "code": "TEMPLATE_NOT_FOUND",
        "message": "There is no template 'Nothing' in this account.",
        "remedy": "List the templates with: enrollment templates list",
    }
