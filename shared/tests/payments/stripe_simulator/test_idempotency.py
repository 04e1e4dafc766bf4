"""The same key, the same answer: as Stripe's API v1 keeps it."""

import pytest
import stripe
from crew import in_threads

from amazonian.payments.stripe_simulator.core import DELAY_S, LATE_S
from amazonian.payments.stripe_simulator.transport import client


def charged(simulator):
    return [charge for charge in simulator.objects("charge") if charge["paid"]]


def test_a_repeated_request_charges_once_and_gets_the_first_answer(simulator, pay):
    first, again = pay("key"), pay("key")
    assert again.id == first.id
    assert len(charged(simulator)) == 1
    headers = again.last_response.headers
    assert headers["Idempotent-Replayed"] == "true"
    assert headers["Idempotency-Key"] == "key"
    assert headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert headers["Request-Id"] != headers["Original-Request"]
    assert "Idempotent-Replayed" not in first.last_response.headers


def test_another_key_is_another_payment(simulator, pay):
    assert pay("one").id != pay("two").id
    assert len(charged(simulator)) == 2


@pytest.mark.parametrize("changes", [{"amount": 2001}, {"metadata": {"a": "b"}}])
def test_a_key_with_other_parameters_is_refused(simulator, pay, changes):
    pay("key")
    with pytest.raises(stripe.IdempotencyError) as refused:
        pay("key", **changes)
    assert refused.value.http_status == 400
    assert len(charged(simulator)) == 1


def test_a_key_belongs_to_one_address(psp, pay):
    intent = pay("key")
    with pytest.raises(stripe.IdempotencyError):
        psp.v1.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "key"})


def test_the_order_of_parameters_does_not_matter(simulator):
    headers = {"Authorization": f"Bearer {simulator.api_key}", "Idempotency-Key": "key"}
    send = ["amount=900&currency=usd&metadata[a]=1", "metadata%5Ba%5D=1&currency=usd&amount=900"]
    replies = [simulator.handle("POST", "/v1/payment_intents", headers, b.encode()) for b in send]
    assert replies[0].body == replies[1].body


def test_a_decline_is_kept_too(simulator, pay):
    intents = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            pay("key", payment_method="pm_card_chargeDeclined")
        intents.append(declined.value.error.payment_intent.id)
    assert intents[0] == intents[1]
    assert len(simulator.objects("charge")) == 1


def test_nothing_is_kept_if_a_parameter_was_wrong(pay):
    with pytest.raises(stripe.InvalidRequestError):
        pay("key", amount=1)
    assert pay("key").status == "succeeded"


def test_a_500_is_kept_and_comes_again_until_the_key_is_forgotten(simulator, pay):
    simulator.faults.add("error_before")
    for _ in range(3):
        with pytest.raises(stripe.APIError) as failed:
            pay("key")
        assert failed.value.http_status == 500
    assert not charged(simulator)
    simulator.advance(86_399)
    with pytest.raises(stripe.APIError):
        pay("key")
    simulator.advance(1)
    assert pay("key").status == "succeeded"


def test_a_forgotten_key_charges_again(simulator, pay):
    pay("key")
    simulator.advance(86_400)
    pay("key")
    assert len(charged(simulator)) == 2


def test_a_key_has_up_to_255_characters(pay):
    assert pay("k" * 255).status == "succeeded"
    with pytest.raises(stripe.IdempotencyError):
        pay("k" * 256)


def test_a_key_does_not_matter_to_a_question(simulator, psp, pay):
    intent = pay("key")
    options = {"idempotency_key": "key"}
    assert psp.v1.payment_intents.retrieve(intent.id, None, options).id == intent.id


@pytest.mark.parametrize(("fault", "takes_s"), [("delay", DELAY_S), ("timeout_late", LATE_S)])
def test_a_request_that_is_still_running_is_409_for_the_next_one(clock, simulator, fault, takes_s):
    simulator.faults.add(fault)
    hasty = client(simulator, timeout_s=1.0)
    params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    options = {"idempotency_key": "key"}
    with pytest.raises(stripe.APIConnectionError):
        hasty.v1.payment_intents.create(params, options)
    with pytest.raises(stripe.APIError) as busy:
        hasty.v1.payment_intents.create(params, options)
    assert busy.value.http_status == 409
    assert busy.value.error.code == "idempotency_key_in_use"
    assert busy.value.headers["Stripe-Should-Retry"] == "true"
    clock.sleep(takes_s - 1.0)
    intent = hasty.v1.payment_intents.create(params, options)
    assert intent.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(charged(simulator)) == 1


def test_16_threads_with_one_key_charge_once(simulator, pay):
    intents = in_threads(16, lambda number: pay("key"))
    assert len({intent.id for intent in intents}) == 1
    assert len(charged(simulator)) == 1
