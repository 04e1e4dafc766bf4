"""The client's side of a request that a proxy hands on: its head, its body, and its patience."""

import asyncio
from collections.abc import Callable

from amazonian.resilience import web
from amazonian.shop import headers
from amazonian.shop.upstream import BackendLostError, Connection, Head

MOST_KEPT_BYTES = 64 * 2**10  # of a body, to be able to send it again
PERMISSION_WITHIN_S = 1.0  # after this the body is sent although the backend has said nothing


class Caller:
    """Who waits for the reply to one request.

    The body is read from the client only when a backend takes it. As much as MOST_KEPT_BYTES of it
    is kept, so that a second backend can have it if the first one fails.

    Args:
        scope, receive, send: of the ASGI request.

    Attributes:
        reply_begun: whether the client has been sent anything; from then on nothing can be undone.
        gone: whether the client has closed its connection.
        body_kept: whether all that was read of the body is still here.
        moved_s: when the request was begun, or its body last went on, on the loop's clock.
        dawdles: whether it is the client who keeps us waiting, in the middle of its body.
    """

    def __init__(self, scope: dict, receive: Callable, send: Callable):
        self._receive, self._send, self._scope = receive, send, scope
        self.method: str = scope["method"]
        self.reply_begun = self.gone = self.dawdles = self._body_begun = self._body_ended = False
        self.body_kept, self._kept_bytes = True, 0
        self._kept: list[bytes] = []
        self.moved_s = 0.0
        found = dict(scope["headers"])
        self._coding: bytes | None = found.get(b"transfer-encoding")
        self._asks_first = found.get(b"expect", b"").lower() == b"100-continue"

    def require_known_coding(self) -> None:
        """Refuse a body that is coded for this connection in a way that we can't undo.

        Raises:
            ProblemError: with status 501, as RFC 9112, 6.1 has it.
        """
        if self._coding and self._coding.lower() != b"chunked":
            raise web.ProblemError(501, "Not Implemented", "send the body plain, or in chunks")

    # --- to a backend -------------------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """Send the request's head to a backend."""
        self.moved_s = asyncio.get_running_loop().time()
        scope = self._scope
        target = scope["raw_path"]
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        client = (scope.get("client") or ("unknown",))[0]
        forwarded = headers.to_backend(scope["headers"], client, scope["scheme"])
        connection.begin(self.method.encode(), target, forwarded, bool(self._coding))

    async def send_body(self, connection: Connection) -> None:
        """Send the body to a backend, then watch the client: if it goes, the backend is told."""
        try:
            if self._asks_first and not await self._permitted(connection):
                return
            for piece in self._kept:
                await connection.send(piece)
            while not self._body_ended:
                await connection.send(await self._read())
            connection.end()
            await self._leave()
        except web.ClientGoneError:
            self.gone = True
            connection.close()
        except BackendLostError:
            pass  # whoever waits for the reply is told the same

    async def _permitted(self, connection: Connection) -> bool:
        """Ask the backend, as the client asks us, whether the body may come."""
        try:
            async with asyncio.timeout(PERMISSION_WITHIN_S):
                return await connection.permission()
        except TimeoutError:
            return True

    async def until_gone(self) -> None:
        """Return when the client has closed its connection, as far as that can be seen.

        It can't be seen while the body is on its way and no backend takes it.
        """
        try:
            while not (self._asks_first or self._body_ended or self._kept_bytes):
                await self._read()
            if self._body_ended:
                await self._leave()
        except web.ClientGoneError:
            self.gone = True
            return
        await asyncio.Event().wait()

    async def _read(self) -> bytes:
        """The next piece of the body, as it comes from the client."""
        self._body_begun = self.dawdles = True
        message = await self._receive()
        self.dawdles = False
        self.moved_s = asyncio.get_running_loop().time()
        if message["type"] == "http.disconnect":
            raise web.ClientGoneError
        piece = message.get("body", b"")
        self._body_ended = not message.get("more_body", False)
        self._kept_bytes += len(piece)
        if self._kept_bytes > MOST_KEPT_BYTES:
            self.body_kept = False
            self._kept.clear()
        elif piece:
            self._kept.append(piece)
        return piece

    async def _leave(self) -> None:
        """Wait for the client to go; a request that is complete is followed by nothing else."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise web.ClientGoneError

    # --- to the client ------------------------------------------------------------------------

    async def begin_reply(self, head: Head) -> None:
        """Send a backend's status and headers to the client."""
        self.reply_begun = True
        forwarded = headers.to_client(head.headers, head.status)
        if self._asks_first and not self._body_begun:
            forwarded.append((b"connection", b"close"))  # it may send its body yet, or not
        start = {"type": "http.response.start", "status": head.status, "headers": forwarded}
        await self._send(start)

    async def send_piece(self, piece: bytes, more: bool) -> None:
        """Send a piece of a reply's body to the client; wait while the client can't take more."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def refuse(self, problem: web.ProblemError) -> None:
        """Answer in the proxy's own name."""
        self.reply_begun = True
        reply = web.problem_reply(problem)
        if self._asks_first and not self._body_begun:
            reply.headers["connection"] = "close"
        await web.send_reply(reply, self._send)
