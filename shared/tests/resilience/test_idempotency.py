"""A charge is made once, whatever dies and however many ask for it."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.resilience import crashes, retries
from amazonian.resilience.charges import Books
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.idempotency import (
    EffectCommittedError,
    IdempotencyStore,
    InProgressError,
    MissingTokenError,
    TokenReusedError,
    fingerprint,
    open_tokens,
    perform,
    token_for,
)

CHARGE = crashes.CHARGE
ONCE = Books(charges=1, sum_of_charges=4200, sum_of_totals=4200)
ANSWER = {"charge": "ch_1", **CHARGE}
PATIENT = retries.RetryPolicy(max_attempts=50, base_s=0.005, cap_s=0.1, timeout_s=2.0)


# --- the fingerprint

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def test_the_fingerprint_is_that_of_sha256sum() -> None:
    # printf '%s' '{"amount":4200,"currency":"EUR","customer":"ada"}' | sha256sum
    wanted = "a593664ad74042bdb478ff33e424499ca59d08b99ead4431748f917c84fd6812"
    assert fingerprint(CHARGE) == wanted


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), json_values), st.randoms(use_true_random=False))
def test_the_order_of_keys_never_shows(parameters: dict, rng: random.Random) -> None:
    shuffled = list(parameters.items())
    rng.shuffle(shuffled)
    assert fingerprint(dict(shuffled)) == fingerprint(parameters)


@settings(deadline=None)
@given(json_values, json_values)
def test_what_is_not_the_same_json_has_another_fingerprint(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(one) == fingerprint(other)) == same


def test_what_json_cannot_hold_has_no_fingerprint() -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        fingerprint({"tags": {"a", "b"}})


# --- the store, in one process


class Service:
    """A store and an effect that leaves a row each time."""

    def __init__(self, folder: Path, **options: object):
        self.path = folder / "service.db"
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE effects (at INTEGER PRIMARY KEY)")
        self.clock = SimulatedClock(1_000_000.0)
        self.store = IdempotencyStore(self.path, clock=self.clock, **options)

    def effect(self, connection: sqlite3.Connection) -> str:
        row = connection.execute("INSERT INTO effects DEFAULT VALUES")
        return f"effect {row.lastrowid}"

    def effects(self) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT count(*) FROM effects").fetchone()[0]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_a_repeat_gets_the_same_answer_and_has_no_effect(service: Service) -> None:
    answers = {perform(service.store, "t", CHARGE, service.effect) for _ in range(5)}
    assert answers == {"effect 1"}
    assert service.effects() == 1


def test_an_answer_outlives_the_store(service: Service) -> None:
    first = perform(service.store, "t", CHARGE, service.effect)
    reopened = IdempotencyStore(service.path, clock=service.clock)
    assert perform(reopened, "t", CHARGE, service.effect) == first
    assert service.effects() == 1


def test_each_refusal_knows_its_http_status() -> None:
    errors = (MissingTokenError, TokenReusedError, InProgressError)
    assert [error.status for error in errors] == [400, 422, 409]


def test_an_effect_that_commits_itself_is_found_out(service: Service) -> None:
    def commits(connection: sqlite3.Connection) -> str:
        with connection:
            return service.effect(connection)

    with pytest.raises(EffectCommittedError, match="the effect must not commit"):
        perform(service.store, "t", CHARGE, commits)


def test_an_answer_that_is_not_text_is_refused_and_nothing_is_kept(service: Service) -> None:
    def counts(connection: sqlite3.Connection) -> str:
        service.effect(connection)
        return 7  # type: ignore[return-value]

    with pytest.raises(TypeError, match="as text, not int"):
        perform(service.store, "t", CHARGE, counts)
    assert service.effects() == 0


def test_purge_forgets_what_is_older_than_the_retention_and_no_more(tmp_path: Path) -> None:
    service = Service(tmp_path, retention_s=100.0)
    perform(service.store, "old", CHARGE, service.effect)
    service.clock.sleep(60)
    perform(service.store, "young", CHARGE, service.effect)
    service.clock.sleep(40)
    assert service.store.purge() == 0, "exactly as old as the retention is still kept"
    service.clock.sleep(1)
    assert service.store.purge() == 1
    perform(service.store, "young", CHARGE, service.effect)
    assert service.effects() == 2
    perform(service.store, "old", CHARGE, service.effect)
    assert service.effects() == 3, "past the retention a retry is a new request"


def test_of_many_threads_with_one_token_one_has_the_effect(service: Service) -> None:
    inside, go_on = threading.Event(), threading.Event()
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def slow(connection: sqlite3.Connection) -> str:
        inside.set()
        assert go_on.wait(30)
        return service.effect(connection)

    def attempt() -> None:
        try:
            outcome = perform(service.store, "t", CHARGE, slow)
        except InProgressError:
            outcome = "in progress"
        with lock:
            outcomes[outcome] += 1

    first = threading.Thread(target=attempt)
    first.start()
    assert inside.wait(30)
    others = [threading.Thread(target=attempt) for _ in range(30)]
    for thread in others:
        thread.start()
    for thread in others:  # they end while the first is still in its effect: nobody waits
        thread.join(30)
    go_on.set()
    first.join(30)
    assert outcomes == {"effect 1": 1, "in progress": 30}
    assert perform(service.store, "t", CHARGE, slow) == "effect 1"


def test_threads_that_race_without_any_order_have_one_effect_for_each_token(
    service: Service,
) -> None:
    start = threading.Barrier(16)
    answers: list[tuple[str, str]] = []

    def attempts(seed: int) -> None:
        tokens = [f"t{number}" for number in range(10)]
        random.Random(seed).shuffle(tokens)
        start.wait(30)
        for token in tokens:
            try:
                answers.append((token, perform(service.store, token, CHARGE, service.effect)))
            except InProgressError:
                continue

    threads = [threading.Thread(target=attempts, args=[seed]) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert service.effects() == 10
    assert len(set(answers)) == len({token for token, _ in answers}) == 10


def test_two_stores_on_one_file_whose_claims_are_apart_have_one_effect(service: Service) -> None:
    # Two server processes see each other's transaction, but not each other's claims.
    stores = [IdempotencyStore(service.path, clock=service.clock, busy_s=30) for _ in range(2)]
    start = threading.Barrier(2)
    answers = []

    def attempt(store: IdempotencyStore) -> None:
        start.wait(30)
        answers.append(perform(store, "t", CHARGE, service.effect))

    threads = [threading.Thread(target=attempt, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == ["effect 1", "effect 1"]
    assert service.effects() == 1


# --- the caller's tokens


def test_processes_of_one_client_agree_on_the_token(tmp_path: Path) -> None:
    code = (
        "import sys; from amazonian.resilience.idempotency import open_tokens, token_for;"
        "print(token_for(open_tokens(sys.argv[1]), 'order 17'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "tokens.db")]
    open_tokens(tmp_path / "tokens.db").close()
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    tokens = {worker.communicate(timeout=60)[0].strip() for worker in workers}
    assert len(tokens) == 1
    with closing(open_tokens(tmp_path / "tokens.db")) as connection:
        assert token_for(connection, "order 17") == tokens.pop()
