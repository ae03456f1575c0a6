"""How long a batch will take."""

from uuid import uuid4

import pytest

from enrollment_pipeline.onboarding.estimate import estimated_seconds

QUICK, SLOW = uuid4(), uuid4()


@pytest.mark.parametrize(
    ("workflows", "each", "at_once", "seconds"),
    [
        ([QUICK] * 50, {QUICK: 12.0}, 5, 120),
        ([QUICK] * 3, {QUICK: 12.0}, 5, 12),
        ([QUICK] * 4 + [SLOW], {QUICK: 1.0, SLOW: 60.0}, 5, 60),
        ([QUICK], {QUICK: 0.2}, 5, 1),
        ([QUICK], {QUICK: 10.0}, 0, 10),
        ([QUICK, SLOW], {QUICK: 1.0, SLOW: None}, 5, None),
        ([], {}, 5, 0),
    ],
)
def test_items_share_the_places_there_are(
    workflows: list, each: dict, at_once: int, seconds: int | None
) -> None:
    assert estimated_seconds(workflows, each, at_once) == seconds
