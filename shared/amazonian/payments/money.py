"""Money: whole minor units of one currency, never a float: lab 3.1.

The *minor unit* is the smallest part of a currency that an amount is written in: the cent of the
US dollar, the yen itself, a thousandth of a Kuwaiti dinar. How many decimals that makes is the
currency's *exponent*.

Source: ISO 4217, list one of 1 January 2026. Codes to which it gives no minor unit, such as XAU for
gold, are left out: nobody can say how to write an amount of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import total_ordering

_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN "
    "BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
    "GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP "
    "LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR "
    "NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
    "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER "
    "ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS: dict[str, int] = {
    code: exponent for exponent, codes in _CODES.items() for code in codes.split()
}
AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class UnknownCurrencyError(ValueError):
    """ISO 4217 has no such currency; codes are three capital letters, as in "EUR"."""


class CurrencyMismatchError(ValueError):
    """Amounts of two currencies were added or compared; convert one of them first."""


class TooManyDecimalsError(ValueError):
    """An amount has more decimals than its currency; round it where it is made, and say how."""


def exponent(currency: str) -> int:
    """How many decimals a currency's minor unit is below its unit: 2 for USD, 0 for JPY.

    Raises:
        UnknownCurrencyError: ISO 4217 has no such currency.
    """
    try:
        return EXPONENTS[currency]
    except (KeyError, TypeError):
        raise UnknownCurrencyError(
            f"{currency!r} is no currency of ISO 4217; write its code, such as 'USD'"
        ) from None


@total_ordering
@dataclass(frozen=True)
class Money:
    """An amount of one currency.

    Args:
        amount: in minor units; may be negative.
        currency: its ISO 4217 code.

    Raises:
        TypeError: the amount is not a whole number; a float can't hold most amounts exactly.
        UnknownCurrencyError: ISO 4217 has no such currency.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError(
                f"an amount is a whole number of minor units, not {self.amount!r}: "
                "read text with money.parse"
            )
        exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other, "add")
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other, "subtract")
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same_currency(other, "compare")
        return self.amount < other.amount

    def __str__(self) -> str:
        """As in "12.34 USD", "500 JPY" and "-0.005 KWD"."""
        decimals = EXPONENTS[self.currency]
        digits = f"{abs(self.amount):0{decimals + 1}}"
        whole, rest = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
        sign, point = "-" if self.amount < 0 else "", "." if decimals else ""
        return f"{sign}{whole}{point}{rest} {self.currency}"

    def _same_currency(self, other: "Money", verb: str) -> None:
        if not isinstance(other, Money):
            raise TypeError(f"can't {verb} {self} and {other!r}: that is no Money")
        if self.currency != other.currency:
            raise CurrencyMismatchError(f"can't {verb} {self} and {other}: convert one first")


def minor_units(text: str, exponent: int) -> int:
    """An amount written with a decimal point, in whole minor units.

    Args:
        text: digits, perhaps with a minus sign in front, perhaps with a point and more digits
            behind; :func:`parse` has made sure of that.
        exponent: how many decimals the currency has.

    Returns:
        The amount, exactly. So ``minor_units("12.3", 2)`` is 1230.

    Raises:
        TooManyDecimalsError: there are more digits behind the point than `exponent`, be they
            zeros: nothing is rounded or cut off here.
    """
    whole, _, decimals = text.partition(".")
    if len(decimals) > exponent:
        raise TooManyDecimalsError(f"{text} has more than {exponent} decimals")
    return int(whole + decimals.ljust(exponent, "0"))


def parse(text: str, currency: str) -> Money:
    """Read an amount such as "12.34", "-5" or "0.005".

    Raises:
        TypeError: it is not text; a float has lost the exact amount already.
        ValueError: it is not written so: no sign but a minus, no exponent, no blanks, no commas.
        TooManyDecimalsError: the currency has fewer decimals.
        UnknownCurrencyError: ISO 4217 has no such currency.
    """
    if not isinstance(text, str):
        raise TypeError(f"an amount is read from text, not from {text!r}")
    if not AMOUNT.fullmatch(text):
        raise ValueError(f"{text!r} is no amount; write it like '12.34' or '-5'")
    return Money(minor_units(text, exponent(currency)), currency)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Divide whole units in proportion to weights, without losing or making one.

    The largest-remainder method, also Hamilton's, known from sharing out seats: each share is
    first rounded down. The units that are then left go, one each, to the shares that rounding
    took most from; of equal ones to the first.

    Args:
        total: how many units, not negative.
        weights: whole numbers, one for each share, not negative and not all zero.

    Returns:
        The shares in the order of the weights. Their sum is `total`, and each is less than 1
        away from its exact part. Whole numbers are enough: no float is exact for all totals.
    """
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    lost = [total * weight % whole for weight in weights]
    left = total - sum(shares)
    for place in sorted(range(len(weights)), key=lambda place: -lost[place])[:left]:
        shares[place] += 1
    return shares


def split(total: Money, weights: Sequence[int]) -> list[Money]:
    """Divide an amount in proportion to weights: see :func:`apportion`.

    A negative total is divided like the positive one, with the sign turned.

    Raises:
        TypeError: a weight is no whole number.
        ValueError: a weight is negative, or all are zero, or there are none.
    """
    if any(type(weight) is not int for weight in weights):
        raise TypeError(f"weights are whole numbers, and these are {weights}")
    if any(weight < 0 for weight in weights) or not any(weights):
        raise ValueError(f"weights are not negative and not all zero, and these are {weights}")
    sign = -1 if total.amount < 0 else 1
    shares = apportion(abs(total.amount), weights)
    return [Money(sign * share, total.currency) for share in shares]
