"""Money going back, and the balance that counts what came and went."""

import pytest
import stripe

from amazonian.payments.stripe_simulator import balance
from amazonian.payments.stripe_simulator.payment_methods import MINUTES_3_S


def amounts(psp):
    return [moved.amount for moved in reversed(psp.v1.balance_transactions.list().data)]


def test_parts_can_be_refunded_until_nothing_is_left(psp, pay):
    intent = pay()
    refund = psp.v1.refunds.create(
        {"payment_intent": intent.id, "amount": 500, "reason": "duplicate"}
    )
    assert (refund.status, refund.amount, refund.charge) == ("succeeded", 500, intent.latest_charge)
    psp.v1.refunds.create({"charge": intent.latest_charge, "amount": 700})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.refunds.create({"payment_intent": intent.id, "amount": 801})
    assert refused.value.param == "amount"
    assert psp.v1.refunds.create({"payment_intent": intent.id}).amount == 800
    charge = psp.v1.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 2000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert amounts(psp) == [2000, -500, -700, -800]
    assert len(psp.v1.refunds.list({"payment_intent": intent.id}).data) == 3


def test_what_was_not_captured_can_not_be_refunded(psp, pay):
    intent = pay(capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code is None
    psp.v1.payment_intents.capture(intent.id, {"amount_to_capture": 600})
    assert psp.v1.refunds.create({"payment_intent": intent.id}).amount == 600


def test_a_refund_can_fail_later_and_the_money_comes_back(simulator, psp, pay):
    intent = pay(payment_method="pm_card_refundFail")
    refund = psp.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    assert refund.status == "succeeded"
    simulator.advance(MINUTES_3_S)
    refund = psp.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    assert refund.failure_balance_transaction.reporting_category == "refund_failure"
    assert psp.v1.charges.retrieve(intent.latest_charge).amount_refunded == 0
    assert amounts(psp) == [2000, -500, 500]
    assert psp.v1.events.list({"type": "refund.failed"}).data[0].data.object.id == refund.id


def test_a_refund_can_be_pending_for_a_while(simulator, psp, pay):
    intent = pay(payment_method="pm_card_pendingRefund")
    refund = psp.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "pending"
    simulator.advance(MINUTES_3_S)
    assert psp.v1.refunds.retrieve(refund.id).status == "succeeded"
    types = [event.type for event in psp.v1.events.list({"limit": 3})]
    assert types == ["refund.updated", "refund.created", "charge.refunded"]


@pytest.mark.parametrize("amount", [0, -1])
def test_a_refund_is_at_least_one_unit(psp, pay, amount):
    assert psp.v1.refunds.create({"payment_intent": pay().id, "amount": 1}).amount == 1
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.refunds.create({"payment_intent": pay().id, "amount": amount})
    assert refused.value.param == "amount"


def test_a_refund_that_names_no_payment_is_refused(psp):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.refunds.create({"amount": 5})
    assert refused.value.code == "parameter_missing"


@pytest.mark.parametrize(
    ("amount", "fee"),
    [(1000, 59), (100, 33), (50, 31), (17, 30), (18, 31), (99_999_999, 2_900_030)],
)
def test_the_fee_is_2_9_percent_and_30_units(amount, fee):
    assert balance.fee(amount) == fee


def test_a_payment_is_pending_for_two_days_and_then_available(clock, simulator, psp, pay):
    pay()
    psp.v1.refunds.create({"payment_intent": pay(amount=5000, currency="jpy").id, "amount": 2000})
    now = psp.v1.balance.retrieve()
    assert {each.currency: each.amount for each in now.pending} == {"usd": 1912, "jpy": 2825}
    assert {each.currency: each.amount for each in now.available} == {"usd": 0, "jpy": 0}
    (moved,) = psp.v1.balance_transactions.list({"currency": "usd"}).data
    assert (moved.status, moved.fee, moved.net) == ("pending", 88, 1912)
    assert moved.available_on == int(clock.now_s()) + 2 * 86_400
    assert sum(part.amount for part in moved.fee_details) == moved.fee
    simulator.advance(2 * 86_400)
    now = psp.v1.balance.retrieve()
    assert {each.currency: each.amount for each in now.available} == {"usd": 1912, "jpy": 2825}
    for moved in psp.v1.balance_transactions.list({"expand": ["data.source"]}):
        assert moved.status == "available"
        assert abs(moved.amount) == moved.source.amount
