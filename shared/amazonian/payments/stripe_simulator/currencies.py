"""Which amounts Stripe takes in which currency.

An amount is an integer in Stripe's smallest unit of the currency, which is not always ISO 4217's:
ISK and UGX have no decimals in ISO 4217, yet are sent with two that must be 00; MGA has two, yet
is sent with none. Source: Stripe's guide "Supported currencies".
"""

from amazonian.payments.stripe_simulator.errors import invalid


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


SUPPORTED = _codes("""
usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd
hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad
mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln
pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs
uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw
""")
ZERO_DECIMAL = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THREE_DECIMAL = _codes("bhd jod kwd omr tnd")
WHOLE_UNITS_ONLY = _codes("isk ugx")
SMALLEST = {
    **dict.fromkeys(_codes("usd aud brl cad chf eur inr jpy nzd sgd"), 50),
    **{"aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500},
    **{"mxn": 1000, "myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000},
}
LARGEST = 99_999_999


def decimals(currency: str) -> int:
    """The number of decimals in Stripe's amounts of a currency."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def check_amount(amount: int, currency: str) -> None:
    """Refuse what can't be charged.

    Raises:
        ApiError: 400; the code says what is wrong with the amount.
    """
    if amount < 1:
        raise invalid("An amount is at least 1.", "amount", "parameter_invalid_integer")
    smallest = SMALLEST.get(currency, 1)
    if amount < smallest:
        message = f"An amount in {currency} is at least {smallest}."
        raise invalid(message, "amount", "amount_too_small")
    if amount > LARGEST:
        raise invalid("An amount has up to eight digits.", "amount", "amount_too_large")
    step = 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_UNITS_ONLY else 1
    if amount % step:
        raise invalid(f"An amount in {currency} is a multiple of {step}.", "amount")


def currency_code(name: str, value: object) -> str:
    """Read a currency parameter: three letters, kept in lower case."""
    code = value.lower() if isinstance(value, str) else ""
    if code not in SUPPORTED:
        raise invalid(f"Invalid currency: {value}", name)
    return code
