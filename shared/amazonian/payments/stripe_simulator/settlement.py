"""The PSP's settlement file: what it says it moved on one UTC day, for the nightly reconciliation.

Its columns follow Stripe's itemised balance reports; amounts are integers in the currency's
smallest unit. A file can be spoilt with known mistakes, whose truth is told.
"""

import csv
import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

from amazonian.payments.stripe_simulator.core import Simulator


@dataclass(frozen=True)
class Line:
    """One movement of money; amounts in the smallest unit of the currency."""

    balance_transaction_id: str
    created_utc: str
    reporting_category: str
    currency: str
    gross: int
    fee: int
    net: int
    payment_intent_id: str
    order_id: str


COLUMNS = tuple(field.name for field in fields(Line))


class Spoil(StrEnum):
    """A mistake that a settlement file can have."""

    MISSING = "missing"  # a line was left out
    EXTRA = "extra"  # a line is about a payment that never was
    AMOUNT = "amount"  # gross and net are one unit too high
    CURRENCY = "currency"  # another currency stands there
    DUPLICATE = "duplicate"  # a line stands there twice
    CUT_OFF = "cut_off"  # a line has moved to the next day's file


@dataclass(frozen=True)
class Mistake:
    """A mistake that was made: the line as it should be, and as it is. None: there is no line."""

    kind: Spoil
    true: Line | None
    told: Line | None


@dataclass(frozen=True)
class Settlement:
    """The lines of a day's file, the mistakes in it, and what is left for the next day's file."""

    lines: Sequence[Line]
    mistakes: Sequence[Mistake]
    carried: Sequence[Line]


def lines_of(simulator: Simulator, day: date) -> list[Line]:
    """The true lines of a UTC day, in the order in which the money moved."""
    intents = {intent["id"]: intent for intent in simulator.objects("payment_intent")}
    sources = {
        thing["id"]: thing["payment_intent"]
        for kind in ("charge", "refund")
        for thing in simulator.objects(kind)
    }
    lines = []
    for moved in simulator.objects("balance_transaction"):
        at = datetime.fromtimestamp(moved["created"], UTC)
        if at.date() == day:
            intent = intents[sources[moved["source"]]]
            lines.append(
                Line(
                    moved["id"],
                    at.strftime("%Y-%m-%d %H:%M:%S"),
                    moved["reporting_category"],
                    moved["currency"],
                    moved["amount"],
                    moved["fee"],
                    moved["net"],
                    intent["id"],
                    intent["metadata"].get("order_id", ""),
                )
            )
    return lines


def spoil(lines: Sequence[Line], kinds: Iterable[Spoil | str], rng: random.Random) -> Settlement:
    """Make one mistake of each of these kinds, each in a line of its own.

    What is cut off are the last lines: those that a clock which is a little fast puts into the next
    day. The others are drawn.

    Raises:
        ValueError: there are fewer lines than mistakes.
    """
    kinds = [Spoil(kind) for kind in kinds]
    others = [kind for kind in kinds if kind is not Spoil.CUT_OFF]
    early = len(lines) - (len(kinds) - len(others))
    chosen = dict(zip(rng.sample(range(early), len(others)), others, strict=True))
    chosen |= dict.fromkeys(range(early, len(lines)), Spoil.CUT_OFF)
    told, mistakes, carried = [], [], []
    for number, line in enumerate(lines):
        kind = chosen.get(number)
        before = len(told)
        told += _told(line, kind, rng)
        if kind is Spoil.CUT_OFF:
            carried.append(line)
        if kind is Spoil.EXTRA:
            mistakes.append(Mistake(kind, None, told[-1]))
        elif kind:
            mistakes.append(Mistake(kind, line, told[-1] if len(told) > before else None))
    return Settlement(told, mistakes, carried)


def _told(line: Line, kind: Spoil | None, rng: random.Random) -> list[Line]:
    match kind:
        case Spoil.MISSING | Spoil.CUT_OFF:
            return []
        case Spoil.EXTRA:
            made_up = f"{rng.getrandbits(96):024x}"
            ids = {"balance_transaction_id": f"txn_{made_up}", "payment_intent_id": f"pi_{made_up}"}
            return [line, replace(line, **ids, order_id=f"unknown-{made_up[:8]}")]
        case Spoil.AMOUNT:
            return [replace(line, gross=line.gross + 1, net=line.net + 1)]
        case Spoil.CURRENCY:
            return [replace(line, currency="eur" if line.currency != "eur" else "usd")]
        case Spoil.DUPLICATE:
            return [line, line]
    return [line]


def text(lines: Iterable[Line]) -> str:
    """Lines as CSV, with a head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    return out.getvalue()


def settlement_file(
    simulator: Simulator,
    day: date,
    path: Path,
    mistakes: Iterable[Spoil | str] = (),
    rng: random.Random | None = None,
    carried: Sequence[Line] = (),
) -> Settlement:
    """Write a day's settlement file.

    Args:
        mistakes: kinds of mistakes to make, one line each.
        rng: chooses the lines.
        carried: lines that the day before left for this file (its ``Settlement.carried``).

    Returns:
        What was written, and the truth about its mistakes.
    """
    spoilt = spoil(lines_of(simulator, day), mistakes, rng or random.Random(0))
    settlement = replace(spoilt, lines=[*carried, *spoilt.lines])
    path.write_text(text(settlement.lines))
    return settlement
