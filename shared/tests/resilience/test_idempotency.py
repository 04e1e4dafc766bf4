"""A charge is made once, whatever dies and however many ask for it."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.resilience import charges, crashes, retries
from amazonian.resilience.charge_client import ChargeClient, RefusedByServerError, post
from amazonian.resilience.charges import Books, Charge, InvalidChargeError, token_in
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

    with pytest.raises(EffectCommittedError, match="must not commit"):
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


# --- what comes in over HTTP


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ('"8e03978e-40d5-43e8-bc93-6894a57f9324"', "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ('  "t-1" ', "t-1"),
        (f'"{"x" * 255}"', "x" * 255),
        (f'"{"x" * 256}"', None),
        ("t-1", None),
        ('""', None),
        ('"a b"', None),
        ('"a"b"', None),
        ('"a", "b"', None),
        ("", None),
        (None, None),
    ],
)
def test_a_token_is_one_quoted_string(header: str | None, token: str | None) -> None:
    assert token_in(header) == token


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -5},
        {"amount": 4.2},
        {"amount": True},
        {"amount": "5"},
        {"amount": 2**53},
        {"customer": ""},
        {"customer": 7},
        {"currency": "eur"},
        {"currency": None},
        {"tip": 5},
    ],
)
def test_what_is_no_charge_is_refused(change: dict) -> None:
    with pytest.raises(InvalidChargeError):
        Charge.parse(json.dumps({**CHARGE, **change}).encode())
    for body in (b"", b"[]", b"5", b"\xff", b"{}"):
        with pytest.raises(InvalidChargeError):
            Charge.parse(body)


def test_the_service_answers_as_the_draft_asks() -> None:
    with crashes.charge_server() as server:
        assert post(server.port, "t-1", CHARGE, 5.0) == ANSWER
        assert post(server.port, "t-1", dict(reversed(CHARGE.items())), 5.0) == ANSWER
        for token, charge, status, title in (
            ("t-1", {**CHARGE, "amount": 1}, 422, TokenReusedError.title),
            (None, CHARGE, 400, MissingTokenError.title),
            ("t-2", {"customer": "ada"}, 400, InvalidChargeError.title),
        ):
            with pytest.raises(RefusedByServerError) as refused:
                post(server.port, token, charge, 5.0)
            assert refused.value.status == refused.value.problem["status"] == status
            assert refused.value.problem["title"] == title
        assert charges.books(server.database) == ONCE


# --- killing the server


@pytest.mark.parametrize("step", charges.STEPS)
def test_killed_at_any_step_the_service_charges_once_and_answers_the_same(step: str) -> None:
    killed = crashes.kill_at(step)
    assert killed.killed
    assert killed.books == ONCE
    assert killed.answer == crashes.kill_at(None).answer == ANSWER


@pytest.mark.parametrize(
    ("perform", "twice"),
    [
        (crashes.without_token, {"committed", "half-replied"}),
        (crashes.token_afterwards, {"answer-recorded", "committed"}),
    ],
)
def test_the_weaker_services_charge_twice_where_the_lab_says_so(perform, twice: set) -> None:
    runs = [crashes.kill_at(step, perform) for step in charges.STEPS]
    assert {run.step for run in runs if run.books.charges == 2} == twice
    assert all(run.books.charges == 1 for run in runs if run.step not in twice)


@contextmanager
def served(database: Path, *options: str, port: int = 0) -> Iterator[tuple[subprocess.Popen, int]]:
    """The service as its command line starts it, and its port."""
    port_file = database.with_name("port")
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "amazonian.resilience.charges", "--database", str(database)]
    command += ["--port", str(port), "--port-file", str(port_file), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on")
        yield process, int(port_file.read_text())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("step", charges.STEPS)
def test_the_command_line_kills_itself_at_the_chosen_step(step: str, tmp_path: Path) -> None:
    database = tmp_path / "charges.db"
    with served(database, "--crash-at", step) as (process, port):
        if step == "replied":
            assert post(port, "t-1", CHARGE, 10.0) == ANSWER
        else:
            with pytest.raises(retries.TransientError):
                post(port, "t-1", CHARGE, 10.0)
        assert process.wait(30) == -signal.SIGKILL
    with served(database) as (_, port):
        assert post(port, "t-1", CHARGE, 10.0) == ANSWER
    assert charges.books(database) == ONCE


def test_kills_at_random_moments_leave_every_order_charged_once(tmp_path: Path) -> None:
    # The kill comes from outside, at a moment that no hook chose.
    database, orders, rng = tmp_path / "charges.db", 30, random.Random(1)
    server = crashes.ForkedServer(database)
    server.start()
    port, done = server.port, threading.Event()
    answers: dict[str, dict] = {}

    def customer() -> None:
        with closing(open_tokens(tmp_path / "tokens.db")) as tokens:
            client = ChargeClient(
                lambda token, charge, timeout_s: post(port, token, charge, timeout_s),
                tokens,
                retries.Client(PATIENT, retries.QuotaCosts(10**6, 1, 1, 1), rng=random.Random(2)),
            )
            for number in range(orders):
                charge = {**CHARGE, "amount": number + 1}
                answers[f"order {number}"] = client.charge(f"order {number}", charge, 60.0)
        done.set()

    thread = threading.Thread(target=customer)
    thread.start()
    kills = 0
    try:
        while not done.wait(rng.uniform(0.001, 0.04)) and kills < 40:
            os.kill(server.pid, signal.SIGKILL)
            server.start()
            kills += 1
        thread.join(60)
    finally:
        server.stop()
    total = orders * (orders + 1) // 2
    assert kills > 5
    assert [answer["amount"] for answer in answers.values()] == list(range(1, orders + 1))
    assert charges.books(database) == Books(orders, total, total)


def test_a_client_that_dies_after_each_attempt_charges_once(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from amazonian.resilience.charge_client import ChargeClient, post\n"
        "from amazonian.resilience.crashes import CHARGE\n"
        "from amazonian.resilience.idempotency import open_tokens\n"
        "def transport(token, charge, timeout_s):\n"
        "    answer = post(int(sys.argv[2]), token, charge, timeout_s)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "ChargeClient(transport, open_tokens(sys.argv[1])).charge('order 17', CHARGE)\n"
    )
    with crashes.charge_server() as server:
        command = [sys.executable, "-c", code, str(tmp_path / "tokens.db"), str(server.port)]
        for _ in range(3):
            assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
        with closing(open_tokens(tmp_path / "tokens.db")) as tokens:
            token = token_for(tokens, "order 17")
        assert post(server.port, token, CHARGE, 5.0) == ANSWER
        assert charges.books(server.database) == ONCE


def test_a_forked_server_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from amazonian.resilience import crashes;"
        "server = crashes.ForkedServer(Path(sys.argv[1])); server.start();"
        "print(server.port, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "charges.db")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    assert post(port, "t-1", CHARGE, 5.0) == ANSWER
    parent.kill()
    parent.wait()
    parent.stdout.close()
    # It may live for a moment longer than its parent; then its port is closed.
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        try:
            post(port, "t-1", CHARGE, 1.0)
        except retries.TransientError:
            return
    pytest.fail("the forked server still answers 30 s after its parent was killed")
