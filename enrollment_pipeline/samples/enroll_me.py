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
    LETTER_CASE = "other letter case"
    SPACES = "spaces around the address"
    INVISIBLE = "invisible characters"
    LINE_BREAK = "line break in a quoted name"
    QUOTES = "quotes and comma in a name"
    FORMULA_NAME = "formula as a name"
    OTHER_SCRIPT = "name in another script"
    EMPTY_FIELDS = "empty fields at the end"
    DUPLICATE = "contact named before"
    UNSUBSCRIBED = "unsubscribed contact"
    BOUNCED = "bounced contact"
    BLOCKED = "blocked contact"
    UNKNOWN = "address that nobody has"
    NO_ADDRESS = "words for an address"
    FORMULA = "formula for an address"
    BLANK = "no address"
    SHORT = "a field too few"
    LONG = "a field too many"
    STRAY_QUOTE = "text behind a closing quote"
    OPEN_QUOTE = "quote that is never closed"


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One row of the file: its kind, the physical line it begins on (from 1), and its text."""

    kind: Kind
    line: int
    text: str


# Writes the row of a contact; the number counts the rows of a kind, so that all variants come up.
_Writer = Callable[[SampleContact, int], str]
_NOTES = ("met at the fair", "asked for a call", "webinar, March", "from the old list", "")
_WORDS = ("ask the front desk", "see above", "n/a", "moved away", "ring twice")
_FORMULAS = ("=1+1", "+2+3", "-4+5", "@SUM(A1:A9)")
_SCRIPTS = ("Λένα Κόρμερ", "Марел Хольт", "カレン・ノル", "דנה ארלונד", "سارا فال", "Zoë 🚲 Ardén")
_INVISIBLE = ("\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}")


def _turn(values: Sequence[str], number: int) -> str:
    return values[number % len(values)]


def _row(address: str, name: str, number: int) -> str:
    return csv_line(address, name, _turn(_NOTES, number))


def _plain(contact: SampleContact, number: int) -> str:
    return _row(contact.email, contact.name, number)


def _other_case(contact: SampleContact, number: int) -> str:
    address = _turn((contact.email.upper(), contact.email.title()), number)
    return _row(address, contact.name, number)


def _spaced(contact: SampleContact, number: int) -> str:
    return _row(f"{_turn((' ', '   '), number)}{contact.email}  ", contact.name, number)


def _invisible(contact: SampleContact, number: int) -> str:
    mark = _turn(_INVISIBLE, number)
    return _row(f"{mark}{contact.email}{mark}", contact.name, number)


def _line_break(contact: SampleContact, number: int) -> str:
    return _row(contact.email, f"{contact.first_name}\n{contact.last_name}", number)


def _quotes(contact: SampleContact, number: int) -> str:
    return _row(contact.email, f'{contact.last_name}, {contact.first_name} "Ace"', number)


def _formula_name(contact: SampleContact, number: int) -> str:
    return _row(contact.email, _turn(_FORMULAS, number), number)


def _other_script(contact: SampleContact, number: int) -> str:
    return _row(contact.email, _turn(_SCRIPTS, number), number)


def _empty_fields(contact: SampleContact, _: int) -> str:
    return f"{contact.email},{contact.name},,,\n"


def _unknown(contact: SampleContact, number: int) -> str:
    # No invented address begins with a number, so this one is nobody's.
    return _row(f"{100 + number}.{contact.email}", contact.name, number)


def _no_address(contact: SampleContact, number: int) -> str:
    return _row(_turn(_WORDS, number), contact.name, number)


def _formula(contact: SampleContact, number: int) -> str:
    return _row(_turn(_FORMULAS, number), contact.name, number)


def _blank(contact: SampleContact, number: int) -> str:
    return _row(_turn(("", "  "), number), contact.name, number)


def _short(contact: SampleContact, _: int) -> str:
    return f"{contact.email},{contact.name}\n"


def _long(contact: SampleContact, _: int) -> str:
    return f"{contact.email},{contact.last_name}, {contact.first_name},asked for a call\n"


def _stray_quote(contact: SampleContact, _: int) -> str:
    return f'{contact.email},"{contact.first_name} "Ace" {contact.last_name}",nickname\n'


def _open_quote(contact: SampleContact) -> str:
    return f'{contact.email},"{contact.name},met at the fair\n'


# How many rows of each kind.
_ACTIVE: dict[Kind, tuple[int, _Writer]] = {
    Kind.PLAIN: (645, _plain),
    Kind.LETTER_CASE: (60, _other_case),
    Kind.SPACES: (40, _spaced),
    Kind.INVISIBLE: (6, _invisible),
    Kind.LINE_BREAK: (6, _line_break),
    Kind.QUOTES: (6, _quotes),
    Kind.FORMULA_NAME: (6, _formula_name),
    Kind.OTHER_SCRIPT: (8, _other_script),
    Kind.EMPTY_FIELDS: (3, _empty_fields),
    Kind.UNKNOWN: (50, _unknown),
    Kind.NO_ADDRESS: (5, _no_address),
    Kind.FORMULA: (4, _formula),
    Kind.BLANK: (8, _blank),
    Kind.SHORT: (6, _short),
    Kind.LONG: (6, _long),
    Kind.STRAY_QUOTE: (2, _stray_quote),
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
    rows: list[SampleRow] = []
    line = 2
    for number, (kind, text) in enumerate(_texts(contacts), start=1):
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


def _texts(contacts: Sequence[SampleContact]) -> Iterator[tuple[Kind, str]]:
    """Yield kind and text of the rows, in the order of the file."""
    dice = Dice(SEED)
    drawn = dice.shuffled(contacts)
    active = iter([contact for contact in drawn if contact.status == "active"])
    placed: list[tuple[float, Kind, str]] = []
    for kind, (count, write) in _ACTIVE.items():
        placed += ((dice.share(), kind, write(next(active), number)) for number in range(count))
    for kind, (count, status) in _UNREACHABLE.items():
        found = [contact for contact in drawn if contact.status == status][:count]
        placed += ((dice.share(), kind, _plain(contact, 0)) for contact in found)
    # Each behind the row that it repeats, every other one in capitals.
    for number, (place, _, text) in enumerate(placed[:_DUPLICATES]):
        address, rest = text.split(",", 1)
        again = f"{address.upper() if number % 2 else address},{rest}"
        placed.append((place + (1 - place) * dice.share(), Kind.DUPLICATE, again))
    yield from ((kind, text) for _, kind, text in sorted(placed))
    # Behind it nothing can be read for certain, so it is the last line, like a file cut off.
    yield Kind.OPEN_QUOTE, _open_quote(next(active))
