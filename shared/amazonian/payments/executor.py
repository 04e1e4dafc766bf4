"""The payment executor: takes each order to its end, one written step at a time.

Around each call to the PSP there are two commits. The first says what is about to be tried, so
that after a crash we know what may have happened. The second says all that follows from the
answer, so that no part of it can be missing. Nothing is held in memory between steps: an executor
that dies is replaced by another one, in this process or elsewhere, that reads the same rows.
"""

import logging
import random
import threading

from amazonian.payments import conclusions, dead_letters, orders
from amazonian.payments.orders import PaymentOrder, StaleOrderError, State
from amazonian.payments.provider import Outcome, StripeProvider
from amazonian.resilience import retries
from amazonian.resilience.clock import Clock
from amazonian.resilience.database import Database

log = logging.getLogger(__name__)

LEASE_S = 60.0  # longer than the calls of one round can take together
MAX_ROUNDS = 8
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 600.0


class Executor:
    """Advances payment orders. Any number may work on one database, in threads and processes.

    Args:
        database: with the tables of ``store.SCHEMA``.
        provider: the way to the PSP.
        clock: seconds since 1970, the same for all executors of one database.
    """

    def __init__(self, database: Database, provider: StripeProvider, clock: Clock):
        self.database, self.provider, self.clock = database, provider, clock

    def advance(self, order_id: str) -> PaymentOrder:
        """Take an order one round further, if it is due.

        An order whose rounds are used up becomes a dead letter. One that another executor takes
        up at the same moment is left to that one.

        Returns:
            The order as it is now.

        Raises:
            UnknownOrderError: there is no such order.
        """
        order = orders.get(self.database.read, order_id)
        if order.due_at_s is None or order.due_at_s > self.clock.now_s():
            return order
        try:
            if order.attempts >= MAX_ROUNDS:
                return self.bury(order)
            if order.state is State.CREATED:
                return self.attempt(order)
            if order.state is State.REFUNDING:
                return self.give_back(order)
            return self.resolve(order)
        except StaleOrderError:
            return orders.get(self.database.read, order_id)

    def attempt(self, order: PaymentOrder) -> PaymentOrder:
        """Charge an order that nothing was ever sent for: write down, call, conclude.

        1. :meth:`begin` a round in state authorising, which is a commit.
        2. ``provider.charge`` the order that `begin` returned; no database is held meanwhile.
        3. :meth:`conclude` with that order and the outcome, and return what that returns.

        Args:
            order: in state created.

        Raises:
            StaleOrderError: another executor has begun; the PSP was not called.
        """
        order = self.begin(order, State.AUTHORISING)
        return self.conclude(order, self.provider.charge(order))

    def resolve(self, order: PaymentOrder) -> PaymentOrder:
        """Find out what became of an order that may have been charged: ask, never assume.

        1. :meth:`begin` a round in state authorising.
        2. Ask: ``provider.find``. Only if that is None, so the PSP knows nothing of the order,
           ``provider.charge`` it; its key is still the same, in case a request is on its way.
        3. :meth:`conclude` with what either of them said.

        Args:
            order: in state authorising or unknown.

        Raises:
            StaleOrderError: another executor has begun; the PSP was not called.
        """
        order = self.begin(order, State.AUTHORISING)
        outcome = self.provider.find(order)
        if outcome is None:
            outcome = self.provider.charge(order)
        return self.conclude(order, outcome)

    def give_back(self, order: PaymentOrder) -> PaymentOrder:
        """Refund an order, whether or not that was tried before; as :meth:`resolve`."""
        order = self.begin(order, State.REFUNDING)
        outcome = self.provider.find_refund(order)
        if outcome is None:
            outcome = self.provider.refund(order)
        return self.conclude(order, outcome)

    def begin(self, order: PaymentOrder, state: State) -> PaymentOrder:
        """Write down, in one commit, that a round begins, and by that take a lease on the order.

        ``orders.move`` it to `state` with one attempt more, due again `LEASE_S` from now (so that
        others leave it alone until then, and take it up if we die), and ``authorising_since_s``
        set to now if it was None.

        Returns:
            The order as it is now.

        Raises:
            StaleOrderError: another executor was faster.
        """
        now_s = self.clock.now_s()
        since_s = now_s if order.authorising_since_s is None else order.authorising_since_s
        return self.database.write(
            lambda t: orders.move(
                t,
                order,
                state,
                now_s,
                attempts=order.attempts + 1,
                authorising_since_s=since_s,
                due_at_s=now_s + LEASE_S,
            )
        )

    def conclude(self, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        """Write down all that follows from an outcome, in one commit (``conclusions.conclude``).

        If somebody else has moved the order meanwhile, as a webhook may, nothing is written: they
        know at least as much as we do.

        Returns:
            The order as it is now.
        """
        now_s = self.clock.now_s()
        retry_at_s = now_s + wait_s(order)
        try:
            return self.database.write(
                lambda t: conclusions.conclude(t, order, outcome, now_s, retry_at_s)
            )
        except StaleOrderError:
            return orders.get(self.database.read, order.id)

    def bury(self, order: PaymentOrder) -> PaymentOrder:
        """Put an order among the dead letters: its rounds are used up."""
        now_s = self.clock.now_s()
        reason = f"no clear answer in {order.attempts} rounds; the last: {order.reason}"
        log.error("order %s is a dead letter: %s", order.id, reason)
        return self.database.write(lambda t: dead_letters.add(t, order, reason, now_s))

    def run_once(self) -> int:
        """Advance each order that is due. One that fails does not keep the others waiting.

        Returns:
            How many were due.
        """
        due = orders.due(self.database.read, self.clock.now_s())
        for order_id in due:
            try:
                self.advance(order_id)
            except Exception:
                log.exception("order %s failed; its lease runs out by itself", order_id)
        return len(due)

    def work(self, stop: threading.Event, pause_s: float = 0.1) -> None:
        """Advance orders until `stop` is set; pause for `pause_s` when there are none."""
        while not stop.is_set():
            try:
                busy = self.run_once()
            except Exception:
                log.exception("the executor could not read its orders")
                busy = 0
            if not busy:
                stop.wait(pause_s)


def wait_s(order: PaymentOrder) -> float:
    """How long to wait before an order's next round, in seconds: backoff with equal jitter.

    The jitter comes from the order itself, so that orders that failed together don't come back
    together, and a repetition of the same run waits as long.
    """
    rng = random.Random(f"{order.id}/{order.attempts}")
    return retries.equal_jitter(order.attempts, FIRST_WAIT_S, LONGEST_WAIT_S, rng)
