"""The simulator beside SimPy: the same queues, and how many requests each gets through.

Both run in this one process and thread, in turn, on queues of the same kind with random numbers
of their own. The time is the process's CPU time, with the drawing of random numbers, and the best
of the rounds counts. That both simulate the same thing is seen from the mean waits: each comes
with its 95% interval (batch means) and the formula's value, where there is one.

Run it with an interpreter that has SimPy, from the repository's root:

    .venv/clients/bin/python shared/benchmarks/simulator.py [--requests 100000] [--rounds 5]
"""

import argparse
import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from amazonian.shop import queueing, simulator
from amazonian.shop.simulator import Estimate, Station, batch_means

try:
    import simpy
except ImportError:
    simpy = None

BUSY = 0.9


def two_choices(rng: random.Random) -> Callable:
    """The station with fewer requests outstanding, of two different ones."""

    def choose(stations: list, key: object = None) -> object:
        place = int(rng.random() * len(stations))
        other = int(rng.random() * (len(stations) - 1))
        first, second = stations[place], stations[other + (other >= place)]
        return first if first.outstanding <= second.outstanding else second

    return choose


def ours(stations: int, servers: int, requests: int, seed: int) -> np.ndarray:
    """The waits, in service times."""
    rng = np.random.default_rng(seed)
    choose = simulator.only if stations == 1 else two_choices(random.Random(seed))
    arrivals_s = simulator.poisson(BUSY * stations * servers, requests, rng)
    services_s = simulator.exponential(1.0, requests, rng)
    visits = simulator.simulate(
        arrivals_s, services_s, [Station(servers) for _ in range(stations)], choose
    )
    return visits.wait_s


def peers(stations: int, servers: int, requests: int, seed: int) -> np.ndarray:
    """The same with SimPy, as its documentation writes it: a process for each request."""
    rng = random.Random(seed)
    world = simpy.Environment()

    class Desk(simpy.Resource):
        outstanding = property(lambda self: self.count + len(self.queue))

    desks = [Desk(world, servers) for _ in range(stations)]
    choose = two_choices(rng)
    waits = np.empty(requests)

    def request(number):
        came = world.now
        desk = desks[0] if stations == 1 else choose(desks)
        with desk.request() as turn:
            yield turn
            waits[number] = world.now - came
            yield world.timeout(rng.expovariate(1.0))

    def crowd():
        for number in range(requests):
            yield world.timeout(rng.expovariate(BUSY * stations * servers))
            world.process(request(number))

    world.process(crowd())
    world.run()
    return waits


def side_by_side(
    runs: Sequence[Callable], shape: tuple[int, int], requests: int, rounds: int
) -> list[tuple[float, Estimate]]:
    """For each: requests per CPU second in its best round, and the mean wait of all rounds.

    They take turns, so that what else the machine does hits them alike.
    """
    best, waits = [0.0] * len(runs), [[] for _ in runs]
    for seed in range(rounds):
        for number, run in enumerate(runs):
            start = time.process_time()
            found = run(*shape, requests, seed)
            best[number] = max(best[number], requests / (time.process_time() - start))
            waits[number].append(found[requests // 20 :])
    return [(b, batch_means(np.concatenate(w))) for b, w in zip(best, waits, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    runs = {"amazonian": ours} | ({f"SimPy {simpy.__version__}": peers} if simpy else {})
    print(f"Python {platform.python_version()}, one thread, {options.requests:,} requests a round")
    if not simpy:
        print("SimPy is not installed in this interpreter: it is left out")
    cases = {
        "1 server": (1, 1, queueing.mean_wait_s(1, BUSY, 1.0)),
        "10 servers, one queue": (1, 10, queueing.mean_wait_s(10, 10 * BUSY, 1.0)),
        "10 queues, two choices": (10, 1, None),
    }
    for name, (stations, servers, expected) in cases.items():
        formula = "no formula" if expected is None else f"formula {expected:.3f}"
        print(f"{name}, {BUSY:.0%} busy; mean wait in service times: {formula}")
        found = side_by_side(
            list(runs.values()), (stations, servers), options.requests, options.rounds
        )
        for who, (speed, wait) in zip(runs, found, strict=True):
            times = "" if speed is found[0][0] else f" ({found[0][0] / speed:.1f} times slower)"
            print(
                f"  {who:<12} {wait.value:6.3f} ({wait.low:.3f} to {wait.high:.3f}),"
                f" {speed:>10,.0f} requests per CPU second{times}"
            )


if __name__ == "__main__":
    main()
