"""Making a request safe to repeat: a token, stored in one transaction with the effect: lab 1.2.

Words: an *intent* is what a caller wants to happen once. A *token* (an AWS API says client token,
HTTP says idempotency key) is the name that the caller gives to it. Each attempt at the intent
carries that token, and the service keeps it together with what it did and answered.

Sources: Malcolm Featonby, "Making retries safe with idempotent APIs", Amazon Builders' Library;
draft-ietf-httpapi-idempotency-key-header (an Internet-Draft, not a standard).
"""

import hashlib
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazonian.resilience.clock import Clock, WallClock

DAY_S = 86_400.0


class RefusedError(Exception):
    """A request was refused before anything was done; `status` is the HTTP status for it."""

    status = 400
    title = "Bad Request"
    retry_after_s: int | None = None


class MissingTokenError(RefusedError):
    """The request carries no usable token."""

    title = "Idempotency-Key is missing"


class TokenReusedError(RefusedError):
    """The token belongs to a request with other parameters; a retry can't help."""

    status = 422
    title = "Idempotency-Key is already used"


class InProgressError(RefusedError):
    """An earlier attempt with this token is still running; a later retry will get its answer."""

    status = 409
    title = "A request is outstanding for this Idempotency-Key"
    retry_after_s = 1


class EffectCommittedError(Exception):
    """The transaction that should also have held the token ended too early."""


def fingerprint(parameters: Any) -> str:
    """What tells two sets of parameters apart: the SHA-256 of their canonical JSON.

    Canonical means that equal parameters are equal text: keys sorted at every depth and no blank
    after ``,`` or ``:``. Everything else is as ``json.dumps`` does it by default.

    Args:
        parameters: whatever JSON can hold: dictionaries with text keys, lists, text, numbers.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError: they hold something else; text made up for it might differ between servers.
    """
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """What is known of a token: its request's fingerprint, and the answer once there is one."""

    fingerprint: str
    answer: str | None = None


def decide(fingerprint: str, known: Entry | None) -> str | None:
    """What to do with a request, given what is known of its token.

    Args:
        fingerprint: of the parameters that came with the token now.
        known: the token's entry, or None if the token is new. An entry whose answer is None
            belongs to a request that is still running.

    Returns:
        None if the token is new and the request is to be carried out. Otherwise the answer that
        the first attempt got, which may be an empty text.

    Raises:
        TokenReusedError: the entry has another fingerprint, whether it is running or done.
        InProgressError: the same request is still running; do not wait for it.
    """
    if known is None:
        return None
    if known.fingerprint != fingerprint:
        raise TokenReusedError("this token came before, with other parameters; use a new one")
    if known.answer is None:
        raise InProgressError("an earlier attempt is still running; ask again with this token")
    return known.answer


class IdempotencyStore:
    """The answers given so far, by token, in the SQLite file that the requests also change.

    A token must be unique in the file. A service with many customers puts the customer's id in
    front of it, so that nobody can fetch another's answer by guessing a token.

    Args:
        database: path of the file. What the effects change must be in the same file, since one
            transaction is to cover both.
        retention_s: how long an answer is kept at least, in seconds.
        clock: tells the time of day; see :class:`~amazonian.resilience.clock.WallClock`.
        busy_s: how long a transaction waits for the end of another one, in seconds.
        step: told the name of each step after it was taken; a test can end the process there.
    """

    def __init__(
        self,
        database: str | Path,
        retention_s: float = DAY_S,
        clock: Clock | None = None,
        busy_s: float = 5.0,
        step: Callable[[str], None] = lambda name: None,
    ):
        self.database, self.retention_s, self.busy_s = str(database), retention_s, busy_s
        self.clock = clock or WallClock()
        self.step = step
        self._running: dict[str, Entry] = {}
        self._lock = threading.Lock()
        with closing(sqlite3.connect(self.database, timeout=busy_s)) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS idempotency (token TEXT PRIMARY KEY,"
                " fingerprint TEXT NOT NULL, answer TEXT NOT NULL, recorded_at_s REAL NOT NULL)"
            )

    @contextmanager
    def claim(self, token: str, fingerprint: str) -> Iterator[None]:
        """Hold a token for the length of a `with` block, so that no other request runs on it.

        Claims are kept in this process's memory. They end with the process, however suddenly that
        ends: no claim of a dead server keeps a retry out.

        Raises:
            InProgressError, TokenReusedError: another request holds it; see :func:`decide`.
        """
        with self._lock:
            decide(fingerprint, self._running.get(token))
            self._running[token] = Entry(fingerprint)
        try:
            self.step("claimed")
            yield
        finally:
            with self._lock:
                del self._running[token]

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a `with` block in one transaction: all that it writes is kept, or nothing is.

        It commits at the block's end. An exception in the block goes through and nothing is kept,
        because a connection that closes without a commit rolls back.
        """
        connect = sqlite3.connect(self.database, timeout=self.busy_s, isolation_level=None)
        with closing(connect) as connection:
            # IMMEDIATE takes the write lock now: what the block reads stays true until it commits.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        self.step("committed")

    def find(self, connection: sqlite3.Connection, token: str) -> Entry | None:
        """The entry that an earlier, finished request recorded for this token, or None."""
        row = connection.execute(
            "SELECT fingerprint, answer FROM idempotency WHERE token = ?", (token,)
        ).fetchone()
        return None if row is None else Entry(*row)

    def record(
        self, connection: sqlite3.Connection, token: str, fingerprint: str, answer: str
    ) -> None:
        """Write a finished request's entry, in the transaction that is open on `connection`.

        Raises:
            EffectCommittedError: there is no open transaction any more.
            TypeError: the answer is not text.
        """
        if not connection.in_transaction:
            raise EffectCommittedError(
                "the transaction ended before the answer was recorded; the effect must not commit, "
                "roll back, or write inside `with connection:`, which commits as well, and neither "
                "must the code that runs the effect"
            )
        if not isinstance(answer, str):
            raise TypeError(f"an effect returns its answer as text, not {type(answer).__name__}")
        connection.execute(
            "INSERT INTO idempotency VALUES (?, ?, ?, ?)",
            (token, fingerprint, answer, self.clock.now_s()),
        )
        self.step("answer-recorded")

    def purge(self) -> int:
        """Forget what is older than the retention; a retry after that is a new request.

        Returns:
            How many entries were forgotten.
        """
        oldest_s = self.clock.now_s() - self.retention_s
        with closing(sqlite3.connect(self.database, timeout=self.busy_s)) as connection, connection:
            return connection.execute(
                "DELETE FROM idempotency WHERE recorded_at_s < ?", (oldest_s,)
            ).rowcount


def perform(
    store: IdempotencyStore,
    token: str | None,
    parameters: Any,
    effect: Callable[[sqlite3.Connection], str],
) -> str:
    """Carry out a request once, however often it comes, and give each attempt the same answer.

    First claim the token (``store.claim``), and only then look for its entry (``store.find``):
    an earlier attempt that ends in between is then found. Look, run the effect and record its
    answer (``store.record``) in one transaction (``store.transaction``).

    Args:
        store: where tokens and answers are kept.
        token: the caller's name for the intent.
        parameters: of the request; see :func:`fingerprint`.
        effect: does the work on the connection that it is given, without committing, and returns
            the answer as text. If it raises, nothing is kept and the exception goes through: a
            retry with the same token may try again.

    Returns:
        The effect's answer, now or from the first time.

    Raises:
        MissingTokenError: the token is None or empty.
        TokenReusedError: the token came before with other parameters.
        InProgressError: an attempt with this token is still running; do not wait for it.
    """
    if not token:
        raise MissingTokenError(
            "send a token of your own with the request, and keep it for retries"
        )
    digest = fingerprint(parameters)
    with store.claim(token, digest), store.transaction() as connection:
        answer = decide(digest, store.find(connection, token))
        if answer is None:
            answer = effect(connection)
            store.record(connection, token, digest, answer)
    return answer


# --- the caller's side ------------------------------------------------------------------------


def open_tokens(database: str | Path) -> sqlite3.Connection:
    """Open the SQLite file in which a caller keeps the tokens of its intents."""
    connection = sqlite3.connect(database)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS tokens (intent TEXT PRIMARY KEY, token TEXT NOT NULL)"
    )
    return connection


def random_token() -> str:
    """A token that nobody else has: a random UUID."""
    return str(uuid.uuid4())


def token_for(
    connection: sqlite3.Connection, intent: str, new_token: Callable[[], str] = random_token
) -> str:
    """The one token of an intent. It is committed before it is returned, so before the first try.

    Keep it in the table ``tokens (intent PRIMARY KEY, token)``. If two processes ask at the same
    moment, the row that was there first decides for both (SQL: ``INSERT OR IGNORE``).

    Args:
        connection: from :func:`open_tokens`.
        intent: the caller's own name for what is to happen once, as in "order 17".
        new_token: makes a token; its value is kept only if the intent has none.
    """
    with connection:
        connection.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?)", (intent, new_token()))
    rows = connection.execute("SELECT token FROM tokens WHERE intent = ?", (intent,))
    return rows.fetchone()[0]
