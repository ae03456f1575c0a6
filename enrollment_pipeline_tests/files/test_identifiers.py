from uuid import UUID

import pytest

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.identifiers import (
    IdentifierColumn,
    RequestedIdentifier,
    find_identifier_column,
    is_contact_id,
    is_email,
    is_identifier_name,
    normalize_email,
    parse_contact_id,
    read_identifier,
)
from enrollment_pipeline.files.rows import RejectedRow, Row

ID = "0b7f4c0e-8a54-4d4e-9b5e-5d1f7a1c2e3d"
OTHER_ID = "7d1c9a52-30a4-4b7a-8a39-0c8f5a6b7c8d"


@pytest.mark.parametrize(
    "name",
    [
        "Email",
        "E-mail",
        "EMAIL",
        "e_mail",
        "Email Address",
        "email_address",
        "E-Mail-Adresse",
        "Mail",
        " email ",
        "\ufeffemail",
        "Email *",
        "E-mail 1",
    ],
)
def test_the_names_of_an_email_column_are_known(name: str) -> None:
    column = find_identifier_column(["Name", name], [])
    assert column == IdentifierColumn(1, name, "email")
    assert is_identifier_name(name)


@pytest.mark.parametrize(
    "name", ["contact_id", "Contact ID", "CONTACT-ID", "contactId", "Record ID", "record_id"]
)
def test_the_names_of_a_contact_id_column_are_known(name: str) -> None:
    assert find_identifier_column(["Name", name], []) == IdentifierColumn(1, name, "contact_id")
    assert is_identifier_name(name)


@pytest.mark.parametrize("name", ["id", "ID", "User Id", "uuid"])
def test_a_general_id_counts_only_when_its_values_are_uuids(name: str) -> None:
    column = find_identifier_column([name, "name"], [(ID, "Ann")])
    assert column == IdentifierColumn(0, name, "contact_id")
    with pytest.raises(InvalidFileError):
        find_identifier_column([name, "name"], [("4711", "Ann")])


@pytest.mark.parametrize("name", ["name", "email opt in", "mailing", "identity", ""])
def test_other_names_are_not_taken_for_identifiers(name: str) -> None:
    assert not is_identifier_name(name)


def test_of_contact_id_and_email_the_contact_id_wins_when_its_values_are_uuids() -> None:
    columns = ["Email", "Contact ID"]
    assert find_identifier_column(columns, [("ann@example.com", ID)]).kind == "contact_id"
    assert find_identifier_column(columns, [("ann@example.com", "4711")]).kind == "email"
    assert find_identifier_column(columns, []).kind == "email"


def test_a_few_blank_or_damaged_ids_do_not_change_the_choice() -> None:
    sample = [("", "a@example.com"), (ID, ""), (OTHER_ID, ""), ("n/a", "")]
    assert find_identifier_column(["contact_id", "email"], sample).kind == "contact_id"


def test_of_a_general_id_and_email_the_email_wins() -> None:
    assert find_identifier_column(["id", "email"], [(ID, "ann@example.com")]).kind == "email"


@pytest.mark.parametrize(("requested", "index"), [("email", 1), ("contact_id", 0)])
def test_a_requested_kind_is_taken(requested: RequestedIdentifier, index: int) -> None:
    column = find_identifier_column(["id", "email"], [(ID, "ann@example.com")], requested)
    assert (column.index, column.kind) == (index, requested)


def test_of_several_email_columns_the_preferred_name_with_addresses_wins() -> None:
    columns = ["Work Email", "email", "email_2"]
    sample = [("w@example.com", "a@example.com", "b@example.com")]
    assert find_identifier_column(columns, sample).index == 1
    assert find_identifier_column(columns, [("w@example.com", "", "b@example.com")]).index == 2


@pytest.mark.parametrize(
    ("cells", "kind"),
    [(("Ann", "ann@example.com"), "email"), (("Ann", f"{{{ID.upper()}}}"), "contact_id")],
)
@pytest.mark.parametrize("columns", [["column_1", "column_2"], ["Name", "Kontakt"]])
def test_without_a_known_name_the_content_decides(
    columns: list[str], cells: tuple[str, str], kind: str
) -> None:
    column = find_identifier_column(columns, [cells, ("Bob", "")])
    assert (column.index, column.kind) == (1, kind)


def test_a_known_name_outranks_content() -> None:
    sample = [("4711", "owner@example.com")]
    assert find_identifier_column(["record_id", "owner"], sample).index == 0


def test_without_any_the_refusal_names_the_columns_and_the_remedy() -> None:
    with pytest.raises(InvalidFileError) as caught:
        find_identifier_column(["Name", "City"], [("Ann", "Ulm"), ("Bob", "b@example.com")] * 2)
    assert caught.value.message == (
        "No column holds e-mail addresses or contact ids; the columns are: Name, City."
    )
    assert caught.value.advice == (
        'Call the column "email" in the first line of the file and try again.'
    )


def test_a_refusal_of_a_wide_table_stays_short() -> None:
    with pytest.raises(InvalidFileError) as caught:
        find_identifier_column([f"{'n' * 90}{number}" for number in range(1_000)], [], "contact_id")
    assert caught.value.message.endswith("and 980 more.")
    assert caught.value.message.startswith("No column holds contact ids;")
    assert '"contact_id"' in caught.value.advice
    assert len(caught.value.message) < 1_000


@pytest.mark.parametrize(
    "space",
    [" ", "\t", "\n", "\xa0", "\u200b", "\ufeff", "\u2060", "\u202a", "\u3000", " \u200b\xa0 "],
)
def test_an_address_is_trimmed_of_visible_and_invisible_space(space: str) -> None:
    assert normalize_email(f"{space}Ann@Example.com{space}") == "Ann@Example.com"


@pytest.mark.parametrize(
    "text",
    [ID, ID.upper(), f"{{{ID}}}", f" {{{ID.upper()}}}\u200b", ID.replace("-", "")],
)
def test_a_contact_id_is_read_in_each_usual_form(text: str) -> None:
    assert parse_contact_id(text) == UUID(ID)


@pytest.mark.parametrize(
    "text", ["", "4711", f"{{{ID}", f"{ID}}}", ID[:-1], f"{ID}0", f"urn:uuid:{ID}", "é" * 36]
)
def test_what_is_no_uuid_is_no_contact_id(text: str) -> None:
    assert parse_contact_id(text) is None


def test_32_digits_alone_may_be_a_hash() -> None:
    assert not is_contact_id(ID.replace("-", ""))
    assert is_contact_id(ID)


@pytest.mark.parametrize("text", ["ann@example.com", " a.b+c@mail.example.org ", "ü@exämple.net"])
def test_addresses_are_recognised(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@example",
        "a b@example.com",
        "a@b@example.com",
        "a@example.com;b@example.com",
        "Ann <ann@example.com>",
        f"{'a' * 320}@example.com",
    ],
)
def test_other_text_is_not_taken_for_an_address(text: str) -> None:
    assert not is_email(text)


@pytest.mark.parametrize(
    ("cell", "identifier"),
    [
        (" Ann@Example.com\xa0", "Ann@Example.com"),
        ("not an address", "not an address"),
        ("x" * 320, "x" * 320),
    ],
)
def test_the_identifier_of_a_row_is_trimmed_and_need_not_be_an_address(
    cell: str, identifier: str
) -> None:
    assert read_identifier(Row(2, ("Ann", cell)), IdentifierColumn(1, "e", "email")) == identifier


@pytest.mark.parametrize(
    ("cell", "identifier"),
    [(ID.upper(), ID), (f" {{{ID.upper()}}}", ID), (ID.replace("-", ""), ID), ("4711", "4711")],
)
def test_a_contact_id_of_a_row_is_canonical(cell: str, identifier: str) -> None:
    assert read_identifier(Row(2, (cell,)), IdentifierColumn(0, "i", "contact_id")) == identifier


@pytest.mark.parametrize("cell", ["", "  ", "\xa0\u200b"])
def test_a_row_without_identifier_is_rejected(cell: str) -> None:
    row = Row(7, (cell, "Ann"))
    assert read_identifier(row, IdentifierColumn(0, "e", "email")) == RejectedRow(
        7, f"{cell},Ann", "has no e-mail address"
    )
    assert read_identifier(row, IdentifierColumn(0, "i", "contact_id")) == RejectedRow(
        7, f"{cell},Ann", "has no contact id"
    )


def test_a_row_with_an_overlong_identifier_is_rejected() -> None:
    row = Row(7, ("x" * 321,))
    assert read_identifier(row, IdentifierColumn(0, "e", "email")) == RejectedRow(
        7, "x" * 321, "has an e-mail address longer than 320 characters"
    )
    assert read_identifier(row, IdentifierColumn(0, "i", "contact_id")) == RejectedRow(
        7, "x" * 321, "has a contact id longer than 320 characters"
    )
