"""Refunds: collected money going back, whole or in parts, never more than was collected."""

from typing import Any

from amazonian.payments.stripe_simulator import balance, events, payment_methods
from amazonian.payments.stripe_simulator.account import Account, ApiObject
from amazonian.payments.stripe_simulator.errors import ApiError, invalid


def create(account: Account, params: dict[str, Any], id: str | None = None) -> ApiObject:
    """Send back `amount` of a charge, or what is left of it. The PSP keeps its fee."""
    charge = _charge_of(account, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not left:
        message = f"Nothing is left to refund on the charge {charge['id']}."
        raise ApiError(400, message, code="charge_already_refunded")
    amount = params.get("amount", left)
    if amount < 1:
        raise invalid("An amount is at least 1.", "amount", "parameter_invalid_integer")
    if amount > left:
        raise invalid(f"{amount} is more than the {left} left on the charge.", "amount")
    method = payment_methods.find(charge["payment_method"])
    moved = balance.record(account, "refund", "", -amount, charge["currency"])
    refund = account.new(
        "refund",
        amount=amount,
        balance_transaction=moved["id"],
        charge=charge["id"],
        currency=charge["currency"],
        metadata=params.get("metadata", {}),
        payment_intent=charge["payment_intent"],
        reason=params.get("reason"),
        status="pending" if method.refund_takes_s and method.refund == "succeeded" else "succeeded",
    )
    account.put(moved, source=refund["id"])
    account.put(refund)
    _count(account, charge, amount)
    events.emit(account, "refund.created", refund)
    if method.refund_takes_s:
        account.later(method.refund_takes_s, lambda: _end(account, refund["id"], method.refund))
    return refund


def _charge_of(account: Account, params: dict[str, Any]) -> ApiObject:
    if "payment_intent" in params:
        intent = account.get("payment_intent", params["payment_intent"], "payment_intent")
        id = intent["latest_charge"]
        charge = account.get("charge", id) if id else {"captured": False}
    elif "charge" in params:
        charge = account.get("charge", params["charge"], "charge")
    else:
        raise invalid("Send payment_intent or charge.", "payment_intent", "parameter_missing")
    if not charge["captured"]:
        raise ApiError(400, "Nothing was collected that could be refunded; cancel it instead.")
    return charge


def _count(account: Account, charge: ApiObject, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    whole = refunded == charge["amount_captured"]
    charge = account.put(charge, amount_refunded=refunded, refunded=whole)
    events.emit(account, "charge.refunded" if amount > 0 else "charge.updated", charge)


def _end(account: Account, id: str, status: str) -> None:
    refund = account.get("refund", id)
    changes: dict[str, Any] = {"status": status}
    if status == "failed":
        amount, currency = refund["amount"], refund["currency"]
        back = balance.record(account, "refund_failure", id, amount, currency)
        changes["failure_balance_transaction"] = back["id"]
        changes["failure_reason"] = "expired_or_canceled_card"
        _count(account, account.get("charge", refund["charge"]), -amount)
    refund = account.put(refund, **changes)
    events.emit(account, "refund.failed" if status == "failed" else "refund.updated", refund)
