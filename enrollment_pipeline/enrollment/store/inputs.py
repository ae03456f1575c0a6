"""Rows of `job_inputs`: the file or the ids of a request, piece by piece, until they are resolved.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from enrollment_pipeline.storage.schema import job_inputs


def add_input(
    connection: Connection, account_id: UUID, job_id: UUID, chunks: Iterable[bytes]
) -> None:
    """Keep the file of a csv selection, piece by piece."""
    for number, content in enumerate(chunks):
        connection.execute(
            insert(job_inputs).values(
                account_id=account_id, job_id=job_id, chunk=number, content=content
            )
        )


def read_input(connection: Connection, job_id: UUID) -> Iterator[bytes]:
    """Yield the file of a csv selection, piece by piece."""
    number = 0
    while True:
        content = connection.execute(
            select(job_inputs.c.content)
            .where(job_inputs.c.job_id == job_id)
            .where(job_inputs.c.chunk == number)
        ).scalar_one_or_none()
        if content is None:
            return
        yield content
        number += 1


def drop_input(connection: Connection, job_id: UUID) -> None:
    """Forget the file of a csv selection."""
    connection.execute(delete(job_inputs).where(job_inputs.c.job_id == job_id))
