"""The explorer finds every moment, and what it is made to find."""

import pytest

from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop.crashpoints import KilledError, Moments, explore

SCHEMA = ("CREATE TABLE counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL)",)


def add(database, name: str) -> None:
    database.write(
        lambda t: t.execute(
            "INSERT INTO counts VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1",
            (name,),
        )
    )


def counts(database) -> dict[str, int]:
    return dict(database.read("SELECT name, count FROM counts"))


def transfer(moments: Moments) -> list[str]:
    """Two commits where there should be one: it is repeated after a death."""
    disk = MemoryDatabase(SCHEMA)
    database = moments.watched(disk)
    while True:
        try:
            add(database, "out")
            add(database, "in")
            break
        except KilledError:
            continue
    return ["taken twice"] if counts(disk)["out"] > 1 else []


def test_there_are_two_moments_for_each_write() -> None:
    report = explore(transfer)
    assert (report.points, report.runs) == (4, 5)


def test_what_breaks_is_counted_by_runs_and_by_times() -> None:
    report = explore(transfer)
    # Killed after the first write, before the second or after it, the repeat takes once more.
    assert report.broken == {"taken twice": 3}
    assert str(report) == "4 crash points, 5 runs: taken twice in 3 of them"
    assert explore(lambda moments: ["a", "a"]).found == {"a": 2}
    assert str(explore(lambda moments: [])) == "0 crash points, 1 runs: no fault"


def test_pairs_kill_the_repeat_as_well() -> None:
    seen: list[tuple[int, ...]] = []
    report = explore(lambda moments: seen.append(tuple(moments.kill_at)) or transfer(moments), 2)
    pairs = {(first, second) for first in range(1, 5) for second in range(first + 1, first + 5)}
    assert set(seen) == {(), (1,), (2,), (3,), (4,)} | pairs  # a repeat has four moments more
    assert report.runs == len(seen) == 5 + len(pairs)


def test_a_write_that_was_killed_before_it_leaves_nothing_and_after_it_all() -> None:
    for kill_at, left in ((1, {}), (2, {"out": 1})):
        disk = MemoryDatabase(SCHEMA)
        with pytest.raises(KilledError):
            add(Moments([kill_at]).watched(disk), "out")
        assert counts(disk) == left


def test_others_act_at_every_moment_and_after_the_end_nobody_dies() -> None:
    disk, acted = MemoryDatabase(SCHEMA), []
    moments = Moments([5], meanwhile=lambda: acted.append(counts(disk).get("out", 0)))
    database = moments.watched(disk)
    add(database, "out")
    add(database, "out")
    assert acted == [0, 1, 1, 2]
    moments.end()
    add(database, "out")
    assert (moments.seen, len(acted)) == (4, 4)


def test_the_database_in_memory_takes_a_failed_change_back() -> None:
    database = MemoryDatabase(SCHEMA)

    def fails(transaction) -> None:
        transaction.execute("INSERT INTO counts VALUES ('a', 1)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(fails)
    assert isinstance(database.submit(fails).exception(), RuntimeError)
    assert counts(database) == {}
    assert database.submit(lambda t: 7).result() == 7
    database.close()
