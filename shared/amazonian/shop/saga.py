"""A saga: one step after the other in services of their own, and back again where one fails.

A transaction that spans services is cut into steps that commit at once, each with a compensation
that undoes what it means. What has been done stands in a durable log, so that a new process
carries on where the old one died. A saga is not isolated: others see its steps (Hector
Garcia-Molina and Kenneth Salem, "Sagas", SIGMOD 1987).

What it asks of each step and each compensation: it may come twice; and a compensation that comes
before its step makes the step fail when that comes at last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from amazonian.resilience import retries
from amazonian.resilience.database import Database, Transaction
from amazonian.shop.calls import ServiceRefusedError

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS saga_log"
    " (saga TEXT NOT NULL, place INTEGER NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL,"
    " why TEXT NOT NULL, PRIMARY KEY (saga, place))",
)
DID, UNDOING, UNDID = "did", "undoing", "undid"
DONE, UNDONE = "done", "undone"


class SupersededError(Exception):
    """Another process has written to this saga's log, and so carries it on; leave it alone."""


@dataclass(frozen=True)
class Step:
    """What one service does, and what undoes it.

    Args:
        name: what the log calls it.
        act: does it; it may be called again after a crash.
        undo: its compensation, which may be called again, and though the step did not happen. None
            if there is none: such a step comes last, and is repeated until it has happened.
    """

    name: str
    act: Callable[[], object]
    undo: Callable[[], object] | None = None


@dataclass(frozen=True)
class Entry:
    """One line of a saga's log: that a step was done or undone, or that the saga turns back."""

    kind: str
    step: str
    why: str = ""


class Log(Protocol):
    """What a saga has done so far; an entry is on disk when `append` returns."""

    def entries(self) -> list[Entry]: ...
    def append(self, kind: str, step: str, why: str = "") -> None: ...


# How a saga is carried on: `run`, or something weaker to compare with.
Run = Callable[[Sequence[Step], Log], str]


class DatabaseLog:
    """The log of one saga, in a table that holds those of many.

    Args:
        database: laid out with `SCHEMA`.
        saga: its id.
    """

    def __init__(self, database: Database, saga: str):
        self._database, self._saga = database, saga
        self._next = len(self.entries())

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        rows = self._database.read(
            "SELECT kind, step, why FROM saga_log WHERE saga = ? ORDER BY place", (self._saga,)
        )
        self._next = len(rows)
        return [Entry(*row) for row in rows]

    def append(self, kind: str, step: str, why: str = "") -> None:
        """Add an entry behind those that were read or written last.

        Raises:
            SupersededError: another process has done so since.
        """

        def add(transaction: Transaction) -> bool:
            written = transaction.execute(
                "INSERT INTO saga_log VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (saga, place) DO NOTHING RETURNING place",
                (self._saga, self._next, kind, step, why),
            )
            return bool(written)

        if not self._database.write(add):
            raise SupersededError(f"another process carries on {self._saga!r}")
        self._next += 1


def compensations(steps: Sequence[Step], entries: Sequence[Entry]) -> list[Step]:
    """The steps that are still to be undone, in the order in which to undo them.

    Every step that may have happened counts: those that the log says were done, and the one after
    them, which was begun and may have been carried out though no answer came. Of these, the ones
    that have a compensation and whose undoing is not in the log yet; the last one comes first.

    Args:
        steps: all of the saga's, in order.
        entries: the saga's log.
    """
    done = sum(entry.kind == DID for entry in entries)
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    begun = [step for step in steps[: done + 1] if step.undo and step.name not in undone]
    return begun[::-1]


def run(steps: Sequence[Step], log: Log) -> str:
    """Carry a saga on from where its log ends: a new one, or one whose process has died.

    - Forward, unless the log says that the saga turns back: act, then log `DID`, for each step
      that the log does not have.
    - The saga turns back if a step raises ``ServiceRefusedError``; and if a step that can be
      undone raises any ``CallError`` (no answer). Then log `UNDOING`, with the step's name and the
      error's text, *before* the first compensation, so that no later process goes forward again.
    - Back: for each of the :func:`compensations`, undo, then log `UNDID`.

    Returns:
        `DONE` if every step was done, `UNDONE` if all that was begun is undone.

    Raises:
        CallError: no answer from a step that can't be undone, or from a compensation. The saga
            stays where it is; run it again later.
        ServiceRefusedError: a compensation was refused. The saga stays where it is.
        SupersededError: another process carries it on.
    """
    entries = log.entries()
    if not any(entry.kind == UNDOING for entry in entries):
        done = sum(entry.kind == DID for entry in entries)
        for step in steps[done:]:
            try:
                step.act()
            except (ServiceRefusedError, retries.CallError) as error:
                if step.undo is None and not isinstance(error, ServiceRefusedError):
                    raise
                log.append(UNDOING, step.name, str(error))
                break
            log.append(DID, step.name)
        else:
            return DONE
    for step in compensations(steps, log.entries()):
        step.undo()
        log.append(UNDID, step.name)
    return UNDONE
