"""Vertical partitioning: tables, and columns, apart by what they are for: lab 2.3.

Whoever cuts a database vertically puts some tables into a database of their own, or the seldom
read columns of a table into a second table. (Vertical *scaling* is another thing: the same
database on a larger machine.) Each part can then grow, fail and be changed alone. The price is
that a transaction or a join reaches no further than its part.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from amazonian.resilience.database import Database, Transaction

# The shop's tables, and which of them each of its transactions writes.
TABLES = (
    "products",
    "prices",
    "reviews",
    "customers",
    "addresses",
    "carts",
    "cart_items",
    "stock",
    "orders",
    "order_items",
    "payments",
)
TRANSACTIONS: Mapping[str, Sequence[str]] = {
    "list a product": ("products", "prices"),
    "write a review": ("reviews",),
    "sign up": ("customers", "addresses"),
    "put into the cart": ("carts", "cart_items"),
    "restock": ("stock",),
    "check out": ("carts", "cart_items", "stock", "orders", "order_items", "payments"),
}
# Lab 2.1's saga: each of its steps is a transaction of its own, in place of "check out".
SAGA: Mapping[str, Sequence[str]] = {
    "empty the cart": ("carts", "cart_items"),
    "reserve": ("stock",),
    "create the order": ("orders", "order_items"),
    "authorise": ("payments",),
}
# Which tables each query joins, and how often it comes, per second.
JOINS: Mapping[tuple[str, ...], int] = {
    ("products", "prices"): 900,
    ("products", "prices", "stock"): 400,
    ("cart_items", "products", "prices"): 120,
    ("orders", "order_items"): 60,
    ("order_items", "products"): 40,
    ("customers", "addresses"): 30,
    ("reviews", "customers"): 200,
}


def keep_together(
    tables: Collection[str], transactions: Collection[Collection[str]]
) -> list[set[str]]:
    """The smallest groups of tables that a vertical partition may put into databases of their own.

    All tables that one transaction writes must be in one group, since no transaction reaches into
    two databases. That binds tables together which no single transaction writes, too: if one
    writes a and b, and another b and c, then a, b and c are one group.

    Args:
        tables: the names of all tables.
        transactions: for each of them the tables that it writes: one at least, all of `tables`.

    Returns:
        The groups, in any order. Each table is in one; a table that is written alone is a group.
    """
    groups = [{table} for table in tables]
    for written in transactions:
        touched = [group for group in groups if not group.isdisjoint(written)]
        apart = [group for group in groups if group.isdisjoint(written)]
        groups = [*apart, set().union(*touched)]
    return groups


def joins_across(groups: Sequence[Collection[str]], joins: Mapping[tuple[str, ...], int]) -> int:
    """How many joins a second would need more than one of these groups."""
    return sum(
        rate
        for tables, rate in joins.items()
        if not any(set(tables) <= set(group) for group in groups)
    )


# --- a join, in one database and across two ---------------------------------------------------

ITEMS = "CREATE TABLE order_items (customer TEXT NOT NULL, number INTEGER NOT NULL, sku TEXT)"
PRODUCTS = "CREATE TABLE products (sku TEXT PRIMARY KEY, title TEXT NOT NULL)"


@dataclass(frozen=True)
class Line:
    """One item of a customer's orders, with its product's title; None if there is none."""

    number: int
    sku: str
    title: str | None


class Counted:
    """A database that counts the queries that it answers: each is a journey over the network."""

    def __init__(self, database: Database):
        self._database, self.queries = database, 0

    def read(self, sql: str, parameters: Sequence = ()) -> list:
        self.queries += 1
        return self._database.read(sql, parameters)


def fill(items: Database, products: Database, rng: random.Random) -> None:
    """500 products, and 40 items for each of 50 customers; the databases may be one."""
    skus = [f"sku-{number}" for number in range(500)]

    def add_products(transaction: Transaction) -> None:
        for sku in skus:
            transaction.execute("INSERT INTO products VALUES (?, ?)", (sku, f"Title of {sku}"))

    def add_items(transaction: Transaction) -> None:
        for customer in range(50):
            for number in range(40):
                row = (f"customer-{customer}", number, rng.choice(skus))
                transaction.execute("INSERT INTO order_items VALUES (?, ?, ?)", row)

    products.write(add_products)
    items.write(add_items)


def lines_by_join(database: Counted, customer: str) -> list[Line]:
    """A customer's lines, by number, out of one database: one query, one moment."""
    rows = database.read(
        "SELECT number, order_items.sku, title FROM order_items LEFT JOIN products"
        " ON products.sku = order_items.sku WHERE customer = ? ORDER BY number",
        (customer,),
    )
    return [Line(*row) for row in rows]


def lines_across(items: Counted, products: Counted, customer: str) -> list[Line]:
    """The same out of two databases: two queries at two moments, joined here."""
    rows = _items_of(items, customer)
    skus = sorted({sku for _, sku in rows})
    marks = ", ".join("?" * len(skus))
    found = products.read(f"SELECT sku, title FROM products WHERE sku IN ({marks})", skus)
    titles = dict(found)
    return [Line(number, sku, titles.get(sku)) for number, sku in rows]


def lines_one_by_one(items: Counted, products: Counted, customer: str) -> list[Line]:
    """The same as code often has it that was written for one database: a query for each item."""
    found = []
    for number, sku in _items_of(items, customer):
        titles = products.read("SELECT title FROM products WHERE sku = ?", (sku,))
        found.append(Line(number, sku, titles[0][0] if titles else None))
    return found


def _items_of(items: Counted, customer: str) -> list:
    return items.read(
        "SELECT number, sku FROM order_items WHERE customer = ? ORDER BY number", (customer,)
    )


# --- the columns of one table -----------------------------------------------------------------

WHOLE = "CREATE TABLE whole (sku TEXT PRIMARY KEY, price_minor INTEGER, stock INTEGER, text TEXT)"
HOT = "CREATE TABLE hot (sku TEXT PRIMARY KEY, price_minor INTEGER, stock INTEGER)"
COLD = "CREATE TABLE cold (sku TEXT PRIMARY KEY, text TEXT)"


def fill_columns(database: Database, products: int, text_bytes: int) -> None:
    """The same products in one table, and in a hot and a cold one."""
    text = "x" * text_bytes

    def change(transaction: Transaction) -> None:
        for number in range(products):
            sku, price_minor, stock = f"sku-{number}", 100 + number, number % 9
            row = (sku, price_minor, stock, text)
            transaction.execute("INSERT INTO whole VALUES (?, ?, ?, ?)", row)
            transaction.execute("INSERT INTO hot VALUES (?, ?, ?)", (sku, price_minor, stock))
            transaction.execute("INSERT INTO cold VALUES (?, ?)", (sku, text))

    database.write(change)


def value_of_stock(database: Database, table: str) -> int:
    """What the stock is worth, in cents: a query that reads two columns of every row."""
    rows = database.read(f"SELECT sum(price_minor * stock) FROM {table}")
    return int(rows[0][0])
