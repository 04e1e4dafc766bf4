"""Crashing a checkout wherever it can crash, and looking whether the shop's books still agree.

The services are the real ones, on SQLite in memory, called in this process. Before and after each
call that the checkout makes, and before and after each of its commits, is a point where its
process may die. What is on disk at that point is kept as a copy, and a new process carries on from
it: like after a SIGKILL, nothing of the old process runs any more. The new one may die as well, at
each of its own points. All of that is done again with each fault that a service may have.

Two histories that leave the same bytes on disk have the same future, which is run once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from amazonian.shop.saga_bench import (
    AFTER,
    BEFORE,
    LATE,
    REFUSES,
    Bench,
    Design,
    Disk,
    Fault,
    Life,
)

UNDOES = {
    "reserve stock": "release stock",
    "authorise payment": "void payment",
    "place order": "cancel order",
}
ONLY_FORWARD = ("confirm stock", "empty cart")


def scenarios() -> list[tuple[Fault, ...]]:
    """No fault; each fault of each step; and each refusal with each fault of what then undoes."""
    found: list[tuple[Fault, ...]] = [()]
    for step in UNDOES:
        found += [(Fault(step, kind),) for kind in (REFUSES, BEFORE, AFTER, LATE)]
    for step in ONLY_FORWARD:
        found += [(Fault(step, kind),) for kind in (BEFORE, AFTER, LATE)]
    found.append((Fault("confirm stock", REFUSES),))
    for refused in [*UNDOES, "confirm stock"]:
        begun = list(UNDOES)[: list(UNDOES).index(refused) + 1 if refused in UNDOES else None]
        found += [
            (Fault(refused, REFUSES), Fault(UNDOES[step], kind))
            for step in begun
            for kind in (BEFORE, AFTER, LATE)
        ]
    return found


@dataclass
class Explored:
    """What came of it.

    Attributes:
        scenarios: how many combinations of faults there were, the one without fault included.
        histories: by how many crashes they hold (0, 1, …), how many different ones there are.
        processes: how many had to be run for that.
        broken: by promise, how many histories break it. None goes on after that.
        first: a broken history: its promise, its faults, the points of its crashes.
    """

    scenarios: int = 0
    histories: dict[int, int] = field(default_factory=Counter)
    processes: int = 0
    broken: dict[str, int] = field(default_factory=Counter)
    first: str = ""


def explore(
    design: Design | None = None,
    crashes: int = 2,
    faults: Sequence[tuple[Fault, ...]] | None = None,
) -> Explored:
    """Run a checkout with each of the faults, and with up to so many crashes, at each point.

    Args:
        design: of the checkout.
        crashes: how many processes die in one history at most.
        faults: which; by default all :func:`scenarios`.
    """
    found, bench = Explored(), Bench(design or Design())
    for scenario in scenarios() if faults is None else faults:
        found.scenarios += 1
        lives: dict[Disk, Life] = {}
        _follow(bench, bench.begin(scenario), (), crashes, lives, found)
        found.processes += len(lives)
    return found


def explore_overlaps(design: Design | None = None) -> Explored:
    """Run a checkout with each of the faults, and let a second process overtake it at each point.

    That is what a supervisor does that takes a slow process for a dead one.

    Args:
        design: of the checkout.
    """
    found, bench = Explored(), Bench(design or Design())
    for scenario in scenarios():
        found.scenarios += 1
        alone = bench.live(bench.begin(scenario))
        for place, (name, _) in enumerate(alone.points):
            life = bench.live(bench.begin(scenario), overtaken_at=place)
            found.processes += 2
            _count(found, life, scenario, 1, f"overtaken {name}")
    return found


def _follow(
    bench: "Bench",
    disk: Disk,
    crashed: tuple[str, ...],
    more: int,
    lives: dict[Disk, Life],
    found: Explored,
) -> None:
    """Run a process from this disk on; and then, if it may die, from where it might leave it."""
    if disk not in lives:
        lives[disk] = bench.live(disk)
    life = lives[disk]
    where = ", then ".join(crashed) or "nowhere"
    _count(found, life, disk.scenario, len(crashed), f"crashed {where}")
    if more and not life.broken:
        for name, left in life.points:
            _follow(bench, left, (*crashed, name), more - 1, lives, found)


def _count(
    found: Explored, life: Life, scenario: tuple[Fault, ...], disturbed: int, how: str
) -> None:
    found.histories[disturbed] += 1
    if life.broken:
        found.broken[life.broken] += 1
        faults = ", ".join(map(str, scenario)) or "no fault"
        found.first = found.first or f"{life.broken} ({faults}; {how})"
