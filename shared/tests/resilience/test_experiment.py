"""What an A/B test needs before it can see one percent."""

import numpy as np
import pytest

from amazonian.resilience.experiment import measured_changes, visitors_needed


def test_one_percent_of_three_percent_needs_five_million_visitors_a_side():
    assert visitors_needed(0.03, -0.01) == pytest.approx(5.05e6, rel=0.01)
    assert visitors_needed(0.03, -0.10) == pytest.approx(5.05e4, rel=0.06)


def test_with_that_many_four_of_five_experiments_see_it():
    visitors = visitors_needed(0.03, -0.01)
    changes, seen = measured_changes(0.03, -0.01, visitors, 8000, np.random.default_rng(5))
    assert seen.mean() == pytest.approx(0.8, abs=0.015)
    assert changes.mean() == pytest.approx(-0.01, abs=0.0003)


def test_without_an_effect_one_in_twenty_sees_one():
    _, seen = measured_changes(0.03, 0.0, 200_000, 8000, np.random.default_rng(6))
    assert seen.mean() == pytest.approx(0.05, abs=0.01)


def test_small_experiments_that_see_it_exaggerate_it():
    changes, seen = measured_changes(0.03, -0.01, 100_000, 8000, np.random.default_rng(7))
    assert np.abs(changes[seen]).mean() > 0.05


@pytest.mark.parametrize(("rate", "change"), [(0.0, 0.1), (1.0, -0.1), (0.6, 1.0), (0.03, 0.0)])
def test_what_cannot_be_seen_is_refused(rate, change):
    with pytest.raises(ValueError, match=r"between 0 and 1|not there"):
        visitors_needed(rate, change)
