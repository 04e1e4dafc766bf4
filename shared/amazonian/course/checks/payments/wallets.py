"""What lab 3.1 asks of the projection of postings on wallets."""

from collections.abc import Callable

from amazonian.course.evidence import Answer, call, difference, fail
from amazonian.course.rules import RulesFor
from amazonian.payments.journal import Posting
from amazonian.payments.wallets import InsufficientFundsError

about = RulesFor("amazonian.payments.wallets")

ADA, BOB, HELD = ("seller:ada", "USD"), ("seller:bob", "USD"), ("refunds:stripe", "USD")
Legs = list[tuple[str, int]]


def _project(project: Callable, available: dict, legs: Legs, currency: str = "USD") -> Answer:
    return call(project, available, [Posting(account, n, currency) for account, n in legs])


def _wallets(answer: Answer, wanted: dict, look: str = "") -> None:
    """The answer has exactly these wallets: plain pairs of text with plain amounts."""
    if answer.error is not None:
        raise answer.broken(f"{wanted}", look)
    after = answer.made
    plain = isinstance(after, dict) and all(
        type(key) is tuple and all(type(part) is str for part in key) and type(amount) is int
        for key, amount in after.items()
    )
    if not plain:
        raise answer.broken(f"{wanted}", look, "a dictionary from (account, currency) to an int")
    if after != wanted:
        told, asked = ({str(k): n for k, n in held.items()} for held in (after, wanted))
        raise answer.broken(f"{wanted}", look, difference(told, asked))


@about.rule("project")
def a_credit_fills_a_wallet(project):
    """A credit, which is negative, puts money into a wallet; one that is not there is empty."""
    look = "credits are negative in our books, and a wallet's owner sees the opposite sign"
    _wallets(_project(project, {ADA: 700}, [("seller:ada", -500)]), {ADA: 1200}, look)
    _wallets(
        _project(project, {}, [("seller:ada", -500)]),
        {ADA: 500},
        "a wallet that `available` does not mention has nothing in it",
    )


@about.rule("project")
def a_debit_empties_it(project):
    """A debit, which is positive, takes money out, down to the last unit."""
    _wallets(_project(project, {ADA: 700}, [("seller:ada", 200)]), {ADA: 500})
    _wallets(
        _project(project, {ADA: 700}, [("seller:ada", 700)]),
        {ADA: 0},
        "an empty wallet is allowed; below zero is not",
    )


@about.rule("project")
def only_wallets_that_are_touched(project):
    """The answer has the wallets that the postings touch, and no others."""
    _wallets(
        _project(project, {ADA: 700, BOB: 100}, [("seller:ada", -500)]),
        {ADA: 1200},
        "Bob's wallet is not touched; whoever saves the answer would write it again",
    )
    _wallets(
        _project(project, {BOB: 100}, [("seller:ada", -5), ("seller:bob", 5)]), {ADA: 5, BOB: 95}
    )


@about.rule("project")
def other_accounts_have_no_wallet(project):
    """Postings to accounts that are not somebody else's money are passed over, whatever their
    sign."""
    legs = [("psp:stripe", 1000), ("seller:ada", -900), ("commission:shop", -100)]
    _wallets(_project(project, {}, legs), {ADA: 900}, "is_wallet(account) tells which have one")
    legs = [("bank:shop", 950), ("fees:stripe", 50), ("psp:stripe", -1000)]
    _wallets(_project(project, {ADA: 7}, legs), {}, "no wallet is touched here")


@about.rule("project")
def money_held_for_refunds_has_a_wallet_too(project):
    """What is held for refunds is somebody else's money too, and has a wallet."""
    legs = [("seller:ada", 300), ("refunds:stripe", -300)]
    _wallets(
        _project(project, {ADA: 300}, legs),
        {ADA: 0, HELD: 300},
        "is_wallet(account) tells which have one, not the word 'seller'",
    )


@about.rule("project")
def each_currency_has_its_own(project):
    """A wallet has one currency: its key is the account and the currency."""
    dollars_and_yen = {ADA: 700, ("seller:ada", "JPY"): 90_000}
    _wallets(
        _project(project, dollars_and_yen, [("seller:ada", -500)], "JPY"),
        {("seller:ada", "JPY"): 90_500},
    )
    _wallets(_project(project, {("seller:ada", "JPY"): 90_000}, [("seller:ada", -500)]), {ADA: 500})


@about.rule("project")
def several_postings_add_up(project):
    """Several postings to one wallet all count."""
    legs = [("seller:ada", -500), ("bank:shop", 300), ("seller:ada", 200)]
    _wallets(
        _project(project, {ADA: 100}, legs),
        {ADA: 400},
        "the second posting starts from what the first one left, not from `available`",
    )


@about.rule("project")
def a_wallet_that_is_touched_is_told(project):
    """A wallet that is touched is in the answer even if its postings cancel out."""
    _wallets(
        _project(project, {ADA: 700}, [("seller:ada", -5), ("seller:ada", 5)]),
        {ADA: 700},
        "a wallet that is touched belongs to the answer, also if it has what it had before",
    )


@about.rule("project")
def below_zero_is_refused(project):
    """A wallet that would be below zero is refused: InsufficientFundsError."""
    for available, legs, look in (
        ({ADA: 700}, [("seller:ada", 701)], "one cent too much is too much"),
        ({}, [("seller:ada", 1)], "there is nothing in a wallet that was never filled"),
        ({HELD: 5}, [("refunds:stripe", 6)], "this goes for money held for refunds too"),
        ({ADA: 700}, [("seller:ada", 400), ("seller:ada", 400)], "700 is not enough for both"),
        ({BOB: 10**6}, [("seller:bob", -5), ("seller:ada", 5)], "Bob's money is not Ada's"),
        ({ADA: 1}, [("seller:ada", 2), ("seller:bob", -2)], "look at every wallet, not the last"),
        ({("seller:ada", "JPY"): 9000}, [("seller:ada", 1)], "yen are no dollars"),
    ):
        _project(project, available, legs).raises(InsufficientFundsError, look)


@about.rule("project")
def only_the_end_of_an_entry_counts(project):
    """What an entry takes out and puts back is no overdraft: only its end counts."""
    _wallets(
        _project(project, {}, [("seller:ada", 500), ("seller:ada", -600)]),
        {ADA: 100},
        "look for a wallet below zero after the last posting, not between them",
    )


@about.rule("project")
def the_postings_may_come_one_after_the_other(project):
    """The postings may be an iterator, which can be gone through once."""
    stream = iter([Posting("seller:ada", -5, "USD"), Posting("seller:bob", -7, "USD")])
    shown = "project({}, iter([seller:ada -5 USD, seller:bob -7 USD]))"
    _wallets(
        call(project, {}, stream, shown_as=shown),
        {ADA: 5, BOB: 7},
        "one loop over the postings; what is in it is gone after that",
    )


@about.rule("project")
def what_was_there_stays_as_it_is(project):
    """The caller's `available` is not changed: if the entry is refused, nothing has happened."""
    for legs in ([("seller:ada", -5)], [("seller:ada", 900)]):
        available = {ADA: 700, BOB: 1}
        _project(project, available, legs)
        if available != {ADA: 700, BOB: 1}:
            raise fail(
                f"afterwards the caller's `available` is {available}",
                f"{ {ADA: 700, BOB: 1} }",
                "collect what comes out in a dictionary of its own",
            )


about.hints(
    "project",
    "A posting of −900 to seller:ada: does Ada have more afterwards, or less?",
    """
    A new dictionary for what comes out. For each posting to a wallet, start from there if the
    wallet is in it already, else from `available`, else from 0, and subtract the amount. Look for
    what is below zero when all are done.
    """,
    """
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, …)
            after[key] = after.get(key, available.get(key, …)) - …
    for (account, currency), amount in after.items():
        if …: raise InsufficientFundsError(f"…")
    return after
    """,
)
