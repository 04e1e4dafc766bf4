"""Replicas that follow a primary's change log, and what happens when the primary dies: lab 2.3.

One server, the *primary*, takes all writes. *Replicas* pull its log and apply it, each at its
own pace, so a replica shows the past: how far back, its position says. With `acknowledge_after`
a write is acknowledged when so many replicas have it on disk; without, when the primary has it,
and a failover then loses what no replica had pulled.

Every primary has an *epoch*, a number that no other ever had. A server that has promised an epoch
takes nothing from a primary of an older one, however that primary came to believe that it is
still in office.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from amazonian.resilience.database import Database, Transaction
from amazonian.shop import changelog
from amazonian.shop.changelog import Change, End, Order, Read

SCHEMA = (
    *changelog.SCHEMA,
    "CREATE TABLE IF NOT EXISTS promises (epoch INTEGER PRIMARY KEY)",
)
PATIENCE_S = 5.0
LOOK_AGAIN_S = 0.05


class FencedError(Exception):
    """A newer primary is in office: ask the directory who it is, and go there."""


class GapError(Exception):
    """A change came whose predecessors are missing: pull from the log's end on."""


class DivergedError(Exception):
    """A log holds changes that its primary does not have: `rejoin` before following it."""


class NotReplicatedError(Exception):
    """Too few replicas had the write in time. It is on the primary's disk and may yet survive or
    be lost: repeat it, under the same key."""


# --- what each server keeps -------------------------------------------------------------------


def promised(read: Read) -> int:
    """The highest epoch that this server knows of; 0 at first."""
    return read("SELECT coalesce(max(epoch), 0) FROM promises", ())[0][0]


def promise(transaction: Transaction, epoch: int) -> None:
    """Take nothing from primaries of older epochs any more.

    Raises:
        FencedError: a newer epoch was promised already.
    """
    newest = promised(transaction.execute)
    if epoch < newest:
        raise FencedError(f"epoch {epoch} is over, the present one is {newest}")
    if epoch > newest:
        transaction.execute("INSERT INTO promises VALUES (?)", (epoch,))


def apply(transaction: Transaction, change: Change) -> bool:
    """Take over one change from the primary, inside a transaction that the caller commits.

    Changes come in order, but one may come again (the replica died, or did not hear that it had
    it), and a caller may make the mistake of leaving some out. Where this log ends is
    ``changelog.end(transaction.execute)``. The change goes into this server's own log
    (``changelog.append``), since another may follow it one day, and into its orders
    (``changelog.store``).

    Returns:
        True if the change was applied now; False if this log had its position already, and then
        nothing has changed.

    Raises:
        GapError: positions between the end of this log and the change are missing. Nothing has
            changed.
    """
    position = changelog.end(transaction.execute).position
    if change.position <= position:
        return False
    if change.position > position + 1:
        raise GapError(f"after {position} comes {position + 1}, not {change.position}")
    changelog.append(transaction, change)
    changelog.store(transaction, change.key, change.order)
    return True


@dataclass(frozen=True)
class Batch:
    """What a replica pulls: some changes, and the epoch of the primary that sends them."""

    epoch: int
    changes: Sequence[Change]


class Primary:
    """The server that takes the writes of one epoch.

    Args:
        name: of the server.
        database: laid out by `SCHEMA`.
        epoch: the one that the directory gave it.
        acknowledge_after: how many replicas must have a write before it is acknowledged.
        patience_s: how long a write waits for them.

    Raises:
        FencedError: this server has heard of a newer epoch.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        epoch: int,
        acknowledge_after: int = 0,
        patience_s: float = PATIENCE_S,
    ):
        self.name, self.database, self.epoch = name, database, epoch
        self.acknowledge_after, self.patience_s = acknowledge_after, patience_s
        self._positions: dict[str, int] = {}  # what each replica has on disk, as it told us
        self._news = threading.Condition()
        database.write(lambda transaction: promise(transaction, epoch))

    def position(self) -> int:
        """The position of the last change that is on this server's disk."""
        return changelog.end(self.database.read).position

    def find(self, key: str) -> Order | None:
        """The order with this key, or None."""
        return changelog.find(self.database, key)

    def write(self, key: str, order: Order | None) -> int:
        """Change an order and wait until it is acknowledged.

        Returns:
            The change's position. Whoever is to see the change reads from a server that has it.

        Raises:
            FencedError: another server is the primary now; nothing was written.
            NotReplicatedError: the replicas were too slow.
        """
        position = self.append(key, order)
        with self._news:
            if not self._news.wait_for(lambda: self.acknowledged(position), self.patience_s):
                raise NotReplicatedError(
                    f"fewer than {self.acknowledge_after} replicas have position {position}"
                )
        return position

    def append(self, key: str, order: Order | None) -> int:
        """The first half of `write`: the change is on this server's disk, and acknowledged to
        nobody."""

        def change(transaction: Transaction) -> int:
            promise(transaction, self.epoch)
            return changelog.record(transaction, self.epoch, key, order)

        position = self.database.write(change)
        with self._news:
            self._news.notify_all()
        return position

    def acknowledged(self, position: int) -> bool:
        """Whether as many replicas as were asked for have this position."""
        having = sum(has >= position for has in self._positions.values())
        return having >= self.acknowledge_after

    def batch(self, after: End, promised_epoch: int, limit: int = 500) -> Batch:
        """What a replica pulls whose log ends at `after`.

        Raises:
            FencedError: the replica knows a newer epoch than ours, and now we know it too.
            DivergedError: we have no such change at the end of the replica's log.
        """
        if promised_epoch > self.epoch:
            self.database.write(lambda transaction: promise(transaction, promised_epoch))
            raise FencedError(f"epoch {self.epoch} is over, the present one is {promised_epoch}")
        if changelog.epoch_at(self.database.read, after.position) != after.epoch:
            raise DivergedError(f"{self.name} has no change {after}")
        return Batch(self.epoch, changelog.changes(self.database.read, after.position, limit))

    def report(self, replica: str, position: int) -> None:
        """A replica tells that it has everything up to a position on its disk."""
        with self._news:
            self._positions[replica] = position
            self._news.notify_all()

    def wait_for_news(self, position: int, timeout_s: float) -> None:
        """Wait until there is something behind a position, or the time is up."""
        with self._news:
            self._news.wait_for(lambda: self.position() > position, timeout_s)


class Replica:
    """A server that follows a primary.

    Args:
        name: of the server.
        database: laid out by `SCHEMA`.
        source: the primary, or None as long as there is none.
    """

    def __init__(self, name: str, database: Database, source: Primary | None = None):
        self.name, self.database, self.source = name, database, source

    def position(self) -> int:
        """The position of the last change that this replica shows."""
        return changelog.end(self.database.read).position

    def find(self, key: str) -> Order | None:
        """The order with this key as this replica knows it, or None."""
        return changelog.find(self.database, key)

    def pull(self, limit: int = 500) -> int:
        """Apply what the primary has behind our position, in one transaction, and report it.

        Returns:
            How many changes were applied.

        Raises:
            FencedError: our primary is not in office any more.
            DivergedError: our log holds what the primary does not have.
        """
        if self.source is None:
            raise FencedError(f"{self.name} has no primary to follow: ask the directory")
        read = self.database.read
        batch = self.source.batch(changelog.end(read), promised(read), limit)
        applied = 0
        if batch.changes or batch.epoch > promised(read):

            def change(transaction: Transaction) -> int:
                promise(transaction, batch.epoch)
                return sum([apply(transaction, change) for change in batch.changes])

            applied = self.database.write(change)
        self.source.report(self.name, self.position())
        return applied

    def fence(self, epoch: int) -> End:
        """Promise an epoch, and tell where this log ends. From now on no primary of an older
        epoch can have a write acknowledged here."""

        def change(transaction: Transaction) -> End:
            promise(transaction, epoch)
            return changelog.end(transaction.execute)

        return self.database.write(change)


@contextmanager
def following(replica: Replica) -> Iterator[Replica]:
    """Let a replica follow its primary, in a thread, while a ``with`` block runs.

    It stops by itself if it must: fenced, or diverged.
    """
    stop = threading.Event()

    def follow() -> None:
        while not stop.is_set() and replica.source is not None:
            replica.source.wait_for_news(replica.position(), LOOK_AGAIN_S)
            try:
                replica.pull()
            except (FencedError, DivergedError):
                return

    thread = threading.Thread(target=follow, name=f"{replica.name} follows", daemon=True)
    thread.start()
    try:
        yield replica
    finally:
        stop.set()
        thread.join()


# --- reading ----------------------------------------------------------------------------------


class Server(Protocol):
    """What one can read from: a primary or a replica."""

    def position(self) -> int: ...
    def find(self, key: str) -> Order | None: ...


def read_after(position: int, replicas: Sequence[Server], primary: Server) -> Server:
    """The server that a customer may read from who has seen the change at `position`.

    Args:
        position: of the last change that the customer made or saw; 0 for a newcomer.
        replicas: in the order in which they are to be asked.
        primary: has every change, and the least time.

    Returns:
        The first replica that has that change; the primary only if none has it.
    """
    for replica in replicas:
        if replica.position() >= position:
            return replica
    return primary


class Session:
    """One customer's requests: whatever a replica's lag, they see what the customer wrote.

    Args:
        primary: takes the writes.
        replicas: in the order in which they are to be asked.

    Attributes:
        position: of the customer's last write. A web shop keeps it in a cookie.
    """

    def __init__(self, primary: Primary, replicas: Sequence[Replica]):
        self.primary, self.replicas = primary, replicas
        self.position = 0

    def write(self, key: str, order: Order | None) -> None:
        """Change an order at the primary, as `Primary.write` does."""
        self.position = self.primary.write(key, order)

    def find(self, key: str) -> Order | None:
        """The order with this key, from a server that has this customer's writes."""
        return read_after(self.position, self.replicas, self.primary).find(key)
