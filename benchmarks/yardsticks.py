"""What the product is compared with: the raw floor, and the usual way."""

import time
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import DeclarativeBase, Session

from benchmarks.ground import Ground
from enrollment_pipeline.storage import schema


def one_insert(ground: Ground, job_id: UUID) -> float:
    """Return the seconds of one INSERT ... SELECT of a job's contacts into the same table."""
    begun = time.perf_counter()
    with ground.database.account(ground.account.id) as connection:
        connection.execute(
            text(
                """
                insert into enrollment.enrollments
                  (account_id, workflow_id, contact_id, current_step, source, source_id)
                select account_id, :workflow, contact_id, 'start', 'yardstick', job_id
                from enrollment.selected_contacts
                where job_id = :job and exclusion is null
                """
            ),
            {"workflow": ground.workflow_id, "job": job_id},
        )
    return time.perf_counter() - begun


class _Base(DeclarativeBase):
    metadata = schema.METADATA


class _Contact(_Base):
    __table__ = schema.contacts


class _Enrollment(_Base):
    __table__ = schema.enrollments


def one_at_a_time(ground: Ground, addresses: list[str]) -> float:
    """Return the seconds of the usual way: an ORM, a contact at a time, a commit per hundred.

    As the owner: under row-level security the look-up by address could not use its index, because
    `lower()` is not leakproof, and the usual way would look five times slower than it is.
    """
    begun = time.perf_counter()
    for first in range(0, len(addresses), 100):
        with (
            ground.owner.begin() as connection,
            Session(connection) as session,
        ):
            for address in addresses[first : first + 100]:
                _enroll(session, ground, address)
            session.flush()
    return time.perf_counter() - begun


def _enroll(session: Session, ground: Ground, address: str) -> None:
    contact = session.scalars(
        select(_Contact).where(
            _Contact.account_id == ground.account.id,
            text("lower(email) = lower(:email) and deleted_at is null").bindparams(email=address),
        )
    ).one()
    enrolled = session.scalars(
        select(_Enrollment).where(
            _Enrollment.account_id == ground.account.id,
            _Enrollment.workflow_id == ground.workflow_id,
            _Enrollment.contact_id == contact.id,
        )
    ).first()
    if contact.status != "active" or enrolled is not None:
        return
    session.add(
        _Enrollment(
            account_id=ground.account.id,
            workflow_id=ground.workflow_id,
            contact_id=contact.id,
            current_step="start",
            source="yardstick",
            source_id=ground.workflow_id,
        )
    )
    session.flush()
