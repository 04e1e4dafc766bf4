"""What a night's reconciliation found, for people: a page of text, and a CSV file of all breaks.

The page shows the first breaks of each kind and says how many more there are; the CSV file has
every one of them.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from amazonian.payments.money import Money
from amazonian.payments.reconciliation import Kind, Line, Night, Pair

SHOWN_OF_EACH_KIND = 10
ADVICE = {
    Kind.AMOUNT_DIFFERS: "Ask the PSP which amount the buyer was charged. If ours is wrong, "
    "reverse our entry; if theirs is, claim the difference.",
    Kind.CURRENCY_DIFFERS: "Ask the PSP which currency the buyer was charged in. If it is not the "
    "order's, refund the charge and make it anew; convert nothing.",
    Kind.MISSING_HERE: "The buyer was charged, or paid back, without our books knowing. Redrive "
    "the order, which asks the PSP; if there is no such order, refund it at the PSP.",
    Kind.MISSING_THERE: "We owe a seller for money that the PSP does not know of. Ask the PSP; if "
    "it has nothing, reverse our entry.",
    Kind.DUPLICATE: "The same movement is there twice. Ask the PSP whether the money moved twice; "
    "if so, refund the second charge, else have the line taken back.",
    Kind.CUT_OFF: "Wait. It is so close to midnight that the next day may have it.",
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


@dataclass
class Sums:
    """Lines and money of both sides; money by currency, in minor units."""

    lines: int = 0
    ours: Counter[str] = field(default_factory=Counter)
    theirs: Counter[str] = field(default_factory=Counter)

    def add(self, ours: Line | None, theirs: Line | None) -> None:
        """Count one line of either side, or one of each."""
        if ours is not None:
            self.lines += 1
            self.ours[ours.currency] += ours.amount
        if theirs is not None:
            self.lines += 1
            self.theirs[theirs.currency] += theirs.amount

    def difference(self, currency: str) -> int:
        """Ours less theirs, in minor units."""
        return self.ours[currency] - self.theirs[currency]

    @property
    def currencies(self) -> list[str]:
        return sorted(self.ours.keys() | self.theirs.keys())


@dataclass
class Report:
    """What one night found. Pairs are added one after the other and not kept.

    Args:
        night: which one it is.
        settlement_file: the name of the PSP's file.
    """

    night: Night
    settlement_file: str
    counts: Counter[Kind] = field(default_factory=Counter)
    late: Counter[Kind] = field(default_factory=Counter)  # of these, with a line of an earlier day
    sums: dict[Kind, Sums] = field(default_factory=lambda: {kind: Sums() for kind in Kind})
    first: dict[Kind, list[Pair]] = field(default_factory=lambda: {kind: [] for kind in Kind})

    def add(self, pair: Pair) -> None:
        """Count a pair."""
        kind, ours, theirs = pair.kind, pair.ours, pair.theirs
        self.counts[kind] += 1
        self.sums[kind].add(ours, theirs)
        starts_s = self.night.starts_s
        if (ours and ours.at_s < starts_s) or (theirs and theirs.at_s < starts_s):
            self.late[kind] += 1
        if kind is not Kind.MATCHED and len(self.first[kind]) < SHOWN_OF_EACH_KIND:
            self.first[kind].append(pair)

    @property
    def breaks(self) -> int:
        """How many there are, of all kinds."""
        return self.counts.total() - self.counts[Kind.MATCHED]

    @property
    def name(self) -> str:
        """What its two files are called, but for their endings."""
        return f"reconciliation-{self.night.day}"
