"""Fifty roles, a service with every kind of trouble, a real daemon, and a run that is killed."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import dagster as dg
import psutil
import pytest

from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.states import ItemStatus, batch_status
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.instance import open_instance
from enrollment_pipeline.runs.liveness import PROCESS
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.end_to_end.conftest import Ui
from enrollment_pipeline_tests.end_to_end.test_ui import wait_for
from enrollment_pipeline_tests.onboarding.role_service import Call, RoleService, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]

STEPS = ["check", "match", "assess", "enhance", "publish"]
PER_COMPANY, IN_ALL = 3, 5
AT_WORK = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@pytest.fixture
def roles() -> Iterator[RoleService]:
    with serving() as (found, url):
        found.url = url
        yield found


@pytest.fixture
def onboarding(database: Database, account: Account, roles: RoleService) -> None:
    """The workflow of the template, with a patience for slow answers that fits into a test."""
    workflows.connect(database, account, "role_service", {"url": roles.url}, actor="ann")
    shown = templates.clone(database, account, "role-onboarding", actor="ann")
    steps = [
        {**step, "timeout": "3 seconds", "retry": "standard"} for step in shown.document["steps"]
    ]
    name = shown.workflow.name
    workflows.edit(database, account, name, {"steps": steps}, actor="ann")
    workflows.activate(database, account, name, actor="ann")


def submit(database: Database, account: Account, company: str, names: list[str]) -> dict[str, UUID]:
    """Submit a batch; return the ids by name, and that of the batch by an empty one."""
    _, given = service.read_submission([{"role_name": name} for name in names])
    options = service.batch_options({"company": company})
    made = service.submit(database, account, options, given, source="test", actor="ann", at_once=3)
    return {"": made.batch_id, **{name: item_id for _, name, item_id in made.accepted}}


def planned(roles: RoleService, company: str) -> dict[str, tuple[str, list[str]]]:
    """Plan 25 roles; return the state that each ends in, and the calls that it takes."""
    ends: dict[str, tuple[str, list[str]]] = {}
    for number in range(25):
        name = f"{company} {number}"
        ends[name] = ("ready", STEPS)
        if number in (1, 2):  # slow
            roles.plan(name, "assess", 1.5)
        elif number in (3, 4, 5):  # fails for a while
            roles.plan(name, "check", 500, 503, 200)
            ends[name] = ("ready", ["check", "check", *STEPS])
        elif number == 6:
            roles.plan(name, "publish", 429, 200)
            ends[name] = ("ready", [*STEPS, "publish"])
        elif number in (7, 8):  # fails for good
            roles.plan(name, "match", 422)
            ends[name] = ("failed", ["check", "match"])
        elif number == 9:
            roles.plan(name, "check", 404)
            ends[name] = ("failed", ["check"])
        elif number == 10:  # never answers
            roles.plan(name, "assess", "hang")
            ends[name] = ("failed", ["check", "match", *["assess"] * 3])
        elif number == 11:  # does without
            roles.plan(name, "enhance", 401)
            ends[name] = ("degraded", STEPS)
    return ends


class Watcher:
    """Asks for states and for the number of runs, over and over."""

    def __init__(
        self, database: Database, account: Account, settings: Settings, batch_ids: list[UUID]
    ) -> None:
        self.seen: list[dict[str, Any]] = []
        self.wrong: list[object] = []
        self.most: Counter[str] = Counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._look, args=(database, account, settings, batch_ids)
        )
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(
        self, database: Database, account: Account, settings: Settings, batch_ids: list[UUID]
    ) -> None:
        with open_instance(settings) as instance:
            while not self._ended.wait(0.3):
                for batch_id in batch_ids:
                    found = service.describe_items(database, account, batch_id)
                    self.seen.append(found)
                    counts = Counter(ItemStatus(one["status"]) for one in found["items"])
                    said = {name: found[name] for name in ("state", "percent", "success_rate")}
                    right = batch_status(counts)
                    if found["total"] != 25:
                        self.wrong.append(found)
                    # The items are read in a statement of their own, a moment later.
                    if found["percent"] == right.percent and said["state"] != right.state:
                        self.wrong.append((said, counts))
                runs = instance.get_runs(dg.RunsFilter(job_name="onboard_item", statuses=AT_WORK))
                companies = Counter(run.tags["enrollment/company"] for run in runs)
                self.most["in all"] = max(self.most["in all"], len(runs))
                for number in companies.values():
                    self.most["of a company"] = max(self.most["of a company"], number)


def test_fifty_roles_end_as_planned_at_the_pace_that_is_allowed(
    ui: Ui, home: Any, database: Database, settings: Settings, account: Account,
    roles: RoleService, onboarding: None,
) -> None:  # fmt: skip
    ends = {company: planned(roles, company) for company in ("Northern", "Southern")}
    made = {name: submit(database, account, name, list(plan)) for name, plan in ends.items()}
    ids = [batch[""] for batch in made.values()]
    watcher = Watcher(database, account, settings, ids)

    try:
        wait_for(
            lambda: all(
                service.describe(database, account, batch_id)["completed_at"] for batch_id in ids
            ),
            seconds=1_200,
        )
    finally:
        watcher.end()

    for company, plan in ends.items():
        found = service.describe_items(database, account, made[company][""])
        assert {one["role_name"]: one["status"] for one in found["items"]} == {
            name: state for name, (state, _) in plan.items()
        }
        assert {name: roles.paths_of(name) for name in plan} == {
            name: calls for name, (_, calls) in plan.items()
        }
        # Nothing needed a second attempt by anybody.
        assert {one["attempt"] for one in found["items"]} == {1}
        assert (found["state"], found["percent"], found["success_rate"]) == ("partial", 100.0, 84.0)
        assert (found["completed"], found["degraded"], found["failed"]) == (21, 1, 4)
    assert watcher.wrong == []
    assert {one["state"] for one in watcher.seen} <= {"pending", "in_progress", "partial"}
    assert 1 < watcher.most["in all"] <= IN_ALL
    assert 1 < watcher.most["of a company"] <= PER_COMPANY
    with open_instance(settings) as instance:
        # A run ends a moment after its item.
        wait_for(
            lambda: not instance.get_runs(dg.RunsFilter(job_name="onboard_item", statuses=AT_WORK))
        )
        runs = instance.get_runs(dg.RunsFilter(job_name="onboard_item"))
    mine = {str(item_id): name for batch in made.values() for name, item_id in batch.items()}
    by_item = Counter(
        (mine[key], run.status) for run in runs if (key := run.tags["dagster/partition"]) in mine
    )
    # One run an item, which ends as its item does.
    assert by_item == Counter(
        {
            (
                name,
                dg.DagsterRunStatus.FAILURE if state == "failed" else dg.DagsterRunStatus.SUCCESS,
            ): 1
            for plan in ends.values()
            for name, (state, _) in plan.items()
        }
    )


def test_a_run_that_is_killed_is_followed_by_one_that_repeats_no_finished_step(
    ui: Ui, home: Any, database: Database, settings: Settings, account: Account,
    roles: RoleService, onboarding: None,
) -> None:  # fmt: skip
    roles.plan("Analyst", "assess", 2.5, 200)
    killed: list[int] = []

    def kill(call: Call) -> None:
        if call.path != "assess" or killed:
            return
        with open_instance(settings) as instance:
            (run,) = instance.get_runs(
                dg.RunsFilter(tags={"dagster/partition": str(made["Analyst"])})
            )
        number = int(run.tags[PROCESS].partition("@")[0])
        psutil.Process(number).send_signal(signal.SIGKILL)
        killed.append(number)

    roles.at_call = kill
    made = submit(database, account, "Northern", ["Analyst"])

    begun = time.monotonic()
    wait_for(lambda: service.describe(database, account, made[""])["completed_at"], seconds=300)

    item = service.describe_item(database, account, made["Analyst"])
    assert killed
    assert (item["status"], item["attempt"]) == ("ready", 1)
    assert roles.paths_of("Analyst") == ["check", "match", "assess", *STEPS[2:]]
    keys = [call.key for call in roles.calls if call.path == "assess"]
    assert keys[0] == keys[1]
    assert time.monotonic() - begun < 200


def test_a_failed_run_that_is_executed_again_is_another_attempt_of_its_item(
    ui: Ui, home: Any, database: Database, settings: Settings, account: Account,
    roles: RoleService, onboarding: None,
) -> None:  # fmt: skip
    roles.plan("Analyst", "match", 422, 200)
    made = submit(database, account, "Northern", ["Analyst"])
    item_id = str(made["Analyst"])
    first = wait_for(
        lambda: [one for one in ui.runs_of(item_id) if one["status"] == "FAILURE"], seconds=180
    )[0]

    ui.reexecute(first["runId"], "FROM_FAILURE")
    wait_for(
        lambda: service.describe(database, account, made[""])["state"] == "completed", seconds=180
    )

    item = service.describe_item(database, account, made["Analyst"])
    assert (item["status"], item["attempt"]) == ("ready", 2)
    assert roles.paths_of("Analyst") == ["check", "match", *STEPS[1:]]


def test_terminating_a_run_cancels_its_item_even_while_the_service_hangs(
    ui: Ui, home: Any, database: Database, settings: Settings, account: Account,
    roles: RoleService, onboarding: None,
) -> None:  # fmt: skip
    roles.plan("Analyst", "check", "hang")
    made = submit(database, account, "Northern", ["Analyst"])
    wait_for(lambda: roles.paths_of("Analyst"), seconds=180)

    (run,) = ui.runs_of(str(made["Analyst"]))
    ui.terminate(run["runId"])

    wait_for(
        lambda: service.describe(database, account, made[""])["state"] == "cancelled", seconds=60
    )
    wait_for(lambda: ui.runs_of(str(made["Analyst"]))[0]["status"] == "CANCELED", seconds=60)
    assert len(roles.paths_of("Analyst")) == 1
