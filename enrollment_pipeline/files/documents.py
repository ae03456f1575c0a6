"""Documents that people write: YAML or JSON text to plain values, and plain values to YAML.

Belongs here: the text. YAML is read as what JSON can say: no dates, no `yes` for true, no anchors,
by which a small text becomes a huge document, and no key twice, of which one would be lost. Does
not belong here: what a document means.
"""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from enrollment_pipeline.errors import InvalidFileError

MOST_CHARACTERS = 4_000_000
_other_breaks = re.compile("[\x85\u2028\u2029\r\ufeff]")


# Without one, and those of values that JSON has.
_TAGS = frozenset(
    {
        None,
        "!",
        *(
            f"tag:yaml.org,2002:{kind}"
            for kind in ("str", "int", "float", "bool", "null", "seq", "map")
        ),
    }
)


class _Reader(yaml.SafeLoader):
    """Reads the values that JSON has."""

    # Whatever YAML 1.1 takes for a date, an octal number or a truth is the text that was written.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not read", problem_mark=event.start_mark
            )
        if getattr(event, "tag", None) not in _TAGS:
            raise yaml.MarkedYAMLError(
                problem="a tag that JSON has no value for is not read",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(
                    problem="a key is a text, so quote it", problem_mark=key_node.start_mark
                )
            if key in found:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key[:60]!r} is there twice", problem_mark=key_node.start_mark
                )
            found[key] = self.construct_object(value_node, deep=deep)
        return found


class _NoNumberError(ValueError):
    """A word such as NaN, which Python takes for a number."""


def _number(reader: yaml.SafeLoader, node: ScalarNode) -> float:
    found = float(yaml.SafeLoader.construct_yaml_float(reader, node))
    if not math.isfinite(found):
        raise _NoNumberError(str(node.value))
    return found


_Reader.add_constructor("tag:yaml.org,2002:float", _number)


class _Writer(yaml.SafeDumper):
    """Writes texts of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_NUMBER = list("-0123456789")
# By tag: what is read as such a value, and what it begins with. The writer quotes the
# same.
_VALUES = (
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^(?:-?0|-?[1-9][0-9]{0,300})$", _NUMBER),
    (
        "float",
        r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$",
        _NUMBER,
    ),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
)
for _tag, _pattern, _first in _VALUES:
    for _side in (_Reader, _Writer):
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _text(writer: yaml.SafeDumper, text: str) -> ScalarNode:
    style = "|" if "\n" in text else None
    if _other_breaks.search(text):
        # They end a line of YAML, and only between double quotes are they escaped.
        style = '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)


def read_document(text: str, name: str) -> Any:
    """Return what a text says in YAML, of which JSON is a part.

    Raises:
        InvalidFileError: it is not YAML, or says more than JSON can; the message has `name`, and
            the line and the column.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidFileError(f"{name} is longer than {MOST_CHARACTERS:,} characters.")
    try:
        if text.lstrip().startswith(("{", "[")):
            # Nearly YAML, but for tabs, escapes and a few characters.
            with suppress(json.JSONDecodeError, _RepeatedKeyError):
                return json.loads(
                    text, object_pairs_hook=_without_repetition, parse_constant=_no_number
                )
        return yaml.load(text, Loader=_Reader)  # noqa: S506 -- a SafeLoader that reads less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        told = f"{error.problem or error.context}{place}"
    except yaml.YAMLError:
        told = "it holds a character that no document can hold"
    except RecursionError:
        told = "it is nested too deeply"
    except _NoNumberError as error:
        told = f"{error} is no number"
    except (ValueError, LookupError):
        # A tag such as !!int at what is none.
        told = "it holds a value that cannot be read"
    raise InvalidFileError(
        f"{name} cannot be read: {told}.",
        remedy="Write YAML or JSON; dates and the words yes and no are texts in both.",
    )


class _RepeatedKeyError(Exception):
    """A key that is there twice, of which the reader of YAML also tells the place."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKeyError
    return found


def _no_number(name: str) -> float:
    raise _NoNumberError(name)


def write_document(document: Mapping[str, Any]) -> str:
    """Return the YAML that `read_document` reads back as the same values."""
    return yaml.dump(dict(document), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100)
