"""Old events and old rows of the log go; what waits, and what guards against doubles, stays."""

from datetime import UTC, datetime, timedelta

import pytest

from enrollment_pipeline.triggers import retention
from enrollment_pipeline_tests.triggers.conftest import PAYMENT, Automation, MakeAutomation, utc

BIRTHDAY = {"event": "birthday", "parameters": {"time": "09:00"}}


@pytest.fixture
def kept(make_automation: MakeAutomation) -> Automation:
    """An account that keeps ten days, with a contact that has paid and has its birthday."""
    automation = make_automation(history_days=10)
    automation.contact(birthday="2000-11-23")
    automation.automate(PAYMENT)
    automation.pay()
    automation.work()
    return automation


def ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def rows(automation: Automation) -> tuple[int, int]:
    """How many events and rows of the log there are."""
    found = automation.query(
        "select (select count(*) from enrollment.events where account_id = :account) as events, "
        "(select count(*) from enrollment.trigger_evaluations where account_id = :account) as log",
        account=automation.account.id,
    )[0]
    return found["events"], found["log"]


def let_be_from(automation: Automation, at: datetime) -> None:
    """Let all events and rows of the log be from that time."""
    for statement in (
        "update enrollment.events set received_at = :at where account_id = :account",
        "update enrollment.trigger_evaluations set evaluated_at = :at where account_id = :account",
    ):
        automation.sql(statement, at=at, account=automation.account.id)


def prune(automation: Automation) -> dict[str, int]:
    return retention.prune(automation.database, automation.account, now=datetime.now(UTC))


def test_what_is_older_than_the_account_keeps_it_is_removed(kept: Automation) -> None:
    let_be_from(kept, ago(9))
    assert prune(kept) == {}
    let_be_from(kept, ago(11))

    assert prune(kept) == {"trigger_evaluations": 1, "events": 1}
    assert rows(kept) == (0, 0)


def test_the_plan_counts_the_same_and_removes_nothing(kept: Automation) -> None:
    let_be_from(kept, ago(11))

    planned = retention.plan(kept.database, kept.account, now=datetime.now(UTC))

    assert planned == {"trigger_evaluations": 1, "events": 1}
    assert rows(kept) == (1, 1)
    assert prune(kept) == planned


def test_more_than_one_transaction_takes_are_all_removed(
    kept: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.pay()
    kept.pay()
    kept.work()
    let_be_from(kept, ago(11))
    monkeypatch.setattr(retention, "MOST", 2)

    assert prune(kept) == {"trigger_evaluations": 3, "events": 3}


def test_a_pending_event_stays_however_old(kept: Automation) -> None:
    kept.pay()
    let_be_from(kept, ago(1_000))

    assert prune(kept) == {"trigger_evaluations": 1, "events": 1}
    assert rows(kept) == (1, 0)
    kept.work()


def test_who_waits_for_an_opening_stays_however_old(kept: Automation) -> None:
    kept.sql(
        "update enrollment.trigger_evaluations set result = 'queued', fire_at = now() + '1 day' "
        "where account_id = :account",
        account=kept.account.id,
    )
    let_be_from(kept, ago(1_000))

    assert prune(kept) == {"events": 1}
    kept.sql(
        "update enrollment.trigger_evaluations set result = 'late' where account_id = :account",
        account=kept.account.id,
    )


def test_occurrences_are_kept_for_longer_so_that_no_old_window_fires_again(
    kept: Automation,
) -> None:
    trigger = kept.automate(BIRTHDAY, workflow="Birthday", lateness="fire_late")
    for statement in (
        "update enrollment.triggers set active_since = '2026-01-01' where id = :trigger",
        "update enrollment.contacts set created_at = '2026-01-01' where account_id = :account",
    ):
        kept.sql(statement, trigger=trigger.id, account=kept.account.id)
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert kept.turn(at).total() == 1
    let_be_from(kept, ago(390))

    assert prune(kept) == {"trigger_evaluations": 1, "events": 1}
    assert kept.turn(at).total() == 0
    let_be_from(kept, ago(401))
    assert prune(kept) == {"trigger_evaluations": 1}


def test_another_accounts_rows_stay(kept: Automation, make_automation: MakeAutomation) -> None:
    let_be_from(kept, ago(11))

    prune(make_automation(history_days=1))

    assert rows(kept) == (1, 1)


def test_why_nobody_was_enrolled_is_no_longer_known_once_the_job_has_no_details(
    automation: Automation,
) -> None:
    automation.contact(birthday="2000-03-10", status="blocked")
    automation.automate(BIRTHDAY)
    automation.turn(utc("2031-03-10T09:00"))
    assert automation.log() == [("fired", True, False, "blocked: contact_blocked")]

    # As it is done when the job is older than the account keeps its details.
    automation.sql(
        "delete from enrollment.selected_contacts where account_id = :account",
        account=automation.account.id,
    )
    automation.sql(
        "update enrollment.enrollment_jobs set pruned_at = now() where account_id = :account",
        account=automation.account.id,
    )

    reason = "no longer known: the job has no details any more"
    assert automation.log() == [("fired", True, False, reason)]
