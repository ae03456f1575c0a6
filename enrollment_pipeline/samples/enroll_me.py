"""The rows of `enroll-me.csv`: 1,000, with every kind of trouble that lists come with.

Belongs here: what a row of each kind looks like, how many there are, and in which order they stand.
Does not belong here: what becomes of a row, which the product alone decides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from enrollment_pipeline.samples.contacts import SampleContact
from enrollment_pipeline.samples.dice import Dice
from enrollment_pipeline.samples.lines import csv_line

COUNT = 1_000
SEED = 20_260_206
HEADER = ("email", "name", "note")


class Kind(StrEnum):
    """What is peculiar about a row, as a person would say it."""

    PLAIN = "address as it is stored"
    LETTER_CASE = "address in another letter case"
    SPACES = "spaces around the address"
    INVISIBLE = "invisible characters around the address"
    LINE_BREAK = "line break inside a quoted name"
    QUOTES = "quotes and a comma inside a quoted name"
    FORMULA_NAME = "name that a spreadsheet would run"
    OTHER_SCRIPT = "name in another script"
    EMPTY_FIELDS = "empty fields behind the last column"
    DUPLICATE = "contact that was named before"
    UNSUBSCRIBED = "unsubscribed contact"
    BOUNCED = "contact whose mail bounced"
    BLOCKED = "blocked contact"
    UNKNOWN = "address that nobody has"
    NO_ADDRESS = "words instead of an address"
    FORMULA = "formula instead of an address"
    BLANK = "no address"
    SHORT = "a field too few"
    LONG = "a field too many: a comma without quotes"
    STRAY_QUOTE = "text behind a closing quote"
    OPEN_QUOTE = "quote that is never closed"


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One row of the file: its kind, the physical line it begins on (from 1), and its text."""

    kind: Kind
    line: int
    text: str


_Writer = Callable[[SampleContact, Dice], str]
_NOTES = ("met at the fair", "asked for a call", "webinar, March", "from the old list", "")
_WORDS = ("ask the front desk", "see above", "n/a", "moved away", "ring twice")
_FORMULAS = ("=1+1", "+2+3", "-4+5", "@SUM(A1:A9)")
_SCRIPTS = ("Λένα Κόρμερ", "Марел Хольт", "カレン・ノル", "דנה ארלונד", "سارا فال", "Zoë 🚲 Ardén")
_INVISIBLE = ("\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}")


def _row(address: str, name: str, dice: Dice) -> str:
    return csv_line(address, name, dice.one_of(_NOTES))


def _plain(contact: SampleContact, dice: Dice) -> str:
    return _row(contact.email, contact.name, dice)


def _other_case(contact: SampleContact, dice: Dice) -> str:
    address = dice.one_of((contact.email.upper(), contact.email.title()))
    return _row(address, contact.name, dice)


def _spaced(contact: SampleContact, dice: Dice) -> str:
    return _row(f"{dice.one_of((' ', '   '))}{contact.email}  ", contact.name, dice)


def _invisible(contact: SampleContact, dice: Dice) -> str:
    mark = dice.one_of(_INVISIBLE)
    return _row(f"{mark}{contact.email}{mark}", contact.name, dice)


def _unknown(contact: SampleContact, dice: Dice) -> str:
    # No invented contact has a number before the point, so this address is nobody's.
    return _row(f"{dice.below(900) + 100}.{contact.email}", contact.name, dice)


def _cut_off(contact: SampleContact, dice: Dice) -> str:
    return f'{contact.email},"{contact.name},{dice.one_of(_NOTES[:2])}\n'


# How many rows of each kind, and how one is written for a contact.
_ACTIVE: dict[Kind, tuple[int, _Writer]] = {
    Kind.PLAIN: (645, _plain),
    Kind.LETTER_CASE: (60, _other_case),
    Kind.SPACES: (40, _spaced),
    Kind.INVISIBLE: (6, _invisible),
    Kind.LINE_BREAK: (
        6,
        lambda contact, dice: _row(
            contact.email, f"{contact.first_name}\n{contact.last_name}", dice
        ),
    ),
    Kind.QUOTES: (
        6,
        lambda contact, dice: _row(
            contact.email, f'{contact.last_name}, {contact.first_name} "Ace"', dice
        ),
    ),
    Kind.FORMULA_NAME: (
        6,
        lambda contact, dice: _row(contact.email, dice.one_of(_FORMULAS), dice),
    ),
    Kind.OTHER_SCRIPT: (
        8,
        lambda contact, dice: _row(contact.email, dice.one_of(_SCRIPTS), dice),
    ),
    Kind.EMPTY_FIELDS: (3, lambda contact, _: f"{contact.email},{contact.name},,,\n"),
    Kind.UNKNOWN: (50, _unknown),
    Kind.NO_ADDRESS: (5, lambda contact, dice: _row(dice.one_of(_WORDS), contact.name, dice)),
    Kind.FORMULA: (4, lambda contact, dice: _row(dice.one_of(_FORMULAS), contact.name, dice)),
    Kind.BLANK: (8, lambda contact, dice: _row(dice.one_of(("", "  ")), contact.name, dice)),
    Kind.SHORT: (6, lambda contact, _: f"{contact.email},{contact.name}\n"),
    Kind.LONG: (
        6,
        lambda contact, dice: (
            f"{contact.email},{contact.last_name}, {contact.first_name},{dice.one_of(_NOTES[:2])}\n"
        ),
    ),
    Kind.STRAY_QUOTE: (
        2,
        lambda contact, _: (
            f'{contact.email},"{contact.first_name} "Ace" {contact.last_name}",nickname\n'
        ),
    ),
}
_UNREACHABLE = {
    Kind.UNSUBSCRIBED: (40, "unsubscribed"),
    Kind.BOUNCED: (25, "bounced"),
    Kind.BLOCKED: (13, "blocked"),
}
_DUPLICATES = 60
# After so many rows each, a line is left blank, as people do to part a list.
_BLANK_LINE_AFTER = (250, 251, 700)


def sample_rows(contacts: Sequence[SampleContact]) -> list[SampleRow]:
    """Return the rows, in the order of the file."""
    dice = Dice(SEED)
    rows: list[SampleRow] = []
    line = 2
    for number, (kind, text) in enumerate(_texts(contacts, dice), start=1):
        rows.append(SampleRow(kind, line, text))
        line += text.count("\n") + _BLANK_LINE_AFTER.count(number)
    return rows


def enroll_me_csv(rows: Sequence[SampleRow]) -> str:
    """Return the text of the file; a line that no row takes is blank."""
    text, line = csv_line(*HEADER), 2
    for row in rows:
        text += "\n" * (row.line - line) + row.text
        line = row.line + row.text.count("\n")
    return text


def _texts(contacts: Sequence[SampleContact], dice: Dice) -> Iterator[tuple[Kind, str]]:
    """Yield kind and text of the rows, in the order of the file."""
    drawn = dice.shuffled(contacts)
    active = iter([contact for contact in drawn if contact.status == "active"])
    placed: list[tuple[float, Kind, str]] = []
    for kind, (count, write) in _ACTIVE.items():
        placed += ((dice.share(), kind, write(next(active), dice)) for _ in range(count))
    for kind, (count, status) in _UNREACHABLE.items():
        found = iter([contact for contact in drawn if contact.status == status])
        placed += ((dice.share(), kind, _plain(next(found), dice)) for _ in range(count))
    # Each behind the row that it repeats.
    placed += (
        (place + (1 - place) * dice.share(), Kind.DUPLICATE, text)
        for place, _, text in placed[:_DUPLICATES]
    )
    yield from ((kind, text) for _, kind, text in sorted(placed))
    # Behind it nothing can be read for certain, so it is the last line, like a file cut off.
    yield Kind.OPEN_QUOTE, _cut_off(next(active), dice)
