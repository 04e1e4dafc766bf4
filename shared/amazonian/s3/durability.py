"""How likely k + m fragments are to outlive their devices: two models and a simulation: lab 4.4.

Words: the *AFR* (annualised failure rate) is the share of a large fleet of devices that fails in
a year. A *group* is the k + m devices that hold one stripe, whose data are lost as soon as more
than m of them have failed and are not yet rebuilt. The *MTTR* is the mean time to repair: to
notice, and to rebuild elsewhere. The *MTTDL* is the mean time to data loss of one group. *Nines*
are the nines of an annual durability: 0.001% of the groups lost in a year are five nines.

Everything here assumes that devices fail independently of each other, at a rate that never
changes. That is the model, and what it leaves out is the larger part of the truth.

Sources: D. Patterson, G. Gibson, R. Katz, "A Case for Redundant Arrays of Inexpensive Disks
(RAID)", SIGMOD 1988, for the Markov model of one failure, here with m; "Backblaze Durability is
99.999999999% — And Why It Doesn't Matter", Backblaze, 2018, for the window model.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

HOURS_A_YEAR = 8766.0
DAYS_A_YEAR = 365.0

# From a random generator and a number of repairs to how long each of them takes, in hours.
RepairTimes = Callable[[np.random.Generator, int], np.ndarray]


def failure_rate(afr: float) -> float:
    """The failures of one device per hour, from the share of a fleet that fails in a year.

    At a constant rate the share that is still alive after t hours is exp(-rate × t), and after a
    year of 8,766 hours it is 1 - `afr`.

    Args:
        afr: 0.02 for 2% a year.

    Returns:
        Failures per hour.

    Raises:
        ValueError: `afr` is not a share from 0 to below 1: 2 for 2%, perhaps.
    """
    if not 0 <= afr < 1:
        raise ValueError(f"a share from 0 to below 1, not {afr}: 2% are 0.02")
    return -math.log1p(-afr) / HOURS_A_YEAR


def overhead(k: int, m: int) -> float:
    """Bytes on devices for each byte of data."""
    return (k + m) / k


def window_loss(k: int, m: int, afr: float, repair_days: float) -> float:
    """The yearly chance of losing a group, as one reckons on the back of an envelope.

    Cut the year of 365 days into windows as long as a repair. In one window a device fails with
    probability `afr` × its share of the year. The group is lost in it if exactly m + 1 of its
    k + m devices fail (more than that adds next to nothing), and it is lost in the year with
    that probability times the number of windows.

    Args:
        k: how many data fragments.
        m: how many parity fragments.
        afr: 0.02 for 2% a year.
        repair_days: how long a repair takes.

    Returns:
        A probability.
    """
    windows = DAYS_A_YEAR / repair_days
    fails, lost, devices = afr / windows, m + 1, k + m
    return windows * math.comb(devices, lost) * fails**lost * (1 - fails) ** (devices - lost)


def mttdl(k: int, m: int, rate_per_h: float, mttr_h: float) -> float:
    """The mean time to data loss of one group, from a Markov chain.

    The chain's state i is how many devices have failed and are not yet rebuilt: 0 at first, and
    the data are lost on reaching m + 1. From i it goes up at rate (k + m - i) × `rate_per_h`,
    one for each device that still works, and down at rate i / `mttr_h`, since all repairs go on
    at once. Let T(i) be the mean time to get from i to i + 1 for the first time, up and down as it
    may go until then::

        T(0) = 1 / up(0)
        T(i) = 1 / up(i) + down(i) / up(i) × T(i - 1)

    because from i one waits 1 / up(i) in all, and for each time that one goes down instead, which
    is down(i) / up(i) times on average, one has to come up again. The answer is the sum of T(0)
    to T(m).

    Args:
        k: how many data fragments.
        m: how many parity fragments.
        rate_per_h: the failures of one device per hour.
        mttr_h: the mean time to repair, in hours.

    Returns:
        Hours.
    """
    step = total = 0.0
    for failed in range(m + 1):
        up, down = (k + m - failed) * rate_per_h, failed / mttr_h
        step = 1 / up + down / up * step
        total += step
    return total


def mttdl_if_failures_are_rare(k: int, m: int, rate_per_h: float, mttr_h: float) -> float:
    """What `mttdl` comes to where a repair takes far less time than a failure to happen, in hours.

    m! / (n × (n - 1) × … × (n - m) × rate^(m + 1) × mttr^m), n being k + m.
    """
    ways = math.perm(k + m, m + 1)
    return math.factorial(m) / (ways * rate_per_h ** (m + 1) * mttr_h**m)


def annual_nines(mttdl_h: float) -> float:
    """How many nines the annual durability of a group has, with this mean time to data loss.

    The chance to lose it within a year of 8,766 hours is 1 - exp(-8766 / `mttdl_h`), and the
    nines are the negative decimal logarithm of that: 0.001 are 3 nines, 0.002 are 2.7. It holds
    for the largest MTTDLs too, where exp gives 1 and the difference 0: `math.expm1(x)` is
    exp(x) - 1 without that loss.

    Args:
        mttdl_h: in hours, above 0.
    """
    return -math.log10(-math.expm1(-HOURS_A_YEAR / mttdl_h))


def nines_of(loss: float) -> float:
    """The nines of an annual probability of loss."""
    return -math.log10(loss)


# --- simulation --------------------------------------------------------------------------------


def exponential_repairs(mttr_h: float) -> RepairTimes:
    """Repairs as the Markov chain has them: most are short, some take several times the mean."""
    return lambda rng, count: rng.exponential(mttr_h, count)


def fixed_repairs(mttr_h: float) -> RepairTimes:
    """Repairs that take the same time each."""
    return lambda rng, count: np.full(count, mttr_h)


def lifetimes(
    k: int, m: int, rate_per_h: float, repairs: RepairTimes, groups: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulate groups, each until it loses its data.

    All devices of a group are new at time 0. A device works for an exponentially distributed time
    of mean 1 / `rate_per_h`, then is under repair as long as `repairs` says, then works again, as
    good as new, and so on. A group is lost at the moment when more than m of its devices are under
    repair at once.

    Args:
        k: how many data fragments.
        m: how many parity fragments.
        rate_per_h: the failures of one device per hour, above 0.
        repairs: ``repairs(rng, count)`` draws `count` repair times, in hours.
        groups: how many to simulate.
        rng: makes every random number.

    Returns:
        The time of loss of each group, in hours, shape (groups,).
    """
    mean_h, alive = 1 / rate_per_h, np.arange(groups)
    next_h = rng.exponential(mean_h, (groups, k + m))  # each device's next failure, or its repair
    failed = np.zeros((groups, k + m), bool)
    lost_h = np.empty(groups)
    while len(alive):
        rows = np.arange(len(alive))
        device = next_h.argmin(axis=1)
        now_h = next_h[rows, device]
        fails = ~failed[rows, device]
        failed[rows, device] = fails
        next_h[rows, device] = now_h + np.where(
            fails, repairs(rng, len(alive)), rng.exponential(mean_h, len(alive))
        )
        lost = failed.sum(axis=1) > m
        lost_h[alive[lost]] = now_h[lost]
        alive, next_h, failed = alive[~lost], next_h[~lost], failed[~lost]
    return lost_h


@dataclass(frozen=True)
class Estimate:
    """A mean and the interval that holds the true one in 95 of 100 simulations."""

    mean: float
    low: float
    high: float


def estimate(samples: np.ndarray) -> Estimate:
    """The mean of independent samples, with its 95% confidence interval (normal approximation).

    Args:
        samples: at least two; some hundreds, for the approximation to hold.
    """
    mean = float(np.mean(samples))
    margin = 1.96 * float(np.std(samples, ddof=1)) / math.sqrt(len(samples))
    return Estimate(mean, mean - margin, mean + margin)


# --- what the model leaves out -----------------------------------------------------------------


def with_common_cause(mttdl_h: float, events_per_year: float) -> float:
    """The mean time to data loss, in hours, if besides something takes whole groups at once.

    A fire, a batch of devices with one fault, one wrong command: whatever takes more than m
    devices of a group together, before any can be rebuilt. Both causes add up, as rates.
    """
    return 1 / (1 / mttdl_h + events_per_year / HOURS_A_YEAR)
