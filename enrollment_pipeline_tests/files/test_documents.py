"""Documents as text: YAML and JSON say the same, no more than JSON can, and come back whole."""

import json
import string
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.documents import MOST_CHARACTERS, read_document, write_document


def refusal(text: str) -> str:
    with pytest.raises(InvalidFileError) as refused:
        read_document(text, "welcome.yaml")
    message = str(refused.value)
    assert message.startswith("welcome.yaml ")
    return message


# What is read


@pytest.mark.parametrize(
    ("written", "value"),
    [
        # Texts that YAML 1.1 takes for something else
        *(
            (text, text)
            for text in (
                *("2026-01-01", "2026-01-01 09:00:00", "2026-01-01T09:00:00Z", "09:30", "1:30:00"),
                *("yes", "no", "on", "off", "y", "n", "Yes", "NO", "True", "FALSE", "Null", "NULL"),
                *("0x1F", "0o17", "017", "0b1", "1_000", "+1", "1.", ".5", "-.5", "1.e3", ".inf"),
                *(
                    "-.inf",
                    ".nan",
                    ".NaN",
                    "Infinity",
                    "NaN",
                    "=",
                    "<<",
                    "00",
                    "-01",
                    "1e",
                    "3 days",
                ),
                *("nullify", "trueish", "1.2.3", "12 o'clock"),
            )
        ),
        ('"2026-01-01"', "2026-01-01"),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ('"null"', "null"),
        ("''", ""),
        ("!!str 1", "1"),
        # Values that JSON has
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-0", 0),
        ("-12", -12),
        ("9" * 300, int("9" * 300)),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("2.5e+10", 2.5e10),
        ("[1, a, null]", [1, "a", None]),
        ("{b: {c: []}}", {"b": {"c": []}}),
        ('"\\u00e4\\n\\t\\/"', "ä\n\t/"),
    ],
)
def test_a_value_is_what_json_makes_of_it_and_a_text_otherwise(written: str, value: object) -> None:
    read = read_document(f"key: {written}\n", "x")

    assert read == {"key": value}
    assert type(read["key"]) is type(value)
    if written:
        assert read_document(f"- {written}", "x") == [value]


def test_a_document_is_read_as_people_write_it() -> None:
    text = """\
# A comment
name: Welcome series   # of 2026
steps:
  - id: hello
    type: send_email
    subject: 'It''s "you"'
    body: |
      Hello,

        {{contact.first_name}}
    label: >-
      One line
      after another
  - {id: rest, type: wait, duration: 3 days}
"""

    assert read_document(text, "x") == {
        "name": "Welcome series",
        "steps": [
            {
                "id": "hello",
                "type": "send_email",
                "subject": 'It\'s "you"',
                "body": "Hello,\n\n  {{contact.first_name}}\n",
                "label": "One line after another",
            },
            {"id": "rest", "type": "wait", "duration": "3 days"},
        ],
    }
    assert list(read_document("b: 1\na: 2\nc: 3", "x")) == ["b", "a", "c"]


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "---\n", "null"])
def test_an_empty_text_says_nothing(text: str) -> None:
    assert read_document(text, "x") is None


def test_a_byte_order_mark_and_line_ends_of_windows_do_not_count() -> None:
    assert read_document("\ufeffa: 1\r\nb: x\r\n", "x") == {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [true, false, null, -1.5e-3, "x"]}',
        '{"a":1,"b":{"c":[]},"d":"e"}',
        '{\n  "a": 1\n}\n',
        '{\n\t"a":\t1,\n\t"b": []\n}\n',
        '{"' + "k" * 2_000 + '": 1}',
        '{"a": "\\u00e4\\u2028\\ud83d\\ude00\\/\\b\\f"}',
        '{"a": "\u2028 \u0085 \u007f x"}',
        '[]',
        '"text"',
        '12',
    ],
)  # fmt: skip
def test_json_is_read_as_json_reads_it(text: str) -> None:
    assert read_document(text, "x") == json.loads(text)


def test_an_emoji_that_json_escapes_is_one_character() -> None:
    assert read_document(json.dumps({"subject": "Hi \N{WAVING HAND SIGN}"}), "x") == {
        "subject": "Hi \N{WAVING HAND SIGN}"
    }


# What is refused


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &x 1\nb: *x", "line 1, column 4"),
        ("a: 1\nb: &x {c: 1}", "line 2, column 4"),
        ("a: [1, &x 2]", "line 1, column 8"),
        ("&x a: 1", "line 1, column 1"),
        ("a: *x", "line 1, column 4"),
        ("a: &x [*x]", "line 1, column 4"),
    ],
)
def test_anchors_and_aliases_are_refused(text: str, place: str) -> None:
    assert f"anchors and aliases are not read at {place}." in refusal(text)


@pytest.mark.parametrize(
    ("text", "key", "place"),
    [
        ("a: 1\nb: 2\na: 1", "a", "line 3, column 1"),
        ('a: 1\n"a": 2', "a", "line 2, column 1"),
        ("x:\n  - b: {c: 1, c: 2}", "c", "line 2, column 15"),
        ('{"a": 1, "a": 1}', "a", "line 1, column 10"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: str, key: str, place: str) -> None:
    assert f"the key {key!r} is there twice at {place}." in refusal(text)


@pytest.mark.parametrize("key", ["1", "1.5", "true", "null", "~", "[a]", "{a: 1}", "? [a]\n"])
def test_a_key_that_is_no_text_is_refused(key: str) -> None:
    assert "a key is a text, so quote it at line 1, column" in refusal(f"{key}: x")


@pytest.mark.parametrize("key", ["yes", "2026-01-01", "'1'", "<<", "a b", "?a", "é"])
def test_every_text_may_be_a_key(key: str) -> None:
    assert read_document(f"{key}: x", "x") == {key.strip("'"): "x"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\n b: 2", "line 2, column 3"),
        ("a: [1, 2", "line 1, column 9"),
        ("a: 'x", "line 1, column 6"),
        ("a: 1\n\tb: 2", "line 2, column 1"),
        ("a: @x", "line 1, column 4"),
        ("a: 1\n---\nb: 2", "line 2, column 1"),
        ("a: b: c", "line 1, column 5"),
        ("a: 1\n- b", "line 2, column 1"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line_and_column(text: str, place: str) -> None:
    assert f" at {place}." in refusal(text)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system [ls]",
        "!!python/name:os.system",
        "!!python/tuple [1]",
        "!!python/object/new:dict {}",
        "!own x",
        "!<tag:example.com,2026:x> y",
        "!!timestamp 2026-01-01",
        "!!set {x, y}",
        "!!omap [x: 1]",
        "!!pairs [x: 1]",
        "!!binary aGVsbG8=",
        "!!merge x",
    ],
)
def test_what_json_has_no_form_for_is_refused(tag: str) -> None:
    assert " at line 2, column 4." in refusal(f"a: 1\nb: {tag}")


@pytest.mark.parametrize("tagged", ["!!float .nan", "!!float .inf", "!!float -.inf"])
def test_what_is_no_number_in_json_is_refused(tagged: str) -> None:
    refusal(f"a: {tagged}")


@pytest.mark.parametrize(
    "text", ["a: \0", "a: \x07", "\x1b[0m", "a: \ud800", "a: \uffff", '"\x00"']
)
def test_a_character_that_no_document_holds_is_refused(text: str) -> None:
    assert "holds a character that no document can hold" in refusal(text)


@pytest.mark.parametrize("tagged", ["!!int x", "!!float x", "!!bool x", "!!int ''"])
def test_a_value_that_is_none_of_its_kind_is_refused(tagged: str) -> None:
    refusal(f"a: {tagged}")


def test_a_number_longer_than_can_be_counted_is_refused_or_a_text() -> None:
    assert read_document(f"a: {'9' * 5_000}", "x") == {"a": "9" * 5_000}
    assert "a value that cannot be read" in refusal(f"a: !!int {'9' * 5_000}")


def test_the_advice_says_how_to_write_it() -> None:
    with pytest.raises(InvalidFileError) as refused:
        read_document("a: [", "x")

    assert "YAML or JSON" in refused.value.advice


# Hostile ones


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "[" * 5_000 + "]" * 5_000,
        "{a: " * 5_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        "- " * 5_000,
        "".join(f"{' ' * depth}a:\n" for depth in range(1_500)),
        "? " * 5_000,
    ],
    ids=["open", "lists", "flow", "json", "items", "blocks", "keys"],
)
def test_what_is_nested_too_deeply_is_refused_at_once(text: str) -> None:
    begun = time.process_time()

    assert "nested too deeply" in refusal(text)

    assert time.process_time() - begun < 10


def test_a_billion_laughs_are_not_laughed() -> None:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]

    assert "anchors and aliases are not read" in refusal("\n".join(lines))


def test_a_text_that_is_too_long_is_refused_before_it_is_read() -> None:
    begun = time.process_time()

    assert "is longer than 4,000,000 characters" in refusal("a" * (MOST_CHARACTERS + 1))

    assert time.process_time() - begun < 1


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = read_document(text, "x")
    except InvalidFileError:
        return
    assert json.loads(json.dumps(read)) == read


@given(st.text(st.sampled_from("-?:,[]{}#&*!|>'\"%@` \n\tab1.e~"), max_size=30))
def test_any_yaml_is_read_as_what_json_can_say_or_refused(text: str) -> None:
    try:
        read = read_document(text, "x")
    except InvalidFileError:
        return
    assert json.loads(json.dumps(read, allow_nan=False)) == read


# Written and read back

_ODD = (
    *("1e3", "1", "-0", "0x1F", "yes", "no", "true", "null", "~", "", "2026-01-01", "9:30", "="),
    *(
        " x ",
        "\n",
        " \n",
        "x\n",
        "\nx",
        "x\n\n",
        " x\ny",
        "x \ny",
        "\tx",
        "x\t\n y",
        "\r",
        "a\r\nb",
    ),
    *("\u2028", "a\u2028b", "a\n\u2028 b", "\u2029x", "\u0085", "a\u0085b", "a\n\u0085b", "\xa0"),
    *("\N{WAVING HAND SIGN}", "\ufeff", "\ufeffa\nb", "\uffff", "\x7f", "\x07", "\x1b\n", "ä\nö"),
    *(
        "- x",
        "? x",
        "x: y",
        "x #y",
        "# x\ny",
        "&x",
        "*x",
        "!x",
        "%x",
        "@x",
        "|",
        ">",
        "[",
        "{{a.b}}",
    ),
    *(
        "---",
        "...",
        "---\nx",
        "...\nx",
        "'",
        '"',
        "\\",
        "<<",
        ".inf",
        ".nan",
        "x" * 300,
        "x y " * 90,
    ),
    *("\n\n  x", "   \n x\n", "#\n", "a\n" * 90, "'\n\"", "key: |\n  x", "- - x\n"),
)
_characters = st.one_of(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    st.sampled_from(" \n\t\r\u0085\u2028\u2029\ufeff:#-'\"|>" + string.ascii_lowercase),
)
_texts = st.one_of(st.sampled_from(_ODD), st.text(_characters, max_size=25))
_numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, _texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(_texts, inner, max_size=4)
    ),
    max_leaves=12,
)


def _same(one: Any, other: Any) -> bool:
    """Whether both are equal, and of the same types throughout."""
    return json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize("text", _ODD, ids=ascii)
def test_every_odd_text_comes_back_as_value_as_key_and_in_a_list(text: str) -> None:
    for document in ({"k": text}, {text: 1}, {"k": [text, {"l": text}], "m": "x"}):
        assert read_document(write_document(document), "x") == document


@given(st.dictionaries(_texts, _values, max_size=4))
@example({"a": 1e16, "b": 1e-7, "c": 5e-324, "d": 1.0, "e": -0.0, "f": 10**299, "g": 2.0**70})
@example({"a": [[], [[]], {}, [{}]], "b": {"c": {}}})
def test_every_document_comes_back_as_it_was(document: dict[str, Any]) -> None:
    assert _same(read_document(write_document(document), "x"), document)


@given(st.dictionaries(_texts, _values, max_size=4))
def test_every_json_text_is_read_as_it_was_meant(document: dict[str, Any]) -> None:
    assert _same(read_document(json.dumps(document), "x"), document)
    assert _same(read_document(json.dumps(document, indent="\t"), "x"), document)
    assert _same(read_document(json.dumps(document, ensure_ascii=False, indent=1), "x"), document)


def test_a_document_is_written_for_people() -> None:
    document = {
        "name": "Größe \N{WAVING HAND SIGN}",
        "steps": [{"id": "a", "body": "Hello,\n\nyou\n", "on": "yes", "until": "2027-01-31"}],
    }

    assert write_document(document) == (
        "name: Größe \N{WAVING HAND SIGN}\n"
        "steps:\n- id: a\n  body: |\n    Hello,\n\n    you\n  'on': 'yes'\n  until: '2027-01-31'\n"
    )


def test_what_stands_in_two_places_is_written_twice() -> None:
    shared = {"conditions": ["x"]}

    written = write_document({"a": shared, "b": shared})

    assert "&" not in written
    assert read_document(written, "x") == {"a": shared, "b": shared}
