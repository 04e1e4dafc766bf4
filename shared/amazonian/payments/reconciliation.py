"""Reconciliation: do our books and the PSP's settlement file say the same? Lab 3.3.

Two parties have written down the same day independently, and each can have made a mistake. Both
lists are sorted by reference and walked through side by side, so that a file of any length needs
the memory of a few lines. A *break* is what the two don't agree about.

Some breaks heal by themselves. A charge at 23:59:55 by the PSP's clock may be in our books at
00:00:30, a day later. What is missing close to midnight is kept open (`Kind.CUT_OFF`) and laid
beside the next night's lines; what still has no counterpart then is missing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

DAY_S = 86_400
KEEP_OPEN_S = 7 * DAY_S


class Line(NamedTuple):
    """One movement of money as one side wrote it down.

    Args:
        reference: ``<category>:<order>``, such as ``charge:e17-1``; both sides write the same.
        amount: in minor units of `currency`; a refund's is negative.
        currency: its ISO 4217 code.
        at_s: when, in seconds since 1970, by that side's clock.
        source: what that side calls it: our ledger entry, the PSP's balance transaction.
        fee: what the PSP kept of it, in minor units; 0 on our side, which does not know it yet.
    """

    reference: str
    amount: int
    currency: str
    at_s: float
    source: str = ""
    fee: int = 0


class Kind(StrEnum):
    """What came of comparing; everything but `MATCHED` is a break."""

    MATCHED = "matched"
    AMOUNT_DIFFERS = "amount differs"
    CURRENCY_DIFFERS = "currency differs"
    MISSING_HERE = "missing here"  # the PSP has it, our books don't
    MISSING_THERE = "missing there"  # our books have it, the PSP doesn't
    DUPLICATE = "duplicate"
    CUT_OFF = "cut-off"  # missing, but so close to midnight that tomorrow's lines may have it


class Pair(NamedTuple):
    """A line of ours and a line of theirs that belong together, or one that stands alone (None).

    For a duplicate it is the surplus line alone.
    """

    kind: Kind
    ours: Line | None
    theirs: Line | None

    @property
    def reference(self) -> str:
        return (self.ours or self.theirs).reference

    def stays_open(self, night: "Night") -> bool:
        """Whether the line stands alone and is laid beside the next night's lines, for a week.

        Late is not never: an order that was charged may lie among the dead letters, and be booked
        when somebody has redriven it.
        """
        if self.kind not in (Kind.CUT_OFF, Kind.MISSING_HERE, Kind.MISSING_THERE):
            return False
        return (self.ours or self.theirs).at_s > night.ends_s - KEEP_OPEN_S


@dataclass(frozen=True)
class Night:
    """Which day is reconciled; days end at midnight UTC, as in the PSP's files.

    Args:
        day: the day that the settlement file is for.
        cut_off_s: a line this close to the day's end may have its counterpart on the next day.
    """

    day: date
    cut_off_s: float = 3_600.0

    @cached_property
    def starts_s(self) -> float:
        """The day's first moment, in seconds since 1970."""
        return datetime.combine(self.day, time(), UTC).timestamp()

    @cached_property
    def ends_s(self) -> float:
        """The next day's first moment, in seconds since 1970."""
        return self.starts_s + DAY_S

    @property
    def before(self) -> date:
        """The day before."""
        return self.day - timedelta(days=1)


def classify(ours: Line | None, theirs: Line | None, night: Night) -> Kind:
    """What kind of break a pair is, if it is one.

    Args:
        ours, theirs: two lines with the same reference. One of them may be None: that side has no
            line with this reference.
        night: the day that is reconciled.

    Returns:
        Of two lines `Kind.CURRENCY_DIFFERS`, whatever the amounts, or else
        `Kind.AMOUNT_DIFFERS`, or else `Kind.MATCHED`. Only amount and currency are compared.
        Of one line `Kind.CUT_OFF` if it is at most ``night.cut_off_s`` away from ``night.ends_s``,
        before or after. Otherwise it is missing on the other side, `Kind.MISSING_HERE` (ours is
        None) or `Kind.MISSING_THERE` (theirs is None).
    """
    if ours is not None and theirs is not None:
        if ours.currency != theirs.currency:
            return Kind.CURRENCY_DIFFERS
        return Kind.MATCHED if ours.amount == theirs.amount else Kind.AMOUNT_DIFFERS
    alone = ours or theirs
    if abs(alone.at_s - night.ends_s) <= night.cut_off_s:
        return Kind.CUT_OFF
    return Kind.MISSING_HERE if ours is None else Kind.MISSING_THERE


def match(ours: Iterable[Line], theirs: Iterable[Line], night: Night) -> Iterator[Pair]:
    """Lay two sorted streams of lines side by side: a merge join of all that is in either.

    Walk through both at once. The smallest reference that is next on either side is the next one;
    take all lines with it, from both sides, and let :func:`pair_up` pair them.

    Args:
        ours, theirs: sorted by reference. They may be longer than memory: not more than the lines
            of one reference, and one line beyond them, are held of each.
        night: for :func:`pair_up`.

    Yields:
        Pair: what `pair_up` yields, one reference after the other, as soon as it is known.
    """
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    while mine or other:
        reference = min(line.reference for line in (mine, other) if line)
        left, right = [], []
        while mine and mine.reference == reference:
            left.append(mine)
            mine = next(ours, None)
        while other and other.reference == reference:
            right.append(other)
            other = next(theirs, None)
        yield from pair_up(left, right, night)


def pair_up(ours: Sequence[Line], theirs: Sequence[Line], night: Night) -> Iterator[Pair]:
    """The pairs of all lines with one reference.

    Nearly always there is one line on each side, or only one at all. Where there are more, those
    that agree are paired one to one. If none do, the first of ours and the first of theirs belong
    together, or one of them and None. What is left then are duplicates.

    Args:
        ours, theirs: not both empty.
        night: for :func:`classify`.

    Yields:
        Pair: those that agree, in the order of ours, or else the one pair with what `classify` says
            of it; then the duplicates, each alone, ours first.
    """
    if len(ours) <= 1 and len(theirs) <= 1:  # nearly always, and millions of times
        mine, other = ours[0] if ours else None, theirs[0] if theirs else None
        yield Pair(classify(mine, other, night), mine, other)
        return
    agreed, alone, rest = 0, [], list(theirs)
    for line in ours:
        other = next((o for o in rest if classify(line, o, night) is Kind.MATCHED), None)
        if other is None:
            alone.append(line)
        else:
            rest.remove(other)
            agreed += 1
            yield Pair(Kind.MATCHED, line, other)
    if not agreed:
        first = (alone.pop(0) if alone else None, rest.pop(0) if rest else None)
        yield Pair(classify(*first, night), *first)
    yield from (Pair(Kind.DUPLICATE, line, None) for line in alone)
    yield from (Pair(Kind.DUPLICATE, None, other) for other in rest)
