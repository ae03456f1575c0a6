"""How often a schedule may fire; pure arithmetic on the wall clock's hours and minutes."""

from collections.abc import Collection
from itertools import pairwise

MOST_OFTEN = 15
"""Minutes between two firings of one schedule, at least: what windows of a quarter of an hour can
tell (spec "Time triggers")."""


def fires_too_often(hours: Collection[int], minutes: Collection[int]) -> bool:
    """Return whether every one of the hours at every one of the minutes is nearer than MOST_OFTEN.

    The hour 0 counts as the one after 23, whether or not the days after each other are due.
    """
    ordered = sorted(minutes)
    if any(later - earlier < MOST_OFTEN for earlier, later in pairwise(ordered)):
        return True
    hour_after_hour = any((hour + 1) % 24 in hours for hour in hours)
    return hour_after_hour and ordered[0] + 60 - ordered[-1] < MOST_OFTEN
