"""Hypothesis plays shop: whatever it does, money is conserved and the wallets follow the ledger."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from amazonian.payments import ledger, wallets
from amazonian.payments.ledger import (
    AlreadyReversedError,
    Entry,
    EntryConflictError,
    Posting,
    UnbalancedError,
)
from amazonian.payments.wallets import InsufficientFundsError
from amazonian.resilience.database import open_database

AMOUNTS = st.integers(1, 1000)
CURRENCIES = st.sampled_from(["USD", "JPY"])
SELLERS = st.sampled_from(["ada", "bob"])
OTHERS = ("seller:ada", "seller:bob", "refunds:stripe")  # these may never be below zero
CHOICES = st.integers(0, 99)


class Shop(RuleBasedStateMachine):
    """The ledger beside a list and a counter, which are our model of it."""

    def __init__(self, database: Any):
        super().__init__()
        self.database, self.read = database, database.read
        self.journal: list[Entry] = []
        self.sums: Counter[tuple[str, str]] = Counter()  # by account and currency
        self.reversed: set[str] = set()
        self.numbers = itertools.count(1)

    def teardown(self) -> None:
        self.database.close()

    # --- what the model expects ----------------------------------------------------------------

    def overdraws(self, postings: tuple[Posting, ...], sums: Counter | None = None) -> bool:
        after = Counter(self.sums if sums is None else sums)
        for posting in postings:
            after[posting.account, posting.currency] += posting.amount
        return any(after[p.account, p.currency] > 0 for p in postings if p.account in OTHERS)

    def note(self, entry: Entry) -> None:
        self.journal.append(entry)
        for posting in entry.postings:
            self.sums[posting.account, posting.currency] += posting.amount

    def post(self, *postings: tuple[str, int], currency: str) -> None:
        number = next(self.numbers)
        legs = tuple(Posting(account, amount, currency) for account, amount in postings)
        entry = Entry(f"{number}", "", legs, float(number))
        if self.overdraws(legs):
            with pytest.raises(InsufficientFundsError):
                self.database.write(lambda t: ledger.post(t, entry))
        else:
            assert self.database.write(lambda t: ledger.post(t, entry)) is True
            self.note(entry)

    # --- what may happen -------------------------------------------------------------------------

    @rule(seller=SELLERS, amount=AMOUNTS, currency=CURRENCIES)
    def buyer_pays(self, seller, amount, currency) -> None:
        legs = [("psp:stripe", amount), (f"seller:{seller}", amount // 10 - amount)]
        if amount >= 10:
            legs.append(("commission:shop", -(amount // 10)))
        self.post(*legs, currency=currency)

    @rule(seller=SELLERS, amount=AMOUNTS, currency=CURRENCIES)
    def seller_is_paid_out(self, seller, amount, currency) -> None:
        self.post((f"seller:{seller}", amount), ("bank:shop", -amount), currency=currency)

    @rule(seller=SELLERS, amount=AMOUNTS, currency=CURRENCIES)
    def refund_is_held(self, seller, amount, currency) -> None:
        self.post((f"seller:{seller}", amount), ("refunds:stripe", -amount), currency=currency)

    @rule(amount=AMOUNTS, currency=CURRENCIES)
    def refund_is_made(self, amount, currency) -> None:
        self.post(("refunds:stripe", amount), ("psp:stripe", -amount), currency=currency)

    @rule(amount=st.integers(2, 1000), currency=CURRENCIES)
    def psp_settles(self, amount, currency) -> None:
        legs = ("bank:shop", amount - 1), ("fees:stripe", 1), ("psp:stripe", -amount)
        self.post(*legs, currency=currency)

    @precondition(lambda self: self.journal)
    @rule(choice=CHOICES)
    def somebody_repeats(self, choice) -> None:
        entry = replace(self.journal[choice % len(self.journal)], at_s=-1.0)
        assert self.database.write(lambda t: ledger.post(t, entry)) is False

    @precondition(lambda self: self.journal)
    @rule(choice=CHOICES, amount=AMOUNTS)
    def somebody_takes_an_id_for_something_else(self, choice, amount) -> None:
        known = self.journal[choice % len(self.journal)]
        other = replace(known, postings=(*known.postings, *_two("bank:shop", "psp:stripe", amount)))
        with pytest.raises(EntryConflictError):
            self.database.write(lambda t: ledger.post(t, other))

    @rule(amount=AMOUNTS)
    def somebody_forgets_the_exchange_rate(self, amount) -> None:
        legs = (Posting("bank:shop", amount, "USD"), Posting("psp:stripe", -amount, "JPY"))
        with pytest.raises(UnbalancedError):
            self.database.write(lambda t: ledger.post(t, Entry("mixed", "", legs, 0.0)))

    @precondition(lambda self: self.journal)
    @rule(choice=CHOICES)
    def a_mistake_is_reversed(self, choice) -> None:
        original = self.journal[choice % len(self.journal)]
        if original.id not in self.reversed:
            self.reverse(original, InsufficientFundsError)

    @precondition(lambda self: self.reversed)
    @rule(choice=CHOICES)
    def a_mistake_is_reversed_again(self, choice) -> None:
        known = [entry for entry in self.journal if entry.id in self.reversed]
        self.reverse(known[choice % len(known)], AlreadyReversedError)

    def reverse(self, original: Entry, refusal: type[Exception]) -> None:
        undo = f"{next(self.numbers)}"
        opposite = tuple(-posting for posting in original.postings)
        if original.id in self.reversed or self.overdraws(opposite):
            with pytest.raises(refusal):
                self.database.write(lambda t: ledger.reverse(t, original.id, undo, 0.0))
        else:
            self.note(self.database.write(lambda t: ledger.reverse(t, original.id, undo, 0.0)))
            self.reversed.add(original.id)

    @rule(amounts=st.lists(st.tuples(SELLERS, st.integers(-300, 300).filter(bool)), max_size=5))
    def a_batch_comes(self, amounts) -> None:
        batch = [
            Entry(f"{next(self.numbers)}", "", _two(f"seller:{seller}", "bank:shop", amount), 0.0)
            for seller, amount in amounts
        ]
        sums, overdrawn = Counter(self.sums), False
        for entry in batch:
            overdrawn = overdrawn or self.overdraws(entry.postings, sums)
            for posting in entry.postings:
                sums[posting.account, posting.currency] += posting.amount
        if overdrawn:
            with pytest.raises(InsufficientFundsError):
                self.database.write(lambda t: ledger.post_all(t, batch))
        else:
            assert self.database.write(lambda t: ledger.post_all(t, batch)) == len(batch)
            for entry in batch:
                self.note(entry)

    @rule()
    def wallets_are_thrown_away_and_rebuilt(self) -> None:
        self.database.write(wallets.rebuild)

    # --- what must hold --------------------------------------------------------------------------

    @invariant()
    def money_is_conserved_in_each_currency(self) -> None:
        assert not any(ledger.trial_balance(self.read).values())

    @invariant()
    def nothing_that_was_written_is_changed_or_lost(self) -> None:
        assert ledger.entries(self.read) == self.journal

    @invariant()
    def balances_are_the_sums_of_what_happened(self) -> None:
        for (account, currency), amount in self.sums.items():
            assert ledger.balance(self.read, account, currency) == amount

    @invariant()
    def nobody_elses_money_is_below_zero_and_the_wallets_say_what_the_ledger_says(self) -> None:
        held = {
            (account, currency): available
            for account, currency, available in self.read("SELECT * FROM wallets")
        }
        assert all(available >= 0 for available in held.values())
        told = {key: -amount for key, amount in self.sums.items() if key[0] in OTHERS}
        assert held == told
        assert wallets.disagreements(self.read) == []


def _two(debited: str, credited: str, amount: int) -> tuple[Posting, Posting]:
    return Posting(debited, amount, "USD"), Posting(credited, -amount, "USD")


@pytest.fixture
def new_database(dsn: str, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Makes databases with nothing in them, of the kind that the test is run with."""
    numbers = itertools.count(1)
    if not dsn.startswith("postgres"):
        yield lambda: open_database(tmp_path / f"{next(numbers)}.db", ledger.SCHEMA)
        return
    import psycopg

    made: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:

        def new() -> Any:
            made.append(f"machine_{next(numbers)}")
            connection.execute(f"CREATE SCHEMA {made[-1]}")
            where = f"{'&' if '?' in dsn else '?'}options=-csearch_path%3D{made[-1]}"
            return open_database(dsn + where, ledger.SCHEMA)

        yield new
        for name in made:
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def test_the_books_hold_whatever_happens(new_database, dsn) -> None:
    examples = 8 if dsn.startswith("postgres") else 30
    run_state_machine_as_test(
        lambda: Shop(new_database()),
        settings=settings(max_examples=examples, stateful_step_count=25),
    )
