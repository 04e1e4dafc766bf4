"""Caches behind caches: in the process, shared, and at the edge: lab 2.4.

A *layer* is one of chapter 1's caches whose origin is the next layer: the copy in each web
server's own memory asks the shared cache, the shared cache asks the database, and a copy at the
edge of the network asks a web server. Each layer has a TTL and a size of its own.

Numbered from the reader to the origin, layer 1 is asked by readers and the last one asks the
origin.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from amazonian.resilience import popularity
from amazonian.resilience.caching import Cache, Entry
from amazonian.resilience.clock import Clock


class Layer:
    """One cache of several, which counts how often it is asked and how often it has to ask.

    Args:
        fetch: asks the next layer, or the origin.
        ttl_s: how long an answer is kept, counted from its arrival in this layer.
        capacity: for how many keys it has room; the least recently used are dropped.
        clock: where the time comes from.
        keep_s: how long an answer is given if the next layer has none; by default `ttl_s`.

    Attributes:
        asked: how often somebody wanted something.
        missed: how often that was not there, and it asked the next layer.
    """

    def __init__(
        self,
        fetch: Callable[[Any], object],
        ttl_s: float,
        capacity: int,
        clock: Clock,
        keep_s: float | None = None,
    ):
        self.asked = self.missed = 0
        self._fetch, self._clock, self._counting = fetch, clock, threading.Lock()
        keep_s = ttl_s if keep_s is None else keep_s
        self._cache: Cache = Cache(self._count_and_fetch, ttl_s, keep_s, ttl_s, capacity, clock)

    def _count_and_fetch(self, key: Hashable) -> object:
        with self._counting:
            self.missed += 1
        return self._fetch(key)

    def get(self, key: Hashable) -> object:
        """The value of `key`, from this layer or from one behind it."""
        with self._counting:
            self.asked += 1
        return self._cache.get(key)

    def forget(self, key: Hashable) -> None:
        """Ask again for `key` the next time, however fresh the answer kept here is."""
        self._cache.entries.put(key, Entry(None, None, self._clock.now_s(), 0.0, 0.0))

    @property
    def hit_ratio(self) -> float:
        """The share of what it was asked for that was there."""
        return 1 - self.missed / self.asked if self.asked else 0.0


def invalidate(key: Hashable, layers: Iterable[Layer]) -> None:
    """Make every layer forget a key, after the origin has changed.

    Args:
        key: what has changed.
        layers: the one nearest to the origin first. In the other order a reader who comes in
            between fills an outer layer again with the old value of an inner one.
    """
    for layer in layers:
        layer.forget(key)


def oldest_answer_s(ttls_s: Sequence[float]) -> float:
    """How old an answer can be at most, when the origin has changed and nobody has told the caches.

    A layer may have got an answer that was about to expire in the layer behind it, and then keeps
    it for its own TTL: the TTLs add up. (The time that fetches take comes on top of that.)
    """
    return sum(ttls_s)


# --- hit ratios, in the model of lab 1.4 ---------------------------------------------------------


def missed_per_s(asked_per_s: np.ndarray, ttl_s: float) -> np.ndarray:
    """What a layer with room for everything asks of the next one, in requests a second.

    Once in TTL + 1/rate for each key (chapter 1's formula, with a fetch that takes no time), so
    never more than 1/TTL, however popular the key.

    Args:
        asked_per_s: requests a second for each key, all above 0, shape (keys,).
        ttl_s: how long an answer is kept.
    """
    return popularity.origin_rate(asked_per_s, 0.0, ttl_s, coalesced=True)


def behind(asked_per_s: np.ndarray, ttl_s: float, copies: int = 1) -> np.ndarray:
    """The same for `copies` equal caches that share the requests evenly.

    Each has to fetch a popular key for itself, so that `copies` caches of one second's TTL ask
    for it up to `copies` times a second.
    """
    return copies * missed_per_s(asked_per_s / copies, ttl_s)


def lru_hit_ratio(asked_per_s: np.ndarray, capacity: int) -> float:
    """The hit ratio of an LRU cache that is asked so often for each key: Che's approximation.

    What a layer in front has answered is missing in `asked_per_s`, and with it the popularity
    that a cache lives on: the same cache has fewer hits behind another one.
    """
    return popularity.che_hit_ratio(asked_per_s / asked_per_s.sum(), capacity)


def coalesced_wait_s(rate_per_s: float, fetch_s: float) -> float:
    """The mean wait of those who find a key missing, if they share one fetch.

    The first one waits for all of it; those who come while it is under way, `rate_per_s` ×
    `fetch_s` on average, wait for half of it on average.

    Args:
        rate_per_s: requests for the key, a Poisson process.
        fetch_s: how long a fetch takes.
    """
    joining = rate_per_s * fetch_s
    return fetch_s * (1 + joining / 2) / (1 + joining)
