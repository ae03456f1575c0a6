"""The eligibility rules on real contacts: which code, which message, which re-enrollment."""

from collections.abc import Callable
from uuid import UUID

import pytest

from enrollment_pipeline_tests.enrollment.conftest import Bulk, manual

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]

DELETED = "deleted_at = now()"
BLOCKED = "status = 'blocked'"
BOUNCED = "status = 'bounced'"
UNSUBSCRIBED = "status = 'unsubscribed'"
NO_EMAIL = "email = null"
NO_PHONE = "phone = '  '"


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (None, None, None),
        (DELETED, "CONTACT_NOT_FOUND", "the contact was deleted"),
        (BLOCKED, "CONTACT_BLOCKED", "the contact is blocked"),
        (BOUNCED, "CONTACT_BLOCKED", "mail to the contact bounced"),
        (UNSUBSCRIBED, "CONTACT_BLOCKED", "the contact has unsubscribed"),
        (NO_EMAIL, "VALIDATION_ERROR", "the contact has no e-mail address"),
        ("email = '   '", "VALIDATION_ERROR", "the contact has no e-mail address"),
        (NO_PHONE, "VALIDATION_ERROR", "the contact has no phone number"),
        ("phone = null", "VALIDATION_ERROR", "the contact has no phone number"),
    ],
)
def test_each_rule_alone_decides(
    bulk: Bulk,
    add_contacts: AddContacts,
    add_workflow: AddWorkflow,
    change: str | None,
    code: str | None,
    message: str | None,
) -> None:
    add_workflow(bulk.account, required_fields=["email", "phone"])
    ids = add_contacts(bulk.account, 1, phone="+1 555 0100")
    if change:
        bulk.change_contacts(ids, change)
    job_id = bulk.submit(manual(ids))
    bulk.finish(job_id)

    (row,) = bulk.rows(job_id)
    assert row["code"] == code
    assert row["message"] == (f"{code}: {message}" if code else None)
    assert bulk.enrolled_by(job_id) == (set() if code else set(ids))


def test_the_first_rule_gives_the_code_and_all_are_explained(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    workflow = add_workflow(bulk.account, required_fields=["email", "phone"])
    everything, unsubscribed, enrolled = add_contacts(bulk.account, 3)
    bulk.change_contacts([everything], f"{DELETED}, {BLOCKED}, {NO_EMAIL}")
    bulk.change_contacts([unsubscribed], f"{UNSUBSCRIBED}, {NO_EMAIL}")
    bulk.enroll_before(workflow, [everything, unsubscribed, enrolled])
    job_id = bulk.submit(manual([everything, unsubscribed, enrolled]))
    bulk.finish(job_id)

    told = {
        row["contact_id"]: (row["code"], row["message"].split("; ")) for row in bulk.rows(job_id)
    }
    was_in = (
        "ALREADY_ENROLLED: the contact is or was in this workflow, which takes a contact only once"
    )
    no_email = "VALIDATION_ERROR: the contact has no e-mail address"
    no_phone = "VALIDATION_ERROR: the contact has no phone number"
    assert told[everything] == (
        "CONTACT_NOT_FOUND",
        [
            "CONTACT_NOT_FOUND: the contact was deleted",
            "CONTACT_BLOCKED: the contact is blocked",
            was_in,
            no_email,
            no_phone,
        ],
    )
    assert told[unsubscribed] == (
        "CONTACT_BLOCKED",
        ["CONTACT_BLOCKED: the contact has unsubscribed", was_in, no_email, no_phone],
    )
    assert told[enrolled] == ("ALREADY_ENROLLED", [was_in, no_phone])


def test_of_an_unknown_contact_nothing_else_is_said(bulk: Bulk, add_workflow: AddWorkflow) -> None:
    add_workflow(bulk.account, required_fields=["email", "phone"])
    job_id = bulk.submit(manual(["0198f0c4-0000-7000-8000-000000000001"]))
    bulk.finish(job_id)
    assert bulk.rows(job_id)[0]["message"] == "CONTACT_NOT_FOUND: no such contact in this account"


@pytest.mark.parametrize("skip", [True, False])
def test_only_unsubscribed_contacts_can_be_let_in_and_blocked_ones_never(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow, skip: bool
) -> None:
    add_workflow(bulk.account)
    active, unsubscribed, blocked, bounced = (
        add_contacts(bulk.account, 1, status, status=status)[0]
        for status in ("active", "unsubscribed", "blocked", "bounced")
    )
    job_id = bulk.submit(manual([active, unsubscribed, blocked, bounced]), skip_unsubscribed=skip)
    job = bulk.finish(job_id)

    assert bulk.enrolled_by(job_id) == ({active} if skip else {active, unsubscribed})
    assert job["reasons"] == {"CONTACT_BLOCKED": 3 if skip else 2}


@pytest.mark.parametrize(
    ("policy", "ended_is_let_in"),
    [(None, False), ("never_twice", False), ("after_exit", True), ("always", True)],
)
def test_a_policy_decides_about_those_whose_enrollment_has_ended(
    bulk: Bulk,
    add_contacts: AddContacts,
    add_workflow: AddWorkflow,
    policy: str | None,
    ended_is_let_in: bool,
) -> None:
    settings = {"reenrollment": policy} if policy else {}
    workflow = add_workflow(bulk.account, **settings)
    other = add_workflow(bulk.account, "Other")
    new, active, completed, exited, elsewhere = add_contacts(bulk.account, 5)
    bulk.enroll_before(workflow, [active])
    bulk.enroll_before(workflow, [completed], "completed", "now() - interval '1 day'")
    bulk.enroll_before(workflow, [exited], "exited", "now() - interval '2 days'")
    bulk.enroll_before(workflow, [exited], "exited", "now() - interval '1 day'")
    bulk.enroll_before(other, [elsewhere])
    job_id = bulk.submit(manual([new, active, completed, exited, elsewhere]))
    job = bulk.finish(job_id)

    let_in = {completed, exited} if ended_is_let_in else set()
    assert bulk.enrolled_by(job_id) == {new, elsewhere, *let_in}
    assert job["outcomes"]["already_enrolled"] == 3 - len(let_in)
    assert not bulk.query(
        "select contact_id from enrollment.enrollments where workflow_id = :id and "
        "ended_at is null group by contact_id having count(*) > 1",
        id=workflow,
    )


@pytest.mark.parametrize("fields", [[], ["email"], ["phone"]])
def test_only_what_the_workflow_requires_is_required(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow, fields: list[str]
) -> None:
    add_workflow(bulk.account, required_fields=fields)
    both, no_email, no_phone = add_contacts(bulk.account, 3, phone="+1 555 0100")
    bulk.change_contacts([no_email], NO_EMAIL)
    bulk.change_contacts([no_phone], NO_PHONE)
    job_id = bulk.submit(manual([both, no_email, no_phone]))
    bulk.finish(job_id)

    excluded = {"email": no_email, "phone": no_phone}
    assert bulk.enrolled_by(job_id) == {both, no_email, no_phone} - {
        excluded[name] for name in fields
    }
