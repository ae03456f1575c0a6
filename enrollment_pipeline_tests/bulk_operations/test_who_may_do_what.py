"""Who may do what with operations on contacts, and what the audit log says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.accounts.audit import list_audit
from enrollment_pipeline.bulk_operations import service
from enrollment_pipeline.bulk_operations.direct import do_now
from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.enrollment import service as enrollment
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.request import parse_request as parse_enrollment
from enrollment_pipeline.errors import ForbiddenError, RefusedError
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

ADMIN, HELPER, OUTSIDER = "admin", "helper", "outsider"
EVERYBODY = {"type": "filter", "filter": {}}
NOBODY = UUID(int=0)


@dataclass
class Ground:
    """An account with contacts and whatever can be done to operations."""

    database: Database
    settings: Settings
    account: Account
    path: Path
    done: UUID
    removed: UUID
    scheduled: UUID
    due: UUID
    job: UUID

    def ask(self, actor: str, type_: str, **fields: Any) -> UUID:
        """Submit an operation, left to the queue; return its id."""
        request = parse_request({"type": type_, "requested_by": actor, **fields})
        return submit(
            self.database, self.settings, self.account, request, source="test"
        ).operation_id

    def log(self) -> list[tuple[str, ...]]:
        """Who did what, with which result, to what; newest first."""
        found = list_audit(self.database, self.account, limit=1000)["entries"]
        return [(one["actor"], one["action"], one["result"], one["subject"]) for one in found]


@pytest.fixture
def ground(
    database: Database,
    settings: Settings,
    account: Account,
    tmp_path: Path,
    add_contacts: Callable[..., list[UUID]],
    add_workflow: Callable[..., UUID],
) -> Ground:
    """The ground, in an account that has no members yet."""
    contacts = add_contacts(account, 3)
    add_workflow(account)
    path = tmp_path / "people.csv"
    path.write_text("email\na@example.com\n")

    def do(type_: str, **fields: Any) -> UUID:
        found = do_now(database, settings, account, parse_request({"type": type_, **fields}))
        return UUID(found["operation_id"])

    def wait(**fields: Any) -> UUID:
        request = parse_request({"type": "export", **fields})
        return submit(database, settings, account, request, source="test").operation_id

    selection = {"type": "manual", "contact_ids": [str(contacts[0])]}
    job, _ = enrollment.submit(
        database,
        account,
        parse_enrollment({"workflow": "Welcome", "selection": EVERYBODY}),
        source="test",
    )
    phases = Phases(database, settings, job)
    phases.cancel(actor="test")
    return Ground(
        database,
        settings,
        account,
        path,
        done=do("import", path=path),
        removed=do("delete", selection=selection),
        scheduled=wait(timing={"scheduled_at": datetime.now(UTC) + timedelta(days=1)}),
        due=wait(),
        job=job,
    )


def cancel(ground: Ground, actor: str, operation_id: UUID | None = None) -> UUID:
    wanted = operation_id or ground.scheduled
    service.cancel(ground.database, ground.settings, ground.account, wanted, actor=actor)
    return wanted


def reschedule(ground: Ground, actor: str, operation_id: UUID | None = None) -> UUID:
    wanted = operation_id or ground.scheduled
    service.reschedule(
        ground.database,
        ground.settings,
        ground.account,
        wanted,
        at=None,
        timezone=None,
        actor=actor,
    )
    return wanted


def resume(ground: Ground, actor: str, operation_id: UUID | None = None) -> UUID:
    wanted = operation_id or ground.due
    service.resume(ground.database, ground.account, wanted, actor=actor)
    return wanted


@dataclass(frozen=True)
class Deed:
    """Something that can be done, what it needs, and the same in a way that is refused."""

    action: str
    needs: Permission
    do: Callable[[Ground, str], UUID]
    refused: Callable[[Ground, str], UUID]


DEEDS = [
    Deed(
        "contacts.import",
        Permission.CONTACTS_MANAGE,
        lambda ground, actor: ground.ask(actor, "import", path=ground.path),
        lambda ground, actor: ground.ask(actor, "import", path=ground.path.parent),
    ),
    Deed(
        "contacts.export",
        Permission.CONTACTS_EXPORT,
        lambda ground, actor: ground.ask(actor, "export"),
        lambda ground, actor: ground.ask(actor, "export", fields=["shoe_size"]),
    ),
    Deed(
        "contacts.update",
        Permission.CONTACTS_MANAGE,
        lambda ground, actor: ground.ask(
            actor, "update", selection=EVERYBODY, changes={"add_tags": ["a"]}
        ),
        lambda ground, actor: ground.ask(
            actor,
            "update",
            selection={"type": "filter", "filter": {"conditions": [{"field": "no"}]}},
            changes={"add_tags": ["a"]},
        ),
    ),
    Deed(
        "contacts.delete",
        Permission.CONTACTS_DELETE,
        lambda ground, actor: ground.ask(actor, "delete", selection=EVERYBODY),
        lambda ground, actor: ground.ask(
            actor, "delete", selection={"type": "csv", "path": ground.path.parent}
        ),
    ),
    # What a rollback needs is what the original needed.
    Deed(
        "contacts.rollback",
        Permission.CONTACTS_MANAGE,
        lambda ground, actor: ground.ask(actor, "rollback", operation_id=ground.done),
        lambda ground, actor: ground.ask(actor, "rollback", operation_id=NOBODY),
    ),
    Deed(
        "contacts.rollback",
        Permission.CONTACTS_DELETE,
        lambda ground, actor: ground.ask(actor, "rollback", operation_id=ground.removed),
        lambda ground, actor: ground.ask(actor, "rollback", operation_id=ground.due),
    ),
    Deed(
        "contacts.withdrawal",
        Permission.WORKFLOW_MANAGE,
        lambda ground, actor: ground.ask(actor, "withdrawal", job_id=ground.job),
        lambda ground, actor: ground.ask(actor, "withdrawal", job_id=NOBODY),
    ),
    Deed(
        "operation.cancel",
        Permission.CONTACTS_EXPORT,
        cancel,
        lambda ground, actor: cancel(ground, actor, ground.done),
    ),
    Deed(
        "operation.reschedule",
        Permission.CONTACTS_EXPORT,
        reschedule,
        lambda ground, actor: reschedule(ground, actor, ground.done),
    ),
    Deed(
        "operation.resume",
        Permission.CONTACTS_EXPORT,
        resume,
        lambda ground, actor: resume(ground, actor, ground.done),
    ),
]
every_deed = pytest.mark.parametrize(
    "deed", DEEDS, ids=[f"{deed.action} {deed.needs}" for deed in DEEDS]
)


def let_in(ground: Ground, permissions: list[Permission]) -> None:
    members.add(ground.database, ground.account, ADMIN, [Permission.ACCOUNT_ADMIN], actor=ADMIN)
    members.add(ground.database, ground.account, HELPER, permissions, actor=ADMIN)


@every_deed
def test_whoever_has_the_permission_may_and_the_log_says_so_once(
    ground: Ground, deed: Deed
) -> None:
    let_in(ground, [deed.needs])
    before = ground.log()

    subject = deed.do(ground, HELPER)

    assert ground.log() == [(HELPER, deed.action, "done", str(subject)), *before]


@every_deed
def test_whoever_lacks_the_permission_may_not_and_the_log_says_so_once(
    ground: Ground, deed: Deed
) -> None:
    others = [one for one in Permission if one not in (deed.needs, Permission.ACCOUNT_ADMIN)]
    let_in(ground, others)

    for actor in (HELPER, OUTSIDER):
        before = ground.log()
        with pytest.raises(ForbiddenError) as refusal:
            deed.do(ground, actor)
        assert refusal.value.details == {"permission": deed.needs}
        added, *rest = ground.log()
        assert added[:3] == (actor, deed.action, "denied")
        assert rest == before


@every_deed
def test_what_is_refused_for_another_reason_is_not_in_the_log(ground: Ground, deed: Deed) -> None:
    let_in(ground, [Permission.WORKFLOW_EDIT])
    before = ground.log()

    with pytest.raises(RefusedError) as refusal:
        deed.refused(ground, ADMIN)

    assert refusal.value.code != "FORBIDDEN"
    assert ground.log() == before


def test_a_preview_needs_the_permission_and_leaves_no_row(ground: Ground) -> None:
    let_in(ground, [Permission.CONTACTS_DELETE])
    before = ground.log()

    def preview(actor: str) -> dict[str, Any]:
        request = parse_request({"type": "delete", "selection": EVERYBODY, "requested_by": actor})
        return service.preview(ground.database, ground.settings, ground.account, request)

    assert preview(HELPER)["outcomes"] == {"deleted": 3}
    with pytest.raises(ForbiddenError, match="contacts:delete"):
        preview(OUTSIDER)
    assert ground.log() == before


def test_that_an_operation_has_run_is_in_the_log_once(ground: Ground) -> None:
    before = ground.log()

    work = OperationWork(ground.database, ground.settings, ground.due)
    work.run()
    work.run()

    assert ground.log() == [("unknown", "operation.run", "done", str(ground.due)), *before]


def test_what_recurs_ends_when_whoever_asked_for_it_may_no_longer(ground: Ground) -> None:
    let_in(ground, [Permission.CONTACTS_DELETE])
    operation_id = ground.ask(HELPER, "delete", selection=EVERYBODY, timing={"cron": "0 9 * * *"})
    members.remove(ground.database, ground.account, HELPER, actor=ADMIN)
    service.reschedule(
        ground.database,
        ground.settings,
        ground.account,
        operation_id,
        at=None,
        timezone=None,
        actor=ADMIN,
    )

    with pytest.raises(ForbiddenError):
        OperationWork(ground.database, ground.settings, operation_id).run()

    shown = service.describe(ground.database, ground.account, operation_id)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "FORBIDDEN")
    assert not shown["recurs"]["active"]
    assert ground.log()[0][:3] == (HELPER, "operation.run", "denied")
