"""Who is told of what, and the secret of an account's webhooks."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert

from enrollment_pipeline.errors import (
    ChannelNotFoundError,
    ForbiddenError,
    InvalidRequestError,
)
from enrollment_pipeline.notifications import service
from enrollment_pipeline.notifications.message import OPERATION_TYPES, Channel, Event
from enrollment_pipeline.storage import schema
from enrollment_pipeline_tests.notifications.conftest import (
    MakeOutbox,
    Outbox,
    Receiver,
    key_of,
)

ANN = "ann@example.com"
HOOK = "https://hooks.example.com/T0/hidden?token=hidden"


def audit(outbox: Outbox) -> list[Any]:
    """The account's audit log, oldest first."""
    return outbox.query(
        "select * from enrollment.audit_log where account_id = :account order by id"
    )


def listed(outbox: Outbox) -> list[tuple[str, tuple[str, ...]]]:
    """Recipients and events of the account's channels."""
    found = service.list_channels(outbox.database, outbox.account, actor="test")
    return [(entry.recipient, entry.events) for entry in found]


def add(outbox: Outbox, channel: Channel, recipient: str, *events: str) -> UUID:
    """Add a channel and return its id."""
    return service.add_channel(
        outbox.database, outbox.account, channel, recipient, events=events, actor="test"
    ).id


def remove(outbox: Outbox, reference: object) -> None:
    """Remove a channel."""
    service.remove_channel(outbox.database, outbox.account, str(reference), actor="test")


def test_a_channel_is_told_of_every_event_unless_it_says_which(outbox: Outbox) -> None:
    add(outbox, Channel.EMAIL, "Ann@Example.com")
    add(outbox, Channel.WEBHOOK, HOOK, "run_failed", "job_failed")

    assert listed(outbox) == [(ANN, tuple(Event)), (HOOK, ("job_failed", "run_failed"))]


def test_a_recipient_that_is_added_again_is_told_of_other_events(outbox: Outbox) -> None:
    first = add(outbox, Channel.EMAIL, ANN)
    second = add(outbox, Channel.EMAIL, "ANN@example.com", "job_paused")

    assert first == second
    assert listed(outbox) == [(ANN, ("job_paused",))]


def test_a_channel_may_ask_for_one_type_of_operation(outbox: Outbox) -> None:
    asked = ("run_failed", "operation_failed:import", "operation_completed:export")
    add(outbox, Channel.EMAIL, ANN, *asked)

    ((_, events),) = listed(outbox)
    assert set(events) == set(asked)


@pytest.mark.parametrize(
    "name", ["job_done", "operation_failed:job", "job_failed:import", ":import", "import", ""]
)
def test_an_event_that_does_not_exist_is_refused_with_those_that_do(
    outbox: Outbox, name: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        add(outbox, Channel.EMAIL, ANN, "job_failed", name)

    assert repr(name) in refusal.value.message
    assert all(event in refusal.value.advice for event in Event)
    assert all(one in refusal.value.advice for one in OPERATION_TYPES)
    assert listed(outbox) == []


@pytest.mark.parametrize(("channel", "recipient"), [(Channel.EMAIL, HOOK), (Channel.WEBHOOK, ANN)])
def test_a_recipient_of_another_kind_is_refused(
    outbox: Outbox, channel: Channel, recipient: str
) -> None:
    with pytest.raises(InvalidRequestError):
        add(outbox, channel, recipient)


def test_a_channel_is_removed_by_its_id_or_its_recipient_in_any_spelling(outbox: Outbox) -> None:
    for reference in (add(outbox, Channel.EMAIL, ANN), "Ann@EXAMPLE.com"):
        add(outbox, Channel.EMAIL, ANN)
        remove(outbox, reference)
        assert listed(outbox) == []
    for reference in (add(outbox, Channel.WEBHOOK, HOOK), HOOK.replace("hooks.ex", "HOOKS.ex")):
        add(outbox, Channel.WEBHOOK, HOOK)
        remove(outbox, str(reference).upper() if isinstance(reference, UUID) else reference)
        assert listed(outbox) == []


def test_a_channel_of_another_account_is_not_there(make_outbox: MakeOutbox) -> None:
    one, other = make_outbox(), make_outbox()
    channel_id = add(one, Channel.EMAIL, ANN)

    for reference in (channel_id, ANN, uuid4(), "nobody"):
        with pytest.raises(ChannelNotFoundError):
            remove(other, reference)
    assert listed(other) == []
    assert listed(one) == [(ANN, tuple(Event))]


def test_changes_are_written_down_without_what_a_url_hides(outbox: Outbox) -> None:
    channel_id = add(outbox, Channel.WEBHOOK, HOOK, "job_failed")
    remove(outbox, HOOK)

    added, removed = audit(outbox)
    assert (added.action, added.actor, added.subject) == ("channel.add", "test", str(channel_id))
    assert added.details == {
        "channel": "webhook",
        "recipient": "https://hooks.example.com/...",
        "events": ["job_failed"],
    }
    assert (removed.action, removed.subject) == ("channel.remove", str(channel_id))
    assert "hidden" not in str((added, removed))


Change = Callable[[Outbox, str], object]
CHANGES: dict[str, Change] = {
    "channel.add": lambda box, who: service.add_channel(
        box.database, box.account, Channel.EMAIL, "bob@example.com", actor=who
    ),
    "channel.remove": lambda box, who: service.remove_channel(
        box.database, box.account, ANN, actor=who
    ),
    "webhook_secret.show": lambda box, who: service.webhook_secret(
        box.database, box.account, actor=who
    ),
    "webhook_secret.rotate": lambda box, who: service.rotate_secret(
        box.database, box.account, actor=who
    ),
}


@pytest.fixture
def staffed(outbox: Outbox) -> Outbox:
    """An account with a channel, an administrator and a member who is none."""
    add(outbox, Channel.EMAIL, ANN)
    with outbox.database.account(outbox.account.id) as connection:
        connection.execute(
            insert(schema.members),
            [
                {"account_id": outbox.account.id, "name": name, "permissions": held}
                for name, held in (("admin", ["account:admin"]), ("ann", ["workflow:manage"]))
            ],
        )
    return outbox


@pytest.mark.parametrize("action", CHANGES)
def test_only_an_administrator_may_and_a_refused_attempt_is_written_down(
    staffed: Outbox, action: str
) -> None:
    before = staffed.query(
        "select recipient from enrollment.notification_channels where account_id = :account"
    )
    for nobody in ("ann", "stranger"):
        with pytest.raises(ForbiddenError, match="account:admin"):
            CHANGES[action](staffed, nobody)
        assert (audit(staffed)[-1].action, audit(staffed)[-1].result) == (action, "denied")
        assert audit(staffed)[-1].actor == nobody
    after = staffed.query(
        "select recipient from enrollment.notification_channels where account_id = :account"
    )
    assert after == before
    assert secrets_of(staffed) == []

    CHANGES[action](staffed, "Admin")
    assert (audit(staffed)[-1].action, audit(staffed)[-1].result) == (action, "done")


def test_only_an_administrator_sees_the_channels(staffed: Outbox) -> None:
    with pytest.raises(ForbiddenError):
        service.list_channels(staffed.database, staffed.account, actor="ann")
    assert service.list_channels(staffed.database, staffed.account, actor="admin")


def secrets_of(outbox: Outbox) -> list[str]:
    """The secrets of the account, as they are stored."""
    rows = outbox.query("select secret from enrollment.webhook_secrets where account_id = :account")
    return [row.secret for row in rows]


def test_the_secret_is_made_once_and_replaced_on_demand(make_outbox: MakeOutbox) -> None:
    outbox, other = make_outbox(), make_outbox()

    def ask(box: Outbox) -> str:
        return service.webhook_secret(box.database, box.account, actor="test")

    first = ask(outbox)
    assert ask(outbox) == first
    assert first.startswith("whsec_")
    assert len(key_of(first)) == 32
    assert ask(other) != first

    second = service.rotate_secret(outbox.database, outbox.account, actor="test")
    assert second != first
    assert ask(outbox) == second
    assert secrets_of(outbox) == [second]


def test_a_secret_can_be_rotated_before_it_was_ever_used(outbox: Outbox) -> None:
    made = service.rotate_secret(outbox.database, outbox.account, actor="test")

    assert service.webhook_secret(outbox.database, outbox.account, actor="test") == made


def test_the_secret_is_in_no_log_no_audit_and_no_message(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.answer(400, b"no")
    outbox.tell(webhooks=(receiver.url, "https://localhost:1/"))
    outbox.deliver()
    secret = service.webhook_secret(outbox.database, outbox.account, actor="test")
    rotated = service.rotate_secret(outbox.database, outbox.account, actor="test")

    (request,) = receiver.received
    written = [
        json.dumps(outbox.log()),
        str(audit(outbox)),
        request.body.decode(),
        str(request.headers),
        str(outbox.query("select * from enrollment.notifications where account_id = :account")),
    ]
    for made in (secret, rotated):
        for text in written:
            assert made.removeprefix("whsec_") not in text
