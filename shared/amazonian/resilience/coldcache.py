"""A cache restarts empty, and its origin meets the whole of the traffic.

In our model an origin takes fetches one after the other, in the order of their arrival. Whoever
waits for a fetch gives up after half a second, and an answer that comes later than that is thrown
away: nobody is left to store it.
"""

import heapq
import random
from collections import deque
from dataclasses import dataclass

from amazonian.resilience import caching, popularity

KEYS, CAPACITY = 10_000, 2_000
REQUESTS_PER_S = 1000.0
ORIGIN_PER_S = 320.0
TIMEOUT_S = 0.5
RESTART_S = 10.0
WARM_UP_REQUESTS = 20_000


@dataclass(frozen=True, order=True)
class _Fetch:
    """One fetch: when its caller stops waiting for it, its key, whether its answer is stored."""

    ends_s: float
    key: int
    stored: bool


@dataclass
class ColdStart:
    """What happened, second by second: requests that came, fetches sent, requests that failed."""

    requests: list[int]
    fetches: list[int]
    failed: list[int]

    def recovery_s(self, tolerated: float = 0.01) -> int | None:
        """Seconds from the restart until no later second fails more than this share of its
        requests; None if that is not reached."""
        bad = [s for s, n in enumerate(self.failed) if n > tolerated * self.requests[s]]
        if not bad:
            return 0
        after_s = bad[-1] + 1 - int(RESTART_S)
        return after_s if bad[-1] + 1 < len(self.failed) else None


def restart(
    seed: int,
    coalesced: bool,
    most_in_flight: int | None = None,
    late_answers_kept: bool = False,
    until_s: int = 60,
) -> ColdStart:
    """Run a warm cache for ten seconds, empty it, and run on.

    Args:
        seed: of arrivals, keys and service times.
        coalesced: whether requests that miss the same key at the same time share a fetch.
        most_in_flight: how many fetches the cache has under way at most; a miss beyond that
            fails at once. None sets no limit.
        late_answers_kept: whether an answer is stored that came after its caller had given up.
        until_s: length of the run, in seconds.
    """
    rng = random.Random(seed)
    shares = popularity.zipf(KEYS, 1.0)
    store = caching.LRU(CAPACITY)
    for key in popularity.requests(shares, WARM_UP_REQUESTS, rng):
        store.put(key, True)
    keys = deque(popularity.requests(shares, int(REQUESTS_PER_S * until_s * 1.1), rng))
    run = ColdStart([0] * until_s, [0] * until_s, [0] * until_s)
    in_flight: list[_Fetch] = []
    latest: dict[int, _Fetch] = {}
    free_at_s = now_s = 0.0
    cold = False
    while (now_s := now_s + rng.expovariate(REQUESTS_PER_S)) < until_s:
        if not cold and now_s >= RESTART_S:
            cold, store = True, caching.LRU(CAPACITY)
        while in_flight and in_flight[0].ends_s <= now_s:
            done = heapq.heappop(in_flight)
            if done.stored:
                store.put(done.key, True)
            if latest[done.key] is done:
                del latest[done.key]
        key, second = keys.popleft(), int(now_s)
        run.requests[second] += 1
        if store.get(key) is not None:
            continue
        fetch = latest.get(key) if coalesced else None
        if fetch is None:
            if most_in_flight is not None and len(in_flight) >= most_in_flight:
                run.failed[second] += 1
                continue
            run.fetches[second] += 1
            free_at_s = max(now_s, free_at_s) + rng.expovariate(ORIGIN_PER_S)
            stored = late_answers_kept or free_at_s - now_s <= TIMEOUT_S
            # An answer that nobody will take holds its caller until the timeout.
            fetch = _Fetch(free_at_s if stored else now_s + TIMEOUT_S, key, stored)
            latest[key] = fetch
            heapq.heappush(in_flight, fetch)
        run.failed[second] += not fetch.stored or fetch.ends_s - now_s > TIMEOUT_S
    return run
