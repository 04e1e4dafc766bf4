"""The catalogue: what the shop sells, and for how much. Prices are in euro cents."""

from typing import Any

from amazonian.resilience import web
from amazonian.resilience.database import Database, Transaction
from amazonian.resilience.web import ProblemError, Request, Route

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS products"
    " (sku TEXT PRIMARY KEY, title TEXT NOT NULL, price_cents INTEGER NOT NULL)",
)
TABLES = ("products",)
HIGHEST_PRICE_CENTS = 100_000_000
PAGE = 100


class UnknownProductError(ProblemError):
    """The catalogue has no such article."""

    def __init__(self, sku: str):
        super().__init__(404, "No such product", f"the catalogue has no {sku!r}")


def put(transaction: Transaction, sku: str, title: str, price_cents: int) -> dict[str, Any]:
    """Add a product, or change its title and price."""
    transaction.execute(
        "INSERT INTO products (sku, title, price_cents) VALUES (?, ?, ?) ON CONFLICT (sku)"
        " DO UPDATE SET title = excluded.title, price_cents = excluded.price_cents",
        (sku, title, price_cents),
    )
    return {"sku": sku, "title": title, "price_cents": price_cents}


def price_of(transaction: Transaction, sku: str) -> int:
    """An article's price in cents.

    Raises:
        UnknownProductError: there is no such article.
    """
    rows = transaction.execute("SELECT price_cents FROM products WHERE sku = ?", (sku,))
    if not rows:
        raise UnknownProductError(sku)
    return rows[0][0]


def routes(database: Database) -> list[Route]:
    """The catalogue over HTTP, under ``/products``."""

    def get(request: Request) -> dict[str, Any]:
        sku = request.parameters["sku"]
        rows = database.read("SELECT title, price_cents FROM products WHERE sku = ?", (sku,))
        if not rows:
            raise UnknownProductError(sku)
        return {"sku": sku, "title": rows[0][0], "price_cents": rows[0][1]}

    def page(request: Request) -> dict[str, Any]:
        rows = database.read(
            "SELECT sku, title, price_cents FROM products WHERE sku > ? ORDER BY sku LIMIT ?",
            (request.query.get("after", ""), PAGE),
        )
        products = [{"sku": s, "title": t, "price_cents": p} for s, t, p in rows]
        return {"products": products, "next": products[-1]["sku"] if len(rows) == PAGE else None}

    def change(request: Request) -> dict[str, Any]:
        sku, title = request.parameters["sku"], web.text(request.body, "title")
        price = web.whole(request.body, "price_cents", 0, HIGHEST_PRICE_CENTS)
        return database.write(lambda transaction: put(transaction, sku, title, price))

    return [
        Route("GET", "/products", page),
        Route("GET", "/products/{sku}", get),
        Route("PUT", "/products/{sku}", change),
    ]
