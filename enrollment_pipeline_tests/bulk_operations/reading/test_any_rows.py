"""Whatever the cells of a row hold, it is read or rejected."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.reading.mapping import TYPED_FIELDS
from enrollment_pipeline.bulk_operations.reading.rows import Rejection
from enrollment_pipeline_tests.bulk_operations.reading.cells import ADDRESS, ID, read


class Thing:
    """A value of no type that a file has."""


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(st.characters() | st.just("\0"), max_size=20)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.uuids()
    | st.binary(max_size=3)
    | st.builds(Thing)
    | st.sampled_from(["active", "Europe/Berlin", "2001-02-03", ADDRESS, ID, "{}", "a;b"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("key", ["email", "contact_id", "external_id", "custom_fields.Note"])
@given(
    cells=st.fixed_dictionaries(
        {
            name: anything
            for name in [*TYPED_FIELDS, "contact_id", "external_id", "Note", "custom_fields"]
        }
    ),
    blank=st.sampled_from(["keep", "clear"]),
    date_format=st.sampled_from([None, "%d/%m/%Y"]),
)
def test_every_row_is_either_usable_or_rejected_with_a_column_of_the_file(
    key: str, cells: dict[str, Any], blank: str, date_format: str | None
) -> None:
    found = read(cells, key=key, blank=blank, date_format=date_format)

    if isinstance(found, Rejection):
        assert found.column in cells
        assert found.reason
        assert "\0" not in found.value.encode().decode()
        return
    texts = [found.key, found.email, found.first_name, found.last_name, found.phone]
    assert all(text is None or (text and "\0" not in text and text.encode()) for text in texts)
    assert found.tags or found.tags is None or blank == "clear"
    assert all(tag == tag.strip() != "" for tag in found.tags or [])
    assert len(set(found.tags or [])) == len(found.tags or [])
    if found.custom_fields is not None:
        said = json.loads(found.custom_fields, parse_constant=pytest.fail)
        assert said
        assert blank == "clear" or None not in said.values()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=3))
def test_rows_of_texts_and_rows_with_other_values_are_read_alike(values: list[str]) -> None:
    names = ["first_name", "tags", "Note", *(f"c{number}" for number in range(len(values)))]
    cells = dict(zip(names, values, strict=False))

    plain, typed = read(cells), read({**cells, "one_more": None})

    assert plain == typed
