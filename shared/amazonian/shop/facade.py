"""A strangler façade: a reverse proxy that lets a monolith go to services, one route at a time.

All clients talk to the façade. Its route table says which prefix of the path is answered where; in
the beginning that is the monolith, everywhere. A route moves while requests go on: new ones are
held, those under way finish, the data is copied, the table is changed, and those held go on to the
new place (Martin Fowler, "Strangler Fig Application").

The façade must be the only way to the data of a route that moves. A part of the monolith that
changes that data from the inside has to move first.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from amazonian.resilience import web
from amazonian.shop import headers
from amazonian.shop.upstream import BackendLostError, BackendUnreachableError, Pool

ANSWERS_WITHIN_S = 30.0
IDLE_WITHIN_S = 10.0


class UnknownRouteError(LookupError):
    """The route table has no such prefix."""


class StillBusyError(Exception):
    """Requests that were under way did not finish in time; nothing was moved."""


def longest_prefix(prefixes: Iterable[str], path: str) -> str | None:
    """The route that a path belongs to: the longest prefix of it, by whole parts of the path.

    ``/carts`` is a prefix of ``/carts`` and ``/carts/ada``, but not of ``/cartoons``. ``/`` is a
    prefix of every path.

    Args:
        prefixes: of the route table, in any order; each begins with ``/`` and, but for ``/``
            itself, does not end with it.
        path: of a request; begins with ``/``.

    Returns:
        One of the prefixes, or None if none fits.
    """
    fitting = [prefix for prefix in prefixes if f"{path}/".startswith(f"{prefix.rstrip('/')}/")]
    return max(fitting, key=len, default=None)


class Turnstile:
    """Where the requests of one route pass: it counts those inside, and can hold back new ones.

    Any thread may use it.

    Args:
        to: the URL that requests are told to go to when they pass.
    """

    def __init__(self, to: str):
        self.to = to
        self._inside, self._holding = 0, False
        self._waiting: list[Future[str]] = []
        self._change = threading.Condition()

    def enter(self) -> "Future[str]":
        """Ask to pass. The future's result, `to`, is there at once, or when those held go on."""
        entered: Future[str] = Future()
        with self._change:
            if self._holding:
                self._waiting.append(entered)
            else:
                self._admit(entered)
        return entered

    def leave(self) -> None:
        """Say that a request which has passed is answered."""
        with self._change:
            self._inside -= 1
            self._change.notify_all()

    def hold(self) -> None:
        """From now on, let nobody pass."""
        with self._change:
            self._holding = True

    def wait_until_idle(self, within_s: float) -> None:
        """Wait until nobody is inside.

        Raises:
            StillBusyError: after `within_s` seconds somebody is.
        """
        with self._change:
            if not self._change.wait_for(lambda: not self._inside, within_s):
                raise StillBusyError(
                    f"{self._inside} requests are not answered after {within_s:g} s; move the "
                    "route again when they are"
                )

    def let_go(self) -> None:
        """Let pass those who were held, in their order, and everybody after them."""
        with self._change:
            self._holding = False
            for entered in self._waiting:
                self._admit(entered)
            self._waiting.clear()

    def _admit(self, entered: "Future[str]") -> None:
        if entered.set_running_or_notify_cancel():  # its request may have gone meanwhile
            self._inside += 1
            entered.set_result(self.to)


def nothing() -> None:
    """Copy nothing: the new place has its data already, or needs none."""


class Facade:
    """The façade, an ASGI application; :func:`serving` runs it.

    Args:
        monolith: its URL, to which all paths go at first.
        prefixes: what may move, as ``/carts``.
    """

    def __init__(self, monolith: str, prefixes: Iterable[str]):
        self.monolith = monolith
        self.routes = {prefix: Turnstile(monolith) for prefix in ("/", *prefixes)}
        self._one_move = threading.Lock()
        self._pool = Pool()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def moving(self, prefix: str) -> Iterator[Turnstile]:
        """Give the turnstile of a route, and let nobody else move anything meanwhile.

        Raises:
            UnknownRouteError: the route table has no such prefix.
        """
        if prefix not in self.routes:
            known = ", ".join(sorted(self.routes))
            raise UnknownRouteError(f"{prefix!r} is no route; the table has {known}")
        with self._one_move:
            yield self.routes[prefix]

    def move(
        self,
        prefix: str,
        to: str,
        copy: Callable[[], object] = nothing,
        within_s: float = IDLE_WITHIN_S,
    ) -> None:
        """Move a route to another place, so that no request fails and no answered write is lost.

        ``with self.moving(prefix) as turnstile:`` gives the route's :class:`Turnstile`, and keeps
        other moves out. Hold new requests there, wait until those under way are answered, copy,
        let the route lead to the new place (`turnstile.to`), and let the held requests go.
        Whatever happens, they are let go: if those under way take too long, or the copy fails, to
        where the route led before.

        Args:
            prefix: of the route, as ``/carts``.
            to: the URL of the new place.
            copy: brings the route's data there; called once.
            within_s: how long those under way may take, in seconds.

        Raises:
            UnknownRouteError: the route table has no such prefix.
            StillBusyError: they took longer.
            Exception: what `copy` raises.
        """
        with self.moving(prefix) as turnstile:
            turnstile.hold()
            try:
                turnstile.wait_until_idle(within_s)
                copy()
                turnstile.to = to
            finally:
                turnstile.let_go()

    def move_back(
        self, prefix: str, copy: Callable[[], object] = nothing, within_s: float = IDLE_WITHIN_S
    ) -> None:
        """Move a route back to the monolith; see :meth:`move`."""
        self.move(prefix, self.monolith, copy, within_s)

    # --- one request --------------------------------------------------------------------------

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            return
        self._loop = asyncio.get_running_loop()
        try:
            found = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
            body = await web.read_body(found, receive)
            # Undecoded, as the services look at it: an encoded slash is no border of a prefix.
            prefix = longest_prefix(self.routes, scope["raw_path"].decode("latin-1"))
            async with _inside(self.routes[prefix or "/"]) as url:
                start, answer = await self._exchange(url, scope, body)
        except web.ClientGoneError:
            return
        except web.ProblemError as problem:
            await web.send_reply(web.problem_reply(problem), send)
            return
        await send(start)
        await send({"type": "http.response.body", "body": answer})

    async def _exchange(self, url: str, scope: dict, body: bytes) -> tuple[dict, bytes]:
        """Hand a request on and read the reply to its end, even if the client has gone by then.

        Raises:
            ProblemError: there is no whole reply (502), or not in time (504).
        """
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                connection = await self._pool.connection(url)
                try:
                    connection.begin(*_request_line(scope), _headers(scope, body), chunked=False)
                    await connection.send(body)
                    connection.end()
                    head, pieces = await connection.head(), [await connection.piece()]
                    while not connection.reply_ended:
                        pieces.append(await connection.piece())
                finally:
                    self._pool.give_back(url, connection)
        except (BackendUnreachableError, BackendLostError) as error:
            raise web.ProblemError(502, "Bad Gateway", str(error)) from None
        except TimeoutError:
            raise web.ProblemError(504, "Gateway Timeout", "no reply in time") from None
        kept = headers.to_client(head.headers, head.status)
        start = {"type": "http.response.start", "status": head.status, "headers": kept}
        return start, b"".join(pieces)

    def close(self) -> None:
        """Hang up on all backends, while the server still runs in its own thread."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._pool.close(), self._loop).result()


def _request_line(scope: dict) -> tuple[bytes, bytes]:
    query = scope["query_string"]
    return scope["method"].encode(), scope["raw_path"] + (b"?" + query if query else b"")


def _headers(scope: dict, body: bytes) -> list[tuple[bytes, bytes]]:
    """A request's headers as the backend gets them; its body is all here, and has a length."""
    client = (scope.get("client") or ("unknown",))[0]
    found = headers.to_backend(scope["headers"], client, scope["scheme"])
    kept = [pair for pair in found if pair[0] not in (b"content-length", b"expect")]
    return [*kept, (b"content-length", str(len(body)).encode())]


@asynccontextmanager
async def _inside(turnstile: Turnstile) -> AsyncIterator[str]:
    """Pass a turnstile, and leave it when the ``with`` block ends; gives the URL to go to."""
    entered = turnstile.enter()
    try:
        url = await asyncio.wrap_future(entered)
    except asyncio.CancelledError:
        if not entered.cancel():  # it had passed at that very moment
            turnstile.leave()
        raise
    try:
        yield url
    finally:
        turnstile.leave()


@contextmanager
def serving(facade: Facade, port: int = 0) -> Iterator[str]:
    """Serve a façade from this process while a ``with`` block runs; gives its URL."""
    with web.serving(facade, port) as url:
        try:
            yield url
        finally:
            facade.close()
