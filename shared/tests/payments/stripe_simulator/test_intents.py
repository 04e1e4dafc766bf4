"""One payment after another through the real SDK, from its making to its end."""

import pytest
import stripe

from amazonian.payments.stripe_simulator import payment_intents, payment_methods
from amazonian.payments.stripe_simulator.transport import InProcessHTTPClient


def kinds(psp):
    return [event.type for event in reversed(psp.v1.events.list({"limit": 100}).data)]


def test_a_confirmed_intent_collects_the_money_at_once(psp, pay):
    intent = pay(metadata={"order_id": "o-1"}, description="a book")
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 2000, "usd")
    assert intent.metadata["order_id"] == "o-1"
    charge = psp.v1.charges.retrieve(intent.latest_charge)
    assert (charge.captured, charge.amount_captured, charge.paid) == (True, 2000, True)
    assert charge.payment_intent == intent.id
    assert charge.metadata["order_id"] == "o-1"
    assert kinds(psp) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_an_intent_can_be_made_first_and_confirmed_later(psp):
    intent = psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert (intent.amount, intent.amount_capturable, intent.amount_received) == (2000, 0, 0)
    assert intent.latest_charge is None
    intent = psp.v1.payment_intents.update(intent.id, {"payment_method": "pm_card_visa"})
    assert intent.status == "requires_confirmation"
    intent = psp.v1.payment_intents.confirm(intent.id)
    assert intent.status == "succeeded"
    assert psp.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_the_older_style_of_the_sdk_works_too(simulator, monkeypatch):
    monkeypatch.setattr(stripe, "api_key", simulator.api_key)
    monkeypatch.setattr(stripe, "default_http_client", InProcessHTTPClient(simulator))
    intent = stripe.PaymentIntent.create(
        amount=2000,
        currency="usd",
        payment_method="pm_card_visa",
        confirm=True,
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
        idempotency_key="k",
    )
    refund = stripe.Refund.create(payment_intent=intent.id, amount=500)
    assert stripe.Refund.retrieve(refund.id).amount == 500
    assert [i.id for i in stripe.PaymentIntent.list()] == [intent.id]
    assert stripe.Balance.retrieve().pending[0].amount == 2000 - 88 - 500


def test_a_part_can_be_captured_and_the_remainder_is_released(psp, pay):
    intent = pay(capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 2000)
    charge = psp.v1.charges.retrieve(intent.latest_charge)
    assert (charge.captured, charge.amount_captured, charge.balance_transaction) == (False, 0, None)
    assert not psp.v1.balance_transactions.list().data
    intent = psp.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1500})
    assert (intent.status, intent.amount_capturable) == ("succeeded", 0)
    assert (intent.amount, intent.amount_received) == (2000, 1500)
    (moved,) = psp.v1.balance_transactions.list().data
    assert moved.amount == 1500
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.capture(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(("amount", "code"), [(0, None), (-1, None), (2001, "amount_too_large")])
def test_no_more_can_be_captured_than_is_authorised(psp, pay, amount, code):
    intent = pay(capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.capture(intent.id, {"amount_to_capture": amount})
    assert (refused.value.param, refused.value.code) == ("amount_to_capture", code)
    assert psp.v1.payment_intents.capture(intent.id).amount_received == 2000


def test_a_single_unit_can_be_captured(psp, pay):
    intent = pay(capture_method="manual")
    params = {"amount_to_capture": 1}
    assert psp.v1.payment_intents.capture(intent.id, params).amount_received == 1


def test_a_canceled_authorisation_moves_no_money(psp, pay):
    intent = pay(capture_method="manual")
    params = {"cancellation_reason": "requested_by_customer"}
    intent = psp.v1.payment_intents.cancel(intent.id, params)
    assert (intent.status, intent.amount_capturable) == ("canceled", 0)
    assert intent.cancellation_reason == "requested_by_customer"
    assert not psp.v1.balance_transactions.list().data
    assert not psp.v1.refunds.list().data


def test_an_authorisation_ends_after_seven_days(simulator, psp, pay):
    intent = pay(capture_method="manual")
    simulator.advance(payment_intents.AUTHORISED_FOR_S - 1)
    assert psp.v1.payment_intents.retrieve(intent.id).status == "requires_capture"
    simulator.advance(1)
    intent = psp.v1.payment_intents.retrieve(intent.id)
    assert (intent.status, intent.cancellation_reason) == ("canceled", "expired")
    assert kinds(psp)[-2:] == ["charge.expired", "payment_intent.canceled"]


def test_a_captured_payment_does_not_expire(simulator, psp, pay):
    intent = psp.v1.payment_intents.capture(pay(capture_method="manual").id)
    simulator.advance(payment_intents.AUTHORISED_FOR_S)
    assert psp.v1.payment_intents.retrieve(intent.id).status == "succeeded"


DECLINED = {
    name: method.declined
    for name, method in payment_methods.TEST_METHODS.items()
    if method.declined and not method.takes_s
}


@pytest.mark.parametrize("name", DECLINED)
def test_a_declined_card_says_why_and_leaves_an_intent_that_can_be_tried_again(psp, pay, name):
    with pytest.raises(stripe.CardError) as declined:
        pay(payment_method=name)
    code, decline_code, message = DECLINED[name]
    error = declined.value
    assert (error.code, error.user_message, error.http_status) == (code, message, 402)
    assert error.error.decline_code == decline_code
    intent = psp.v1.payment_intents.retrieve(error.error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.decline_code == decline_code
    assert psp.v1.charges.retrieve(intent.latest_charge).status == "failed"
    assert kinds(psp)[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    again = psp.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"
    assert again.last_payment_error is None
    assert len(psp.v1.charges.list({"payment_intent": intent.id}).data) == 2


def test_a_bank_debit_is_processing_until_the_clock_says_how_it_ends(simulator, psp, pay):
    good = pay(payment_method="pm_usBankAccount_success")
    bad = pay(payment_method="pm_usBankAccount_insufficientFunds")
    assert (good.status, bad.status) == ("processing", "processing")
    with pytest.raises(stripe.InvalidRequestError):
        psp.v1.payment_intents.cancel(good.id)
    simulator.advance(payment_methods.MINUTES_3_S)
    good, bad = (psp.v1.payment_intents.retrieve(intent.id) for intent in (good, bad))
    assert (good.status, good.amount_received) == ("succeeded", 2000)
    assert (bad.status, bad.amount_received) == ("requires_payment_method", 0)
    assert bad.last_payment_error.decline_code == "insufficient_funds"
    assert len(psp.v1.balance_transactions.list().data) == 1


def test_an_update_merges_metadata_and_an_empty_value_removes(psp, pay):
    intent = pay(metadata={"a": "1", "b": "2"})
    intent = psp.v1.payment_intents.update(intent.id, {"metadata": {"b": "", "c": "3"}})
    assert intent.metadata.to_dict() == {"a": "1", "c": "3"}


def test_a_price_can_change_before_it_is_paid_but_only_to_one_that_can_be(psp):
    intent = psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    assert psp.v1.payment_intents.update(intent.id, {"amount": 3000}).amount == 3000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.update(intent.id, {"amount": 49})
    assert refused.value.code == "amount_too_small"
    with pytest.raises(stripe.InvalidRequestError):
        psp.v1.payment_intents.update(intent.id, {"customer": "cus_nobody"})
    assert psp.v1.payment_intents.update(intent.id, {"currency": "jpy"}).currency == "jpy"


def test_what_is_paid_for_can_no_longer_change_its_price(psp, pay):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.update(pay().id, {"amount": 1})
    assert refused.value.error.payment_intent.status == "succeeded"


def test_a_response_shows_objects_in_the_place_of_ids_where_it_is_asked_to(psp, pay):
    customer = psp.v1.customers.create({"email": "jo@example.com"})
    paths = ["latest_charge.balance_transaction", "customer", "payment_method"]
    intent = pay(customer=customer.id, expand=paths)
    assert intent.latest_charge.balance_transaction.net == 2000 - 88
    assert intent.customer.email == "jo@example.com"
    assert intent.payment_method.card.last4 == "4242"
    (listed,) = psp.v1.payment_intents.list({"expand": ["data.latest_charge"]}).data
    assert listed.latest_charge.amount == 2000
    (moved,) = psp.v1.balance_transactions.list({"expand": ["data.source"]}).data
    assert moved.source.payment_intent == intent.id


def test_what_can_not_be_expanded_is_refused_before_money_moves(psp, pay):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pay(expand=["latest_charge.colour"])
    assert refused.value.param == "expand"
    assert not psp.v1.payment_intents.list().data


def test_the_sdk_pages_through_a_list_in_both_directions(clock, psp):
    made = []
    for number in range(7):
        params = {"amount": 100 + number, "currency": "usd"}
        made.append(psp.v1.payment_intents.create(params).id)
        clock.sleep(1)
    listed = psp.v1.payment_intents.list({"limit": 3})
    assert [intent.id for intent in listed.auto_paging_iter()] == made[::-1]
    assert psp.v1.payment_intents.list({"limit": 6}).has_more
    assert not psp.v1.payment_intents.list({"limit": 7}).has_more
    back = psp.v1.payment_intents.list({"limit": 2, "ending_before": made[1]})
    assert [intent.id for intent in back] == [made[3], made[2]]
    assert [intent.id for intent in back.auto_paging_iter()] == made[2:]
    since = psp.v1.payment_intents.retrieve(made[4]).created
    later = psp.v1.payment_intents.list({"created": {"gte": since, "lt": since + 2}})
    assert [intent.id for intent in later] == [made[5], made[4]]


def test_a_new_intent_is_listed_at_once_but_searched_only_after_a_minute(simulator, psp, pay):
    intents = [pay(metadata={"order_id": "o-1"}) for _ in range(3)]
    pay(metadata={"order_id": "o-2"})
    assert len(psp.v1.payment_intents.list().data) == 4
    params = {"query": "metadata['order_id']:'o-1' AND status:'succeeded'", "limit": 2}
    assert not psp.v1.payment_intents.search(params).data
    simulator.advance(60)
    found = psp.v1.payment_intents.search(params)
    assert [i.id for i in found.auto_paging_iter()] == [i.id for i in reversed(intents)]
