"""HTTP/1.1 from a proxy to its backends: connections that are kept, streamed, and seen to die.

A client library hides whether anything of a request was sent before it failed, and a proxy must
know just that. So this is written by hand, on asyncio's transports and httptools' parser. Two
things follow from it. A kept connection that its backend closes leaves the pool that very moment,
not when somebody tries it. And a reply that ends too soon is an error, never a short reply.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

CONNECT_WITHIN_S = 1.0
KEPT_S = 30.0  # shorter than the backends keep theirs, so that we are the ones who hang up
MOST_KEPT = 100
MOST_BUFFERED_BYTES = 256 * 2**10
READ_BYTES = 64 * 2**10

Headers = Sequence[tuple[bytes, bytes]]


class BackendUnreachableError(Exception):
    """No connection to the backend came about, so nothing of the request was sent."""


class BackendLostError(Exception):
    """The backend closed the connection, or broke HTTP's rules, before its reply was complete.

    It may have carried the request out.
    """


@dataclass(frozen=True)
class Head:
    """A reply without its body."""

    status: int
    headers: Headers


class _Reply:
    """What has come of one reply so far: httptools calls the methods that begin with `on_`."""

    def __init__(self, method: bytes):
        self.head: Head | None = None
        self.told_to_go_on = False
        self.ended = self.ends_with_connection = self.keeps_connection = False
        self.buffered_bytes = 0
        self._pieces: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._without_body = method == b"HEAD"
        self.parser = httptools.HttpResponseParser(self)

    def take(self) -> bytes:
        """What of the body is here, as one piece."""
        found = b"".join(self._pieces)
        self._pieces.clear()
        self.buffered_bytes = 0
        return found

    def on_message_begin(self) -> None:
        if self.ended:
            raise ValueError("a second reply to one request")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:  # not the reply yet
            self.told_to_go_on = self.told_to_go_on or status == 100
            return
        if status > 599:
            raise ValueError(f"{status} is no status")
        self._without_body = self._without_body or status in (204, 304)
        codings = [value.lower() for name, value in self._headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            raise ValueError(f"nobody has asked for the coding {codings}")
        framed = codings or any(name == b"content-length" for name, _ in self._headers)
        self.ends_with_connection = not framed and not self._without_body
        self.keeps_connection = self.parser.should_keep_alive()
        self.ended = self._without_body
        self.head = Head(status, self._headers)

    def on_body(self, piece: bytes) -> None:
        if self._without_body:
            raise ValueError("a body where there is none")
        self._pieces.append(piece)
        self.buffered_bytes += len(piece)

    def on_message_complete(self) -> None:
        self.ended = self.head is not None


class Connection(asyncio.Protocol):
    """One connection to a backend, for one request after the other.

    Attributes:
        lost: whether the connection has ended.
        kept_since_s: since when it has had nothing to do, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.lost, self.kept_since_s = False, 0.0
        self._transport: asyncio.Transport | None = None
        self._news, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()
        self._reply: _Reply | None = None  # None: nobody has asked for anything
        self._chunked = self._sent_all = self._reading_paused = False

    # --- a request, and its reply -------------------------------------------------------------

    def begin(self, method: bytes, target: bytes, headers: Headers, chunked: bool) -> None:
        """Send the head of a request.

        Args:
            target: path and query, as they stand on the request line.
            headers: all of them, but Transfer-Encoding.
            chunked: whether a body of unknown length follows.
        """
        self._reply, self._chunked, self._sent_all = _Reply(method), chunked, False
        lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % pair for pair in headers)]
        if chunked:
            lines.append(b"transfer-encoding: chunked")
        self._write(b"\r\n".join(lines) + b"\r\n\r\n")

    async def send(self, piece: bytes) -> None:
        """Send a piece of the request's body, and wait while the backend can't take more."""
        if piece:
            self._write(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
            await self._writable.wait()

    def end(self) -> None:
        """Say that the request is complete."""
        if self._chunked:
            self._write(b"0\r\n\r\n")
        self._sent_all = True

    async def permission(self) -> bool:
        """Wait until the backend asks for the body (True) or replies without it (False)."""
        while not (self._reply.told_to_go_on or self._reply.head):
            await self._something_new()
        return self._reply.told_to_go_on

    async def head(self) -> Head:
        """Wait for the final reply's status and headers; replies below 200 are passed over.

        Raises:
            BackendLostError: see there.
        """
        while self._reply.head is None:
            await self._something_new()
        return self._reply.head

    async def piece(self) -> bytes:
        """Wait for the next piece of the reply's body; ``b""`` is its end.

        Raises:
            BackendLostError: see there.
        """
        while not (self._reply.buffered_bytes or self._reply.ended):
            await self._something_new()
        if self._reading_paused and not self.lost:
            self._reading_paused = False
            self._transport.resume_reading()
        return self._reply.take()

    @property
    def reply_ended(self) -> bool:
        """Whether nothing more of the reply will come."""
        return self._reply.ended

    @property
    def reusable(self) -> bool:
        """Whether the exchange is over, both ways, and the connection open for another."""
        reply = self._reply
        return self._sent_all and reply.ended and reply.keeps_connection and not self.lost

    def rest(self) -> None:
        """Forget the exchange; the connection is kept for the next one."""
        self._reply = None
        self.kept_since_s = time.monotonic()

    def close(self) -> None:
        """Hang up. The backend sees it, even in the middle of an exchange."""
        self._transport.abort()

    async def _something_new(self) -> None:
        if self.lost:
            raise BackendLostError("the connection ended before the reply was complete")
        self._news.clear()
        await self._news.wait()

    def _write(self, data: bytes) -> None:
        if not self.lost:
            self._transport.write(data)

    # --- what asyncio calls -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:  # an answer that nobody has asked for
            self._transport.abort()
            return
        try:
            reply.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            reply.keeps_connection = False
            self._transport.abort()
        if reply.buffered_bytes > MOST_BUFFERED_BYTES and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._read_what_is_left()
        self.lost = True
        if self._reply is not None and self._reply.ends_with_connection and error is None:
            self._reply.ended = True
        self._news.set()
        self._writable.set()

    def _read_what_is_left(self) -> None:
        """Take what had come by the time that a write failed: perhaps the reply that says why.

        A backend that refuses a body may close the connection while we are still sending it.
        """
        socket = self._transport.get_extra_info("socket")  # closed only when we have returned
        with contextlib.suppress(OSError):
            while data := os.read(socket.fileno(), READ_BYTES):
                self.data_received(data)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


class Pool:
    """Connections to backends that are open and have nothing to do."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], list[Connection]] = {}
        self._addresses: dict[str, tuple[str, int]] = {}
        self._closed = False

    async def connection(self, url: str) -> Connection:
        """An open connection to the backend at this URL: one that was kept, or a new one.

        Raises:
            BackendUnreachableError: see there.
        """
        address = self._address(url)
        kept = self._kept.get(address, [])
        while kept:
            connection = kept.pop()
            if not connection.lost and time.monotonic() - connection.kept_since_s < KEPT_S:
                return connection
            connection.close()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                _, connection = await loop.create_connection(Connection, *address)
        except (OSError, TimeoutError) as error:
            raise BackendUnreachableError(f"{url} takes no connection: {error}") from error
        return connection

    def give_back(self, url: str, connection: Connection) -> None:
        """Keep a connection for the next request, if there can be one."""
        kept = self._kept.setdefault(self._address(url), [])
        if not connection.reusable or self._closed or len(kept) >= MOST_KEPT:
            connection.close()
            return
        connection.rest()
        kept.append(connection)

    async def close(self) -> None:
        """Close every connection that is kept, and keep none from now on."""
        self._closed = True
        for kept in self._kept.values():
            for connection in kept:
                connection.close()
        self._kept.clear()

    def _address(self, url: str) -> tuple[str, int]:
        if url not in self._addresses:
            parts = urlsplit(url)
            self._addresses[url] = (parts.hostname or "127.0.0.1", parts.port or 80)
        return self._addresses[url]
