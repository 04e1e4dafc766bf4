"""A database in memory, one commit for each change: quick enough to die thousands of times."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from amazonian.resilience.database import Row, Transaction

T = TypeVar("T")


class MemoryDatabase:
    """SQLite in memory, with the interface of ``resilience.database.Database``.

    It stands for a disk: whoever wrote to it may die, and what was committed is there.

    Args:
        schema: statements that lay it out.
    """

    local = True

    def __init__(self, schema: Sequence[str]):
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self._lock = threading.RLock()
        for statement in schema:
            self._connection.execute(statement)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement of the change that is under way."""
        return self._connection.execute(sql, parameters).fetchall()

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement of the change that is under way for each row of parameters."""
        self._connection.executemany(sql, rows)

    def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """The rows of a query, as last committed."""
        with self._lock:
            return self.execute(sql, parameters)

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Make a change in a commit of its own; if it raises, nothing of it is kept."""
        with self._lock:
            self.execute("BEGIN")
            try:
                result = change(self)
            except BaseException:
                self.execute("ROLLBACK")
                raise
            self.execute("COMMIT")
            return result

    def submit(self, change: Callable[[Transaction], T]) -> "Future[T]":
        """As :meth:`write`; the future is done when this returns."""
        future: Future[T] = Future()
        try:
            future.set_result(self.write(change))
        except Exception as error:
            future.set_exception(error)
        return future

    def serialize(self) -> bytes:
        """All that is in it."""
        return self._connection.serialize()

    def deserialize(self, content: bytes) -> None:
        """Put in place of all that is in it what :meth:`serialize` gave."""
        self._connection.deserialize(content)

    def close(self) -> None:
        """Throw everything away."""
        self._connection.close()
