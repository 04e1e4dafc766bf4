"""Wrong answers to lab 3.3: what the executor writes down when, and whom it asks."""

from amazonian.payments import orders
from amazonian.payments.executor import LEASE_S, Executor
from amazonian.payments.orders import State
from amazonian.payments.provider import Unknown
from wrong_answers import wrong


def _begin(self, order, state, **changes):
    now_s = self.clock.now_s()
    since_s = now_s if order.authorising_since_s is None else order.authorising_since_s
    written = {
        "attempts": order.attempts + 1,
        "authorising_since_s": since_s,
        "due_at_s": now_s + LEASE_S,
    } | changes
    return self.database.write(lambda t: orders.move(t, order, state, now_s, **written))


@wrong(Executor, feedback="if we die, another executor takes the order up then")
def begin__takes_no_lease(self, order, state):
    return _begin(self, order, state, due_at_s=self.clock.now_s())


@wrong(Executor, feedback="if we die, another executor takes the order up then")
def begin__takes_the_order_for_ever(self, order, state):
    return _begin(self, order, state, due_at_s=None)


@wrong(Executor, feedback="a later round must not forget it")
def begin__forgets_the_first_request(self, order, state):
    return _begin(self, order, state, authorising_since_s=self.clock.now_s())


@wrong(Executor, feedback="a later round must not forget it")
def begin__takes_zero_for_none(self, order, state):
    since_s = order.authorising_since_s or self.clock.now_s()
    return _begin(self, order, state, authorising_since_s=since_s)


@wrong(Executor, feedback="a new round is a new attempt at the same charge")
def begin__takes_a_new_key(self, order, state):
    return _begin(self, order, state, key_generation=order.key_generation + 1)


@wrong(Executor, feedback="one database.write, one orders.move")
def begin__makes_two_commits(self, order, state):
    order = self.database.write(
        lambda t: orders.amend(t, order, due_at_s=self.clock.now_s() + LEASE_S)
    )
    return _begin(self, order, state)


@wrong(Executor, feedback="the state that is given")
def begin__always_authorises(self, order, state):
    return _begin(self, order, State.AUTHORISING)


@wrong(Executor, feedback="orders.move raises it")
def begin__reads_the_order_again(self, order, state):
    return _begin(self, orders.get(self.database.read, order.id), state)


@wrong(Executor, feedback="if the process dies in the call, what will the next one find?")
def attempt__calls_first(self, order):
    outcome = self.provider.charge(order)
    return self.conclude(self.begin(order, State.AUTHORISING), outcome)


@wrong(Executor, feedback="no open transaction during a call")
def attempt__calls_within_a_commit(self, order):
    order = self.begin(order, State.AUTHORISING)
    outcome = self.database.write(lambda t: self.provider.charge(order))
    return self.conclude(order, outcome)


@wrong(Executor, feedback="go on with the order that self.begin returns")
def attempt__goes_on_with_the_stale_order(self, order):
    begun = self.begin(order, State.AUTHORISING)
    return self.conclude(begun, self.provider.charge(order))


@wrong(Executor, feedback="charge, once")
def attempt__tries_again_at_once(self, order):
    order = self.begin(order, State.AUTHORISING)
    outcome = self.provider.charge(order)
    if isinstance(outcome, Unknown):
        outcome = self.provider.charge(order)
    return self.conclude(order, outcome)


@wrong(Executor, feedback="return what self.conclude returns")
def attempt__leaves_the_conclusion_to_a_webhook(self, order):
    order = self.begin(order, State.AUTHORISING)
    self.provider.charge(order)
    return order


@wrong(Executor, feedback="nothing may catch the end of the process")
def attempt__catches_the_end_of_the_process(self, order):
    order = self.begin(order, State.AUTHORISING)
    try:
        outcome = self.provider.charge(order)
    except BaseException as error:
        outcome = Unknown(str(error))
    return self.conclude(order, outcome)


@wrong(Executor, feedback="provider.find first")
def resolve__assumes_that_nothing_happened(self, order):
    order = self.begin(order, State.AUTHORISING)
    return self.conclude(order, self.provider.charge(order))


@wrong(Executor, feedback="an order that was charged, or declined, is not charged again")
def resolve__asks_and_charges(self, order):
    order = self.begin(order, State.AUTHORISING)
    self.provider.find(order)
    return self.conclude(order, self.provider.charge(order))


@wrong(Executor, feedback="None says that there is no charge; Unknown says that nobody knows")
def resolve__takes_no_answer_for_no_charge(self, order):
    order = self.begin(order, State.AUTHORISING)
    outcome = self.provider.find(order)
    if outcome is None or isinstance(outcome, Unknown):
        outcome = self.provider.charge(order)
    return self.conclude(order, outcome)


@wrong(Executor, feedback="only under the same key are the two one")
def resolve__takes_a_new_key(self, order):
    order = self.begin(order, State.AUTHORISING)
    outcome = self.provider.find(order)
    if outcome is None:
        order = self.database.write(
            lambda t: orders.amend(t, order, key_generation=order.key_generation + 1)
        )
        outcome = self.provider.charge(order)
    return self.conclude(order, outcome)


@wrong(Executor, feedback="if the process dies in the call, what will the next one find?")
def resolve__asks_before_it_writes(self, order):
    outcome = self.provider.find(order)
    order = self.begin(order, State.AUTHORISING)
    if outcome is None:
        outcome = self.provider.charge(order)
    return self.conclude(order, outcome)


@wrong(Executor, feedback="the request never arrived, or is still on its way: send it again")
def resolve__only_asks(self, order):
    order = self.begin(order, State.AUTHORISING)
    return self.conclude(order, self.provider.find(order) or Unknown("the PSP knows nothing"))
