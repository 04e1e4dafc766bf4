"""The journal: what a ledger writes down, and that it can't be changed afterwards.

Accountants call what is written here a *transaction*. We say *entry*, because "transaction" is
already the database's word. An entry has two or more *postings*; each adds to one account.
Debits are positive and credits negative, so an entry that balances sums to zero.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from amazonian.payments import money
from amazonian.resilience.database import Row, Transaction, append_only

Read = Callable[..., list[Row]]  # a database's `read`, or `execute` of a transaction under way
BalanceKey = tuple[str, str]  # account and currency

# What the first part of an account's name says about it.
ASSETS = frozenset({"psp", "bank"})  # ours: what a provider owes us, what the bank keeps
LIABILITIES = frozenset({"seller", "refunds"})  # others': sellers' wallets, refunds under way
INCOME = frozenset({"commission"})
EXPENSES = frozenset({"fees"})
KINDS = ASSETS | LIABILITIES | INCOME | EXPENSES

LARGEST_AMOUNT = 2**53 - 1  # what a JSON number holds exactly in every client

SCHEMA: tuple[str, ...] = (
    "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " description TEXT NOT NULL, at_s REAL NOT NULL, reverses TEXT)",
    "CREATE INDEX IF NOT EXISTS reversals ON entries (reverses) WHERE reverses IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS postings (entry INTEGER NOT NULL, place INTEGER NOT NULL,"
    " account TEXT NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL,"
    " PRIMARY KEY (entry, place))",
    "CREATE INDEX IF NOT EXISTS postings_of_account ON postings (account, currency, amount)",
    *append_only("entries", "id"),
    *append_only("postings", "entry", "place"),
)


class UnknownAccountError(ValueError):
    """An account's name is not ``kind:owner`` with one of the kinds that the books have."""


@dataclass(frozen=True)
class Posting:
    """One line of an entry.

    Args:
        account: ``kind:owner``, such as ``seller:ada`` or ``psp:stripe``.
        amount: in minor units; a debit is positive, a credit negative, zero is neither.
        currency: its ISO 4217 code.
    """

    account: str
    amount: int
    currency: str

    def __post_init__(self) -> None:
        kind, _, owner = self.account.partition(":")
        if kind not in KINDS or not owner:
            raise UnknownAccountError(
                f"{self.account!r} is no account; write 'kind:owner' with a kind of {sorted(KINDS)}"
            )
        if type(self.amount) is not int:
            raise TypeError(f"an amount is a whole number of minor units, not {self.amount!r}")
        if self.amount == 0 or abs(self.amount) > LARGEST_AMOUNT:
            raise ValueError(f"can't post {self.amount}: not zero, at most ±{LARGEST_AMOUNT}")
        money.exponent(self.currency)


@dataclass(frozen=True)
class Entry:
    """What is written into the journal at once.

    Args:
        id: its name, given by whoever makes it. Posting it a second time changes nothing.
        description: for people.
        postings: two or more; they sum to zero in each currency.
        at_s: when it happened, in seconds since 1970.
        reverses: the id of the entry that this one takes back.
    """

    id: str
    description: str
    postings: tuple[Posting, ...]
    at_s: float
    reverses: str | None = None

    def says_the_same_as(self, other: "Entry") -> bool:
        """Whether both are one entry. A repeat may come later, so the time is no part of that."""
        return replace(self, at_s=0.0) == replace(other, at_s=0.0)


def append(t: Transaction, entries: Iterable[Entry]) -> None:
    """Write entries behind all that are there; nothing is checked here."""
    [(last,)] = t.execute("SELECT COALESCE(MAX(number), 0) FROM entries")
    for number, entry in enumerate(entries, last + 1):
        t.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
            (number, entry.id, entry.description, entry.at_s, entry.reverses),
        )
        for place, posting in enumerate(entry.postings):
            t.execute(
                "INSERT INTO postings VALUES (?, ?, ?, ?, ?)",
                (number, place, posting.account, posting.currency, posting.amount),
            )


def find(read: Read, entry_id: str) -> Entry | None:
    """The entry of this id, or None."""
    found = _select(read, "WHERE e.id = ?", (entry_id,))
    return found[0] if found else None


def reversal_of(read: Read, entry_id: str) -> Entry | None:
    """The entry that reverses this one, or None."""
    found = _select(read, "WHERE e.reverses = ?", (entry_id,))
    return found[0] if found else None


def entries(read: Read, account: str | None = None) -> list[Entry]:
    """All entries, or those that touch an account, in the order in which they were posted."""
    if account is None:
        return _select(read, "", ())
    touching = "WHERE e.number IN (SELECT entry FROM postings WHERE account = ?)"
    return _select(read, touching, (account,))


def _select(read: Read, where: str, parameters: Sequence[Any]) -> list[Entry]:
    rows = read(
        "SELECT e.id, e.description, e.at_s, e.reverses, p.account, p.amount, p.currency"
        f" FROM entries e JOIN postings p ON p.entry = e.number {where}"
        " ORDER BY e.number, p.place",
        parameters,
    )
    return [
        Entry(entry_id, description, tuple(Posting(*row[4:]) for row in lines), at_s, reverses)
        for (entry_id, description, at_s, reverses), lines in groupby(
            rows, lambda row: tuple(row[:4])
        )
    ]
