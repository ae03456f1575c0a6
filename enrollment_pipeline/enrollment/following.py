"""Following a job as it changes, by the announcements that are committed with its work."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.store.jobs import CHANNEL
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

# Looked at this often without any announcement, so that "nobody is working on this" shows.
SILENCE_SECONDS = 5.0


def follow(
    database: Database,
    settings: Settings,
    account: Account,
    job_id: UUID,
    *,
    every: float = SILENCE_SECONDS,
) -> Iterator[dict[str, Any]]:
    """Yield a job's document now, after each of its changes, and last when it is closed.

    Changes that follow each other faster than they are read are yielded as one. After `every`
    seconds of silence the document is read again, and yielded if it differs.

    Raises:
        JobNotFoundError: the account has no such job.
    """
    last: dict[str, Any] | None = None
    for payload in database.listen(CHANNEL, every=every):
        if payload not in (None, str(job_id)):
            continue
        document = service.describe(database, settings, account, job_id)
        if document != last:
            yield document
        if document["completed_at"] is not None:
            return
        last = document
