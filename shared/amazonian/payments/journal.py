"""The journal: what the ledger has written down, and the tables that refuse to forget it.

Accountants call what is written here a *transaction*. We say *entry*, because "transaction" is
already the database's word. An entry has two or more *postings*; each adds to one account.
Debits are positive and credits negative, so an entry that balances sums to zero.

The rules of the ledger (what may be posted) are in :mod:`amazonian.payments.ledger`; here it is
only written and read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from amazonian.payments import money
from amazonian.resilience.database import Row, Transaction, append_only

Read = Callable[..., list[Row]]  # a database's `read`, or `execute` of a transaction under way

# What the first part of an account's name says about it.
ASSETS = frozenset({"psp", "bank"})  # ours: what a provider owes us, what the bank keeps
LIABILITIES = frozenset({"seller", "refunds"})  # others': sellers' wallets, refunds under way
INCOME = frozenset({"commission"})
EXPENSES = frozenset({"fees"})
KINDS = ASSETS | LIABILITIES | INCOME | EXPENSES

LARGEST_AMOUNT = 2**53 - 1  # what a JSON number holds exactly, whoever reads it
MOST_POSTINGS = 1_000  # of an entry
PAGE = 500  # so many entries, or names in a query, at a time

# An account has one currency: `seller:ada` in USD and in EUR are two rows. A posting's number is
# that of its entry, times MOST_POSTINGS, plus its place in it: so the postings of an entry lie
# together, without an index of their own that every posting would pay for.
SCHEMA: tuple[str, ...] = (
    "CREATE TABLE IF NOT EXISTS accounts (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
    " currency TEXT NOT NULL, UNIQUE (name, currency))",
    "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " description TEXT NOT NULL, at_s REAL NOT NULL, reverses TEXT)",
    "CREATE UNIQUE INDEX IF NOT EXISTS reversals ON entries (reverses) WHERE reverses IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS postings (number INTEGER PRIMARY KEY, account INTEGER NOT NULL,"
    " amount INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS postings_of_account ON postings (account)",
    *append_only("accounts"),
    *append_only("entries"),
    *append_only("postings"),
)


class UnknownAccountError(ValueError):
    """An account's name is not ``kind:owner`` with one of the kinds that the books have."""


@dataclass(frozen=True)
class Posting:
    """One line of an entry.

    Args:
        account: ``kind:owner``, such as ``seller:ada`` or ``psp:stripe``.
        amount: in minor units; a debit is positive, a credit negative.
        currency: its ISO 4217 code.

    Raises:
        UnknownAccountError: the account has no kind that we know, or no owner.
        UnknownCurrencyError: ISO 4217 has no such currency.
        TypeError: the amount is not a whole number.
        ValueError: it is zero, or larger than LARGEST_AMOUNT.
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
        if not 0 < abs(self.amount) <= LARGEST_AMOUNT:
            raise ValueError(f"can't post {self.amount}: post at most {LARGEST_AMOUNT}, and not 0")
        money.exponent(self.currency)

    def __neg__(self) -> "Posting":
        """The posting that takes this one back."""
        return replace(self, amount=-self.amount)


@dataclass(frozen=True)
class Entry:
    """What is written into the journal at once.

    Args:
        id: its name, given by whoever makes it. Posting it a second time changes nothing.
        description: for people.
        postings: at most MOST_POSTINGS. The ledger takes them if they sum to zero in each
            currency.
        at_s: when it happened, in seconds since 1970.
        reverses: the id of the entry that this one takes back.

    Raises:
        TypeError: the postings are no tuple.
        ValueError: there are too few or too many, or the id is empty.
    """

    id: str
    description: str
    postings: tuple[Posting, ...]
    at_s: float
    reverses: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.postings, tuple):
            raise TypeError(f"postings are a tuple, so that nobody adds to them: {self.postings!r}")
        if not 1 <= len(self.postings) <= MOST_POSTINGS:
            raise ValueError(f"{len(self.postings)} postings; an entry has 1 to {MOST_POSTINGS}")
        if not self.id:
            raise ValueError("an entry needs an id, so that posting it twice is noticed")

    def says_the_same_as(self, other: "Entry") -> bool:
        """Whether both are one entry. A repeat may come later, so the time is no part of that."""
        return replace(self, at_s=0.0) == replace(other, at_s=0.0)


def append(t: Transaction, new: Sequence[Entry]) -> None:
    """Write entries behind all that are there. Nothing is checked here: see `ledger.post`."""
    numbers = _account_numbers(t, new)
    [(last,)] = t.execute("SELECT COALESCE(MAX(number), 0) FROM entries")
    numbered = list(enumerate(new, last + 1))
    t.executemany(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
        [(number, e.id, e.description, e.at_s, e.reverses) for number, e in numbered],
    )
    t.executemany(
        "INSERT INTO postings VALUES (?, ?, ?)",
        [
            (number * MOST_POSTINGS + place, numbers[p.account, p.currency], p.amount)
            for number, entry in numbered
            for place, p in enumerate(entry.postings)
        ],
    )


def _account_numbers(t: Transaction, new: Iterable[Entry]) -> dict[tuple[str, str], int]:
    """The numbers of all accounts that these entries touch; those that are new are made."""
    touched = {(p.account, p.currency) for entry in new for p in entry.postings}
    names = sorted({name for name, _ in touched})
    numbers = {
        (name, currency): number
        for number, name, currency in select_in(
            t.execute, "SELECT number, name, currency FROM accounts WHERE name IN", names
        )
    }
    if missing := sorted(touched - numbers.keys()):
        [(last,)] = t.execute("SELECT COALESCE(MAX(number), 0) FROM accounts")
        numbers |= {key: number for number, key in enumerate(missing, last + 1)}
        t.executemany(
            "INSERT INTO accounts VALUES (?, ?, ?)", [(numbers[key], *key) for key in missing]
        )
    return numbers


def find(read: Read, entry_id: str) -> Entry | None:
    """The entry of this id, or None."""
    found = _select(read, "WHERE id = ?", (entry_id,))
    return found[0] if found else None


def reversal_of(read: Read, entry_id: str) -> Entry | None:
    """The entry that reverses this one, or None."""
    found = _select(read, "WHERE reverses = ?", (entry_id,))
    return found[0] if found else None


def entries(
    read: Read, account: str | None = None, after: str | None = None, limit: int | None = None
) -> list[Entry]:
    """Entries in the order in which they were posted.

    Args:
        read: where from.
        account: only those that touch this account, in whatever currency.
        after: the id of an entry; only those that were posted later.
        limit: at most so many.
    """
    conditions, parameters = ["TRUE"], []
    if account is not None:
        conditions.append(
            f"number IN (SELECT p.number / {MOST_POSTINGS} FROM postings p"
            " JOIN accounts a ON a.number = p.account WHERE a.name = ?)"
        )
        parameters.append(account)
    if after is not None:
        conditions.append("number > (SELECT number FROM entries WHERE id = ?)")
        parameters.append(after)
    where = f"WHERE {' AND '.join(conditions)} ORDER BY number"
    return _select(read, where if limit is None else f"{where} LIMIT {limit:d}", parameters)


def walk(read: Read) -> Iterator[Entry]:
    """All entries, oldest first, a page at a time, however many there are."""
    page = entries(read, limit=PAGE)
    while page:
        yield from page
        page = entries(read, after=page[-1].id, limit=PAGE)


def _select(read: Read, which: str, parameters: Sequence[Any]) -> list[Entry]:
    rows = read(
        "SELECT e.id, e.description, e.at_s, e.reverses, a.name, p.amount, a.currency"
        f" FROM (SELECT * FROM entries {which}) e"
        f" JOIN postings p ON p.number >= e.number * {MOST_POSTINGS}"
        f" AND p.number < e.number * {MOST_POSTINGS} + {MOST_POSTINGS}"
        " JOIN accounts a ON a.number = p.account ORDER BY p.number",
        parameters,
    )
    return [
        Entry(entry_id, description, tuple(Posting(*row[4:]) for row in lines), at_s, reverses)
        for (entry_id, description, at_s, reverses), lines in groupby(
            rows, lambda row: tuple(row[:4])
        )
    ]


def totals(read: Read) -> dict[tuple[str, str], int]:
    """The sum of all postings to each account, by name and currency, in minor units."""
    rows = read(
        "SELECT a.name, a.currency, CAST(SUM(p.amount) AS BIGINT) FROM postings p"
        " JOIN accounts a ON a.number = p.account GROUP BY a.name, a.currency"
    )
    return {(name, currency): total for name, currency, total in rows}


def select_in(read: Read, query: str, values: Sequence[str]) -> list[Row]:
    """The rows of a query that ends in ``IN``, for these values, some hundreds at a time."""
    rows: list[Row] = []
    for begin in range(0, len(values), PAGE):
        page = values[begin : begin + PAGE]
        rows += read(f"{query} ({', '.join('?' * len(page))})", page)
    return rows
