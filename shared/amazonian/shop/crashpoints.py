"""Every moment at which a process can die between two durable writes: lab 2.3.

A process that dies leaves what it has committed, and nothing else. So only what lies between two
commits matters, and there are few such moments: before and after each commit. `explore` runs a
scenario once undisturbed, to count them, and then once more for each, with a death there.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from amazonian.resilience.database import Database, Transaction

T = TypeVar("T")


class KilledError(BaseException):
    """The process has died here. No `except Exception` stops it."""


class Moments:
    """Counts the moments of a process, and kills it at some of them.

    Args:
        kill_at: the numbers of these moments, counted from 1.
        meanwhile: called at every moment: what others do at that time.
    """

    def __init__(self, kill_at: Collection[int] = (), meanwhile: Callable[[], None] | None = None):
        self.kill_at, self.meanwhile = kill_at, meanwhile
        self.seen, self.ended = 0, False

    def end(self) -> None:
        """From here on nobody is killed, and nothing is counted."""
        self.ended = True

    def one(self) -> None:
        """Let one moment pass.

        Raises:
            KilledError: the process dies at it.
        """
        if self.ended:
            return
        self.seen += 1
        if self.meanwhile is not None:
            self.meanwhile()
        if self.seen in self.kill_at:
            raise KilledError(f"killed at moment {self.seen}")

    def watched(self, database: Database) -> "WatchedDatabase":
        """The same database, each of whose writes has a moment before and one after it."""
        return WatchedDatabase(database, self)


class WatchedDatabase:
    """A database as one process uses it, which may die at each of its writes."""

    def __init__(self, database: Database, moments: Moments):
        self._database, self._moments = database, moments
        self.local = database.local
        self.read, self.submit, self.close = database.read, database.submit, database.close

    def write(self, change: Callable[[Transaction], T]) -> T:
        self._moments.one()
        result = self._database.write(change)
        self._moments.one()
        return result


@dataclass
class Report:
    """What `explore` found.

    `points` is the number of moments in the undisturbed run, `runs` the number of runs, that one
    included. `broken` counts the runs in which each fault was found, and `found` how often each
    was found in all runs together.
    """

    points: int = 0
    runs: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} in {count} of them" for name, count in self.broken.most_common())
        return f"{self.points} crash points, {self.runs} runs: {kinds or 'no fault'}"


def explore(run: Callable[[Moments], Iterable[str]], kills: int = 1) -> Report:
    """Run a scenario undisturbed, and with a death at each of its moments.

    Args:
        run: begins from nothing, catches the :class:`KilledError`, recovers as a new process
            would, and returns the names of the faults that it found.
        kills: 2 kills the recovery as well, at each of its moments: all pairs.
    """
    report = Report()
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        kill_at = waiting.pop()
        moments = Moments(kill_at)
        faults = list(run(moments))
        report.broken.update(set(faults))
        report.found.update(faults)
        report.runs += 1
        if not kill_at:
            report.points = moments.seen
        if len(kill_at) < kills:
            first = kill_at[-1] + 1 if kill_at else 1
            waiting += [(*kill_at, moment) for moment in range(first, moments.seen + 1)]
    return report
