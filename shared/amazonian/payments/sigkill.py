"""Killing a process after every statement and every commit of a posting: an experiment of lab 3.1.

The process is forked from the notebook's, so that it runs on the functions that the notebook has:
in the lab, the learner's. It dies by a real SIGKILL; what it had committed is in its SQLite file.
"""

import os
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amazonian.payments import ledger, wallets
from amazonian.payments.ledger import Entry, Posting
from amazonian.resilience.database import Row, Transaction, open_database
from amazonian.resilience.forks import SilentForkError, run_forked

PATIENCE_S = 3.0
TABLE = re.compile(r"(?:FROM|INTO) (\w+)")

# Ada's goods were paid for, 10.00 USD, and 1.00 USD is our commission.
CAPTURE = Entry(
    "capture:1",
    "order 1",
    (
        Posting("psp:stripe", 1000, "USD"),
        Posting("seller:ada", -900, "USD"),
        Posting("commission:shop", -100, "USD"),
    ),
    at_s=0.0,
)


@dataclass(frozen=True)
class Killed:
    """What the books say after a posting that died after `step`, was restarted and repeated.

    `wallet` is what is in Ada's wallet, `journal` what it should be by the journal, both in cents.
    """

    step: str
    wallet: int
    journal: int


class Steps:
    """A database that tells `reached` of each statement and each commit after it was made."""

    def __init__(self, database: Any, reached: Callable[[str], None]):
        self._database, self._reached = database, reached

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return _Statements(self._database.read, None, self._reached).execute(sql, parameters)

    def write(self, change: Callable[[Transaction], Any]) -> Any:
        result = self._database.write(
            lambda t: change(_Statements(t.execute, t.executemany, self._reached))
        )
        self._reached("commit")
        return result


class _Statements:
    def __init__(self, execute: Callable, executemany: Any, reached: Callable[[str], None]):
        self._execute, self._executemany, self._reached = execute, executemany, reached

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        rows = self._execute(sql, parameters)
        self._reached(_name(sql))
        return rows

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._executemany(sql, rows)
        self._reached(_name(sql))


def _name(sql: str) -> str:
    """A statement in two words, such as "write wallets"."""
    table = TABLE.search(sql)
    return f"{'read' if sql.startswith('SELECT') else 'write'} {table[1] if table else '?'}"


def kill_everywhere(design: Callable[[Any, Entry], object]) -> list[Killed]:
    """Let a design post CAPTURE to empty books, once for each of its steps, and die after it.

    After each death the design posts CAPTURE again in a process that lives, as a caller does that
    got no answer.

    Args:
        design: called as ``design(database, entry)``.

    Returns:
        What the books say in the end, for each step in order.

    Raises:
        RuntimeError: a forked process did not answer, three times.
    """
    steps: list[str] = []
    with TemporaryDirectory() as folder:
        _open_and(folder, lambda database: design(Steps(database, steps.append), CAPTURE))
    return [_killed_after(number, step, design) for number, step in enumerate(steps)]


def _killed_after(number: int, step: str, design: Callable[[Any, Entry], object]) -> Killed:
    for _ in range(3):  # a fork may fall silent
        with TemporaryDirectory() as folder:
            if not _dies(lambda folder=folder: _open_and(folder, _mortal(design, number))):
                continue
            _open_and(folder, lambda database: design(database, CAPTURE))
            wallet, journal = _open_and(
                folder,
                lambda database: (
                    wallets.wallet(database.read, "ada", "USD").available,
                    -ledger.balance(database.read, "seller:ada", "USD"),
                ),
            )
        return Killed(step, wallet, journal)
    raise RuntimeError("the forked process did not answer; restart the kernel and try again")


def _mortal(design: Callable[[Any, Entry], object], number: int) -> Callable[[Any], object]:
    """The design, in a process that ends after step `number`."""
    left = iter(range(number))

    def reached(step: str) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda database: design(Steps(database, reached), CAPTURE)


def _open_and(folder: str, work: Callable[[Any], Any]) -> Any:
    """Open the books, and close them again: no process may fork with SQLite's file open."""
    database = open_database(Path(folder) / "books.db", ledger.SCHEMA)
    try:
        return work(database)
    finally:
        database.close()


def _dies(work: Callable[[], object]) -> bool:
    """Whether a forked process that does this work is killed by it, soon."""
    try:
        code, _ = run_forked(work, PATIENCE_S)
    except SilentForkError:
        return False
    return code == -signal.SIGKILL
