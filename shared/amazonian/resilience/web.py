"""HTTP for services: routes to functions, JSON in and out, problems as RFC 9457 has it.

uvicorn speaks HTTP; what stands here finds the function for a method and a path, and turns what
it returns or raises into a reply. Functions run in threads, since most of them wait for a disk.
"""

import asyncio
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import uvicorn

from amazonian.resilience.database import OutcomeUnknownError, UnavailableError

log = logging.getLogger(__name__)

MOST_BYTES = 65_536
THREADS = 64
HOST = "127.0.0.1"
JSON = "application/json"
PROBLEM = "application/problem+json"


class ProblemError(Exception):
    """A request that is refused or that failed, and what its sender is told.

    Args:
        status: the HTTP status.
        title: what is wrong, the same words each time.
        detail: what is wrong with this request, and what to do about it.
        retry_after_s: becomes the header Retry-After.
    """

    def __init__(self, status: int, title: str, detail: str = "", retry_after_s: int | None = None):
        super().__init__(f"{status} {title}" + (f": {detail}" if detail else ""))
        self.status, self.title, self.detail = status, title, detail
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Request:
    """What a function is given.

    `parameters` are the parts of the path that its template names, `body` is the JSON in `raw`.
    """

    method: str
    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    raw: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What a function returns if a JSON body with status 200 is not enough."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Any]


@dataclass(frozen=True)
class Route:
    """A function for a method and a path; ``{name}`` in the template takes one part of the path."""

    method: str
    template: str
    handler: Handler

    def pattern(self) -> re.Pattern[str]:
        """What a path must match as a whole, with a group for each name."""
        parts = re.split(r"\{(\w+)\}", self.template)
        return re.compile(
            "".join(
                f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part)
                for place, part in enumerate(parts)
            )
        )


class App:
    """An ASGI application made of routes.

    Args:
        routes: in the order in which they are tried.
    """

    def __init__(self, routes: Sequence[Route] = ()):
        self._routes: list[tuple[re.Pattern[str], Route]] = []
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        for route in routes:
            self.add(route)

    def add(self, route: Route) -> None:
        self._routes.append((route.pattern(), route))

    def route(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Register the decorated function for a method and a path."""

        def register(handler: Handler) -> Handler:
            self.add(Route(method, template, handler))
            return handler

        return register

    def handle(self, request: Request) -> Reply:
        """The reply to a request; never an exception.

        Args:
            request: its path as sent, with percent-encoding, and no parameters yet.
        """
        try:
            handler, parameters = self._find(request.method, request.path)
            made = handler(replace(request, parameters=parameters))
            return made if isinstance(made, Reply) else Reply(200, made)
        except ProblemError as problem:
            return problem_reply(problem)
        except OutcomeUnknownError:
            log.exception("%s %s", request.method, request.path)
            return problem_reply(ProblemError(500, "Whether this was done is unknown"))
        except UnavailableError:
            log.exception("%s %s", request.method, request.path)
            return problem_reply(ProblemError(503, "Service Unavailable", retry_after_s=1))
        except Exception:  # what went wrong inside is for the log, not for the caller
            log.exception("%s %s", request.method, request.path)
            return problem_reply(ProblemError(500, "Internal Server Error"))

    def _find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        allowed = []
        for pattern, route in self._routes:
            if match := pattern.fullmatch(path):
                if route.method == method:
                    return route.handler, {k: unquote(v) for k, v in match.groupdict().items()}
                allowed.append(route.method)
        if not allowed:
            raise ProblemError(404, "Not Found", f"there is nothing at {path}")
        raise MethodNotAllowedError(method, allowed)

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        try:
            reply = await self._answer(scope, receive)
        except ClientGoneError:
            return
        except ProblemError as problem:  # before there was a request that a function could take
            reply = problem_reply(problem)
        await send_reply(reply, send)

    async def _answer(self, scope: dict, receive: Any) -> Reply:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        raw = await read_body(headers, receive)
        query = parse_query(scope["query_string"].decode("latin-1"))
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        request = Request(
            scope["method"], path, query=query, headers=headers, body=read_json(raw), raw=raw
        )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.handle, request)


class MethodNotAllowedError(ProblemError):
    """The path exists, but not for this method; the reply's header Allow names those it has."""

    def __init__(self, method: str, allowed: Sequence[str]):
        self.allowed = ", ".join(sorted(set(allowed)))
        super().__init__(405, "Method Not Allowed", f"{method} is not one of {self.allowed}")


class ClientGoneError(Exception):
    """The client closed the connection in the middle of its request."""


def problem_reply(problem: ProblemError) -> Reply:
    """A problem in the form of RFC 9457."""
    headers = {"content-type": PROBLEM}
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(problem.retry_after_s)
    if isinstance(problem, MethodNotAllowedError):
        headers["allow"] = problem.allowed
    if problem.status == 413:
        headers["connection"] = "close"  # the rest of the body is not read
    body = {"title": problem.title, "status": problem.status, "detail": problem.detail}
    return Reply(problem.status, body, headers)


def parse_query(query: str) -> dict[str, str]:
    """What stands after a URL's question mark, by name; the last of a name counts."""
    return dict(parse_qsl(query, keep_blank_values=True))


def read_json(body: bytes) -> Any:
    """A body as plain data; None if it is empty.

    Raises:
        ProblemError: it is no JSON; status 400.
    """
    if not body:
        return None
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "The body is no JSON", str(error)) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON's")


async def read_body(headers: dict[str, str], receive: Any, most_bytes: int = MOST_BYTES) -> bytes:
    """All of an ASGI request's body.

    Raises:
        ProblemError: it is larger than `most_bytes`; status 413.
        ClientGoneError: the client has gone.
    """
    too_large = ProblemError(413, "Content Too Large", f"send at most {most_bytes:,} bytes")
    if int(headers.get("content-length", "0")) > most_bytes:
        raise too_large
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > most_bytes:
            raise too_large
        if not message.get("more_body", False):
            return body


async def send_reply(reply: Reply, send: Any) -> None:
    """Send a reply by ASGI, its body as JSON; a 204 has none."""
    body = b"" if reply.status == 204 else json.dumps(reply.body).encode()
    headers = {"content-type": JSON, **reply.headers}
    if reply.status != 204:
        headers["content-length"] = str(len(body))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def text(body: Any, name: str) -> str:
    """A field of a JSON body that is to be a text, and not an empty one.

    Raises:
        ProblemError: it is missing, or something else; status 422.
    """
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise ProblemError(422, "A field is missing or wrong", f"{name} is a text, not empty")
    return value


def whole(body: Any, name: str, least: int, most: int) -> int:
    """A field of a JSON body that is to be a whole number from `least` to `most`.

    Raises:
        ProblemError: it is missing, or something else; status 422.
    """
    value = body.get(name) if isinstance(body, dict) else None
    if type(value) is not int or not least <= value <= most:
        detail = f"{name} is a whole number from {least:,} to {most:,}"
        raise ProblemError(422, "A field is missing or wrong", detail)
    return value


# --- running it -------------------------------------------------------------------------------


def listen(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 lets the system choose.

    Raises:
        OSError: the port is taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((HOST, port))
    listening.listen(1024)
    return listening


def server(app: Any) -> uvicorn.Server:
    """The HTTP server of an ASGI application; run it with the sockets of :func:`listen`."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            loop="asyncio",
            proxy_headers=False,
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            backlog=1024,
            timeout_keep_alive=75,  # longer than any client of ours keeps a connection
            timeout_graceful_shutdown=5,
        )
    )


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """Serve an ASGI application from this process while a ``with`` block runs; gives its URL."""
    listening = listen(port)
    running = server(app)
    thread = threading.Thread(
        target=running.run, kwargs={"sockets": [listening]}, name="server", daemon=True
    )
    thread.start()
    try:
        yield f"http://{HOST}:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join()
        listening.close()
