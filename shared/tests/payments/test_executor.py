"""The executor writes before it calls, and concludes in one commit; each order comes to an end."""

import threading
from dataclasses import replace

import pytest
from paying import NOON_S, Payments, event

from amazonian.payments import (
    dead_letters,
    executor,
    ledger,
    orders,
    outbox,
    refunds,
    settlement,
    store,
    wallets,
)
from amazonian.payments.executor import LEASE_S, MAX_ROUNDS, Executor
from amazonian.payments.orders import StaleOrderError, State
from amazonian.payments.points import Points, WatchedDatabase
from amazonian.payments.provider import Captured, Declined, Rejected, Unknown
from amazonian.payments.refunds import NotRefundableError
from amazonian.payments.settlement import SettlementMismatchError
from amazonian.payments.stripe_simulator.faults import Kind
from amazonian.payments.wallets import InsufficientFundsError
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.memory import MemoryDatabase


@pytest.fixture
def payments():
    return Payments()


class Scripted:
    """A provider that says what it is told to, and lets a test look at the database meanwhile."""

    def __init__(self, **answers):
        self.answers, self.calls, self.meanwhile = answers, [], lambda order: None

    def __getattr__(self, name):
        def call(order):
            self.calls.append((name, order.id, order.key_generation))
            self.meanwhile(order)
            return self.answers[name]

        return call


def scripted(**answers):
    """An executor with such a provider, one order, and the points that it passes."""
    points, clock, provider = Points(), SimulatedClock(NOON_S), Scripted(**answers)
    database = WatchedDatabase(MemoryDatabase(store.SCHEMA), points)
    [order] = database.write(lambda t: orders.create(t, event()))
    points.passed.clear()
    return Executor(database, provider, clock), order, points


def as_(executor, order, state):
    return executor.database.write(lambda t: orders.amend(t, order, state=state))


# --- one step


def test_the_intention_is_on_disk_before_the_psp_is_called():
    executor, order, _ = scripted(charge=Captured("pi_1"))
    seen = []
    executor.provider.meanwhile = lambda _: seen.append(orders.get(executor.database.read, "e-1"))
    executor.attempt(order)
    [then] = seen
    assert (then.state, then.attempts) == (State.AUTHORISING, 1)
    assert (then.authorising_since_s, then.due_at_s) == (NOON_S, NOON_S + LEASE_S)


def test_all_that_follows_from_a_capture_is_one_commit():
    executor, order, points = scripted(charge=Captured("pi_1"))
    captured = executor.attempt(order)
    assert (captured.state, captured.intent_id, captured.due_at_s) == ("captured", "pi_1", None)
    assert [(p.what, p.when) for p in points.passed] == [
        ("order", "before"),
        ("order", "after"),
        ("order, journal, wallet, message", "before"),
        ("order, journal, wallet, message", "after"),
    ]
    read = executor.database.read
    assert wallets.wallet(read, "books", "EUR").available == 900
    assert ledger.balance(read, "commission:shop", "EUR") == -100
    assert ledger.balance(read, "psp:stripe", "EUR") == 1_000
    [message] = outbox.waiting(read)
    assert (message.topic, message.body["seller"]) == ("payment.captured", "books")


def test_a_new_order_is_not_asked_about():
    executor, order, _ = scripted(charge=Declined("card_declined", "No."))
    declined = executor.advance(order.id)
    assert executor.provider.calls == [("charge", "e-1", 0)]
    assert (declined.state, declined.reason) == (State.DECLINED, "card_declined: No.")
    assert ledger.entries(executor.database.read) == []


@pytest.mark.parametrize("state", [State.AUTHORISING, State.UNKNOWN])
def test_an_order_that_may_have_been_charged_is_asked_about_first(state):
    executor, order, _ = scripted(find=Captured("pi_1"))
    as_(executor, order, state)
    assert executor.advance(order.id).state is State.CAPTURED
    assert executor.provider.calls == [("find", "e-1", 0)]


@pytest.mark.parametrize("state", [State.AUTHORISING, State.UNKNOWN])
def test_only_what_the_psp_does_not_know_is_charged_again_with_the_same_key(state):
    executor, order, _ = scripted(find=None, charge=Captured("pi_1"))
    as_(executor, replace(order, key_generation=3), state)
    assert executor.advance(order.id).state is State.CAPTURED
    assert executor.provider.calls == [("find", "e-1", 3), ("charge", "e-1", 3)]


def test_when_even_the_question_fails_nothing_is_charged():
    executor, order, _ = scripted(find=Unknown("could not ask"))
    as_(executor, order, State.AUTHORISING)
    asked = executor.advance(order.id)
    assert executor.provider.calls == [("find", "e-1", 0)]
    assert (asked.state, asked.reason) == (State.UNKNOWN, "could not ask")
    assert NOON_S < asked.due_at_s < NOON_S + LEASE_S


@pytest.mark.parametrize("spent", [False, True])
def test_only_a_spent_key_is_given_up(spent):
    executor, order, _ = scripted(charge=Unknown("500", key_spent=spent))
    assert executor.advance(order.id).key_generation == int(spent)


def test_the_first_attempts_time_is_kept():
    executor, order, _ = scripted(charge=Unknown("?"), find=Unknown("?"))
    executor.advance(order.id)
    executor.clock.sleep(LEASE_S)
    asked = executor.advance(order.id)
    assert (asked.attempts, asked.authorising_since_s) == (2, NOON_S)


# --- several executors


def test_who_comes_second_does_not_call_the_psp():
    executor, order, _ = scripted(charge=Captured("pi_1"), find=Captured("pi_1"))
    executor.begin(order, State.AUTHORISING)
    with pytest.raises(StaleOrderError):
        executor.attempt(order)
    assert executor.advance(order.id).state is State.AUTHORISING
    assert executor.provider.calls == []


def test_a_dead_executors_order_is_taken_up_when_its_lease_has_run_out():
    executor, order, _ = scripted(find=None, charge=Captured("pi_1"))
    executor.begin(order, State.AUTHORISING)
    executor.clock.sleep(LEASE_S - 1)
    assert executor.run_once() == 0
    executor.clock.sleep(1)
    assert executor.run_once() == 1
    assert executor.provider.calls == [("find", "e-1", 0), ("charge", "e-1", 0)]


def test_an_answer_that_comes_after_somebody_elses_is_dropped():
    executor, order, _ = scripted(charge=Declined("late", "Late."))

    def somebody_else(order):
        executor.conclude(order, Captured("pi_1"))

    executor.provider.meanwhile = somebody_else
    assert executor.attempt(order).state is State.CAPTURED
    assert len(ledger.entries(executor.database.read)) == 1


# --- the end of all rounds


def test_a_poison_order_is_a_dead_letter_at_once():
    executor, order, _ = scripted(charge=Rejected("amount_too_small", "Too small."))
    assert executor.advance(order.id).due_at_s is None
    assert len(executor.provider.calls) == 1
    [letter] = dead_letters.waiting(executor.database.read)
    assert (letter.order_id, letter.reason) == ("e-1", "amount_too_small: Too small.")


def test_rounds_are_bounded_and_wait_longer_each_time(payments):
    payments.buy()
    payments.psp.faults.add(Kind.TIMEOUT_BEFORE, times=1_000)
    waits = []
    while (order := payments.order()).due_at_s is not None:
        waits.append(order.due_at_s - payments.clock.now_s())
        payments.clock.sleep(waits[-1])
        payments.executor.run_once()
    assert order.attempts == MAX_ROUNDS
    assert all(later > earlier for earlier, later in zip(waits[2:], waits[4:], strict=False))
    [letter] = dead_letters.waiting(payments.database.read)
    assert "8 rounds" in letter.reason


def test_an_order_that_kills_its_executor_each_time_is_buried_too():
    executor, order, _ = scripted()
    for _ in range(MAX_ROUNDS):
        executor.begin(orders.get(executor.database.read, order.id), State.AUTHORISING)
        executor.clock.sleep(LEASE_S)
    executor.run_once()
    assert [letter.order_id for letter in dead_letters.waiting(executor.database.read)] == ["e-1"]
    assert executor.provider.calls == []


def test_an_order_that_fails_does_not_keep_the_others_waiting(payments, caplog):
    payments.buy(id="bad")
    payments.buy(id="good")
    charge = payments.provider.charge

    def broken(order):
        if order.id == "bad-1":
            raise RuntimeError("a bug")
        return charge(order)

    payments.provider.charge = broken
    assert payments.executor.run_once() == 2
    assert payments.order("good-1").state is State.CAPTURED
    assert payments.order("bad-1").state is State.AUTHORISING
    assert "bad-1 failed" in caplog.text


def test_waits_grow_are_spread_and_repeat_themselves():
    order = scripted()[1]
    waits = [executor.wait_s(replace(order, attempts=n)) for n in range(12)]
    for n, wait_s in enumerate(waits):
        ceiling = min(executor.LONGEST_WAIT_S, executor.FIRST_WAIT_S * 2**n)
        assert ceiling / 2 <= wait_s <= ceiling
    assert waits == [executor.wait_s(replace(order, attempts=n)) for n in range(12)]
    assert executor.wait_s(order) != executor.wait_s(replace(order, id="e-2"))


def test_a_worker_works_until_it_is_stopped(payments):
    payments.buy()
    stop, done = threading.Event(), threading.Event()
    run_once = payments.executor.run_once

    def watched():
        count = run_once()
        if not count:
            done.set()
        return count

    payments.executor.run_once = watched
    worker = threading.Thread(target=payments.executor.work, args=(stop, 0.001))
    worker.start()
    assert done.wait(10)
    stop.set()
    worker.join(10)
    assert not worker.is_alive()
    assert payments.order().state is State.CAPTURED


def test_a_worker_outlives_a_database_that_is_away(payments, caplog):
    stop, failed = threading.Event(), threading.Event()

    def away():
        failed.set()
        raise RuntimeError("away")

    payments.executor.run_once = away
    worker = threading.Thread(target=payments.executor.work, args=(stop, 0.001))
    worker.start()
    assert failed.wait(10)
    stop.set()
    worker.join(10)
    assert not worker.is_alive()
    assert "could not read its orders" in caplog.text


# --- refunds


def begin_refund(payments, id="e-1"):
    now_s = payments.clock.now_s()
    return payments.database.write(lambda t: refunds.begin(t, id, now_s))


def seller_has(payments, seller="books"):
    return wallets.wallet(payments.database.read, seller, "EUR").available


def books(payments):
    read = payments.database.read
    assert not any(ledger.trial_balance(read).values())
    assert wallets.disagreements(read) == []
    names = ("psp:stripe", "refunds:stripe", "bank:shop", "fees:stripe", "commission:shop")
    return {name: ledger.balance(read, name, "EUR") for name in names}


def test_the_money_is_held_before_the_psp_is_told(payments):
    payments.buy()
    payments.settle_down()
    assert begin_refund(payments).state is State.REFUNDING
    assert seller_has(payments) == 0
    assert books(payments)["refunds:stripe"] == -1_000
    assert payments.psp.objects("refund") == []
    payments.settle_down()
    assert payments.order().state is State.REFUNDED
    assert not any(books(payments).values())
    assert payments.psp.objects("refund")[0]["amount"] == 1_000


def test_a_refund_has_all_its_rounds_however_many_the_charge_took(payments):
    payments.buy()
    payments.psp.faults.add(Kind.TIMEOUT_BEFORE, times=8)
    payments.settle_down()
    assert payments.order().attempts > 2
    assert begin_refund(payments).attempts == 0


def test_a_refund_that_is_asked_for_again_is_the_same(payments):
    payments.buy()
    payments.settle_down()
    assert begin_refund(payments) == begin_refund(payments)
    payments.settle_down()
    assert begin_refund(payments).state is State.REFUNDED
    payments.settle_down()
    assert len(payments.psp.objects("refund")) == 1


def test_what_the_seller_does_not_have_can_not_be_refunded(payments):
    payments.buy()
    payments.settle_down()
    order = payments.order()
    # Another refund of this seller's has taken the money, as it would after a payout.
    taken = ledger.Entry(
        "taken",
        "taken",
        (ledger.Posting("seller:books", 1, "EUR"), ledger.Posting("bank:shop", -1, "EUR")),
        NOON_S,
    )
    payments.database.write(lambda t: ledger.post(t, taken))
    with pytest.raises(InsufficientFundsError):
        begin_refund(payments)
    assert payments.order() == order
    assert seller_has(payments) == 899


@pytest.mark.parametrize("state", [State.CREATED, State.AUTHORISING, State.DECLINED])
def test_only_a_charge_can_be_refunded(payments, state):
    order = payments.buy()
    payments.database.write(lambda t: orders.amend(t, order, state=state))
    with pytest.raises(NotRefundableError, match=str(state)):
        begin_refund(payments)


def test_a_refused_refund_gives_the_seller_the_money_back(payments):
    payments.buy()
    payments.settle_down()
    intent = payments.psp.objects("payment_intent")[0]
    payments.psp.account.put(payments.psp.objects("charge")[0], captured=False)
    begin_refund(payments)
    payments.settle_down()
    order = payments.order()
    assert (order.state, order.intent_id) == (State.CAPTURED, intent["id"])
    assert seller_has(payments) == 900
    # And when the cause is gone, the next request for a refund is a new one.
    payments.psp.account.put(payments.psp.objects("charge")[0], captured=True)
    begin_refund(payments)
    payments.settle_down()
    assert payments.order().state is State.REFUNDED
    assert not any(books(payments).values())


@pytest.mark.parametrize("kind", [k for k in Kind if k.value.startswith(("time", "err", "thr"))])
def test_a_refund_is_made_once_whatever_the_psp_does(payments, kind):
    payments.buy()
    payments.settle_down()
    begin_refund(payments)
    payments.psp.faults.add(kind, on="POST /v1/refunds", times=3)
    payments.settle_down()
    assert payments.order().state is State.REFUNDED
    assert len(payments.psp.objects("refund")) == 1
    assert not any(books(payments).values())


# --- settlement


def settle(payments, gross=1_000, fee=59, id="e-1"):
    return payments.database.write(
        lambda t: settlement.settle(t, id, gross, fee, payments.clock.now_s())
    )


def test_a_payout_is_booked_once(payments):
    payments.buy()
    payments.settle_down()
    settled = settle(payments)
    assert settled.state is State.SETTLED
    assert settle(payments) == settled
    assert books(payments) == {
        "psp:stripe": 0,
        "refunds:stripe": 0,
        "bank:shop": 941,
        "fees:stripe": 59,
        "commission:shop": -100,
    }


@pytest.mark.parametrize("gross", [999, 1_001, -1_000])
def test_a_payout_of_another_amount_is_not_booked(payments, gross):
    payments.buy()
    payments.settle_down()
    with pytest.raises(SettlementMismatchError):
        settle(payments, gross)
    assert payments.order().state is State.CAPTURED


def test_a_payout_for_what_was_not_charged_is_not_booked(payments):
    payments.buy(card="pm_card_chargeDeclined")
    payments.settle_down()
    with pytest.raises(SettlementMismatchError, match="declined"):
        settle(payments)


def test_a_payout_may_come_while_the_order_is_refunded(payments):
    payments.buy()
    payments.settle_down()
    begin_refund(payments)
    assert settle(payments).state is State.REFUNDING
    payments.settle_down()
    assert payments.order().state is State.REFUNDED

    def offset(t):
        return settlement.settle_refund(t, "e-1", "txn_1", -1_000, NOON_S)

    assert payments.database.write(offset)
    assert not payments.database.write(offset)
    assert books(payments) == {
        "psp:stripe": 0,
        "refunds:stripe": 0,
        "bank:shop": -59,  # the fee stays with the PSP
        "fees:stripe": 59,
        "commission:shop": 0,
    }


def test_a_settled_order_can_still_be_refunded_and_a_refusal_leaves_it_settled(payments):
    payments.buy()
    payments.settle_down()
    settle(payments)
    payments.psp.account.put(payments.psp.objects("charge")[0], captured=False)
    begin_refund(payments)
    payments.settle_down()
    assert payments.order().state is State.SETTLED


def test_a_refund_that_never_was_is_not_booked(payments):
    payments.buy()
    payments.settle_down()
    with pytest.raises(SettlementMismatchError):
        payments.database.write(
            lambda t: settlement.settle_refund(t, "e-1", "txn_1", -1_000, NOON_S)
        )
