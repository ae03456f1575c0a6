"""Which column tells who a row is about, and what its cells say.

Everything here is a pure function over names, sample rows and cells. Not here: reading files, and
comparing with contacts: lower case is left to the database, whose `lower()` decides what matches.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.rows import RejectedRow, Row, reject

IdentifierKind = Literal["email", "contact_id"]
RequestedIdentifier = Literal["auto", "email", "contact_id"]

MOST_IDENTIFIER_CHARACTERS = 320
"""64 for the local part, the @, 255 for the domain (RFC 3696, errata 1690)."""

# Compared without case, spaces, punctuation and final digits; the first of a list is preferred.
EMAIL_NAMES = (
    "email",
    "emailaddress",
    "emailid",
    "mail",
    "mailaddress",
    "emailadresse",
    "mailadresse",
    "adresseemail",
    "correoelectronico",
    "contactemail",
    "contactemailaddress",
    "primaryemail",
    "useremail",
    "customeremail",
    "subscriberemail",
    "workemail",
    "personalemail",
)
CONTACT_ID_NAMES = ("contactid", "recordid", "recordidcontact", "contactuuid", "contactguid")
# Many things are called so: they count only when their values are UUIDs.
GENERAL_ID_NAMES = ("id", "uuid", "guid", "userid", "personid", "customerid", "subscriberid")

# `str.strip` knows the spaces, but not the marks that programs leave around copied addresses:
# soft hyphen, zero-width and joining characters, writing directions, a byte order mark.
_TRIMMED = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\xad\u1680\u180e\u3000\ufeff"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f"
    "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2066\u2067\u2068\u2069"
)
_EMAIL = re.compile(r'[^\s@",;|<>()]+@[^\s@",;|<>()]+\.[^\s@",;|<>()]+')
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLAIN_UUID = re.compile(r"[0-9a-fA-F]{32}")
_SHOWN_COLUMNS = 20
_SHOWN_NAME = 40
_MISSING = {"email": "has no e-mail address", "contact_id": "has no contact id"}
_TOO_LONG = {
    "email": f"has an e-mail address longer than {MOST_IDENTIFIER_CHARACTERS} characters",
    "contact_id": f"has a contact id longer than {MOST_IDENTIFIER_CHARACTERS} characters",
}
_ANY = "e-mail addresses or contact ids"
_SOUGHT = {"auto": _ANY, "email": "e-mail addresses", "contact_id": "contact ids"}


@dataclass(frozen=True, slots=True)
class IdentifierColumn:
    """The column that tells who a row is about, counted from 0."""

    index: int
    name: str
    kind: IdentifierKind


def trim(text: str) -> str:
    """Return the text without spaces at its ends, of any width, non-breaking or invisible."""
    return text.strip() if text.isascii() else text.strip(_TRIMMED)


def normalize_email(text: str) -> str:
    """Return the address as it is looked up: trimmed only, since the database lowers both sides."""
    return trim(text)


def parse_contact_id(text: str) -> UUID | None:
    """Return the contact id, or None when the text is none.

    Upper case, braces and a missing set of hyphens are accepted, as Postgres accepts them.
    """
    text = trim(text)
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return UUID(text) if _UUID.fullmatch(text) or _PLAIN_UUID.fullmatch(text) else None


def is_email(text: str) -> bool:
    """Return whether a cell has the shape of an e-mail address."""
    text = trim(text)
    return len(text) <= MOST_IDENTIFIER_CHARACTERS and bool(_EMAIL.fullmatch(text))


def is_contact_id(text: str) -> bool:
    """Return whether a cell is evidently a UUID: with hyphens, since bare digits may be a hash."""
    return "-" in text and parse_contact_id(text) is not None


def is_identifier(text: str) -> bool:
    """Return whether a cell is evidently an e-mail address or a contact id."""
    return is_email(text) or is_contact_id(text)


def is_identifier_name(name: str) -> bool:
    """Return whether a header cell is one that identifier columns are known by."""
    return _plain(name) in {*EMAIL_NAMES, *CONTACT_ID_NAMES, *GENERAL_ID_NAMES}


def find_identifier_column(
    columns: Sequence[str],
    sample: Sequence[Sequence[str]],
    requested: RequestedIdentifier = "auto",
) -> IdentifierColumn:
    """Return the column that tells who a row is about (spec "Request", csv).

    The first of these that exists, of the requested kind: a column named as a contact id whose
    values are UUIDs; a column named as an e-mail address; a column named as any id whose values
    are UUIDs; a column named as a contact id; a column of addresses; a column of UUIDs. A name
    outranks content, so that nobody is enrolled because his address stands in another's row.

    Args:
        columns: The names of all columns.
        sample: Values of some rows, each as long as `columns`.
        requested: Which kind to look for.

    Raises:
        InvalidFileError: There is none.
    """
    plain = [_plain(name) for name in columns]
    emails = [_content(sample, index, is_email) for index in range(len(columns))]
    ids = [_content(sample, index, is_contact_id) for index in range(len(columns))]
    contact_id = _named(plain, CONTACT_ID_NAMES, ids)
    general_id = _named(plain, GENERAL_ID_NAMES, ids)
    candidates: tuple[tuple[IdentifierKind, int | None], ...] = (
        ("contact_id", _only_convincing(contact_id, ids)),
        ("email", _named(plain, EMAIL_NAMES, emails)),
        ("contact_id", _only_convincing(general_id, ids)),
        ("contact_id", contact_id),
        ("email", _fullest(emails)),
        ("contact_id", _fullest(ids)),
    )
    for kind, index in candidates:
        if index is not None and requested in ("auto", kind):
            return IdentifierColumn(index, columns[index], kind)
    raise _not_found(columns, requested)


def read_identifier(row: Row, column: IdentifierColumn) -> str | RejectedRow:
    """Return the identifier to look up, or the rejection of a row that has none.

    What has not the shape of an address or a UUID is returned all the same: it will match nobody.
    A UUID is returned in its canonical form.
    """
    text = trim(row.values[column.index])
    if not text:
        return reject(row.line, ",".join(row.values), _MISSING[column.kind])
    if len(text) > MOST_IDENTIFIER_CHARACTERS:
        return reject(row.line, ",".join(row.values), _TOO_LONG[column.kind])
    return _canonical_id(text) if column.kind == "contact_id" else text


def _canonical_id(text: str) -> str:
    if _UUID.fullmatch(text):
        return text.lower()
    contact_id = parse_contact_id(text)
    return str(contact_id) if contact_id else text


def _plain(name: str) -> str:
    letters = "".join(character for character in name.casefold() if character.isalnum())
    return letters.rstrip("0123456789") or letters


class _Content(NamedTuple):
    """How many sample cells of one column are identifiers of a kind, and how many are not."""

    matching: int
    others: int

    @property
    def convincing(self) -> bool:
        return self.matching > self.others


def _content(
    sample: Sequence[Sequence[str]], index: int, matches: Callable[[str], bool]
) -> _Content:
    cells = [row[index] for row in sample if trim(row[index])]
    matching = sum(map(matches, cells))
    return _Content(matching, len(cells) - matching)


def _named(plain: Sequence[str], known: Sequence[str], contents: Sequence[_Content]) -> int | None:
    """Return the column of the most preferred name; of the same name, one that holds any."""
    named = [index for index, name in enumerate(plain) if name in known]
    return min(
        named,
        key=lambda index: (not contents[index].matching, known.index(plain[index])),
        default=None,
    )


def _fullest(contents: Sequence[_Content]) -> int | None:
    convincing = [index for index, content in enumerate(contents) if content.convincing]
    return max(convincing, key=lambda index: contents[index].matching, default=None)


def _only_convincing(index: int | None, contents: Sequence[_Content]) -> int | None:
    return index if index is not None and contents[index].convincing else None


def _not_found(columns: Sequence[str], requested: RequestedIdentifier) -> InvalidFileError:
    names = [name[:_SHOWN_NAME] for name in columns[:_SHOWN_COLUMNS]]
    more = len(columns) - len(names)
    listed = ", ".join(names) + (f" and {more:,} more" if more else "")
    wanted = '"contact_id"' if requested == "contact_id" else '"email"'
    return InvalidFileError(
        f"No column holds {_SOUGHT[requested]}; the columns are: {listed}.",
        remedy=f"Call the column {wanted} in the first line of the file and try again.",
        details={"columns": names},
    )
