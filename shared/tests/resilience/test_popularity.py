"""Hit ratios and origin load: the formulas against golden values and against simulations."""

import random

import numpy as np
import pytest

from amazonian.resilience import coldcache
from amazonian.resilience.caching import LRU
from amazonian.resilience.popularity import (
    FIFO,
    best_static_hit_ratio,
    che_hit_ratio,
    fifo_present,
    lru_present,
    measured_hit_ratio,
    origin_rate,
    requests,
    simulated_origin_rate,
    zipf,
)

# 10,000 keys under Zipf's law with exponent 1; computed independently of this code.
GOLDEN = {
    ("LRU", 100): 0.3905,
    ("LRU", 1000): 0.6756,
    ("FIFO", 100): 0.3423,
    ("FIFO", 1000): 0.6309,
}
POLICIES = {"LRU": (LRU, lru_present), "FIFO": (FIFO, fifo_present)}


@pytest.fixture(scope="module")
def wanted():
    return requests(zipf(10_000, 1.0), 400_000, random.Random(1))


@pytest.mark.parametrize(("policy", "capacity"), GOLDEN)
def test_the_formula_gives_the_golden_hit_ratio(policy, capacity):
    ratio = che_hit_ratio(zipf(10_000, 1.0), capacity, POLICIES[policy][1])
    assert ratio == pytest.approx(GOLDEN[policy, capacity], abs=0.0005)


@pytest.mark.parametrize(("policy", "capacity"), GOLDEN)
def test_the_simulation_comes_within_half_a_point_of_it(policy, capacity, wanted):
    ratio = measured_hit_ratio(POLICIES[policy][0](capacity), wanted, warm_up=50_000)
    assert ratio == pytest.approx(GOLDEN[policy, capacity], abs=0.005)


@pytest.mark.parametrize(("capacity", "ratio"), [(100, 0.53), (1000, 0.7648)])
def test_the_best_static_cache_has_the_golden_hit_ratio(capacity, ratio):
    assert best_static_hit_ratio(zipf(10_000, 1.0), capacity) == pytest.approx(ratio, abs=0.0005)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0, 1.4])
@pytest.mark.parametrize("capacity", [1, 10, 100, 499])
def test_fifo_is_below_lru_is_below_the_best_static_cache(exponent, capacity):
    shares = zipf(500, exponent)
    fifo, lru = che_hit_ratio(shares, capacity, fifo_present), che_hit_ratio(shares, capacity)
    assert fifo <= lru + 1e-9
    assert lru <= best_static_hit_ratio(shares, capacity) + 1e-9
    assert capacity / 500 <= fifo + 1e-9


def test_zipf_sums_to_one_and_an_exponent_of_zero_makes_all_equal():
    assert zipf(1000, 1.2).sum() == pytest.approx(1)
    assert np.allclose(zipf(10, 0.0), 0.1)
    assert zipf(10, 1.0)[0] / zipf(10, 1.0)[9] == pytest.approx(10)
    with pytest.raises(ValueError, match="at least 1"):
        zipf(0, 1.0)


def test_a_measurement_without_a_counted_request_is_refused():
    with pytest.raises(ValueError, match="leave none to count"):
        measured_hit_ratio(LRU(1), [1, 2], warm_up=2)


@pytest.mark.parametrize("coalesced", [False, True])
@pytest.mark.parametrize(
    ("rate_per_s", "fetch_s", "ttl_s"), [(1, 0.2, 10), (10, 0.2, 10), (50, 1, 5)]
)
def test_the_origins_load_is_as_the_formula_says(rate_per_s, fetch_s, ttl_s, coalesced):
    rng = random.Random(3)
    counted = simulated_origin_rate(rate_per_s, fetch_s, ttl_s, coalesced, rng, 20_000.0)
    assert counted == pytest.approx(origin_rate(rate_per_s, fetch_s, ttl_s, coalesced), rel=0.03)


def test_the_formula_is_the_courses_own():
    cycle_s = 10 + 1 / 5 + 0.2
    assert origin_rate(5, 0.2, 10, False) == pytest.approx((1 + 5 * 0.2) / cycle_s)
    assert origin_rate(5, 0.2, 10, True) == pytest.approx(1 / cycle_s)


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_an_empty_cache_stays_empty_unless_fetches_are_limited_or_late_answers_kept(seed):
    bare = coldcache.restart(seed, coalesced=False)
    coalesced = coldcache.restart(seed, coalesced=True)
    protected = coldcache.restart(seed, coalesced=True, most_in_flight=100)
    kept = coldcache.restart(seed, coalesced=True, late_answers_kept=True)
    for run in (bare, coalesced):
        assert run.recovery_s() is None
        assert sum(run.fetches[50:]) / 10 > coldcache.ORIGIN_PER_S
    assert sum(coalesced.fetches) < sum(bare.fetches)
    assert protected.recovery_s() <= 5
    assert 0 < kept.recovery_s() <= 10
    assert sum(protected.failed) < sum(kept.failed) < sum(coalesced.failed)
    for run in (bare, coalesced, protected, kept):
        assert sum(run.failed[:10]) == 0
        assert sum(run.fetches[:10]) / 10 == pytest.approx(230, abs=10)


def test_a_restart_that_nobody_notices_has_recovered_at_once():
    assert coldcache.ColdStart([10, 10], [1, 1], [0, 0]).recovery_s() == 0
