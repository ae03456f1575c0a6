"""Budgets: never more than a window allows, shared by everybody, and given back when unused."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from enrollment_pipeline.limits import service, store
from enrollment_pipeline.limits.budget import Budget, Reservation
from enrollment_pipeline.records import Account, AccountSettings
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Reserve = Callable[..., Reservation]


@pytest.fixture
def reserve(database: Database, account: Account) -> Reserve:
    """Reserve in the test's account, so many seconds after noon."""

    def ask(wanted: int, budget: Budget, seconds: float = 0) -> Reservation:
        at = NOON + timedelta(seconds=seconds)
        return service.reserve(database, account.id, wanted, budget, at=at)

    return ask


def test_with_490_of_500_used_10_are_granted_and_90_when_the_window_opens(reserve: Reserve) -> None:
    budget = Budget(per_minute=500)
    assert reserve(490, budget).granted == 490

    assert reserve(100, budget, 30).granted == 10
    held = reserve(90, budget, 31)
    assert (held.granted, held.opens_at, held.held_by) == (0, NOON + MINUTE, "minute")
    assert reserve(90, budget, 59.9).granted == 0
    assert reserve(90, budget, 60).granted == 90


def test_a_window_begins_with_the_first_reservation_after_the_last(reserve: Reserve) -> None:
    budget = Budget(per_minute=10)
    assert reserve(10, budget, 0).granted == 10
    assert reserve(10, budget, 90).granted == 10
    assert reserve(1, budget, 149).opens_at == NOON + timedelta(seconds=150)


def test_the_tightest_budget_decides_and_the_last_to_open_is_waited_for(reserve: Reserve) -> None:
    budget = Budget(per_minute=150, per_second=100)
    assert reserve(500, budget, 0).granted == 100
    held = reserve(500, budget, 0.5)
    assert (held.granted, held.held_by) == (0, "second")
    assert held.opens_at == NOON + timedelta(seconds=1)
    assert reserve(500, budget, 1).granted == 50
    held = reserve(500, budget, 1.5)
    assert (held.granted, held.held_by, held.opens_at) == (0, "minute", NOON + MINUTE)


def test_nothing_granted_uses_nothing_of_the_other_budgets(reserve: Reserve) -> None:
    assert reserve(100, Budget(per_minute=1000, per_second=100), 0).granted == 100
    assert reserve(100, Budget(per_minute=1000, per_second=100), 0.1).granted == 0
    assert reserve(1000, Budget(per_minute=1000), 0.2).granted == 900


def test_what_is_unused_is_given_back(
    database: Database, account: Account, reserve: Reserve
) -> None:
    budget = Budget(per_minute=100)
    taken = reserve(100, budget)
    service.give_back(database, account.id, 30, budget, at=taken.at)
    assert reserve(100, budget, 1).granted == 30


def test_what_was_reserved_in_an_earlier_window_is_not_given_back_to_this(
    database: Database, account: Account, reserve: Reserve
) -> None:
    budget = Budget(per_minute=100)
    early = reserve(100, budget, 0)
    assert reserve(100, budget, 60).granted == 100

    service.give_back(database, account.id, 100, budget, at=early.at)

    assert reserve(1, budget, 61).granted == 0


def test_a_limit_that_was_lowered_grants_nothing_more(reserve: Reserve) -> None:
    assert reserve(80, Budget(per_minute=100)).granted == 80
    assert reserve(80, Budget(per_minute=50), 1).granted == 0
    assert reserve(80, Budget(per_minute=90), 2).granted == 10


def test_no_limit_is_no_row(database: Database, account: Account, reserve: Reserve) -> None:
    assert Budget().unlimited
    assert reserve(10**6, Budget()).granted == 10**6
    with database.account(account.id) as connection:
        rows = connection.execute(text("select count(*) from enrollment.rate_buckets"))
        assert rows.scalar_one() == 0


def test_accounts_have_budgets_of_their_own_and_share_one(
    database: Database, owner: Engine, make_account: Callable[[], Account]
) -> None:
    with owner.begin() as connection:
        connection.execute(text("delete from enrollment.rate_buckets where name = 'global_minute'"))
    one, other = make_account(), make_account()
    budget = Budget(per_minute=80, global_per_minute=100)

    assert service.reserve(database, one.id, 100, budget, at=NOON).granted == 80
    assert service.reserve(database, other.id, 100, budget, at=NOON).granted == 20
    held = service.reserve(database, other.id, 100, budget, at=NOON)
    assert (held.granted, held.held_by) == (0, "global_minute")
    with database.account(one.id) as connection:
        names = connection.execute(text("select name from enrollment.rate_buckets")).scalars()
        assert list(names) == ["minute"]


@pytest.mark.parametrize("function", [store.reserve, store.give_back])
def test_the_budget_of_another_account_is_out_of_reach(
    database: Database, account: Account, function: Callable[..., object]
) -> None:
    with pytest.raises(ProgrammingError) as refused, database.account(account.id) as connection:
        function(connection, uuid4(), 1, Budget(per_minute=5), at=NOON)
    assert isinstance(refused.value.orig, InsufficientPrivilege)


def test_without_a_time_the_databases_own_counts(database: Database, account: Account) -> None:
    budget = Budget(per_minute=5)
    granted = [
        service.reserve(database, account.id, 3, budget).granted,
        service.reserve(database, account.id, 3, budget).granted,
    ]
    assert granted == [3, 2]


def test_many_at_once_get_what_there_is_and_no_more(database: Database, account: Account) -> None:
    budget = Budget(per_minute=100, per_second=1000)
    granted: list[int] = []

    def ask() -> None:
        granted.extend(
            service.reserve(database, account.id, 7, budget, at=NOON).granted for _ in range(5)
        )

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 30
    assert sum(granted) == 100


steps = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=12
)


@hypothesis_settings(max_examples=40, deadline=None)
@given(steps=steps, per_minute=st.integers(1, 60), per_second=st.none() | st.integers(1, 30))
def test_no_window_ever_grants_more_than_its_limit(
    database: Database,
    steps: list[tuple[int, int, int]],
    per_minute: int,
    per_second: int | None,
) -> None:
    account_id = uuid4()
    budget = Budget(per_minute=per_minute, per_second=per_second)
    now, began, used = NOON, None, 0
    for pause, wanted, unused in steps:
        now += timedelta(seconds=pause)
        if began is None or now - began >= MINUTE:
            began, used = now, 0
        granted = service.reserve(database, account_id, wanted, budget, at=now).granted
        back = min(unused, granted)
        service.give_back(database, account_id, back, budget, at=now)
        used += granted - back
        assert 0 <= granted <= wanted
        assert used <= per_minute
        if per_second is None and granted < wanted:
            # Whatever the limit leaves is granted.
            assert used + back == per_minute


def test_the_budget_of_an_account_is_made_of_its_settings_and_of_the_environment(
    settings: Settings,
) -> None:
    account = AccountSettings(enrollments_per_minute=500, burst_per_second=100)
    environment = settings.model_copy(update={"global_per_minute": 5000})
    assert service.budget_of(account, environment) == Budget(500, 100, 5000)
    assert service.budget_of(AccountSettings(), settings).unlimited
