"""What lab 3.3 asks of the executor: what is written down when, and whom it asks."""

from collections.abc import Callable
from typing import Any

from amazonian.course.evidence import Answer, call, fail, scenario
from amazonian.course.rules import RulesFor
from amazonian.payments import ledger, orders, store
from amazonian.payments.events import Item, PaymentEvent
from amazonian.payments.executor import LEASE_S, Executor
from amazonian.payments.orders import PaymentOrder, StaleOrderError, State
from amazonian.payments.provider import Captured, Declined, Unknown
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.memory import MemoryDatabase

about = RulesFor("amazonian.payments.executor.Executor")

NOW_S = 1_800_000_000.0
EVENT = PaymentEvent("eve-1", "eve", "EUR", "pm_card_visa", (Item("ada", 4200),), NOW_S - 5)
PAID, REFUSED = Captured("pi_1"), Declined("card_declined", "Your card was declined.")
SILENCE = Unknown("No answer within 2 s")


class PowerCutError(BaseException):
    """The end of the process, so not an Exception that anybody may catch."""


class Database:
    """A database that knows whether a commit is under way, and counts them."""

    local = True

    def __init__(self) -> None:
        self.inner = MemoryDatabase(store.SCHEMA)
        self.read, self.commits, self.open = self.inner.read, 0, False

    def write(self, change: Callable) -> Any:
        self.open = True
        try:
            result = self.inner.write(change)
        finally:
            self.open = False
        self.commits += 1
        return result


class Psp:
    """Stands for the provider: gives the answers that it was told, and looks at our database.

    Args:
        charge, find: what these calls return; an exception is raised.
    """

    def __init__(self, database: Database, charge: Any = None, find: Any = None):
        self.database = database
        self.answers = {"charge": charge, "find": find}
        self.calls: list[tuple[str, PaymentOrder, PaymentOrder, bool]] = []

    def charge(self, order: PaymentOrder) -> Any:
        return self._called("charge", order)

    def find(self, order: PaymentOrder) -> Any:
        return self._called("find", order)

    def _called(self, name: str, order: PaymentOrder) -> Any:
        written = orders.get(self.database.read, order.id)
        self.calls.append((name, order, written, self.database.open))
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


class World:
    """An executor with one order, made ready for one call.

    Args:
        state: of the order; it gets there as orders do.
        changes: fields of the order.
        charge, find: what the PSP answers.
    """

    def __init__(
        self,
        state: State = State.CREATED,
        charge: Any = None,
        find: Any = None,
        **changes: Any,
    ):
        self.database, self.clock = Database(), SimulatedClock(NOW_S)
        self.psp = Psp(self.database, charge, find)
        self.runs = Executor(self.database, self.psp, self.clock)
        [order] = self.database.write(lambda t: orders.create(t, EVENT))
        if changes:
            order = self._write(lambda t: orders.amend(t, order, **changes))
        for step in _way_to(state):
            before = order
            order = self._write(lambda t, b=before, s=step: orders.move(t, b, s, NOW_S - 2))
        self.order, self.database.commits = order, 0

    def _write(self, change: Callable) -> PaymentOrder:
        return self.database.write(change)

    def written(self) -> PaymentOrder:
        """The order as the database has it."""
        return orders.get(self.database.read, self.order.id)

    def call(self, method: Callable, *args: Any) -> Answer:
        """Call the learner's method on the order."""
        name = getattr(method, "__name__", "method")
        shown = "".join(f", State.{state.name}" for state in args)
        return call(method, self.runs, self.order, *args, shown_as=f"executor.{name}(order{shown})")


def _way_to(state: State) -> tuple[State, ...]:
    ways = {State.CREATED: (), State.UNKNOWN: (State.AUTHORISING, State.UNKNOWN)}
    return ways.get(state, (state,))


def _field(answer: Answer, name: str, wanted: Any, look: str) -> None:
    """One field of the order that came back."""
    kind, fields = answer.satisfies(lambda value: isinstance(value, tuple), "an order", look)
    shown = ("State", wanted.name) if isinstance(wanted, State) else wanted
    if kind != "PaymentOrder" or fields[name] != shown:
        came = fields.get(name) if kind == "PaymentOrder" else kind
        raise answer.broken(f"an order with {name} {wanted}", look, f"{name} {came}")


def _written(world: World, name: str, wanted: Any, look: str) -> None:
    """One field of the order as the database has it."""
    if getattr(world.written(), name) != wanted:
        raise fail(
            f"in the database the order's {name} is {getattr(world.written(), name)}",
            f"{name} {wanted}",
            look,
        )


# --- begin ------------------------------------------------------------------------------------


@about.rule("begin")
def it_moves_the_order_and_counts(begin):
    """The order goes to the state that was asked for, with one attempt more, in the database."""
    scenario("an order that is created, without attempts")
    world = World()
    answer = world.call(begin, State.AUTHORISING)
    _field(answer, "state", State.AUTHORISING, "orders.move(t, order, state, now_s, …)")
    _field(answer, "attempts", 1, "attempts=order.attempts + 1")
    _written(world, "attempts", 1, "self.database.write(lambda t: …)")
    scenario("an order that is unknown, after 4 attempts")
    world = World(State.UNKNOWN, attempts=4)
    _field(world.call(begin, State.AUTHORISING), "attempts", 5, "attempts=order.attempts + 1")
    scenario("an order that is refunding, after 1 attempt")
    world = World(State.AUTHORISING, attempts=1)
    world.order = world._write(lambda t: orders.move(t, world.order, State.CAPTURED, NOW_S))
    world.order = world._write(lambda t: orders.move(t, world.order, State.REFUNDING, NOW_S))
    answer = world.call(begin, State.REFUNDING)
    _field(answer, "state", State.REFUNDING, "the state that is given, not always the same one")


@about.rule("begin")
def it_takes_a_lease(begin):
    """The order is due again LEASE_S from now: until then it is ours, and then anybody's."""
    scenario("an order that is created")
    world = World(due_at_s=NOW_S - 1)
    look = "due_at_s=now_s + LEASE_S; if we die, another executor takes the order up then"
    _field(world.call(begin, State.AUTHORISING), "due_at_s", NOW_S + LEASE_S, look)


@about.rule("begin")
def it_notes_the_first_request_only(begin):
    """authorising_since_s is now for the first round, and stays for all later ones."""
    scenario("an order that is created")
    look = "when the first request may have gone out: a later round must not forget it"
    answer = World().call(begin, State.AUTHORISING)
    _field(answer, "authorising_since_s", NOW_S, look)
    for since_s in (NOW_S - 900, 0.0):
        scenario(f"an order that is unknown, with authorising_since_s {since_s:.0f}")
        world = World(State.UNKNOWN, authorising_since_s=since_s)
        _field(world.call(begin, State.AUTHORISING), "authorising_since_s", since_s, look)


@about.rule("begin")
def it_is_one_commit(begin):
    """All of it is one commit, with the time of now in the order's history."""
    scenario("an order that is created")
    world = World()
    world.call(begin, State.AUTHORISING).made  # noqa: B018, it must not have raised
    if world.database.commits != 1:
        raise fail(f"{world.database.commits} commits", "1", "one database.write, one orders.move")
    noted = orders.history(world.database.read, world.order.id)
    if noted[-1] != (State.AUTHORISING, NOW_S):
        raise fail(
            f"the last of the history is {noted[-1][0]} at {noted[-1][1]:.0f}",
            f"authorising at {NOW_S:.0f}",
            "orders.move keeps each move with the time that it is given: self.clock.now_s()",
        )


@about.rule("begin")
def it_leaves_the_rest_alone(begin):
    """Key generation, intent and reason stay as they are: it is the same charge."""
    scenario("an order that is unknown, with key generation 2")
    world = World(State.UNKNOWN, key_generation=2, intent_id="pi_1", reason="a 500")
    answer = world.call(begin, State.AUTHORISING)
    look = "a new round is a new attempt at the same charge, under the same key"
    for name, wanted in (("key_generation", 2), ("intent_id", "pi_1"), ("reason", "a 500")):
        _field(answer, name, wanted, look)


@about.rule("begin")
def it_yields_to_the_faster(begin):
    """If another executor has moved the order meanwhile, StaleOrderError goes through."""
    scenario("an order that another executor has begun since we read it")
    world = World()
    stale = world.order
    world._write(lambda t: orders.move(t, stale, State.AUTHORISING, NOW_S, attempts=1))
    world.call(begin, State.AUTHORISING).raises(
        StaleOrderError, look="orders.move raises it; whoever is slower must not call the PSP"
    )
    _written(world, "attempts", 1, "the other one's round, and not ours as well")


about.hints(
    "begin",
    "What must the next process know that finds this order, if we die a moment later?",
    """
    One self.database.write with one orders.move: state, attempts, authorising_since_s and
    due_at_s. The time of the first request is kept if there is one; 0.0 is a time, too.
    """,
    """
    now_s = self.clock.now_s()
    since_s = now_s if order.authorising_since_s is … else order.authorising_since_s
    return self.database.write(
        lambda t: orders.move(t, order, state, now_s, attempts=…,
                              authorising_since_s=since_s, due_at_s=…)
    )
    """,
)


# --- attempt ----------------------------------------------------------------------------------


def _first_call(world: World, answer: Answer, name: str) -> tuple:
    if world.psp.names[:1] != [name]:
        asked = ", ".join(world.psp.names) or "nothing"
        raise answer.broken(f"provider.{name} first", "", f"the PSP was asked: {asked}")
    return world.psp.calls[0]


def _was_written_first(world: World, answer: Answer, name: str) -> None:
    _, given, written, is_open = _first_call(world, answer, name)
    if is_open:
        raise fail(
            "the PSP is called while a commit is under way",
            "no open transaction during a call",
            "a call may take seconds, and meanwhile nobody else could write; nor is what a "
            "transaction has written there after a crash",
        )
    if (written.state, written.attempts) != (State.AUTHORISING, world.order.attempts + 1):
        raise fail(
            f"when the PSP is called, the database says: {written.state}, {written.attempts} "
            "attempts",
            f"authorising, {world.order.attempts + 1} attempts",
            "if the process dies in the call, what will the next one find? self.begin first",
        )
    if (given.version, given.key_generation) != (written.version, world.order.key_generation):
        raise fail(
            f"the PSP got the order as of version {given.version}",
            f"version {written.version}, as self.begin returned it",
            "go on with the order that self.begin returns: the one that you were given is stale",
        )


@about.rule("attempt")
def it_writes_down_before_it_calls(attempt):
    """When the PSP is called, the database says so already, and no transaction is open."""
    scenario("an order that is created; the PSP captures")
    world = World(charge=PAID)
    _was_written_first(world, world.call(attempt), "charge")


@about.rule("attempt")
def it_calls_once_and_concludes(attempt):
    """It charges once, and the outcome is written with all that follows from it."""
    for outcome, state, owed in (
        (PAID, State.CAPTURED, 4200),
        (REFUSED, State.DECLINED, 0),
        (SILENCE, State.UNKNOWN, 0),
    ):
        scenario(f"an order that is created; the PSP's answer is {type(outcome).__name__}")
        world = World(charge=outcome)
        answer = world.call(attempt)
        _field(answer, "state", state, "return what self.conclude returns")
        _written(world, "state", state, "self.conclude(order, outcome)")
        if world.psp.names != ["charge"]:
            raise fail(f"the PSP was asked: {', '.join(world.psp.names)}", "charge, once")
        booked = ledger.balance(world.database.read, "psp:stripe", "EUR")
        if booked != owed:
            raise fail(f"the ledger says that the PSP owes {booked}", str(owed), "self.conclude")


@about.rule("attempt")
def a_death_in_the_call_leaves_a_note(attempt):
    """A process that dies in the call leaves an order that is authorising."""
    scenario("an order that is created; the process ends during the call")
    world = World(charge=PowerCutError())
    world.call(attempt).raises(PowerCutError, look="nothing may catch the end of the process")
    _written(world, "state", State.AUTHORISING, "the note that a request may be on its way")


@about.rule("attempt")
def who_is_slower_does_not_call(attempt):
    """If another executor has begun, StaleOrderError goes through and the PSP is not called."""
    _leaves_it_to_the_faster(attempt, World(charge=PAID))


def _leaves_it_to_the_faster(method: Callable, world: World) -> None:
    scenario("an order that another executor has begun since we read it")
    stale = world.order
    world._write(lambda t: orders.move(t, stale, State.AUTHORISING, NOW_S, attempts=1))
    world.call(method).raises(StaleOrderError, look="let self.begin's error go through")
    if world.psp.names:
        raise fail(f"the PSP was asked: {', '.join(world.psp.names)}", "no call")


about.hints(
    "attempt",
    "If the process dies right after the PSP has charged: what does the next process find?",
    "Three calls in this order: self.begin, self.provider.charge, self.conclude. Each goes on with "
    "what the one before returned.",
    """
    order = self.begin(order, State.…)
    return self.conclude(…, self.provider.charge(…))
    """,
)


# --- resolve ----------------------------------------------------------------------------------


@about.rule("resolve")
def it_writes_down_before_it_asks(resolve):
    """When the PSP is asked, the round is in the database, and no transaction is open."""
    for state in (State.AUTHORISING, State.UNKNOWN):
        scenario(f"an order that is {state} after 2 attempts; the PSP knows that it was captured")
        world = World(state, attempts=2, find=PAID, charge=PAID)
        _was_written_first(world, world.call(resolve), "find")


@about.rule("resolve")
def what_the_psp_knows_is_so(resolve):
    """If the PSP knows the order's charge, its word counts, and nothing is charged."""
    for found, state in ((PAID, State.CAPTURED), (REFUSED, State.DECLINED)):
        scenario(f"an order that is unknown; the PSP finds: {type(found).__name__}")
        world = World(State.UNKNOWN, find=found, charge=PAID)
        answer = world.call(resolve)
        if world.psp.names != ["find"]:
            raise fail(
                f"the PSP was asked: {', '.join(world.psp.names)}",
                "find, and nothing else",
                "an order that was charged, or declined, is not charged again",
            )
        _field(answer, "state", state, "self.conclude with what was found")


@about.rule("resolve")
def not_to_know_is_not_no(resolve):
    """If the PSP can't be asked, the order stays unknown; it is not charged."""
    scenario("an order that is unknown; the PSP does not answer the question either")
    world = World(State.UNKNOWN, find=SILENCE, charge=PAID)
    answer = world.call(resolve)
    if world.psp.names != ["find"]:
        raise fail(
            f"the PSP was asked: {', '.join(world.psp.names)}",
            "find, and nothing else",
            "None says that there is no charge; Unknown says that nobody knows",
        )
    _field(answer, "state", State.UNKNOWN, "self.conclude with what was found")


@about.rule("resolve")
def what_the_psp_does_not_know_is_charged_under_the_same_key(resolve):
    """Only if the PSP knows of no charge is the order charged, under the same key as before."""
    for outcome, state in ((PAID, State.CAPTURED), (SILENCE, State.UNKNOWN)):
        scenario("an order that is unknown, with key generation 1; the PSP knows of no charge")
        world = World(State.UNKNOWN, key_generation=1, find=None, charge=outcome)
        answer = world.call(resolve)
        if world.psp.names != ["find", "charge"]:
            raise fail(
                f"the PSP was asked: {', '.join(world.psp.names)}",
                "find, then charge",
                "the request never arrived, or is still on its way: send it again",
            )
        given = world.psp.calls[1][1]
        if (given.key_generation, given.version) != (1, world.psp.calls[0][2].version):
            raise fail(
                f"charged with key generation {given.key_generation}, version {given.version}",
                "the order as self.begin returned it, with the same key generation",
                "the first request may be on its way: only under the same key are the two one",
            )
        _field(answer, "state", state, "self.conclude with what charge returned")


@about.rule("resolve")
def who_is_slower_does_not_ask(resolve):
    """If another executor has begun, StaleOrderError goes through and the PSP is not called."""
    _leaves_it_to_the_faster(resolve, World(State.UNKNOWN, find=None, charge=PAID))


about.hints(
    "resolve",
    "A request whose answer was lost fared in one of four ways. Which question tells them apart?",
    """
    As attempt, but between begin and charge comes provider.find. It returns an outcome, or None:
    only None lets you charge.
    """,
    """
    order = self.begin(order, …)
    outcome = self.provider.find(order)
    if outcome is …:
        outcome = self.provider.charge(…)
    return self.conclude(order, outcome)
    """,
)
