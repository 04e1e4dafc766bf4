"""How many visitors an experiment needs before it can see what it looks for.

Two groups of equal size, one with a change and one without; each visitor buys or does not. The
question is whether the two shares of buyers differ by more than chance explains. This is the
usual two-sided test of two proportions, under the normal approximation.
"""

import math
from statistics import NormalDist

import numpy as np


def visitors_needed(
    rate: float, relative_change: float, false_alarms: float = 0.05, power: float = 0.8
) -> int:
    """How many visitors each of the two groups needs.

    Args:
        rate: the share of visitors that buy without the change, as in 0.03.
        relative_change: what the change does to that share, as in -0.01 for one percent fewer.
        false_alarms: the accepted chance to see a difference where there is none.
        power: the wanted chance to see this one.

    Raises:
        ValueError: a share is not between 0 and 1, or there is no change to see.
    """
    changed = rate * (1 + relative_change)
    if not 0 < rate < 1 or not 0 < changed < 1:
        raise ValueError(f"shares of {rate:g} and {changed:g}: both must lie between 0 and 1")
    if relative_change == 0:
        raise ValueError("no number of visitors shows a difference that is not there")
    normal = NormalDist()
    z = normal.inv_cdf(1 - false_alarms / 2) + normal.inv_cdf(power)
    variance = rate * (1 - rate) + changed * (1 - changed)
    return math.ceil(z**2 * variance / (rate - changed) ** 2)


def measured_changes(
    rate: float,
    relative_change: float,
    visitors: int,
    experiments: int,
    rng: np.random.Generator,
    false_alarms: float = 0.05,
) -> tuple[np.ndarray, np.ndarray]:
    """Run the same experiment many times.

    Args:
        rate, relative_change, false_alarms: as for :func:`visitors_needed`.
        visitors: in each of the two groups.
        experiments: how many to run.
        rng: draws who buys.

    Returns:
        The relative change that each experiment measured, and whether it calls that significant.
    """
    without = rng.binomial(visitors, rate, experiments) / visitors
    with_it = rng.binomial(visitors, rate * (1 + relative_change), experiments) / visitors
    pooled = (without + with_it) / 2
    error = np.sqrt(2 * pooled * (1 - pooled) / visitors)
    limit = NormalDist().inv_cdf(1 - false_alarms / 2)
    return with_it / without - 1, np.abs(with_it - without) > limit * error
