"""Exports of many contacts: how long each format takes, and how much memory.

Each export runs in a process of its own, whose peak is its own too:
python -m benchmarks.exporting ACCOUNT FORMAT FOLDER
"""

import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import text

from benchmarks.ground import Ground
from enrollment_pipeline.bulk_operations.exporting.contacts import ExportFormat, export_contacts
from enrollment_pipeline.bulk_operations.exporting.fields import DEFAULT_FIELDS
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.engine import open_database

FORMATS: tuple[str, ...] = get_args(ExportFormat)


@dataclass(frozen=True)
class Measured:
    """Seconds of the export alone, and the peak memory of its process in MB."""

    seconds: float
    peak: float


def seed(ground: Ground, contacts: int) -> None:
    """Make the account hold that many contacts with a value in each field."""
    with ground.owner.begin() as connection:
        connection.execute(text("truncate enrollment.contacts cascade"))
        connection.execute(
            text(
                """
                insert into enrollment.contacts
                  (account_id, email, first_name, last_name, phone, tags, birthday, timezone,
                   custom_fields, created_at)
                select :account, 'u' || n || '@example.com', 'First' || n, 'Last ' || n,
                  '+4930' || n, array['vip', 'news ' || n % 7], date '1950-01-01' + n % 20000,
                  'Europe/Berlin', jsonb_build_object('plan', 'pro', 'score', n % 100),
                  now() - n * interval '1 second'
                from generate_series(1, :count) n
                """
            ),
            {"account": ground.account.id, "count": contacts},
        )
    ground.tidy()


def copying(ground: Ground) -> float:
    """Return the seconds of a bare COPY of the same columns into a file."""
    columns = ", ".join(DEFAULT_FIELDS)
    begun = time.perf_counter()
    with (
        ground.database.account(ground.account.id) as connection,
        (ground.folder / "yardstick.csv").open("wb") as file,
        driver_cursor(connection) as cursor,
        cursor.copy(f"copy (select {columns} from enrollment.contacts) to stdout csv") as copy,
    ):
        for row in copy:
            file.write(row)
    return time.perf_counter() - begun


def exporting(ground: Ground, form: str) -> Measured:
    """Export all contacts in a process of its own."""
    answer = ground.folder / "seconds"
    folder = str(ground.folder / "exports")
    arguments = ["-m", "benchmarks.exporting", str(ground.account.id), form, folder]
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(answer), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        ],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"the export as {form} failed")
    return Measured(float(answer.read_text()), usage.ru_maxrss / 1024)


def _export(account_id: UUID, form: Any, folder: Path) -> float:
    database = open_database(load_settings())
    begun = time.perf_counter()
    with database.account(account_id) as connection:
        export_contacts(
            connection,
            account_id,
            condition=None,
            fields=DEFAULT_FIELDS,
            format=form,
            folder=folder,
            now=datetime.now(UTC),
            stop=lambda: False,
        )
    seconds = time.perf_counter() - begun
    database.close()
    return seconds


if __name__ == "__main__":
    print(_export(UUID(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
