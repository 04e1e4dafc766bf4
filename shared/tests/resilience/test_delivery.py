"""Deployments under an alarm, in a simulated fleet."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience import delivery, fleet
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.delivery import AlarmActiveError, AlarmRule, Datapoint, waves
from amazonian.resilience.fleet import ALL_FAIL, FEW_FAIL, GOOD, LEAK, Policy, simulate

WAVES = tuple(waves(100, 1, 3))
BATCHES = tuple(waves(100, 10, 1))
counts = st.integers(1, 300)


@given(hosts=counts, first=counts, growth=st.integers(1, 5))
def test_waves_are_the_fleet_and_grow_until_the_last(hosts, first, growth):
    sizes = waves(hosts, first, growth)
    assert sum(sizes) == hosts
    assert all(size >= 1 for size in sizes)
    assert sizes[:-1] == [first * growth**n for n in range(len(sizes) - 1)]
    assert sizes[-1] <= first * growth ** (len(sizes) - 1)


@pytest.mark.parametrize("bad", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-5, 1, 1)])
def test_waves_of_nobody_are_refused(bad):
    with pytest.raises(ValueError, match="1 or more"):
        waves(*bad)


def test_an_alarm_rule_that_can_never_fire_is_refused():
    with pytest.raises(ValueError, match="no more than are looked at"):
        AlarmRule(0.01, 4, 3)
    with pytest.raises(ValueError, match="at least one"):
        AlarmRule(0.01, 0, 3)


@given(
    pattern=st.lists(st.sampled_from([(100, 0), (100, 50), (0, 0)]), max_size=9),
    n=st.integers(1, 6),
    data=st.data(),
)
def test_the_alarm_agrees_with_counting_by_hand(pattern, n, data):
    m = data.draw(st.integers(1, n))
    breaching = [point != (100, 0) for point in pattern]
    assert delivery.in_alarm([Datapoint(*p) for p in pattern], AlarmRule(0.2, m, n)) == (
        sum(breaching[-n:]) >= m
    )


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    bake_s=st.integers(0, 500),
    look_every_s=st.integers(1, 200),
    on_from_s=st.one_of(st.none(), st.integers(1, 2_000)),
)
def test_a_deployment_never_installs_after_it_saw_an_alarm(sizes, bake_s, look_every_s, on_from_s):
    clock, log = SimulatedClock(), []

    class Target:
        def install(self, hosts):
            log.append(("install", hosts))
            clock.sleep(30)

        def roll_back(self):
            log.append(("roll back", None))
            clock.sleep(10)

    def alarm():
        on = on_from_s is not None and clock.now_s() >= on_from_s
        log.append(("asked", on))
        return on

    done = delivery.deploy(
        sizes, bake_s, target=Target(), alarm=alarm, clock=clock, look_every_s=look_every_s
    )
    acts = [what for what in log if what[0] != "asked"]
    installed = [hosts for what, hosts in acts if what == "install"]
    assert installed == sizes[: len(installed)]
    assert done.hosts_reached == sum(installed)
    assert done.duration_s == clock.now_s()
    if ("asked", True) in log:
        assert log[log.index(("asked", True)) + 1 :] == [("roll back", None)]
        assert not done.completed
    else:
        assert done.completed
        assert installed == sizes
        assert clock.now_s() == len(sizes) * (30 + bake_s)


def test_a_slow_alarm_neither_lengthens_the_bake_nor_escapes_the_duration():
    clock, installed_s = SimulatedClock(), []

    class Target:
        def install(self, hosts):
            installed_s.append(clock.now_s())

    def alarm():
        clock.sleep(3)

    done = delivery.deploy([1, 1], 100, target=Target(), alarm=alarm, clock=clock)
    assert installed_s == [3, 106]  # a bake from 3 to 103, its last answer at 106
    assert done.duration_s == clock.now_s() == 209


def test_nothing_is_installed_into_a_fleet_in_alarm():
    with pytest.raises(AlarmActiveError):
        delivery.deploy([1], 60, target=None, alarm=lambda: True, clock=SimulatedClock())


def test_binomial_has_the_mean_and_the_spread_that_it_should():
    rng = random.Random(1)
    draws = [fleet.binomial(3_000, 0.01, rng) for _ in range(4_000)]
    assert statistics.mean(draws) == pytest.approx(30, abs=0.4)
    assert statistics.variance(draws) == pytest.approx(29.7, rel=0.08)
    assert fleet.binomial(50, 1.0, rng) == 50
    assert fleet.binomial(50, 0.0, rng) == 0
    assert fleet.binomial(0, 0.3, rng) == 0
    with pytest.raises(ValueError, match="probability"):
        fleet.binomial(5, 1.5, rng)


def test_a_seed_repeats_a_deployment():
    policy = Policy(WAVES, 900)
    assert simulate(policy, FEW_FAIL, 3) == simulate(policy, FEW_FAIL, 3)
    assert simulate(policy, FEW_FAIL, 3) != simulate(policy, FEW_FAIL, 4)


def test_a_good_change_reaches_everyone_in_the_time_that_the_waves_take():
    outcome = simulate(Policy(WAVES, 1800), GOOD, 1)
    assert outcome.completed
    assert not outcome.rolled_back
    assert outcome.hosts_reached == 100
    assert outcome.duration_s == 5 * (120 + 1800)
    assert outcome.requests_failed == 0


def test_a_change_that_fails_everything_is_seen_after_three_minutes_and_the_metrics_delay():
    outcome = simulate(Policy(WAVES, 1800), ALL_FAIL, 1)
    assert outcome.alarm_s == 120 + 3 * 60 + 60
    assert outcome.hosts_reached == 1
    # five requests/s on one host, from the installation to the end of the rollback
    assert outcome.requests_failed == 5 * (3 * 60 + 60 + 120)


@pytest.mark.parametrize(
    ("policy", "reached"),
    [
        (Policy((100,), 1800), 100),
        (Policy(BATCHES, 0), 30),
        (Policy(BATCHES, 1800), 10),
        (Policy(WAVES, 0), 13),
        (Policy(WAVES, 1800), 1),
        (Policy(WAVES, 0, automatic=False), 100),
        (Policy(WAVES, 1800, automatic=False), 4),
    ],
)
def test_how_many_hosts_a_change_that_fails_everything_reaches(policy, reached):
    for seed in range(5):
        assert simulate(policy, ALL_FAIL, seed).hosts_reached == reached


def test_a_leak_is_caught_in_the_one_box_only_if_the_bake_outlasts_it():
    assert simulate(Policy(WAVES, 0), LEAK, 1).hosts_reached == 100
    assert simulate(Policy(WAVES, 900), LEAK, 1).hosts_reached == 4
    assert simulate(Policy(WAVES, 1800), LEAK, 1).hosts_reached == 1


def test_an_alarm_on_the_whole_fleet_is_blind_to_one_host_in_a_hundred():
    few = [simulate(Policy(WAVES, 1800), FEW_FAIL, seed) for seed in range(10)]
    blind = [simulate(Policy(WAVES, 1800, watch_all=True), FEW_FAIL, seed) for seed in range(10)]
    assert max(outcome.hosts_reached for outcome in few) == 1
    assert min(outcome.hosts_reached for outcome in blind) == 40


def test_patience_trades_false_alarms_for_detection_time():
    shares, delays_s = [], []
    for m in (1, 2, 3):
        policy = Policy(WAVES, 1800, rule=AlarmRule(0.005, m, m))
        shares.append(fleet.false_alarms(policy, range(40)))
        runs = [simulate(policy, FEW_FAIL, seed) for seed in range(40)]
        delays_s.append(statistics.mean(run.alarm_s - 120 for run in runs))
    assert shares[0] > 0.5 > 0.2 > shares[1] >= shares[2]
    assert delays_s == sorted(delays_s)


def test_what_completes_unseen_is_taken_back_by_a_person():
    outcome = simulate(Policy((100,), 0), LEAK, 1)
    assert outcome.completed
    assert outcome.rolled_back
    # 20 min until it shows, 3 of failing minutes, 1 of delay, 30 for the person, 2 to roll back
    assert outcome.running[-1] == (120 + 60 * (20 + 3 + 1 + 30 + 2), 0)
