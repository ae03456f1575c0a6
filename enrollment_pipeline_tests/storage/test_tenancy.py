"""The gate to the tables: what a transaction leaves behind, in the rows and on the connection."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, func, insert, select, text

from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.engine import database_urls
from enrollment_pipeline.storage.tenancy import Database


class TroubleError(Exception):
    """What the work in a transaction met."""


@pytest.fixture
def gate(settings: Settings, database: Database) -> Iterator[Database]:
    """The suite's database over a pool of one connection, so that every transaction meets it."""
    engine = create_engine(database_urls(settings).app, pool_size=1, max_overflow=0)
    gate = Database(engine)
    yield gate
    gate.close()


def test_what_is_done_for_an_account_is_kept(gate: Database, account: Account) -> None:
    with gate.account(account.id) as connection:
        _add_contact(connection, account.id)

    assert _contacts(gate, account.id) == 1


def test_an_error_takes_everything_back_and_passes_on(gate: Database, account: Account) -> None:
    with pytest.raises(TroubleError), gate.account(account.id) as connection:
        _add_contact_and_fail(connection, account.id)

    assert _contacts(gate, account.id) == 0


def test_a_rehearsal_sees_its_work_and_leaves_nothing(gate: Database, account: Account) -> None:
    with gate.rehearsal(account.id) as connection:
        _add_contact(connection, account.id)
        assert connection.scalar(select(func.count()).select_from(schema.contacts)) == 1

    assert _contacts(gate, account.id) == 0


def test_a_rehearsal_that_fails_leaves_nothing_and_passes_the_error_on(
    gate: Database, account: Account
) -> None:
    with pytest.raises(TroubleError), gate.rehearsal(account.id) as connection:
        _add_contact_and_fail(connection, account.id)

    assert _contacts(gate, account.id) == 0


def test_a_rehearsal_is_bound_to_its_account(gate: Database, account: Account) -> None:
    with gate.account(account.id) as connection:
        _add_contact(connection, account.id)

    with gate.rehearsal(UUID(int=0)) as connection:
        assert connection.scalar(select(func.count()).select_from(schema.contacts)) == 0


@pytest.mark.parametrize("begin", [Database.account, Database.rehearsal])
def test_the_account_is_forgotten_before_the_connection_serves_the_next(
    gate: Database, account: Account, begin: Callable[[Database, UUID], Any]
) -> None:
    with begin(gate, account.id) as connection:
        first = _state(connection)
    with gate.across_accounts() as connection:
        second = _state(connection)

    assert first == (second[0], account.id)
    assert second[1] is None


@pytest.mark.parametrize("begin", [Database.account, Database.rehearsal])
def test_the_account_of_a_transaction_that_failed_is_forgotten(
    gate: Database, account: Account, begin: Callable[[Database, UUID], Any]
) -> None:
    with pytest.raises(TroubleError), begin(gate, account.id) as connection:
        _add_contact_and_fail(connection, account.id)

    with gate.across_accounts() as connection:
        assert _state(connection)[1] is None


def test_a_savepoint_that_is_rolled_back_does_not_take_the_account_with_it(
    gate: Database, account: Account
) -> None:
    with gate.account(account.id) as connection:
        with pytest.raises(TroubleError), connection.begin_nested():
            raise TroubleError
        assert _state(connection)[1] == account.id


def test_work_across_accounts_sees_ids_and_no_rows(gate: Database, account: Account) -> None:
    with gate.across_accounts() as connection:
        known = connection.scalars(text("select id from enrollment.all_accounts()")).all()
        assert connection.scalar(select(func.count()).select_from(schema.accounts)) == 0

    assert account.id in known


def test_a_closed_database_holds_no_connection(gate: Database, owner: Engine) -> None:
    with gate.across_accounts() as connection:
        backend, _ = _state(connection)

    gate.close()

    alive = text("select count(*) from pg_stat_activity where pid = :pid")
    with owner.connect() as connection:
        # The server takes a moment to end the backend of a connection that was closed.
        for _ in range(100):
            if connection.scalar(alive, {"pid": backend}) == 0:
                break
            connection.execute(text("select pg_sleep(0.02), pg_stat_clear_snapshot()"))
        assert connection.scalar(alive, {"pid": backend}) == 0


def _add_contact(connection: Connection, account_id: UUID) -> None:
    connection.execute(
        insert(schema.contacts).values(account_id=account_id, email="one@example.com")
    )


def _add_contact_and_fail(connection: Connection, account_id: UUID) -> None:
    _add_contact(connection, account_id)
    raise TroubleError


def _contacts(gate: Database, account_id: UUID) -> int | None:
    with gate.account(account_id) as connection:
        return connection.scalar(select(func.count()).select_from(schema.contacts))


def _state(connection: Connection) -> tuple[int, UUID | None]:
    row = connection.execute(text("select pg_backend_pid(), enrollment.current_account()")).one()
    return row[0], row[1]
