"""Each part of the shop as a service of its own, with a database of its own.

::

    python -m amazonian.shop.services monolith --database shop.db --port 8100
    python -m amazonian.shop.services catalogue --database catalogue.db
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amazonian.resilience.database import Database, open_database
from amazonian.shop import (
    carts,
    catalogue,
    inventory,
    monolith,
    orders,
    payment_stub,
    processes,
    users,
    web,
)


@dataclass(frozen=True)
class Service:
    """What runs as one process: the prefix of its paths, its tables, and its routes."""

    prefix: str
    schema: Sequence[str]
    tables: Sequence[str]
    routes: Callable[[Database], list[web.Route]]


SERVICES = {
    "monolith": Service("/", monolith.SCHEMA, (), monolith.routes),
    "catalogue": Service("/products", catalogue.SCHEMA, catalogue.TABLES, catalogue.routes),
    "users": Service("/users", users.SCHEMA, users.TABLES, users.routes),
    "carts": Service("/carts", carts.SCHEMA, carts.TABLES, carts.routes),
    "inventory": Service("/inventory", inventory.SCHEMA, inventory.TABLES, inventory.routes),
    "payments": Service("/payments", payment_stub.SCHEMA, payment_stub.TABLES, payment_stub.routes),
    "orders": Service("/orders", orders.SCHEMA, orders.TABLES, orders.routes),
}


def app(name: str, database: Database) -> web.App:
    """A service's application on its database."""
    return web.App(SERVICES[name].routes(database))


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a part of the shop on loopback.")
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--database", required=True, help="a SQLite file or a postgresql:// DSN")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    chosen = parser.parse_args()
    database = open_database(chosen.database, SERVICES[chosen.service].schema)
    try:
        processes.serve(app(chosen.service, database), chosen.port, chosen.with_parent)
    finally:
        database.close()


if __name__ == "__main__":
    main()
