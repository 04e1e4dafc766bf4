"""Events on their way to the merchant: signed, repeated, and as faulty as they may be."""

import json

import pytest
import stripe

from amazonian.payments.stripe_simulator import webhooks
from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.transport import client
from amazonian.resilience.clock import WallClock

URL = "http://shop.test/webhooks/stripe"
USUAL = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.fixture
def secret(simulator):
    return simulator.add_webhook(URL)


def types(simulator):
    return [json.loads(delivery.payload)["type"] for delivery in simulator.deliveries()]


def test_the_sdk_takes_what_is_signed_now():
    simulator = Simulator(WallClock())
    psp = client(simulator)
    params = {"url": URL, "enabled_events": ["payment_intent.created"]}
    endpoint = psp.v1.webhook_endpoints.create(params)
    intent = psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    (delivery,) = simulator.deliveries()
    event = stripe.Webhook.construct_event(delivery.payload, delivery.signature, endpoint.secret)
    assert (event.type, event.data.object.id) == ("payment_intent.created", intent.id)
    assert event.request.id == intent.last_response.request_id
    assert psp.construct_event(delivery.payload, delivery.signature, endpoint.secret).id == event.id


@pytest.mark.parametrize(
    "tamper",
    [
        lambda payload, header, secret: (payload.replace(b"2000", b"1000"), header, secret),
        lambda payload, header, secret: (payload + b" ", header, secret),
        lambda payload, header, secret: (payload, header.replace("v1=", "v1=0"), secret),
        lambda payload, header, secret: (payload, header.replace("t=1", "t=2"), secret),
        lambda payload, header, secret: (payload, header.replace("v1", "v0"), secret),
        lambda payload, header, secret: (payload, header, "whsec_other"),
    ],
)
def test_the_sdk_refuses_what_was_tampered_with(simulator, secret, pay, tamper):
    pay()
    for delivery in simulator.deliveries():
        taken = (delivery.payload, delivery.signature, secret)
        assert stripe.WebhookSignature.verify_header(*taken)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(*tamper(*taken))


def test_the_sdk_refuses_what_was_signed_long_ago(simulator, secret, pay):
    pay()
    delivery = simulator.deliveries()[0]
    old = webhooks.sign(delivery.payload, secret, 1_000)
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        stripe.Webhook.construct_event(delivery.payload, old, secret)


def test_our_signature_is_the_sdks_own():
    ours = webhooks.sign("{“é”}".encode(), "whsec_1", 1_782_900_000)
    own = stripe.WebhookSignature.generate_signature_header("{“é”}", "whsec_1", 1_782_900_000)
    assert ours == own


def test_an_endpoint_is_told_its_secret_once_and_gets_what_it_asked_for(simulator, psp, pay):
    params = {"url": URL, "enabled_events": ["charge.succeeded"], "description": "shop"}
    endpoint = psp.v1.webhook_endpoints.create(params)
    assert endpoint.secret.startswith("whsec_")
    assert "secret" not in psp.v1.webhook_endpoints.retrieve(endpoint.id)
    pay()
    assert types(simulator) == ["charge.succeeded"]
    psp.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["*"]})
    pay()
    assert types(simulator) == USUAL
    psp.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    pay()
    assert types(simulator) == []
    assert psp.v1.webhook_endpoints.delete(endpoint.id).deleted
    assert not psp.v1.webhook_endpoints.list().data
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.webhook_endpoints.delete(endpoint.id)
    assert refused.value.code == "resource_missing"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"url": "shop"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://x:port/"}, "url"),
        ({"url": "http://[bad/"}, "url"),
        ({"url": "ftp://x/"}, "url"),
        ({"url": "http://x/ä"}, "url"),
        ({"enabled_events": []}, "enabled_events"),
        ({"enabled_events": ["all"]}, "enabled_events"),
    ],
)
def test_an_endpoint_that_can_not_be_reached_is_refused(psp, changes, param):
    usual = {"url": URL, "enabled_events": ["*"]}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.webhook_endpoints.create({**usual, **changes})
    assert refused.value.param == param
    endpoint = psp.v1.webhook_endpoints.create(usual)
    if changes != {"enabled_events": []}:  # the SDK sends no empty list: nothing is to change
        with pytest.raises(stripe.InvalidRequestError):
            psp.v1.webhook_endpoints.update(endpoint.id, changes)


def test_an_event_is_repeated_after_growing_waits_and_given_up_after_three_days(
    clock, simulator, secret, psp
):
    psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    waits_s, sent_s = [], clock.now_s()
    while True:
        deliveries = simulator.deliveries()
        for delivery in deliveries:
            waits_s.append(clock.now_s() - sent_s)
            sent_s = clock.now_s()
            simulator.answered(delivery, 503)
        if not simulator.account.pending:
            break
        clock.sleep(simulator.account.pending[0].due_s - clock.now_s())
    assert waits_s[:5] == [0, 10, 40, 160, 640]
    assert waits_s == sorted(waits_s)
    assert max(waits_s) == webhooks.LONGEST_WAIT_S
    assert 3 * 86_400 <= sum(waits_s) < 3.5 * 86_400


@pytest.mark.parametrize(("status", "attempts"), [(200, 1), (299, 1), (300, 2), (400, 2), (0, 2)])
def test_only_2xx_ends_the_repetitions(simulator, secret, psp, status, attempts):
    psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    seen = 0
    for answer in (status, 200):
        for delivery in simulator.deliveries():
            assert delivery.attempt == seen
            seen += 1
            simulator.answered(delivery, answer)
        simulator.advance(10)
    assert seen == attempts
    (event,) = psp.v1.events.list().data
    assert event.pending_webhooks == 0


def test_a_repeated_event_is_the_same_event_signed_anew(clock, simulator, secret, psp):
    psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    (first,) = simulator.deliveries()
    simulator.answered(first, 500)
    clock.sleep(10)
    (again,) = simulator.deliveries()
    assert again.event_id == first.event_id
    assert again.signature != first.signature


@pytest.mark.parametrize(
    ("kind", "at_once", "in_an_hour"),
    [
        ("duplicate", [USUAL[0], USUAL[1], USUAL[1], USUAL[2]], []),
        ("drop", [USUAL[0], USUAL[2]], []),
        ("late", [USUAL[0], USUAL[2]], [USUAL[1]]),
        ("reorder", [USUAL[0], USUAL[2], USUAL[1]], []),
    ],
)
def test_a_fault_strikes_an_event_on_its_way(simulator, secret, pay, kind, at_once, in_an_hour):
    simulator.faults.add(kind, "charge.succeeded")
    pay()
    assert types(simulator) == at_once
    simulator.advance(webhooks.LATE_S)
    assert types(simulator) == in_an_hour


def test_an_event_that_nothing_overtakes_comes_an_hour_late(simulator, secret, pay):
    simulator.faults.add("reorder", "payment_intent.succeeded")
    pay()
    assert types(simulator) == USUAL[:2]
    simulator.advance(webhooks.LATE_S)
    assert types(simulator) == USUAL[2:]


def test_the_nth_event_is_meant_among_all(simulator, secret, pay):
    simulator.faults.add("drop", nth=2)
    pay()
    assert types(simulator) == [USUAL[0], USUAL[2]]


def test_an_event_shows_its_object_as_it_was_then(simulator, secret, psp, pay):
    intent = pay(capture_method="manual")
    psp.v1.payment_intents.capture(intent.id)
    statuses = [
        event["data"]["object"]["status"]
        for event in (json.loads(delivery.payload) for delivery in simulator.deliveries())
        if event["type"].startswith("payment_intent.")
    ]
    assert statuses == ["requires_confirmation", "requires_capture", "succeeded"]


def test_a_repeated_request_makes_no_new_events(simulator, secret, pay):
    pay("key")
    pay("key")
    assert types(simulator) == USUAL
