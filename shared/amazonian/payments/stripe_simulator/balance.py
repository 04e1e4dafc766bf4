"""The merchant's balance at the PSP: the sum of its balance transactions, per currency.

What a payment brings is `pending` for two days, then `available`. The fee is a model of Stripe's
US list price: 2.9 % of the amount and a fixed 30 units (cents, yen …) more.
"""

from collections import Counter

from amazonian.payments.stripe_simulator.account import Account, ApiObject

PENDING_S = 2 * 86_400
FEE_BASIS_POINTS, FIXED_FEE = 290, 30


def fee(amount: int) -> int:
    """What the PSP keeps of a payment, rounded to the nearest unit, half up."""
    return (amount * FEE_BASIS_POINTS + 5_000) // 10_000 + FIXED_FEE


def record(
    account: Account, kind: str, source: str, amount: int, currency: str, fee: int = 0
) -> ApiObject:
    """Write down that `amount` came (or, negative, went), of which the PSP keeps `fee`.

    Args:
        kind: "charge", "refund" or "refund_failure".
        source: id of the charge or refund that moved the money.
    """
    kept = {"amount": fee, "application": None, "currency": currency, "type": "stripe_fee"}
    moved = account.put(
        account.new(
            "balance_transaction",
            amount=amount,
            available_on=account.now() + PENDING_S,
            currency=currency,
            description=None,
            exchange_rate=None,
            fee=fee,
            fee_details=[{**kept, "description": "Processing fees"}] if fee else [],
            net=amount - fee,
            reporting_category=kind,
            source=source,
            status="pending",
            type=kind,
        )
    )
    account.later(PENDING_S, lambda: account.put(moved, status="available"))
    return moved


def retrieve(account: Account, params: ApiObject, id: str | None = None) -> ApiObject:
    """The balance: what is available and what is pending, per currency."""
    sums: dict[str, Counter[str]] = {"available": Counter(), "pending": Counter()}
    for moved in account.newest_first("balance_transaction"):
        for status in sums:
            sums[status][moved["currency"]] += moved["net"] if moved["status"] == status else 0
    shown = {
        status: [{"amount": net, "currency": currency} for currency, net in sorted(of.items())]
        for status, of in sums.items()
    }
    return {"object": "balance", "livemode": False, **shown}
