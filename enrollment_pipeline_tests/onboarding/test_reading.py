"""Files of items: tables and documents."""

import json
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.errors import (
    InvalidFileError,
    InvalidRequestError,
    ProductError,
)
from enrollment_pipeline.onboarding.admission import read_items
from enrollment_pipeline.onboarding.reading import read_file, read_submission


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a file and return its path."""

    def run(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return run


def contents(path: Path) -> list[Any]:
    _, items = read_file(path)
    return [one.content for one in items]


def test_a_table_has_names_references_documents_and_attributes_of_any_name(write: Any) -> None:
    path = write(
        "roles.csv",
        "Role name,Reference,Level,documents,attributes,Salary band\r\n"
        'Analyst,R-7,3,a.pdf; b.pdf,"{""x"": [1]}",\r\n'
        "\r\n"
        "Clerk,,,,,A2\r\n",
    )

    options, items = read_file(path)

    assert options == {}
    assert [(one.position, one.line) for one in items] == [(1, 2), (2, 4)]
    assert [one.content for one in items] == [
        {
            "role_name": "Analyst",
            "reference_name": "R-7",
            "documents": ["a.pdf", "b.pdf"],
            "attributes": {"Level": "3", "x": [1]},
        },
        {"role_name": "Clerk", "attributes": {"Salary band": "A2"}},
    ]


def test_a_row_that_cannot_be_read_is_refused_with_its_line_and_the_others_go_on(
    write: Any,
) -> None:
    path = write(
        "roles.csv",
        'role_name,attributes\nAnalyst,"{""a"": 1}"\nClerk,x,y\nCook,nothing\nDriver,[1]\nGood,\n',
    )

    _, items = read_file(path)
    read, refused = read_items(items)

    assert [item.role_name for _, item in read] == ["Analyst", "Good"]
    assert [(one.line, one.role_name, one.message) for one in refused] == [
        (3, None, "The row has 3 fields, the header has 2."),
        (4, "Cook", "attributes: the cell is not JSON."),
        (5, "Driver", "attributes: the cell is no JSON object."),
    ]


def test_our_own_mark_against_formulas_is_no_part_of_a_name(write: Any) -> None:
    assert contents(write("roles.csv", "role_name,x\n'=Analyst,1\n"))[0]["role_name"] == "=Analyst"


@pytest.mark.parametrize("name", ["roles.json", "roles.yaml", "roles", "roles.data"])
def test_a_document_has_its_options_beside_the_items_or_by_themselves(
    name: str, write: Any
) -> None:
    items = [{"role_name": "Analyst", "attributes": {"level": 3}}]
    beside = write(name, json.dumps({"company": "Northern", "priority": 2, "items": items}))
    options, found = read_file(beside)
    by_themselves = read_submission(
        {"company": "Northern", "options": {"priority": 2}, "items": []}
    )

    assert options == {"company": "Northern", "priority": 2}
    assert by_themselves[0] == options
    assert [one.content for one in found] == items
    assert read_submission(items)[0] == {}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"company": "Northern"}, "no list of items"),
        ({"items": {"role_name": "a"}}, "no list of items"),
        ("text", "no list of items"),
        ({"items": [], "options": 3}, "no object"),
        ({"items": [], "priority": 1, "options": {"priority": 2}}, "says twice: priority"),
    ],
)
def test_a_document_that_is_no_submission_is_refused(document: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        read_submission(document)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("roles.csv", "title,level\nAnalyst,3\n"),
        ("roles.csv", "role_name,name\nAnalyst,a\n"),
        ("roles.csv", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("roles.csv", ""),
        ("roles.json", "{"),
        ("roles.json", b"\xff\xfe\xff"),
        ("missing.json", None),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(name: str, content: Any, write: Any) -> None:
    path = write("other", "") if content is None else write(name, content)

    with pytest.raises(InvalidFileError):
        read_file(path.parent / name)


@pytest.mark.parametrize("many", [501, 2_000])
def test_a_table_of_too_many_is_read_as_far_as_is_needed_to_say_so(many: int, write: Any) -> None:
    path = write("roles.csv", "role_name\n" + "".join(f"Role {n}\n" for n in range(many)))

    assert len(read_file(path)[1]) == 501


@pytest.mark.parametrize("content", [b"\x00", b"[" * 100_000, b'{"items": [NaN]}', b"- &a [*a]"])
def test_no_document_makes_trouble_of_another_kind(content: bytes, write: Any) -> None:
    for name in ("roles.json", "roles.yaml"):
        try:
            _, items = read_file(write(name, content))
        except ProductError:
            continue
        read_items(items)
