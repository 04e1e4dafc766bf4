"""A durable database for a component: SQLite by default, PostgreSQL by a DSN.

One writer commits for all (group commit): changes that wait while a commit is on its way to
the disk go into the next one together, so that a hundred of them cost one flush. Each change
runs in a savepoint of its own; one that raises is undone alone. Several processes may share a
database: a group holds its write lock from the first statement on, so what a change has read
stays true until it commits.
"""

import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Sequence[Any]
MOST_IN_ONE_COMMIT = 256
WRITE_LOCK = 4_217  # of PostgreSQL's advisory locks: which one, nobody else may care


class UnavailableError(Exception):
    """The database takes or gives nothing now: its disk is full, or its server is out of reach."""


class OutcomeUnknownError(UnavailableError):
    """The database went away during a commit: whether that was carried out, nobody can tell."""


class UnstorableError(ValueError):
    """A value that this database can't keep, such as a NUL in a text of PostgreSQL."""


class Transaction(Protocol):
    """What a change works with: one statement at a time, `?` for parameters.

    `executemany` carries one out for each row of parameters, in a fraction of the time.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...
    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...


class Database(Protocol):
    """Reads at once, writes in groups."""

    local: bool  # a read costs microseconds and blocks on nothing

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...
    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]": ...
    def write(self, change: Callable[[Transaction], T]) -> T: ...
    def close(self) -> None: ...


def append_only(table: str) -> tuple[str, ...]:
    """What a schema adds after a table whose rows the database itself must keep as they are.

    An UPDATE or a DELETE then fails, whoever sends it.

    Args:
        table: its name; the schema has created it before.
    """
    return tuple(
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only: its rows stay as they are'); END"
        for verb in ("UPDATE", "DELETE")
    )


def open_database(dsn: str | Path, schema: Sequence[str]) -> "Database":
    """Open (and where it is new, lay out) the database at a path or a ``postgresql://`` DSN."""
    if str(dsn).startswith(("postgres://", "postgresql://")):
        return PostgresDatabase(str(dsn), schema)
    return SQLiteDatabase(dsn, schema)


class GroupCommit:
    """The one thread that writes and commits, and so puts all changes into one order."""

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], list[Row]],
        executemany: Callable[[str, Sequence[Sequence[Any]]], None],
        begin: Sequence[str] = ("BEGIN",),
    ):
        self._execute, self._executemany, self._begin = execute, executemany, begin
        self._lock, self._stopped = threading.Lock(), False
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group commit", daemon=True)
        self._thread.start()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._execute(sql, parameters)

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._executemany(sql, rows)

    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]":
        """Queue a change; its future is done when it is on disk, or has failed and left nothing.

        Raises:
            RuntimeError: the database is closed.
        """
        future: Future = Future()
        with self._lock:
            if self._stopped:
                raise RuntimeError("the database is closed")
            self._waiting.put((change, future))
        return future

    def stop(self) -> None:
        """Commit what waits, and take no more."""
        with self._lock:
            if not self._stopped:
                self._waiting.put(None)
            self._stopped = True
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
        committing = False
        try:
            for statement in self._begin:
                self._execute(statement, ())
            for change, future in group:
                self._execute("SAVEPOINT change", ())
                try:
                    done.append((future, change(self)))
                except UnavailableError:  # there may be no transaction any more
                    raise
                except BaseException as error:  # whatever it is: somebody waits for an answer
                    self._execute("ROLLBACK TO SAVEPOINT change", ())
                    future.set_exception(error)
                self._execute("RELEASE SAVEPOINT change", ())
            committing = True
            self._execute("COMMIT", ())
        except Exception as error:  # the disk is full, the server is gone: nothing was committed
            failure = error
            try:
                self._execute("ROLLBACK", ())
            except Exception:
                if committing:
                    failure = OutcomeUnknownError(str(error))
            for _, future in group:
                if not future.done():
                    future.set_exception(failure)
            return
        for future, result in done:
            future.set_result(result)


class SQLiteDatabase:
    """A file in WAL mode, flushed at each commit."""

    local = True

    def __init__(self, path: str | Path, schema: Sequence[str]):
        self._path = str(path)
        self._own = threading.local()  # each thread reads through a connection of its own
        self._readers: list[sqlite3.Connection] = []
        self._writer = self._connect()
        for statement in schema:
            self._writer.execute(statement)
        self._group = GroupCommit(self._write_one, self._write_many, ("BEGIN IMMEDIATE",))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # A row that INSERT OR REPLACE deletes is deleted: an append-only table refuses that too.
        connection.execute("PRAGMA recursive_triggers = ON")
        return connection

    def _write_one(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        return self._run(self._writer, sql, parameters)

    def _write_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._writer.executemany(sql, rows)
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"The database: {error}") from error

    @staticmethod
    def _run(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> list[Row]:
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"The database: {error}") from error

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, as last committed."""
        if not hasattr(self._own, "reader"):
            self._own.reader = self._connect()
            self._readers.append(self._own.reader)
        return self._run(self._own.reader, sql, parameters)

    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]":
        return self._group.submit(change)

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Make a change and wait until it is on disk."""
        return self._group.submit(change).result()

    def close(self) -> None:
        self._group.stop()
        for connection in (self._writer, *self._readers):
            connection.close()


_TRIGGER = re.compile(
    r"CREATE TRIGGER IF NOT EXISTS (\w+) BEFORE (\w+) ON (\w+)"
    r" BEGIN SELECT RAISE\(ABORT, ('.*')\); END"
)


def _in_postgresql(statement: str) -> str:
    """A schema's statement as PostgreSQL understands it."""
    if not (trigger := _TRIGGER.fullmatch(statement)):
        return (
            statement.replace("BLOB", "BYTEA")
            .replace("REAL", "DOUBLE PRECISION")
            .replace("INTEGER", "BIGINT")
            .replace("TEXT", 'TEXT COLLATE "C"')
        )
    name, verb, table, message = trigger.groups()
    verbs = "DELETE OR TRUNCATE" if verb == "DELETE" else verb
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        f" RAISE integrity_constraint_violation USING MESSAGE = {message}; END$$;"
        f" CREATE OR REPLACE TRIGGER {name} BEFORE {verbs} ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    )


class PostgresDatabase:
    """A PostgreSQL server. The same SQL; only the parameters' sign differs."""

    local = False

    def __init__(self, dsn: str, schema: Sequence[str]):
        import psycopg

        self._psycopg, self._dsn = psycopg, dsn
        self._own = threading.local()  # each thread reads through a connection of its own
        self._readers: list[Any] = []
        lock = f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"
        self._writer = self._connect()
        with self._writer.transaction():
            self._writer.execute(lock)  # two processes may lay it out at the same moment
            for statement in schema:
                self._writer.execute(_in_postgresql(statement))
        self._group = GroupCommit(self._write_one, self._write_many, ("BEGIN", lock))

    def _connect(self) -> Any:
        try:
            return self._psycopg.connect(self._dsn, autocommit=True)
        except self._psycopg.Error as error:  # out of reach, or a DSN that is none
            raise UnavailableError(f"The database: {error}") from error

    def _write_one(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        try:
            return self._run(self._writer, sql, parameters)
        except UnavailableError:
            if not (sql == "BEGIN" and self._writer.closed):
                raise
        self._writer = self._connect()  # the server was restarted, and nothing is under way
        return self._run(self._writer, sql, parameters)

    def _write_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._errors(), self._writer.cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s"), rows)

    def _run(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        with self._errors():
            cursor = connection.execute(sql.replace("?", "%s"), parameters or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.OperationalError as error:
            raise UnavailableError(f"The database: {error}") from error
        except self._psycopg.DataError as error:  # such as a NUL in a key
            raise UnstorableError(f"PostgreSQL can't keep this: {error}") from error

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, as last committed."""
        reader = getattr(self._own, "reader", None)
        if reader is not None:
            try:
                return self._run(reader, sql, parameters)
            except UnavailableError:
                if not reader.closed:
                    raise
        self._own.reader = self._connect()  # the first read of this thread, or since a restart
        self._readers.append(self._own.reader)
        return self._run(self._own.reader, sql, parameters)

    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]":
        return self._group.submit(change)

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Make a change and wait until it is committed."""
        return self._group.submit(change).result()

    def close(self) -> None:
        self._group.stop()
        for connection in (self._writer, *self._readers):
            connection.close()
