"""The models against published and golden numbers, and the simulation against the models."""

import math

import numpy as np
import pytest

from amazonian.s3.durability import (
    HOURS_A_YEAR,
    annual_nines,
    estimate,
    exponential_repairs,
    failure_rate,
    fixed_repairs,
    lifetimes,
    mttdl,
    mttdl_if_failures_are_rare,
    nines_of,
    overhead,
    window_loss,
    with_common_cause,
)

# MTTDL in years and annual nines, worked out once with another program for this course: Markov
# chain, all repairs at once, rate = -ln(1 - AFR) / 8766 h. Columns: AFR 2% and 4%, each with
# repairs of 6 h and 24 h.
GOLDEN = {
    (1, 2): (3.0, (8.6e10, 10.9), (5.4e9, 9.7), (1.1e10, 10.0), (6.5e8, 8.8)),
    (4, 2): (1.5, (4.3e9, 9.6), (2.7e8, 8.4), (5.2e8, 8.7), (3.3e7, 7.5)),
    (10, 4): (1.4, (1.35e17, 17.1), (5.3e14, 14.7), (4.0e15, 15.6), (1.6e13, 13.2)),
    (16, 4): (1.25, (1.75e16, 16.2), (6.8e13, 13.8), (5.2e14, 14.7), (2.0e12, 12.3)),
}
CASES = [(0.02, 6), (0.02, 24), (0.04, 6), (0.04, 24)]


@pytest.mark.parametrize(("k", "m"), GOLDEN)
def test_the_markov_model_gives_the_golden_numbers(k: int, m: int) -> None:
    stored, *golden = GOLDEN[k, m]
    assert overhead(k, m) == stored
    for (afr, mttr_h), (years, nines) in zip(CASES, golden, strict=True):
        hours = mttdl(k, m, failure_rate(afr), mttr_h)
        assert hours / HOURS_A_YEAR == pytest.approx(years, rel=0.05)
        assert annual_nines(hours) == pytest.approx(nines, abs=0.06)


def test_two_copies_by_hand() -> None:
    """Patterson, Gibson, Katz 1988: (3 rate + repair rate) / (2 rate^2) for a mirrored pair."""
    assert mttdl(1, 1, 1e-3, 10.0) == pytest.approx((3e-3 + 0.1) / 2e-6)


def test_the_limit_for_rare_failures() -> None:
    for k, m in GOLDEN:
        exact, limit = (f(k, m, 1e-8, 10.0) for f in (mttdl, mttdl_if_failures_are_rare))
        assert exact == pytest.approx(limit, rel=1e-5)


def test_the_window_model_gives_backblazes_numbers() -> None:
    """Eleven nines from 17 + 3, an AFR of 0.405% and 6.5 days; and 4 + 2, 10%, 1 day."""
    assert nines_of(window_loss(17, 3, 0.00405, 6.5)) == pytest.approx(11.13, abs=0.005)
    assert window_loss(4, 2, 0.10, 1.0) == pytest.approx(1.500e-7, rel=1e-4)


@pytest.mark.parametrize(
    ("k", "m", "nines"), [(1, 2, 9.8), (4, 2, 8.5), (6, 3, 11.5), (17, 3, 9.9)]
)
def test_what_an_afr_of_081_percent_really_gives(k: int, m: int, nines: float) -> None:
    assert nines_of(window_loss(k, m, 0.0081, 6.5)) == pytest.approx(nines, abs=0.05)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_the_markov_model_loses_m_plus_one_times_as_often_as_the_windows(m: int) -> None:
    afr, days = 1e-5, 2.0
    markov = HOURS_A_YEAR / mttdl(6, m, failure_rate(afr), 24 * days)
    assert markov / window_loss(6, m, afr, days) == pytest.approx(m + 1, rel=0.01)


def test_a_share_is_not_a_percentage() -> None:
    for afr in (2, 1.0, -0.01):
        with pytest.raises(ValueError, match="2% are"):
            failure_rate(afr)
    assert failure_rate(0) == 0


def test_nines_of_times_too_long_for_floating_point() -> None:
    assert annual_nines(1e30) == pytest.approx(30 - math.log10(HOURS_A_YEAR))
    assert annual_nines(HOURS_A_YEAR / 100) == pytest.approx(0, abs=1e-9)


# --- simulation


def assert_agrees(sample: np.ndarray, model_h: float) -> None:
    """Within four standard errors: a right simulation fails once in 16,000 such tests."""
    found = estimate(sample)
    assert abs(found.mean - model_h) < 4 / 1.96 * (found.high - found.mean)


@pytest.mark.parametrize(("k", "m"), [(1, 2), (4, 2), (2, 1), (6, 3)])
def test_the_simulation_agrees_with_the_markov_chain(k: int, m: int) -> None:
    rng = np.random.default_rng(4)
    sample = lifetimes(k, m, 0.005, exponential_repairs(20.0), 4000, rng)
    assert_agrees(sample, mttdl(k, m, 0.005, 20.0))


@pytest.mark.parametrize(("k", "m"), [(1, 2), (4, 2), (2, 1)])
def test_where_repairs_are_short_only_their_mean_matters(k: int, m: int) -> None:
    sample = lifetimes(k, m, 0.001, fixed_repairs(20.0), 1000, np.random.default_rng(5))
    assert_agrees(sample, mttdl(k, m, 0.001, 20.0))


def test_a_pair_with_fixed_repairs_by_hand() -> None:
    """It is lost if the second device fails within the repair, p = 1 - exp(-rate × repair)."""
    p = 1 - math.exp(-2.0)
    sample = lifetimes(1, 1, 0.01, fixed_repairs(200.0), 4000, np.random.default_rng(6))
    assert_agrees(sample, (1 / 0.02 + p / 0.01) / p)


def test_without_parity_the_first_failure_is_the_loss() -> None:
    sample = lifetimes(5, 0, 0.01, fixed_repairs(1.0), 4000, np.random.default_rng(1))
    assert estimate(sample).low < 20 < estimate(sample).high


def test_the_same_seed_gives_the_same_lives() -> None:
    runs = [
        lifetimes(4, 2, 0.01, exponential_repairs(10), 50, np.random.default_rng(7))
        for _ in range(2)
    ]
    assert (runs[0] == runs[1]).all()
    assert runs[0].shape == (50,)
    assert (runs[0] > 0).all()


def test_95_of_100_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(3)
    found = [estimate(rng.exponential(5.0, 400)) for _ in range(1000)]
    held = sum(one.low <= 5.0 <= one.high for one in found)
    assert 920 <= held <= 970


def test_a_common_cause_is_a_ceiling() -> None:
    hours = mttdl(10, 4, failure_rate(0.02), 6)
    assert annual_nines(hours) > 17
    assert annual_nines(with_common_cause(hours, 1e-3)) == pytest.approx(3, abs=0.01)
    assert with_common_cause(hours, 0) == hours
