"""Our side of the PSP (payment service provider): charges, refunds, questions, with Stripe's SDK.

Every answer of the PSP, and every silence, becomes an `Outcome`. Retries are chapter 1's, with its
quota; the SDK's own are switched off, so that one policy decides.

Sources: Stripe's API reference on idempotent requests and errors. In API v1 the first status and
body are kept under the idempotency key once execution has begun, even those of a 500, and every
repetition gets them again, marked ``Idempotent-Replayed: true``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import stripe

from amazonian.payments.orders import PaymentOrder
from amazonian.resilience import retries

CLOCKS_DIFFER_BY_S = 300  # at most, the PSP's and ours
ONCE = {"max_network_retries": 0}
# Stripe counts the first two in hundredths, where ISO 4217 has no decimals, and the last in whole
# units, where it has two: what we call 5,000 would be charged as another amount.
OTHER_UNITS = frozenset({"ISK", "UGX", "MGA"})


@dataclass(frozen=True)
class Captured:
    """The buyer has been charged."""

    intent_id: str


@dataclass(frozen=True)
class Declined:
    """The buyer has not been charged, and this intent never will be."""

    code: str
    message: str


@dataclass(frozen=True)
class Rejected:
    """The PSP found fault with the request itself and did nothing: repeating it can't help."""

    code: str
    message: str


@dataclass(frozen=True)
class Refunded:
    """The buyer has the money back."""

    refund_id: str


@dataclass(frozen=True)
class RefundRefused:
    """The PSP will not give the money back."""

    code: str
    message: str


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell from the answer whether the PSP acted; it has to be asked.

    `key_spent` is true if the PSP has shown that it keeps this failure under the idempotency key:
    a repetition with that key gets the same failure for ever.
    """

    reason: str
    key_spent: bool = False


Outcome = Captured | Declined | Rejected | Refunded | RefundRefused | Unknown


def call_error(error: stripe.StripeError) -> retries.CallError | None:
    """What to tell the retry policy of an error: a repetition with the same key may help, or None.

    ========================================  ================================
    the SDK's error                           becomes
    ========================================  ================================
    ``APIConnectionError``                    ``retries.TransientError``
    ``RateLimitError`` (HTTP 429)             ``retries.ThrottledError``
    HTTP 409: the first attempt still runs    ``retries.TransientError``
    anything else                             None
    ========================================  ================================
    """
    if isinstance(error, stripe.RateLimitError):
        return retries.ThrottledError(str(error))
    if isinstance(error, stripe.APIConnectionError) or error.http_status == 409:
        return retries.TransientError(str(error))
    return None


def outcome_of(answer: stripe.PaymentIntent | stripe.StripeError) -> Outcome:
    """What the PSP's answer to a charge, or to a question about one, says of the buyer's money.

    - A PaymentIntent with status ``succeeded``: `Captured`, with the intent's id.
    - One with status ``canceled``, or ``requires_payment_method`` (so it is called after a
      decline): `Declined`, with ``code`` and ``message`` of its ``last_payment_error``, or, if
      that is None, with the status as both.
    - One with any other status: `Unknown`, with a reason that names it.
    - ``stripe.CardError`` (HTTP 402): `Declined`, with the error's ``code`` and ``user_message``.
    - ``stripe.InvalidRequestError`` and ``stripe.IdempotencyError`` (400, 404): `Rejected`, with
      ``code`` (or the name of the error's class if that is None) and ``user_message``.
    - Any other error: `Unknown`, with the error's text, ``str(answer)``, as reason. The key is
      spent if the answer is one that the PSP has kept; see :func:`replayed`.
    """
    if isinstance(answer, stripe.PaymentIntent):
        if answer.status == "succeeded":
            return Captured(answer.id)
        if answer.status in ("canceled", "requires_payment_method"):
            why = answer.last_payment_error
            code, message = (why.code, why.message) if why else (answer.status, answer.status)
            return Declined(code, message)
        return Unknown(f"payment intent {answer.id} is {answer.status}")
    if isinstance(answer, stripe.CardError):
        return Declined(answer.code, answer.user_message)
    if isinstance(answer, (stripe.InvalidRequestError, stripe.IdempotencyError)):
        return Rejected(answer.code or type(answer).__name__, answer.user_message)
    return Unknown(str(answer), key_spent=replayed(answer))


def refund_outcome_of(answer: stripe.Refund | stripe.StripeError) -> Outcome:
    """As :func:`outcome_of`, for a refund.

    A refusal (HTTP 400, 402 or 404, or a refund that failed) is `RefundRefused`: nothing moved, and
    the order is captured as before. One that has been refunded already is `Unknown`: ask.
    """
    if isinstance(answer, stripe.Refund):
        if answer.status == "succeeded":
            return Refunded(answer.id)
        if answer.status in ("failed", "canceled"):
            reason = getattr(answer, "failure_reason", None) or answer.status
            return RefundRefused(reason, f"refund {answer.id} is {answer.status}")
        return Unknown(f"refund {answer.id} is {answer.status}")
    outcome = outcome_of(answer)
    if isinstance(outcome, (Declined, Rejected)) and outcome.code != "charge_already_refunded":
        return RefundRefused(outcome.code, outcome.message)
    return Unknown(str(answer), key_spent=replayed(answer))


def replayed(error: stripe.StripeError) -> bool:
    """Whether the PSP sent an answer that it has kept, and so will send again."""
    headers: Mapping[str, str] = error.headers or {}
    return any(
        name.lower() == "idempotent-replayed" and value == "true" for name, value in headers.items()
    )


def charge_key(order: PaymentOrder) -> str:
    """The idempotency key of an order's charge: the same in every attempt, after every crash."""
    return f"{order.id}/{order.key_generation}"


def refund_key(order: PaymentOrder) -> str:
    """The idempotency key of an order's refund."""
    return f"{order.id}/refund/{order.key_generation}"


class StripeProvider:
    """Charges and refunds payment orders at Stripe, or at what speaks like it.

    Args:
        client: the SDK, with a time-out in its HTTP client.
        calls: the retry policy and the quota that all calls share.
    """

    def __init__(self, client: stripe.StripeClient, calls: retries.Client):
        self.client, self.calls = client, calls

    def charge(self, order: PaymentOrder) -> Outcome:
        """Charge the buyer: create a PaymentIntent and confirm it in one request.

        In a currency of `OTHER_UNITS` nothing is sent, and the outcome is `Rejected`.
        """
        if order.currency in OTHER_UNITS:
            return Rejected("unit_differs", f"{order.currency} has other minor units at the PSP")
        params = {
            "amount": order.amount,
            "currency": order.currency.lower(),
            "payment_method": order.payment_method,
            "payment_method_types": ["card"],
            "confirm": True,
            "metadata": {"order_id": order.id, "key": charge_key(order)},
        }
        options = ONCE | {"idempotency_key": charge_key(order)}
        return self._outcome(
            lambda: self.client.v1.payment_intents.create(params, options), outcome_of
        )

    def find(self, order: PaymentOrder) -> Outcome | None:
        """Ask what has become of an order's charge.

        The list is complete at once. Stripe's search is not: it may lag behind by a minute. What
        the list costs grows with the payments since the first attempt; a shop with many a second
        would give each buyer a customer at the PSP, and list that customer's alone.

        Returns:
            What the PSP says of the intent that bears the order's id, one that succeeded before
            one that did not; None if it knows of none; `Unknown` if it doesn't answer.
        """
        since_s = int(order.authorising_since_s or 0) - CLOCKS_DIFFER_BY_S
        params = {"created": {"gte": max(0, since_s)}, "limit": 100}
        return self._ask(
            lambda: self.client.v1.payment_intents.list(params, ONCE).auto_paging_iter(),
            lambda intent: _metadata(intent).get("order_id") == order.id,
            outcome_of,
        )

    def refund(self, order: PaymentOrder) -> Outcome:
        """Give the buyer the whole amount back."""
        key = refund_key(order)
        params = {"payment_intent": order.intent_id, "metadata": {"order_id": order.id, "key": key}}
        options = ONCE | {"idempotency_key": key}
        return self._outcome(
            lambda: self.client.v1.refunds.create(params, options), refund_outcome_of
        )

    def find_refund(self, order: PaymentOrder) -> Outcome | None:
        """Ask what has become of an order's refund; as :meth:`find`.

        A refund that failed counts only if it was this one: an earlier one's failure says nothing.
        """
        params = {"payment_intent": order.intent_id, "limit": 100}
        return self._ask(
            lambda: self.client.v1.refunds.list(params, ONCE).auto_paging_iter(),
            lambda refund: (
                refund.status not in ("failed", "canceled")
                or _metadata(refund).get("key") == refund_key(order)
            ),
            refund_outcome_of,
        )

    def _outcome(self, call: Callable[[], Any], reading: Callable[[Any], Any]) -> Any:
        def attempt(timeout_s: float) -> Any:  # the time-out is the SDK's HTTP client's
            try:
                return reading(call())
            except stripe.StripeError as error:
                again = call_error(error)
                if again is None:
                    return reading(error)
                raise again from error

        try:
            return self.calls.call(attempt, idempotent=True)
        except (retries.CallError, retries.DeadlineExceededError) as error:
            return Unknown(str(error))

    def _ask(
        self,
        things: Callable[[], Iterable[Any]],
        concerns: Callable[[Any], bool],
        reading: Callable[[Any], Outcome],
    ) -> Outcome | None:
        def answer() -> list[Any]:
            return [thing for thing in things() if concerns(thing)]

        def best(found: list[Any] | stripe.StripeError) -> Outcome | None:
            if isinstance(found, stripe.StripeError):
                return Unknown(f"could not ask: {found}")
            outcomes = [reading(thing) for thing in found]
            successes = [one for one in outcomes if isinstance(one, (Captured, Refunded))]
            return next(iter(successes + outcomes), None)

        return self._outcome(answer, best)


def _metadata(thing: Any) -> Mapping[str, str]:
    return thing.metadata.to_dict() if thing.metadata else {}
