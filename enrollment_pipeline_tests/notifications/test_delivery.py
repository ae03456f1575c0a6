"""Sending what is due: at least once, by one sender at a time, and not for ever."""

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from enrollment_pipeline.notifications import delivery, service
from enrollment_pipeline.notifications.attempts import MOST_ATTEMPTS, WAITS
from enrollment_pipeline.notifications.delivery import DeliveryCounts
from enrollment_pipeline.settings import Settings
from enrollment_pipeline_tests.notifications.conftest import (
    MailServer,
    MakeOutbox,
    Outbox,
    Receiver,
)

ANN, BOB = "ann@example.com", "bob@example.com"
SECOND = timedelta(seconds=1)
Reply = tuple[int, dict[str, str], bytes]


def change(outbox: Outbox, values: str) -> None:
    """Set columns of the account's messages."""
    with outbox.owner.begin() as connection:
        connection.execute(
            text(f"update enrollment.notifications set {values} where account_id = :account"),
            {"account": outbox.account.id},
        )


def test_everything_that_is_due_is_sent_by_its_channel(
    make_outbox: MakeOutbox, receiver: Receiver, mail_server: MailServer
) -> None:
    outbox = make_outbox(smtp_url=mail_server.url())
    outbox.tell(emails=(ANN, BOB), webhooks=(receiver.url,))

    assert outbox.deliver() == DeliveryCounts(delivered=3)
    assert outbox.deliver() == DeliveryCounts()

    assert {mail["To"] for mail in mail_server.mailbox.mails} == {ANN, BOB}
    assert len(receiver.received) == 1
    assert {message["status"] for message in outbox.log()} == {"delivered"}


def test_a_message_is_tried_six_times_after_growing_waits(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.answer(500)
    outbox.tell(webhooks=(receiver.url,))

    for attempt, wait in enumerate(WAITS, start=1):
        assert outbox.deliver() == DeliveryCounts(postponed=1)
        assert outbox.only()["attempts"] == attempt
        outbox.clock.move(wait - SECOND)
        assert outbox.deliver() == DeliveryCounts()
        outbox.clock.move(SECOND)
    assert outbox.deliver() == DeliveryCounts(failed=1)
    outbox.clock.move(timedelta(days=9))
    assert outbox.deliver() == DeliveryCounts()

    message = outbox.only()
    assert (message["status"], message["attempts"]) == ("failed", MOST_ATTEMPTS)
    assert len(message["deliveries"]) == len(receiver.received) == MOST_ATTEMPTS


def test_an_answer_that_says_no_ends_it_at_once(outbox: Outbox, receiver: Receiver) -> None:
    receiver.answer(404)
    outbox.tell(webhooks=(receiver.url,))

    assert outbox.deliver() == DeliveryCounts(failed=1)

    message = outbox.only()
    assert (message["status"], message["deliveries"][0]["answer_code"]) == ("failed", 404)


@pytest.mark.parametrize(
    ("asked", "seconds"), [("5", 30), ("300", 300), ("99999999", 6 * 3600), ("soon", 30)]
)
def test_a_receiver_may_ask_for_a_longer_wait_but_not_for_any(
    outbox: Outbox, receiver: Receiver, asked: str, seconds: int
) -> None:
    receiver.answer(429, retry_after=asked)
    outbox.tell(webhooks=(receiver.url,))

    outbox.deliver()

    next_attempt_at = datetime.fromisoformat(outbox.only()["next_attempt_at"])
    assert next_attempt_at - outbox.clock.time == timedelta(seconds=seconds)


def test_two_senders_at_once_send_once(outbox: Outbox, receiver: Receiver) -> None:
    both = threading.Barrier(2)
    receiver.on_request = lambda handler: threading.Event().wait(0.02)
    for _ in range(10):
        outbox.tell(webhooks=(receiver.url,))

    def send() -> DeliveryCounts:
        both.wait()
        return outbox.deliver()

    with ThreadPoolExecutor(2) as pool:
        counts = [future.result() for future in [pool.submit(send) for _ in range(2)]]

    assert sum(count.delivered for count in counts) == 10
    ids = [request.headers["webhook-id"] for request in receiver.received]
    assert len(ids) == len(set(ids)) == 10


SENDER = """
import sys
from datetime import UTC, datetime
from uuid import UUID
from enrollment_pipeline.notifications import delivery, service
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database

settings = load_settings()
delivery.deliver_due(
    open_database(settings), settings, now=lambda: datetime.now(UTC), most=1,
    account_id=UUID(sys.argv[1]),
)
"""


def test_what_a_killed_sender_had_in_hand_is_sent_again_under_the_same_id(
    outbox: Outbox, receiver: Receiver
) -> None:
    reached, ended = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        reached.set()
        ended.wait(30)

    receiver.on_request = hang
    outbox.tell(webhooks=(receiver.url,))
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER, str(outbox.account.id)],
        env={**os.environ, "ENROLLMENT_WEBHOOK_ALLOW_PRIVATE": "true"},
    )
    try:
        assert reached.wait(30)
    finally:
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        ended.set()
    receiver.on_request = lambda handler: None
    outbox.clock.time = datetime.now(UTC)

    assert outbox.deliver() == DeliveryCounts()
    outbox.clock.move(WAITS[0])
    assert outbox.deliver() == DeliveryCounts(delivered=1)

    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert len(receiver.received) == 2
    message = outbox.only()
    assert (message["attempts"], len(message["deliveries"])) == (2, 1)


def test_a_message_whose_every_sender_dies_is_given_up(outbox: Outbox, receiver: Receiver) -> None:
    outbox.tell(webhooks=(receiver.url,))
    change(outbox, f"attempts = {MOST_ATTEMPTS}")

    assert outbox.deliver() == DeliveryCounts(failed=1)

    assert receiver.received == []
    message = outbox.only()
    assert (message["status"], message["attempts"]) == ("failed", MOST_ATTEMPTS)
    assert message["deliveries"][0]["error"] == "The last attempt ended without a result."


@pytest.mark.parametrize(
    ("late", "later", "status"),
    [
        ((500, {}, b""), (200, {}, b""), "delivered"),
        ((404, {}, b""), (200, {}, b""), "delivered"),
        ((404, {}, b""), (500, {}, b""), "queued"),
        ((429, {"retry-after": "9999"}, b""), (500, {}, b""), "queued"),
    ],
)
def test_a_slow_sender_does_not_undo_what_a_later_one_has_done(
    outbox: Outbox, receiver: Receiver, late: Reply, later: Reply, status: str
) -> None:
    def overtake(_: object) -> None:
        receiver.on_request = lambda handler: None
        outbox.clock.move(WAITS[0])
        outbox.deliver()

    # The later sender is answered first.
    receiver.answers = [later, late]
    receiver.on_request = overtake
    outbox.tell(webhooks=(receiver.url,))

    outbox.deliver()

    message = outbox.only()
    assert (message["status"], message["attempts"]) == (status, 2)
    assert [one["answer_code"] for one in message["deliveries"]] == [later[0], late[0]]
    if status == "queued":
        due_at = datetime.fromisoformat(message["next_attempt_at"])
        assert due_at == outbox.clock.time + WAITS[1]


def test_what_an_earlier_sender_delivered_meanwhile_stays_so(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.answer(404)
    receiver.on_request = lambda handler: change(outbox, "status = 'delivered', closed_at = now()")
    outbox.tell(webhooks=(receiver.url,))

    outbox.deliver()

    assert outbox.only()["status"] == "delivered"


def test_what_arrived_is_delivered_whatever_a_later_sender_thought(
    outbox: Outbox, receiver: Receiver
) -> None:
    def overtake(_: object) -> None:
        receiver.on_request = lambda handler: None
        outbox.clock.move(WAITS[0])
        assert outbox.deliver() == DeliveryCounts(failed=1)

    receiver.answers = [(404, {}, b""), (200, {}, b"")]
    receiver.on_request = overtake
    outbox.tell(webhooks=(receiver.url,))

    assert outbox.deliver() == DeliveryCounts(delivered=1)
    assert outbox.only()["status"] == "delivered"


def test_no_transaction_is_open_while_a_message_is_sent(outbox: Outbox, receiver: Receiver) -> None:
    seen: list[int] = []

    def look(_: object) -> None:
        rows = outbox.query(
            "select count(*) from pg_locks l join pg_class c on c.oid = l.relation "
            "where c.relname = 'notifications' and l.pid <> pg_backend_pid()"
        )
        seen.append(rows[0][0])

    receiver.on_request = look
    outbox.tell(webhooks=(receiver.url,))

    outbox.deliver()

    assert seen == [0]


def test_a_mail_server_that_does_not_answer_is_asked_once(make_outbox: MakeOutbox) -> None:
    asked: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(2):
                server.accept()[0].close()
                asked.append(1)

        thread = threading.Thread(target=hang_up)
        thread.start()
        port = server.getsockname()[1]
        outbox = make_outbox(smtp_url=SecretStr(f"smtp://127.0.0.1:{port}"))
        outbox.tell(emails=(ANN, BOB))

        counts = outbox.deliver()

        times = len(asked)
        while thread.is_alive():
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join(0.1)
    assert counts == DeliveryCounts(postponed=2)
    assert times == 1
    first, second = outbox.log()
    assert first["deliveries"][0]["error"] == second["deliveries"][0]["error"]


def test_a_receiver_that_does_not_answer_does_not_hold_up_the_others(
    outbox: Outbox, receiver: Receiver
) -> None:
    outbox.tell(webhooks=("http://127.0.0.1:1/", receiver.url))

    assert outbox.deliver() == DeliveryCounts(delivered=1, postponed=1)


def test_a_message_that_cannot_be_made_does_not_hold_up_the_others(
    make_outbox: MakeOutbox, receiver: Receiver, mail_server: MailServer
) -> None:
    outbox = make_outbox(smtp_url=mail_server.url())
    outbox.tell(emails=(ANN,))
    change(outbox, 'payload = \'{"secret": "hidden"}\'')
    outbox.tell(emails=(BOB,))

    assert outbox.deliver() == DeliveryCounts(delivered=1, postponed=1)

    broken = outbox.log()[1]
    assert broken["deliveries"][0]["error"] == ("The message could not be made or sent (KeyError).")


def test_a_private_address_is_refused_unless_the_setting_allows_it(
    make_outbox: MakeOutbox, receiver: Receiver
) -> None:
    outbox = make_outbox(webhook_allow_private=False)
    outbox.tell(webhooks=(receiver.url,))

    assert outbox.deliver() == DeliveryCounts(failed=1)

    assert receiver.received == []
    assert "ENROLLMENT_WEBHOOK_ALLOW_PRIVATE" in outbox.only()["deliveries"][0]["error"]


def test_no_more_are_tried_than_asked_for_and_the_oldest_come_first(
    outbox: Outbox, receiver: Receiver
) -> None:
    jobs = [uuid4() for _ in range(3)]
    for job_id in jobs:
        outbox.tell(webhooks=(receiver.url,), job_id=job_id)

    assert outbox.deliver(most=2) == DeliveryCounts(delivered=2)

    left = [one["job_id"] for one in outbox.log() if one["status"] == "queued"]
    assert left == [str(jobs[2])]


def test_it_ends_when_it_is_asked_to(outbox: Outbox, receiver: Receiver) -> None:
    for _ in range(3):
        outbox.tell(webhooks=(receiver.url,))

    assert outbox.deliver(go_on=lambda: not receiver.received) == DeliveryCounts(delivered=1)


def test_messages_about_one_subject_can_be_sent_alone(outbox: Outbox, receiver: Receiver) -> None:
    job_id = uuid4()
    outbox.tell(webhooks=(receiver.url,))
    outbox.tell(webhooks=(receiver.url,), job_id=job_id)

    assert outbox.deliver(subject_id=job_id) == DeliveryCounts(delivered=1)

    assert [one["status"] for one in outbox.log()] == ["delivered", "queued"]
    with pytest.raises(ValueError, match="in an account"):
        outbox.deliver(account_id=None, subject_id=job_id)


def test_the_messages_of_all_accounts_are_sent_and_each_signed_with_its_own_secret(
    make_outbox: MakeOutbox, receiver: Receiver
) -> None:
    outboxes = [make_outbox(), make_outbox()]
    for outbox in outboxes:
        outbox.tell(webhooks=(receiver.url,))

    assert delivery.is_anything_due(outboxes[0].database, outboxes[0].clock())
    outboxes[0].deliver(account_id=None, most=1000)

    assert [outbox.only()["status"] for outbox in outboxes] == ["delivered", "delivered"]
    secrets = [
        service.webhook_secret(outbox.database, outbox.account, actor="test") for outbox in outboxes
    ]
    assert len(set(secrets)) == 2


def test_without_a_mail_server_a_message_waits_and_says_for_what(
    outbox: Outbox, settings: Settings
) -> None:
    assert settings.smtp_url is None
    outbox.tell(emails=(ANN,))

    assert astuple(outbox.deliver()) == (0, 1, 0)

    message = outbox.only()
    assert message["status"] == "queued"
    assert "ENROLLMENT_SMTP_URL" in message["deliveries"][0]["error"]
