"""What a shop adds as it grows from one user to a hundred million, in a model: lab 2.4.

The model itself is :mod:`amazonian.shop.capacity`. Only the price is a published one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from amazonian.shop.capacity import (
    Architecture,
    Demand,
    bottleneck,
    parts,
    utilisation_of,
)

# An m7g.large (2 cores, 8 GB) in us-east-1, on demand: $0.0816 an hour (AWS's offer file, 30
# September 2026). A nanodollar is a billionth of a dollar.
MACHINE_NANODOLLARS_PER_H = 81_600_000

FULL = 0.7  # from this utilisation on something must be done: the queue grows fast beyond
RELIEF = 0.9  # what leaves a part more than this much of its utilisation is no relief
GROWTH = 4  # a step adds a quarter to what is there already, and one at least


class NothingHelpsError(Exception):
    """No step relieves the bottleneck: the shop can't grow any further in this shape."""


def steps(architecture: Architecture) -> list[Architecture]:
    """What can be added to a shop: one thing each."""

    def more(count: int) -> int:
        return count + max(1, count // GROWTH)

    shape = architecture
    found = [replace(shape, web=more(shape.web)), replace(shape, pieces=2 * shape.pieces)]
    if shape.web:  # as long as there is one machine, there is nothing else that could be split
        found += [
            replace(shape, replicas=more(shape.replicas)),
            replace(shape, shards=more(shape.shards)),
            replace(shape, caches=more(shape.caches)),
            replace(shape, search=more(shape.search)),
        ]
        found += [] if shape.local else [replace(shape, local=True)]
    return found


def next_step(architecture: Architecture, demand: Demand) -> Architecture | None:
    """What to add next, if anything: relief for the bottleneck, for as little money as possible.

    Nothing, as long as the bottleneck's utilisation is at most `FULL`. Otherwise one of
    ``steps(architecture)`` that relieves it: after which *the same part* (`utilisation_of` its
    name, under the same demand) has a utilisation below `RELIEF` times its present one. Whether
    another part is the bottleneck then does not matter; it will have its turn. Of the steps that
    relieve, take the one that leaves the smallest product of all the shop's `machines` and that
    part's utilisation: what the shop costs for each user whom the part could serve.

    Args:
        architecture: the shop as it is.
        demand: what it has to stand.

    Returns:
        The shop with one thing added; None if nothing has to be.

    Raises:
        NothingHelpsError: something has to be done, and no step relieves the bottleneck.
    """
    full = bottleneck(parts(architecture, demand))
    if full.utilisation <= FULL:
        return None

    def left(step: Architecture) -> float:
        return utilisation_of(full.name, step, demand)

    helpful = [step for step in steps(architecture) if left(step) < RELIEF * full.utilisation]
    if not helpful:
        raise NothingHelpsError(f"no step relieves the {full.name}: another shape is needed")
    return min(helpful, key=lambda step: step.machines * left(step))


@dataclass(frozen=True)
class Step:
    """One thing that was added on the way: when, because of which part, and what."""

    users: float
    relieved: str
    before: Architecture
    after: Architecture

    def __str__(self) -> str:
        for field in fields(Architecture):
            old, new = getattr(self.before, field.name), getattr(self.after, field.name)
            if old != new:
                return f"{field.name} {old} → {new}"
        return "nothing"


def grow(architecture: Architecture, demand: Demand) -> Iterator[Step]:
    """Add one thing after the other, until nothing is too busy under this demand.

    Raises:
        NothingHelpsError: it comes to a part that no step relieves.
    """
    while (better := next_step(architecture, demand)) is not None:
        full = bottleneck(parts(architecture, demand))
        yield Step(demand.users, full.name, architecture, better)
        architecture = better


def history(most_users: float) -> list[Step]:
    """All that was added from one user to `most_users`, who become a tenth of a decade more at a
    time: ten times as many in ten rounds."""
    added: list[Step] = []
    rounds = round(10 * np.log10(most_users))
    for number in range(rounds + 1):
        added += grow(added[-1].after if added else Architecture(), Demand(10 ** (number / 10)))
    return added


def at(users: float, added: list[Step]) -> Architecture:
    """The shop as it was with so many users, in a history."""
    until = [step.after for step in added if step.users <= users * (1 + 1e-9)]
    return until[-1] if until else Architecture()


def nanodollars_per_order(architecture: Architecture, demand: Demand) -> int:
    """What the machines cost for each order, in billionths of a dollar, rounded up."""
    per_s = architecture.machines * MACHINE_NANODOLLARS_PER_H / 3600
    return int(np.ceil(per_s / demand.orders_per_s))
