"""Payment events and their orders: what each order has come to, kept before every next step.

A buyer's click on "Buy" is one *payment event*. It becomes one *payment order* for each seller,
because each of them is paid, and may be refunded, on its own. An order is a small state machine:

    created → authorising → captured → settled
                  ↕     ↘         ↘       ↓
               unknown → declined  refunding → refunded

Whoever wants to do something to an order first writes down what, and only then does it. After a
crash the state says what may have happened and what certainly has not.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from amazonian.payments import money
from amazonian.payments.journal import Read
from amazonian.payments.money import Money
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
    State.REFUNDED: frozenset(),
    State.SETTLED: frozenset({State.REFUNDING}),
}
TERMINAL = frozenset({State.DECLINED, State.REFUNDED, State.SETTLED})


class InvalidEventError(ValueError):
    """A payment event that nobody could be charged for."""


class EventConflictError(Exception):
    """An event's id was used before, for something else."""


class UnknownOrderError(LookupError):
    """There is no order, or no event, with this id."""


class TransitionError(Exception):
    """An order can't go from its state to that one."""


class StaleOrderError(Exception):
    """Somebody else has moved the order meanwhile; read it again and decide anew."""


@dataclass(frozen=True)
class Item:
    """A part of a purchase: what one seller asks for it, in minor units of the event's currency."""

    seller: str
    amount: int


@dataclass(frozen=True)
class PaymentEvent:
    """One click on "Buy".

    Args:
        id: the shop's own; repeating an event with the same id creates nothing new.
        buyer: who pays.
        currency: ISO 4217, for all items.
        payment_method: the PSP's name for the buyer's card, as ``pm_card_visa``. A card number
            never reaches us.
        items: at least one; a seller may have several.
        at_s: when it was clicked, in seconds since 1970.
        discount: taken off the total, in minor units; the sellers bear it in proportion.
    """

    id: str
    buyer: str
    currency: str
    payment_method: str
    items: tuple[Item, ...]
    at_s: float
    discount: int = 0


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
    "CREATE TABLE IF NOT EXISTS payment_events (id TEXT PRIMARY KEY, buyer TEXT NOT NULL,"
    " currency TEXT NOT NULL, payment_method TEXT NOT NULL, items TEXT NOT NULL,"
    " at_s REAL NOT NULL, discount INTEGER NOT NULL)",
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


def shares(event: PaymentEvent) -> list[tuple[str, int]]:
    """What each seller gets of an event, in the order in which they first appear.

    The discount is spread in proportion to what the sellers ask, to the last minor unit.

    Raises:
        InvalidEventError: no items, an amount that is not above zero, or a discount that is
            negative or leaves a seller nothing.
    """
    asked: dict[str, int] = {}
    for item in event.items:
        if item.amount <= 0:
            raise InvalidEventError(f"{item.seller} asks for {item.amount}; send more than 0")
        asked[item.seller] = asked.get(item.seller, 0) + item.amount
    if not asked or event.discount < 0:
        raise InvalidEventError("an event has at least one item, and no negative discount")
    total = Money(event.discount, event.currency)
    discounts = [part.amount for part in money.split(total, list(asked.values()))]
    left = [amount - discount for amount, discount in zip(asked.values(), discounts, strict=True)]
    if min(left) <= 0:
        raise InvalidEventError(f"a discount of {event.discount} leaves a seller nothing")
    return list(zip(asked, left, strict=True))


def create(t: Transaction, event: PaymentEvent) -> tuple[PaymentOrder, ...]:
    """Write an event and one order for each of its sellers; the orders are due at once.

    An event that is there already stays as it is, and so do its orders.

    Returns:
        The event's orders, as they are now.

    Raises:
        InvalidEventError: see :func:`shares`.
        EventConflictError: the id is there with other content.
    """
    known = find_event(t.execute, event.id)
    if known is not None:
        if replace(known, at_s=event.at_s) != event:
            raise EventConflictError(f"event {event.id} is something else; take a new id")
        return of_event(t.execute, event.id)
    items = json.dumps([[item.seller, item.amount] for item in event.items])
    row = (event.id, event.buyer, event.currency, event.payment_method, items, event.at_s)
    t.execute("INSERT INTO payment_events VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, event.discount))
    for number, (seller, amount) in enumerate(shares(event), 1):
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


def find_event(read: Read, event_id: str) -> PaymentEvent | None:
    """An event, or None if there is none with this id."""
    for row in read("SELECT * FROM payment_events WHERE id = ?", (event_id,)):
        event_id, buyer, currency, payment_method, items, at_s, discount = row
        parts = tuple(Item(seller, amount) for seller, amount in json.loads(items))
        return PaymentEvent(event_id, buyer, currency, payment_method, parts, at_s, discount)
    return None


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
