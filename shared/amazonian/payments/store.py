"""The database of the payment room: all tables in one, since one commit has to cover them."""

from pathlib import Path

from amazonian.payments import dead_letters, ledger, nightly, orders, outbox, requests, webhooks
from amazonian.resilience.database import Database, open_database

SCHEMA: tuple[str, ...] = (
    *orders.SCHEMA,
    *ledger.SCHEMA,
    *outbox.SCHEMA,
    *webhooks.SCHEMA,
    *dead_letters.SCHEMA,
    *requests.SCHEMA,
    *nightly.SCHEMA,
)


def open_store(dsn: str | Path) -> Database:
    """Open the payment database at a path (SQLite) or a ``postgresql://`` DSN."""
    return open_database(dsn, SCHEMA)
