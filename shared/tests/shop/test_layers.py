"""Caches behind caches: how old an answer may be, who must forget first, and what gets through."""

import itertools
import math
import random

import numpy as np
import pytest

from amazonian.resilience.caching import NotFoundError
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.popularity import origin_rate, requests, zipf
from amazonian.shop import layers
from amazonian.shop.layers import Layer

TTLS_S = (60.0, 1.0, 10.0)  # edge, local, shared


def stack(origin, clock, ttls_s=TTLS_S, capacity=1_000):
    """Layers from the reader to the origin, each with the next one behind it."""
    found = []
    for ttl_s in reversed(ttls_s):
        found.insert(0, Layer(origin, ttl_s, capacity, clock))
        origin = found[0].get
    return found


def test_no_answer_is_ever_older_than_the_sum_of_the_ttls_and_some_are_nearly():
    clock, rng = SimulatedClock(), random.Random(1)
    edge, local, shared = stack(lambda key: clock.now_s(), clock)
    oldest_s = 0.0
    for _ in range(25_000):
        clock.sleep(rng.expovariate(5.0))
        layer = rng.choice([edge, local, shared])
        oldest_s = max(oldest_s, clock.now_s() - layer.get("price"))
    assert layers.oldest_answer_s(TTLS_S) == 71
    assert 0.97 * 71 < oldest_s <= 71


def test_a_change_that_is_told_from_the_origin_outwards_is_seen_at_once():
    clock, prices = SimulatedClock(), {"price": 1}
    edge, local, shared = stack(prices.get, clock)
    assert edge.get("price") == 1
    prices["price"] = 2
    layers.invalidate("price", [shared, local, edge])
    assert [layer.get("price") for layer in (edge, local, shared)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("order", "seen"), [((2, 1, 0), 2), ((0, 1, 2), 1)], ids=["from the origin", "from the reader"]
)
def test_a_reader_between_two_layers_undoes_only_the_wrong_order(order, seen):
    clock, prices = SimulatedClock(), {"price": 1}
    found = stack(prices.get, clock)
    found[0].get("price")
    prices["price"] = 2

    def one_after_the_other():
        for number in order:
            yield found[number]
            found[0].get("price")  # a reader, between this layer and the next

    layers.invalidate("price", one_after_the_other())
    assert found[0].get("price") == seen


def test_that_there_is_nothing_is_remembered_by_every_layer():
    clock, asked = SimulatedClock(), []

    def origin(key):
        asked.append(key)
        raise NotFoundError(key)

    edge, *_ = stack(origin, clock)
    for _ in range(3):
        with pytest.raises(NotFoundError):
            edge.get("no such thing")
    assert len(asked) == 1


def test_each_layer_counts_what_it_is_asked_and_what_it_misses():
    clock = SimulatedClock()
    edge, local, shared = stack(str, clock)
    for key in (1, 1, 2, 1):
        edge.get(key)
    assert (edge.asked, edge.missed) == (4, 2)
    assert (local.asked, shared.asked, shared.missed) == (2, 2, 2)
    assert edge.hit_ratio == 0.5
    assert Layer(str, 1.0, 1, clock).hit_ratio == 0.0


@pytest.mark.parametrize("copies", [1, 8])
def test_what_gets_through_copies_with_a_ttl_is_what_the_formula_says(copies):
    clock, rng, rate_per_s, ttl_s, count = SimulatedClock(), random.Random(2), 20.0, 1.0, 40_000
    popularity = zipf(50, 1.0)
    shared = Layer(str, math.inf, 1_000, clock)
    local = [Layer(shared.get, ttl_s, 1_000, clock) for _ in range(copies)]
    for key in requests(popularity, count, rng):
        clock.sleep(rng.expovariate(rate_per_s))
        rng.choice(local).get(key)
    expected = layers.behind(rate_per_s * popularity, ttl_s, copies).sum() * clock.now_s()
    # Misses are less random than coin tosses, whose count would scatter by its square root.
    assert shared.asked == pytest.approx(expected, abs=3.3 * math.sqrt(expected))


def test_a_layer_with_a_ttl_asks_at_most_once_in_that_time_however_popular_the_key():
    rates = np.array([1e-3, 1.0, 1e6])
    assert layers.missed_per_s(rates, 2.0) == pytest.approx([9.98e-4, 1 / 3, 0.5], rel=1e-3)
    assert layers.behind(rates, 2.0, copies=100)[2] == pytest.approx(50, rel=1e-3)


def test_a_cache_has_fewer_hits_behind_another_one():
    asked = 100 * zipf(10_000, 1.0)
    alone = layers.lru_hit_ratio(asked, 1_000)
    assert alone == pytest.approx(0.6756, abs=0.0005)  # golden, and chapter 1's own
    ratios = [
        layers.lru_hit_ratio(layers.behind(asked, ttl_s), 1_000) for ttl_s in (0.1, 1.0, 10.0)
    ]
    assert all(less < more for more, less in itertools.pairwise([alone, *ratios]))


def test_those_who_share_a_fetch_wait_as_the_formula_says():
    rng, rate_per_s, fetch_s = random.Random(3), 40.0, 0.2
    waits_s = []
    for _ in range(4_000):
        waits_s.append(fetch_s)  # the first one
        now_s = rng.expovariate(rate_per_s)
        while now_s < fetch_s:
            waits_s.append(fetch_s - now_s)
            now_s += rng.expovariate(rate_per_s)
    expected = layers.coalesced_wait_s(rate_per_s, fetch_s)
    assert expected == pytest.approx(fetch_s * (1 + 8 / 2) / (1 + 8))
    margin = 3.3 * np.std(waits_s) / math.sqrt(len(waits_s))
    assert np.mean(waits_s) == pytest.approx(expected, abs=margin)


def test_coalesced_and_soft_ttl_origin_rates_are_golden():
    rate_per_s, fetch_s, ttl_s = 5.0, 0.2, 10.0
    cycle_s = ttl_s + 1 / rate_per_s + fetch_s
    assert origin_rate(rate_per_s, fetch_s, ttl_s, coalesced=True) == pytest.approx(1 / cycle_s)
    bare = origin_rate(rate_per_s, fetch_s, ttl_s, coalesced=False)
    assert bare == pytest.approx((1 + rate_per_s * fetch_s) / cycle_s)
