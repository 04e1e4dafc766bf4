"""Wrong answers to lab 1.4: Che's approximation."""

import numpy as np

from amazonian.resilience import popularity as component
from amazonian.resilience.popularity import lru_present
from wrong_answers import wrong


def _che(popularity, capacity, present, wrongly):
    """The reference, with one thing done `wrongly`."""
    shares = np.asarray(popularity, dtype=float)
    off = {"trusts floating point": 0.0, "is generous": 1e-3, "is strict": 1e-9}.get(wrongly, 1e-6)
    if capacity < 0 or abs(shares.sum() - 1) > off:
        raise ValueError("capacity or shares")
    if capacity >= np.count_nonzero(shares):
        return 1.0
    inner = lru_present if wrongly == "knows only LRU" else present
    low, high = 0.0, 1.0
    if wrongly == "guesses an upper end":
        high = 1e6
    while inner(shares * high).sum() < capacity and high < 1e6:
        high *= 2
    if wrongly == "takes the number of keys for an upper end":
        high = float(len(shares))
    while not wrongly.endswith("an upper end") and inner(shares * high).sum() < capacity:
        high *= 2
    if wrongly == "halves to a width":
        while high - low > 1e-9:
            t = (low + high) / 2
            low, high = (t, high) if inner(shares * t).sum() < capacity else (low, t)
    for _ in range(20 if wrongly == "stops early" else 60):
        t = (low + high) / 2
        if inner(shares * t).sum() < capacity:
            low = t
        else:
            high = t
    if wrongly == "takes the capacity for the time":
        low = capacity
    kept = inner(shares * low)
    return float(kept.mean() if wrongly == "weighs all keys alike" else shares @ kept)


@wrong(component, feedback="weighs each key's probability with its share")
def che_hit_ratio__weighs_all_keys_alike(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "weighs all keys alike")


@wrong(component, feedback="with equal keys `present` is the same for all")
def che_hit_ratio__takes_the_capacity_for_the_time(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "takes the capacity for the time")


@wrong(component, feedback="call present(…), both in the sum and in the answer")
def che_hit_ratio__knows_only_lru(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "knows only LRU")


@wrong(component, feedback="double the upper end until the sum reaches the capacity")
def che_hit_ratio__guesses_an_upper_end(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "guesses an upper end")


@wrong(component, feedback="here t is 80, more than there are keys")
def che_hit_ratio__takes_the_keys_for_an_upper_end(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "takes the number of keys for an upper end")


@wrong(component, feedback="and 9 are asked: halve on")
def che_hit_ratio__stops_early(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "stops early")


@wrong(component, feedback="a fixed number of halvings is", ends=False)
def che_hit_ratio__halves_to_a_width(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "halves to a width")


@wrong(component, feedback="these sum to 0.9995")
def che_hit_ratio__is_generous(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "is generous")


@wrong(component, feedback="these sum to 0.9999995")
def che_hit_ratio__is_strict(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "is strict")


@wrong(component, feedback="leave room for rounding")
def che_hit_ratio__trusts_floating_point(popularity, capacity, present=lru_present):
    return _che(popularity, capacity, present, "trusts floating point")


@wrong(component, feedback="which `t` makes the probabilities sum to the capacity?")
def che_hit_ratio__holds_the_most_popular(popularity, capacity, present=lru_present):
    if capacity < 0 or abs(sum(popularity) - 1) > 1e-6:
        raise ValueError("capacity or shares")
    return float(np.sort(popularity)[::-1][:capacity].sum())


EQUIVALENT = {
    "che_hit_ratio: compares with Gt [if capacity >= np.count_nonzero(shares):]": (
        "with as many places as keys the search ends where every probability rounds to 1"
    ),
    "che_hit_ratio: compares with GtE [if capacity < 0 or abs(shares.sum() - 1) > 1e-6:]": (
        "no sum of shares is off by exactly a millionth, to the last bit"
    ),
    "che_hit_ratio: compares with LtE [while present(shares * high).sum() < capacity:]": (
        "an upper end that is exactly right may as well be doubled once more"
    ),
    "che_hit_ratio: 1.0 + 1 [low, high = 0.0, 1.0]": "any positive upper end does for a start",
    "che_hit_ratio: 2 + 1 [high *= 2]": "trebling finds an upper end as well",
    "che_hit_ratio: 60 + 1 [for _ in range(60):]": "60 halvings use up a float's precision",
    "che_hit_ratio: compares with LtE [if present(shares * t).sum() < capacity:]": (
        "a t that is exactly right may be either end of the interval"
    ),
}
