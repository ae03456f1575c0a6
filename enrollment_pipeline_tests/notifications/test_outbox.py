"""Writing messages with what they tell of, and the log of them."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.notifications import service
from enrollment_pipeline.notifications.message import (
    Channel,
    Event,
    Notice,
    Recipients,
)
from enrollment_pipeline_tests.notifications.conftest import (
    MakeOutbox,
    Outbox,
    Receiver,
    operation_payload_of,
    payload_of,
)

ANN, BOB = "ann@example.com", "bob@example.com"
HOOK = "https://hooks.example.com/T0/hidden"


def told(outbox: Outbox) -> set[tuple[str, str]]:
    """Event and recipient of every message, as they are stored."""
    rows = outbox.query(
        "select event, recipient from enrollment.notifications where account_id = :account"
    )
    return {(row.event, row.recipient) for row in rows}


def add(outbox: Outbox, channel: Channel, recipient: str, *events: str) -> None:
    """Add a channel to the account."""
    service.add_channel(
        outbox.database, outbox.account, channel, recipient, events=events, actor="test"
    )


def test_the_recipients_of_the_request_and_the_channels_that_want_the_event_are_told(
    outbox: Outbox,
) -> None:
    add(outbox, Channel.EMAIL, BOB, "job_failed", "job_paused")
    add(outbox, Channel.WEBHOOK, HOOK)

    assert outbox.tell(emails=(ANN,), event=Event.JOB_COMPLETED) == 2
    assert outbox.tell(event=Event.JOB_PAUSED) == 2

    assert told(outbox) == {
        ("job_completed", ANN),
        ("job_completed", HOOK),
        ("job_paused", BOB),
        ("job_paused", HOOK),
    }


def test_somebody_who_is_named_twice_gets_one_message(outbox: Outbox) -> None:
    add(outbox, Channel.EMAIL, ANN)

    assert outbox.tell(emails=(ANN, ANN)) == 1


def test_what_was_told_is_not_told_again(outbox: Outbox) -> None:
    job_id = uuid4()

    assert outbox.tell(emails=(ANN,), job_id=job_id) == 1
    assert outbox.tell(emails=(ANN, BOB), job_id=job_id) == 1
    assert outbox.tell(emails=(ANN,), job_id=job_id) == 0

    assert len(outbox.log()) == 2


def test_another_occasion_is_told_again(outbox: Outbox) -> None:
    job_id = uuid4()

    for occasion in ("1", "2", "2"):
        outbox.tell(emails=(ANN,), job_id=job_id, event=Event.JOB_PAUSED, occasion=occasion)

    assert len(outbox.log()) == 2


def test_without_an_occasion_each_transaction_is_one(outbox: Outbox) -> None:
    operation_id = uuid4()
    notice = Notice(
        Event.OPERATION_SCHEDULED, operation_id, None, operation_payload_of(operation_id)
    )

    for _ in range(2):
        with outbox.database.account(outbox.account.id) as connection:
            for _ in range(2):
                service.enqueue(connection, outbox.account.id, notice, Recipients((ANN,)))

    assert len(outbox.log()) == 2


def test_a_channel_that_asks_for_one_type_of_operation_is_told_of_no_other(
    outbox: Outbox,
) -> None:
    add(outbox, Channel.EMAIL, ANN, "operation_failed:import", "operation_completed")
    add(outbox, Channel.EMAIL, BOB, "operation_failed:import", "operation_failed")

    assert outbox.tell_of_operation(event=Event.OPERATION_FAILED, type="import") == 2
    assert outbox.tell_of_operation(event=Event.OPERATION_FAILED, type="export") == 1
    assert outbox.tell_of_operation(event=Event.OPERATION_COMPLETED, type="export") == 1
    assert outbox.tell_of_operation(event=Event.OPERATION_CANCELLED, type="import") == 0

    assert [(one["event"], one["recipient"]) for one in reversed(outbox.log())][2:] == [
        ("operation_failed", BOB),
        ("operation_completed", ANN),
    ]


def test_the_log_says_what_a_message_is_about(outbox: Outbox) -> None:
    job_id, operation_id = uuid4(), uuid4()
    outbox.tell(emails=(ANN,), job_id=job_id, event=Event.RUN_FAILED)
    outbox.tell_of_operation(emails=(ANN,), operation_id=operation_id, event=Event.RUN_FAILED)

    ids = ("job_id", "operation_id", "workflow_id")
    assert [tuple(one[name] for name in ids) for one in outbox.log()] == [
        (None, str(operation_id), None),
        (str(job_id), None, None),
    ]


def test_nobody_to_tell_is_no_message(outbox: Outbox) -> None:
    assert outbox.tell() == 0


def test_a_message_is_there_exactly_when_what_it_tells_of_is(outbox: Outbox) -> None:
    notice = Notice(Event.JOB_FAILED, uuid4(), "", payload_of(uuid4()))

    def close_job() -> None:
        with outbox.database.account(outbox.account.id) as connection:
            assert service.enqueue(connection, outbox.account.id, notice, Recipients((ANN,))) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        close_job()
    assert outbox.log() == []


def test_accounts_do_not_tell_each_other(make_outbox: MakeOutbox) -> None:
    one, other = make_outbox(), make_outbox()
    add(other, Channel.EMAIL, BOB)

    assert one.tell(emails=(ANN,)) == 1

    assert other.log() == []
    assert other.deliver(most=100).postponed == 0
    with other.database.account(other.account.id) as connection:
        assert service.prune(connection, before=other.clock.time + timedelta(days=999)) == 0
    assert one.only()["status"] == "queued"


def test_the_log_tells_state_and_attempts_and_hides_what_may_be_a_secret(
    outbox: Outbox, receiver: Receiver
) -> None:
    job_id = uuid4()
    receiver.answers = [(503, {}, b"busy"), (200, {}, b"")]
    outbox.tell(webhooks=(receiver.url,), job_id=job_id)

    outbox.deliver()
    waiting = outbox.only()
    outbox.clock.move(timedelta(seconds=30))
    outbox.deliver()
    done = outbox.only()

    assert str(UUID(waiting["notification_id"])) == done["notification_id"]
    assert waiting["job_id"] == str(job_id)
    assert (waiting["status"], waiting["attempts"], waiting["closed_at"]) == ("queued", 1, None)
    assert waiting["next_attempt_at"] == outbox.clock.time.isoformat()
    assert (done["status"], done["attempts"], done["next_attempt_at"]) == ("delivered", 2, None)
    assert done["closed_at"] == outbox.clock.time.isoformat()
    assert done["recipient"] == receiver.url.removesuffix("hook") + "..."
    assert [(one["delivered"], one["answer_code"], one["error"]) for one in done["deliveries"]] == [
        (False, 503, "The receiver answered 503. busy"),
        (True, 200, None),
    ]
    assert 0 <= done["deliveries"][0]["seconds"] < 5


def test_the_log_is_paged_newest_first_and_narrowed_to_a_job(outbox: Outbox) -> None:
    jobs = [uuid4() for _ in range(3)]
    for job_id in jobs:
        outbox.tell(emails=(ANN,), job_id=job_id)

    first = service.list_deliveries(outbox.database, outbox.account, limit=2)
    second = service.list_deliveries(outbox.database, outbox.account, limit=2, page=2)

    listed = [one["job_id"] for page in (first, second) for one in page["notifications"]]
    assert listed == [str(job_id) for job_id in reversed(jobs)]
    assert (first["total"], second["page"]) == (3, 2)
    assert [one["job_id"] for one in outbox.log(subject_id=jobs[1])] == [str(jobs[1])]
    for wrong in ({"page": 0}, {"limit": 0}):
        with pytest.raises(InvalidRequestError, match="There is no page"):
            service.list_deliveries(outbox.database, outbox.account, **wrong)


def test_pruning_removes_what_was_closed_long_ago_with_its_attempts_and_nothing_else(
    outbox: Outbox, receiver: Receiver
) -> None:
    outbox.tell(webhooks=(receiver.url,))
    outbox.deliver()
    outbox.clock.move(timedelta(days=10))
    outbox.tell(webhooks=(receiver.url,))
    outbox.deliver()
    outbox.tell(emails=(ANN,))
    with outbox.owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.notifications set created_at = created_at - interval '1 year' "
                "where account_id = :account"
            ),
            {"account": outbox.account.id},
        )

    with outbox.database.account(outbox.account.id) as connection:
        pruned = service.prune(connection, before=outbox.clock.time - timedelta(days=5))

    assert pruned == 1
    assert sorted(one["status"] for one in outbox.log()) == ["delivered", "queued"]
    attempts = outbox.query(
        "select id from enrollment.notification_deliveries where account_id = :account"
    )
    assert len(attempts) == 1
