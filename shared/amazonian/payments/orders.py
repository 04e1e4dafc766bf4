"""Payment orders: what each has come to, written down before every next step.

A payment event becomes one *payment order* for each seller, because each of them is paid, and may
be refunded, on its own. An order is a small state machine::

    created → authorising → captured → settled
                  ↕      ↘         ↘     ↓
               unknown → declined   refunding → refunded

Whoever wants to do something to an order first writes down what, and only then does it. After a
crash the state says what may have happened and what certainly has not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from amazonian.payments import events
from amazonian.payments.events import Item as Item
from amazonian.payments.events import PaymentEvent as PaymentEvent
from amazonian.payments.journal import Read
from amazonian.resilience.database import Row, Transaction


class State(StrEnum):
    """What an order has come to; the value is what the database keeps."""

    CREATED = "created"  # nothing was sent to the PSP
    AUTHORISING = "authorising"  # a request may be on its way, or have been lost, or have acted
    UNKNOWN = "unknown"  # the PSP gave no clear answer; it has to be asked
    CAPTURED = "captured"  # the buyer has been charged
    DECLINED = "declined"  # the buyer has not been charged, and will not be
    REFUNDING = "refunding"  # the seller's share is held, the PSP has to be told
    REFUNDED = "refunded"  # the buyer has the money back
    SETTLED = "settled"  # the PSP has paid the money out to us


# A state that leads to itself means: another round of the same step.
ALLOWED: dict[State, frozenset[State]] = {
    State.CREATED: frozenset({State.AUTHORISING}),
    State.AUTHORISING: frozenset(
        {State.AUTHORISING, State.UNKNOWN, State.CAPTURED, State.DECLINED}
    ),
    State.UNKNOWN: frozenset({State.AUTHORISING, State.UNKNOWN, State.CAPTURED, State.DECLINED}),
    State.CAPTURED: frozenset({State.SETTLED, State.REFUNDING}),
    State.DECLINED: frozenset(),
    State.REFUNDING: frozenset({State.REFUNDING, State.REFUNDED, State.CAPTURED, State.SETTLED}),
    State.REFUNDED: frozenset({State.CAPTURED, State.SETTLED}),  # the refund came back
    State.SETTLED: frozenset({State.REFUNDING}),
}
TERMINAL = frozenset({State.DECLINED, State.REFUNDED, State.SETTLED})


class UnknownOrderError(LookupError):
    """There is no order, or no event, with this id."""


class TransitionError(Exception):
    """An order can't go from its state to that one."""


class StaleOrderError(Exception):
    """Somebody else has moved the order meanwhile; read it again and decide anew."""


@dataclass(frozen=True)
class PaymentOrder:
    """What one seller is to get of an event, and how far that has come.

    Args:
        id: the event's id, a hyphen, and the seller's number within the event.
        amount: in minor units of `currency`.
        version: grows by one with each move, so that a worker sees if somebody was faster.
        key_generation: how many idempotency keys towards the PSP are spent.
        attempts: rounds begun since the last success or redrive.
        intent_id: of the PSP's PaymentIntent, once it is known.
        authorising_since_s: when the first request may have gone out.
        due_at_s: when a worker may take it up; None if there is nothing to do. A worker that takes
            it up moves this time on: that is its lease, and it runs out by itself.
        settled_at_s: when the PSP's payout for it was booked.
        refund_number: how many refunds were begun; a refused one may be tried again.
        reason: the last answer that was no success, for people.
    """

    id: str
    event_id: str
    seller: str
    amount: int
    currency: str
    payment_method: str
    state: State = State.CREATED
    version: int = 0
    key_generation: int = 0
    attempts: int = 0
    intent_id: str | None = None
    authorising_since_s: float | None = None
    due_at_s: float | None = None
    settled_at_s: float | None = None
    refund_number: int = 0
    reason: str | None = None


SCHEMA = (
    *events.SCHEMA,
    "CREATE TABLE IF NOT EXISTS payment_orders (id TEXT PRIMARY KEY, event_id TEXT NOT NULL,"
    " seller TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL,"
    " payment_method TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL,"
    " key_generation INTEGER NOT NULL, attempts INTEGER NOT NULL, intent_id TEXT,"
    " authorising_since_s REAL, due_at_s REAL, settled_at_s REAL,"
    " refund_number INTEGER NOT NULL, reason TEXT)",
    "CREATE INDEX IF NOT EXISTS payment_orders_of_event ON payment_orders (event_id)",
    "CREATE INDEX IF NOT EXISTS payment_orders_due ON payment_orders (due_at_s)"
    " WHERE due_at_s IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS order_history (order_id TEXT, version INTEGER,"
    " state TEXT NOT NULL, at_s REAL NOT NULL, PRIMARY KEY (order_id, version))",
)
COLUMNS = tuple(field.name for field in fields(PaymentOrder))
CHANGING = ("state", *COLUMNS[COLUMNS.index("state") + 1 :])
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM payment_orders"


def create(t: Transaction, event: PaymentEvent) -> tuple[PaymentOrder, ...]:
    """Write an event and one order for each of its sellers; the orders are due at once.

    An event that is there already stays as it is, and so do its orders.

    Returns:
        The event's orders, as they are now.

    Raises:
        InvalidEventError: see ``events.shares``.
        EventConflictError: the id is there with other content.
    """
    if not events.save(t, event):
        return of_event(t.execute, event.id)
    for number, (seller, amount) in enumerate(events.shares(event), 1):
        order = PaymentOrder(
            id=f"{event.id}-{number}",
            event_id=event.id,
            seller=seller,
            amount=amount,
            currency=event.currency,
            payment_method=event.payment_method,
            due_at_s=event.at_s,
        )
        marks = ", ".join("?" * len(COLUMNS))
        t.execute(f"INSERT INTO payment_orders VALUES ({marks})", _values(order, COLUMNS))
        history = (order.id, order.version, str(order.state), event.at_s)
        t.execute("INSERT INTO order_history VALUES (?, ?, ?, ?)", history)
    return of_event(t.execute, event.id)


def amend(t: Transaction, order: PaymentOrder, **changes: Any) -> PaymentOrder:
    """Compare and set: change an order if it still is what was read.

    One UPDATE writes the changes and ``version + 1`` to the row with this id *and* this version.

    Args:
        t: the commit that this is part of.
        order: as it was read.
        changes: fields of the order, by name.

    Returns:
        The order as it is now.

    Raises:
        StaleOrderError: no row has this id and version; nothing is written.
    """
    amended = replace(order, **changes, version=order.version + 1)
    assignments = ", ".join(f"{name} = ?" for name in CHANGING)
    updated = t.execute(
        f"UPDATE payment_orders SET {assignments} WHERE id = ? AND version = ? RETURNING id",
        (*_values(amended, CHANGING), order.id, order.version),
    )
    if not updated:
        raise StaleOrderError(f"order {order.id} is not at version {order.version} any more")
    return amended


def move(
    t: Transaction, order: PaymentOrder, to: State, now_s: float, **changes: Any
) -> PaymentOrder:
    """Take an order to its next state, unless somebody else has moved it since it was read.

    The order is written by :func:`amend`, which compares and sets. The move is kept in the table
    ``order_history`` (order_id, version, state, at_s), with the version that the order has then.

    Args:
        t: the commit that this is part of.
        order: as it was read.
        to: the next state; `ALLOWED` says which may follow.
        now_s: for the history, in seconds since 1970.
        changes: further fields of the order to write, by name.

    Returns:
        The order as it is now.

    Raises:
        TransitionError: `ALLOWED` has no such move; nothing is written.
        StaleOrderError: see :func:`amend`; nothing is written.
    """
    if to not in ALLOWED[order.state]:
        raise TransitionError(f"order {order.id} can't go from {order.state} to {to}")
    moved = amend(t, order, **changes, state=to)
    t.execute(
        "INSERT INTO order_history VALUES (?, ?, ?, ?)", (moved.id, moved.version, str(to), now_s)
    )
    return moved


def get(read: Read, order_id: str) -> PaymentOrder:
    """One order.

    Raises:
        UnknownOrderError: there is none with this id.
    """
    rows = read(f"{_SELECT} WHERE id = ?", (order_id,))
    if not rows:
        raise UnknownOrderError(f"there is no order {order_id}")
    return _order(rows[0])


def of_event(read: Read, event_id: str) -> tuple[PaymentOrder, ...]:
    """An event's orders, by their number."""
    found = [_order(row) for row in read(f"{_SELECT} WHERE event_id = ?", (event_id,))]
    return tuple(sorted(found, key=lambda order: int(order.id.rpartition("-")[2])))


def due(read: Read, now_s: float, limit: int = 100) -> list[str]:
    """The ids of orders that a worker may take up now, the longest waiting first."""
    rows = read(
        "SELECT id FROM payment_orders WHERE due_at_s <= ? ORDER BY due_at_s, id LIMIT ?",
        (now_s, limit),
    )
    return [row[0] for row in rows]


def history(read: Read, order_id: str) -> list[tuple[State, float]]:
    """Each state that an order has been written down in, and when, oldest first."""
    rows = read(
        "SELECT state, at_s FROM order_history WHERE order_id = ? ORDER BY version", (order_id,)
    )
    return [(State(state), at_s) for state, at_s in rows]


def _order(row: Row) -> PaymentOrder:
    order = PaymentOrder(*row)
    return replace(order, state=State(order.state))


def _values(order: PaymentOrder, names: Sequence[str]) -> tuple[Any, ...]:
    values = replace(order, state=str(order.state))  # type: ignore[arg-type]
    return tuple(getattr(values, name) for name in names)
