"""Images of contacts: all that a row holds, as JSON, and the row again out of it.

Belongs here: what an image is, in SQL. Does not belong here: when one is taken, and what becomes of
a contact when an operation is taken back.

An image leaves out what is generated, and whose row it is. Two images are compared by `=`, so they
must be made under one time zone: `use_one_zone` comes first in a transaction that makes any.
"""

from sqlalchemy import Connection, text

from enrollment_pipeline.bulk_operations.differences import COLUMNS


def image_of(alias: str) -> str:
    """Return the SQL of a contact's image; `alias` is the row's name in the statement.

    Written out: `to_jsonb` of the whole row, and taking away what is generated, takes half as long
    again.
    """
    # In parentheses, the name may stand for a value that is a row, too.
    members = ", ".join(f"'{name}', ({alias}).{name}" for name in COLUMNS)
    return f"jsonb_build_object({members})"


def use_one_zone(connection: Connection) -> None:
    """Let times in the images of this transaction be told in UTC."""
    connection.execute(text("set local timezone = 'UTC'"))
