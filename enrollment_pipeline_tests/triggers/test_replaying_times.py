"""Replays of triggers that the clock raises, beside what the windows made of the same days."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.triggers.conftest import Automation, Document, utc
from enrollment_pipeline_tests.triggers.looks import both, replay

ACTIVE = {"field": "status", "operator": "equals", "value": "active"}


def by_windows(automation: Automation, since: datetime, until: datetime) -> Counter[str]:
    """Run the windows of that time, each when it has ended; return results by number."""
    found: Counter[str] = Counter()
    while since < until:
        since += timedelta(minutes=15)
        found += Counter({str(one): n for one, n in automation.look(since).items()})
    automation.work(until)
    return found


@pytest.mark.parametrize(
    ("document", "results"),
    [
        (
            {"event": "birthday", "filters": ACTIVE},
            {"fired": 3, "filters": 1},
        ),
        (
            {
                "event": "anniversary",
                "parameters": {"date_field": "custom_fields.since", "time": "18:00"},
                "filters": ACTIVE,
            },
            {"fired": 1},
        ),
        (
            {
                "event": "scheduled_date",
                "parameters": {"date_field": "custom_fields.until", "offset_days": -1},
                "filters": ACTIVE,
            },
            {"fired": 1},
        ),
    ],
)
def test_a_replay_of_dates_comes_to_what_the_windows_came_to(
    automation: Automation, document: Document, results: dict[str, int]
) -> None:
    automation.automate(document)
    automation.contact(birthday="1990-05-02", custom_fields={"since": "2030-05-02"})
    automation.contact("b@example.com", birthday="1990-05-02", timezone="Pacific/Honolulu")
    automation.contact("c@example.com", birthday="1990-05-02", status="blocked")
    automation.contact("d@example.com", birthday="1992-05-03", timezone="Asia/Tokyo")
    automation.contact(
        "e@example.com", birthday="1992-05-04", custom_fields={"until": "2031-05-03"}
    )
    since, until = utc("2031-05-02T00:00"), utc("2031-05-03T00:00")
    before = replay(automation, 1, until)

    assert by_windows(automation, since, until) == Counter(before["by_result"])
    found = replay(automation, 1, until)

    assert found == before
    assert found["by_result"] == results
    log = automation.query(
        "select occurrence, contact_id, result, reason from enrollment.trigger_log "
        "where account_id = :account",
        account=automation.account.id,
    )
    told = [tuple({**one, "contact_id": str(one["contact_id"])}.values()) for one in log]
    assert Counter(tuple(one.values()) for one in found["samples"]) == Counter(told)


def test_a_replay_of_dates_counts_reasons_and_waits_for_the_opening(
    automation: Automation,
) -> None:
    automation.automate({"event": "birthday", "filters": ACTIVE}, respect_business_hours=True)
    automation.contact(birthday="1990-05-04")
    automation.contact("b@example.com", birthday="1990-05-05")
    automation.contact("c@example.com", birthday="1990-05-05", status="blocked")

    found = replay(automation, 3, utc("2031-05-06T00:00"))

    assert found["by_result"] == {"queued": 1, "fired": 1, "filters": 1}
    assert Counter(one["reason"] for one in found["by_reason"]) == Counter(
        ["outside business hours", 'filters: status equals "active" does not hold']
    )


def test_a_replay_of_a_schedule_comes_to_what_the_windows_came_to(
    automation: Automation,
) -> None:
    automation.automate(
        {
            "event": "recurring_schedule",
            "parameters": {"cron": "0 */6 * * *", "timezone": "Europe/Berlin"},
            "filters": ACTIVE,
        }
    )
    late, exact = automation.contact(), automation.contact("b@example.com")
    automation.contact("c@example.com")
    automation.contact("d@example.com", status="blocked")
    automation.contact("e@example.com", deleted_at="2031-01-01")
    automation.change_contact(late, "created_at = '2031-05-02T11:00Z'")
    automation.change_contact(exact, "created_at = '2031-05-02T10:00Z'")
    since = utc("2031-05-02T00:00")
    until = since + timedelta(days=1)
    before = replay(automation, 1, until)

    assert by_windows(automation, since, until) == Counter(before["by_result"])
    found = replay(automation, 1, until)

    assert found == before
    # Once at 04:00, and by Berlin's clock at 10:00, 16:00 and 22:00.
    assert found["by_result"] == {"fired": 1 + 2 + 3 + 3}
    assert [one["occurrence"] for one in found["samples"]] == [
        "2031-05-02T04:00Z",
        *["2031-05-02T10:00Z"] * 2,
        *["2031-05-02T16:00Z"] * 3,
        *["2031-05-02T22:00Z"] * 3,
    ]


def test_a_schedule_with_filters_that_look_at_the_clock_asks_them_each_time(
    automation: Automation,
) -> None:
    recent = {"field": "created_at", "operator": "within_last", "value": "12 hours"}
    automation.automate(
        {
            "event": "recurring_schedule",
            "parameters": {"cron": "0 */6 * * *"},
            "filters": both("AND", ACTIVE, both("OR", recent)),
        }
    )
    contact = automation.contact()
    automation.change_contact(contact, "created_at = '2031-05-02T05:00Z'")

    found = replay(automation, 3, utc("2031-05-04T00:00"))

    assert found["by_result"] == {"fired": 2}


def test_a_schedule_waits_for_the_opening_and_for_its_workflow(automation: Automation) -> None:
    automation.automate(
        {"event": "recurring_schedule", "parameters": {"cron": "0 8,12 * * *"}},
        respect_business_hours=True,
    )
    automation.crowd(30)
    now = utc("2031-05-06T00:00")

    found = replay(automation, 1, now)
    assert found["by_result"] == {"queued": 30, "fired": 30}
    assert (found["matched"], len(found["samples"])) == (60, 20)
    assert found["by_reason"] == [{"reason": "outside business hours", "number": 30}]

    workflows.pause(automation.database, automation.account, "Welcome", actor="ann")
    found = replay(automation, 1, now)
    assert found["by_result"] == {"workflow_inactive": 2}
    assert found["samples"][0]["contact_id"] is None
