"""That a contact is there as long as somebody enrolls it.

No foreign key ties an enrollment to its contact: its check would be over half of the cost of a bulk
insert. Instead, who enrolls says so beforehand, by a lock that all who enroll share; who removes
contacts for good waits for them, and is alone until the transaction ends.
"""

from uuid import UUID

from sqlalchemy import Connection, text

_KEY = "hashtextextended('contacts that stay of ' || :account, 0)"
_SHARE = text(f"select pg_advisory_xact_lock_shared({_KEY})")
_ALONE = text(f"select pg_advisory_xact_lock({_KEY})")


def hold_contacts(connection: Connection, account_id: UUID) -> None:
    """Let nobody remove a contact of the account until this transaction ends.

    Before the statement that looks at the contacts, which then sees what was removed before.
    """
    connection.execute(_SHARE, {"account": str(account_id)})


def alone_with_contacts(connection: Connection, account_id: UUID) -> None:
    """Let nobody enroll a contact of the account until this transaction ends.

    Before the statement that asks who is enrolled, and before any contact is locked.
    """
    connection.execute(_ALONE, {"account": str(account_id)})
