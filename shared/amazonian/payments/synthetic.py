"""Two days as both sides wrote them down, with known mistakes: for tests, labs and benchmarks.

Nothing here goes through the executor or a PSP, so that a million movements take seconds.
"""

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path

from amazonian.payments import entries, journal, settlement_lines
from amazonian.payments.ledger import Entry, Posting
from amazonian.payments.reconciliation import DAY_S, Kind, Line, Night
from amazonian.resilience.database import Database

BOOKED_AT_ONCE = 20_000
QUIET_S = 7_200  # movements without mistakes keep this far from midnight


class Mistake(StrEnum):
    """What can be wrong with one movement of money."""

    AMOUNT = "the PSP has another amount"
    CURRENCY = "the PSP has another currency"
    NOT_HERE = "our books don't have it"
    NOT_THERE = "the PSP does not have it"
    TWICE = "the PSP has it twice"
    LATE_HERE = "our books have it 35 s later, on the next day"
    LATE_THERE = "the PSP has it 35 s later, on the next day"
    CLOSE_TO_MIDNIGHT = "the PSP does not have it, and it is close to midnight"


@dataclass(frozen=True)
class Movement:
    """One movement of money, as each side wrote it down on the day and on the next.

    Args:
        kind: what reconciling the day must find.
        next_kind: what reconciling the next day must find; None if nothing is left of it.
    """

    ours: tuple[Line, ...]
    theirs: tuple[Line, ...]
    kind: Kind
    next_ours: tuple[Line, ...] = ()
    next_theirs: tuple[Line, ...] = ()
    next_kind: Kind | None = None


def movements(count: int, night: Night, seed: int, every: int = 100) -> Iterator[Movement]:
    """Charges and refunds spread over a day, in the order of their time.

    Args:
        count: how many.
        every: each so-manieth has a mistake, of each kind in turn.
    """
    rng = random.Random(seed)
    mistakes = list(Mistake)
    for number in range(count):
        at_s = night.starts_s + QUIET_S + (DAY_S - 2 * QUIET_S) * number / count
        order = f"e{rng.getrandbits(48):012x}-1"
        amount = rng.randrange(100, 1_000_000)
        line = Line(f"charge:{order}", amount, "EUR", at_s, f"capture:{order}")
        if rng.random() < 0.05:
            line = Line(f"refund:{order}", -amount, "EUR", at_s, f"refund:{order}")
        mistake = mistakes[number // every % len(mistakes)] if number % every == 0 else None
        yield _movement(line, f"txn_{night.day}_{number}", mistake, night)


def _movement(ours: Line, source: str, mistake: Mistake | None, night: Night) -> Movement:
    fee = max(0, ours.amount) * 29 // 1000
    theirs = ours._replace(at_s=int(ours.at_s), source=source, fee=fee)
    before, after = night.ends_s - 5, night.ends_s + 30
    match mistake:
        case Mistake.AMOUNT:
            return Movement(
                (ours,), (theirs._replace(amount=ours.amount + 1),), Kind.AMOUNT_DIFFERS
            )
        case Mistake.CURRENCY:
            return Movement((ours,), (theirs._replace(currency="USD"),), Kind.CURRENCY_DIFFERS)
        case Mistake.NOT_HERE:
            still = Kind.MISSING_HERE
            return Movement((), (theirs,), still, next_kind=still)
        case Mistake.NOT_THERE:
            still = Kind.MISSING_THERE
            return Movement((ours,), (), still, next_kind=still)
        case Mistake.TWICE:
            return Movement((ours,), (theirs, theirs._replace(source=f"{source}b")), Kind.DUPLICATE)
        case Mistake.LATE_HERE:
            theirs, ours = theirs._replace(at_s=before), ours._replace(at_s=after)
            return Movement((), (theirs,), Kind.CUT_OFF, (ours,), (), Kind.MATCHED)
        case Mistake.LATE_THERE:
            ours, theirs = ours._replace(at_s=before), theirs._replace(at_s=after)
            return Movement((ours,), (), Kind.CUT_OFF, (), (theirs,), Kind.MATCHED)
        case Mistake.CLOSE_TO_MIDNIGHT:
            ours = ours._replace(at_s=before)
            return Movement((ours,), (), Kind.CUT_OFF, next_kind=Kind.MISSING_THERE)
    return Movement((ours,), (theirs,), Kind.MATCHED)


def write_file(path: Path, lines: Iterable[Line]) -> None:
    """Write lines as the PSP's settlement file has them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(settlement_lines.COLUMNS)
        for line in lines:
            category, _, order = line.reference.partition(":")
            created = f"{datetime.fromtimestamp(line.at_s, UTC):%Y-%m-%d %H:%M:%S}"
            amounts = (line.amount, line.fee, line.amount - line.fee)
            ids = (f"pi_{order}", order)
            writer.writerow([line.source, created, category, line.currency.lower(), *amounts, *ids])


def book(database: Database, lines: Iterable[Line]) -> None:
    """Write lines into our journal, as entries between the PSP's account and one seller's."""
    lines = iter(lines)
    while batch := list(islice(lines, BOOKED_AT_ONCE)):
        booked = [_entry(line) for line in batch]
        database.write(lambda t, booked=booked: journal.append(t, booked))


def _entry(line: Line) -> Entry:
    postings = (
        Posting(entries.PSP, line.amount, line.currency),
        Posting("seller:ada", -line.amount, line.currency),
    )
    return Entry(line.source, line.source, postings, line.at_s)
