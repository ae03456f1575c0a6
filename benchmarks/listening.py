"""How soon a follower of a job sees each committed batch, beside a bare LISTEN of the driver."""

import subprocess
import sys
import time
from uuid import UUID

from benchmarks.ground import Ground
from enrollment_pipeline.enrollment.claims import enroll_claimed
from enrollment_pipeline.enrollment.store import batches
from enrollment_pipeline.enrollment.transitions import lane_work

CHANGES = 200
PAUSE_SECONDS = 0.02

# Both print a line as soon as they hear of a change: the time, and how many contacts are enrolled.
_FOLLOWER = """
import sys, time
from uuid import UUID
from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.enrollment.service import follow
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database
settings = load_settings()
database = open_database(settings)
account = accounts.find(database, sys.argv[1])
for seen in follow(database, settings, account, UUID(sys.argv[2])):
    print(time.time(), seen["outcomes"]["enrolled"], flush=True)
    if seen["outcomes"]["enrolled"] == int(sys.argv[3]):
        break
"""
_LISTENER = """
import sys, time
import psycopg
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import database_urls
url = database_urls(load_settings()).app
connection = psycopg.connect(
    user=url.username, dbname=url.database, host=url.query["host"], port=url.query["port"],
    autocommit=True,
)
connection.execute("listen enrollment_progress")
print(time.time(), 0, flush=True)
heard = 0
for notice in connection.notifies():
    heard += 1
    print(time.time(), 10 * heard, flush=True)
    if 10 * heard == int(sys.argv[3]):
        break
"""


def delays(ground: Ground) -> tuple[float, float]:
    """Return the 95th percentile of the delay in seconds: of a follower, and of a bare listener."""
    ground.fill(10 * CHANGES)
    ground.forget_enrollments()
    phases = ground.prepared(ground.csv(10 * CHANGES), batch_size=10)
    job = phases.job()
    phases.open_lanes()
    arguments = [ground.account.name, str(job.id), str(10 * CHANGES)]
    listeners = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
        )
        for code in (_FOLLOWER, _LISTENER)
    ]
    for listener in listeners:
        assert listener.stdout is not None
        listener.stdout.readline()
    committed = _commit_batches(ground, job.id)
    found = []
    for listener in listeners:
        written, _ = listener.communicate(timeout=60)
        seen = [line.split() for line in written.splitlines()]
        found.append(_p95(committed, [(float(when), int(count)) for when, count in seen]))
    return found[0], found[1]


def _commit_batches(ground: Ground, job_id: UUID) -> list[float]:
    phases = ground.phases(job_id)
    work = lane_work(phases.job(), ground.account, ground.settings)
    committed = []
    for _ in range(CHANGES):
        with ground.database.account(ground.account.id) as connection:
            numbers = batches.claim(connection, job_id, 1)
            enroll_claimed(connection, work, numbers)
        committed.append(time.time())
        time.sleep(PAUSE_SECONDS)
    return committed


def _p95(committed: list[float], seen: list[tuple[float, int]]) -> float:
    waits = sorted(
        next(when for when, count in seen if count >= 10 * number) - at
        for number, at in enumerate(committed, start=1)
    )
    return max(0.0, waits[int(len(waits) * 0.95) - 1])
