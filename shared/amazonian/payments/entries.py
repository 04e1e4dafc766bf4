"""What is booked for a payment order: one journal entry for each thing that happens to it.

The shop keeps a tenth of each order as its commission. An entry's id says what it is for, so that
the same thing can't be booked twice.
"""

from amazonian.payments import money
from amazonian.payments.ledger import Entry, Posting
from amazonian.payments.money import Money
from amazonian.payments.orders import PaymentOrder

PSP = "psp:stripe"  # asset: what the PSP has collected and owes us
BANK = "bank:shop"  # asset: what it has paid out
FEES = "fees:stripe"  # expense: what it has kept for itself
REFUNDS = "refunds:stripe"  # liability: held for buyers whose refund is under way
COMMISSION = "commission:shop"  # income
COMMISSION_PERCENT = 10


def shares(order: PaymentOrder) -> dict[str, int]:
    """Who gets how much of an order, in minor units by account: the seller and the shop."""
    total = Money(order.amount, order.currency)
    parts = money.split(total, [100 - COMMISSION_PERCENT, COMMISSION_PERCENT])
    accounts = (f"seller:{order.seller}", COMMISSION)
    return {account: part.amount for account, part in zip(accounts, parts, strict=True)}


def capture(order: PaymentOrder, at_s: float) -> Entry:
    """The buyer was charged: the PSP owes us, and we owe the seller."""
    legs = {PSP: order.amount} | {account: -part for account, part in shares(order).items()}
    return _entry(f"capture:{order.id}", f"{order.id} charged", order.currency, legs, at_s)


def refund_hold_id(order: PaymentOrder) -> str:
    """The id of the entry that holds an order's money for its refund; each request has its own."""
    return f"refund-hold:{order.id}/{order.refund_number}"


def refund_hold(order: PaymentOrder, at_s: float) -> Entry:
    """A refund begins: seller and shop give up their shares, which are held for the buyer."""
    legs = shares(order) | {REFUNDS: -order.amount}
    return _entry(refund_hold_id(order), f"{order.id} held back", order.currency, legs, at_s)


def refund(order: PaymentOrder, at_s: float) -> Entry:
    """The buyer has the money back: the PSP owes us that much less."""
    legs = {REFUNDS: order.amount, PSP: -order.amount}
    return _entry(f"refund:{order.id}", f"{order.id} refunded", order.currency, legs, at_s)


def settlement(order: PaymentOrder, fee: int, at_s: float) -> Entry:
    """The PSP paid out what it had collected for an order, less its fee in minor units."""
    legs = {BANK: order.amount - fee, FEES: fee, PSP: -order.amount}
    return _entry(f"settle:{order.id}", f"{order.id} paid out", order.currency, legs, at_s)


def refund_settlement(order: PaymentOrder, at_s: float) -> Entry:
    """The PSP took an order's refund off its payout. It gives no fee back."""
    legs = {PSP: order.amount, BANK: -order.amount}
    return _entry(f"settle-refund:{order.id}", f"{order.id} offset", order.currency, legs, at_s)


def _entry(name: str, text: str, currency: str, legs: dict[str, int], at_s: float) -> Entry:
    postings = [Posting(account, amount, currency) for account, amount in legs.items() if amount]
    return Entry(name, text, tuple(postings), at_s)
