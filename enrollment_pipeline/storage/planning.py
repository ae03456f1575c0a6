"""Settings for the statements of one transaction, where the defaults are far off."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text


def allow_memory(connection: Connection) -> None:
    """Let the sorts and hashes of this transaction take 64 MB each instead of 4.

    A million rows then sort in memory; a job has one such statement at a time.
    """
    connection.execute(text("set local work_mem = '64MB'"))


def limit_lock_waits(connection: Connection, seconds: int) -> None:
    """Let no statement of this transaction wait longer for a lock; it then fails."""
    connection.execute(
        text("select set_config('lock_timeout', :wait, true)"), {"wait": f"{seconds}s"}
    )


@contextmanager
def without_nested_loops(connection: Connection) -> Iterator[None]:
    """Join by hash or merge within the block.

    The rows of a job are younger than the statistics, by which the planner takes them for a handful
    and joins by nested loops: measured, 0.5 s instead of 0.05 s for ten thousand rows, and minutes
    for a million. Only for joins whose every side is narrowed to the job by an index.
    """
    connection.execute(text("set local enable_nestloop = off"))
    yield
    connection.execute(text("set local enable_nestloop = on"))
