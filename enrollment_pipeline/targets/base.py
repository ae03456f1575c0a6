"""Where an enrollment lands, as the engine sees it.

Belongs here: the contract between the engine and a target. Each target is a module beside this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.records import EligibilityRule


@dataclass(frozen=True, slots=True)
class EnrollmentOrder:
    """What is the same for all contacts of a job."""

    account_id: UUID
    workflow_id: UUID
    first_step: str
    source: str
    source_id: UUID
    rules: tuple[EligibilityRule, ...]
    add_tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnrollmentResult:
    """What became of the contacts handed in: `enrolled`, and the others by code."""

    contacts: int
    enrolled: int
    refused: dict[str, int]


class Target(Protocol):
    """Enrolls the next contacts of claimed batches, in the caller's transaction."""

    def enroll(
        self,
        connection: Connection,
        order: EnrollmentOrder,
        numbers: Sequence[int],
        *,
        contacts: int,
    ) -> EnrollmentResult:
        """Enroll up to `contacts` contacts of each batch in `numbers` that have no outcome yet.

        A contact that may no longer be enrolled is recorded as a failure with its code.
        """
        ...
