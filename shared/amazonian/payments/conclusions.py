"""What follows from the PSP's answer: state, journal, wallet and message, in one commit."""

from amazonian.payments import dead_letters, entries, ledger, orders, outbox
from amazonian.payments.orders import PaymentOrder, State
from amazonian.payments.provider import (
    Captured,
    Declined,
    Outcome,
    Refunded,
    RefundRefused,
    Rejected,
    Unknown,
)
from amazonian.resilience.database import Transaction


def conclude(
    t: Transaction, order: PaymentOrder, outcome: Outcome, now_s: float, retry_at_s: float
) -> PaymentOrder:
    """Write down all that follows from what the PSP said of an order, in the commit `t`.

    ==================  =======================  ============================================
    outcome             the order's next state   and in the same commit
    ==================  =======================  ============================================
    ``Captured``        captured, `intent_id`    entry ``entries.capture``
    ``Declined``        declined, `reason`
    ``Refunded``        refunded                 entry ``entries.refund``
    ``RefundRefused``   as before the refund     the hold's reversal; see :func:`release`
    ``Rejected``        as it is                 ``dead_letters.add``, with the code and message
    ``Unknown``         see :func:`ask_later`
    ==================  =======================  ============================================

    After the first four nothing is left to do: `due_at_s` becomes None, a dead letter for the
    order goes away (``dead_letters.remove``), and the others hear of it (:func:`announce`).

    Args:
        order: as the caller read it.
        outcome: what the PSP said.
        now_s: in seconds since 1970.
        retry_at_s: when to ask again, if that is needed.

    Returns:
        The order as it is now.

    Raises:
        StaleOrderError: somebody else has moved the order meanwhile.
        TransitionError: the order's state doesn't allow it.
    """
    match outcome:
        case Unknown():
            return ask_later(t, order, outcome, now_s, retry_at_s)
        case Rejected(code, message):
            return dead_letters.add(t, order, f"{code}: {message}", now_s)
        case Captured(intent_id):
            moved = orders.move(t, order, State.CAPTURED, now_s, intent_id=intent_id, due_at_s=None)
            ledger.post(t, entries.capture(order, now_s))
        case Declined(code, message):
            reason = f"{code}: {message}"
            moved = orders.move(t, order, State.DECLINED, now_s, reason=reason, due_at_s=None)
        case Refunded():
            moved = orders.move(t, order, State.REFUNDED, now_s, due_at_s=None)
            ledger.post(t, entries.refund(order, now_s))
        case RefundRefused():
            moved = release(t, order, outcome, now_s)
    dead_letters.remove(t, order.id)
    announce(t, moved, f"payment.{moved.state}", now_s)
    return moved


def ask_later(
    t: Transaction, order: PaymentOrder, outcome: Unknown, now_s: float, retry_at_s: float
) -> PaymentOrder:
    """Nobody can tell: a charge becomes unknown, a refund stays under way; both are due again.

    If the key is spent, the next request takes a new one. That is safe because the PSP is asked
    first, and because what it keeps under a key is no longer running there.
    """
    state = State.REFUNDING if order.state is State.REFUNDING else State.UNKNOWN
    generation = order.key_generation + outcome.key_spent
    return orders.move(
        t,
        order,
        state,
        now_s,
        key_generation=generation,
        due_at_s=retry_at_s,
        reason=outcome.reason,
    )


def release(
    t: Transaction, order: PaymentOrder, refusal: RefundRefused, now_s: float
) -> PaymentOrder:
    """The PSP won't refund: the order is what it was, and seller and shop have their shares again.

    The next request for a refund is a new one, with a new key.
    """
    hold = entries.refund_hold_id(order)
    ledger.reverse(t, hold, f"release:{hold}", now_s)
    before = State.CAPTURED if order.settled_at_s is None else State.SETTLED
    return orders.move(
        t,
        order,
        before,
        now_s,
        key_generation=order.key_generation + 1,
        due_at_s=None,
        reason=f"{refusal.code}: {refusal.message}",
    )


def announce(t: Transaction, order: PaymentOrder, topic: str, now_s: float) -> None:
    """Tell the others what became of an order, through the outbox."""
    body = {
        "event_id": order.event_id,
        "order_id": order.id,
        "seller": order.seller,
        "amount": order.amount,
        "currency": order.currency,
        "state": str(order.state),
        "reason": order.reason,
    }
    outbox.add(t, topic, order.id, f"{order.id}/{order.version}", body, now_s)
