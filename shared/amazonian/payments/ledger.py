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
from amazonian.payments.journal import Entry, Posting, Read
from amazonian.payments.journal import entries as entries
from amazonian.resilience.database import Transaction

SCHEMA: tuple[str, ...] = (*journal.SCHEMA, *wallets.SCHEMA)


class UnbalancedError(ValueError):
    """An entry's postings don't sum to zero, so money would appear or vanish."""


class EntryConflictError(Exception):
    """An entry's id belongs to one that says something else; a new wish needs a new id."""


class UnknownEntryError(LookupError):
    """The journal has no entry of this id."""


class AlreadyReversedError(Exception):
    """An entry was taken back before; a second reversal would take back too much."""


class WrongReversalError(ValueError):
    """An entry says that it reverses one of which it is not the exact opposite; use `reverse`."""


def imbalance(postings: Iterable[Posting]) -> dict[str, int]:
    """What postings sum to, in minor units, for each currency in which that is not zero.

    Amounts of two currencies are never added up: 100 yen and -100 cents are two imbalances.
    """
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    return {currency: total for currency, total in sums.items() if total}


def post(t: Transaction, entry: Entry) -> bool:
    """Write an entry, and bring the wallets up to date, once, however often it comes.

    Whatever is refused is refused before anything is written, so that the caller may catch the
    error and go on with `t`.

    Args:
        t: the transaction to take part in.
        entry: what to write.

    Returns:
        True if it is written now; False if it was there, word for word but for the time
        (``known.says_the_same_as(entry)``).

    Raises:
        UnbalancedError: the postings don't sum to zero in every currency (:func:`imbalance`).
        EntryConflictError: its id is there (``journal.find``), and says something else.
        InsufficientFundsError: a wallet would be below zero (``wallets.project``).
        UnknownEntryError, AlreadyReversedError, WrongReversalError: it reverses what it can't
            (:func:`check_reversal`).
    """
    if uneven := imbalance(entry.postings):
        raise UnbalancedError(f"{entry.id!r} does not sum to zero; left over: {uneven}")
    known = journal.find(t.execute, entry.id)
    if known is not None:
        if not known.says_the_same_as(entry):
            raise EntryConflictError(f"{entry.id!r} is taken, by {known}; use a new id")
        return False
    check_reversal(t.execute, entry)
    after = wallets.project(wallets.load(t.execute, entry.postings), entry.postings)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


def post_all(t: Transaction, batch: Sequence[Entry]) -> int:
    """Post entries as if one after the other, with a handful of statements for all together.

    Returns:
        How many are written now; the others were there, or come twice in the batch.

    Raises:
        Exception: what `post` would have raised for the first that is refused. Then none is
            written, not even those before it.
    """
    ids = [entry.id for entry in batch]
    there = journal.select_in(t.execute, "SELECT id FROM entries WHERE id IN", ids)
    known = {entry_id: journal.find(t.execute, entry_id) for (entry_id,) in there}
    available = wallets.load(t.execute, (p for entry in batch for p in entry.postings))
    new: list[Entry] = []
    for entry in batch:
        if uneven := imbalance(entry.postings):
            raise UnbalancedError(f"{entry.id!r} does not sum to zero; left over: {uneven}")
        earlier = known.get(entry.id)
        if earlier is None:
            check_reversal(t.execute, entry, new)
            available.update(wallets.project(available, entry.postings))
            known[entry.id] = entry
            new.append(entry)
        elif not earlier.says_the_same_as(entry):
            raise EntryConflictError(f"{entry.id!r} is taken, by {earlier}; use a new id")
    journal.append(t, new)
    wallets.save(t, available)
    return len(new)


def check_reversal(read: Read, entry: Entry, pending: Sequence[Entry] = ()) -> None:
    """Refuse an entry that says that it reverses what it can't reverse.

    Args:
        read: where the journal is read from.
        entry: any entry; one that reverses nothing passes.
        pending: entries that are to be written before it.

    Raises:
        UnknownEntryError: there is no entry of the id that it reverses.
        AlreadyReversedError: that one was reversed before.
        WrongReversalError: it is not the opposite of that one.
    """
    if entry.reverses is None:
        return
    waiting = (e for e in pending if e.id == entry.reverses)
    original = next(waiting, None) or journal.find(read, entry.reverses)
    if original is None:
        raise UnknownEntryError(f"there is no entry {entry.reverses!r} to reverse")
    waiting = (e for e in pending if e.reverses == original.id)
    earlier = next(waiting, None) or journal.reversal_of(read, original.id)
    if earlier is not None:
        raise AlreadyReversedError(f"{original.id!r} was reversed before, by {earlier.id!r}")
    if entry.postings != tuple(-posting for posting in original.postings):
        raise WrongReversalError(f"{entry.id!r} is not the opposite of {original.id!r}")


def reverse(t: Transaction, entry_id: str, reversal_id: str, at_s: float) -> Entry:
    """Take an entry back: post one that undoes each of its postings, and erase nothing.

    Args:
        t: the transaction to take part in.
        entry_id: of the entry to take back.
        reversal_id: of the entry that does it. Its description is ``reversal of <entry_id>``, and
            its `reverses` is `entry_id`.
        at_s: now, in seconds since 1970.

    Returns:
        The reversal. If this very reversal was posted before, nothing is done and that one is
        returned.

    Raises:
        UnknownEntryError: there is no such entry.
        AlreadyReversedError: another reversal took it back before.
        InsufficientFundsError: a wallet does not have any more what the entry had put into it.
        EntryConflictError: `reversal_id` belongs to an entry that says something else.
    """
    original = journal.find(t.execute, entry_id)
    if original is None:
        raise UnknownEntryError(f"there is no entry {entry_id!r} to reverse")
    opposite = tuple(-posting for posting in original.postings)
    reversal = Entry(reversal_id, f"reversal of {entry_id}", opposite, at_s, reverses=entry_id)
    return reversal if post(t, reversal) else journal.find(t.execute, reversal_id)


def balance(read: Read, account: str, currency: str) -> int:
    """The sum of an account's postings, in minor units: a debit balance is positive."""
    [(total,)] = read(
        "SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM postings p"
        " JOIN accounts a ON a.number = p.account WHERE a.name = ? AND a.currency = ?",
        (account, currency),
    )
    return total


def trial_balance(read: Read) -> dict[str, int]:
    """The sum of all postings, for each currency; all are zero, or the books are wrong."""
    sums: dict[str, int] = {}
    for (_, currency), total in journal.totals(read).items():
        sums[currency] = sums.get(currency, 0) + total
    return sums
