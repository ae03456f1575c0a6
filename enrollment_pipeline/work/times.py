"""When work is to begin: what a time means that somebody asked for, and which can be used."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.records import Account

# Further ahead it is a slip of the pen; and the last instants of year 9999, read in another zone,
# are none.
FURTHEST_AHEAD = timedelta(days=3660)


def instant_of(wanted: datetime | None, timezone: str | None, account: Account) -> datetime | None:
    """Return the instant that a time means; without an offset, by the clock of the zone."""
    if wanted is None or wanted.tzinfo is not None:
        return wanted
    return wanted.replace(tzinfo=ZoneInfo(timezone or account.settings.timezone))


def due_time(wanted: datetime | None, timezone: str | None, account: Account) -> datetime | None:
    """Return when work is to start, None for now.

    Raises:
        InvalidRequestError: the time is in the past, or too far ahead.
    """
    wanted = instant_of(wanted, timezone, account)
    if wanted is None:
        return None
    if wanted <= datetime.now(UTC):
        raise InvalidRequestError(
            f"The time {wanted.isoformat()} is in the past.",
            remedy="Name a time to come, or leave it out to start now.",
        )
    if wanted > datetime.now(UTC) + FURTHEST_AHEAD:
        raise InvalidRequestError(
            f"The time {wanted.isoformat()} is more than ten years ahead.",
            remedy="Name an earlier time.",
        )
    return wanted
