"""Opens a file for reading bytes, or says why it cannot be read.

Not here: what is in it.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError


def open_bytes(path: Path, name: str) -> BinaryIO:
    """Open a regular file; messages call it by `name`.

    Raises:
        InvalidFileError: it is missing, something else than a file, or may not be read.
    """
    try:
        # A device or a pipe is recognised before it is opened: opening a pipe may never return.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidFileError(f'"{name}" is a folder, not a file.', remedy="Name one file.")
        if not stat.S_ISREG(mode):
            raise InvalidFileError(
                f'"{name}" is a device or a pipe, not a file.',
                remedy="Write its content to a file first, and name that.",
            )
        return path.open("rb")
    except (OSError, ValueError) as error:
        refuse_unreadable(name, error)


def refuse_unreadable(name: str, error: OSError | ValueError) -> NoReturn:
    """Raise `InvalidFileError` for what the system said when it was to read the file."""
    if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR):
        raise InvalidFileError(
            f'There is no file "{name}".', remedy="Check the path and its spelling."
        ) from error
    reason = error.strerror if isinstance(error, OSError) else "its name is not valid"
    raise InvalidFileError(
        f'"{name}" cannot be read: {reason}.',
        remedy="Check the path, and that the user who runs this may read the file.",
    ) from error


def checked_size(handle: BinaryIO, name: str, max_bytes: int) -> int:
    """Return the size of the file in bytes.

    Raises:
        InvalidFileError: it is empty.
        FileTooLargeError: it is larger than `max_bytes`.
    """
    size = os.fstat(handle.fileno()).st_size
    if not size:
        raise InvalidFileError(f'"{name}" is empty.', remedy="Export the contacts again.")
    if size > max_bytes:
        raise FileTooLargeError(
            f'"{name}" has {size:,} bytes; at most {max_bytes:,} are allowed.',
            details={"found": size, "limit": max_bytes},
        )
    return size


def refuse_too_many(name: str, found: int, limit: int, what: str) -> NoReturn:
    """Raise `FileTooLargeError` for a number of lines or rows."""
    raise FileTooLargeError(
        f'"{name}" has {found:,} {what}; at most {limit:,} are allowed.',
        details={"found": found, "limit": limit},
    )


def refuse_too_wide(name: str, found: int, limit: int) -> NoReturn:
    """Raise `InvalidFileError` for a number of columns."""
    raise InvalidFileError(
        f'"{name}" has {found:,} columns; at most {limit:,} are read.',
        remedy="Remove the columns that are not needed and try again.",
        details={"found": found, "limit": limit},
    )
