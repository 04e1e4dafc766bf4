"""Each part of the shop as a service of its own, with a database of its own.

::

    python -m amazonian.shop.services monolith --database shop.db --port 8100
    python -m amazonian.shop.services catalogue --database catalogue.db
    python -m amazonian.shop.services checkout --database checkout.db --shop http://127.0.0.1:8000
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from amazonian.resilience import processes, retries, web
from amazonian.resilience.database import Database, open_database
from amazonian.shop import (
    calls,
    carts,
    catalogue,
    checkout,
    inventory,
    monolith,
    orders,
    payment_stub,
    users,
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


@contextmanager
def checkout_app(database: Database, shop: str) -> Iterator[web.App]:
    """The checkout's application, and what was left in the middle carried on meanwhile.

    Args:
        database: laid out with ``checkout.SCHEMA``.
        shop: the URL of all the other services.
    """
    client = retries.Client(retries.RetryPolicy(max_attempts=3, base_s=0.02, cap_s=0.2))
    checkouts = checkout.Checkouts(database, calls.patient(calls.over_http(shop), client))
    with checkout.resuming(checkouts):
        yield web.App(checkout.routes(checkouts))


def main() -> None:
    """Serve what the command line names, until it is told to end."""
    parser = argparse.ArgumentParser(description="Serve a part of the shop on loopback.")
    parser.add_argument("service", choices=[*SERVICES, "checkout"])
    parser.add_argument("--database", required=True, help="a SQLite file or a postgresql:// DSN")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    parser.add_argument("--shop", help="for the checkout: the URL of all the other services")
    chosen = parser.parse_args()
    if (chosen.service == "checkout") != (chosen.shop is not None):
        parser.error("the checkout needs --shop, and nothing else takes it")
    if chosen.shop:
        database = open_database(chosen.database, checkout.SCHEMA)
        with closing(database), checkout_app(database, chosen.shop) as served:
            processes.serve(served, chosen.port, chosen.with_parent)
    else:
        with closing(open_database(chosen.database, SERVICES[chosen.service].schema)) as database:
            served = app(chosen.service, database)
            processes.serve(served, chosen.port, chosen.with_parent)


if __name__ == "__main__":
    main()
