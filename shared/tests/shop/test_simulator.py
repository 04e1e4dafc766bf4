"""The simulator against closed forms, golden values and a brute-force queue.

Where a number comes from a simulation, it may be off by as much as its own interval says: 3.88
standard errors of 20 batch means, which one honest run in a thousand exceeds. Seeds are fixed.
"""

import itertools
import math
import operator
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.shop import queueing, simulator
from amazonian.shop.simulator import Estimate, Station, batch_means, poisson, simulate

outstanding = operator.attrgetter("outstanding")
WIDER = 3.883 / simulator.T_95  # Student's t for 99.9%, by that for 95%

# Ten servers of rate 1. Round robin and one queue have closed forms besides (test_queueing).
GOLDEN_P50_P99 = {
    ("two choices", 0.7): (1.255, 6.85),
    ("two choices", 0.9): (2.46, 10.44),
    ("two choices", 0.95): (3.67, 14.7),
    ("least outstanding", 0.7): (0.813, 5.24),
    ("least outstanding", 0.9): (1.432, 7.93),
    ("least outstanding", 0.95): (2.23, 12.1),
    ("one queue", 0.7): (0.777, 4.71),
    ("one queue", 0.9): (1.329, 6.25),
    ("one queue", 0.95): (2.091, 10.21),
    ("round robin", 0.7): (1.4, 9.3),
}


def policy(name, seed):
    rng, turns = random.Random(seed), itertools.count()

    def two_choices(stations, key):
        count = len(stations)
        first, second = int(rng.random() * count), int(rng.random() * (count - 1))
        second += second >= first
        one, other = stations[first], stations[second]
        return one if one.outstanding <= other.outstanding else other

    return {
        "one queue": simulator.only,
        "two choices": two_choices,
        "least outstanding": lambda stations, key: min(stations, key=outstanding),
        "round robin": lambda stations, key: stations[next(turns) % len(stations)],
    }[name]


def visits_of(servers, load, count, seed, services=None, stations=None, choose=simulator.only):
    """Services of mean 1 at so many servers, each busy for the share `load` of the time."""
    rng = np.random.default_rng(seed)
    arrivals_s = poisson(servers * load, count, rng)
    services_s = simulator.exponential(1.0, count, rng) if services is None else services
    visits = simulate(arrivals_s, services_s, stations or [Station(servers)], choose)
    return visits.after(count // 20)


def margin(found: Estimate) -> float:
    return WIDER * (found.high - found.low) / 2


# --- closed forms and golden values ------------------------------------------------------------


def test_the_mean_wait_of_mm1_is_within_its_own_variance():
    found = visits_of(1, 0.9, 500_000, seed=1).wait_s
    assert found.mean() == pytest.approx(
        9, abs=3.29 * queueing.mm1_mean_wait_error(0.9, len(found))
    )


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 0.8), (10, 0.7), (10, 0.9)])
def test_mean_and_percentiles_of_mmc_are_within_their_intervals(servers, load):
    visits = visits_of(servers, load, 100_000, seed=2)
    mean = batch_means(visits.wait_s)
    expected = queueing.mean_wait_s(servers, servers * load, 1.0)
    assert mean.value == pytest.approx(expected, abs=margin(mean))
    for percent in (50, 99):
        found = batch_means(visits.time_s, lambda batch, p=percent: np.percentile(batch, p))
        expected = queueing.time_percentile_s(percent, servers, servers * load, 1.0)
        assert found.value == pytest.approx(expected, abs=margin(found)), percent


@pytest.mark.parametrize("load", [0.5, 0.9])
def test_the_mean_wait_of_md1_is_within_its_interval(load):
    visits = visits_of(1, load, 100_000, seed=3, services=simulator.constant(1.0, 100_000))
    mean = batch_means(visits.wait_s)
    assert mean.value == pytest.approx(queueing.md1_mean_wait(load), abs=margin(mean))


@pytest.mark.parametrize(("name", "load"), GOLDEN_P50_P99)
def test_ten_servers_have_the_golden_percentiles(name, load):
    stations = [Station(10)] if name == "one queue" else [Station() for _ in range(10)]
    count = {0.7: 60_000, 0.9: 150_000, 0.95: 250_000}[load]  # a longer memory, a longer run
    visits = visits_of(10, load, count, seed=5, stations=stations, choose=policy(name, 5))
    for percent, golden in zip((50, 99), GOLDEN_P50_P99[name, load], strict=True):
        found = batch_means(visits.time_s, lambda batch, p=percent: np.percentile(batch, p))
        # The golden value has come from a simulation as well, and has an error of its own.
        assert found.value == pytest.approx(golden, abs=math.sqrt(2) * margin(found)), percent
        assert margin(found) < 0.3 * golden  # an interval that held anything would hold this too


@pytest.mark.parametrize("load", [0.7, 0.9])
def test_two_choices_among_many_servers_come_to_their_limit(load):
    stations = [Station() for _ in range(100)]
    visits = visits_of(100, load, 100_000, 6, stations=stations, choose=policy("two choices", 6))
    mean = batch_means(visits.time_s)
    limit = queueing.two_choices_mean_time(load)
    # A hundred servers are not yet very many: their mean time lies above the limit, by about 1/100.
    assert limit - margin(mean) < mean.value < 1.02 * limit + margin(mean)


def test_a_closed_system_has_the_throughput_that_mean_value_analysis_gives():
    clients, pause_s, service_s, count = 8, 0.2, 0.05, 60_000
    inside = 0.0
    for population in range(1, clients + 1):
        time_s = service_s * (1 + inside)
        rate_per_s = population / (time_s + pause_s)
        inside = rate_per_s * time_s
    rng = np.random.default_rng(7)
    pauses, services = rng.exponential(pause_s, count), rng.exponential(service_s, count)
    visits = simulator.simulate_clients(clients, pauses, services, [Station()])
    mean = batch_means(visits.time_s)
    assert mean.value == pytest.approx(time_s, abs=margin(mean))
    gaps = batch_means(np.diff(visits.arrival_s))
    assert gaps.value == pytest.approx(1 / rate_per_s, abs=margin(gaps))


def test_littles_law_holds_in_a_simulation():
    visits = visits_of(3, 0.8, 20_000, seed=8)
    observed_s = visits.end_s.max() - visits.arrival_s.min()
    inside = queueing.mean_inside(visits.arrival_s.tolist(), visits.end_s.tolist())
    assert inside == pytest.approx(len(visits) / observed_s * visits.time_s.mean())


# --- against a queue that is simple and slow ---------------------------------------------------


def brute_force(arrivals_s, services_s, servers):
    """Each request takes the server that is free first; and what it found outstanding before."""
    free_s, visits, outstanding = [0.0] * servers, [], []
    for now_s, service_s in zip(arrivals_s, services_s, strict=True):
        outstanding.append(sum(end_s > now_s for _, end_s in visits))
        first = free_s.index(min(free_s))
        start_s = max(now_s, free_s[first])
        free_s[first] = start_s + service_s
        visits.append((start_s, free_s[first]))
    return visits, outstanding


gaps = st.lists(st.integers(0, 4), min_size=1, max_size=40)


@given(gaps, st.randoms(use_true_random=False), st.integers(1, 4))
def test_starts_ends_and_what_is_outstanding_are_as_brute_force_has_them(gaps, rng, servers):
    arrivals_s = np.cumsum(np.array(gaps, float))
    services_s = np.array([rng.randrange(8) for _ in gaps], float)
    seen = []

    def watching(stations, key):
        seen.append(stations[0].outstanding)
        return stations[0]

    visits = simulate(arrivals_s, services_s, [Station(servers)], watching)
    expected, outstanding = brute_force(arrivals_s, services_s, servers)
    assert list(zip(visits.start_s, visits.end_s, strict=True)) == expected
    assert seen == outstanding


def test_the_same_seed_gives_the_same_visits():
    stations = [Station() for _ in range(10)]
    first = visits_of(10, 0.9, 5_000, 9, stations=stations, choose=policy("two choices", 9))
    again = visits_of(10, 0.9, 5_000, 9, stations=stations, choose=policy("two choices", 9))
    assert (first.end_s == again.end_s).all()
    assert (first.station == again.station).all()


# --- limits, deadlines, speed, keys --------------------------------------------------------------


def fixed(station, arrivals_s, service_s):
    return simulate(np.array(arrivals_s), simulator.constant(service_s, len(arrivals_s)), [station])


def test_a_full_queue_rejects_at_once_and_takes_no_service():
    visits = fixed(Station(queue_limit=1), [0.0, 1.0, 2.0, 10.0], 4.0)
    assert visits.rejected.tolist() == [False, False, True, False]
    assert visits.end_s.tolist() == [4.0, 8.0, 2.0, 14.0]
    assert visits.good.tolist() == [True, True, False, True]


def test_a_late_answer_is_no_good_and_has_kept_the_server_all_the_same():
    visits = fixed(Station(deadline_s=5.0), [0.0, 0.0, 0.0, 9.0], 4.0)
    assert visits.good.tolist() == [True, False, False, False]
    assert visits.end_s.tolist() == [4.0, 8.0, 12.0, 16.0]


def test_a_server_that_looks_drops_those_whose_callers_have_gone():
    visits = fixed(Station(deadline_s=5.0, drops_late=True), [0.0, 0.0, 0.0, 9.0], 4.0)
    assert visits.good.tolist() == [True, False, False, True]
    assert visits.end_s.tolist() == [4.0, 8.0, 8.0, 13.0]
    assert not visits.rejected.any()
    assert np.isnan(visits.start_s).tolist() == [False, False, True, False]


def test_at_twice_its_capacity_a_server_that_drops_or_rejects_keeps_its_goodput():
    count, rng = 20_000, np.random.default_rng(10)
    arrivals_s, services_s = poisson(20.0, count, rng), rng.exponential(0.1, count)
    goodput = {}
    for name, how in (
        ("serves all", {}),
        ("drops late", {"drops_late": True}),
        ("rejects", {"queue_limit": 5}),
    ):
        visits = simulate(arrivals_s, services_s, [Station(deadline_s=1.0, **how)])
        goodput[name] = visits.good.sum() / arrivals_s[-1]
    assert goodput["serves all"] < 0.5
    assert goodput["drops late"] > 4
    assert goodput["rejects"] > 9


def test_a_slow_station_takes_longer():
    visits = fixed(Station(speed=0.5), [0.0, 10.0], 1.0)
    assert visits.time_s.tolist() == [2.0, 2.0]


def test_keys_reach_the_policy():
    stations = [Station(name="a"), Station(name="b")]
    visits = simulate(
        np.arange(3.0), np.ones(3), stations, lambda s, key: s[key == "b"], keys=["b", "a", "b"]
    )
    assert visits.station.tolist() == [1, 0, 1]


def test_stations_are_emptied_before_a_simulation():
    station = Station()
    fixed(station, [0.0, 0.0], 100.0)
    assert fixed(station, [1.0], 1.0).end_s.tolist() == [2.0]


def test_several_stations_need_a_policy():
    with pytest.raises(ValueError, match="policy is needed"):
        simulate(np.ones(1), np.ones(1), [Station(), Station()])


@pytest.mark.parametrize(("servers", "speed"), [(0, 1.0), (1, 0.0), (1, math.nan)])
def test_a_station_that_serves_nobody_is_refused(servers, speed):
    with pytest.raises(ValueError, match="at least 1, faster than 0"):
        Station(servers, speed=speed)


def test_a_client_waits_for_its_answer_and_pauses_before_the_next_request():
    pauses_s, services_s = np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 5.0])
    visits = simulator.simulate_clients(1, pauses_s, services_s, [Station()])
    assert visits.arrival_s.tolist() == [1.0, 8.0, 16.0]


# --- intervals ----------------------------------------------------------------------------------


def test_the_intervals_of_batch_means_hold_the_mean_in_95_of_100_runs():
    rng = np.random.default_rng(11)
    held = sum(0.0 in batch_means(rng.normal(0, 1, 400)) for _ in range(1_000))
    # Binomial: 950 expected, with a standard deviation of 6.9; three of them.
    assert 929 <= held <= 971


def test_the_usual_interval_would_be_far_too_narrow():
    waits_s = visits_of(1, 0.9, 200_000, seed=12).wait_s
    found = batch_means(waits_s)
    usual = 1.96 * waits_s.std() / math.sqrt(len(waits_s))
    assert (found.high - found.low) / 2 > 5 * usual
