"""Backends for the tests of the proxy: one that notes what reaches it, one that plays a script."""

import contextlib
import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from amazonian.resilience import web
from amazonian.shop import balancing, proxy
from amazonian.shop.balancing import Backend

PATIENCE_S = 10.0
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Seen:
    """A request as it reached a backend."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header == name]


@dataclass
class Recorder:
    """An ASGI backend that notes each request and replies as it is told.

    Args:
        reply: an ASGI application that is called when the body has been read.
    """

    reply: Callable | None = None
    requests: list[Seen] = field(default_factory=list)
    clients: set[Any] = field(default_factory=set)

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        target = scope["raw_path"] + (b"?" + scope["query_string"]) * bool(scope["query_string"])
        pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
        self.requests.append(Seen(scope["method"], target.decode("latin-1"), pairs, body))
        self.clients.add(scope["client"])
        await (self.reply or ok)(scope, receive, send)


async def ok(scope: dict, receive: Any, send: Any) -> None:
    await replying(200, b"ok")(scope, receive, send)


def replying(status: int, *pieces: bytes, headers: list[tuple[bytes, bytes]] | None = None):
    """An ASGI application with this one reply; several pieces go in chunks."""

    async def app(scope: dict, receive: Any, send: Any) -> None:
        named = list(headers or [])
        if len(pieces) == 1 and not any(name == b"content-length" for name, _ in named):
            named.append((b"content-length", str(len(pieces[0])).encode()))
        await send({"type": "http.response.start", "status": status, "headers": named})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


class Scripted:
    """A backend that reads each request's head and then does what `script` does with the socket."""

    def __init__(self, script: Callable[["Scripted", socket.socket], None]):
        self.connections, self.heads, self._script = 0, [], script
        self._listening = socket.create_server((web.HOST, 0))
        self.url = f"http://{web.HOST}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError), connection:
            while head := read_head(connection):
                self.heads.append(head)
                self._script(self, connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def read_head(connection: socket.socket) -> bytes:
    """A request or reply up to its empty line; ``b""`` if the other side has closed."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes, or fewer if the other side closes before."""
    data = b""
    while len(data) < count and (piece := connection.recv(count - len(data))):
        data += piece
    return data


def saying(data: bytes) -> Callable[[Scripted, socket.socket], None]:
    """A script: say this, and wait for the next request."""
    return lambda backend, connection: connection.sendall(data)


def saying_last(data: bytes) -> Callable[[Scripted, socket.socket], None]:
    """A script: say this and close the connection, in good order."""

    def script(backend: Scripted, connection: socket.socket) -> None:
        connection.sendall(data)
        connection.close()

    return script


def resetting(data: bytes = b"") -> Callable[[Scripted, socket.socket], None]:
    """A script: say this and break the connection, as a process does that is killed."""

    def script(backend: Scripted, connection: socket.socket) -> None:
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return script


def ask(
    url: str,
    method: str = "GET",
    path: str = "/",
    body: Any = None,
    headers: Any = None,
    **arguments: Any,
) -> Any:
    """One request on a connection of its own: the reply, its body read."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, headers or {}, **arguments)
        reply = connection.getresponse()
        reply.content = reply.read()
        return reply
    finally:
        connection.close()


def dial(url: str) -> socket.socket:
    """A bare connection, for what an HTTP library would not do."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """The URL of a backend that takes no connection."""
    with socket.socket() as bound:
        bound.bind((web.HOST, 0))
        yield f"http://{web.HOST}:{bound.getsockname()[1]}"


class Rack:
    """Servers that go on running from test to test, since uvicorn takes 0.2 s to stop."""

    def __init__(self, running: contextlib.ExitStack):
        self._running, self._free = running, []

    @contextlib.contextmanager
    def serving(self, app: Any) -> Iterator[str]:
        """Serve an ASGI application while a ``with`` block runs; gives its URL."""
        slot = self._free.pop() if self._free else Slot()
        if not slot.url:
            slot.url = self._running.enter_context(web.serving(slot))
        slot.app = app
        yield slot.url
        self._free.append(slot)

    @contextlib.contextmanager
    def balanced(self, *urls: str, **arguments: Any) -> Iterator[tuple[proxy.Proxy, str]]:
        """A proxy that takes these backends in their turn, named "0", "1" …, and its URL."""
        backends = [Backend(str(number), url) for number, url in enumerate(urls)]
        made = proxy.Proxy(backends, balancing.RoundRobin(), **arguments)
        with self.serving(made) as url:
            try:
                yield made, url
                until(lambda: all(backend.outstanding == 0 for backend in made.backends))
            finally:
                made.close()


class Slot:
    """A server's application that can be exchanged."""

    def __init__(self) -> None:
        self.app: Any = None
        self.url = ""

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread will do."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.002)):
        if holds():
            return
        pause.wait(0.002)
    raise AssertionError("it did not happen")
