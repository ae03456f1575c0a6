"""Which fields can be exported, and what is said of others."""

import pytest

from enrollment_pipeline.bulk_operations.exporting.fields import DEFAULT_FIELDS, check_fields
from enrollment_pipeline.bulk_operations.reading.mapping import TYPED_FIELDS
from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline_tests.bulk_operations.exporting.nasty import ALL_FIELDS


def test_fields_keep_their_order_and_names() -> None:
    names = ("custom_fields.a.b", *reversed(ALL_FIELDS), 'custom_fields."; drop')

    assert tuple(field.name for field in check_fields(names)) == names


def test_behind_custom_fields_stands_one_whole_name() -> None:
    (field,) = check_fields(("custom_fields.a..b",))

    assert (field.column, field.key) == ("custom_fields", "a..b")


def test_the_default_is_what_an_import_reads() -> None:
    assert set(DEFAULT_FIELDS) == {"id", *TYPED_FIELDS, "custom_fields"}
    assert check_fields(DEFAULT_FIELDS)


@pytest.mark.parametrize(
    ("names", "path", "words"),
    [
        (("emial",), "fields[0]", 'Did you mean "email"?'),
        (("id", "custom_field.plan"), "fields[1]", 'Did you mean "custom_fields.plan"?'),
        (("custom_fields.",), "fields[0]", "names no field"),
        (("",), "fields[0]", "there is no field"),
        (("Email",), "fields[0]", 'Did you mean "email"?'),
        (("email_key",), "fields[0]", "there is no field"),
        (("account_id",), "fields[0]", "there is no field"),
        (("custom_fields.a\0b",), "fields[0]", "NUL character"),
        (("custom_fields.\ud800",), "fields[0]", "lone surrogate"),
        (("id", "email", "id"), "fields", '"id" is named 2 times'),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(
    names: tuple[str, ...], path: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        check_fields(names)

    (error,) = refusal.value.details["errors"]
    assert error["path"] == path
    assert words in error["message"]
    assert words in refusal.value.message


def test_all_unknown_fields_are_told_at_once_and_ten_of_them_in_words() -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        check_fields(tuple(f"nothing{number}" for number in range(12)))

    assert len(refusal.value.details["errors"]) == 12
    assert refusal.value.message.endswith("And 2 more.")


def test_no_fields_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no fields"):
        check_fields(())
