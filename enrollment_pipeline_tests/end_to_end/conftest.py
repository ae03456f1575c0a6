"""A real `enrollment ui`: webserver, daemon, code server and run workers."""

import json
import os
import shutil
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
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
LOCATION = "enrollment_pipeline.definitions"
REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}


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
                "selector": {**REPOSITORY, "jobName": job},
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

    def tags_of(self, run_id: str) -> dict[str, str]:
        """Return the tags of a run."""
        data = self.ask(
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }",
            id=run_id,
        )
        return {tag["key"]: tag["value"] for tag in data["runOrError"]["tags"]}

    def observations(self, job_id: str) -> list[dict[str, int | float]]:
        """Return the numbers of the observations of an enrollment job, oldest first."""
        data = self.ask(
            """
            query($key: AssetKeyInput!, $job: [String!]) { assetOrError(assetKey: $key) {
              ... on Asset { assetObservations(partitions: $job) { timestamp metadataEntries {
                label ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue }
              } } } } }
            """,
            key={"path": ["enrollments"]},
            job=[job_id],
        )["assetOrError"]
        told = sorted(data["assetObservations"], key=lambda one: float(one["timestamp"]))
        return [
            {
                entry["label"]: entry.get("intValue", entry.get("floatValue"))
                for entry in one["metadataEntries"]
            }
            for one in told
        ]

    def add_partition(self, job_id: str) -> None:
        """Make a job known as a partition, as the queue does."""
        self.ask(
            """
            mutation($repository: RepositorySelector!, $key: String!) {
              addDynamicPartition(repositorySelector: $repository,
                partitionsDefName: "enrollment_jobs", partitionKey: $key) { __typename } }
            """,
            repository=REPOSITORY,
            key=job_id,
        )

    def launch_partition(self, job_id: str) -> str:
        """Launch the partition of a job, as the button of the asset page does; return the run."""
        self.add_partition(job_id)
        return self.launch("bulk_enrollment", {}, **{"dagster/partition": job_id})

    def backfill(self, job_ids: list[str]) -> str:
        """Launch a backfill of several jobs; return its id."""
        for job_id in job_ids:
            self.add_partition(job_id)
        data = self.ask(
            """
            mutation($params: LaunchBackfillParams!) {
              launchPartitionBackfill(backfillParams: $params) {
                __typename ... on LaunchBackfillSuccess { backfillId }
                ... on PythonError { message } } }
            """,
            params={
                "selector": {
                    "partitionSetName": "bulk_enrollment_partition_set",
                    "repositorySelector": REPOSITORY,
                },
                "partitionNames": job_ids,
            },
        )["launchPartitionBackfill"]
        assert data["__typename"] == "LaunchBackfillSuccess", data
        return str(data["backfillId"])

    def terminate(self, run_id: str, policy: str = "SAFE_TERMINATE") -> None:
        """Terminate a run."""
        data = self.ask(
            """
            mutation($run: String!, $policy: TerminateRunPolicy) {
              terminateRun(runId: $run, terminatePolicy: $policy) {
                __typename ... on TerminateRunFailure { message } } }
            """,
            run=run_id,
            policy=policy,
        )["terminateRun"]
        assert data["__typename"] == "TerminateRunSuccess", data

    def reexecute(self, run_id: str, strategy: str) -> str:
        """Re-execute a run; return the new one."""
        data = self.ask(
            """
            mutation($params: ReexecutionParams) { launchRunReexecution(reexecutionParams: $params)
              { __typename ... on LaunchRunSuccess { run { runId } }
                ... on PythonError { message } } }
            """,
            params={"parentRunId": run_id, "strategy": strategy},
        )["launchRunReexecution"]
        assert data["__typename"] == "LaunchRunSuccess", data
        return str(data["run"]["runId"])


@pytest.fixture(scope="session")
def ui(home: Path, database: object) -> Iterator[Ui]:
    """Start `enrollment ui` on a free port; stop all of it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shutil.copytree(SAMPLES, home / "data" / "samples")
    log = (home / "ui.log").open("w")
    process = subprocess.Popen(
        [PROGRAM, "ui", "--port", str(port)],
        stdout=log,
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            "ENROLLMENT_DATA": str(home / "data"),
            "ENROLLMENT_INBOX_QUIET_SECONDS": "1",
            # The receivers of the tests are on this machine.
            "ENROLLMENT_WEBHOOK_ALLOW_PRIVATE": "true",
            "ENROLLMENT_HTTP_ALLOW_PRIVATE": "true",
        },
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
