"""A replica becomes the primary, and the old one comes to know of it: lab 2.3.

This is the part of Raft (Ongaro and Ousterhout 2014) that shipping a log needs: epochs, and the
most advanced log of a majority. Who may begin an epoch is settled by one :class:`Directory`, where
Raft has an election.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amazonian.resilience.database import Database, Transaction
from amazonian.shop import changelog
from amazonian.shop.changelog import Change
from amazonian.shop.replication import FencedError, Primary, Replica, promise


class TooFewReplicasError(Exception):
    """A failover now might lose what was acknowledged: reach more replicas first."""


@dataclass(frozen=True)
class Office:
    """Who is the primary of an epoch."""

    epoch: int
    name: str


class Directory:
    """The one place that says who is the primary; in earnest a consensus service such as etcd.

    Args:
        database: laid out by `Directory.SCHEMA`.
    """

    SCHEMA = ("CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY, name TEXT)",)

    def __init__(self, database: Database):
        self.database = database

    def begin(self) -> int:
        """Begin an epoch that nobody had before. It has no primary yet."""

        def change(transaction: Transaction) -> int:
            rows = transaction.execute("SELECT coalesce(max(epoch), 0) + 1 FROM epochs")
            transaction.execute("INSERT INTO epochs VALUES (?, NULL)", (rows[0][0],))
            return rows[0][0]

        return self.database.write(change)

    def announce(self, epoch: int, name: str) -> None:
        """Say who is the primary of an epoch.

        Raises:
            FencedError: a newer epoch has begun; whoever began it decides.
        """

        def change(transaction: Transaction) -> None:
            newest = transaction.execute("SELECT max(epoch) FROM epochs")[0][0]
            if epoch != newest:
                raise FencedError(f"epoch {epoch} is over, {newest} has begun")
            transaction.execute("UPDATE epochs SET name = ? WHERE epoch = ?", (name, epoch))

        self.database.write(change)

    def current(self) -> Office | None:
        """The last primary that was announced, or None."""
        rows = self.database.read(
            "SELECT epoch, name FROM epochs WHERE name IS NOT NULL ORDER BY epoch DESC LIMIT 1"
        )
        return Office(*rows[0]) if rows else None


def fail_over(
    directory: Directory, reachable: Sequence[Replica], replicas: int, acknowledge_after: int
) -> Office:
    """Make the most advanced replica the primary. After a crash in the middle, call it again.

    The order matters. First each replica promises the new epoch, so that the old primary, which
    may be slow rather than dead, gets nothing acknowledged by them any more; only then do their
    positions say something that stays true.

    Args:
        directory: which begins the epoch.
        reachable: the replicas that can be asked now.
        replicas: how many there are in all, without the old primary.
        acknowledge_after: as the old primary had it. What was acknowledged is on so many
            replicas; enough must be reachable that one of those is among them. With 0 there is
            no such promise, and any replica will do.

    Raises:
        TooFewReplicasError: the only replica that has an acknowledged write may be out of reach.
        FencedError: somebody else began a failover meanwhile.
    """
    if not reachable or 0 < acknowledge_after <= replicas - len(reachable):
        raise TooFewReplicasError(
            f"{len(reachable)} of {replicas} replicas are reachable, and an acknowledged write may "
            f"be on only {acknowledge_after} of them"
        )
    epoch = directory.begin()
    ends = [(replica.fence(epoch), replica.name) for replica in reachable]
    _, best = max(ends, key=lambda pair: (pair[0].epoch, pair[0].position))
    directory.announce(epoch, best)
    return Office(epoch, best)


def rejoin(database: Database, primary: Primary) -> list[Change]:
    """Make a server that was primary fit to follow the present one.

    Returns:
        The changes that it had and the present primary does not. They are undone, and so lost.
    """
    keep = changelog.end(database.read).position
    while changelog.epoch_at(database.read, keep) != changelog.epoch_at(
        primary.database.read, keep
    ):
        keep -= 1

    def change(transaction: Transaction) -> list[Change]:
        promise(transaction, primary.epoch)
        return changelog.cut(transaction, keep)

    return database.write(change)
