"""Wrong answers to the exercise of lab 3.1 on wallets."""

from amazonian.payments import wallets
from amazonian.payments.wallets import InsufficientFundsError, is_wallet
from wrong_answers import wrong


def _refuse(after):
    if any(amount < 0 for amount in after.values()):
        raise InsufficientFundsError
    return after


@wrong(wallets, feedback="a wallet's owner sees the opposite sign")
def project__adds_credits_as_they_are(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) + posting.amount
    return _refuse(after)


@wrong(wallets, feedback="an empty wallet is allowed; below zero is not")
def project__keeps_a_last_cent(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) - posting.amount
    if any(amount <= 0 for amount in after.values()):
        raise InsufficientFundsError
    return after


@wrong(wallets, feedback="a wallet that `available` does not mention has nothing in it")
def project__knows_only_wallets_that_are_there(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available[key]) - posting.amount
    return _refuse(after)


@wrong(wallets, feedback="Bob's wallet is not touched")
def project__returns_all_wallets(available, postings):
    after = dict(available)
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, 0) - posting.amount
    return _refuse(after)


@wrong(wallets, feedback="is_wallet(account) tells which have one")
def project__gives_every_account_a_wallet(available, postings):
    after = {}
    for posting in postings:
        key = (posting.account, posting.currency)
        after[key] = after.get(key, available.get(key, 0)) - posting.amount
    return {key: amount for key, amount in after.items() if amount >= 0}


@wrong(wallets, feedback="not the word 'seller'")
def project__knows_sellers_only(available, postings):
    after = {}
    for posting in postings:
        if posting.account.startswith("seller:"):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) - posting.amount
    return _refuse(after)


@wrong(wallets, feedback="its key is the account and the currency")
def project__mixes_currencies(available, postings):
    held = {account: amount for (account, _), amount in available.items()}
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            held[posting.account] = held.get(posting.account, 0) - posting.amount
            after[posting.account, posting.currency] = held[posting.account]
    return _refuse(after)


@wrong(wallets, feedback="the second posting starts from what the first one left")
def project__lets_the_last_posting_win(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = available.get(key, 0) - posting.amount
    return _refuse(after)


@wrong(wallets, feedback="one cent too much is too much")
def project__never_refuses(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) - posting.amount
    return after


@wrong(wallets, feedback="one cent too much is too much")
def project__stops_at_zero(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = max(0, after.get(key, available.get(key, 0)) - posting.amount)
    return after


@wrong(wallets, feedback="look at every wallet, not the last")
def project__looks_at_the_last_wallet_only(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) - posting.amount
    if after and after[key] < 0:
        raise InsufficientFundsError
    return after


@wrong(wallets, feedback="not between them")
def project__refuses_on_the_way(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) - posting.amount
            if after[key] < 0:
                raise InsufficientFundsError
    return after


@wrong(wallets, feedback="collect what comes out in a dictionary of its own")
def project__writes_into_what_it_was_given(available, postings):
    touched = []
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            available[key] = available.get(key, 0) - posting.amount
            touched.append(key)
    return _refuse({key: available[key] for key in touched})


@wrong(wallets, feedback="also if it has what it had before")
def project__drops_what_has_not_changed(available, postings):
    after = {}
    for posting in postings:
        if is_wallet(posting.account):
            key = (posting.account, posting.currency)
            after[key] = after.get(key, available.get(key, 0)) - posting.amount
    changed = {key: amount for key, amount in after.items() if amount != available.get(key, 0)}
    return _refuse(changed)


@wrong(wallets, feedback="what is in it is gone after that")
def project__goes_through_the_postings_twice(available, postings):
    keys = [(p.account, p.currency) for p in postings if is_wallet(p.account)]
    after = {key: available.get(key, 0) for key in keys}
    for posting in postings:
        if is_wallet(posting.account):
            after[posting.account, posting.currency] -= posting.amount
    return _refuse(after)


EQUIVALENT = {}
