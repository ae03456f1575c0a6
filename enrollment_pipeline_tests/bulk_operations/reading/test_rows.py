"""What one row says about a contact, and why it cannot be used."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.bulk_operations.reading.mapping import TYPED_FIELDS, map_columns
from enrollment_pipeline.bulk_operations.reading.rows import (
    ContactRow,
    Reading,
    Rejection,
    read_row,
)
from enrollment_pipeline.files.rows import RejectedRow
from enrollment_pipeline.storage.schema.operations import import_rows
from enrollment_pipeline_tests.bulk_operations.reading.cells import ADDRESS, ID, custom, good, read


def test_a_contact_row_is_in_the_order_of_the_columns_it_is_copied_to() -> None:
    columns = [column.name for column in import_rows.columns]

    assert list(ContactRow._fields) == columns[columns.index("line") :]


def test_a_full_row_is_read_into_its_fields() -> None:
    assert good(
        {
            "first_name": " Ann ",
            "last_name": "Smith",
            "mobile": "+1 555",
            "tags": "lead; vip|lead ;",
            "status": "UNSUBSCRIBED",
            "birthday": "2000-02-29",
            "timezone": "europe/berlin",
            "City": "Köln",
        }
    ) == ContactRow(
        line=7,
        key=ADDRESS,
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


BLANK = {field: "  " for field in TYPED_FIELDS[1:]}


@pytest.mark.parametrize("blank", ["", "  ", "\u00a0", None])
def test_blank_cells_say_nothing(blank: str | None) -> None:
    cells = {**dict.fromkeys(BLANK, blank), "City": blank, "custom_fields": blank}

    assert good(cells) == ContactRow(7, ADDRESS, ADDRESS, *[None] * 8)


@pytest.mark.parametrize("blank", ["", "  ", None, ";", []])
def test_blank_tags_and_custom_fields_say_so_when_they_clear(blank: Any) -> None:
    found = good({"tags": blank, "City": None, "Plan": "x", "status": ""}, blank="clear")

    assert found.tags == []
    assert found.custom_fields == '{"City":null,"Plan":"x"}'
    assert found.status is None


def test_what_the_file_has_no_column_for_is_not_cleared() -> None:
    assert good({}, blank="clear") == ContactRow(7, ADDRESS, ADDRESS, *[None] * 8)


REJECTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"email": ""}, "email", "has no e-mail address"),
    ({"email": None}, "email", "has no e-mail address"),
    ({"email": "ann"}, "email", "has an e-mail address that is none"),
    ({"email": "ann@home"}, "email", "has an e-mail address that is none"),
    ({"email": "a b@example.com"}, "email", "has an e-mail address that is none"),
    ({"email": 5}, "email", "has an e-mail address that is none"),
    ({"email": "a" * 320 + "@b.de"}, "email", "has an e-mail address of more than 320"),
    ({"email": [ADDRESS]}, "email", "has a list where a text is expected"),
    ({"first_name": {"a": 1}}, "first_name", "has an object where a text is expected"),
    ({"phone": float("inf")}, "phone", "holds a number that is infinite or none"),
    ({"phone": b"1"}, "phone", "has bytes where JSON is expected"),
    ({"first_name": "a\0b"}, "first_name", "holds a NUL"),
    ({"first_name": "\ud800"}, "first_name", "holds a NUL or half a character"),
    ({"note": "x" * 131_073}, "note", "has a text of more than 131,072 characters"),
    ({"status": "gone"}, "status", "has a status that is none of active, unsubscribed"),
    ({"status": True}, "status", "has a status that is none of active, unsubscribed"),
    ({"birthday": "03/04/2026"}, "birthday", "has a date that could be 4 March 2026 or 3 April"),
    ({"birthday": 5}, "birthday", "has a date that is none"),
    ({"birthday": 0}, "birthday", "has a date that is none"),
    ({"birthday": ["2001-02-03"]}, "birthday", "has a date that is none"),
    ({"birthday": datetime(2001, 2, 3, 4)}, "birthday", "has a date with a time of day"),
    ({"timezone": "Berlin"}, "timezone", "has a time zone that is not one such as"),
    # What means another zone on each machine is none.
    ({"timezone": "localtime"}, "timezone", "has a time zone that is not one such as"),
    ({"timezone": "posixrules"}, "timezone", "has a time zone that is not one such as"),
    ({"external_id": "x" * 321}, "external_id", "has an external_id of more than 320"),
    ({"external_id": {"x": "y" * 320}}, "external_id", "has an external_id of more than 320"),
    ({"custom_fields": {"external_id": "x" * 321}}, "custom_fields", "has an external_id of"),
    ({"tags": ";".join(map(str, range(101)))}, "tags", "has more than 100 tags"),
    ({"tags": list(map(str, range(101)))}, "tags", "has more than 100 tags"),
    ({"tags": "x" * 101}, "tags", "has a tag of more than 100 characters"),
    ({"tags": ["x" * 101]}, "tags", "has a tag of more than 100 characters"),
    ({"tags": ["a", None]}, "tags", "has a tag that is no text"),
    ({"tags": ["a", ["b"]]}, "tags", "has a tag that is no text"),
    ({"tags": {"a": 1}}, "tags", "has an object where tags are expected"),
    ({"tags": ["a\0"]}, "tags", "holds a NUL"),
    ({"City": float("nan")}, "City", "holds a number that is infinite or none"),
    ({"City": [float("-inf")]}, "City", "holds a number that is infinite or none"),
    ({"City": Decimal("sNaN")}, "City", "holds a number that is infinite or none"),
    ({"City": 10**1000}, "City", "holds a number of more than 1,000 digits"),
    ({"City": Decimal("1e1000")}, "City", "holds a number of more than 1,000 digits"),
    ({"City": Decimal("1e-1001")}, "City", "holds a number of more than 1,000 digits"),
    ({"City": {"a": ["\0"]}}, "City", "holds a NUL"),
    ({"City": {"\ud800": 1}}, "City", "holds a NUL or half a character"),
    ({"City": b"x"}, "City", "has bytes where JSON is expected"),
    ({"custom_fields": "{"}, "custom_fields", "is no JSON: "),
    ({"custom_fields": "[1]"}, "custom_fields", "is a list, not a JSON object"),
    ({"custom_fields": 5}, "custom_fields", "has a number where an object is expected"),
    ({"custom_fields": '{"a": 1, "a": 2}'}, "custom_fields", 'has the key "a" twice'),
    ({"custom_fields": '{"a": "\\u0000"}'}, "custom_fields", "holds a NUL"),
    ({"custom_fields": '{"a": "\\ud800"}'}, "custom_fields", "holds a NUL or half"),
    ({"custom_fields": '{"a": Infinity}'}, "custom_fields", "holds Infinity, which is no"),
    ({"custom_fields": '{"a": 1e99999999999999999999}'}, "custom_fields", "holds a number of"),
    ({"custom_fields": '{"a":' * 9_999}, "custom_fields", "holds lists and objects nested more"),
]


@pytest.mark.parametrize(("cells", "column", "reason"), REJECTIONS)
def test_an_unusable_cell_rejects_the_row_with_its_place_and_reason(
    cells: dict[str, Any], column: str, reason: str
) -> None:
    rejection = read(cells)

    assert isinstance(rejection, Rejection)
    assert (rejection.line, rejection.column) == (7, column)
    assert rejection.reason.startswith(reason)
    assert len(rejection.value) <= 500
    # The database can keep it.
    assert "\0" not in rejection.value.encode().decode()


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("gone", "gone"),
        ("go\0ne" + "x" * 500, ("go\N{REPLACEMENT CHARACTER}ne" + "x" * 500)[:500]),
        (5, "5"),
        (["a", 1], '["a",1]'),
        (b"x", "bytes"),
    ],
)
def test_the_value_of_a_rejection_is_what_stood_in_the_file(cell: Any, value: str) -> None:
    rejection = read({"status": cell})

    assert isinstance(rejection, Rejection)
    assert rejection.value == value


def test_nesting_is_allowed_to_some_depth() -> None:
    def nested(levels: int) -> Any:
        return [nested(levels - 1)] if levels else "x"

    assert custom({"City": nested(50)}) == {"City": nested(50)}
    found = read({"City": nested(51)})
    assert isinstance(found, Rejection)
    assert found.reason == "holds lists and objects nested more than 50 deep"


def test_a_row_that_could_not_be_read_keeps_its_reason() -> None:
    mapping = map_columns(["email"], [], given={}, unmapped="keep", key="email")

    rejection = read_row(RejectedRow(3, "a,b", "has 2 fields"), mapping, Reading("email"))

    assert rejection == Rejection(3, "", "a,b", "has 2 fields")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4930123, "4930123"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
        (0.5, "0.5"),
        (1e22, "10000000000000000000000"),
        (0, "0"),
        (False, "false"),
        (date(2001, 2, 3), "2001-02-03"),
        (time(10, 30), "10:30:00"),
        (UUID(ID), ID),
    ],
)
def test_other_values_in_a_text_field_are_their_json_text(value: Any, text: str) -> None:
    assert good({"phone": value}).phone == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (False, "false"),
        (12, "12"),
        (Decimal("12.50"), "12.50"),
        (10**999, "1" + "0" * 999),
        (1.5, "1.5"),
        ([], "[]"),
        ({}, "{}"),
        ({"a": [1, None, "x"]}, '{"a":[1,null,"x"]}'),
        ({1: Decimal("0.10")}, '{"1":0.10}'),
        (date(2001, 2, 3), '"2001-02-03"'),
        (datetime(2001, 2, 3, 4, 5), '"2001-02-03T04:05:00"'),
        (UUID(ID), f'"{ID}"'),
        (' a"\\\n ', '"a\\"\\\\"'),
    ],
)
def test_custom_fields_keep_their_type(value: Any, written: str) -> None:
    assert good({"City": value}).custom_fields == f'{{"City":{written}}}'


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("a; b |a", ["a", "b"]),
        (["a", " b ", "", "a"], ["a", "b"]),
        # In a list, the characters that separate tags in a text are part of one.
        (["a;b|c"], ["a;b|c"]),
        (["a", 5, True], ["a", "5", "true"]),
        (5, ["5"]),
        ("x" * 100, ["x" * 100]),
        (";".join("x" * 90 + str(number) for number in range(100)), None),
    ],
)
def test_tags_are_a_text_or_a_list_of_texts(cell: Any, tags: list[str] | None) -> None:
    found = good({"tags": cell}).tags

    assert found is not None
    assert found == tags if tags is not None else len(found) == 100


def test_no_two_rows_share_their_list_of_tags() -> None:
    first, second = good({"tags": "a;b"}).tags, good({"tags": "a;b"}).tags

    assert first == second
    assert first is not second


def test_a_declared_date_format_is_used() -> None:
    assert good({"birthday": "03/04/1990"}, date_format="%d/%m/%Y").birthday == "1990-04-03"


def test_whether_a_birthday_is_in_the_future_depends_on_the_day_of_the_reading() -> None:
    assert good({"birthday": "2026-11-27"}).birthday == "2026-11-27"
    assert isinstance(read({"birthday": "2026-11-28"}), Rejection)
