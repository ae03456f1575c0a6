"""Rules for files in the inbox: which are ready, what they are called afterwards, which is which.

Belongs here: pure functions of names, numbers and instants. Does not belong here: touching a file
(`folders`), and what is made of a file (`route`).
"""

import hashlib
import json
import math
import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Self

from enrollment_pipeline.errors import PathNotAllowedError, RefusedError

PROCESSED = "processed"
REJECTED = "rejected"
FINAL_FOLDERS = frozenset({PROCESSED, REJECTED})
REASON_SUFFIX = ".reason.txt"
AGAIN = "--again"
# What programs call a file that they are still writing, and the locks beside an open document.
_HIDDEN = (".", "~")
_BEGUN_SUFFIXES = (".part", ".tmp", ".crdownload", ".filepart", ".swp")
# The longest name that the file systems in use take.
_NAME_BYTES = 255
_LONGEST_SUFFIX = 16
_SHOWN_CHARACTERS = 80
# Sentences that the cursor remembers as told.
_MOST_TOLD = 100


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file as it lies in the inbox: the folders that lead to it, its name, size and mtime."""

    place: tuple[str, ...]
    name: str
    size: int
    mtime_ns: int

    @property
    def path(self) -> str:
        """The path below the inbox."""
        return "/".join((*self.place, self.name))

    @property
    def shown(self) -> str:
        """The path for logs and messages."""
        return "/".join(map(shown, (*self.place, self.name)))


@dataclass(frozen=True, slots=True)
class Look:
    """What earlier looks saw of a file: since when it has this size and mtime, in Unix seconds.

    `tried_at` is when it was last tried and left where it is, None where it never was.
    """

    size: int
    mtime_ns: int
    since: float
    tried_at: float | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What one look at the inbox leaves to the next: looks by path, and the troubles it told."""

    looks: Mapping[str, Look]
    told: tuple[str, ...] = ()

    @classmethod
    def from_cursor(cls, cursor: str | None) -> Self:
        """Read what `as_cursor` wrote; anything else is an empty memory, and every file waits anew.

        A cursor can be edited and reset in the Dagster UI.
        """
        try:
            document = json.loads(cursor or "{}")
            looks = {path: Look(*values) for path, values in document["files"].items()}
            if all(_is_look(look) for look in looks.values()):
                return cls(looks, tuple(map(str, document["told"])))
        except (ValueError, TypeError, KeyError, AttributeError):
            pass
        return cls({})

    def as_cursor(self) -> str:
        """Return `{"files": {path: [size, mtime_ns, since, tried_at]}, "told": [...]}`."""
        files = {
            path: [look.size, look.mtime_ns, look.since, look.tried_at]
            for path, look in self.looks.items()
        }
        return json.dumps({"files": files, "told": self.told[:_MOST_TOLD]})


@dataclass(frozen=True, slots=True)
class Identity:
    """One drop of one file, told from a later drop of the same bytes under the same name.

    An inode number is given away again when its file is gone, and copying programs set the mtime;
    the ctime is what nobody can set. The device is kept for the record only: its number may be
    another one after a restart of the machine, and the drop is still the same.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    name: str

    @classmethod
    def of(cls, found: os.stat_result, name: str) -> Self:
        """Return the identity of the file that these facts were read from."""
        return cls(
            device=found.st_dev,
            inode=found.st_ino,
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            # A name that is no Unicode cannot be kept in the database as it is.
            name=os.fsencode(name).decode("utf-8", "backslashreplace"),
        )

    def as_origin(self) -> dict[str, Any]:
        """Return the form that is kept with what was made of the drop."""
        return {
            "device": self.device,
            "inode": self.inode,
            "size": self.size,
            "mtime_ns": self.mtime_ns,
            "ctime_ns": self.ctime_ns,
            "name": self.name,
        }

    def is_origin(self, origin: Mapping[str, Any] | None) -> bool:
        """Return whether this is what `as_origin` of this very drop returned."""
        return origin is not None and {**origin, "device": 0} == self._anywhere()

    def is_still(self, found: os.stat_result) -> bool:
        """Return whether the file is the same and unchanged; moving it does not count."""
        return (self.inode, self.size, self.mtime_ns) == (
            found.st_ino,
            found.st_size,
            found.st_mtime_ns,
        )

    def digest(self) -> str:
        """Return the same 64 hexadecimal digits for the same drop, others for any other."""
        text = json.dumps(self._anywhere(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _anywhere(self) -> dict[str, Any]:
        return replace(self, device=0).as_origin()


def is_begun(name: str) -> bool:
    """Return whether a name says that its file is still being written."""
    return name.startswith(_HIDDEN) or name.lower().endswith(_BEGUN_SUFFIXES)


def is_passed_over(name: str, place: tuple[str, ...]) -> bool:
    """Return whether a folder is not looked into: a hidden one, or one for what is done with.

    The latter in any letter case, because some file systems do not tell `Rejected` from `rejected`.
    """
    return name.startswith(_HIDDEN) or (len(place) in (0, 2) and name.lower() in FINAL_FOLDERS)


def remembered(
    found: Iterable[Dropped], before: Mapping[str, Look], *, now: float
) -> dict[str, Look]:
    """Return what the next look has to know of the files found; a changed one begins anew."""
    looks = {}
    for file in found:
        look = before.get(file.path)
        same = look is not None and (look.size, look.mtime_ns) == (file.size, file.mtime_ns)
        # A look from the time to come is one from before the clock was set back.
        if look is None or not same or look.since > now:
            look = Look(file.size, file.mtime_ns, now)
        looks[file.path] = look
    return looks


def ready(
    found: Iterable[Dropped], before: Mapping[str, Look], *, now: float, quiet: float
) -> list[Dropped]:
    """Return the files that an earlier look saw as they are, at least `quiet` seconds ago.

    What was tried before stands behind what was not, and the longest known comes first: so files
    that cannot be taken yet never keep others from their turn.
    """
    settled: list[tuple[float, float, str, Dropped]] = []
    for file in found:
        look = before.get(file.path)
        if (
            look is not None
            and (look.size, look.mtime_ns) == (file.size, file.mtime_ns)
            and 0 <= now - look.since >= quiet
        ):
            settled.append((look.tried_at or 0.0, look.since, file.path, file))
    return [file for *_, file in sorted(settled, key=lambda one: one[:3])]


def misplaced(place: tuple[str, ...], places: Iterable[str]) -> RefusedError:
    """Return the refusal of a file that has no destination; in `places` it would have one."""
    where = f'"{"/".join(map(shown, place))}"' if place else "the inbox itself"
    return PathNotAllowedError(
        f"The file lay in {where}, from which nothing is taken.",
        remedy=f"Put it into the folder {' or '.join(places)} of the inbox.",
    )


def reference(name: str, unknown: type[RefusedError]) -> str:
    """Return the name of a folder as something to look up.

    Raises:
        RefusedError: `unknown`: nothing can have this name, because it is no Unicode.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise unknown(f'Nothing is called "{shown(name)}".') from None
    return name


def renamed(name: str, mark: str) -> str:
    """Return `STEM.MARK.SUFFIX`; the stem is cut so that `.reason.txt` still fits behind it."""
    suffix = PurePosixPath(name).suffix
    if len(os.fsencode(suffix)) > _LONGEST_SUFFIX:
        suffix = ""
    stem = name[: len(name) - len(suffix)]
    end = f".{mark}{suffix}"
    room = _NAME_BYTES - len(os.fsencode(end + REASON_SUFFIX))
    return cut(stem, room) + end


def with_again(name: str) -> str:
    """Return the name with `--again` in it, as advice to a person."""
    suffix = PurePosixPath(name).suffix
    return f"{name[: len(name) - len(suffix)]}{AGAIN}{suffix}"


def cut(text: str, most: int) -> str:
    """Return as much of a name as fits into so many bytes."""
    while len(os.fsencode(text)) > most:
        text = text[:-1]
    return text


def printable(name: str) -> str:
    """Return a name of one line in Unicode, at most as long as a file's name may be.

    What cannot be printed is replaced, so that a name cannot forge a line of a log or colour a
    terminal, and the database can keep it.
    """
    text = os.fsencode(name).decode("utf-8", "replace")
    text = "".join(one if _prints(one) else "\N{REPLACEMENT CHARACTER}" for one in text)
    return cut(text, _NAME_BYTES)


def shown(name: str) -> str:
    """Return a name for logs and messages: printable, its middle left out where it is long."""
    text = printable(name)
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    half = _SHOWN_CHARACTERS // 2
    return f"{text[:half]}...{text[-half:]}"


def _is_look(look: Look) -> bool:
    numbers = (look.size, look.mtime_ns, look.since, look.tried_at or 0)
    return all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)


def _prints(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
