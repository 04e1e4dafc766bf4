"""Few keys get most of the traffic: Zipf's law, and what a cache of a given size makes of it.

In our model requests are drawn independently of each other, key number *i* with a share
proportional to ``1 / i**s`` (the "independent reference model"). Real traffic has favourites of
the hour as well, which is why it is a model.
"""

import itertools
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import numpy as np


class Store(Protocol):
    """What the simulation needs of a store; `amazonian.resilience.caching.LRU` is one."""

    def get(self, key: Hashable) -> Any: ...

    def put(self, key: Hashable, value: Any) -> None: ...


class FIFO:
    """A bounded store that drops the oldest entry when it is full, used or not."""

    def __init__(self, capacity: int):
        if capacity < 1:
            raise ValueError(f"a store for {capacity} entries keeps nothing: at least 1")
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        return self._entries.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        self._entries[key] = value
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


def zipf(keys: int, s: float) -> np.ndarray:
    """The share of the requests that each key gets, from the most to the least popular.

    Args:
        keys: how many keys there are, at least 1.
        s: the exponent; 0 makes all equal, 1 is the classic, more is more unequal.

    Returns:
        An array of `keys` shares that sum to 1.
    """
    if keys < 1:
        raise ValueError(f"{keys} keys get no traffic: at least 1")
    weights = np.arange(1, keys + 1, dtype=float) ** -s
    return weights / weights.sum()


def requests(popularity: Sequence[float], count: int, rng: random.Random) -> list[int]:
    """`count` requests, as indices into `popularity`, each drawn independently."""
    upto = list(itertools.accumulate(popularity))
    return rng.choices(range(len(upto)), cum_weights=upto, k=count)


def measured_hit_ratio(store: Store, wanted: Sequence[Hashable], warm_up: int) -> float:
    """The share of requests that `store` could answer, leaving out the first `warm_up`.

    Args:
        store: asked for each key; after a miss the key is put.
        wanted: the requests' keys, in order.
        warm_up: how many requests fill the store before any is counted.
    """
    if not 0 <= warm_up < len(wanted):
        raise ValueError(f"{warm_up} of {len(wanted)} requests to warm up leave none to count")
    hits = 0
    for number, key in enumerate(wanted):
        if store.get(key) is not None:
            hits += number >= warm_up
        else:
            store.put(key, True)
    return hits / (len(wanted) - warm_up)


def best_static_hit_ratio(popularity: Sequence[float], capacity: int) -> float:
    """The hit ratio of a cache that holds the most popular keys and never changes."""
    return float(np.sort(popularity)[::-1][:capacity].sum())


def lru_present(expected: np.ndarray) -> np.ndarray:
    """The chance that LRU holds a key that `expected` requests are expected for within the time
    that an unused key stays: the chance that at least one of them came."""
    return -np.expm1(-expected)


def fifo_present(expected: np.ndarray) -> np.ndarray:
    """The same for FIFO, where a request does not lengthen the stay: the key is there for a time
    that fits `expected` requests, then away until the next one."""
    return expected / (1 + expected)


def che_hit_ratio(
    popularity: Sequence[float],
    capacity: int,
    present: Callable[[np.ndarray], np.ndarray] = lru_present,
) -> float:
    """The hit ratio of a cache, without a simulation: Che's approximation.

    Suppose that every key that is not asked for stays in the cache for the same time, `t`
    (counted in requests). Key *i* is then expected ``popularity[i] * t`` times in that time, and
    is in the cache with probability ``present(popularity[i] * t)``. Since the cache holds
    `capacity` keys, these probabilities sum to `capacity`: which `t` makes that so? It is found
    by bisection, since the sum only grows with `t`.

    Source: Che, Tung and Wang (2002), explained in https://arxiv.org/abs/1202.3974.

    Args:
        popularity: the share of the requests that each key gets; they sum to 1.
        capacity: how many keys the cache holds, from 0. If all keys with any traffic fit, the
            answer is 1.
        present: from an array of expected numbers of requests to an array of probabilities; for
            LRU, ``1 - exp(-x)``.

    Returns:
        The share of requests that are hits, accurate for the approximation to 9 digits.

    Raises:
        ValueError: `capacity` is negative, or the shares do not sum to 1 (within a millionth).
    """
    shares = np.asarray(popularity, dtype=float)
    if capacity < 0 or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(
            f"capacity {capacity} (at least 0?) and shares that sum to {shares.sum():g} (to 1?)"
        )
    if capacity >= np.count_nonzero(shares):
        return 1.0
    low, high = 0.0, 1.0
    while present(shares * high).sum() < capacity:
        high *= 2
    for _ in range(60):
        t = (low + high) / 2
        if present(shares * t).sum() < capacity:
            low = t
        else:
            high = t
    return float(shares @ present(shares * low))


def origin_rate(rate_per_s: float, fetch_s: float, ttl_s: float, coalesced: bool) -> float:
    """How many fetches a second one popular key costs the origin.

    A cycle is: the answer comes and lives for its TTL; the next request, 1/rate later, misses;
    its fetch takes a while. Requests that come during the fetch miss too, and each fetches
    unless they are coalesced. With a soft TTL, `ttl_s` is the soft one.

    Args:
        rate_per_s: requests for the key, a Poisson process.
        fetch_s: how long a fetch takes.
        ttl_s: how long its answer is good.
        coalesced: whether those who miss during a fetch share it.
    """
    cycle_s = ttl_s + 1 / rate_per_s + fetch_s
    return (1 if coalesced else 1 + rate_per_s * fetch_s) / cycle_s


def simulated_origin_rate(
    rate_per_s: float,
    fetch_s: float,
    ttl_s: float,
    coalesced: bool,
    rng: random.Random,
    until_s: float = 100_000.0,
) -> float:
    """What :func:`origin_rate` computes, counted in a simulation of `until_s` seconds.

    The TTL counts from the first answer to a miss; the answers to the others' fetches, which
    come a little later, change nothing.
    """
    now_s = fetches = 0
    good_from_s = good_until_s = 0.0  # between a fetch's end and its TTL's; before: in flight
    while now_s < until_s:
        now_s += rng.expovariate(rate_per_s)
        if now_s >= good_until_s:
            fetches += 1
            good_from_s = now_s + fetch_s
            good_until_s = good_from_s + ttl_s
        elif now_s < good_from_s and not coalesced:
            fetches += 1
    return fetches / now_s
