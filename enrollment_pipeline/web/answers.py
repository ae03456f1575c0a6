"""What parts of an answer mean, whoever asked; pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Request Timeout, Too Early, Too Many Requests.
_PATIENCE_ASKED = frozenset({408, 425, 429})

_SHOWN_AT_MOST = 200


def asks_for_patience(status: int) -> bool:
    """Return whether an HTTP status says that a later attempt may fare better."""
    return status in _PATIENCE_ASKED or 500 <= status <= 599


def retry_after(header: str, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, however long.

    None where it holds neither seconds nor a date to come.
    """
    if header.isascii() and header.isdecimal():
        # As a number of any length would not fit into a timedelta.
        return timedelta(seconds=int(header[:9]))
    try:
        at = parsedate_to_datetime(header)
        # An HTTP date is in GMT; one that names no zone is read so.
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return wait if wait > timedelta(0) else None


def one_line(text: str) -> str:
    """Return what the other side said as one short line."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:_SHOWN_AT_MOST]
