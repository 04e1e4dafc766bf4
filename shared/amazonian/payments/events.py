"""Payment events: one click on "Buy", which may be for several sellers."""

import json
from dataclasses import dataclass, replace

from amazonian.payments import money
from amazonian.payments.journal import Read
from amazonian.payments.money import Money
from amazonian.resilience.database import Transaction

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS payment_events (id TEXT PRIMARY KEY, buyer TEXT NOT NULL,"
    " currency TEXT NOT NULL, payment_method TEXT NOT NULL, items TEXT NOT NULL,"
    " at_s REAL NOT NULL, discount INTEGER NOT NULL)",
)


class InvalidEventError(ValueError):
    """A payment event that nobody could be charged for."""


class EventConflictError(Exception):
    """An event's id was used before, for something else."""


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


def save(t: Transaction, event: PaymentEvent) -> bool:
    """Write an event, in the commit `t`; False if it is there already.

    Raises:
        EventConflictError: the id is there with other content.
    """
    known = find(t.execute, event.id)
    if known is not None:
        if replace(known, at_s=event.at_s) != event:
            raise EventConflictError(f"event {event.id} is something else; take a new id")
        return False
    items = json.dumps([[item.seller, item.amount] for item in event.items])
    row = (event.id, event.buyer, event.currency, event.payment_method, items, event.at_s)
    t.execute("INSERT INTO payment_events VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, event.discount))
    return True


def find(read: Read, event_id: str) -> PaymentEvent | None:
    """An event, or None if there is none with this id."""
    for row in read("SELECT * FROM payment_events WHERE id = ?", (event_id,)):
        event_id, buyer, currency, payment_method, items, at_s, discount = row
        parts = tuple(Item(seller, amount) for seller, amount in json.loads(items))
        return PaymentEvent(event_id, buyer, currency, payment_method, parts, at_s, discount)
    return None
