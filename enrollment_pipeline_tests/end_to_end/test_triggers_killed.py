"""Eight writers write events while evaluations run and are killed: each event counts once.

Real processes on both sides. The moments are random; a failure shows the seed.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import keeping, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WRITERS = 8
EVENTS = 600
EVALUATORS = 2
KILLS = 15

# Writes its own events and a third of the next writer's, in pieces and in no order: by the product,
# and some by a statement of its own, as another system would.
WRITER = """
import json, random, sys
from uuid import UUID
from sqlalchemy import text
from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline.triggers.intake import receive_lines

account_id = UUID(sys.argv[1])
writer, writers, number, seed = map(int, sys.argv[2:])
dice = random.Random(seed * 100 + writer)
database = open_database(load_settings())
account = accounts.with_id(database, account_id)


def event(owner, place):
    return {
        "event_id": f"{owner}-{place}",
        "type": "payment_received",
        "email": f"contact-{1 + place % 50:05}@example.com",
        "data": {"amount": place},
    }


left = [event(writer, place) for place in range(number)]
left += [event((writer + 1) % writers, place) for place in range(0, number, 3)]
dice.shuffle(left)
while left:
    size = dice.randint(1, 40)
    some, left = left[:size], left[size:]
    if dice.random() < 0.3:
        for one in some:
            with database.account(account.id) as connection:
                connection.execute(
                    text(
                        "insert into enrollment.events (account_id, event_id, type, email, data) "
                        "values (:account, :event_id, :type, :email, cast(:data as jsonb)) "
                        "on conflict do nothing"
                    ),
                    {**one, "account": account.id, "data": json.dumps(one["data"])},
                )
    else:
        lines = [json.dumps(one).encode() for one in some]
        receive_lines(database, account, lines, source="test", actor="test")
"""

# Evaluates for ever, in small batches, so that it is often killed in the middle of one.
EVALUATOR = """
import sys
from uuid import UUID
from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline.triggers import running

running.BATCH = 25
settings = load_settings()
database = open_database(settings)
account = accounts.with_id(database, UUID(sys.argv[1]))
print("at work", flush=True)
while True:
    running.work_off(database, settings, account=account)
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a program in a process of its own; whatever still lives at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run(code: str, *arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _evaluated(owner: Engine, account: Account) -> int:
    with owner.connect() as connection:
        counted = text(
            "select count(*) from enrollment.events "
            "where account_id = :account and processed_at is not null"
        )
        return int(connection.execute(counted, {"account": account.id}).scalar_one())


def test_each_event_is_evaluated_exactly_once(
    database: Database,
    settings: Settings,
    owner: Engine,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
    add_workflow: Callable[..., UUID],
    start: Callable[..., subprocess.Popen[bytes]],
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    add_contacts(account, 50)
    for name, least in (("Small", 0), ("Large", 300)):
        add_workflow(account, name=name)
        wanted = {"field": "data.amount", "operator": "greater_than_or_equal", "value": least}
        keeping.create(
            database, account, name, {"event": "payment_received", "filters": wanted}, actor="test"
        )

    writers = [start(WRITER, account.id, one, WRITERS, EVENTS, seed) for one in range(WRITERS)]
    evaluators = [start(EVALUATOR, account.id) for _ in range(EVALUATORS)]
    kills = 0
    while (
        kills < KILLS
        or any(writer.poll() is None for writer in writers)
        or _evaluated(owner, account) < WRITERS * EVENTS / 2
    ):
        place = dice.randrange(EVALUATORS)
        # However slow the machine is: it is killed at work, and not while it starts.
        told = evaluators[place].stdout
        assert told is not None
        assert told.readline() == b"at work\n", seed
        time.sleep(dice.uniform(0, 2))
        evaluators[place].send_signal(signal.SIGKILL)
        evaluators[place].wait()
        evaluators[place] = start(EVALUATOR, account.id)
        kills += 1
    assert [writer.returncode for writer in writers] == [0] * WRITERS, seed
    for evaluator in evaluators:
        evaluator.kill()
        evaluator.wait()
    # At least half of it was done by evaluators that were killed.
    running.work_off(database, settings, account=account)

    with owner.connect() as connection:
        asked = {"account": account.id}
        kept = connection.execute(
            text(
                "select count(*), count(processed_at), count(distinct event_id) "
                "from enrollment.events where account_id = :account"
            ),
            asked,
        ).one()
        considered = connection.execute(
            text(
                "select event_number, count(*) from enrollment.trigger_evaluations "
                "where account_id = :account group by 1"
            ),
            asked,
        ).all()
        twice = connection.scalar(
            text(
                "select count(*) from (select from enrollment.enrollments "
                "where account_id = :account group by workflow_id, contact_id "
                "having count(*) > 1) doubled"
            ),
            asked,
        )
        enrolled = connection.execute(
            text(
                "select w.name, count(*) from enrollment.enrollments e "
                "join enrollment.workflows w on w.id = e.workflow_id "
                "where e.account_id = :account group by 1 order by 1"
            ),
            asked,
        ).all()
        open_jobs = connection.scalar(
            text(
                "select count(*) from enrollment.enrollment_jobs "
                "where account_id = :account and completed_at is null"
            ),
            asked,
        )
        # A job for each firing that is not in another's, and none of them without its contacts.
        lost = connection.scalar(
            text(
                "select count(*) from enrollment.trigger_log "
                "where account_id = :account and result = 'fired' and not enrolled "
                "and reason <> 'blocked: already_enrolled'"
            ),
            asked,
        )
    assert tuple(kept) == (WRITERS * EVENTS,) * 3, seed
    assert len(considered) == WRITERS * EVENTS, seed
    assert {number for _, number in considered} == {2}, seed
    assert (twice, open_jobs, lost) == (0, 0, 0), seed
    assert [tuple(row) for row in enrolled] == [("Large", 50), ("Small", 50)], seed
