"""Killing the payment process at every point where it matters, enumerated and not sampled.

The explorer runs a day of payments (``scenario``) once to count the ``points``, and then again for
each of them: there the process dies, its memory is gone, the database and the PSP stay, and a new
process starts. In the end all
properties must hold (``properties``). The same for every pair of points, where the second process
dies as well, and for every point together with every fault of the PSP.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from amazonian.payments import dead_letters, properties, scenario, store
from amazonian.payments.points import PSP, Killed, Point, Points, WatchedDatabase
from amazonian.payments.scenario import NOON_S, Design, Process, Shop
from amazonian.payments.stripe_simulator import transport
from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.faults import Kind
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.memory import MemoryDatabase

WITNESSES = ("payment_intent", "refund", "balance_transaction")  # what the PSP knows
AT_ONCE_S, NEXT_DAY_S = 1.0, 90_000.0
HTTP_TIMEOUT_S = 2.0


# --- one run ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What goes wrong outside of the process, in one run.

    Args:
        fault: of the PSP, or None.
        at_call: which call to the PSP it strikes, counted from 1.
        times: how many calls in a row.
        webhooks: "late" (when all is over, twice and in both orders), "early" (before the answer
            to the call that caused them, and late again), or "never".
        restart_s: how long the process is away after a crash, in seconds.
    """

    fault: Kind | None = None
    at_call: int = 1
    times: int = 1
    webhooks: str = "late"
    restart_s: float = AT_ONCE_S

    def __str__(self) -> str:
        said = []
        if self.fault:
            often = "" if self.times == 1 else f" and the next {self.times - 1}"
            said.append(f"{self.fault} at call {self.at_call}{often}")
        if self.webhooks != "late":
            said.append(f"webhooks {self.webhooks}")
        if self.restart_s != AT_ONCE_S:
            said.append(f"away for {self.restart_s / 3600:.0f} h")
        return ", ".join(said) or "nothing else"


CALM = Trouble()


@dataclass(frozen=True)
class Run:
    """One run: in which points the first, the second, … process died, and what was broken then.

    Args:
        crashes: numbers of points, one for each process that died.
        lives: the points that each process passed.
        errors: that the executor raised, as text.
    """

    crashes: tuple[int, ...]
    trouble: Trouble
    violations: tuple[str, ...]
    lives: tuple[tuple[Point, ...], ...] = ()
    errors: tuple[str, ...] = ()


class World:
    """What outlives our process: database, PSP, the shop, and the time."""

    def __init__(self, trouble: Trouble, design: Design | None):
        self.trouble, self.design = trouble, design
        self.clock = SimulatedClock(NOON_S)
        self.database = _fresh(store.SCHEMA)
        self.shop = Shop(_fresh(scenario.SHOP_SCHEMA))
        self.psp = Simulator(self.clock)
        if trouble.fault:
            self.psp.faults.add(trouble.fault, nth=trouble.at_call, times=trouble.times)
        self.client = transport.client(self.psp, HTTP_TIMEOUT_S, self._on_call)
        self.points, self.process = Points(), None
        self.errors: list[Exception] = []

    def live(self, end_at: int | None) -> tuple[Point, ...]:
        """Start a process and let it live until the end, or until point `end_at`."""
        self.points = Points(end_at)
        self.process = process = Process(
            WatchedDatabase(self.database, self.points),
            self.shop,
            self.client,
            self.clock,
            self.psp.objects,
            self.design,
        )
        try:
            process.live(webhooks_come=self.trouble.webhooks != "never")
        except Killed:
            self.clock.sleep(self.trouble.restart_s)
        self.errors += process.errors
        return tuple(self.points.passed)

    def recover(self) -> None:
        """The faults are over: a person redrives the dead letters, and the day is finished."""
        self.psp.faults.clear()
        if dead_letters.waiting(self.database.read):
            self.process.redrive()
            self.live(end_at=None)

    def violations(self) -> tuple[str, ...]:
        """The properties that don't hold."""
        known = {kind: self.psp.objects(kind) for kind in WITNESSES}
        return tuple(properties.violations(self.database.read, known, self.shop.heard()))

    def _on_call(self, call: str, when: str) -> None:
        self.points.reach(PSP, call, when)
        if when == "after" and self.trouble.webhooks == "early":
            self.process.deliver(self.process.webhooks_sent())


def run(crashes: Sequence[int], trouble: Trouble = CALM, design: Design | None = None) -> Run:
    """Live through the day, with a crash in each life at the point of the given number."""
    world = World(trouble, design)
    lives = [world.live(end_at) for end_at in (*crashes, None)]
    world.recover()
    errors = tuple(dict.fromkeys(f"{type(error).__name__}: {error}" for error in world.errors))
    return Run(tuple(crashes), trouble, world.violations(), tuple(lives), errors)


# --- all runs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exploration:
    """What came of all runs of a design.

    Args:
        points: of a day without crash and trouble, in order.
        runs: how many runs there were.
        broken: those that violated a property.
    """

    points: tuple[Point, ...]
    runs: int
    broken: tuple[Run, ...]

    @property
    def violated(self) -> dict[str, int]:
        """How many runs violated each property, by its name."""
        counts: dict[str, int] = {}
        for run in self.broken:
            for name in run.violations:
                counts[name] = counts.get(name, 0) + 1
        return counts

    def at_points(self) -> dict[int, tuple[str, ...]]:
        """What one crash at a point leads to, without other trouble: its number → properties."""
        return {
            run.crashes[0]: run.violations
            for run in self.broken
            if len(run.crashes) == 1 and run.trouble == CALM
        }

    def __str__(self) -> str:
        found = ", ".join(f"{name}: {count}" for name, count in self.violated.items())
        return (
            f"{len(self.points)} points, {self.runs} runs, {len(self.broken)} of them violate"
            f" a property{f' ({found})' if found else ''}"
        )


def explore(
    design: Design | None = None, depth: int = 1, troubles: Iterable[Trouble] = (CALM,)
) -> Exploration:
    """Kill the process at every point, for each trouble.

    Args:
        design: makes the executor; by default ``executor.Executor``.
        depth: 1 for one crash at every point, 2 for every pair as well: a second crash at every
            point that the second process passes.
        troubles: what goes wrong outside.
    """
    points = run((), CALM, design).lives[0]
    runs, broken = 0, []
    for trouble in troubles:
        for done in _runs(trouble, design, depth):
            runs += 1
            if done.violations:
                broken.append(replace(done, lives=()))
    return Exploration(points, runs, tuple(broken))


def _runs(trouble: Trouble, design: Design | None, depth: int) -> Iterable[Run]:
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        crashes = waiting.pop()
        done = run(crashes, trouble, design)
        yield done
        if len(crashes) < depth:
            waiting += [(*crashes, point.number) for point in done.lives[-1]]


OUTAGE_CALLS = 100  # more than all rounds of all orders make: they become dead letters
# What makes a difference to a call that changes nothing at the PSP, and to one that does.
FAULTS_OF_GET = (Kind.TIMEOUT_BEFORE, Kind.ERROR_BEFORE, Kind.THROTTLE)
FAULTS_OF_POST = (
    *FAULTS_OF_GET,
    Kind.TIMEOUT_AFTER,
    Kind.TIMEOUT_LATE,
    Kind.ERROR_AFTER,
    Kind.DELAY,
    Kind.DECLINE,
)
RETRIED = (Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER)  # these also until the retries are used up


def all_troubles(design: Design | None = None) -> list[Trouble]:
    """What may go wrong outside, each for runs of its own.

    Every fault of the PSP at each call, and time-outs also until the retries are used up; an
    outage from the second call on, when one order of an event is charged and the other acted upon
    in silence, and one from the last call on; webhooks that come early or never; and an absence of
    a day, after which the PSP has forgotten our keys.
    """
    of_day = calls(design)
    found = [Trouble(restart_s=NEXT_DAY_S)]
    found += [Trouble(webhooks=when) for when in ("early", "never")]
    found += [Trouble(Kind.TIMEOUT_AFTER, n, times=OUTAGE_CALLS) for n in (2, len(of_day))]
    for at_call, call in enumerate(of_day, 1):
        kinds = FAULTS_OF_GET if call.startswith("GET") else FAULTS_OF_POST
        found += [Trouble(kind, at_call) for kind in kinds]
        found += [Trouble(kind, at_call, times=2) for kind in RETRIED if kind in kinds]
    return found


def calls(design: Design | None = None) -> list[str]:
    """The calls to the PSP of a day without trouble."""
    points = run((), CALM, design).lives[0]
    return [point.what for point in points if point.lane == PSP and point.when == "before"]


_LAYOUTS: dict[Sequence[str], bytes] = {}


def _fresh(schema: Sequence[str]) -> MemoryDatabase:
    """An empty database; laying it out costs a millisecond, copying the layout does not."""
    if schema not in _LAYOUTS:
        _LAYOUTS[schema] = MemoryDatabase(schema).serialize()
    database = MemoryDatabase(())
    database.deserialize(_LAYOUTS[schema])
    return database
