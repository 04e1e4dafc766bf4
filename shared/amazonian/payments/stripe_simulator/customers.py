"""Customers, as far as a payment refers to them."""

from amazonian.payments.stripe_simulator import events
from amazonian.payments.stripe_simulator.account import Account, ApiObject


def create(account: Account, params: ApiObject, id: str | None = None) -> ApiObject:
    """Make a customer."""
    fields = {name: params.get(name) or None for name in ("email", "name", "description")}
    customer = account.new("customer", metadata=params.get("metadata", {}), **fields)
    account.put(customer)
    events.emit(account, "customer.created", customer)
    return customer
