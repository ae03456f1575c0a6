"""What the writer of an RRULE is told, and that no rule takes long, read or asked."""

import re
from datetime import UTC, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest

from enrollment_pipeline_tests.clocks.recurring import rule


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("FREQ=SECONDLY", "FREQ=SECONDLY is more often than every 15 minutes."),
        ("FREQ=MINUTELY;INTERVAL=60", "FREQ=MINUTELY is more often than every 15 minutes."),
        ("FREQ=FORTNIGHTLY", "FREQ is one of YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, not"),
        ("BYDAY=MO", "An RRULE needs FREQ, such as FREQ=WEEKLY."),
        ("every monday", '"EVERYMONDAY" is no part of an RRULE'),
        ("", '"" is no part of an RRULE'),
        ("DTSTART:20260101T090000", '"" is no part of an RRULE'),
        ("FREQ=DAILY;BYEASTER=1", '"BYEASTER=1" is no part of an RRULE'),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is there twice."),
        ("FREQ=DAILY\nRRULE:FREQ=DAILY", "There is more than one RRULE."),
        ("FREQ=DAILY\nEXDATE:20260101T090000", "no EXDATE, RDATE or EXRULE."),
        ("RDATE:20260101T090000", "no EXDATE, RDATE or EXRULE."),
        ("DTSTART;TZID=Europe/Berlin:20260101T090000 RRULE:FREQ=DAILY", "without"),
        ("DTSTART:20260101T090000Z RRULE:FREQ=DAILY", "no time zone of its own"),
        ("DTSTART:20260230T090000 RRULE:FREQ=DAILY", "DTSTART is a time such as 20261231T090000"),
        ("DTSTART:19691231T090000 RRULE:FREQ=DAILY", "between the years 1970 and 2199"),
        ("FREQ=DAILY;UNTIL=tomorrow", 'UNTIL is a time such as 20261231T090000, not "TOMORROW".'),
        ("FREQ=DAILY;UNTIL=20261231T250000", "UNTIL is a time such as"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "COUNT and UNTIL both say when the schedule ends"),
        ("FREQ=DAILY;COUNT=0", 'COUNT takes one number from 1 to 10000, not "0".'),
        ("FREQ=DAILY;COUNT=10001", "COUNT takes one number from 1 to 10000"),
        ("FREQ=DAILY;COUNT=2,3", 'COUNT takes one number from 1 to 10000, not "2,3".'),
        ("FREQ=DAILY;INTERVAL=0", 'INTERVAL takes one number from 1 to 999999, not "0".'),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL takes one number"),
        ("FREQ=DAILY;INTERVAL=" + "9" * 400, "INTERVAL takes one number"),
        ("FREQ=DAILY;BYMONTH=13", 'BYMONTH takes numbers from 1 to 12, not "13".'),
        ("FREQ=DAILY;BYMONTH=", 'BYMONTH takes numbers from 1 to 12, not "".'),
        ("FREQ=DAILY;BYMONTH=²", "BYMONTH takes numbers"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY takes numbers from 1 to 31 or -31 to -1"),
        ("FREQ=MONTHLY;BYSETPOS=400", "BYSETPOS takes numbers from 1 to 366 or -366 to -1"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR takes numbers from 0 to 23"),
        ("FREQ=DAILY;BYSECOND=0,30", "BYSECOND takes one number"),
        ("FREQ=WEEKLY;BYDAY=XX", 'BYDAY is days such as MO,TU or -1FR, not "XX".'),
        ("FREQ=WEEKLY;BYDAY=2MO", 'BYDAY="2MO" counts days, which FREQ=WEEKLY does not.'),
        ("FREQ=MONTHLY;BYDAY=6MO", "such days of a month count from 1 to 5"),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=6MO", "such days of a month count from 1 to 5"),
        ("FREQ=YEARLY;BYDAY=54MO", "such days of a year count from 1 to 53"),
        ("FREQ=YEARLY;BYDAY=0MO", "such days of a year count from 1 to 53"),
        ("FREQ=MONTHLY;BYDAY=MO,2TU", "BYDAY has days with and without a number"),
        ("FREQ=WEEKLY;WKST=XX", "WKST is one of MO, TU, WE, TH, FR, SA, SU"),
        ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO needs BYDAY"),
        ("FREQ=MONTHLY;BYWEEKNO=20;BYDAY=MO", "BYWEEKNO does not go with FREQ=MONTHLY."),
        ("FREQ=WEEKLY;BYMONTHDAY=13", "BYMONTHDAY does not go with FREQ=WEEKLY."),
        ("FREQ=DAILY;BYYEARDAY=1", "BYYEARDAY does not go with FREQ=DAILY."),
        ("FREQ=DAILY;BYMINUTE=0,10", "The schedule fires more often than every 15 minutes."),
        ("FREQ=HOURLY;BYMINUTE=0,50", "more often than every 15 minutes"),
        ("FREQ=DAILY;BYHOUR=8,9;BYMINUTE=0,50", "more often than every 15 minutes"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never fires in the 50 years from its start"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never fires"),
        ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "never fires"),
        ("FREQ=HOURLY;INTERVAL=24;BYHOUR=5", "never fires"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=TU", "never fires"),
        ("FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2", "never fires"),
        ("FREQ=YEARLY;INTERVAL=4;BYYEARDAY=366", "never fires"),
        ("FREQ=DAILY;UNTIL=20260101", "never fires between its start and UNTIL"),
        ("FREQ=DAILY;UNTIL=20260101T000000Z", "never fires between its start and UNTIL"),
        ("FREQ=DAILY;" + "X" * 500, "The text has 511 characters; 500 is the most."),
    ],
)
def test_a_rule_that_cannot_be_is_refused_in_words_and_at_once(text: str, sentence: str) -> None:
    begun = perf_counter()
    with pytest.raises(ValueError, match=re.escape(sentence)):
        rule(text)
    assert perf_counter() - begun < 1


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=HOURLY;COUNT=10000",
        "FREQ=YEARLY;COUNT=10000;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=HOURLY;INTERVAL=999999",
        "FREQ=DAILY;INTERVAL=999999",
        "FREQ=YEARLY;INTERVAL=999999",
        "FREQ=HOURLY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;COUNT=10000",
        f"FREQ=YEARLY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0,15,30,45"
        f";BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS={','.join(map(str, range(1, 80)))}",
        "FREQ=HOURLY;BYMINUTE=0,15,30,45",
    ],
)
def test_no_rule_takes_long_to_be_asked_however_old_it_is(text: str) -> None:
    begun = perf_counter()
    old = rule(text, datetime(1970, 1, 1))
    for hour in range(3):
        since = datetime(2150, 1, 1, hour, tzinfo=UTC)
        old.instants(ZoneInfo("Europe/Berlin"), since, since + timedelta(minutes=15))
    assert perf_counter() - begun < 1
