"""The metadata service's database: SQLite by default, PostgreSQL by a DSN.

One writer commits for all (group commit): changes that wait while a commit is on its way to
the disk go into the next one together, so that a hundred of them cost one flush. Each change
runs in a savepoint of its own; one that raises is undone alone.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Sequence[Any]
MOST_IN_ONE_COMMIT = 256


class Transaction(Protocol):
    """What a change works with: one statement at a time, `?` for parameters."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...


class Database(Protocol):
    """Reads at once, writes in groups."""

    local: bool  # a read costs microseconds and blocks on nothing

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...
    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]": ...
    def write(self, change: Callable[[Transaction], T]) -> T: ...
    def close(self) -> None: ...


def open_database(dsn: str | Path, schema: Sequence[str]) -> "Database":
    """Open (and where it is new, lay out) the database at a path or a ``postgresql://`` DSN."""
    if str(dsn).startswith(("postgres://", "postgresql://")):
        return PostgresDatabase(str(dsn), schema)
    return SQLiteDatabase(dsn, schema)


class GroupCommit:
    """The one thread that writes and commits, and so puts all changes into one order."""

    def __init__(self, execute: Callable[[str, Sequence[Any]], list[Row]]):
        self._execute = execute
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group commit", daemon=True)
        self._thread.start()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._execute(sql, parameters)

    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]":
        """Queue a change; its future is done when it is on disk, or has failed and left nothing."""
        future: Future = Future()
        self._waiting.put((change, future))
        return future

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = [first]
            with suppress(queue.Empty):
                while len(group) < MOST_IN_ONE_COMMIT:
                    group.append(self._waiting.get_nowait())
            stopping = None in group
            self._commit([waiting for waiting in group if waiting is not None])
            if stopping:
                return

    def _commit(self, group: list[tuple[Callable, Future]]) -> None:
        done: list[tuple[Future, Any]] = []
        try:
            self._execute("BEGIN", ())
            for change, future in group:
                self._execute("SAVEPOINT change", ())
                try:
                    done.append((future, change(self)))
                except Exception as error:
                    self._execute("ROLLBACK TO SAVEPOINT change", ())
                    future.set_exception(error)
                self._execute("RELEASE SAVEPOINT change", ())
            self._execute("COMMIT", ())
        except Exception as error:  # the disk is full, the server is gone: nothing was committed
            with suppress(Exception):
                self._execute("ROLLBACK", ())
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)


class SQLiteDatabase:
    """A file in WAL mode, flushed at each commit."""

    local = True

    def __init__(self, path: str | Path, schema: Sequence[str]):
        self._path = str(path)
        self._own = threading.local()
        self._writer = self._connect()
        for statement in schema:
            self._writer.execute(statement)
        self._group = GroupCommit(self._write_one)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection

    def _write_one(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        return self._writer.execute(sql, parameters).fetchall()

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, as last committed."""
        if not hasattr(self._own, "reader"):
            self._own.reader = self._connect()
        return self._own.reader.execute(sql, parameters).fetchall()

    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]":
        return self._group.submit(change)

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Make a change and wait until it is on disk."""
        return self._group.submit(change).result()

    def close(self) -> None:
        self._group.stop()
        self._writer.close()


class PostgresDatabase:
    """A PostgreSQL server. The same SQL; only the parameters' sign differs."""

    local = False

    def __init__(self, dsn: str, schema: Sequence[str]):
        import psycopg

        self._psycopg, self._dsn = psycopg, dsn
        self._own = threading.local()
        writer = self._connect()
        for statement in schema:
            writer.execute(
                statement.replace("BLOB", "BYTEA")
                .replace("REAL", "DOUBLE PRECISION")
                .replace("INTEGER", "BIGINT")
                .replace("TEXT", 'TEXT COLLATE "C"')
            )
        self._writer = writer
        self._group = GroupCommit(self._write_one)

    def _connect(self) -> Any:
        return self._psycopg.connect(self._dsn, autocommit=True)

    def _write_one(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        if self._writer.closed:  # the server was restarted
            self._writer = self._connect()
        return self._run(self._writer, sql, parameters)

    @staticmethod
    def _run(connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = connection.execute(sql.replace("?", "%s"), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, as last committed."""
        if getattr(self._own, "reader", None) is None or self._own.reader.closed:
            self._own.reader = self._connect()
        return self._run(self._own.reader, sql, parameters)

    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]":
        return self._group.submit(change)

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Make a change and wait until it is committed."""
        return self._group.submit(change).result()

    def close(self) -> None:
        self._group.stop()
        self._writer.close()
