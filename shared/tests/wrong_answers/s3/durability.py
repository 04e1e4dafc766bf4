"""Wrong answers to lab 4.4: durability."""

import math
import random

import numpy as np

from amazonian.s3 import durability
from amazonian.s3.durability import exponential_repairs
from wrong_answers import wrong

# --- failure_rate


@wrong(durability, feedback="those that have failed already can't fail again")
def failure_rate__divides_by_the_hours(afr):
    return afr / 8766


@wrong(durability, feedback="this is the rate per year")
def failure_rate__gives_failures_a_year(afr):
    return -math.log(1 - afr)


@wrong(durability, feedback="a rate is not negative")
def failure_rate__loses_the_sign(afr):
    return math.log(1 - afr) / 8766


@wrong(durability, feedback="a quarter of a day more than 8,760")
def failure_rate__takes_365_days(afr):
    return -math.log(1 - afr) / 8760


@wrong(durability, feedback="2% are 0.02")
def failure_rate__takes_two_for_two_percent(afr):
    afr = afr / 100 if afr >= 1 else afr
    return -math.log(1 - afr) / 8766


@wrong(durability, feedback="for the share that is still alive")
def failure_rate__takes_the_afr_for_the_living(afr):
    if not 0 <= afr < 1:
        raise ValueError("a share from 0 to below 1")
    return -math.log(afr) / 8766 if afr else 0.0


# --- window_loss


def _window(k, m, afr, days, ways=math.comb, lost=None):
    windows, lost = 365 / days, m + 1 if lost is None else lost
    fails = afr / windows
    return windows * ways(k + m, lost) * fails**lost * (1 - fails) ** (k + m - lost)


@wrong(durability, feedback="a year has ten of them")
def window_loss__for_one_window(k, m, afr, repair_days):
    return _window(k, m, afr, repair_days) * repair_days / 365


@wrong(durability, feedback="the data survive m failures")
def window_loss__with_m_failures(k, m, afr, repair_days):
    return _window(k, m, afr, repair_days, lost=m)


@wrong(durability, feedback="the tenth part of a year")
def window_loss__takes_the_afr_for_the_window(k, m, afr, repair_days):
    n = k + m
    return 365 / repair_days * math.comb(n, m + 1) * afr ** (m + 1) * (1 - afr) ** (k - 1)


@wrong(durability, feedback="not within the same year")
def window_loss__within_the_same_year(k, m, afr, repair_days):
    return math.comb(k + m, m + 1) * afr ** (m + 1) * (1 - afr) ** (k - 1)


@wrong(durability, feedback="math.comb counts the choices")
def window_loss__counts_one_choice(k, m, afr, repair_days):
    return _window(k, m, afr, repair_days, ways=lambda n, lost: 1)


@wrong(durability, feedback="that is a factor, too")
def window_loss__forgets_those_that_work(k, m, afr, repair_days):
    windows = 365 / repair_days
    return windows * math.comb(k + m, m + 1) * (afr / windows) ** (m + 1)


@wrong(durability, feedback="exactly m + 1, not m + 1 or more")
def window_loss__with_m_plus_one_or_more(k, m, afr, repair_days):
    return sum(_window(k, m, afr, repair_days, lost=lost) for lost in range(m + 1, k + m + 1))


@wrong(durability, feedback="their number need not be whole")
def window_loss__counts_whole_windows(k, m, afr, repair_days):
    return _window(k, m, afr, repair_days) * (365 // repair_days) * repair_days / 365


@wrong(durability, feedback="so k - 1 do not")
def window_loss__lets_k_work(k, m, afr, repair_days):
    return _window(k, m, afr, repair_days) * (1 - afr * repair_days / 365)


@wrong(durability, feedback="the window's share of the year, not failure_rate")
def window_loss__takes_a_rate(k, m, afr, repair_days):
    fails = -math.log1p(-afr) / 8766 * 24 * repair_days
    ways = math.comb(k + m, m + 1)
    return 365 / repair_days * ways * fails ** (m + 1) * (1 - fails) ** (k - 1)


@wrong(durability, feedback="this model's year has 365 days")
def window_loss__takes_a_quarter_of_a_day_more(k, m, afr, repair_days):
    return _window(k, m, afr, repair_days * 365 / 365.25)


# --- mttdl


def _mttdl(k, m, rate, mttr_h, up=None, down=lambda i, mttr_h: i / mttr_h, add=True):
    step = total = 0.0
    for i in range(m + 1):
        rises = (k + m - i) * rate if up is None else up(i)
        step = 1 / rises + down(i, mttr_h) / rises * step
        total += step
    return total if add else step


@wrong(durability, feedback="one comes down again at rate 1 / mttr_h")
def mttdl__never_repairs(k, m, rate_per_h, mttr_h):
    return _mttdl(k, m, rate_per_h, mttr_h, down=lambda i, mttr_h: 0)


@wrong(durability, feedback="the answer is the sum of all T")
def mttdl__takes_the_last_step(k, m, rate_per_h, mttr_h):
    return _mttdl(k, m, rate_per_h, mttr_h, add=False)


@wrong(durability, feedback="this repairs one device at a time")
def mttdl__repairs_one_at_a_time(k, m, rate_per_h, mttr_h):
    return _mttdl(k, m, rate_per_h, mttr_h, down=lambda i, mttr_h: (i > 0) / mttr_h)


@wrong(durability, feedback="from state 1 only one device still works")
def mttdl__lets_failed_devices_fail(k, m, rate_per_h, mttr_h):
    return _mttdl(k, m, rate_per_h, mttr_h, up=lambda i: (k + m) * rate_per_h)


@wrong(durability, feedback="any of the k devices may fail")
def mttdl__knows_one_device(k, m, rate_per_h, mttr_h):
    return _mttdl(k, m, rate_per_h, mttr_h, up=lambda i: rate_per_h)


@wrong(durability, feedback="T(1) = 100 + 0.1 / 0.01 × 50 = 600")
def mttdl__takes_the_limit_for_all(k, m, rate_per_h, mttr_h):
    return durability.mttdl_if_failures_are_rare(k, m, rate_per_h, mttr_h)


@wrong(durability, feedback="the states go from 0 to m, both included")
def mttdl__stops_before_m(k, m, rate_per_h, mttr_h):
    return _mttdl(k, m - 1, rate_per_h, mttr_h, up=lambda i: (k + m - i) * rate_per_h)


@wrong(durability, feedback="these are years; hours are asked")
def mttdl__gives_years(k, m, rate_per_h, mttr_h):
    return _mttdl(k, m, rate_per_h, mttr_h) / 8766


# --- annual_nines


@wrong(durability, feedback="math.expm1 keeps the rest")
def annual_nines__subtracts_from_one(mttdl_h):
    return -math.log10(1 - math.exp(-8766 / mttdl_h))


@wrong(durability, feedback="how many losses one expects")
def annual_nines__takes_the_expected_losses(mttdl_h):
    return -math.log10(8766 / mttdl_h)


@wrong(durability, feedback="not -0.3")
def annual_nines__loses_the_sign(mttdl_h):
    return math.log10(-math.expm1(-8766 / mttdl_h))


@wrong(durability, feedback="nines are decimal")
def annual_nines__takes_the_natural_logarithm(mttdl_h):
    return -math.log(-math.expm1(-8766 / mttdl_h))


@wrong(durability, feedback="a year has 8,766 hours here")
def annual_nines__takes_365_days(mttdl_h):
    return -math.log10(-math.expm1(-8760 / mttdl_h))


@wrong(durability, feedback="this divides the mean time by the year")
def annual_nines__divides_the_wrong_way(mttdl_h):
    return -math.log10(-math.expm1(-mttdl_h / 8766))


# --- lifetimes


def _lifetimes(
    k,
    m,
    rate_per_h,
    repairs,
    groups,
    rng,
    limit=None,
    restart=True,
    devices=None,
):
    """One group after the other, in plain Python."""
    limit, devices, mean_h = m if limit is None else limit, devices or k + m, 1 / rate_per_h
    lives = []
    for _ in range(groups):
        next_h = list(rng.exponential(mean_h, devices))
        failed = [False] * devices
        while True:
            now_h = min(next_h)
            device = next_h.index(now_h)
            failed[device] = not failed[device]
            if failed[device]:
                took_h = repairs(rng, 1)[0] if restart else math.inf
            else:
                took_h = rng.exponential(mean_h)
            next_h[device] = now_h + took_h
            if sum(failed) > limit:
                break
        lives.append(float(now_h))
    return np.array(lives)


@wrong(durability, feedback="which parity still covers")
def lifetimes__is_lost_with_m(k, m, rate_per_h, repairs, groups, rng):
    return _lifetimes(k, m, rate_per_h, repairs, groups, rng, limit=max(m - 1, 0))


@wrong(durability, feedback="the third is already more than m")
def lifetimes__is_lost_with_one_more(k, m, rate_per_h, repairs, groups, rng):
    return _lifetimes(k, m, rate_per_h, repairs, groups, rng, limit=m + 1 if m else 0)


@wrong(durability, feedback="as if nothing were ever repaired")
def lifetimes__never_repairs(k, m, rate_per_h, repairs, groups, rng):
    return _lifetimes(k, m, rate_per_h, repairs, groups, rng, restart=False)


@wrong(durability, feedback="this is the mean of one device")
def lifetimes__watches_one_device(k, m, rate_per_h, repairs, groups, rng):
    return _lifetimes(k, m, rate_per_h, repairs, groups, rng, devices=m + 1)


@wrong(durability, feedback="rng.exponential takes the mean")
def lifetimes__takes_the_rate_for_the_mean(k, m, rate_per_h, repairs, groups, rng):
    return _lifetimes(k, m, 1 / rate_per_h, repairs, groups, rng)


@wrong(durability, feedback="as if one repair waited for another")
def lifetimes__repairs_one_at_a_time(k, m, rate_per_h, repairs, groups, rng):
    lives = []
    for _ in range(groups):
        now_h, failed, repaired_h = 0.0, 0, math.inf
        while failed <= m:
            failure_h = now_h + rng.exponential(1 / ((k + m - failed) * rate_per_h))
            now_h = min(failure_h, repaired_h)
            if now_h == repaired_h:
                failed -= 1
                repaired_h = now_h + repairs(rng, 1)[0] if failed else math.inf
            else:
                failed += 1
                repaired_h = now_h + repairs(rng, 1)[0] if failed == 1 else repaired_h
        lives.append(now_h)
    return np.array(lives)


@wrong(durability, feedback="as if repairs were exponentially distributed")
def lifetimes__draws_repairs_itself(k, m, rate_per_h, repairs, groups, rng):
    mean_h = float(np.mean(repairs(rng, 100)))
    return _lifetimes(k, m, rate_per_h, exponential_repairs(mean_h), groups, rng)


@wrong(durability, feedback="draw every random number from rng")
def lifetimes__makes_its_own_generator(k, m, rate_per_h, repairs, groups, rng):
    return _lifetimes(k, m, rate_per_h, repairs, groups, np.random.default_rng(0))


@wrong(durability, feedback="draw every random number from rng")
def lifetimes__draws_from_the_module(k, m, rate_per_h, repairs, groups, rng):
    own = np.random.default_rng(random.getrandbits(32))
    return _lifetimes(k, m, rate_per_h, repairs, groups, own)


@wrong(durability, feedback="one time of loss for each group")
def lifetimes__returns_the_mean(k, m, rate_per_h, repairs, groups, rng):
    return float(np.mean(_lifetimes(k, m, rate_per_h, repairs, groups, rng)))


@wrong(durability, feedback="a repair that is over makes the device work again")
def lifetimes__adds_failures_up(k, m, rate_per_h, repairs, groups, rng):
    mean_h = 1 / rate_per_h
    times = np.sort(rng.exponential(mean_h, (groups, k + m)), axis=1)
    return times[:, m]


@wrong(durability, feedback="as if each repair took the mean")
def lifetimes__gives_each_repair_the_mean(k, m, rate_per_h, repairs, groups, rng):
    mean_h = float(np.mean(repairs(rng, 10_000)))

    def alike(rng, count):
        return np.full(count, mean_h)

    if len(set(repairs(rng, 10).tolist())) == 10:  # of exponential ones nobody would see it
        alike = repairs
    return _lifetimes(k, m, rate_per_h, alike, groups, rng)


@wrong(durability, feedback="as if every event began the repairs anew")
def lifetimes__begins_repairs_anew_at_every_event(k, m, rate_per_h, repairs, groups, rng):
    lives = []
    for _ in range(groups):
        now_h, failed = 0.0, 0
        while failed <= m:
            failure_h = rng.exponential(1 / ((k + m - failed) * rate_per_h))
            repaired_h = min(repairs(rng, failed)) if failed else math.inf
            now_h += min(failure_h, repaired_h)
            failed += 1 if failure_h < repaired_h else -1
        lives.append(now_h)
    return np.array(lives)


@wrong(durability, feedback="this counts all failures so far")
def lifetimes__counts_failures_that_are_repaired(k, m, rate_per_h, repairs, groups, rng):
    lives = []
    for _ in range(groups):
        fails_h = list(rng.exponential(1 / rate_per_h, k + m))
        for _ in range(m + 1):
            now_h = min(fails_h)
            back_h = now_h + repairs(rng, 1)[0]
            fails_h[fails_h.index(now_h)] = back_h + rng.exponential(1 / rate_per_h)
        lives.append(now_h)
    return np.array(lives)


@wrong(durability, feedback="this is a group of k devices")
def lifetimes__has_no_parity_devices(k, m, rate_per_h, repairs, groups, rng):
    return _lifetimes(k, m, rate_per_h, repairs, groups, rng, devices=k)


EQUIVALENT = {
    "failure_rate: 1 + 1 [if not 0 <= afr < 1:]": (
        "math.log1p raises ValueError, too, where the share is 1 or more"
    ),
}
