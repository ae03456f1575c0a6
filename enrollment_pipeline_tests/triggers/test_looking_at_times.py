"""Tests of triggers that the clock raises: when they are due for a contact, as the windows say."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from enrollment_pipeline.triggers import keeping
from enrollment_pipeline_tests.triggers.conftest import Automation, Document, utc
from enrollment_pipeline_tests.triggers.looks import flags, trial

ALL = (True, True, True)
NONE = (False, False, False)
BIRTHDAY: Document = {"event": "birthday"}
PEOPLE: dict[str, Document] = {
    "tokyo": {"birthday": "1990-05-04", "timezone": "Asia/Tokyo"},
    "honolulu": {"birthday": "1990-05-04", "timezone": "Pacific/Honolulu"},
    "nowhere": {"birthday": "1990-05-04", "timezone": "Nowhere"},
    "home": {"birthday": "1990-05-05"},
    "leap": {"birthday": "1992-02-29"},
    "unborn": {"birthday": "2033-05-04"},
    "dated": {"custom_fields": {"renewal": "2031-05-10T02:00:00Z"}, "timezone": "Asia/Tokyo"},
    "old": {"custom_fields": {"renewal": "2029-05-10"}, "timezone": "America/New_York"},
    "vague": {"custom_fields": {"renewal": "in May"}},
    "deleted": {"birthday": "1990-05-04", "deleted_at": "2031-01-01"},
}
RENEWAL = {"date_field": "custom_fields.renewal"}
FEBRUARY, APRIL, MAY = utc("2031-02-26T00:00"), utc("2031-04-26T00:00"), utc("2031-05-02T00:00")
SPAN = timedelta(days=4)


def on(event: str, **parameters: object) -> Document:
    return {"event": event, "parameters": parameters}


@pytest.mark.parametrize(
    ("document", "start", "expected"),
    [
        (on("birthday", time="07:30"), MAY, {"tokyo", "honolulu", "nowhere", "home"}),
        (on("birthday", offset_days=-7), APRIL, {"tokyo", "honolulu", "nowhere", "home"}),
        (on("birthday"), FEBRUARY, {"leap"}),
        (on("birthday", leap_day="mar1"), FEBRUARY, {"leap"}),
        (on("birthday", leap_day="leap_years_only"), FEBRUARY, set()),
        (on("anniversary", **RENEWAL, offset_days=-5), MAY, {"old"}),
        (on("scheduled_date", **RENEWAL, offset_days=-7, time="00:00"), MAY, {"dated"}),
    ],
)
def test_a_test_names_the_instant_at_which_the_window_then_fires(
    automation: Automation, document: Document, start: datetime, expected: set[str]
) -> None:
    automation.automate(document, lateness="fire_late")
    people = {
        automation.contact(f"{name}@example.com", **columns): name
        for name, columns in PEOPLE.items()
    }
    found = [
        (people[contact], trial(automation, contact, at=start + timedelta(days=days)))
        for contact in people
        # Each local day that touches the span.
        for days in range(-1, 6)
    ]
    told = {
        (name, one["due"])
        for name, one in found
        if flags(one) == ALL and start < datetime.fromisoformat(one["due"]) <= start + SPAN
    }

    automation.turn(start + SPAN, since=start)
    fired = automation.query(
        "select contact_id, due_at from enrollment.trigger_log where account_id = :account "
        "and enrolled",
        account=automation.account.id,
    )
    assert told == {(people[one["contact_id"]], one["due_at"].isoformat()) for one in fired}
    assert {name for name, _ in told} == expected


@pytest.mark.parametrize(
    ("at", "due", "reasons"),
    [
        ("2031-05-03T14:59", None, ["not due on 2031-05-03 (Asia/Tokyo)"]),
        ("2031-05-03T15:00", "2031-05-04T00:00:00+00:00", []),
        ("2031-05-04T14:59", "2031-05-04T00:00:00+00:00", []),
        ("2031-05-04T15:00", None, ["not due on 2031-05-05 (Asia/Tokyo)"]),
    ],
)
def test_the_day_that_is_tested_is_the_contacts_own(
    automation: Automation, at: str, due: str | None, reasons: list[str]
) -> None:
    automation.automate(BIRTHDAY)
    tokyo = automation.contact(**PEOPLE["tokyo"])

    found = trial(automation, tokyo, at=utc(at))

    assert (found["due"], found["reasons"]) == (due, reasons)
    assert flags(found) == (ALL if due else NONE)


def test_a_day_without_a_time_is_that_of_the_contact(automation: Automation) -> None:
    automation.automate(on("birthday", leap_day="mar1"))
    west = automation.contact("eve@example.com", birthday="1992-02-29", timezone="America/New_York")

    found = trial(automation, west, at=date(2031, 3, 1))

    assert (found["due"], flags(found)) == ("2031-03-01T14:00:00+00:00", ALL)
    found = trial(automation, west, at=date(2031, 2, 28))
    assert found["reasons"] == ["not due on 2031-02-28 (America/New_York)"]


def test_midnight_belongs_to_the_day_that_it_begins(automation: Automation) -> None:
    automation.automate(on("birthday", time="00:00"))
    contact = automation.contact(birthday="1990-05-04")

    assert trial(automation, contact, at=utc("2031-05-03T12:00"))["due"] is None
    found = trial(automation, contact, at=utc("2031-05-04T12:00"))
    assert found["due"] == "2031-05-04T00:00:00+00:00"


def test_what_another_trigger_has_fired_does_not_count(automation: Automation) -> None:
    automation.automate(BIRTHDAY, "Other")
    contact = automation.contact(birthday="1990-05-04")
    morning = utc("2031-05-04T09:00")
    automation.turn(morning)
    automation.automate(BIRTHDAY)

    assert flags(trial(automation, contact, at=morning)) == ALL


def test_what_has_fired_does_not_fire_again(automation: Automation) -> None:
    automation.automate(BIRTHDAY)
    contact = automation.contact(birthday="1990-05-04")
    morning = utc("2031-05-04T09:00")
    assert flags(trial(automation, contact, at=morning)) == ALL

    automation.turn(morning)

    found = trial(automation, contact, at=morning)
    assert flags(found) == (True, False, False)
    assert found["reasons"] == [
        "the occurrence 2031 has fired already",
        "blocked: already_enrolled: the contact is or was in this workflow, which takes a contact "
        "only once",
    ]


def test_what_was_due_before_the_trigger_was_active_does_not_fire(automation: Automation) -> None:
    trigger = automation.automate(BIRTHDAY)
    contact = automation.contact(birthday="1990-05-04")
    automation.change_contact(contact, "created_at = '2020-01-01'")
    year = trigger.active_since.year - 1

    found = trial(automation, contact, at=utc(f"{year}-05-04T12:00"), now=trigger.active_since)

    assert flags(found) == (True, False, False)
    assert found["reasons"][0].startswith("the trigger is active only since ")


def test_who_was_not_there_yet_is_not_due(automation: Automation) -> None:
    automation.automate(BIRTHDAY)
    contact = automation.contact(birthday="1990-05-04")
    automation.change_contact(contact, "created_at = '2031-05-04T09:00:01Z'")

    assert flags(trial(automation, contact, at=utc("2031-05-04T12:00"))) == NONE


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({"filters": {"field": "status", "operator": "equals", "value": "x"}}, NONE, "filters: "),
        ({"settings": {"active": False}}, (True, False, False), "the trigger is not active"),
    ],
)
def test_a_birthday_is_held_against_the_same_rules_as_an_event(
    automation: Automation, changes: Document, expected: Any, reason: str
) -> None:
    automation.automate({**BIRTHDAY, **changes})
    contact = automation.contact(birthday="1990-05-04")

    found = trial(automation, contact, at=utc("2031-05-04T12:00"))

    assert flags(found) == expected
    assert found["reasons"][0].startswith(reason)


@pytest.mark.parametrize("columns", [{"status": "unsubscribed"}, {"deleted_at": "2030-01-01"}])
def test_a_birthday_of_somebody_who_may_not_be_enrolled(
    automation: Automation, columns: Document
) -> None:
    automation.automate(BIRTHDAY)
    contact = automation.contact(birthday="1990-05-04", **columns)

    found = trial(automation, contact, at=utc("2031-05-04T12:00"))

    deleted = "deleted_at" in columns
    assert flags(found) == (NONE if deleted else (True, True, False))
    assert found["due"] == (None if deleted else "2031-05-04T09:00:00+00:00")
    assert found["reasons"] == [
        "the contact was deleted"
        if deleted
        else "blocked: contact_blocked: the contact has unsubscribed"
    ]


def test_a_birthday_on_a_sunday_waits_for_the_opening(automation: Automation) -> None:
    automation.automate(BIRTHDAY, respect_business_hours=True)
    contact = automation.contact(birthday="1990-05-04")

    found = trial(automation, contact, at=utc("2031-05-04T01:00"))

    assert flags(found) == ALL
    assert found["waits_until"] == "2031-05-05T09:00:00+00:00"
    (reason,) = found["reasons"]
    assert reason.startswith("outside business hours, due 2031-05-05T09:00")


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2031-05-05T07:00", "2031-05-05T07:00:00+00:00"),
        ("2031-05-05T07:01", "2031-05-12T07:00:00+00:00"),
    ],
)
def test_of_a_recurring_trigger_the_next_firing_is_tested(
    automation: Automation, at: str, due: str
) -> None:
    automation.automate(
        {
            "event": "recurring_schedule",
            "parameters": {"cron": "0 9 * * 1", "timezone": "Europe/Berlin"},
            "filters": {"field": "status", "operator": "equals", "value": "active"},
        }
    )
    contact, other = automation.contact(), automation.contact("b@example.com", status="blocked")
    assert flags(trial(automation, other, at=utc(at))) == NONE

    found = trial(automation, contact, at=utc(at))
    assert (flags(found), found["due"]) == (ALL, due)

    automation.turn(datetime.fromisoformat(due))
    assert automation.told() == [("ada@example.com", f"{due[:16]}Z")]
    found = trial(automation, contact, at=utc(at))
    assert found["reasons"][0] == f"the occurrence {due[:16]}Z has fired already"


def test_a_schedule_that_has_ended_is_not_due(automation: Automation) -> None:
    parameters = {"rrule": "FREQ=DAILY;COUNT=2", "start": "2031-05-01T09:00"}
    automation.automate({"event": "recurring_schedule", "parameters": parameters})
    contact = automation.contact()
    automation.change_contact(contact, "created_at = '2031-05-01T12:00Z'")

    assert trial(automation, contact, at=utc("2031-05-03T00:00"))["reasons"] == [
        "the schedule has ended"
    ]
    assert trial(automation, contact, at=utc("2031-05-01T00:00"))["reasons"] == [
        "the contact was not there yet"
    ]
    assert flags(trial(automation, contact, at=utc("2031-05-02T00:00"))) == ALL


def test_an_inactive_workflow_takes_nobody_on_its_birthday(automation: Automation) -> None:
    automation.automate(BIRTHDAY, status="paused")
    contact = automation.contact(birthday="1990-05-04")

    found = trial(automation, contact, at=utc("2031-05-04T12:00"))

    assert flags(found) == (True, False, False)
    assert found["reasons"] == ["the workflow is paused"]
    automation.turn(utc("2031-05-04T09:00"))
    assert automation.log() == [("workflow_inactive", True, False, "the workflow is paused")]
    assert keeping.find(automation.database, automation.account, "Welcome").active
