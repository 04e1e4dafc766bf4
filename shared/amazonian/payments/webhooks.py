"""Webhooks: what the PSP tells us unasked, perhaps late, twice, and in any order.

Anybody can send a request to our address, so each one is signed. What it says is a hint that
comes earlier than our next question, or later than our last answer: it moves an order on where the
state machine allows that, and never back.

Source: Stripe's guide "Receive Stripe events in your webhook endpoint", "Verify the signature
manually".
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any

from amazonian.payments import conclusions, orders, provider
from amazonian.payments.orders import PaymentOrder, State, UnknownOrderError
from amazonian.payments.provider import Captured, Declined, Outcome, Refunded, RefundRefused
from amazonian.resilience.database import Database, Transaction

TOLERANCE_S = 300.0

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS webhooks (event_id TEXT PRIMARY KEY, type TEXT NOT NULL,"
    " at_s REAL NOT NULL, moved_order TEXT)",
)


class InvalidWebhookError(ValueError):
    """A request is no webhook of the PSP: answer 400, and do nothing that it says."""


class WebhookSignatureError(InvalidWebhookError):
    """The signature is missing, too old, or made with another secret or for another payload."""


def signature(payload: bytes, timestamp: int, secret: str) -> str:
    """The signature of a payload: HMAC-SHA256 of ``<timestamp>.<payload>``, in hexadecimal."""
    signed = b"%d.%s" % (timestamp, payload)
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def verify(
    payload: bytes, header: str, secret: str, now_s: float, tolerance_s: float = TOLERANCE_S
) -> None:
    """Make sure that a webhook comes from the PSP, unchanged, and not from long ago.

    The header is a list of ``name=value``, separated by commas: a ``t``, the time of sending in
    seconds since 1970 (of several the first counts), and any number of ``v1``, one for each secret
    that is valid now. Other names are passed over. One ``v1`` that equals the :func:`signature` is
    enough. Compare with ``hmac.compare_digest``, which takes as long for a near miss as for a far
    one.

    Args:
        payload: the body, byte for byte as it came.
        header: the value of ``Stripe-Signature``; may be empty, or anything.
        secret: the endpoint's.
        now_s: in seconds since 1970.
        tolerance_s: how long ago it may have been sent. The time is part of what is signed, so
            nobody can send an old webhook again as a new one.

    Raises:
        WebhookSignatureError: the header has no ``t`` or one that is not 1 to 15 digits, no ``v1``
            fits, or it is older than `tolerance_s` seconds.
    """
    fields = [field.partition("=")[::2] for field in header.split(",")]
    sent_at = next((value for name, value in fields if name == "t"), "")
    if not re.fullmatch("[0-9]{1,15}", sent_at):
        raise WebhookSignatureError("Stripe-Signature has no time, as in t=1700000000")
    expected = signature(payload, int(sent_at), secret).encode()
    given = [value.encode(errors="replace") for name, value in fields if name == "v1"]
    if not any(hmac.compare_digest(expected, value) for value in given):
        raise WebhookSignatureError("no v1 signature in Stripe-Signature fits payload and secret")
    if int(sent_at) < now_s - tolerance_s:
        raise WebhookSignatureError(f"the webhook is more than {tolerance_s:.0f} s old")


@dataclass(frozen=True)
class News:
    """What an event says of an order, and the idempotency key of the request that led to it."""

    order_id: str
    key: str
    outcome: Outcome


def news_in(event: dict[str, Any]) -> News | None:
    """What an event says of one of our orders; None if it says nothing of any.

    =================================  ==========================================
    type                               says
    =================================  ==========================================
    ``payment_intent.succeeded``       ``Captured``
    ``payment_intent.payment_failed``  ``Declined``, with its last payment error
    ``payment_intent.canceled``        ``Declined``
    ``refund.created`` and             ``Refunded`` if its status is ``succeeded``
    ``refund.updated``
    ``refund.failed``                  ``RefundRefused``
    =================================  ==========================================

    The order's id and the key are in the ``metadata`` that we sent.
    """
    thing = event["data"]["object"]
    outcome: Outcome
    match event["type"]:
        case "payment_intent.succeeded":
            outcome = Captured(thing["id"])
        case "payment_intent.payment_failed" | "payment_intent.canceled":
            error = thing.get("last_payment_error") or {}
            code = error.get("code") or thing["status"]
            outcome = Declined(code, error.get("message") or thing["status"])
        case "refund.created" | "refund.updated" if thing["status"] == "succeeded":
            outcome = Refunded(thing["id"])
        case "refund.failed":
            outcome = RefundRefused(thing.get("failure_reason") or "failed", "the refund failed")
        case _:
            return None
    ours = thing.get("metadata") or {}
    return News(ours["order_id"], ours.get("key", ""), outcome) if "order_id" in ours else None


def waits_for(order: PaymentOrder, news: News) -> bool:
    """Whether an order is in a state in which this news takes it further.

    - ``Captured`` is news for an order whose charge is under way: authorising or unknown. Whichever
      request it comes from, the buyer has paid.
    - ``Declined`` is so, too, but only if its key is the one that the charge has now
      (``provider.charge_key``): the failure of an earlier request says nothing of this one.
    - ``Refunded`` is news for an order that is refunding, with the key that the refund has now
      (``provider.refund_key``): an earlier one may have succeeded, and have come back since.
    - ``RefundRefused``, with that key, is news for an order that is refunding or refunded: the
      buyer's bank may send a refund back.

    No other outcome is news. In any other state the event comes late, or again.
    """
    charging = order.state in (State.AUTHORISING, State.UNKNOWN)
    match news.outcome:
        case Captured():
            return charging
        case Declined():
            return charging and news.key == provider.charge_key(order)
        case Refunded():
            return order.state is State.REFUNDING and news.key == provider.refund_key(order)
        case _:
            refunding = order.state in (State.REFUNDING, State.REFUNDED)
            return refunding and news.key == provider.refund_key(order)


def apply(t: Transaction, event: dict[str, Any], now_s: float) -> str | None:
    """Let an event move its order on, in the commit `t`, if the order waits for just that.

    See :func:`news_in` for what an event says and :func:`waits_for` for whether its order waits
    for that. If so, ``conclusions.conclude`` the order with the news' outcome; pass `now_s` as
    `retry_at_s`, too, which no webhook needs. If not, leave the order as it is.

    Returns:
        The id of the order that was moved; None if none was, also because we have no such order.
    """
    news = news_in(event)
    if news is None:
        return None
    try:
        order = orders.get(t.execute, news.order_id)
    except UnknownOrderError:
        return None
    if not waits_for(order, news):
        return None
    conclusions.conclude(t, order, news.outcome, now_s, retry_at_s=now_s)
    return order.id


def receive(database: Database, payload: bytes, header: str, secret: str, now_s: float) -> bool:
    """Take in one webhook request: verify it, remember its id, and apply it once, in one commit.

    Returns:
        Whether it was new. The PSP is answered with 200 in both cases, or it would send it again.

    Raises:
        InvalidWebhookError: answer 400; see :func:`verify`. Also if it is signed but no event.
    """
    verify(payload, header, secret, now_s)
    try:
        event = json.loads(payload)
        event_id, kind = event["id"], event["type"]
        news_in(event)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidWebhookError(f"the payload is no event: {error!r}") from None

    def change(t: Transaction) -> bool:
        if t.execute("SELECT 1 FROM webhooks WHERE event_id = ?", (event_id,)):
            return False
        moved = apply(t, event, now_s)
        t.execute("INSERT INTO webhooks VALUES (?, ?, ?, ?)", (event_id, kind, now_s, moved))
        return True

    return database.write(change)
