"""A day on which everybody wants the same thing: a hot item, simulated: lab 2.4.

The shop of the model (:mod:`amazonian.shop.capacity`) has grown for a crowd of a given size, whose
wishes are spread as Zipf's law has it. Then one product gets a large share of all views and
orders. More machines don't help the one that has this product, nor the one row with its stock.
"""

from dataclasses import dataclass

import numpy as np

from amazonian.shop import capacity, growth, simulator
from amazonian.shop.capacity import Architecture, Demand, Part
from amazonian.shop.simulator import Station, Visits

PATIENCE_S = 1.0  # how long a customer waits for an answer
LONG_QUEUE = 10_000  # so many wait at most where nobody has thought about it
PHASE_S = 20.0  # before the hot item, with it, and after it


@dataclass(frozen=True)
class Timeline:
    """What callers saw of one machine, second by second; NaN where there were none.

    Args:
        second: from 0 on, shape (seconds,).
        answered: the share of those who came in this second that got an answer in time.
        p99_s: how long 99 of 100 of those waited at most who were not rejected, in seconds.
    """

    second: np.ndarray
    answered: np.ndarray
    p99_s: np.ndarray


def timeline(
    name: str,
    architecture: Architecture,
    ordinary: Demand,
    hot: Demand,
    rng: np.random.Generator,
    *,
    queue_limit: int = LONG_QUEUE,
) -> Timeline:
    """A part's busiest machine for three times `PHASE_S`: an ordinary crowd, the hot item, and
    an ordinary crowd again.

    Args:
        name: of the part.
        architecture: has that part.
        ordinary, hot: the demand without and with the hot item.
        rng: makes all random numbers.
        queue_limit: how many may wait at the machine; more are rejected at once.
    """
    arrivals, services = [], []
    for phase, demand in enumerate((ordinary, hot, ordinary)):
        part = _part(name, architecture, demand)
        count = rng.poisson(part.rate_per_s * PHASE_S)
        arrivals.append(phase * PHASE_S + np.sort(rng.uniform(0, PHASE_S, count)))
        services.append(capacity.services_s(part, count, rng))
    station = Station(part.cores, queue_limit=queue_limit, deadline_s=PATIENCE_S)
    visits = simulator.simulate(np.concatenate(arrivals), np.concatenate(services), [station])
    return _by_second(visits, round(3 * PHASE_S))


def _part(name: str, architecture: Architecture, demand: Demand) -> Part:
    found = {part.name: part for part in capacity.parts(architecture, demand)}
    return found[name]


def _by_second(visits: Visits, seconds: int) -> Timeline:
    second = visits.arrival_s.astype(int)
    answered, p99_s = np.full(seconds, np.nan), np.full(seconds, np.nan)
    for number in np.unique(second):
        came = second == number
        answered[number] = visits.good[came].mean()
        admitted = came & ~visits.rejected
        if admitted.any():
            p99_s[number] = np.percentile(visits.time_s[admitted], 99)
    return Timeline(np.arange(seconds), answered, p99_s)


@dataclass(frozen=True)
class Rehearsal:
    """How a shop that has grown for so many users stands a hot item.

    Args:
        users: how many.
        bottleneck: the part that is busiest then.
        utilisation: how busy.
        answered: the share of the requests to its busiest machine that are answered in time.
        added: what has to be added, in words.
    """

    users: float
    bottleneck: str
    utilisation: float
    answered: float
    added: tuple[str, ...]


def rehearse(
    users: float,
    architecture: Architecture,
    hot_share: float,
    requests: int,
    rng: np.random.Generator,
) -> Rehearsal:
    """Simulate the busiest machine of a shop's bottleneck while one item is hot.

    Args:
        users: how many are shopping.
        architecture: what the shop has grown to.
        hot_share: which share of views and orders the item gets.
        requests: how many to simulate.
        rng: makes all random numbers.
    """
    demand = Demand(users, hot_share)
    part = capacity.bottleneck(capacity.parts(architecture, demand))
    arrivals_s = simulator.poisson(part.rate_per_s, requests, rng)
    station = Station(part.cores, queue_limit=LONG_QUEUE, deadline_s=PATIENCE_S)
    visits = simulator.simulate(arrivals_s, capacity.services_s(part, requests, rng), [station])
    added = tuple(f"{step.relieved}: {step}" for step in growth.grow(architecture, demand))
    return Rehearsal(users, part.name, part.utilisation, float(visits.good.mean()), added)
