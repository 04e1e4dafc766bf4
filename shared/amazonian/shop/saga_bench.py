"""One checkout on a bench: its services in this process, faults between, and what must hold.

The services are the real ones, on SQLite in memory. Before and after each call that the checkout
makes, and before and after each of its commits, is a point where its process might die; the bench
keeps a copy of what is on disk at each of them.
"""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from amazonian.resilience import web
from amazonian.resilience.database import Row, Transaction
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import calls, carts, catalogue, checkout, inventory, monolith, saga
from amazonian.shop.calls import NoAnswerError, ServiceRefusedError

T = TypeVar("T")

ID, USER, CARD, SKU, PIECES, BOUGHT, PRICE_CENTS = "c1", "ada", "visa", "book", 10, 2, 1999
MOST_ROUNDS = 12

# What may be wrong with a service, once. One that acts late does so when the saga has ended.
REFUSES, BEFORE, AFTER, LATE = "refuses", "times out before", "times out after", "acts late"

CALLS = {
    "/inventory/reservations": "reserve stock",
    "/inventory/reservations/release": "release stock",
    "/inventory/reservations/confirmation": "confirm stock",
    "/payments/authorisations": "authorise payment",
    "/payments/authorisations/void": "void payment",
    "/orders": "place order",
    "/orders/cancellation": "cancel order",
    f"/carts/{USER}/bought": "empty cart",
}


class BrokenPromiseError(Exception):
    """The shop's books don't agree; the message names the promise."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with the first of the calls of this name."""

    call: str
    kind: str

    def __str__(self) -> str:
        return f"{self.call} {self.kind}"


@dataclass(frozen=True)
class Design:
    """How a checkout is built. The defaults are the shop's; the rest is to compare with.

    Args:
        run: carries a saga on; by default ``saga.run``.
        keeps_log: whether what the checkout has written survives a crash.
        keeps_ids: whether each attempt to authorise a payment carries the saga's id.
        services_remember: whether services know what was undone before it arrived.
    """

    run: saga.Run | None = None
    keeps_log: bool = True
    keeps_ids: bool = True
    services_remember: bool = True


@dataclass(frozen=True)
class Disk:
    """All that outlives a process: two databases, and what the network has in store.

    Attributes:
        shop, own: the services' database, and the checkout's.
        scenario: the faults that there were to be; `faults` are those still to come.
        late: requests that arrive when all is over.
        attempts: how often a payment was asked for.
        begun: whether a process has begun the checkout.
    """

    shop: bytes
    own: bytes
    scenario: tuple[Fault, ...]
    faults: tuple[Fault, ...]
    late: tuple[tuple[str, str, str], ...] = ()
    attempts: int = 0
    begun: bool = False


@dataclass(frozen=True)
class Life:
    """What one process does from a given disk on, if it does not die: what breaks, if anything,
    and each point where it might die, with the disk as it is then."""

    broken: str
    points: list[tuple[str, Disk]]


def _memory(schema: Sequence[str]) -> MemoryDatabase:
    return MemoryDatabase(("PRAGMA page_size = 512", *schema))  # it is copied at every point


class Bench:
    """The services, the checkout's own database, and between them what goes wrong."""

    local = True

    def __init__(self, design: Design):
        self._design = design
        self._shop, self._own = _memory(monolith.SCHEMA), _memory(checkout.SCHEMA)
        self._shop.write(_stocked)
        self._full, self._empty = self._shop.serialize(), self._own.serialize()
        self._app = calls.in_process(
            web.App([route for part in monolith.PARTS for route in part.routes(self._shop)])
        )
        self._disk = self.begin(())
        self._points: list[tuple[str, Disk]] = []
        self._overtaken_at: int | None = None

    def begin(self, scenario: tuple[Fault, ...]) -> Disk:
        """The disk before anything has happened."""
        return Disk(self._full, self._empty, scenario, scenario)

    def live(self, disk: Disk, overtaken_at: int | None = None) -> Life:
        """Run a process from this disk on: the first one, or one that finds what was left.

        Args:
            overtaken_at: the number of a point at which it stands still while a second process
                does all that there is to do. Then it goes on, and does not know.
        """
        self._shop.deserialize(disk.shop)
        self._own.deserialize(disk.own)
        self._disk, self._points, self._overtaken_at = disk, [], overtaken_at
        try:
            self._work()
            self._at_the_end()
            for request in self._disk.late:
                self._arrive(*request)
                self._at_any_time()
                self._at_the_end()
        except BrokenPromiseError as broken:
            return Life(str(broken), self._points)
        except ServiceRefusedError as refused:
            return Life(f"no compensation is refused: {refused}", self._points)
        return Life("", self._points)

    def _work(self) -> None:
        own = self._process()
        if not self._disk.begun:
            own.buy(ID, USER, CARD)
        self._carry_on(own)

    def _process(self) -> checkout.Checkouts:
        return checkout.Checkouts(self, self._call, self._design.run)

    def _carry_on(self, own: checkout.Checkouts) -> None:
        for _ in range(MOST_ROUNDS):
            left = own.pending()
            if not left:
                return
            own.carry_on(left[0])
        raise BrokenPromiseError("it ends")

    def _point(self, name: str) -> None:
        own = self._own.serialize() if self._design.keeps_log else self._empty
        disk = replace(self._disk, shop=self._shop.serialize(), own=own, begun=True)
        self._points.append((name, disk))
        if len(self._points) - 1 == self._overtaken_at:
            self._carry_on(self._process())

    # What the checkout takes for its database: each commit lies between two points.

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._own.read(sql, parameters)

    def write(self, change: Callable[[Transaction], T]) -> T:
        self._point("before a commit")
        made = self._own.write(change)
        self._point("after a commit")
        return made

    # What it takes for the services.

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        if method == "GET":
            return self._app(method, path, body)
        name = CALLS[re.sub(r"(reservations|authorisations|orders|bought)/[^/]+", r"\1", path)]
        if name == "authorise payment" and not self._design.keeps_ids:
            self._disk = replace(self._disk, attempts=self._disk.attempts + 1)
            if self._disk.attempts > 1:
                path += f"-{self._disk.attempts}"
        self._point(f"before {name}")
        answer = self._answer(name, method, path, body)
        self._point(f"after {name}")
        return answer

    def _answer(self, name: str, method: str, path: str, body: Any) -> Any:
        fault = next((fault for fault in self._disk.faults if fault.call == name), None)
        if fault is None:
            return self._act(method, path, body)
        left = tuple(other for other in self._disk.faults if other is not fault)
        self._disk = replace(self._disk, faults=left)
        if fault.kind == REFUSES:
            raise ServiceRefusedError(409, f"{name}: no")
        if fault.kind == AFTER:
            self._act(method, path, body)
        if fault.kind == LATE:
            under_way = (method, path, json.dumps(body))
            self._disk = replace(self._disk, late=(*self._disk.late, under_way))
        raise NoAnswerError(f"{name}: no answer")

    def _act(self, method: str, path: str, body: Any) -> Any:
        try:
            return self._app(method, path, body)
        finally:
            self._at_any_time()

    def _arrive(self, method: str, path: str, body: str) -> None:
        """What was under way for long reaches its service, which may know that it is undone."""
        if not self._design.services_remember:
            for forgotten in _FORGET:
                self._shop.execute(forgotten)
        with suppress(ServiceRefusedError):
            self._app(method, path, json.loads(body))

    # The promises.

    def _at_any_time(self) -> None:
        """What holds whenever one looks."""
        ((free, taken, bare, charges),) = self._shop.read(_BOOKS)
        promise(free + taken == PIECES, "no lost stock")
        promise(not bare, "no order without stock")
        promise(charges <= 1, "one charge at most")

    def _at_the_end(self) -> None:
        """What holds when no checkout is pending."""
        outcomes = self._own.read("SELECT outcome FROM purchases")
        done = outcomes == [(saga.DONE,)]
        ((held, charges, placed, in_cart),) = self._shop.read(_END)
        promise(not held, "no stock reserved for ever")
        promise(charges <= placed, "no charge without an order")
        promise(charges >= placed, "no order without a charge")
        promise(placed == done, "the answer agrees with the books")
        promise(in_cart == (0 if done else BOUGHT), "the cart agrees with the answer")


def promise(kept: bool, name: str) -> None:
    """Hold a promise to the shop, or name it."""
    if not kept:
        raise BrokenPromiseError(name)


def _stocked(transaction: Transaction) -> None:
    catalogue.put(transaction, SKU, "A book", PRICE_CENTS)
    inventory.put(transaction, SKU, PIECES)
    carts.put(transaction, USER, SKU, BOUGHT)


_LIVE = "(SELECT id FROM reservations WHERE state IN ('held', 'confirmed'))"
_CHARGES = "(SELECT count(*) FROM authorisations WHERE state = 'authorised')"
_PLACED = "(SELECT count(*) FROM orders WHERE state = 'placed')"
_BOOKS = f"""
    SELECT (SELECT sum(free) FROM stock),
        (SELECT coalesce(sum(quantity), 0) FROM reserved_lines WHERE id IN {_LIVE}),
        (SELECT count(*) FROM orders WHERE state = 'placed' AND id NOT IN {_LIVE}),
        {_CHARGES}
"""
_END = f"""
    SELECT (SELECT count(*) FROM reservations WHERE state = 'held'), {_CHARGES}, {_PLACED},
        (SELECT coalesce(sum(quantity), 0) FROM cart_lines)
"""
_FORGET = (
    "DELETE FROM reservations WHERE state = 'released'",
    "DELETE FROM reserved_lines WHERE id NOT IN (SELECT id FROM reservations)",
    "DELETE FROM authorisations WHERE state = 'voided'",
    "DELETE FROM orders WHERE state = 'cancelled'",
)
