"""Executors that are wrong, each in one way that is often seen: the tests of the crash test.

An experiment that finds nothing wrong with `executor.Executor` proves something only if it finds
what is wrong with these, and calls it by its name.
"""

from dataclasses import replace

from amazonian.payments import conclusions, entries, journal, orders, wallets
from amazonian.payments.executor import Executor
from amazonian.payments.orders import PaymentOrder, State
from amazonian.payments.provider import Captured, Declined, Outcome, Unknown


class FreshKey(Executor):
    """A new idempotency key for each attempt, so that the PSP can't know a repetition."""

    def begin(self, order: PaymentOrder, state: State) -> PaymentOrder:
        return super().begin(replace(order, key_generation=order.key_generation + 1), state)

    def resolve(self, order: PaymentOrder) -> PaymentOrder:
        """Charge, without a question."""
        return self.attempt(order)


class WalletFirst(Executor):
    """The wallet in one commit, and the order's state with the journal in a second one."""

    def conclude(self, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        if not isinstance(outcome, Captured):
            return super().conclude(order, outcome)
        now_s = self.clock.now_s()
        postings = entries.capture(order, now_s).postings

        def credit_wallet(t):
            wallets.save(t, wallets.project(wallets.load(t.execute, postings), postings))

        def rest(t):
            credited = wallets.load(t.execute, postings)
            moved = conclusions.conclude(t, order, outcome, now_s, now_s)
            wallets.save(t, credited)
            return moved

        self.database.write(credit_wallet)
        return self.database.write(rest)


class LegByLeg(Executor):
    """The entry's debit with the order's state in one commit, its credits in a second one."""

    def conclude(self, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        if not isinstance(outcome, Captured):
            return super().conclude(order, outcome)
        now_s = self.clock.now_s()
        entry = entries.capture(order, now_s)
        debit, credits = entry.postings[:1], entry.postings[1:]

        def first_leg(t):
            moved = orders.move(
                t, order, State.CAPTURED, now_s, intent_id=outcome.intent_id, due_at_s=None
            )
            journal.append(t, [replace(entry, postings=debit)])
            conclusions.announce(t, moved, "payment.captured", now_s)
            return moved

        def other_legs(t):
            journal.append(t, [replace(entry, id=f"{entry.id}/credits", postings=credits)])
            wallets.save(t, wallets.project(wallets.load(t.execute, credits), credits))

        moved = self.database.write(first_leg)
        self.database.write(other_legs)
        return moved


class TimeoutMeansNo(Executor):
    """No answer is taken for a no, although the PSP may have acted."""

    def conclude(self, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        if isinstance(outcome, Unknown) and order.state is State.AUTHORISING:
            outcome = Declined("timeout", outcome.reason)
        return super().conclude(order, outcome)


class StateAfterwards(Executor):
    """Nothing is written before the call: after a crash the order looks as if nothing was sent."""

    def begin(self, order: PaymentOrder, state: State) -> PaymentOrder:
        return order

    def conclude(self, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        if order.state in (State.CREATED, State.UNKNOWN):
            order = super().begin(order, State.AUTHORISING)
        return super().conclude(order, outcome)


class SameKeyForEver(Executor):
    """The same idempotency key even after the PSP has kept a failure under it."""

    def conclude(self, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        if isinstance(outcome, Unknown):
            outcome = replace(outcome, key_spent=False)
        return super().conclude(order, outcome)


class NeverAsks(Executor):
    """After a crash it charges again, trusting that the PSP still knows the key."""

    def resolve(self, order: PaymentOrder) -> PaymentOrder:
        """Charge, without a question."""
        return self.attempt(order)
