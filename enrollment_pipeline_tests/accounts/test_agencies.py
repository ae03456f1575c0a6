"""Agencies and their sub-accounts: who makes whom, and who knows of whom."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.accounts import members, service
from enrollment_pipeline.errors import (
    AccountExistsError,
    ForbiddenError,
    InvalidRequestError,
    InvalidStateError,
)
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database


def a_name() -> str:
    return f"a-{uuid4().hex}"


def stored(owner: Engine, name: str) -> tuple[bool, UUID | None] | None:
    """Whether an account is an agency, and whose sub-account it is; None where it is not there."""
    statement = text("select agency, parent_id from enrollment.accounts where name = :name")
    with owner.connect() as connection:
        row = connection.execute(statement, {"name": name}).first()
    return None if row is None else (row.agency, row.parent_id)


def family(database: Database, account: Account) -> tuple[list[str], list[str]]:
    """The sub-accounts that an account knows, and its agency."""
    with database.account(account.id) as connection:
        subs = connection.scalars(text("select name from enrollment.sub_accounts()")).all()
        agencies = connection.scalars(text("select name from enrollment.agency_of()")).all()
    return list(subs), list(agencies)


@pytest.fixture
def agency(database: Database) -> Account:
    return service.create(database, a_name(), agency=True, actor="test")


def test_an_account_is_neither_an_agency_nor_a_sub_account_unless_it_is_said(
    database: Database, owner: Engine
) -> None:
    made = service.create(database, a_name(), actor="test")

    assert stored(owner, made.name) == (False, None)
    assert family(database, made) == ([], [])


def test_an_agency_has_no_agency(database: Database, owner: Engine, agency: Account) -> None:
    assert stored(owner, agency.name) == (True, None)
    assert family(database, agency) == ([], [])
    assert service.find(database, agency.name) == agency


def test_a_sub_account_knows_its_agency_and_is_known_to_it(
    database: Database, owner: Engine, agency: Account
) -> None:
    first, second = (
        service.create(database, name, parent=agency, actor="test") for name in (a_name(), a_name())
    )
    service.create(
        database,
        a_name(),
        parent=service.create(database, a_name(), agency=True, actor="test"),
        actor="test",
    )

    assert stored(owner, first.name) == stored(owner, second.name) == (False, agency.id)
    assert family(database, agency) == (sorted([first.name, second.name]), [])
    assert family(database, first) == family(database, second) == ([], [agency.name])


def test_without_an_account_nobody_is_family(database: Database, agency: Account) -> None:
    service.create(database, a_name(), parent=agency, actor="test")

    with database.across_accounts() as connection:
        assert connection.execute(text("select * from enrollment.sub_accounts()")).all() == []
        assert connection.execute(text("select * from enrollment.agency_of()")).all() == []


def test_an_account_that_is_no_agency_gets_no_sub_account(
    database: Database, owner: Engine, account: Account, agency: Account
) -> None:
    sub = service.create(database, a_name(), parent=agency, actor="test")

    for parent in (account, sub):
        with pytest.raises(InvalidStateError, match=f"'{parent.name}' is no agency"):
            service.create(database, name := a_name(), parent=parent, actor="test")
        assert stored(owner, name) is None


def test_a_sub_account_is_no_agency(database: Database, owner: Engine, agency: Account) -> None:
    with pytest.raises(InvalidRequestError, match="no agency"):
        service.create(database, name := a_name(), agency=True, parent=agency, actor="test")

    assert stored(owner, name) is None


def test_only_an_administrator_of_the_agency_gives_it_a_sub_account(
    database: Database, owner: Engine, agency: Account
) -> None:
    members.add(database, agency, "ann", [Permission.ACCOUNT_ADMIN], actor="ann")
    others = [one for one in Permission if one is not Permission.ACCOUNT_ADMIN]
    members.add(database, agency, "bob", others, actor="ann")

    for actor in ("bob", "somebody"):
        with pytest.raises(ForbiddenError, match="account:admin"):
            service.create(database, name := a_name(), parent=agency, actor=actor)
        assert stored(owner, name) is None
    made = service.create(database, a_name(), parent=agency, actor="ANN")

    assert stored(owner, made.name) == (False, agency.id)
    assert family(database, agency)[0] == [made.name]


def test_a_taken_name_is_refused_for_a_sub_account_too(database: Database, agency: Account) -> None:
    with pytest.raises(AccountExistsError):
        service.create(database, agency.name, parent=agency, actor="test")

    assert family(database, agency) == ([], [])


def test_making_an_agency_or_a_sub_account_is_in_its_own_log(
    database: Database, agency: Account
) -> None:
    made = service.create(database, a_name(), parent=agency, actor="ann")

    statement = text("select actor, action, result, subject from enrollment.audit_log")
    with database.account(made.id) as connection:
        rows = [tuple(row) for row in connection.execute(statement)]
    assert rows == [("ann", "account.create", "done", made.name)]
