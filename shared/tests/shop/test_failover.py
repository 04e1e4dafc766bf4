"""Failover: what it loses, what it does not, and whom it stops; with a death at every moment."""

import pytest

from amazonian.resilience.database import open_database
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import changelog, failover, rehearsals, replication
from amazonian.shop.changelog import Order
from amazonian.shop.failover import Directory, Office, TooFewReplicasError, fail_over, rejoin
from amazonian.shop.rehearsals import LOST_ACKNOWLEDGED, TWO_PRIMARIES, rehearse_fail_over
from amazonian.shop.replication import FencedError, Primary, Replica


def kettle(key: str) -> Order:
    return Order(key, "kettle", 4_200)


class Servers:
    """A primary with two replicas; `c` is one change behind `b`, and `b` one behind the primary."""

    def __init__(self, acknowledge_after: int = 0):
        self.directory = Directory(MemoryDatabase(Directory.SCHEMA))
        self.directory.announce(self.directory.begin(), "a")
        self.databases = {name: MemoryDatabase(replication.SCHEMA) for name in "abc"}
        self.primary = Primary("a", self.databases["a"], 1, acknowledge_after)
        self.b, self.c = (Replica(n, self.databases[n], self.primary) for n in "bc")
        for number in range(4):
            self.primary.append(f"ada/{number}", kettle(f"ada/{number}"))
        self.b.pull(limit=3)
        self.c.pull(limit=2)


# --- the directory


def test_epochs_are_never_given_twice_and_the_last_announced_is_in_office(dsn, closing) -> None:
    directory = Directory(closing(open_database(dsn, Directory.SCHEMA)))
    assert directory.current() is None
    first, second = directory.begin(), directory.begin()
    assert (first, second) == (1, 2)
    with pytest.raises(FencedError):
        directory.announce(first, "a")
    directory.announce(second, "b")
    assert directory.begin() == 3
    assert directory.current() == Office(2, "b"), "the third has no primary yet"


# --- one failover


def test_the_most_advanced_replica_takes_over_and_the_others_follow() -> None:
    servers = Servers()
    office = fail_over(servers.directory, [servers.c, servers.b], 2, acknowledge_after=0)
    assert office == Office(2, "b") == servers.directory.current()
    primary = Primary("b", servers.databases["b"], office.epoch)
    servers.c.source = primary
    assert servers.c.pull() == 1
    primary.write("ada/9", kettle("ada/9"))
    assert servers.c.pull() == 1
    assert changelog.every(servers.databases["c"]) == changelog.every(servers.databases["b"])


def test_a_later_epoch_counts_more_than_a_longer_log() -> None:
    servers = Servers()
    office = fail_over(servers.directory, [servers.c], 2, acknowledge_after=0)
    primary = Primary("c", servers.databases["c"], office.epoch)
    primary.write("ada/9", kettle("ada/9"))  # position 3, epoch 2; b is at 3 of epoch 1
    servers.primary.append("ada/5", kettle("ada/5"))
    servers.b.pull()  # b has not heard of epoch 2, and is at 5 now
    assert servers.b.position() > servers.c.position()
    again = fail_over(servers.directory, [servers.b, servers.c], 2, acknowledge_after=0)
    assert again == Office(3, "c")


def test_what_no_replica_had_is_lost_and_told_when_the_old_primary_rejoins() -> None:
    servers = Servers()
    office = fail_over(servers.directory, [servers.b, servers.c], 2, acknowledge_after=0)
    primary = Primary("b", servers.databases["b"], office.epoch)
    primary.write("ada/9", kettle("ada/9"))
    servers.primary.append("ada/5", kettle("ada/5"))  # it has not heard of anything
    lost = rejoin(servers.databases["a"], primary)
    assert [change.key for change in lost] == ["ada/3", "ada/5"]
    old = Replica("a", servers.databases["a"], primary)
    assert old.pull() == 1
    assert changelog.every(servers.databases["a"]) == changelog.every(servers.databases["b"])
    with pytest.raises(FencedError):
        servers.primary.append("ada/6", kettle("ada/6"))
    assert rejoin(servers.databases["a"], primary) == []


@pytest.mark.parametrize(
    ("acknowledge_after", "reachable", "safe"),
    [(0, 1, True), (1, 1, False), (1, 2, True), (2, 1, True), (0, 0, False), (2, 0, False)],
)
def test_a_failover_needs_a_replica_that_must_have_what_was_acknowledged(
    acknowledge_after: int, reachable: int, safe: bool
) -> None:
    servers = Servers(acknowledge_after)
    asked = [servers.b, servers.c][:reachable]
    if safe:
        assert fail_over(servers.directory, asked, 2, acknowledge_after).name in "bc"
    else:
        with pytest.raises(TooFewReplicasError):
            fail_over(servers.directory, asked, 2, acknowledge_after)
        assert servers.directory.current() == Office(1, "a"), "nothing has begun"


def test_of_two_who_see_to_it_one_gives_way() -> None:
    servers = Servers()

    class Slow(Replica):
        def fence(self, epoch):
            found = super().fence(epoch)
            if servers.directory.current() == Office(1, "a"):
                fail_over(servers.directory, [servers.c], 2, acknowledge_after=0)
            return found

    slow = Slow("b", servers.databases["b"], servers.primary)
    with pytest.raises(FencedError):
        fail_over(servers.directory, [slow], 2, acknowledge_after=0)
    assert servers.directory.current() == Office(3, "c")


# --- a death at every moment


@pytest.mark.parametrize(("acknowledge_after", "kills"), [(1, 2), (2, 1)])
def test_nothing_acknowledged_is_lost_whoever_dies_when(acknowledge_after: int, kills: int) -> None:
    report = rehearse_fail_over(acknowledge_after, kills)
    print(report)
    assert report.points > 30
    assert report.runs > 30 * 10 ** (kills - 1)
    assert not report.broken


def test_an_asynchronous_primary_loses_the_tail() -> None:
    report = rehearse_fail_over(acknowledge_after=0)
    print(report)
    assert report.broken[LOST_ACKNOWLEDGED] > 5
    assert report.found[LOST_ACKNOWLEDGED] > report.broken[LOST_ACKNOWLEDGED], "some lose two"
    assert report.broken[TWO_PRIMARIES] > 5


def first_reachable(directory, reachable, replicas, acknowledge_after):
    """Any replica will do, won't it?"""
    epoch = directory.begin()
    for replica in reachable:
        replica.fence(epoch)
    directory.announce(epoch, reachable[-1].name)
    return Office(epoch, reachable[-1].name)


def without_promises(directory, reachable, replicas, acknowledge_after):
    """The old primary is dead, who should it still confuse?"""
    epoch = directory.begin()
    best = max(reachable, key=lambda replica: replica.position())
    directory.announce(epoch, best.name)
    return Office(epoch, best.name)


@pytest.mark.parametrize(
    ("naive", "fault"),
    [(first_reachable, LOST_ACKNOWLEDGED), (without_promises, TWO_PRIMARIES)],
)
def test_a_naive_failover_is_caught_by_name(monkeypatch, naive, fault: str) -> None:
    monkeypatch.setattr(failover, "fail_over", naive)
    report = rehearse_fail_over(acknowledge_after=1)
    assert report.broken[fault] > 0, report


def test_an_answer_before_any_replica_has_it_is_caught_by_name(monkeypatch) -> None:
    monkeypatch.setattr(replication.Primary, "acknowledged", lambda self, position: True)
    report = rehearse_fail_over(acknowledge_after=1)
    assert report.broken[LOST_ACKNOWLEDGED] > 0, report


def test_a_replica_that_applies_what_the_old_primary_sends_is_caught_by_name(monkeypatch) -> None:
    monkeypatch.setattr(replication, "promise", lambda transaction, epoch: None)
    report = rehearse_fail_over(acknowledge_after=1)
    assert report.broken[TWO_PRIMARIES] > 0, report


def test_the_rehearsal_is_the_same_every_time() -> None:
    assert rehearse_fail_over(0) == rehearse_fail_over(0)
    assert rehearsals.LOST_ACKNOWLEDGED in str(rehearse_fail_over(0))
