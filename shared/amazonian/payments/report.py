"""What a night's reconciliation found, for people: a page of text, and a CSV file of all breaks.

The page shows the first breaks of each kind and says how many more there are; the CSV file has
every one of them. Neither is seen before it is whole.
"""

import csv
import os
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from amazonian.payments.money import Money
from amazonian.payments.reconciliation import Kind, Line, Night, Pair
from amazonian.payments.settlement_lines import Row

SHOWN_OF_EACH_KIND = 10
WIDTH = 100
ADVICE = {
    Kind.AMOUNT_DIFFERS: "Ask the PSP which amount the buyer was charged. If ours is wrong, "
    "reverse our entry; if theirs is, claim the difference.",
    Kind.CURRENCY_DIFFERS: "Ask the PSP which currency the buyer was charged in. If it is not the "
    "order's, refund the charge and make it anew; convert nothing.",
    Kind.MISSING_HERE: "Money moved without our books knowing. Redrive the order, which asks the "
    "PSP; if there is no such order, have the PSP give the money back.",
    Kind.MISSING_THERE: "Our books count on money that the PSP does not know of. Ask the PSP; if "
    "it has nothing, reverse our entry.",
    Kind.DUPLICATE: "One movement stands there twice. Ask the PSP whether the money moved twice: "
    "if so, have the second one refunded, and if not, the line taken back.",
    Kind.CUT_OFF: "Wait: so close to midnight, the next day may have it.",
}
COLUMNS = (
    "kind",
    "reference",
    "our_amount",
    "our_currency",
    "our_time_utc",
    "our_entry",
    "their_amount",
    "their_currency",
    "their_time_utc",
    "their_balance_transaction",
)


class ControlTotalError(Exception):
    """The pairs don't hold the lines that went in: `match` lost some, or made some up."""


@dataclass
class Totals:
    """Lines of one side: how many, and their sum for each currency in minor units."""

    lines: int = 0
    amounts: Counter[str] = field(default_factory=Counter)

    def add(self, amount: int, currency: str) -> None:
        self.lines += 1
        self.amounts[currency] += amount

    def counting(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The same rows, counted as they pass."""
        amounts = self.amounts
        for row in rows:
            self.lines += 1
            amounts[row[2]] += row[1]
            yield row


@dataclass
class Report:
    """What one night found. Pairs are added one after the other, and only the first are kept.

    Args:
        night: which one it is.
        settlement_file: the name of the PSP's file.
    """

    night: Night
    settlement_file: str
    taken_ours: Totals = field(default_factory=Totals)  # what went in
    taken_theirs: Totals = field(default_factory=Totals)
    ours: dict[Kind, Totals] = field(default_factory=lambda: {kind: Totals() for kind in Kind})
    theirs: dict[Kind, Totals] = field(default_factory=lambda: {kind: Totals() for kind in Kind})
    counts: Counter[Kind] = field(default_factory=Counter)
    late: Counter[Kind] = field(default_factory=Counter)  # of these, with a line of an earlier day
    first: dict[Kind, list[Pair]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    stay_open: int = 0

    def add(self, pair: Pair) -> None:
        """Count a pair."""
        kind, late = pair.kind, False
        for line, totals in ((pair.ours, self.ours), (pair.theirs, self.theirs)):
            if line is not None:
                totals[kind].add(line.amount, line.currency)
                late = late or line.at_s < self.night.starts_s
        self.counts[kind] += 1
        self.late[kind] += late
        if kind is not Kind.MATCHED:
            self.stay_open += pair.stays_open(self.night)
            if len(self.first[kind]) < SHOWN_OF_EACH_KIND:
                self.first[kind].append(pair)

    def check_totals(self) -> None:
        """Make sure that every line that went in has come out, once and unchanged.

        Raises:
            ControlTotalError: a count or a sum differs.
        """
        for side, taken, given in (
            ("ours", self.taken_ours, self.ours),
            ("theirs", self.taken_theirs, self.theirs),
        ):
            if total(given) != taken:
                raise ControlTotalError(f"{side}: {taken} went in, {total(given)} came out")

    def difference(self, kind: Kind, currency: str) -> int:
        """Ours less theirs of one kind, in minor units."""
        return self.ours[kind].amounts[currency] - self.theirs[kind].amounts[currency]

    @property
    def breaks(self) -> int:
        """How many there are, of all kinds."""
        return self.counts.total() - self.counts[Kind.MATCHED]

    @property
    def name(self) -> str:
        """What its two files are called, but for their endings."""
        return f"reconciliation-{self.night.day}"


def total(totals: dict[Kind, Totals]) -> Totals:
    """All kinds together."""
    together = Totals(sum(one.lines for one in totals.values()))
    for one in totals.values():
        together.amounts.update(one.amounts)
    return together


def page(found: Report) -> str:
    """The report as text, at most `WIDTH` wide where no id is longer."""
    heading = f"Reconciliation of {found.night.day} (UTC)"
    matched, late = found.counts[Kind.MATCHED], found.late[Kind.MATCHED]
    lines = [
        heading,
        "=" * len(heading),
        f"Compared   {found.taken_ours.lines:,} lines of our ledger with"
        f" {found.taken_theirs.lines:,} of {found.settlement_file},",
        "           those that earlier nights left open among them",
        f"Matched    {matched:,}, of which {late:,} with a line of an earlier day",
        f"Breaks     {found.breaks:,}, all of them in {found.name}.csv",
        f"Kept open  {found.stay_open:,}, to be laid beside the next night's lines",
        "",
        *_sums(found),
    ]
    for kind in Kind:
        if found.first[kind]:
            lines += ["", *_section(found, kind)]
    return "\n".join([*lines, ""])


def _sums(found: Report) -> Iterator[str]:
    """What each side comes to, and which kinds of break the difference is made of."""
    ours, theirs = found.taken_ours.amounts, found.taken_theirs.amounts
    for currency in sorted(ours.keys() | theirs.keys()):
        yield currency
        for name, amount in (
            ("our ledger", ours[currency]),
            ("settlement file", theirs[currency]),
            ("difference", ours[currency] - theirs[currency]),
        ):
            yield f"  {name:<24}{_money(amount, currency):>20}"
        for kind in Kind:
            if amount := found.difference(kind, currency):
                yield f"    {kind:<22}{_money(amount, currency):>20}"


def _section(found: Report, kind: Kind) -> Iterator[str]:
    shown, count, late = found.first[kind], found.counts[kind], found.late[kind]
    yield f"{kind.capitalize()}: {count:,}" + (f", {late:,} since an earlier day" if late else "")
    yield from textwrap.wrap(ADVICE[kind], WIDTH, initial_indent="  ", subsequent_indent="  ")
    for pair in shown:
        yield f"  {pair.reference}"
        for side, line in (("ours", pair.ours), ("theirs", pair.theirs)):
            if line is not None:
                money = _money(line.amount, line.currency)
                yield f"    {side:<8}{money:>16}  {_time(line)}  {line.source}"
    if count > len(shown):
        yield f"  … and {count - len(shown):,} more in {found.name}.csv"


def _money(amount: int, currency: str) -> str:
    return str(Money(amount, currency))


def _time(line: Line) -> str:
    return f"{datetime.fromtimestamp(line.at_s, UTC):%Y-%m-%d %H:%M:%S}"


@contextmanager
def breaks_file(path: Path) -> Iterator[Callable[[Pair], object]]:
    """Write a CSV file of breaks, one call each; amounts are in minor units."""
    with _whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        yield lambda pair: writer.writerow(
            [pair.kind, pair.reference, *_fields(pair.ours), *_fields(pair.theirs)]
        )


def _fields(line: Line | None) -> tuple[object, ...]:
    return ("",) * 4 if line is None else (line.amount, line.currency, _time(line), line.source)


def write_page(path: Path, found: Report) -> None:
    """Write the report as text."""
    with _whole(path) as file:
        file.write(page(found))


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """A file that takes its place when it has been written to its end and is on the disk."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, suffix=".part", delete=False
    ) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
