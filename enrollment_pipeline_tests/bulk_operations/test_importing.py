"""Importing contacts from a file: what is created, changed, kept and rejected."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, RowMapping, text

from enrollment_pipeline.bulk_operations.direct import do_now, import_file
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.errors import (
    FileTooLargeError,
    InvalidFileError,
    InvalidRequestError,
    RequestIdUsedError,
    TooManyChangesError,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

Document = dict[str, Any]
Import = Callable[..., Document]
AddContacts = Callable[..., list[UUID]]


@pytest.fixture
def import_text(database: Database, settings: Settings, account: Account, tmp_path: Path) -> Import:
    """Import a file of that content into the account of the test, or into another."""

    def run(content: str, into: Account = account, **options: object) -> Document:
        path = tmp_path / "contacts.csv"
        path.write_text(content, encoding="utf-8")
        found = import_file(database, settings, into, path, actor="test", **options)
        assert sum(found["outcomes"].values()) == found["rows"]
        return found

    return run


@pytest.fixture
def contacts(database: Database, account: Account) -> Callable[..., dict[str, RowMapping]]:
    """Return the contacts of an account by address."""

    def read(of: Account = account) -> dict[str, RowMapping]:
        with database.account(of.id) as connection:
            rows = connection.execute(text("select * from enrollment.contacts order by id"))
            return {row["email"]: row for row in rows.mappings()}

    return read


def rows_of(document: Document, outcome: str = "rejected") -> list[dict[str, str]]:
    with Path(document["files"][outcome]).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_new_contact_has_all_that_its_row_says(import_text: Import, contacts: Any) -> None:
    result = import_text(
        "Email,First Name,Last Name,Mobile,Tags,Status,Birthday,Timezone,City\n"
        'Ann@Example.com,Ann,Smith,+1 555,"lead;vip",bounced,2000-02-29,Europe/Berlin,Bonn\n'
    )

    assert result["outcomes"] == {"created": 1}
    contact = dict(contacts()["Ann@Example.com"])
    assert (contact["first_name"], contact["last_name"]) == ("Ann", "Smith")
    assert contact["phone"] == "+1 555"
    assert contact["tags"] == ["lead", "vip"]
    assert contact["status"] == "bounced"
    assert contact["birthday"].isoformat() == "2000-02-29"
    assert contact["timezone"] == "Europe/Berlin"
    assert contact["custom_fields"] == {"City": "Bonn"}
    assert contact["source"] == "import"


def test_a_new_contact_without_a_status_is_active(import_text: Import, contacts: Any) -> None:
    import_text("email\nann@example.com\n")

    assert contacts()["ann@example.com"]["status"] == "active"


def test_the_same_file_imported_again_changes_nothing(import_text: Import, contacts: Any) -> None:
    content = (
        "email,first name,tags,status,birthday,timezone,city\n"
        "ann@example.com,Ann,lead;vip,unsubscribed,2000-01-02,UTC,Bonn\n"
        "bob@example.com,,,,,,\n"
    )
    assert import_text(content)["outcomes"] == {"created": 2}
    before = contacts()

    again = import_text(content)

    assert again["outcomes"] == {"unchanged": 2}
    assert contacts() == before


def test_a_row_changes_only_what_it_says(import_text: Import, contacts: Any) -> None:
    import_text(
        "email,first name,last name,phone,tags,birthday,timezone,city,plan\n"
        "ann@example.com,Ann,Smith,1,lead,2000-01-02,UTC,Bonn,free\n"
        "bob@example.com,Bob,Jones,2,lead,2000-01-02,UTC,Bonn,free\n"
    )
    before = contacts()

    result = import_text(
        "email,first name,last name,phone,tags,birthday,timezone,city\n"
        "ANN@example.com,Anna,,,vip,,,Ulm\n"
        "bob@example.com,,,,,,,\n"
    )

    assert result["outcomes"] == {"updated": 1, "unchanged": 1}
    after = contacts()
    assert after["bob@example.com"] == before["bob@example.com"]
    changed = {
        name: value
        for name, value in after["ann@example.com"].items()
        if value != before["ann@example.com"][name]
    }
    assert changed.pop("updated_at") > before["ann@example.com"]["updated_at"]
    assert changed == {
        "first_name": "Anna",
        "tags": ["lead", "vip"],
        "custom_fields": {"city": "Ulm", "plan": "free"},
    }


STATUSES = ["active", "unsubscribed", "bounced", "blocked"]


@pytest.mark.parametrize("present", STATUSES)
@pytest.mark.parametrize("said", STATUSES)
def test_a_status_only_becomes_stricter(
    import_text: Import,
    contacts: Any,
    add_contacts: AddContacts,
    account: Account,
    present: str,
    said: str,
) -> None:
    add_contacts(account, 1, status=present)

    import_text(f"email,status\ncontact-00001@example.com,{said}\n")

    stricter = max(present, said, key=STATUSES.index)
    assert contacts()["contact-00001@example.com"]["status"] == stricter


def test_an_unsubscribed_contact_stays_so_when_the_file_says_active(
    import_text: Import, contacts: Any, add_contacts: AddContacts, account: Account
) -> None:
    add_contacts(account, 1, status="unsubscribed")

    result = import_text("email,status\ncontact-00001@example.com,active\n")

    assert result["outcomes"] == {"unchanged": 1}
    assert contacts()["contact-00001@example.com"]["status"] == "unsubscribed"


def test_of_two_rows_with_one_address_the_last_counts(import_text: Import, contacts: Any) -> None:
    result = import_text(
        "email,first name,city\n"
        "ann@example.com,First,Bonn\n"
        "bob@example.com,Bob,\n"
        "ANN@example.com,Last,\n"
    )

    assert result["outcomes"] == {"created": 2, "duplicate": 1}
    assert rows_of(result, "duplicate")[0]["reason"] == ("has the same key as line 4, which counts")
    assert set(contacts()) == {"ANN@example.com", "bob@example.com"}
    assert contacts()["ANN@example.com"]["first_name"] == "Last"
    assert contacts()["ANN@example.com"]["custom_fields"] == {}


def test_bad_rows_are_rejected_with_line_column_value_and_reason_and_the_rest_goes_on(
    import_text: Import, contacts: Any
) -> None:
    result = import_text(
        "email,status,birthday,timezone\n"
        "good@example.com,,,\n"
        ",active,,\n"
        "nobody,active,,\n"
        "a@example.com,gone,,\n"
        "b@example.com,,03/04/2026,\n"
        "c@example.com,,,Mars/Base\n"
        "d@example.com\n"
        "last@example.com,,2000-01-02,UTC\n"
    )

    assert result["outcomes"] == {"created": 2, "rejected": 6}
    assert result["status"] == "completed_with_errors"
    assert set(contacts()) == {"good@example.com", "last@example.com"}
    found = [(row["line"], row["column"], row["value"]) for row in rows_of(result)]
    assert found == [
        ("3", "email", ""),
        ("4", "email", "nobody"),
        ("5", "status", "gone"),
        ("6", "birthday", "03/04/2026"),
        ("7", "timezone", "Mars/Base"),
        ("8", "", "d@example.com"),
    ]
    assert all(row["reason"].startswith("has ") for row in rows_of(result))


def test_a_rejected_value_cannot_run_as_a_formula(import_text: Import) -> None:
    result = import_text('email,status\nann@example.com,"=HYPERLINK(""http://example.com"")"\n')

    assert rows_of(result)[0]["value"] == """'=HYPERLINK("http://example.com")"""


def test_without_rejected_rows_there_is_no_file(import_text: Import, settings: Settings) -> None:
    found = import_text("email\nann@example.com\n")

    assert found["files"] == {}
    assert not list(settings.reports.rglob(f"{found['operation_id']}/*"))


def test_a_row_that_the_database_refuses_fails_by_itself(
    import_text: Import, contacts: Any, owner: Engine
) -> None:
    # The constraint stands for any rule of the database that reading a row does not know.
    rule = (
        "alter table enrollment.contacts add constraint no_trouble check (first_name <> 'Trouble')"
    )
    rows = [f"person-{number:03}@example.com,{number}" for number in range(300)]
    rows[120], rows[299] = "one@example.com,Trouble", "two@example.com,Trouble"
    with owner.begin() as connection:
        connection.execute(text(rule))
    try:
        found = import_text("email,first name\n" + "\n".join(rows))
    finally:
        with owner.begin() as connection:
            connection.execute(text("alter table enrollment.contacts drop constraint no_trouble"))

    assert found["outcomes"] == {"created": 298, "failed": 2}
    assert [row["identifier"] for row in rows_of(found, "failed")] == [
        "one@example.com",
        "two@example.com",
    ]
    assert "no_trouble" in rows_of(found, "failed")[0]["reason"]
    assert len(contacts()) == 298


def test_two_accounts_import_the_same_addresses_and_see_nothing_of_each_other(
    import_text: Import, contacts: Any, make_account: Callable[..., Account]
) -> None:
    mine, theirs = make_account(), make_account()
    import_text("email,first name\nann@example.com,Theirs\n", into=theirs)

    result = import_text("email,first name\nann@example.com,Mine\n", into=mine)

    assert result["outcomes"] == {"created": 1}
    assert contacts(mine)["ann@example.com"]["first_name"] == "Mine"
    assert contacts(theirs)["ann@example.com"]["first_name"] == "Theirs"


def test_a_deleted_contact_does_not_block_its_address(
    import_text: Import, database: Database, account: Account, add_contacts: AddContacts
) -> None:
    add_contacts(account, 1, deleted_at="2026-01-01T00:00:00Z")

    result = import_text("email\ncontact-00001@example.com\n")

    assert result["outcomes"] == {"created": 1}
    with database.account(account.id) as connection:
        statement = text("select count(*), count(deleted_at) from enrollment.contacts")
        assert connection.execute(statement).one() == (2, 1)


def test_contacts_are_created_in_the_order_of_their_lines(
    import_text: Import, contacts: Any
) -> None:
    # Ids carry milliseconds, so that only far rows can be told apart.
    addresses = [f"{(7919 * number) % 3000:04}@example.com" for number in range(3000)]

    import_text("email\n" + "\n".join(addresses))

    by_id = list(contacts())
    places = {address: place for place, address in enumerate(by_id)}
    moved = [abs(places[address] - line) for line, address in enumerate(addresses)]
    assert set(by_id) == set(addresses)
    assert max(moved) < 1000


def test_the_limits_of_the_account_hold(
    import_text: Import, make_account: Callable[..., Account], contacts: Any
) -> None:
    small = make_account(csv_max_lines=2)
    two = import_text("email\na@example.com\nb@example.com\n", into=small)
    assert two["outcomes"] == {"created": 2}

    with pytest.raises(FileTooLargeError, match="3 lines"):
        import_text("email\na@example.com\nb@example.com\nc@example.com\n", into=small)
    with pytest.raises(FileTooLargeError, match="bytes"):
        import_text("email\nd@example.com\n", into=make_account(csv_max_bytes=10))
    assert set(contacts(small)) == {"a@example.com", "b@example.com"}


def test_a_file_without_a_column_of_addresses_is_refused(import_text: Import) -> None:
    with pytest.raises(InvalidFileError, match="the columns are: name, city"):
        import_text("name,city\nAnn,Bonn\n")


def test_a_header_alone_imports_nothing(import_text: Import) -> None:
    assert import_text("email,first name\n")["outcomes"] == {}


@pytest.mark.parametrize("present", STATUSES)
def test_a_status_may_become_looser_where_that_is_allowed(
    import_text: Import,
    contacts: Any,
    add_contacts: AddContacts,
    account: Account,
    present: str,
) -> None:
    add_contacts(account, 1, status=present)

    import_text("email,status\ncontact-00001@example.com,active\n", allow_resubscribe=True)

    assert contacts()["contact-00001@example.com"]["status"] == "active"


def test_a_blank_cell_clears_where_that_is_asked_for(import_text: Import, contacts: Any) -> None:
    import_text(
        "email,first name,last name,phone,status,tags,birthday,city,plan\n"
        "ann@example.com,Ann,Smith,1,unsubscribed,lead,2000-01-02,Bonn,free\n"
    )

    import_text(
        "email,first name,phone,status,tags,birthday,city\nann@example.com,,,,,,\n",
        blanks="clear",
    )

    contact = contacts()["ann@example.com"]
    cleared = ("first_name", "phone", "birthday")
    assert [contact[name] for name in cleared] == [None] * 3
    assert (contact["tags"], contact["custom_fields"]) == ([], {"plan": "free"})
    # What the file has no column for, and a status, which is never blank, stay.
    assert (contact["last_name"], contact["status"]) == ("Smith", "unsubscribed")


def test_create_leaves_contacts_alone_that_exist(
    import_text: Import, contacts: Any, add_contacts: AddContacts, account: Account
) -> None:
    add_contacts(account, 1, first_name="Ann")

    found = import_text(
        "email,first name\nCONTACT-00001@example.com,Other\nnew@example.com,New\n", mode="create"
    )

    assert found["outcomes"] == {"created": 1, "skipped": 1}
    assert found["status"] == "completed"
    assert contacts()["contact-00001@example.com"]["first_name"] == "Ann"
    assert rows_of(found, "skipped")[0]["reason"] == "names a contact that exists already"


def test_update_creates_nobody(
    import_text: Import, contacts: Any, add_contacts: AddContacts, account: Account
) -> None:
    add_contacts(account, 1)

    found = import_text(
        "email,first name\ncontact-00001@example.com,Ann\nnew@example.com,New\n", mode="update"
    )

    assert found["outcomes"] == {"updated": 1, "unmatched": 1}
    assert set(contacts()) == {"contact-00001@example.com"}


@pytest.mark.parametrize("key", ["external_id", "custom_fields.crm"])
def test_contacts_are_known_by_a_field_of_their_own_and_may_move_to_another_address(
    import_text: Import, contacts: Any, key: str
) -> None:
    name = key.removeprefix("custom_fields.")
    import_text(f"email,{name}\nann@example.com,1\nbob@example.com,2\nno@example.com,\n")

    found = import_text(
        f"{name},email,first name\n1,ann@new.example.com,Ann\n3,cy@example.com,Cy\n", key=key
    )

    assert found["outcomes"] == {"updated": 1, "created": 1}
    assert set(contacts()) == {
        "ann@new.example.com",
        "bob@example.com",
        "no@example.com",
        "cy@example.com",
    }
    assert contacts()["cy@example.com"]["custom_fields"] == {name: "3"}


def test_a_row_may_not_take_the_address_of_another_contact_or_of_another_row(
    import_text: Import, contacts: Any
) -> None:
    import_text("email,crm\nann@example.com,1\nbob@example.com,2\n")

    found = import_text(
        "crm,email\n1,BOB@example.com\n3,new@example.com\n4,NEW@example.com\n5,\n",
        key="custom_fields.crm",
    )

    assert found["outcomes"] == {"created": 2, "rejected": 2}
    assert [(row["line"], row["reason"]) for row in rows_of(found)] == [
        ("2", "has an e-mail address that another contact has"),
        ("4", "has the same e-mail address as line 3, and another key"),
    ]


def test_a_field_that_two_contacts_share_names_neither(import_text: Import, contacts: Any) -> None:
    import_text("email,crm\nann@example.com,1\nbob@example.com,1\n")

    found = import_text("crm,first name\n1,Ann\n", key="custom_fields.crm")

    assert found["outcomes"] == {"rejected": 1}
    assert rows_of(found)[0]["reason"] == "names 2 contacts, and must name one"


def test_contact_ids_of_another_account_name_nobody(
    import_text: Import,
    add_contacts: AddContacts,
    account: Account,
    make_account: Callable[..., Account],
    contacts: Any,
) -> None:
    (own,) = add_contacts(account, 1)
    other = make_account()
    (foreign,) = add_contacts(other, 1)

    found = import_text(
        f"contact id,first name\n{own},Ann\n{foreign},Evil\n", key="contact_id", mode="update"
    )

    assert found["outcomes"] == {"updated": 1, "unmatched": 1}
    assert contacts(other)["contact-00001@example.com"]["first_name"] is None


def test_rows_known_by_contact_id_cannot_create(import_text: Import) -> None:
    with pytest.raises(InvalidRequestError, match="can only update"):
        import_text("contact id\n", key="contact_id")


def test_later_rows_with_one_key_are_rejected_where_that_is_asked_for(
    import_text: Import, contacts: Any
) -> None:
    found = import_text(
        "email,first name\nann@example.com,First\nANN@example.com,Last\n", duplicates="reject"
    )

    assert found["outcomes"] == {"created": 1, "rejected": 1}
    assert contacts()["ann@example.com"]["first_name"] == "First"
    assert rows_of(found)[0]["reason"] == "has the same key as line 2"


@pytest.mark.parametrize(("share", "refused"), [(0.5, False), (0.49, True), (0.0, True)])
def test_nothing_is_changed_where_too_many_contacts_would(
    import_text: Import,
    contacts: Any,
    add_contacts: AddContacts,
    account: Account,
    database: Database,
    share: float,
    refused: bool,
) -> None:
    add_contacts(account, 4)
    content = (
        "email,first name\ncontact-00001@example.com,Ann\ncontact-00002@example.com,Bob\n"
        "contact-00003@example.com,\nnew@example.com,New\n"
    )
    before = contacts()

    if not refused:
        assert import_text(content, max_change_share=share)["outcomes"] == {
            "created": 1,
            "updated": 2,
            "unchanged": 1,
        }
        return
    with pytest.raises(TooManyChangesError, match="2 of the account's 4 contacts"):
        import_text(content, max_change_share=share)
    assert contacts() == before
    with database.account(account.id) as connection:
        row = connection.execute(text("select * from enrollment.bulk_operations")).one()
        left = connection.scalar(text("select count(*) from enrollment.bulk_operation_changes"))
    assert (row.status, row.error["code"], left) == ("failed", "TOO_MANY_CHANGES", 0)


@pytest.mark.parametrize("fire", [True, False])
def test_contacts_raise_events_only_where_that_is_asked_for(
    import_text: Import,
    add_contacts: AddContacts,
    account: Account,
    database: Database,
    fire: bool,
) -> None:
    add_contacts(account, 2, first_name="Ann")

    import_text(
        "email,first name\ncontact-00001@example.com,Anna\ncontact-00002@example.com,Ann\n"
        "new@example.com,New\n",
        fire_triggers=fire,
    )

    with database.account(account.id) as connection:
        found = connection.execute(
            text("select type, email, data, previous_state from enrollment.events order by number")
        ).all()
    if not fire:
        assert found == []
        return
    assert [(row.type, row.email) for row in found] == [
        ("contact_updated", "contact-00001@example.com"),
        ("contact_created", "new@example.com"),
    ]
    assert found[0].data == {"changed_fields": ["first_name"]}
    assert found[0].previous_state["first_name"] == "Ann"
    assert found[1].data == {"source": "import"}


@pytest.mark.parametrize(("loosen", "status"), [(False, "unsubscribed"), (True, "active")])
def test_who_had_unsubscribed_and_was_deleted_comes_back_unsubscribed(
    import_text: Import,
    add_contacts: AddContacts,
    account: Account,
    database: Database,
    loosen: bool,
    status: str,
) -> None:
    add_contacts(account, 1, status="unsubscribed", deleted_at="2026-01-01T00:00:00Z")

    import_text("email,status\nCONTACT-00001@example.com,active\n", allow_resubscribe=loosen)

    with database.account(account.id) as connection:
        living = connection.scalars(
            text("select status from enrollment.contacts where deleted_at is null")
        ).all()
    assert living == [status]


@pytest.mark.parametrize("duplicates", ["last", "reject"])
def test_of_rows_with_one_key_the_strictest_status_counts_whichever_row_does(
    import_text: Import, contacts: Any, duplicates: str
) -> None:
    import_text(
        "email,status\nann@example.com,\nANN@example.com,unsubscribed\nann@example.com,active\n",
        duplicates=duplicates,
    )

    (contact,) = contacts().values()
    assert contact["status"] == "unsubscribed"


def test_a_request_id_stands_for_one_rollback(
    import_text: Import, database: Database, settings: Settings, account: Account
) -> None:
    first = import_text("email\na@example.com\n")["operation_id"]
    second = import_text("email\nb@example.com\n")["operation_id"]

    def roll_back(operation_id: str) -> Document:
        request = {"type": "rollback", "operation_id": operation_id, "request_id": "one"}
        return do_now(database, settings, account, parse_request(request))

    assert roll_back(first)["outcomes"] == {"reversed": 1}
    assert roll_back(first)["outcomes"] == {"reversed": 1}
    with pytest.raises(RequestIdUsedError):
        roll_back(second)
