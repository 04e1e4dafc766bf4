"""Orders, and a log that says in which order they changed: lab 2.3.

A change and its line in the log are one transaction: there is no moment at which one is on disk
and the other is not. Whoever has the log up to a *position* and applies it in order has the same
orders. Replicas are fed from it, and so is a range of orders that moves to another shard.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from amazonian.resilience.database import Database, Row, Transaction
from amazonian.shop import ring

Read = Callable[[str, Sequence[Any]], list[Row]]  # a database's read, or a transaction's execute

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS orders (key TEXT PRIMARY KEY, place INTEGER NOT NULL,"
    " customer TEXT NOT NULL, product TEXT NOT NULL, total_minor INTEGER NOT NULL,"
    " status TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS orders_by_place ON orders (place, key)",
    "CREATE TABLE IF NOT EXISTS changes (position INTEGER PRIMARY KEY, epoch INTEGER NOT NULL,"
    " place INTEGER NOT NULL, key TEXT NOT NULL, value TEXT)",
)


@dataclass(frozen=True)
class Order:
    """An order, cut down to what this lab needs.

    Args:
        key: the customer's name and a number, such as ``"ada/17"``.
        product: what was ordered.
        total_minor: the price in cents.
        status: ``"placed"``, ``"paid"``, …
    """

    key: str
    product: str
    total_minor: int
    status: str = "placed"


def customer_of(key: str) -> str:
    """Whose order it is: ``"ada/17"`` is one of ada's."""
    return key.partition("/")[0]


def place_of(key: str) -> int:
    """Where an order lies on the ring: all orders of a customer lie in one place."""
    return ring.place(customer_of(key))


@dataclass(frozen=True)
class Change:
    """One line of the log: from this position on, the order with this key is `order`.

    Args:
        position: 1, 2, 3, … without a gap.
        epoch: of the primary that made the change; every failover begins a new one.
        key: of the order.
        order: as it is after the change; None if it was deleted.
    """

    position: int
    epoch: int
    key: str
    order: Order | None


@dataclass(frozen=True)
class End:
    """Where a log ends: the last change's position and epoch. An empty log ends at 0, 0."""

    position: int = 0
    epoch: int = 0


def end(read: Read) -> End:
    """Where the log ends now. In a transaction, pass its ``execute``; else a database's ``read``.

    The next position is read from the table, under the transaction's lock. A sequence of the
    database would not do: two transactions may commit in another order than they drew numbers,
    and who follows the log would miss the late one.
    """
    rows = read("SELECT position, epoch FROM changes ORDER BY position DESC LIMIT 1", ())
    return End(*rows[0]) if rows else End()


def store(transaction: Transaction, key: str, order: Order | None) -> None:
    """Make the order with this key what it shall be (None: there shall be none). No log."""
    transaction.execute("DELETE FROM orders WHERE key = ?", (key,))
    if order is not None:
        transaction.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)",
            (
                key,
                place_of(key),
                customer_of(key),
                order.product,
                order.total_minor,
                order.status,
            ),
        )


def append(transaction: Transaction, change: Change) -> None:
    """Write one line of the log. No order changes."""
    value = None if change.order is None else json.dumps(asdict(change.order))
    transaction.execute(
        "INSERT INTO changes VALUES (?, ?, ?, ?, ?)",
        (change.position, change.epoch, place_of(change.key), change.key, value),
    )


def record(transaction: Transaction, epoch: int, key: str, order: Order | None) -> int:
    """Change an order and write it into the log, in one transaction; the change's position."""
    change = Change(end(transaction.execute).position + 1, epoch, key, order)
    append(transaction, change)
    store(transaction, key, order)
    return change.position


def changes(read: Read, after: int, limit: int = 500) -> list[Change]:
    """The changes behind a position, in order, `limit` at most."""
    rows = read(
        "SELECT position, epoch, key, value FROM changes WHERE position > ?"
        " ORDER BY position LIMIT ?",
        (after, limit),
    )
    return [Change(position, epoch, key, _order(value)) for position, epoch, key, value in rows]


def epoch_at(read: Read, position: int) -> int | None:
    """The epoch of the change at a position; 0 before the first, None if the log is shorter."""
    if position == 0:
        return 0
    rows = read("SELECT epoch FROM changes WHERE position = ?", (position,))
    return rows[0][0] if rows else None


def cut(transaction: Transaction, keep: int) -> list[Change]:
    """Undo every change behind the position `keep`, and return what was undone.

    Each order that these changes touched becomes again what the log up to `keep` says.
    """
    undone = changes(transaction.execute, keep, limit=2**31)
    transaction.execute("DELETE FROM changes WHERE position > ?", (keep,))
    for key in {change.key for change in undone}:
        rows = transaction.execute(
            "SELECT value FROM changes WHERE key = ? ORDER BY position DESC LIMIT 1", (key,)
        )
        store(transaction, key, _order(rows[0][0]) if rows else None)
    return undone


def _order(value: str | None) -> Order | None:
    return None if value is None else Order(**json.loads(value))


def find(database: Database, key: str) -> Order | None:
    """The order with this key, or None."""
    rows = database.read(
        "SELECT key, product, total_minor, status FROM orders WHERE key = ?", (key,)
    )
    return Order(*rows[0]) if rows else None


def every(database: Database) -> dict[str, Order]:
    """All orders, by key."""
    rows = database.read("SELECT key, product, total_minor, status FROM orders")
    return {row[0]: Order(*row) for row in rows}
