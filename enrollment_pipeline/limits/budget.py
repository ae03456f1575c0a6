"""Budgets: how many enrollments an account, and all accounts together, may make in a window.

A window begins with the first reservation after the last one has ended, and lasts a minute or a
second. What is reserved is used up unless it is given back, so a worker that dies costs budget and
never exceeds it.
"""

from dataclasses import asdict, dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """Enrollments allowed in a window; None is no limit."""

    per_minute: int | None = None
    per_second: int | None = None
    global_per_minute: int | None = None

    @property
    def unlimited(self) -> bool:
        """Whether there is nothing to ask for."""
        return all(limit is None for limit in self.as_dict().values())

    def as_dict(self) -> dict[str, int | None]:
        """Return the limits by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a budget gave at a time; with nothing granted, when it opens again and which it is."""

    granted: int
    at: datetime
    opens_at: datetime | None
    held_by: str | None
