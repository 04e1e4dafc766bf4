"""PaymentIntents: one intended payment each, from its making to its capture or cancellation.

    requires_payment_method → requires_confirmation → processing → succeeded
                                                    → requires_capture → succeeded
    any of these but succeeded and processing → canceled

A charge is one attempt at the payment; an intent may need several, of which at most one succeeds.
Source: Stripe's guide "How PaymentIntents work".
"""

import contextlib
from typing import Any

from amazonian.payments.stripe_simulator import balance, currencies, events, payment_methods
from amazonian.payments.stripe_simulator.account import Account, ApiObject
from amazonian.payments.stripe_simulator.errors import ApiError, invalid
from amazonian.payments.stripe_simulator.payment_methods import Behaviour

AUTHORISED_FOR_S = 7 * 86_400.0
UNPAID = ("requires_payment_method", "requires_confirmation")

Params = dict[str, Any]


def create(account: Account, params: Params, id: str | None = None) -> ApiObject:
    """Make an intent; with ``confirm`` also try to collect the money."""
    currencies.check_amount(params["amount"], params["currency"])
    _check_references(account, params)
    if params.get("confirm") and "payment_method" not in params:
        raise invalid("To confirm, send a payment_method.", "payment_method", "parameter_missing")
    intent = account.new(
        "payment_intent",
        amount=params["amount"],
        amount_capturable=0,
        amount_received=0,
        automatic_payment_methods=params.get("automatic_payment_methods"),
        canceled_at=None,
        cancellation_reason=None,
        capture_method=params.get("capture_method", "automatic_async"),
        client_secret=account.token("secret"),
        confirmation_method="automatic",
        currency=params["currency"],
        customer=params.get("customer") or None,
        description=params.get("description") or None,
        last_payment_error=None,
        latest_charge=None,
        metadata=_kept(params.get("metadata", {})),
        next_action=None,
        payment_method=params.get("payment_method"),
        payment_method_types=params.get("payment_method_types", ["card", "us_bank_account"]),
        receipt_email=params.get("receipt_email") or None,
        status="requires_confirmation" if "payment_method" in params else UNPAID[0],
    )
    account.put(intent)
    events.emit(account, "payment_intent.created", intent)
    return _attempt(account, intent, intent["payment_method"]) if params.get("confirm") else intent


def update(account: Account, params: Params, id: str) -> ApiObject:
    """Change an intent; what it costs, and how it is paid, only before it is paid."""
    intent = account.get("payment_intent", id, "intent")
    if set(params) - {"metadata", "description", "receipt_email"}:
        _require(intent, UNPAID)
    currency = params.get("currency", intent["currency"])
    currencies.check_amount(params.get("amount", intent["amount"]), currency)
    _check_references(account, params)
    changes = {name: value or None for name, value in params.items() if name != "metadata"}
    if "payment_method" in params:
        changes["status"] = "requires_confirmation"
    if "metadata" in params:
        changes["metadata"] = _kept({**intent["metadata"], **params["metadata"]})
    return account.put(intent, **changes)


def confirm(account: Account, params: Params, id: str) -> ApiObject:
    """Try to collect the money of an intent that exists."""
    intent = account.get("payment_intent", id, "intent")
    _require(intent, UNPAID)
    method = params.get("payment_method", intent["payment_method"])
    if method is None:
        raise invalid("To confirm, send a payment_method.", "payment_method", "parameter_missing")
    return _attempt(account, intent, method)


def capture(account: Account, params: Params, id: str) -> ApiObject:
    """Collect the authorised amount or a part of it; the remainder is released."""
    intent = account.get("payment_intent", id, "intent")
    _require(intent, ("requires_capture",))
    amount = params.get("amount_to_capture", intent["amount_capturable"])
    if not 1 <= amount <= intent["amount_capturable"]:
        message = f"From 1 to {intent['amount_capturable']} can be captured."
        raise invalid(message, "amount_to_capture", "amount_too_large" if amount > 0 else None)
    charge = _collect(account, account.get("charge", intent["latest_charge"]), amount)
    events.emit(account, "charge.captured", charge)
    return _succeed(account, intent, amount)


def cancel(account: Account, params: Params, id: str) -> ApiObject:
    """End an intent that nothing was collected for; an authorised amount is released."""
    intent = account.get("payment_intent", id, "intent")
    _require(intent, (*UNPAID, "requires_capture"))
    return _cancel(account, intent, params.get("cancellation_reason"))


def _attempt(account: Account, intent: ApiObject, name: str) -> ApiObject:
    method = payment_methods.find(name)
    intent = account.put(intent, payment_method=name, last_payment_error=None)
    if not method.takes_s:
        return _conclude(account, intent, name, method)
    intent = account.put(intent, status="processing")
    events.emit(account, "payment_intent.processing", intent)

    def outcome() -> None:
        with contextlib.suppress(ApiError):  # nobody waits for this answer; the events tell
            _conclude(account, account.get("payment_intent", intent["id"]), name, method)

    account.later(method.takes_s, outcome)
    return intent


def _conclude(account: Account, intent: ApiObject, name: str, method: Behaviour) -> ApiObject:
    charge = _charge(account, intent, name, method)
    intent = account.put(intent, latest_charge=charge["id"])
    if method.declined:
        raise _decline(account, intent, charge, name, method.declined)
    if intent["capture_method"] == "manual":
        events.emit(account, "charge.succeeded", charge)
        intent = account.put(intent, status="requires_capture", amount_capturable=intent["amount"])
        events.emit(account, "payment_intent.amount_capturable_updated", intent)
        account.later(AUTHORISED_FOR_S, lambda: _expire(account, intent["id"]))
        return intent
    events.emit(account, "charge.succeeded", _collect(account, charge, intent["amount"]))
    return _succeed(account, intent, intent["amount"])


def _charge(account: Account, intent: ApiObject, name: str, method: Behaviour) -> ApiObject:
    code, decline_code, message = method.declined or (None, None, None)
    network = "declined_by_network" if code else "approved_by_network"
    outcome = {"network_status": network, "reason": decline_code, "seller_message": message}
    return account.put(
        account.new(
            "charge",
            amount=intent["amount"],
            amount_captured=0,
            amount_refunded=0,
            balance_transaction=None,
            captured=False,
            currency=intent["currency"],
            customer=intent["customer"],
            description=intent["description"],
            disputed=False,
            failure_code=code,
            failure_message=message,
            metadata=intent["metadata"],
            outcome={**outcome, "type": "issuer_declined" if code else "authorized"},
            paid=not code,
            payment_intent=intent["id"],
            payment_method=name,
            payment_method_details={
                "type": method.kind,
                method.kind: payment_methods.show(name)[method.kind],
            },
            receipt_email=intent["receipt_email"],
            refunded=False,
            status="failed" if code else "succeeded",
        )
    )


def _collect(account: Account, charge: ApiObject, amount: int) -> ApiObject:
    currency, fee = charge["currency"], balance.fee(amount)
    moved = balance.record(account, "charge", charge["id"], amount, currency, fee)
    return account.put(
        charge, captured=True, amount_captured=amount, balance_transaction=moved["id"]
    )


def _succeed(account: Account, intent: ApiObject, amount: int) -> ApiObject:
    intent = account.put(intent, status="succeeded", amount_capturable=0, amount_received=amount)
    events.emit(account, "payment_intent.succeeded", intent)
    return intent


def _decline(
    account: Account, intent: ApiObject, charge: ApiObject, name: str, why: tuple[str, str, str]
) -> ApiError:
    code, decline_code, message = why
    details = {"charge": charge["id"], "decline_code": decline_code}
    method = payment_methods.show(name)
    error = ApiError(402, message, "card_error", code, payment_method=method, **details)
    intent = account.put(
        intent, status=UNPAID[0], payment_method=None, last_payment_error=error.error
    )
    events.emit(account, "charge.failed", charge)
    events.emit(account, "payment_intent.payment_failed", intent)
    error.error = {**error.error, "payment_intent": intent}
    return error


def _cancel(account: Account, intent: ApiObject, reason: str | None) -> ApiObject:
    canceled = {"status": "canceled", "canceled_at": account.now(), "amount_capturable": 0}
    intent = account.put(intent, **canceled, cancellation_reason=reason)
    events.emit(account, "payment_intent.canceled", intent)
    return intent


def _expire(account: Account, id: str) -> None:
    intent = account.get("payment_intent", id)
    if intent["status"] == "requires_capture":
        events.emit(account, "charge.expired", account.get("charge", intent["latest_charge"]))
        _cancel(account, intent, "expired")


def _require(intent: ApiObject, statuses: tuple[str, ...]) -> None:
    if intent["status"] not in statuses:
        message = f"The PaymentIntent is {intent['status']}; this needs {' or '.join(statuses)}."
        code = "payment_intent_unexpected_state"
        raise ApiError(400, message, code=code, payment_intent=intent)


def _check_references(account: Account, params: Params) -> None:
    if params.get("customer"):
        account.get("customer", params["customer"], "customer")
    if "payment_method" in params:
        payment_methods.find(params["payment_method"])


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if value}
