"""A charge is made once, whatever dies and however many ask for it."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from amazonian.resilience import charges, crashes, retries
from amazonian.resilience.charge_client import ChargeClient, RefusedByServerError, post
from amazonian.resilience.charges import Books, Charge, InvalidChargeError, token_in
from amazonian.resilience.idempotency import (
    MissingTokenError,
    TokenReusedError,
    open_tokens,
    token_for,
)

CHARGE = crashes.CHARGE
ONCE = Books(charges=1, sum_of_charges=4200, sum_of_totals=4200)
ANSWER = {"charge": "ch_1", **CHARGE}
PATIENT = retries.RetryPolicy(max_attempts=50, base_s=0.005, cap_s=0.1, timeout_s=2.0)


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


def test_what_is_not_written_is_told_at_once_and_not_retried() -> None:
    def stub(*_: object) -> str:
        raise NotImplementedError("exercise 5: perform")

    with pytest.raises(RefusedByServerError, match=r"501 Not Implemented: exercise 5: perform$"):
        crashes.kill_at(None, stub)


def test_a_refusal_without_detail_ends_with_its_title() -> None:
    assert str(RefusedByServerError(422, {"title": "It came before", "detail": ""})) == (
        "422 It came before"
    )


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
    assert kills >= 2  # on a busy machine the customer gets on between two starts
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
