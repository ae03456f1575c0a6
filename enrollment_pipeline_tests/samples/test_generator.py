"""The sample files: the same everywhere, nobody real in them, every kind of row on its line."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import available_timezones

import pytest

from enrollment_pipeline.records import ContactStatus
from enrollment_pipeline.samples import contacts, enroll_me
from enrollment_pipeline.samples.dice import Dice
from enrollment_pipeline.samples.enroll_me import Kind
from enrollment_pipeline.samples.generator import CONTACTS, ENROLL_ME, generate, make_samples

COMMITTED = Path(__file__).resolve().parents[2] / "data" / "samples"
EXAMPLE_ADDRESS = re.compile(r"[a-z]+\.[a-z]+[0-9]*@example\.(com|org|net)")

PEOPLE = contacts.sample_contacts()
SAMPLES = make_samples()


def test_the_committed_files_are_what_the_generator_makes() -> None:
    assert SAMPLES.lie_in(COMMITTED), "run: python scripts/make_samples.py"


def test_the_files_are_the_same_every_time(tmp_path: Path) -> None:
    assert generate(tmp_path / "new" / "folder") == SAMPLES
    assert SAMPLES.lie_in(tmp_path / "new" / "folder")


@pytest.mark.parametrize("name", [CONTACTS, ENROLL_ME])
@pytest.mark.parametrize(
    "harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes() + b"\n")]
)
def test_files_that_are_missing_or_were_changed_are_not_taken_for_the_samples(
    tmp_path: Path, name: str, harm: Callable[[Path], object]
) -> None:
    SAMPLES.write(tmp_path)
    harm(tmp_path / name)

    assert not SAMPLES.lie_in(tmp_path)


def test_the_dice_fall_the_same_way_in_every_version_of_python() -> None:
    # The numbers that Mersenne Twister 19937 has always given for this seed.
    assert [Dice(1).share(), Dice(1).below(1000)] == [0.13436424411240122, 134]


def test_there_are_ten_thousand_contacts_with_an_example_address_each() -> None:
    rows = list(csv.DictReader(io.StringIO(SAMPLES.files[CONTACTS])))

    assert len(rows) == 10_000
    assert len({row["email"].lower() for row in rows}) == 10_000
    assert all(EXAMPLE_ADDRESS.fullmatch(row["email"]) for row in rows)
    assert [row["email"] for row in rows] == [person.email for person in PEOPLE]


def test_phone_numbers_are_from_the_range_kept_for_fiction() -> None:
    numbers = {person.phone for person in PEOPLE} - {""}

    assert all(re.fullmatch(r"\([2-9]\d\d\) 555-01\d\d", number) for number in numbers)


def test_contacts_have_every_status_and_mostly_an_active_one() -> None:
    statuses = Counter(person.status for person in PEOPLE)

    assert set(statuses) == set(ContactStatus)
    assert 0.9 < statuses["active"] / len(PEOPLE) < 0.96


def test_birthdays_are_days_of_the_calendar_and_some_are_29_february() -> None:
    days = [date.fromisoformat(person.birthday) for person in PEOPLE if person.birthday]

    assert sum((day.month, day.day) == (2, 29) for day in days) >= 40
    assert len(days) < len(PEOPLE)


def test_time_zones_and_sign_up_days_can_be_read() -> None:
    assert {person.timezone for person in PEOPLE} - {""} <= available_timezones()
    assert all(date.fromisoformat(person.signed_up) for person in PEOPLE)


def test_the_list_has_a_thousand_rows_of_all_kinds() -> None:
    kinds = Counter(row.kind for row in SAMPLES.rows)

    assert kinds.total() == enroll_me.COUNT == 1_000
    assert set(kinds) == set(Kind)


def test_each_row_begins_on_the_line_that_is_told() -> None:
    lines = SAMPLES.files[ENROLL_ME].splitlines()

    for row in SAMPLES.rows:
        text = row.text.splitlines()
        assert lines[row.line - 1 : row.line - 1 + len(text)] == text


def test_a_duplicate_stands_behind_the_row_that_it_repeats() -> None:
    seen: set[str] = set()
    for row in SAMPLES.rows:
        address = row.text.split(",")[0].strip().lower()
        if row.kind is Kind.DUPLICATE:
            assert address in seen
        elif row.kind is Kind.PLAIN:
            assert address not in seen
        seen.add(address)


def test_unreachable_contacts_have_the_status_that_their_kind_says() -> None:
    status = {person.email: person.status for person in PEOPLE}
    for row in SAMPLES.rows:
        if row.kind in (Kind.UNSUBSCRIBED, Kind.BOUNCED, Kind.BLOCKED):
            assert row.kind.startswith(status[row.text.split(",")[0]])
