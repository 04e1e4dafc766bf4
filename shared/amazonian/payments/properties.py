"""What must hold of the payments, whatever died and whatever failed: the properties, by name."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from amazonian.payments import entries, ledger, orders, wallets
from amazonian.payments.journal import Read
from amazonian.payments.orders import PaymentOrder, State

DOUBLE_CHARGE = "double charge"
NOT_CHARGED = "not charged"
MONEY_LOST = "money lost"
WRONG_REFUND = "refund and order disagree"
BOOKS = "books don't balance"
WALLET = "wallet and ledger disagree"
PSP = "PSP and ledger disagree"
STUCK = "stuck"
MESSAGE_LOST = "message lost"
MESSAGE_TWICE = "message took effect twice"

CHARGED = frozenset({State.CAPTURED, State.SETTLED, State.REFUNDING, State.REFUNDED})
TOLD = frozenset({State.CAPTURED, State.DECLINED, State.REFUNDED, State.SETTLED})
ApiObject = dict[str, Any]


def violations(
    read: Read, psp: dict[str, list[ApiObject]], heard: Iterable[tuple[str, str]]
) -> list[str]:
    """The properties that don't hold, each by its name; empty if all is well.

    Args:
        read: from our database.
        psp: what the PSP has: its objects by kind (``payment_intent``, ``refund``,
            ``balance_transaction``), each as the API shows it.
        heard: what took effect at the receiver of our messages: order id and state.
    """
    all_orders = [orders.get(read, row[0]) for row in read("SELECT id FROM payment_orders")]
    found = [*_of_charges(all_orders, psp), *_of_books(read, psp)]
    if any(order.state not in orders.TERMINAL for order in all_orders):
        found.append(STUCK)
    return found + _of_messages(read, all_orders, Counter(heard))


def _of_charges(all_orders: list[PaymentOrder], psp: dict[str, list[ApiObject]]) -> list[str]:
    succeeded = [thing for thing in psp["payment_intent"] if thing["status"] == "succeeded"]
    charges = Counter(intent["metadata"]["order_id"] for intent in succeeded)
    refunds: Counter[str] = Counter()
    for refund in psp["refund"]:
        if refund["status"] == "succeeded":
            refunds[refund["metadata"]["order_id"]] += refund["amount"]
    found = set()
    for order in all_orders:
        if charges[order.id] > 1:
            found.add(DOUBLE_CHARGE)
        if charges[order.id] and order.state not in CHARGED:
            found.add(MONEY_LOST)
        if not charges[order.id] and order.state in CHARGED:
            found.add(NOT_CHARGED)
        if refunds[order.id] != (order.amount if order.state is State.REFUNDED else 0):
            found.add(WRONG_REFUND)
    return sorted(found)


def _of_books(read: Read, psp: dict[str, list[ApiObject]]) -> list[str]:
    found = []
    if any(ledger.trial_balance(read).values()):
        found.append(BOOKS)
    if wallets.disagreements(read):
        found.append(WALLET)
    collected: Counter[str] = Counter()
    for moved in psp["balance_transaction"]:
        collected[moved["currency"].upper()] += moved["amount"]
    for currency, amount in collected.items():
        # What the PSP has collected it owes us, has paid out, or has kept as its fee.
        accounts = (entries.PSP, entries.BANK, entries.FEES)
        if sum(ledger.balance(read, account, currency) for account in accounts) != amount:
            found.append(PSP)
            break
    return found


def _of_messages(read: Read, all_orders: list[PaymentOrder], heard: Counter) -> list[str]:
    told = {
        (order.id, str(state))
        for order in all_orders
        for state, _ in orders.history(read, order.id)
        if state in TOLD
    }
    found = []
    if told - heard.keys():
        found.append(MESSAGE_LOST)
    if any(times > 1 for times in heard.values()):
        found.append(MESSAGE_TWICE)
    return found
