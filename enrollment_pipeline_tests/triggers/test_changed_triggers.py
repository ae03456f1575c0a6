"""Triggers that are changed: from when on, and for what, they fire as what they have become."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from enrollment_pipeline.errors import InvalidTriggerError
from enrollment_pipeline.triggers import keeping
from enrollment_pipeline_tests.triggers.conftest import PAYMENT, Automation, Document, utc

HOUR = timedelta(hours=1)
LONG_AGO = utc("2020-01-01T00:00")
LEAD: Document = {"event": "tag_added", "parameters": {"tag": "lead"}}
AT_NINE: Document = {"event": "recurring_schedule", "parameters": {"cron": "0 9 * * *"}}
CONTACT: Document = {
    "birthday": "1990-03-10",
    "custom_fields": {"joined": "2020-03-10", "left": "2021-03-10", "renewal": "2031-03-10"},
}


def anniversary(field: str) -> Document:
    """A trigger on an anniversary of a field of your own."""
    return {"event": "anniversary", "parameters": {"date_field": f"custom_fields.{field}"}}


def dated(field: str) -> Document:
    """A trigger on the date of a field of your own."""
    return {"event": "scheduled_date", "parameters": {"date_field": f"custom_fields.{field}"}}


def change(automation: Automation, changes: Document) -> datetime:
    """Change the trigger, which was active for long, and return since when it is active now."""
    automation.sql(
        "update enrollment.triggers set active_since = :at where account_id = :account",
        at=LONG_AGO,
        account=automation.account.id,
    )
    where = automation.database, automation.account
    return keeping.update(*where, "Welcome", changes, actor="ann").active_since


# From when on


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (LEAD, AT_NINE),
        (LEAD, {"parameters": {"tag": "customer"}}),
        (AT_NINE, {"parameters": {"cron": "0 8 * * *"}}),
        (AT_NINE, {"parameters": {"timezone": "Asia/Tokyo"}}),
        ({"event": "birthday"}, {"parameters": {"time": "08:00"}}),
        ({"event": "birthday"}, {"parameters": {"offset_days": -7}}),
        (anniversary("joined"), anniversary("left")),
    ],
)
def test_what_waits_for_something_else_is_active_only_since_then(
    automation: Automation, before: Document, changes: Document
) -> None:
    automation.automate(before)
    assert change(automation, changes) > datetime.now(UTC) - HOUR


@pytest.mark.parametrize(
    "changes",
    [
        {"filters": {"field": "tags", "operator": "contains", "value": "lead"}},
        {"settings": {"lateness": "fire_late"}},
        {"parameters": {"cron": "0 9 * * *"}, "settings": {"lateness_hours": 48}},
    ],
)
def test_what_takes_others_or_at_another_lateness_is_active_since_before(
    automation: Automation, changes: Document
) -> None:
    automation.automate(AT_NINE)
    assert change(automation, changes) == LONG_AGO


def test_a_trigger_that_becomes_a_time_trigger_does_not_fire_for_the_past(
    automation: Automation,
) -> None:
    automation.automate(LEAD, lateness="fire_late")
    automation.contact(created_at=LONG_AGO)
    now = datetime.now(UTC)
    automation.look(now - 20 * HOUR)
    due = now - 3 * HOUR

    cron = f"{due.minute} {due.hour} * * *"
    change(automation, {"event": "recurring_schedule", "parameters": {"cron": cron}})

    assert automation.look(now + timedelta(minutes=1)) == {}


# For what


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"event": "birthday"}, anniversary("joined")),
        (anniversary("joined"), {"event": "birthday"}),
        (anniversary("joined"), anniversary("left")),
        (dated("renewal"), dated("again")),
        (anniversary("joined"), dated("renewal")),
    ],
)
def test_what_fired_as_something_else_is_another_occurrence(
    automation: Automation, before: Document, after: Document
) -> None:
    automation.workflow(reenrollment="always")
    automation.trigger(before, enrollment_limit="multiple")
    own = {**CONTACT["custom_fields"], "again": "2031-03-10"}
    automation.contact(birthday=CONTACT["birthday"], custom_fields=own)
    automation.turn(utc("2031-03-10T09:00"))
    automation.end_enrollments()

    change(automation, {**after, "parameters": {**after.get("parameters", {}), "time": "10:00"}})
    automation.turn(utc("2031-03-10T10:00"))

    assert len(automation.enrolled()) == 2


@pytest.mark.parametrize(
    "document", [{"event": "birthday"}, anniversary("joined"), dated("renewal")]
)
def test_what_fired_does_not_fire_again_at_another_time_of_its_day(
    automation: Automation, document: Document
) -> None:
    automation.workflow(reenrollment="always")
    automation.trigger(document, enrollment_limit="multiple")
    automation.contact(**CONTACT)
    automation.turn(utc("2031-03-10T09:00"))
    automation.end_enrollments()

    change(automation, {"parameters": {"time": "10:00"}})
    automation.turn(utc("2031-03-10T10:00"))

    assert len(automation.enrolled()) == 1


@pytest.mark.parametrize(
    ("document", "kept"), [(anniversary("joined"), "2031"), (dated("renewal"), "2031-03-10")]
)
def test_what_fired_before_the_upgrade_does_not_fire_again(
    automation: Automation, document: Document, kept: str
) -> None:
    automation.workflow(reenrollment="always")
    automation.trigger(document, enrollment_limit="multiple")
    automation.contact(**CONTACT)
    automation.turn(utc("2031-03-10T09:00"))
    automation.end_enrollments()
    automation.sql(
        "update enrollment.trigger_evaluations set occurrence = :kept where account_id = :account",
        kept=kept,
        account=automation.account.id,
    )
    upgrade = import_module("enrollment_pipeline.storage.migrations.versions.0005_events")

    # Of this account: in a database of that version, no other row has a field either.
    by_field = f"{upgrade.BY_FIELD} and e.account_id = :account"
    automation.sql(by_field, account=automation.account.id)
    automation.turn(utc("2031-03-10T09:10"))

    assert len(automation.enrolled()) == 1


# What is refused


@pytest.mark.parametrize("name", ["filters", "settings", "parameters"])
def test_null_is_no_way_to_say_that_all_is_as_by_default(automation: Automation, name: str) -> None:
    large = {"field": "data.amount", "operator": "greater_than", "value": 500}
    automation.automate({**PAYMENT, "filters": large}, active=False)
    where = automation.database, automation.account

    with pytest.raises(InvalidTriggerError, match=f"{name}: must be an object, not null"):
        keeping.update(*where, "Welcome", {name: None}, actor="ann")

    kept = keeping.find(*where, "Welcome")
    assert (kept.active, kept.version) == (False, 1)
    assert kept.document.as_dict()["filters"]["conditions"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"rrule": "FREQ=DAILY;COUNT=3", "start": "2020-01-01T09:00"},
        {"rrule": "FREQ=DAILY;UNTIL=20200101T000000Z", "start": "2019-01-01T09:00"},
    ],
)
def test_a_schedule_that_has_ended_is_refused(automation: Automation, parameters: Document) -> None:
    automation.workflow()
    ended = {"event": "recurring_schedule", "parameters": parameters}
    with pytest.raises(InvalidTriggerError, match="The schedule has ended already"):
        automation.trigger(ended)

    automation.trigger(PAYMENT)
    with pytest.raises(InvalidTriggerError, match="The schedule has ended already"):
        change(automation, ended)
