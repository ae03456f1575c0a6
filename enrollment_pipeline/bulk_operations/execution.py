"""How the work of one type of operation is done, as the engine sees it.

Belongs here: the contract between the engine and the types. Does not belong here: any type; each is
a module of its own, and `executors` lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings

Counts = dict[RowOutcome, int]

PIECE = 10_000
"""Rows of one transaction: some tenths of a second, and 25 MB of images at most."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the work of an operation happens in. `stop` tells whether to end between two pieces."""

    account: Account
    settings: Settings
    now: datetime
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows of the input, and those of them that have their outcome already.

    `result` is what the operation keeps beside its counts, for later pieces or for whoever asks.
    """

    total: int
    counts: Counts = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What a piece of the work has done: up to which position, and the rows by outcome.

    `done` says that nothing is left. `files` are what it has written, by name; `total` the number
    of rows where that was not known before; `notes` sentences on what it could not do as it stood.
    """

    mark: int
    counts: Counts
    done: bool
    files: dict[str, str] = field(default_factory=dict)
    total: int | None = None
    notes: tuple[str, ...] = ()


class AgainError(Exception):
    """A piece met the work of somebody else, and must be done once more from its beginning."""


class Executor(Protocol):
    """One type of operation.

    Every method works in a transaction of the account that the caller commits or rolls back, in
    which nobody else works on the operation. What it has done is repeated only after a rollback.
    """

    def prepare(
        self, connection: Connection, operation: OperationRecord, around: Surroundings
    ) -> Prepared:
        """Resolve the input and keep it, so that a worker that dies is followed by another.

        Rows that have their outcome already are written into `bulk_operation_rows`.

        Raises:
            RefusedError: nothing can be made of it; the operation then fails and changes nothing.
        """
        ...

    def apply(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, most: int
    ) -> Step:
        """Do the next piece behind `operation.mark`, of at most `most` rows, in their order.

        What is changed has its before and after image in `bulk_operation_changes`. A row that the
        database refuses may leave as its exception: the piece is then made smaller, and a single
        row that is refused is given to `give_up`.

        Raises:
            AgainError: nothing of it counts, and it is to be done once more.
        """
        ...

    def end_of_piece(
        self, connection: Connection, operation: OperationRecord, most: int
    ) -> int | None:
        """Return where the next piece ends, if the one behind it can be done at the same time.

        Then the two have no contact in common, and the second is committed after the first. None
        where pieces must be done one after the other, as they must unless a type says otherwise.
        """
        return None

    def give_up(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, reason: str
    ) -> Step:
        """Let the next row behind `operation.mark` end as failed, with the reason."""
        ...
