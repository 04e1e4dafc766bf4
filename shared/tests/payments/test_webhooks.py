"""A webhook is believed if it is signed, applied once, and never takes an order back."""

import json
from dataclasses import replace
from itertools import permutations

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st
from paying import NOON_S, Payments

from amazonian.payments import ledger, orders, outbox, provider, refunds, store, webhooks
from amazonian.payments.orders import State
from amazonian.payments.provider import Captured, Declined, Refunded, RefundRefused
from amazonian.payments.stripe_simulator.faults import Kind
from amazonian.payments.webhooks import InvalidWebhookError, News, WebhookSignatureError
from amazonian.resilience.memory import MemoryDatabase

SECRET = "whsec_test"
NOW = int(NOON_S)
PAYLOAD = b'{"id": "evt_1", "object": "event"}'


def header(payload=PAYLOAD, secret=SECRET, at_s=NOW):
    """As Stripe's own SDK signs."""
    sign = stripe.WebhookSignature.generate_signature_header
    return sign(payload.decode(), secret, at_s)


def send(payments, event, at_s=None):
    """Our endpoint gets an event, signed now."""
    payload, now_s = json.dumps(event).encode(), at_s or payments.clock.now_s()
    signed = header(payload, at_s=int(now_s))
    return webhooks.receive(payments.database, payload, signed, SECRET, now_s)


def events(payments, *types):
    """The PSP's events, oldest first."""
    return [e for e in payments.psp.objects("event") if not types or e["type"] in types]


# --- the signature


def test_what_the_sdk_signs_is_accepted():
    webhooks.verify(PAYLOAD, header(), SECRET, NOW)
    webhooks.verify(PAYLOAD, header(), SECRET, NOW + 300)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "t=,v1=",
        "nonsense",
        f"t={NOW}",
        header().replace("v1=", "v0="),
        header().replace("t=", "s="),
        header(payload=PAYLOAD + b" "),
        header(secret="whsec_other"),
        header().replace(str(NOW), str(NOW + 1)),
        header().replace(str(NOW), f"x,t={NOW}"),
        header().replace(str(NOW), "9" * 5_000),
        header().replace(str(NOW), "²"),
        f"t={NOW},v1=é\udc80",
        header()[:-1],
        header() + "0",
        header(at_s=NOW - 301),
    ],
)
def test_what_is_not_signed_so_is_refused(wrong):
    with pytest.raises(WebhookSignatureError):
        webhooks.verify(PAYLOAD, wrong, SECRET, NOW)


def test_one_of_several_signatures_is_enough():
    """While a secret is being replaced the PSP signs with both."""
    old = header(secret="whsec_old").partition(",")[2]
    both = f"{header()},{old},v0=fake"
    for secret in (SECRET, "whsec_old"):
        webhooks.verify(PAYLOAD, both, secret, NOW)


def test_an_old_webhook_can_not_be_made_new():
    caught = header(at_s=NOW - 86_400)
    with pytest.raises(WebhookSignatureError, match="old"):
        webhooks.verify(PAYLOAD, caught, SECRET, NOW)
    with pytest.raises(WebhookSignatureError, match="fits"):
        webhooks.verify(PAYLOAD, caught.replace(str(NOW - 86_400), str(NOW)), SECRET, NOW)


MANGLED = st.builds(
    lambda text, cut, put: text[:cut] + put + text[cut + len(put) :],
    st.sampled_from([header(), header() + ",v1=00", header(secret="other") + "," + header()]),
    st.integers(0, 80),
    st.text(alphabet="tv10=, 9a", max_size=4),
)


@given(MANGLED, st.sampled_from([PAYLOAD, PAYLOAD + b" "]))
def test_whatever_we_accept_the_sdk_accepts(mangled, payload):
    try:
        webhooks.verify(payload, mangled, SECRET, NOW)
    except WebhookSignatureError:
        return
    assert stripe.WebhookSignature.verify_header(payload, mangled, SECRET)


UTF_8 = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(max_examples=50)
@given(UTF_8, UTF_8.filter(str.strip), st.integers(0, 10**10))
def test_whatever_the_sdk_signs_we_accept(payload, secret, at_s):
    sign = stripe.WebhookSignature.generate_signature_header
    webhooks.verify(payload.encode(), sign(payload, secret, at_s), secret, at_s)
    signed = webhooks.signature(payload.encode(), at_s, secret)
    assert sign(payload, secret, at_s) == f"t={at_s},v1={signed}"


# --- what an event says


def told(type, **thing):
    ours = {"order_id": "e-1", "key": "e-1/0"}
    return webhooks.news_in({"type": type, "data": {"object": {"metadata": ours, **thing}}})


def test_each_event_says_what_the_psp_would_answer():
    assert told("payment_intent.succeeded", id="pi_1") == News("e-1", "e-1/0", Captured("pi_1"))
    failed = {"id": "pi_1", "status": "requires_payment_method"}
    why = {"code": "card_declined", "message": "No."}
    assert told("payment_intent.payment_failed", **failed, last_payment_error=why).outcome == (
        Declined("card_declined", "No.")
    )
    assert told("payment_intent.canceled", id="pi_1", status="canceled").outcome == (
        Declined("canceled", "canceled")
    )
    for type in ("refund.created", "refund.updated"):
        assert told(type, id="re_1", status="succeeded").outcome == Refunded("re_1")
        assert told(type, id="re_1", status="pending") is None
    assert told("refund.failed", id="re_1", status="failed").outcome == (
        RefundRefused("failed", "the refund failed")
    )


def test_other_events_and_other_peoples_say_nothing():
    for type in ("payment_intent.created", "charge.succeeded", "invoice.paid"):
        assert told(type, id="x_1", status="succeeded") is None
    assert told("payment_intent.succeeded", id="pi_1", metadata={}) is None
    assert told("payment_intent.succeeded", id="pi_1", metadata=None) is None


# --- what it does


@pytest.fixture
def payments(dsn, closing):
    return Payments(closing(store.open_store(dsn)))


def unanswered(payments, kind=Kind.TIMEOUT_AFTER, **of_event):
    """An order whose charge was answered by nobody."""
    order = payments.buy(**of_event)
    payments.psp.faults.add(kind, times=2)
    payments.executor.run_once()
    assert payments.order(order.id).state is State.UNKNOWN
    return order


def test_a_webhook_comes_before_our_next_question(payments):
    unanswered(payments)
    [event] = events(payments, "payment_intent.succeeded")
    assert send(payments, event)
    order = payments.order()
    assert (order.state, order.due_at_s) == (State.CAPTURED, None)
    assert ledger.balance(payments.database.read, "psp:stripe", "EUR") == 1_000
    assert [m.topic for m in outbox.waiting(payments.database.read)] == ["payment.captured"]


def test_a_repeated_webhook_does_nothing(payments):
    unanswered(payments)
    [event] = events(payments, "payment_intent.succeeded")
    assert send(payments, event)
    before = payments.order()
    assert not send(payments, event)
    assert payments.order() == before
    assert len(ledger.entries(payments.database.read)) == 1


def test_a_late_webhook_does_nothing(payments):
    payments.buy()
    payments.settle_down()
    before = payments.order()
    for event in events(payments):
        assert send(payments, event)
    assert payments.order() == before
    assert len(outbox.waiting(payments.database.read)) == 1


def test_a_failure_comes_before_our_next_question(payments):
    unanswered(payments, card="pm_card_chargeDeclined")
    [event] = events(payments, "payment_intent.payment_failed")
    send(payments, event)
    assert payments.order().state is State.DECLINED


def test_a_failure_of_an_earlier_key_says_nothing(payments):
    order = unanswered(payments, card="pm_card_chargeDeclined")
    payments.database.write(lambda t: orders.amend(t, payments.order(), key_generation=1))
    [event] = events(payments, "payment_intent.payment_failed")
    send(payments, event)
    assert payments.order(order.id).state is State.UNKNOWN


def test_every_order_of_arrival_ends_the_same():
    """Captured, refunded, with each event once or twice, in each order."""
    ends = set()
    for arrival in permutations(["paid", "refunded", "paid", "refunded"]):
        payments = Payments(MemoryDatabase(store.SCHEMA))
        payments.buy()
        payments.settle_down()
        payments.database.write(lambda t: refunds.begin(t, "e-1", NOON_S))
        payments.psp.faults.add(Kind.TIMEOUT_AFTER, on="POST /v1/refunds", times=2)
        payments.executor.run_once()
        assert payments.order().state is State.REFUNDING
        [paid] = events(payments, "payment_intent.succeeded")
        [refunded] = events(payments, "refund.created")
        for name in arrival:
            send(payments, {"paid": paid, "refunded": refunded}[name])
        read = payments.database.read
        entries = tuple(sorted(entry.id for entry in ledger.entries(read)))
        ends.add((payments.order().state, payments.order().version, entries))
    assert len(ends) == 1
    assert ends.pop()[0] is State.REFUNDED


def test_a_webhook_that_overtakes_the_answer_wins_and_the_answer_is_dropped(payments):
    payments.buy()
    charge = payments.provider.charge

    def overtaken(order):
        outcome = charge(order)
        for event in events(payments):
            send(payments, event)
        return outcome

    payments.provider.charge = overtaken
    payments.executor.run_once()
    assert payments.order().state is State.CAPTURED
    assert len(ledger.entries(payments.database.read)) == 1


def test_a_webhook_for_nobodys_order_is_taken_and_forgotten(payments):
    order = replace(payments.buy(), id="elsewhere-1")
    payments.provider.charge(order)
    for event in events(payments):
        assert send(payments, event)
    assert payments.order().state is State.CREATED


def test_what_is_no_event_is_refused_even_if_it_is_signed(payments):
    for body in (b"", b"[]", b"5", b"\xff", b"{}", b'{"id": "evt_1", "type": "x"}'):
        signed = f"t={NOW},v1={webhooks.signature(body, NOW, SECRET)}"
        with pytest.raises(InvalidWebhookError):
            webhooks.receive(payments.database, body, signed, SECRET, NOW)
    assert payments.database.read("SELECT * FROM webhooks") == []


def test_a_webhook_that_could_not_be_applied_is_new_when_it_comes_again(payments, monkeypatch):
    unanswered(payments)
    [event] = events(payments, "payment_intent.succeeded")
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "post", lambda t, entry: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(payments, event)
    assert payments.order().state is State.UNKNOWN
    assert send(payments, event)
    assert payments.order().state is State.CAPTURED


# --- refunds


def refunded(payments, card):
    payments.buy(card=card)
    payments.settle_down()
    payments.database.write(lambda t: refunds.begin(t, "e-1", payments.clock.now_s()))
    payments.executor.run_once()


def test_a_refund_that_takes_its_time_is_told_by_webhook(payments):
    refunded(payments, "pm_card_pendingRefund")
    assert payments.order().state is State.REFUNDING
    payments.clock.sleep(200)
    for event in events(payments):
        send(payments, event)
    assert payments.order().state is State.REFUNDED


def test_a_refund_that_the_buyers_bank_returns_gives_the_seller_the_money_back(payments):
    refunded(payments, "pm_card_refundFail")
    assert payments.order().state is State.REFUNDED
    payments.clock.sleep(200)
    for _ in range(2):
        for event in events(payments):
            send(payments, event)
    order, read = payments.order(), payments.database.read
    assert order.state is State.CAPTURED
    assert ledger.balance(read, "psp:stripe", "EUR") == 1_000
    assert ledger.balance(read, "seller:books", "EUR") == -900
    assert ledger.balance(read, "refunds:stripe", "EUR") == 0
    # The next refund has a key of its own, and the old failure says nothing of it.
    begun = payments.database.write(lambda t: refunds.begin(t, "e-1", payments.clock.now_s()))
    assert provider.refund_key(begun) != provider.refund_key(replace(order, key_generation=0))
    payments.executor.run_once()
    assert payments.order().state is State.REFUNDED


@pytest.mark.parametrize("late", ["refund.created", "refund.failed"])
def test_an_earlier_refund_says_nothing_of_the_next_one(payments, late):
    refunded(payments, "pm_card_refundFail")
    payments.clock.sleep(200)
    send(payments, events(payments, "refund.failed")[0])
    payments.database.write(lambda t: refunds.begin(t, "e-1", payments.clock.now_s()))
    [event] = events(payments, late)
    send(payments, {**event, "id": "evt_again"})
    assert payments.order().state is State.REFUNDING
