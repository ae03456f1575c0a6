"""How long a batch will take, as far as can be said when it is submitted; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil
from uuid import UUID


def estimated_seconds(
    workflows: Iterable[UUID], seconds_each: Mapping[UUID, float | None], at_once: int
) -> int | None:
    """Return the seconds that items take, of which `at_once` are at work at the same time.

    `workflows` has the workflow of each item, `seconds_each` how long an item of each takes. None
    where that is not known of all of them (spec "Submit").
    """
    together = 0.0
    for workflow_id, items in Counter(workflows).items():
        seconds = seconds_each.get(workflow_id)
        if seconds is None:
            return None
        together += seconds * items
    longest = max((each for each in seconds_each.values() if each is not None), default=0.0)
    return ceil(max(together / max(1, at_once), longest if together else 0.0))
