"""Contracts between services: what a consumer expects of its provider, as data, and verified.

The consumer writes down each request that it makes, the status and the fields that it relies on in
the reply, and nothing else. Verified against the real provider over HTTP, that says before a
release whom it would break. And a stub that answers no more than the contract promises says
whether the consumer has written down everything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from amazonian.shop import calls
from amazonian.shop.calls import Call

# What a reply is to look like: a type, or an object's fields, or a list with the shape of each.
Shape = type | dict[str, Any] | list[Any]
SAMPLES: dict[type, Any] = {str: "sample", int: 1}


@dataclass(frozen=True)
class Asked:
    """A request: method, path and body."""

    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Expectation:
    """What one service expects of another's reply to a request.

    Args:
        consumer, provider: the services' names.
        request: what the consumer asks.
        status: of the reply.
        shape: of the reply's body, as far as the consumer looks at it.
        given: what is asked of the provider first, so that it is in the right state.
    """

    consumer: str
    provider: str
    request: Asked
    status: int
    shape: Shape
    given: Sequence[Asked] = ()


def broken_by(shape: Shape, value: Any, at: str = "body") -> list[str]:
    """What a reply lacks of what a consumer expects: a sentence for each, in the shape's order.

    - A type, ``str`` or ``int``, fits a value of exactly that type (``True`` is no ``int``).
      Otherwise: ``body is float, not str``, with the names of the two types.
    - A dictionary fits a dictionary that has all of its fields, each of which fits in turn; it may
      have more, of which the consumer knows nothing. A field that is not there:
      ``body.price_cents is missing``.
    - A list of one shape fits a list whose items all fit that; no items fit too.

    A value that should be a dictionary or list and is not is told like a wrong type.

    Args:
        shape: what is expected.
        value: what came, from JSON.
        at: what the sentences call `value`. A field is ``body.lines``, an item ``body.lines[0]``.

    Returns:
        An empty list if nothing is broken.
    """
    wanted = shape if isinstance(shape, type) else type(shape)
    if type(value) is not wanted:
        return [f"{at} is {type(value).__name__}, not {wanted.__name__}"]
    broken: list[str] = []
    if isinstance(shape, dict):
        for name, inner in shape.items():
            if name in value:
                broken += broken_by(inner, value[name], f"{at}.{name}")
            else:
                broken.append(f"{at}.{name} is missing")
    if isinstance(shape, list):
        for number, item in enumerate(value):
            broken += broken_by(shape[0], item, f"{at}[{number}]")
    return broken


def verify(expectations: Iterable[Expectation], url: str) -> list[str]:
    """Ask a real provider all that its consumers expect, over HTTP.

    Args:
        expectations: those of one provider, at this URL.

    Returns:
        What it breaks, a sentence for each, with the consumer's name; empty if nothing.
    """
    exchange = calls.exchange(url)
    found = []
    for expected in expectations:
        for first in expected.given:
            exchange(first.method, first.path, first.body)
        asked = expected.request
        status, body = exchange(asked.method, asked.path, asked.body)
        if status != expected.status:
            broken = [f"status is {status}, not {expected.status}"]
        else:
            broken = broken_by(expected.shape, body)
        who = f"{expected.consumer} expects of {expected.provider}, {asked.method} {asked.path}"
        found += [f"{who}: {sentence}" for sentence in broken]
    return found


class NotInContractError(AssertionError):
    """The consumer has made a request that none of its expectations names."""


def stub(expectations: Iterable[Expectation]) -> Call:
    """Calls that are answered with what the contract promises, and with no more.

    Raises:
        NotInContractError: a call is made that the contract does not name.
    """
    known = {(e.request.method, e.request.path): e for e in expectations}

    def call(method: str, path: str, body: Any = None) -> Any:
        expected = known.get((method, path))
        if expected is None or expected.request.body != body:
            raise NotInContractError(f"{method} {path} {body} is in no expectation")
        return calls.answer(expected.status, _sample(expected.shape))

    return call


def _sample(shape: Shape) -> Any:
    if isinstance(shape, dict):
        return {name: _sample(inner) for name, inner in shape.items()}
    if isinstance(shape, list):
        return [_sample(shape[0])]
    return SAMPLES[shape]


# --- what the checkout expects ----------------------------------------------------------------

CHECKOUT, USER, CARD, SKU = "contract-1", "contract-user", "visa", SAMPLES[str]
_LINES = {"lines": [{"sku": SKU, "quantity": 1}]}
_PAYS = {"user": USER, "card": CARD, "amount_cents": 1}
_ORDERS = {"user": USER, **_LINES, "total_cents": 1}
_RESERVATION = f"/inventory/reservations/{CHECKOUT}"
_STOCKED = Asked("PUT", f"/inventory/stock/{SKU}", {"free": 10})
_HELD = Asked("PUT", _RESERVATION, _LINES)
_ON_SALE = Asked("PUT", f"/products/{SKU}", {"title": "A book", "price_cents": 1})
_IN_CART = Asked("PUT", f"/carts/{USER}/lines/{SKU}", {"quantity": 1})


def _by_checkout(
    provider: str, request: Asked, shape: Shape, *given: Asked, status: int = 200
) -> Expectation:
    return Expectation("checkout", provider, request, status, shape, given)


# The forward steps; what is expected of compensations stands apart, as they come in other states.
EXPECTATIONS = (
    _by_checkout("catalogue", Asked("GET", _ON_SALE.path), {"price_cents": int}, _ON_SALE),
    _by_checkout(
        "carts",
        Asked("GET", f"/carts/{USER}"),
        {"lines": [{"sku": str, "quantity": int}]},
        _IN_CART,
    ),
    _by_checkout("inventory", _HELD, {}, _STOCKED),
    _by_checkout("payments", Asked("PUT", f"/payments/authorisations/{CHECKOUT}", _PAYS), {}),
    _by_checkout("orders", Asked("PUT", f"/orders/{CHECKOUT}", _ORDERS), {}, status=201),
    _by_checkout("inventory", Asked("PUT", f"{_RESERVATION}/confirmation"), {}, _STOCKED, _HELD),
    _by_checkout("carts", Asked("PUT", f"/carts/{USER}/bought/{CHECKOUT}", _LINES), {}),
)
# Undoing what never happened succeeds, and what is undone does not happen afterwards.
_GONE = "contract-gone"
_FORGOTTEN = Asked("PUT", f"/inventory/reservations/{_GONE}/release")
_VOIDED = Asked("PUT", f"/payments/authorisations/{_GONE}/void")
_CANCELLED = Asked("PUT", f"/orders/{_GONE}/cancellation")
COMPENSATIONS = (
    _by_checkout("inventory", _FORGOTTEN, {}),
    _by_checkout("payments", _VOIDED, {}),
    _by_checkout("orders", _CANCELLED, {}),
    _by_checkout(
        "inventory",
        Asked("PUT", f"/inventory/reservations/{_GONE}", _LINES),
        {},
        _FORGOTTEN,
        status=409,
    ),
    _by_checkout(
        "payments",
        Asked("PUT", f"/payments/authorisations/{_GONE}", _PAYS),
        {},
        _VOIDED,
        status=402,
    ),
    _by_checkout("orders", Asked("PUT", f"/orders/{_GONE}", _ORDERS), {}, _CANCELLED, status=409),
)
