"""Faults that strike exactly the call that they were meant for."""

import contextlib

import pytest
import stripe

from amazonian.payments.stripe_simulator.core import DELAY_S, LATE_S
from amazonian.payments.stripe_simulator.faults import Fault, Faults, Kind
from amazonian.payments.stripe_simulator.transport import client

CREATE = "POST /v1/payment_intents"


def charged(simulator):
    return sum(charge["paid"] for charge in simulator.objects("charge"))


@pytest.mark.parametrize(
    ("kind", "error", "status", "charges"),
    [
        (Kind.DECLINE, stripe.CardError, 402, 0),
        (Kind.TIMEOUT_BEFORE, stripe.APIConnectionError, None, 0),
        (Kind.TIMEOUT_AFTER, stripe.APIConnectionError, None, 1),
        (Kind.ERROR_BEFORE, stripe.APIError, 500, 0),
        (Kind.ERROR_AFTER, stripe.APIError, 500, 1),
        (Kind.THROTTLE, stripe.RateLimitError, 429, 0),
        (Kind.CONFLICT, stripe.APIError, 409, 0),
    ],
)
def test_a_fault_does_what_its_name_says_and_only_once(
    simulator, pay, kind, error, status, charges
):
    simulator.faults.add(kind)
    with pytest.raises(error) as failed:
        pay("first")
    assert failed.value.http_status == status
    assert charged(simulator) == charges
    assert pay("second").status == "succeeded"
    assert charged(simulator) == charges + 1
    assert [(name, fault.kind) for name, fault in simulator.faults.struck] == [(CREATE, kind)]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Kind.TIMEOUT_BEFORE, "succeeded"),
        (Kind.TIMEOUT_AFTER, "succeeded"),
        (Kind.THROTTLE, "succeeded"),
        (Kind.CONFLICT, "succeeded"),
        (Kind.ERROR_BEFORE, 500),
        (Kind.ERROR_AFTER, 500),
    ],
)
def test_a_retry_with_the_same_key_is_safe_after_each_of_them(simulator, pay, kind, answer):
    simulator.faults.add(kind)
    with pytest.raises(stripe.StripeError):
        pay("key")
    if answer == 500:  # the first answer is kept, so only asking tells
        with pytest.raises(stripe.APIError) as again:
            pay("key")
        assert again.value.headers["Idempotent-Replayed"] == "true"
        assert again.value.headers["Stripe-Should-Retry"] == "false"
    else:
        assert pay("key").status == answer
    assert charged(simulator) == (kind is not Kind.ERROR_BEFORE)


@pytest.mark.parametrize(
    ("kind", "calls", "charges"),
    [
        (Kind.TIMEOUT_BEFORE, 2, 1),
        (Kind.TIMEOUT_AFTER, 2, 1),
        (Kind.CONFLICT, 2, 1),
        (Kind.ERROR_AFTER, 1, 1),
        (Kind.ERROR_BEFORE, 1, 0),
    ],
)
def test_the_sdks_own_retries_do_as_the_answers_headers_say(
    simulator, monkeypatch, kind, calls, charges
):
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    told = []
    watched = client(simulator, on_call=lambda call, phase: told.append(phase))
    simulator.faults.add(kind)
    params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    with contextlib.suppress(stripe.APIError):
        watched.v1.payment_intents.create(params, {"max_network_retries": 2})
    assert told.count("before") == calls
    assert charged(simulator) == charges


@pytest.mark.parametrize("kind", [Kind.TIMEOUT_AFTER, Kind.TIMEOUT_LATE, Kind.ERROR_AFTER])
def test_a_fault_strikes_a_repeated_request_as_well(simulator, pay, kind):
    pay("key")
    simulator.faults.add(kind)
    with pytest.raises(stripe.StripeError):
        pay("key")
    assert pay("key").status == "succeeded"
    assert charged(simulator) == 1


def test_a_decline_with_a_500_is_charged_to_nobody(simulator, pay):
    simulator.faults.add(Kind.ERROR_AFTER)
    with pytest.raises(stripe.APIError):
        pay("key", payment_method="pm_card_chargeDeclined")
    assert charged(simulator) == 0


def test_a_slow_answer_comes_after_three_seconds_of_the_clock(clock, simulator, pay):
    before_s = clock.now_s()
    simulator.faults.add(Kind.DELAY)
    assert pay().status == "succeeded"
    assert clock.now_s() - before_s == DELAY_S


def test_a_caller_without_patience_gives_up_when_its_time_is_over(clock, simulator):
    before_s = clock.now_s()
    simulator.faults.add(Kind.DELAY)
    with pytest.raises(stripe.APIConnectionError) as gone:
        client(simulator, timeout_s=2.0).v1.balance.retrieve()
    assert gone.value.should_retry
    assert clock.now_s() - before_s == 2.0


def test_a_lost_request_may_be_carried_out_after_its_caller_has_asked(clock, simulator):
    hasty = client(simulator, timeout_s=1.0)
    params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    simulator.faults.add(Kind.TIMEOUT_LATE, CREATE)
    with pytest.raises(stripe.APIConnectionError):
        hasty.v1.payment_intents.create(params, {"idempotency_key": "key"})
    assert not hasty.v1.payment_intents.list().data
    clock.sleep(LATE_S)
    assert len(hasty.v1.payment_intents.list().data) == 1


def test_the_nth_call_is_counted_among_those_that_it_is_about(simulator, psp, pay):
    simulator.faults.add(Kind.THROTTLE, "GET /v1/payment_intents/:id", nth=2, times=2)
    intent = pay()
    psp.v1.balance.retrieve()
    statuses = []
    for _ in range(4):
        try:
            psp.v1.payment_intents.retrieve(intent.id)
            statuses.append(200)
        except stripe.RateLimitError:
            statuses.append(429)
    assert statuses == [200, 429, 429, 200]


def test_two_faults_at_one_call_are_the_one_that_was_added_first():
    faults = Faults()
    faults.add(Kind.DELAY, nth=1)
    faults.add(Kind.THROTTLE, nth=1)
    faults.add(Kind.CONFLICT, nth=2)
    assert [faults.strike("GET /") for _ in range(3)] == [Kind.DELAY, Kind.CONFLICT, None]


def test_faults_of_webhooks_and_of_calls_do_not_mix():
    faults = Faults()
    faults.add(Kind.DROP)
    faults.add(Kind.DELAY)
    assert faults.strike("charge.succeeded", webhook=True) is Kind.DROP
    assert faults.strike("GET /v1/balance") is Kind.DELAY
    assert not faults.waiting()


@pytest.mark.parametrize("wrong", [{"kind": "explode"}, {"nth": 0}, {"times": 0}])
def test_a_fault_that_can_not_strike_is_refused(wrong):
    with pytest.raises(ValueError, match=r"explode|strikes"):
        Fault(**{"kind": "delay", **wrong})


def test_an_explorer_is_told_of_each_call_before_and_after(simulator):
    told = []
    watched = client(simulator, on_call=lambda call, phase: told.append((call, phase)))
    simulator.faults.add(Kind.TIMEOUT_AFTER, nth=2)
    intent = watched.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    with pytest.raises(stripe.APIConnectionError):
        watched.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    confirm = "POST /v1/payment_intents/:id/confirm"
    phases = ("before", "after")
    assert told == [(call, phase) for call in (CREATE, confirm) for phase in phases]


class Killed(BaseException):
    """A process that ends at once."""


@pytest.mark.parametrize(("phase", "charges"), [("before", 0), ("after", 1)])
def test_an_explorer_can_end_a_process_before_a_call_or_after_it(simulator, phase, charges):
    def kill(call, when):
        if when == phase:
            raise Killed

    params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    with pytest.raises(Killed):
        client(simulator, on_call=kill).v1.payment_intents.create(params)
    assert charged(simulator) == charges
