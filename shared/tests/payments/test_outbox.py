"""A message leaves if the change it tells of stands: at least once, in order, with one effect."""

import pytest
from paying import NOON_S

from amazonian.payments import outbox, store
from amazonian.resilience.memory import MemoryDatabase


@pytest.fixture
def database(dsn, closing):
    return closing(store.open_store(dsn))


@pytest.fixture
def memory():
    return MemoryDatabase(store.SCHEMA)


def add(database, *names):
    """Messages named "order/number"."""
    for name in names:
        order_id = name.partition("/")[0]
        database.write(
            lambda t, name=name, order_id=order_id: outbox.add(
                t, "payment.captured", order_id, name, {"n": name}, NOON_S
            )
        )


def ids(messages):
    return [message.id for message in messages]


class Broker:
    """Takes messages, but for some."""

    def __init__(self, *refuses):
        self.refuses, self.got = set(refuses), []

    def __call__(self, message):
        if message.id in self.refuses:
            raise ConnectionError("not now")
        self.got.append(message)


def test_messages_go_out_in_the_order_of_their_commits(database):
    add(database, "a/1", "b/1", "a/2")
    broker = Broker()
    assert outbox.relay(database, broker, NOON_S) == 3
    assert ids(broker.got) == ["a/1", "b/1", "a/2"]
    assert broker.got[0].body == {"n": "a/1"}
    assert outbox.relay(database, broker, NOON_S) == 0


def test_a_message_of_a_change_that_failed_never_leaves(database):
    def change(t):
        outbox.add(t, "payment.captured", "a", "a/1", {}, NOON_S)
        raise RuntimeError("the change fails")

    with pytest.raises(RuntimeError):
        database.write(change)
    assert outbox.waiting(database.read) == []


def test_a_message_that_can_not_go_holds_up_its_order_and_no_other(database):
    add(database, "a/1", "b/1", "a/2", "b/2")
    broker = Broker("a/1")
    assert outbox.relay(database, broker, NOON_S) == 2
    assert ids(broker.got) == ["b/1", "b/2"]
    broker.refuses.clear()
    assert outbox.relay(database, broker, NOON_S) == 2
    assert ids(broker.got)[2:] == ["a/1", "a/2"]


def test_what_was_published_but_not_marked_is_published_again(memory):
    add(memory, "a/1")
    broker = Broker()

    class Dies(BaseException):
        """The process ends between the two."""

    def dying_write(change):
        raise Dies

    write, memory.write = memory.write, dying_write
    with pytest.raises(Dies):
        outbox.relay(memory, broker, NOON_S)
    memory.write = write
    outbox.relay(memory, broker, NOON_S)
    assert ids(broker.got) == ["a/1", "a/1"]


def test_each_message_is_marked_before_the_next_is_published(memory):
    add(memory, "a/1", "a/2")
    waiting = []
    outbox.relay(memory, lambda message: waiting.append(ids(outbox.waiting(memory.read))), NOON_S)
    assert waiting == [["a/1", "a/2"], ["a/2"]]


def test_a_repeated_message_takes_effect_once(dsn, closing):
    database = closing(
        store.open_database(dsn, (*outbox.INBOX_SCHEMA, "CREATE TABLE parcels (id TEXT)"))
    )
    message = outbox.Message(1, "a/1", "payment.captured", "a", {})

    def send_parcel(t, message):
        t.execute("INSERT INTO parcels VALUES (?)", (message.order_id,))

    def receive(t):
        return outbox.receive(t, message, send_parcel)

    assert [database.write(receive) for _ in range(3)] == [True, False, False]
    assert database.read("SELECT id FROM parcels") == [("a",)]


def test_an_effect_that_fails_leaves_the_message_new(memory):
    memory.write(lambda t: t.execute(outbox.INBOX_SCHEMA[0]))
    message = outbox.Message(1, "a/1", "payment.captured", "a", {})

    def broken(t, message):
        raise RuntimeError("no parcels left")

    with pytest.raises(RuntimeError):
        memory.write(lambda t: outbox.receive(t, message, broken))
    assert memory.write(lambda t: outbox.receive(t, message, lambda t, m: None))


def test_a_message_id_is_there_once(memory):
    add(memory, "a/1")
    with pytest.raises(Exception, match="UNIQUE"):
        add(memory, "a/1")
