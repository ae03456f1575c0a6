"""Which day a cell means, and why a date is refused rather than guessed."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.reading.dates import check_date_format, read_day
from enrollment_pipeline.bulk_operations.reading.json_values import Unusable

TODAY = date(2026, 11, 26)
FORMATS = ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%d-%m-%Y"]


def reason(value: Any, date_format: str | None = None) -> str:
    found = read_day(value, date_format, TODAY)
    assert isinstance(found, Unusable)
    return found.reason


@pytest.mark.parametrize(
    "value",
    [
        "2001-02-03",
        "2001-02-03T00:00:00",
        "2001-02-03 00:00",
        "2001-02-03T00:00:00.000Z",
        "2001-02-03 00:00:00+02:00",
        date(2001, 2, 3),
        datetime(2001, 2, 3),
        datetime(2001, 2, 3, tzinfo=timezone(timedelta(hours=5))),
    ],
)
@pytest.mark.parametrize("date_format", [None, *FORMATS])
def test_an_iso_date_counts_whatever_format_is_declared(
    value: Any, date_format: str | None
) -> None:
    assert read_day(value, date_format, TODAY) == "2001-02-03"


@pytest.mark.parametrize(
    ("text", "date_format", "day"),
    [
        ("03/04/1990", "%d/%m/%Y", "1990-04-03"),
        ("03/04/1990", "%m/%d/%Y", "1990-03-04"),
        ("3/4/1990", "%d/%m/%Y", "1990-04-03"),
        ("25 Dec 1990", "%d %b %Y", "1990-12-25"),
        ("december 25, 1990", "%B %d, %Y", "1990-12-25"),
        ("19901225", "%Y%m%d", "1990-12-25"),
        ("29.02.04", "%d.%m.%y", "2004-02-29"),
        # Nobody is born in 2045 or tomorrow week yet.
        ("03.04.45", "%d.%m.%y", "1945-04-03"),
        ("24.12.26", "%d.%m.%y", "1926-12-24"),
    ],
)
def test_a_date_is_read_by_the_declared_format(text: str, date_format: str, day: str) -> None:
    assert read_day(text, check_date_format(date_format), TODAY) == day


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("03/04/2026", "4 March 2026 or 3 April 2026"),
        ("3.4.2026", "4 March 2026 or 3 April 2026"),
        ("03-04-1990", "4 March 1990 or 3 April 1990"),
        ("01/02/03", "3 February 2001 or 2 January 2003 or 1 February 2003"),
        ("13/04/26", "26 April 2013 or 13 April 2026"),
    ],
)
def test_an_ambiguous_date_is_refused_with_all_that_it_could_be(text: str, readings: str) -> None:
    told = reason(text)

    assert told.startswith(f"has a date that could be {readings}; declare the format")


@pytest.mark.parametrize(
    "text", ["25/12/1990", "12/25/1990", "05/05/2005", "1990/12/25", "19901225", "25 Dec 1990"]
)
def test_another_form_is_refused_until_it_is_declared(text: str) -> None:
    told = reason(text)

    assert told.startswith("has a date that is not of the form YYYY-MM-DD; declare the format")


@pytest.mark.parametrize(
    ("value", "date_format", "told"),
    [
        ("soon", None, "has a date that is none"),
        ("9" * 61, None, "has a date that is none"),
        (20010203, None, "has a date that is none"),
        (True, None, "has a date that is none"),
        (Decimal("2001.5"), None, "has a date that is none"),
        (["2001-02-03"], None, "has a date that is none"),
        ("2026-02-29", None, "has a date that the calendar does not have"),
        ("0000-01-01", None, "has a date that the calendar does not have"),
        ("2001-02-03T10:00:00", None, "has a date with a time of day"),
        ("2001-02-03 noon", None, "has a date with a time of day"),
        (datetime(2001, 2, 3, 0, 0, 1), None, "has a date with a time of day"),
        ("1899-12-31", None, "has a date before 1900"),
        ("2026-11-28", None, "has a date in the future"),
        (date(9999, 12, 31), None, "has a date in the future"),
        ("01/01/2030", "%d/%m/%Y", "has a date in the future"),
        ("31/12/1890", "%d/%m/%Y", "has a date before 1900"),
        ("12/25/1990", "%d/%m/%Y", "has a date that is neither YYYY-MM-DD nor of the form %d/"),
        ("1112001", "%d%m%Y", "has a date that is neither YYYY-MM-DD nor of the form %d%m%Y"),
        ("２００１-02-03", None, "has a date that is not of the form YYYY-MM-DD"),
    ],
)
def test_what_is_no_birthday_is_refused(value: Any, date_format: str | None, told: str) -> None:
    assert reason(value, date_format).startswith(told)


def test_tomorrow_has_begun_somewhere_and_the_first_year_counts() -> None:
    assert read_day("2026-11-27", None, TODAY) == "2026-11-27"
    assert read_day("1900-01-01", None, TODAY) == "1900-01-01"


@pytest.mark.parametrize("date_format", FORMATS)
def test_usual_formats_can_be_declared(date_format: str) -> None:
    assert check_date_format(date_format) == date_format


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names the day once"),
        ("DD/MM/YYYY", "names the day once"),
        ("%d/%m", "names the year once"),
        ("%d/%d/%m/%Y", "names the day once"),
        ("%d/%m/%Y %y", "names the year once"),
        ("%d/%m/%b/%Y", "names the month once"),
        ("%d/%m/%Y %H:%M", "'%H' is no part of a date"),
        ("%-d/%m/%Y", "'%-' is no part of a date"),
        ("%d/%m/%Y%%", "'%%' is no part of a date"),
        ("%d/%m/%Y%", "'%' is no part of a date"),
        ("%dth %m %Y", "spaces and the characters"),
        ("%d/%m/%Y" + " " * 60, "spaces and the characters"),
        ("%d%b%Y", "Put a character between"),
    ],
)
def test_a_format_that_is_none_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        check_date_format(text)

    assert str(refused.value).endswith(".")


days = st.dates(date(1900, 1, 1), TODAY)


@given(day=days, date_format=st.sampled_from([one for one in FORMATS if "%y" not in one]))
def test_every_day_written_in_a_format_is_read_by_it(day: date, date_format: str) -> None:
    assert read_day(day.strftime(date_format), date_format, TODAY) == day.isoformat()


@given(day=days, separator=st.sampled_from("/.- "))
def test_no_undeclared_date_is_ever_taken(day: date, separator: str) -> None:
    for first, second in ((day.day, day.month), (day.month, day.day)):
        text = separator.join((f"{first:02}", f"{second:02}", f"{day.year}"))
        ambiguous = day.day <= 12 and day.day != day.month
        assert ("could be" in reason(text)) == ambiguous


values = (
    st.text(max_size=20)
    | st.text("0123456789/.-T: Z+", max_size=25)
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.integers()
    | st.floats()
)


@given(value=values, date_format=st.none() | st.sampled_from(FORMATS))
def test_anything_is_a_plausible_day_or_a_reason(value: Any, date_format: str | None) -> None:
    found = read_day(value, date_format, TODAY)

    if isinstance(found, str):
        assert "1900-01-01" <= found <= "2026-11-27"
        assert date.fromisoformat(found).isoformat() == found
    else:
        assert found.reason.startswith("has a date")


@given(st.text(max_size=12) | st.text("%dmYybB/. -", max_size=12))
def test_any_text_is_a_usable_format_or_refused(text: str) -> None:
    try:
        accepted = check_date_format(text)
    except ValueError:
        return
    # Whatever is let through works.
    read = read_day(TODAY.replace(year=1990).strftime(accepted), accepted, TODAY)
    assert read == "1990-11-26"
