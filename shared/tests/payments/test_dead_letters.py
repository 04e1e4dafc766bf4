"""What no worker can finish waits for a person, and goes on from where it was."""

import pytest
from paying import NOON_S, Payments

from amazonian.payments import dead_letters, store
from amazonian.payments.dead_letters import NoDeadLetterError
from amazonian.payments.orders import StaleOrderError, State
from amazonian.payments.provider import Captured
from amazonian.payments.stripe_simulator.faults import Kind


@pytest.fixture
def payments(dsn, closing):
    return Payments(closing(store.open_store(dsn)))


def bury(payments, id="e-1", reason="why"):
    order, now_s = payments.order(id), payments.clock.now_s()
    return payments.database.write(lambda t: dead_letters.add(t, order, reason, now_s))


def redrive(payments, id="e-1"):
    now_s = payments.clock.now_s()
    return payments.database.write(lambda t: dead_letters.redrive(t, id, now_s))


def test_a_dead_letter_is_not_due_and_keeps_its_state(payments):
    payments.buy()
    payments.psp.faults.add(Kind.TIMEOUT_BEFORE, times=2)
    payments.executor.run_once()
    assert bury(payments).state is State.UNKNOWN
    payments.clock.sleep(10**6)
    assert payments.executor.run_once() == 0
    assert payments.order().reason == "why"


def test_letters_are_listed_oldest_first(payments):
    for name in ("b", "a", "c"):
        payments.buy(id=name)
        payments.psp.faults.add(Kind.TIMEOUT_BEFORE, times=2)
        payments.executor.run_once()
        bury(payments, f"{name}-1")
        payments.clock.sleep(1)
    letters = dead_letters.waiting(payments.database.read)
    assert [letter.order_id for letter in letters] == ["b-1", "a-1", "c-1"]


@pytest.mark.parametrize("acted", [True, False])
def test_a_redrive_asks_the_psp_before_it_charges(payments, acted):
    payments.buy()
    payments.psp.faults.add(Kind.TIMEOUT_AFTER if acted else Kind.TIMEOUT_BEFORE, times=500)
    payments.settle_down()
    assert len(dead_letters.waiting(payments.database.read)) == 1
    payments.psp.faults.clear()
    assert redrive(payments).attempts == 0
    payments.calls.clear()
    payments.settle_down()
    assert payments.calls == ["GET /v1/payment_intents", "POST /v1/payment_intents"][: 2 - acted]
    assert payments.order().state is State.CAPTURED
    assert payments.charges() == ["e-1"]
    assert dead_letters.waiting(payments.database.read) == []


def test_a_poison_order_comes_back_to_the_dead_letters(payments):
    payments.buy(card="pm_nobody")
    payments.settle_down()
    redrive(payments)
    payments.settle_down()
    [letter] = dead_letters.waiting(payments.database.read)
    assert letter.reason.startswith("resource_missing")


def test_a_refund_may_be_a_dead_letter_too(payments):
    from amazonian.payments import refunds

    payments.buy()
    payments.settle_down()
    payments.database.write(lambda t: refunds.begin(t, "e-1", NOON_S))
    payments.psp.faults.add(Kind.TIMEOUT_AFTER, times=500)
    payments.settle_down()
    assert payments.order().state is State.REFUNDING
    payments.psp.faults.clear()
    redrive(payments)
    payments.settle_down()
    assert payments.order().state is State.REFUNDED
    assert len(payments.psp.objects("refund")) == 1


def test_what_is_no_dead_letter_can_not_be_redriven(payments):
    payments.buy()
    with pytest.raises(NoDeadLetterError):
        redrive(payments)
    payments.executor.run_once()
    with pytest.raises(NoDeadLetterError):
        redrive(payments)


def test_an_order_that_was_moved_meanwhile_is_not_buried(payments):
    payments.buy()
    order = payments.order()
    payments.executor.run_once()
    with pytest.raises(StaleOrderError):
        payments.database.write(lambda t: dead_letters.add(t, order, "why", NOON_S))
    assert dead_letters.waiting(payments.database.read) == []


def test_a_late_answer_takes_the_letter_away(payments):
    payments.buy()
    payments.psp.faults.add(Kind.TIMEOUT_BEFORE, times=2)
    payments.executor.run_once()
    buried = bury(payments)
    assert payments.executor.conclude(buried, Captured("pi_1")).state is State.CAPTURED
    assert dead_letters.waiting(payments.database.read) == []
