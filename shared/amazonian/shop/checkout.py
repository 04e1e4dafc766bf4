"""The checkout as a service of its own: a saga over the services that hold the shop's data."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from amazonian.resilience import retries, web
from amazonian.resilience.database import Database
from amazonian.resilience.web import ProblemError, Reply, Request, Route
from amazonian.shop import lines as lines_of
from amazonian.shop import orders, saga
from amazonian.shop.calls import Call, ServiceRefusedError
from amazonian.shop.lines import Line
from amazonian.shop.monolith import EmptyCartError
from amazonian.shop.saga import DatabaseLog, Step

log = logging.getLogger(__name__)

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS purchases"
    " (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, card TEXT NOT NULL, lines TEXT NOT NULL,"
    " total_cents INTEGER NOT NULL, outcome TEXT)",
    "CREATE INDEX IF NOT EXISTS purchases_pending ON purchases (outcome, id)",
    *saga.SCHEMA,
)
TABLES = ("purchases", "saga_log")
PENDING = "pending"
RESUMES_EVERY_S = 1.0


@dataclass(frozen=True)
class Purchase:
    """What is to be bought, as it stood when the checkout began; `id` is the saga's."""

    id: str
    user: str
    card: str
    lines: tuple[Line, ...]
    total_cents: int


def steps(call: Call, purchase: Purchase) -> list[Step]:
    """The checkout's steps. All that they ask of the services carries the saga's id.

    What can be refused comes first. The order can be seen by others as soon as it is placed, so
    it comes when its pieces are held and paid for. The last two have no compensation.
    """
    checkout, user = quote(purchase.id, safe=""), quote(purchase.user, safe="")
    lines = {"lines": lines_of.as_json(purchase.lines)}
    pays = {"user": purchase.user, "card": purchase.card, "amount_cents": purchase.total_cents}
    orders_it = {"user": purchase.user, **lines, "total_cents": purchase.total_cents}
    reservation = f"/inventory/reservations/{checkout}"
    payment = f"/payments/authorisations/{checkout}"
    order = f"/orders/{checkout}"
    return [
        Step(
            "reserve stock",
            lambda: call("PUT", reservation, lines),
            lambda: call("PUT", f"{reservation}/release"),
        ),
        Step(
            "authorise payment",
            lambda: call("PUT", payment, pays),
            lambda: call("PUT", f"{payment}/void"),
        ),
        Step(
            "place order",
            lambda: call("PUT", order, orders_it),
            lambda: call("PUT", f"{order}/cancellation"),
        ),
        Step("confirm stock", lambda: call("PUT", f"{reservation}/confirmation")),
        Step("empty cart", lambda: call("PUT", f"/carts/{user}/bought/{checkout}", lines)),
    ]


def ask_for(call: Call, checkout: str, user: str, card: str) -> Purchase:
    """Read a cart and its prices: what the checkout is about.

    Raises:
        EmptyCartError: nothing is in the cart.
        ServiceRefusedError: the catalogue no longer has an article.
        CallError: no answer.
    """
    found = call("GET", f"/carts/{quote(user, safe='')}")
    if not found["lines"]:
        raise EmptyCartError(user)
    lines = lines_of.parse(found)
    prices = {
        line.sku: call("GET", f"/products/{quote(line.sku, safe='')}")["price_cents"]
        for line in lines
    }
    total = sum(line.quantity * prices[line.sku] for line in lines)
    return Purchase(checkout, user, card, tuple(lines), total)


class Checkouts:
    """Begins checkouts, and carries on those that were left in the middle.

    Args:
        database: laid out with `SCHEMA`.
        call: to the other services, by path.
        run: carries a saga on; by default ``saga.run``.
    """

    def __init__(self, database: Database, call: Call, run: saga.Run | None = None):
        self._database, self._call, self._run = database, call, run
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def buy(self, checkout: str, user: str, card: str) -> str:
        """Check a cart out, once for each id, and return how it stands.

        Returns:
            The outcome, ``saga.DONE`` or ``saga.UNDONE``; or `PENDING` while it is decided.

        Raises:
            EmptyCartError: nothing is in the cart.
            ServiceRefusedError: the catalogue no longer has an article.
            CallError: the cart or a price can't be read now; nothing was begun.
        """
        with self._alone_with(checkout) as alone:
            if alone and self.find(checkout) is None:
                self._begin(ask_for(self._call, checkout, user, card))
            return self._carry_on(checkout) if alone else PENDING

    def carry_on(self, checkout: str) -> str:
        """Run a checkout from where its log ends, unless it has ended or runs already."""
        with self._alone_with(checkout) as alone:
            return self._carry_on(checkout) if alone else PENDING

    @contextmanager
    def _alone_with(self, checkout: str) -> Iterator[bool]:
        """Whether no other thread has this checkout in its hands, while a ``with`` block runs."""
        with self._lock:
            alone = checkout not in self._running
            self._running.add(checkout)
        try:
            yield alone
        finally:
            if alone:
                with self._lock:
                    self._running.discard(checkout)

    def _carry_on(self, checkout: str) -> str:
        found = self.find(checkout)
        if found is None:
            raise LookupError(f"there is no checkout {checkout!r}")
        purchase, outcome = found
        if outcome is not None:
            return outcome
        run = self._run or saga.run
        try:
            outcome = run(steps(self._call, purchase), DatabaseLog(self._database, checkout))
        except (retries.CallError, saga.SupersededError) as error:
            log.info("%s waits: %s", checkout, error)
            return PENDING
        self._end(checkout, outcome)
        return outcome

    def pending(self) -> list[str]:
        """The checkouts that have not ended."""
        rows = self._database.read("SELECT id FROM purchases WHERE outcome IS NULL ORDER BY id")
        return [checkout for (checkout,) in rows]

    def find(self, checkout: str) -> tuple[Purchase, str | None] | None:
        """A checkout that was begun, and its outcome; None if there is none of this id."""
        rows = self._database.read(
            "SELECT user_id, card, lines, total_cents, outcome FROM purchases WHERE id = ?",
            (checkout,),
        )
        if not rows:
            return None
        user, card, written, total, outcome = rows[0]
        lines = tuple(Line(**line) for line in json.loads(written))
        return Purchase(checkout, user, card, lines, total), outcome

    def log_of(self, checkout: str) -> list[saga.Entry]:
        """What a checkout has done so far, oldest first."""
        return DatabaseLog(self._database, checkout).entries()

    def why(self, checkout: str) -> str:
        """Why a checkout turned back; empty if it did not."""
        turned = [entry for entry in self.log_of(checkout) if entry.kind == saga.UNDOING]
        return f"{turned[0].step}: {turned[0].why}" if turned else ""

    def _begin(self, purchase: Purchase) -> None:
        """Keep the purchase before its first step; one that is there already stays as it is."""
        written = json.dumps(lines_of.as_json(purchase.lines))
        row = (purchase.id, purchase.user, purchase.card, written, purchase.total_cents)
        self._database.write(
            lambda transaction: transaction.execute(
                "INSERT INTO purchases VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT (id) DO NOTHING",
                row,
            )
        )

    def _end(self, checkout: str, outcome: str) -> None:
        self._database.write(
            lambda transaction: transaction.execute(
                "UPDATE purchases SET outcome = ? WHERE id = ?", (outcome, checkout)
            )
        )


@contextmanager
def resuming(checkouts: Checkouts, every_s: float = RESUMES_EVERY_S) -> Iterator[None]:
    """Carry on what was left in the middle, at once and again and again, in a thread.

    Args:
        every_s: how long to wait between two rounds, in seconds.
    """
    stop = threading.Event()

    def rounds() -> None:
        while True:
            try:
                for checkout in checkouts.pending():
                    checkouts.carry_on(checkout)
            except Exception:  # a service or the disk is in trouble; a later round may do better
                log.exception("some checkouts wait")
            if stop.wait(every_s):
                return

    thread = threading.Thread(target=rounds, name="resuming checkouts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def routes(checkouts: Checkouts) -> list[Route]:
    """The checkout over HTTP, under ``/checkouts``."""

    def shown(checkout: str, outcome: str) -> Reply:
        found = checkouts.find(checkout)
        assert found is not None
        if outcome == saga.UNDONE:
            raise ProblemError(409, "The checkout was undone", checkouts.why(checkout))
        if outcome == PENDING:
            return Reply(202, {"id": checkout, "state": PENDING})
        total = found[0].total_cents
        return Reply(201, {"id": checkout, "state": orders.PLACED, "total_cents": total})

    def buy(request: Request) -> Reply:
        checkout = request.parameters["id"]
        user, card = web.text(request.body, "user"), web.text(request.body, "card")
        try:
            return shown(checkout, checkouts.buy(checkout, user, card))
        except ServiceRefusedError as refused:
            raise ProblemError(409, refused.title, refused.detail) from None
        except retries.CallError as error:
            log.warning("%s: %s", checkout, error)
            raise ProblemError(503, "Service Unavailable", retry_after_s=1) from None

    def get(request: Request) -> Any:
        checkout = request.parameters["id"]
        found = checkouts.find(checkout)
        if found is None:
            raise ProblemError(404, "No such checkout", f"there is no {checkout!r}")
        return shown(checkout, found[1] or PENDING)

    return [Route("PUT", "/checkouts/{id}", buy), Route("GET", "/checkouts/{id}", get)]
