"""The sensor of the inbox: real ticks, with the cursor that one leaves to the next."""

import json
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.inbox import ROUTES, file_inbox
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline_tests.inbox_folder import LIST, names_in


@dataclass
class Ticks:
    """Evaluates the sensor as the daemon does: each tick with the cursor of the one before."""

    instance: dg.DagsterInstance
    cursor: str | None = None

    def tick(self):
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"product": Product()}
        )
        with context:
            found = file_inbox.evaluate_tick(context)
        self.cursor = found.cursor
        assert found.run_requests == []
        return found


@pytest.fixture
def inbox(monkeypatch, tmp_path, account, add_workflow):
    """The folder of the workflow Welcome in an inbox that takes files at their second look."""
    add_workflow(account)
    monkeypatch.setenv("ENROLLMENT_DATA", str(tmp_path))
    monkeypatch.setenv("ENROLLMENT_INBOX_QUIET_SECONDS", "0")
    folder = tmp_path / "inbox" / account.name / "Welcome"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def ticks(instance):
    return Ticks(instance)


def test_a_dropped_file_is_a_job_at_the_second_tick_and_the_queue_starts_it(
    inbox, ticks, instance, database, owner, account
):
    (inbox / "list.csv").write_text(LIST)

    first, second, third = ticks.tick(), ticks.tick(), ticks.tick()

    assert first.skip_message == "Waiting: 1."
    with database.account(account.id) as connection:
        job = connection.execute(text("select * from enrollment.enrollment_jobs")).one()
    assert job.source == "inbox"
    path = f"{account.name}/Welcome/list.csv"
    assert second.skip_message == f"Taken 1: {path} is job {job.id}."
    assert third.skip_message.startswith("Nothing lies in ")
    assert names_in(inbox / "processed") == [f"list.{job.id}.csv"]
    with owner.begin() as connection:
        # The jobs of other tests would take the places.
        connection.execute(
            text("update enrollment.enrollment_jobs set runner = 'caller' where id <> :job"),
            {"job": job.id},
        )
    queue = defs.resolve_sensor_def("enrollment_queue")(
        dg.build_sensor_context(instance=instance, resources={"product": Product()})
    )
    assert str(job.id) in {request.partition_key for request in queue.run_requests}


def test_the_cursor_holds_size_mtime_and_since_when_of_what_waits(inbox, ticks, account):
    path = inbox / "list.csv"
    path.write_text(LIST)

    ticks.tick()

    found = path.stat()
    ((name, look),) = json.loads(ticks.cursor)["files"].items()
    assert name == f"{account.name}/Welcome/list.csv"
    assert look[:2] == [found.st_size, found.st_mtime_ns]
    ticks.tick()
    assert json.loads(ticks.cursor) == {"files": {}, "told": []}


def test_a_cursor_that_was_reset_makes_files_wait_anew(inbox, ticks):
    (inbox / "list.csv").write_text(LIST)
    ticks.tick()
    ticks.cursor = None

    assert ticks.tick().skip_message == "Waiting: 1."
    assert ticks.tick().skip_message.startswith("Taken 1: ")


def test_without_an_inbox_the_tick_skips_and_says_where_it_looked(
    monkeypatch, tmp_path, settings, ticks
):
    monkeypatch.setenv("ENROLLMENT_DATA", str(tmp_path / "nowhere"))

    assert str(tmp_path / "nowhere" / "inbox") in ticks.tick().skip_message


def test_what_happens_is_logged_and_a_trouble_that_lasts_only_once(inbox, ticks, capfd):
    (inbox / "list.csv").write_text(LIST)
    (inbox / "picture.png").write_bytes(b"x")
    (inbox.parent / "Linked").symlink_to("/")
    capfd.readouterr()

    first, second, third = [(ticks.tick(), capfd.readouterr().err) for _ in range(3)]

    assert [line.split(" - ")[2] for line in first[1].splitlines()] == ["WARNING"]
    assert "Linked is a symbolic link" in first[1]
    assert [line.split(" - ")[2] for line in second[1].splitlines()] == ["INFO", "WARNING"]
    assert "list.csv is job" in second[1]
    assert "picture.png: INVALID_FILE" in second[1]
    assert third[1] == ""
    assert all("symbolic link" in tick.skip_message for tick, _ in (first, second, third))


def test_a_setting_that_cannot_be_used_is_a_failure_that_can_be_read(inbox, ticks, monkeypatch):
    monkeypatch.setenv("ENROLLMENT_INBOX_QUIET_SECONDS", "soon")

    with pytest.raises(dg.Failure, match="CONFIGURATION_ERROR: ENROLLMENT_INBOX_QUIET_SECONDS"):
        ticks.tick()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.place)
def test_every_destination_is_in_the_guide_with_its_files(route):
    guide = Path(__file__).parents[2] / "docs" / "inbox.md"
    suffixes = ", ".join(f"`{suffix}`" for suffix in route.suffixes)

    assert f"\n| `{route.place}` | {suffixes} |" in guide.read_text(encoding="utf-8")


def test_every_destination_has_folders_that_no_other_has():
    assert len({route.folder for route in ROUTES}) == len(ROUTES)
    assert all(route.folder in (None, (route.folder or "").lower()) for route in ROUTES)


def test_the_sensor_runs_from_the_start_every_five_seconds():
    sensor = defs.resolve_sensor_def("file_inbox")

    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 5
    assert sensor.description
