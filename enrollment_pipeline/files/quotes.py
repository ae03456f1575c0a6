"""Whether a record ends where its physical line ends, or goes on because a quote is open.

It follows the grammar of `csv.reader(strict=True)` without building fields, so that a record of
any size is measured in constant memory. Not here: what to do about a broken record (`rows`).
"""

from enum import Enum, auto


class Quoting(Enum):
    """Where in a record the reading stands."""

    FIELD_START = auto()
    UNQUOTED = auto()
    QUOTED = auto()
    AFTER_QUOTE = auto()
    BROKEN = auto()


def follow(
    text: str, quoting: Quoting, delimiter: str, *, refuse_stray_quotes: bool = False
) -> Quoting:
    """Return where the reading stands after `text`: one physical line or a piece of one.

    A stray quote inside an unquoted field is text, as in spreadsheets, unless it is refused.
    Only QUOTED and BROKEN keep a record from ending with its line.
    """
    text = text.rstrip("\r\n")
    at = 0
    while at < len(text) and quoting is not Quoting.BROKEN:
        if quoting is Quoting.QUOTED:
            at = text.find('"', at) + 1
            if not at:
                return quoting
            quoting = Quoting.AFTER_QUOTE
        elif quoting is Quoting.UNQUOTED:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            if refuse_stray_quotes and text.find('"', at, end) >= 0:
                return Quoting.BROKEN
            quoting = Quoting.FIELD_START if end < len(text) else Quoting.UNQUOTED
            at = end + 1
        else:
            quoting, used = _next_field(text[at], quoting, delimiter)
            at += used
    return quoting


def _next_field(character: str, quoting: Quoting, delimiter: str) -> tuple[Quoting, int]:
    if character == '"':
        return Quoting.QUOTED, 1
    if character == delimiter:
        return Quoting.FIELD_START, 1
    if quoting is Quoting.FIELD_START:
        return Quoting.UNQUOTED, 0
    return Quoting.BROKEN, 0
