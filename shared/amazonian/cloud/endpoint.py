"""The endpoint: one loopback address that AWS clients can talk to.

uvicorn speaks HTTP. A request that is signed for S3, or not signed at all, goes to S3's own
front; one that is signed for another service goes to the generic one. Operations that only read
metadata are answered on the event loop; the others have a thread each, to which the body is
handed a mebibyte at a time.
"""

import asyncio
import contextlib
import logging
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from amazonian.cloud.http import HttpRequest
from amazonian.cloud.s3.front import S3Front
from amazonian.cloud.s3.operations import Context
from amazonian.cloud.s3.wire import Request, Response, error_response
from amazonian.cloud.services import Gateway
from amazonian.iam.api import IAM, STS
from amazonian.iam.identities import Identities
from amazonian.s3.accesslog import AccessLogs
from amazonian.s3.errors import S3Error
from amazonian.s3.store import Store

log = logging.getLogger(__name__)

PIECE_BYTES = 2**20
THREADS = 32
LARGEST_CALL_BYTES = 10 * 2**20
LARGEST_HEADERS_BYTES = 16 * 2**10
IDLE_S = 20.0
REGION = "us-east-1"
_SCOPE = re.compile(r"Credential=[^,]*?/\d{8}/[^/,]*/([^/,]+)/aws4_request")


class ClientGoneError(Exception):
    """The client closed the connection in the middle of its body."""


class IncomingBody:
    """A request's body, pulled from the event loop by the thread that works on it.

    Args:
        idle_s: how long to wait for more of it; a client must not hold a thread for ever.
    """

    def __init__(self, receive: Any, loop: asyncio.AbstractEventLoop, idle_s: float):
        self._receive, self._loop, self._idle_s = receive, loop, idle_s
        self._first = b""
        self.begun = self.ended = self.stalled = False

    async def begin(self) -> None:
        """Take what arrives first, so that a small body is all there."""
        self._first = await self._gather()

    async def _gather(self) -> bytes:
        self.begun = True
        pieces, size = [], 0
        while not self.ended and size < PIECE_BYTES:
            try:
                message = await asyncio.wait_for(self._receive(), self._idle_s)
            except TimeoutError:
                self.stalled = self.ended = True
                raise S3Error("RequestTimeout", f"Nothing came for {self._idle_s:g} s.") from None
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            self.ended = not message.get("more_body", False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def __iter__(self) -> Iterator[bytes]:
        first, self._first = self._first, b""
        if first:
            yield first
        while not self.ended:
            try:
                piece = asyncio.run_coroutine_threadsafe(self._gather(), self._loop).result()
            except ClientGoneError:
                raise S3Error("IncompleteBody") from None
            yield piece

    async def rest(self) -> None:
        """Read what nobody has read, a little of it, so that the client hears the answer."""
        left = 8 * PIECE_BYTES
        while not self.ended and left > 0:
            left -= len(await self._gather()) or 1


class Application:
    """The ASGI application.

    Args:
        idle_s: how long a client may send nothing in the middle of a body.
    """

    def __init__(self, store: Store, identities: Identities, idle_s: float = IDLE_S):
        self.store, self.identities, self._idle_s = store, identities, idle_s
        self._s3 = S3Front(store, identities)
        clock = store.metadata.clock
        self._gateway = Gateway({"iam": IAM(identities), "sts": STS(identities)}, identities, clock)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    @property
    def logs(self) -> AccessLogs:
        return self._s3.logs

    def close(self) -> None:
        self._threads.shutdown()
        self.logs.deliver(held_s=0)

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = _headers(scope["headers"])
        loop = asyncio.get_running_loop()
        body = IncomingBody(receive, loop, self._idle_s)
        # Who asks whether to go on is told so by the first look at the body, be it empty.
        expects = _awaits_permission(headers)
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        body.ended = not (has_body or expects)
        with contextlib.suppress(ClientGoneError, S3Error):
            try:
                response = await self._answer(scope, headers, body)
            except S3Error as error:  # before there was a request that the front could answer
                response = error_response(error, Request(scope["method"], "/", "", headers))
            if body.stalled or (expects and not body.begun):  # the rest may never come
                response.headers["connection"] = "close"
                body.ended = True
            await self._send(response, scope["method"], send)
            await body.rest()

    async def _answer(self, scope: dict, headers: dict[str, str], body: IncomingBody) -> Response:
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS_BYTES:
            raise S3Error("RequestHeaderSectionTooLarge", MaxSizeAllowed=LARGEST_HEADERS_BYTES)
        service = _SCOPE.search(headers.get("authorization", ""))
        if service and service[1] != "s3" and self._gateway.serves(service[1]):
            return await self._call(scope, headers, body)
        return await self._answer_s3(scope, headers, body)

    async def _answer_s3(
        self, scope: dict, headers: dict[str, str], body: IncomingBody
    ) -> Response:
        path, _, _ = scope["raw_path"].partition(b"?")
        arguments = (
            scope["method"],
            path.decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            body,
            (scope.get("client") or ("127.0.0.1",))[0],
        )
        prepared = self._s3.prepare(Request(*arguments))
        if not isinstance(prepared, Context):
            return prepared
        operation, loop = prepared.operation, asyncio.get_running_loop()
        if operation and operation.quick and self.store.metadata.database.local:
            response = self._s3.perform(prepared)
        else:
            if not body.ended and not _awaits_permission(headers):
                await body.begin()
            response = await loop.run_in_executor(self._threads, self._s3.perform, prepared)
        if isinstance(response.body, bytes):
            return response
        return await loop.run_in_executor(self._threads, self._s3.begin, prepared, response)

    async def _call(self, scope: dict, headers: dict[str, str], body: IncomingBody) -> Response:
        pieces = b""
        while not body.ended and len(pieces) <= LARGEST_CALL_BYTES:
            await body.begin()
            pieces += body._first
        path, _, _ = scope["raw_path"].partition(b"?")
        request = HttpRequest(
            scope["method"],
            path.decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            pieces,
            source_ip=(scope.get("client") or ("127.0.0.1",))[0],
        )
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, self._gateway.handle, request)
        return Response(answer.status, answer.headers, answer.body)

    async def _send(self, response: Response, method: str, send: Any) -> None:
        body = response.body
        streamed = not isinstance(body, bytes)
        length = (
            response.length if response.length is not None else len(body) if not streamed else None
        )
        headers = [(_bytes(name), _bytes(value)) for name, value in response.headers.items()]
        if response.status not in (204, 304):
            headers.append((b"content-length", str(length).encode()))
        headers.append((b"server", b"amazonian"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if not streamed:
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
            return
        loop = asyncio.get_running_loop()
        pieces = iter(body)
        try:
            if response.first:
                await send(
                    {"type": "http.response.body", "body": response.first, "more_body": True}
                )
            while (
                piece := await loop.run_in_executor(self._threads, next, pieces, None)
            ) is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            close = getattr(pieces, "close", None)
            if close:
                await loop.run_in_executor(self._threads, close)
        await send({"type": "http.response.body", "body": b""})


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; UTF-8 where they are that, Latin-1 otherwise."""
    found: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name = name_bytes.decode("latin-1").lower()
        try:
            value = value_bytes.decode()
        except UnicodeDecodeError:
            value = value_bytes.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _awaits_permission(headers: dict[str, str]) -> bool:
    """Whether the client sends its body only when told to, which reading from it does."""
    return headers.get("expect", "").lower() == "100-continue"


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _bytes(text: str) -> bytes:
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)  # a line feed would begin a header of its own
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


# --- running it -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint, and the keys of its first account."""

    url: str
    access_key_id: str
    secret_access_key: str
    store: Store
    identities: Identities

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment, the AWS CLI as any SDK."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str = "s3", **arguments: Any) -> Any:
        """A boto3 client that talks to this endpoint; `arguments` go to ``boto3.client``."""
        import boto3

        own = {
            "endpoint_url": self.url,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": REGION,
        }
        return boto3.client(service, **own | arguments)


def server(application: Application, port: int = 0, host: str = "127.0.0.1") -> uvicorn.Server:
    """The HTTP server for an application; run it with the sockets of :func:`listen`."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            http="httptools",
            loop="asyncio",  # it lets go of the interpreter while it sends; uvloop does not
            proxy_headers=False,
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=5,
        )
    )


def listen(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """A listening socket; port 0 lets the system choose.

    Raises:
        OSError: the port is taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(256)
    return listening


@contextlib.contextmanager
def serve(
    store: Store | None = None,
    identities: Identities | None = None,
    port: int = 0,
    idle_s: float = IDLE_S,
) -> Iterator[Endpoint]:
    """Serve a store from this process while a ``with`` block runs.

    What answers is the code of this process, a learner's exercises included.

    Args:
        store: by default an empty one in a temporary folder.
        identities: by default one account, whose keys the endpoint carries.
        port: on 127.0.0.1; 0: any that is free.
        idle_s: see :class:`Application`.
    """
    with contextlib.ExitStack() as cleanup:
        if store is None:
            folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="amazonian-s3-"))
            store = Store.open(Path(folder))
            cleanup.callback(store.close)
        identities = identities or Identities()
        _, key, secret = identities.make_account("learner", "learner@example.com")
        application = Application(store, identities, idle_s)
        cleanup.callback(application.close)
        listening = listen(port)
        running = server(application)
        thread = threading.Thread(
            target=running.run, kwargs={"sockets": [listening]}, name="endpoint", daemon=True
        )
        thread.start()

        def stop() -> None:
            running.should_exit = True
            thread.join()
            listening.close()

        cleanup.callback(stop)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield Endpoint(url, key, secret, store, identities)
