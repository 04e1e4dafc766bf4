"""Stripe's test payment methods, each with what happens to a payment made with it.

At Stripe each use of such a name makes a payment method with an id of its own; here the name is
the id. Source: Stripe's guide "Testing".
"""

from dataclasses import dataclass

from amazonian.payments.stripe_simulator.account import ApiObject
from amazonian.payments.stripe_simulator.errors import missing

MINUTES_3_S = 180.0


@dataclass(frozen=True)
class Behaviour:
    """How payments with a test payment method turn out.

    Args:
        kind: of payment method; "card" answers at once.
        brand, last4: as shown.
        declined: error code, decline code and message of the refusal, or None.
        takes_s: seconds in which the payment is `processing`, until its outcome is known.
        refund: what becomes of refunds in the end.
        refund_takes_s: seconds until then; before, they are pending, or look fine.
    """

    kind: str = "card"
    brand: str = "visa"
    last4: str = "4242"
    declined: tuple[str, str, str] | None = None
    takes_s: float = 0.0
    refund: str = "succeeded"
    refund_takes_s: float = 0.0


def _declined(last4: str, message: str, decline_code: str, code: str = "card_declined"):
    return Behaviour(last4=last4, declined=(code, decline_code, message))


TEST_METHODS = {
    "pm_card_visa": Behaviour(),
    "pm_card_mastercard": Behaviour(brand="mastercard", last4="4444"),
    "pm_card_amex": Behaviour(brand="amex", last4="8431"),
    "pm_card_chargeDeclined": _declined("0002", "The card was declined.", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": _declined(
        "9995", "The card has insufficient funds.", "insufficient_funds"
    ),
    "pm_card_chargeDeclinedLostCard": _declined("9987", "The card was declined.", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": _declined("9979", "The card was declined.", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": _declined(
        "0069", "The card has expired.", "expired_card", "expired_card"
    ),
    "pm_card_chargeDeclinedIncorrectCvc": _declined(
        "0127", "The card's security code is wrong.", "incorrect_cvc", "incorrect_cvc"
    ),
    "pm_card_chargeDeclinedProcessingError": _declined(
        "0119",
        "The card was not processed; try again.",
        "processing_error",
        "processing_error",
    ),
    "pm_card_pendingRefund": Behaviour(last4="7726", refund_takes_s=MINUTES_3_S),
    "pm_card_refundFail": Behaviour(last4="5126", refund="failed", refund_takes_s=MINUTES_3_S),
    "pm_usBankAccount_success": Behaviour("us_bank_account", "", "6789", takes_s=MINUTES_3_S),
    "pm_usBankAccount_insufficientFunds": Behaviour(
        "us_bank_account",
        "",
        "2227",
        ("payment_method_provider_decline", "insufficient_funds", "The account lacks the funds."),
        MINUTES_3_S,
    ),
}


def find(id: str, param: str = "payment_method") -> Behaviour:
    """A test payment method by its name.

    Raises:
        ApiError: 404, there is none of this name.
    """
    if id not in TEST_METHODS:
        raise missing("PaymentMethod", id, param)
    return TEST_METHODS[id]


def show(id: str) -> ApiObject:
    """A payment method as the API shows it."""
    method = find(id)
    details = {"last4": method.last4, "funding": "credit", "country": "US"}
    if method.kind == "card":
        details |= {"brand": method.brand, "exp_month": 12, "exp_year": 2099}
    shown = {"id": id, "object": "payment_method", "created": 0, "livemode": False}
    return {**shown, "type": method.kind, method.kind: details, "customer": None, "metadata": {}}
