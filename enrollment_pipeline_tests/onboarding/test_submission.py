"""Submitting: what is answered at once, and what is left when nothing is accepted."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import (
    ForbiddenError,
    InvalidRequestError,
    NothingAcceptedError,
    OnboardingBatchNotFoundError,
    RequestIdUsedError,
)
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.states import BatchState
from enrollment_pipeline.onboarding.store import items
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.onboarding.conftest import Submit, Work
from enrollment_pipeline_tests.onboarding.role_service import RoleService

Ask = Callable[..., list[dict[str, Any]]]


def test_a_batch_is_answered_with_ids_refusals_and_an_estimate(
    onboarding: str, submit: Submit, ask: Ask
) -> None:
    found = submit(
        "Analyst", "", "analyst", {"role_name": "Cook", "workflow": "Nothing"}, "Driver"
    ).as_dict()

    assert (found["created"], found["total"]) == (True, 2)
    assert [(one["position"], one["role_name"]) for one in found["accepted"]] == [
        (1, "Analyst"),
        (5, "Driver"),
    ]
    assert [(one["position"], one["code"]) for one in found["refused"]] == [
        (2, "BLANK_NAME"),
        (3, "DUPLICATE"),
        (4, "WORKFLOW_NOT_FOUND"),
    ]
    # The workflow's own estimate, a minute; both fit into the three places of a company.
    assert found["estimated_duration_seconds"] == 60
    (entry,) = ask("select * from enrollment.audit_log where action = 'onboarding.submit'")
    assert (entry["actor"], entry["subject"]) == ("ann", found["batch_id"])
    assert entry["details"]["accepted"] == 2


def test_a_batch_of_which_nothing_is_accepted_creates_nothing_and_says_why_for_each(
    onboarding: str, submit: Submit, ask: Ask
) -> None:
    with pytest.raises(NothingAcceptedError) as caught:
        submit("", {"role_name": "Cook", "attributes": 3}, {"role_name": "Cook", "workflow": "No"})

    assert [(one["position"], one["code"]) for one in caught.value.details["refused"]] == [
        (1, "BLANK_NAME"),
        (2, "INVALID_ITEM"),
        (3, "WORKFLOW_NOT_FOUND"),
    ]
    assert "Item 1: The item has no role_name." in caught.value.message
    for table in ("onboarding_batches", "onboarding_items"):
        assert ask(f"select * from enrollment.{table}") == []
    assert ask("select * from enrollment.audit_log where action like 'onboarding%'") == []


def test_who_has_no_workflow_yet_is_told_how_to_get_one(submit: Submit) -> None:
    with pytest.raises(NothingAcceptedError, match="enrollment templates clone role-onboarding"):
        submit("Analyst")


def test_workflows_that_cannot_take_items_are_refused_by_their_reason(
    onboarding: str, submit: Submit, add_workflow: Any, account: Account, database: Database
) -> None:
    add_workflow(account, "Welcome")
    workflows.pause(database, account, onboarding, actor="ann")

    with pytest.raises(NothingAcceptedError) as caught:
        submit("Analyst", {"role_name": "Cook", "workflow": "Welcome"})

    assert [one["code"] for one in caught.value.details["refused"]] == [
        "WORKFLOW_INACTIVE",
        "WRONG_SUBJECT",
    ]


def test_a_role_is_not_doubled_and_one_that_is_ready_only_done_again_on_demand(
    roles: RoleService, onboarding: str, submit: Submit, work: Work
) -> None:
    first = submit("Analyst")

    with pytest.raises(NothingAcceptedError, match="is being onboarded in batch"):
        submit("ANALYST", company="northern", force_rerun=True)
    other_company = submit("Analyst", company="Southern")
    work(first.accepted[0][2])
    with pytest.raises(NothingAcceptedError, match="is ready since batch"):
        submit("Analyst")
    again = submit("Analyst", force_rerun=True)

    assert other_company.total == again.total == 1


def test_two_submissions_of_one_role_at_the_same_moment_make_one_item(
    onboarding: str, submit: Submit, ask: Ask
) -> None:
    together = threading.Barrier(4)
    refused = []

    def run() -> None:
        together.wait()
        try:
            submit("Analyst")
        except NothingAcceptedError as error:
            refused.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 3
    assert len(ask("select id from enrollment.onboarding_items")) == 1


def test_the_estimate_is_the_median_of_what_earlier_items_took(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, ask: Ask
) -> None:
    for _, _, item_id in submit("A", "B", "C").accepted:
        work(item_id)
    for name, seconds in (("A", 10), ("B", 40), ("C", 900)):
        ask(
            "update enrollment.onboarding_items set worked_seconds = :seconds "
            "where role_name = :name returning id",
            name=name,
            seconds=seconds,
        )

    found = submit(*[f"Role {number}" for number in range(30)])

    assert found.estimated_seconds == 30 * 40 / 3


def test_the_same_request_id_creates_one_batch_and_no_other(
    onboarding: str, submit: Submit, ask: Ask
) -> None:
    first = submit("Analyst", "", request_id="r1")
    same = submit("Analyst", "", request_id="r1")

    assert (same.batch_id, same.created) == (first.batch_id, False)
    assert same.refused == first.refused
    with pytest.raises(RequestIdUsedError):
        submit("Clerk", request_id="r1")
    assert len(ask("select id from enrollment.onboarding_batches")) == 1


@pytest.mark.parametrize("number", [0, 501])
def test_a_batch_has_between_one_and_500_items(number: int, submit: Submit) -> None:
    with pytest.raises(InvalidRequestError):
        submit(*[f"Role {one}" for one in range(number)])


def test_500_items_are_accepted_in_one_go(onboarding: str, submit: Submit) -> None:
    assert submit(*[f"Role {number}" for number in range(500)]).total == 500


def test_no_account_sees_the_batch_of_another(
    onboarding: str, submit: Submit, database: Database, make_account: Any
) -> None:
    batch = submit("Analyst")
    other = make_account()

    for look in (service.describe, service.describe_items):
        with pytest.raises(OnboardingBatchNotFoundError):
            look(database, other, batch.batch_id)
    assert service.list_batches(database, other, service.BatchFilter())["total"] == 0


def test_who_may_not_manage_workflows_may_not_submit(
    onboarding: str, submit: Submit, database: Database, account: Account, ask: Ask
) -> None:
    members.add(database, account, "boss", ["account:admin"], actor="boss")
    members.add(database, account, "eve", ["contacts:manage"], actor="boss")

    for actor in ("eve", "nobody"):
        with pytest.raises(ForbiddenError):
            submit("Analyst", actor=actor)
    assert submit("Analyst", actor="boss").total == 1
    assert len(ask("select 1 from enrollment.audit_log where result = 'denied'")) == 2


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["c", "b", "a"]),
        ({"company": "NORTHERN"}, ["b", "a"]),
        ({"state": BatchState.PENDING}, ["c", "b"]),
        ({"state": BatchState.COMPLETED}, ["a"]),
        ({"state": BatchState.FAILED}, []),
    ],
)
def test_batches_are_listed_by_company_and_by_a_state_that_nobody_stores(
    wanted: dict[str, str],
    names: list[str],
    roles: RoleService,
    onboarding: str,
    submit: Submit,
    work: Work,
    database: Database,
    account: Account,
) -> None:
    found = {name: submit(name).batch_id for name in "ab"}
    found["c"] = submit("c", company="Southern").batch_id
    with database.account(account.id) as connection:
        (item,) = items.of_batch(connection, found["a"])
    work(item.id)

    listed = service.list_batches(database, account, service.BatchFilter(**wanted))

    by_id = {str(batch_id): name for name, batch_id in found.items()}
    assert [by_id[one["batch_id"]] for one in listed["batches"]] == names
    assert listed["total"] == len(names)


def test_a_batch_that_is_not_there_is_said_so(database: Database, account: Account) -> None:
    with pytest.raises(OnboardingBatchNotFoundError):
        service.describe(database, account, uuid4())
