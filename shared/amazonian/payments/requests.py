"""Requests that may be repeated: chapter 1's idempotency, in the commit of the payment itself.

The first answer to a token is written in the commit that also holds the request's effect, on
SQLite or PostgreSQL. What is still running is known to this process only; a repeat that comes to
another process at that moment waits for the database's write lock, and then finds the answer.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from amazonian.resilience import idempotency
from amazonian.resilience.clock import Clock
from amazonian.resilience.database import Database, Transaction
from amazonian.resilience.idempotency import DAY_S, Entry, MissingTokenError

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS requests (token TEXT PRIMARY KEY, fingerprint TEXT NOT NULL,"
    " answer TEXT NOT NULL, recorded_at_s REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS requests_by_age ON requests (recorded_at_s)",
)


class Requests:
    """The answers given so far, by token.

    Args:
        database: with the table of `SCHEMA`, and all that the effects change.
        clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Clock):
        self.database, self.clock = database, clock
        self._running: dict[str, Entry] = {}
        self._lock = threading.Lock()

    def perform(
        self, token: str | None, parameters: Any, effect: Callable[[Transaction], str]
    ) -> str:
        """Carry out a request once, however often it comes, and give each attempt one answer.

        Args:
            token: the caller's name for what is to happen once.
            parameters: of the request; a repeat has the same.
            effect: does the work in the commit that it is given, and returns the answer. If it
                raises, nothing is kept, and a repeat may try again.

        Raises:
            MissingTokenError: there is no token.
            TokenReusedError: the token came before with other parameters.
            InProgressError: an attempt with this token is still running.
        """
        if not token:
            raise MissingTokenError("send an Idempotency-Key of your own, and keep it for retries")
        digest = idempotency.fingerprint(parameters)

        def change(t: Transaction) -> str:
            rows = t.execute("SELECT fingerprint, answer FROM requests WHERE token = ?", (token,))
            answer = idempotency.decide(digest, Entry(*rows[0]) if rows else None)
            if answer is None:
                answer = effect(t)
                row = (token, digest, answer, self.clock.now_s())
                t.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", row)
            return answer

        with self._claim(token, digest):
            return self.database.write(change)

    @contextmanager
    def _claim(self, token: str, digest: str) -> Iterator[None]:
        with self._lock:
            idempotency.decide(digest, self._running.get(token))
            self._running[token] = Entry(digest)
        try:
            yield
        finally:
            with self._lock:
                del self._running[token]

    def purge(self) -> int:
        """Forget answers older than a day; a repeat after that is a new request.

        Returns:
            How many were forgotten.
        """
        oldest_s = self.clock.now_s() - DAY_S
        sql = "DELETE FROM requests WHERE recorded_at_s < ? RETURNING token"
        return len(self.database.write(lambda t: t.execute(sql, (oldest_s,))))
