"""A retry storm: a service that stays down after its fault has gone.

In our model one server takes requests in the order of their arrival. For ten seconds it runs at a
fifth of its capacity. Clients give up after half a second, and the server, which can't know that,
goes on working through requests that nobody waits for.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from amazonian.resilience import retries

ARRIVALS_PER_S = 80.0
CAPACITY_PER_S = 100.0
TROUGH_SHARE = 0.2
FAULT_BEGINS_S, FAULT_ENDS_S = 20.0, 30.0
TIMEOUT_S = 0.5

# Decides about a retry: from retries made so far for this request and the moment, the wait in
# seconds, or None to give up.
Decide = Callable[[int, random.Random], float | None]


@dataclass
class Storm:
    """What happened, second by second."""

    offered: list[int]
    answered: list[int]
    late: list[int] = field(repr=False)
    recovery_s: float | None = None


def simulate(
    decide: Decide,
    seed: int,
    until_s: float = 150.0,
    on_success: Callable[[int], None] = lambda retries_made: None,
) -> Storm:
    """Send 80 requests/s to a server of 100/s that drops to 20/s from second 20 to 30.

    Args:
        decide: asked at each timeout whether, and after which wait, to try again.
        seed: of arrivals, service times and jitter.
        until_s: length of the simulation, in seconds.
        on_success: told, for each answer in time, how many retries it took.

    Returns:
        Attempts, answers in time and answers too late for each second; and how many seconds
        after the fault's end the queue was short enough for an answer in time, or None.
    """
    rng = random.Random(seed)
    seconds = int(until_s)
    storm = Storm([0] * seconds, [0] * seconds, [0] * seconds)
    free_at_s = 0.0
    events: list[tuple[float, int, str, int]] = []
    serial = 0

    def push(at_s: float, what: str, made: int) -> None:
        nonlocal serial
        serial += 1
        heapq.heappush(events, (at_s, serial, what, made))

    push(rng.expovariate(ARRIVALS_PER_S), "request", 0)
    while events and events[0][0] < until_s:
        now_s, _, what, made = heapq.heappop(events)
        if what == "answer":
            storm.answered[int(now_s)] += 1
            on_success(made)
            continue
        if what == "timeout":
            wait_s = decide(made, rng)
            if wait_s is not None:
                push(now_s + wait_s, "retry", made + 1)
            continue
        if what == "request":
            push(now_s + rng.expovariate(ARRIVALS_PER_S), "request", 0)
        storm.offered[int(now_s)] += 1
        free_at_s = _finish(max(now_s, free_at_s), rng.expovariate(CAPACITY_PER_S))
        if free_at_s - now_s <= TIMEOUT_S:
            push(free_at_s, "answer", made)
            if storm.recovery_s is None and now_s >= FAULT_ENDS_S:
                storm.recovery_s = now_s - FAULT_ENDS_S
        else:
            if free_at_s < until_s:
                storm.late[int(free_at_s)] += 1
            push(now_s + TIMEOUT_S, "timeout", made)
    return storm


def _finish(start_s: float, work_s: float) -> float:
    """When work that takes `work_s` at full capacity is done, if it starts at `start_s`."""
    if start_s < FAULT_BEGINS_S:
        if start_s + work_s <= FAULT_BEGINS_S:
            return start_s + work_s
        work_s -= FAULT_BEGINS_S - start_s
        start_s = FAULT_BEGINS_S
    if start_s < FAULT_ENDS_S:
        slowed_s = work_s / TROUGH_SHARE
        if start_s + slowed_s <= FAULT_ENDS_S:
            return start_s + slowed_s
        work_s -= (FAULT_ENDS_S - start_s) * TROUGH_SHARE
        start_s = FAULT_ENDS_S
    return start_s + work_s


def never(made: int, rng: random.Random) -> float | None:
    """No retries."""
    return None


def at_once(made: int, rng: random.Random) -> float | None:
    """Up to three retries, each the moment the attempt before it times out."""
    return 0.0 if made < 3 else None


def with_backoff(made: int, rng: random.Random) -> float | None:
    """Up to three retries, with full jitter."""
    return retries.full_jitter(made, 0.05, 20.0, rng) if made < 3 else None


def with_quota(
    seed: int, costs: retries.QuotaCosts = retries.SDK_FROM_2026_11, until_s: float = 150.0
) -> Storm:
    """The same storm, with backoff and one retry quota shared by all calls."""
    quota = retries.RetryQuota(costs)

    def decide(made: int, rng: random.Random) -> float | None:
        wait_s = with_backoff(made, rng)
        return wait_s if wait_s is not None and quota.acquire("timeout") else None

    def on_success(made: int) -> None:
        quota.release("timeout" if made else None)

    return simulate(decide, seed, until_s, on_success)
