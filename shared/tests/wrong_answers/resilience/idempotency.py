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


@wrong(idempotency, feedback="are different requests")
def fingerprint__looks_at_the_keys_only(parameters):
    canonical = json.dumps(sorted(parameters), separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@wrong(idempotency, feedback="all servers agree on it")
def fingerprint__uses_a_hash_of_its_own_process(parameters):
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    return f"{hash(canonical) & (2**256 - 1):064x}"


# --- decide


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


@wrong(idempotency, feedback="An intent gets a token from new_token")
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


# --- perform


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


@wrong(idempotency, feedback="If the effect raises, the exception goes through and nothing is kept")
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
