"""Services in processes of their own: they live, die and come back where they were."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from amazonian.shop import calls
from amazonian.shop.calls import NoAnswerError
from amazonian.shop.processes import DidNotStartError, Process


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Process]:
    options = ["users", f"--database={tmp_path / 'users.db'}"]
    with Process("amazonian.shop.services", options) as running:
        yield running


def test_a_killed_service_refuses_and_comes_back_on_its_port_with_its_data(users: Process) -> None:
    call = calls.over_http(users.url)
    ada = {"name": "Ada", "email": "ada@example.com"}
    call("PUT", "/users/ada", ada)
    first = users.pid
    users.kill()
    assert not users.running
    with pytest.raises(NoAnswerError, match="refused"):
        call("GET", "/users/ada")
    users.start()
    assert users.pid != first
    assert call("GET", "/users/ada") == {"user": "ada", **ada}
    users.start()  # it runs: nothing to do
    assert call("GET", "/users/ada")["name"] == "Ada"


def test_a_paused_service_does_not_answer_until_it_is_resumed(users: Process) -> None:
    users.pause()
    with pytest.raises(NoAnswerError, match="timed out"):
        calls.over_http(users.url, timeout_s=0.2)("PUT", "/users/a", {"name": "A", "email": "a"})
    users.resume()
    answered = calls.over_http(users.url)("PUT", "/users/a", {"name": "B", "email": "a"})
    assert answered["name"] == "B"


def test_a_service_that_can_not_start_says_why() -> None:
    broken = Process("amazonian.shop.services", ["users"])
    with pytest.raises(DidNotStartError, match="--database"):
        broken.start()
    broken.close()


def test_a_service_ends_with_its_parent(tmp_path: Path) -> None:
    program = f"""
from amazonian.shop.processes import Process
child = Process("amazonian.shop.services", ["users", "--database={tmp_path / "users.db"}"])
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
