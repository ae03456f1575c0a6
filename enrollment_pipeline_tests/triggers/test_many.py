"""Many contacts at once: cut into jobs, streamed in chunks, and left to the queue where large."""

from datetime import datetime

import pytest

from enrollment_pipeline.triggers.store.occurrences import CHUNK
from enrollment_pipeline_tests.triggers.conftest import (
    PAYMENT,
    Automation,
    Document,
    MakeAutomation,
    utc,
)

EVERY_DAY: Document = {"event": "recurring_schedule", "parameters": {"cron": "0 9 * * *"}}
BIRTHDAY: Document = {"event": "birthday"}


def nine() -> datetime:
    """When it is due."""
    return utc("2031-03-10T09:00")


def test_more_contacts_than_a_job_may_hold_are_cut_into_several_and_all_enrolled(
    make_automation: MakeAutomation,
) -> None:
    automation = make_automation(max_contacts_per_job=3)
    automation.automate(EVERY_DAY, "A")
    automation.automate(PAYMENT, "B")
    automation.crowd(7)

    automation.turn(nine())
    automation.send(
        *(
            {"type": "payment_received", "email": f"c{n}@example.com", "data": {"amount": 1}}
            for n in range(1, 8)
        )
    )
    automation.work()

    sizes = (1, 1, 3, 3, 3, 3)
    assert sorted(automation.jobs()) == [("trigger", "completed", size) for size in sizes]
    enrolled = automation.enrolled()
    assert len(enrolled) == len(set(enrolled)) == 14
    assert automation.log() == [("fired", True, True, None)] * 14


@pytest.mark.parametrize(("number", "runner"), [(1_000, "trigger"), (1_001, "queue")])
def test_a_large_job_is_left_to_the_queue(automation: Automation, number: int, runner: str) -> None:
    automation.automate(BIRTHDAY)
    automation.crowd(number, birthday="1990-03-10")

    automation.turn(nine())

    if runner == "queue":
        assert automation.jobs() == [("queue", "pending", number)]
        assert set(automation.log()) == {("fired", True, False, "waiting: the job is pending")}
        assert automation.finish_queue() == 1
    assert automation.jobs() == [(runner, "completed", number)]
    assert automation.log() == [("fired", True, True, None)] * number


@pytest.mark.parametrize("document", [EVERY_DAY, BIRTHDAY], ids=["each day", "birthday"])
def test_more_contacts_than_are_held_in_memory_are_streamed(
    automation: Automation, document: Document
) -> None:
    number = CHUNK + 1
    automation.automate(
        {**document, "filters": {"field": "custom_fields.a", "operator": "is_empty"}}
    )
    automation.crowd(number, birthday="1990-03-10")

    assert automation.look(nine()) == {"fired": number}
    assert automation.look(nine()) == {}

    assert sorted(automation.jobs()) == [("queue", "pending", CHUNK), ("trigger", "pending", 1)]
    automation.work()
    assert automation.finish_queue() == 1
    assert len(set(automation.enrolled())) == number
