"""Accounts: names, settings, and what one account learns of another."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from enrollment_pipeline.accounts import service
from enrollment_pipeline.errors import (
    AccountExistsError,
    AccountNotFoundError,
    InvalidRequestError,
)
from enrollment_pipeline.records import Account, AccountSettings
from enrollment_pipeline.storage.tenancy import Database


def a_name() -> str:
    return f"a-{uuid4().hex}"


def stored_settings(owner: Engine, account: Account) -> object:
    statement = text("select settings from enrollment.accounts where id = :id")
    with owner.connect() as connection:
        return connection.scalar(statement, {"id": account.id})


def test_a_created_account_is_found_by_its_name_in_any_letter_case(database: Database) -> None:
    created = service.create(database, name := a_name(), actor="test")

    assert service.find(database, name) == created
    assert service.find(database, name.upper()) == created
    assert created.settings == AccountSettings()


def test_a_taken_name_is_refused_and_nothing_is_written(database: Database) -> None:
    service.create(database, name := a_name(), actor="test")

    with pytest.raises(AccountExistsError):
        service.create(database, name, actor="test")
    assert [entry.name for entry in service.list_accounts(database)].count(name) == 1


@pytest.mark.parametrize("name", ["a", "0", "sales", "a.b-c_d", "a" * 63])
def test_these_names_can_be_used(database: Database, owner: Engine, name: str) -> None:
    try:
        assert service.create(database, name, actor="test").name == name
    finally:
        with owner.begin() as connection:
            connection.execute(
                text("delete from enrollment.accounts where name = :name"), {"name": name}
            )


@pytest.mark.parametrize(
    "name", ["", "Sales", "a b", "a/b", "..", ".a", "-a", "_a", "ä", "a\n", "a" * 64]
)
def test_these_names_cannot_be_used(database: Database, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot name an account"):
        service.create(database, name, actor="test")


@pytest.mark.parametrize("name", ["processed", "rejected"])
def test_the_names_of_the_inboxs_own_folders_cannot_be_used(database: Database, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot name an account: the inbox has a folder"):
        service.create(database, name, actor="test")
    with pytest.raises(AccountNotFoundError):
        service.find(database, name)


@given(name=st.text(max_size=70))
def test_no_name_that_is_accepted_leaves_its_folder(name: str) -> None:
    if service._NAME.fullmatch(name):
        assert "/" not in name
        assert not name.startswith((".", "-"))
        assert 1 <= len(name.encode()) <= 63


def test_an_unknown_account_is_refused_without_naming_another(database: Database) -> None:
    service.create(database, name := a_name(), actor="test")

    with pytest.raises(AccountNotFoundError) as refusal:
        service.find(database, wanted := name[:-1])
    told = str(refusal.value.as_dict())
    assert wanted in told
    assert name not in told


def test_all_accounts_are_listed_by_name(database: Database) -> None:
    names = sorted([service.create(database, a_name(), actor="test").name for _ in range(3)])

    listed = [entry.name for entry in service.list_accounts(database)]

    assert [name for name in listed if name in names] == names


def test_changed_settings_are_stored_and_the_others_stay(
    database: Database, account: Account
) -> None:
    service.change_settings(database, account, {"max_lanes": "3"}, actor="test")
    changed = service.change_settings(
        database, account, {"timezone": "Europe/Berlin"}, actor="test"
    )

    assert changed.settings.max_lanes == 3
    assert changed.settings.timezone == "Europe/Berlin"
    assert service.find(database, account.name) == changed


def test_a_setting_put_back_to_its_default_is_no_longer_stored(
    database: Database, account: Account, owner: Engine
) -> None:
    service.change_settings(database, account, {"max_lanes": "3"}, actor="test")
    assert stored_settings(owner, account) == {"max_lanes": 3}

    service.change_settings(database, account, {"max_lanes": "5"}, actor="test")

    assert stored_settings(owner, account) == {}


def test_every_wrong_setting_is_told_at_once_and_none_is_stored(
    database: Database, account: Account, owner: Engine
) -> None:
    changes = {
        "max_lanes": "9",
        "csv_max_lines": "many",
        "timezone": "Mars/Base",
        "max_open_jobs": "2",
        "colour": "red",
    }

    with pytest.raises(InvalidRequestError) as refusal:
        service.change_settings(database, account, changes, actor="test")

    problems = refusal.value.details["problems"]
    assert {problem.split(":")[0].split(" ")[0] for problem in problems} == {
        "max_lanes",
        "csv_max_lines",
        "timezone",
        "colour",
    }
    assert all(problem in refusal.value.message for problem in problems)
    assert stored_settings(owner, account) == {}


def test_an_unknown_setting_is_refused_with_the_known_ones(
    database: Database, account: Account
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        service.change_settings(database, account, {"max_lane": "3"}, actor="test")

    assert all(name in refusal.value.message for name in AccountSettings.model_fields)


def test_the_settings_of_an_account_that_is_gone_cannot_be_changed(database: Database) -> None:
    gone = Account(uuid4(), "gone", AccountSettings())

    with pytest.raises(AccountNotFoundError):
        service.change_settings(database, gone, {"max_lanes": "3"}, actor="test")


def test_a_limit_is_taken_away_by_none(database: Database, account: Account, owner: Engine) -> None:
    service.change_settings(database, account, {"burst_per_second": "20"}, actor="test")
    assert stored_settings(owner, account) == {"burst_per_second": 20}

    changed = service.change_settings(database, account, {"burst_per_second": "none"}, actor="test")

    assert changed.settings.burst_per_second is None
    assert stored_settings(owner, account) == {}
    with pytest.raises(InvalidRequestError, match="burst_per_second"):
        service.change_settings(database, account, {"burst_per_second": "0"}, actor="test")
