"""The payment service's HTTP API: a click on "Buy", questions, refunds, webhooks, dead letters.

=======================================  ========================================================
``POST /payments``                       a payment event; wants an ``Idempotency-Key``
``GET /payments/{id}``                   its orders and what they have come to
``POST /payments/{id}/refunds``          give one order's money back; wants an ``Idempotency-Key``
``GET /wallets/{seller}``                what a seller has, by currency
``GET /ledger/{account}``                the entries that touch it; ``?after=`` for the next page
``GET /trial-balance``                   the sum of all postings, by currency
``GET /dead-letters``                    orders that wait for a person
``POST /dead-letters/{order}/redrive``   send one on its way again
``POST /webhooks/stripe``                for the PSP
``GET /health``                          whether the service can read its database
=======================================  ========================================================

Source of the statuses 400, 409 and 422: draft-ietf-httpapi-idempotency-key-header.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from amazonian.payments import (
    dead_letters,
    events,
    journal,
    ledger,
    orders,
    provider,
    refunds,
    wallets,
    webhooks,
)
from amazonian.payments.dead_letters import NoDeadLetterError
from amazonian.payments.events import EventConflictError, InvalidEventError, Item, PaymentEvent
from amazonian.payments.money import EXPONENTS
from amazonian.payments.orders import PaymentOrder, UnknownOrderError
from amazonian.payments.refunds import NotRefundableError
from amazonian.payments.requests import Requests
from amazonian.payments.wallets import InsufficientFundsError
from amazonian.payments.webhooks import InvalidWebhookError
from amazonian.resilience import web
from amazonian.resilience.charges import token_in
from amazonian.resilience.clock import Clock
from amazonian.resilience.database import Database, Transaction, UnstorableError
from amazonian.resilience.idempotency import RefusedError
from amazonian.resilience.web import ProblemError, Reply, Request, Route

MOST_ITEMS = 1000
LARGEST_AMOUNT = 99_999_999  # what Stripe charges at most, in minor units


def new_event_id() -> str:
    """An id that no other event has."""
    return f"pay_{uuid.uuid4().hex}"


class PaymentApi:
    """The functions behind the routes.

    Args:
        database: with the tables of ``store.SCHEMA``.
        clock: seconds since 1970.
        webhook_secret: what the PSP signs its webhooks with.
    """

    def __init__(self, database: Database, clock: Clock, webhook_secret: str):
        self.database, self.clock, self.webhook_secret = database, clock, webhook_secret
        self.requests = Requests(database, clock)

    def app(self) -> web.App:
        """The ASGI application."""
        return web.App(
            [
                Route("POST", "/payments", told(self.pay)),
                Route("GET", "/payments/{id}", told(self.payment)),
                Route("POST", "/payments/{id}/refunds", told(self.refund)),
                Route("GET", "/wallets/{seller}", told(self.wallets)),
                Route("GET", "/ledger/{account}", told(self.ledger)),
                Route("GET", "/trial-balance", told(self.trial_balance)),
                Route("GET", "/dead-letters", told(self.dead_letters)),
                Route("POST", "/dead-letters/{order}/redrive", told(self.redrive)),
                Route("POST", "/webhooks/stripe", told(self.webhook)),
                Route("GET", "/health", told(self.health)),
            ]
        )

    def pay(self, request: Request) -> Reply:
        """Record a payment event and its orders; the executor does the rest."""
        event = read_event(request.body, new_event_id(), self.clock.now_s())
        wish = {name: value for name, value in asdict(event).items() if name not in ("id", "at_s")}
        wish["items"] = [asdict(item) for item in event.items]

        def effect(t: Transaction) -> str:
            return json.dumps(shown(event, orders.create(t, event)))

        return self._perform(request, {"operation": "pay", **wish}, effect)

    def payment(self, request: Request) -> dict[str, Any]:
        """A payment event, its orders, and each order's history."""
        event = self._event(request.parameters["id"])
        found = orders.of_event(self.database.read, event.id)
        told_of = shown(event, found)
        for order in told_of["orders"]:
            order["history"] = [
                {"state": str(state), "at_s": at_s}
                for state, at_s in orders.history(self.database.read, order["id"])
            ]
        return told_of

    def refund(self, request: Request) -> Reply:
        """Begin to give back an order's money."""
        event = self._event(request.parameters["id"])
        order_id = web.text(request.body, "order_id")
        if order_id not in {order.id for order in orders.of_event(self.database.read, event.id)}:
            raise ProblemError(404, "Not Found", f"{event.id} has no order {order_id}")

        def effect(t: Transaction) -> str:
            return json.dumps(shown_order(refunds.begin(t, order_id, self.clock.now_s())))

        return self._perform(request, {"operation": "refund", "order_id": order_id}, effect)

    def wallets(self, request: Request) -> dict[str, Any]:
        """A seller's wallets; one who never sold anything has none."""
        seller = request.parameters["seller"]
        held = wallets.wallets(self.database.read, seller)
        return {
            "seller": seller,
            "wallets": [{"currency": w.currency, "available": w.available} for w in held],
        }

    def ledger(self, request: Request) -> dict[str, Any]:
        """The entries that touch an account, oldest first, a page at a time."""
        account, after = request.parameters["account"], request.query.get("after")
        found = journal.entries(self.database.read, account, after, journal.PAGE)
        return {
            "account": account,
            "entries": [asdict(entry) for entry in found],
            "next": found[-1].id if len(found) == journal.PAGE else None,
        }

    def trial_balance(self, request: Request) -> dict[str, int]:
        """The sum of all postings for each currency: zero, or the books are wrong."""
        return ledger.trial_balance(self.database.read)

    def dead_letters(self, request: Request) -> dict[str, Any]:
        """The orders that wait for a person."""
        letters = dead_letters.waiting(self.database.read)
        return {"dead_letters": [asdict(letter) for letter in letters]}

    def redrive(self, request: Request) -> dict[str, Any]:
        """Give an order to the executor again."""
        order_id, now_s = request.parameters["order"], self.clock.now_s()
        order = self.database.write(lambda t: dead_letters.redrive(t, order_id, now_s))
        return shown_order(order)

    def webhook(self, request: Request) -> dict[str, Any]:
        """Take in what the PSP tells. It is answered with 200 the second time as well."""
        header = request.headers.get("stripe-signature", "")
        new = webhooks.receive(
            self.database, request.raw, header, self.webhook_secret, self.clock.now_s()
        )
        return {"received": True, "new": new}

    def health(self, request: Request) -> dict[str, str]:
        """Whether the database can be read."""
        self.database.read("SELECT 1")
        return {"status": "ok"}

    def _perform(
        self, request: Request, parameters: Any, effect: Callable[[Transaction], str]
    ) -> Reply:
        token = token_in(request.headers.get("idempotency-key"))
        answer = self.requests.perform(token, parameters, effect)
        return Reply(201, json.loads(answer))

    def _event(self, event_id: str) -> PaymentEvent:
        event = events.find(self.database.read, event_id)
        if event is None:
            raise ProblemError(404, "Not Found", f"there is no payment {event_id}")
        return event


def told(handler: web.Handler) -> web.Handler:
    """A function whose errors become what the caller is told of them."""

    def handle(request: Request) -> Any:
        try:
            return handler(request)
        except RefusedError as error:
            raise ProblemError(error.status, error.title, str(error), error.retry_after_s) from None
        except (UnknownOrderError, NoDeadLetterError) as error:
            raise ProblemError(404, "Not Found", str(error)) from None
        except (InvalidWebhookError, UnstorableError) as error:
            raise ProblemError(400, "Bad Request", str(error)) from None
        except (InvalidEventError, EventConflictError) as error:
            raise ProblemError(422, "Not a payment", str(error)) from None
        except (NotRefundableError, InsufficientFundsError) as error:
            raise ProblemError(422, "Not refundable", str(error)) from None

    return handle


def read_event(body: Any, event_id: str, at_s: float) -> PaymentEvent:
    """A payment event from a JSON body: buyer, currency, payment_method, items, discount.

    Raises:
        ProblemError: something is missing, wrong, or unknown; status 422.
    """
    known = {"buyer", "currency", "payment_method", "items", "discount"}
    if isinstance(body, dict) and (surplus := sorted(body.keys() - known)):
        raise ProblemError(422, "A field is unknown", f"{surplus[0]} is none of {sorted(known)}")
    currency = web.text(body, "currency")
    if currency not in EXPONENTS or currency in provider.OTHER_UNITS:
        detail = f"currency {currency!r} is none of ISO 4217's that the PSP counts as ISO does"
        raise ProblemError(422, "A field is missing or wrong", detail)
    items = body.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        detail = f"items is a list of 1 to {MOST_ITEMS}, each with seller and amount"
        raise ProblemError(422, "A field is missing or wrong", detail)
    event = PaymentEvent(
        id=event_id,
        buyer=web.text(body, "buyer"),
        currency=currency,
        payment_method=web.text(body, "payment_method"),
        items=tuple(
            Item(web.text(item, "seller"), web.whole(item, "amount", 1, LARGEST_AMOUNT))
            for item in items
        ),
        at_s=at_s,
        discount=web.whole({"discount": 0, **body}, "discount", 0, LARGEST_AMOUNT),
    )
    events.shares(event)
    return event


def shown(event: PaymentEvent, found: tuple[PaymentOrder, ...]) -> dict[str, Any]:
    """An event as the API shows it."""
    return {
        "id": event.id,
        "buyer": event.buyer,
        "currency": event.currency,
        "amount": sum(order.amount for order in found),
        "orders": [shown_order(order) for order in found],
    }


def shown_order(order: PaymentOrder) -> dict[str, Any]:
    """An order as the API shows it; amounts are in minor units."""
    return {
        "id": order.id,
        "seller": order.seller,
        "amount": order.amount,
        "currency": order.currency,
        "state": str(order.state),
        "reason": order.reason,
    }
