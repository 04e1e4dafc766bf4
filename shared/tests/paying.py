"""The payment room for tests: a shop's database, an executor, a PSP in this process, one clock."""

import random

from amazonian.payments import orders, scenario, store
from amazonian.payments.executor import Executor
from amazonian.payments.orders import Item, PaymentEvent
from amazonian.payments.provider import StripeProvider
from amazonian.payments.stripe_simulator import transport
from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.resilience import retries
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.memory import MemoryDatabase

NOON_S = scenario.NOON_S
TIMEOUT_S = 2.0


def event(id="e", seller="books", amount=1_000, card="pm_card_visa", currency="EUR"):
    return PaymentEvent(id, "ada", currency, card, (Item(seller, amount),), NOON_S)


class Payments:
    """Everything, ready to be used; `calls` are the PSP's requests as they were sent."""

    def __init__(self, database=None):
        self.clock = SimulatedClock(NOON_S)
        self.database = database or MemoryDatabase(store.SCHEMA)
        self.psp = Simulator(self.clock)
        self.calls = []
        client = transport.client(self.psp, TIMEOUT_S, self._on_call)
        policy = retries.RetryPolicy(max_attempts=2)
        retrying = retries.Client(policy, clock=self.clock, rng=random.Random(0))
        self.provider = StripeProvider(client, retrying)
        self.executor = Executor(self.database, self.provider, self.clock)

    def _on_call(self, call, when):
        if when == "before":
            self.calls.append(call)

    def buy(self, **of_event):
        """Write an event for one seller; its order."""
        return self.database.write(lambda t: orders.create(t, event(**of_event)))[0]

    def order(self, id="e-1"):
        return orders.get(self.database.read, id)

    def states(self, id="e-1"):
        return [str(state) for state, _ in orders.history(self.database.read, id)]

    def settle_down(self, rounds=60):
        """Let the time pass until no order is due any more."""
        for _ in range(rounds):
            [(next_s,)] = self.database.read("SELECT MIN(due_at_s) FROM payment_orders")
            if next_s is None:
                return
            self.clock.sleep(max(0.0, next_s - self.clock.now_s()))
            self.executor.run_once()
        raise AssertionError("an order is due for ever")

    def charges(self):
        """The PSP's intents that succeeded, by order."""
        return [
            intent["metadata"]["order_id"]
            for intent in self.psp.objects("payment_intent")
            if intent["status"] == "succeeded"
        ]
