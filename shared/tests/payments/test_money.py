"""Money: whole minor units, read exactly, split without losing one."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.payments import money
from amazonian.payments.money import (
    EXPONENTS,
    CurrencyMismatchError,
    Money,
    TooManyDecimalsError,
    UnknownCurrencyError,
    parse,
    split,
)

AMOUNTS = st.integers(-(10**15), 10**15)
CURRENCIES = st.sampled_from(["JPY", "USD", "KWD", "CLF"])
WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any)


# --- currencies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exponent", "codes"),
    {
        0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
        2: "USD EUR GBP CHF INR MGA MRU",  # the last two have fifths, and ISO still writes two
        3: "BHD IQD JOD KWD LYD OMR TND",
        4: "CLF UYW",
    }.items(),
)
def test_a_currency_has_the_decimals_that_iso_4217_gives_it(exponent: int, codes: str) -> None:
    assert {money.exponent(code) for code in codes.split()} == {exponent}
    if exponent != 2:
        assert {c for c, decimals in EXPONENTS.items() if decimals == exponent} == {*codes.split()}


def test_every_code_is_three_capital_letters_and_there_are_165() -> None:
    assert len(EXPONENTS) == 165
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)


@pytest.mark.parametrize("code", ["usd", "XAU", "DEM", "HRK", "", "US", None, 840, ["USD"]])
def test_what_is_no_currency_in_use_is_refused_by_name(code: object) -> None:
    with pytest.raises(UnknownCurrencyError, match="ISO 4217"):
        Money(1, code)


# --- amounts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [1.0, 0.5, True, "1", None, Fraction(1)])
def test_an_amount_that_is_no_whole_number_is_refused(amount: object) -> None:
    with pytest.raises(TypeError, match="whole number of minor units"):
        Money(amount, "USD")


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1234, "USD", "12.34 USD"),
        (5, "USD", "0.05 USD"),
        (-5, "USD", "-0.05 USD"),
        (0, "EUR", "0.00 EUR"),
        (500, "JPY", "500 JPY"),
        (-1, "JPY", "-1 JPY"),
        (0, "JPY", "0 JPY"),
        (1234, "KWD", "1.234 KWD"),
        (-5, "KWD", "-0.005 KWD"),
        (1234567, "CLF", "123.4567 CLF"),
    ],
)
def test_money_is_written_with_its_currencys_decimals(amount, currency, text) -> None:
    assert str(Money(amount, currency)) == text


def test_amounts_of_one_currency_add_subtract_and_compare() -> None:
    ten, three = Money(1000, "USD"), Money(300, "USD")
    assert ten + three == Money(1300, "USD")
    assert three - ten == Money(-700, "USD")
    assert -ten == Money(-1000, "USD")
    assert three < ten
    assert ten >= ten
    assert max(three, ten) == ten
    assert {ten, Money(1000, "USD")} == {ten}


@pytest.mark.parametrize(
    "operation", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a >= b]
)
def test_amounts_of_two_currencies_are_not_mixed(operation) -> None:
    with pytest.raises(CurrencyMismatchError, match="convert one first"):
        operation(Money(1, "USD"), Money(1, "EUR"))


def test_equal_amounts_of_two_currencies_are_not_equal() -> None:
    assert Money(1, "USD") != Money(1, "EUR")
    assert Money(0, "USD") != Money(0, "EUR")


@pytest.mark.parametrize("other", [1, 1.0, None])
def test_money_and_a_bare_number_are_not_mixed(other: object) -> None:
    with pytest.raises(TypeError, match="no Money"):
        Money(1, "USD") + other
    with pytest.raises(TypeError, match="no Money"):
        assert Money(1, "USD") < other


def test_an_amount_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        Money(1, "USD").amount = 2


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("12.34", "USD", 1234),
        ("12.3", "USD", 1230),
        ("12", "USD", 1200),
        ("0.29", "USD", 29),  # int(0.29 * 100) is 28
        ("-0.05", "USD", -5),
        ("-12.30", "USD", -1230),
        ("007.10", "USD", 710),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("0.0001", "CLF", 1),
        ("90071992547409.93", "USD", 9007199254740993),  # no float holds this one
    ],
)
def test_an_amount_is_read_exactly(text: str, currency: str, amount: int) -> None:
    assert parse(text, currency) == Money(amount, currency)


@pytest.mark.parametrize(("text", "currency"), [("1.005", "USD"), ("1.230", "USD"), ("5.0", "JPY")])
def test_more_decimals_than_the_currency_has_are_refused_even_zeros(text, currency) -> None:
    with pytest.raises(TooManyDecimalsError, match=f"{text} has more than"):
        parse(text, currency)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", ".5", "5.", "+5", "--5", "1.2.3", "1e3", "1,000", " 5", "5 ", "5\n"),
        *("NaN", "inf", "0x10", "1_000", "٣", "５", "½"),
    ],
)
def test_what_is_not_written_like_an_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        parse(text, "USD")


@pytest.mark.parametrize("number", [12.34, 12, None, b"12"])
def test_an_amount_is_read_from_text_only(number: object) -> None:
    with pytest.raises(TypeError, match="read from text"):
        parse(number, "USD")


@given(AMOUNTS, CURRENCIES)
def test_what_was_written_is_read_as_it_was(amount: int, currency: str) -> None:
    text, code = str(Money(amount, currency)).split()
    assert parse(text, code) == Money(amount, currency)


# --- splitting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),  # three remainders of a third: the first gets the cent
        (200, [1, 1, 1], [67, 67, 66]),
        (1, [1, 1], [1, 0]),
        (-1, [1, 1], [-1, 0]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (100, [1, 2, 3], [17, 33, 50]),  # 16.67, 33.33, 50
        (101, [50, 30, 20], [51, 30, 20]),  # 50.5, 30.3, 20.2
        (5, [1, 1, 1, 1], [2, 1, 1, 1]),
        (10, [0, 3, 0], [0, 10, 0]),  # a weight of zero gets nothing, not even a remainder
        (0, [1, 1], [0, 0]),
        (7, [3], [7]),
        (999, [90, 10], [899, 100]),  # 899.1 and 99.9
        (1000, [333, 333, 334], [333, 333, 334]),
        (100, [3, 3, 1], [43, 43, 14]),  # 42.86, 42.86, 14.29: two are left, and go in order
    ],
)
def test_a_total_is_split_as_one_would_by_hand(total, weights, shares) -> None:
    assert [share.amount for share in split(Money(total, "EUR"), weights)] == shares
    assert money.apportion(abs(total), weights) == [abs(share) for share in shares]


@given(AMOUNTS, CURRENCIES, WEIGHTS)
def test_shares_sum_to_the_total(amount: int, currency: str, weights: list[int]) -> None:
    shares = split(Money(amount, currency), weights)
    assert sum(share.amount for share in shares) == amount
    assert {share.currency for share in shares} == {currency}
    assert len(shares) == len(weights)


@given(AMOUNTS, WEIGHTS)
def test_each_share_is_less_than_one_minor_unit_from_its_exact_part(amount, weights) -> None:
    for share, weight in zip(split(Money(amount, "USD"), weights), weights, strict=True):
        assert abs(share.amount - Fraction(amount * weight, sum(weights))) < 1


@given(AMOUNTS, WEIGHTS)
def test_a_split_depends_on_nothing_but_its_arguments(amount, weights) -> None:
    total = Money(amount, "USD")
    assert split(total, weights) == split(total, tuple(weights))
    assert split(-total, weights) == [-share for share in split(total, weights)]
    assert split(total, [7 * weight for weight in weights]) == split(total, weights)


@given(st.integers(0, 60), st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any))
def test_no_other_split_into_rounded_shares_is_nearer(amount: int, weights: list[int]) -> None:
    """Of all ways to round each share down or up that keep the total, try every one."""
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    ours = [share.amount for share in split(Money(amount, "USD"), weights)]

    def distance(shares) -> Fraction:
        return sum(abs(share - part) for share, part in zip(shares, exact, strict=True))

    choices = itertools.product(*({int(part), -(-part // 1)} for part in exact))
    assert distance(ours) == min(distance(c) for c in choices if sum(c) == amount)


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [-1]])
def test_weights_that_say_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="not all zero"):
        split(Money(100, "USD"), weights)


@pytest.mark.parametrize("weights", [[0.5, 0.5], [1, 2.0], [True, 1], ["1"]])
def test_weights_that_are_no_whole_numbers_are_refused(weights: list) -> None:
    with pytest.raises(TypeError, match="whole numbers"):
        split(Money(100, "USD"), weights)
