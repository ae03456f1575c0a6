"""Events coming in: each once by its id, whatever else is in the lines, and whoever sends them."""

import json
from typing import Any
from uuid import uuid4

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import ForbiddenError, InvalidFileError
from enrollment_pipeline.triggers import intake
from enrollment_pipeline.triggers.events import MAX_BYTES
from enrollment_pipeline.triggers.intake import MOST_SHOWN, Intake
from enrollment_pipeline_tests.triggers.conftest import (
    PAYMENT,
    Automation,
    Document,
    MakeAutomation,
    together,
)

ADA = "ada@example.com"


def payment(event_id: str = "e-1", **more: object) -> Document:
    """The event of a payment of Ada's."""
    return {
        "event_id": event_id,
        "type": "payment_received",
        "email": ADA,
        "data": {"amount": 1},
        **more,
    }


def line(event_id: str = "e-1", **more: object) -> bytes:
    """The same as a line."""
    return json.dumps(payment(event_id, **more)).encode()


def counts(found: Intake) -> tuple[int, int, int, int]:
    """Received, accepted, duplicate and rejected."""
    assert found.received == found.accepted + found.duplicate + found.rejected
    return found.received, found.accepted, found.duplicate, found.rejected


def amounts(automation: Automation) -> list[tuple[str, Any]]:
    """Id and amount of each event, in order."""
    rows = automation.query(
        "select event_id, data->'amount' as amount from enrollment.events "
        "where account_id = :account order by number",
        account=automation.account.id,
    )
    return [(row["event_id"], row["amount"]) for row in rows]


# The same again


def test_the_same_id_is_kept_once_and_the_first_one_counts(automation: Automation) -> None:
    assert counts(automation.receive(line("a"), line("b"))) == (2, 2, 0, 0)
    again = automation.receive(line("b", data={"amount": 9}), line("c"), line("c", data={}))

    assert counts(again) == (3, 1, 1, 1)
    assert amounts(automation) == [("a", 1), ("b", 1), ("c", 1)]
    automation.work()


def test_what_was_rejected_may_come_again_corrected(automation: Automation) -> None:
    automation.automate(PAYMENT)
    automation.contact()
    wrong, right = line("a", data={}), line("a")

    assert counts(automation.receive(wrong)) == (1, 0, 0, 1)
    assert counts(automation.receive(wrong)) == (1, 0, 0, 1)
    # Of two faults, the later one is what is left to mend.
    assert counts(automation.receive(line("a", more=1))) == (1, 0, 0, 1)
    assert str(automation.events()["a"]).startswith('"more" is no part of an event')
    assert counts(automation.receive(right)) == (1, 1, 0, 0)
    # What is wrong takes the place of no event.
    assert counts(automation.receive(wrong, right)) == (2, 0, 1, 1)
    automation.work()

    assert automation.events() == {"a": None}
    assert automation.enrolled() == [("Welcome", ADA, "trigger")]


def test_of_lines_with_one_id_the_first_that_is_an_event_counts(automation: Automation) -> None:
    found = automation.receive(line("a", data={}), line("a"), line("a", data={"amount": 2}))

    assert counts(found) == (3, 1, 1, 1)
    assert amounts(automation) == [("a", 1)]
    automation.work()


def test_an_id_is_the_senders_in_its_account_alone(make_automation: MakeAutomation) -> None:
    for automation in (make_automation(), make_automation()):
        assert automation.receive(line("a")).accepted == 1
        automation.work()


def test_an_event_that_comes_again_after_its_evaluation_sets_off_nothing(
    automation: Automation,
) -> None:
    automation.workflow(reenrollment="always")
    automation.trigger(PAYMENT, enrollment_limit="multiple")
    automation.contact()
    automation.receive(line("a"))
    automation.work()
    automation.end_enrollments()

    assert automation.receive(line("a")).duplicate == 1
    automation.work()

    assert automation.enrolled() == [("Welcome", ADA, "trigger")]
    assert len(automation.log()) == 1


def test_the_same_malformed_line_is_kept_once(automation: Automation) -> None:
    assert counts(automation.receive(b"{oops", b"{oops", b"{ooops")) == (3, 0, 0, 3)
    assert counts(automation.receive(b"{oops")) == (1, 0, 0, 1)
    # The second time nothing was changed, so there is nothing to be written down.
    assert automation.audit() == [("ann", "events.receive", "done")]
    assert len(automation.events()) == 2


def test_writers_of_the_same_events_in_another_order_do_not_wait_for_each_other(
    automation: Automation,
) -> None:
    lines = [line(f"e-{number}") for number in range(2_000)]
    found: list[Intake] = []

    together(
        lambda: found.append(automation.receive(*lines)),
        lambda: found.append(automation.receive(*reversed(lines))),
        lambda: found.append(automation.receive(*lines[1_000:], *lines[:1_000])),
    )

    assert sum(one.accepted for one in found) == 2_000
    assert sum(one.duplicate for one in found) == 4_000
    assert len(amounts(automation)) == 2_000
    automation.work()


# What is no event

SURROGATE = (
    b'{"event_id": "x", "type": "sms_received", "email": "a@b.c", "data": {"body": "\\ud83d"}}'
)
NUL = SURROGATE.replace(b"\\ud83d", b"a\\u0000b")
NUMBER = b'{"event_id": "x", "type": "payment_received", "email": "a@b.c", "data": {"amount": %s}}'


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"{oops", "the line is not JSON: Expecting property name enclosed in double quotes at"),
        (b"hello", "the line is not JSON: Expecting value at character 1"),
        (line() + b" " + line("e-2"), "the line is not JSON: Extra data at character"),
        (b"[" * 50_000, "the line is not JSON: it is nested too deeply"),
        (NUMBER % b"NaN", "the line is not JSON: NaN is no number"),
        (NUMBER % b"-Infinity", "the line is not JSON: -Infinity is no number"),
        (NUMBER % b"1e999", "the line is not JSON: 1e999 is too large a number"),
        (NUMBER % (b"1" * 5_000), "the line is not JSON: it holds a number of too many digits"),
        (NUMBER % b'"120"', 'data.amount: must be a number, not "120"'),
        (NUMBER % b"true", "data.amount: must be a number, not true"),
        (NUMBER % b"null", "data.amount: is missing"),
        (NUL, "holds a NUL character or half a character"),
        (SURROGATE, "holds a NUL character or half a character"),
        (line(data={"amount": 1, "custom": "x" * MAX_BYTES}), "the line is longer than 100,000"),
        (b"x" * 5_000_000, "the line is longer than 100,000 bytes"),
        (b"\xff\xfe{\x00}\x00", "the line is not text in UTF-8"),
        (line().replace(b"ada@", b"j\xfcrgen@"), "the line is not text in UTF-8"),
        (b"[1]", "an event is a JSON object"),
        (b"null", "an event is a JSON object"),
        (line(type="payment"), 'type: there is no event type "payment"'),
        (line(type="birthday"), "type: birthday is raised by the clock and cannot be sent"),
        (line(email=None), "exactly one of contact_id, email and external_id names the contact"),
        (line(external_id="7"), "exactly one of contact_id, email and external_id names the"),
        (line(email=None, contact_id="7"), 'contact_id: "7" is not the id of a contact (a UUID)'),
        (line(occurred_at="yesterday"), "occurred_at: must be an ISO time such as"),
        (line(data=[1]), "data: must be an object"),
        (line(data=False), "data: must be an object"),
        (line(data=""), "data: must be an object"),
        (line(previous_state=0), "previous_state: must be an object"),
        (line(data={"amount": 1, "custom": "text"}), "data.custom: must be an object"),
        (NUMBER % b'1, "amount": 2', "the line is not JSON: an object holds the same key twice"),
        (line(amount=3), '"amount" is no part of an event; whatever else is told belongs into'),
    ],
    ids=lambda one: one[:40] if isinstance(one, str) else "",
)
def test_what_is_no_event_is_kept_with_the_reason_and_holds_up_no_other(
    automation: Automation, sent: bytes, reason: str
) -> None:
    found = automation.receive(line("before"), sent, line("after"))

    assert counts(found) == (3, 2, 0, 1)
    (told,) = found.rejections
    assert told["line"] == 2
    assert told["reason"].startswith(reason)
    automation.work()
    assert automation.events() == {"before": None, told["event_id"]: told["reason"], "after": None}


def test_all_that_is_wrong_with_an_event_is_told_at_once(automation: Automation) -> None:
    sent = line(event_id="", type="tag_added", email="", occurred_at="never", data={"tag": 5})

    (told,) = automation.receive(sent).rejections

    for part in ("event_id: ", "exactly one of", "occurred_at: ", "data.tag: must be a text"):
        assert part in told["reason"]


def test_only_the_first_rejections_are_told_and_all_are_kept(automation: Automation) -> None:
    found = automation.receive(*(b"{oops %d" % number for number in range(MOST_SHOWN + 5)))

    assert [one["line"] for one in found.rejections] == list(range(1, MOST_SHOWN + 1))
    assert found.rejected == len(automation.events()) == MOST_SHOWN + 5


@pytest.mark.parametrize(
    "lines",
    [
        (b"", b"\n", b"  \t \r\n"),
        (b"\xef\xbb\xbf\r\n", b"\n"),
    ],
)
def test_empty_lines_do_not_count(automation: Automation, lines: tuple[bytes, ...]) -> None:
    found = automation.receive(*lines, line("a") + b"\r\n", *lines)

    assert counts(found) == (1, 1, 0, 0)
    assert automation.receive(*lines) == Intake()
    # Nothing has come in, so there is nothing to be written down.
    assert automation.audit() == [("ann", "events.receive", "done")]
    automation.work()


def test_a_byte_order_mark_is_no_part_of_the_first_line(automation: Automation) -> None:
    assert automation.receive(b"\xef\xbb\xbf" + line("a"), line("b")).accepted == 2
    automation.work()


def test_of_lines_without_one_event_nothing_is_kept_where_that_is_asked_for(
    automation: Automation,
) -> None:
    with pytest.raises(InvalidFileError, match="Not one line is an event: the line is not JSON"):
        automation.receive(b"name,email", b"Ada,ada@example.com", all_or_some=True)
    with pytest.raises(InvalidFileError, match="there are no lines"):
        automation.receive(b"\n", all_or_some=True)
    assert automation.events() == {}

    assert counts(automation.receive(b"{oops", line("a"), all_or_some=True)) == (2, 1, 0, 1)
    # A file that is dropped a second time is no wrong file.
    assert counts(automation.receive(b"{oops", line("a"), all_or_some=True)) == (2, 0, 1, 1)
    # One of known lines without an event still is one.
    with pytest.raises(InvalidFileError, match="Not one line is an event"):
        automation.receive(b"{oops", b"{oops", all_or_some=True)
    automation.work()


def test_a_stream_that_breaks_off_leaves_nothing(automation: Automation) -> None:
    def lines() -> Any:
        yield line("a")
        raise OSError("the disk has gone")

    with pytest.raises(OSError, match="the disk has gone"):
        intake.receive_lines(
            automation.database, automation.account, lines(), source="test", actor="ann"
        )
    assert automation.events() == {}
    assert automation.audit() == []


# Who may


def test_who_may_not_send_events_is_refused_and_written_down(automation: Automation) -> None:
    where = automation.database, automation.account
    members.add(*where, "boss", ["account:admin", "workflow:manage"], actor="boss")
    members.add(*where, "ann", ["workflow:edit"], actor="boss")

    with pytest.raises(ForbiddenError):
        automation.receive(line("a"))
    assert automation.events() == {}
    assert automation.audit()[-1] == ("ann", "events.receive", "denied")

    members.add(*where, "ann", ["workflow:manage"], actor="boss")
    automation.receive(line("a"), b"{oops")
    assert automation.audit()[-1] == ("ann", "events.receive", "done")
    (row,) = automation.query(
        "select subject, details from enrollment.audit_log "
        "where account_id = :account and action = 'events.receive' and result = 'done'",
        account=automation.account.id,
    )
    assert (row["subject"], row["details"]) == ("test", {"received": 2, "accepted": 1})
    automation.receive(line("a"))
    assert len([one for one in automation.audit() if one[1] == "events.receive"]) == 2
    automation.work()


def test_another_systems_webhooks_are_read_as_events(automation: Automation) -> None:
    found = automation.receive(
        json.dumps({"type": "ContactCreate", "id": "crm-7"}).encode(),
        json.dumps({"type": "Strange", "id": str(uuid4())}).encode(),
        written_as="highlevel",
    )

    assert counts(found) == (2, 1, 0, 1)
    rows = automation.query(
        "select type, external_id from enrollment.events "
        "where account_id = :account and rejection is null",
        account=automation.account.id,
    )
    assert rows == [{"type": "contact_created", "external_id": "crm-7"}]
    automation.work()
