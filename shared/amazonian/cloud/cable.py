"""A line to a server that can be cut: what happens to a client when its network goes."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_PIECE_BYTES = 64 * 2**10


class Cable:
    """Carries TCP connections from a port of its own to a server on loopback.

    Args:
        url: of the server.

    Attributes:
        url: under which clients reach the server through this cable.
        carried_bytes: how many bytes clients have sent through it so far.
    """

    def __init__(self, url: str):
        address = urlsplit(url)
        self._server = (address.hostname or "127.0.0.1", address.port or 80)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.carried_bytes = 0
        self._cut_at: float = float("inf")
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="cable", daemon=True).start()

    def cut_after(self, count: int) -> None:
        """Cut the line once clients have sent `count` more bytes; it stays cut until mended."""
        with self._lock:
            self._cut_at = self.carried_bytes + count

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._cut_at = float("inf")

    def close(self) -> None:
        """Cut the line for good."""
        self.cut_after(0)
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listening.close()
        self._hang_up()

    @property
    def is_cut(self) -> bool:
        return self.carried_bytes >= self._cut_at

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # closed
                return
            if self.is_cut:
                client.close()
                continue
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            if self.is_cut:  # meanwhile
                self._hang_up()
                continue
            for source, target in ((client, server), (server, client)):
                pump = threading.Thread(target=self._pump, args=(source, target, source is client))
                pump.daemon = True
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                if upwards:
                    with self._lock:
                        data = data[: max(0, int(min(self._cut_at, 2**62)) - self.carried_bytes)]
                        self.carried_bytes += len(data)
                target.sendall(data)
                if self.is_cut:
                    self._hang_up()
                    return
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._open.discard(end)
            end.close()

    def _hang_up(self) -> None:
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def cable_to(url: str) -> Iterator[Cable]:
    """A cable to a server, while a ``with`` block runs."""
    cable = Cable(url)
    try:
        yield cable
    finally:
        cable.close()
