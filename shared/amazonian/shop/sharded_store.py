"""The sharded store in the files of one folder: its shards, its map, the plan of its moves.

``python -m amazonian.shop.sharded_store FOLDER`` goes on with the moves that are pending.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from amazonian.resilience.database import SQLiteDatabase
from amazonian.shop import resharding, ring
from amazonian.shop.resharding import Plan
from amazonian.shop.ring import Ring
from amazonian.shop.router import Router
from amazonian.shop.shards import Shard, ShardMap

VIRTUAL = 8  # more would balance better, and cut the map into more ranges


class ShardedStore:
    """Opens the databases of a folder, and lays them out where they are new.

    Args:
        folder: holds ``map.db`` and a file for each shard.
        nodes: the shards' names. What is in the folder stays as it is; without names, its shards
            are all that have a file.
    """

    def __init__(self, folder: Path, nodes: Iterable[str] = ()):
        self.folder = folder
        names = sorted(nodes) or [file.stem for file in folder.glob("*.db") if file.stem != "map"]
        map_database = SQLiteDatabase(folder / "map.db", (*ShardMap.SCHEMA, *Plan.SCHEMA))
        self._databases = [map_database]
        self.shard_map, self.plan = ShardMap(map_database), Plan(map_database)
        self.shards: dict[str, Shard] = {}
        for name in names:
            self._open(name)
        self.shard_map.lay_out(Ring(names, VIRTUAL), self.shards)

    def router(self) -> Router:
        """A router with a map of its own, as each server of a website has one."""
        return Router(self.shard_map, self.shards)

    def ring(self) -> Ring:
        """The ring of the shards that have orders now."""
        return Ring(sorted(set(self.shard_map.layout().names)), VIRTUAL)

    def add(self, name: str) -> int:
        """Plan what moves to a new shard. `reshard` then moves it.

        Returns:
            How many ranges that is.
        """
        before, after = self.ring(), self.ring()
        after.add(name)
        self._open(name)
        return len(self.plan.begin(ring.moves(before, after)))

    def remove(self, name: str) -> int:
        """Plan what the other shards take over from one that is to go."""
        before, after = self.ring(), self.ring()
        after.remove(name)
        return len(self.plan.begin(ring.moves(before, after)))

    def reshard(self) -> int:
        """Make the moves that are pending; how many were made."""
        return resharding.reshard(self.plan, self.shards, self.shard_map)

    def close(self) -> None:
        for database in self._databases:
            database.close()

    def _open(self, name: str) -> None:
        if name not in self.shards:
            database = SQLiteDatabase(self.folder / f"{name}.db", Shard.SCHEMA)
            self._databases.append(database)
            self.shards[name] = Shard(name, database)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    store = ShardedStore(parser.parse_args().folder)
    try:
        print(f"{store.reshard()} ranges moved")
    finally:
        store.close()


if __name__ == "__main__":
    main()
