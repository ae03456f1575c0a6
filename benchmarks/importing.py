"""Imports of many rows: how long all of one takes, and how much memory.

Each import runs in a process of its own, whose peak is its own too:
python -m benchmarks.importing ACCOUNT FILE
"""

import os
import sys
import time
from pathlib import Path

from sqlalchemy import text

from benchmarks.exporting import Measured
from benchmarks.ground import Ground
from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.bulk_operations.direct import import_file
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.engine import open_database

_HEADER = "email,first_name,last_name,phone,tags,birthday,timezone,plan\n"
_COPY = "copy plain_rows from stdin (format csv, header)"
_TABLE = text(
    """
    create temporary table plain_rows (email text, first_name text, last_name text, phone text,
      tags text, birthday date, timezone text, plan text) on commit drop
    """
)
_MERGE = text(
    """
    insert into enrollment.contacts (account_id, email, first_name, last_name, phone, tags,
      birthday, timezone, custom_fields, source)
    select :account, email, first_name, last_name, phone, string_to_array(tags, ';'), birthday,
      timezone, jsonb_build_object('plan', plan), 'yardstick'
    from plain_rows
    on conflict (account_id, email_key) where deleted_at is null do update
    set first_name = excluded.first_name, last_name = excluded.last_name,
      phone = excluded.phone, tags = excluded.tags, birthday = excluded.birthday,
      timezone = excluded.timezone, custom_fields = excluded.custom_fields, updated_at = now()
    """
)


def file_of(ground: Ground, rows: int) -> Path:
    """Return a CSV file of that many contacts with eight columns."""
    path = ground.folder / f"import-{rows}.csv"
    if not path.is_file():
        with path.open("w", encoding="ascii") as file:
            file.write(_HEADER)
            for n in range(1, rows + 1):
                file.write(
                    f"u{n}@example.com,First{n % 1000},Last {n % 5000},+4930{n:07},vip;t{n % 10},"
                    f"{1940 + n % 60}-0{1 + n % 9}-1{n % 9},Europe/Berlin,plan-{n % 5}\n"
                )
    return path


def empty(ground: Ground) -> None:
    """Let there be no contacts and no operations."""
    with ground.owner.begin() as connection:
        connection.execute(
            text(
                "truncate enrollment.contacts, enrollment.bulk_operations, "
                "enrollment.bulk_operation_changes, enrollment.bulk_operation_rows, "
                "enrollment.import_rows, enrollment.kept_inputs cascade"
            )
        )
    ground.tidy()


def copying(ground: Ground, path: Path) -> float:
    """Return the seconds of a bare COPY of the file and one merge of its rows into contacts."""
    begun = time.perf_counter()
    with ground.database.account(ground.account.id) as connection:
        connection.execute(_TABLE)
        with (
            path.open("rb") as file,
            driver_cursor(connection) as cursor,
            cursor.copy(_COPY) as copy,
        ):
            while piece := file.read(1 << 20):
                copy.write(piece)
        connection.execute(_MERGE, {"account": ground.account.id})
    return time.perf_counter() - begun


def importing(ground: Ground, path: Path) -> Measured:
    """Import a file in a process of its own."""
    answer = ground.folder / "seconds"
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "benchmarks.importing", ground.account.name, str(path)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(answer), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        ],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit("the import failed")
    return Measured(float(answer.read_text()), usage.ru_maxrss / 1024)


def _import(account_name: str, path: Path) -> float:
    settings = load_settings()
    database = open_database(settings)
    account = accounts.find(database, account_name)
    begun = time.perf_counter()
    import_file(database, settings, account, path, actor="benchmark")
    seconds = time.perf_counter() - begun
    database.close()
    return seconds


if __name__ == "__main__":
    print(_import(sys.argv[1], Path(sys.argv[2])))
