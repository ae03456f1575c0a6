"""Trees and flowcharts of whatever comes in as a workflow document."""

import re
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.workflows.mermaid import mermaid
from enrollment_pipeline.workflows.tree import tree

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
_fields = [
    *("id", "type", "label", "next", "then", "else", "duration", "until", "offset"),
    *("business_hours", "condition", "body", "headers", "goal", "otherwise"),
]
_id = st.sampled_from(["end", "a", "b", ""]) | _json
_step = (
    _json
    | st.dictionaries(st.sampled_from(_fields), _id, max_size=6)
    | st.fixed_dictionaries(
        {"id": _id, "type": st.sampled_from(["wait", "condition", "goal", "end", "webhook"])},
        optional={"next": _id, "then": _id, "else": _id, "condition": _json, "until": _json},
    )
)
_document = _json | st.fixed_dictionaries(
    {},
    optional={
        "name": _json,
        "description": _json,
        "trigger": _json | st.fixed_dictionaries({"event": _json, "parameters": _json}),
        "steps": _json | st.lists(_step, max_size=5),
        "goals": _json | st.lists(st.dictionaries(st.sampled_from(["name", "then"]), _id)),
        "values": _json,
        "integrations": _json,
        "settings": _json,
    },
)


def shows_only_what_is_visible(line: str) -> bool:
    return not any(
        unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") and one not in "\u200c\u200d"
        for one in line
    )


@given(_document)
def test_any_document_is_a_tree_of_visible_lines(document: Any) -> None:
    lines = tree(document)
    assert len(lines) >= 3
    assert all(shows_only_what_is_visible(line) for line in lines)


_NODE = re.compile(
    r"    (trigger|done|(step|goal|missing)\d+)"
    r'(\[|\(|\{|\{\{|\(\[)"([^"#;&<>`\[\]{}()|]|#\d+;|<br/>)*"(\]|\)|\}|\}\}|\]\))'
)
_EDGE = re.compile(
    r"    (trigger|(step|goal)\d+) (-->|-\.->|-->\|(yes|no|not reached)\|) (done|(step|missing)\d+)"
)


@given(_document)
def test_any_document_is_a_flowchart_of_nodes_and_edges_between_them(document: Any) -> None:
    first, *lines = mermaid(document).splitlines()
    assert first == "flowchart TD"
    nodes = {found[1] for line in lines if (found := _NODE.fullmatch(line))}
    ways = [found for line in lines if (found := _EDGE.fullmatch(line))]
    assert len(nodes) + len(ways) == len(lines)
    assert {way[1] for way in ways} | {way[5] for way in ways} <= nodes
    assert all(shows_only_what_is_visible(line) for line in lines)
