"""The CSV inbox: a file dropped into ACCOUNT/WORKFLOW of the inbox becomes an enrollment job.

Belongs here: one look at the inbox, and what becomes of each file that is ready. Does not belong
here: the rules (`inbox_rules`), and how files are reached, copied and moved (`inbox_folders`).

A file is copied, the copy is checked and submitted, and then the file is moved. Dying in between
leaves a job that keeps, as its origin, which drop it was made of; the next look finds that job by
the request id and only moves the file.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.inbox_folders import (
    copy_file,
    identify,
    made,
    move,
    opened,
    reject,
    scan,
)
from enrollment_pipeline.enrollment.inbox_rules import (
    PROCESSED,
    REJECTED,
    Dropped,
    Identity,
    Look,
    Memory,
    misplaced,
    printable,
    ready,
    remembered,
    renamed,
    request_id,
    shown,
    with_again,
    wrong_name,
)
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.errors import (
    AccountNotFoundError,
    ConfigurationError,
    ForbiddenError,
    ProductError,
    RefusedError,
    RequestIdUsedError,
    TooManyJobsError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.files.identifiers import find_identifier_column
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline.records import Account, Workflow
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.failures import first_line, transient_reason
from enrollment_pipeline.storage.tenancy import Database

ACTOR = "inbox"
SOURCE = "inbox"
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
    now: float,
    clock: Callable[[], float] = time.monotonic,
) -> Tick:
    """Look at the inbox once, and take or reject the files that are ready.

    Args:
        settings: Where the inbox is, and how long its files must have been quiet.
        memory: What the last look left.
        open_database: Called only when a file is ready.
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
                    tried = _Taking(database, settings, tick, now).take(due, clock)
            except ProductError as error:
                tick.left.append(f"Files that are ready wait for the database: {error.message}")
        tick.waiting = len(found.files) + found.more - tried
    return tick


class _Taking:
    """Takes ready files one after the other; nothing that one meets keeps it from the next."""

    def __init__(self, database: Database, settings: Settings, tick: Tick, now: float) -> None:
        self._database = database
        self._settings = settings
        self._tick = tick
        self._now = now
        self._full: set[str] = set()
        self._outage = False

    def take(self, due: list[Dropped], clock: Callable[[], float]) -> int:
        """Try as many files as one look may; return how many were tried."""
        until = clock() + MOST_SECONDS
        tried = 0
        for file in due:
            if tried == MOST_TRIED or self._outage or clock() > until:
                break
            # Whatever else lies there would be refused like the one before.
            if len(file.place) == 2 and file.place[0].lower() in self._full:
                continue
            tried += 1
            try:
                with opened(self._settings.inbox, file.place) as folder:
                    self._try(folder, file)
            except FileNotFoundError:
                self._forget(file)
            # The boundary at which one file's trouble, of whatever kind, ends.
            except Exception as error:
                _log.debug("A file in the inbox was left.", exc_info=True)
                self._outage = isinstance(error, DBAPIError) and bool(transient_reason(error))
                self._leave(file, f"{file.shown}: {_sentence(error)}")
        return tried

    def _try(self, folder: int, file: Dropped) -> None:
        identity, trouble = identify(folder, file.name)
        if (identity.size, identity.mtime_ns) != (file.size, file.mtime_ns):
            self._forget(file)
            return
        try:
            trouble = misplaced(file.place) or trouble or wrong_name(file.name)
            if trouble is not None:
                raise trouble
            job_id = self._job(folder, file, identity)
        except TooManyJobsError as error:
            self._full.add(file.place[0].lower())
            # In the same words whichever file it was, so that it is told once.
            self._leave(file, f"{shown(file.place[0])}: {error.message}")
        except RefusedError as error:
            self._reject(folder, file, identity, error)
        else:
            if job_id is not None:
                self._keep(folder, file, identity, job_id)
            self._forget(file)

    def _job(self, folder: int, file: Dropped, identity: Identity) -> UUID | None:
        """Return the job made of this drop, now or earlier; None where the file changed meanwhile.

        Raises:
            RefusedError: the file cannot become a job.
        """
        account = accounts.find(self._database, _key(file.place[0], AccountNotFoundError))
        workflow = self._workflow(account, _key(file.place[1], WorkflowNotFoundError))
        with TemporaryDirectory(dir=self._settings.scratch) as scratch:
            copy = Path(scratch) / printable(file.name)
            content = copy_file(
                folder, file.name, identity, copy, most=account.settings.csv_max_bytes
            )
            if content is None:
                return None
            known_as = request_id(workflow.id, file.name, content, identity)
            if job_id := self._earlier(account, known_as, identity, file.name):
                return job_id
            _require_identifiers(copy, account)
            return self._submit(account, workflow, copy, known_as, identity, file.name)

    def _workflow(self, account: Account, reference: str) -> Workflow:
        with self._database.account(account.id) as connection:
            return jobs.find_workflow(connection, reference)

    def _earlier(
        self, account: Account, known_as: str, identity: Identity, name: str
    ) -> UUID | None:
        """Return the job that this very drop became; None where there is no job of this content.

        Raises:
            RequestIdUsedError: another drop of the same content became a job.
        """
        with self._database.account(account.id) as connection:
            job_id = jobs.with_request_id(connection, known_as)
            if job_id is None:
                return None
            origin = jobs.load(connection, job_id).request.get("origin")
        if identity.is_origin(origin):
            return job_id
        raise RequestIdUsedError(
            f"A file with the same content was taken for this workflow before, as job {job_id}.",
            remedy="Nothing needs to be done. To enroll from it once more, drop it under a name "
            f'with --again in it, such as "{shown(with_again(name))}".',
            details={"job_id": str(job_id)},
        )

    def _submit(
        self,
        account: Account,
        workflow: Workflow,
        copy: Path,
        known_as: str,
        identity: Identity,
        name: str,
    ) -> UUID | None:
        request = parse_request(
            {
                "workflow": str(workflow.id),
                "selection": {"type": "csv", "path": copy},
                "requested_by": ACTOR,
                "request_id": known_as,
            }
        )
        try:
            job_id, created = service.submit(
                self._database, account, request, source=SOURCE, origin=identity.as_origin()
            )
        except ForbiddenError as error:
            raise ForbiddenError(
                error.message,
                remedy=f'Let "{ACTOR}" be a member of the account: enrollment --account '
                f"{account.name} members add {ACTOR} --permission workflow:manage; then drop the "
                "file again.",
                details=error.details,
            ) from None
        except RequestIdUsedError:
            created = False
        # Somebody else was faster, with this drop or with another one.
        return job_id if created else self._earlier(account, known_as, identity, name)

    def _keep(self, folder: int, file: Dropped, identity: Identity, job_id: UUID) -> None:
        other = f"{job_id}.{identity.digest()[:8]}"
        names = (renamed(file.name, str(job_id)), renamed(file.name, other))
        try:
            with made(folder, PROCESSED) as target:
                moved = move(folder, file.name, identity, target, names)
        except OSError as error:
            raise OSError(
                error.errno, f"it is job {job_id} and cannot be moved: {error.strerror}"
            ) from None
        if moved is not None:
            self._tick.taken.append(f"{file.shown} is job {job_id}.")

    def _reject(self, folder: int, file: Dropped, identity: Identity, error: RefusedError) -> None:
        # What lies in no workflow's folder is rejected where the inbox begins.
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


def _key(name: str, unknown: type[AccountNotFoundError | WorkflowNotFoundError]) -> str:
    """Return the name of a folder as something to look up.

    Raises:
        RefusedError: nothing can have this name, because it is no Unicode.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise unknown(f'Nothing is called "{shown(name)}".') from None
    return name


def _require_identifiers(copy: Path, account: Account) -> None:
    limits = account.settings
    with open_table(
        copy,
        max_bytes=limits.csv_max_bytes,
        max_lines=limits.csv_max_lines,
        name=shown(copy.name),
    ) as table:
        find_identifier_column(table.columns, table.sample)


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
