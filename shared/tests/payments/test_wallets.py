"""Wallets: a projection of the journal that can be thrown away, rebuilt and compared with it."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.payments import journal, ledger, wallets
from amazonian.payments.journal import Entry, Posting
from amazonian.payments.wallets import (
    Disagreement,
    InsufficientFundsError,
    Line,
    Wallet,
    project,
)
from amazonian.resilience.database import open_database


@pytest.fixture
def database(dsn: str, closing: Callable) -> Any:
    return closing(open_database(dsn, ledger.SCHEMA))


def paid(number: int, seller: str, amount: int, currency: str = "USD") -> Entry:
    postings = (
        Posting("psp:stripe", amount, currency),
        Posting(f"seller:{seller}", -amount, currency),
    )
    return Entry(f"paid:{number}", f"order {number}", postings, float(number))


def paid_out(number: int, seller: str, amount: int, currency: str = "USD") -> Entry:
    postings = (
        Posting(f"seller:{seller}", amount, currency),
        Posting("bank:shop", -amount, currency),
    )
    return Entry(f"payout:{number}", "payout", postings, float(number))


def post(database: Any, *entries: Entry) -> None:
    database.write(lambda t: ledger.post_all(t, entries))


def all_wallets(database: Any) -> list[tuple]:
    rows = database.read("SELECT account, currency, available FROM wallets")
    return sorted(tuple(row) for row in rows)


# --- the projection -------------------------------------------------------------------------------

ADA, BOB, HELD = ("seller:ada", "USD"), ("seller:bob", "USD"), ("refunds:stripe", "USD")


@pytest.mark.parametrize(
    ("before", "postings", "after"),
    [
        ({}, [("seller:ada", -5)], {ADA: 5}),
        ({ADA: 7}, [("seller:ada", -5)], {ADA: 12}),
        ({ADA: 7}, [("seller:ada", 7)], {ADA: 0}),
        ({ADA: 7, BOB: 1}, [("seller:ada", -5)], {ADA: 12}),
        ({ADA: 7}, [("seller:ada", 5), ("seller:bob", -5)], {ADA: 2, BOB: 5}),
        ({ADA: 7}, [("seller:ada", 5), ("refunds:stripe", -5)], {ADA: 2, HELD: 5}),
        ({}, [("psp:stripe", 5), ("bank:shop", -3), ("fees:stripe", -2)], {}),
        ({}, [("seller:ada", 5), ("seller:ada", -8)], {ADA: 3}),
        ({("seller:ada", "EUR"): 9}, [("seller:ada", -1)], {ADA: 1}),
    ],
)
def test_credits_fill_a_wallet_and_debits_empty_it(before, postings, after) -> None:
    kept = dict(before)
    assert project(before, [Posting(account, n, "USD") for account, n in postings]) == after
    assert before == kept


@pytest.mark.parametrize(
    ("before", "postings"),
    [
        ({}, [("seller:ada", 1)]),
        ({ADA: 7}, [("seller:ada", 8)]),
        ({ADA: 7}, [("seller:ada", 4), ("seller:ada", 4)]),
        ({BOB: 7}, [("seller:bob", -1), ("seller:ada", 1)]),
        ({}, [("refunds:stripe", 1)]),
    ],
)
def test_a_wallet_below_zero_is_refused(before, postings) -> None:
    with pytest.raises(InsufficientFundsError, match="lacks 1 minor units of USD"):
        project(before, [Posting(account, n, "USD") for account, n in postings])


@given(
    st.lists(
        st.tuples(st.sampled_from(["seller:ada", "refunds:stripe", "bank:shop"]), st.integers(1, 9))
    )
)
def test_projecting_two_entries_is_projecting_one_after_the_other(credits) -> None:
    postings = [Posting(account, -amount, "USD") for account, amount in credits]
    for cut in range(len(postings) + 1):
        first = project({}, postings[:cut])
        assert first | project(first, postings[cut:]) == project({}, postings)


# --- the table -----------------------------------------------------------------------------------


def test_a_wallet_is_up_to_date_in_the_commit_that_writes_the_entry(database) -> None:
    def change(t: Any) -> tuple:
        ledger.post(t, paid(1, "ada", 900))
        return wallets.wallet(t.execute, "ada", "USD"), wallets.disagreements(t.execute)

    assert database.write(change) == (Wallet("ada", "USD", 900), [])
    assert wallets.wallet(database.read, "ada", "USD") == Wallet("ada", "USD", 900)


def test_a_seller_has_a_wallet_for_each_currency(database) -> None:
    post(database, paid(1, "ada", 900), paid(2, "ada", 500, "JPY"), paid(3, "bob", 7))
    assert wallets.wallets(database.read, "ada") == [
        Wallet("ada", "JPY", 500),
        Wallet("ada", "USD", 900),
    ]
    assert wallets.wallet(database.read, "ada", "EUR") == Wallet("ada", "EUR", 0)
    assert wallets.wallets(database.read, "eve") == []


def test_a_statement_says_what_moved_the_wallet_and_what_was_in_it_then(database) -> None:
    post(database, paid(1, "ada", 900), paid(2, "bob", 5), paid_out(3, "ada", 600))
    both_ways = Entry(
        "fix",
        "moved and moved back",
        (
            Posting("seller:ada", 100, "USD"),
            Posting("seller:ada", -120, "USD"),
            Posting("bank:shop", 20, "USD"),
        ),
        4.0,
    )
    post(database, both_ways, paid(5, "ada", 1, "EUR"))
    assert wallets.statement(database.read, "ada", "USD") == [
        Line("paid:1", "order 1", 1.0, 900, 900),
        Line("payout:3", "payout", 3.0, -600, 300),
        Line("fix", "moved and moved back", 4.0, 20, 320),
    ]
    assert wallets.statement(database.read, "eve", "USD") == []


def test_the_database_keeps_a_wallet_from_going_below_zero_whoever_writes(database) -> None:
    post(database, paid(1, "ada", 900))
    with pytest.raises(Exception, match=r"(?i)check"):
        database.write(lambda t: t.execute("UPDATE wallets SET available = -1"))
    assert wallets.disagreements(database.read) == []


# --- disagreeing and rebuilding -------------------------------------------------------------------


def test_every_kind_of_disagreement_is_found(database) -> None:
    post(
        database, *(paid(n, seller, 100) for n, seller in enumerate("abcd")), paid(9, "a", 5, "EUR")
    )
    for damage in (
        "UPDATE wallets SET available = 101 WHERE account = 'seller:a' AND currency = 'USD'",
        "DELETE FROM wallets WHERE account = 'seller:b'",
        "INSERT INTO wallets VALUES ('seller:eve', 'USD', 7)",
    ):
        database.write(lambda t, sql=damage: t.execute(sql))
    assert wallets.disagreements(database.read) == [
        Disagreement("seller:a", "USD", wallet=101, journal=100),
        Disagreement("seller:b", "USD", wallet=0, journal=100),
        Disagreement("seller:eve", "USD", wallet=7, journal=0),
    ]


def test_an_entry_written_past_the_ledger_is_a_disagreement(database) -> None:
    post(database, paid(1, "ada", 900))
    database.write(lambda t: journal.append(t, [paid(2, "ada", 50)]))
    assert wallets.disagreements(database.read) == [
        Disagreement("seller:ada", "USD", wallet=900, journal=950)
    ]


def test_rebuilt_wallets_are_those_that_were_kept_up_to_date(database) -> None:
    """A thousand entries and more, so that the journal is walked in several pages."""
    rng, held, entries = random.Random(3), {seller: 0 for seller in "abcde"}, []
    for number in range(1200):
        seller, amount = rng.choice("abcde"), rng.randrange(1, 1000)
        pays_out = held[seller] >= amount
        held[seller] += -amount if pays_out else amount
        entries.append((paid_out if pays_out else paid)(number, seller, amount))
    post(database, *entries)
    before = all_wallets(database)
    assert [(f"seller:{seller}", "USD", held[seller]) for seller in "abcde"] == before
    database.write(lambda t: t.execute("UPDATE wallets SET available = 7"))
    database.write(lambda t: t.execute("INSERT INTO wallets VALUES ('seller:eve', 'USD', 7)"))
    database.write(wallets.rebuild)
    assert all_wallets(database) == before
    assert wallets.disagreements(database.read) == []


def test_a_journal_that_overdrew_a_wallet_is_not_rebuilt_and_the_old_wallets_stay(database) -> None:
    post(database, paid(1, "ada", 900))
    database.write(lambda t: journal.append(t, [paid_out(2, "ada", 901)]))
    before = all_wallets(database)
    with pytest.raises(InsufficientFundsError, match="seller:ada"):
        database.write(wallets.rebuild)
    assert all_wallets(database) == before
