"""Every operation on an account: the permission it needs, and the one row it leaves in the log.

One line of `OPERATIONS` for each; what the account itself may do is in its own tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.accounts.audit import list_audit
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import ForbiddenError, RefusedError
from enrollment_pipeline.records import Permission
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.service import Wanted
from enrollment_pipeline.triggers import keeping
from enrollment_pipeline.triggers.intake import receive_lines
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.request import workflow_request
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, Trip, manual

ADMIN, HELPER, OUTSIDER = "ann", "bob", "somebody"
SUB_ACCOUNTS = ("first", "second")
SERIES = {
    "name": "Source",
    "trigger": {"event": "tag_added", "parameters": {"tag": "lead"}},
    "steps": [{"id": "tells", "type": "notify", "message": "Look here"}],
}
EVENT = b'{"event_id": "e-1", "type": "contact_created", "email": "ann@example.com"}'


@dataclass
class Ground:
    """An account with whatever an operation can be done to."""

    bulk: Bulk
    draft: UUID
    active: UUID
    archived: UUID
    open_job: UUID
    closed_job: UUID
    failed_job: UUID
    scheduled_job: UUID
    template: UUID

    @property
    def where(self) -> tuple[Any, Any]:
        """The arguments that every operation begins with."""
        return self.bulk.database, self.bulk.account

    def sub_account(self, number: int) -> str:
        """The name of a sub-account; the template is shared with the first."""
        return f"{SUB_ACCOUNTS[number]}-{self.bulk.account.id.hex}"

    def log(self) -> list[tuple[str, ...]]:
        """Who did what, with which result, to what; newest first."""
        found = list_audit(*self.where, limit=1000)["entries"]
        return [(one["actor"], one["action"], one["result"], one["subject"]) for one in found]


@pytest.fixture
def ground(bulk: Bulk, add_workflow: Callable[..., UUID], trip: Trip) -> Ground:
    """The ground, in an account that has no members yet."""
    active = add_workflow(bulk.account)
    bulk.crowd(2)
    closed = bulk.submit(EVERYBODY)
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'failed', completed_at = now() "
        "where id = :job",
        job=closed,
    )
    (person,) = bulk.crowd(1, prefix="failing")
    trip([person], "raise exception 'poison';")
    failed = UUID(bulk.enroll(manual([person]))["job_id"])
    template = make_library(bulk)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    draft = add_workflow(bulk.account, "Draft", "draft")
    archived = add_workflow(bulk.account, "Archived", "archived")
    for name, waits in (("Draft", False), ("Archived", True)):
        trigger = {"event": "contact_created", "settings": {"active": waits}}
        keeping.create(bulk.database, bulk.account, name, trigger, actor=OUTSIDER)
    return Ground(
        bulk,
        failed_job=failed,
        scheduled_job=bulk.submit(EVERYBODY, scheduled_at=tomorrow),
        draft=draft,
        active=active,
        archived=archived,
        open_job=bulk.submit(EVERYBODY),
        closed_job=closed,
        template=template,
    )


def make_library(bulk: Bulk) -> UUID:
    """Make the account an agency with a template that is shared, cloned, and newer than its clone.

    The integration sms is connected.
    """
    where = bulk.database, bulk.account
    bulk.sql("update enrollment.accounts set agency = true where id = :id", id=bulk.account.id)
    names = [f"{name}-{bulk.account.id.hex}" for name in SUB_ACCOUNTS]
    for name in names:
        accounts.create(bulk.database, name, parent=bulk.account, actor=OUTSIDER)
    workflows.create_from(*where, SERIES, actor=OUTSIDER)
    made = templates.save(*where, "Source", Wanted("Series"), actor=OUTSIDER).template.id
    templates.share(*where, "Series", names[:1], actor=OUTSIDER)
    templates.clone(*where, "Series", name="Clone", actor=OUTSIDER)
    newer = {**SERIES, "description": "Newer."}
    templates.update(*where, "Series", Wanted(), document=newer, actor=OUTSIDER)
    workflows.connect(*where, "sms", {}, actor=OUTSIDER)
    return made


Do = Callable[[Ground, str], object]


@dataclass(frozen=True)
class Operation:
    """What is done, and the same refused for another reason than the permission.

    `do` returns what the log must name as the subject.
    """

    action: str
    needs: Permission
    do: Do
    refused: Do
    # A refused submission has no job that the log could name.
    denied_subject: bool = True


def submit(ground: Ground, actor: str, workflow: str = "Welcome") -> UUID:
    return ground.bulk.submit(EVERYBODY, workflow, requested_by=actor)


def cancel(ground: Ground, actor: str, job_id: UUID | None = None) -> UUID:
    wanted = job_id or ground.open_job
    service.cancel(
        ground.bulk.database, ground.bulk.settings, ground.bulk.account, wanted, actor=actor
    )
    return wanted


def resume(ground: Ground, actor: str, job_id: UUID | None = None) -> UUID:
    wanted = job_id or ground.open_job
    service.resume(*ground.where, wanted, actor=actor)
    return wanted


def hold(ground: Ground, actor: str, job_id: UUID | None = None) -> UUID:
    if job_id is None:
        job_id = ground.open_job
        ground.bulk.prepare(job_id)
    service.pause(
        ground.bulk.database, ground.bulk.settings, ground.bulk.account, job_id, actor=actor
    )
    return job_id


def retry(ground: Ground, actor: str, job_id: UUID | None = None) -> UUID:
    wanted = job_id or ground.failed_job
    service.retry(*ground.where, wanted, everything=False, actor=actor)
    return wanted


def reschedule(ground: Ground, actor: str, job_id: UUID | None = None) -> UUID:
    wanted = job_id or ground.scheduled_job
    service.reschedule(*ground.where, wanted, at=None, timezone=None, actor=actor)
    return wanted


def create_workflow(ground: Ground, actor: str, name: str = "New") -> str:
    request = workflow_request(
        name=name, active=False, reenrollment="never_twice", required_fields=[]
    )
    workflows.create(*ground.where, request, actor=actor)
    return name


def activate(ground: Ground, actor: str, workflow: UUID | None = None) -> UUID:
    return workflows.activate(*ground.where, str(workflow or ground.draft), actor=actor).id


def pause(ground: Ground, actor: str, workflow: UUID | None = None) -> UUID:
    return workflows.pause(*ground.where, str(workflow or ground.active), actor=actor).id


def create_from(ground: Ground, actor: str, name: str = "New") -> str:
    workflows.create_from(*ground.where, {**SERIES, "name": name}, actor=actor)
    return name


def edit(ground: Ground, actor: str, workflow: UUID | None = None) -> UUID:
    changes = {"description": "Other."}
    wanted = str(workflow or ground.active)
    return workflows.edit(*ground.where, wanted, changes, actor=actor).stored.id


def archive(ground: Ground, actor: str, workflow: UUID | None = None) -> UUID:
    return workflows.archive(*ground.where, str(workflow or ground.draft), actor=actor).id


def connect(ground: Ground, actor: str, link: str = "https://example.com") -> str:
    return workflows.connect(*ground.where, "shop", {"link": link}, actor=actor).name


def disconnect(ground: Ground, actor: str, name: str = "sms") -> str:
    workflows.disconnect(*ground.where, name, actor=actor)
    return name


def save_template(ground: Ground, actor: str, name: str = "New") -> UUID:
    return templates.save(*ground.where, "Source", Wanted(name), actor=actor).template.id


def update_template(ground: Ground, actor: str, name: str = "New") -> UUID:
    return templates.update(*ground.where, "Series", Wanted(name), actor=actor).template.id


def delete_template(ground: Ground, actor: str, name: str = "Series") -> UUID:
    return templates.delete(*ground.where, name, actor=actor).id


def share(ground: Ground, actor: str, other: str | None = None) -> UUID:
    names = [other or ground.sub_account(1)]
    templates.share(*ground.where, "Series", names, actor=actor)
    return ground.template


def unshare(ground: Ground, actor: str, other: str | None = None) -> UUID:
    names = [other or ground.sub_account(0)]
    templates.unshare(*ground.where, "Series", names, actor=actor)
    return ground.template


def clone(ground: Ground, actor: str, name: str = "New") -> UUID:
    templates.clone(*ground.where, "Series", name=name, actor=actor)
    return ground.template


def merge(ground: Ground, actor: str, change: str = "description") -> UUID:
    shown, _ = templates.merge(*ground.where, "Clone", [change], actor=actor)
    return shown.stored.id


def set_up(ground: Ground, actor: str, lanes: str = "3") -> str:
    accounts.change_settings(*ground.where, {"max_lanes": lanes}, actor=actor)
    return ground.bulk.account.name


def add_member(ground: Ground, actor: str, name: str = "new") -> str:
    # In an account without members, the first one must be an administrator.
    granted = "workflow:edit" if name == ADMIN else "account:admin"
    return members.add(*ground.where, name, [granted], actor=actor).name


def remove_member(ground: Ground, actor: str, name: str = HELPER) -> str:
    return members.remove(*ground.where, name, actor=actor).member.name


def change_trigger(ground: Ground, actor: str, event: str = "deal_won") -> UUID:
    return keeping.update(*ground.where, "Draft", {"event": event}, actor=actor).id


def activate_trigger(ground: Ground, actor: str, workflow: str = "Draft") -> UUID:
    return keeping.activate(*ground.where, workflow, actor=actor).id


def deactivate_trigger(ground: Ground, actor: str, workflow: str = "Archived") -> UUID:
    return keeping.deactivate(*ground.where, workflow, actor=actor).id


def delete_trigger(ground: Ground, actor: str, workflow: str = "Draft") -> UUID:
    return keeping.delete(*ground.where, workflow, actor=actor).id


def send_events(ground: Ground, actor: str, line: bytes = EVENT) -> str:
    receive_lines(*ground.where, [line], source="file", actor=actor, all_or_some=True)
    return "file"


OPERATIONS = [
    Operation(
        "trigger.update",
        Permission.WORKFLOW_EDIT,
        change_trigger,
        lambda ground, actor: change_trigger(ground, actor, "nothing"),
    ),
    Operation(
        "trigger.activate",
        Permission.WORKFLOW_EDIT,
        activate_trigger,
        lambda ground, actor: activate_trigger(ground, actor, "Nothing"),
    ),
    Operation(
        "trigger.deactivate",
        Permission.WORKFLOW_EDIT,
        deactivate_trigger,
        lambda ground, actor: deactivate_trigger(ground, actor, "Nothing"),
    ),
    Operation(
        "trigger.delete",
        Permission.WORKFLOW_EDIT,
        delete_trigger,
        lambda ground, actor: delete_trigger(ground, actor, "Nothing"),
    ),
    Operation(
        "events.receive",
        Permission.WORKFLOW_MANAGE,
        send_events,
        lambda ground, actor: send_events(ground, actor, b"nothing"),
    ),
    Operation(
        "job.submit",
        Permission.WORKFLOW_MANAGE,
        submit,
        lambda ground, actor: submit(ground, actor, "Nothing"),
        denied_subject=False,
    ),
    Operation(
        "job.cancel",
        Permission.WORKFLOW_MANAGE,
        cancel,
        lambda ground, actor: cancel(ground, actor, ground.closed_job),
    ),
    Operation(
        "job.resume",
        Permission.WORKFLOW_MANAGE,
        resume,
        lambda ground, actor: resume(ground, actor, ground.closed_job),
    ),
    Operation(
        "job.pause",
        Permission.WORKFLOW_MANAGE,
        hold,
        lambda ground, actor: hold(ground, actor, ground.closed_job),
    ),
    Operation(
        "job.retry",
        Permission.WORKFLOW_MANAGE,
        retry,
        lambda ground, actor: retry(ground, actor, ground.closed_job),
    ),
    Operation(
        "job.reschedule",
        Permission.WORKFLOW_MANAGE,
        reschedule,
        lambda ground, actor: reschedule(ground, actor, ground.open_job),
    ),
    Operation(
        "workflow.create",
        Permission.WORKFLOW_EDIT,
        create_workflow,
        lambda ground, actor: create_workflow(ground, actor, "Welcome"),
    ),
    Operation(
        "workflow.activate",
        Permission.WORKFLOW_EDIT,
        activate,
        lambda ground, actor: activate(ground, actor, ground.archived),
    ),
    Operation(
        "workflow.pause",
        Permission.WORKFLOW_EDIT,
        pause,
        lambda ground, actor: pause(ground, actor, ground.draft),
    ),
    Operation(
        "workflow.create",
        Permission.WORKFLOW_EDIT,
        create_from,
        lambda ground, actor: create_from(ground, actor, "Welcome"),
    ),
    Operation(
        "workflow.edit",
        Permission.WORKFLOW_EDIT,
        edit,
        lambda ground, actor: edit(ground, actor, ground.archived),
    ),
    Operation(
        "workflow.archive",
        Permission.WORKFLOW_EDIT,
        archive,
        lambda ground, actor: archive(ground, actor, ground.active),
    ),
    Operation(
        "integration.connect",
        Permission.WORKFLOW_MANAGE,
        connect,
        lambda ground, actor: connect(ground, actor, "no link"),
    ),
    Operation(
        "integration.disconnect",
        Permission.WORKFLOW_MANAGE,
        disconnect,
        lambda ground, actor: disconnect(ground, actor, "shop"),
    ),
    Operation(
        "template.save",
        Permission.WORKFLOW_MANAGE,
        save_template,
        lambda ground, actor: save_template(ground, actor, "Series"),
    ),
    Operation(
        "template.update",
        Permission.WORKFLOW_MANAGE,
        update_template,
        lambda ground, actor: update_template(ground, actor, "lead-welcome-series"),
    ),
    Operation(
        "template.delete",
        Permission.WORKFLOW_MANAGE,
        delete_template,
        lambda ground, actor: delete_template(ground, actor, "Nothing"),
    ),
    Operation(
        "template.share",
        Permission.WORKFLOW_MANAGE,
        share,
        lambda ground, actor: share(ground, actor, ground.bulk.account.name),
    ),
    Operation(
        "template.unshare",
        Permission.WORKFLOW_MANAGE,
        unshare,
        lambda ground, actor: unshare(ground, actor, ground.bulk.account.name),
    ),
    Operation(
        "template.clone",
        Permission.WORKFLOW_EDIT,
        clone,
        lambda ground, actor: clone(ground, actor, "Welcome"),
    ),
    Operation(
        "template.merge",
        Permission.WORKFLOW_EDIT,
        merge,
        lambda ground, actor: merge(ground, actor, "goals"),
    ),
    Operation(
        "account.settings",
        Permission.ACCOUNT_ADMIN,
        set_up,
        lambda ground, actor: set_up(ground, actor, "9"),
    ),
    Operation(
        "member.add",
        Permission.ACCOUNT_ADMIN,
        add_member,
        lambda ground, actor: add_member(ground, actor, ADMIN),
    ),
    Operation(
        "member.remove",
        Permission.ACCOUNT_ADMIN,
        remove_member,
        lambda ground, actor: remove_member(ground, actor, "nobody"),
    ),
]

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.action)


def let_in(ground: Ground, permissions: list[Permission]) -> None:
    """Give the account an administrator, and a helper who may do this."""
    members.add(*ground.where, ADMIN, [Permission.ACCOUNT_ADMIN], actor=OUTSIDER)
    members.add(*ground.where, HELPER, permissions, actor=ADMIN)


@every_operation
def test_whoever_holds_the_permission_may_and_the_log_says_so_once(
    ground: Ground, operation: Operation
) -> None:
    let_in(ground, [operation.needs])
    before = ground.log()

    subject = operation.do(ground, HELPER)

    added = (HELPER, operation.action, "done", str(subject))
    assert ground.log() == [added, *before]


@every_operation
def test_an_administrator_may_do_everything(ground: Ground, operation: Operation) -> None:
    let_in(ground, [Permission.WORKFLOW_EDIT])
    before = ground.log()

    subject = operation.do(ground, ADMIN.upper())

    assert ground.log() == [(ADMIN.upper(), operation.action, "done", str(subject)), *before]


@every_operation
def test_whoever_lacks_the_permission_may_not_and_the_log_says_so_once(
    ground: Ground, operation: Operation
) -> None:
    others = [one for one in Permission if one not in (operation.needs, Permission.ACCOUNT_ADMIN)]
    let_in(ground, others)

    for actor in (HELPER, OUTSIDER):
        before = ground.log()
        with pytest.raises(ForbiddenError, match=str(operation.needs)) as refusal:
            operation.do(ground, actor)
        assert refusal.value.details == {"permission": operation.needs}
        added, *rest = ground.log()
        assert added[:3] == (actor, operation.action, "denied")
        assert (added[3] is not None) is operation.denied_subject
        assert rest == before


@every_operation
def test_what_is_refused_for_another_reason_is_not_in_the_log(
    ground: Ground, operation: Operation
) -> None:
    let_in(ground, [Permission.WORKFLOW_EDIT])
    before = ground.log()

    with pytest.raises(RefusedError) as refusal:
        operation.refused(ground, ADMIN)

    assert refusal.value.code != "FORBIDDEN"
    assert ground.log() == before


@every_operation
def test_an_account_without_members_is_open_and_the_log_still_says_who(
    ground: Ground, operation: Operation
) -> None:
    if operation.action == "member.remove":
        members.add(*ground.where, OUTSIDER, [Permission.ACCOUNT_ADMIN], actor=OUTSIDER)
        assert remove_member(ground, OUTSIDER, OUTSIDER) == OUTSIDER
        expected = (OUTSIDER, operation.action, "done", OUTSIDER)
    else:
        subject = operation.do(ground, OUTSIDER)
        expected = (OUTSIDER, operation.action, "done", str(subject))

    assert ground.log()[0] == expected


def test_a_preview_needs_the_permission_and_leaves_no_row(ground: Ground) -> None:
    let_in(ground, [Permission.WORKFLOW_MANAGE])
    before = ground.log()

    assert ground.bulk.preview(EVERYBODY, requested_by=HELPER)["dry_run"]
    with pytest.raises(ForbiddenError, match="workflow:manage"):
        ground.bulk.preview(EVERYBODY, requested_by=OUTSIDER)

    assert ground.log() == before


def test_what_changes_nothing_leaves_no_row(ground: Ground) -> None:
    request = ground.bulk.request(EVERYBODY, request_id="one")
    service.submit(*ground.where, request, source="test")
    before = ground.log()

    service.submit(*ground.where, request, source="test")
    activate(ground, ADMIN, ground.active)
    archive(ground, ADMIN, ground.archived)
    workflows.connect(*ground.where, "sms", {}, actor=ADMIN)
    share(ground, ADMIN, ground.sub_account(0))
    unshare(ground, ADMIN, ground.sub_account(1))
    templates.merge(*ground.where, "Clone", [], actor=ADMIN)

    assert ground.log() == before
