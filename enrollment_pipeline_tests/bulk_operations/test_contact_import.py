"""Importing contacts from a file: what is created, changed, kept and rejected."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, RowMapping, text

from enrollment_pipeline.bulk_operations.contact_import import ImportResult, import_contacts
from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database

Import = Callable[..., ImportResult]
AddContacts = Callable[..., list[UUID]]


@pytest.fixture
def import_text(database: Database, account: Account, tmp_path: Path) -> Import:
    """Import a file of that content into the account of the test, or into another."""

    def run(content: str, into: Account = account) -> ImportResult:
        path = tmp_path / "contacts.csv"
        path.write_text(content, encoding="utf-8")
        result = import_contacts(database, into, path, reports=tmp_path / "reports", actor="test")
        parts = (result.created, result.updated, result.unchanged)
        assert result.rows == sum(parts) + result.duplicate + result.rejected
        return result

    return run


@pytest.fixture
def contacts(database: Database, account: Account) -> Callable[..., dict[str, RowMapping]]:
    """Return the contacts of an account by address."""

    def read(of: Account = account) -> dict[str, RowMapping]:
        with database.account(of.id) as connection:
            rows = connection.execute(text("select * from enrollment.contacts order by id"))
            return {row["email"]: row for row in rows.mappings()}

    return read


def rejected_rows(result: ImportResult) -> list[dict[str, str]]:
    assert result.rejected_file is not None
    with result.rejected_file.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_new_contact_has_all_that_its_row_says(import_text: Import, contacts: Any) -> None:
    result = import_text(
        "Email,First Name,Last Name,Mobile,Tags,Status,Birthday,Timezone,City\n"
        'Ann@Example.com,Ann,Smith,+1 555,"lead;vip",bounced,2000-02-29,Europe/Berlin,Bonn\n'
    )

    assert result == ImportResult(1, 1, 0, 0, 0, 0, None)
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
    assert import_text(content).created == 2
    before = contacts()

    again = import_text(content)

    assert again == ImportResult(2, 0, 0, 2, 0, 0, None)
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

    assert (result.updated, result.unchanged) == (1, 1)
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

    assert result.unchanged == 1
    assert contacts()["contact-00001@example.com"]["status"] == "unsubscribed"


def test_of_two_rows_with_one_address_the_last_counts(import_text: Import, contacts: Any) -> None:
    result = import_text(
        "email,first name,city\n"
        "ann@example.com,First,Bonn\n"
        "bob@example.com,Bob,\n"
        "ANN@example.com,Last,\n"
    )

    assert result == ImportResult(3, 2, 0, 0, 1, 0, None)
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

    assert (result.rows, result.created, result.rejected) == (8, 2, 6)
    assert set(contacts()) == {"good@example.com", "last@example.com"}
    found = [(row["line"], row["column"], row["value"]) for row in rejected_rows(result)]
    assert found == [
        ("3", "email", ""),
        ("4", "email", "nobody"),
        ("5", "status", "gone"),
        ("6", "birthday", "03/04/2026"),
        ("7", "timezone", "Mars/Base"),
        ("8", "", "d@example.com"),
    ]
    assert all(row["reason"].startswith("has ") for row in rejected_rows(result))


def test_a_rejected_value_cannot_run_as_a_formula(import_text: Import) -> None:
    result = import_text('email,status\nann@example.com,"=HYPERLINK(""http://example.com"")"\n')

    assert rejected_rows(result)[0]["value"] == """'=HYPERLINK("http://example.com")"""


def test_without_rejected_rows_there_is_no_file(import_text: Import, tmp_path: Path) -> None:
    assert import_text("email\nann@example.com\n").rejected_file is None
    assert not (tmp_path / "reports").exists()


def test_an_import_that_fails_leaves_nothing_behind(
    import_text: Import, contacts: Any, tmp_path: Path, owner: Engine
) -> None:
    # The constraint stands for any error that only the last statement meets.
    rule = (
        "alter table enrollment.contacts add constraint no_trouble check (first_name <> 'Trouble')"
    )
    with owner.begin() as connection:
        connection.execute(text(rule))
    try:
        with pytest.raises(Exception, match="no_trouble"):
            import_text("email,first name\nnobody,\nann@example.com,\nbob@example.com,Trouble\n")
    finally:
        with owner.begin() as connection:
            connection.execute(text("alter table enrollment.contacts drop constraint no_trouble"))
    assert contacts() == {}
    assert not list((tmp_path / "reports").rglob("*.csv"))


def test_two_accounts_import_the_same_addresses_and_see_nothing_of_each_other(
    import_text: Import, contacts: Any, make_account: Callable[..., Account]
) -> None:
    mine, theirs = make_account(), make_account()
    import_text("email,first name\nann@example.com,Theirs\n", into=theirs)

    result = import_text("email,first name\nann@example.com,Mine\n", into=mine)

    assert result.created == 1
    assert contacts(mine)["ann@example.com"]["first_name"] == "Mine"
    assert contacts(theirs)["ann@example.com"]["first_name"] == "Theirs"


def test_a_deleted_contact_does_not_block_its_address(
    import_text: Import, database: Database, account: Account, add_contacts: AddContacts
) -> None:
    add_contacts(account, 1, deleted_at="2026-01-01T00:00:00Z")

    result = import_text("email\ncontact-00001@example.com\n")

    assert result.created == 1
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
    assert import_text("email\na@example.com\nb@example.com\n", into=small).created == 2

    with pytest.raises(FileTooLargeError, match="3 lines"):
        import_text("email\na@example.com\nb@example.com\nc@example.com\n", into=small)
    with pytest.raises(FileTooLargeError, match="bytes"):
        import_text("email\nd@example.com\n", into=make_account(csv_max_bytes=10))
    assert set(contacts(small)) == {"a@example.com", "b@example.com"}


def test_a_file_without_a_column_of_addresses_is_refused(import_text: Import) -> None:
    with pytest.raises(InvalidFileError, match="the columns are: name, city"):
        import_text("name,city\nAnn,Bonn\n")


def test_a_header_alone_imports_nothing(import_text: Import) -> None:
    assert import_text("email,first name\n") == ImportResult(0, 0, 0, 0, 0, 0, None)
