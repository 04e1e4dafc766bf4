"""The change log: in one transaction with the data, in order, and undone from its end."""

import pytest
from crew import in_threads
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.resilience.database import open_database
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import changelog
from amazonian.shop.changelog import Change, End, Order

KEYS = ("ada/1", "ada/2", "ben/1")
WRITES = st.lists(
    st.tuples(st.sampled_from(KEYS), st.none() | st.integers(1, 9)), min_size=1, max_size=12
)


def kettle(key: str, total_minor: int = 4_200) -> Order:
    return Order(key, "kettle", total_minor)


def write(database, key: str, order: Order | None, epoch: int = 1) -> int:
    return database.write(lambda t: changelog.record(t, epoch, key, order))


def test_a_change_and_its_line_are_one(dsn, closing) -> None:
    database = closing(open_database(dsn, changelog.SCHEMA))
    assert changelog.end(database.read) == End(0, 0)
    assert write(database, "ada/1", kettle("ada/1")) == 1
    assert write(database, "ada/1", kettle("ada/1", 99), epoch=2) == 2
    assert changelog.find(database, "ada/1") == kettle("ada/1", 99)
    assert write(database, "ada/1", None, epoch=2) == 3
    assert changelog.changes(database.read, after=1) == [
        Change(2, 2, "ada/1", kettle("ada/1", 99)),
        Change(3, 2, "ada/1", None),
    ]
    assert changelog.changes(database.read, after=0, limit=1)[0].position == 1
    assert changelog.find(database, "ada/1") is None
    assert changelog.end(database.read) == End(3, 2)
    assert [changelog.epoch_at(database.read, at) for at in (0, 1, 2, 3, 4)] == [0, 1, 2, 2, None]


def test_a_change_that_fails_leaves_no_line(dsn, closing) -> None:
    database = closing(open_database(dsn, changelog.SCHEMA))

    def fails(transaction) -> None:
        changelog.record(transaction, 1, "ada/1", kettle("ada/1"))
        raise RuntimeError("the shop's own mistake")

    with pytest.raises(RuntimeError):
        database.write(fails)
    assert changelog.end(database.read) == End()
    assert changelog.every(database) == {}


def test_threads_get_positions_without_a_gap(dsn, closing) -> None:
    database = closing(open_database(dsn, changelog.SCHEMA))
    positions: set[int] = set()

    def write_three(number: int) -> None:
        positions.update(write(database, f"ada/{number}", kettle("x")) for _ in range(3))

    in_threads(8, write_three)
    assert positions == set(range(1, 25))


@settings(max_examples=40)
@given(WRITES, st.integers(0, 12))
def test_a_log_that_is_cut_leaves_what_was_there_at_that_position(writes, keep: int) -> None:
    database, states = MemoryDatabase(changelog.SCHEMA), [{}]
    for key, total in writes:
        write(database, key, None if total is None else kettle(key, total))
        states.append(changelog.every(database))
    keep = min(keep, len(writes))
    undone = database.write(lambda t: changelog.cut(t, keep))
    assert [change.position for change in undone] == list(range(keep + 1, len(writes) + 1))
    assert changelog.every(database) == states[keep]
    assert changelog.end(database.read).position == keep
    database.close()


@settings(max_examples=40)
@given(WRITES)
def test_whoever_applies_the_log_has_the_same_orders(writes) -> None:
    one, other = MemoryDatabase(changelog.SCHEMA), MemoryDatabase(changelog.SCHEMA)
    for key, total in writes:
        write(one, key, None if total is None else kettle(key, total))
    for change in changelog.changes(one.read, 0):
        other.write(lambda t, change=change: changelog.store(t, change.key, change.order))
    assert changelog.every(other) == changelog.every(one)
    one.close()
    other.close()
