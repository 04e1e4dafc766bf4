"""``amazonian up``: the whole cloud on one loopback endpoint, kept in a folder."""

import fcntl
import json
import os
import shlex
import signal
from pathlib import Path

from amazonian.cloud.endpoint import REGION, Application, listen, server
from amazonian.course import catalogue, exercises, progress
from amazonian.iam.identities import Identities
from amazonian.resilience.database import UnavailableError
from amazonian.s3.housekeeping import at_intervals
from amazonian.s3.lifecycle import Lifecycle
from amazonian.s3.store import Store

HOUSEKEEPING_S = 10.0


class UpError(Exception):
    """The endpoint can't be started; the message says what to do."""


def up(port: int, data: Path, users: Path | None, dsn: str | None, mine: bool) -> None:
    """Serve until a signal comes.

    Args:
        port: on 127.0.0.1.
        data: the folder of payloads, metadata and identities; made where it is missing.
        users: a users file, see :meth:`~amazonian.iam.identities.Identities.add_users`.
        dsn: of a PostgreSQL server for the metadata.
        mine: put the learner's kept answers in the place of the course's.

    Raises:
        UpError: the port is taken, the folder is in use or can't be made, the users file is
            malformed, or the database is out of reach.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UpError(f"{data} can't be made ({error.strerror}); name another: --data") from None
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UpError(f"Another amazonian up runs on {data}; name another: --data") from None
        try:
            listening = listen(port)
        except OSError:
            raise UpError(f"Port {port} is taken; name another: --port {port + 1}") from None
        identities = Identities(data / "identities.db")
        keys = _keys(identities, data, users)
        if mine:
            print(f"On your own answers: {', '.join(put_mine()) or 'none yet'}")
        try:
            store = Store.open(data, dsn=dsn)
        except UnavailableError as error:
            told = " ".join(str(error).split())
            raise UpError(f"{told} (--dsn names the database, without it that is a file)") from None
        store.collect()
        application = Application(store, identities)
        running = server(application)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: setattr(running, "should_exit", True))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        for name, value in (("AWS_ENDPOINT_URL", url), *keys, ("AWS_DEFAULT_REGION", REGION)):
            print(f"export {name}={shlex.quote(value)}")
        print(f"The cloud is up at {url}, its data in {data}. Ctrl+C ends it.", flush=True)
        chores = Lifecycle(store).run_due, application.logs.deliver
        with at_intervals(HOUSEKEEPING_S, *chores):
            running.run(sockets=[listening])
        application.close()
        store.close()


def _keys(identities: Identities, data: Path, users: Path | None) -> list[tuple[str, str]]:
    """The first account's keys: the users file's, or made once and kept with the data."""
    if users is not None:
        try:
            document = json.loads(users.read_text())
            identities.add_users(document)
            pair = document["accounts"][0]["access_keys"][0]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise UpError(f"{users} is not a users file: {error!r}") from None
        return _named(pair["access_key_id"], pair["secret_access_key"])
    kept = data / "credentials.json"
    if not kept.exists():
        _, key, secret = identities.make_account("main")
        fresh = kept.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps({"access_key_id": key, "secret_access_key": secret}))
        os.replace(fresh, kept)
    pair = json.loads(kept.read_text())
    return _named(pair["access_key_id"], pair["secret_access_key"])


def _named(key: str, secret: str) -> list[tuple[str, str]]:
    return [("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)]


def put_mine() -> list[str]:
    """Put the learner's kept answers in the place of the references; gives their names."""
    found = []
    for lab in catalogue.labs():
        for name in lab.exercises:
            source = progress.kept(name)
            if source is None:
                continue
            owner = exercises.find_owner(name.rpartition(".")[0])
            home = exercises.find_owner(owner.__module__) if isinstance(owner, type) else owner
            namespace = {**vars(home), "exercise": exercises.exercise}
            namespace[owner.__name__.rpartition(".")[2]] = owner
            exec(compile(source, f"<your {name}>", "exec"), namespace)
            found.append(name.rpartition(".")[2])
    return found
