"""Orders in several databases, each customer's in one of them: lab 2.3.

Each *shard* has a database of its own, with its change log, and keeps a list of the ranges of the
ring that it owns. It refuses to write outside them, in the same transaction as the write, so that
a router with an old map can do no harm. The *map* says which shard to ask; a *router* asks it
once and goes by its copy until a shard refuses.
"""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from amazonian.resilience.database import Database, Transaction
from amazonian.shop import changelog
from amazonian.shop.changelog import Change, Order, Read
from amazonian.shop.ring import Move, Ring

EPOCH = 1  # a shard's log may be followed by replicas; a failover would begin another epoch


class NotOwnedError(Exception):
    """The shard does not own this place of the ring, or does not yet, or not any more."""


@dataclass(frozen=True)
class Range:
    """The places above `above`, up to `upto`."""

    above: int
    upto: int


class Shard:
    """One database of the store.

    Args:
        name: as the ring has it.
        database: laid out by `Shard.SCHEMA`.
    """

    SCHEMA = (
        *changelog.SCHEMA,
        "CREATE TABLE IF NOT EXISTS owned (above INTEGER NOT NULL, upto INTEGER PRIMARY KEY)",
    )

    def __init__(self, name: str, database: Database):
        self.name, self.database = name, database

    # what routers use

    def write(self, key: str, order: Order | None) -> int:
        """Change an order (None: delete it), with its line in the log; the change's position.

        Raises:
            NotOwnedError: its place is not in a range of this shard. Nothing has changed.
        """

        def change(transaction: Transaction) -> int:
            if not _owns(transaction.execute, changelog.place_of(key)):
                raise NotOwnedError(f"{self.name} does not own the place of {key}")
            return changelog.record(transaction, EPOCH, key, order)

        return self.database.write(change)

    def read(self, customer: str, key: str | None = None) -> tuple[bool, list[Order]]:
        """A customer's orders as this shard has them, by key, or the one with this key.

        Returns:
            Whether this shard owns their place, and the orders. One query tells both, so that no
            move comes in between.
        """
        place = changelog.place_of(customer)
        rows = self.database.read(
            "SELECT EXISTS (SELECT 1 FROM owned WHERE above < ? AND upto >= ?),"
            " key, product, total_minor, status FROM (SELECT 1) AS this LEFT JOIN orders"
            " ON place = ? AND customer = ?" + (" AND key = ?" if key else "") + " ORDER BY key",
            (place, place, place, customer, *([key] if key else [])),
        )
        return bool(rows[0][0]), [Order(*row[1:]) for row in rows if row[1] is not None]

    def sold(self, ranges: Sequence[Range]) -> dict[str, tuple[int, int]]:
        """Of each product, how many orders lie in these ranges, and their sum in cents."""
        found: dict[str, tuple[int, int]] = {}
        for part in ranges:
            rows = self.database.read(
                "SELECT product, count(*), sum(total_minor) FROM orders"
                " WHERE place > ? AND place <= ? GROUP BY product",
                (part.above, part.upto),
            )
            found = added(found, {product: (count, int(total)) for product, count, total in rows})
        return found

    # what a move of a range uses

    def owns(self, place: int) -> bool:
        """Whether this shard takes writes at this place."""
        return _owns(self.database.read, place)

    def position(self) -> int:
        """The position of the last change in this shard's log."""
        return changelog.end(self.database.read).position

    def changes(self, move: Move, after: int) -> list[Change]:
        """The changes behind a position that lie in the range of `move`, in order."""
        behind = changelog.changes(self.database.read, after, limit=2**31)
        return [change for change in behind if changelog.place_of(change.key) in move]

    def batch(self, move: Move, after: str, limit: int) -> list[Order]:
        """The orders in the range of `move`, by key, behind the key `after`; `limit` at most."""
        rows = self.database.read(
            "SELECT key, product, total_minor, status FROM orders"
            " WHERE place > ? AND place <= ? AND key > ? ORDER BY key LIMIT ?",
            (move.above, move.upto, after, limit),
        )
        return [Order(*row) for row in rows]

    def take(self, changes: Iterable[tuple[str, Order | None]]) -> None:
        """Write what another shard had, in one transaction, whoever owns it."""

        def change(transaction: Transaction) -> None:
            for key, order in changes:
                changelog.record(transaction, EPOCH, key, order)

        self.database.write(change)

    def close(self, move: Move) -> None:
        """Take no more writes in the range of `move`. A second time does nothing."""

        def change(transaction: Transaction) -> None:
            rows = transaction.execute(
                "SELECT above, upto FROM owned WHERE above < ? AND upto > ?",
                (move.upto, move.above),
            )
            for above, upto in rows:
                transaction.execute("DELETE FROM owned WHERE upto = ?", (upto,))
                for part in (Range(above, move.above), Range(move.upto, upto)):
                    if part.above < part.upto:
                        _own(transaction, part)

        self.database.write(change)

    def open(self, move: Move | Range) -> None:
        """Take writes in the range of `move` from now on. A second time does nothing."""

        def change(transaction: Transaction) -> None:
            if not _owns(transaction.execute, move.upto):
                _own(transaction, Range(move.above, move.upto))

        self.database.write(change)

    def clear(self, move: Move) -> None:
        """Delete all orders in the range of `move`, with a line in the log for each."""

        def change(transaction: Transaction) -> None:
            rows = transaction.execute(
                "SELECT key FROM orders WHERE place > ? AND place <= ?", (move.above, move.upto)
            )
            for (key,) in rows:
                changelog.record(transaction, EPOCH, key, None)

        self.database.write(change)


def _owns(read: Read, place: int) -> bool:
    return bool(read("SELECT 1 FROM owned WHERE above < ? AND upto >= ?", (place, place)))


def _own(transaction: Transaction, part: Range) -> None:
    transaction.execute("INSERT INTO owned VALUES (?, ?)", (part.above, part.upto))


def added(
    one: Mapping[str, tuple[int, int]], other: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """The sums of two tables of counts and totals."""
    none = (0, 0)
    return {
        product: (
            one.get(product, none)[0] + other.get(product, none)[0],
            one.get(product, none)[1] + other.get(product, none)[1],
        )
        for product in one.keys() | other.keys()
    }


# --- the map ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """The map at one moment: whose each place of the ring is.

    Args:
        version: higher after each change.
        ends: the last place of each range, in ascending order.
        names: the shard of each range.
    """

    version: int
    ends: tuple[int, ...]
    names: tuple[str, ...]

    def node_of(self, place: int) -> str:
        """The shard that a place belongs to."""
        return self.names[bisect.bisect_left(self.ends, place)]

    def ranges(self) -> dict[str, list[Range]]:
        """The ranges of each shard."""
        found: dict[str, list[Range]] = {name: [] for name in self.names}
        for above, upto, name in zip((-1, *self.ends), self.ends, self.names, strict=False):
            found[name].append(Range(above, upto))
        return found


class ShardMap:
    """The map, durable, one for all routers.

    Args:
        database: laid out by `ShardMap.SCHEMA`.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS ranges (upto INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY)",
    )

    def __init__(self, database: Database):
        self.database = database

    def lay_out(self, ring: Ring, shards: Mapping[str, Shard]) -> None:
        """Begin with a ring's arcs, and open them in the shards. A second time does nothing."""

        def change(transaction: Transaction) -> None:
            if not transaction.execute("SELECT 1 FROM versions LIMIT 1"):
                for _, upto, name in ring.arcs():
                    transaction.execute("INSERT INTO ranges VALUES (?, ?)", (upto, name))
                transaction.execute("INSERT INTO versions VALUES (1)")

        if not self.database.read("SELECT 1 FROM versions LIMIT 1"):
            for above, upto, name in ring.arcs():
                shards[name].open(Range(above, upto))
            self.database.write(change)

    def version(self) -> int:
        """The number of the present map."""
        return self.database.read("SELECT max(version) FROM versions")[0][0]

    def layout(self) -> Layout:
        """The present map. (One query, so that no change comes between its parts.)"""
        rows = self.database.read(
            "SELECT upto, name, (SELECT max(version) FROM versions) FROM ranges ORDER BY upto"
        )
        return Layout(rows[0][2], tuple(r[0] for r in rows), tuple(r[1] for r in rows))

    def node_of(self, place: int) -> str:
        """The shard that a place belongs to now."""
        rows = self.database.read(
            "SELECT name FROM ranges WHERE upto >= ? ORDER BY upto LIMIT 1", (place,)
        )
        return rows[0][0]

    def assign(self, move: Move) -> None:
        """Give the range of `move` to its target. A second time does nothing."""

        def change(transaction: Transaction) -> None:
            for end in (move.above, move.upto):  # a range that `move` is a part of is cut there
                rows = transaction.execute(
                    "SELECT upto, name FROM ranges WHERE upto >= ? ORDER BY upto LIMIT 1", (end,)
                )
                if end >= 0 and rows[0][0] != end:
                    transaction.execute("INSERT INTO ranges VALUES (?, ?)", (end, rows[0][1]))
            transaction.execute(
                "UPDATE ranges SET name = ? WHERE upto > ? AND upto <= ?",
                (move.target, move.above, move.upto),
            )
            transaction.execute("INSERT INTO versions SELECT max(version) + 1 FROM versions")

        self.database.write(change)
