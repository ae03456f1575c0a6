"""Looking at triggers without anything coming of it, and making sure that nothing does."""

from datetime import UTC, date, datetime

from enrollment_pipeline.triggers import keeping, looking
from enrollment_pipeline.triggers.documents import parse_trigger
from enrollment_pipeline.triggers.looking import Draft
from enrollment_pipeline_tests.triggers.conftest import Automation, Document, utc

# A Tuesday within the hours of an account without any of its own, and a Saturday.
OPEN, CLOSED = utc("2031-01-21T12:00"), utc("2031-01-18T12:00")

TABLES = (
    "audit_log",
    "contacts",
    "enrollment_jobs",
    "enrollments",
    "events",
    "kept_inputs",
    "selected_contacts",
    "trigger_evaluations",
    "trigger_watermarks",
    "triggers",
)


def both(logic: str, *conditions: Document) -> Document:
    """A group of conditions."""
    return {"logic": logic, "conditions": list(conditions)}


def rows(automation: Automation) -> dict[str, int]:
    """How many rows of the account each table has."""
    counts = " union all ".join(
        f"select '{table}' as name, count(*) as number "
        f"from enrollment.{table} where account_id = :account"
        for table in TABLES
    )
    found = automation.query(counts, account=automation.account.id)
    return {one["name"]: one["number"] for one in found}


def preview(automation: Automation, document: Document, now: datetime = OPEN) -> Document:
    """Preview a trigger that need not be saved."""
    before = rows(automation)
    found = looking.preview(
        automation.database, automation.account, parse_trigger(document), now=now
    )
    assert rows(automation) == before
    return found


def trial(
    automation: Automation,
    contact: object = "ada@example.com",
    data: Document | None = None,
    *,
    trigger: Draft | None = None,
    previous: Document | None = None,
    at: datetime | date | None = None,
    now: datetime = OPEN,
) -> Document:
    """Test the trigger of the workflow Welcome, having made sure that nothing is written."""
    before = rows(automation)
    found = looking.test(
        automation.database,
        automation.account,
        trigger or keeping.find(automation.database, automation.account, "Welcome"),
        contact=str(contact),
        data=data or {},
        previous_state=previous,
        at=at,
        now=now,
    )
    assert rows(automation) == before
    return found


def flags(found: Document) -> tuple[bool, bool, bool]:
    """Whether it matched, would fire, and would enroll."""
    return found["matched"], found["would_fire"], found["would_enroll"]


def replay(automation: Automation, days: int = 1, now: datetime | None = None) -> Document:
    """Replay the trigger of the workflow Welcome."""
    before = rows(automation)
    found = looking.replay(
        automation.database,
        automation.account,
        keeping.find(automation.database, automation.account, "Welcome"),
        days=days,
        now=now or datetime.now(UTC),
    )
    assert rows(automation) == before
    assert found["note"] == "contacts are taken as they are now"
    return found
