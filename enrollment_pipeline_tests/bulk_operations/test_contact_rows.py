"""What the columns and cells of a contact file mean."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.contact_rows import (
    ABSENT,
    FIELD_NAMES,
    ContactRow,
    Rejection,
    map_columns,
    read_row,
)
from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.rows import RejectedRow, Row

ADDRESS = "ann@example.com"


def read(**cells: str) -> ContactRow | Rejection:
    """Read a row of an `email` column and the named others."""
    values = {"email": ADDRESS, **cells}
    mapping = map_columns(tuple(values), [tuple(values.values())])
    return read_row(Row(7, tuple(values.values())), mapping)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("first name", "first_name"),
        ("First Name", "first_name"),
        ("firstname", "first_name"),
        ("FIRST_NAME", "first_name"),
        ("Last-Name", "last_name"),
        ("Phone", "phone"),
        ("mobile", "phone"),
        ("Tags", "tags"),
        ("Status", "status"),
        ("Birthday", "birthday"),
        ("Date of birth", "birthday"),
        ("Time Zone", "timezone"),
    ],
)
def test_a_header_is_known_however_it_is_spelled(header: str, field: str) -> None:
    mapping = map_columns(["Email", header], [])

    assert getattr(mapping, field) == 1
    assert mapping.custom_fields == ()


def test_other_columns_become_custom_fields_under_their_own_names() -> None:
    mapping = map_columns(["Company", "E-mail", "Lead Status", "Phone 2"], [])

    assert mapping.email == 1
    assert mapping.custom_fields == (("Company", 0), ("Lead Status", 2), ("Phone 2", 3))
    assert {getattr(mapping, field) for field in FIELD_NAMES.values()} == {ABSENT}


def test_of_two_columns_for_one_field_the_second_is_a_custom_field() -> None:
    mapping = map_columns(["Email", "Mobile", "Phone"], [])

    assert mapping.phone == 1
    assert mapping.custom_fields == (("Phone", 2),)


def test_a_column_of_addresses_is_found_without_a_header() -> None:
    assert map_columns(["column_1", "column_2"], [("Ann", ADDRESS)]).email == 1


def test_a_file_without_addresses_is_refused_with_its_columns() -> None:
    with pytest.raises(InvalidFileError, match="Name, City"):
        map_columns(["Name", "City"], [("Ann", "Bonn")])


def test_a_full_row_is_read_into_its_fields() -> None:
    assert read(
        first_name=" Ann ",
        last_name="Smith",
        mobile="+1 555",
        tags="lead; vip|lead ;",
        status="UNSUBSCRIBED",
        birthday="2000-02-29",
        timezone="europe/berlin",
        City="Köln",
    ) == ContactRow(
        line=7,
        email=ADDRESS,
        first_name="Ann",
        last_name="Smith",
        phone="+1 555",
        status="unsubscribed",
        tags=["lead", "vip"],
        birthday="2000-02-29",
        timezone="Europe/Berlin",
        custom_fields='{"City":"Köln"}',
    )


def test_blank_cells_say_nothing() -> None:
    blank = {field: "  " for field in FIELD_NAMES.values()}

    assert read(**blank, City="") == ContactRow(
        7, ADDRESS, None, None, None, None, [], None, None, "{}"
    )


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        ({"email": ""}, "email", "has no e-mail address"),
        ({"email": "ann"}, "email", "has an e-mail address that is none"),
        ({"email": "ann@home"}, "email", "has an e-mail address that is none"),
        ({"email": "a b@example.com"}, "email", "has an e-mail address that is none"),
        ({"status": "gone"}, "status", "has a status that is none of active, unsubscribed"),
        ({"birthday": "03/04/2026"}, "birthday", "has a date that is not a day of the form"),
        ({"birthday": "20260304"}, "birthday", "has a date that is not a day of the form"),
        ({"birthday": "2026-02-29"}, "birthday", "has a date that is not a day of the form"),
        ({"birthday": "0000-01-01"}, "birthday", "has a date that is not a day of the form"),
        ({"timezone": "Berlin"}, "timezone", "has a time zone that is not one such as"),
        # What means another zone on each machine is none.
        ({"timezone": "localtime"}, "timezone", "has a time zone that is not one such as"),
        (
            {"external_id": "x" * 321},
            "external_id",
            "has an external_id of more than 320 characters",
        ),
        ({"timezone": "posixrules"}, "timezone", "has a time zone that is not one such as"),
    ],
)
def test_an_unusable_cell_rejects_the_row_with_its_place_and_reason(
    cells: dict[str, str], column: str, reason: str
) -> None:
    rejection = read(**cells)

    assert isinstance(rejection, Rejection)
    assert rejection[:3] == (7, column, cells[column])
    assert rejection.reason.startswith(reason)


def test_a_row_that_could_not_be_read_keeps_its_reason() -> None:
    mapping = map_columns(["email"], [])

    rejection = read_row(RejectedRow(3, "a,b", "has 2 fields, the header has 1"), mapping)

    assert rejection == Rejection(3, "", "a,b", "has 2 fields, the header has 1")


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(values=st.fixed_dictionaries({name: cells for name in [*FIELD_NAMES, "Note"]}))
def test_every_row_is_either_usable_or_rejected_with_a_column_of_the_file(
    values: dict[str, str],
) -> None:
    found = read(**values)

    if isinstance(found, Rejection):
        assert found.column in values
        assert found.reason
    else:
        assert all(tag == tag.strip() != "" for tag in found.tags)
        assert len(set(found.tags)) == len(found.tags)
        assert all(json.loads(found.custom_fields).values())
