"""One look at the inbox: every dropped file that is ready is given to its destination.

Belongs here: whose turn it is, and what becomes of each file. Does not belong here: the rules
(`rules`), how files are reached, copied and moved (`folders`), and what is made of a file: that is
the business of the destinations (`route`), each in the capability whose it is.

A file is copied, the copy is given to the destination, and then the file is moved. Dying in between
leaves something made of a file that still lies there; the destination knows the drop again at the
next look, and the file is only moved.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.errors import (
    AccountNotFoundError,
    ConfigurationError,
    ForbiddenError,
    ProductError,
    RefusedError,
    TooManyJobsError,
)
from enrollment_pipeline.inbox.folders import (
    copy_file,
    identify,
    made,
    move,
    opened,
    reject,
    scan,
)
from enrollment_pipeline.inbox.route import ACTOR, CheckedCopy, Route, Taken, route_of
from enrollment_pipeline.inbox.rules import (
    PROCESSED,
    REJECTED,
    Dropped,
    Identity,
    Look,
    Memory,
    misplaced,
    printable,
    ready,
    reference,
    remembered,
    shown,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.failures import first_line, transient_reason
from enrollment_pipeline.storage.tenancy import Database

# Files tried in one look; and seconds after which no other is begun, because Dagster gives up on a
# tick after a minute.
MOST_TRIED = 20
MOST_SECONDS = 20.0
_SHOWN_SENTENCES = 5

_log = logging.getLogger(__name__)

OpenDatabase = Callable[[], AbstractContextManager[Database]]


@dataclass(slots=True)
class Tick:
    """What one look at the inbox found and did, as sentences, and what the next has to know.

    `left` are files that could not be taken for now, and folders that were not looked into;
    `waiting` is the number of files whose turn has not come. `idle` says why there was no look.
    """

    inbox: Path
    looks: dict[str, Look] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    waiting: int = 0
    idle: str | None = None

    @property
    def memory(self) -> Memory:
        """What the next look has to know."""
        return Memory(self.looks, tuple(self.left))

    def summary(self) -> str:
        """Return all of it as one short paragraph."""
        if self.idle is not None:
            return self.idle
        parts = [
            f"{word} {len(sentences)}: {_listed(sentences)}"
            for word, sentences in (
                ("Taken", self.taken),
                ("Rejected", self.rejected),
                ("Left", self.left),
            )
            if sentences
        ]
        if self.waiting:
            parts.append(f"Waiting: {self.waiting}.")
        return " ".join(parts) or f"Nothing lies in {self.inbox}."


def look(
    settings: Settings,
    memory: Memory,
    open_database: OpenDatabase,
    *,
    routes: Sequence[Route],
    now: float,
    clock: Callable[[], float] = time.monotonic,
) -> Tick:
    """Look at the inbox once, and take or reject the files that are ready.

    Args:
        settings: Where the inbox is, and how long its files must have been quiet.
        memory: What the last look left.
        open_database: Called only when a file is ready.
        routes: The destinations; each has a folder of its own, or is that of all other folders.
        now: The present in Unix seconds.
        clock: Seconds from any beginning, for how long this look takes.

    Raises:
        ConfigurationError: the scratch folder cannot be written.
    """
    tick = Tick(settings.inbox, dict(memory.looks))
    with _turn(settings) as mine:
        if not mine:
            tick.left = list(memory.told)
            tick.idle = "Another look at the inbox is still at work."
            return tick
        try:
            found = scan(settings.inbox)
        except OSError as error:
            tick.idle = f"There is no inbox to look into: {settings.inbox}: {error.strerror}."
            return tick
        tick.looks = remembered(found.files, memory.looks, now=now)
        tick.left = found.troubles
        due = ready(found.files, memory.looks, now=now, quiet=settings.inbox_quiet_seconds)
        tried = 0
        if due:
            try:
                with open_database() as database:
                    tried = _Taking(database, settings, routes, tick, now).take(due, clock)
            except ProductError as error:
                tick.left.append(f"Files that are ready wait for the database: {error.message}")
        tick.waiting = len(found.files) + found.more - tried
    return tick


class _Taking:
    """Takes ready files one after the other; nothing that one meets keeps it from the next."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        routes: Sequence[Route],
        tick: Tick,
        now: float,
    ) -> None:
        self._database = database
        self._settings = settings
        self._routes = routes
        self._tick = tick
        self._now = now
        # Of which account, by its folder, which destination takes nothing more in this look.
        self._full: set[tuple[str, str]] = set()
        self._outage = False

    def take(self, due: list[Dropped], clock: Callable[[], float]) -> int:
        """Try as many files as one look may; return how many were tried."""
        until = clock() + MOST_SECONDS
        tried = 0
        for file in due:
            if tried == MOST_TRIED or self._outage or clock() > until:
                break
            route = route_of(file.place, self._routes)
            # Whatever else lies there would be refused like the one before.
            if route is not None and (file.place[0].lower(), route.place) in self._full:
                continue
            tried += 1
            try:
                with opened(self._settings.inbox, file.place) as folder:
                    self._try(folder, file, route)
            except FileNotFoundError:
                self._forget(file)
            # The boundary at which one file's trouble, of whatever kind, ends.
            except Exception as error:
                _log.debug("A file in the inbox was left.", exc_info=True)
                self._outage = isinstance(error, DBAPIError) and bool(transient_reason(error))
                self._leave(file, f"{file.shown}: {_sentence(error)}")
        return tried

    def _try(self, folder: int, file: Dropped, route: Route | None) -> None:
        identity, trouble = identify(folder, file.name)
        if (identity.size, identity.mtime_ns) != (file.size, file.mtime_ns):
            self._forget(file)
            return
        if route is None:
            places = [route.place for route in self._routes]
            self._reject(folder, file, identity, misplaced(file.place, places))
            return
        try:
            if trouble is not None:
                raise trouble
            if not file.name.lower().endswith(route.suffixes):
                raise route.wrong_name(file.name)
            taken = self._take(folder, file, identity, route)
        except TooManyJobsError as error:
            self._full.add((file.place[0].lower(), route.place))
            # In the same words whichever file it was, so that it is told once.
            self._leave(file, f"{shown(file.place[0])}: {error.message}")
        except RefusedError as error:
            self._reject(folder, file, identity, error)
        else:
            if taken is not None:
                self._keep(folder, file, identity, taken)
            self._forget(file)

    def _take(self, folder: int, file: Dropped, identity: Identity, route: Route) -> Taken | None:
        """Return what was made of this drop; None where the file changed meanwhile.

        Raises:
            RefusedError: nothing can be made of the file.
        """
        account = accounts.find(self._database, reference(file.place[0], AccountNotFoundError))
        try:
            most = route.most_bytes(self._database, account, file.place[1])
            with TemporaryDirectory(dir=self._settings.scratch) as scratch:
                path = Path(scratch) / printable(file.name)
                sha256 = copy_file(folder, file.name, identity, path, most=most)
                if sha256 is None:
                    return None
                copy = CheckedCopy(path, sha256, identity, file.place[1], file.name)
                return route.take(self._database, account, copy)
        except ForbiddenError as error:
            raise _with_advice(error, account) from None

    def _keep(self, folder: int, file: Dropped, identity: Identity, taken: Taken) -> None:
        try:
            with made(folder, PROCESSED) as target:
                moved = move(folder, file.name, identity, target, taken.mark)
        except OSError as error:
            raise OSError(
                error.errno, f"it is {taken.became} and cannot be moved: {error.strerror}"
            ) from None
        if moved is not None:
            self._tick.taken.append(f"{file.shown} is {taken.became}.")

    def _reject(self, folder: int, file: Dropped, identity: Identity, error: RefusedError) -> None:
        # What lies higher or deeper than files belong is rejected where the inbox begins.
        place = file.place if len(file.place) == 2 else ()
        with opened(self._settings.inbox, place) as home, made(home, REJECTED) as target:
            moved = reject(folder, file.name, identity, target, error)
        if moved is not None:
            self._tick.rejected.append(f"{file.shown}: {error.code}: {error.message}")
        self._forget(file)

    def _leave(self, file: Dropped, sentence: str) -> None:
        self._tick.left.append(sentence)
        self._tick.looks[file.path] = replace(self._tick.looks[file.path], tried_at=self._now)

    def _forget(self, file: Dropped) -> None:
        # If there is a file at the next look, it is another one, or has changed.
        self._tick.looks.pop(file.path, None)


@contextmanager
def _turn(settings: Settings) -> Iterator[bool]:
    """Hold the lock under which one process of the machine looks at a time; False where it is held.

    Without it nothing would be taken twice, but every file read twice. Processes on other machines
    do not share it.
    """
    try:
        settings.scratch.mkdir(parents=True, exist_ok=True)
        lock = (settings.scratch / "inbox.lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"The folder {settings.scratch} cannot be written: {error.strerror}.",
            remedy="Let ENROLLMENT_HOME name a folder that this user may write.",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _with_advice(error: ForbiddenError, account: Account) -> ForbiddenError:
    permission = error.details.get("permission")
    if permission is None:
        return error
    return ForbiddenError(
        error.message,
        remedy=f'Let "{ACTOR}" be a member of the account: enrollment --account {account.name} '
        f"members add {ACTOR} --permission {permission}; then drop the file again.",
        details=error.details,
    )


def _sentence(error: Exception) -> str:
    if isinstance(error, ProductError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    if isinstance(error, DBAPIError):
        return f"the database says: {first_line(error)}"
    return f"it met an error that nobody expected ({type(error).__name__})."


def _listed(sentences: list[str]) -> str:
    listed = " ".join(sentences[:_SHOWN_SENTENCES])
    more = len(sentences) - _SHOWN_SENTENCES
    return f"{listed} (and {more} more)" if more > 0 else listed
