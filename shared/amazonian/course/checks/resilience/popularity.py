"""What lab 1.4 asks of Che's approximation."""

import math

import numpy as np

from amazonian.course.evidence import Answer, call, given, is_number
from amazonian.course.rules import RulesFor
from amazonian.resilience.popularity import fifo_present, zipf

about = RulesFor("amazonian.resilience.popularity")


def _is(answer: Answer, ratio: float, look: str) -> None:
    """The answer is `ratio`; where it nearly is, only the search has ended too soon."""
    value = float(answer.raw) if isinstance(answer.raw, float | np.floating) else None
    off = abs(value / ratio - 1) if is_number(value) else 0.0
    if 0 < off < 1e-3:
        look = f"right to {math.floor(-math.log10(off))} digits, and 9 are asked: halve on"
    answer.close_to(ratio, rel=1e-8, look=look)


@about.rule("che_hit_ratio")
def equal_keys_need_no_bisection(che_hit_ratio):
    """Where all keys are equally popular, the hit ratio is the share of the keys that fit."""
    _is(
        call(che_hit_ratio, [0.25] * 4, 1),
        0.25,
        "with equal keys `present` is the same for all: capacity / keys",
    )
    _is(
        call(che_hit_ratio, np.full(50, 0.02), 40, shown_as="che_hit_ratio([0.02] * 50, 40)"),
        0.8,
        "here t is 80, more than there are keys: does your search go as far as that?",
    )


@about.rule("che_hit_ratio")
def senseless_input_is_refused(che_hit_ratio):
    """A negative capacity, or shares that do not sum to 1, are a ValueError."""
    call(che_hit_ratio, [0.5, 0.5], -1).raises(ValueError)
    call(che_hit_ratio, [0.5, 0.4], 1).raises(ValueError, look="these sum to 0.9")
    call(che_hit_ratio, [3, 2, 1], 1).raises(ValueError, look="counts are not shares: sum 6")
    call(che_hit_ratio, [0.7, 0.2995], 1).raises(
        ValueError, look="these sum to 0.9995; the docstring says `within a millionth`"
    )
    call(che_hit_ratio, [0.7, 0.2, 0.1], 3).close_to(
        1.0, look="0.7 + 0.2 + 0.1 is 0.9999999999999999: leave room for rounding"
    )
    call(che_hit_ratio, [0.7, 0.2999995], 2).between(
        0.999, 1.001, look="these sum to 0.9999995; the docstring says `within a millionth`"
    )


@about.rule("che_hit_ratio")
def zipf_traffic(che_hit_ratio):
    """10,000 keys under Zipf's law with exponent 1: an LRU cache of 100 has 39%, one of 1,000
    68%."""
    given("popularity = zipf(10_000, 1.0)")
    popularity = zipf(10_000, 1.0)
    for capacity, ratio in ((100, 0.390525485), (1000, 0.675601794)):
        _is(
            call(
                che_hit_ratio,
                popularity,
                capacity,
                shown_as=f"che_hit_ratio(popularity, {capacity})",
            ),
            ratio,
            "which `t` makes the probabilities sum to the capacity? And the hit ratio weighs each "
            "key's probability with its share of the requests",
        )


@about.rule("che_hit_ratio")
def another_policy_another_formula(che_hit_ratio):
    """`present` is used as it was given: with FIFO's, the ratios are FIFO's."""
    given("popularity = zipf(10_000, 1.0)")
    popularity = zipf(10_000, 1.0)
    for capacity, ratio in ((100, 0.342332100), (1000, 0.630906004)):
        _is(
            call(
                che_hit_ratio,
                popularity,
                capacity,
                fifo_present,
                shown_as=f"che_hit_ratio(popularity, {capacity}, fifo_present)",
            ),
            ratio,
            "call present(…), both in the sum and in the answer",
        )


@about.rule("che_hit_ratio")
def extremely_rare_keys(che_hit_ratio):
    """`t` may be enormous: here a thousand keys are asked for once in a billion requests each."""
    popularity = [1 - 1e-6] + [1e-9] * 1000
    # Said beforehand, since a search that waits for a narrower interval never comes back.
    given(
        "popularity = [1 - 1e-6] + [1e-9] * 1000. The t of 501 keys is 6.9e8, and floats lie 1e-7 "
        "apart there: an interval that is to be narrower is never reached, a fixed number of "
        "halvings is"
    )
    call(
        lambda: 1 - che_hit_ratio(popularity, 501), shown_as="1 - che_hit_ratio(popularity, 501)"
    ).between(
        0.49e-6,
        0.51e-6,
        look="half of the rare keys fit, which takes t = 6.9e8: double the upper end until the "
        "sum reaches the capacity",
    )


@about.rule("che_hit_ratio")
def everything_fits(che_hit_ratio):
    """If all keys with any traffic fit, the hit ratio is 1; with a capacity of 0 it is 0."""
    call(che_hit_ratio, [0.5, 0.3, 0.2], 3).close_to(
        1.0, look="no finite t makes the sum reach the number of keys"
    )
    call(che_hit_ratio, [0.5, 0.3, 0.2], 10).close_to(1.0)
    call(che_hit_ratio, [0.5, 0.5, 0.0, 0.0], 3).close_to(
        1.0, look="keys that nobody asks for take no room"
    )
    call(che_hit_ratio, [0.5, 0.3, 0.2], 0).close_to(0.0)


about.hints(
    "che_hit_ratio",
    """
    If you knew `t`, how would you compute the hit ratio? And how would you see whether a `t` that
    you guessed is too small?
    """,
    """
    present(shares * t).sum() grows with t from 0 to the number of keys. Find an upper end by
    doubling, then halve the interval 60 times (a number, not a width: between large floats there
    is no narrow interval). The answer is the sum of
    shares * present(shares * t).
    """,
    """
    shares = np.asarray(popularity, dtype=float)
    …                                        # ValueError, and 1.0 where everything fits
    low, high = 0.0, 1.0
    while present(shares * high).sum() < capacity:
        high *= 2
    for _ in range(60):
        t = (low + high) / 2
        if present(shares * t).sum() < capacity: …
        else: …
    return float(shares @ present(…))
    """,
)
