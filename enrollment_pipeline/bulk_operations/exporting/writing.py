"""A file that is written piece by piece, and is there whole or not at all.

Belongs here: pieces, the stop between them, the name. Does not belong here: what is written.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

PIECE = 1 << 20
"""Bytes that are written between two looks at whether to stop."""


class StoppedError(Exception):
    """The writing was asked to end before its end; what was written is gone."""


@dataclass(frozen=True, slots=True)
class Output:
    """The file to write, whether to stop, and the sentences on what it could not hold."""

    path: Path
    stop: Callable[[], bool]
    notes: list[str] = field(default_factory=list)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path that ends in `.partial`; it gets the name `path` unless an error leaves.

    A file that has the name already is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two runs that write the same file must not write into each other's.
    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_rows(rows: Iterable[bytes], file: BinaryIO, stop: Callable[[], bool]) -> int:
    """Write rows as they come, and return how many there were.

    Raises:
        StoppedError: `stop` said so, before the first row or after a piece.
    """
    go_on_unless(stop)
    count = pending = 0
    for row in rows:
        pending += file.write(row)
        count += 1
        if pending >= PIECE:
            pending = 0
            go_on_unless(stop)
    return count


def go_on_unless(stop: Callable[[], bool]) -> None:
    """Return, or raise `StoppedError` if `stop` says so."""
    if stop():
        raise StoppedError
