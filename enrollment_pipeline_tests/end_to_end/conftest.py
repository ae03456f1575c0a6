"""A real `enrollment ui`: webserver, daemon, code server and run workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

PROGRAM = str(Path(sys.executable).parent / "enrollment")
LOCATION = "enrollment_pipeline.definitions"


@dataclass(frozen=True)
class Ui:
    """A running Dagster UI, asked through GraphQL."""

    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of a GraphQL answer."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            document = json.load(answer)
        assert "errors" not in document, document
        return document["data"]

    def launch(self, job: str, config: dict[str, Any], **tags: str) -> str:
        """Launch a job as the launchpad does; return the run's id."""
        data = self.ask(
            """
            mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
              __typename
              ... on LaunchRunSuccess { run { runId } }
              ... on RunConfigValidationInvalid { errors { message } }
              ... on PythonError { message } } }
            """,
            params={
                "selector": {
                    "repositoryLocationName": LOCATION,
                    "repositoryName": "__repository__",
                    "jobName": job,
                },
                "runConfigData": config,
                "mode": "default",
                "executionMetadata": {
                    "tags": [{"key": key, "value": value} for key, value in tags.items()]
                },
            },
        )["launchRun"]
        assert data["__typename"] == "LaunchRunSuccess", data
        return str(data["run"]["runId"])

    def runs_of(self, job_id: str) -> list[dict[str, Any]]:
        """Return the runs of an enrollment job, newest first."""
        data = self.ask(
            """
            query($tags: [ExecutionTag!]) { runsOrError(filter: {tags: $tags}) {
              ... on Runs { results { runId status } } } }
            """,
            tags=[{"key": "dagster/partition", "value": job_id}],
        )
        return list(data["runsOrError"]["results"])


@pytest.fixture(scope="session")
def ui(home: Path, database: object) -> Iterator[Ui]:
    """Start `enrollment ui` on a free port; stop all of it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (home / "ui.log").open("w")
    process = subprocess.Popen(
        [PROGRAM, "ui", "--port", str(port)],
        stdout=log,
        stderr=subprocess.STDOUT,
        # Without a session of its own it would inherit that SIGINT is ignored.
        start_new_session=True,
    )
    running = Ui(f"http://127.0.0.1:{port}")
    try:
        _wait_until_ready(running, process, home)
        yield running
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
        for child in children:
            if child.is_running():
                child.kill()
        log.close()


def _wait_until_ready(running: Ui, process: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, (home / "ui.log").read_text()
        try:
            health = running.ask(
                "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"
            )
        except OSError:
            time.sleep(1)
            continue
        statuses = health["instance"]["daemonHealth"]["allDaemonStatuses"]
        if any(each["daemonType"] == "SENSOR" and each["healthy"] for each in statuses):
            return
        time.sleep(1)
    raise AssertionError((home / "ui.log").read_text())
