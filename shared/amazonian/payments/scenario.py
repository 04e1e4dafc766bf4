"""A day of the payment room, to be killed at any moment: what a process does from its start on.

Ada buys from two sellers, and gives one thing back; Ben's card is declined. The PSP's webhooks come
twice and in the wrong order, the outbox is relayed, the PSP's payout is booked. Every step may be
repeated: after a crash a new process starts from the top, as the buyers' clients, the PSP and the
nightly job do when they got no answer.
"""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import stripe

from amazonian.payments import (
    dead_letters,
    executor,
    orders,
    outbox,
    provider,
    refunds,
    settlement,
    webhooks,
)
from amazonian.payments.orders import Item, PaymentEvent
from amazonian.payments.refunds import NotRefundableError
from amazonian.payments.wallets import InsufficientFundsError
from amazonian.resilience import retries
from amazonian.resilience.clock import Clock
from amazonian.resilience.database import Database, Transaction

NOON_S = 1_800_000_000.0
SECRET = "whsec_scenario"
MOST_ROUNDS = 60  # until no order is due any more; far above what any trouble needs
EVENTS = (
    PaymentEvent(
        "ada-1", "ada", "EUR", "pm_card_visa", (Item("books", 2_000), Item("toys", 505)), NOON_S, 10
    ),
    PaymentEvent("ben-1", "ben", "EUR", "pm_card_chargeDeclined", (Item("books", 700),), NOON_S),
)
REFUNDED = "ada-1-1"
LISTENS_TO = (  # the event types that our webhook endpoint is registered for
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
SHOP_SCHEMA = (
    *outbox.INBOX_SCHEMA,
    "CREATE TABLE IF NOT EXISTS heard (order_id TEXT NOT NULL, state TEXT NOT NULL)",
)

Design = Callable[[Database, provider.StripeProvider, Clock], executor.Executor]
ApiObject = dict[str, Any]


class Shop:
    """The receiver of our messages: another service, with a database of its own."""

    def __init__(self, database: Database):
        self.database = database

    def publish(self, message: outbox.Message) -> None:
        """Hand it a message; it takes effect once."""
        self.database.write(lambda t: outbox.receive(t, message, self._effect))

    def heard(self) -> list[tuple[str, str]]:
        """What took effect: order id and state."""
        rows = self.database.read("SELECT order_id, state FROM heard")
        return [(order_id, state) for order_id, state in rows]

    @staticmethod
    def _effect(t: Transaction, message: outbox.Message) -> None:
        t.execute("INSERT INTO heard VALUES (?, ?)", (message.order_id, message.body["state"]))


class Process:
    """One life of our process.

    Args:
        database: ours; it outlives the process, as the others below do.
        shop: who receives our messages.
        client: the way to the PSP.
        clock: seconds since 1970.
        psp: gives the PSP's objects of a kind, oldest first, to make webhooks and payouts of.
        design: makes the executor; by default ``executor.Executor``.
    """

    def __init__(
        self,
        database: Database,
        shop: Shop,
        client: stripe.StripeClient,
        clock: Clock,
        psp: Callable[[str], list[ApiObject]],
        design: Design | None = None,
    ):
        self.database, self.shop, self.clock, self.psp = database, shop, clock, psp
        calls = retries.Client(
            retries.RetryPolicy(max_attempts=2), clock=clock, rng=random.Random(0)
        )
        make = design or executor.Executor
        self.executor = make(database, provider.StripeProvider(client, calls), clock)
        self.errors: list[Exception] = []

    def live(self, webhooks_come: bool = True) -> None:
        """Go through the day."""
        for event in EVENTS:
            self.database.write(lambda t, event=event: orders.create(t, event))
        self.settle_down()
        self.request_refund(REFUNDED)
        self.settle_down()
        if webhooks_come:
            webhooks_sent = self.webhooks_sent()
            self.deliver([*reversed(webhooks_sent), *webhooks_sent])
        self.book_payouts()
        outbox.relay(self.database, self.shop.publish, self.clock.now_s())

    def webhooks_sent(self) -> list[tuple[bytes, str]]:
        """What the PSP sends to our endpoint, oldest first: each event, and its signature."""
        now_s, sent = int(self.clock.now_s()), []
        for event in self.psp("event"):
            if event["type"] in LISTENS_TO:
                payload = json.dumps(event)
                sign = stripe.WebhookSignature.generate_signature_header
                sent.append((payload.encode(), sign(payload, SECRET, now_s)))
        return sent

    def settle_down(self) -> None:
        """Advance orders, and let the time pass in between, until none is due."""
        for _ in range(MOST_ROUNDS):
            [(next_s,)] = self.database.read("SELECT MIN(due_at_s) FROM payment_orders")
            if next_s is None:
                break
            self.clock.sleep(max(0.0, next_s - self.clock.now_s()))
            for order_id in orders.due(self.database.read, self.clock.now_s()):
                self.advance(order_id)

    def advance(self, order_id: str) -> None:
        """Advance one order; keep the error if there is one, and let the lease run out."""
        try:
            self.executor.advance(order_id)
        except NotImplementedError:
            raise
        except Exception as error:
            self.errors.append(error)
            self.clock.sleep(executor.LEASE_S)

    def request_refund(self, order_id: str) -> None:
        """A buyer gives something back; if nothing was paid for it, that is that."""
        now_s = self.clock.now_s()
        with suppress(NotRefundableError, InsufficientFundsError):
            self.database.write(lambda t: refunds.begin(t, order_id, now_s))

    def deliver(self, webhooks_sent: list[tuple[bytes, str]]) -> None:
        """Our endpoint receives webhooks, in this order."""
        for payload, header in webhooks_sent:
            webhooks.receive(self.database, payload, header, SECRET, self.clock.now_s())

    def redrive(self) -> None:
        """A person looks at the dead letters and gives them back to the workers."""
        for letter in dead_letters.waiting(self.database.read):
            self.database.write(
                lambda t, id=letter.order_id: dead_letters.redrive(t, id, self.clock.now_s())
            )

    def book_payouts(self) -> None:
        """The nightly job books each line of the PSP's payout."""
        sources = {thing["id"]: thing for kind in ("charge", "refund") for thing in self.psp(kind)}
        for line in self.psp("balance_transaction"):
            order_id = sources[line["source"]]["metadata"]["order_id"]
            try:
                self.database.write(
                    lambda t, id=order_id, line=line: _book(t, id, line, self.clock.now_s())
                )
            except settlement.SettlementMismatchError as error:
                self.errors.append(error)


def _book(t: Transaction, order_id: str, line: ApiObject, now_s: float) -> None:
    if line["type"] == "charge":
        settlement.settle(t, order_id, line["amount"], line["fee"], now_s)
    else:
        settlement.settle_refund(t, order_id, line["id"], line["amount"], now_s)
