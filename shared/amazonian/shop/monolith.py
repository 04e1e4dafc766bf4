"""The shop as one process on one database: every part mounted, and checkout one transaction."""

from typing import Any

from amazonian.resilience import web
from amazonian.resilience.database import Database, Transaction
from amazonian.resilience.web import ProblemError, Reply, Request, Route
from amazonian.shop import carts, catalogue, inventory, orders, payment_stub, users

PARTS = (catalogue, users, carts, inventory, payment_stub, orders)
SCHEMA = tuple(statement for part in PARTS for statement in part.SCHEMA)


class EmptyCartError(ProblemError):
    """There is nothing to buy."""

    def __init__(self, user: str):
        super().__init__(422, "The cart is empty", f"put something into the cart of {user!r}")


def checkout(transaction: Transaction, checkout_id: str, user: str, card: str) -> dict[str, Any]:
    """Buy what is in a cart, once for each id. A refusal undoes all of it: it is one transaction.

    Returns:
        The order's id, state and total_cents.

    Raises:
        EmptyCartError: nothing is in the cart.
        OutOfStockError: some article has too few pieces.
        DeclinedError: the card was declined.
    """
    known = transaction.execute(
        "SELECT state, total_cents FROM orders WHERE id = ?", (checkout_id,)
    )
    if known:
        return {"id": checkout_id, "state": known[0][0], "total_cents": known[0][1]}
    lines = carts.lines(transaction, user)
    if not lines:
        raise EmptyCartError(user)
    total = sum(line.quantity * catalogue.price_of(transaction, line.sku) for line in lines)
    inventory.reserve(transaction, checkout_id, lines)
    payment_stub.authorise(transaction, checkout_id, user, total, card)
    state = orders.place(transaction, checkout_id, user, lines, total)
    inventory.confirm(transaction, checkout_id)
    carts.take_out(transaction, checkout_id, user, lines)
    return {"id": checkout_id, "state": state, "total_cents": total}


def routes(database: Database) -> list[Route]:
    """The whole shop over HTTP: each part's routes, and ``/checkouts``."""

    def buy(request: Request) -> Reply:
        checkout_id = request.parameters["id"]
        user, card = web.text(request.body, "user"), web.text(request.body, "card")
        placed = database.write(lambda tx: checkout(tx, checkout_id, user, card))
        return Reply(201, placed)

    def get(request: Request) -> dict[str, Any]:
        checkout_id = request.parameters["id"]
        sql = "SELECT state, total_cents FROM orders WHERE id = ?"
        rows = database.read(sql, (checkout_id,))
        if not rows:
            raise ProblemError(404, "No such checkout", f"there is no {checkout_id!r}")
        return {"id": checkout_id, "state": rows[0][0], "total_cents": rows[0][1]}

    parts = [route for part in PARTS for route in part.routes(database)]
    own = [Route("PUT", "/checkouts/{id}", buy), Route("GET", "/checkouts/{id}", get)]
    return [*parts, *own]
