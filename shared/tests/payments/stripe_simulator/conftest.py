"""A simulator, and the real SDK on it."""

import pytest
import stripe

from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.transport import client
from amazonian.resilience.clock import SimulatedClock

SUMMER_S = 1_782_900_000.0  # 2026-07-01 10:00:00 UTC


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(SUMMER_S)


@pytest.fixture
def simulator(clock: SimulatedClock) -> Simulator:
    return Simulator(clock)


@pytest.fixture
def psp(simulator: Simulator) -> stripe.StripeClient:
    return client(simulator)


@pytest.fixture
def pay(psp: stripe.StripeClient):
    """Make a PaymentIntent and confirm it: 20.00 USD with a card that works, unless told."""

    def pay(key: str | None = None, **changes: object) -> stripe.PaymentIntent:
        usual = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa"}
        params = {**usual, "confirm": True, **changes}
        return psp.v1.payment_intents.create(params, {"idempotency_key": key} if key else {})

    return pay
