"""Dates that change, contacts that come late, and triggers that begin after the instant."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from enrollment_pipeline.triggers import keeping
from enrollment_pipeline_tests.triggers.conftest import Automation, Document, utc
from enrollment_pipeline_tests.triggers.test_due import (
    BIRTHDAY,
    DAY,
    anniversary,
    dated,
    due,
    look,
    recurring,
)

# What changes


@pytest.mark.parametrize("offset", [0, -7])
def test_a_changed_birthday_does_not_fire_again_for_the_same_year(
    automation: Automation, offset: int
) -> None:
    automation.automate({"event": "birthday", "parameters": {"offset_days": offset}})
    contact = automation.contact(birthday="1990-01-05")
    shift = offset * DAY
    look(automation, utc("2032-01-05") + shift)

    automation.change_contact(contact, "birthday = '1991-01-10'")
    look(automation, utc("2032-01-10") + shift)
    look(automation, utc("2033-01-10") + shift)

    assert [occurrence for _, _, occurrence in due(automation)] == ["2032", "2033"]


def test_a_birthday_that_is_changed_before_it_was_reached_fires_on_the_new_day(
    automation: Automation,
) -> None:
    automation.automate(BIRTHDAY)
    contact = automation.contact(birthday="1990-01-05")
    automation.turn(utc("2032-01-04T09:00"))
    automation.change_contact(contact, "birthday = '1990-01-10'")
    for day in ("05", "10"):
        automation.turn(utc(f"2032-01-{day}T09:00"))
    assert due(automation) == [("ada", "2032-01-10 09:00", "2032")]


def test_a_date_that_is_moved_to_another_day_fires_again_and_moved_back_does_not(
    automation: Automation,
) -> None:
    automation.workflow(reenrollment="after_exit")
    automation.trigger(dated(), enrollment_limit="multiple", lateness="fire_late")
    contact = automation.contact(custom_fields={"until": "2031-03-01"})

    for day in ("2031-03-01", "2031-03-04", "2031-03-01"):
        automation.change_contact(contact, f"""custom_fields = '{{"until": "{day}"}}'""")
        look(automation, utc("2031-03-01"), 4)
        automation.end_enrollments()

    days = [occurrence.partition(" ")[0] for _, _, occurrence in due(automation)]
    assert days == ["2031-03-01", "2031-03-04"]
    assert len(automation.enrolled()) == 2


# Who comes late

COMING: Sequence[Document] = (
    BIRTHDAY,
    anniversary(),
    dated(),
    recurring("0 9 * * *", "UTC"),
)


@pytest.mark.parametrize("document", COMING, ids=lambda one: one["event"])
def test_who_comes_after_the_instant_is_not_told_and_who_was_deleted_neither(
    automation: Automation, document: Document
) -> None:
    automation.automate(document)
    for name, columns in {
        "before": {"created_at": "2031-03-10T09:00:00Z"},
        "after": {"created_at": "2031-03-10T09:00:01Z"},
        "deleted": {"deleted_at": "2031-03-10T08:00:00Z"},
    }.items():
        automation.contact(
            f"{name}@example.com",
            birthday="1990-03-10",
            custom_fields={"since": "2020-03-10", "until": "2031-03-10"},
            **columns,
        )

    look(automation, utc("2031-03-10"))

    assert [name for name, _, _ in due(automation)] == ["before"]
    assert len(automation.log()) == 1


@pytest.mark.parametrize("document", COMING, ids=lambda one: one["event"])
@pytest.mark.parametrize(("since", "fires"), [("09:00", False), ("08:59", True)])
def test_a_trigger_does_not_fire_for_what_was_due_before_it_became_active(
    automation: Automation, document: Document, since: str, fires: bool
) -> None:
    made = automation.automate(document)
    automation.contact(
        birthday="1990-03-10", custom_fields={"since": "2020-03-10", "until": "2031-03-10"}
    )
    automation.sql(
        "update enrollment.triggers set active_since = :since where id = :id",
        since=utc(f"2031-03-10T{since}"),
        id=made.id,
    )

    look(automation, utc("2031-03-10"))

    assert len(due(automation)) == int(fires)


def test_what_is_off_or_deleted_does_not_fire(automation: Automation) -> None:
    for name in ("off", "deleted", "switched"):
        automation.automate(BIRTHDAY, name, active=name != "off")
    where = automation.database, automation.account
    keeping.delete(*where, "deleted", actor="ann")
    keeping.deactivate(*where, "switched", actor="ann")
    automation.contact(birthday="1990-03-10")

    look(automation, utc("2031-03-10"))

    assert automation.log() == []


def at(told: str) -> datetime:
    """An instant of the tenth of March 2031, by its time."""
    return utc(f"2031-03-10T{told}")


def test_filters_of_a_schedule_are_asked_when_it_fires(automation: Automation) -> None:
    recent = {"field": "created_at", "operator": "within_last", "value": "7 days"}
    automation.automate({**recurring("0 9 * * *", "UTC"), "filters": recent})
    automation.contact("new@example.com", created_at=at("08:00") - 6 * DAY)
    automation.contact("old@example.com", created_at=at("08:00") - 8 * DAY)

    automation.turn(at("09:00"))

    assert due(automation) == [("new", "2031-03-10 09:00", "2031-03-10T09:00Z")]
