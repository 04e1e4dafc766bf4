"""Availability arithmetic against published tables, exact laws and its own simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience import availability
from amazonian.resilience.availability import (
    MONTH_S,
    causes,
    downtime_s,
    measure_availability,
    parallel,
    parallel_with_common_cause,
    series,
    static_stability_overhead,
)

A_SHARE = st.floats(0, 1)
SHARES = st.lists(A_SHARE, max_size=8)


# Golden values computed independently for this course: 365.25-day year, and 30 days.
@pytest.mark.parametrize(
    ("up", "year_min", "month_s"),
    [
        (0.99, 5_260, 7.2 * 3600),
        (0.999, 526, 43.2 * 60),
        (0.9995, 263, 21.6 * 60),
        (0.9999, 52.6, 4.32 * 60),
        (0.99999, 5.26, 25.9),
        (0.999999, 31.6 / 60, 2.6),
    ],
)
def test_downtime_agrees_with_the_table_of_nines(
    up: float, year_min: float, month_s: float
) -> None:
    assert downtime_s(up) / 60 == pytest.approx(year_min, rel=2e-3)
    assert downtime_s(up, MONTH_S) == pytest.approx(month_s, rel=5e-3)


def test_five_dependencies_of_three_nines_leave_99_50_percent() -> None:
    assert f"{series([0.999] * 5):.2%}" == "99.50%"


def test_two_independent_replicas_of_three_nines_have_six() -> None:
    assert parallel([0.999, 0.999]) == pytest.approx(0.999999, rel=1e-12)


@given(SHARES, A_SHARE)
def test_one_more_part_never_helps_and_one_more_replica_never_hurts(
    values: list[float], more: float
) -> None:
    assert series([*values, more]) <= series(values)
    assert parallel([*values, more]) >= parallel(values) - 1e-15


@given(SHARES)
def test_series_and_parallel_mirror_each_other(values: list[float]) -> None:
    assert 1 - series(1 - value for value in values) == pytest.approx(parallel(values), abs=1e-12)


@pytest.mark.parametrize("bad", [99.9, -0.001, math.nan])
def test_what_is_no_share_is_refused_everywhere(bad: float) -> None:
    for function in (
        lambda: series([0.5, bad]),
        lambda: parallel([bad]),
        lambda: downtime_s(bad),
        lambda: parallel_with_common_cause(bad, 2, 0.1),
        lambda: parallel_with_common_cause(0.9, 2, bad),
    ):
        with pytest.raises(ValueError, match="a share lies in"):
            function()


@given(A_SHARE, A_SHARE)
def test_common_and_own_causes_leave_a_replica_at_its_availability(up: float, beta: float) -> None:
    common, own = causes(up, beta)
    assert (1 - common) * (1 - own) == pytest.approx(up, abs=1e-12)
    assert common == pytest.approx(beta * (1 - up), abs=1e-12)


def test_a_tenth_in_common_costs_two_replicas_two_nines() -> None:
    assert parallel_with_common_cause(0.999, 2, 0.0) == pytest.approx(0.999999, rel=1e-12)
    # By hand: 1e-4 in common, and then (9e-4 / 0.9999) squared of the rest.
    by_hand = 1 - (1e-4 + 0.9999 * (9e-4 / 0.9999) ** 2)
    assert parallel_with_common_cause(0.999, 2, 0.1) == pytest.approx(by_hand, rel=1e-12)
    assert parallel_with_common_cause(0.999, 2, 1.0) == pytest.approx(0.999, rel=1e-12)


@pytest.mark.parametrize("replicas", [1, 2, 3])
@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 1.0])
def test_the_simulation_agrees_with_the_formula(replicas: int, beta: float) -> None:
    minutes = 2_000_000
    down = 1 - measure_availability(0.95, replicas, beta, minutes, np.random.default_rng(replicas))
    expected = 1 - parallel_with_common_cause(0.95, replicas, beta)
    assert down == pytest.approx(expected, abs=5 * math.sqrt(expected / minutes))


def test_the_simulation_repeats_from_its_seed_and_keeps_the_ends_of_the_scale() -> None:
    runs = [measure_availability(0.99, 2, 0.2, 10_000, np.random.default_rng(5)) for _ in range(2)]
    assert runs[0] == runs[1]
    for up in (0.0, 1.0):
        assert measure_availability(up, 2, 0.3, 1_000, np.random.default_rng(1)) == up


def test_the_formula_runs_on_whoever_stands_in_for_series_and_parallel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(availability, "series", lambda values: 0.125)
    assert parallel_with_common_cause(0.9, 2, 0.1) == 0.125


def test_losing_one_of_two_zones_takes_twice_the_peak_and_of_three_half_more() -> None:
    assert static_stability_overhead(2) == 2.0
    assert static_stability_overhead(3) == 1.5
    assert static_stability_overhead(5, lost=2) == pytest.approx(5 / 3)


def test_senseless_counts_are_refused() -> None:
    for zones, lost in ((1, 1), (3, 3), (3, -1), (0, 0)):
        with pytest.raises(ValueError, match="zones"):
            static_stability_overhead(zones, lost)
    with pytest.raises(ValueError, match="replica"):
        parallel_with_common_cause(0.9, 0, 0.1)
    with pytest.raises(ValueError, match="minute"):
        measure_availability(0.9, 1, 0.1, 0, np.random.default_rng(1))
