"""Dead letters: orders that more rounds won't help, kept for a person to look at and redrive.

A *poison* order, which the PSP rejects as it stands, comes here at once; one without a clear answer
after a bounded number of rounds comes here too. Nothing is lost: the order keeps its state, and a
redrive goes on from there, by asking the PSP.
"""

from dataclasses import dataclass

from amazonian.payments import orders
from amazonian.payments.journal import Read
from amazonian.payments.orders import PaymentOrder
from amazonian.resilience.database import Transaction

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS dead_letters (order_id TEXT PRIMARY KEY, reason TEXT NOT NULL,"
    " at_s REAL NOT NULL)",
)


class NoDeadLetterError(LookupError):
    """There is no dead letter for this order; nothing waits to be redriven."""


@dataclass(frozen=True)
class DeadLetter:
    """An order that no worker takes up any more, why, and since when (seconds since 1970)."""

    order_id: str
    reason: str
    at_s: float


def add(t: Transaction, order: PaymentOrder, reason: str, now_s: float) -> PaymentOrder:
    """Take an order out of the workers' sight, in the commit `t`.

    Raises:
        StaleOrderError: somebody else has moved it meanwhile.
    """
    t.execute("INSERT INTO dead_letters VALUES (?, ?, ?)", (order.id, reason, now_s))
    return orders.move(t, order, order.state, now_s, due_at_s=None, reason=reason)


def remove(t: Transaction, order_id: str) -> bool:
    """Take a letter out of the queue; True if there was one."""
    return bool(
        t.execute("DELETE FROM dead_letters WHERE order_id = ? RETURNING order_id", (order_id,))
    )


def waiting(read: Read) -> list[DeadLetter]:
    """All dead letters, the oldest first."""
    rows = read("SELECT order_id, reason, at_s FROM dead_letters ORDER BY at_s, order_id")
    return [DeadLetter(*row) for row in rows]


def redrive(t: Transaction, order_id: str, now_s: float) -> PaymentOrder:
    """Give an order to the workers again, with all its rounds, once the cause is gone.

    Raises:
        NoDeadLetterError: it is not among the dead letters.
    """
    if not remove(t, order_id):
        raise NoDeadLetterError(f"order {order_id} is no dead letter")
    order = orders.get(t.execute, order_id)
    return orders.move(t, order, order.state, now_s, due_at_s=now_s, attempts=0)
