"""Lane slots: so many transactions of an account at a time, whoever makes them."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from enrollment_pipeline.limits.service import take_lane
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database


def test_so_many_slots_are_taken_and_no_more(database: Database, account: Account) -> None:
    with ExitStack() as stack:
        taken = [
            take_lane(stack.enter_context(database.account(account.id)), account.id, 3)
            for _ in range(4)
        ]
    assert taken == [True, True, True, False]


def test_a_slot_is_free_again_however_its_transaction_ends(
    database: Database, account: Account
) -> None:
    with database.account(account.id) as connection:
        assert take_lane(connection, account.id, 1)
    with database.rehearsal(account.id) as connection:
        assert take_lane(connection, account.id, 1)
    with database.account(account.id) as connection:
        assert take_lane(connection, account.id, 1)


def test_accounts_do_not_share_slots(
    database: Database, make_account: Callable[[], Account]
) -> None:
    one, other = make_account(), make_account()
    with database.account(one.id) as first, database.account(other.id) as second:
        assert take_lane(first, one.id, 1)
        assert take_lane(second, other.id, 1)


def test_a_wait_for_a_slot_does_not_shorten_the_patience_of_the_transaction(
    database: Database, account: Account
) -> None:
    with database.account(account.id) as holder, database.account(account.id) as other:
        before = other.exec_driver_sql("show lock_timeout").scalar_one()
        assert take_lane(holder, account.id, 1)
        assert not take_lane(other, account.id, 1)
        assert other.exec_driver_sql("show lock_timeout").scalar_one() == before


def test_whoever_waits_is_not_passed_by(database: Database, account: Account) -> None:
    got: list[str] = []
    waiting = threading.Event()

    def queue_up() -> None:
        with database.account(account.id) as connection:
            waiting.set()
            if take_lane(connection, account.id, 1):
                got.append("the one who waited")

    with database.account(account.id) as holder:
        assert take_lane(holder, account.id, 1)
        thread = threading.Thread(target=queue_up)
        thread.start()
        waiting.wait()
        time.sleep(0.2)
    with database.account(account.id) as again:
        # Back at once, as a busy lane is.
        assert take_lane(again, account.id, 1)
        got.append("the one who came back")
    thread.join()
    assert got == ["the one who waited", "the one who came back"]
