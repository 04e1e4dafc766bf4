"""Wrong answers to the exercises of lab 3.1 on amounts."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from amazonian.payments import money
from amazonian.payments.money import TooManyDecimalsError
from wrong_answers import wrong

# --- minor_units


@wrong(money, feedback="stay with text until int() makes the number")
def minor_units__multiplies_a_float(text, exponent):
    if len(text.partition(".")[2]) > exponent:
        raise TooManyDecimalsError
    return int(float(text) * 10**exponent)


@wrong(money, feedback="a float has some 16 digits, in base 2")
def minor_units__rounds_a_float(text, exponent):
    if len(text.partition(".")[2]) > exponent:
        raise TooManyDecimalsError
    return round(float(text) * 10**exponent)


@wrong(money, feedback="the yen has none, and the dinar three")
def minor_units__has_two_decimals_always(text, exponent):
    whole, _, decimals = text.partition(".")
    if len(decimals) > max(exponent, 2):
        raise TooManyDecimalsError
    return int(whole + decimals.ljust(max(exponent, 2), "0"))


@wrong(money, feedback="12 dollars and 30 cents")
def minor_units__takes_the_point_out(text, exponent):
    if len(text.partition(".")[2]) > exponent:
        raise TooManyDecimalsError
    return int(text.replace(".", ""))


@wrong(money, feedback="12 dollars and 30 cents")
def minor_units__fills_up_on_the_left(text, exponent):
    whole, _, decimals = text.partition(".")
    if len(decimals) > exponent:
        raise TooManyDecimalsError
    return int(whole + decimals.rjust(exponent, "0"))


@wrong(money, feedback="int('-0') has lost its sign")
def minor_units__adds_the_decimals(text, exponent):
    whole, _, decimals = text.partition(".")
    if len(decimals) > exponent:
        raise TooManyDecimalsError
    return int(whole) * 10**exponent + int(decimals.ljust(exponent, "0") or "0")


@wrong(money, feedback="without telling anybody")
def minor_units__cuts_off_what_is_too_much(text, exponent):
    whole, _, decimals = text.partition(".")
    return int(whole + decimals[:exponent].ljust(exponent, "0"))


@wrong(money, feedback="without telling anybody")
def minor_units__rounds_what_is_too_much(text, exponent):
    exact = Decimal(text).scaleb(exponent)
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


@wrong(money, feedback="without telling anybody")
def minor_units__lets_zeros_pass(text, exponent):
    exact = Fraction(text) * 10**exponent
    if exact.denominator != 1:
        raise TooManyDecimalsError
    return int(exact)


@wrong(money, feedback="a float is no count of cents")
def minor_units__returns_a_float(text, exponent):
    whole, _, decimals = text.partition(".")
    if len(decimals) > exponent:
        raise TooManyDecimalsError
    return float(int(whole + decimals.ljust(exponent, "0")))


# --- apportion


@wrong(money, feedback="rounding each share by itself does not keep the sum")
def apportion__rounds_each_share(total, weights):
    return [round(Fraction(total * weight, sum(weights))) for weight in weights]


@wrong(money, feedback="rounding each share by itself does not keep the sum")
def apportion__rounds_down(total, weights):
    return [total * weight // sum(weights) for weight in weights]


@wrong(money, feedback="what is left over goes to several shares, one unit each")
def apportion__gives_all_that_is_left_to_the_first(total, weights):
    shares = [total * weight // sum(weights) for weight in weights]
    shares[0] += total - sum(shares)
    return shares


@wrong(money, feedback="what is left over goes to several shares, one unit each")
def apportion__gives_the_rest_to_the_last(total, weights):
    shares = [total * weight // sum(weights) for weight in weights[:-1]]
    return [*shares, total - sum(shares)]


@wrong(money, feedback="is what a share loses by rounding down")
def apportion__serves_in_order_of_place(total, weights):
    shares = [total * weight // sum(weights) for weight in weights]
    for place in range(total - sum(shares)):
        shares[place] += 1
    return shares


@wrong(money, feedback="not the largest shares or weights")
def apportion__serves_the_largest_weights(total, weights):
    shares = [total * weight // sum(weights) for weight in weights]
    order = sorted(range(len(weights)), key=lambda place: -weights[place])
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    return shares


@wrong(money, feedback="keeps the order of equal ones; don't turn it round")
def apportion__serves_the_last_of_equals(total, weights):
    shares = [total * weight // sum(weights) for weight in weights]
    lost = [total * weight % sum(weights) for weight in weights]
    order = sorted(range(len(weights)), key=lambda place: (lost[place], place))
    for place in order[len(weights) - (total - sum(shares)) :]:
        shares[place] += 1
    return shares


@wrong(money, feedback="// and % of ints are exact; / makes a float")
def apportion__divides_with_floats(total, weights):
    parts = [total * weight / sum(weights) for weight in weights]
    shares = [int(part) for part in parts]
    order = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % sum(weights)))
    for place in order[: max(0, total - sum(shares))]:
        shares[place] += 1
    return shares


@wrong(money, feedback="the caller's weights are")
def apportion__sorts_the_callers_weights(total, weights):
    answer = _right(total, weights)
    weights.sort()
    return answer


def _right(total, weights):
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    lost = [total * weight % whole for weight in weights]
    for place in sorted(range(len(weights)), key=lambda p: -lost[p])[: total - sum(shares)]:
        shares[place] += 1
    return shares


@wrong(money, feedback="arithmetic with a Decimal rounds to 28 digits")
def minor_units__multiplies_a_decimal(text, exponent):
    if len(text.partition(".")[2]) > exponent:
        raise TooManyDecimalsError
    return int(Decimal(text) * 10**exponent)


@wrong(money, feedback="nothing but the remainders")
def apportion__serves_the_heavier_first(total, weights):
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda p: (-(total * weights[p] % whole), -weights[p]))
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    return shares


@wrong(money, feedback="floats that should be equal differ")
def apportion__compares_remainders_as_floats(total, weights):
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda p: shares[p] - total * weights[p] / whole)
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    return shares


EQUIVALENT = {}
