"""What an attempt to send came to, and when the next one is due; pure.

Only what may pass is tried again: trouble with the connection, time-outs, and the answers by which
the other side asks for patience.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# After the first attempt, after the second, and so on; the sixth is the last.
WAITS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
MOST_ATTEMPTS = len(WAITS) + 1
# No receiver can hold a message back for longer than we would by ourselves.
LONGEST_WAIT = WAITS[-1]

# Request Timeout, Too Early, Too Many Requests.
_PATIENCE_ASKED = frozenset({408, 425, 429})

_SHOWN_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Attempt:
    """The end of one attempt.

    `answer_code` is the HTTP status or SMTP reply, None where there was no answer. `retry_after` is
    how long the other side asked to be left alone.
    """

    delivered: bool
    answer_code: int | None = None
    error: str | None = None
    retryable: bool = False
    retry_after: timedelta | None = None

    @property
    def unreachable(self) -> bool:
        """Whether nobody answered, so that another message would meet the same."""
        return self.retryable and self.answer_code is None


def no_answer(sentence: str) -> Attempt:
    """Return an attempt that did not get as far as an answer and is worth another."""
    return Attempt(delivered=False, error=sentence, retryable=True)


def wait_after(attempts: int) -> timedelta:
    """Return how long after its nth attempt, counted from 1, a message is due again."""
    return WAITS[min(attempts, len(WAITS)) - 1]


def is_retryable_http(status: int) -> bool:
    """Return whether an HTTP status asks for patience."""
    return status in _PATIENCE_ASKED or 500 <= status <= 599


def retry_after(header: str, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, cut at `LONGEST_WAIT`.

    None where it holds neither seconds nor a date to come.
    """
    if header.isascii() and header.isdecimal():
        # As a number of any length would not fit into a timedelta.
        return min(LONGEST_WAIT, timedelta(seconds=int(header[:9])))
    try:
        at = parsedate_to_datetime(header)
        # An HTTP date is in GMT; one that names no zone is read so.
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return min(LONGEST_WAIT, wait) if wait > timedelta(0) else None


def one_line(text: str) -> str:
    """Return what the other side said as one short line."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:_SHOWN_AT_MOST]
