"""The carts: what somebody is about to buy."""

from collections.abc import Sequence
from typing import Any

from amazonian.resilience import web
from amazonian.resilience.database import Database, Transaction
from amazonian.resilience.web import Request, Route
from amazonian.shop import lines as lines_of
from amazonian.shop.lines import MOST_OF_ONE, Line

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS cart_lines"
    " (user_id TEXT NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL,"
    " PRIMARY KEY (user_id, sku))",
    "CREATE TABLE IF NOT EXISTS carts_bought (checkout TEXT PRIMARY KEY)",
)
TABLES = ("cart_lines", "carts_bought")
_LINES = "SELECT sku, quantity FROM cart_lines WHERE user_id = ? ORDER BY sku"


def put(transaction: Transaction, user: str, sku: str, quantity: int) -> None:
    """Set how many pieces of an article are in a cart; 0 takes it out."""
    if quantity == 0:
        transaction.execute("DELETE FROM cart_lines WHERE user_id = ? AND sku = ?", (user, sku))
        return
    transaction.execute(
        "INSERT INTO cart_lines (user_id, sku, quantity) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id, sku) DO UPDATE SET quantity = excluded.quantity",
        (user, sku, quantity),
    )


def lines(transaction: Transaction, user: str) -> list[Line]:
    """What is in a cart, by article."""
    return lines_of.from_rows(transaction.execute(_LINES, (user,)))


def take_out(transaction: Transaction, checkout: str, user: str, bought: Sequence[Line]) -> None:
    """Take what a checkout has bought out of the cart, once for each checkout.

    What was put in since then stays: a line loses the pieces that were bought, and no more.
    """
    known = transaction.execute("SELECT 1 FROM carts_bought WHERE checkout = ?", (checkout,))
    if known:
        return
    transaction.execute("INSERT INTO carts_bought VALUES (?)", (checkout,))
    held = {line.sku: line.quantity for line in lines(transaction, user)}
    for line in bought:
        if line.sku in held:
            put(transaction, user, line.sku, max(0, held[line.sku] - line.quantity))


def routes(database: Database) -> list[Route]:
    """The carts over HTTP, under ``/carts``."""

    def get(request: Request) -> dict[str, Any]:
        user = request.parameters["user"]
        found = lines_of.from_rows(database.read(_LINES, (user,)))
        return {"user": user, "lines": lines_of.as_json(found)}

    def change(request: Request) -> dict[str, Any]:
        user, sku = request.parameters["user"], request.parameters["sku"]
        quantity = web.whole(request.body, "quantity", 0, MOST_OF_ONE)
        database.write(lambda transaction: put(transaction, user, sku, quantity))
        return {"user": user, "sku": sku, "quantity": quantity}

    def bought(request: Request) -> dict[str, Any]:
        user, checkout = request.parameters["user"], request.parameters["checkout"]
        found = lines_of.parse(request.body)
        database.write(lambda transaction: take_out(transaction, checkout, user, found))
        return {"user": user, "checkout": checkout}

    return [
        Route("GET", "/carts/{user}", get),
        Route("PUT", "/carts/{user}/lines/{sku}", change),
        Route("PUT", "/carts/{user}/bought/{checkout}", bought),
    ]
