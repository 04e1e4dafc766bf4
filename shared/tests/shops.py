"""A whole shop in processes, a façade before it, and shoppers that we did not write."""

import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from amazonian.course.catalogue import ROOT
from amazonian.resilience import retries
from amazonian.resilience.database import open_database
from amazonian.shop import calls, facade
from amazonian.shop.copying import copy_tables
from amazonian.shop.facade import Facade
from amazonian.shop.processes import Process
from amazonian.shop.services import SERVICES

SHOPPER = Path(__file__).parent / "shop" / "clients" / "shopper.py"
SKUS, PIECES, PRICE_CENTS = 20, 10_000, 250
PARTS = [name for name in SERVICES if name != "monolith"]
PREFIXES = [SERVICES[name].prefix for name in PARTS]


class Counted:
    """An ASGI application that counts its replies, so that a test can wait for some."""

    def __init__(self, app: Any):
        self._app, self.replies, self._more = app, 0, threading.Condition()

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
        with self._more:
            self.replies += 1
            self._more.notify_all()

    def wait_for_more(self, count: int, within_s: float = 30.0) -> None:
        with self._more:
            enough = self.replies + count
            assert self._more.wait_for(lambda: self.replies >= enough, within_s), "no load came"


@dataclass
class Shop:
    """Processes by name, and the façade before them."""

    folder: Path
    facade: Facade
    counted: Counted
    url: str
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def call(self) -> calls.Call:
        return calls.over_http(self.url)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def copy(self, name: str, source: str, target: str) -> int:
        """Copy the tables of a part from one process's database to another's."""
        schema = SERVICES[name].schema
        one, other = (open_database(self.file(file), schema) for file in (source, target))
        try:
            return copy_tables(one, other, SERVICES[name].tables)
        finally:
            one.close()
            other.close()

    def move(self, name: str) -> None:
        """Move a part from the monolith to its service; the checkout has nothing to copy."""
        to = self.processes[name].url
        if name == "checkout":
            self.facade.move("/checkouts", to)
        else:
            copy = partial(self.copy, name, "monolith", name)
            self.facade.move(SERVICES[name].prefix, to, copy)

    def move_back(self, name: str) -> None:
        """Move a part back to the monolith."""
        if name == "checkout":
            self.facade.move_back("/checkouts")
        else:
            self.facade.move_back(SERVICES[name].prefix, partial(self.copy, name, name, "monolith"))


def stock(call: calls.Call) -> None:
    for number in range(SKUS):
        sku = f"sku{number}"
        call("PUT", f"/products/{sku}", {"title": sku, "price_cents": PRICE_CENTS + number})
        call("PUT", f"/inventory/stock/{sku}", {"free": PIECES})


@contextmanager
def shop(folder: Path) -> Iterator[Shop]:
    """A monolith with goods in it, all services, and a façade that leads to the monolith."""
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> Process:
            options = [name, f"--database={folder / name}.db", *arguments]
            return stack.enter_context(Process("amazonian.shop.services", options))

        monolith = start("monolith")
        before = Facade(monolith.url, [*PREFIXES, "/checkouts"])
        counted = Counted(before)
        url = stack.enter_context(facade.serving(before, app=counted))
        stock(calls.over_http(monolith.url))
        running = {"monolith": monolith} | {name: start(name) for name in PARTS}
        running["checkout"] = start("checkout", f"--shop={url}")
        yield Shop(folder, before, counted, url, running)


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
        except calls.RefusedError as refused:
            return refused.status
        if told["state"] == "pending":
            raise calls.NoAnswerError("not decided yet")
        return 201

    def wait_for_more(self, count: int, within_s: float = 30.0) -> None:
        with self._more:
            enough = len(self.outcomes) + count
            assert self._more.wait_for(lambda: len(self.outcomes) >= enough, within_s)


def assert_kept(shop: Shop, told: Told) -> None:
    """What was acknowledged is there, and the stock is short of what was sold, no more, no less."""
    sold: dict[str, int] = {}
    for order in told.orders.values():
        kept = shop.call("GET", f"/orders/{order['order']}")
        assert kept["state"] == "placed"
        assert kept["lines"] == [{"sku": order["sku"], "quantity": order["quantity"]}]
        assert kept["total_cents"] == order["total"]
        sold[order["sku"]] = sold.get(order["sku"], 0) + order["quantity"]
    for number in range(SKUS):
        sku = f"sku{number}"
        free = PIECES - sold.get(sku, 0)
        assert shop.call("GET", f"/inventory/stock/{sku}") == {"sku": sku, "free": free, "held": 0}
    for (user, sku), quantity in told.wishes.items():
        lines = shop.call("GET", f"/carts/{user}")["lines"]
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
