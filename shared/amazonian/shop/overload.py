"""A service that is asked for more than it can do, behind a gate: a model of lab 2.2.

Requests arrive independently of each other. Of those that the gate has admitted `servers` are
worked on at once, first come, first served, each for a random time with a given mean. The clients
hang up after `timeout_s`; the service can't see that, and works on.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from amazonian.resilience.clock import Clock
from amazonian.shop import shedding
from amazonian.shop.shedding import Decision, Ticket


@dataclass(frozen=True)
class Outcome:
    """What became of the requests.

    Args:
        offered: how many came.
        in_time: how many were answered before their client hung up: the goodput.
        too_late: how many were worked on for nothing.
        refused: how many were told so.
        duration_s: from the first to the last, in seconds.
    """

    offered: int
    in_time: int
    too_late: int
    refused: int
    duration_s: float

    @property
    def goodput_per_s(self) -> float:
        return self.in_time / self.duration_s


class _Now:
    """The moment that the simulation has come to."""

    def __init__(self) -> None:
        self.s = 0.0

    def now_s(self) -> float:
        return self.s

    def sleep(self, seconds: float) -> None:
        raise RuntimeError("nobody sleeps here: time goes from event to event")


def simulate(
    rate_per_s: float,
    gate: Callable[[Clock], "shedding.Gate"],
    *,
    servers: int = 4,
    work_s: float = 0.02,
    timeout_s: float = 0.3,
    duration_s: float = 60.0,
    seed: int = 22,
) -> Outcome:
    """Send `rate_per_s` requests a second to a service that can do ``servers / work_s``.

    Args:
        rate_per_s: mean number of arrivals in a second.
        gate: makes the gate, on the clock that it is given; its limit should be `servers`.
        servers: how many requests are worked on at once.
        work_s: mean of the exponential time that a request takes, in seconds.
        timeout_s: how long a client waits.
        duration_s: for how long requests arrive, in seconds.
        seed: of arrivals and of the work.
    """
    rng, now = random.Random(seed), _Now()
    at_gate = gate(now)
    leaving: list[tuple[float, float]] = []  # (when it is done, when it came)
    busy_until_s = [0.0] * servers  # a heap: when each server will be free
    counts = {"offered": 0, "in time": 0, "too late": 0, "refused": 0}

    def ticket() -> Ticket:
        came_s = now.s

        def told() -> None:
            if made.decision is Decision.REFUSED:
                counts["refused"] += 1
                return
            done_s = max(now.s, busy_until_s[0]) + rng.expovariate(1 / work_s)
            heapq.heapreplace(busy_until_s, done_s)
            heapq.heappush(leaving, (done_s, came_s))

        made = Ticket(came_s, told)
        return made

    def leave() -> None:
        now.s, came_s = heapq.heappop(leaving)
        counts["in time" if now.s - came_s <= timeout_s else "too late"] += 1
        at_gate.depart()

    arrives_s = rng.expovariate(rate_per_s)
    while arrives_s < duration_s:
        while leaving and leaving[0][0] <= arrives_s:
            leave()
        now.s = arrives_s
        counts["offered"] += 1
        at_gate.arrive(ticket())
        arrives_s += rng.expovariate(rate_per_s)
    while leaving:
        leave()
    return Outcome(
        counts["offered"], counts["in time"], counts["too late"], counts["refused"], duration_s
    )


def no_gate(clock: Clock) -> "shedding.Gate":
    """Everybody is let in, and waits inside."""
    return shedding.Gate(10**9, 0, 0.0, clock)
