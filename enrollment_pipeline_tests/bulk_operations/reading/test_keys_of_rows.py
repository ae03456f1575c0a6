"""What a row is known by, and the column that holds all custom fields."""

import json
from decimal import Decimal
from typing import Any

import pytest

from enrollment_pipeline.bulk_operations.reading.rows import Rejection
from enrollment_pipeline_tests.bulk_operations.reading.cells import ID, custom, good, read


@pytest.mark.parametrize("text", [ID, ID.upper(), f"{{{ID}}}", ID.replace("-", ""), f" {ID} "])
def test_a_contact_id_is_a_key_in_its_canonical_form(text: str) -> None:
    found = good({"contact_id": text, "email": ""}, key="contact_id")

    assert (found.key, found.email) == (ID, None)


@pytest.mark.parametrize(
    ("cells", "key", "column", "reason"),
    [
        ({"contact_id": ""}, "contact_id", "contact_id", "has no contact id"),
        ({"contact_id": "17"}, "contact_id", "contact_id", "has a contact id that is none"),
        ({"Ref": " "}, "custom_fields.Ref", "Ref", "has no Ref"),
        ({"Ref": ["a"]}, "custom_fields.Ref", "Ref", "has a list where a text is expected"),
        ({"Ref": "x" * 321}, "custom_fields.Ref", "Ref", "has a key of more than 320"),
        ({"custom_fields": "{}"}, "external_id", "custom_fields", "has no external_id"),
        ({"custom_fields": '{"external_id":""}'}, "external_id", "custom_fields", "has no ext"),
        ({"Ref": "1", "email": "ann"}, "custom_fields.Ref", "email", "has an e-mail address that"),
        ({"contact_id": ID, "email": "ann"}, "contact_id", "email", "has an e-mail address that"),
    ],
)
@pytest.mark.parametrize("blank", ["keep", "clear"])
def test_a_row_without_a_usable_key_is_rejected(
    cells: dict[str, Any], key: str, column: str, reason: str, blank: str
) -> None:
    rejection = read(cells, key=key, blank=blank)

    assert isinstance(rejection, Rejection)
    assert rejection.column == column
    assert rejection.reason.startswith(reason)


@pytest.mark.parametrize(
    ("cells", "key", "text", "said"),
    [
        ({"Ref": " 17 "}, "custom_fields.Ref", "17", {"Ref": "17"}),
        ({"Ref": 17}, "custom_fields.Ref", "17", {"Ref": 17}),
        ({"Ref": 0}, "custom_fields.Ref", "0", {"Ref": 0}),
        ({"external_id": "x"}, "external_id", "x", {"external_id": "x"}),
        ({"custom_fields": {"Ref": 17}}, "custom_fields.Ref", "17", {"Ref": 17}),
        ({"custom_fields": '{"Ref": 1.50}'}, "custom_fields.Ref", "1.50", {"Ref": Decimal("1.50")}),
    ],
)
def test_a_custom_field_that_is_the_key_is_said_as_well(
    cells: dict[str, Any], key: str, text: str, said: dict[str, Any]
) -> None:
    assert good(cells, key=key).key == text
    assert custom(cells, key=key) == said


@pytest.mark.parametrize("written", [dict, json.dumps])
def test_a_column_of_objects_is_merged_into_the_custom_fields(written: Any) -> None:
    members = {"plan": "free", "city": "Bonn", "n": 1.5, "none": None, "empty": " "}
    cells = {"city": "", "plan": "pro", "custom_fields": written(members)}

    said = {"plan": "pro", "city": "Bonn", "n": Decimal("1.5"), "empty": " "}
    assert custom(cells) == said
    # Null takes a field away where blank cells do, but a blank column not what the object says.
    assert custom({**cells, "x": ""}, blank="clear") == {**said, "none": None, "x": None}
