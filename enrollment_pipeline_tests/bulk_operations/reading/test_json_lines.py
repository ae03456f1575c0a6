"""Files of JSON lines: keys become columns, and a bad line costs only itself."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.reading.rows import ContactRow, Rejection
from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline_tests.bulk_operations.reading.conftest import Open, Opened, json_lines

GOOD = b'{"email": "ann@example.com"}\n'


def opened(open_file: Open, content: bytes) -> Opened:
    return open_file(content, "people.jsonl")


def test_keys_are_columns_in_the_order_of_their_first_appearance(open_file: Open) -> None:
    found = opened(open_file, b'{"b": 1}\n{"a": null, "b": 2}\n\n  \r\n{"c": [1], "a": {"x": 1}}')

    assert found.columns == ("b", "a", "c")
    assert found.good == [(1, (1, None, None)), (2, (2, None, None)), (5, (None, {"x": 1}, [1]))]
    assert found.sample == (("1", "", ""), ("2", "", ""), ("", '{"x":1}', "[1]"))


def test_names_of_columns_are_all_different(open_file: Open) -> None:
    found = opened(open_file, b'{"a": 1, " a": 2, "": 3}')

    assert found.columns == ("a", "a_2", "column_3")
    assert found.good == [(1, (1, 2, 3))]


def test_values_keep_type_and_digits(open_file: Open) -> None:
    line = b'{"a": 12.50, "b": 1e3, "c": 12345678901234567890123, "d": true, "e": "x", "f": -0.1}'

    ((_, values),) = opened(open_file, line).good

    assert values == (
        Decimal("12.50"),
        Decimal(1000),
        12345678901234567890123,
        True,
        "x",
        Decimal("-0.1"),
    )
    assert str(values[0]) == "12.50"


REFUSED = [
    (b"[1]", "is a list, not a JSON object"),
    (b'"x"', "is a text, not a JSON object"),
    (b"null", "is null, not a JSON object"),
    (b"5", "is a number, not a JSON object"),
    (b"true", "is true or false, not a JSON object"),
    (b"{", "is no JSON: expecting property name"),
    (b'{"a": 1} {"a": 2}', "is no JSON: extra data at character 10"),
    (b"{'a': 1}", "is no JSON: expecting property name"),
    (b'{"a": 1,}', "is no JSON: "),
    (b'{"a": "\t"}', "is no JSON: invalid control character"),
    (b'{"a": NaN}', "holds NaN, which is no number of JSON"),
    (b'{"a": [-Infinity]}', "holds -Infinity, which is no number of JSON"),
    (b'{"a": ' + b"1" * 5_000 + b"}", "holds a number of more than 1,000 digits"),
    (b'{"a": 1e99999999999999999999}', "holds a number of more than 1,000 digits"),
    (b'{"a": 1, "b": 2, "a": 1}', 'has the key "a" twice'),
    (b'{"a": {"\\u0000": 1, "\\u0000": 2}}', 'has the key "\N{REPLACEMENT CHARACTER}" twice'),
    (b'{"a": ' * 10_000 + b"1" + b"}" * 10_000, "holds lists and objects nested more than 50"),
    (b'{"a": ' + b"[" * 100_000, "holds lists and objects nested more than 50"),
    (b'{"a\\u0000": 1}', "holds a NUL"),
    (b'{"\\ud800": 1}', "holds a NUL or half a character"),
    (b'{"' + b"x" * 1_001 + b'": 1}', "has a key of more than 1,000 characters"),
    (b'{"a": "\xff"}', "holds bytes that are not text"),
    (b'{"a": "\xed\xa0\x80"}', "holds bytes that are not text"),
    (b"\0", "is no JSON: expecting value"),
    (b'{"a": "' + b"x" * 1_048_576 + b'"}', "is longer than 1,048,576 characters"),
    (b'{"a": "' + b"x" * 10_000_000 + b'"}', "is longer than 1,048,576 characters"),
    (b" " * 2_000_000 + b"x", "is longer than 1,048,576 characters"),
]


@pytest.mark.parametrize(("line", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_line_that_is_no_object_is_rejected_with_its_reason_and_the_others_go_on(
    open_file: Open, line: bytes, reason: str, end: bytes
) -> None:
    content = end.join((GOOD.strip(), line, b"", GOOD.strip()))

    found = opened(open_file, content)

    assert found.columns == ("email",)
    assert found.good == [(1, ("ann@example.com",)), (4, ("ann@example.com",))]
    ((number, told),) = found.rejected
    assert number == 2
    assert told.startswith(reason)
    rejection = found.contacts()[1]
    assert isinstance(rejection, Rejection)
    assert len(rejection.value) <= 500
    assert "\0" not in rejection.value.encode().decode()


def test_a_line_of_nearly_the_longest_length_is_read(open_file: Open) -> None:
    long = json.dumps({"email": "a@b.de", "note": "x" * 1_048_000}).encode()

    assert [line for line, _ in opened(open_file, GOOD + long + b"\n" + GOOD).good] == [1, 2, 3]


def test_a_text_that_is_half_a_character_rejects_the_row_with_its_column(open_file: Open) -> None:
    content = b'{"email": "a@b.de", "Name": "\\ud800"}\n' + GOOD

    rejection, contact = opened(open_file, content).contacts()

    assert rejection == Rejection(
        1,
        "Name",
        "\N{REPLACEMENT CHARACTER}",
        "holds a NUL or half a character, which no text can hold",
    )
    assert isinstance(contact, ContactRow)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_each_unicode_encoding_is_read(open_file: Open, encoding: str) -> None:
    content = '{"email": "ann@example.com", "Name": "Äöü \U0001f600"}\n{"email": ""}'

    found = opened(open_file, content.encode(encoding))

    assert found.good == [(1, ("ann@example.com", "Äöü \U0001f600")), (2, ("", None))]


def test_a_truncated_utf_16_file_is_refused(open_file: Open) -> None:
    with pytest.raises(InvalidFileError, match="cut off"):
        opened(open_file, GOOD.decode().encode("utf-16")[:-1])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\n \r\n\n", "there is none"),
        (b"\n[1]\nx\n", "line 2 is a list, not a JSON object"),
        (b"{}\n{}\n", "there is none"),
        (b'[\n{"email":\n"ann@example.com"}\n]', "line 1 is no JSON"),
        (b"email,Name\nann@example.com,Ann\n", "line 1 is no JSON"),
    ],
)
def test_a_file_without_any_object_is_refused_with_the_first_reason(
    open_file: Open, content: bytes, told: str
) -> None:
    with pytest.raises(InvalidFileError, match=told) as refused:
        opened(open_file, content)

    assert refused.value.advice == "Write one JSON object a line, or a CSV file."


def test_more_than_a_thousand_keys_are_refused(open_file: Open) -> None:
    most = [{f"k{number}": 1} for number in range(1_000)]
    assert len(opened(open_file, json_lines(most)).columns) == 1_000

    with pytest.raises(InvalidFileError, match="1,001 columns; at most 1,000"):
        opened(open_file, json_lines([*most, {"one more": 1}]))


def test_rows_come_in_batches_of_limited_text(open_file: Open) -> None:
    rows = [{"email": "ann@example.com", "note": "x" * 10_000}] * 100

    sizes = [len(batch) for batch in opened(open_file, json_lines(rows)).batches]

    assert sum(sizes) == 100
    assert max(sizes) <= 7


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
lines = (
    st.binary(max_size=30)
    | st.text('{}[]":,\\ua0 1e-', max_size=20).map(str.encode)
    | st.dictionaries(st.sampled_from(["email", "tags", "x"]), values).map(
        lambda found: json.dumps(found).encode()
    )
)


@given(st.lists(lines, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_that_is_not_blank_is_one_row(open_file: Open, content: list[bytes]) -> None:
    marked = b'{"email": "a@b.de"}'
    whole = b"\n".join([marked, *content, marked])
    found = opened(open_file, b"\xef\xbb\xbf" + whole)

    decoded = whole.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
    expected = [
        number for number, text in enumerate(decoded.split("\n"), 1) if text and not text.isspace()
    ]
    assert [row.line for row in found.rows] == expected
    assert len(found.contacts()) == len(expected)
