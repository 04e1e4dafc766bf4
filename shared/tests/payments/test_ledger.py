"""The ledger, on SQLite and on PostgreSQL: balanced, immutable, once, and never overdrawn."""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amazonian.payments import journal, ledger, wallets
from amazonian.payments.journal import LARGEST_AMOUNT, MOST_POSTINGS, UnknownAccountError
from amazonian.payments.ledger import (
    AlreadyReversedError,
    Entry,
    EntryConflictError,
    Posting,
    UnbalancedError,
    UnknownEntryError,
    WrongReversalError,
    imbalance,
)
from amazonian.payments.money import UnknownCurrencyError
from amazonian.payments.wallets import InsufficientFundsError
from amazonian.resilience.database import open_database

REFUSED = (
    UnbalancedError,
    EntryConflictError,
    InsufficientFundsError,
    UnknownEntryError,
    AlreadyReversedError,
    WrongReversalError,
)


@pytest.fixture
def books(dsn: str, closing: Callable) -> "Books":
    return Books(closing(open_database(dsn, ledger.SCHEMA)))


class Books:
    """The ledger's functions, each in a commit of its own."""

    def __init__(self, database: Any):
        self.database, self.read = database, database.read

    def post(self, entry: Entry) -> bool:
        return self.database.write(lambda t: ledger.post(t, entry))

    def post_all(self, entries: list[Entry]) -> int:
        return self.database.write(lambda t: ledger.post_all(t, entries))

    def reverse(self, entry_id: str, reversal_id: str, at_s: float = 9.0) -> Entry:
        return self.database.write(lambda t: ledger.reverse(t, entry_id, reversal_id, at_s))

    def balance(self, account: str, currency: str = "USD") -> int:
        return ledger.balance(self.read, account, currency)

    def ids(self) -> list[str]:
        return [entry.id for entry in ledger.entries(self.read)]

    def state(self) -> tuple:
        """All that the books say, for comparing before and after."""
        rows = self.read("SELECT * FROM wallets ORDER BY account, currency")
        return ledger.entries(self.read), sorted(tuple(row) for row in rows)


def capture(number: int, amount: int = 1000, seller: str = "ada", currency: str = "USD") -> Entry:
    """A buyer has paid through the PSP; a tenth is our commission."""
    commission = amount // 10
    return Entry(
        f"capture:{number}",
        f"order {number}",
        (
            Posting("psp:stripe", amount, currency),
            Posting(f"seller:{seller}", commission - amount, currency),
            Posting("commission:shop", -commission, currency),
        ),
        float(number),
    )


def move(entry_id: str, source: str, target: str, amount: int, currency: str = "USD") -> Entry:
    """A credit to `target`, and the debit of `source` that pays for it."""
    postings = (Posting(source, amount, currency), Posting(target, -amount, currency))
    return Entry(entry_id, "a move", postings, 0.0)


# --- what an entry is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "account", ["", "ada", "seller", "seller:", ":ada", "sellers:ada", "Seller:ada", " seller:ada"]
)
def test_an_account_of_no_known_kind_is_refused(account: str) -> None:
    """A misspelt kind would be an account that nobody guards against overdrafts."""
    with pytest.raises(UnknownAccountError, match="kind:owner"):
        Posting(account, 1, "USD")


@pytest.mark.parametrize("amount", [1.0, True, "1", None])
def test_a_posting_of_no_whole_number_is_refused(amount: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        Posting("seller:ada", amount, "USD")


@pytest.mark.parametrize("amount", [0, LARGEST_AMOUNT + 1, -LARGEST_AMOUNT - 1])
def test_a_posting_of_nothing_or_of_too_much_is_refused(amount: int) -> None:
    with pytest.raises(ValueError, match="can't post"):
        Posting("seller:ada", amount, "USD")


def test_a_posting_of_an_unknown_currency_is_refused() -> None:
    with pytest.raises(UnknownCurrencyError):
        Posting("seller:ada", 1, "usd")


def test_an_entry_without_id_or_postings_or_with_too_many_is_refused() -> None:
    posting = Posting("bank:shop", 1, "USD")
    with pytest.raises(ValueError, match="needs an id"):
        Entry("", "", (posting,), 0.0)
    for number in (0, MOST_POSTINGS + 1):
        with pytest.raises(ValueError, match="1 to 1000"):
            Entry("a", "", (posting,) * number, 0.0)
    with pytest.raises(TypeError, match="tuple"):
        Entry("a", "", [posting], 0.0)


@pytest.mark.parametrize(
    ("amounts", "left"),
    [
        ([("USD", 5), ("USD", -5)], {}),
        ([("USD", 5), ("USD", -3)], {"USD": 2}),
        ([("USD", 5), ("EUR", -5)], {"USD": 5, "EUR": -5}),
        ([("USD", 5), ("EUR", 7), ("USD", -5), ("EUR", -7)], {}),
        ([("USD", 5), ("EUR", 7), ("USD", -5), ("EUR", -6)], {"EUR": 1}),
        ([], {}),
    ],
)
def test_an_imbalance_is_what_is_left_over_in_a_currency(amounts, left) -> None:
    postings = [Posting("bank:shop", amount, currency) for currency, amount in amounts]
    assert imbalance(postings) == left


# --- posting -------------------------------------------------------------------------------------


def test_an_entry_is_kept_as_it_was_posted(books) -> None:
    entry = capture(1)
    assert books.post(entry) is True
    assert ledger.entries(books.read) == [entry]
    assert books.balance("psp:stripe") == 1000
    assert books.balance("seller:ada") == -900
    assert books.balance("commission:shop") == -100
    assert books.balance("seller:bob") == books.balance("psp:stripe", "EUR") == 0
    assert ledger.trial_balance(books.read) == {"USD": 0}


def test_the_same_entry_again_changes_nothing_whenever_it_comes(books) -> None:
    books.post(capture(1))
    before = books.state()
    assert books.post(capture(1)) is False
    assert books.post(replace(capture(1), at_s=99.0)) is False
    assert books.state() == before


@pytest.mark.parametrize(
    "other",
    [
        capture(1, amount=1001),
        capture(1, seller="bob"),
        capture(1, currency="EUR"),
        replace(capture(1), description="another"),
        replace(capture(1), postings=capture(1).postings[::-1]),
    ],
)
def test_an_id_that_says_something_else_is_a_conflict(books, other: Entry) -> None:
    books.post(capture(1))
    before = books.state()
    with pytest.raises(EntryConflictError, match="capture:1"):
        books.post(other)
    assert books.state() == before


def test_an_entry_that_does_not_balance_is_refused_by_currency_and_sum(books) -> None:
    postings = (Posting("psp:stripe", 5, "USD"), Posting("seller:ada", -5, "EUR"))
    with pytest.raises(UnbalancedError, match="'USD': 5, 'EUR': -5"):
        books.post(Entry("a", "", postings, 0.0))
    assert books.state() == ([], [])


def test_a_seller_and_a_hold_can_not_owe_but_our_own_accounts_can(books) -> None:
    books.post(capture(1, amount=1000))
    for source in ("seller:ada", "refunds:stripe", "seller:bob"):
        with pytest.raises(InsufficientFundsError, match=source):
            books.post(move("too much", source, "bank:shop", 901))
    assert books.post(move("all", "seller:ada", "bank:shop", 900))
    assert books.post(move("our own", "bank:shop", "psp:stripe", 5000))
    assert books.balance("psp:stripe") == 1000 - 5000
    assert books.balance("seller:ada") == 0


def test_money_in_another_currency_does_not_help(books) -> None:
    books.post(capture(1, currency="EUR"))
    with pytest.raises(InsufficientFundsError, match="USD"):
        books.post(move("a", "seller:ada", "bank:shop", 1, "USD"))


def test_only_what_an_entry_comes_to_counts_for_an_overdraft(books) -> None:
    postings = (
        Posting("seller:ada", 500, "USD"),  # taken out of an empty wallet, and put back
        Posting("seller:ada", -600, "USD"),
        Posting("bank:shop", 100, "USD"),
    )
    assert books.post(Entry("a", "", postings, 0.0))
    assert wallets.wallet(books.read, "ada", "USD").available == 100


def test_what_is_refused_leaves_a_transaction_that_one_can_go_on_with(books) -> None:
    """The caller catches the error and writes something else, in the same commit."""
    books.post(capture(1))

    def change(t: Any) -> None:
        for wrong in (
            Entry("b", "", (Posting("psp:stripe", 5, "USD"), Posting("bank:shop", -4, "USD")), 0.0),
            move("a", "seller:ada", "bank:shop", 1801),
            capture(1, amount=70),
            replace(capture(7), reverses="nothing"),
        ):
            for attempt in (ledger.post, lambda t, entry: ledger.post_all(t, [capture(5), entry])):
                with pytest.raises(REFUSED):
                    attempt(t, wrong)
        ledger.post(t, capture(2))

    books.database.write(change)
    assert books.ids() == ["capture:1", "capture:2"]
    assert wallets.disagreements(books.read) == []


def test_amounts_as_large_as_json_can_hold_are_kept_exactly(books) -> None:
    for number in range(3):
        books.post(move(f"{number}", "bank:shop", "seller:ada", LARGEST_AMOUNT))
    assert books.balance("seller:ada") == -3 * LARGEST_AMOUNT
    assert wallets.wallet(books.read, "ada", "USD").available == 3 * LARGEST_AMOUNT


def test_an_entry_may_have_a_thousand_postings_and_they_keep_their_order(books) -> None:
    ones = tuple(Posting(f"seller:{n}", -1, "USD") for n in range(MOST_POSTINGS - 1))
    entry = Entry("many", "", (Posting("bank:shop", MOST_POSTINGS - 1, "USD"), *ones), 0.0)
    books.post(capture(1))
    books.post(entry)
    books.post(capture(2))
    assert ledger.entries(books.read)[1] == entry


# --- posting many --------------------------------------------------------------------------------


def test_a_batch_is_written_as_if_one_after_the_other(books) -> None:
    batch = [capture(1), move("out", "seller:ada", "bank:shop", 900), capture(2), capture(1)]
    assert books.post_all(batch) == 3
    assert ledger.entries(books.read) == batch[:3]
    assert wallets.wallet(books.read, "ada", "USD").available == 900
    assert books.post_all(batch) == 0


def test_an_overdraft_in_the_middle_of_a_batch_is_not_helped_by_what_comes_later(books) -> None:
    with pytest.raises(InsufficientFundsError):
        books.post_all([move("out", "seller:ada", "bank:shop", 900), capture(1)])
    assert books.state() == ([], [])


def test_a_batch_may_be_empty_or_larger_than_a_query_takes_values(books) -> None:
    assert books.post_all([]) == 0
    many = [capture(n, seller=f"{n}") for n in range(2 * journal.PAGE + 1)]
    assert books.post_all(many) == len(many)
    assert books.post_all(many) == 0
    assert list(journal.walk(books.read)) == many
    assert wallets.disagreements(books.read) == []


ENTRIES = st.one_of(
    st.builds(
        capture, st.integers(0, 5), st.sampled_from([10, 20]), st.sampled_from(["ada", "bob"])
    ),
    st.builds(
        move,
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from(["seller:ada", "seller:bob", "bank:shop"]),
        st.sampled_from(["seller:bob", "refunds:stripe"]),
        st.integers(1, 25),
    ),
    st.builds(
        lambda number, order: Entry(
            f"undo {number}",
            f"reversal of capture:{number}",
            tuple(-p for p in capture(number, 10).postings)[::order],
            0.0,
            reverses=f"capture:{number}",
        ),
        st.integers(0, 5),
        st.sampled_from([1, 1, 1, -1]),
    ),
)


class UndoneError(Exception):
    """Raised at the end of a change, so that nothing of it stays."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(first=st.lists(ENTRIES, max_size=4), batch=st.lists(ENTRIES, max_size=8))
def test_post_all_and_post_agree_on_everything(books, first, batch) -> None:
    """Same entries, same result, same error: only the number of statements differs."""

    def one_by_one(t: Any) -> int:
        return sum([ledger.post(t, entry) for entry in batch])

    def together(t: Any) -> int:
        return ledger.post_all(t, batch)

    def outcome(post_batch: Callable[[Any], int]) -> Any:
        def change(t: Any) -> None:
            for entry in first:
                with contextlib.suppress(*REFUSED):
                    ledger.post(t, entry)
            try:
                written = post_batch(t)
            except REFUSED as error:
                raise UndoneError(type(error), str(error)) from None
            rows = t.execute("SELECT * FROM wallets ORDER BY account, currency")
            raise UndoneError(written, ledger.entries(t.execute), [tuple(row) for row in rows])

        with pytest.raises(UndoneError) as undone:
            books.database.write(change)
        return undone.value.args

    assert outcome(together) == outcome(one_by_one)


# --- taking back ---------------------------------------------------------------------------------


def test_a_reversal_undoes_an_entry_and_erases_nothing(books) -> None:
    books.post(capture(1))
    reversal = books.reverse("capture:1", "undo", at_s=5.0)
    assert reversal == Entry(
        "undo",
        "reversal of capture:1",
        tuple(-posting for posting in capture(1).postings),
        5.0,
        reverses="capture:1",
    )
    assert ledger.entries(books.read) == [capture(1), reversal]
    assert books.balance("psp:stripe") == books.balance("seller:ada") == 0
    assert wallets.wallet(books.read, "ada", "USD").available == 0


def test_the_same_reversal_again_is_the_one_that_is_there(books) -> None:
    books.post(capture(1))
    first = books.reverse("capture:1", "undo", at_s=5.0)
    assert books.reverse("capture:1", "undo", at_s=6.0) == first
    assert books.ids() == ["capture:1", "undo"]


def test_an_entry_is_reversed_once(books) -> None:
    books.post(capture(1))
    books.reverse("capture:1", "undo")
    with pytest.raises(AlreadyReversedError, match="by 'undo'"):
        books.reverse("capture:1", "undo again")
    assert books.ids() == ["capture:1", "undo"]


def test_a_reversal_is_an_entry_and_may_be_reversed_once_too(books) -> None:
    books.post(capture(1))
    books.reverse("capture:1", "undo")
    books.reverse("undo", "redo")
    assert books.balance("seller:ada") == -900
    with pytest.raises(AlreadyReversedError):
        books.reverse("undo", "redo again")


def test_what_is_not_there_can_not_be_reversed(books) -> None:
    with pytest.raises(UnknownEntryError, match="capture:1"):
        books.reverse("capture:1", "undo")


def test_what_was_paid_out_can_not_be_taken_back(books) -> None:
    books.post(capture(1))
    books.post(move("payout", "seller:ada", "bank:shop", 900))
    with pytest.raises(InsufficientFundsError, match="lacks 900"):
        books.reverse("capture:1", "undo")


def test_a_reversals_id_that_is_taken_is_a_conflict(books) -> None:
    books.post(capture(1))
    books.post(capture(2))
    with pytest.raises(EntryConflictError):
        books.reverse("capture:1", "capture:2")


def test_an_entry_that_claims_to_reverse_another_must_be_its_opposite(books) -> None:
    books.post(capture(1))
    half = replace(move("half", "seller:ada", "psp:stripe", 450), reverses="capture:1")
    with pytest.raises(WrongReversalError, match="'half'"):
        books.post(half)
    books.reverse("capture:1", "undo")


# --- reading -------------------------------------------------------------------------------------


def test_entries_are_listed_by_account_and_a_page_at_a_time(books) -> None:
    batch = [capture(n, seller="ab"[n % 2]) for n in range(7)]
    books.post_all(batch)
    assert ledger.entries(books.read, "seller:a") == batch[::2]
    assert ledger.entries(books.read, "seller:a", limit=2) == batch[:4:2]
    assert ledger.entries(books.read, "seller:a", after="capture:2", limit=9) == batch[4::2]
    assert ledger.entries(books.read, after="capture:4") == batch[5:]
    assert ledger.entries(books.read, "seller:c") == []
    assert ledger.entries(books.read, after="nothing") == []


def test_entries_can_be_read_inside_the_transaction_that_writes_them(books) -> None:
    def change(t: Any) -> tuple:
        ledger.post(t, capture(1))
        return ledger.entries(t.execute), ledger.balance(t.execute, "seller:ada", "USD")

    assert books.database.write(change) == ([capture(1)], -900)


def test_the_trial_balance_shows_what_was_written_past_the_ledger(books) -> None:
    postings = (Posting("psp:stripe", 5, "USD"), Posting("bank:shop", 7, "EUR"))
    books.post(capture(1))
    books.database.write(lambda t: journal.append(t, [Entry("a", "", postings, 0.0)]))
    assert ledger.trial_balance(books.read) == {"USD": 5, "EUR": 7}


# --- the database itself refuses -----------------------------------------------------------------

REWRITES = {
    "entries": "description = 'nothing'",
    "postings": "amount = amount + 1",
    "accounts": "name = 'seller:eve'",
}


@pytest.mark.parametrize("table", REWRITES)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1}", "DELETE FROM {0}"])
def test_no_row_of_the_journal_can_be_changed_or_deleted(books, table, statement) -> None:
    books.post(capture(1))
    before = books.state()
    sql = statement.format(table, REWRITES[table])
    for where in ("", " WHERE number IN (SELECT number FROM " + table + ")"):
        with pytest.raises(Exception, match=f"{table} is append-only"):
            books.database.write(lambda t, sql=sql + where: t.execute(sql))
    assert books.state() == before


@pytest.mark.parametrize("table", REWRITES)
def test_not_even_by_somebody_who_comes_with_a_client_of_his_own(books, dsn, table) -> None:
    books.post(capture(1))
    before = books.state()
    for sql in (f"UPDATE {table} SET {REWRITES[table]}", f"DELETE FROM {table}"):
        with pytest.raises(Exception, match=f"{table} is append-only"):
            raw(dsn, sql)
    assert books.state() == before


def raw(dsn: str, sql: str) -> None:
    if dsn.startswith("postgres"):
        import psycopg

        with psycopg.connect(dsn) as connection:
            connection.execute(sql)
        return
    with contextlib.closing(sqlite3.connect(dsn)) as connection, connection:
        connection.execute(sql)


@pytest.mark.parametrize("dsn", ["postgresql"], indirect=True)
@pytest.mark.xdist_group("postgresql")
def test_nor_emptied_at_once_on_postgresql(books) -> None:
    books.post(capture(1))
    with pytest.raises(Exception, match="entries is append-only"):
        books.database.write(lambda t: t.execute("TRUNCATE entries"))
    assert books.ids() == ["capture:1"]


@pytest.mark.parametrize("dsn", ["sqlite"], indirect=True)
def test_nor_replaced_on_sqlite(books) -> None:
    books.post(capture(1))
    before = books.state()
    for table in REWRITES:
        with pytest.raises(Exception, match=f"{table} is append-only"):
            books.database.write(
                lambda t, table=table: t.execute(
                    f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
                )
            )
    assert books.state() == before


def test_a_journal_is_there_when_it_is_opened_again(dsn, closing) -> None:
    first = open_database(dsn, ledger.SCHEMA)
    Books(first).post(capture(1))
    first.close()
    second = Books(closing(open_database(dsn, ledger.SCHEMA)))
    assert ledger.entries(second.read) == [capture(1)]
    assert second.post(capture(1)) is False
