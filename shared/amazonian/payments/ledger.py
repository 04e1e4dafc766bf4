"""The ledger: double entry, append-only, and every balance derived from it: lab 3.1.

An entry is written once and never changed; a mistake is taken back by a second entry, its
*reversal*. Whoever has the journal can compute all balances at any moment, so nothing else needs
to be believed. Functions that write take part in somebody's commit (`t`); functions that only
read take `read`, which is a database's `read` or the `execute` of a transaction under way.

Sources: double entry as in any book on accounting; immutable transfers with the caller's id as
idempotency key as in TigerBeetle's documentation.
"""

from collections.abc import Iterable, Sequence

from amazonian.payments import journal, wallets
from amazonian.payments.journal import Entry, Posting, Read, entries
from amazonian.payments.wallets import InsufficientFundsError
from amazonian.resilience.database import Transaction

__all__ = ["Entry", "InsufficientFundsError", "Posting", "entries"]

SCHEMA: tuple[str, ...] = (*journal.SCHEMA, *wallets.SCHEMA)


class UnbalancedError(ValueError):
    """An entry's postings don't sum to zero, so money would appear or vanish."""


class EntryConflictError(Exception):
    """An entry's id belongs to one that says something else; a new wish needs a new id."""


class UnknownEntryError(LookupError):
    """The journal has no entry of this id."""


class AlreadyReversedError(Exception):
    """An entry was taken back before; a second reversal would take back too much."""


def imbalance(postings: Iterable[Posting]) -> dict[str, int]:
    """What postings sum to, for each currency in which that is not zero."""
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    return {currency: total for currency, total in sums.items() if total}


def post(t: Transaction, entry: Entry) -> bool:
    """Write an entry and bring the wallets up to date, once, however often it comes."""
    return post_all(t, [entry]) == 1


def post_all(t: Transaction, batch: Sequence[Entry]) -> int:
    """Post entries one after the other; all are written, or none and the first error is raised.

    Returns:
        How many were new.
    """
    new: dict[str, Entry] = {}
    for entry in batch:
        if uneven := imbalance(entry.postings):
            raise UnbalancedError(f"entry {entry.id!r} is off by {uneven} minor units")
        known = new.get(entry.id) or journal.find(t.execute, entry.id)
        if known is None:
            if entry.reverses is not None and journal.reversal_of(t.execute, entry.reverses):
                raise AlreadyReversedError(f"{entry.reverses!r} was reversed before")
            new[entry.id] = entry
        elif not known.says_the_same_as(entry):
            raise EntryConflictError(f"{entry.id!r} is there and says something else: {known}")
    available = wallets.load(t.execute, (p for entry in new.values() for p in entry.postings))
    for entry in new.values():
        available |= wallets.project(available, entry.postings)
    journal.append(t, new.values())
    wallets.save(t, available)
    return len(new)


def reverse(t: Transaction, entry_id: str, reversal_id: str, at_s: float) -> Entry:
    """Take an entry back by posting its opposite."""
    original = journal.find(t.execute, entry_id)
    if original is None:
        raise UnknownEntryError(f"there is no entry {entry_id!r} to reverse")
    opposite = tuple(Posting(p.account, -p.amount, p.currency) for p in original.postings)
    reversal = Entry(
        reversal_id, f"reversal of {entry_id}: {original.description}", opposite, at_s, entry_id
    )
    post(t, reversal)
    return reversal


def balance(read: Read, account: str, currency: str) -> int:
    """The sum of an account's postings, in minor units: a debit balance is positive."""
    [(total,)] = read(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM postings"
        " WHERE account = ? AND currency = ?",
        (account, currency),
    )
    return total


def trial_balance(read: Read) -> dict[str, int]:
    """The sum of all postings, for each currency; all are zero, or the books are wrong."""
    return dict(
        read("SELECT currency, CAST(SUM(amount) AS BIGINT) FROM postings GROUP BY currency")
    )
