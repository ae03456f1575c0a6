"""Accounts that use the library of templates: what each does with it, and what each can see."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.accounts import members
from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.errors import RefusedError
from enrollment_pipeline.records import Account, AccountSettings, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.templates.documents import Template
from enrollment_pipeline.templates.saving import Saved, Wanted
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.service import Shown

Document = dict[str, Any]

LIBRARY_TABLES = ("templates", "template_versions", "template_shares", "template_usage")
CREATED_BY_CLONES = ("workflows", "triggers", "template_usage", "template_versions", "audit_log")


def series(name: str = "Follow up", **parts: object) -> Document:
    """Return a document with branches, waits, goals and values; it needs the integration email."""
    return {
        "schema": 1,
        "name": name,
        "description": "Two e-mails and a task.",
        "integrations": ["email"],
        "values": {"motto": "Be kind"},
        "trigger": {
            "event": "tag_added",
            "parameters": {"tag": "lead"},
            "filters": {"field": "tags", "operator": "not_contains", "value": "customer"},
            "settings": {"enrollment_limit": "multiple"},
        },
        "steps": [
            {
                "id": "hello",
                "type": "send_email",
                "label": "The first e-mail",
                "subject": 'Hello {{contact.first_name | default("there")}}',
                "body": "{{values.motto}}\n\n{{email.unsubscribe_link}}",
            },
            {"id": "rests", "type": "wait", "duration": "3 days"},
            {
                "id": "asks",
                "type": "condition",
                "condition": {"field": "tags", "operator": "contains", "value": "hot"},
                "then": "calls",
                "else": "reminds",
            },
            {
                "id": "calls",
                "type": "create_task",
                "title": "Call",
                "due": "2 days",
                "next": "ends",
            },
            {"id": "reminds", "type": "send_email", "subject": "Still there?", "body": "Well?"},
            {"id": "opens", "type": "wait", "business_hours": True},
            {"id": "marks", "type": "add_tag", "tag": "followed-up"},
            {"id": "ends", "type": "end"},
        ],
        "goals": [
            {"name": "Booked", "event": "appointment_booked", "then": "marks"},
            {
                "name": "Bought",
                "condition": {
                    "conditions": [{"field": "tags", "operator": "contains", "value": "customer"}]
                },
            },
        ],
        "settings": {"reenrollment": "after_exit", "required_fields": ["email"]},
        **parts,
    }


def with_step(document: Document, step_id: str, **fields: object) -> Document:
    """Return the document with other fields of a step."""
    steps = [
        {**step, **fields} if step["id"] == step_id else dict(step) for step in document["steps"]
    ]
    return {**document, "steps": steps}


def plain(name: str = "Plain", **parts: object) -> Document:
    """Return a document with one step that needs no integration."""
    return {
        "name": name,
        "trigger": {"event": "tag_added", "parameters": {"tag": "lead"}},
        "steps": [{"id": "tells", "type": "notify", "message": "Look here"}],
        **parts,
    }


@dataclass(frozen=True)
class Tenant:
    """An account at the library."""

    database: Database
    owner: Engine
    account: Account

    @property
    def where(self) -> tuple[Database, Account]:
        """The arguments that every operation begins with."""
        return self.database, self.account

    def limited(self, **settings: object) -> "Tenant":
        """The same account with other settings."""
        return replace(
            self, account=replace(self.account, settings=AccountSettings.model_validate(settings))
        )

    def sub_account(self) -> "Tenant":
        """A new sub-account of this agency, with all integrations."""
        made = accounts.create(
            self.database, f"sub-{uuid4().hex}", parent=self.account, actor="test"
        )
        return replace(self, account=made).connected()

    # Doing

    def connected(self, *names: str) -> "Tenant":
        """The account itself, with these integrations connected, all by default."""
        for name in names or INTEGRATIONS:
            details = {
                detail: "https://example.com/x" if detail.endswith(("link", "url")) else "Somebody"
                for detail in INTEGRATIONS[name].required
            }
            workflows.connect(*self.where, name, details, actor="test")
        return self

    def create(self, document: Document | None = None) -> Shown:
        """Make a workflow."""
        return workflows.create_from(*self.where, document or series(), actor="ann")

    def save(self, name: str | None = None, workflow: str = "Follow up", **said: Any) -> Saved:
        """Save a workflow as a template."""
        return templates.save(*self.where, workflow, Wanted(name, **said), actor="ann")

    def template(self, name: str = "Series", document: Document | None = None) -> Template:
        """Make a template of a document, by way of a workflow."""
        made = self.create({**(document or series()), "name": f"For {name}"})
        return self.save(name, made.workflow.name).template

    def update(
        self, reference: str, document: Document | None = None, note: str = "", **said: Any
    ) -> Saved:
        """Change a template."""
        return templates.update(
            *self.where, reference, Wanted(**said), document=document, note=note, actor="ann"
        )

    def clone(self, reference: object, **more: Any) -> Shown:
        """Clone a template."""
        return templates.clone(*self.where, str(reference), actor="ann", **more)

    def activate(self, workflow: object) -> None:
        """Activate a workflow."""
        workflows.activate(*self.where, str(workflow), actor="ann")

    def show(self, workflow: object) -> Shown:
        """A workflow as it is now."""
        return workflows.show(*self.where, str(workflow))

    def preview(self, reference: object) -> templates.Preview:
        """A template as it is now."""
        return templates.preview(*self.where, str(reference))

    def listed(self, **asked: str) -> dict[str, Template]:
        """The templates that the account sees, by name, in their order."""
        return {one.name: one for one in templates.list_templates(*self.where, **asked)}

    def share(self, reference: str, *others: "Tenant") -> list[str]:
        """Share a template."""
        names = [other.account.name for other in others]
        return templates.share(*self.where, reference, names, actor="ann")

    def unshare(self, reference: str, *others: "Tenant") -> list[str]:
        """Share a template no longer."""
        names = [other.account.name for other in others]
        return templates.unshare(*self.where, reference, names, actor="ann")

    def allow(self, **permissions: Permission) -> None:
        """Give the account members, beside an administrator named ann."""
        members.add(*self.where, "ann", [Permission.ACCOUNT_ADMIN], actor="ann")
        for name, permission in permissions.items():
            members.add(*self.where, name, [permission], actor="ann")

    # Looking

    def sql(self, statement: str, **values: object) -> list[Document]:
        """What a statement returns in a transaction of the account, as the app role."""
        with self.database.account(self.account.id) as connection:
            found = connection.execute(text(statement), values)
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

    def count(self, table: str) -> int:
        """How many rows of a table the account sees."""
        return int(self.sql(f"select count(*) as n from enrollment.{table}")[0]["n"])

    def counts(self) -> dict[str, int]:
        """How many rows there are in all tables that a clone writes to."""
        return {table: self.count(table) for table in CREATED_BY_CLONES}

    def audit(self, *actions: str) -> list[Document]:
        """What the audit log says of these actions, in order."""
        return self.sql(
            "select actor, action, result, subject, details from enrollment.audit_log "
            "where action = any(:actions) order by id",
            actions=list(actions),
        )

    def rewrite_version(self, template_id: UUID, version: int, document: Document) -> None:
        """Put a document into the table of versions, past everything that would refuse it."""
        self.sql(
            "update enrollment.template_versions set document = cast(:document as jsonb) "
            "where template_id = :id and version = :version",
            document=json.dumps(document),
            id=template_id,
            version=version,
        )

    def enroll(self, workflow_id: UUID, **statuses: int) -> None:
        """Write so many enrollments of each status."""
        for status, number in statuses.items():
            self.sql(
                "insert into enrollment.enrollments (account_id, workflow_id, contact_id, status, "
                "current_step, source, source_id, ended_at) "
                "select :account, :workflow, gen_random_uuid(), :status, 'hello', 'trigger', "
                ":workflow, case when cast(:status as text) = 'active' then null else now() end "
                "from generate_series(1, :number)",
                account=self.account.id,
                workflow=workflow_id,
                status=status,
                number=number,
            )


MakeTenant = Callable[..., Tenant]


@pytest.fixture
def bare(database: Database, owner: Engine, account: Account) -> Tenant:
    """An account that has connected nothing."""
    return Tenant(database, owner, account)


@pytest.fixture
def make_tenant(
    database: Database, owner: Engine, make_account: Callable[..., Account]
) -> MakeTenant:
    """An account that has connected everything; keyword arguments are its settings."""
    return lambda **settings: Tenant(database, owner, make_account(**settings)).connected()


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    """An account of its own for the test."""
    return make_tenant()


@pytest.fixture
def agency(database: Database, owner: Engine) -> Tenant:
    """An agency of its own for the test."""
    made = accounts.create(database, f"agency-{uuid4().hex}", agency=True, actor="test")
    return Tenant(database, owner, made).connected()


def content(document: Mapping[str, Any]) -> Document:
    """Return a document without its name."""
    return {key: value for key, value in document.items() if key != "name"}


def outcomes(works: list[Callable[[], object]]) -> list[str]:
    """Do all of it at once; return the codes of what was refused and `done` of all else."""
    barrier = threading.Barrier(len(works))
    found: list[str] = []

    def run(work: Callable[[], object]) -> None:
        barrier.wait(timeout=10)
        try:
            work()
        except RefusedError as error:
            found.append(error.code)
        else:
            found.append("done")

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return sorted(found)
