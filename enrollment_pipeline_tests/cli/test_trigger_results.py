"""`triggers`: looking before leaping, the log, the sums of days, and firing what is due."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline_tests.cli.triggering import ADA, BIRTHDAY, LARGE, PAYMENT, Call, answer
from enrollment_pipeline_tests.triggers.conftest import Automation

NEXT_YEAR = datetime.now(UTC).year + 1


def test_a_preview_tells_whom_the_filters_match_now(triggers: Call, automation: Automation) -> None:
    ada = automation.contact(ADA, first_name="Ada", tags=["vip"])
    automation.contact("bob@example.com")
    both = {
        "conditions": [json.loads(LARGE), {"field": "tags", "operator": "contains", "value": "vip"}]
    }
    triggers(*PAYMENT, "--filter", json.dumps(both))

    assert answer(triggers, "preview", "Welcome") == {
        "event": "payment_received",
        "matching": 1,
        "samples": [{"contact_id": str(ada), "email": "a***@example.com", "first_name": "Ada"}],
        "not_asked": ["data.amount greater_than 500.5"],
        "next": [],
    }
    told = triggers("preview", "Welcome").out
    assert "a***@example.com" in told
    assert ADA not in told
    assert "Only an event can tell, so not asked: data.amount greater_than 500.5" in told


def test_a_preview_of_a_schedule_tells_its_next_times(triggers: Call) -> None:
    triggers(
        "create", "--workflow", "Welcome", "--event", "recurring_schedule",
        "--parameter", "cron=30 9 * * *", "--parameter", "timezone=Asia/Tokyo",
    )  # fmt: skip

    found = answer(triggers, "preview", "Welcome")["next"]

    assert len(found) == 5
    assert all(one.endswith("T00:30:00+00:00") for one in found)
    assert f"Fires next (UTC): {found[0][:10]} 00:30, " in triggers("preview", "Welcome").out


def test_a_test_tells_what_an_event_would_set_off(
    triggers: Call, automation: Automation, tmp_path: Path
) -> None:
    ada = automation.contact(ADA)
    trigger_id = answer(triggers, *PAYMENT, "--filter", LARGE)["trigger_id"]
    (tmp_path / "data.json").write_text('{"amount": 500.75}')

    assert answer(triggers, "test", "Welcome", "--contact", ada, "--data", '{"amount": 20}') == {
        "trigger_id": trigger_id,
        "workflow_name": "Welcome",
        "contact_id": str(ada),
        "matched": False,
        "would_fire": False,
        "would_enroll": False,
        "reasons": ["filters: amount 20 is not greater_than 500.5"],
        "conditions": [
            {
                "path": "conditions[0]",
                "holds": False,
                "sentence": "amount 20 is not greater_than 500.5",
            }
        ],
        "due": None,
        "waits_until": None,
    }
    enough = answer(
        triggers, "test", "Welcome", "--contact", ADA, "--data", f"@{tmp_path / 'data.json'}"
    )
    assert (enough["matched"], enough["would_enroll"], enough["reasons"]) == (True, True, [])
    told = triggers("test", "Welcome", "--contact", ADA, "--data", '{"amount": 20}').out
    assert "amount 20 is not greater_than 500.5" in told
    assert "This was a test; nothing was changed." in told
    assert ADA not in told
    assert answer(triggers, "log")["total"] == 0


def test_a_test_knows_the_state_before(triggers: Call, automation: Automation) -> None:
    automation.contact(ADA)
    changed = '{"field": "status", "operator": "changed_from", "value": "blocked"}'
    triggers("create", "--workflow", "Welcome", "--event", "contact_updated", "--filter", changed)

    def matched(*options: str) -> bool:
        found = answer(triggers, "test", "Welcome", "--contact", ADA, *options)
        return bool(found["matched"])

    assert matched("--previous", '{"status": "blocked"}')
    assert not matched("--previous", '{"status": "active"}')
    assert not matched()


@pytest.mark.parametrize(
    ("at", "due"),
    [
        # Ada's clock is that of Tokyo, and the account's, by which --at is read, of New York.
        ("05-01T11:00", None),
        ("05-01T10:59", "05-01T00:00:00+00:00"),
        ("04-30T15:00+00:00", "05-01T00:00:00+00:00"),
        ("04-30T14:59Z", None),
    ],
)
def test_a_test_of_a_day_reads_the_time_by_the_clock_of_the_account(
    triggers: Call, call: Call, automation: Automation, at: str, due: str | None
) -> None:
    call("accounts", "settings", "timezone=America/New_York")
    automation.contact(ADA, birthday="1990-05-01", timezone="Asia/Tokyo")
    triggers(*BIRTHDAY)

    found = answer(triggers, "test", "Welcome", "--contact", ADA, "--at", f"{NEXT_YEAR}-{at}")

    assert found["due"] == (due and f"{NEXT_YEAR}-{due}")
    assert found["would_fire"] is (due is not None)


def test_people_read_when_a_trigger_would_fire(
    triggers: Call, call: Call, automation: Automation
) -> None:
    call("accounts", "settings", "business_days=mon,tue,wed,thu,fri,sat,sun")
    call("accounts", "settings", "business_hours=10:00-24:00")
    automation.contact(ADA, birthday="1990-05-01")
    triggers(*BIRTHDAY, "--business-hours")

    told = triggers("test", "Welcome", "--contact", ADA, "--at", f"{NEXT_YEAR}-05-01").out

    assert f"{NEXT_YEAR}-05-01 09:00 UTC" in told
    assert f"{NEXT_YEAR}-05-01 10:00 UTC" in told
    assert "outside business hours" in told


def test_a_replay_tells_what_the_last_days_would_have_come_to(
    triggers: Call, automation: Automation
) -> None:
    ada = automation.contact(ADA)
    automation.pay(20)
    automation.pay(2_000)
    automation.work()
    triggers(*PAYMENT, "--filter", LARGE)

    found = answer(triggers, "replay", "Welcome", "--days", "2")

    assert (found["days"], found["considered"], found["matched"]) == (2, 2, 1)
    assert found["by_result"] == {"fired": 1, "filters": 1}
    assert found["samples"][0] == {
        "event_id": "e-2",
        "contact_id": str(ada),
        "result": "fired",
        "reason": None,
    }
    told = triggers("replay", "Welcome").out
    assert "amount 20 is not greater_than 500.5" in told
    assert "This was a replay; nothing was changed." in told
    assert answer(triggers, "log")["total"] == 0
    refused = triggers("replay", "Welcome", "--days", "91", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "INVALID_REQUEST")


@pytest.fixture
def happened(triggers: Call, automation: Automation) -> dict[str, str]:
    """Ada has paid twice, and somebody unknown; returns the ids of the two contacts' triggers."""
    ada = automation.contact(ADA)
    paid = answer(triggers, *PAYMENT, "--filter", LARGE)["trigger_id"]
    won = automation.automate({"event": "deal_won"}, "Party")
    automation.pay(20)
    automation.pay(2_000)
    automation.send({"type": "payment_received", "email": "zoe@example.com", "data": {"amount": 9}})
    automation.send({"type": "deal_won", "email": ADA})
    automation.work()
    return {"ada": str(ada), "paid": paid, "won": str(won.id)}


def test_the_log_says_what_came_of_each_event_and_why(
    triggers: Call, happened: dict[str, str]
) -> None:
    found = answer(triggers, "log")

    assert (found["total"], found["page"]) == (4, 1)
    by_event = {one["event_id"]: one for one in found["log"]}
    assert list(by_event) == sorted(by_event, reverse=True)
    fired = by_event["e-2"]
    assert fired == {
        "evaluated_at": fired["evaluated_at"],
        "trigger_id": happened["paid"],
        "workflow_name": "Welcome",
        "contact_id": happened["ada"],
        "event_id": "e-2",
        "event_type": "payment_received",
        "occurrence": None,
        "result": "fired",
        "matched": True,
        "enrolled": True,
        "reason": None,
        "due_at": None,
        "fire_at": None,
        "job_id": str(UUID(fired["job_id"])),
    }
    assert by_event["e-1"]["reason"] == "filters: amount 20 is not greater_than 500.5"
    unknown = by_event["e-3"]
    assert (unknown["result"], unknown["matched"]) == ("contact_unknown", False)
    assert "z***@example.com" in unknown["reason"]


def test_the_log_is_narrowed(triggers: Call, happened: dict[str, str]) -> None:
    def listed(*options: object) -> list[str]:
        return [one["event_id"] for one in answer(triggers, "log", *options)["log"]]

    assert listed("--trigger", "party") == ["e-4"]
    assert listed("--trigger", happened["paid"]) == ["e-3", "e-2", "e-1"]
    assert listed("--contact", ADA.upper()) == ["e-4", "e-2", "e-1"]
    assert listed("--contact", happened["ada"], "--trigger", "Party") == ["e-4"]
    assert listed("--event-id", "e-2") == ["e-2"]
    assert listed("--result", "filters") == ["e-1"]
    assert listed("--limit", "3", "--page", "2") == ["e-1"]


def test_people_read_the_log_and_no_address_in_it(triggers: Call, happened: dict[str, str]) -> None:
    told = triggers("log").out

    assert "4 in all" in told
    assert "amount 20 is not greater_than 500.5" in told
    assert "z***@example.com" in told
    for out in (told, triggers("log", "--json").out):
        assert ADA not in out
        assert "zoe@" not in out


def test_analytics_add_up_the_days(triggers: Call, happened: dict[str, str]) -> None:
    today = datetime.now(UTC).date()

    found = answer(triggers, "analytics", "--days", "2")

    days = [day["day"] for day in found["days"]]
    assert days[-1] in (today.isoformat(), datetime.now(UTC).date().isoformat())
    assert len(days) == 2
    sums = {
        "evaluated": 4,
        "matched": 2,
        "enrolled": 2,
        "refused": {"contact_unknown": 1, "filters": 1},
    }
    assert found["in_all"] == sums
    assert len(answer(triggers, "analytics")["days"]) == 30
    assert answer(triggers, "analytics", "--trigger", "Party")["in_all"] == {
        "evaluated": 1,
        "matched": 1,
        "enrolled": 1,
        "refused": {},
    }
    told = triggers("analytics", "--days", "1").out
    assert "Not enrolled because" in told
    assert "contact_unknown" in told


def test_what_is_due_is_fired_once(triggers: Call, automation: Automation) -> None:
    # The present minute is within the last quarter of an hour, whenever this runs.
    due = datetime.now(UTC).replace(second=0, microsecond=0)
    ada = automation.contact(
        ADA, custom_fields={"call": due.date().isoformat()}, created_at=due - timedelta(days=1)
    )
    made = answer(
        triggers, "create", "--workflow", "Welcome", "--event", "scheduled_date",
        "--parameter", "date_field=custom_fields.call", "--parameter", f"time={due:%H:%M}",
    )  # fmt: skip
    automation.sql(
        "update enrollment.triggers set active_since = :since where id = :id",
        since=due - timedelta(days=1),
        id=made["trigger_id"],
    )

    assert answer(triggers, "fire") == {
        "occurrences": 1,
        "results": {"fired": 1},
        "evaluated": {"events": 0, "rejected": 0, "released": 0, "jobs": 1, "results": {}},
    }
    (row,) = answer(triggers, "log")["log"]
    assert (row["contact_id"], row["enrolled"], row["event_id"]) == (str(ada), True, None)
    assert (row["occurrence"], row["due_at"]) == (
        f"{due.date().isoformat()} custom_fields.call",
        due.isoformat(),
    )
    assert due.date().isoformat() in triggers("log").out
    told = triggers("fire").out
    assert told.startswith("0 occurrences were due.\nEvaluated: 0 events")


def test_firing_evaluates_what_is_pending_too(triggers: Call, automation: Automation) -> None:
    automation.contact(ADA)
    triggers(*PAYMENT)
    automation.pay()

    assert answer(triggers, "fire")["evaluated"] == {
        "events": 1,
        "rejected": 0,
        "released": 0,
        "jobs": 1,
        "results": {"fired": 1},
    }
