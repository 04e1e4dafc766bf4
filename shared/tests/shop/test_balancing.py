"""The five policies: what they choose, and how long requests take under them."""

import random
from collections import Counter

import numpy as np
import pytest

from amazonian.shop import balancing, queueing
from amazonian.shop.balancing import Backend
from amazonian.shop.simulator import (
    Station,
    batch_means,
    exponential,
    poisson,
    simulate,
)


def backends(*outstanding):
    return [Backend(f"b{n}", outstanding=busy) for n, busy in enumerate(outstanding)]


def chosen(policy, among, times, key=None):
    return Counter(policy.choose(among, key).name for _ in range(times))


def test_round_robin_takes_each_in_its_turn_whatever_its_load():
    among, policy = backends(5, 0, 9), balancing.RoundRobin()
    assert "".join(policy.choose(among).name[1] for _ in range(7)) == "0120120"


def test_round_robin_goes_on_when_backends_come_and_go():
    among, policy = backends(0, 0, 0, 0), balancing.RoundRobin()
    for _ in range(7):
        policy.choose(among)
    fewer = among[:2]
    assert chosen(policy, fewer, 10) == {"b0": 5, "b1": 5}


def test_random_takes_all_alike():
    counts = chosen(balancing.Random(random.Random(1)), backends(*[0] * 10), 10_000)
    assert all(900 < count < 1100 for count in counts.values())


def test_the_least_busy_is_chosen_and_among_equals_any():
    among = backends(3, 1, 2, 1)
    counts = chosen(balancing.LeastOutstanding(random.Random(1)), among, 1000)
    assert set(counts) == {"b1", "b3"}
    assert 400 < counts["b1"] < 600


def test_of_two_the_less_busy_is_chosen_and_the_busiest_of_all_never():
    among = backends(0, 1, 2)
    counts = chosen(balancing.PowerOfTwo(random.Random(1)), among, 3000)
    assert set(counts) == {"b0", "b1"}
    assert 1900 < counts["b0"] < 2100  # it is in two of the three pairs


def test_one_backend_alone_is_chosen_by_every_policy():
    alone, rng = backends(7), random.Random(1)
    for policy in (
        balancing.RoundRobin(),
        balancing.Random(rng),
        balancing.LeastOutstanding(rng),
        balancing.PowerOfTwo(rng),
        balancing.ConsistentHash(),
    ):
        assert policy.choose(alone, "key").name == "b0"


def test_hashing_keeps_a_key_where_it_is_unless_its_own_backend_goes():
    among, policy = backends(*[0] * 5), balancing.ConsistentHash()
    keys = [f"/carts/{user}" for user in range(2000)]
    before = {key: policy.choose(among, key).name for key in keys}
    assert set(before.values()) == {backend.name for backend in among}
    without = [backend for backend in among if backend.name != "b2"]
    after = {key: policy.choose(without, key).name for key in keys}
    assert all(after[key] == before[key] for key in keys if before[key] != "b2")
    assert {key: policy.choose(among, key).name for key in keys} == before


def test_hashing_without_a_key_is_refused():
    with pytest.raises(ValueError, match="key"):
        balancing.ConsistentHash().choose(backends(0))


# --- how long requests take -------------------------------------------------------------------

POLICIES = {
    "random": lambda: balancing.Random(random.Random(2)),
    "round robin": lambda: balancing.RoundRobin(),
    "two choices": lambda: balancing.PowerOfTwo(random.Random(2)),
    "least outstanding": lambda: balancing.LeastOutstanding(random.Random(2)),
}
# Median and 99th percentile of the time in the system, in mean service times: ten servers, Poisson
# arrivals, exponential service. Those of random and round robin follow from closed forms (M/M/1,
# E10/M/1); the others were simulated with a program that has nothing in common with ours.
EXPECTED = {
    ("random", 0.7): (2.31, 15.35),
    ("random", 0.9): (6.93, 46.05),
    ("random", 0.95): (13.86, 92.1),
    ("round robin", 0.7): (1.4, 9.3),
    ("round robin", 0.9): (3.923, 26.07),
    ("round robin", 0.95): (7.732, 51.37),
    ("two choices", 0.7): (1.255, 6.85),
    ("two choices", 0.9): (2.46, 10.44),
    ("two choices", 0.95): (3.67, 14.7),
    ("least outstanding", 0.7): (0.813, 5.24),
    ("least outstanding", 0.9): (1.432, 7.93),
    ("least outstanding", 0.95): (2.23, 12.1),
}
REQUESTS = {0.7: 100_000, 0.9: 200_000, 0.95: 300_000}
# Student's t with 19 degrees of freedom: an estimate comes with its 95% interval, and of 24 such
# intervals one would miss. These are of 99.9%.
WIDER = 3.883 / 2.093


def times(policy, servers, utilisation, requests, seed=22):
    rng = np.random.default_rng(seed)
    visits = simulate(
        poisson(servers * utilisation, requests, rng),
        exponential(1.0, requests, rng),
        [Station() for _ in range(servers)],
        policy.choose,
    )
    return visits.after(requests // 10).time_s


def within(estimate, number):
    return abs(number - estimate.value) <= WIDER * (estimate.high - estimate.value)


@pytest.mark.parametrize(("policy", "utilisation"), EXPECTED)
def test_simulated_percentiles_agree_with_those_expected(policy, utilisation):
    took = times(POLICIES[policy](), 10, utilisation, REQUESTS[utilisation])
    for percent, expected in zip((50, 99), EXPECTED[policy, utilisation], strict=True):
        estimate = batch_means(took, lambda batch, p=percent: np.percentile(batch, p))
        assert within(estimate, expected), f"p{percent}: {estimate}, expected {expected}"
        assert estimate.high - estimate.value < 0.2 * estimate.value  # it says something


def test_old_reports_make_a_herd_of_the_least_busy_and_less_of_one_of_two_choices():
    """Everybody runs to who looked idle: worse than not looking at all."""

    def p99(policy):
        return np.percentile(times(policy, 10, 0.9, 60_000), 99)

    by_chance = p99(POLICIES["random"]())
    fresh, old = (p99(balancing.Stale(POLICIES["least outstanding"](), n)) for n in (1, 100))
    of_two = p99(balancing.Stale(POLICIES["two choices"](), 100))
    assert fresh < 0.3 * by_chance
    assert old > 1.5 * by_chance
    assert of_two < 0.6 * old


@pytest.mark.parametrize("utilisation", [0.7, 0.9])
def test_with_many_servers_two_choices_come_close_to_the_formula(utilisation):
    """For n → ∞ the mean time is the sum of utilisation ** (2**i - 2) over i ≥ 1."""
    estimate = batch_means(times(POLICIES["two choices"](), 200, utilisation, 150_000))
    assert within(estimate, queueing.two_choices_mean_time(utilisation))
