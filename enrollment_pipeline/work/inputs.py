"""Rows of `kept_inputs`: the file or the ids of a request, piece by piece, until they are resolved.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from enrollment_pipeline.storage.schema import kept_inputs


def add_input(
    connection: Connection, account_id: UUID, work_id: UUID, chunks: Iterable[bytes]
) -> None:
    """Keep the input of a request, so that any worker on any machine can read it."""
    for number, content in enumerate(chunks):
        connection.execute(
            insert(kept_inputs).values(
                account_id=account_id, work_id=work_id, chunk=number, content=content
            )
        )


def read_input(connection: Connection, work_id: UUID) -> Iterator[bytes]:
    """Yield the input of a request, piece by piece."""
    number = 0
    while True:
        content = connection.execute(
            select(kept_inputs.c.content)
            .where(kept_inputs.c.work_id == work_id)
            .where(kept_inputs.c.chunk == number)
        ).scalar_one_or_none()
        if content is None:
            return
        yield content
        number += 1


def drop_input(connection: Connection, work_id: UUID) -> None:
    """Forget the input of a request."""
    connection.execute(delete(kept_inputs).where(kept_inputs.c.work_id == work_id))
