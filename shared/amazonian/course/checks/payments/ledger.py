"""What lab 3.1 asks of balancing, posting and reversing."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from amazonian.course.evidence import Answer, call, fail, given, plain, scenario
from amazonian.course.rules import RulesFor
from amazonian.payments import journal, ledger, wallets
from amazonian.payments.ledger import (
    AlreadyReversedError,
    Entry,
    EntryConflictError,
    Posting,
    UnbalancedError,
    UnknownEntryError,
    WrongReversalError,
)
from amazonian.payments.wallets import InsufficientFundsError

about = RulesFor("amazonian.payments.ledger")


# --- imbalance --------------------------------------------------------------------------------


def _postings(*amounts: tuple[int, str]) -> list[Posting]:
    return [Posting("bank:shop", amount, currency) for amount, currency in amounts]


@about.rule("imbalance")
def what_balances_has_none(imbalance):
    """Postings that sum to zero have no imbalance: an empty dictionary."""
    look = "a currency whose sum is zero is not mentioned"
    call(imbalance, _postings((500, "USD"), (-500, "USD"))).equals({}, look)
    call(imbalance, _postings((1000, "USD"), (-900, "USD"), (-100, "USD"))).equals({}, look)
    call(imbalance, []).equals({}, look)


@about.rule("imbalance")
def what_is_left_over_is_told(imbalance):
    """What is left over is told with its currency and its sign."""
    call(imbalance, _postings((500, "USD"), (-300, "USD"))).equals({"USD": 200})
    call(imbalance, _postings((300, "USD"), (-500, "USD"), (-1, "USD"))).equals({"USD": -201})


@about.rule("imbalance")
def currencies_are_not_added_up(imbalance):
    """Amounts of two currencies are never added up: 100 yen and -100 cents don't balance."""
    look = "keep one sum for each currency"
    call(imbalance, _postings((100, "JPY"), (-100, "USD"))).equals({"JPY": 100, "USD": -100}, look)
    both = _postings((5, "USD"), (7, "EUR"), (-5, "USD"), (-7, "EUR"))
    call(imbalance, both).equals({}, look)
    both = _postings((5, "USD"), (7, "EUR"), (-5, "USD"), (-6, "EUR"))
    call(imbalance, both).equals({"EUR": 1}, look)


@about.rule("imbalance")
def the_postings_may_come_one_after_the_other(imbalance):
    """The postings may be an iterator, which can be gone through once."""
    given("the postings are an iterator")
    stream = iter(_postings((5, "USD"), (7, "EUR"), (-5, "USD"), (-6, "EUR")))
    call(imbalance, stream, shown_as="imbalance(iter([5 USD, 7 EUR, -5 USD, -6 EUR]))").equals(
        {"EUR": 1}, "one loop over the postings, with a sum for each currency that turns up"
    )


about.hints(
    "imbalance",
    "How many sums do you need for postings in two currencies?",
    """
    A dictionary from currency to sum, filled in one loop. Then leave out the currencies whose sum
    is zero.
    """,
    """
    sums = {}
    for posting in postings:
        sums[posting.currency] = sums.get(posting.currency, 0) + …
    return {currency: total for currency, total in sums.items() if …}
    """,
)


# --- books that a check can look into ------------------------------------------------------------


class Books:
    """A ledger in memory, whose transaction is under way: what a learner's code gets as `t`."""

    def __init__(self, *entries: Entry):
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute("PRAGMA recursive_triggers = ON")
        for statement in ledger.SCHEMA:
            self._connection.execute(statement)
        self._connection.execute("BEGIN")
        self.write(*entries)

    def write(self, *entries: Entry) -> None:
        """Write right entries without any function that is an exercise."""
        journal.append(self, entries)
        sums = journal.totals(self.execute)
        wallets.save(self, {key: -sums[key] for key in sums if wallets.is_wallet(key[0])})

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list:
        return self._connection.execute(sql, parameters).fetchall()

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    def entries(self) -> list[Entry]:
        return ledger.entries(self.execute)

    def available(self, account: str, currency: str = "USD") -> int:
        rows = self.execute(
            "SELECT available FROM wallets WHERE account = ? AND currency = ?", (account, currency)
        )
        return rows[0][0] if rows else 0

    def state(self) -> tuple:
        return self.entries(), sorted(self.execute("SELECT * FROM wallets"))

    def post(self, post: Callable, entry: Entry) -> Answer:
        return call(post, self, entry, shown_as=f"post(t, {_short(entry)})")

    def reverse(self, reverse: Callable, entry_id: str, undo: str, at_s: float = 9.0) -> Answer:
        shown = f"reverse(t, {entry_id!r}, {undo!r}, {at_s})"
        return call(reverse, self, entry_id, undo, at_s, shown_as=shown)

    def stay(self, before: tuple, look: str) -> None:
        """Nothing was written since `before`, or the rule is broken."""
        if self.state() != before:
            raise fail(_told(self.state()), _told(before), look)

    def are_still_open(self) -> None:
        if not self._connection.in_transaction:
            raise fail(
                "the transaction is over",
                "one that goes on",
                "who commits is the caller: other changes may belong to the same commit",
            )


def _told(state: tuple) -> str:
    entries, rows = state
    held = ", ".join(f"{account} {amount} {currency}" for account, currency, amount in rows)
    return f"entries {[entry.id for entry in entries]}; in the wallets: {held or 'nothing'}"


def _short(entry: Entry) -> str:
    """An entry in one line of feedback."""
    legs = ", ".join(f"{p.account} {p.amount:+} {p.currency}" for p in entry.postings)
    undoes = f", reverses {entry.reverses!r}" if entry.reverses else ""
    return f"{entry.id!r}: {legs}{undoes}"


def _entry(
    entry_id: str, *legs: tuple[str, int], currency: str = "USD", at_s: float = 1.0
) -> Entry:
    postings = tuple(Posting(account, amount, currency) for account, amount in legs)
    return Entry(entry_id, f"about {entry_id}", postings, at_s)


CAPTURE = _entry("capture:1", ("psp:stripe", 1000), ("seller:ada", -900), ("commission:shop", -100))
PAYOUT = _entry("payout:1", ("seller:ada", 600), ("bank:shop", -600))


# --- reverse ----------------------------------------------------------------------------------


FIELDS = {
    "id": "it is the reversal's own, which you were given",
    "description": "",
    "postings": "-posting is a posting's opposite; keep their order",
    "at_s": "it happens now, not when the original did",
    "reverses": "it says which entry is taken back, by its id",
}


def _is_entry(answer: Answer, wanted: Entry) -> None:
    """The answer is this entry; if not, the first field that differs is told."""
    asked = plain(wanted)
    told = answer.satisfies(
        lambda value: type(value) is tuple and value[0] == "Entry",
        "an Entry",
        "Entry(id, description, postings, at_s, reverses), with -posting for each posting",
    )
    for field, look in FIELDS.items():
        if told[1][field] != asked[1][field]:
            raise answer.broken(f"an Entry whose {field} is {getattr(wanted, field)!r}", look)


@about.rule("reverse")
def the_opposite_is_posted(reverse):
    """The reversal has the opposite of each posting, in the same order, and says what it takes
    back."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    wanted = Entry(
        "undo",
        "reversal of capture:1",
        (
            Posting("psp:stripe", -1000, "USD"),
            Posting("seller:ada", 900, "USD"),
            Posting("commission:shop", 100, "USD"),
        ),
        5.0,
        reverses="capture:1",
    )
    _is_entry(books.reverse(reverse, "capture:1", "undo", 5.0), wanted)
    if books.entries() != [CAPTURE, wanted]:
        raise fail(
            f"the journal has {[_short(entry) for entry in books.entries()]}",
            f"{[_short(CAPTURE), _short(wanted)]}",
            "post(t, reversal) writes it",
        )
    books.are_still_open()


@about.rule("reverse")
def the_wallet_follows(reverse):
    """What the entry had put into a wallet is taken out again."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    books.reverse(reverse, "capture:1", "undo").value("an Entry")
    if books.available("seller:ada") != 0:
        raise fail(
            f"{books.available('seller:ada')} in Ada's wallet", "0", "post(t, reversal) does it"
        )


@about.rule("reverse")
def what_is_not_there_is_unknown(reverse):
    """An entry that is not there can't be reversed: UnknownEntryError."""
    scenario("empty books")
    books = Books()
    books.reverse(reverse, "capture:1", "undo").raises(
        UnknownEntryError, "journal.find(t.execute, entry_id) is None if there is none"
    )


@about.rule("reverse")
def the_same_reversal_again_changes_nothing(reverse):
    """The same reversal again changes nothing, and the one that is there comes back."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    first = books.reverse(reverse, "capture:1", "undo", 5.0).value("an Entry")
    before = books.state()
    again = books.reverse(reverse, "capture:1", "undo", 6.0)
    if again.value("an Entry") != first:
        raise again.broken(
            "the entry of time 5.0 that is in the journal",
            "post returns False if it wrote nothing; journal.find then has the one that is there",
        )
    books.stay(before, "post it under the id that you were given: then it is noticed")


@about.rule("reverse")
def another_reversal_is_too_late(reverse):
    """A second reversal under another id is refused: AlreadyReversedError."""
    scenario(f"books with {_short(CAPTURE)}, taken back by 'undo'")
    books = Books(CAPTURE)
    books.write(_undone(CAPTURE, "undo"))
    before = books.state()
    books.reverse(reverse, "capture:1", "undo once more").raises(
        AlreadyReversedError,
        "post sees to it, if the reversal says what it reverses (`reverses`)",
    )
    books.stay(before, "a second reversal would take back what was never there")


@about.rule("reverse")
def what_is_spent_can_not_be_taken_back(reverse):
    """If a wallet has less than is to be taken back, InsufficientFundsError goes through and
    nothing is written."""
    scenario(f"books with {_short(CAPTURE)} and {_short(PAYOUT)}")
    books = Books(CAPTURE, PAYOUT)
    before = books.state()
    books.reverse(reverse, "capture:1", "undo").raises(
        InsufficientFundsError, "post raises it; don't catch it here, the caller must hear of it"
    )
    books.stay(before, "what is refused leaves nothing behind")


@about.rule("reverse")
def an_id_that_is_taken_is_a_conflict(reverse):
    """A reversal's id that belongs to another entry is a conflict: EntryConflictError."""
    other = replace(CAPTURE, id="capture:2")
    scenario(f"books with {_short(CAPTURE)} and {_short(other)}")
    books = Books(CAPTURE, other)
    books.reverse(reverse, "capture:1", "capture:2").raises(
        EntryConflictError, "post raises it; don't look for the reversal's id yourself"
    )


@about.rule("reverse")
def a_reversal_is_an_entry_like_any_other(reverse):
    """A reversal that was a mistake is itself reversed in the same way."""
    scenario(f"books with {_short(CAPTURE)}, taken back by 'undo'")
    books = Books(CAPTURE)
    books.write(_undone(CAPTURE, "undo"))
    books.reverse(reverse, "undo", "redo").value("an Entry")
    if books.available("seller:ada") != 900:
        raise fail(f"{books.available('seller:ada')} in Ada's wallet", "900")


def _undone(entry: Entry, undo: str) -> Entry:
    opposite = tuple(-posting for posting in entry.postings)
    return Entry(undo, f"reversal of {entry.id}", opposite, 2.0, reverses=entry.id)


about.hints(
    "reverse",
    "What is the opposite of a posting, and who writes it into the journal?",
    """
    Find the original; without one, raise. Make an Entry of the opposites under the id that you
    were given, and post it. Everything else that can go wrong, post finds.
    """,
    """
    original = journal.find(t.execute, entry_id)
    if original is None: raise UnknownEntryError("…")
    opposite = tuple(-posting for posting in …)
    reversal = Entry(reversal_id, f"reversal of {entry_id}", …, …, reverses=…)
    return reversal if post(t, reversal) else journal.find(…)
    """,
)


# --- post -------------------------------------------------------------------------------------


@about.rule("post")
def a_new_entry_is_written(post):
    """A new entry is written as it is, with its wallets, and the answer is True."""
    scenario("empty books")
    books = Books()
    books.post(post, CAPTURE).equals(True, "True says that it is written now")
    if books.entries() != [CAPTURE]:
        raise fail(_told(books.state()), "entries ['capture:1']", "journal.append(t, [entry])")
    if books.available("seller:ada") != 900:
        raise fail(
            _told(books.state()),
            "900 USD in Ada's wallet",
            "wallets.load, wallets.project, and wallets.save for what comes out",
        )
    books.are_still_open()


@about.rule("post")
def the_next_entry_goes_on_from_there(post):
    """The next entry finds the wallets as the last one left them."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    look = "wallets.load(t.execute, entry.postings) reads what is in them before"
    books.post(post, PAYOUT).equals(True, look)
    if books.available("seller:ada") != 300:
        raise fail(_told(books.state()), "300 USD in Ada's wallet", look)
    books.post(post, _entry("fee:1", ("bank:shop", -7), ("fees:stripe", 7))).equals(
        True, "an entry that touches no wallet is written as well"
    )


@about.rule("post")
def what_does_not_balance_is_refused(post):
    """An entry that does not sum to zero in every currency is refused: UnbalancedError."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    before = books.state()
    yen = Posting("bank:shop", 100, "JPY")
    for wrong in (
        _entry("a", ("bank:shop", 100), ("seller:ada", -99)),
        Entry("b", "", (yen, Posting("seller:ada", -100, "USD")), 1.0),
        _entry("c", ("bank:shop", -7), ("fees:stripe", 8)),
    ):
        books.post(post, wrong).raises(
            UnbalancedError, "imbalance(entry.postings) is not empty if something is left over"
        )
        books.stay(before, "look before you write: the caller may go on after your error")


@about.rule("post")
def the_same_entry_again_changes_nothing(post):
    """The same entry again changes nothing, and the answer is False: also if its time is later."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    before = books.state()
    for again, look in (
        (CAPTURE, "its id is there: journal.find(t.execute, entry.id)"),
        (
            replace(CAPTURE, at_s=99.0),
            "a retry comes later, and is still the same entry: see says_the_same_as",
        ),
        (
            replace(CAPTURE, at_s=0.5),
            "another machine's clock may be behind, and it is still the same entry",
        ),
    ):
        given(f"its time is {again.at_s}")
        books.post(post, again).equals(False, look)
        books.stay(before, "the customer would be credited twice")


@about.rule("post")
def an_entry_that_is_there_is_known_even_if_its_money_is_gone(post):
    """A repeat is recognised whatever has happened to the wallets since."""
    scenario(f"books with {_short(CAPTURE)} and {_short(PAYOUT)}")
    books = Books(CAPTURE, PAYOUT)
    books.post(post, PAYOUT).equals(
        False, "300 are left, too little for a second payout; but this one was made. Look first"
    )
    undo = _undone(CAPTURE, "undo")
    scenario(f"books with {_short(CAPTURE)}, taken back by 'undo'")
    books = Books(CAPTURE)
    books.write(undo)
    books.post(post, undo).equals(
        False, "'capture:1' is reversed already: by this very entry. Look for its id first"
    )


@about.rule("post")
def another_entry_under_the_same_id_is_a_conflict(post):
    """An id that is there and says something else is refused: EntryConflictError."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    before = books.state()
    other = _entry(
        "capture:1", ("psp:stripe", 2000), ("seller:ada", -1800), ("commission:shop", -200)
    )
    for wrong in (
        replace(other, description=CAPTURE.description),
        replace(CAPTURE, description=""),
        replace(CAPTURE, postings=CAPTURE.postings[::-1]),
        replace(CAPTURE, reverses="capture:0"),
    ):
        books.post(post, wrong).raises(
            EntryConflictError,
            "to say 'it was there' would be a lie: this one was not. See says_the_same_as",
        )
        books.stay(before, "what is refused leaves nothing behind")


@about.rule("post")
def nobody_is_overdrawn(post):
    """An entry that would take a wallet below zero is refused: InsufficientFundsError."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    before = books.state()
    books.post(post, _entry("a", ("seller:ada", 901), ("bank:shop", -901))).raises(
        InsufficientFundsError, "wallets.project raises it, if it is told what is in the wallets"
    )
    books.stay(
        before,
        "project before you append: the caller may catch your error and commit what there is",
    )


@about.rule("post")
def a_wrong_reversal_is_refused(post):
    """An entry that claims to reverse another must be its opposite, and the first to do so."""
    scenario(f"books with {_short(CAPTURE)}, taken back by 'undo', and {_short(PAYOUT)}")
    books = Books(CAPTURE, PAYOUT, replace(CAPTURE, id="capture:2"))
    books.write(_undone(CAPTURE, "undo"))
    before = books.state()
    look = "check_reversal(t.execute, entry) raises it, if it is asked before project is"
    half = replace(_entry("half", ("seller:ada", 1), ("psp:stripe", -1)), reverses="capture:2")
    books.post(post, half).raises(WrongReversalError, look)
    books.post(post, replace(half, reverses="capture:9")).raises(UnknownEntryError, look)
    books.post(post, _undone(CAPTURE, "undo again")).raises(AlreadyReversedError, look)
    books.stay(before, "check it before you write")
    books.post(post, _undone(PAYOUT, "payout back")).equals(True)


@about.rule("post")
def wallets_and_journal_agree(post):
    """After any posting the wallets are the sums of the journal's postings."""
    scenario(f"books with {_short(CAPTURE)}")
    books = Books(CAPTURE)
    for entry in (
        _entry("sale", ("psp:stripe", 500), ("seller:bob", -500)),
        _entry("yen", ("psp:stripe", 9000), ("seller:ada", -9000), currency="JPY"),
        _entry("hold", ("seller:ada", 400), ("refunds:stripe", -400)),
        _entry("fix", ("seller:ada", 700), ("seller:ada", -800), ("bank:shop", 100)),
        PAYOUT,
    ):
        books.post(post, entry).equals(True)
        if found := wallets.disagreements(books.execute):
            raise fail(
                f"{found[0]}", "no disagreement", "save what project returns, for all wallets"
            )


about.hints(
    "post",
    "Which of the five things that can be wrong with an entry do you find without the database?",
    """
    Refuse first, write last: imbalance; then an entry of that id, which is the same (False) or
    another (a conflict); then check_reversal; then project, which refuses overdrafts. Only then
    append and save.
    """,
    """
    if uneven := imbalance(entry.postings): raise UnbalancedError(f"… {uneven}")
    known = journal.find(t.execute, entry.id)
    if known is not None:
        if not known.says_the_same_as(…): raise EntryConflictError("…")
        return …
    check_reversal(t.execute, entry)
    after = wallets.project(wallets.load(t.execute, entry.postings), …)
    journal.append(t, [entry])
    wallets.save(t, …)
    return …
    """,
)
