"""Kept input as a file again, for the time in which it is read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def spooled(chunks: Iterable[bytes], scratch: Path) -> Iterator[Path]:
    """Write the pieces into a file below `scratch`, which is removed at the end."""
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "input"
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        yield path
