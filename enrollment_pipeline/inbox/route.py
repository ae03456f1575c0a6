"""Where the files of a folder go, as the look at the inbox sees it.

Belongs here: the contract between the look and a destination. Does not belong here: any
destination; each is a module `inbox` of the capability whose it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from enrollment_pipeline.errors import RefusedError
from enrollment_pipeline.inbox.rules import AGAIN, Identity, shown
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database

# In whose name a destination does what it does; the member of accounts that have members.
ACTOR = "inbox"


@dataclass(frozen=True, slots=True)
class CheckedCopy:
    """A dropped file as a destination gets it: a copy of its own, and which drop it was made of.

    Whatever becomes of the file meanwhile, the copy stays as it is; it is gone after `Route.take`.
    `folder` and `name` are as they are on the disk, where a name need not be Unicode; the name of
    `path` is printable. `sha256` is that of the bytes, in hexadecimal digits.
    """

    path: Path
    sha256: str
    identity: Identity
    folder: str
    name: str

    @property
    def shown(self) -> str:
        """The file's name for logs and messages."""
        return shown(self.name)

    @property
    def key(self) -> str:
        """What the same bytes share; with `--again` in the name, what the same drop shares."""
        if AGAIN in self.name.lower():
            return f"again:{self.identity.digest()}"
        return self.sha256


@dataclass(frozen=True, slots=True)
class Taken:
    """What was made of a file: `became` completes "list.csv is ...", such as "job 0197...".

    The file's new name among the processed holds the `mark`: at most 36 letters, digits and
    hyphens, such as an id or the beginning of a digest.
    """

    mark: str
    became: str


class Route(Protocol):
    """A destination: which files it takes, and what it makes of one."""

    @property
    def folder(self) -> str | None:
        """The folder below an account's that is its own, in small letters.

        None stands for every folder that is nobody's own.
        """
        ...

    @property
    def place(self) -> str:
        """Its folder as people are told of it, such as "ACCOUNT/WORKFLOW"."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the names of its files end in, in small letters."""
        ...

    def wrong_name(self, name: str) -> RefusedError:
        """Return the refusal of a file whose name ends otherwise."""
        ...

    def most_bytes(self, database: Database, account: Account, folder: str) -> int:
        """Return how many bytes a file in this folder may have; asked before it is copied.

        Raises:
            RefusedError: no file can be taken from this folder.
        """
        ...

    def take(self, database: Database, account: Account, copy: CheckedCopy) -> Taken | None:
        """Make of a file whatever is to be made of it; None where it shall be looked at anew.

        It is committed before this returns, and the file is moved afterwards. A process that dies
        in between leaves the file where it is, and then this is called once more with the same
        `identity`, at once or after years: the answer is that of the first time, and nothing is
        made twice. Processes on several machines may call it with the same file at once.

        Raises:
            TooManyJobsError: nothing more can be taken for the account now; the file stays, and
                no other one of the account is given to this destination in this look.
            RefusedError: nothing can be made of the file, which is rejected with this as reason.
            Exception: anything else is the trouble of this file, which stays and is tried again.
        """
        ...


def route_of(place: tuple[str, ...], routes: Iterable[Route]) -> Route | None:
    """Return the destination of the files in this place, None where they have none.

    A destination's own folder is known in any letter case: some file systems do not tell them
    apart.
    """
    if len(place) != 2:
        return None
    by_folder = {route.folder: route for route in routes}
    return by_folder.get(place[1].lower(), by_folder.get(None))
