"""The durable database, SQLite and PostgreSQL alike: group commit, reads, restarts."""

import errno
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from crew import in_threads

from amazonian.resilience.database import GroupCommit, UnavailableError, append_only, open_database

PATIENCE_S = 10.0
SCHEMA = ("CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, number INTEGER, data BLOB)",)


@pytest.fixture
def database(dsn: str, closing: Callable) -> Any:
    return closing(open_database(dsn, SCHEMA))


def insert(name: str, number: int = 0) -> Callable:
    return lambda t: t.execute("INSERT INTO notes (name, number) VALUES (?, ?)", (name, number))


def names(database: Any) -> list[str]:
    return [name for (name,) in database.read("SELECT name FROM notes ORDER BY name")]


class Spy:
    """Passes a group's statements on, and counts them; a commit can be made to fail."""

    def __init__(self, group: GroupCommit):
        self._execute, group._execute = group._execute, self
        self.statements: list[str] = []
        self.error_of_commit: Exception | None = None

    def __call__(self, sql: str, parameters: Sequence[Any]) -> list:
        self.statements.append(sql)
        if sql == "COMMIT" and self.error_of_commit:
            raise self.error_of_commit
        return self._execute(sql, parameters)


class Held:
    """A change that waits in its transaction until it is let go, so that others queue behind it."""

    def __init__(self, database: Any):
        self._began, self._go_on = threading.Event(), threading.Event()
        self.future = database.submit(self._wait)
        assert self._began.wait(PATIENCE_S)

    def _wait(self, t: Any) -> None:
        self._began.set()
        assert self._go_on.wait(PATIENCE_S)

    def let_go(self) -> None:
        self._go_on.set()


def outcomes(futures: list) -> list:
    return [future.exception(PATIENCE_S) or future.result() for future in futures]


def test_a_hundred_waiting_changes_go_into_one_commit(database) -> None:
    spy, held = Spy(database._group), Held(database)
    futures = [database.submit(insert(f"{n:03}")) for n in range(100)]
    held.let_go()
    outcomes(futures)
    assert spy.statements.count("COMMIT") == 2  # the one that was held, and the hundred
    assert names(database) == [f"{n:03}" for n in range(100)]


def test_no_commit_takes_more_changes_than_its_limit() -> None:
    log: list[str] = []
    group = GroupCommit(lambda sql, _: log.append(sql) or [], print)
    held = Held(group)
    futures = [group.submit(lambda t: None) for _ in range(600)]
    held.let_go()
    outcomes(futures)
    group.stop()
    assert log.count("COMMIT") == 1 + 3  # 256, 256 and 88


def test_a_future_is_not_done_before_its_commit() -> None:
    order: list[str] = []
    group = GroupCommit(lambda sql, _: order.append(sql) or [], print)
    held = Held(group)
    future = group.submit(lambda t: order.append("change"))
    future.add_done_callback(lambda _: order.append("done"))
    held.let_go()
    future.result(PATIENCE_S)
    group.stop()
    assert order[-4:] == ["change", "RELEASE SAVEPOINT change", "COMMIT", "done"]


def test_a_failing_change_in_a_group_is_undone_alone(database) -> None:
    held = Held(database)

    def half(t: Any) -> None:
        insert("half")(t)
        raise ValueError("on second thoughts")

    changes = [insert("a"), half, insert("b"), insert("a", 2), insert("c")]
    futures = [database.submit(change) for change in changes]
    held.let_go()
    kinds = [type(future.exception(PATIENCE_S)).__name__ for future in futures]
    assert [kinds[0], kinds[1], kinds[2], kinds[4]] == [
        "NoneType",
        "ValueError",
        "NoneType",
        "NoneType",
    ]
    assert kinds[3] in ("IntegrityError", "UniqueViolation")
    assert database.read("SELECT name, number FROM notes ORDER BY name") == [
        ("a", 0),
        ("b", 0),
        ("c", 0),
    ]


def test_a_change_that_wants_to_end_the_program_ends_neither_the_writer_nor_the_waiting(
    database,
) -> None:
    def leave(t: Any) -> None:
        insert("half")(t)
        raise SystemExit

    with pytest.raises(SystemExit):
        database.write(leave)
    database.write(insert("a"))
    assert names(database) == ["a"]


def test_many_rows_are_written_by_one_statement(database) -> None:
    rows = [(f"{n:03}", n) for n in range(500)]
    sql = "INSERT INTO notes (name, number) VALUES (?, ?)"
    database.write(lambda t: t.executemany(sql, rows))
    database.write(lambda t: t.executemany(sql, []))
    assert [tuple(row) for row in database.read("SELECT name, number FROM notes")] == rows


def test_one_wrong_row_of_many_undoes_the_change(database) -> None:
    held = Held(database)

    def change(t: Any) -> None:
        insert("a")(t)
        t.executemany("INSERT INTO notes (name, number) VALUES (?, ?)", [("b", 1), ("a", 2)])

    futures = [database.submit(change), database.submit(insert("c"))]
    held.let_go()
    assert type(futures[0].exception(PATIENCE_S)).__name__ in ("IntegrityError", "UniqueViolation")
    assert futures[1].exception(PATIENCE_S) is None
    assert names(database) == ["c"]


def test_an_append_only_table_takes_new_rows_and_keeps_its_old_ones(dsn, closing) -> None:
    schema = (*SCHEMA, *append_only("notes"))
    closing(open_database(dsn, schema))
    database = closing(open_database(dsn, schema))  # the second one finds it all there
    database.write(insert("a"))
    for sql in ("UPDATE notes SET number = 1", "DELETE FROM notes"):
        with pytest.raises(Exception, match="notes is append-only") as refused:
            database.write(lambda t, sql=sql: t.execute(sql))
        assert any(kind.__name__ == "IntegrityError" for kind in type(refused.value).__mro__)
    database.write(insert("b"))
    assert database.read("SELECT name, number FROM notes ORDER BY name") == [("a", 0), ("b", 0)]


def test_a_change_sees_those_before_it_in_its_group(database) -> None:
    held = Held(database)
    database.submit(insert("a"))
    seen = database.submit(lambda t: t.execute("SELECT name FROM notes"))
    held.let_go()
    assert [tuple(row) for row in seen.result(PATIENCE_S)] == [("a",)]


def test_a_failing_commit_fails_all_its_changes_and_leaves_nothing(database) -> None:
    insert_one = database.submit(insert("before"))
    insert_one.result(PATIENCE_S)
    held, spy = Held(database), Spy(database._group)
    futures = [database.submit(insert(f"{n}")) for n in range(20)]
    held.future.add_done_callback(
        lambda _: setattr(spy, "error_of_commit", OSError(errno.ENOSPC, "full"))
    )
    held.let_go()
    assert {type(future.exception(PATIENCE_S)) for future in futures} == {OSError}
    spy.error_of_commit = None
    assert names(database) == ["before"]
    database.write(insert("afterwards"))
    assert names(database) == ["afterwards", "before"]


def test_every_thread_sees_what_any_thread_has_written(database) -> None:
    """Each reads through a connection of its own, and twice: the second time it is not new."""
    turns = threading.Barrier(8)

    def work(number: int) -> list[int]:
        seen = []
        for turn in range(5):
            database.write(insert(f"{turn}/{number}"))
            turns.wait(PATIENCE_S)
            seen.append(len(names(database)))
            turns.wait(PATIENCE_S)
        return seen

    assert in_threads(8, work) == [[8, 16, 24, 32, 40]] * 8


def test_nobody_sees_a_change_before_it_is_committed(database) -> None:
    wrote, go_on = threading.Event(), threading.Event()

    def change(t: Any) -> None:
        insert("a")(t)
        wrote.set()
        assert go_on.wait(PATIENCE_S)

    future = database.submit(change)
    assert wrote.wait(PATIENCE_S)
    assert names(database) == []
    go_on.set()
    future.result(PATIENCE_S)
    assert names(database) == ["a"]


def test_text_is_in_the_order_of_its_utf_8_bytes(database) -> None:
    texts = ["", " ", "A", "Z", "a", "a/", "a0", "b", "~", "\x7f", "é", "ﬀ", "\U0001f600"]
    for text in reversed(texts):
        database.write(insert(text))
    assert names(database) == sorted(texts, key=str.encode) == texts


def test_bytes_come_back_as_they_are(database) -> None:
    data = bytes(range(256))
    database.write(lambda t: t.execute("INSERT INTO notes VALUES ('a', 1, ?)", (data,)))
    assert bytes(database.read("SELECT data FROM notes")[0][0]) == data


def test_what_was_written_is_there_when_opened_again(dsn, closing) -> None:
    first = open_database(dsn, SCHEMA)
    first.write(insert("a"))
    first.close()
    assert names(closing(open_database(dsn, SCHEMA))) == ["a"]


def test_changes_that_wait_are_committed_before_it_closes(dsn, closing) -> None:
    first = open_database(dsn, SCHEMA)
    held = Held(first)
    futures = [first.submit(insert(f"{n}")) for n in range(5)]
    closer = threading.Thread(target=first.close)
    closer.start()
    held.let_go()
    closer.join(PATIENCE_S)
    assert outcomes(futures) is not None
    assert len(names(closing(open_database(dsn, SCHEMA)))) == 5


def test_a_write_after_it_is_closed_fails_instead_of_waiting_for_ever(dsn) -> None:
    database = open_database(dsn, SCHEMA)
    database.close()
    with pytest.raises(RuntimeError, match="closed"):
        database.submit(insert("a")).result(PATIENCE_S)


# --- one kind alone ---------------------------------------------------------------------------


def test_a_full_disk_fails_writes_and_keeps_what_was_there(tmp_path: Path, closing) -> None:
    """SQLite's own limit on the file's pages stands for the disk's end."""
    database = closing(open_database(tmp_path / "a.db", SCHEMA))
    database.write(insert("before"))
    pages = database.read("PRAGMA page_count")[0][0]
    database._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = "INSERT INTO notes VALUES (?, 0, ?)"
    with pytest.raises(UnavailableError, match="full"):
        database.write(lambda t: t.execute(large, ("large", bytes(100_000))))
    assert names(database) == ["before"]
    database.write(insert("small"))
    database._writer.execute("PRAGMA max_page_count = 1000000")
    database.write(lambda t: t.execute(large, ("large", bytes(100_000))))
    assert names(database) == ["before", "large", "small"]


def end_connections(dsn: str) -> None:
    """What a restart of the server does to those who were connected."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@pytest.mark.parametrize("dsn", ["postgresql"], indirect=True)
@pytest.mark.xdist_group("postgresql")
def test_a_connection_that_the_server_has_ended_is_made_anew(dsn, database) -> None:
    database.write(insert("a"))
    assert names(database) == ["a"]
    end_connections(dsn)
    assert names(database) == ["a"]
    database.write(insert("b"))
    assert names(database) == ["a", "b"]


@pytest.mark.parametrize("dsn", ["postgresql"], indirect=True)
@pytest.mark.xdist_group("postgresql")
def test_a_connection_that_ends_amid_a_group_fails_all_of_it(dsn, database) -> None:
    """No part of the group may be written by a new connection that knows nothing of the rest."""
    held = Held(database)

    def interrupted(t: Any) -> None:
        end_connections(dsn)
        insert("b")(t)

    futures = [database.submit(change) for change in (insert("a"), interrupted, insert("c"))]
    held.let_go()
    assert all(future.exception(PATIENCE_S) for future in futures)
    assert names(database) == []
    database.write(insert("d"))
    assert names(database) == ["d"]
