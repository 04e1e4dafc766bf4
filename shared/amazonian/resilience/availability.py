"""How often a service is up, from how often its parts are: lab 1.3.

An *availability* is the share of time in which something works, from 0 to 1: 0.999, not 99.9.
"""

import math
from collections.abc import Iterable

import numpy as np

YEAR_S = 365.25 * 86_400
MONTH_S = 30 * 86_400


def shares(values: Iterable[float]) -> list[float]:
    """The `values` as a list, if each of them is a share.

    Raises:
        ValueError: one lies outside [0, 1], as 99.9 does.
    """
    checked = list(values)
    for value in checked:
        if not 0 <= value <= 1:
            raise ValueError(f"a share lies in [0, 1], {value} does not; write 99.9% as 0.999")
    return checked


def series(availabilities: Iterable[float]) -> float:
    """The availability of a service that needs every one of its parts.

    Args:
        availabilities: those of the parts, from 0 to 1, whose failures are independent.

    Returns:
        The share of time in which all parts work; 1 if there are none to wait for.

    Raises:
        ValueError: one of them lies outside [0, 1].
    """
    return math.prod(shares(availabilities))


def parallel(availabilities: Iterable[float]) -> float:
    """The availability of a service that works as long as one of its replicas does.

    Args:
        availabilities: those of the replicas, from 0 to 1, whose failures are independent.

    Returns:
        The share of time in which at least one replica works; 0 if there are none.

    Raises:
        ValueError: one of them lies outside [0, 1].
    """
    return 1 - math.prod(1 - availability for availability in shares(availabilities))


def downtime_s(availability: float, period_s: float = YEAR_S) -> float:
    """The seconds of a period in which a service is down.

    Args:
        availability: from 0 to 1.
        period_s: the period's length in seconds; a year of 365.25 days by default.
    """
    return (1 - shares([availability])[0]) * period_s


def causes(availability: float, common_share: float) -> tuple[float, float]:
    """How likely the common cause and a replica's own causes are to be at work at any moment.

    Reliability engineers call this split the beta-factor model, and the share beta.

    Args:
        availability: of one replica, from 0 to 1, whatever the cause of its failures.
        common_share: the share of one replica's downtime whose cause (a deployment, a power
            feed) takes all replicas down at once, from 0 to 1.

    Returns:
        The probability of the common cause, and that of each replica's own. They are independent
        and together leave the replica at its `availability`.
    """
    down = 1 - shares([availability])[0]
    common = shares([common_share])[0] * down
    return common, (down - common) / (1 - common) if common < 1 else 0.0


def parallel_with_common_cause(availability: float, replicas: int, common_share: float) -> float:
    """The availability of equal replicas of whose failures some have a common cause.

    The common cause stands in series with the replicas, which are parallel to each other.

    Args:
        availability: of one replica, from 0 to 1.
        replicas: how many there are, at least 1.
        common_share: the share of a replica's downtime that all of them have in common.

    Raises:
        ValueError: no replica, or a share outside [0, 1].
    """
    if replicas < 1:
        raise ValueError(f"a service has at least 1 replica, not {replicas}")
    common, own = causes(availability, common_share)
    return series([1 - common, parallel([1 - own] * replicas)])


def measure_availability(
    availability: float,
    replicas: int,
    common_share: float,
    minutes: int,
    rng: np.random.Generator,
) -> float:
    """The same as :func:`parallel_with_common_cause`, measured in a simulation.

    In each minute, independently of all others, the common cause and the own cause of each
    replica are at work or not. (Real failures last longer than a minute; that changes how many
    there are, not the share of time that they take.)

    Args:
        availability, replicas, common_share: as there.
        minutes: how many are simulated; memory is taken only for those in which something fails.
        rng: draws the minutes that fail.

    Returns:
        The share of minutes in which at least one replica works.
    """
    if replicas < 1 or minutes < 1:
        raise ValueError(f"at least 1 replica and 1 minute, not {replicas} and {minutes}")
    common, own = causes(availability, common_share)
    all_down = _failing_minutes(own, minutes, rng)
    for _ in range(replicas - 1):
        all_down = np.intersect1d(all_down, _failing_minutes(own, minutes, rng), True)
    all_down = np.union1d(all_down, _failing_minutes(common, minutes, rng))
    return 1 - len(all_down) / minutes


def _failing_minutes(probability: float, minutes: int, rng: np.random.Generator) -> np.ndarray:
    """The minutes, in order, in which something of this probability happens."""
    if probability == 0:
        return np.empty(0, dtype=np.int64)
    # From one failing minute to the next the distance is geometric, so that minutes in which
    # nothing fails need not be drawn. Eight deviations more than expected are always enough.
    expected = minutes * probability
    gaps = rng.geometric(probability, size=math.ceil(expected + 8 * math.sqrt(expected) + 20))
    failing = np.cumsum(gaps) - 1
    return failing[failing < minutes]


def static_stability_overhead(zones: int, lost: int = 1) -> float:
    """What must run, as a multiple of the peak load, to carry that load after losing zones.

    Load and capacity are spread evenly over the zones. Nothing is started after the loss: what
    would have to start it may be down for the same reason ("Static stability using Availability
    Zones", Weiss and Furr, Amazon Builders' Library).

    Args:
        zones: how many there are.
        lost: how many may fail together, from 0 to ``zones - 1``.

    Raises:
        ValueError: no zone would be left.
    """
    if not 0 <= lost < zones:
        raise ValueError(f"of {zones} zones, 0 to {zones - 1} may be lost, not {lost}")
    return zones / (zones - lost)
