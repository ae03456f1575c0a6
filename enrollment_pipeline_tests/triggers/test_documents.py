"""The trigger document: what it comes to, and everything that is wrong with it, at its path."""

import json
from typing import Any

import pytest

from enrollment_pipeline.errors import InvalidTriggerError
from enrollment_pipeline.triggers.documents import (
    EnrollmentLimit,
    load_trigger,
    parse_trigger,
)
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline.triggers.timing import Lateness, LeapDay
from enrollment_pipeline_tests.triggers.test_all_types import SENT, TIMED, Case

Document = dict[str, Any]


def errors_of(document: object) -> list[tuple[str, str]]:
    """Path and message of everything that is wrong with a document."""
    with pytest.raises(InvalidTriggerError) as refused:
        parse_trigger(document)
    return [(one["path"], one["message"]) for one in refused.value.details["errors"]]


def dated(**parameters: object) -> Document:
    """A trigger on a date."""
    return {"event": "scheduled_date", "parameters": {"date_field": "birthday", **parameters}}


def recurring(**parameters: object) -> Document:
    """A trigger on a schedule."""
    return {"event": "recurring_schedule", "parameters": parameters}


def paid(**more: object) -> Document:
    """A trigger on payments."""
    return {"event": "payment_received", **more}


# What is valid


@pytest.mark.parametrize(("name", "case"), {**SENT, **TIMED}.items(), ids=[*SENT, *TIMED])
def test_what_is_written_down_is_read_back_as_the_same_trigger(name: str, case: Case) -> None:
    read = parse_trigger({"event": name, "parameters": case.parameters, "filters": case.filters})
    kept = json.loads(json.dumps(read.as_dict()))

    assert parse_trigger(kept) == read
    assert load_trigger(**kept) == read
    assert read.event is EVENT_TYPES[name]
    assert read.match_key == (case.parameters[read.event.key] if read.event.key else None)


def test_all_but_the_event_may_be_left_out() -> None:
    read = parse_trigger({"event": "birthday"})

    assert read.as_dict() == {
        "event": "birthday",
        "parameters": {},
        "filters": {"logic": "AND", "conditions": []},
        "settings": {
            "enrollment_limit": "single",
            "respect_business_hours": False,
            "active": True,
            "lateness": "skip_if_later_than",
            "lateness_hours": 24,
        },
    }
    assert read.local_time.isoformat() == "09:00:00"
    assert (read.offset_days, read.leap_day) == (0, LeapDay.FEB28)
    nothing = {"parameters": None, "filters": None, "settings": None}
    assert parse_trigger({"event": "birthday", **nothing}) == read


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (dated(date_field="custom_fields.renewal"), {"date_field": "custom_fields.renewal"}),
        (dated(offset_days="-7"), {"date_field": "birthday", "offset_days": -7}),
        (dated(offset_days="+366"), {"date_field": "birthday", "offset_days": 366}),
        (dated(time="23:59"), {"date_field": "birthday", "time": "23:59"}),
        (dated(time="", offset_days=None), {"date_field": "birthday"}),
        ({"event": "tag_added", "parameters": {"tag": " lead "}}, {"tag": "lead"}),
        (
            {"event": "custom_field_changed", "parameters": {"field": "custom_fields.plan"}},
            {"field": "plan"},
        ),
        (recurring(cron="0 9 * * MON"), {"cron": "0 9 * * MON"}),
        (
            recurring(rrule="FREQ=DAILY", start="2027-01-04", timezone="Europe/Berlin"),
            {
                "rrule": "FREQ=DAILY",
                "start": "2027-01-04T00:00:00",
                "timezone": "Europe/Berlin",
            },
        ),
    ],
    ids=str,
)
def test_parameters_are_kept_in_one_form(given: Document, kept: Document) -> None:
    assert parse_trigger(given).as_dict()["parameters"] == kept


def test_settings_are_read_as_forms_and_command_lines_write_them() -> None:
    settings = parse_trigger(
        paid(
            settings={
                "enrollment_limit": "multiple",
                "respect_business_hours": "true",
                "active": "false",
                "lateness": "fire_late",
                "lateness_hours": "48",
            }
        )
    ).settings

    assert settings.enrollment_limit is EnrollmentLimit.MULTIPLE
    assert (settings.respect_business_hours, settings.active) == (True, False)
    assert (settings.lateness, settings.lateness_hours) == (Lateness.FIRE_LATE, 48)


# What is not

TIME = 'must be a time of day such as 09:00, not "{}".'
OFFSET = "must be a whole number of days from -366 to 366, such as -7 for a week before."
NO_KEY = "The keys are event, parameters, filters, settings."


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        *((one, "", "a trigger is an object.") for one in (None, [], "birthday", 5)),
        ({}, "event", "must be the name of an event type: enrollment triggers types"),
        ({"event": 5}, "event", "must be the name of an event type: enrollment triggers types"),
        (
            {"event": "tag_add"},
            "event",
            'there is no event type "tag_add". Did you mean "tag_added"?',
        ),
        (
            {"event": "Birthday"},
            "event",
            'there is no event type "Birthday". Did you mean "birthday"?',
        ),
        (
            {"event": "qqq"},
            "event",
            'there is no event type "qqq". List them with: enrollment triggers types',
        ),
        (paid(filter={}), "", f'unknown key "filter". {NO_KEY}'),
        ({5: 1, **paid()}, "", f"unknown key 5. {NO_KEY}"),
        (paid(parameters=[]), "parameters", "must be an object."),
        (
            paid(parameters={"tag": "x"}),
            "parameters",
            '"tag" is no parameter of payment_received; those are: none.',
        ),
        ({"event": "tag_added"}, "parameters.tag", "is missing: the tag to wait for."),
        (
            {"event": "tag_added", "parameters": {"tag": 5}},
            "parameters.tag",
            "must be a text, not 5.",
        ),
        (
            {"event": "tag_added", "parameters": {"tag": "a\nb"}},
            "parameters.tag",
            "must be one line of at most 200 characters.",
        ),
        (
            {"event": "form_submitted", "parameters": {"form_id": "x" * 201}},
            "parameters.form_id",
            "must be one line of at most 200 characters.",
        ),
        (
            {"event": "scheduled_date"},
            "parameters.date_field",
            "is missing: the field that holds the date, such as custom_fields.renewal_date.",
        ),
        (dated(date_field="email"), "parameters.date_field", "email is no date."),
        (
            dated(date_field="custom_field.end"),
            "parameters.date_field",
            'there is no field "custom_field.end". Did you mean "custom_fields.end"?',
        ),
        (
            {"event": "custom_field_changed", "parameters": {"field": "custom_fields."}},
            "parameters.field",
            '"custom_fields." names no field: write one such as plan.',
        ),
        *(
            (dated(offset_days=one), "parameters.offset_days", OFFSET)
            for one in (367, -367, 1.5, True, "soon", "--7", "9" * 5_000, [7])
        ),
        *(
            (dated(time=one), "parameters.time", TIME.format(one))
            for one in ("9:00", "24:00", "09:60", "09:00:00", "noon", "09.30", "T0900", "09+01")
        ),
        (
            {"event": "birthday", "parameters": {"leap_day": "feb29"}},
            "parameters.leap_day",
            'must be one of feb28, mar1, leap_years_only, not "feb29".',
        ),
        (recurring(rrule=5), "parameters.rrule", "must be a text, not 5."),
        (
            recurring(cron="0 9 * * *", timezone="Berlin"),
            "parameters.timezone",
            "'Berlin' is not a time zone such as Europe/Berlin.",
        ),
        (
            recurring(rrule="FREQ=DAILY", start="2027-01-04T09:00Z"),
            "parameters.start",
            "must be a local time without an offset, such as 2027-01-04T09:00; the zone is the "
            "parameter timezone.",
        ),
        (
            paid(settings={"enrollment_limit": "twice"}),
            "settings.enrollment_limit",
            "must be one of single, multiple.",
        ),
        (
            paid(settings={"lateness_hours": 0}),
            "settings.lateness_hours",
            "must be a whole number of hours from 1 to 8,760.",
        ),
        (
            paid(settings={"lateness_hours": 9_999}),
            "settings.lateness_hours",
            "must be a whole number of hours from 1 to 8,760.",
        ),
        (paid(settings={"active": "perhaps"}), "settings.active", "must be true or false."),
        (
            paid(settings={"actve": 1}),
            "settings.actve",
            "is no setting; those are: enrollment_limit, respect_business_hours, active, lateness, "
            "lateness_hours.",
        ),
        (paid(settings=[]), "settings", "must be an object."),
        (
            recurring(cron="0 9 * * MON", start="2030-01-01"),
            "parameters.start",
            "is from when an rrule counts; a cron expression has none. Leave it out, or write an "
            "rrule.",
        ),
        (paid(filters=[]), "filters", "a filter is an object, not a list."),
        (
            paid(filters={"field": "data.amout", "operator": "is_empty"}),
            "filters.field",
            'there is no field "data.amout". Did you mean "data.amount"?',
        ),
        (
            paid(filters={"field": "data.amount", "operator": ">", "value": 5}),
            "filters.operator",
            'there is no operator ">". Did you mean "greater_than"?',
        ),
        (
            paid(filters={"field": "status", "operator": "changed"}),
            "filters.operator",
            '"changed" compares with the state before an update: only triggers on update events '
            "can use it, a filter cannot.",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_at_its_path(document: object, path: str, message: str) -> None:
    assert errors_of(document) == [(path, message)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (recurring(), "Give a cron expression or an RRULE."),
        (
            recurring(cron="0 9 * * *", rrule="FREQ=DAILY"),
            "Give a cron expression or an RRULE, not both.",
        ),
        (recurring(cron="0 9 * *"), "A cron expression has 5 fields"),
        (recurring(cron="*/5 * * * *"), "The schedule fires more often than every 15 minutes."),
        (recurring(rrule="FREQ=DAILY"), "An RRULE needs a start"),
    ],
    ids=str,
)
def test_a_schedule_that_is_none_is_refused_as_a_whole(document: object, message: str) -> None:
    ((path, told),) = errors_of(document)
    assert path == "parameters"
    assert told.startswith(message)
    assert not told.endswith("..")


def test_a_time_trigger_knows_no_payload() -> None:
    filters = {"field": "data.amount", "operator": "is_empty"}
    ((path, message),) = errors_of({"event": "birthday", "filters": filters})
    assert path == "filters.field"
    assert message.startswith('there is no field "data.amount".')


def test_every_error_is_told_at_once() -> None:
    document = {
        "event": "scheduled_date",
        "paramters": {},
        "parameters": {"date_field": "emial", "offset_days": "soon", "time": "noon", "tag": "x"},
        "filters": {
            "logic": "AND",
            "conditions": [
                {"field": "statsu", "operator": "equals", "value": "active"},
                {"field": "status", "operator": "equal", "value": "active"},
                {"field": "status", "operator": "in", "value": "active"},
            ],
        },
        "settings": {"active": "perhaps", "lateness": "never", "lateness_hours": 9_000},
    }

    assert [path for path, _ in errors_of(document)] == [
        "",
        "settings.active",
        "settings.lateness",
        "settings.lateness_hours",
        "parameters",
        "parameters.date_field",
        "parameters.offset_days",
        "parameters.time",
        "filters.conditions[0].field",
        "filters.conditions[1].operator",
        "filters.conditions[2].value",
    ]
    with pytest.raises(InvalidTriggerError) as refused:
        parse_trigger(document)
    assert str(refused.value).startswith("The trigger is not valid (11 errors). trigger: unknown")
    # The message stays readable; the details have them all.
    assert str(refused.value).endswith("And 1 more.")
    assert refused.value.code == "INVALID_TRIGGER"


def test_even_without_a_usable_event_the_settings_are_looked_at() -> None:
    found = errors_of({"event": "tag_add", "settings": {"active": "perhaps"}})
    assert [path for path, _ in found] == ["settings.active", "event"]
