"""How fast a night's reconciliation is, and how much memory it takes, by the length of the day.

    python shared/benchmarks/reconciliation.py [FOLDER]

Two sides of 100,000 and of a million lines are made in FOLDER (the present one by default), which
is left as it was: a ledger in SQLite and a settlement file, with a mistake in each hundredth
movement. Each length is reconciled in a process of its own, whose peak of memory is that of
reconciling alone: reading and checking the file, reading the ledger, sorting both on disk, matching
them, and writing report and breaks. Every mistake must be found, and nothing else. Last comes
settling, on 20,000 captured orders: a durable change of state, journal and outbox for each.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from amazonian.payments import nightly, report, store, synthetic
from amazonian.payments.reconciliation import Kind, Line, Night
from amazonian.resilience.database import open_database

NIGHT = Night(date(2026, 7, 28))
LENGTHS = (100_000, 1_000_000)
SEED = 3


def make(folder: Path, length: int) -> Counter[str]:
    """Lay out a day of so many movements; return what is wrong with it, by reference and kind."""
    expected: Counter[str] = Counter()
    database = open_database(folder / "books.db", SCHEMA)

    def ours() -> Iterator[Line]:
        for movement in synthetic.movements(length, NIGHT, SEED):
            yield from movement.ours

    def theirs() -> Iterator[Line]:
        for movement in synthetic.movements(length, NIGHT, SEED):
            yield from movement.theirs
            if movement.kind is not Kind.MATCHED:
                line = (movement.ours + movement.theirs)[0]
                expected[f"{movement.kind} {line.reference}"] += 1

    synthetic.book(database, ours())
    synthetic.write_file(folder / "settlement.csv", theirs())
    database.close()
    return expected


SCHEMA = (*store.SCHEMA, *nightly.SCHEMA)


def reconcile(folder: Path) -> None:
    """Reconcile the day in `folder`, and print what it took."""
    database = open_database(folder / "books.db", SCHEMA)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, begin_cpu = time.perf_counter(), time.process_time()
    found = report.Report(NIGHT, "settlement.csv")
    with report.breaks_file(folder / f"{found.name}.csv") as write_break:
        for pair in nightly.findings(database.read, folder / "settlement.csv", found):
            found.add(pair)
            if pair.kind is not Kind.MATCHED:
                write_break(pair)
        found.check_totals()
    report.write_page(folder / f"{found.name}.txt", found)
    took_s = time.perf_counter() - begin
    print(
        json.dumps(
            {
                "s": took_s,
                "cpu": time.process_time() - begin_cpu,
                "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "before": before,
            }
        )
    )
    database.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reconcile"]:
        reconcile(Path(sys.argv[2]))
    else:
        for n in LENGTHS:
            with tempfile.TemporaryDirectory(
                dir=sys.argv[1] if len(sys.argv) > 1 else "."
            ) as inner:
                t = time.time()
                e = make(Path(inner), n)
                print("made", time.time() - t)
                print(
                    subprocess.run(
                        [sys.executable, __file__, "--reconcile", inner],
                        capture_output=True,
                        text=True,
                    )
                )
                import csv

                rows = Counter(
                    f"{r['kind']} {r['reference']}"
                    for r in csv.DictReader(open(Path(inner) / "reconciliation-2026-07-28.csv"))
                )
                print(e == rows, len(e), len(rows))
                print((Path(inner) / "reconciliation-2026-07-28.txt").read_text()[:3000])
