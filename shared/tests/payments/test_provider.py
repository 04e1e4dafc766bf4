"""What the PSP says, and its silence, becomes an outcome: the real SDK, a simulated PSP."""

from dataclasses import replace

import pytest
import stripe
from paying import NOON_S, Payments

from amazonian.payments import money, provider
from amazonian.payments.orders import PaymentOrder
from amazonian.payments.provider import (
    Captured,
    Declined,
    Refunded,
    RefundRefused,
    Rejected,
    Unknown,
    outcome_of,
    refund_outcome_of,
)
from amazonian.payments.stripe_simulator import currencies
from amazonian.payments.stripe_simulator.faults import Kind
from amazonian.resilience import retries

ORDER = PaymentOrder("e-1", "e", "books", 1_000, "EUR", "pm_card_visa", authorising_since_s=NOON_S)


@pytest.fixture
def payments():
    return Payments()


@pytest.fixture
def stripe_provider(payments):
    return payments.provider


def captured(payments, order=ORDER):
    outcome = payments.provider.charge(order)
    assert isinstance(outcome, Captured)
    return replace(order, intent_id=outcome.intent_id)


# --- charges


def test_a_charge_is_captured(payments, stripe_provider):
    outcome = stripe_provider.charge(ORDER)
    [intent] = payments.psp.objects("payment_intent")
    assert outcome == Captured(intent["id"])
    assert (intent["amount"], intent["currency"]) == (1_000, "eur")
    assert stripe_provider.find(ORDER) == outcome


def test_a_currency_that_the_psp_counts_in_other_units_is_rejected_unsent(payments):
    differ = {
        code.upper()
        for code in currencies.SUPPORTED
        if money.EXPONENTS.get(code.upper(), currencies.decimals(code)) != currencies.decimals(code)
    }
    assert differ == provider.OTHER_UNITS
    for currency in differ:
        outcome = payments.provider.charge(replace(ORDER, currency=currency))
        assert isinstance(outcome, Rejected)
    assert payments.calls == []


def test_a_repeated_charge_is_the_same_charge(payments, stripe_provider):
    assert stripe_provider.charge(ORDER) == stripe_provider.charge(ORDER)
    assert payments.charges() == ["e-1"]


def test_another_generation_of_the_key_is_another_charge(payments, stripe_provider):
    stripe_provider.charge(ORDER)
    stripe_provider.charge(replace(ORDER, key_generation=1))
    assert payments.charges() == ["e-1", "e-1"]


def test_a_declined_card_is_no_error(payments, stripe_provider):
    order = replace(ORDER, payment_method="pm_card_chargeDeclinedInsufficientFunds")
    outcome = stripe_provider.charge(order)
    assert isinstance(outcome, Declined)
    assert outcome.code == "card_declined"
    assert stripe_provider.find(order) == outcome


@pytest.mark.parametrize("kind", [Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER, Kind.THROTTLE])
def test_what_may_be_repeated_is_repeated_with_the_same_key(payments, stripe_provider, kind):
    payments.psp.faults.add(kind)
    assert isinstance(stripe_provider.charge(ORDER), Captured)
    assert payments.calls == ["POST /v1/payment_intents"] * 2
    assert payments.charges() == ["e-1"]


@pytest.mark.parametrize("kind", [Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER, Kind.CONFLICT])
def test_silence_is_unknown_and_asking_tells(payments, stripe_provider, kind):
    payments.psp.faults.add(kind, times=2)
    outcome = stripe_provider.charge(ORDER)
    assert isinstance(outcome, Unknown)
    assert not outcome.key_spent
    acted = kind is Kind.TIMEOUT_AFTER
    assert isinstance(stripe_provider.find(ORDER), Captured if acted else type(None))


@pytest.mark.parametrize("kind", [Kind.ERROR_BEFORE, Kind.ERROR_AFTER])
def test_a_key_is_spent_when_the_psp_repeats_its_failure(payments, stripe_provider, kind):
    payments.psp.faults.add(kind)
    first, second = stripe_provider.charge(ORDER), stripe_provider.charge(ORDER)
    assert isinstance(first, Unknown)
    assert isinstance(second, Unknown)
    assert (first.key_spent, second.key_spent) == (False, True)
    assert len(payments.calls) == 2, "a 500 is not repeated at once"
    assert isinstance(stripe_provider.find(ORDER), Captured) == (kind is Kind.ERROR_AFTER)


def test_a_request_that_is_still_running_is_not_sent_under_another_key(payments, stripe_provider):
    payments.psp.faults.add(Kind.TIMEOUT_LATE)
    outcome = stripe_provider.charge(ORDER)
    assert isinstance(outcome, Unknown)
    assert not outcome.key_spent
    assert stripe_provider.find(ORDER) is None
    payments.clock.sleep(60)
    assert isinstance(stripe_provider.find(ORDER), Captured)


@pytest.mark.parametrize(
    "change", [{"payment_method": "pm_nobody"}, {"amount": 10**12}, {"amount": 0}]
)
def test_a_request_that_is_wrong_is_rejected_and_not_repeated(payments, stripe_provider, change):
    outcome = stripe_provider.charge(replace(ORDER, **change))
    assert isinstance(outcome, Rejected)
    assert outcome.message
    assert len(payments.calls) == 1


def test_a_key_with_another_amount_is_rejected(stripe_provider):
    stripe_provider.charge(ORDER)
    outcome = stripe_provider.charge(replace(ORDER, amount=1_001))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "IdempotencyError"


def test_a_wrong_api_key_says_nothing_of_the_order(payments, stripe_provider):
    payments.psp.api_key = "sk_test_other"
    outcome = stripe_provider.charge(ORDER)
    assert isinstance(outcome, Unknown)
    assert not outcome.key_spent
    assert isinstance(stripe_provider.find(ORDER), Unknown)


def test_the_retry_quota_is_asked(payments):
    payments.provider.calls.quota.tokens = 0
    payments.psp.faults.add(Kind.THROTTLE)
    assert isinstance(payments.provider.charge(ORDER), Unknown)
    assert len(payments.calls) == 1


# --- questions


def test_asking_goes_through_all_pages(payments, stripe_provider):
    stripe_provider.charge(ORDER)
    for number in range(150):
        stripe_provider.charge(replace(ORDER, id=f"other-{number}"))
    payments.calls.clear()
    assert isinstance(stripe_provider.find(ORDER), Captured)
    assert payments.calls == ["GET /v1/payment_intents"] * 2


def test_asking_for_what_the_psp_does_not_know_gives_none(stripe_provider):
    stripe_provider.charge(replace(ORDER, id="other"))
    assert stripe_provider.find(ORDER) is None


def test_asking_reaches_back_to_the_first_attempt_and_some_minutes_more(payments, stripe_provider):
    stripe_provider.charge(ORDER)
    payments.clock.sleep(86_400)
    assert stripe_provider.find(replace(ORDER, authorising_since_s=NOON_S + 300))
    assert stripe_provider.find(replace(ORDER, authorising_since_s=NOON_S + 301)) is None


def test_a_success_counts_more_than_a_later_failure(payments, stripe_provider):
    stripe_provider.charge(ORDER)
    payments.clock.sleep(1)
    declined = replace(ORDER, key_generation=1, payment_method="pm_card_chargeDeclined")
    assert isinstance(stripe_provider.charge(declined), Declined)
    assert isinstance(stripe_provider.find(ORDER), Captured)


@pytest.mark.parametrize("kind", [Kind.TIMEOUT_BEFORE, Kind.ERROR_BEFORE, Kind.THROTTLE])
def test_a_question_without_an_answer_is_unknown(payments, stripe_provider, kind):
    stripe_provider.charge(ORDER)
    payments.psp.faults.add(kind, times=2)
    assert isinstance(stripe_provider.find(ORDER), Unknown)


# --- refunds


def test_a_refund_is_made_once(payments, stripe_provider):
    order = captured(payments)
    assert stripe_provider.find_refund(order) is None
    outcome = stripe_provider.refund(order)
    assert isinstance(outcome, Refunded)
    assert stripe_provider.refund(order) == outcome == stripe_provider.find_refund(order)
    assert len(payments.psp.objects("refund")) == 1


def test_a_second_refund_of_the_same_charge_says_ask(payments, stripe_provider):
    order = captured(payments)
    stripe_provider.refund(order)
    again = replace(order, key_generation=1)
    assert isinstance(stripe_provider.refund(again), Unknown)
    assert isinstance(stripe_provider.find_refund(again), Refunded)


def test_a_refund_of_what_was_never_charged_is_refused(stripe_provider):
    outcome = stripe_provider.refund(replace(ORDER, intent_id="pi_nobody"))
    assert isinstance(outcome, RefundRefused)
    assert outcome.code == "resource_missing"


def test_an_earlier_refund_that_failed_says_nothing_of_this_one(payments, stripe_provider):
    order = captured(payments, replace(ORDER, payment_method="pm_card_refundFail"))
    stripe_provider.refund(order)
    payments.clock.sleep(600)
    assert isinstance(stripe_provider.find_refund(order), RefundRefused)
    assert stripe_provider.find_refund(replace(order, key_generation=1)) is None


def test_a_pending_refund_is_asked_about_again(payments, stripe_provider):
    order = captured(payments, replace(ORDER, payment_method="pm_card_pendingRefund"))
    assert isinstance(stripe_provider.refund(order), Unknown)
    payments.clock.sleep(600)
    assert isinstance(stripe_provider.find_refund(order), Refunded)


# --- the two translations by themselves


def intent(**fields):
    shown = {"id": "pi_1", "object": "payment_intent", "last_payment_error": None, **fields}
    return stripe.PaymentIntent.construct_from(shown, "sk_test")


def refund(**fields):
    shown = {"id": "re_1", "object": "refund", **fields}
    return stripe.Refund.construct_from(shown, "sk_test")


CARD_ERROR = stripe.CardError("Expired.", None, "expired_card")
REPLAYED = stripe.APIError("Broken.", http_status=500, headers={"Idempotent-Replayed": "true"})


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (intent(status="succeeded"), Captured("pi_1")),
        (intent(status="canceled"), Declined("canceled", "canceled")),
        (
            intent(
                status="requires_payment_method",
                last_payment_error={"code": "card_declined", "message": "No."},
            ),
            Declined("card_declined", "No."),
        ),
        (intent(status="processing"), Unknown("payment intent pi_1 is processing")),
        (intent(status="requires_action"), Unknown("payment intent pi_1 is requires_action")),
        (CARD_ERROR, Declined("expired_card", "Expired.")),
        (
            stripe.InvalidRequestError("Too small.", "amount", "amount_too_small"),
            Rejected("amount_too_small", "Too small."),
        ),
        (
            stripe.InvalidRequestError("What?", None),
            Rejected("InvalidRequestError", "What?"),
        ),
        (stripe.IdempotencyError("Other."), Rejected("IdempotencyError", "Other.")),
        (stripe.APIError("Broken.", http_status=500), Unknown("Broken.")),
        (REPLAYED, Unknown("Broken.", key_spent=True)),
        (
            stripe.APIError("Broken.", headers={"Idempotent-Replayed": "false"}),
            Unknown("Broken."),
        ),
        (stripe.APIConnectionError("Silence."), Unknown("Silence.")),
        (stripe.AuthenticationError("Who?", http_status=401), Unknown("Who?")),
        (stripe.PermissionError("No.", http_status=403), Unknown("No.")),
    ],
)
def test_each_answer_to_a_charge_has_its_outcome(answer, outcome):
    assert outcome_of(answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refund(status="succeeded"), Refunded("re_1")),
        (refund(status="pending"), Unknown("refund re_1 is pending")),
        (refund(status="canceled"), RefundRefused("canceled", "refund re_1 is canceled")),
        (
            refund(status="failed", failure_reason="lost_or_stolen_card"),
            RefundRefused("lost_or_stolen_card", "refund re_1 is failed"),
        ),
        (
            stripe.InvalidRequestError("Disputed.", None, "charge_disputed"),
            RefundRefused("charge_disputed", "Disputed."),
        ),
        (
            stripe.InvalidRequestError("Again.", None, "charge_already_refunded"),
            Unknown("Again."),
        ),
        (REPLAYED, Unknown("Broken.", key_spent=True)),
    ],
)
def test_each_answer_to_a_refund_has_its_outcome(answer, outcome):
    assert refund_outcome_of(answer) == outcome


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (stripe.APIConnectionError("Silence."), retries.TransientError),
        (stripe.RateLimitError("Slowly.", http_status=429), retries.ThrottledError),
        (stripe.APIError("Running.", http_status=409), retries.TransientError),
        (stripe.IdempotencyError("Running.", http_status=409), retries.TransientError),
        (stripe.APIError("Broken.", http_status=500), type(None)),
        (CARD_ERROR, type(None)),
        (stripe.AuthenticationError("Who?", http_status=401), type(None)),
    ],
)
def test_only_what_may_go_better_next_time_is_retried(error, kind):
    assert type(provider.call_error(error)) is kind
