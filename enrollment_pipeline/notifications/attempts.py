"""What an attempt to send came to, and when the next one is due; pure.

Only what may pass is tried again: trouble with the connection, time-outs, and the answers by which
the other side asks for patience.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from enrollment_pipeline.web import answers

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


def retry_after(header: str, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, cut at `LONGEST_WAIT`.

    None where it holds neither seconds nor a date to come.
    """
    wait = answers.retry_after(header, now)
    return None if wait is None else min(LONGEST_WAIT, wait)
