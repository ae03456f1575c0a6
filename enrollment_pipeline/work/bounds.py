"""Which stretch of time a list is asked for: what a date or a time at its ends means; pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from enrollment_pipeline.errors import InvalidRequestError


def since_of(text: str, zone: ZoneInfo) -> datetime:
    """Return the first instant that counts; without an offset, by the clock of the zone.

    Raises:
        InvalidRequestError: the text is neither an ISO date nor an ISO time.
    """
    return _moment("since", text, zone, days=0)


def until_of(text: str, zone: ZoneInfo) -> datetime:
    """Return the first instant that no longer counts; a date holds its whole day.

    Raises:
        InvalidRequestError: the text is neither an ISO date nor an ISO time.
    """
    return _moment("until", text, zone, days=1)


def _moment(name: str, text: str, zone: ZoneInfo, *, days: int) -> datetime:
    try:
        day = _as_date(text)
        if day is None:
            moment = datetime.fromisoformat(text)
        else:
            moment = datetime.combine(day + timedelta(days=days), time())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            f"{name}: {text!r} is not a date or a time.",
            remedy="Use an ISO date such as 2027-01-05, or a time such as 2027-01-05T09:00+01:00.",
        ) from None


def _as_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
