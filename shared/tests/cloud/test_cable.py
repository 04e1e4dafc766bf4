"""The cable: it carries what is sent, counts it, is cut where it shall be, and is mended."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from amazonian.cloud.cable import Cable, cable_to

PATIENCE_S = 10.0


class Echo:
    """A server that sends back what it gets (while it `answers`), and keeps it."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.got: list[bytes] = []
        self.answers = True
        self.ended = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        got = b""
        with line, contextlib.suppress(OSError):
            while data := line.recv(2**16):
                got += data
                if self.answers:
                    line.sendall(data)
        self.got.append(got)
        self.ended.release()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def cable(echo: Echo) -> Iterator[Cable]:
    with cable_to(echo.url) as cable:
        yield cable


def connect(cable: Cable) -> socket.socket:
    address = urlsplit(cable.url)
    line = socket.create_connection((address.hostname, address.port), PATIENCE_S)
    line.settimeout(PATIENCE_S)
    return line


def exactly(line: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = line.recv(count - len(got))
        assert piece, "the line was cut"
        got += piece
    return got


def until_cut(line: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := line.recv(2**16):
            got += piece
    return got


def test_it_carries_both_ways_and_counts_what_clients_send(cable, echo) -> None:
    data = bytes(range(256)) * 1000
    with connect(cable) as line:
        sender = threading.Thread(target=line.sendall, args=(data,))
        sender.start()
        assert exactly(line, len(data)) == data
        sender.join(PATIENCE_S)
    assert cable.carried_bytes == len(data)
    assert not cable.is_cut


def test_it_carries_several_connections_at_once(cable) -> None:
    lines = [connect(cable) for _ in range(5)]
    for number, line in enumerate(lines):
        line.sendall(bytes([number]) * 10)
    for number, line in reversed(list(enumerate(lines))):
        assert exactly(line, 10) == bytes([number]) * 10
        line.close()
    assert cable.carried_bytes == 50


@pytest.mark.parametrize("count", [0, 1, 1000, 200_000])
def test_it_is_cut_after_exactly_so_many_bytes(cable, echo, count) -> None:
    with connect(cable) as first:
        first.sendall(b"before")
        assert exactly(first, 6) == b"before"
        echo.answers = False  # what lies unread when a line is cut takes other bytes with it
        cable.cut_after(count)
        with contextlib.suppress(OSError):
            first.sendall(b"x" * 300_000)
        until_cut(first)
    assert echo.ended.acquire(timeout=PATIENCE_S)
    assert echo.got == [b"before" + b"x" * count]
    assert cable.is_cut
    assert cable.carried_bytes == 6 + count


def test_the_cut_is_for_all_connections_together(cable, echo) -> None:
    lines = [connect(cable) for _ in range(2)]
    for line in lines:
        line.sendall(b"1234")
        exactly(line, 4)
    cable.cut_after(5)
    lines[0].sendall(b"abc")
    assert exactly(lines[0], 3) == b"abc"
    echo.answers = False
    with contextlib.suppress(OSError):
        lines[1].sendall(b"defg")
    for line in lines:
        until_cut(line)
        line.close()
    for _ in lines:
        assert echo.ended.acquire(timeout=PATIENCE_S)
    assert sorted(echo.got) == [b"1234abc", b"1234de"]


def test_while_it_is_cut_nobody_gets_through_and_afterwards_everybody(cable, echo) -> None:
    cable.cut_after(0)
    with connect(cable) as line:
        assert until_cut(line) == b""
    assert echo.got == []
    cable.mend()
    with connect(cable) as line:
        line.sendall(b"again")
        assert exactly(line, 5) == b"again"


def test_a_client_that_hangs_up_hangs_up_the_server(cable, echo) -> None:
    connect(cable).close()
    assert echo.ended.acquire(timeout=PATIENCE_S)


def test_a_server_that_is_not_there_is_a_line_that_breaks() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with cable_to(url) as cable, connect(cable) as line:
        assert until_cut(line) == b""


def test_closing_ends_all_connections_and_takes_no_more(cable, echo) -> None:
    with connect(cable) as line:
        line.sendall(b"x")
        exactly(line, 1)
        cable.close()
        assert until_cut(line) == b""
    assert echo.ended.acquire(timeout=PATIENCE_S)
    with pytest.raises(ConnectionRefusedError):
        connect(cable)
