"""The nightly run: our ledger against the PSP's settlement file, one day after the other.

The file is read to its end and sorted before anything is compared, so a mistake anywhere in it
leaves everything as it was. What follows is written in small commits, each of which can be
repeated: a run that was killed is started again, and one that has ended changes nothing any more.

A scheduler starts it after midnight, and a person reads what it prints::

    python -m amazonian.payments.nightly --database payments.db --file 2026-07-28.csv \\
        --day 2026-07-28 --folder reports
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path

from amazonian.payments import entries, reconciliation, report, settlement, settlement_lines
from amazonian.payments.external_sort import external_sort
from amazonian.payments.journal import MOST_POSTINGS, Read
from amazonian.payments.reconciliation import Kind, Line, Night, Pair
from amazonian.payments.report import Report
from amazonian.payments.settlement_lines import Row, SettlementFileError
from amazonian.resilience.database import Database, Transaction

ENTRIES_AT_ONCE = 2_000
PAIRS_IN_ONE_COMMIT = 500
# What the PSP calls what our entries are called: a refund may have failed and be tried again.
CATEGORIES = {"capture": "charge", "refund": "refund", "return": "refund_failure"}
OURS, THEIRS = "ours", "theirs"

SCHEMA: tuple[str, ...] = (
    "CREATE TABLE IF NOT EXISTS reconciled_nights (day TEXT PRIMARY KEY, sha256 TEXT NOT NULL,"
    " matched INTEGER NOT NULL, breaks INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS open_breaks (day TEXT NOT NULL, side TEXT NOT NULL,"
    " reference TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL,"
    " at_s REAL NOT NULL, source TEXT NOT NULL, fee INTEGER NOT NULL,"
    " PRIMARY KEY (day, side, reference))",
    "CREATE TABLE IF NOT EXISTS night_under_way (day TEXT NOT NULL, sha256 TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS entries_by_time ON entries (at_s, number)",
)


class NightOrderError(Exception):
    """Nights are reconciled one after the other, since each goes on with what the last left open.

    Reconcile the night that is next first.
    """


class NightClosedError(Exception):
    """This night was reconciled with another file. What that file lacked belongs into a later one.

    Ask the PSP which of the two is right; if it is the new one, have it correct the difference in
    a later day's file.
    """


class ConcurrentRunError(Exception):
    """Another run came in between, and has thrown away what this one kept. Run it again, alone."""


def our_lines(read: Read, night: Night) -> Iterator[Row]:
    """What our ledger says the PSP did on one day: the fields of a `reconciliation.Line` each.

    Every entry of the day that touches the PSP's account is one, but for those that book its
    payouts. Entries are read some thousand at a time, in the order of their time, so that neither
    the whole day is held in memory nor the database is kept busy by one long query.
    """
    accounts = dict(read("SELECT number, currency FROM accounts WHERE name = ?", (entries.PSP,)))
    marks = ", ".join("?" * len(accounts)) or "NULL"
    after: tuple[float, int] = (night.starts_s, -1)
    while rows := read(
        "SELECT e.at_s, e.number, e.id, p.account, p.amount FROM"
        " (SELECT at_s, number, id FROM entries WHERE (at_s, number) > (?, ?) AND at_s < ?"
        f" ORDER BY at_s, number LIMIT {ENTRIES_AT_ONCE}) e"
        f" LEFT JOIN postings p ON p.number >= e.number * {MOST_POSTINGS}"
        f" AND p.number < e.number * {MOST_POSTINGS} + {MOST_POSTINGS} AND p.account IN ({marks})"
        " ORDER BY e.at_s, e.number, p.number",
        (*after, night.ends_s, *accounts),
    ):
        for at_s, _, entry_id, account, amount in rows:
            category, _, what = entry_id.partition(":")
            if account is not None and not category.startswith("settle"):
                order_id = what.removeprefix("refund:").partition("/")[0]
                reference = f"{CATEGORIES.get(category, category)}:{order_id}"
                yield reference, amount, accounts[account], at_s, entry_id, 0
        after = rows[-1][:2]


def open_breaks(read: Read, day: date, side: str) -> Iterator[Row]:
    """The lines of one side (`OURS`, `THEIRS`) that were left without counterpart after a night."""
    reference = ""
    while rows := read(
        "SELECT reference, amount, currency, at_s, source, fee FROM open_breaks"
        " WHERE day = ? AND side = ? AND reference > ?"
        f" ORDER BY reference LIMIT {ENTRIES_AT_ONCE}",
        (str(day), side, reference),
    ):
        yield from map(tuple, rows)
        reference = rows[-1][0]


def findings(read: Read, path: Path, found: Report) -> Iterator[Pair]:
    """All pairs of a night, matched or not, by reference; nothing is written.

    Args:
        read: from our database.
        path: the settlement file.
        found: where the lines that go in are counted.

    Raises:
        SettlementFileError: before the first pair.
    """
    night = found.night
    ours = chain(open_breaks(read, night.before, OURS), our_lines(read, night))
    theirs = chain(open_breaks(read, night.before, THEIRS), _of_the_day(path, night))
    ours, theirs = found.taken_ours.counting(ours), found.taken_theirs.counting(theirs)
    return reconciliation.match(_sorted(ours), _sorted(theirs), night)


def _sorted(rows: Iterator[Row]) -> Iterator[Line]:
    return map(Line._make, external_sort(rows, key=itemgetter(0)))


def _of_the_day(path: Path, night: Night) -> Iterator[Row]:
    """The file's lines; it must be the file of this day, though a few may be of another one."""
    lines = of_the_day = 0
    for row in settlement_lines.read(path):
        lines += 1
        of_the_day += night.starts_s <= row[3] < night.ends_s
        yield row
    if 2 * of_the_day < lines:
        problem = (
            f"only {of_the_day} of {lines} lines are of {night.day}: is it another day's file?"
        )
        raise SettlementFileError(path, lines + 1, problem)


def reconcile(database: Database, path: Path, night: Night, folder: Path) -> Report:
    """Reconcile one day, settle what agrees, keep open what may yet find its counterpart.

    Matched charges and refunds are booked as paid out. The report is written to `folder`, as
    ``reconciliation-<day>.txt`` and ``.csv``. Run again with the same file, it writes the same
    report and changes nothing else.

    Args:
        path: the PSP's settlement file of that day.
        folder: where reports are kept.

    Raises:
        SettlementFileError: the file can't be used; nothing was written.
        NightOrderError: another night comes first.
        NightClosedError: the night was reconciled with another file.
        ConcurrentRunError: another run began meanwhile.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    closed = _is_closed(database.read, night, digest)
    found = Report(night, path.name)
    pairs = findings(database.read, path, found)
    with report.breaks_file(folder / f"{found.name}.csv") as write_break:
        batch = _batch(pairs)  # the file is read to its end for the first one
        if not closed:
            database.write(partial(_begin, night=night, digest=digest))
        while batch:
            for pair in batch:
                found.add(pair)
                if pair.kind is not Kind.MATCHED:
                    write_break(pair)
            if not closed:
                database.write(partial(_apply, night=night, digest=digest, pairs=batch))
            batch = _batch(pairs)
        found.check_totals()
    report.write_page(folder / f"{found.name}.txt", found)
    if not closed:
        database.write(partial(_close, night=night, digest=digest, found=found))
    return found


def _batch(pairs: Iterator[Pair]) -> list[Pair]:
    return list(islice(pairs, PAIRS_IN_ONE_COMMIT))


def _is_closed(read: Read, night: Night, digest: str) -> bool:
    """Whether this night has been reconciled with this file; False if it is the next one."""
    for (known,) in read("SELECT sha256 FROM reconciled_nights WHERE day = ?", (str(night.day),)):
        if known != digest:
            raise NightClosedError(f"{night.day} was reconciled with the file of SHA-256 {known}")
        return True
    [(last,)] = read("SELECT MAX(day) FROM reconciled_nights")
    if last is not None and last != str(night.before):
        following = date.fromisoformat(last) + timedelta(days=1)
        raise NightOrderError(f"{night.day} can't be reconciled: the next one is {following}")
    return False


def _begin(t: Transaction, night: Night, digest: str) -> None:
    """Throw away what a run that died left of this night; from here on the night is this run's."""
    if _is_closed(t.execute, night, digest):
        return  # by another run of the same file, a moment ago
    t.execute("DELETE FROM open_breaks WHERE day = ?", (str(night.day),))
    t.execute("DELETE FROM night_under_way")
    t.execute("INSERT INTO night_under_way VALUES (?, ?)", (str(night.day), digest))


def _check_under_way(t: Transaction, night: Night, digest: str) -> None:
    [(day, known)] = t.execute("SELECT day, sha256 FROM night_under_way")
    if (day, known) != (str(night.day), digest):
        raise ConcurrentRunError(f"{day} is being reconciled, with the file of SHA-256 {known}")


def _apply(t: Transaction, night: Night, digest: str, pairs: Sequence[Pair]) -> None:
    """Book what was paid out, and keep what stands alone."""
    _check_under_way(t, night, digest)
    for pair in pairs:
        if pair.kind is Kind.MATCHED:
            _settle(t, pair.theirs, night.ends_s)
        elif pair.stays_open(night):
            _keep_open(t, night, pair)


def _keep_open(t: Transaction, night: Night, pair: Pair) -> None:
    side, line = (OURS, pair.ours) if pair.ours else (THEIRS, pair.theirs)
    t.execute(
        "INSERT INTO open_breaks VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (str(night.day), side, *line),
    )


def _settle(t: Transaction, line: Line, now_s: float) -> None:
    category, _, order_id = line.reference.partition(":")
    if category == "charge":
        settlement.settle(t, order_id, line.amount, line.fee, now_s)
    else:
        settlement.settle_refund(t, order_id, line.source, line.amount, now_s)


def _close(t: Transaction, night: Night, digest: str, found: Report) -> None:
    """Note that a night is done. From here on its open breaks count, and its file is the one."""
    if _is_closed(t.execute, night, digest):
        return  # by another run of the same file, a moment ago
    _check_under_way(t, night, digest)
    [(kept,)] = t.execute("SELECT COUNT(*) FROM open_breaks WHERE day = ?", (str(night.day),))
    if kept != found.stay_open:
        raise ConcurrentRunError(f"{kept} open breaks were kept, and {found.stay_open} were found")
    t.execute(
        "INSERT INTO reconciled_nights VALUES (?, ?, ?, ?)",
        (str(night.day), digest, found.counts[Kind.MATCHED], found.breaks),
    )


def main() -> None:
    """The command line: reconcile one night, and print its report."""
    from amazonian.payments.store import open_store  # not above: its tables are also this module's

    parser = argparse.ArgumentParser(prog="python -m amazonian.payments.nightly")
    parser.add_argument("--database", required=True, help="SQLite file or postgresql:// DSN")
    parser.add_argument("--file", required=True, type=Path, help="the PSP's settlement file")
    parser.add_argument("--day", required=True, type=date.fromisoformat, help="as in 2026-07-28")
    parser.add_argument("--folder", required=True, type=Path, help="where reports are kept")
    chosen = parser.parse_args()
    database = open_store(chosen.database)
    try:
        found = reconcile(database, chosen.file, Night(chosen.day), chosen.folder)
    except (SettlementFileError, NightOrderError, NightClosedError, ConcurrentRunError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    finally:
        database.close()
    print(report.page(found), end="")


if __name__ == "__main__":
    main()
