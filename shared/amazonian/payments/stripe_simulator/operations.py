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
from amazonian.payments.stripe_simulator.account import PREFIXES, Account, ApiObject
from amazonian.payments.stripe_simulator.currencies import currency_code
from amazonian.payments.stripe_simulator.errors import invalid
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

EXPANDABLE = {
    "payment_intent": ("customer", "latest_charge", "payment_method"),
    "charge": ("balance_transaction", "customer", "payment_intent"),
    "refund": ("balance_transaction", "charge", "payment_intent", "failure_balance_transaction"),
    "balance_transaction": ("source",),
}
"""What an object can show in full where it has an id, by the object's kind."""

_DEEPEST = 4


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

    def expansions(self, paths: list[str]) -> list[list[str]]:
        """Read the parameter `expand`, as in "latest_charge.balance_transaction".

        Raises:
            ApiError: 400, there is no such property to expand; nothing was done yet.
        """
        known = {name for names in EXPANDABLE.values() for name in names} | {"data"}
        steps = [path.split(".") for path in paths]
        for path in steps:
            if len(path) > _DEEPEST or not known.issuperset(path):
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


def _retrieve(kind: str, param: str = "id") -> Operation:
    return Operation(lambda account, params, id: account.get(kind, id, param), {"expand": texts})


def _list(kind: str, url: str, **filters: Field) -> Operation:
    def run(account: Account, params: dict[str, Any], id: None) -> ApiObject:
        wanted = {name: value for name, value in params.items() if name in filters}
        return page(
            account,
            kind,
            url,
            params,
            lambda thing: all(thing.get(name) == value for name, value in wanted.items()),
        )

    return Operation(run, {**PAGE, **filters, "expand": texts})


_DESCRIBED = {"description": text, "metadata": metadata, "expand": texts}
_INTENT = {
    **_DESCRIBED,
    "amount": integer,
    "currency": currency_code,
    "customer": text,
    "payment_method": filled,
    "receipt_email": text,
}
_CONFIRMATION = {
    "error_on_requires_action": boolean,
    "off_session": boolean,
    "return_url": text,
}
_CREATION = {
    "automatic_payment_methods": record(enabled=boolean, allow_redirects=one_of("always", "never")),
    "capture_method": one_of("automatic", "automatic_async", "manual"),
    "confirm": boolean,
    "confirmation_method": one_of("automatic"),
    "payment_method_types": texts,
}
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")

_ENDPOINT = {**_DESCRIBED, "enabled_events": texts, "url": filled}

_INTENTS, _ENDPOINTS = "/v1/payment_intents", "/v1/webhook_endpoints"

OPERATIONS: dict[str, Operation] = {
    f"POST {_INTENTS}": Operation(
        payment_intents.create, {**_INTENT, **_CONFIRMATION, **_CREATION}, ("amount", "currency")
    ),
    f"GET {_INTENTS}": _list("payment_intent", _INTENTS, customer=text),
    f"GET {_INTENTS}/search": Operation(search.payment_intents, search.FIELDS, ("query",)),
    f"GET {_INTENTS}/:id": _retrieve("payment_intent", "intent"),
    f"POST {_INTENTS}/:id": Operation(payment_intents.update, _INTENT),
    f"POST {_INTENTS}/:id/confirm": Operation(
        payment_intents.confirm, {**_CONFIRMATION, "payment_method": filled, "expand": texts}
    ),
    f"POST {_INTENTS}/:id/capture": Operation(
        payment_intents.capture, {"amount_to_capture": integer, "expand": texts}
    ),
    f"POST {_INTENTS}/:id/cancel": Operation(
        payment_intents.cancel,
        {"cancellation_reason": one_of(*_REASONS, "abandoned"), "expand": texts},
    ),
    "GET /v1/charges": _list("charge", "/v1/charges", payment_intent=text, customer=text),
    "GET /v1/charges/:id": _retrieve("charge"),
    "POST /v1/refunds": Operation(
        refunds.create,
        {
            "amount": integer,
            "charge": filled,
            "expand": texts,
            "metadata": metadata,
            "payment_intent": filled,
            "reason": one_of(*_REASONS),
        },
    ),
    "GET /v1/refunds": _list("refund", "/v1/refunds", payment_intent=text, charge=text),
    "GET /v1/refunds/:id": _retrieve("refund"),
    "GET /v1/balance": Operation(balance.retrieve, {"expand": texts}),
    "GET /v1/balance_transactions": _list(
        "balance_transaction", "/v1/balance_transactions", type=text, source=text, currency=text
    ),
    "GET /v1/balance_transactions/:id": _retrieve("balance_transaction"),
    "GET /v1/events": _list("event", "/v1/events", type=text),
    "GET /v1/events/:id": _retrieve("event"),
    "POST /v1/customers": Operation(customers.create, {**_DESCRIBED, "email": text, "name": text}),
    "GET /v1/customers": _list("customer", "/v1/customers", email=text),
    "GET /v1/customers/:id": _retrieve("customer"),
    f"POST {_ENDPOINTS}": Operation(webhooks.create, _ENDPOINT, ("url", "enabled_events")),
    f"GET {_ENDPOINTS}": _list("webhook_endpoint", _ENDPOINTS),
    f"GET {_ENDPOINTS}/:id": _retrieve("webhook_endpoint"),
    f"POST {_ENDPOINTS}/:id": Operation(webhooks.update, {**_ENDPOINT, "disabled": boolean}),
    f"DELETE {_ENDPOINTS}/:id": Operation(webhooks.delete, {}),
    "GET /v1/payment_methods/:id": Operation(
        lambda account, params, id: payment_methods.show(id), {"expand": texts}
    ),
}
"""By name, which is method and path, with ":id" for an object's id."""
