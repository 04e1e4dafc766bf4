"""Wrong answers to the exercises of lab 3.1 on the ledger."""

from collections import Counter
from dataclasses import replace

from amazonian.payments import journal, ledger, wallets
from amazonian.payments.ledger import (
    AlreadyReversedError,
    Entry,
    EntryConflictError,
    UnbalancedError,
    UnknownEntryError,
    check_reversal,
    imbalance,
    post,
)
from amazonian.payments.wallets import InsufficientFundsError
from wrong_answers import wrong

# --- imbalance


@wrong(ledger, feedback="keep one sum for each currency")
def imbalance__adds_all_currencies_up(postings):
    total = sum(posting.amount for posting in postings)
    return {postings[0].currency: total} if total else {}


@wrong(ledger, feedback="a currency whose sum is zero is not mentioned")
def imbalance__mentions_zeros(postings):
    sums = Counter()
    for posting in postings:
        sums[posting.currency] += posting.amount
    return dict(sums)


@wrong(ledger, feedback="with its currency and its sign")
def imbalance__drops_what_is_negative(postings):
    sums = Counter()
    for posting in postings:
        sums[posting.currency] += posting.amount
    return dict(+sums)


@wrong(ledger, feedback="with its currency and its sign")
def imbalance__forgets_the_sign(postings):
    sums = Counter()
    for posting in postings:
        sums[posting.currency] += posting.amount
    return {currency: abs(total) for currency, total in sums.items() if total}


@wrong(ledger, feedback="with its currency and its sign")
def imbalance__looks_at_the_last_posting(postings):
    last = {posting.currency: posting.amount for posting in postings}
    return {currency: total for currency, total in last.items() if total > 0}


# --- reverse


def _reversal(original, reversal_id, at_s):
    opposite = tuple(-posting for posting in original.postings)
    return Entry(reversal_id, f"reversal of {original.id}", opposite, at_s, reverses=original.id)


def _find(t, entry_id):
    original = journal.find(t.execute, entry_id)
    if original is None:
        raise UnknownEntryError
    return original


@wrong(ledger, feedback="post(t, reversal) writes it")
def reverse__forgets_to_post(t, entry_id, reversal_id, at_s):
    return _reversal(_find(t, entry_id), reversal_id, at_s)


@wrong(ledger, feedback="-posting is a posting's opposite")
def reverse__posts_the_entry_again(t, entry_id, reversal_id, at_s):
    original = _find(t, entry_id)
    again = Entry(reversal_id, f"reversal of {entry_id}", original.postings, at_s)
    post(t, again)
    return again


@wrong(ledger, feedback="it says which entry is taken back, by its id")
def reverse__does_not_say_what_it_reverses(t, entry_id, reversal_id, at_s):
    reversal = replace(_reversal(_find(t, entry_id), reversal_id, at_s), reverses=None)
    post(t, reversal)
    return reversal


@wrong(ledger, feedback="it happens now, not when the original did")
def reverse__keeps_the_time_of_the_original(t, entry_id, reversal_id, at_s):
    original = _find(t, entry_id)
    reversal = _reversal(original, reversal_id, original.at_s)
    return reversal if post(t, reversal) else journal.find(t.execute, reversal_id)


@wrong(ledger, feedback="it is the reversal's own, which you were given")
def reverse__makes_an_id_of_its_own(t, entry_id, reversal_id, at_s):
    reversal = _reversal(_find(t, entry_id), f"reversal:{entry_id}", at_s)
    return reversal if post(t, reversal) else journal.find(t.execute, reversal.id)


@wrong(ledger, feedback="append-only")
def reverse__deletes_the_entry(t, entry_id, reversal_id, at_s):
    original = _find(t, entry_id)
    t.execute("DELETE FROM entries WHERE id = ?", (entry_id,))
    return _reversal(original, reversal_id, at_s)


@wrong(ledger, feedback="post(t, reversal) does it")
def reverse__writes_past_the_ledger(t, entry_id, reversal_id, at_s):
    known = journal.find(t.execute, reversal_id)
    if known is not None:
        return known
    reversal = _reversal(_find(t, entry_id), reversal_id, at_s)
    journal.append(t, [reversal])
    return reversal


@wrong(ledger, feedback="is None if there is none")
def reverse__takes_it_for_granted(t, entry_id, reversal_id, at_s):
    reversal = _reversal(journal.find(t.execute, entry_id), reversal_id, at_s)
    return reversal if post(t, reversal) else journal.find(t.execute, reversal_id)


@wrong(ledger, feedback="journal.find then has the one that is there")
def reverse__returns_what_it_made(t, entry_id, reversal_id, at_s):
    reversal = _reversal(_find(t, entry_id), reversal_id, at_s)
    post(t, reversal)
    return reversal


@wrong(ledger, feedback="AlreadyReversedError")
def reverse__makes_a_repeat_of_a_second_one(t, entry_id, reversal_id, at_s):
    original = _find(t, entry_id)
    earlier = journal.reversal_of(t.execute, entry_id)
    if earlier is not None:
        return earlier
    reversal = _reversal(original, reversal_id, at_s)
    return reversal if post(t, reversal) else journal.find(t.execute, reversal_id)


@wrong(ledger, feedback="don't catch it here")
def reverse__keeps_an_overdraft_to_itself(t, entry_id, reversal_id, at_s):
    reversal = _reversal(_find(t, entry_id), reversal_id, at_s)
    try:
        return reversal if post(t, reversal) else journal.find(t.execute, reversal_id)
    except InsufficientFundsError:
        return reversal


@wrong(ledger, feedback="don't look for the reversal's id yourself")
def reverse__takes_any_entry_of_that_id_for_itself(t, entry_id, reversal_id, at_s):
    known = journal.find(t.execute, reversal_id)
    if known is not None:
        return known
    reversal = _reversal(_find(t, entry_id), reversal_id, at_s)
    post(t, reversal)
    return reversal


@wrong(ledger, feedback="is itself reversed in the same way")
def reverse__refuses_to_reverse_a_reversal(t, entry_id, reversal_id, at_s):
    original = _find(t, entry_id)
    if original.reverses is not None:
        raise AlreadyReversedError
    reversal = _reversal(original, reversal_id, at_s)
    return reversal if post(t, reversal) else journal.find(t.execute, reversal_id)


# --- post


def _balanced(entry):
    if uneven := imbalance(entry.postings):
        raise UnbalancedError(str(uneven))


def _is_there(t, entry):
    known = journal.find(t.execute, entry.id)
    if known is not None and not known.says_the_same_as(entry):
        raise EntryConflictError
    return known is not None


def _after(t, entry):
    return wallets.project(wallets.load(t.execute, entry.postings), entry.postings)


@wrong(ledger, feedback="wallets.save for what comes out")
def post__forgets_the_wallets(t, entry):
    _balanced(entry)
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    journal.append(t, [entry])
    return True


@wrong(ledger, feedback="journal.append(t, [entry])")
def post__forgets_the_journal(t, entry):
    _balanced(entry)
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    wallets.save(t, _after(t, entry))
    return True


@wrong(ledger, feedback="reads what is in them before")
def post__starts_every_wallet_at_zero(t, entry):
    _balanced(entry)
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    after = wallets.project({}, entry.postings)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="imbalance(entry.postings) is not empty")
def post__takes_anything(t, entry):
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="its id is there: journal.find(t.execute, entry.id)")
def post__never_looks(t, entry):
    _balanced(entry)
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="a retry comes later, and is still the same entry")
def post__takes_the_time_for_content(t, entry):
    _balanced(entry)
    known = journal.find(t.execute, entry.id)
    if known is not None:
        if known != entry:
            raise EntryConflictError
        return False
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="to say 'it was there' would be a lie")
def post__looks_at_the_id_only(t, entry):
    _balanced(entry)
    if journal.find(t.execute, entry.id) is not None:
        return False
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="to say 'it was there' would be a lie")
def post__compares_the_postings_only(t, entry):
    _balanced(entry)
    known = journal.find(t.execute, entry.id)
    if known is not None:
        if known.postings != entry.postings:
            raise EntryConflictError
        return False
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="Look first")
def post__projects_before_it_looks(t, entry):
    _balanced(entry)
    after = _after(t, entry)
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="Look for its id first")
def post__checks_the_reversal_before_it_looks(t, entry):
    _balanced(entry)
    check_reversal(t.execute, entry)
    if _is_there(t, entry):
        return False
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="project before you append")
def post__appends_before_it_projects(t, entry):
    _balanced(entry)
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    journal.append(t, [entry])
    wallets.save(t, _after(t, entry))
    return True


@wrong(ledger, feedback="look before you write")
def post__appends_before_it_looks(t, entry):
    if _is_there(t, entry):
        return False
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    _balanced(entry)
    check_reversal(t.execute, entry)
    return True


@wrong(ledger, feedback="check_reversal(t.execute, entry) raises it")
def post__believes_any_reversal(t, entry):
    _balanced(entry)
    if _is_there(t, entry):
        return False
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


@wrong(ledger, feedback="who commits is the caller")
def post__commits_itself(t, entry):
    _balanced(entry)
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    t.execute("COMMIT")
    return True


@wrong(ledger, feedback="one loop over the postings")
def imbalance__goes_through_the_postings_twice(postings):
    currencies = {posting.currency for posting in postings}
    sums = {c: sum(p.amount for p in postings if p.currency == c) for c in currencies}
    return {currency: total for currency, total in sums.items() if total}


@wrong(ledger, feedback="an entry that touches no wallet is written as well")
def post__says_whether_a_wallet_changed(t, entry):
    _balanced(entry)
    if _is_there(t, entry):
        return False
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return len(after) > 0


@wrong(ledger, feedback="See says_the_same_as")
def post__compares_postings_and_description_only(t, entry):
    _balanced(entry)
    known = journal.find(t.execute, entry.id)
    if known is not None:
        if (known.postings, known.description) != (entry.postings, entry.description):
            raise ledger.EntryConflictError
        return False
    check_reversal(t.execute, entry)
    after = _after(t, entry)
    journal.append(t, [entry])
    wallets.save(t, after)
    return True


EQUIVALENT = {}
