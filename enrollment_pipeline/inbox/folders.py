"""The folders of the inbox on the disk: looked through, copied from, moved within.

Belongs here: every touch of a dropped file. Does not belong here: what is to become of it (`look`)
and how it is called then (`rules`).

Whoever drops files may also put links and pipes there, and exchange them at any moment. So folders
are reached from the inbox down by descriptors, no symbolic link below it is followed, nothing but a
regular file is opened, and a file that is not what it was when it was looked at is left alone.
"""

import errno
import hashlib
import heapq
import os
import secrets
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError, ProductError
from enrollment_pipeline.inbox.rules import (
    REASON_SUFFIX,
    Dropped,
    Identity,
    is_begun,
    is_passed_over,
    renamed,
    shown,
)

# What one look takes note of, so that neither it nor its memory grows with a flood of files: those
# that come first by name in each folder; the others have their turn when these are gone.
MOST_FILES_OF_FOLDER = 200
MOST_FILES = 2_000
# A folder that is looked into keeps a descriptor open.
DEEPEST = 8
_CHUNK_BYTES = 1_000_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without waiting: a pipe put in the place of the file would be waited for.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Scan:
    """What lies in the inbox; `more` counts the files beyond what one look takes note of.

    `troubles` are sentences about folders that were not looked into.
    """

    files: list[Dropped] = field(default_factory=list)
    more: int = 0
    troubles: list[str] = field(default_factory=list)


def scan(inbox: Path) -> Scan:
    """Return the files in the inbox and the folders below it, but for those that are done with.

    Raises:
        OSError: there is no such folder, or it cannot be read.
    """
    found = Scan()
    with opened(inbox, ()) as root:
        _look_through(root, (), found)
    return found


@contextmanager
def opened(inbox: Path, place: tuple[str, ...]) -> Iterator[int]:
    """Open a folder below the inbox by its names; the inbox itself may be reached through a link.

    Raises:
        OSError: there is no such folder, or one of the names is a link.
    """
    with ExitStack() as stack:
        folder = os.open(inbox, _FOLDER)
        stack.callback(os.close, folder)
        for name in place:
            folder = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            stack.callback(os.close, folder)
        yield folder


@contextmanager
def made(parent: int, name: str) -> Iterator[int]:
    """Open a folder, after making it where it is missing.

    Raises:
        OSError: it cannot be made, or is something else.
    """
    try:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
        folder = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        told = f'the folder "{name}" cannot be used: {error.strerror}'
        raise OSError(error.errno, told) from None
    try:
        yield folder
    finally:
        os.close(folder)


def identify(folder: int, name: str) -> tuple[Identity, ProductError | None]:
    """Return which drop this is, and why it may not be opened, if so.

    Raises:
        OSError: it cannot be looked at.
    """
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return Identity.of(found, name), _not_to_open(found.st_mode, name)


def copy_file(folder: int, name: str, identity: Identity, target: Path, *, most: int) -> str | None:
    """Copy a regular file of at most `most` bytes; return the SHA-256 of its content.

    None where it is not the file that was identified, or changed while it was read.

    Raises:
        FileTooLargeError: it has more bytes.
        OSError: it cannot be read, or the copy cannot be written.
    """
    if identity.size > most:
        raise FileTooLargeError(
            f'"{shown(name)}" has {identity.size:,} bytes; at most {most:,} are allowed.',
            details={"found": identity.size, "limit": most},
        )
    try:
        source = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    digest = hashlib.sha256()
    with os.fdopen(source, "rb") as file, target.open("wb") as copy:
        if Identity.of(os.fstat(source), name) != identity:
            return None
        left = identity.size
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            copy.write(chunk)
            left -= len(chunk)
        unchanged = Identity.of(os.fstat(source), name) == identity
    return digest.hexdigest() if unchanged and not left else None


def move(source: int, name: str, identity: Identity, target: int, mark: str) -> str | None:
    """Move a file into another folder, under a name with this mark in it; return that name.

    None where the file is gone, or was exchanged meanwhile: then the new one stays or is put back,
    and is looked at as any other.

    Raises:
        OSError: it cannot be moved; it is where it was.
    """
    own = renamed(name, f"{mark}.{secrets.token_hex(8)}")
    if not _seize(source, name, identity, target, own):
        return None
    # It is where it belongs even if it has to keep that name, because the shorter one is taken.
    with suppress(OSError):
        new = renamed(name, mark)
        os.close(os.open(new, _NEW_FILE, 0o666, dir_fd=target))
        # Over the empty file that was just made: in one step, and never over anything else.
        os.rename(own, new, src_dir_fd=target, dst_dir_fd=target)
        return new
    return own


def reject(
    source: int, name: str, identity: Identity, target: int, reason: ProductError
) -> str | None:
    """Move a file among the rejected, with the reason beside it; return its name there.

    None as in `move`, and then there is no reason either.

    Raises:
        OSError: it cannot be moved; it is where it was.
    """
    new = renamed(name, secrets.token_hex(4))
    text = f"{reason.code}\n{reason.message}\n{reason.advice}\n"
    # First, so that a process that dies in between leaves no rejected file without its reason.
    beside = os.open(new + REASON_SUFFIX, _NEW_FILE, 0o666, dir_fd=target)
    moved = False
    try:
        with os.fdopen(beside, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        moved = _seize(source, name, identity, target, new)
    finally:
        if not moved:
            os.unlink(new + REASON_SUFFIX, dir_fd=target)
    return new if moved else None


def _seize(source: int, name: str, identity: Identity, target: int, own: str) -> bool:
    """Move a file under a name that nobody else uses; False where it is gone or another one.

    Machines that look at the same inbox share no lock, and may move the same file at once. Each
    moves it to a name of its own: so one of them has the file, the others find it gone, and there
    is nothing to tidy up by which they could harm the one that was moved.
    """
    try:
        if not identity.is_still(os.stat(name, dir_fd=source, follow_symlinks=False)):
            return False
        os.rename(name, own, src_dir_fd=source, dst_dir_fd=target)
    except FileNotFoundError:
        return False
    if identity.is_still(os.stat(own, dir_fd=target, follow_symlinks=False)):
        return True
    _put_back(source, name, target, own)
    return False


def _put_back(source: int, name: str, target: int, own: str) -> None:
    try:
        # Unlike a renamed file, a link never takes the place of one that was dropped meanwhile.
        os.link(own, name, src_dir_fd=target, dst_dir_fd=source, follow_symlinks=False)
    except OSError:
        # There is one, or a link cannot be made: on this file system, or of this user's file.
        other = renamed(name, secrets.token_hex(8))
        os.rename(own, other, src_dir_fd=target, dst_dir_fd=source)
    else:
        os.unlink(own, dir_fd=target)


def _look_through(folder: int, place: tuple[str, ...], found: Scan) -> None:
    folders: list[str] = []
    number = 0

    def files(entries: Iterator[os.DirEntry[str]]) -> Iterator[str]:
        nonlocal number
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not is_passed_over(entry.name, place):
                    folders.append(entry.name)
            elif is_begun(entry.name):
                continue
            elif len(place) < 2 and entry.is_symlink():
                found.troubles.append(
                    f"{_path(place, entry.name)} is a symbolic link, which is not followed."
                )
            else:
                number += 1
                yield entry.name

    room = min(MOST_FILES_OF_FOLDER, MOST_FILES - len(found.files))
    with os.scandir(folder) as entries:
        listed = files(entries)
        chosen = heapq.nsmallest(room, listed)
        # Of no room at all it makes nothing, without going through what there is.
        deque(listed, maxlen=0)
    found.more += number - len(chosen)
    for name in chosen:
        with suppress(FileNotFoundError):
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            found.files.append(Dropped(place, name, facts.st_size, facts.st_mtime_ns))
    for name in sorted(folders):
        _look_into(folder, (*place, name), found)


def _look_into(parent: int, place: tuple[str, ...], found: Scan) -> None:
    told = _path(place[:-1], place[-1])
    if len(place) > DEEPEST:
        found.troubles.append(f"{told} lies too deep to be looked into.")
        return
    try:
        folder = os.open(place[-1], _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        found.troubles.append(f"{told} cannot be looked into: {error.strerror}.")
        return
    try:
        _look_through(folder, place, found)
    except OSError as error:
        found.troubles.append(f"{told} cannot be looked into: {error.strerror}.")
    finally:
        os.close(folder)


def _path(place: tuple[str, ...], name: str) -> str:
    return "/".join(map(shown, (*place, name)))


def _not_to_open(mode: int, name: str) -> ProductError | None:
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return InvalidFileError(
            f'"{shown(name)}" is a symbolic link, which is not followed.',
            remedy="Drop a copy of the file instead of a link to it.",
        )
    return InvalidFileError(
        f'"{shown(name)}" is a device or a pipe, not a file.',
        remedy="Write its content to a file, and drop that.",
    )
