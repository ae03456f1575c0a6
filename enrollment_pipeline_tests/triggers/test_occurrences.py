"""Windows of time triggers: what is caught up, what is too late, and that nothing fires twice."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import ForbiddenError
from enrollment_pipeline.records import Account
from enrollment_pipeline.triggers import keeping, occurrences
from enrollment_pipeline.triggers.due import Span
from enrollment_pipeline.triggers.evaluation import Result
from enrollment_pipeline.triggers.occurrences import OLDEST, span_of
from enrollment_pipeline.triggers.store.triggers import Trigger
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.triggers.conftest import (
    Automation,
    Document,
    MakeAutomation,
    together,
    utc,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
INSTANT = timedelta(microseconds=1)
EVERY_DAY: Document = {"event": "recurring_schedule", "parameters": {"cron": "0 9 * * *"}}
BIRTHDAY: Document = {"event": "birthday"}


def at(told: str) -> datetime:
    """An instant of 3 March 2031, by its time."""
    return utc(f"2031-03-03T{told}")


def catch_up(automation: Automation, now: datetime) -> Counter[Result]:
    """Look at what was due since the last look."""
    return occurrences.catch_up(automation.database, automation.account, now=now, actor="ann")


# What a run looks at


@pytest.mark.parametrize(
    ("watermark", "now", "since", "until"),
    [
        # The newest window goes on to the present.
        (None, "09:15", "09:00", "09:15"),
        (None, "09:15:01", "09:00", "09:15:01"),
        (None, "09:29:59", "09:00", "09:29:59"),
        (None, "09:30", "09:00", "09:15"),
        (None, "12:00", "09:00", "09:15"),
        # What was missed is caught up.
        ("08:00", "09:16", "08:00", "09:16"),
        ("08:00", "12:00", "08:00", "09:15"),
        ("09:00", "09:16", "09:00", "09:16"),
        ("09:10", "09:16", "09:00", "09:16"),
        # What was looked at already is looked at as it is.
        ("09:15", "12:00", "09:00", "09:15"),
        ("09:20", "12:00", "09:00", "09:15"),
        ("11:45", "12:00", "09:00", "09:15"),
        # Nothing is due before its time, whatever a window says.
        (None, "09:05", "09:00", "09:05"),
        ("08:00", "08:30", "08:00", "08:30"),
    ],
)
def test_a_run_looks_at_its_window_and_at_what_was_missed(
    watermark: str | None, now: str, since: str, until: str
) -> None:
    window = Span(at("09:00"), at("09:15"))
    found = span_of(window, None if watermark is None else at(watermark), at(now))
    assert found == Span(at(since), at(until))


def test_no_run_looks_at_what_was_due_longer_ago_than_occurrences_are_kept() -> None:
    now = at("09:15")
    assert span_of(Span(now - MINUTE, now), now - 2 * OLDEST, now) == Span(now - OLDEST, now)
    old = span_of(Span(now - 3 * OLDEST, now - 2 * OLDEST), None, now)
    assert old.since > old.until


def test_of_a_window_its_end_is_part_and_its_beginning_is_not(automation: Automation) -> None:
    automation.automate(EVERY_DAY)
    automation.contact()
    nine = at("09:00")

    assert automation.look(nine + MINUTE, since=nine, until=nine + MINUTE) == {}
    assert automation.look(nine - INSTANT, since=nine - HOUR, until=nine) == {}
    assert automation.look(nine, since=nine - HOUR, until=nine) == {Result.FIRED: 1}
    automation.work()


def test_catching_up_begins_where_the_last_look_ended(automation: Automation) -> None:
    automation.automate(EVERY_DAY, lateness="fire_late")
    automation.contact()
    automation.look(at("09:00") - DAY)

    found = catch_up(automation, at("08:59"))
    assert found == {}
    found = catch_up(automation, at("09:00") + DAY)
    assert found == {Result.FIRED: 2}
    found = catch_up(automation, at("09:01") + DAY)
    assert found == {}
    automation.work()


def test_a_backfilled_window_does_not_turn_the_watermark_back(automation: Automation) -> None:
    automation.automate(EVERY_DAY, lateness="fire_late")
    automation.contact()
    automation.look(at("12:00"))
    automation.look(at("12:00"), since=at("00:00") - 3 * DAY, until=at("00:00") - 2 * DAY)

    # Had it been turned back, the first of March would be caught up.
    automation.look(at("12:15"))

    assert [occurrence for _, occurrence in automation.told()] == ["2031-02-28T09:00Z"]
    automation.work()


def test_who_may_not_manage_workflows_fires_nothing(automation: Automation) -> None:
    automation.automate(EVERY_DAY)
    automation.contact()
    where = automation.database, automation.account
    members.add(*where, "boss", ["account:admin"], actor="boss")

    with pytest.raises(ForbiddenError):
        catch_up(automation, at("09:00"))

    assert automation.log() == []
    assert automation.audit()[-1] == ("ann", "triggers.fire", "denied")


# Lateness

LATE = "late by {}, which is more than {}"


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        ({"lateness": "fire_late"}, None, None),
        ({}, LATE.format("2 days 5 min", "24 h"), LATE.format("1 day 5 min", "24 h")),
        ({"lateness_hours": 25}, LATE.format("2 days 5 min", "25 h"), None),
        (
            {"lateness": "skip", "lateness_hours": 99},
            LATE.format("2 days 5 min", "30 min"),
            LATE.format("1 day 5 min", "30 min"),
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("document", [EVERY_DAY, BIRTHDAY], ids=["each day", "birthday"])
def test_after_two_days_without_a_run_each_policy_does_what_it_says(
    automation: Automation,
    document: Document,
    policy: Document,
    first: str | None,
    second: str | None,
) -> None:
    automation.workflow(reenrollment="always")
    automation.trigger(document, **policy)
    for day in [1] if document is EVERY_DAY else [1, 2, 3]:
        automation.contact(f"c{day}@example.com", birthday=f"1990-03-0{day}")
    automation.look(at("08:00") - 2 * DAY)

    automation.look(at("09:05"))

    rows = automation.query(
        "select result, reason, due_at from enrollment.trigger_evaluations "
        "where account_id = :account order by due_at",
        account=automation.account.id,
    )
    assert [row["due_at"] for row in rows] == [at("09:00") - n * DAY for n in (2, 1, 0)]
    assert [row["reason"] for row in rows] == [first, second, None]
    assert [row["result"] for row in rows] == [
        "fired" if reason is None else "late" for reason in (first, second, None)
    ]
    automation.work()


def test_who_was_too_late_stays_so_when_the_window_is_run_again(automation: Automation) -> None:
    automation.automate(BIRTHDAY)
    automation.contact(birthday="1990-03-03")
    old = {"since": at("08:45"), "until": at("09:00")}

    for hours in (25, 30):
        assert automation.look(at("09:00") + hours * HOUR, **old) == {Result.LATE: 1}

    # One row of the log for one occurrence, which says what it came to last.
    reason = LATE.format("1 day 6 h", "24 h")
    assert automation.log() == [("late", True, False, reason)]


# Never twice


def house(automation: Automation) -> None:
    """Triggers of all types, and contacts that are due within three days."""
    documents: dict[str, Document] = {
        "yearly": {**BIRTHDAY, "parameters": {"time": "06:00"}},
        "since": {"event": "anniversary", "parameters": {"date_field": "custom_fields.since"}},
        "until": {
            "event": "scheduled_date",
            "parameters": {"date_field": "custom_fields.until", "offset_days": -7},
        },
        "daily": {"event": "recurring_schedule", "parameters": {"cron": "30 20 * * *"}},
    }
    for name, document in documents.items():
        automation.automate(document, name, lateness="fire_late")
    for number, zone in enumerate(("Pacific/Auckland", "Pacific/Honolulu", None, "Asia/Tokyo")):
        day = 1 + number % 3
        automation.contact(
            f"c{number}@example.com",
            timezone=zone,
            birthday=f"1990-03-0{day}",
            custom_fields={"since": f"2020-03-0{day}", "until": f"2031-03-{day + 7:02}"},
        )


BEGIN, END = utc("2031-02-28T12:00"), utc("2031-03-04T00:00")
WINDOWS = [Span(BEGIN + n * DAY / 2, BEGIN + (n + 1) * DAY / 2) for n in range(7)]
SHUFFLED = random.Random(7).sample(WINDOWS, len(WINDOWS))
# Each of the 4 contacts at 4 times, and on 3 dates.
FIRINGS = 4 * (4 + 3)


def look_at(automation: Automation, windows: Iterable[Span]) -> Counter[Result]:
    """Run these windows."""
    found: Counter[Result] = Counter()
    for window in windows:
        found += automation.look(END, since=window.since, until=window.until)
    return found


@pytest.mark.parametrize(
    "windows",
    [
        WINDOWS,
        WINDOWS[::-1],
        SHUFFLED,
        [Span(max(BEGIN, one.since - 8 * HOUR), one.until + 8 * HOUR) for one in WINDOWS],
        [Span(BEGIN, END)],
    ],
    ids=["in order", "backwards", "shuffled", "overlapping", "all at once"],
)
def test_whatever_the_windows_each_occurrence_fires_once(
    automation: Automation, windows: list[Span]
) -> None:
    house(automation)

    assert look_at(automation, windows) == {Result.FIRED: FIRINGS}
    told = automation.told()
    assert len(told) == FIRINGS
    automation.work()
    enrolled = automation.enrolled()
    assert len(enrolled) == len(set(enrolled)) == 16

    for again in (SHUFFLED, [Span(BEGIN, END)]):
        assert look_at(automation, again) == {}
    automation.work()
    assert (automation.told(), automation.enrolled()) == (told, enrolled)


def test_runs_of_the_same_windows_at_once_fire_each_occurrence_once(automation: Automation) -> None:
    house(automation)
    found: list[Counter[Result]] = []

    together(
        lambda: found.append(look_at(automation, WINDOWS)),
        lambda: found.append(look_at(automation, WINDOWS[::-1])),
        lambda: found.append(look_at(automation, [Span(BEGIN, END)])),
    )

    assert sum(found, Counter()) == {Result.FIRED: FIRINGS}
    together(automation.work, automation.work)
    enrolled = automation.enrolled()
    assert len(enrolled) == len(set(enrolled)) == 16


# Troubles


def test_a_trigger_that_cannot_be_evaluated_holds_up_no_other_and_is_caught_up(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [automation.automate(EVERY_DAY, name) for name in ("A", "B", "C")]
    automation.contact()
    automation.look(at("08:00"))
    evaluate_within = occurrences.evaluate_within

    def stumble(
        connection: Connection, account: Account, trigger: Trigger, span: Span, *, now: datetime
    ) -> Counter[Result]:
        if trigger.id == min(one.id for one in made):
            raise ZeroDivisionError
        return evaluate_within(connection, account, trigger, span, now=now)

    with monkeypatch.context() as patched:
        patched.setattr(occurrences, "evaluate_within", stumble)
        with pytest.raises(ZeroDivisionError):
            automation.look(at("09:00"))
    assert len(automation.told()) == 2

    assert automation.look(at("12:00")) == {Result.FIRED: 1}
    automation.work()
    assert len(automation.enrolled()) == 3


@pytest.mark.parametrize(
    "change",
    [
        keeping.delete,
        keeping.deactivate,
        lambda *where, actor: keeping.update(*where, {"event": "deal_won"}, actor=actor),
    ],
)
def test_what_changes_before_a_trigger_has_its_turn_counts(
    automation: Automation, change: Callable[..., object]
) -> None:
    found = automation.automate(BIRTHDAY)
    automation.contact(birthday="1990-03-03")
    change(automation.database, automation.account, "Welcome", actor="ann")

    span = Span(at("08:00"), at("09:00"))
    assert (
        occurrences.evaluate_trigger(
            automation.database, automation.account, found, span, now=at("09:00")
        )
        == {}
    )


# Who waits for nothing, and what waits


def test_a_workflow_that_is_not_active_is_told_once_for_all_or_for_each(
    automation: Automation,
) -> None:
    automation.automate(EVERY_DAY, "A", "paused")
    automation.automate(BIRTHDAY, "B", "draft")
    for name in ("ada", "bob"):
        automation.contact(f"{name}@example.com", birthday="1990-03-03")

    automation.turn(at("09:00"))

    assert automation.log("A") == [("workflow_inactive", True, False, "the workflow is paused")]
    assert automation.log("B") == [("workflow_inactive", True, False, "the workflow is draft")] * 2
    # Activated, and looked at again while it is not too late, it takes them after all.
    workflows.activate(automation.database, automation.account, "A", actor="ann")
    automation.turn(at("09:20"))
    assert automation.enrolled() == []
    automation.turn(at("09:20"), since=at("08:45"), until=at("09:00"))
    assert len(automation.enrolled()) == 2


def test_outside_of_business_hours_an_occurrence_waits_and_is_not_queued_twice(
    make_automation: MakeAutomation,
) -> None:
    automation = make_automation(business_days="tue", holidays="")
    automation.automate(BIRTHDAY, respect_business_hours=True)
    automation.contact(birthday="1990-03-03")
    monday, opening = at("09:00"), at("09:00") + DAY

    assert automation.turn(monday, since=monday - HOUR) == {Result.QUEUED: 1}
    assert automation.turn(monday, since=monday - HOUR) == {}
    reason = "outside business hours, due 2031-03-04T09:00 (UTC)"
    assert automation.log() == [("queued", True, False, reason)]

    for _ in range(2):
        automation.work(opening)
        automation.turn(opening, since=monday - HOUR)
    assert automation.log() == [("fired", True, True, None)]
    assert len(automation.enrolled()) == 1
