"""What templates are used for, and what became of the contacts in workflows made of them.

A completion rate is known of a clone in which contacts have come to an end: those that completed it
among all that completed or left it. That of a template is the average over such clones.
"""

from collections import defaultdict
from datetime import UTC
from typing import Any
from uuid import UUID

from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates.documents import CATEGORIES
from enrollment_pipeline.templates.finding import all_of, find_in
from enrollment_pipeline.templates.store import sharing, usage


def usage_of(
    database: Database, account: Account, reference: str, *, limit: int = 50, page: int = 1
) -> dict[str, Any]:
    """Return one page of the use of a template, newest first, its number and completion rate.

    An agency also sees the use by its sub-accounts, without names and rates of their workflows.

    Raises:
        InvalidRequestError: there is no such page.
        TemplateNotFoundError: the account sees no such template.
    """
    offset = offset_of(limit, page)
    with database.account(account.id) as connection:
        template = find_in(connection, account, reference)
        rows = usage.page(connection, template.id, limit=limit, offset=offset)
        total = usage.count_of(connection, template.id)
        names = {account.id: account.name, **sharing.sub_accounts(connection)}
        completion = usage.completion(connection, template.id)
    rates = [completed / ended for _, completed, ended in completion.values()]
    return {
        "template_id": str(template.id),
        "name": template.name,
        "usage": [
            {
                "account": names.get(row.account_id),
                "workflow_id": str(row.workflow_id),
                "workflow_name": row.name,
                "workflow_status": row.status,
                "version": row.template_version,
                "used_by": row.used_by,
                "used_at": row.used_at.astimezone(UTC).isoformat(),
                "completion_rate": _rate(completion.get(row.workflow_id)),
            }
            for row in rows
        ],
        "usage_count": total,
        "completion_rate": _average(rates),
        "page": page,
    }


def statistics(database: Database, account: Account) -> list[dict[str, Any]]:
    """Return use and completion of the templates that the account sees, by category.

    Shape: `[{"category", "templates", "used", "clones_with_rate", "completion_rate", "most_used"}]`
    with every category in its order; a rate is None where nothing is known.
    """
    with database.account(account.id) as connection:
        templates = all_of(connection, account)
        completion = usage.completion(connection)
    by_template: dict[UUID, list[float]] = defaultdict(list)
    for template_id, completed, ended in completion.values():
        by_template[template_id].append(completed / ended)
    found = []
    for category in CATEGORIES:
        those = [one for one in templates if one.category == category]
        rates = [rate for one in those for rate in by_template.get(one.id, ())]
        most = max(those, key=lambda one: one.used, default=None)
        found.append(
            {
                "category": category,
                "templates": len(those),
                "used": sum(one.used for one in those),
                "clones_with_rate": len(rates),
                "completion_rate": _average(rates),
                "most_used": None if most is None or not most.used else most.name,
            }
        )
    return found


def _rate(found: tuple[UUID, int, int] | None) -> float | None:
    return None if found is None else round(found[1] / found[2], 4)


def _average(rates: list[float]) -> float | None:
    return round(sum(rates) / len(rates), 4) if rates else None
