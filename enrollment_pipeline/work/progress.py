"""How far work is, from its counters; pure arithmetic with `now` as an argument."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

RATE_WINDOW = timedelta(seconds=60)
# Without a sign of life for this long, nobody is working on an open job (spec "Progress").
HEARTBEAT_LIMIT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress record of a job.

    `percent` has one decimal and is never above 100; `rate` is contacts a second over the last 60
    seconds; `eta_seconds` is None when it cannot be known.
    """

    total: int
    processed: int
    success: int
    failed: int
    skipped: int
    current_batch: int
    total_batches: int
    percent: float
    rate: float
    eta_seconds: int | None
    heartbeat: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, with the heartbeat as ISO text."""
        return asdict(self) | {"heartbeat": self.heartbeat and self.heartbeat.isoformat()}


def percent_of(processed: int, total: int) -> float:
    """Return 100.0 for an empty total: nothing is left to do."""
    if total <= 0:
        return 100.0
    # Truncated, not rounded: 99.96 % is not yet 100.
    return min(100.0, (processed * 1000 // total) / 10)


def rate_of(recent: int, started_at: datetime | None, now: datetime) -> float:
    """Return contacts a second, `recent` being those of the last 60 s or since the start."""
    if started_at is None or recent <= 0:
        return 0.0
    seconds = min(RATE_WINDOW, max(now - started_at, timedelta(seconds=1))).total_seconds()
    return recent / seconds


def eta_of(remaining: int, rate: float) -> int | None:
    """Return the seconds that the remaining contacts take at this rate."""
    if remaining <= 0:
        return 0
    return round(remaining / rate) if rate > 0 else None


def abandoned(alive_at: datetime, now: datetime) -> bool:
    """Return whether a job that should be at work has shown no life for too long."""
    return now - alive_at > HEARTBEAT_LIMIT
