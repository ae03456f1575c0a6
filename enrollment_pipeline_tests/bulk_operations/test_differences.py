"""What a reader is told of two images: every field that differs, once, and no other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.differences import COLUMNS, FieldChange, differences

IMAGE: dict[str, Any] = {
    "email": "ann@example.com",
    "first_name": "Ann",
    "last_name": None,
    "phone": None,
    "status": "active",
    "tags": ["a", "b"],
    "custom_fields": {"plan": "gold", "seats": 1},
    "birthday": None,
    "timezone": None,
    "source": "import",
    "created_at": "2026-01-01T00:00:00+00:00",
    "updated_at": "2026-01-01T00:00:00+00:00",
    "deleted_at": None,
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "é"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
IMAGES = st.builds(
    lambda names, tags, fields, touched: {
        **IMAGE,
        **names,
        "tags": tags,
        "custom_fields": fields,
        "updated_at": touched,
    },
    st.fixed_dictionaries(
        {name: st.sampled_from([None, "", "x"]) for name in ("first_name", "phone", "birthday")}
    ),
    st.lists(st.sampled_from("ab"), max_size=3),
    st.dictionaries(st.sampled_from(["plan", "a.b", ""]), JSON),
    st.sampled_from(["one", "other"]),
)


def changed(**changes: Any) -> dict[str, Any]:
    return {**IMAGE, **changes}


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (changed(), []),
        (changed(updated_at="2027-01-01T00:00:00+00:00"), []),
        (changed(first_name="Bea"), [("first_name", "Ann", "Bea")]),
        (changed(first_name=None), [("first_name", "Ann", None)]),
        (changed(last_name=""), [("last_name", None, "")]),
        (changed(tags=["b", "a"]), [("tags", ["a", "b"], ["b", "a"])]),
        (
            changed(custom_fields={"plan": "silver", "seats": 1}),
            [("custom_fields.plan", "gold", "silver")],
        ),
        (changed(custom_fields={"plan": "gold"}), [("custom_fields.seats", 1, None)]),
        (
            changed(custom_fields={"plan": "gold", "seats": True}),
            [("custom_fields.seats", 1, True)],
        ),
        (
            changed(custom_fields={**IMAGE["custom_fields"], "note": None}),
            [("custom_fields.note", None, None)],
        ),
        (changed(custom_fields=[1]), [("custom_fields", IMAGE["custom_fields"], [1])]),
        (
            changed(timezone="Europe/Berlin", email="bea@example.com"),
            [
                ("email", "ann@example.com", "bea@example.com"),
                ("timezone", None, "Europe/Berlin"),
            ],
        ),
    ],
)
def test_each_field_that_differs_is_told_with_both_values(
    after: dict[str, Any], told: list[tuple[str, Any, Any]]
) -> None:
    assert differences(IMAGE, after) == told


def test_of_a_new_contact_the_fields_are_told_that_hold_something() -> None:
    told = [
        FieldChange("email", None, "ann@example.com"),
        FieldChange("first_name", None, "Ann"),
        FieldChange("status", None, "active"),
        FieldChange("tags", None, ["a", "b"]),
        FieldChange("custom_fields.plan", None, "gold"),
        FieldChange("custom_fields.seats", None, 1),
        FieldChange("source", None, "import"),
    ]
    assert differences(None, IMAGE) == told
    assert differences(IMAGE, None) == [FieldChange(name, new, old) for name, old, new in told]


def test_of_nobody_there_is_nothing_to_tell() -> None:
    assert differences(None, None) == []


def applied(image: dict[str, Any], found: list[FieldChange]) -> dict[str, Any]:
    """The image with what was told put into it."""
    fields = dict(image["custom_fields"])
    result = dict(image)
    for field, _, after in found:
        if field.startswith("custom_fields."):
            fields[field.removeprefix("custom_fields.")] = after
        else:
            result[field] = after
    return {**result, "custom_fields": fields}


def without_nothing(image: dict[str, Any]) -> str:
    """How an image reads, where a member that is null is none."""
    fields = {name: one for name, one in image["custom_fields"].items() if one is not None}
    return repr([*(image[name] for name in COLUMNS if name not in SPECIAL), sorted(fields.items())])


SPECIAL = ("custom_fields", "updated_at")


@given(IMAGES, IMAGES)
def test_what_is_told_makes_the_one_image_of_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    found = differences(before, after)
    assert without_nothing(applied(before, found)) == without_nothing(after)
    assert len({change.field for change in found}) == len(found)


@given(IMAGES, IMAGES)
def test_the_way_back_is_the_same_turned_round(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    there, back = differences(before, after), differences(after, before)
    assert [FieldChange(field, new, old) for field, old, new in there] == back


@given(IMAGES)
def test_an_image_does_not_differ_from_itself(image: dict[str, Any]) -> None:
    assert differences(image, dict(image)) == []
