"""Wrong answers to lab 3.2: whose a webhook is, and whether it is still news."""

import hmac
import json
import re

from amazonian.payments import provider, webhooks
from amazonian.payments.orders import State
from amazonian.payments.provider import Captured, Declined, Refunded
from amazonian.payments.webhooks import TOLERANCE_S, WebhookSignatureError, signature
from wrong_answers import wrong

TIME = re.compile("[0-9]{1,15}")


def _fields(header):
    return [field.partition("=")[::2] for field in header.split(",")]


def _time(header):
    times = [
        value
        for name, value in _fields(header)
        if name == "t" and re.fullmatch("[0-9]{1,15}", value)
    ]
    return int(times[0]) if times else 0


def _check(payload, header, secret, now_s, tolerance_s):
    times = [
        value
        for name, value in _fields(header)
        if name == "t" and re.fullmatch("[0-9]{1,15}", value)
    ]
    if not times:
        raise WebhookSignatureError("no time")
    expected = signature(payload, int(times[0]), secret).encode()
    given = [value.encode() for name, value in _fields(header) if name == "v1"]
    if not any(hmac.compare_digest(expected, value) for value in given):
        raise WebhookSignatureError("no signature")
    if int(times[0]) < now_s - tolerance_s:
        raise WebhookSignatureError("old")


@wrong(webhooks, feedback="collect all values of v1")
def verify__reads_the_header_into_a_dictionary(
    payload, header, secret, now_s, tolerance_s=TOLERANCE_S
):
    fields = dict(_fields(header))
    flat = f"t={fields.get('t', '')},v1={fields.get('v1', '')}"
    _check(payload, flat, secret, now_s, tolerance_s)


@wrong(webhooks, feedback="now_s - tolerance_s against the header's own time")
def verify__takes_old_ones(payload, header, secret, now_s, tolerance_s=TOLERANCE_S):
    _check(payload, header, secret, now_s, float("inf"))


@wrong(webhooks, feedback="the signature is over the time, a point and the payload")
def verify__signs_with_the_time_of_arrival(payload, header, secret, now_s, tolerance_s=TOLERANCE_S):
    expected = signature(payload, int(now_s), secret)
    _check(
        payload,
        header.replace(expected, signature(payload, _time(header), secret)),
        secret,
        now_s,
        tolerance_s,
    )


@wrong(webhooks, feedback="anybody may send a header")
def verify__trusts_that_the_time_is_a_number(
    payload, header, secret, now_s, tolerance_s=TOLERANCE_S
):
    int(dict(_fields(header)).get("t", "0"))
    _check(payload, header, secret, now_s, tolerance_s)


@wrong(webhooks, feedback="the signature is over the time, a point and the payload")
def verify__returns_false_where_it_should_raise(
    payload, header, secret, now_s, tolerance_s=TOLERANCE_S
):
    try:
        _check(payload, header, secret, now_s, tolerance_s)
    except WebhookSignatureError as error:
        return None if "signature" in str(error) else False
    return None


@wrong(webhooks, feedback="names in any order; other names are passed over")
def verify__expects_one_order(payload, header, secret, now_s, tolerance_s=TOLERANCE_S):
    if not header.startswith("t="):
        raise WebhookSignatureError("t comes first")
    _check(payload, header, secret, now_s, tolerance_s)


@wrong(webhooks, feedback="the PSP's clock may be ahead of ours")
def verify__refuses_clocks_that_are_ahead(payload, header, secret, now_s, tolerance_s=TOLERANCE_S):
    _check(payload, header, secret, now_s, tolerance_s)
    if int(dict(_fields(header))["t"]) > now_s:
        raise WebhookSignatureError("from the future")


@wrong(webhooks, feedback="the payload is signed byte for byte, as it came")
def verify__signs_what_it_has_parsed(payload, header, secret, now_s, tolerance_s=TOLERANCE_S):
    _check(json.dumps(json.loads(payload)).encode(), header, secret, now_s, tolerance_s)


@wrong(webhooks, feedback="anybody may send a header")
def verify__takes_any_number_for_a_time(payload, header, secret, now_s, tolerance_s=TOLERANCE_S):
    for name, value in _fields(header):
        if name == "t" and value.isdigit():
            int(value)
    _check(payload, header, secret, now_s, tolerance_s)


def _right(order, news):
    charging = order.state in (State.AUTHORISING, State.UNKNOWN)
    match news.outcome:
        case Captured():
            return charging
        case Declined():
            return charging and news.key == provider.charge_key(order)
        case Refunded():
            return order.state is State.REFUNDING and news.key == provider.refund_key(order)
        case _:
            refunding = order.state in (State.REFUNDING, State.REFUNDED)
            return refunding and news.key == provider.refund_key(order)


@wrong(webhooks, feedback="however late a decline arrives")
def waits_for__believes_whatever_came_last(order, news):
    return (isinstance(news.outcome, Declined) and news.key == provider.charge_key(order)) or (
        _right(order, news)
    )


@wrong(webhooks, feedback="an earlier one's failure says nothing about it")
def waits_for__asks_no_decline_for_its_key(order, news):
    if isinstance(news.outcome, Declined):
        return order.state in (State.AUTHORISING, State.UNKNOWN)
    return _right(order, news)


@wrong(webhooks, feedback="a buyer who has paid has paid")
def waits_for__wants_the_present_key_of_a_success(order, news):
    if isinstance(news.outcome, Captured) and news.key != provider.charge_key(order):
        return False
    return _right(order, news)


@wrong(webhooks, feedback="a buyer who has paid has paid")
def waits_for__forgets_that_an_order_may_be_unknown(order, news):
    return order.state is not State.UNKNOWN and _right(order, news)


@wrong(webhooks, feedback="the seller's money is held only while the order is refunding")
def waits_for__refunds_what_is_only_captured(order, news):
    if isinstance(news.outcome, Refunded):
        under_way = order.state in (State.REFUNDING, State.CAPTURED)
        return under_way and news.key == provider.refund_key(order)
    return _right(order, news)


@wrong(webhooks, feedback="provider.refund_key(order) is the request that is under way")
def waits_for__lets_any_refused_refund_count(order, news):
    if not isinstance(news.outcome, (Captured, Declined, Refunded)):
        return order.state in (State.REFUNDING, State.REFUNDED)
    return _right(order, news)


@wrong(webhooks, feedback="an earlier refund may have succeeded, and have come back since")
def waits_for__takes_any_refund_for_this_one(order, news):
    if isinstance(news.outcome, Refunded):
        return order.state is State.REFUNDING
    return _right(order, news)


@wrong(webhooks, feedback="a buyer's bank may send back a refund that had succeeded")
def waits_for__thinks_a_refund_is_final(order, news):
    return order.state is not State.REFUNDED and _right(order, news)


EQUIVALENT = {
    "verify: hmac.compare_digest with its first two arguments swapped "
    "[if not any(hmac.compare_digest(expected, value) for value in given):]": "it is symmetric",
}
