"""What lab 3.1 asks of reading an amount and of dividing one."""

from collections.abc import Callable, Sequence
from typing import Any

from amazonian.course.evidence import Answer, call, fail
from amazonian.course.rules import RulesFor
from amazonian.payments.money import TooManyDecimalsError

about = RulesFor("amazonian.payments.money")


# --- minor_units ------------------------------------------------------------------------------


def _is(answer: Answer, wanted: int, look: str) -> None:
    """The answer is this whole number, and not a float that happens to equal it."""
    answer.equals(wanted, look=look)
    answer.satisfies(
        lambda value: type(value) is int, f"the int {wanted}", "a float is no count of cents"
    )


@about.rule("minor_units")
def an_amount_with_all_its_decimals(minor_units):
    """An amount with all its decimals is its digits, without the point."""
    for text, exponent, wanted in (("12.34", 2, 1234), ("0.05", 2, 5), ("1.234", 3, 1234)):
        _is(call(minor_units, text, exponent), wanted, "take the point out, and read the digits")


@about.rule("minor_units")
def missing_decimals_are_zeros(minor_units):
    """Decimals that are not written are zeros at the end, as many as the currency has."""
    for text, exponent, wanted in (
        ("12.3", 2, 1230),
        ("12", 2, 1200),
        ("0.2", 3, 200),
        ("7", 4, 70000),
    ):
        _is(
            call(minor_units, text, exponent),
            wanted,
            "12.3 USD are 12 dollars and 30 cents: fill up on the right until there are `exponent`",
        )


@about.rule("minor_units")
def a_currency_without_decimals(minor_units):
    """In a currency without decimals the amount is the number itself: 500 yen are 500."""
    for text in ("500", "0", "10"):
        _is(
            call(minor_units, text, 0),
            int(text),
            "100 is right for two decimals; the yen has none, and the dinar three",
        )


@about.rule("minor_units")
def the_sign_is_that_of_the_whole_amount(minor_units):
    """A minus sign counts for the decimals too, even if only zeros stand before the point."""
    for text, exponent, wanted in (
        ("-12.34", 2, -1234),
        ("-0.05", 2, -5),
        ("-3", 2, -300),
        ("-9", 0, -9),
    ):
        _is(
            call(minor_units, text, exponent),
            wanted,
            "int('-0') has lost its sign; make one number of all the digits",
        )


@about.rule("minor_units")
def no_amount_goes_through_a_float(minor_units):
    """Every amount is exact, however many digits it has."""
    for text, exponent, wanted in (
        ("0.29", 2, 29),
        ("1.15", 2, 115),
        ("4.35", 2, 435),
        ("8.413", 3, 8413),
        ("90071992547409.93", 2, 9007199254740993),
        ("123456789012345678", 2, 12345678901234567800),
    ):
        _is(
            call(minor_units, text, exponent),
            wanted,
            "a float has some 16 digits, in base 2: stay with text until int() makes the number",
        )


@about.rule("minor_units")
def more_decimals_are_refused(minor_units):
    """More decimals than the currency has are refused, even zeros: TooManyDecimalsError."""
    for text, exponent in (("1.005", 2), ("0.999", 2), ("1.230", 2), ("5.0", 0), ("0.00001", 4)):
        call(minor_units, text, exponent).raises(
            TooManyDecimalsError,
            "to cut off or to round here would change an amount without telling anybody",
        )


@about.rule("minor_units")
def no_amount_is_too_long(minor_units):
    """An amount of thirty digits is exact as well."""
    _is(
        call(minor_units, "123456789012345678901234567890.12", 2),
        12345678901234567890123456789012,
        "arithmetic with a Decimal rounds to 28 digits; the digits of a text need none",
    )


about.hints(
    "minor_units",
    "How would you do it with pencil and paper, without multiplying at all?",
    """
    Cut the text at the point (str.partition does it even if there is none). Refuse decimals that
    are too many; fill up those that are too few with zeros on the right; make one int of both
    parts.
    """,
    """
    whole, _, decimals = text.partition(".")
    if len(decimals) > …: raise TooManyDecimalsError("…")
    return int(whole + decimals.ljust(…, "0"))
    """,
)


# --- apportion --------------------------------------------------------------------------------


def _shares(apportion: Callable, total: int, weights: Sequence[int]) -> tuple[Answer, Any]:
    answer = call(apportion, total, list(weights))
    shares = answer.satisfies(
        lambda value: (
            isinstance(value, list)
            and len(value) == len(weights)
            and all(type(share) is int for share in value)
        ),
        f"a list of {len(weights)} ints",
        "one share for each weight, in whole units",
    )
    return answer, shares


@about.rule("apportion")
def what_goes_in_evenly_goes_in_evenly(apportion):
    """What can be divided without a remainder is."""
    for total, weights, wanted in (
        (300, [1, 1, 1], [100, 100, 100]),
        (100, [1, 4], [20, 80]),
        (7, [3], [7]),
        (0, [1, 2], [0, 0]),
    ):
        call(apportion, total, weights).equals(
            wanted, look="a share is total × weight ÷ sum of the weights"
        )


@about.rule("apportion")
def no_unit_is_lost_or_made(apportion):
    """The shares sum to the total, whatever the weights."""
    for total, weights in (
        (100, [1, 1, 1]),
        (101, [50, 30, 20]),
        (5, [1, 1]),
        (2, [1, 1, 1, 1, 1]),
        (1000, [1, 2, 3, 4, 5, 6, 7]),
    ):
        answer, shares = _shares(apportion, total, weights)
        if sum(shares) != total:
            raise answer.broken(
                f"shares that sum to {total}",
                "rounding each share by itself does not keep the sum: count what is left over",
                f"they sum to {sum(shares)}",
            )


@about.rule("apportion")
def each_share_is_its_part_but_for_less_than_one(apportion):
    """Each share is less than 1 away from its exact part: none gets all that is left over."""
    for total, weights in ((5, [1] * 7), (11, [1] * 4), (10, [9, 9, 9, 1]), (99, [1, 2] * 5)):
        answer, shares = _shares(apportion, total, weights)
        for place, (share, weight) in enumerate(zip(shares, weights, strict=True)):
            if abs(share * sum(weights) - total * weight) >= sum(weights):
                exact = total * weight / sum(weights)
                raise answer.broken(
                    f"share {place} near {exact:.2f}",
                    "what is left over goes to several shares, one unit each",
                )


@about.rule("apportion")
def the_largest_remainders_get_what_is_left(apportion):
    """What is left over goes, one unit each, to the shares that lost most by rounding down."""
    for total, weights, wanted in (
        (100, [1, 2, 3], [17, 33, 50]),  # 16.67, 33.33, 50
        (999, [90, 10], [899, 100]),  # 899.1, 99.9
        (10, [6, 6, 2], [4, 4, 2]),  # 4.29, 4.29, 1.43
        (21, [7, 1, 2], [15, 2, 4]),  # 14.7, 2.1, 4.2
        (3, [2, 1, 6], [1, 0, 2]),  # 0.67, 0.33, 2
    ):
        call(apportion, total, weights).equals(
            wanted,
            look="total × weight % sum of the weights is what a share loses by rounding down; the "
            "largest of these come first, not the largest shares or weights",
        )


@about.rule("apportion")
def of_equal_remainders_the_first_wins(apportion):
    """Of equal remainders the earlier share is served first, always: the result is determined."""
    for total, weights, wanted in (
        (100, [1, 1, 1], [34, 33, 33]),
        (200, [1, 1, 1], [67, 67, 66]),
        (1, [2, 2], [1, 0]),
        (100, [3, 3, 1], [43, 43, 14]),  # 42.86, 42.86, 14.29
        (5, [1, 1, 1, 1], [2, 1, 1, 1]),
        (2, [1, 3, 1, 3], [0, 1, 0, 1]),  # 0.25, 0.75, 0.25, 0.75
        (2, [1, 3], [1, 1]),  # 0.5, 1.5
        (2, [3, 1], [2, 0]),  # 1.5, 0.5
        (95, [2, 1, 2, 2, 3, 5], [13, 6, 13, 13, 19, 31]),  # 12.67, 6.33, three more .67
    ):
        call(apportion, total, weights).equals(
            wanted,
            look="Python's sort keeps the order of equal ones; don't turn it round, and look at "
            "nothing but the remainders: as ints, since floats that should be equal differ",
        )


@about.rule("apportion")
def a_weight_of_zero_gets_nothing(apportion):
    """A weight of zero gets nothing, not even a unit that is left over."""
    for total, weights, wanted in ((10, [0, 3, 0], [0, 10, 0]), (5, [0, 1, 1], [0, 3, 2])):
        call(apportion, total, weights).equals(wanted)


@about.rule("apportion")
def large_totals_are_exact(apportion):
    """Totals with more digits than a float holds are divided exactly too."""
    for total, weights, wanted in (
        (10**17, [1, 1, 1], [33333333333333334, 33333333333333333, 33333333333333333]),
        (9007199254740993, [1, 1], [4503599627370497, 4503599627370496]),
        (10**18 + 1, [10**9, 1, 10**9], [499999999750000001, 500000000, 499999999750000000]),
    ):
        call(apportion, total, weights).equals(
            wanted, look="// and % of ints are exact; / makes a float"
        )


@about.rule("apportion")
def the_weights_stay_as_they_are(apportion):
    """The caller's weights are not changed."""
    weights = [3, 1, 2]
    call(apportion, 10, weights).value()
    if weights != [3, 1, 2]:
        raise fail(f"afterwards the caller's weights are {weights}", "[3, 1, 2]")


about.hints(
    "apportion",
    "Round 100 × 1/3 down three times. How many units are left, and who has lost how much?",
    """
    Two lists of the same length: the shares rounded down (//), and what each lost by that (%).
    Order the places by what was lost, largest first, and give one unit to each of the first ones.
    """,
    """
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    lost = [total * weight % whole for …]
    left = total - …
    for place in sorted(range(len(weights)), key=lambda place: -lost[place])[:…]:
        shares[place] += …
    return shares
    """,
)
