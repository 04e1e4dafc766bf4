"""A real PostgreSQL, its replica, their lag and their failover; and nothing of them is left."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import psycopg
import pytest

from amazonian.shop import postgres, postgres_guard
from amazonian.shop.replication import read_after

pytestmark = [
    pytest.mark.xdist_group("postgresql"),
    pytest.mark.skipif(postgres.unavailable() is not None, reason=str(postgres.unavailable())),
]
TABLE = "CREATE TABLE orders (key TEXT PRIMARY KEY)"


def keys(server) -> list[str]:
    return [key for (key,) in server.execute("SELECT key FROM orders ORDER BY key")]


def pause(replica) -> None:
    """Let a replica apply nothing for a while."""
    replica.execute("SELECT pg_wal_replay_pause()")
    while replica.execute("SELECT pg_get_wal_replay_pause_state()") != [("paused",)]:
        pass


def servers_in(folder: str) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if folder in " ".join(process.info["cmdline"] or [])
    ]


def test_lag_is_seen_waited_for_and_read_around_and_a_failover_loses_the_tail() -> None:
    with postgres.pair(apply_delay_s=0.01) as (primary, replica):
        assert replica.execute("SHOW recovery_min_apply_delay") == [("10ms",)]
        primary.execute(TABLE)
        replica.wait_for(primary.position())
        pause(replica)
        primary.execute("INSERT INTO orders VALUES ('ada/1')")
        position = primary.position()
        assert keys(replica) == []
        assert read_after(position, [replica], primary) is primary
        assert read_after(0, [replica], primary) is replica
        with pytest.raises(TimeoutError):
            replica.wait_for(position, timeout_s=0.02)
        replica.execute("SELECT pg_wal_replay_resume()")
        replica.wait_for(position)
        assert keys(replica) == ["ada/1"]
        assert read_after(position, [replica], primary) is replica

        primary.cut_cable()
        primary.execute("INSERT INTO orders VALUES ('ada/2')")  # acknowledged, and nowhere else
        primary.kill()
        with pytest.raises(psycopg.OperationalError):
            primary.connect()
        replica.promote()
        assert keys(replica) == ["ada/1"]
        replica.execute("INSERT INTO orders VALUES ('ada/3')")
        folder = str(replica.data.parent)
    assert not Path(folder).exists()
    assert servers_in(folder) == []


def test_a_synchronous_replica_has_all_that_was_acknowledged() -> None:
    outcome = []
    with postgres.pair(acknowledge_after=1) as (primary, replica):
        primary.execute(TABLE)
        primary.execute("INSERT INTO orders VALUES ('ada/1')")
        primary.cut_cable()

        def write() -> None:
            connection = primary.connect()
            try:
                connection.execute("INSERT INTO orders VALUES ('ada/2')")
                outcome.append("acknowledged")
            except psycopg.OperationalError:
                outcome.append("no answer")
            connection.close()

        thread = threading.Thread(target=write)
        thread.start()
        while primary.waiting_commits() == 0 and thread.is_alive():
            pass
        primary.kill()
        thread.join()
        replica.promote()
        assert outcome == ["no answer"]
        assert keys(replica) == ["ada/1"]
        assert replica.execute("SHOW synchronous_standby_names") == [("",)]


def test_a_server_that_can_not_start_says_why_and_leaves_nothing(monkeypatch) -> None:
    monkeypatch.setitem(postgres.SETTINGS, "shared_buffers", "a lot")
    made = []
    real = postgres._new_folder
    monkeypatch.setattr(postgres, "_new_folder", lambda: made.append(real()) or made[0])
    with pytest.raises(postgres.DidNotStartError, match="shared_buffers"), postgres.pair():
        pass
    assert not made[0].exists()


def test_without_the_wheel_it_says_so(monkeypatch) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    assert "wheel" in str(postgres.unavailable())
    with pytest.raises(postgres.NotAvailableError, match="wheel"), postgres.pair():
        pass


def test_a_process_that_is_killed_leaves_no_server_and_no_folder() -> None:
    code = (
        "import sys; from amazonian.shop import postgres\n"
        "with postgres.pair() as (primary, replica):\n"
        "    primary.cut_cable()\n"
        "    print(primary.data.parent, flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    folder = child.stdout.readline().strip()
    running = servers_in(folder)
    assert len(running) == 3, "two servers and the guard"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    while any(map(postgres_guard.runs, running)):
        pass
    assert not Path(folder).exists()
