"""What becomes of each change when its operation is taken back; pure rules.

Belongs here: the verdict on a change, by what is known of its contact, and its words. Does not
belong here: asking the database (`store.reversing`), and doing it (`reversing`).

The contact as it is now decides. As the operation has left it: the change is reversed. As it was
before: there is nothing to do, somebody has done it. Anything else: somebody has changed it since,
and it is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from enrollment_pipeline.bulk_operations.states import RowOutcome


class Action(Enum):
    """What is done to the contact of a change."""

    NOTHING = auto()
    RESTORE = auto()
    # A contact that the operation has created: gone without a trace, or gone with its history.
    REMOVE = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a change and its contact.

    `as_after` and `as_before` compare the contact as it is now with the images. `loosens` says that
    somebody has touched it since, and that its status before was a looser one. `enrolled_in` are
    the workflows it was put into and not withdrawn from; `has_history` says that anything else
    tells of it. `moves` says that to restore it changes its address, which `taken_by` has now.
    """

    position: int
    contact_id: UUID
    created: bool
    present: bool
    deleted_since: bool = False
    as_after: bool = False
    as_before: bool = False
    loosens: bool = False
    enrolled_in: tuple[UUID, ...] = ()
    has_history: bool = False
    moves: bool = False
    taken_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done, how the row ends, and why where it does not end as reversed."""

    found: Found
    action: Action
    outcome: RowOutcome
    reason: str = ""


def verdicts(
    changes: Iterable[Found], workflow_names: Mapping[UUID, str], *, cascade: bool
) -> list[Verdict]:
    """Return what becomes of each change; they come in their order, the last one first.

    An address that an earlier verdict frees counts as free.
    """
    told: list[Verdict] = []
    gone_from_address: set[UUID] = set()
    for found in changes:
        verdict = _verdict(found, workflow_names, gone_from_address, cascade=cascade)
        frees = found.moves or verdict.action in (Action.REMOVE, Action.DELETE)
        if frees and verdict.action is not Action.NOTHING:
            gone_from_address.add(found.contact_id)
        told.append(verdict)
    return told


def _verdict(
    found: Found, workflow_names: Mapping[UUID, str], free: set[UUID], *, cascade: bool
) -> Verdict:
    if not found.present:
        if found.created:
            return Verdict(found, Action.NOTHING, RowOutcome.REVERSED)
        return _errored(found, "names a contact that is no longer there")
    if not found.as_after:
        if found.as_before:
            return Verdict(found, Action.NOTHING, RowOutcome.REVERSED)
        if found.created and found.deleted_since:
            # Whoever deleted it has taken back what there was to take back.
            return Verdict(found, Action.NOTHING, RowOutcome.REVERSED)
        done = "deleted" if found.deleted_since else "changed"
        return _kept(found, f"was {done} after the operation")
    if found.created:
        return _verdict_on_created(found, workflow_names, cascade=cascade)
    if found.loosens:
        # Whoever says once more that somebody has unsubscribed changes nothing but the time.
        return _kept(found, "was touched after the operation, and its consent is not loosened")
    if found.taken_by is not None and found.taken_by not in free:
        return _errored(found, "cannot have its former e-mail address, which another contact has")
    return Verdict(found, Action.RESTORE, RowOutcome.REVERSED)


def _verdict_on_created(
    found: Found, workflow_names: Mapping[UUID, str], *, cascade: bool
) -> Verdict:
    if found.enrolled_in and not cascade:
        names = sorted(workflow_names[one] for one in found.enrolled_in)
        listed = ", ".join(repr(name) for name in names)
        noun = "workflow" if len(names) == 1 else "workflows"
        return _kept(found, f"was enrolled in the {noun} {listed} after the operation")
    traced = found.enrolled_in or found.has_history
    return Verdict(found, Action.DELETE if traced else Action.REMOVE, RowOutcome.REVERSED)


def _kept(found: Found, reason: str) -> Verdict:
    return Verdict(found, Action.NOTHING, RowOutcome.KEPT, reason)


def _errored(found: Found, reason: str) -> Verdict:
    return Verdict(found, Action.NOTHING, RowOutcome.ERRORED, reason)
