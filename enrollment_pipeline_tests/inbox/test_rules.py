"""The rules of the inbox: which files are ready, what they are called, which drop is which."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline.errors import AccountNotFoundError
from enrollment_pipeline.inbox.rules import (
    REASON_SUFFIX,
    Dropped,
    Identity,
    Look,
    Memory,
    is_begun,
    is_passed_over,
    misplaced,
    printable,
    ready,
    reference,
    remembered,
    renamed,
    shown,
    with_again,
)

FILE = Dropped(("sales", "Welcome"), "list.csv", 100, 5)
IDENTITY = Identity(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5, name="list.csv")
PATH = "sales/Welcome/list.csv"
# Any name that a file can have, as Python shows it.
NAMES = (
    st.binary(min_size=1, max_size=255)
    .filter(lambda name: b"/" not in name and b"\0" not in name)
    .map(os.fsdecode)
)


@pytest.mark.parametrize(
    ("before", "now", "is_ready"),
    [
        pytest.param(None, 1000.0, False, id="never seen"),
        pytest.param(Look(100, 5, 990.0), 1000.0, True, id="quiet for exactly as long"),
        pytest.param(Look(100, 5, 990.1), 1000.0, False, id="a little too short"),
        pytest.param(Look(100, 5, 100.0), 1000.0, True, id="quiet for long"),
        pytest.param(Look(99, 5, 100.0), 1000.0, False, id="has grown"),
        pytest.param(Look(101, 5, 100.0), 1000.0, False, id="has shrunk"),
        pytest.param(Look(100, 4, 100.0), 1000.0, False, id="was written again"),
        pytest.param(Look(100, 6, 100.0), 1000.0, False, id="was put back to an old time"),
        pytest.param(Look(100, 5, 2000.0), 1000.0, False, id="clock was set back"),
    ],
)
def test_a_file_is_ready_once_it_has_not_changed_for_as_long_as_asked(
    before: Look | None, now: float, is_ready: bool
) -> None:
    looks = {} if before is None else {PATH: before}

    assert ready([FILE], looks, now=now, quiet=10.0) == ([FILE] if is_ready else [])


def test_even_without_a_quiet_time_a_file_is_looked_at_twice() -> None:
    assert ready([FILE], {}, now=1000.0, quiet=0.0) == []
    looks = remembered([FILE], {}, now=1000.0)
    assert ready([FILE], looks, now=1000.0, quiet=0.0) == [FILE]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, Look(100, 5, 1000.0), id="new"),
        pytest.param(Look(100, 5, 900.0), Look(100, 5, 900.0), id="unchanged"),
        pytest.param(Look(100, 5, 900.0, 950.0), Look(100, 5, 900.0, 950.0), id="tried"),
        pytest.param(Look(99, 5, 900.0, 950.0), Look(100, 5, 1000.0), id="grown"),
        pytest.param(Look(100, 4, 900.0, 950.0), Look(100, 5, 1000.0), id="written again"),
        pytest.param(Look(100, 5, 1001.0), Look(100, 5, 1000.0), id="clock was set back"),
    ],
)
def test_a_look_remembers_since_when_a_file_is_as_it_is(before: Look | None, after: Look) -> None:
    looks = {} if before is None else {PATH: before}

    assert remembered([FILE], looks, now=1000.0) == {PATH: after}


def test_files_that_have_gone_are_forgotten() -> None:
    assert remembered([], {PATH: Look(100, 5, 900.0)}, now=1000.0) == {}


def test_who_was_never_tried_comes_first_and_then_who_waits_longest() -> None:
    files = [Dropped(("a", "w"), f"{number}.csv", 1, 1) for number in range(5)]
    looks = {
        "a/w/0.csv": Look(1, 1, 10.0, tried_at=80.0),
        "a/w/1.csv": Look(1, 1, 30.0),
        "a/w/2.csv": Look(1, 1, 10.0, tried_at=70.0),
        "a/w/3.csv": Look(1, 1, 20.0),
        "a/w/4.csv": Look(1, 1, 20.0),
    }

    found = ready(files, looks, now=100.0, quiet=10.0)

    assert [file.name for file in found] == ["3.csv", "4.csv", "1.csv", "2.csv", "0.csv"]


@given(
    looks=st.dictionaries(
        NAMES,
        st.builds(
            Look,
            st.integers(0, 2**63),
            st.integers(-(2**63), 2**63),
            st.floats(0, 1e10),
            st.none() | st.floats(0, 1e10),
        ),
        max_size=5,
    ),
    told=st.lists(st.text(), max_size=5),
)
def test_what_a_look_leaves_is_what_the_next_one_finds(
    looks: dict[str, Look], told: list[str]
) -> None:
    memory = Memory(looks, tuple(told))

    cursor = memory.as_cursor()

    assert cursor.isascii()
    assert Memory.from_cursor(cursor) == memory


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        "",
        "x",
        "[]",
        "7",
        "{}",
        '{"files": [], "told": []}',
        '{"files": {"a": 1}, "told": []}',
        '{"files": {"a": [1]}, "told": []}',
        '{"files": {"a": [1, 2, "3", null]}, "told": []}',
        '{"files": {"a": [1, 2, NaN, null]}, "told": []}',
        '{"files": {"a": [1, 2, 3, 4, 5]}, "told": []}',
        '{"files": {}, "told": 7}',
    ],
)
def test_a_cursor_that_cannot_be_read_is_no_memory_and_no_trouble(cursor: str | None) -> None:
    assert Memory.from_cursor(cursor) == Memory({})


def test_only_so_many_troubles_are_remembered() -> None:
    told = tuple(map(str, range(1000)))

    assert len(json.loads(Memory({}, told).as_cursor())["told"]) == 100


@pytest.mark.parametrize(
    "name",
    [
        ".list.csv",
        "~list.csv",
        "~$list.csv",
        ".~lock.list.csv#",
        "list.csv.part",
        "list.tmp",
        "list.csv.crdownload",
        "list.csv.filepart",
        ".list.csv.swp",
        "LIST.CSV.PART",
    ],
)
def test_a_name_of_something_in_progress_is_known(name: str) -> None:
    assert is_begun(name)


@pytest.mark.parametrize("name", ["list.csv", "part", "tmp.csv", "a~.csv", "list.parts"])
def test_other_names_are_not_taken_for_something_in_progress(name: str) -> None:
    assert not is_begun(name)


@pytest.mark.parametrize(
    ("name", "place", "passed"),
    [
        ("rejected", (), True),
        ("Processed", (), True),
        ("rejected", ("sales",), False),
        ("processed", ("sales", "Welcome"), True),
        ("REJECTED", ("sales", "Welcome"), True),
        ("rejected", ("sales", "Welcome", "more"), False),
        (".git", (), True),
        ("~old", ("sales",), True),
        ("list.tmp", ("sales",), False),
    ],
)
def test_folders_of_what_is_done_with_and_hidden_ones_are_passed_over(
    name: str, place: tuple[str, ...], passed: bool
) -> None:
    assert is_passed_over(name, place) is passed


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ((), "the inbox itself"),
        (("sales",), '"sales"'),
        (("sales", "a\n", "b"), '"sales/a\ufffd/b"'),
    ],
)
def test_a_file_without_a_destination_is_told_where_it_would_have_one(
    place: tuple[str, ...], where: str
) -> None:
    error = misplaced(place, ["ACCOUNT/WORKFLOW", "ACCOUNT/events"])

    assert error.code == "PATH_NOT_ALLOWED"
    assert error.message == f"The file lay in {where}, from which nothing is taken."
    assert error.advice == "Put it into the folder ACCOUNT/WORKFLOW or ACCOUNT/events of the inbox."


@pytest.mark.parametrize("name", ["Welcome", "Gr\u00fc\u00dfe"])
def test_the_name_of_a_folder_is_what_is_looked_up(name: str) -> None:
    assert reference(name, AccountNotFoundError) == name


def test_nothing_is_called_like_a_folder_whose_name_is_no_unicode() -> None:
    with pytest.raises(AccountNotFoundError, match='Nothing is called "a\ufffd"'):
        reference(os.fsdecode(b"a\xff"), AccountNotFoundError)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        # Devices are numbered anew when a machine starts.
        ({"device": 9}, True),
        ({"inode": 9}, False),
        ({"size": 9}, False),
        ({"mtime_ns": 9}, False),
        ({"ctime_ns": 9}, False),
        ({"name": "other.csv"}, False),
    ],
)
def test_a_drop_is_known_again_by_what_its_job_keeps(change: dict[str, int], same: bool) -> None:
    kept = json.loads(json.dumps(IDENTITY.as_origin()))
    found = replace(IDENTITY, **change)

    assert found.is_origin(kept) is same
    assert (found.digest() == IDENTITY.digest()) is same
    assert not found.is_origin(None)
    assert not found.is_origin({})


def test_a_name_that_is_no_unicode_is_kept_in_ascii(tmp_path: Path) -> None:
    assert Identity.of(tmp_path.stat(), os.fsdecode(b"a\xff.csv")).name == "a\\xff.csv"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("list.csv", "list.MARK.csv"),
        ("list.2027.csv", "list.2027.MARK.csv"),
        ("list", "list.MARK"),
        ("list.CSV", "list.MARK.CSV"),
        ("a." + "b" * 50, "a." + "b" * 50 + ".MARK"),
        ("--again.csv", "--again.MARK.csv"),
    ],
)
def test_a_new_name_holds_the_old_one_and_the_mark(name: str, expected: str) -> None:
    assert renamed(name, "MARK") == expected


@given(name=NAMES)
@example(name="x" * 251 + ".csv")
@example(name="ä" * 125 + ".csv")
@example(name="." + "y" * 254)
def test_a_new_name_always_leaves_room_for_the_reason(name: str) -> None:
    mark = "0" * 45

    new = renamed(name, mark)

    assert len(os.fsencode(new + REASON_SUFFIX)) <= 255
    assert mark in new
    assert "/" not in new


@given(name=NAMES)
def test_what_is_shown_of_a_name_is_one_short_line_that_prints(name: str) -> None:
    for text, most in ((printable(name), 255), (shown(name), 83)):
        assert len(text) <= most
        assert text.encode().decode() == text
        assert "\n" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert len(printable(name).encode()) <= 255


def test_a_name_in_any_script_is_shown_as_it_is() -> None:
    for name in ("Grüße an 日本.csv", "prix\u00a0nets.csv", "a" * 80):
        assert shown(name) == name
    assert shown("a" * 100 + "b" * 100) == "a" * 40 + "..." + "b" * 40


@pytest.mark.parametrize(
    ("name", "again"),
    [("list.csv", "list--again.csv"), ("list", "list--again"), ("a.b.csv", "a.b--again.csv")],
)
def test_the_advice_for_a_name_is_a_name_that_is_taken_again(name: str, again: str) -> None:
    assert with_again(name) == again
