import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline.files.formulas import (
    FORMULA_FIRST_CHARACTERS,
    escape_formula,
    unescape_formula,
)

texts = st.text() | st.text("'=+-@\t\r a1", max_size=6)


@pytest.mark.parametrize("character", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(character: str) -> None:
    assert escape_formula(f"{character}cmd") == f"'{character}cmd"
    assert character in FORMULA_FIRST_CHARACTERS


@pytest.mark.parametrize("text", ["", "ann@example.com", " =1", "'t Hooft", "''", "1-1", "\n=1"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert escape_formula(text) == unescape_formula(text) == text


def test_a_text_that_looks_escaped_keeps_its_own_apostrophes() -> None:
    assert escape_formula("'=1") == "''=1"
    assert unescape_formula("''=1") == "'=1"


@pytest.mark.parametrize(("cell", "text"), [("'+49 30 1", "+49 30 1"), ("+49 30 1", "+49 30 1")])
def test_a_cell_is_read_with_or_without_the_escape(cell: str, text: str) -> None:
    assert unescape_formula(cell) == text


@given(texts)
@example("'=1")
@example("''''@")
def test_no_escaped_cell_starts_a_formula_and_each_is_read_as_what_it_was(text: str) -> None:
    escaped = escape_formula(text)
    assert not escaped.startswith(tuple(FORMULA_FIRST_CHARACTERS))
    assert unescape_formula(escaped) == text
    assert escaped in (text, f"'{text}")


@given(st.lists(texts, min_size=1, max_size=3))
def test_different_texts_stay_different(values: list[str]) -> None:
    assert len(set(map(escape_formula, values))) == len(set(values))
