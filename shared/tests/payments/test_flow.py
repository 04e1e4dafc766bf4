"""Whatever happens in whatever order: the books hold at every step, and every order ends.

Hypothesis plays buyers, workers that die, the PSP with its faults and webhooks, the nightly job and
the person who redrives. What must hold always is checked after each of its steps; what must hold in
the end, once faults have stopped and dead letters are redriven.
"""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from paying import NOON_S

from amazonian.payments import (
    crashes,
    dead_letters,
    entries,
    executor,
    ledger,
    naive,
    orders,
    outbox,
    properties,
    refunds,
    wallets,
)
from amazonian.payments.orders import State
from amazonian.payments.points import Killed, Points, WatchedDatabase
from amazonian.payments.refunds import NotRefundableError
from amazonian.payments.scenario import Process
from amazonian.payments.stripe_simulator.faults import OF_WEBHOOKS, Kind
from amazonian.payments.wallets import InsufficientFundsError

CARDS = ["pm_card_visa"] * 3 + ["pm_card_chargeDeclined", "pm_card_pendingRefund"]
FAULTS = sorted(set(Kind) - OF_WEBHOOKS)
PLAYERS = 4  # buyers' events at most


class Payments(RuleBasedStateMachine):
    @initialize()
    def open(self):
        self.world = crashes.World(crashes.CALM, None)
        self.bought = {}
        self.life()

    def life(self, end_at=None):
        """A new process; it dies at the point of that number, counted from now."""
        world = self.world
        world.points = Points(end_at)
        world.process = self.process = Process(
            WatchedDatabase(world.database, world.points),
            world.shop,
            world.client,
            world.clock,
            world.psp.objects,
        )

    def doing(self, work):
        """Do something; if the process dies of it, another one starts."""
        try:
            work()
        except Killed:
            self.life()

    @property
    def read(self):
        return self.world.database.read

    def all_orders(self):
        return [orders.get(self.read, row[0]) for row in self.read("SELECT id FROM payment_orders")]

    # --- what buyers do

    @precondition(lambda self: len(self.bought) < PLAYERS)
    @rule(
        sellers=st.lists(st.sampled_from(["books", "toys"]), min_size=1, max_size=2, unique=True),
        amount=st.integers(50, 10_000),
        card=st.sampled_from(CARDS),
        currency=st.sampled_from(["EUR", "JPY"]),
    )
    def pay(self, sellers, amount, card, currency):
        items = tuple(orders.Item(seller, amount) for seller in sellers)
        bought = orders.PaymentEvent(
            f"e{len(self.bought)}", "ada", currency, card, items, self.world.clock.now_s()
        )
        self.bought[bought.id] = bought
        self.doing(lambda: self.process.database.write(lambda t: orders.create(t, bought)))

    @precondition(lambda self: self.bought)
    @rule(data=st.data())
    def pay_again_with_the_same_key(self, data):
        bought = data.draw(st.sampled_from(sorted(self.bought)))
        self.doing(
            lambda: self.process.database.write(lambda t: orders.create(t, self.bought[bought]))
        )

    @precondition(lambda self: self.all_orders())
    @rule(data=st.data())
    def ask_for_a_refund(self, data):
        order = data.draw(st.sampled_from([order.id for order in self.all_orders()]))
        now_s = self.world.clock.now_s()
        with contextlib.suppress(NotRefundableError, InsufficientFundsError):
            self.doing(
                lambda: self.process.database.write(lambda t: refunds.begin(t, order, now_s))
            )

    # --- what workers do, and what happens to them

    @rule(kind=st.sampled_from(FAULTS), times=st.sampled_from([1, 2, 3]))
    def advance_what_is_due_in_trouble(self, kind, times):
        self.world.psp.faults.add(kind, times=times)
        self.advance_what_is_due()

    @rule()
    def advance_what_is_due(self):
        for order_id in orders.due(self.read, self.world.clock.now_s()):
            self.doing(lambda id=order_id: self.process.executor.advance(id))

    @rule()
    def work_until_nothing_is_due(self):
        self.doing(self.process.settle_down)

    @precondition(lambda self: self.all_orders())
    @rule(data=st.data())
    def advance_one(self, data):
        order = data.draw(st.sampled_from([order.id for order in self.all_orders()]))
        self.doing(lambda: self.process.executor.advance(order))

    @rule(points=st.integers(0, 8))
    def crash_soon(self, points):
        self.life(end_at=points)

    @rule()
    def relay(self):
        now_s = self.world.clock.now_s()
        self.doing(lambda: outbox.relay(self.process.database, self.world.shop.publish, now_s))

    @rule(seconds=st.sampled_from([1.0, 61.0, 300.0, 90_000.0]))
    def let_time_pass(self, seconds):
        self.world.clock.sleep(seconds)

    # --- what the PSP does

    @rule(
        kind=st.sampled_from(FAULTS),
        nth=st.integers(1, 3),
        times=st.sampled_from([1, 2, 200]),
    )
    def go_wrong(self, kind, nth, times):
        self.world.psp.faults.add(kind, nth=nth, times=times)

    @rule(data=st.data())
    def webhooks_come(self, data):
        sent = self.process.webhooks_sent()
        if sent:
            chosen = data.draw(st.lists(st.sampled_from(sent), max_size=4))
            self.doing(lambda: self.process.deliver(chosen))

    # --- what people do

    @rule(kind=st.sampled_from([Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER, Kind.THROTTLE]))
    def be_out_while_we_work(self, kind):
        self.world.psp.faults.add(kind, times=200)
        self.doing(self.process.settle_down)
        self.world.psp.faults.clear()

    @rule()
    def come_right_again(self):
        self.world.psp.faults.clear()

    @rule()
    def redrive(self):
        self.doing(self.process.redrive)

    @rule()
    def settle(self):
        self.doing(self.process.book_payouts)

    # --- what must hold always

    @invariant()
    def the_ledger_is_zero_per_currency(self):
        assert not any(ledger.trial_balance(self.read).values())

    @invariant()
    def the_wallets_are_the_ledger(self):
        assert wallets.disagreements(self.read) == []

    @invariant()
    def nobody_owes_what_must_not_be_owed(self):
        for account in ("seller:books", "seller:toys", entries.REFUNDS):
            for currency in ("EUR", "JPY"):
                assert ledger.balance(self.read, account, currency) <= 0

    @invariant()
    def no_order_is_charged_twice(self):
        world = self.world
        charged = [
            intent["metadata"]["order_id"]
            for intent in world.psp.objects("payment_intent")
            if intent["status"] == "succeeded"
        ]
        assert len(charged) == len(set(charged))
        refunded = [refund["payment_intent"] for refund in world.psp.objects("refund")]
        assert len(refunded) == len(set(refunded))

    @invariant()
    def what_we_say_the_psp_has_done(self):
        """We never book a charge that the PSP did not make; it may be ahead of us."""
        charged = {
            intent["metadata"]["order_id"]
            for intent in self.world.psp.objects("payment_intent")
            if intent["status"] == "succeeded"
        }
        for order in self.all_orders():
            if order.state in properties.CHARGED:
                assert order.id in charged
            if order.state is State.DECLINED:
                assert order.id not in charged

    @invariant()
    def history_only_goes_where_it_may(self):
        for order in self.all_orders():
            states = [state for state, _ in orders.history(self.read, order.id)]
            for before, after in pairwise(states):
                assert after in orders.ALLOWED[before]

    @invariant()
    def messages_take_effect_at_most_once(self):
        heard = self.world.shop.heard()
        assert len(heard) == len(set(heard))

    # --- what must hold in the end

    def teardown(self):
        if not hasattr(self, "world"):
            return
        self.world.psp.faults.clear()
        self.life()
        for _ in range(3):
            self.process.redrive()
            self.process.settle_down()
        assert dead_letters.waiting(self.read) == []
        self.process.deliver(self.process.webhooks_sent())
        self.process.book_payouts()
        outbox.relay(self.process.database, self.world.shop.publish, NOON_S)
        assert self.process.errors == []
        assert self.world.violations() == ()


Payments.TestCase.settings = settings(max_examples=80, stateful_step_count=50)
test_payments_under_everything = Payments.TestCase


@pytest.mark.parametrize("design", [naive.WalletFirst, naive.LegByLeg, naive.TimeoutMeansNo])
def test_the_same_machine_notices_designs_that_are_wrong(design, monkeypatch):
    monkeypatch.setattr(executor, "Executor", design)
    quick = settings(max_examples=500, stateful_step_count=50, phases=[Phase.generate])
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(Payments, settings=quick)
