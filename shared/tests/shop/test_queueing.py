"""Queues' closed forms against golden values, brute force and a simulation of their own error."""

import itertools
import math
import random

import numpy as np
import pytest

from amazonian.shop import queueing, simulator
from amazonian.shop.queueing import OverloadedError
from amazonian.shop.simulator import Station

# Service rate 1 per server, ten servers; computed independently of this code.
ERLANG_C = {0.7: 0.221731, 0.8: 0.40918, 0.9: 0.668732, 0.95: 0.825586}
TWO_CHOICES_MEAN_TIME = {0.7: 1.61445, 0.9: 2.61406, 0.95: 3.38305}
TEN_SERVERS_P50_P99 = {
    "random": {0.7: (2.31, 15.35), 0.9: (6.93, 46.05), 0.95: (13.86, 92.1)},
    "round robin": {0.7: (1.4, 9.3), 0.9: (3.923, 26.07), 0.95: (7.732, 51.37)},
    "one queue": {0.7: (0.777, 4.71), 0.9: (1.329, 6.25), 0.95: (2.091, 10.21)},
}
LOADS = [0.7, 0.9, 0.95]


def test_littles_law_holds_for_any_log_whatever_its_order():
    rng = random.Random(1)
    arrivals = [rng.uniform(0, 100) for _ in range(500)]
    departures = [arrival + rng.expovariate(0.2) for arrival in arrivals]
    observed_s = max(departures) - min(arrivals)
    mean_time_s = sum(map(float.__sub__, departures, arrivals)) / 500
    inside = queueing.mean_inside(arrivals, departures)
    assert inside == pytest.approx(500 / observed_s * mean_time_s)


def test_the_mean_inside_is_what_counting_at_many_moments_gives():
    rng = random.Random(2)
    arrivals = [rng.uniform(0, 10) for _ in range(40)]
    departures = [arrival + rng.uniform(0, 3) for arrival in arrivals]
    moments = np.linspace(min(arrivals), max(departures), 200_001)
    inside = sum((a <= moments) & (moments < d) for a, d in zip(arrivals, departures, strict=True))
    assert queueing.mean_inside(arrivals, departures) == pytest.approx(inside.mean(), rel=1e-3)


@pytest.mark.parametrize("utilisation", ERLANG_C)
def test_erlang_c_is_golden(utilisation):
    assert queueing.erlang_c(10, 10 * utilisation) == pytest.approx(
        ERLANG_C[utilisation], abs=5.1e-7
    )


@pytest.mark.parametrize("servers", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("utilisation", [0.01, 0.5, 0.99])
def test_erlang_c_is_the_textbooks_formula(servers, utilisation):
    load = servers * utilisation
    logs = [k * math.log(load) - math.lgamma(k + 1) for k in range(servers + 1)]
    terms = [math.exp(log - max(logs)) for log in logs]
    waiting = terms[-1] / (1 - utilisation)
    expected = waiting / (math.fsum(terms[:-1]) + waiting)
    assert queueing.erlang_c(servers, load) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_three_servers_more_take_the_wait_away():
    waits_ms = [1000 * queueing.mean_wait_s(servers, 80, 0.1) for servers in (9, 10, 12, 16)]
    assert waits_ms == pytest.approx([65, 20, 3.5, 0.1], rel=0.15)
    assert queueing.mean_time_s(9, 80, 0.1) == pytest.approx(waits_ms[0] / 1000 + 0.1)


@pytest.mark.parametrize("load", LOADS)
def test_percentiles_of_one_queue_and_of_queues_of_their_own_are_golden(load):
    for name, servers, rate in (("one queue", 10, 10 * load), ("random", 1, load)):
        expected = TEN_SERVERS_P50_P99[name][load]
        for percent, golden in zip((50, 99), expected, strict=True):
            found = queueing.time_percentile_s(percent, servers, rate, 1.0)
            assert found == pytest.approx(golden, abs=0.0051), (name, percent)


@pytest.mark.parametrize("load", LOADS)
def test_round_robin_is_golden(load):
    rate = queueing.round_robin_rate(10, load)
    found = [math.log(2) / rate, math.log(100) / rate]
    assert found == pytest.approx(TEN_SERVERS_P50_P99["round robin"][load], abs=0.0051)


@pytest.mark.parametrize("load", LOADS)
def test_two_choices_are_golden(load):
    found = queueing.two_choices_mean_time(load)
    assert found == pytest.approx(TWO_CHOICES_MEAN_TIME[load], abs=5.1e-6)


def test_constant_services_halve_the_wait():
    assert queueing.md1_mean_wait(0.9) == pytest.approx(queueing.mean_wait_s(1, 0.9, 1.0) / 2)


def test_a_percentile_and_its_distribution_fit_where_two_rates_are_equal():
    # Two servers, and 1 request a second of 1 s: the spare rate is the service rate.
    near = queueing.time_percentile_s(90, 2, 1.0 + 1e-4, 1.0)
    assert queueing.time_percentile_s(90, 2, 1.0, 1.0) == pytest.approx(near, rel=1e-3)


@pytest.mark.parametrize("utilisation", [1.0, 1.5])
def test_overload_is_told_and_not_computed(utilisation):
    with pytest.raises(OverloadedError, match="too many for 2 servers"):
        queueing.mean_wait_s(2, 2 * utilisation, 1.0)
    with pytest.raises(OverloadedError):
        queueing.time_percentile_s(99, 2, 2 * utilisation, 1.0)


def test_the_error_of_a_mean_wait_is_as_large_as_the_golden_formula_says():
    assert 1.96 * queueing.mm1_mean_wait_error(0.9, 1_000_000) == pytest.approx(0.37, abs=0.005)


def test_means_of_many_runs_scatter_as_that_formula_says():
    rng, runs, size = np.random.default_rng(3), 300, 2_000
    means = []
    for _ in range(runs):
        arrivals_s = simulator.poisson(0.5, size + 200, rng)
        services_s = simulator.exponential(1.0, size + 200, rng)
        visits = simulator.simulate(arrivals_s, services_s, [Station()])
        means.append(visits.after(200).wait_s.mean())
    # A standard deviation from 300 samples is itself known to 1 / sqrt(2 × 300) = 4%; three such.
    expected = queueing.mm1_mean_wait_error(0.5, size)
    assert np.std(means, ddof=1) == pytest.approx(expected, rel=0.13)


def test_waits_fall_with_every_server_and_grow_with_every_request():
    waits = [queueing.mean_wait_s(servers, 8.0, 1.0) for servers in range(9, 40)]
    assert all(more > fewer for more, fewer in itertools.pairwise(waits))
    waits = [queueing.mean_wait_s(10, rate, 1.0) for rate in range(1, 10)]
    assert all(less < more for less, more in itertools.pairwise(waits))
