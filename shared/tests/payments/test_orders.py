"""An order goes where the state machine lets it, one step at a time, and each step is kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paying import NOON_S, event

from amazonian.payments import events, orders, store
from amazonian.payments.events import EventConflictError, InvalidEventError
from amazonian.payments.orders import (
    ALLOWED,
    TERMINAL,
    Item,
    PaymentEvent,
    StaleOrderError,
    State,
    TransitionError,
    UnknownOrderError,
)
from amazonian.resilience.memory import MemoryDatabase

PURCHASE = PaymentEvent(
    "e-7",
    "ada",
    "EUR",
    "pm_card_visa",
    (Item("books", 1_000), Item("toys", 505), Item("books", 1_000)),
    NOON_S,
    discount=10,
)


@pytest.fixture
def database(dsn, closing):
    return closing(store.open_store(dsn))


@pytest.fixture
def memory():
    return MemoryDatabase(store.SCHEMA)


def in_state(database, state):
    """An order that is in a state, however it came there."""
    [order] = database.write(lambda t: orders.create(t, event()))
    return database.write(lambda t: orders.amend(t, order, state=state))


def test_an_event_becomes_one_order_for_each_seller(database):
    books, toys = database.write(lambda t: orders.create(t, PURCHASE))
    assert [books.id, toys.id] == ["e-7-1", "e-7-2"]
    assert [(o.seller, o.amount) for o in (books, toys)] == [("books", 1_992), ("toys", 503)]
    assert {o.state for o in (books, toys)} == {State.CREATED}
    assert events.find(database.read, "e-7") == PURCHASE
    assert orders.due(database.read, NOON_S) == ["e-7-1", "e-7-2"]
    assert orders.get(database.read, "e-7-2") == toys


def test_a_repeated_event_creates_nothing(database):
    first = database.write(lambda t: orders.create(t, PURCHASE))
    again = replace(PURCHASE, at_s=NOON_S + 5)
    assert database.write(lambda t: orders.create(t, again)) == first
    with pytest.raises(EventConflictError):
        database.write(lambda t: orders.create(t, replace(PURCHASE, discount=11)))
    assert orders.of_event(database.read, "e-7") == first


def test_the_eleventh_order_comes_after_the_second(memory):
    items = tuple(Item(f"seller-{n}", 100) for n in range(12))
    made = memory.write(lambda t: orders.create(t, replace(PURCHASE, items=items)))
    assert [order.id for order in made] == [f"e-7-{n}" for n in range(1, 13)]


@pytest.mark.parametrize(
    "change",
    [
        {"items": ()},
        {"items": (Item("books", 0),)},
        {"items": (Item("books", 5), Item("books", -2))},
        {"discount": -1},
        {"discount": 2_505},
        {"items": (Item("books", 1), Item("toys", 1_000)), "discount": 900},
    ],
)
def test_an_event_that_charges_nobody_is_refused(memory, change):
    with pytest.raises(InvalidEventError):
        memory.write(lambda t: orders.create(t, replace(PURCHASE, **change)))
    assert memory.read("SELECT 1 FROM payment_events") == []


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=8),
    st.integers(0, 99),
)
def test_a_discount_is_spread_to_the_last_cent(amounts, percent):
    items = tuple(Item(f"seller-{n}", 100 * amount) for n, amount in enumerate(amounts))
    discount = sum(amounts) * percent
    shares = events.shares(replace(PURCHASE, items=items, discount=discount))
    assert sum(share for _, share in shares) == 100 * sum(amounts) - discount
    for (_, share), amount in zip(shares, amounts, strict=True):
        assert abs(share - amount * (100 - percent)) < 1


@pytest.mark.parametrize("now", State)
@pytest.mark.parametrize("to", State)
def test_only_allowed_moves_are_made(memory, now, to):
    order = in_state(memory, now)
    if to in ALLOWED[now]:
        moved = memory.write(lambda t: orders.move(t, order, to, NOON_S + 1, reason="why"))
        assert (moved.state, moved.version, moved.reason) == (to, order.version + 1, "why")
        assert orders.get(memory.read, order.id) == moved
    else:
        with pytest.raises(TransitionError, match=f"from {now} to {to}"):
            memory.write(lambda t: orders.move(t, order, to, NOON_S + 1))
        assert orders.get(memory.read, order.id) == order


def test_what_was_decided_is_not_undone():
    """Money that moved is taken back by a refund or not at all; a decline is the end."""
    assert not ALLOWED[State.DECLINED]
    beginnings = {State.CREATED, State.AUTHORISING, State.UNKNOWN, State.DECLINED}
    for state in set(State) - beginnings:
        assert not ALLOWED[state] & beginnings


def test_from_every_state_there_is_a_way_to_an_end():
    ends = set(TERMINAL)
    for _ in State:
        ends |= {state for state in State if ALLOWED[state] & ends}
    assert ends == set(State)


def test_of_two_who_read_the_same_only_one_moves_the_order(database):
    [order] = database.write(lambda t: orders.create(t, event()))
    moved = database.write(lambda t: orders.move(t, order, State.AUTHORISING, NOON_S))
    with pytest.raises(StaleOrderError):
        database.write(lambda t: orders.move(t, order, State.AUTHORISING, NOON_S))
    assert orders.get(database.read, order.id) == moved
    assert len(orders.history(database.read, order.id)) == 2


def test_each_step_is_kept_with_its_time(database):
    [order] = database.write(lambda t: orders.create(t, event()))
    for seconds, to in enumerate((State.AUTHORISING, State.UNKNOWN, State.CAPTURED), 1):
        order = database.write(
            lambda t, order=order, to=to, s=seconds: orders.move(t, order, to, NOON_S + s)
        )
    assert orders.history(database.read, order.id) == [
        (State.CREATED, NOON_S),
        (State.AUTHORISING, NOON_S + 1),
        (State.UNKNOWN, NOON_S + 2),
        (State.CAPTURED, NOON_S + 3),
    ]


def test_what_is_due_comes_in_the_order_of_waiting(database):
    for name, wait_s in (("b-late", 5.0), ("c-early", 1.0), ("never", None)):
        [order] = database.write(lambda t, name=name: orders.create(t, event(id=name)))
        database.write(
            lambda t, order=order, wait_s=wait_s: orders.amend(
                t, order, due_at_s=None if wait_s is None else NOON_S + wait_s
            )
        )
    assert orders.due(database.read, NOON_S + 4.9) == ["c-early-1"]
    assert orders.due(database.read, NOON_S + 5.0) == ["c-early-1", "b-late-1"]
    assert orders.due(database.read, NOON_S + 5.0, limit=1) == ["c-early-1"]


def test_an_order_that_is_not_there_is_named(memory):
    with pytest.raises(UnknownOrderError, match="e-9-1"):
        orders.get(memory.read, "e-9-1")
    assert orders.of_event(memory.read, "e-9") == ()
