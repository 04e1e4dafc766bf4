"""Booking the PSP's payouts, line by line of its settlement file, each once."""

from amazonian.payments import conclusions, entries, ledger, orders
from amazonian.payments.orders import PaymentOrder, State
from amazonian.resilience.database import Transaction


class SettlementMismatchError(Exception):
    """The PSP's line is not what we have booked; reconciliation says what to do with it."""


def settle(t: Transaction, order_id: str, gross: int, fee: int, now_s: float) -> PaymentOrder:
    """Book that the PSP paid out an order's charge, in the commit `t`.

    A captured order becomes settled. One that is being refunded keeps its state, since the money
    has come all the same. What is settled already stays as it is.

    Args:
        gross: what the buyer was charged, in minor units.
        fee: what the PSP kept of it.
        now_s: in seconds since 1970.

    Raises:
        SettlementMismatchError: the buyer was not charged, or another amount.
        UnknownOrderError: there is no such order.
    """
    order = orders.get(t.execute, order_id)
    if order.settled_at_s is not None:
        return order
    if order.intent_id is None or gross != order.amount:
        raise SettlementMismatchError(f"{order.id} is {order.state}, {order.amount}, not {gross}")
    ledger.post(t, entries.settlement(order, fee, now_s))
    if order.state is not State.CAPTURED:
        return orders.amend(t, order, settled_at_s=now_s)
    moved = orders.move(t, order, State.SETTLED, now_s, settled_at_s=now_s)
    conclusions.announce(t, moved, "payment.settled", now_s)
    return moved


def settle_refund(t: Transaction, order_id: str, gross: int, now_s: float) -> bool:
    """Book that the PSP took an order's refund off a payout; True if that is new.

    Args:
        gross: the refunded amount in minor units, as a positive number.

    Raises:
        SettlementMismatchError: the order is not refunded, or another amount.
        UnknownOrderError: there is no such order.
    """
    order = orders.get(t.execute, order_id)
    if order.state is not State.REFUNDED or gross != order.amount:
        raise SettlementMismatchError(f"{order.id} is {order.state}, {order.amount}, not {gross}")
    return ledger.post(t, entries.refund_settlement(order, now_s))
