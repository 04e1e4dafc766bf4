"""Wallets: what we hold for others, as a projection of the journal: lab 3.1.

A *projection* is a table that could be thrown away: it is computed from the journal and holds
nothing that the journal does not say. It is brought up to date in the commit that writes the
journal, so there is no moment at which the two disagree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from amazonian.payments import journal
from amazonian.payments.journal import LIABILITIES, MOST_POSTINGS, Posting, Read
from amazonian.resilience.database import Transaction

Key = tuple[str, str]  # account and currency
_HELD = tuple(f"{kind}:" for kind in sorted(LIABILITIES))

SCHEMA: tuple[str, ...] = (
    "CREATE TABLE IF NOT EXISTS wallets (account TEXT NOT NULL, currency TEXT NOT NULL,"
    " available INTEGER NOT NULL CHECK (available >= 0), PRIMARY KEY (account, currency))",
)


class InsufficientFundsError(Exception):
    """A posting would take more out of a wallet than is in it."""


@dataclass(frozen=True)
class Wallet:
    """What we owe to a seller, in minor units of one currency; never below zero."""

    seller: str
    currency: str
    available: int


@dataclass(frozen=True)
class Disagreement:
    """A wallet that does not say what the journal says, both in minor units."""

    account: str
    currency: str
    wallet: int
    journal: int


@dataclass(frozen=True)
class Line:
    """One line of a statement: what an entry did to a wallet, and what was in it afterwards."""

    entry_id: str
    description: str
    at_s: float
    amount: int
    available: int


def is_wallet(account: str) -> bool:
    """Whether an account's balance belongs to somebody else, and so has a wallet."""
    return account.startswith(_HELD)


def project(available: Mapping[Key, int], postings: Iterable[Posting]) -> dict[Key, int]:
    """What is in the wallets after an entry.

    A credit (negative) puts money into a wallet, a debit (positive) takes it out. Postings to
    accounts without a wallet are passed over (:func:`is_wallet`).

    Args:
        available: what is in them before, by account and currency; a wallet that is not
            mentioned is empty. It is left as it is.
        postings: those of one entry. Only what they come to together counts: an entry may take
            money out of a wallet and put it back.

    Returns:
        The wallets that the postings touch, as they are afterwards.

    Raises:
        InsufficientFundsError: one of them would be below zero.
    """
    after: dict[Key, int] = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) - posting.amount
    for (account, currency), amount in after.items():
        if amount < 0:
            raise InsufficientFundsError(f"{account} lacks {-amount} minor units of {currency}")
    return after


def load(read: Read, postings: Iterable[Posting]) -> dict[Key, int]:
    """What is in the wallets that these postings touch, and perhaps in others of their owners."""
    accounts = sorted({p.account for p in postings if is_wallet(p.account)})
    rows = journal.select_in(
        read, "SELECT account, currency, available FROM wallets WHERE account IN", accounts
    )
    return {(account, currency): available for account, currency, available in rows}


def save(t: Transaction, available: Mapping[Key, int]) -> None:
    """Write what is in some wallets; the others stay as they are."""
    t.executemany(
        "INSERT INTO wallets VALUES (?, ?, ?) ON CONFLICT (account, currency)"
        " DO UPDATE SET available = excluded.available",
        [(*key, amount) for key, amount in available.items()],
    )


def wallet(read: Read, seller: str, currency: str) -> Wallet:
    """A seller's wallet; one that nothing was ever posted to is empty."""
    found = (wallet for wallet in wallets(read, seller) if wallet.currency == currency)
    return next(found, Wallet(seller, currency, 0))


def wallets(read: Read, seller: str) -> list[Wallet]:
    """All wallets of a seller, one a currency."""
    rows = read(
        "SELECT currency, available FROM wallets WHERE account = ? ORDER BY currency",
        (f"seller:{seller}",),
    )
    return [Wallet(seller, currency, available) for currency, available in rows]


def statement(read: Read, seller: str, currency: str) -> list[Line]:
    """What moved a seller's wallet, from the journal, oldest first."""
    rows = read(
        "SELECT e.id, e.description, e.at_s, CAST(-SUM(p.amount) AS BIGINT) FROM accounts a"
        " JOIN postings p ON p.account = a.number"
        f" JOIN entries e ON e.number = p.number / {MOST_POSTINGS}"
        " WHERE a.name = ? AND a.currency = ?"
        " GROUP BY e.number, e.id, e.description, e.at_s ORDER BY e.number",
        (f"seller:{seller}", currency),
    )
    lines, available = [], 0
    for entry_id, description, at_s, amount in rows:
        available += amount
        lines.append(Line(entry_id, description, at_s, amount, available))
    return lines


def rebuild(t: Transaction) -> None:
    """Throw all wallets away and project the journal anew, from its first entry on.

    Raises:
        InsufficientFundsError: the journal has an entry that took out more than there was.
    """
    available: dict[Key, int] = {}
    for entry in journal.walk(t.execute):
        available |= project(available, entry.postings)
    t.execute("DELETE FROM wallets")
    save(t, available)


def disagreements(read: Read) -> list[Disagreement]:
    """The wallets that say something else than the sums of the journal's postings.

    There are none, unless somebody wrote past the ledger. The sums are the database's own and
    owe nothing to :func:`project`.
    """
    held = {(a, c): n for a, c, n in read("SELECT account, currency, available FROM wallets")}
    told = {key: -total for key, total in journal.totals(read).items() if is_wallet(key[0])}
    return [
        Disagreement(*key, wallet=held.get(key, 0), journal=told.get(key, 0))
        for key in sorted(held.keys() | told.keys())
        if held.get(key, 0) != told.get(key, 0)
    ]
