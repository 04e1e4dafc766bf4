"""Points: the places where a process may die, and with them all that outlives it may differ.

A point lies before and after each durable write, and before and after each call to the PSP.
Between two of them nothing happens that outlives the process.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from amazonian.resilience.database import Database, Row, Transaction

T = TypeVar("T")
DATABASE, PSP = "database", "PSP"
WRITES = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")

# What a table is called in a drawing; the others' rows only go with these.
CALLED = {
    "payment_events": "event",
    "payment_orders": "order",
    "entries": "journal",
    "wallets": "wallet",
    "outbox": "message",
    "webhooks": "webhook",
    "dead_letters": "dead letter",
}


class Killed(BaseException):
    """The process ends here; no `except Exception` may stop that."""


@dataclass(frozen=True)
class Point:
    """A place where the process may die.

    Args:
        number: counted from 0 in each life of the process.
        lane: "database" or "PSP".
        what: what is written, as in "order, journal, wallet, message", or the call's name.
        when: "before" or "after" it.
    """

    number: int
    lane: str
    what: str
    when: str


class Points:
    """The points that a process has passed, and the one where it ends.

    Args:
        end_at: the number of the point; None to live on.
        end: how the process ends; by default it raises `Killed`.
    """

    def __init__(self, end_at: int | None = None, end: Callable[[], None] | None = None):
        self.end_at, self.end = end_at, end
        self.passed: list[Point] = []

    def reach(self, lane: str, what: str, when: str) -> None:
        """Pass a point, or die there."""
        self.passed.append(Point(len(self.passed), lane, what, when))
        if len(self.passed) - 1 == self.end_at:
            if self.end:
                self.end()
            raise Killed


class WatchedDatabase:
    """A database whose writes are points: before the commit, with nothing kept, and after it."""

    def __init__(self, database: Database, points: Points):
        self.database, self.points = database, points
        self.local, self.read, self.close = database.local, database.read, database.close

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Make a change, in a commit of its own; one that changes nothing is no point."""
        watched = _Watched()

        def watch(t: Transaction) -> T:
            result = change(watched.on(t))
            if watched.tables:
                self.points.reach(DATABASE, watched.what(), "before")
            return result

        result = self.database.write(watch)
        if watched.tables:
            self.points.reach(DATABASE, watched.what(), "after")
        return result


class _Watched:
    """A transaction that remembers which tables were written."""

    def __init__(self) -> None:
        self.tables: dict[str, None] = {}

    def on(self, t: Transaction) -> "_Watched":
        self._t = t
        return self

    def what(self) -> str:
        return ", ".join(CALLED[table] for table in self.tables if table in CALLED)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        rows = self._t.execute(sql, parameters)
        if rows or "RETURNING" not in sql:
            self._written(sql)
        return rows

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._t.executemany(sql, rows)
        self._written(sql)

    def _written(self, sql: str) -> None:
        if written := WRITES.match(sql):
            self.tables[written[1]] = None
