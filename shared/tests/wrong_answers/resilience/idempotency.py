"""Wrong answers to lab 1.2."""

import hashlib
import json
import sqlite3
import uuid
from contextlib import closing

from amazonian.resilience import idempotency
from amazonian.resilience.idempotency import (
    InProgressError,
    MissingTokenError,
    RefusedError,
    TokenReusedError,
    decide,
    fingerprint,
)
from wrong_answers import wrong

# --- fingerprint


@wrong(idempotency, feedback="a client library may write the keys in another order")
def fingerprint__takes_the_text_as_it_comes(parameters):
    return hashlib.sha256(json.dumps(parameters, separators=(",", ":")).encode()).hexdigest()


@wrong(idempotency, feedback="keys of inner dictionaries are sorted too")
def fingerprint__sorts_the_outer_keys_only(parameters):
    canonical = json.dumps(dict(sorted(parameters.items())), separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@wrong(idempotency, feedback="see sort_keys and separators of json.dumps")
def fingerprint__leaves_the_blanks_in(parameters):
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


@wrong(idempotency, feedback="leave the rest as it is by default")
def fingerprint__keeps_letters_beyond_ascii(parameters):
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@wrong(idempotency, feedback="are different requests")
def fingerprint__looks_at_the_keys_only(parameters):
    canonical = json.dumps(sorted(parameters), separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@wrong(idempotency, feedback="all servers agree on it")
def fingerprint__uses_a_hash_of_its_own_process(parameters):
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    return f"{hash(canonical) & (2**256 - 1):064x}"


@wrong(idempotency, feedback="a blank inside a text belongs to that text")
def fingerprint__strips_every_blank(parameters):
    canonical = json.dumps(parameters, sort_keys=True).replace(" ", "")
    return hashlib.sha256(canonical.encode()).hexdigest()


@wrong(idempotency, feedback="a blank inside a text belongs to that text")
def fingerprint__strips_blanks_after_separators(parameters):
    canonical = json.dumps(parameters, sort_keys=True).replace(", ", ",").replace(": ", ":")
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sorted_by_hand(value):
    if isinstance(value, dict):
        return {key: _sorted_by_hand(value[key]) for key in sorted(value)}
    return value


@wrong(idempotency, feedback="keys of dictionaries inside a list are sorted too")
def fingerprint__forgets_lists(parameters):
    canonical = json.dumps(_sorted_by_hand(parameters), separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@wrong(idempotency, feedback="may be another one in each process")
def fingerprint__makes_up_text(parameters):
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


@wrong(idempotency, feedback="sort_keys sorts in the text, not in the dictionary")
def fingerprint__sorts_the_callers_dictionary(parameters):
    for key in sorted(parameters):
        parameters[key] = parameters.pop(key)
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


# --- decide


@wrong(idempotency, feedback="compare with ==, not with `is`")
def decide__compares_identities(fingerprint, known):
    if known is None:
        return None
    if known.fingerprint is not fingerprint:
        raise TokenReusedError
    if known.answer is None:
        raise InProgressError
    return known.answer


@wrong(idempotency, feedback="raise the error, don't return it: `raise TokenReusedError(…)`")
def decide__returns_the_error(fingerprint, known):
    if known is None:
        return None
    if known.fingerprint != fingerprint:
        return TokenReusedError()
    if known.answer is None:
        return InProgressError()
    return known.answer


@wrong(idempotency, feedback="raise its own kind, TokenReusedError")
def decide__raises_no_kind(fingerprint, known):
    if known is None:
        return None
    if known.fingerprint != fingerprint or known.answer is None:
        raise RefusedError("refused")
    return known.answer


@wrong(idempotency, feedback="only None means that there is none yet")
def decide__takes_an_empty_answer_for_none(fingerprint, known):
    if known is None:
        return None
    if known.fingerprint != fingerprint:
        raise TokenReusedError
    if not known.answer:
        raise InProgressError
    return known.answer


@wrong(idempotency, feedback="the answer to another request for its own")
def decide__never_compares(fingerprint, known):
    if known is None:
        return None
    if known.answer is None:
        raise InProgressError
    return known.answer


@wrong(idempotency, feedback="would asking again ever help?")
def decide__asks_first_whether_it_runs(fingerprint, known):
    if known is None:
        return None
    if known.answer is None:
        raise InProgressError
    if known.fingerprint != fingerprint:
        raise TokenReusedError
    return known.answer


@wrong(idempotency, feedback="belongs to a request that runs now")
def decide__runs_it_a_second_time(fingerprint, known):
    if known is not None and known.fingerprint != fingerprint:
        raise TokenReusedError
    return None if known is None else known.answer


# --- token_for


def _select(connection, intent):
    row = connection.execute("SELECT token FROM tokens WHERE intent = ?", (intent,)).fetchone()
    return row[0] if row else None


@wrong(idempotency, feedback="a second token would be a second charge")
def token_for__names_the_attempt(connection, intent, new_token=idempotency.random_token):
    return new_token()


@wrong(idempotency, feedback="new_token() makes the token")
def token_for__derives_it_from_the_name(connection, intent, new_token=idempotency.random_token):
    return str(uuid.uuid5(uuid.NAMESPACE_OID, intent))


@wrong(idempotency, feedback="commit before you return")
def token_for__forgets_to_commit(connection, intent, new_token=idempotency.random_token):
    row = (intent, new_token())
    connection.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?)", row)
    return _select(connection, intent)


@wrong(idempotency, feedback="a second token would be a second charge")
def token_for__replaces_it(connection, intent, new_token=idempotency.random_token):
    with connection:
        row = (intent, new_token())
        connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", row)
    return _select(connection, intent)


@wrong(idempotency, feedback="the rival has sent its first attempt with it by now")
def token_for__looks_and_then_overwrites(connection, intent, new_token=idempotency.random_token):
    token = _select(connection, intent)
    if token is None:
        token = new_token()
        with connection:
            connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (intent, token))
    return token


@wrong(idempotency, feedback="the rival has sent its first attempt with it by now")
def token_for__returns_what_it_made(connection, intent, new_token=idempotency.random_token):
    token = _select(connection, intent) or new_token()
    with connection:
        connection.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?)", (intent, token))
    return token


@wrong(idempotency, feedback="write ? in the statement and pass the values apart")
def token_for__writes_values_into_the_statement(
    connection, intent, new_token=idempotency.random_token
):
    with connection:
        connection.execute(f"INSERT OR IGNORE INTO tokens VALUES ('{intent}', '{new_token()}')")
    rows = connection.execute(f"SELECT token FROM tokens WHERE intent = '{intent}'")
    return rows.fetchone()[0]


_in_memory: dict[str, str] = {}


@wrong(idempotency, feedback="keep it in the table, and commit before you return")
def token_for__keeps_it_in_a_dictionary(connection, intent, new_token=idempotency.random_token):
    if intent not in _in_memory:
        _in_memory[intent] = new_token()
    return _in_memory[intent]


# --- perform


@wrong(idempotency, feedback="your look ended before the transaction of the effect began")
def perform__looks_in_a_transaction_of_its_own(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest):
        with store.transaction() as connection:
            answer = decide(digest, store.find(connection, token))
        if answer is None:
            with store.transaction() as connection:
                answer = effect(connection)
                store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="what an effect does besides writing to the database")
def perform__acts_before_it_looks(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest):
        try:
            with store.transaction() as connection:
                answer = effect(connection)
                store.record(connection, token, digest, answer)
        except sqlite3.IntegrityError:
            with store.transaction() as connection:
                return decide(digest, store.find(connection, token))
    return answer


@wrong(idempotency, feedback="don't catch what the effect raises")
def perform__takes_an_error_of_the_database_for_a_repeat(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            try:
                answer = effect(connection)
                store.record(connection, token, digest, answer)
            except sqlite3.IntegrityError:
                return decide(digest, store.find(connection, token))
    return answer


@wrong(idempotency, feedback="don't catch what the effect raises")
def perform__calls_a_failure_a_refusal(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            try:
                answer = effect(connection)
            except Exception as error:
                raise RefusedError(str(error)) from error
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="do not wait and try again")
def perform__waits_for_the_first_attempt(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    while True:
        try:
            with store.claim(token, digest), store.transaction() as connection:
                answer = decide(digest, store.find(connection, token))
                if answer is None:
                    answer = effect(connection)
                    store.record(connection, token, digest, answer)
            return answer
        except InProgressError:
            continue


@wrong(idempotency, feedback="do not wait and try again")
def perform__tries_three_times(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    for _ in range(3):
        try:
            with store.claim(token, digest), store.transaction() as connection:
                answer = decide(digest, store.find(connection, token))
                if answer is None:
                    answer = effect(connection)
                    store.record(connection, token, digest, answer)
            return answer
        except InProgressError as still:
            refusal = still
    raise refusal


@wrong(idempotency, feedback="hold it (`with`) around the whole transaction")
def perform__calls_claim_without_with(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    store.claim(token, digest)
    with store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="hold it (`with`) around the whole transaction")
def perform__lets_go_too_early(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest):
        pass
    with store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="claim with this request's fingerprint")
def perform__claims_with_the_token_twice(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, token), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="nothing was recorded: store.record")
def perform__forgets_to_record(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
    return answer


@wrong(idempotency, feedback="neither must the code that runs the effect")
def perform__commits_itself(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            connection.commit()
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="effect and store.record belong in one")
def perform__records_afterwards(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest):
        with store.transaction() as connection:
            answer = decide(digest, store.find(connection, token))
            if answer is not None:
                return answer
            answer = effect(connection)
        with store.transaction() as connection:
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="Wherever the process ends, the retry's answer is the same")
def perform__records_before(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest):
        with store.transaction() as connection:
            answer = decide(digest, store.find(connection, token))
            if answer is not None:
                return answer
            store.record(connection, token, digest, "charged")
        try:
            with store.transaction() as connection:
                answer = effect(connection)
        except Exception:
            with store.transaction() as connection:
                connection.execute("DELETE FROM idempotency WHERE token = ?", (token,))
            raise
        with store.transaction() as connection:
            connection.execute("UPDATE idempotency SET answer = ?", (answer,))
    return answer


@wrong(idempotency, feedback="you looked before you claimed")
def perform__looks_before_it_claims(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with closing(sqlite3.connect(store.database)) as connection:
        known = store.find(connection, token)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, known)
        if answer is None:
            answer = effect(connection)
            connection.execute("DELETE FROM idempotency WHERE token = ?", (token,))
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="claim the token (store.claim) before the transaction begins")
def perform__never_claims(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="claim the token (store.claim) before the transaction begins")
def perform__claims_inside_the_transaction(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.transaction() as connection, store.claim(token, digest):
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="don't catch what the effect raises")
def perform__keeps_failures(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            try:
                answer = effect(connection)
            except Exception as error:
                answer = f"failed: {error}"
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="an empty text is an answer: compare with None")
def perform__takes_an_empty_answer_for_none(store, token, parameters, effect):
    if not token:
        raise MissingTokenError
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if not answer:
            answer = effect(connection)
            connection.execute("DELETE FROM idempotency WHERE token = ?", (token,))
            store.record(connection, token, digest, answer)
    return answer


@wrong(idempotency, feedback="None and the empty text are both no token")
def perform__does_without_a_token(store, token, parameters, effect):
    if token is None:
        token = idempotency.random_token()
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            store.record(connection, token, digest, answer)
    return answer


EQUIVALENT = {}
