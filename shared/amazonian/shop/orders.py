"""The orders: what was bought. An order has the id of its checkout."""

import json
from collections.abc import Sequence
from typing import Any

from amazonian.resilience import web
from amazonian.resilience.database import Database, Row, Transaction
from amazonian.resilience.web import ProblemError, Reply, Request, Route
from amazonian.shop import lines as lines_of
from amazonian.shop.lines import Line

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS orders"
    " (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, lines TEXT NOT NULL,"
    " total_cents INTEGER NOT NULL, state TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS orders_of_user ON orders (user_id, id)",
)
TABLES = ("orders",)
MOST_CENTS = 10**12
PAGE = 100
PLACED, CANCELLED = "placed", "cancelled"


class CancelledError(ProblemError):
    """The order was cancelled, perhaps before it arrived."""

    def __init__(self, order: str):
        super().__init__(409, "The order is cancelled", f"{order!r} stays so")


def place(
    transaction: Transaction, order: str, user: str, lines: Sequence[Line], total_cents: int
) -> str:
    """Place an order, once for each id.

    Raises:
        CancelledError: it was cancelled.
        ProblemError: the id belongs to another order; status 422.
    """
    written = json.dumps(lines_of.as_json(lines))
    known = transaction.execute(
        "SELECT state, user_id, lines, total_cents FROM orders WHERE id = ?", (order,)
    )
    if known and known[0][0] == CANCELLED:
        raise CancelledError(order)
    if known and tuple(known[0][1:]) != (user, written, total_cents):
        raise ProblemError(422, "The order exists", f"{order!r} is another; use an id of its own")
    if not known:
        transaction.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
            (order, user, written, total_cents, PLACED),
        )
    return PLACED


def cancel(transaction: Transaction, order: str) -> str:
    """Cancel an order, and let none of this id be placed later."""
    transaction.execute(
        "INSERT INTO orders VALUES (?, '', '[]', 0, ?)"
        " ON CONFLICT (id) DO UPDATE SET state = excluded.state",
        (order, CANCELLED),
    )
    return CANCELLED


def _shown(row: Row) -> dict[str, Any]:
    order, user, lines, total_cents, state = row
    return {
        "id": order,
        "user": user,
        "lines": json.loads(lines),
        "total_cents": total_cents,
        "state": state,
    }


def routes(database: Database) -> list[Route]:
    """The orders over HTTP, under ``/orders``."""

    def get(request: Request) -> dict[str, Any]:
        order = request.parameters["id"]
        rows = database.read("SELECT * FROM orders WHERE id = ?", (order,))
        if not rows:
            raise ProblemError(404, "No such order", f"there is no {order!r}")
        return _shown(rows[0])

    def of_user(request: Request) -> dict[str, Any]:
        found = database.read(
            "SELECT * FROM orders WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?",
            (web.text(request.query, "user"), request.query.get("after", ""), PAGE),
        )
        return {"orders": [_shown(row) for row in found]}

    def put(request: Request) -> Reply:
        order, user = request.parameters["id"], web.text(request.body, "user")
        lines = lines_of.parse(request.body)
        total = web.whole(request.body, "total_cents", 0, MOST_CENTS)
        database.write(lambda transaction: place(transaction, order, user, lines, total))
        return Reply(201, {"id": order, "state": PLACED})

    def give_up(request: Request) -> dict[str, Any]:
        order = request.parameters["id"]
        state = database.write(lambda transaction: cancel(transaction, order))
        return {"id": order, "state": state}

    return [
        Route("GET", "/orders", of_user),
        Route("GET", "/orders/{id}", get),
        Route("PUT", "/orders/{id}", put),
        Route("PUT", "/orders/{id}/cancellation", give_up),
    ]
