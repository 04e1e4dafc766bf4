"""What lab 3.2 asks of the relay that empties the outbox."""

from collections.abc import Callable
from typing import Any

from amazonian.course.evidence import call, fail, scenario
from amazonian.course.rules import RulesFor
from amazonian.payments import outbox
from amazonian.payments.outbox import Message
from amazonian.resilience.memory import MemoryDatabase

about = RulesFor("amazonian.payments.outbox")

NOW_S = 1_790_000_000.0


class PowerCutError(BaseException):
    """The end of the process, so not an Exception that anybody may catch."""


class Broker:
    """Takes messages, except those that it is told to refuse.

    Args:
        database: is looked at when a message comes: is that marked as sent already?
        refuses: ids of messages that raise OSError.
        dies_at: id of the message at which the process ends.
    """

    def __init__(self, database: Any, refuses: tuple[str, ...] = (), dies_at: str = ""):
        self.database, self.refuses, self.dies_at = database, refuses, dies_at
        self.tried: list[str] = []
        self.got: list[str] = []
        self.marked_too_early: list[str] = []
        self.published_within_a_commit = False

    def publish(self, message: Message) -> None:
        self.tried.append(message.id)
        self.published_within_a_commit |= self.database.open
        if message.id not in _waiting(self.database):
            self.marked_too_early.append(message.id)
        if message.id == self.dies_at:
            raise PowerCutError
        if message.id in self.refuses:
            raise RuntimeError("the broker is not there")
        self.got.append(message.id)


class Database(MemoryDatabase):
    """A database that knows whether a commit is under way."""

    open = False

    def write(self, change: Callable) -> Any:
        self.open = True
        try:
            return super().write(change)
        finally:
            self.open = False


def _outbox(*messages: tuple[str, str]) -> Database:
    """A database whose outbox holds messages, each given by order and id."""
    database = Database(outbox.SCHEMA)
    for order_id, message_id in messages:
        database.write(
            lambda t, order_id=order_id, message_id=message_id: outbox.add(
                t, "payment.captured", order_id, message_id, {}, NOW_S - 60
            )
        )
    return database


def _waiting(database: Any) -> list[str]:
    return [message.id for message in outbox.waiting(database.read)]


def _relay(relay: Callable, database: Any, broker: Broker) -> Any:
    return call(
        relay, database, broker.publish, NOW_S, shown_as=f"relay(database, publish, {NOW_S:.0f})"
    )


@about.rule("relay")
def what_waits_goes_out_in_order(relay):
    """Each waiting message is published once, in the order of the outbox, and they are counted."""
    scenario("an outbox with a1, b1 and a2 (of the orders a, b and a)")
    database = _outbox(("a", "a1"), ("b", "b1"), ("a", "a2"))
    broker = Broker(database)
    _relay(relay, database, broker).equals(3)
    if broker.got != ["a1", "b1", "a2"]:
        raise fail(f"published: {broker.got}", "['a1', 'b1', 'a2']", "outbox.waiting has the order")
    _relay(relay, database, broker).equals(
        0, "what was published and marked does not wait any more"
    )
    if broker.got != ["a1", "b1", "a2"]:
        raise fail(f"published: {broker.got}", "nothing twice", "mark_sent, once it is published")
    scenario("an empty outbox")
    _relay(relay, database := _outbox(), Broker(database)).equals(0)


@about.rule("relay")
def the_time_of_sending_is_noted(relay):
    """Marked messages have now_s as the time of sending."""
    scenario("an outbox with a1")
    database = _outbox(("a", "a1"))
    _relay(relay, database, Broker(database)).equals(1)
    noted = database.read("SELECT sent_at_s FROM outbox")
    if noted != [(NOW_S,)]:
        raise fail(f"sent_at_s is {noted[0][0]}", f"{NOW_S}", "mark_sent(t, message, now_s)")


@about.rule("relay")
def publishing_comes_first(relay):
    """A message is marked only after it was published: a crash in between sends it again."""
    scenario("an outbox with a1 and b1")
    database = _outbox(("a", "a1"), ("b", "b1"))
    broker = Broker(database)
    _relay(relay, database, broker).value()
    if broker.marked_too_early:
        raise fail(
            f"{broker.marked_too_early[0]} was marked as sent before it was published",
            "first publish, then mark",
            "what if the process ends between the two? A message that is marked is never sent",
        )
    if broker.published_within_a_commit:
        raise fail(
            "a message was published while a commit was under way",
            "publish, and then mark in a commit of its own",
            "a broker may take seconds, and meanwhile nobody else could write",
        )


@about.rule("relay")
def each_is_marked_in_a_commit_of_its_own(relay):
    """After a crash, what was published before stays marked: each mark is a commit of its own."""
    scenario("an outbox with a1, b1 and c1; the process ends while c1 is being published")
    database = _outbox(("a", "a1"), ("b", "b1"), ("c", "c1"))
    answer = _relay(relay, database, Broker(database, dies_at="c1"))
    answer.raises(PowerCutError, look="a process that ends can't be caught: `except Exception`")
    if _waiting(database) != ["c1"]:
        raise fail(
            f"still waiting: {_waiting(database)}",
            "['c1']",
            "one database.write for each message, right after it was published",
        )


@about.rule("relay")
def a_failure_holds_up_its_own_order_only(relay):
    """A message that fails holds up the later ones of its order, untried, and no others."""
    scenario("an outbox with a1, b1, a2, b2 and a3; the broker refuses a1")
    database = _outbox(("a", "a1"), ("b", "b1"), ("a", "a2"), ("b", "b2"), ("a", "a3"))
    broker = Broker(database, refuses=("a1",))
    answer = _relay(relay, database, broker)
    if answer.error is not None:
        raise answer.broken("2", "a broker that is away is no reason to stop: catch Exception")
    if broker.tried != ["a1", "b1", "b2"]:
        raise fail(
            f"publish was called with {broker.tried}",
            "['a1', 'b1', 'b2']",
            "a2 must not arrive before a1: remember the orders that are held up, and skip theirs",
        )
    answer.equals(2, look="count what was published and marked")
    if _waiting(database) != ["a1", "a2", "a3"]:
        raise fail(f"still waiting: {_waiting(database)}", "['a1', 'a2', 'a3']")
    scenario("the same outbox, and the broker is there again")
    again = Broker(database)
    _relay(relay, database, again).equals(3)
    if again.got != ["a1", "a2", "a3"]:
        raise fail(f"published: {again.got}", "['a1', 'a2', 'a3']")


about.hints(
    "relay",
    "The process may end between publish and mark. Which of the two orders loses a message, and "
    "which sends it twice?",
    """
    For each of waiting(database.read): skip it if its order is held up; publish; if that raises
    an Exception, hold its order up and go on; else mark it in a database.write of its own.
    """,
    """
    sent, held_up = 0, set()
    for message in waiting(database.read):
        if message.order_id in held_up: continue
        try: publish(message)
        except Exception: held_up.add(…); continue
        database.write(lambda t, message=message: mark_sent(t, …, …))
        sent += 1
    return sent
    """,
)
