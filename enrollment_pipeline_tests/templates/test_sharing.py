"""Who sees a template: its account, the sub-accounts it is shared with, and nobody else."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from enrollment_pipeline.errors import (
    ForbiddenError,
    NotASubAccountError,
    RefusedError,
    TemplateFixedError,
    TemplateNotFoundError,
)
from enrollment_pipeline.records import Permission, WorkflowStatus
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.documents import CATEGORIES, Origin, Template
from enrollment_pipeline.templates.saving import Wanted
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.templates.conftest import (
    LIBRARY_TABLES,
    MakeTenant,
    Tenant,
    plain,
    series,
    with_step,
)

Do = Callable[[Tenant, str], object]

# What an account does with a template that it names.
USES: dict[str, Do] = {
    "preview": lambda one, reference: one.preview(reference),
    "clone": lambda one, reference: one.clone(reference),
    "history": lambda one, reference: templates.history(*one.where, reference),
    "compare": lambda one, reference: templates.compare(*one.where, reference),
    "use": lambda one, reference: templates.usage_of(*one.where, reference),
}
CHANGES: dict[str, Do] = {
    "update": lambda one, reference: one.update(reference, plain()),
    "rename": lambda one, reference: one.update(reference, name="Mine now"),
    "delete": lambda one, reference: templates.delete(*one.where, reference, actor="ann"),
    "share": lambda one, reference: one.share(reference),
    "unshare": lambda one, reference: one.unshare(reference),
}


def names(tenant: Tenant, *origins: Origin) -> set[str]:
    """The names of templates that an account sees, by default of those that did not ship."""
    wanted = origins or (Origin.CUSTOM, Origin.SHARED)
    return {one.name for one in tenant.listed().values() if one.origin in wanted}


def found(tenant: Tenant, query: str) -> set[str]:
    return {
        one.name
        for one, _ in templates.search(*tenant.where, query, limit=100)
        if one.origin is not Origin.SYSTEM
    }


def assert_unknown(tenant: Tenant, template: Template, *does: Do) -> None:
    """Hold that an account learns nothing of a template, whatever it does."""
    for do in does or (*USES.values(), *CHANGES.values()):
        for reference in (str(template.id), template.name, template.name.upper()):
            with pytest.raises(TemplateNotFoundError, match="There is no template"):
                do(tenant, reference)
    assert template.name not in tenant.listed()
    assert found(tenant, template.name) == set()


@pytest.fixture
def stranger(make_tenant: MakeTenant) -> Tenant:
    """Another account, with a template that was updated and cloned."""
    other = make_tenant()
    other.template("Secret zebra", series())
    other.clone("Secret zebra")
    other.update("Secret zebra", plain(), tags=["zebra"], category="onboarding")
    return other


# Strangers


def test_no_account_sees_or_changes_a_template_of_another(tenant: Tenant, stranger: Tenant) -> None:
    template = stranger.listed()["Secret zebra"]
    before = tenant.counts()

    assert_unknown(tenant, template)

    assert names(tenant) == set()
    assert found(tenant, "zebra") == set()
    assert found(stranger, "zebra") == {"Secret zebra"}
    assert tenant.counts() == before
    assert stranger.listed()["Secret zebra"] == template


def test_no_account_counts_templates_or_use_of_another(tenant: Tenant, stranger: Tenant) -> None:
    counted = templates.categories(*tenant.where)

    assert set(counted) == set(CATEGORIES)
    assert [one["custom"] + one["shared"] for one in counted.values()] == [0] * len(CATEGORIES)
    assert [one["used"] for one in templates.statistics(*tenant.where)] == [0] * len(CATEGORIES)
    assert templates.offers(*tenant.where) == []
    assert [one.workflow.workflow.name for one in templates.offers(*stranger.where)] == [
        "Secret zebra"
    ]


def test_a_transaction_of_another_account_sees_no_row_of_the_library(
    tenant: Tenant, stranger: Tenant
) -> None:
    assert stranger.count("templates") == stranger.count("template_usage") == 1
    assert stranger.count("template_versions") == 2

    assert [tenant.count(table) for table in LIBRARY_TABLES] == [0, 0, 0, 0]


def test_a_name_of_another_account_is_free(tenant: Tenant, stranger: Tenant) -> None:
    mine = tenant.template("secret ZEBRA", plain())

    assert tenant.preview("Secret Zebra").template.id == mine.id
    assert tenant.clone("Secret Zebra").document["steps"] == plain()["steps"]


def test_an_agency_does_not_see_the_templates_of_its_sub_accounts(agency: Tenant) -> None:
    sub = agency.sub_account()
    template = sub.template("Zebra")
    sub.clone("Zebra")

    assert_unknown(agency, template)
    assert [agency.count(table) for table in LIBRARY_TABLES] == [0, 0, 0, 0]


# Shared


def test_a_sub_account_sees_exactly_what_was_shared(agency: Tenant) -> None:
    sub, sister = agency.sub_account(), agency.sub_account()
    shared, kept = agency.template("Shared"), agency.template("Kept")

    assert agency.share("Shared", sub) == [sub.account.name]

    assert names(sub) == names(sub, Origin.SHARED) == {"Shared"}
    assert found(sub, "shared") == {"Shared"}
    assert sub.listed()["Shared"].id == shared.id
    assert list(sub.listed(origin="shared")) == ["Shared"]
    assert templates.categories(*sub.where)["custom"] == {
        "total": 1,
        "system": 0,
        "custom": 0,
        "shared": 1,
    }
    assert_unknown(sub, kept)
    assert_unknown(sister, shared)
    assert [sister.count(table) for table in LIBRARY_TABLES] == [0, 0, 0, 0]
    assert [sub.count(table) for table in LIBRARY_TABLES] == [1, 1, 1, 0]


def test_a_sub_account_previews_and_clones_what_is_shared(agency: Tenant) -> None:
    sub = agency.sub_account()
    template = agency.template("Shared")
    agency.share("Shared", sub)

    seen = sub.preview("shared")
    made = sub.clone(str(template.id))
    sub.activate(made.stored.id)

    assert seen.document == agency.preview("Shared").document
    assert seen.shared_by == agency.account.name
    assert seen.shared_with == ()
    assert sub.show(made.stored.id).workflow.status is WorkflowStatus.ACTIVE
    assert {**made.document, "name": ""} == {
        **seen.document,
        "name": "",
        "trigger": made.document["trigger"],
    }
    assert sub.sql("select account_id, template_account_id from enrollment.template_usage") == [
        {"account_id": sub.account.id, "template_account_id": agency.account.id}
    ]
    assert agency.count("workflows") == 1


@pytest.mark.parametrize("change", CHANGES)
def test_a_sub_account_cannot_change_what_is_shared(agency: Tenant, change: str) -> None:
    sub = agency.sub_account()
    template = agency.template("Shared")
    agency.share("Shared", sub)
    before = agency.preview("Shared")

    for reference in ("Shared", str(template.id)):
        with pytest.raises(TemplateFixedError, match="shared by the agency"):
            CHANGES[change](sub, reference)

    assert agency.preview("Shared") == before
    assert sub.audit("template.update", "template.delete", "template.share") == []


@pytest.mark.parametrize(
    "statement",
    [
        "update enrollment.templates set name = 'Mine'",
        "delete from enrollment.templates",
        "update enrollment.template_versions set document = '{}'",
        "delete from enrollment.template_versions",
        "delete from enrollment.template_shares",
    ],
)
def test_no_statement_of_a_sub_account_changes_what_is_shared(
    agency: Tenant, statement: str
) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", sub)
    before = [agency.sql(f"select * from enrollment.{table}") for table in LIBRARY_TABLES]

    sub.sql(statement)

    assert [agency.sql(f"select * from enrollment.{table}") for table in LIBRARY_TABLES] == before


def test_a_sub_account_does_not_see_who_else_it_is_shared_with(agency: Tenant) -> None:
    first, second = agency.sub_account(), agency.sub_account()
    agency.template("Shared")

    both = agency.share("Shared", first, second)

    assert both == sorted([first.account.name, second.account.name])
    assert set(agency.preview("Shared").shared_with) == set(both)
    assert first.sql("select shared_with from enrollment.template_shares") == [
        {"shared_with": first.account.id}
    ]
    assert first.sql("select * from enrollment.sub_accounts()") == []


def test_a_sub_account_does_not_see_what_another_has_kept_of_a_shared_template(
    agency: Tenant,
) -> None:
    first, second = agency.sub_account(), agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", first, second)
    first.clone("Shared")

    seen = second.sql("select account_id from enrollment.template_versions")

    assert seen == [{"account_id": agency.account.id}]
    assert agency.sql("select account_id from enrollment.template_versions") == seen
    assert first.count("template_versions") == 2
    assert second.count("template_usage") == 0


def test_sharing_twice_changes_and_logs_it_once(agency: Tenant) -> None:
    sub = agency.sub_account()
    template = agency.template("Shared")

    assert agency.share("Shared", sub) == agency.share("SHARED", sub) == [sub.account.name]

    assert agency.audit("template.share") == [
        {
            "actor": "ann",
            "action": "template.share",
            "result": "done",
            "subject": str(template.id),
            "details": {"name": "Shared", "accounts": [sub.account.name]},
        }
    ]


# No longer


def test_what_is_not_shared_any_more_is_gone_and_its_clone_lives_on(agency: Tenant) -> None:
    sub = agency.sub_account()
    template = agency.template("Shared")
    agency.share("Shared", sub)
    made = sub.clone("Shared")
    agency.update("Shared", with_step(series(), "hello", subject="Newer"))

    assert agency.unshare("Shared", sub) == []

    assert_unknown(sub, template)
    assert [sub.count(table) for table in ("templates", "template_shares")] == [0, 0]
    assert sub.sql("select distinct account_id from enrollment.template_versions") == [
        {"account_id": sub.account.id}
    ]
    sub.activate(made.stored.id)
    assert sub.show(made.stored.id).document == made.document
    with pytest.raises(TemplateNotFoundError, match="no longer shared"):
        templates.offer(*sub.where, made.workflow.name)
    assert templates.offers(*sub.where) == []
    assert [one["action"] for one in agency.audit("template.unshare")] == ["template.unshare"]


def test_unsharing_with_one_leaves_it_to_the_other(agency: Tenant) -> None:
    first, second = agency.sub_account(), agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", first, second)

    assert agency.unshare("Shared", first) == [second.account.name]

    assert names(first) == set()
    assert names(second) == {"Shared"}


def test_a_deleted_template_is_gone_for_the_sub_account(agency: Tenant) -> None:
    sub = agency.sub_account()
    template = agency.template("Shared")
    agency.share("Shared", sub)
    made = sub.clone("Shared")

    templates.delete(*agency.where, "Shared", actor="ann")

    assert_unknown(sub, template)
    assert_unknown(agency, template)
    assert sub.count("templates") == 0
    sub.activate(made.stored.id)
    assert sub.show(made.stored.id).document == made.document


def test_versions_of_a_deleted_template_are_gone_for_the_sub_account(agency: Tenant) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", sub)
    assert sub.count("template_versions") == 1

    templates.delete(*agency.where, "Shared", actor="ann")

    assert sub.count("template_versions") == 0


def test_a_sub_account_is_told_of_newer_versions(agency: Tenant) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", sub)
    made = sub.clone("Shared")

    agency.update("Shared", with_step(series(), "hello", subject="Newer"), note="A new subject")

    (offer,) = templates.offers(*sub.where)
    assert [one.change.id for one in offer.updates] == ["steps.hello.subject"]
    assert [one["note"] for one in templates.history(*sub.where, "Shared")["versions"]] == [
        "A new subject",
        "",
    ]
    taken, left = templates.merge(*sub.where, made.workflow.name, None, actor="ann")
    assert (taken.document["steps"][0]["subject"], left) == ("Newer", ())


# With whom


def test_only_sub_accounts_of_the_agency_are_shared_with(
    agency: Tenant, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    grandchild = make_tenant()
    with agency.owner.begin() as connection:
        connection.execute(
            text("update enrollment.accounts set parent_id = :sub where id = :id"),
            {"sub": sub.account.id, "id": grandchild.account.id},
        )

    for other in (tenant, grandchild, agency):
        with pytest.raises(NotASubAccountError, match=other.account.name):
            agency.share("Shared", sub, other)
        with pytest.raises(NotASubAccountError):
            agency.unshare("Shared", other)

    assert agency.count("template_shares") == 0
    assert [names(one) for one in (sub, tenant, grandchild)] == [set(), set(), set()]
    assert agency.audit("template.share") == []


def test_an_account_without_sub_accounts_shares_with_nobody(tenant: Tenant, agency: Tenant) -> None:
    tenant.template("Series")

    with pytest.raises(NotASubAccountError):
        tenant.share("Series", agency.sub_account())


def test_a_sub_account_shares_neither_with_its_agency_nor_with_a_sister(agency: Tenant) -> None:
    sub, sister = agency.sub_account(), agency.sub_account()
    sub.template("Mine")

    for other in (agency, sister):
        with pytest.raises(NotASubAccountError):
            sub.share("Mine", other)
    assert names(agency) == names(sister) == set()


def shares(actor: Tenant, template: UUID, other: Tenant, by: Tenant | None = None) -> None:
    actor.sql(
        "insert into enrollment.template_shares (account_id, template_id, shared_with, shared_by) "
        "values (:account, :template, :other, 'me')",
        account=(by or actor).account.id,
        template=template,
        other=other.account.id,
    )


def test_no_statement_shares_a_template_with_a_stranger_or_grandchild(
    agency: Tenant, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    sub, grandchild = agency.sub_account(), make_tenant()
    with agency.owner.begin() as connection:
        connection.execute(
            text("update enrollment.accounts set parent_id = :sub where id = :id"),
            {"sub": sub.account.id, "id": grandchild.account.id},
        )
    mine, theirs = agency.template("Mine").id, sub.template("Theirs").id

    for actor, template, other, by in (
        (agency, mine, tenant, None),
        (agency, mine, grandchild, None),
        (agency, mine, agency, None),
        # Of a template that is not its own, whatever account it says it is.
        (agency, theirs, sub, None),
        (sub, mine, grandchild, None),
        (sub, mine, sub, agency),
        (tenant, mine, tenant, None),
        (tenant, mine, tenant, agency),
    ):
        with pytest.raises(ProgrammingError, match="row-level security"):
            shares(actor, template, other, by)
    shares(agency, mine, sub)

    assert names(tenant) == names(grandchild) == set()
    assert names(sub) == {"Mine", "Theirs"}


@pytest.mark.parametrize("column", ["shared_with", "template_id"])
def test_no_statement_turns_a_share_into_one_with_a_stranger_or_of_a_stranger(
    agency: Tenant, tenant: Tenant, column: str
) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", sub)
    secret = tenant.template("Secret")
    value = {"shared_with": tenant.account.id, "template_id": secret.id}[column]

    with pytest.raises(ProgrammingError):
        agency.sql(f"update enrollment.template_shares set {column} = :value", value=value)

    assert names(tenant) == {"Secret"}
    assert names(sub) == {"Shared"}


@pytest.mark.parametrize("change", ["share", "unshare"])
def test_sharing_needs_the_permission(agency: Tenant, change: str) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.allow(bob=Permission.WORKFLOW_EDIT)

    do = getattr(templates, change)
    with pytest.raises(ForbiddenError, match="workflow:manage"):
        do(*agency.where, "Shared", [sub.account.name], actor="bob")

    assert names(sub) == set()


def test_a_shipped_template_is_not_shared(agency: Tenant) -> None:
    with pytest.raises(TemplateFixedError, match="shipped"):
        agency.share("lead-welcome-series", agency.sub_account())


def test_names_of_sub_accounts_are_taken_in_any_letter_case(agency: Tenant) -> None:
    sub = agency.sub_account()
    agency.template("Shared")

    shared = templates.share(
        *agency.where, "Shared", [f" {sub.account.name.upper()} "], actor="ann"
    )

    assert shared == [sub.account.name]


# Use by sub-accounts


def test_an_agency_sees_the_use_by_its_sub_accounts_without_names_of_their_workflows(
    agency: Tenant,
) -> None:
    sub, sister = agency.sub_account(), agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", sub, sister)
    agency.clone("Shared", name="Ours")
    theirs = sub.clone("Shared", name="Private affair")
    sub.enroll(theirs.stored.id, completed=3)

    seen = templates.usage_of(*agency.where, "Shared")
    own = templates.usage_of(*sub.where, "Shared")

    assert [
        (one["account"], one["workflow_name"], one["workflow_status"], one["completion_rate"])
        for one in seen["usage"]
    ] == [
        (sub.account.name, None, None, None),
        (agency.account.name, "Ours", "draft", None),
    ]
    assert "Private affair" not in str(seen)
    assert seen["usage_count"] == agency.listed()["Shared"].used == 2
    assert seen["completion_rate"] is None
    assert [one["workflow_name"] for one in own["usage"]] == ["Private affair"]
    assert own["usage_count"] == sub.listed()["Shared"].used == 1
    assert own["completion_rate"] == 1.0
    assert templates.usage_of(*sister.where, "Shared")["usage_count"] == 0
    assert agency.count("workflows") == 2


def test_an_agency_does_not_see_use_of_other_templates_by_its_sub_accounts(agency: Tenant) -> None:
    sub = agency.sub_account()
    sub.clone("lead-welcome-series")

    assert agency.listed()["Welcome series for new leads"].used == 0
    assert sub.listed()["Welcome series for new leads"].used == 1
    assert agency.count("template_usage") == 0


def test_a_clone_saved_as_a_template_is_the_sub_accounts_own(agency: Tenant) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", sub)
    made = sub.clone("Shared", name="Adapted")

    saved = templates.save(*sub.where, made.workflow.name, Wanted("Ours"), actor="ann").template

    assert saved.origin is Origin.CUSTOM
    assert_unknown(agency, saved)


def test_an_unknown_template_is_not_told_from_one_of_a_stranger(
    tenant: Tenant, stranger: Tenant
) -> None:
    theirs = str(stranger.listed()["Secret zebra"].id)
    unknown = str(uuid4())

    told = []
    for reference in (theirs, unknown):
        with pytest.raises(RefusedError) as refusal:
            tenant.preview(reference)
        told.append(str(refusal.value).replace(reference, "..."))
    assert told[0] == told[1]


def test_a_workflow_cannot_be_reached_over_a_shared_template(agency: Tenant) -> None:
    sub = agency.sub_account()
    agency.template("Shared")
    agency.share("Shared", sub)
    made = sub.clone("Shared")

    (use,) = templates.usage_of(*agency.where, "Shared")["usage"]
    assert use["workflow_id"] == str(made.stored.id)
    with pytest.raises(RefusedError, match="There is no workflow"):
        workflows.show(*agency.where, use["workflow_id"])
