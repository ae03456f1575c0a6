"""Destinations: which folders are whose, and what two drops share."""

from dataclasses import replace
from pathlib import Path

import pytest

from enrollment_pipeline.enrollment.inbox import CsvRoute
from enrollment_pipeline.inbox.route import CheckedCopy, Route, route_of
from enrollment_pipeline.inbox.rules import Identity
from enrollment_pipeline_tests.inbox.conftest import Collecting

IDENTITY = Identity(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5, name="day.jsonl")
COPY = CheckedCopy(Path("/scratch/day.jsonl"), "ab", IDENTITY, "events", "day.jsonl")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("sales", "events"), Collecting),
        (("sales", "Events"), Collecting),
        (("SALES", "EVENTS"), Collecting),
        (("sales", "event"), CsvRoute),
        (("sales", "events "), CsvRoute),
        (("sales", "Welcome"), CsvRoute),
        (("events", "Welcome"), CsvRoute),
        ((), None),
        (("events",), None),
        (("sales", "events", "2027"), None),
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_a_destination_has_its_own_folder_and_one_has_all_the_others(
    place: tuple[str, ...], expected: type[Route] | None, turn: int
) -> None:
    routes: list[Route] = [CsvRoute(), Collecting()][::turn]

    found = route_of(place, routes)

    assert (None if found is None else type(found)) is expected


def test_a_folder_is_nobodys_where_no_destination_has_all_the_others() -> None:
    assert route_of(("sales", "Welcome"), [Collecting()]) is None


def test_the_key_of_a_drop_is_that_of_its_bytes_whatever_the_file_is_called() -> None:
    other = replace(IDENTITY, inode=9, mtime_ns=9, ctime_ns=9, name="other.jsonl")

    assert COPY.key == replace(COPY, name="other.jsonl", identity=other).key
    assert COPY.key != replace(COPY, sha256="cd").key


@pytest.mark.parametrize("name", ["list--again.csv", "--AGAIN.csv", "a--again2.csv"])
@pytest.mark.parametrize(
    "change",
    [{"inode": 9}, {"size": 9}, {"mtime_ns": 9}, {"ctime_ns": 9}, {"name": "9"}],
    ids=str,
)
def test_with_again_in_the_name_only_the_same_drop_has_the_same_key(
    name: str, change: dict[str, int]
) -> None:
    again = replace(COPY, name=name)

    assert again.key == replace(again, identity=replace(IDENTITY, device=9)).key
    assert again.key == replace(again, sha256="cd").key
    assert again.key != replace(again, identity=replace(IDENTITY, **change)).key
    assert again.key != COPY.key
