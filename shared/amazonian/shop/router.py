"""Which shard a request goes to, also while ranges move from one to another: lab 2.3."""

from amazonian.resilience.clock import Clock, SystemClock
from amazonian.shop import changelog
from amazonian.shop.changelog import Order
from amazonian.shop.shards import NotOwnedError, Shard, ShardMap, added

PATIENCE_S = 5.0
PAUSE_S = 0.002


class RangeHeldError(Exception):
    """A range was between two shards for longer than the router waits: repeat the request."""


class Router:
    """Finds the shard for each request. Any number of routers may work at the same time.

    It goes by a copy of the map until a shard refuses, and only then reads the map again.

    Args:
        shard_map: the one map.
        shards: by name. A new shard is added here before any range moves to it.
        clock: of the waits.
        patience_s: how long a request waits for a range that is between two shards.

    Attributes:
        waits_s: of each write that had to wait for a range, how long it took.
    """

    def __init__(
        self,
        shard_map: ShardMap,
        shards: dict[str, Shard],
        clock: Clock | None = None,
        patience_s: float = PATIENCE_S,
    ):
        self.shard_map, self.shards = shard_map, shards
        self.clock, self.patience_s = clock or SystemClock(), patience_s
        self.layout = shard_map.layout()
        self.waits_s: list[float] = []

    def shard_of(self, key: str) -> Shard:
        """The shard of a key or a customer, as the router knows it."""
        return self.shards[self.layout.node_of(changelog.place_of(key))]

    def write(self, key: str, order: Order | None) -> None:
        """Change an order (None: delete it). It is on its shard's disk when this returns.

        Raises:
            RangeHeldError: the key's range was between two shards all the time.
        """
        began_s, refused = self.clock.now_s(), None
        while True:
            try:
                self.shard_of(key).write(key, order)
                break
            except NotOwnedError as error:
                refused = error
            if self.clock.now_s() - began_s > self.patience_s:
                raise RangeHeldError(f"{refused}, and no other shard does yet") from refused
            self.clock.sleep(PAUSE_S)
            self.layout = self.shard_map.layout()
        if refused is not None:
            self.waits_s.append(self.clock.now_s() - began_s)

    def find(self, key: str) -> Order | None:
        """The order with this key, or None."""
        found = self._read(changelog.customer_of(key), key)
        return found[0] if found else None

    def orders_of(self, customer: str) -> list[Order]:
        """A customer's orders, by key. One shard has them all."""
        return self._read(customer, None)

    def _read(self, customer: str, key: str | None) -> list[Order]:
        """Ask the shard that the map names. If it does not own the place, it is about to give
        the range away, and its answer counts, or it has done so, and then the map has changed."""
        while True:
            layout = self.layout
            owned, orders = self.shards[layout.node_of(changelog.place_of(customer))].read(
                customer, key
            )
            if owned:
                return orders
            self.layout = self.shard_map.layout()
            if self.layout.version == layout.version:
                return orders

    def sold(self) -> dict[str, tuple[int, int]]:
        """Of each product, the number of orders and their sum in cents: every shard is asked.

        During a move both shards have copies, so each is asked for the ranges that the map gives
        to it, and if the map changed meanwhile all of it counts for nothing.
        """
        while True:
            self.layout = layout = self.shard_map.layout()
            found: dict[str, tuple[int, int]] = {}
            for name, ranges in layout.ranges().items():
                found = added(found, self.shards[name].sold(ranges))
            if self.shard_map.version() == layout.version:
                return found
