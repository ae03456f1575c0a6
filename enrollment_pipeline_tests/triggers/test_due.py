"""Who is due when: clocks of contacts, fields that hold dates, leap days, offsets and years."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from enrollment_pipeline.triggers.store.occurrences import known_zones
from enrollment_pipeline_tests.triggers.conftest import (
    Automation,
    Document,
    MakeAutomation,
    utc,
)

DAY = timedelta(days=1)
BIRTHDAY: Document = {"event": "birthday"}


def anniversary(field: str = "custom_fields.since", **more: object) -> Document:
    """A trigger on an anniversary."""
    return {"event": "anniversary", "parameters": {"date_field": field, **more}}


def dated(field: str = "custom_fields.until", **more: object) -> Document:
    """A trigger on a date."""
    return {"event": "scheduled_date", "parameters": {"date_field": field, **more}}


def recurring(cron: str, zone: str | None) -> Document:
    """A trigger on a schedule."""
    return {"event": "recurring_schedule", "parameters": {"cron": cron, "timezone": zone}}


def due(automation: Automation) -> list[tuple[str | None, str, str]]:
    """Name of the contact, instant and occurrence of each firing, in order."""
    rows = automation.query(
        "select c.email, l.due_at, l.occurrence from enrollment.trigger_log l "
        "join enrollment.contacts c on c.id = l.contact_id "
        "where l.account_id = :account and l.result = 'fired' order by l.due_at, c.email",
        account=automation.account.id,
    )
    return [
        (
            row["email"] and row["email"].partition("@")[0],
            f"{row['due_at'].astimezone(utc('2000-01-01').tzinfo):%Y-%m-%d %H:%M}",
            row["occurrence"],
        )
        for row in rows
    ]


FORGET_THE_LAST_LOOK = "delete from enrollment.trigger_watermarks where account_id = :account"


def look(automation: Automation, first: datetime, days: int = 1) -> None:
    """Run all windows of these days at once, at their end, and enroll."""
    # The months between two looks are not to be caught up.
    automation.sql(FORGET_THE_LAST_LOOK, account=automation.account.id)
    last = first + days * DAY
    automation.turn(last, since=first)


# Clocks

ZONES = {
    "machine": "localtime",
    "auckland": "Pacific/Auckland",
    "honolulu": "Pacific/Honolulu",
    "nowhere": "Mars/Olympus_Mons",
    "lower": "pacific/auckland",
    "silent": None,
    "empty": "",
}


@pytest.mark.parametrize(
    ("document", "occurrence"),
    [
        (BIRTHDAY, "2031"),
        (anniversary(), "2031 custom_fields.since"),
        (dated(), "2031-03-10 custom_fields.until"),
    ],
    ids=lambda one: one["event"] if isinstance(one, dict) else "",
)
def test_each_contact_goes_by_its_own_clock_or_by_the_accounts(
    make_automation: MakeAutomation, document: Document, occurrence: str
) -> None:
    automation = make_automation(timezone="Europe/Berlin")
    automation.automate(document, lateness="fire_late")
    for name, zone in ZONES.items():
        automation.contact(
            f"{name}@example.com",
            timezone=zone,
            birthday="1990-03-10",
            custom_fields={"since": "2020-03-10", "until": "2031-03-10"},
        )

    look(automation, utc("2031-03-08"), 5)

    berlin = "2031-03-10 08:00"
    assert due(automation) == [
        ("auckland", "2031-03-09 20:00", occurrence),
        *(
            (name, berlin, occurrence)
            for name in ("empty", "lower", "machine", "nowhere", "silent")
        ),
        ("honolulu", "2031-03-10 19:00", occurrence),
    ]
    assert len(automation.enrolled()) == len(ZONES)


def test_a_zone_that_only_one_of_program_and_database_knows_holds_up_nobody(
    automation: Automation,
) -> None:
    automation.automate(dated(time="11:00"))
    automation.automate(anniversary(time="11:00"), "B")
    own = {"until": "2031-03-10T11:00:00Z", "since": "2020-03-10T11:00:00Z"}
    automation.contact("zed@example.com", timezone="localtime", custom_fields=own)
    automation.contact("yan@example.com", custom_fields=own)

    look(automation, utc("2031-03-10"))

    assert [name for name, *_ in due(automation)] == ["yan", "yan", "zed", "zed"]
    with automation.database.account(automation.account.id) as connection:
        assert "localtime" not in known_zones(connection)
        assert "Europe/Berlin" in known_zones(connection)


@pytest.mark.parametrize(
    ("zone", "instant"), [("Asia/Tokyo", "2031-03-10 00:00"), (None, "2031-03-10 08:00")]
)
def test_a_schedule_goes_by_its_own_clock_or_by_the_accounts(
    make_automation: MakeAutomation, zone: str | None, instant: str
) -> None:
    automation = make_automation(timezone="Europe/Berlin")
    automation.automate(recurring("0 9 * * *", zone))
    automation.contact(timezone="Pacific/Auckland")

    look(automation, utc("2031-03-09T23:00"))

    assert [at for _, at, _ in due(automation)] == [instant]


@pytest.mark.parametrize(
    ("until", "zone", "instant"),
    [
        # A day is a day wherever the contact is.
        ("2031-03-10", "Pacific/Auckland", "2031-03-09 20:00"),
        # An instant is on the day that the contact's clock shows then: here already the 11th,
        ("2031-03-10T12:00:00Z", "Pacific/Auckland", "2031-03-10 20:00"),
        # and here still the 9th.
        ("2031-03-10T09:00:00Z", "Pacific/Honolulu", "2031-03-09 19:00"),
        ("2031-03-10T00:30:00+14:00", "UTC", "2031-03-09 09:00"),
        ("tomorrow", None, None),
        ("2031-02-30", None, None),
        ("", None, None),
        (20310310, None, None),
        (True, None, None),
        (None, None, None),
        (["2031-03-10"], None, None),
        ({"at": "2031-03-10"}, None, None),
    ],
)
def test_a_field_of_your_own_may_hold_a_day_or_an_instant_and_anything_else_is_never_due(
    automation: Automation, until: object, zone: str | None, instant: str | None
) -> None:
    automation.automate(dated(), lateness="fire_late")
    automation.automate(anniversary("custom_fields.until"), "Yearly", lateness="fire_late")
    automation.contact(custom_fields={"until": until}, timezone=zone)

    look(automation, utc("2031-03-08"), 5)

    assert [at for _, at, _ in due(automation)] == ([] if instant is None else [instant])
    assert automation.log("Yearly") == []


def test_dates_are_found_in_columns_and_deep_within_fields(automation: Automation) -> None:
    for name in ("created_at", "birthday", "custom_fields.contract.end"):
        automation.automate(dated(name, offset_days=1), name)
    automation.contact(
        created_at="2031-03-01T23:59:00Z",
        birthday="2031-03-02",
        custom_fields={"contract": {"end": "2031-03-03"}},
    )

    for day in range(1, 6):
        automation.turn(utc(f"2031-03-0{day}T09:00"))

    assert [at for _, at, _ in due(automation)] == [f"2031-03-0{n} 09:00" for n in (2, 3, 4)]


@pytest.mark.parametrize(
    ("document", "times"),
    [
        # On 30 March 2031 clocks in Berlin go from 02:00 to 03:00, at 01:00 UTC.
        (recurring("30 2 * * *", "Europe/Berlin"), ["01:00"]),
        (recurring("0,30 2,3 * * *", "Europe/Berlin"), ["01:00", "01:30"]),
        (recurring("0 9 * * *", "Europe/Berlin"), ["07:00"]),
        ({"event": "birthday", "parameters": {"time": "02:30"}}, ["01:00"]),
    ],
    ids=str,
)
def test_a_time_that_clocks_skip_fires_once_after_the_gap(
    make_automation: MakeAutomation, document: Document, times: list[str]
) -> None:
    automation = make_automation(timezone="Europe/Berlin")
    automation.automate(document, lateness="fire_late")
    automation.contact(birthday="1990-03-30")

    ends = ("29T12:00", "30T00:30", "30T00:59:59", "30T01:00", "30T01:00:01", "30T12:00")
    for since, until in (*pairwise(ends), (ends[0], ends[-1])):
        windows = {"since": utc(f"2031-03-{since}"), "until": utc(f"2031-03-{until}")}
        automation.look(utc("2031-03-30T12:00"), **windows)
    automation.work()

    assert [at for _, at, _ in due(automation)] == [f"2031-03-30 {one}" for one in times]


def test_a_time_that_clocks_show_twice_fires_once(make_automation: MakeAutomation) -> None:
    # On 26 October 2031 clocks in Berlin go from 03:00 to 02:00, at 01:00 UTC.
    automation = make_automation(timezone="Europe/Berlin")
    automation.automate(recurring("30 2 * * *", "Europe/Berlin"), "A", lateness="fire_late")
    automation.automate(dated(time="02:30"), "B", lateness="fire_late")
    automation.contact(custom_fields={"until": "2031-10-26"})

    automation.turn(utc("2031-10-26T01:00"), since=utc("2031-10-26T00:00"))
    automation.turn(utc("2031-10-26T03:00"), since=utc("2031-10-26T01:00"))

    assert [at for _, at, _ in due(automation)] == ["2031-10-26 00:30"] * 2


# Years


@pytest.mark.parametrize(
    "make", [lambda **more: {"event": "birthday", "parameters": more}, anniversary]
)
@pytest.mark.parametrize(
    ("leap_day", "days"),
    [
        (None, ["2031-02-28", "2032-02-29"]),
        ("feb28", ["2031-02-28", "2032-02-29"]),
        ("mar1", ["2031-03-01", "2032-02-29"]),
        ("leap_years_only", ["2032-02-29"]),
    ],
)
def test_the_29th_of_february_is_celebrated_once_a_year_as_the_trigger_says(
    automation: Automation, make: object, leap_day: str | None, days: list[str]
) -> None:
    more = {} if leap_day is None else {"leap_day": leap_day}
    automation.automate(make(**more), lateness="fire_late")  # type: ignore[operator]
    automation.contact(birthday="2000-02-29", custom_fields={"since": "2020-02-29"})

    for year in (2031, 2032):
        look(automation, utc(f"{year}-02-27"), 4)

    assert [(at, occurrence[:4]) for _, at, occurrence in due(automation)] == [
        (f"{day} 09:00", day[:4]) for day in days
    ]


def test_who_was_born_on_the_28th_is_celebrated_beside_the_29th(automation: Automation) -> None:
    automation.automate(BIRTHDAY)
    automation.contact("b28@example.com", birthday="2000-02-28")
    automation.contact("b29@example.com", birthday="2000-02-29")

    look(automation, utc("2031-02-28"))

    assert [name for name, _, _ in due(automation)] == ["b28", "b29"]


def test_an_anniversary_is_not_in_the_year_of_its_date(automation: Automation) -> None:
    automation.automate(anniversary())
    automation.contact("b31@example.com", custom_fields={"since": "2031-06-15"})
    automation.contact("b32@example.com", custom_fields={"since": "2032-06-15"})

    for year in (2030, 2031, 2032):
        look(automation, utc(f"{year}-06-15"))

    assert due(automation) == [("b31", "2032-06-15 09:00", "2032 custom_fields.since")]


def test_a_week_before_may_be_in_the_year_before(automation: Automation) -> None:
    week = {"offset_days": -7}
    automation.automate({"event": "birthday", "parameters": week}, "A", lateness="fire_late")
    automation.automate(anniversary(**week), "B", lateness="fire_late")
    automation.contact(
        "old@example.com", birthday="1990-01-03", custom_fields={"since": "2020-01-03"}
    )
    automation.contact("new@example.com", custom_fields={"since": "2032-01-03"})

    for year in (2031, 2032):
        look(automation, utc(f"{year}-12-26"), 2)

    # The occurrence is of the year that is celebrated; of 2032 the third of January is year 0.
    found = [(name, at, occurrence[:4]) for name, at, occurrence in due(automation)]
    assert found == [
        ("old", "2031-12-27 09:00", "2032"),
        ("old", "2031-12-27 09:00", "2032"),
        ("new", "2032-12-27 09:00", "2033"),
        ("old", "2032-12-27 09:00", "2033"),
        ("old", "2032-12-27 09:00", "2033"),
    ]
