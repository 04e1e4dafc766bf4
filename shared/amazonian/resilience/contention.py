"""Clients that contend for one row: the simulation behind "Exponential Backoff And Jitter".

Our model of ``aws-samples/aws-arch-backoff-simulator`` (2015). Each of N clients must write one
versioned row once. It reads the row, writes with the version that it read, and succeeds if that
version is still the current one (optimistic concurrency control). The server takes no time and
has no limit, which is this model's catch.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from amazonian.resilience import retries

BASE_S, CAP_S = 0.005, 2.0

# From the number of failures so far (1 or more) and the wait before, the next wait in seconds.
Strategy = Callable[[int, float, random.Random], float]

STRATEGIES: dict[str, Strategy] = {
    "none": lambda n, previous_s, rng: 0.0,
    "exponential": lambda n, previous_s, rng: retries.capped_exponential(n, BASE_S, CAP_S),
    "equal": lambda n, previous_s, rng: retries.equal_jitter(n, BASE_S, CAP_S, rng),
    "full": lambda n, previous_s, rng: retries.full_jitter(n, BASE_S, CAP_S, rng),
    "decorrelated": lambda n, previous_s, rng: retries.decorrelated_jitter(
        previous_s, BASE_S, CAP_S, rng
    ),
}


@dataclass(frozen=True)
class Contention:
    """What one run cost: writes sent by all clients, and seconds until the last was answered."""

    calls: int
    completion_s: float


def contend(clients: int, strategy: Strategy, rng: random.Random) -> Contention:
    """Let `clients` clients, starting together, each write the row once.

    Args:
        clients: how many contend.
        strategy: how long each waits after a refused write.
        rng: draws the network's delays and the jitter.
    """
    version = calls = 0
    completion_s = 0.0
    failures, waited_s = [0] * clients, [BASE_S] * clients
    # (arrival time at the server, client, version that a write carries or None for a read)
    arrivals = [(_leg_s(rng), client, None) for client in range(clients)]
    heapq.heapify(arrivals)
    while arrivals:
        now_s, client, based_on = heapq.heappop(arrivals)
        if based_on is None:
            write_at_s = now_s + _leg_s(rng) + _leg_s(rng)
            heapq.heappush(arrivals, (write_at_s, client, version))
            continue
        calls += 1
        answered_s = now_s + _leg_s(rng)
        if based_on == version:
            version += 1
            completion_s = max(completion_s, answered_s)
            continue
        failures[client] += 1
        waited_s[client] = strategy(failures[client], waited_s[client], rng)
        heapq.heappush(arrivals, (answered_s + waited_s[client] + _leg_s(rng), client, None))
    return Contention(calls, completion_s)


def mean_contention(clients: int, strategy: Strategy, seed: int, runs: int = 60) -> Contention:
    """The means over `runs` seeded runs (calls as a float)."""
    rng = random.Random(seed)
    results = [contend(clients, strategy, rng) for _ in range(runs)]
    return Contention(
        sum(result.calls for result in results) / runs,
        sum(result.completion_s for result in results) / runs,
    )


def _leg_s(rng: random.Random) -> float:
    """One message's way through the network: 10 ms, give or take 2."""
    return abs(rng.gauss(0.010, 0.002))
