"""Which contact an identifier names."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, manual

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]


@pytest.fixture
def ann(bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow) -> UUID:
    """The contact Ann-00001@example.com, of an account with an active workflow."""
    add_workflow(bulk.account)
    return add_contacts(bulk.account, 1, "Ann")[0]


@pytest.fixture
def stranger(make_account: Callable[..., Account], add_contacts: AddContacts) -> UUID:
    """A contact Ann-00001@example.com of another account."""
    return add_contacts(make_account(), 1, "Ann")[0]


@pytest.mark.parametrize(
    "written",
    [
        "Ann-00001@example.com",
        "ann-00001@example.com",
        "ANN-00001@EXAMPLE.COM",
        "  Ann-00001@example.com\t",
        '" ann-00001@example.com "',
        "\N{NO-BREAK SPACE}ann-00001@example.com\N{ZERO WIDTH SPACE}",
    ],
)
def test_an_address_is_matched_in_any_case_and_trimmed(bulk: Bulk, ann: UUID, written: str) -> None:
    job_id = bulk.submit(bulk.csv(f"Email\n{written}\n"))
    bulk.finish(job_id)
    assert bulk.enrolled_by(job_id) == {ann}


@pytest.mark.parametrize(
    "header",
    ["Email", "E-mail", "Email Address", "EMAIL", "e_mail", "Contact Email", "E-Mail-Adresse"],
)
def test_the_address_column_is_found_by_its_header(bulk: Bulk, ann: UUID, header: str) -> None:
    job = bulk.enroll(bulk.csv(f"name,{header},city\nAnn,ann-00001@example.com,Oslo\n"))
    assert job["outcomes"]["enrolled"] == 1


@pytest.mark.parametrize("header", ["contact_id", "Contact ID", "Record ID", "ID", "uuid"])
def test_the_id_column_is_found_by_its_header(bulk: Bulk, ann: UUID, header: str) -> None:
    job = bulk.enroll(bulk.csv(f"name,{header}\nAnn,{ann}\n"))
    assert job["outcomes"]["enrolled"] == 1


def test_without_a_header_addresses_and_ids_are_recognised(
    bulk: Bulk, ann: UUID, add_contacts: AddContacts
) -> None:
    bea = add_contacts(bulk.account, 1, "bea")[0]
    assert bulk.enroll(bulk.csv("Ann,ann-00001@example.com\n"))["outcomes"]["enrolled"] == 1
    assert bulk.enroll(bulk.csv(f"Bea,{bea}\n"))["outcomes"]["enrolled"] == 1


@pytest.mark.parametrize(
    "form",
    [str, lambda one: str(one).upper(), lambda one: f"{{{one}}}", lambda one: f" {one} "],
    ids=["plain", "upper case", "braces", "spaces"],
)
@pytest.mark.parametrize("kind", ["csv", "manual"])
def test_an_id_is_matched_however_it_is_written(
    bulk: Bulk, ann: UUID, form: Callable[[UUID], str], kind: str
) -> None:
    written = form(ann)
    selection = bulk.csv(f"contact_id\n{written}\n") if kind == "csv" else manual([written])
    job_id = bulk.submit(selection)
    bulk.finish(job_id)
    assert bulk.enrolled_by(job_id) == {ann}


def test_the_same_contact_written_twice_is_one_contact_and_a_duplicate(
    bulk: Bulk, ann: UUID
) -> None:
    addresses = bulk.csv("email\nann-00001@example.com\nANN-00001@EXAMPLE.COM\n")
    assert bulk.enroll(addresses)["outcomes"]["duplicate"] == 1
    ids = bulk.csv(f"contact_id\n{ann}\n{str(ann).upper()}\n{{{ann}}}\n")
    assert bulk.enroll(ids)["outcomes"]["duplicate"] == 2
    listed = manual([ann, str(ann).upper(), f"{{{ann}}}", ann.hex])
    assert bulk.enroll(listed)["outcomes"]["duplicate"] == 3


def test_a_request_without_duplicates_is_refused_when_there_are_some(bulk: Bulk, ann: UUID) -> None:
    job_id = bulk.submit(manual([ann, ann]), skip_duplicates=False)
    with pytest.raises(Exception, match="more than once"):
        bulk.phases(job_id).select()
    assert bulk.describe(job_id)["status"] == "failed"
    assert bulk.describe(job_id)["error"]["code"] == "INVALID_REQUEST"
    assert bulk.enroll(manual([ann]), skip_duplicates=False)["outcomes"]["enrolled"] == 1


def test_an_unknown_id_is_skipped_when_asked_for_and_unmatched_in_a_file(
    bulk: Bulk, ann: UUID
) -> None:
    unknown = uuid4()
    job_id = bulk.submit(manual([ann, unknown]))
    job = bulk.finish(job_id)
    assert bulk.outcome_of(job_id)[str(unknown)] == ["skipped CONTACT_NOT_FOUND"]
    assert job["total_contacts"] == 2

    job_id = bulk.submit(bulk.csv(f"contact_id\n{unknown}\nnot an id\n"))
    job = bulk.finish(job_id)
    assert bulk.outcome_of(job_id) == {
        str(unknown): ["unmatched UNMATCHED"],
        "not an id": ["unmatched UNMATCHED"],
    }
    assert job["total_contacts"] == 0


def test_another_accounts_contact_does_not_exist(bulk: Bulk, ann: UUID, stranger: UUID) -> None:
    job_id = bulk.submit(manual([stranger]))
    bulk.finish(job_id)
    assert bulk.outcome_of(job_id) == {str(stranger): ["skipped CONTACT_NOT_FOUND"]}

    job_id = bulk.submit(bulk.csv(f"contact_id\n{stranger}\n"))
    bulk.finish(job_id)
    assert bulk.outcome_of(job_id) == {str(stranger): ["unmatched UNMATCHED"]}
    assert [row["contact_id"] for row in bulk.rows(job_id)] == [None]

    job_id = bulk.submit(bulk.csv("email\nann-00001@example.com\n"))
    bulk.finish(job_id)
    assert bulk.enrolled_by(job_id) == {ann}

    assert bulk.enroll(EVERYBODY)["total_contacts"] == 1


def test_a_deleted_contact_does_not_exist(bulk: Bulk, ann: UUID) -> None:
    bulk.change_contacts([ann], "deleted_at = now()")

    job_id = bulk.submit(manual([ann]))
    bulk.finish(job_id)
    assert bulk.outcome_of(job_id) == {str(ann): ["skipped CONTACT_NOT_FOUND"]}
    assert bulk.rows(job_id)[0]["message"] == "CONTACT_NOT_FOUND: the contact was deleted"
    for content in ("email\nann-00001@example.com\n", f"contact_id\n{ann}\n"):
        assert bulk.enroll(bulk.csv(content))["outcomes"]["unmatched"] == 1
    assert bulk.enroll(EVERYBODY)["total_contacts"] == 0


def test_an_address_that_came_back_names_the_new_contact(
    bulk: Bulk, ann: UUID, add_contacts: AddContacts
) -> None:
    bulk.change_contacts([ann], "deleted_at = now()")
    new = add_contacts(bulk.account, 1, "ANN")[0]

    job_id = bulk.submit(bulk.csv("email\nann-00001@example.com\n"))
    bulk.finish(job_id)
    assert bulk.enrolled_by(job_id) == {new}


def test_what_is_no_id_is_rejected_whatever_it_holds(bulk: Bulk, ann: UUID) -> None:
    wild = ["", "x", "a\nb", "a\0b", f"urn:uuid:{ann}", "{" + str(ann), "'; drop table"]
    job_id = bulk.submit(manual([*wild, ann]))
    job = bulk.finish(job_id)

    assert job["outcomes"]["rejected"] == len(wild)
    assert job["outcomes"]["enrolled"] == 1
    assert {row["message"] for row in bulk.rows(job_id) if row["outcome"] == "rejected"} == {
        "is not a contact id (a UUID)"
    }
    assert [row["line"] for row in bulk.rows(job_id)] == list(range(1, len(wild) + 2))


def test_a_filter_selects_who_matches_when_the_job_begins(
    bulk: Bulk, ann: UUID, add_contacts: AddContacts
) -> None:
    leads = add_contacts(bulk.account, 3, "lead", tags=["lead"])
    late = add_contacts(bulk.account, 1, "late")
    condition = {"conditions": [{"field": "tags", "operator": "contains", "value": "lead"}]}
    job_id = bulk.submit({"type": "filter", "filter": condition})
    bulk.change_contacts(late, "tags = '{lead}'")
    bulk.phases(job_id).select()
    bulk.change_contacts([ann], "tags = '{lead}'")
    bulk.change_contacts(leads[:1], "tags = '{}'")
    bulk.finish(job_id)

    assert bulk.enrolled_by(job_id) == {*leads, *late}
    assert [row["identifier"] for row in bulk.rows(job_id)] == [
        *(f"lead-{number:05}@example.com" for number in range(1, 4)),
        "late-00001@example.com",
    ]


def test_contacts_without_an_address_are_told_by_their_id(
    bulk: Bulk, ann: UUID, add_contacts: AddContacts
) -> None:
    bulk.change_contacts([ann], "email = null")
    job_id = bulk.submit(EVERYBODY)
    bulk.finish(job_id)
    assert bulk.outcome_of(job_id) == {str(ann): ["enrolled"]}


def test_a_wrong_filter_creates_nothing(bulk: Bulk, ann: UUID) -> None:
    wrong = {"conditions": [{"field": "emial", "operator": "equals", "value": "x"}]}
    with pytest.raises(Exception, match="there is no field"):
        bulk.submit({"type": "filter", "filter": wrong})
    assert not bulk.query(
        "select 1 from enrollment.enrollment_jobs where account_id = :id", id=bulk.account.id
    )
