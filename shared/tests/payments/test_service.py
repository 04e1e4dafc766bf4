"""The payment service as processes, killed under load; the PSP and the buyers outlive them."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from amazonian.payments import ledger, orders, wallets
from amazonian.payments.executor import Executor
from amazonian.payments.orders import State
from amazonian.payments.provider import StripeProvider
from amazonian.payments.store import open_store
from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.server import running
from amazonian.payments.stripe_simulator.transport import client
from amazonian.resilience import retries
from amazonian.resilience.clock import WallClock
from amazonian.resilience.processes import Process

BUYERS, PAYMENTS_EACH, KILL_AFTER_EACH = 8, 6, 12
SECRET = "whsec_service"
PATIENCE_S = 60.0


class TomorrowsClock(WallClock):
    """A clock that is ahead, so that no lease of a dead worker holds."""

    def now_s(self) -> float:
        return super().now_s() + 86_400 / 2


@dataclass
class Load:
    """Buyers who repeat each request until it is answered, and someone who kills services."""

    services: list[Process]
    answers: dict[str, dict] = field(default_factory=dict)
    kills: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    killing: threading.Lock = field(default_factory=threading.Lock)

    def buy(self, buyer: int) -> None:
        with requests.Session() as session:
            for number in range(PAYMENTS_EACH):
                key = f"{buyer}-{number}"
                answer = self._until_answered(session, key, buyer, basket(buyer, number))
                with self.lock:
                    self.answers[key] = answer
                    enough = len(self.answers) % KILL_AFTER_EACH == 0
                if enough:
                    self._kill()

    def _until_answered(self, session: requests.Session, key: str, buyer: int, body: dict) -> dict:
        for attempt in range(1000):
            service = self.services[(buyer + attempt) % len(self.services)]
            try:
                reply = session.post(
                    f"{service.url}/payments",
                    json=body,
                    headers={"Idempotency-Key": f'"{key}"'},
                    timeout=PATIENCE_S,
                )
            except requests.ConnectionError:
                continue
            if reply.status_code == 201:
                return reply.json()
            assert reply.status_code in (409, 500, 503), reply.text
        raise AssertionError("a thousand attempts, and no answer")

    def _kill(self) -> None:
        with self.killing:
            victim = self.services[self.kills % len(self.services)]
            self.kills += 1
            victim.kill()
            victim.start()


def basket(buyer: int, number: int) -> dict[str, Any]:
    items = [{"seller": f"s{(buyer + i) % 3}", "amount": 100 + number} for i in range(2)]
    card = "pm_card_chargeDeclined" if number == 0 else "pm_card_visa"
    return {"buyer": f"b{buyer}", "currency": "EUR", "payment_method": card, "items": items}


@pytest.fixture
def psp() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator(WallClock())
    with running(simulator) as url:
        yield simulator, url


def test_no_payment_is_lost_or_made_twice_when_services_are_killed(
    dsn: str, psp: tuple[Simulator, str], tmp_path: Path
) -> None:
    simulator, url = psp
    arguments = [f"--database={dsn}", f"--psp={url}", f"--psp-key={simulator.api_key}"]
    arguments += [f"--webhook-secret={SECRET}", f"--messages={tmp_path / 'messages'}"]
    services = [Process("amazonian.payments", arguments) for _ in range(2)]
    simulator.add_webhook(f"{services[0].url}/webhooks/stripe", SECRET)
    with ExitStack() as stack:
        for service in services:
            stack.enter_context(service)
        load = Load(services)
        with ThreadPoolExecutor(BUYERS) as buyers:
            list(buyers.map(load.buy, range(BUYERS)))
    assert load.kills >= BUYERS * PAYMENTS_EACH // KILL_AFTER_EACH

    database = open_store(dsn)
    provider = StripeProvider(client(simulator), retries.Client())
    executor = Executor(database, provider, TomorrowsClock())
    while executor.run_once():
        pass

    ids = {answer["id"] for answer in load.answers.values()}
    assert len(ids) == len(load.answers) == BUYERS * PAYMENTS_EACH
    found = [order for event in ids for order in orders.of_event(database.read, event)]
    assert len(found) == len(database.read("SELECT id FROM payment_orders")) == 2 * len(ids)
    assert Counter(order.state for order in found) == {
        State.CAPTURED: 2 * BUYERS * (PAYMENTS_EACH - 1),
        State.DECLINED: 2 * BUYERS,
    }
    intents = client(simulator).v1.payment_intents.list({"limit": 100}).auto_paging_iter()
    charged = Counter(i.metadata["order_id"] for i in intents if i.status == "succeeded")
    assert charged == Counter(o.id for o in found if o.state is State.CAPTURED)
    assert ledger.balance(database.read, "psp:stripe", "EUR") == sum(
        order.amount for order in found if order.state is State.CAPTURED
    )
    assert ledger.trial_balance(database.read) == {"EUR": 0}
    assert wallets.disagreements(database.read) == []
    database.close()
