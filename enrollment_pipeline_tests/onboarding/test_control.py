"""Trying again, and ending before time."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidStateError,
    OnboardingItemNotFoundError,
)
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.states import BatchState, ItemStatus, batch_status
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.tenancy import Database

Ask = Callable[..., list[dict[str, Any]]]
Make = Callable[..., tuple[UUID, dict[str, UUID]]]


@pytest.fixture
def make(database: Database, account: Account) -> Make:
    """Write a batch whose items are in these states; return its id, and theirs by name."""

    def run(company: str = "Northern", **states: str) -> tuple[UUID, dict[str, UUID]]:
        with database.account(account.id) as connection:
            batch_id = connection.scalar(
                insert(schema.onboarding_batches)
                .values(
                    account_id=account.id,
                    company=company,
                    company_key=company.lower(),
                    options={"workflow": "w", "skip_enhancement": False, "force_rerun": False},
                    source="test",
                    requested_by="ann",
                    created_by="ann",
                    refused=[],
                )
                .returning(schema.onboarding_batches.c.id)
            )
            ids = {}
            for position, (name, state) in enumerate(states.items(), 1):
                ids[name] = connection.scalar(
                    insert(schema.onboarding_items)
                    .values(
                        account_id=account.id,
                        batch_id=batch_id,
                        position=position,
                        role_name=name,
                        role_key=name,
                        attributes={},
                        documents=[],
                        workflow_id=UUID(int=1),
                        status=state,
                        completed_at=None if state in ("queued", "in_progress") else text("now()"),
                    )
                    .returning(schema.onboarding_items.c.id)
                )
        assert batch_id is not None
        return batch_id, ids

    return run


@pytest.fixture
def states(ask: Ask) -> Callable[[UUID], dict[str, str]]:
    """Return the state of each item of a batch, by name."""
    return lambda batch_id: {
        row["role_name"]: row["status"]
        for row in ask(
            "select role_name, status from enrollment.onboarding_items where batch_id = :batch",
            batch=batch_id,
        )
    }


def test_all_that_failed_is_tried_again_and_totals_stay(
    make: Make, states: Any, database: Database, account: Account, ask: Ask
) -> None:
    batch_id, ids = make(a="failed", b="ready", c="failed", d="degraded", e="cancelled")

    again = service.retry(database, account, batch_id, service.Chosen(), actor="ann")

    assert sorted(again) == sorted([ids["a"], ids["c"]])
    assert states(batch_id) == {
        "a": "queued", "b": "ready", "c": "queued", "d": "degraded", "e": "cancelled",
    }  # fmt: skip
    assert service.describe(database, account, batch_id)["total"] == 5
    (entry,) = ask("select * from enrollment.audit_log where action = 'onboarding.retry'")
    assert entry["subject"] == str(batch_id)
    with pytest.raises(InvalidStateError, match="No item of the batch has failed"):
        service.retry(database, account, batch_id, service.Chosen(), actor="ann")


def test_degraded_ones_are_tried_again_with_the_failed_ones_on_demand_or_by_their_id(
    make: Make, states: Any, database: Database, account: Account
) -> None:
    batch_id, ids = make(a="failed", b="degraded", c="degraded")

    service.retry(database, account, batch_id, service.Chosen((ids["c"],)), actor="ann")
    chosen = states(batch_id)
    service.retry(database, account, batch_id, service.Chosen(degraded=True), actor="ann")

    assert chosen == {"a": "failed", "b": "degraded", "c": "queued"}
    assert set(states(batch_id).values()) == {"queued"}


@pytest.mark.parametrize("state", ["ready", "queued", "in_progress", "cancelled"])
def test_an_item_that_did_not_fail_is_refused_by_name_and_none_is_touched(
    state: str, make: Make, states: Any, database: Database, account: Account
) -> None:
    batch_id, ids = make(a="failed", b=state)

    with pytest.raises(InvalidStateError) as caught:
        service.retry(
            database, account, batch_id, service.Chosen((ids["a"], ids["b"])), actor="ann"
        )

    assert f"'b' ({ids['b']}), which is {state}" in caught.value.message
    assert "'a'" not in caught.value.message
    assert states(batch_id) == {"a": "failed", "b": state}


def test_an_item_of_another_batch_is_not_there(
    make: Make, states: Any, database: Database, account: Account
) -> None:
    batch_id, ids = make(a="failed")
    other, _ = make(company="Southern", b="failed")

    for strange in (ids["a"], uuid4()):
        with pytest.raises(OnboardingItemNotFoundError, match=str(strange)):
            service.retry(database, account, other, service.Chosen((strange,)), actor="ann")
    assert states(batch_id) == {"a": "failed"}


def test_a_role_that_is_at_work_in_a_newer_batch_is_not_doubled_by_a_retry(
    make: Make, states: Any, database: Database, account: Account
) -> None:
    batch_id, _ = make(a="failed", b="failed")
    newer, _ = make(a="in_progress")

    with pytest.raises(InvalidStateError, match=f"'a' is being onboarded in batch {newer}"):
        service.retry(database, account, batch_id, service.Chosen(), actor="ann")
    assert set(states(batch_id).values()) == {"failed"}


def test_cancelling_ends_what_is_queued_and_what_is_at_work_only_on_demand(
    make: Make, states: Any, database: Database, settings: Settings, account: Account
) -> None:
    batch_id, _ = make(a="queued", b="in_progress", c="ready", d="failed")

    ended = service.cancel(database, settings, account, batch_id, actor="ann")
    gently = states(batch_id)
    with pytest.raises(InvalidStateError, match="Every item has begun"):
        service.cancel(database, settings, account, batch_id, actor="ann")
    now = service.cancel(database, settings, account, batch_id, now=True, actor="ann")

    assert (ended, now) == (1, 1)
    assert gently == {"a": "cancelled", "b": "in_progress", "c": "ready", "d": "failed"}
    assert states(batch_id)["b"] == "cancelled"
    with pytest.raises(InvalidStateError, match="Every item has ended"):
        service.cancel(database, settings, account, batch_id, now=True, actor="ann")
    found = service.describe(database, account, batch_id)
    assert (found["state"], found["cancelled_at"] is not None) == ("cancelled", True)


def test_retry_and_cancel_need_the_permission_and_leave_a_row_in_the_log(
    make: Make, states: Any, database: Database, settings: Settings, account: Account, ask: Ask
) -> None:
    batch_id, _ = make(a="failed", b="queued")
    members.add(database, account, "boss", ["account:admin"], actor="boss")
    members.add(database, account, "eve", ["workflow:edit", "contacts:manage"], actor="boss")
    members.add(database, account, "bob", ["workflow:manage"], actor="boss")

    def do(actor: str) -> None:
        service.cancel(database, settings, account, batch_id, actor=actor)
        service.retry(database, account, batch_id, service.Chosen(), actor=actor)

    for one in (
        lambda: service.cancel(database, settings, account, batch_id, actor="eve"),
        lambda: service.retry(database, account, batch_id, service.Chosen(), actor="eve"),
    ):
        with pytest.raises(ForbiddenError):
            one()
    untouched = states(batch_id)
    do("bob")

    assert untouched == {"a": "failed", "b": "queued"}
    assert states(batch_id) == {"a": "queued", "b": "cancelled"}
    rows = ask(
        "select actor, action, result from enrollment.audit_log "
        "where action like 'onboarding.%' order by id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("eve", "onboarding.cancel", "denied"),
        ("eve", "onboarding.retry", "denied"),
        ("bob", "onboarding.cancel", "done"),
        ("bob", "onboarding.retry", "done"),
    ]


@given(counts=st.fixed_dictionaries(dict.fromkeys(ItemStatus, st.integers(0, 2))))
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_finds_a_batch_under_the_state_that_its_items_make(
    counts: dict[ItemStatus, int], make: Make, database: Database, account: Account
) -> None:
    items = {
        f"{status}{number}": str(status)
        for status, many in counts.items()
        for number in range(many)
    }
    batch_id, _ = make(**items)

    found = {
        state
        for state in BatchState
        for one in service.list_batches(
            database, account, service.BatchFilter(state=state), limit=500
        )["batches"]
        if one["batch_id"] == str(batch_id)
    }

    # Without any item there is none that could say so.
    assert found == ({batch_status(counts).state} if items else set())
