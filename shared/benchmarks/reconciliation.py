"""How fast a night's reconciliation is, and how much memory it takes, by the length of the day.

    .venv/bin/python shared/benchmarks/reconciliation.py [FOLDER]

Two sides of 100,000 and of a million lines are made in FOLDER (the present one by default), which
is left as it was: a ledger in SQLite and a settlement file, with a mistake in each hundredth
movement. Each length is reconciled in a process of its own, whose peak of memory is that of
reconciling alone: reading and checking the file, reading the ledger, sorting both on disk, matching
them, and writing report and breaks. Nothing is booked, since there are no orders. Every mistake
must be found, and nothing else; otherwise the exit code is 1.
"""

import csv
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from amazonian.payments import nightly, report, store, synthetic
from amazonian.payments.reconciliation import Kind, Night

NIGHT = Night(date(2026, 7, 28))
LENGTHS = (100_000, 1_000_000)
SEED = 3
BOOKS, SETTLEMENT = "books.db", "settlement.csv"
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1_024


@dataclass(frozen=True)
class Cost:
    """What one reconciliation took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def make(folder: Path, length: int) -> None:
    """Lay out a day of so many movements: our books, and the PSP's file."""

    def movements():
        return synthetic.movements(length, NIGHT, SEED)

    database = store.open_store(folder / BOOKS)
    synthetic.book(database, chain.from_iterable(each.ours for each in movements()))
    database.close()
    theirs = chain.from_iterable(each.theirs for each in movements())
    synthetic.write_file(folder / SETTLEMENT, theirs)


def reconcile(folder: Path) -> Cost:
    """Reconcile the day in `folder`, and write report and breaks there."""
    database = store.open_store(folder / BOOKS)
    begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
    found = report.Report(NIGHT, SETTLEMENT)
    with report.breaks_file(folder / f"{found.name}.csv") as write_break:
        for pair in nightly.findings(database.read, folder / SETTLEMENT, found):
            found.add(pair)
            if pair.kind is not Kind.MATCHED:
                write_break(pair)
    found.check_totals()
    report.write_page(folder / f"{found.name}.txt", found)
    wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    database.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Cost(wall_s, cpu_s, peak * RSS_UNIT_BYTES)


def injected(length: int) -> Counter[tuple[str, str]]:
    """What was made wrong: how many breaks of each kind and reference there must be."""
    return Counter(
        (str(each.kind), (each.ours + each.theirs)[0].reference)
        for each in synthetic.movements(length, NIGHT, SEED)
        if each.kind is not Kind.MATCHED
    )


def found_in(folder: Path) -> Counter[tuple[str, str]]:
    """What the file of breaks says, in the same form."""
    path = folder / f"reconciliation-{NIGHT.day}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return Counter((row["kind"], row["reference"]) for row in csv.DictReader(file))


def alone(function: Callable, *arguments):
    """What a function returns, called in a new process, which starts small and ends with it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def main() -> int:
    where = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    table = Table(title="Our ledger in SQLite beside the settlement file, one process")
    for column in ("lines a side", "s", "CPU s", "peak RSS, MiB", "mistakes", "found", "others"):
        table.add_column(column, justify="right")
    correct = True
    for length in LENGTHS:
        with tempfile.TemporaryDirectory(dir=where) as folder:
            alone(make, Path(folder), length)
            cost = alone(reconcile, Path(folder))
            expected, found = injected(length), found_in(Path(folder))
        others = (found - expected).total()
        correct = correct and found == expected
        figures = (f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}", f"{cost.peak_bytes / 2**20:.0f}")
        counts = (expected.total(), (found & expected).total(), others)
        table.add_row(f"{length:,}", *figures, *(f"{count:,}" for count in counts))
    Console().print(table)
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
