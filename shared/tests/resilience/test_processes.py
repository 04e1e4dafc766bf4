"""Services in processes of their own: they live, die and come back where they were."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from amazonian.resilience.processes import DidNotStartError, Process

BASKET = {
    "buyer": "eve",
    "currency": "EUR",
    "payment_method": "pm_card_visa",
    "items": [{"seller": "ada", "amount": 4200}],
}


def buy(service: Process, key: str, timeout_s: float = 20.0) -> str:
    """Buy something; the id of the payment."""
    headers = {"Idempotency-Key": f'"{key}"'}
    reply = requests.post(
        f"{service.url}/payments", json=BASKET, headers=headers, timeout=timeout_s
    )
    return reply.json()["id"]


@pytest.fixture
def payments(tmp_path: Path) -> Iterator[Process]:
    nowhere = "--psp=http://127.0.0.1:9"  # nobody answers there, and nobody has to
    with Process("amazonian.payments", [f"--database={tmp_path / 'p.db'}", nowhere]) as running:
        yield running


def test_a_killed_service_refuses_and_comes_back_on_its_port_with_its_data(
    payments: Process,
) -> None:
    bought, first = buy(payments, "k"), payments.pid
    payments.kill()
    assert not payments.running
    with pytest.raises(requests.ConnectionError, match="refused"):
        buy(payments, "k")
    payments.start()
    assert payments.pid != first
    assert buy(payments, "k") == bought
    payments.start()  # it runs: nothing to do
    assert buy(payments, "k") == bought


def test_a_paused_service_does_not_answer_until_it_is_resumed(payments: Process) -> None:
    payments.pause()
    with pytest.raises(requests.ReadTimeout):
        buy(payments, "k", timeout_s=0.2)
    payments.resume()
    assert buy(payments, "l")


def test_a_service_that_can_not_start_says_why() -> None:
    broken = Process("amazonian.payments")
    with pytest.raises(DidNotStartError, match="--database"):
        broken.start()
    broken.close()


def test_a_service_ends_with_its_parent(tmp_path: Path) -> None:
    program = f"""
from amazonian.resilience.processes import Process
child = Process("amazonian.payments", ["--database={tmp_path / "p.db"}", "--psp=http://127.0.0.1:9"])
child.start()
print(child.port, flush=True)
input()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    with socket.create_connection(("127.0.0.1", int(parent.stdout.readline()))) as child:
        parent.kill()
        parent.wait()
        child.settimeout(20)
        with suppress(ConnectionResetError):  # so ends a connection that nobody had accepted yet
            assert child.recv(1) == b""
    parent.stdin.close()
    parent.stdout.close()
