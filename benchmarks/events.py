"""How fast events are evaluated: many at once by two processes, and one at a time."""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, text

from benchmarks.ground import Ground
from enrollment_pipeline.storage.schema import triggers
from enrollment_pipeline.triggers.documents import parse_trigger
from enrollment_pipeline.triggers.evaluating import BATCH, Evaluation

EVENTS = 50_000
TRIGGERS = 10_000
CONTACTS = 50_000
PROCESSES = 2
SINGLE = 200

# Evaluates one batch, which meets all triggers, and says how long that took. Then it waits for a
# line, evaluates whatever is pending, and says how many events that were.
_EVALUATOR = """
import sys, time
from uuid import UUID
from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline.triggers.evaluating import Evaluation
database = open_database(load_settings())
account = accounts.with_id(database, UUID(sys.argv[1]))
evaluation = Evaluation(database)
begun = time.perf_counter()
evaluation.evaluate(account)
print(time.perf_counter() - begun, flush=True)
sys.stdin.readline()
done = 0
while found := evaluation.evaluate(account).events:
    done += found
print(done, flush=True)
"""


@dataclass(frozen=True)
class Speed:
    """Events a second: of the first batch after a start, and from then on."""

    first: float
    later: float


def seed(ground: Ground) -> None:
    """Make 10,000 active triggers, each on a tag of its own with two conditions, one on a field.

    Of ten contacts one has the value that all triggers ask for.
    """
    with ground.database.account(ground.account.id) as connection:
        asked = {"account": ground.account.id, "triggers": TRIGGERS, "contacts": CONTACTS}
        connection.execute(
            text(
                "insert into enrollment.workflows (account_id, name, status) "
                "select :account, 'Triggered ' || n, 'active' from generate_series(1, :triggers) n"
            ),
            asked,
        )
        connection.execute(
            text(
                "insert into enrollment.contacts (account_id, email, custom_fields) "
                "select :account, 'e' || n || '@example.com', jsonb_build_object('plan', "
                "case when n % 10 = 0 then 'pro' else 'free' end) "
                "from generate_series(1, :contacts) n"
            ),
            asked,
        )
        workflows = connection.scalars(
            text("select id from enrollment.workflows where name like 'Triggered %'")
        ).all()
        connection.execute(
            insert(triggers),
            [_trigger(ground, workflow, number) for number, workflow in enumerate(workflows)],
        )
    ground.tidy()


def throughput(ground: Ground) -> Speed:
    """Return how fast events are claimed, evaluated, logged, handed over and committed.

    Before the first batch nothing is in memory, so reading and compiling 10,000 triggers is part of
    it. The others are worked off by two processes that have that behind them.
    """
    _forget(ground)
    workers = []
    first = []
    for number in range(PROCESSES):
        _add_events(ground, BATCH, prefix=f"first-{number}-")
        worker = subprocess.Popen(
            [sys.executable, "-c", _EVALUATOR, str(ground.account.id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        workers.append(worker)
        first.append(BATCH / float(_line_of(worker)))
    _add_events(ground, EVENTS)
    ground.tidy()
    begun = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    done = [int(_line_of(worker)) for worker in workers]
    seconds = time.perf_counter() - begun
    for worker in workers:
        worker.communicate(timeout=60)
    assert sum(done) == EVENTS
    return Speed(statistics.median(first), EVENTS / seconds)


def _line_of(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline()


def inserting(ground: Ground) -> float:
    """Return the rows a second of the yardstick: as many rows into the log by one INSERT."""
    _forget(ground)
    begun = time.perf_counter()
    with ground.database.account(ground.account.id) as connection:
        connection.execute(
            text(
                "with t as materialized (select id, workflow_id, row_number() over () - 1 as place "
                "from enrollment.triggers) "
                "insert into enrollment.trigger_evaluations (account_id, trigger_id, workflow_id, "
                "event_number, contact_id, result, reason) "
                "select :account, t.id, t.workflow_id, n, t.id, 'filters', "
                '\'filters: plan "free" does not equal "pro"\' '
                "from generate_series(1, :events) n join t on t.place = n % :triggers"
            ),
            {"account": ground.account.id, "events": EVENTS, "triggers": TRIGGERS},
        )
    return EVENTS / (time.perf_counter() - begun)


def one_at_a_time(ground: Ground) -> tuple[float, float]:
    """Return the 95th percentiles of the seconds of one event, from claim to commit.

    And as the yardstick, those of writing it into the table.
    """
    _forget(ground)
    evaluation = Evaluation(ground.database)
    taken, written = [], []
    for number in range(SINGLE):
        begun = time.perf_counter()
        _add_events(ground, 1, prefix=f"single-{number}-", first=number)
        written.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        assert evaluation.evaluate(ground.account).events == 1
        taken.append(time.perf_counter() - begun)
    return _p95(taken), _p95(written)


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95) - 1]


def _trigger(ground: Ground, workflow: UUID, number: int) -> dict[str, object]:
    document = parse_trigger(
        {
            "event": "tag_added",
            "parameters": {"tag": f"tag-{number}"},
            "filters": {
                "conditions": [
                    {"field": "data.tag", "operator": "starts_with", "value": "tag-"},
                    {"field": "custom_fields.plan", "operator": "equals", "value": "pro"},
                ]
            },
        }
    )
    kept = document.as_dict()
    return {
        "account_id": ground.account.id,
        "workflow_id": workflow,
        "event": document.event.name,
        "match_key": document.match_key,
        "parameters": kept["parameters"],
        "filters": kept["filters"],
        "settings": kept["settings"],
        "created_by": "benchmark",
    }


def _add_events(ground: Ground, number: int, *, prefix: str = "", first: int = 0) -> None:
    with ground.database.account(ground.account.id) as connection:
        connection.execute(
            text(
                "insert into enrollment.events (account_id, event_id, type, email, data) "
                "select :account, :prefix || n, 'tag_added', "
                "'e' || (1 + (n * 7919) % :contacts) || '@example.com', "
                "jsonb_build_object('tag', 'tag-' || (n * 31) % :triggers) "
                "from generate_series(cast(:first as bigint), :last) n"
            ),
            {
                "account": ground.account.id,
                "prefix": prefix,
                "contacts": CONTACTS,
                "triggers": TRIGGERS,
                "first": first,
                "last": first + number - 1,
            },
        )


def _forget(ground: Ground) -> None:
    with ground.owner.begin() as connection:
        connection.execute(text("truncate enrollment.events, enrollment.trigger_evaluations"))
    ground.forget_enrollments()
