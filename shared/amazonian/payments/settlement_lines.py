"""Reading the PSP's settlement file: what it says it has charged and paid back on one day.

A CSV file in UTF-8 with a header and one line for each movement of money. Its columns follow those
of Stripe's itemised balance reports, with amounts in integer minor units; the order's id is what we
gave the PSP as metadata. What is wrong anywhere in it is an error with the line's number.
"""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from amazonian.payments.journal import LARGEST_AMOUNT
from amazonian.payments.money import EXPONENTS

COLUMNS = (
    "balance_transaction_id",
    "created_utc",
    "reporting_category",
    "currency",
    "gross",
    "fee",
    "net",
    "payment_intent_id",
    "order_id",
)
CATEGORIES = ("charge", "refund", "refund_failure")
CURRENCIES = {code.lower(): code for code in EXPONENTS}
LONGEST_LINE_BYTES = 64 * 1024
LONGEST_ID = 255
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
EPOCH = datetime(1970, 1, 1)

Row = tuple[str, int, str, float, str, int]  # the fields of a reconciliation.Line


class SettlementFileError(ValueError):
    """A settlement file can't be used, and no line of it was. Ask the PSP for it again."""

    def __init__(self, path: Path, line: int, problem: str):
        super().__init__(f"{path.name}, line {line}: {problem}")
        self.path, self.line, self.problem = path, line, problem


def read(path: Path) -> Iterator[Row]:
    """The lines of a settlement file, as the fields of a `reconciliation.Line` each.

    Yields:
        Row: reference, gross in minor units, currency in capitals, time in seconds since 1970,
            balance transaction, fee in minor units. A charge that bears no order's id, so that
            nobody here can know it, is referred to by its PaymentIntent.

    Raises:
        SettlementFileError: it is no such file, or is cut off in the middle of a line.
    """
    with path.open("rb") as file:
        records = csv.reader(_texts(path, file), strict=True)
        number = 1  # of the line that is read next, which may be one that can't be read
        try:
            fields = _places(next(records, []))
            number = 2
            for record in records:
                if len(record) != len(COLUMNS) or records.line_num != number:
                    raise ValueError(f"{len(record)} fields on a line; {len(COLUMNS)} are expected")
                yield _row(*fields(record))
                number += 1
        except SettlementFileError:
            raise
        except (csv.Error, ValueError) as problem:
            raise SettlementFileError(path, number, str(problem)) from problem


def _texts(path: Path, file: BinaryIO) -> Iterator[str]:
    """The file's lines as text; one that doesn't end is not the whole line."""
    number = 0
    while raw := file.readline(LONGEST_LINE_BYTES):
        number += 1
        if not raw.endswith(b"\n"):
            what = "is too long" if len(raw) == LONGEST_LINE_BYTES else "is cut off: the file ends"
            raise SettlementFileError(path, number, f"the line {what} after {len(raw)} bytes")
        try:
            yield raw.decode()
        except UnicodeDecodeError as problem:
            raise SettlementFileError(path, number, f"this is no UTF-8: {problem}") from problem


def _places(header: list[str]) -> itemgetter:
    """What takes the fields of a record in the order of `COLUMNS`."""
    if not header:
        raise ValueError(f"the file is empty; its first line names the columns {COLUMNS}")
    if unknown := [name for name in header if name not in COLUMNS]:
        raise ValueError(f"unknown column {unknown[0]!r}; the columns are {COLUMNS}")
    if sorted(header) != sorted(COLUMNS):
        missing = [name for name in COLUMNS if name not in header]
        raise ValueError(f"columns are missing or there twice; missing: {missing}")
    return itemgetter(*map(header.index, COLUMNS))


def _row(
    source: str,
    created: str,
    category: str,
    currency: str,
    gross: str,
    fee: str,
    net: str,
    intent: str,
    order: str,
) -> Row:
    if category not in CATEGORIES:
        raise ValueError(f"reporting_category {category!r} is none of {CATEGORIES}")
    if currency not in CURRENCIES:
        raise ValueError(f"currency {currency!r} is no code of ISO 4217 in small letters")
    amount, kept = _integer("gross", gross), _integer("fee", fee)
    if _integer("net", net) != amount - kept:
        raise ValueError(f"net {net} is not gross {gross} less fee {fee}")
    at_s = _seconds(created)
    reference = order or intent
    for name, text in (("order_id", reference), ("balance_transaction_id", source)):
        if not 0 < len(text) <= LONGEST_ID or not text.isprintable():
            raise ValueError(f"{name} {text!r} is empty, too long, or not printable")
    return f"{category}:{reference}", amount, CURRENCIES[currency], at_s, source, kept


def _integer(name: str, text: str) -> int:
    """A whole number, written as Python would write it: no blanks, no "+", no leading zeros."""
    try:
        value = int(text)
    except ValueError:
        value = None
    if str(value) != text or abs(value) > LARGEST_AMOUNT:
        raise ValueError(f"{name} {text!r} is not a whole number of at most 16 digits")
    return value


@lru_cache(maxsize=4096)  # a busy PSP's file has many lines of one second, one after the other
def _seconds(text: str) -> float:
    """A time such as "2026-07-28 23:59:55", in seconds since 1970."""
    if not TIME.fullmatch(text):
        raise ValueError(f"created_utc {text!r} is not written like 2026-07-28 23:59:55")
    return (datetime.fromisoformat(text) - EPOCH).total_seconds()
