"""A reverse proxy for HTTP that balances requests over backends: lab 2.2.

For each request it asks a policy for a backend, hands the request on, and hands the reply back,
bodies in pieces as they come, whatever their size. It never turns a failure into a false success:
what it can't complete it refuses (502, 503, 504) or breaks off. And it does not turn one failure
into two effects: a request is sent again only under :func:`may_send_again`.
"""

import argparse
import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any

from amazonian.resilience import processes, retries, web
from amazonian.resilience.clock import SystemClock
from amazonian.shop import balancing, health, shedding
from amazonian.shop.balancing import Backend, Policy
from amazonian.shop.caller import Caller
from amazonian.shop.shedding import Decision, Ticket
from amazonian.shop.upstream import (
    BackendLostError,
    BackendUnreachableError,
    Connection,
    Head,
    Pool,
)

# RFC 9110, 9.2.2: doing them twice has the effect of doing them once.
IDEMPOTENT = frozenset(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
MOST_ATTEMPTS = 3
# A retry that fails costs what five requests bring in that succeed at once: where most fail, hardly
# any are made, since retries must not double an overload.
RETRY_COSTS = retries.QuotaCosts(capacity=500, transient=5, timeout=5, throttling=5)


def may_send_again(method: str, sent: bool, body_kept: bool) -> bool:
    """Whether a request that has failed may go to another backend.

    Args:
        method: of the request.
        sent: whether any of it may have reached a backend. False is for certain: no connection
            came about.
        body_kept: whether all that was read of its body is still here.
    """
    return not sent or (method in IDEMPOTENT and body_kept)


class Proxy:
    """The proxy, an ASGI application; :func:`serving` runs it.

    Its policy, its health and its gate are attributes of the same names. Another one may take
    their place at any time, and holds from the next request on.

    Args:
        backends: those to begin with; `add`, `drain` and `remove` change them.
        policy: chooses one for each request.
        passive: is told how each request ended, and asked who is healthy.
        active: is asked who is healthy; :func:`amazonian.shop.health.probing` feeds it.
        gate: refuses requests beyond what all backends together can do; None lets all in.
        key_of: from an ASGI scope to the key that the policy gets; by default the path.
        silent_s: how long a backend, or a client in its body, may be silent, in seconds.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        policy: Policy,
        *,
        passive: health.PassiveHealth | None = None,
        active: health.ActiveHealth | None = None,
        gate: shedding.Gate | None = None,
        key_of: Callable[[dict], str] = lambda scope: scope["path"],
        silent_s: float = 30.0,
    ):
        self.backends, self.policy = list(backends), policy
        self.passive = passive or health.PassiveHealth(SystemClock())
        self.active = active or health.ActiveHealth()
        self.gate, self.silent_s, self._key_of = gate, silent_s, key_of
        self._quota = retries.RetryQuota(RETRY_COSTS)
        self._pool = Pool()
        self._answered = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- which backends there are; these may be called from any thread ------------------------

    def healthy(self, name: str) -> bool:
        """Whether neither requests nor probes speak against the backend of this name."""
        return self.passive.healthy(name) and self.active.healthy(name)

    def add(self, backend: Backend) -> None:
        """Let a backend have its share, from the next request on."""
        self.backends = [*self.backends, backend]

    def drain(self, name: str, within_s: float = 30.0) -> bool:
        """Send a backend nothing new, and wait until it has answered what it has.

        Returns:
            Whether it had answered everything within this time.
        """
        backend = self._named(name)
        backend.draining = True
        with self._answered:
            return self._answered.wait_for(lambda: not backend.outstanding, within_s)

    def remove(self, name: str) -> None:
        """Forget a backend, which has been drained."""
        gone = self._named(name)
        self.backends = [backend for backend in self.backends if backend is not gone]

    def _named(self, name: str) -> Backend:
        return next(backend for backend in self.backends if backend.name == name)

    def close(self) -> None:
        """Hang up on all backends, while the server still runs in its own thread."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._pool.close(), self._loop).result()

    # --- one request --------------------------------------------------------------------------

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            return
        self._loop = asyncio.get_running_loop()
        caller = Caller(scope, receive, send)
        try:
            caller.require_known_coding()
            async with self._admitted(caller):
                await self._answer(caller, self._key_of(scope))
        except web.ProblemError as problem:
            await caller.refuse(problem)
        except (web.ClientGoneError, BackendLostError):
            pass  # a reply that was begun is now broken off by the server

    @contextlib.asynccontextmanager
    async def _admitted(self, caller: Caller) -> AsyncIterator[None]:
        """Pass the gate, or wait at it for as long as the gate and the caller want."""
        gate = self.gate
        if gate is None:
            yield
            return
        decided = asyncio.Event()
        ticket = Ticket(gate.clock.now_s(), decided.set)
        gate.arrive(ticket)
        try:
            if ticket.decision is Decision.WAIT:
                await _first(decided.wait(), caller.until_gone())
            if ticket.decision is Decision.WAIT:
                raise web.ClientGoneError
            if ticket.decision is Decision.REFUSED:
                raise web.ProblemError(503, "Service Unavailable", "too much to do", 1)
            yield
        finally:
            if ticket.decision is Decision.ADMITTED:
                gate.depart()
            else:
                shedding.give_up(gate, ticket)

    async def _answer(self, caller: Caller, key: str) -> None:
        """Try one backend after the other, as long as that is right."""
        tried: list[Backend] = []
        paid_for = None
        left = self._rotation_without(tried)
        if not left:
            raise web.ProblemError(503, "Service Unavailable", "there is no backend", 1)
        while True:
            backend = self.policy.choose(left, key)
            tried.append(backend)
            try:
                with self._counted(backend):
                    status = await self._exchange(backend, caller)
            except (BackendUnreachableError, BackendLostError, TimeoutError) as error:
                if caller.gone:
                    raise web.ClientGoneError from None
                self.passive.record(backend.name, False)
                if caller.reply_begun:
                    raise BackendLostError("nothing can be done: the reply has begun") from error
                if isinstance(error, TimeoutError):
                    raise web.ProblemError(504, "Gateway Timeout", "no reply in time") from None
                sent = not isinstance(error, BackendUnreachableError)
                left = self._rotation_without(tried)
                if not (
                    len(tried) < MOST_ATTEMPTS
                    and may_send_again(caller.method, sent, caller.body_kept)
                    and left
                    and self._quota.acquire("transient")
                ):
                    raise web.ProblemError(502, "Bad Gateway", str(error)) from None
                paid_for = "transient"
            else:
                # A 503 is no illness: to eject who has too much to do leaves more to the others.
                self.passive.record(backend.name, status < 500 or status == 503)
                self._quota.release(paid_for)
                return

    def _rotation_without(self, tried: Sequence[Backend]) -> list[Backend]:
        fit = health.rotation(self.backends, self.healthy)
        return [backend for backend in fit if backend not in tried]

    @contextlib.contextmanager
    def _counted(self, backend: Backend) -> Iterator[None]:
        """Count a request as outstanding."""
        with self._answered:
            backend.outstanding += 1
        try:
            yield
        finally:
            with self._answered:
                backend.outstanding -= 1
                self._answered.notify_all()

    async def _exchange(self, backend: Backend, caller: Caller) -> int:
        """Hand the request to one backend, and its reply to the caller; return its status.

        Raises:
            BackendUnreachableError: nothing was sent.
            BackendLostError: the backend went before its reply was complete.
            TimeoutError: it was silent for too long.
            ProblemError: the client was, in the middle of its body; status 408.
        """
        connection = await self._pool.connection(backend.url)
        caller.begin(connection)
        body = asyncio.create_task(caller.send_body(connection))
        try:
            head = await self._head(connection, caller)
            await caller.begin_reply(head)
            more = True
            while more:
                async with asyncio.timeout(self.silent_s):
                    piece = await connection.piece()
                more = not connection.reply_ended
                await caller.send_piece(piece, more)
            return head.status
        finally:
            body.cancel()
            self._pool.give_back(backend.url, connection)

    async def _head(self, connection: Connection, caller: Caller) -> Head:
        """The reply's head, waited for as long as the request's body goes on moving."""
        while True:
            ends_s = caller.moved_s + self.silent_s
            try:
                async with asyncio.timeout_at(ends_s):
                    return await connection.head()
            except TimeoutError:
                if caller.moved_s + self.silent_s > ends_s:
                    continue
                if caller.dawdles:
                    raise web.ProblemError(408, "Request Timeout", "send the body") from None
                raise


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of these has ended, and end the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


# --- running it -------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(proxy: Proxy, port: int = 0) -> Iterator[str]:
    """Serve a proxy from this process while a ``with`` block runs; gives its URL.

    What answers is the code of this process, a learner's exercises included.
    """
    logging.getLogger("uvicorn.error").addFilter(worth_logging)
    with web.serving(proxy, port) as url:
        try:
            yield url
        finally:
            proxy.close()


def worth_logging(record: logging.LogRecord) -> bool:
    """False for what uvicorn says when a reply is broken off, which we do on purpose."""
    return "without completing response" not in record.msg


POLICIES: dict[str, Callable[[], Policy]] = {
    "round-robin": lambda: balancing.RoundRobin(),
    "random": lambda: balancing.Random(random.Random()),
    "least-outstanding": lambda: balancing.LeastOutstanding(random.Random()),
    "power-of-two": lambda: balancing.PowerOfTwo(random.Random()),
    "consistent-hash": lambda: balancing.ConsistentHash(),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m amazonian.shop.proxy http://127.0.0.1:8101 http://127.0.0.1:8102``"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("backends", nargs="+", metavar="URL", help="where a backend listens")
    parser.add_argument("--policy", choices=POLICIES, default="power-of-two")
    parser.add_argument("--probe", metavar="PATH", help="ask every backend for this, each second")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--with-parent", action="store_true")
    options = parser.parse_args(arguments)
    proxy = Proxy([Backend(url, url) for url in options.backends], POLICIES[options.policy]())
    with contextlib.ExitStack() as stack:
        if options.probe:
            stack.enter_context(health.probing(lambda: proxy.backends, proxy.active, options.probe))
        processes.serve(proxy, options.port, options.with_parent)


if __name__ == "__main__":
    main()
