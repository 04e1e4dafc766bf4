"""Asking for a refund: the money is held first, and only then is the PSP told."""

from amazonian.payments import entries, ledger, orders
from amazonian.payments.orders import PaymentOrder, State
from amazonian.resilience.database import Transaction

UNDER_WAY = frozenset({State.REFUNDING, State.REFUNDED})


class NotRefundableError(Exception):
    """The buyer was never charged for this order, so there is nothing to give back."""


def begin(t: Transaction, order_id: str, now_s: float) -> PaymentOrder:
    """Begin an order's refund, in the commit `t`: hold the money, and make the order due.

    A refund that is under way or done is left as it is.

    Returns:
        The order as it is now.

    Raises:
        NotRefundableError: it is neither captured nor settled.
        InsufficientFundsError: the seller has less than that left; nothing is written.
        UnknownOrderError: there is no such order.
    """
    order = orders.get(t.execute, order_id)
    if order.state in UNDER_WAY:
        return order
    if State.REFUNDING not in orders.ALLOWED[order.state]:
        raise NotRefundableError(f"order {order.id} is {order.state}; only a charge can go back")
    number = order.refund_number + 1
    moved = orders.move(
        t, order, State.REFUNDING, now_s, refund_number=number, attempts=0, due_at_s=now_s
    )
    ledger.post(t, entries.refund_hold(moved, now_s))
    return moved
