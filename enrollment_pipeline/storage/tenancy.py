"""The one gate to the tables: every transaction says for which account it works.

Row-level security shows a transaction the rows of that account and no others; without an account
it sees none. Nothing else in the product begins a transaction on the tables.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from enrollment_pipeline.storage.listening import listen

_SET_ACCOUNT = text("select set_config('app.account_id', :account, true)")


class Database:
    """The product's database, as the login role that row-level security holds."""

    def __init__(self, engine: Engine, revive: Callable[[], object] = lambda: None) -> None:
        self._engine = engine
        self._revive = revive

    def revive(self) -> None:
        """Start the server again where it is the product's own and has gone.

        Raises:
            DatabaseUnavailableError: it does not start.
        """
        self._revive()

    @contextmanager
    def account(self, account_id: UUID) -> Iterator[Connection]:
        """Begin a transaction that sees the rows of one account; commit unless an error leaves."""
        with self._engine.begin() as connection:
            connection.execute(_SET_ACCOUNT, {"account": str(account_id)})
            yield connection

    @contextmanager
    def across_accounts(self) -> Iterator[Connection]:
        """Begin a transaction that sees no table row.

        For the functions of the schema that answer with ids over all accounts, such as
        `queue_jobs()`.
        """
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def rehearsal(self, account_id: UUID) -> Iterator[Connection]:
        """Begin a transaction like `account`, and roll it back whatever happens.

        The dry run: what is done in it is done by the real code and leaves nothing behind.
        """
        with self._engine.connect() as connection, connection.begin() as transaction:
            connection.execute(_SET_ACCOUNT, {"account": str(account_id)})
            try:
                yield connection
            finally:
                transaction.rollback()

    def listen(self, channel: str, *, every: float) -> Iterator[str | None]:
        """Yield what is announced on a channel; see `listening.listen`. Shows no table row."""
        return listen(self._engine, channel, every=every)

    def close(self) -> None:
        """Close all pooled connections."""
        self._engine.dispose()
