"""Reading the audit log: who did what in an account, or was not allowed to.

It is written by `operations`, and by nothing else.
"""

from datetime import UTC
from typing import Any

from enrollment_pipeline.accounts import store
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database


def list_audit(
    database: Database,
    account: Account,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    limit: int = 50,
    page: int = 1,
) -> dict[str, Any]:
    """Return one page of the account's audit log, newest first, and the number of entries.

    `actor` is compared without letter case, as members are; the others as they stand.

    Raises:
        InvalidRequestError: there is no such page.
    """
    offset = offset_of(limit, page)
    wanted = store.AuditFilter(actor=actor, action=action, subject=subject)
    with database.account(account.id) as connection:
        found, total = store.audit_page(connection, wanted, limit=limit, offset=offset)
    entries = [
        {
            "occurred_at": row.occurred_at.astimezone(UTC).isoformat(),
            "actor": row.actor,
            "action": row.action,
            "result": row.result,
            "subject": row.subject,
            "details": row.details,
        }
        for row in found
    ]
    return {"entries": entries, "total": total, "page": page}
