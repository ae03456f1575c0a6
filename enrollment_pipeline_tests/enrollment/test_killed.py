"""A run that is killed in the middle of its work, and the run that goes on with the job."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from uuid import UUID

from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, MakeBulk
from enrollment_pipeline_tests.enrollment.test_lanes_together import RUN

COMPLETED = (
    "select count(*) as batches from enrollment.enrollment_batches "
    "where job_id = :job and status = 'completed'"
)


def test_after_kill_9_the_next_run_enrolls_exactly_the_rest(
    make_bulk: MakeBulk, add_workflow: Callable[..., UUID]
) -> None:
    bulk = make_bulk(max_contacts_per_job=20_000)
    add_workflow(bulk.account)
    people = bulk.crowd(20_000)
    bulk.change_contacts(people[::1000], "status = 'blocked'")
    job_id = bulk.submit(EVERYBODY, batch_size=10)

    for least in (20, 150):
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, str(job_id)], stdin=subprocess.PIPE, text=True
        )
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
        deadline = time.monotonic() + 60
        while bulk.query(COMPLETED, job=job_id)[0]["batches"] < least:
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.01)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate(timeout=10)
        assert run.returncode == -signal.SIGKILL

        job = bulk.describe(job_id)
        assert job["status"] == "processing"
        enrolled = len(bulk.enrolled_by(job_id))
        assert 10 * least <= enrolled < 19_980
        # Whatever was committed is counted, because it was counted with the work.
        assert job["outcomes"]["enrolled"] >= enrolled - 50

    job = bulk.finish(job_id)
    assert job["status"] == "completed"
    assert job["outcomes"]["enrolled"] == 19_980
    assert job["outcomes"]["skipped"] == 20
    assert bulk.failures(job_id) == []
    assert {batch["attempts"] for batch in bulk.batches(job_id)} == {0}
