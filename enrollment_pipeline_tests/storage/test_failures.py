"""What a database error means: worth another attempt, or an answer about the data."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.errors import Reason
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.failures import first_line, transient_reason
from enrollment_pipeline.storage.tenancy import Database


def test_a_statement_that_ran_out_of_time_is_a_timeout(database: Database) -> None:
    error = _met(database, "set local statement_timeout = '20ms'", "select pg_sleep(10)")

    assert transient_reason(error) is Reason.TIMEOUT_ERROR
    assert first_line(error) == "canceling statement due to statement timeout"


def test_a_lock_that_another_holds_is_worth_another_attempt(
    database: Database, account: Account, add_workflow: Callable[..., Any]
) -> None:
    add_workflow(account)
    locking = "select from enrollment.workflows for update nowait"

    with database.account(account.id) as connection:
        connection.execute(text(locking))
        error = _met(database, f"set local app.account_id = '{account.id}'", locking)

    assert transient_reason(error) is Reason.DATABASE_ERROR


def test_a_connection_that_the_server_ended_is_worth_another_attempt(
    database: Database, owner: Engine
) -> None:
    with pytest.raises(DBAPIError) as met, database.across_accounts() as connection:
        _execute_after_the_end(connection, owner)

    assert transient_reason(met.value) is Reason.DATABASE_ERROR


def test_a_server_that_is_not_there_is_worth_another_attempt() -> None:
    engine = create_engine("postgresql+psycopg://keeper:s3cret@127.0.0.1:1/product")

    with pytest.raises(DBAPIError) as met:
        engine.connect()

    assert transient_reason(met.value) is Reason.DATABASE_ERROR
    assert "s3cret" not in first_line(met.value)
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("select 1 / 0", "division by zero"),
        ("select 'x'::uuid", 'invalid input syntax for type uuid: "x"'),
        ("select from no_such_table", 'relation "no_such_table" does not exist'),
        ("truncate enrollment.contacts", "permission denied for table contacts"),
    ],
)
def test_an_error_that_the_next_attempt_would_meet_again_is_not(
    database: Database, statement: str, sentence: str
) -> None:
    error = _met(database, statement)

    assert transient_reason(error) is None
    assert first_line(error) == sentence


def _met(database: Database, *statements: str) -> DBAPIError:
    with pytest.raises(DBAPIError) as met, database.across_accounts() as connection:
        _execute(connection, statements)
    return met.value


def _execute(connection: Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.execute(text(statement))


def _execute_after_the_end(connection: Connection, owner: Engine) -> None:
    backend = connection.scalar(text("select pg_backend_pid()"))
    with owner.connect() as other:
        other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": backend})
    connection.execute(text("select 1"))
