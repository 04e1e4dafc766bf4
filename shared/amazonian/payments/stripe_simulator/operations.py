"""Which operations the API has, with which parameters: the table that the front looks at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from amazonian.payments.stripe_simulator import (
    balance,
    customers,
    payment_intents,
    payment_methods,
    refunds,
    search,
    webhooks,
)
from amazonian.payments.stripe_simulator.account import Account, ApiObject
from amazonian.payments.stripe_simulator.currencies import currency_code
from amazonian.payments.stripe_simulator.forms import (
    Field,
    boolean,
    filled,
    integer,
    metadata,
    one_of,
    record,
    text,
    texts,
)
from amazonian.payments.stripe_simulator.pagination import PAGE, page


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Args:
        run: does it; takes the account, the parameters and the id in the path, returns an object.
        fields: reads the parameters.
        required: the parameters that it can't do without.
    """

    run: Callable[[Account, dict[str, Any], Any], ApiObject]
    fields: Mapping[str, Field]
    required: tuple[str, ...] = ()


def _operation(
    run: Callable[[Account, dict[str, Any], Any], ApiObject],
    required: tuple[str, ...] = (),
    **fields: Field,
) -> Operation:
    return Operation(run, {**fields, "expand": texts}, required)


def _retrieve(kind: str, param: str = "id") -> Operation:
    return _operation(lambda account, params, id: account.get(kind, id, param))


def _list(kind: str, url: str, **filters: Field) -> Operation:
    def run(account: Account, params: dict[str, Any], id: None) -> ApiObject:
        wanted = {name: value for name, value in params.items() if name in filters}
        return page(account, kind, url, params, lambda thing: wanted.items() <= thing.items())

    return _operation(run, **PAGE, **filters)


_DESCRIPTION: dict[str, Field] = {"description": text, "metadata": metadata}
_PAYMENT: dict[str, Field] = {
    **_DESCRIPTION,
    "amount": integer,
    "currency": currency_code,
    "customer": text,
    "payment_method": filled,
    "receipt_email": text,
}
_CREATION: dict[str, Field] = {
    "automatic_payment_methods": record(enabled=boolean, allow_redirects=one_of("always", "never")),
    "capture_method": one_of("automatic", "automatic_async", "manual"),
    "confirm": boolean,
    "confirmation_method": one_of("automatic"),
    "payment_method_types": texts,
}
_CONFIRMATION: dict[str, Field] = {"off_session": boolean, "return_url": text}
_ENDPOINT: dict[str, Field] = {**_DESCRIPTION, "enabled_events": texts, "url": filled}
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")

_INTENTS, _CHARGES, _REFUNDS = "/v1/payment_intents", "/v1/charges", "/v1/refunds"
_MOVED, _EVENTS, _CUSTOMERS = "/v1/balance_transactions", "/v1/events", "/v1/customers"
_ENDPOINTS = "/v1/webhook_endpoints"

# By name, which is method and path, with ":id" for an object's id.
OPERATIONS: dict[str, Operation] = {
    f"POST {_INTENTS}": _operation(
        payment_intents.create, ("amount", "currency"), **_PAYMENT, **_CREATION, **_CONFIRMATION
    ),
    f"POST {_INTENTS}/:id": _operation(payment_intents.update, **_PAYMENT),
    f"POST {_INTENTS}/:id/confirm": _operation(
        payment_intents.confirm, payment_method=filled, **_CONFIRMATION
    ),
    f"POST {_INTENTS}/:id/capture": _operation(payment_intents.capture, amount_to_capture=integer),
    f"POST {_INTENTS}/:id/cancel": _operation(
        payment_intents.cancel, cancellation_reason=one_of(*_REASONS, "abandoned")
    ),
    f"GET {_INTENTS}": _list("payment_intent", _INTENTS, customer=text),
    f"GET {_INTENTS}/search": _operation(search.payment_intents, ("query",), **search.FIELDS),
    f"GET {_INTENTS}/:id": _retrieve("payment_intent", "intent"),
    f"GET {_CHARGES}": _list("charge", _CHARGES, payment_intent=text, customer=text),
    f"GET {_CHARGES}/:id": _retrieve("charge"),
    f"POST {_REFUNDS}": _operation(
        refunds.create,
        amount=integer,
        charge=filled,
        metadata=metadata,
        payment_intent=filled,
        reason=one_of(*_REASONS),
    ),
    f"GET {_REFUNDS}": _list("refund", _REFUNDS, payment_intent=text, charge=text),
    f"GET {_REFUNDS}/:id": _retrieve("refund"),
    "GET /v1/balance": _operation(balance.retrieve),
    f"GET {_MOVED}": _list("balance_transaction", _MOVED, type=text, source=text, currency=text),
    f"GET {_MOVED}/:id": _retrieve("balance_transaction"),
    f"GET {_EVENTS}": _list("event", _EVENTS, type=text),
    f"GET {_EVENTS}/:id": _retrieve("event"),
    f"POST {_CUSTOMERS}": _operation(customers.create, email=text, name=text, **_DESCRIPTION),
    f"GET {_CUSTOMERS}": _list("customer", _CUSTOMERS, email=text),
    f"GET {_CUSTOMERS}/:id": _retrieve("customer"),
    f"POST {_ENDPOINTS}": _operation(webhooks.create, ("url", "enabled_events"), **_ENDPOINT),
    f"POST {_ENDPOINTS}/:id": _operation(webhooks.update, disabled=boolean, **_ENDPOINT),
    f"DELETE {_ENDPOINTS}/:id": _operation(webhooks.delete),
    f"GET {_ENDPOINTS}": _list("webhook_endpoint", _ENDPOINTS),
    f"GET {_ENDPOINTS}/:id": _retrieve("webhook_endpoint"),
    "GET /v1/payment_methods/:id": _operation(lambda account, params, id: payment_methods.show(id)),
}
