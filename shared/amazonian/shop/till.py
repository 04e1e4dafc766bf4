"""A backend to stand behind a balancer: it sells, over HTTP, and can be made slow: lab 2.2.

Several tills may share a database. A sale that arrives twice is written twice, on purpose: that is
how one sees whether a proxy has sent it twice. Real services recognise repeats (chapter 1).

::

    python -m amazonian.shop.till --database sales.db --name a --workers 4 --work-s 0.02
"""

import argparse
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amazonian.resilience import processes, web
from amazonian.resilience.database import Database, open_database
from amazonian.resilience.web import Reply, Request, Route

SCHEMA = ("CREATE TABLE IF NOT EXISTS sales (sale TEXT NOT NULL, till TEXT NOT NULL)",)


class Till:
    """One backend: `workers` requests are worked on at once, and the others wait for ever.

    Args:
        name: it stands in every reply, and beside every sale.
        workers: how many requests are worked on at once.
        work_s: how long each of them takes, in seconds.
    """

    def __init__(self, database: Database, name: str, workers: int, work_s: float):
        self.database, self.name, self.work_s = database, name, work_s
        self._free = threading.Semaphore(workers)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Work on a request: half before what stands in the ``with`` block, and half after it."""
        with self._free:
            time.sleep(self.work_s / 2)
            yield
            time.sleep(self.work_s / 2)

    def health(self, request: Request) -> dict[str, str]:
        """Whether the process answers at all."""
        return {"till": self.name}

    def price(self, request: Request) -> dict[str, Any]:
        """Something to read."""
        with self._working():
            return {"till": self.name, "sku": request.parameters["sku"], "price_cents": 4200}

    def sell(self, request: Request) -> Reply:
        """Write a sale, each time it comes, half-way through the work."""
        row = (web.text(request.body, "sale"), self.name)
        with self._working():
            self.database.write(
                lambda transaction: transaction.execute("INSERT INTO sales VALUES (?, ?)", row)
            )
        return Reply(201, {"till": self.name, "sale": row[0]})

    def pace(self, request: Request) -> dict[str, float]:
        """From now on each request takes so many milliseconds."""
        self.work_s = web.whole(request.body, "work_ms", 0, 60_000) / 1000
        return {"work_s": self.work_s}

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/health", self.health),
            Route("GET", "/prices/{sku}", self.price),
            Route("POST", "/sales", self.sell),
            Route("PUT", "/pace", self.pace),
        ]


def sales(dsn: str) -> Counter[str]:
    """How often each sale is written."""
    database = open_database(dsn, SCHEMA)
    try:
        return Counter(row[0] for row in database.read("SELECT sale FROM sales"))
    finally:
        database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Sell on loopback.")
    parser.add_argument("--database", required=True, help="a SQLite file or a postgresql:// DSN")
    parser.add_argument("--name", required=True)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--work-s", type=float, default=0.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    chosen = parser.parse_args()
    database = open_database(chosen.database, SCHEMA)
    till = Till(database, chosen.name, chosen.workers, chosen.work_s)
    try:
        processes.serve(web.App(till.routes()), chosen.port, chosen.with_parent)
    finally:
        database.close()


if __name__ == "__main__":
    main()
