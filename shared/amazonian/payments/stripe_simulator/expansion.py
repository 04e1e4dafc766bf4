"""Showing whole objects where an answer has their ids: the parameter `expand` of every operation.

Source: Stripe API reference, "Expanding responses".
"""

from amazonian.payments.stripe_simulator import payment_methods
from amazonian.payments.stripe_simulator.account import PREFIXES, Account, ApiObject
from amazonian.payments.stripe_simulator.errors import invalid

# What an object can show in full where it has an id, by the object's kind.
EXPANDABLE = {
    "payment_intent": ("customer", "latest_charge", "payment_method"),
    "charge": ("balance_transaction", "customer", "payment_intent"),
    "refund": ("balance_transaction", "charge", "payment_intent", "failure_balance_transaction"),
    "balance_transaction": ("source",),
}
_DEEPEST = 4
_KNOWN = {name for names in EXPANDABLE.values() for name in names} | {"data"}


def read(paths: list[str]) -> list[list[str]]:
    """The steps of each path, as in "latest_charge.balance_transaction".

    Raises:
        ApiError: 400, there is no such property to expand.
    """
    steps = [path.split(".") for path in paths]
    for path in steps:
        if len(path) > _DEEPEST or not _KNOWN.issuperset(path):
            raise invalid(f"This property can't be expanded: {'.'.join(path)}", "expand")
    return steps


def expanded(account: Account, thing: ApiObject, paths: list[list[str]]) -> ApiObject:
    """An object with the ids at these paths replaced by the objects themselves."""
    for path in paths:
        thing = _expanded(account, thing, path)
    return thing


def _expanded(account: Account, thing: ApiObject, path: list[str]) -> ApiObject:
    name, *rest = path or [None]
    value = thing.get(name)
    if name == "data" and isinstance(value, list):
        return {**thing, "data": [_expanded(account, item, rest) for item in value]}
    if name not in EXPANDABLE.get(thing["object"], ()) or value is None:
        return thing
    inner = _lookup(account, value) if isinstance(value, str) else value
    return {**thing, name: _expanded(account, inner, rest)}


def _lookup(account: Account, id: str) -> ApiObject:
    prefix = id.partition("_")[0]
    if prefix == "pm":
        return payment_methods.show(id)
    return account.get(next(kind for kind in PREFIXES if PREFIXES[kind] == prefix), id)
