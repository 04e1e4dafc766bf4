"""A whole shop in processes, a façade before it, and shoppers that we did not write."""

import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from amazonian.course.catalogue import ROOT
from amazonian.resilience import retries
from amazonian.resilience.database import open_database
from amazonian.shop import calls
from amazonian.shop.facade import Turnstile
from amazonian.shop.services import SERVICES
from amazonian.shop.whole import Shop

SHOPPER = Path(__file__).parent / "shop" / "clients" / "shopper.py"
SKUS, PIECES, PRICE_CENTS = 20, 10_000, 250


class Counted(Turnstile):
    """A turnstile that says so when a request has been answered."""

    def __init__(self, to: str, answered: Callable[[], None]):
        super().__init__(to)
        self._answered = answered

    def leave(self) -> None:
        super().leave()
        self._answered()


def stock(call: calls.Call) -> None:
    for number in range(SKUS):
        sku = f"sku{number}"
        call("PUT", f"/products/{sku}", {"title": sku, "price_cents": PRICE_CENTS + number})
        call("PUT", f"/inventory/stock/{sku}", {"free": PIECES})


class CountedShop(Shop):
    """A shop with goods in it, where a test can wait until more requests have been answered."""

    def __init__(self, folder: Path):
        super().__init__(folder, checkout=True)
        self._answers, self._more = 0, threading.Condition()
        for prefix in self.facade.routes:
            self.facade.routes[prefix] = Counted(self.facade.monolith, self._count)
        stock(calls.over_http(self.facade.monolith))

    def _count(self) -> None:
        with self._more:
            self._answers += 1
            self._more.notify_all()

    def wait_for_more(self, count: int, within_s: float = 30.0) -> None:
        with self._more:
            enough = self._answers + count
            assert self._more.wait_for(lambda: self._answers >= enough, within_s), "no load came"


@dataclass
class Told:
    """What shoppers were told: the orders by id, and the last quantity of each wish."""

    orders: dict[str, dict] = field(default_factory=dict)
    wishes: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> "Told":
        found = cls()
        for line in map(json.loads, file.read_text().splitlines()):
            if "order" in line:
                assert line["order"] not in found.orders, "one order was placed twice"
                found.orders[line["order"]] = line
            else:
                found.wishes[line["wish"], line["sku"]] = line["quantity"]
        return found


@contextmanager
def shoppers(url: str, folder: Path, users: int, rounds: int) -> Iterator["subprocess.Popen[str]"]:
    """Locust at work: so many shoppers, so many rounds each, then it ends by itself."""
    program = ROOT / ".venv" / "clients" / "bin" / "locust"
    if not program.exists() and os.environ.get("CI"):
        pytest.fail("locust is not installed, and CI must try it")
    if not program.exists():
        pytest.skip("locust is not installed (make test installs it)")
    running = subprocess.Popen(
        [
            str(program),
            f"--locustfile={SHOPPER}",
            f"--host={url}",
            f"--users={users}",
            f"--spawn-rate={users * 10}",
            "--headless",
            "--json",
            "--skip-log-setup",
            "--stop-timeout=5",
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SHOP_ROUNDS": str(rounds),
            "SHOP_TOLD": str(folder / "told.jsonl"),
            "NO_PROXY": "127.0.0.1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()
        shutil.rmtree(folder / ".locust", ignore_errors=True)


@dataclass
class Buyers:
    """Threads that check out, each again and again until it is told how it ended."""

    url: str
    each: int
    outcomes: dict[str, int] = field(default_factory=dict)  # status, by checkout

    def __post_init__(self) -> None:
        self._more = threading.Condition()

    def buy(self, buyer: int) -> None:
        policy = retries.RetryPolicy(max_attempts=12, base_s=0.02, cap_s=0.5)
        client = retries.Client(policy, rng=random.Random(buyer))
        call = calls.over_http(self.url)
        for number in range(self.each):
            user, checkout = f"buyer{buyer}-{number}", f"checkout{buyer}-{number}"
            line = f"/carts/{user}/lines/sku{number % SKUS}"
            card = "declined" if number % 5 == 4 else "visa"
            with suppress(retries.CallError):
                client.call(lambda _: call("PUT", line, {"quantity": 1}), idempotent=True)  # noqa: B023
                status = client.call(
                    lambda _: self._checkout(call, checkout, user, card),  # noqa: B023
                    idempotent=True,
                )
                with self._more:
                    self.outcomes[checkout] = status
            with self._more:
                self._more.notify_all()

    def _checkout(self, call: calls.Call, checkout: str, user: str, card: str) -> int:
        try:
            told = call("PUT", f"/checkouts/{checkout}", {"user": user, "card": card})
        except calls.ServiceRefusedError as refused:
            return refused.status
        if told["state"] == "pending":
            raise calls.NoAnswerError("not decided yet")
        return 201

    def wait_for_more(self, count: int, within_s: float = 30.0) -> None:
        with self._more:
            enough = len(self.outcomes) + count
            assert self._more.wait_for(lambda: len(self.outcomes) >= enough, within_s)


def assert_kept(call: calls.Call, told: Told) -> None:
    """What was acknowledged is there, and the stock is short of what was sold, no more, no less."""
    sold: dict[str, int] = {}
    for order in told.orders.values():
        kept = call("GET", f"/orders/{order['order']}")
        assert kept["state"] == "placed"
        assert kept["lines"] == [{"sku": order["sku"], "quantity": order["quantity"]}]
        assert kept["total_cents"] == order["total"]
        sold[order["sku"]] = sold.get(order["sku"], 0) + order["quantity"]
    for number in range(SKUS):
        sku = f"sku{number}"
        free = PIECES - sold.get(sku, 0)
        assert call("GET", f"/inventory/stock/{sku}") == {"sku": sku, "free": free, "held": 0}
    for (user, sku), quantity in told.wishes.items():
        lines = call("GET", f"/carts/{user}")["lines"]
        assert {"sku": sku, "quantity": quantity} in lines


def rows(shop: Shop, name: str, sql: str) -> list[tuple]:
    """What a part's own database holds."""
    with closing(open_database(shop.file(name), SERVICES[name].schema)) as database:
        return [tuple(row) for row in database.read(sql)]


def books(shop: Shop) -> dict[str, int]:
    """How many pieces are free, by article."""
    return dict(rows(shop, "inventory", "SELECT sku, free FROM stock"))


def assert_promises(shop: Shop, before: dict[str, int], buyers: Buyers) -> None:
    """Orders, charges and stock agree with each other, and with what buyers were told."""
    placed = {f"checkout{b}-{n}" for b in range(4) for n in range(buyers.each)} & {
        order for (order,) in rows(shop, "orders", "SELECT id FROM orders WHERE state = 'placed'")
    }
    told = buyers.outcomes
    assert len(told) >= buyers.each * 2, "hardly anybody was told anything"
    assert {checkout for checkout, status in told.items() if status == 201} <= placed
    assert not {checkout for checkout, status in told.items() if status == 409} & placed
    assert set(told.values()) == {201, 409}
    authorised = "SELECT id FROM authorisations WHERE state = 'authorised' AND id LIKE 'checkout%'"
    assert {charge for (charge,) in rows(shop, "payments", authorised)} == placed
    states = rows(shop, "inventory", "SELECT id, state FROM reservations WHERE id LIKE 'checkout%'")
    assert {reservation for reservation, state in states if state == "confirmed"} == placed
    assert {state for _, state in states} == {"confirmed", "released"}
    assert sum(before.values()) - sum(books(shop).values()) == len(placed)
