import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.files.formulas import FORMULA_FIRST_CHARACTERS, escape_formula


@pytest.mark.parametrize("character", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(character: str) -> None:
    assert escape_formula(f"{character}cmd") == f"'{character}cmd"
    assert character in FORMULA_FIRST_CHARACTERS


@pytest.mark.parametrize("text", ["", "ann@example.com", " =1", "'=1", "1-1", "\n=1"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert escape_formula(text) == text


@given(st.text())
def test_no_escaped_cell_starts_a_formula_and_escaping_twice_changes_nothing(text: str) -> None:
    escaped = escape_formula(text)
    assert not escaped.startswith(tuple(FORMULA_FIRST_CHARACTERS))
    assert escape_formula(escaped) == escaped
    assert escaped.removeprefix("'") == text.removeprefix("'")
