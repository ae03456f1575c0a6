"""Members of an account: the first, the last, and those that come at the same time."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.accounts import members
from enrollment_pipeline.accounts.permissions import require_administrator
from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidRequestError,
    MemberNotFoundError,
    ProductError,
)
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database

ADMIN = [Permission.ACCOUNT_ADMIN]
Held = dict[str, list[str]]


@pytest.fixture
def held(database: Database, account: Account) -> Callable[[], Held]:
    """What every member of the account may do, in the order of the list."""

    def ask() -> Held:
        found = members.list_members(database, account)
        return {one.name: list(one.permissions) for one in found}

    return ask


@pytest.fixture
def with_admin(database: Database, account: Account) -> Account:
    """The account, with Ann as its administrator."""
    members.add(database, account, "Ann", ADMIN, actor="anybody")
    return account


def test_members_are_listed_by_name_with_what_they_may_do(
    database: Database, with_admin: Account, held: Callable[[], Held]
) -> None:
    wanted = ["contacts:manage", "workflow:manage", "contacts:manage"]

    added = members.add(database, with_admin, "  bob ", wanted, actor="Ann")

    assert added in members.list_members(database, with_admin)
    assert list(held().items()) == [
        ("Ann", ["account:admin"]),
        ("bob", ["workflow:manage", "contacts:manage"]),
    ]


def test_a_member_of_that_name_in_any_letter_case_is_replaced(
    database: Database, with_admin: Account, held: Callable[[], Held]
) -> None:
    members.add(database, with_admin, "bob", ["workflow:edit"], actor="ANN")
    members.add(database, with_admin, "Bob", ["contacts:manage"], actor="ann")

    assert held() == {"Ann": ["account:admin"], "Bob": ["contacts:manage"]}


@pytest.mark.parametrize("name", ["ΝΙΚΟΣ", "İpek", "Straße", "ÅSA", "x" * 200])
def test_a_member_is_known_by_the_name_that_was_given(
    database: Database, account: Account, held: Callable[[], Held], name: str
) -> None:
    members.add(database, account, name, ADMIN, actor="anybody")

    members.add(database, account, "bob", ["workflow:edit"], actor=name)
    members.remove(database, account, "BOB", actor=name)

    assert held() == {name: ["account:admin"]}
    assert members.remove(database, account, name, actor=name).account_open


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\tb", "a\0b", "x" * 201, "a\udc80"])
def test_what_is_no_line_of_1_to_200_characters_names_nobody(
    database: Database, account: Account, name: str
) -> None:
    with pytest.raises(InvalidRequestError, match="cannot name a member"):
        members.add(database, account, name, ADMIN, actor="anybody")
    with pytest.raises(InvalidRequestError, match="cannot name a member"):
        members.remove(database, account, name, actor="anybody")


@pytest.mark.parametrize("permissions", [[], ["admin"], ["account:admin", "Account:Admin"]])
def test_a_permission_that_is_not_known_is_refused_with_those_that_are(
    database: Database, account: Account, held: Callable[[], Held], permissions: list[str]
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        members.add(database, account, "ann", permissions, actor="anybody")

    assert all(permission in refusal.value.advice for permission in Permission)
    assert held() == {}


def test_the_first_member_must_be_able_to_add_others(
    database: Database, account: Account, held: Callable[[], Held]
) -> None:
    with pytest.raises(InvalidRequestError, match="nobody could change the members"):
        members.add(database, account, "ann", ["workflow:manage"], actor="anybody")

    assert held() == {}


def test_the_last_administrator_stays_as_long_as_there_are_others(
    database: Database, with_admin: Account, held: Callable[[], Held]
) -> None:
    members.add(database, with_admin, "bob", ["workflow:manage"], actor="ann")
    before = held()

    with pytest.raises(InvalidRequestError, match="account:admin"):
        members.remove(database, with_admin, "ann", actor="ann")
    with pytest.raises(InvalidRequestError, match="account:admin"):
        members.add(database, with_admin, "ann", ["workflow:manage"], actor="ann")
    assert held() == before

    assert not members.remove(database, with_admin, "bob", actor="ann").account_open
    assert members.remove(database, with_admin, "Ann", actor="ann").account_open
    assert held() == {}
    members.add(database, with_admin, "carl", ADMIN, actor="whoever comes next")


def test_an_administrator_may_go_where_another_stays(
    database: Database, with_admin: Account, held: Callable[[], Held]
) -> None:
    members.add(database, with_admin, "bob", ADMIN, actor="ann")

    removal = members.remove(database, with_admin, "ann", actor="ann")

    assert (removal.member.name, removal.account_open) == ("Ann", False)
    assert held() == {"bob": ["account:admin"]}


def test_only_an_administrator_changes_members(
    database: Database, with_admin: Account, held: Callable[[], Held]
) -> None:
    members.add(
        database, with_admin, "bob", [one for one in Permission if one not in ADMIN], actor="ann"
    )
    before = held()

    for actor in ("bob", "nobody"):
        with pytest.raises(ForbiddenError, match="account:admin"):
            members.add(database, with_admin, actor, ADMIN, actor=actor)
        with pytest.raises(ForbiddenError, match="account:admin"):
            members.remove(database, with_admin, "ann", actor=actor)
    assert held() == before


def test_somebody_who_is_no_member_cannot_be_removed(
    database: Database, with_admin: Account
) -> None:
    with pytest.raises(MemberNotFoundError, match="'bob'"):
        members.remove(database, with_admin, "bob", actor="ann")


def test_an_account_knows_its_own_members_only(
    database: Database, with_admin: Account, make_account: Callable[..., Account]
) -> None:
    other = make_account()

    with pytest.raises(MemberNotFoundError):
        members.remove(database, other, "ann", actor="anybody")
    members.add(database, other, "ann", ADMIN, actor="anybody")
    assert members.remove(database, other, "ann", actor="ann").account_open
    assert len(members.list_members(database, with_admin)) == 1


def at_once(owner: Engine, account: Account, *changes: Callable[[], object]) -> list[str]:
    """Begin changes while the account is locked; return what became of each."""
    told = [""] * len(changes)

    def do(place: int) -> None:
        try:
            changes[place]()
            told[place] = "done"
        except ProductError as error:
            told[place] = error.code

    threads = [threading.Thread(target=do, args=(place,)) for place in range(len(changes))]
    with owner.begin() as connection:
        connection.execute(
            text("select from enrollment.accounts where id = :id for update"), {"id": account.id}
        )
        for thread in threads:
            thread.start()
        wait_for_locks(owner, len(threads))
    for thread in threads:
        thread.join(timeout=10)
    return told


def wait_for_locks(owner: Engine, number: int) -> None:
    waiting = text("select count(*) from pg_locks where not granted")
    for _ in range(500):
        with owner.connect() as connection:
            if connection.scalar(waiting) >= number:
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for the lock")


def test_of_two_who_open_an_account_at_once_only_one_becomes_its_first_member(
    database: Database, owner: Engine, account: Account, held: Callable[[], Held]
) -> None:
    told = at_once(
        owner,
        account,
        lambda: members.add(database, account, "ann", ADMIN, actor="ann"),
        lambda: members.add(database, account, "bob", ADMIN, actor="bob"),
    )

    assert sorted(told) == ["FORBIDDEN", "done"]
    assert len(held()) == 1


def test_two_administrators_who_go_at_once_do_not_leave_the_others_alone(
    database: Database, owner: Engine, with_admin: Account, held: Callable[[], Held]
) -> None:
    members.add(database, with_admin, "bob", ADMIN, actor="ann")
    members.add(database, with_admin, "carl", ["workflow:edit"], actor="ann")

    told = at_once(
        owner,
        with_admin,
        lambda: members.remove(database, with_admin, "ann", actor="ann"),
        lambda: members.remove(database, with_admin, "bob", actor="bob"),
    )

    assert sorted(told) == ["INVALID_REQUEST", "done"]
    assert len(held()) == 2


@pytest.mark.parametrize(
    ("held_by_each", "usable"),
    [
        ([], True),
        ([{"account:admin"}], True),
        ([{"workflow:edit"}, {"account:admin", "workflow:edit"}], True),
        ([{"workflow:edit"}], False),
        ([set(), {"workflow:manage", "workflow:edit", "contacts:manage"}], False),
    ],
)
def test_members_without_an_administrator_are_no_set_of_members(
    held_by_each: list[set[str]], usable: bool
) -> None:
    members_then = {str(number): frozenset(held) for number, held in enumerate(held_by_each)}

    if usable:
        require_administrator(members_then)
    else:
        with pytest.raises(InvalidRequestError):
            require_administrator(members_then)


def test_names_that_differ_in_case_alone_are_one_person_in_every_script(
    database: Database, with_admin: Account, held: Callable[[], Held]
) -> None:
    small, large = "Σίσυφος", "ΣΊΣΥΦΟΣ"
    members.add(database, with_admin, small, ["contacts:manage"], actor="Ann")
    members.add(database, with_admin, large, ["workflow:edit"], actor="Ann")

    assert held() == {"Ann": ["account:admin"], large: ["workflow:edit"]}
    assert members.remove(database, with_admin, small, actor="Ann").member.name == large
    assert held() == {"Ann": ["account:admin"]}
