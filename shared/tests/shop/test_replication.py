"""Replicas: what they show, what they refuse, and when a write is acknowledged."""

from contextlib import suppress

import pytest
from crew import in_threads
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.resilience.database import open_database
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import changelog, replication
from amazonian.shop.changelog import Change, End, Order
from amazonian.shop.crashpoints import KilledError, Moments, explore
from amazonian.shop.replication import (
    DivergedError,
    FencedError,
    GapError,
    NotReplicatedError,
    Primary,
    Replica,
    Session,
    following,
    read_after,
)


def kettle(key: str, total_minor: int = 4_200) -> Order:
    return Order(key, "kettle", total_minor)


def memory() -> MemoryDatabase:
    return MemoryDatabase(replication.SCHEMA)


@pytest.fixture
def primary() -> Primary:
    return Primary("a", memory(), epoch=1)


def replica_of(primary: Primary, name: str = "b") -> Replica:
    return Replica(name, memory(), primary)


# --- apply


def test_a_change_is_applied_once_and_in_order() -> None:
    database = memory()
    first, second = Change(1, 1, "ada/1", kettle("ada/1")), Change(2, 1, "ada/1", None)
    assert database.write(lambda t: replication.apply(t, first)) is True
    assert database.write(lambda t: replication.apply(t, first)) is False
    with pytest.raises(GapError):
        database.write(lambda t: replication.apply(t, Change(3, 1, "ada/2", None)))
    assert database.write(lambda t: replication.apply(t, second)) is True
    assert database.write(lambda t: replication.apply(t, first)) is False
    assert changelog.every(database) == {}
    assert changelog.changes(database.read, 0) == [first, second]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 3), max_size=12))
def test_a_replica_shows_a_state_that_the_primary_had(limits: list[int]) -> None:
    primary = Primary("a", memory(), epoch=1)
    replica, states = replica_of(primary), [{}]
    for number, limit in enumerate(limits):
        key = f"ada/{number % 3}"
        primary.write(key, None if number % 4 == 3 else kettle(key, number))
        states.append(changelog.every(primary.database))
        if limit:
            replica.pull(limit)
        assert changelog.every(replica.database) == states[replica.position()]


def test_a_replica_lives_in_either_database(dsn, closing, primary: Primary) -> None:
    replica = Replica("b", closing(open_database(dsn, replication.SCHEMA)), primary)
    for number in range(3):
        primary.write(f"ada/{number}", kettle(f"ada/{number}"))
    assert replica.pull(limit=2) == 2
    assert (replica.position(), replica.find("ada/2")) == (2, None)
    assert replica.pull() == 1
    assert replica.pull() == 0
    assert changelog.every(replica.database) == changelog.every(primary.database)


def test_a_replica_that_dies_at_any_moment_goes_on_where_it_was() -> None:
    def run(moments: Moments) -> list[str]:
        primary, disk = Primary("a", memory(), epoch=1), memory()
        for number in range(4):
            primary.write(f"ada/{number}", kettle(f"ada/{number}"))
        while Replica("b", disk, primary).position() < 4:
            with suppress(KilledError):
                Replica("b", moments.watched(disk), primary).pull(limit=2)
        same = changelog.every(disk) == changelog.every(primary.database)
        return [] if same else ["the replica differs"]

    report = explore(run, kills=2)
    assert report.points == 4
    assert not report.broken


# --- lag, and reading one's own writes


def test_a_replica_is_behind_by_what_it_has_not_pulled(primary: Primary) -> None:
    replica = replica_of(primary)
    primary.write("ada/1", kettle("ada/1"))
    replica.pull()
    position = primary.write("ada/1", kettle("ada/1", 99))
    assert (position, replica.position()) == (2, 1)
    assert replica.find("ada/1") == kettle("ada/1")
    assert primary.find("ada/1") == kettle("ada/1", 99)


def test_a_customer_reads_from_the_first_replica_that_has_the_customers_write(
    primary: Primary,
) -> None:
    behind, level = replica_of(primary, "b"), replica_of(primary, "c")
    behind.pull()
    position = primary.write("ada/1", kettle("ada/1"))
    assert read_after(position, [behind, level], primary) is primary
    level.pull()
    assert read_after(position, [behind, level], primary) is level
    assert read_after(0, [behind, level], primary) is behind
    assert read_after(0, [], primary) is primary


def test_a_session_never_misses_its_own_writes_however_the_replicas_lag(primary: Primary) -> None:
    replicas = [replica_of(primary, "b"), replica_of(primary, "c")]
    session, stranger = Session(primary, replicas), Session(primary, replicas)
    missed = 0
    for number in range(30):
        session.write("ada/1", kettle("ada/1", number))
        assert session.find("ada/1") == kettle("ada/1", number)
        missed += stranger.find("ada/1") != kettle("ada/1", number)
        if number % 3 == 0:
            replicas[number % 2].pull()
    assert missed > 20, "the replicas did lag"


# --- acknowledging


def test_a_write_waits_for_as_many_replicas_as_it_was_told_to(primary: Primary) -> None:
    replicas = [replica_of(primary, "b"), replica_of(primary, "c")]
    primary.acknowledge_after = 2
    position = primary.append("ada/1", kettle("ada/1"))
    assert not primary.acknowledged(position)
    replicas[0].pull()
    replicas[0].pull()
    assert not primary.acknowledged(position), "one replica that reports twice is one"
    replicas[1].pull()
    assert primary.acknowledged(position)
    assert not primary.acknowledged(position + 1)


def test_a_write_that_no_replica_takes_is_not_acknowledged(primary: Primary) -> None:
    primary.acknowledge_after, primary.patience_s = 1, 0.0
    with pytest.raises(NotReplicatedError):
        primary.write("ada/1", kettle("ada/1"))
    assert primary.find("ada/1") is not None, "it is written, and its fate open"


def test_replicas_that_follow_let_writers_go_on(primary: Primary) -> None:
    primary.acknowledge_after = 2
    replicas = [replica_of(primary, "b"), replica_of(primary, "c")]

    def write(number: int) -> bool:
        position = primary.write(f"ada/{number}", kettle(f"ada/{number}"))
        return all(replica.position() >= position for replica in replicas)

    with following(replicas[0]), following(replicas[1]):
        assert in_threads(8, write) == [True] * 8
    assert changelog.every(replicas[0].database) == changelog.every(primary.database)


# --- epochs


def test_a_replica_that_promised_a_newer_epoch_takes_nothing_from_the_old_primary(
    primary: Primary,
) -> None:
    replica = replica_of(primary)
    primary.write("ada/1", kettle("ada/1"))
    assert replica.fence(2) == End(0, 0)
    with pytest.raises(FencedError):
        replica.pull()
    assert replica.position() == 0
    with pytest.raises(FencedError):  # it has heard of it from the replica
        primary.write("ada/2", kettle("ada/2"))
    with pytest.raises(FencedError):  # and remembers after a restart
        Primary("a", primary.database, epoch=1)
    with pytest.raises(FencedError):
        replica.fence(1)


def test_a_promise_made_between_a_replicas_question_and_its_commit_counts() -> None:
    class Late(MemoryDatabase):
        def write(self, change):
            if not replication.promised(self.read):
                super().write(lambda t: replication.promise(t, 2))
            return super().write(change)

    primary = Primary("a", memory(), epoch=1)
    primary.write("ada/1", kettle("ada/1"))
    replica = Replica("b", Late(replication.SCHEMA), primary)
    with pytest.raises(FencedError):
        replica.pull()
    assert replica.position() == 0
    assert not primary._positions


def test_a_log_that_the_primary_does_not_have_is_not_followed(primary: Primary) -> None:
    stray = Replica("b", memory(), primary)
    stray.database.write(lambda t: changelog.record(t, 7, "ada/1", kettle("ada/1")))
    with pytest.raises(DivergedError):
        stray.pull()
    primary.write("ada/1", kettle("ada/1"))
    with pytest.raises(DivergedError):  # the same position, of another epoch
        stray.pull()


def test_a_replica_without_a_primary_says_so() -> None:
    with pytest.raises(FencedError, match="directory"):
        Replica("b", memory()).pull()


def test_a_follower_stops_when_it_is_fenced(primary: Primary) -> None:
    replica = replica_of(primary)
    replica.fence(2)

    def write_until_told() -> None:
        while True:
            primary.write("ada/1", kettle("ada/1"))

    with following(replica), pytest.raises(FencedError):
        write_until_told()
    assert replica.position() == 0
