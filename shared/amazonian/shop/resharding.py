"""Moving ranges of orders to a new shard while customers go on ordering: lab 2.3.

A move copies a range and then catches up by the source's change log, as a replica does, so that
writes go on meanwhile. Only for the last few changes the range takes no writes: from `close` at
the source until the map names the target. Each step is durable and may be done twice, so a move
that died is begun again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple

from amazonian.resilience.database import Database, Transaction
from amazonian.shop.ring import Move
from amazonian.shop.shards import Shard, ShardMap

BATCH = 200


def copy(move: Move, source: Shard, target: Shard) -> None:
    """Copy the orders in the range of `move`, some at a time; what the target has is replaced.

    Customers go on writing at the source. What is written behind the copy's back, it misses.
    """
    last = ""
    while orders := source.batch(move, last, BATCH):
        target.take((order.key, order) for order in orders)
        last = orders[-1].key


def catch_up(move: Move, source: Shard, target: Shard, after: int) -> int:
    """Do at the target what the source's log says of the range behind the position `after`.

    Returns:
        The position up to which the target is level now.
    """
    level = source.position()
    changes = source.changes(move, after)
    if changes:
        target.take((change.key, change.order) for change in changes)
    return level


def move_range(move: Move, source: Shard, target: Shard, shard_map: ShardMap) -> None:
    """Move one range from `source` to `target`, while routers read and write.

    Reads go to whichever shard the map names, so that shard must have all orders of the range, as
    they are now. No acknowledged write may be lost, and in the end the orders lie in the target
    alone. Never do two shards own the range; and while none does, writes wait. So :func:`copy`
    before the source is closed, and :func:`catch_up` with what came meanwhile; closed, only the
    last few changes are left.

    The process may die at any moment, and `move_range` is then called again with the same
    arguments, from the beginning. It may find a half-made copy in the target, a source that is
    closed, or a map that names the target already.

    Args:
        move: the range; ``move.source`` and ``move.target`` are the shards' names. All places of
            the range belong to one shard, so ``shard_map.node_of(move.upto)`` is that of all.
        source: whose orders are to go. ``position()`` is the end of its log, ``close(move)``
            makes it refuse writes in the range, and ``clear(move)`` deletes the orders there.
        target: the shard that is to have them. ``clear(move)`` makes room for a new copy, and
            ``open(move)`` makes it take writes.
        shard_map: ``assign(move)`` names the target, for all routers at once.
    """
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        catch_up(move, source, target, level)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


class Plan:
    """The moves of a reshard, durable, so that whoever goes on after a crash knows them.

    Args:
        database: laid out by `Plan.SCHEMA`; that of the map will do.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS moves (number INTEGER PRIMARY KEY, above INTEGER NOT NULL,"
        " upto INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,"
        " done INTEGER NOT NULL)",
    )

    def __init__(self, database: Database):
        self.database = database

    def begin(self, moves: Sequence[Move]) -> list[Move]:
        """Plan these moves, unless others are pending; then those stay as they are.

        Args:
            moves: from :func:`amazonian.shop.ring.moves`.

        Returns:
            The moves that are pending now.
        """

        def change(transaction: Transaction) -> None:
            if transaction.execute("SELECT 1 FROM moves WHERE done = 0 LIMIT 1"):
                return
            rows = transaction.execute("SELECT coalesce(max(number), 0) FROM moves")
            for number, move in enumerate(moves, rows[0][0] + 1):
                transaction.execute(
                    "INSERT INTO moves VALUES (?, ?, ?, ?, ?, 0)", (number, *astuple(move))
                )

        self.database.write(change)
        return self.pending()

    def pending(self) -> list[Move]:
        """The moves that are not done, in order."""
        rows = self.database.read(
            "SELECT above, upto, source, target FROM moves WHERE done = 0 ORDER BY number"
        )
        return [Move(*row) for row in rows]

    def finish(self, move: Move) -> None:
        """The move is done."""
        self.database.write(
            lambda transaction: transaction.execute(
                "UPDATE moves SET done = 1 WHERE upto = ? AND source = ? AND target = ?",
                (move.upto, move.source, move.target),
            )
        )


def reshard(plan: Plan, shards: Mapping[str, Shard], shard_map: ShardMap) -> int:
    """Carry out the moves that are pending. After a crash in the middle, call it again.

    Returns:
        How many moves were made now.
    """
    pending = plan.pending()
    for move in pending:
        move_range(move, shards[move.source], shards[move.target], shard_map)
        plan.finish(move)
    return len(pending)
