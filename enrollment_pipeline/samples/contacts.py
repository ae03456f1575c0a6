"""The contacts of `contacts.csv`: 10,000 people with everything that an import understands.

Belongs here: columns, and how often each value occurs.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from enrollment_pipeline.samples.dice import Dice
from enrollment_pipeline.samples.lines import csv_line
from enrollment_pipeline.samples.people import Person, invent

COUNT = 10_000
SEED = 20_260_105

# Of 100 contacts so many have each status.
_STATUSES = ("active",) * 93 + ("unsubscribed",) * 4 + ("bounced",) * 2 + ("blocked",)
_TAGS = ("lead", "customer", "newsletter", "trial", "vip", "webinar", "partner")
_PLANS = ("free", "free", "free", "team", "team", "business", "")
# With offsets of half and quarter hours, and with clocks that change in either half of the year.
_ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Lagos",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Auckland",
    "UTC",
    "",
)
_CITIES = ("Arlund", "Belmere", "Corstad", "Dolwick", "Erholt", "Falgård", "Norfels", "São Kelden")
_DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LEAP_YEARS = tuple(range(1952, 2008, 4))
# One in so many is born on 29 February: more than in life, so that a small sample holds some.
_LEAP_DAYS = 250


class SampleContact(NamedTuple):
    """One line of the file; the fields are its columns."""

    email: str
    first_name: str
    last_name: str
    phone: str
    tags: str
    status: str
    birthday: str
    timezone: str
    plan: str
    city: str
    signed_up: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


def sample_contacts() -> list[SampleContact]:
    """Return all contacts, in the order of the file."""
    dice = Dice(SEED)
    people = islice(invent(dice), COUNT)
    return [_contact(number, person, dice) for number, person in enumerate(people)]


def contacts_csv(contacts: Iterable[SampleContact]) -> str:
    """Return the text of the file."""
    return "".join(csv_line(*cells) for cells in (SampleContact._fields, *contacts))


def _contact(number: int, person: Person, dice: Dice) -> SampleContact:
    return SampleContact(
        email=person.email,
        first_name=person.first_name,
        last_name=person.last_name,
        phone=_phone(dice),
        tags=";".join(tag for tag in _TAGS if dice.share() < 0.2),
        status=dice.one_of(_STATUSES),
        birthday=_birthday(number, dice),
        timezone=dice.one_of(_ZONES),
        plan=dice.one_of(_PLANS),
        city=dice.one_of(_CITIES),
        signed_up=f"{2021 + dice.below(5)}-{_day(dice)}",
    )


def _phone(dice: Dice) -> str:
    if dice.share() < 0.1:
        return ""
    # 555-0100 to 555-0199 is kept free for fiction in every area.
    return f"({200 + dice.below(800)}) 555-01{dice.below(100):02}"


def _birthday(number: int, dice: Dice) -> str:
    if number % _LEAP_DAYS == 0:
        return f"{dice.one_of(_LEAP_YEARS)}-02-29"
    return "" if dice.share() < 0.15 else f"{1950 + dice.below(57)}-{_day(dice)}"


def _day(dice: Dice) -> str:
    month = dice.below(12)
    return f"{month + 1:02}-{1 + dice.below(_DAYS_IN_MONTH[month]):02}"
