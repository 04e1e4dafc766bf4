"""What a night's reconciliation found, for people: a page of text, and a CSV file of all breaks.

The text shows the first breaks of each kind and says how many more there are; the CSV file has
every one of them. Both are written beside their place and moved there when they are whole.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from amazonian.payments.money import Money
from amazonian.payments.reconciliation import Kind, Line, Night, Pair

SHOWN_OF_EACH_KIND = 10
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
ADVICE = {
    Kind.AMOUNT_DIFFERS: "Ask the PSP which amount the buyer was charged. Reverse our entry if "
    "ours is wrong; claim the difference if theirs is.",
    Kind.CURRENCY_DIFFERS: "Treat it as a wrong charge: refund it and charge anew. Don't convert "
    "one amount into the other.",
    Kind.MISSING_HERE: "The buyer may have been charged without our knowing. Redrive the order, "
    "which asks the PSP; if we have no such order, refund it at the PSP.",
    Kind.MISSING_THERE: "We owe a seller for money that the PSP does not know of. Look it up at "
    "the PSP; if it is not there, reverse our entry.",
    Kind.DUPLICATE: "Somebody was charged or paid back twice, or a line was written twice. Compare "
    "the balance transactions at the PSP and refund the second charge.",
    Kind.CUT_OFF: "Nothing yet: it is close to midnight and is laid beside tomorrow's lines.",
}


@dataclass
class Totals:
    """Money by currency, in minor units, as each side has it."""

    ours: Counter[str] = field(default_factory=Counter)
    theirs: Counter[str] = field(default_factory=Counter)

    def add(self, pair: Pair) -> None:
        if pair.ours is not None:
            self.ours[pair.ours.currency] += pair.ours.amount
        if pair.theirs is not None:
            self.theirs[pair.theirs.currency] += pair.theirs.amount

    def difference(self, currency: str) -> int:
        """Ours less theirs."""
        return self.ours[currency] - self.theirs[currency]


@dataclass
class Report:
    """What was found in one night; pairs are added one after the other.

    Args:
        night: which one.
        settlement_file: the PSP's file's name.
        breaks_file: the name of the CSV file with all breaks.
    """

    night: Night
    settlement_file: str
    breaks_file: str
    counts: Counter[Kind] = field(default_factory=Counter)
    late: Counter[Kind] = field(default_factory=Counter)  # of these, with a line of a day before
    totals: dict[Kind, Totals] = field(default_factory=dict)
    first: dict[Kind, list[Pair]] = field(default_factory=dict)

    def add(self, pair: Pair) -> None:
        kind = pair.kind
        self.counts[kind] += 1
        ...
