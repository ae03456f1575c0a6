"""Measure everything and print the table of goals: python -m benchmarks."""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine

from benchmarks import events, exporting, importing, templates
from benchmarks.ground import WORKFLOW, Ground, drain, ground
from benchmarks.listening import CHANGES, delays
from benchmarks.yardsticks import one_at_a_time, one_insert
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.storage.engine import database_urls
from enrollment_pipeline.storage.tenancy import Database


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, beside what, and the goal for the ratio."""

    work: str
    figure: str
    yardstick: str
    ratio: float
    goal: str
    met: bool


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def at_most(work: str, figure: float, yardstick: float, goal: float) -> Row:
    """Return a row for "at most so many times the yardstick", in seconds."""
    ratio = figure / yardstick
    told = f"at most {goal} x"
    return Row(work, f"{figure:.2f} s", f"{yardstick:.2f} s", ratio, told, ratio <= goal)


def at_least(work: str, figure: float, yardstick: float, goal: float) -> Row:
    """Return a row for "at least so many times faster than the yardstick", in seconds."""
    ratio = yardstick / figure
    told = f"at least {goal} x faster"
    return Row(work, f"{figure:.2f} s", f"{yardstick:.2f} s", ratio, told, ratio >= goal)


def large_job(ground: Ground, contacts: int, rounds: int) -> list[Row]:
    """Enroll phase and whole job beside one INSERT ... SELECT, and the cost of RLS."""
    ground.fill(contacts)
    path = ground.csv(contacts)
    floors, phases, wholes, unbound = [], [], [], []
    owner = Database(
        create_engine(database_urls(ground.settings).owner, connect_args={"options": "-c jit=off"})
    )
    for _ in range(rounds):
        ground.forget_enrollments()
        floors.append(one_insert(ground, ground.prepared(path).job().id))
        ground.forget_enrollments()
        prepared = ground.prepared(path)
        phases.append(timed(partial(drain, prepared)))
        ground.forget_enrollments()
        prepared = ground.prepared(path)
        as_owner = Phases(owner, ground.settings, prepared.job().id)
        unbound.append(timed(partial(drain, as_owner)))
        ground.forget_enrollments()
        wholes.append(timed(lambda: ground.whole_job(path)))
    owner.close()
    floor, phase, whole, free = map(statistics.median, (floors, phases, wholes, unbound))
    named = f"{contacts:,} contacts"
    return [
        at_most(
            f"enroll phase, {named}, batches of 100 | one INSERT ... SELECT", phase, floor, 1.5
        ),
        at_most(f"whole job, {named}, CSV to report | the same", whole, floor, 4.0),
        at_most(f"row-level security, enroll phase, {named} | without", phase, free, 1.1),
    ]


def small_job(ground: Ground) -> list[Row]:
    """Ten thousand rows as a user runs them, beside the usual way."""
    count = 10_000
    ground.fill(count)
    path = ground.csv(count)
    addresses = [f"u{number}@example.com" for number in range(1, count + 1)]
    ground.forget_enrollments()
    usual = one_at_a_time(ground, addresses)
    processes, phases = [], []
    for _ in range(3):
        ground.forget_enrollments()
        processes.append(
            timed(lambda: ground.program("run", "--workflow", WORKFLOW, "--csv", str(path)))
        )
        ground.forget_enrollments()
        prepared = ground.prepared(path)
        phases.append(timed(partial(drain, prepared)))
    return [
        at_least(
            "enrollment run, 10,000 rows, whole process | an ORM, one contact at a time",
            statistics.median(processes),
            usual,
            3,
        ),
        at_least("enroll phase, 10,000 contacts | the same", statistics.median(phases), usual, 100),
    ]


def jobs_at_once(ground: Ground) -> list[Row]:
    """Five jobs of one account at once, beside one job of the same size."""
    ground.fill(50_000)
    alone, together = [], []
    for _ in range(3):
        ground.forget_enrollments()
        alone.append(timed(lambda: ground.whole_job(ground.csv(50_000))))
        ground.forget_enrollments()
        paths = [ground.csv(10_000, first) for first in range(1, 50_001, 10_000)]
        workers = [threading.Thread(target=ground.whole_job, args=[path]) for path in paths]

        def all_five(workers: list[threading.Thread] = workers) -> None:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

        together.append(timed(all_five))
    return [
        at_most(
            "5 jobs of 10,000 at once | one job of 50,000",
            statistics.median(together),
            statistics.median(alone),
            1.5,
        )
    ]


def paced(ground: Ground) -> list[Row]:
    """What asking for budget costs where the budget is never used up."""
    ground.fill(100_000)
    path = ground.csv(100_000)
    without, within = [], []
    for _ in range(3):
        ground.forget_enrollments()
        without.append(timed(partial(drain, ground.prepared(path))))
        ground.forget_enrollments()
        ground.set("enrollments_per_minute", "100000000")
        within.append(timed(partial(drain, ground.prepared(path))))
        ground.set("enrollments_per_minute", "none")
    return [
        at_most(
            "enroll phase, 100,000 contacts, with a budget | without",
            statistics.median(within),
            statistics.median(without),
            1.2,
        )
    ]


def listening(ground: Ground) -> list[Row]:
    """How soon a follower sees a committed batch."""
    follower, listener = delays(ground)
    work = f"commit to follower, p95 of {CHANGES} batches | a bare LISTEN"
    told = "at most 100 ms"
    return [
        Row(
            work,
            f"{follower * 1000:.1f} ms",
            f"{listener * 1000:.1f} ms",
            follower / max(listener, 1e-4),
            told,
            follower <= 0.1,
        )
    ]


def evaluation(ground: Ground) -> list[Row]:
    """How many events a second are evaluated, and how long one alone takes."""
    events.seed(ground)
    speeds = [events.throughput(ground) for _ in range(3)]
    first = statistics.median(speed.first for speed in speeds)
    later = statistics.median(speed.later for speed in speeds)
    written = statistics.median(events.inserting(ground) for _ in range(3))
    single, insert = events.one_at_a_time(ground)
    yardstick = "as many rows into the log by one INSERT"
    return [
        Row(
            f"{events.EVENTS:,} events, {events.TRIGGERS:,} triggers | {yardstick}",
            f"{later:,.0f}/s",
            f"{written:,.0f}/s",
            later / written,
            "at least 20,000/s",
            later >= 20_000,
        ),
        Row(
            f"the first {events.BATCH:,} after a start | {yardstick}",
            f"{first:,.0f}/s",
            f"{written:,.0f}/s",
            first / written,
            "at least 1,000/s",
            first >= 1_000,
        ),
        Row(
            f"one event, p95 of {events.SINGLE} | writing it into the table",
            f"{single * 1000:.1f} ms",
            f"{insert * 1000:.1f} ms",
            single / insert,
            "at most 100 ms",
            single <= 0.1,
        ),
    ]


def template_library(ground: Ground) -> list[Row]:
    """Finding a template among many, cloning a large one, and making one without personal data."""
    templates.seed(ground)
    searching = templates.searching(ground)
    cloning = templates.cloning(ground)
    saving = templates.saving(ground)

    def row(work: str, measured: templates.Measured, goal: float | None, told: str) -> Row:
        return Row(
            work,
            f"{measured.figure * 1000:.1f} ms",
            f"{measured.yardstick * 1000:.1f} ms",
            measured.figure / measured.yardstick,
            told,
            goal is None or measured.figure <= goal,
        )

    return [
        row(
            f"search over {templates.TEMPLATES} templates, p95 of {templates.QUERIES} | one ILIKE",
            searching,
            0.2,
            "at most 200 ms",
        ),
        row(
            f"clone of {templates.STEPS} steps, p95 of {templates.CLONES} | one bare INSERT",
            cloning,
            2.0,
            "at most 2 s",
        ),
        row(
            f"template of {templates.SAVED_STEPS} steps, cleaned of personal data, p95 of "
            f"{templates.SAVES} | one bare INSERT",
            saving,
            None,
            "none",
        ),
    ]


def exports(ground: Ground, contacts: int, rounds: int) -> list[Row]:
    """What an export takes in each format, beside the bare COPY of the same columns."""
    few = contacts // 10
    exporting.seed(ground, few)
    small = {form: exporting.exporting(ground, form) for form in exporting.FORMATS}
    exporting.seed(ground, contacts)
    floor = statistics.median(exporting.copying(ground) for _ in range(rounds))
    large = {form: exporting.exporting(ground, form) for form in exporting.FORMATS}
    times = [large["csv"], *(exporting.exporting(ground, "csv") for _ in range(rounds - 1))]
    csv = statistics.median(one.seconds for one in times)
    yardstick = "COPY of the same columns into a file"
    rows = [at_most(f"export of {contacts:,} contacts as csv | {yardstick}", csv, floor, 3.0)]
    for form in exporting.FORMATS[1:]:
        # Not what COPY writes, so not to be held to it.
        row = at_most(f"the same as {form} | {yardstick}", large[form].seconds, floor, 3.0)
        rows.append(replace(row, goal="none", met=True))
    for form in exporting.FORMATS:
        peak, other = large[form].peak, small[form].peak
        rows.append(
            Row(
                f"peak memory of that, as {form} | of {few:,} contacts",
                f"{peak:.0f} MB",
                f"{other:.0f} MB",
                peak / other,
                "at most 500 MB",
                peak <= 500,
            )
        )
    return rows


def imports(ground: Ground, contacts: int, rounds: int) -> list[Row]:
    """What an import takes, of new contacts and of the same file again, beside a bare COPY."""
    few = contacts // 10
    importing.empty(ground)
    small = importing.importing(ground, importing.file_of(ground, few))
    path = importing.file_of(ground, contacts)
    floors, again_floors, created, again = [], [], [], []
    for _ in range(rounds):
        importing.empty(ground)
        floors.append(importing.copying(ground, path))
        ground.tidy()
        again_floors.append(importing.copying(ground, path))
        importing.empty(ground)
        created.append(importing.importing(ground, path))
        ground.tidy()
        again.append(importing.importing(ground, path))
    seconds = statistics.median(one.seconds for one in created)
    unchanged = statistics.median(one.seconds for one in again)
    peak = max(one.peak for one in (*created, *again))
    yardstick = "COPY and one merge of the same rows"
    return [
        at_most(
            f"import of {contacts:,} rows, all new, with images | {yardstick}",
            seconds,
            statistics.median(floors),
            3.0,
        ),
        at_most(
            f"the same file again, nothing changes | {yardstick}, which writes all of them",
            unchanged,
            statistics.median(again_floors),
            3.0,
        ),
        Row(
            f"peak memory of that | of {few:,} rows",
            f"{peak:.0f} MB",
            f"{small.peak:.0f} MB",
            peak / small.peak,
            "at most 500 MB",
            peak <= 500,
        ),
    ]


def memory(ground: Ground, large: int) -> list[Row]:
    """Peak memory of a run over a huge file, beside that over a small one."""
    small = 100_000
    peaks = []
    for rows in (small, large):
        ground.fill(rows)
        ground.forget_enrollments()
        path = ground.csv(rows)
        peaks.append(ground.peak_memory("run", "--workflow", WORKFLOW, "--csv", str(path)))
    few, many = peaks
    work = f"peak memory, {large:,}-row CSV | {small:,} rows"
    told = "at most 150 MB more"
    return [Row(work, f"{many:.0f} MB", f"{few:.0f} MB", many / few, told, many - few <= 150)]


def main() -> int:
    """Measure what was asked for; return 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000_000, help="size of the large job")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the large job")
    parser.add_argument("--memory-rows", type=int, default=10_000_000, help="size of the huge CSV")
    parser.add_argument(
        "--only",
        choices=[
            "large",
            "small",
            "jobs",
            "listening",
            "pace",
            "events",
            "templates",
            "exports",
            "imports",
            "memory",
        ],
        help="one part",
    )
    chosen = parser.parse_args()
    parts: dict[str, Callable[[Ground], list[Row]]] = {
        "small": small_job,
        "jobs": jobs_at_once,
        "listening": listening,
        "pace": paced,
        # Before the events, which leave thousands of workflows behind.
        "templates": template_library,
        "events": evaluation,
        "large": lambda place: large_job(place, chosen.contacts, chosen.rounds),
        "exports": lambda place: exports(place, chosen.contacts, chosen.rounds),
        "imports": lambda place: imports(place, chosen.contacts, chosen.rounds),
        "memory": lambda place: memory(place, chosen.memory_rows),
    }
    rows: list[Row] = []
    with ground() as place:
        for name, part in parts.items():
            if chosen.only in (None, name):
                print(f"measuring: {name}", file=sys.stderr)
                rows += part(place)
    table = Table("Work | yardstick", "Figure", "Yardstick", "Ratio", "Goal", "Met")
    for row in rows:
        table.add_row(
            row.work,
            row.figure,
            row.yardstick,
            f"{row.ratio:.2f}",
            row.goal,
            "yes" if row.met else "NO",
        )
    Console(width=150).print(table)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
