"""Killing the payment service at each step between request and reply: the experiment of lab 1.2.

The service runs in a process of its own, forked from the notebook's, so that it runs on the
functions that the notebook has: in the lab, the learner's. It dies by a real SIGKILL.
"""

import os
import random
import select
import signal
import sqlite3
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from amazonian.resilience import charge_client, charges, idempotency, retries
from amazonian.resilience.charges import ChargeServer, Perform
from amazonian.resilience.idempotency import IdempotencyStore

STARTS_WITHIN_S = 2.0
CHARGE = {"customer": "ada", "amount": 4200, "currency": "EUR"}


def nothing(step: str) -> None:
    """A hook that lets every step pass."""


# --- two weaker services, to compare with -----------------------------------------------------


def without_token(
    store: IdempotencyStore,
    token: str | None,
    parameters: dict,
    effect: Callable[[sqlite3.Connection], str],
) -> str:
    """No token: each request is carried out."""
    with store.transaction() as connection:
        return effect(connection)


def token_afterwards(
    store: IdempotencyStore,
    token: str | None,
    parameters: dict,
    effect: Callable[[sqlite3.Connection], str],
) -> str:
    """A token, but in a transaction of its own, after the effect's."""
    digest = idempotency.fingerprint(parameters)
    with store.claim(token or "", digest):
        with store.transaction() as connection:
            answer = idempotency.decide(digest, store.find(connection, token or ""))
            if answer is not None:
                return answer
            answer = effect(connection)
        with store.transaction() as connection:
            store.record(connection, token or "", digest, answer)
        return answer


# --- a process that can be killed -------------------------------------------------------------


class ForkedServer:
    """A ``ChargeServer`` in a forked process, on the same port after each restart.

    Args:
        database: its SQLite file.
        perform: how it carries out a request; see ``ChargeServer``.
    """

    def __init__(self, database: Path, perform: Perform | None = None):
        self.database, self.perform = database, perform
        self.port, self.pid, self.restarts = 0, 0, -1
        self._pipes: list[int] = []

    def start(self, step: Callable[[str], None] = nothing) -> None:
        """Start it, or start it again after its end.

        Args:
            step: told each step; the forked process calls it.

        Raises:
            RuntimeError: it did not come up.
        """
        self.stop()
        # A thread of the notebook may hold a lock at the moment of the fork, and then the copy
        # waits for ever. That is rare, and seen by its silence: try again.
        for _ in range(3):
            server = ChargeServer(self.database, self.port, self.perform, step)
            self.port = server.port
            self._fork(server)
            server.server_close()
            if self._hears(STARTS_WITHIN_S) == b".":
                self.restarts += 1
                return
            self.stop()
        raise RuntimeError("the forked server did not come up; restart the kernel and try again")

    def _fork(self, server: ChargeServer) -> None:
        """Fork a process that serves, with a pipe from it and a pipe to it."""
        from_it, say = os.pipe()
        lifeline, to_it = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forking threads
            self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(from_it)
                os.close(to_it)
                nowhere = os.open(os.devnull, os.O_RDWR)
                for descriptor in (0, 1, 2):
                    os.dup2(nowhere, descriptor)
                sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
                threading.Thread(target=_die_with_parent, args=[lifeline], daemon=True).start()
                server.store.purge()  # so it can use SQLite
                os.write(say, b".")
                server.serve_forever(poll_interval=60)
            finally:
                os._exit(1)
        os.close(say)
        os.close(lifeline)
        self._pipes = [from_it, to_it]

    def _hears(self, within_s: float) -> bytes | None:
        """The next byte from the process; empty if it has ended; None if it stays silent."""
        heard = select.select(self._pipes[:1], [], [], within_s)[0]
        return os.read(heard[0], 1) if heard else None

    def died(self, within_s: float = 0.0) -> bool:
        """Whether the process has ended, or ends `within_s` seconds from now."""
        return not self.pid or self._hears(within_s) == b""

    def stop(self) -> None:
        """Kill it, if it still runs."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        for pipe in self._pipes:
            os.close(pipe)
        self._pipes = []

    def post(self, token: str | None, charge: dict, timeout_s: float) -> dict:
        """One attempt on this server, which is started again first if it has died."""
        if self.died():
            self.start()
        return charge_client.post(self.port, token, charge, timeout_s)


def _die_with_parent(lifeline: int) -> None:
    """End the process once its parent, which holds the pipe's other end, has gone."""
    os.read(lifeline, 1)
    os._exit(0)


@contextmanager
def charge_server(
    perform: Perform | None = None, step: Callable[[str], None] = nothing
) -> Iterator[ForkedServer]:
    """Run a :class:`ForkedServer` on an empty database for the length of a `with` block."""
    with TemporaryDirectory() as folder:
        server = ForkedServer(Path(folder) / "charges.db", perform)
        try:
            server.start(step)
            yield server
        finally:
            server.stop()


# --- the experiment ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Killed:
    """What became of one charge whose service was to be killed at `step`.

    `killed` is false if it never came to that step.
    """

    step: str | None
    killed: bool
    books: charges.Books
    answer: dict


def kill_at(step: str | None, perform: Perform | None = None, seed: int = 0) -> Killed:
    """Charge once with a retrying client; kill the service once, after `step`, and restart it.

    Args:
        step: one of ``charges.STEPS``, or None for an undisturbed run.
        perform: how the service carries out a request; see ``ChargeServer``.
        seed: of the jitter between attempts.
    """
    policy = retries.RetryPolicy(max_attempts=8, base_s=0.002, cap_s=0.1)
    hook = nothing if step is None else charges.crash_at(step)
    with charge_server(perform, hook) as server:
        tokens = idempotency.open_tokens(server.database.with_name("client.db"))
        try:
            client = retries.Client(policy, rng=random.Random(seed))
            customer = charge_client.ChargeClient(server.post, tokens, client)
            answer = customer.charge("order 17", CHARGE)
        finally:
            tokens.close()
        # A kill after the whole reply was sent brings no further attempt, and so no restart.
        killed = server.restarts > 0 or (step is not None and server.died(within_s=0.2))
        return Killed(step, killed, charges.books(server.database), answer)
