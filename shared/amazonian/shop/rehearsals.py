"""A reshard and a failover, rehearsed: customers act at every moment, death comes at every one.

Both are scenarios for :func:`amazonian.shop.crashpoints.explore`: deterministic, in memory, some
hundred runs a second. What they look for has a name, such as "a row is lost".
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import changelog, crashpoints, failover, replication, resharding, ring
from amazonian.shop.changelog import Order
from amazonian.shop.crashpoints import KilledError, Moments, Report
from amazonian.shop.failover import Directory
from amazonian.shop.replication import FencedError, Primary, Replica
from amazonian.shop.resharding import Plan
from amazonian.shop.ring import Ring
from amazonian.shop.router import RangeHeldError, Router
from amazonian.shop.shards import Shard, ShardMap

LOST = "a row is lost"
DOUBLED = "a row is doubled"
STALE = "a read is older than the reader's own write"
BACK = "a deleted row is back"
HELD = "a range takes no writes any more"
LOST_ACKNOWLEDGED = "an acknowledged write is lost"
TWO_PRIMARIES = "an old primary has a write acknowledged"
DIFFERENT = "the servers differ in the end"

Fault = Callable[[str, str], None]  # which fault, and what was seen
T = TypeVar("T")


class Store:
    """Two shards with orders, and a third one that a range is to move to, all in memory.

    Args:
        moments: of the process that moves it.
    """

    def __init__(self, moments: Moments):
        before, after = (
            Ring(["north", "south"], virtual=2),
            Ring(["north", "south", "east"], virtual=2),
        )
        self.moves = ring.moves(before, after)[-1:]  # where ada and cleo live, and ben does not
        databases = {name: MemoryDatabase(Shard.SCHEMA) for name in after.nodes}
        map_database = MemoryDatabase((*ShardMap.SCHEMA, *Plan.SCHEMA))
        self.shards = {name: Shard(name, database) for name, database in databases.items()}
        self.shard_map = ShardMap(map_database)
        self.shard_map.lay_out(before, self.shards)
        # The same databases as the process has them that moves the range and may die.
        self.moved = {name: Shard(name, moments.watched(databases[name])) for name in databases}
        self.moved_map = ShardMap(moments.watched(map_database))
        self.plan = Plan(moments.watched(map_database))


class Traffic:
    """Customers who write, read what they wrote, and count, whenever they are let.

    They work through two routers in turn, so that one of them has an old map now and then.
    """

    CUSTOMERS = ("ada", "ben", "cleo")

    def __init__(self, store: Store, fault: Fault):
        self.store, self.fault = store, fault
        self.clock = SimulatedClock()
        self.routers = [
            Router(store.shard_map, store.shards, self.clock, patience_s=0) for _ in range(2)
        ]
        self.expected: dict[str, Order] = {}  # what was acknowledged
        self.turns, self.held = 0, 0
        for customer in self.CUSTOMERS:
            for number in range(2):
                self.write(self.routers[0], f"{customer}/{number}", "kettle")

    def turn(self) -> None:
        """One round: every customer changes, adds or deletes one order, and then all is read."""
        self.turns += 1
        router, number = self.routers[self.turns % 2], self.turns
        for at, customer in enumerate(self.CUSTOMERS):
            key, product = (
                (f"{customer}/0", f"product {number}"),
                (f"{customer}/stays {number}", "lamp"),
                (f"{customer}/goes {number}", "lamp"),
                (f"{customer}/goes {number - 1}", None),
            )[(number + at) % 4]
            self.write(router, key, product)
        self.audit(router)

    def write(self, router: Router, key: str, product: str | None) -> None:
        """One write, and a read of it; a range that is held for the moment is no fault."""
        order = None if product is None else Order(key, product, 1_000 + self.turns)
        try:
            router.write(key, order)
        except RangeHeldError:
            self.held += 1
            return
        if order is None:
            self.expected.pop(key, None)
        else:
            self.expected[key] = order
        self.look(router, key)

    def look(self, router: Router, key: str) -> None:
        """Read one order."""
        self.compare(key, router.find(key))

    def audit(self, router: Router) -> None:
        """Read all orders, customer by customer, and count them over all shards."""
        for customer in self.CUSTOMERS:
            found = {order.key: order for order in router.orders_of(customer)}
            expected = {key for key in self.expected if changelog.customer_of(key) == customer}
            for key in sorted(expected | found.keys()):
                self.compare(key, found.get(key))
        counted = sum(count for count, _ in router.sold().values())
        if counted != len(self.expected):
            fault = LOST if counted < len(self.expected) else DOUBLED
            self.fault(fault, f"{counted} orders counted, of {len(self.expected)}")

    def compare(self, key: str, found: Order | None) -> None:
        expected = self.expected.get(key)
        if expected is None and found is not None:
            self.fault(BACK, f"{key} was deleted, and read as {found}")
        elif expected is not None and found is None:
            self.fault(LOST, f"{key} was written, and not there when it was read")
        elif found != expected:
            self.fault(STALE, f"{key} was written as {expected}, and read as {found}")

    def last_look(self) -> None:
        """After all: everything can be written, and every order lies in one shard alone."""
        self.held = 0
        for _ in range(3):
            self.turn()
        if self.held:
            self.fault(HELD, f"{self.held} writes found no shard that takes them")
        lying = sum(len(changelog.every(shard.database)) for shard in self.store.shards.values())
        if lying > len(self.expected):
            self.fault(DOUBLED, f"{lying} orders lie in the shards, of {len(self.expected)}")


def rehearse_reshard(kills: int = 1) -> Report:
    """Move a range by :func:`amazonian.shop.resharding.move_range`, with death at every moment.

    Customers act at each moment. After a death a new process goes on with the plan.

    Args:
        kills: 2 kills the second process as well, at each of its moments.
    """

    def run(moments: Moments) -> list[str]:
        faults: list[str] = []
        store = Store(moments)
        traffic = Traffic(store, lambda fault, _: faults.append(fault))
        moments.meanwhile = traffic.turn
        until_done(lambda: store.plan.begin(store.moves))
        until_done(lambda: resharding.reshard(store.plan, store.moved, store.moved_map))
        traffic.last_look()
        return faults

    return crashpoints.explore(run, kills)


def until_done(work: Callable[[], T]) -> T:
    """Begin again, as a new process would, as often as the process is killed."""
    while True:
        with suppress(KilledError):
            return work()


# --- a failover -------------------------------------------------------------------------------


class Servers:
    """A primary and two replicas, and what their customers were told.

    Args:
        moments: of all servers' processes.
        acknowledge_after: how many replicas a primary waits for.
    """

    def __init__(self, moments: Moments, acknowledge_after: int):
        self.acknowledge_after = acknowledge_after
        self.directory = Directory(moments.watched(MemoryDatabase(Directory.SCHEMA)))
        self.databases = {
            name: moments.watched(MemoryDatabase(replication.SCHEMA)) for name in ("a", "b", "c")
        }
        self.replicas = [Replica(name, self.databases[name]) for name in ("b", "c")]
        self.primary: Primary | None = None
        self.acknowledged: dict[str, Order] = {}

    def live(self) -> None:
        """Six orders at server a; the replicas are up to three of them behind."""
        primary = self.primary = self.in_office("a")
        written: dict[int, Order] = {}
        for number in range(6):
            order = Order(f"ada/{number}", "kettle", 4_200)
            written[primary.append(order.key, order)] = order
            for replica, every in zip(self.replicas, (3, 4), strict=True):
                replica.source = primary
                if number % every == 0:
                    replica.pull()
            self.acknowledged |= {
                order.key: order
                for position, order in written.items()
                if primary.acknowledged(position)
            }

    def in_office(self, name: str) -> Primary:
        epoch = self.directory.begin()
        self.directory.announce(epoch, name)
        return Primary(name, self.databases[name], epoch, self.acknowledge_after)

    def fail_over(self) -> Primary:
        """A replica becomes the primary; whoever sees to it may die, and another goes on."""
        office = until_done(
            lambda: failover.fail_over(
                self.directory, self.replicas, len(self.replicas), self.acknowledge_after
            )
        )
        database = self.databases[office.name]
        return until_done(
            lambda: Primary(office.name, database, office.epoch, self.acknowledge_after)
        )

    def old_primary_goes_on(self) -> bool:
        """It has heard of nothing, takes an order, and the replicas are asked to pull it.

        Returns:
            Whether a customer was told that the order is kept.
        """
        if self.primary is None:
            return False
        position = self.primary.append("ben/1", Order("ben/1", "lamp", 1_500))
        for replica in self.replicas:
            replica.source = self.primary
            with suppress(FencedError):
                replica.pull()
        return self.primary.acknowledged(position)

    def all_follow(self, primary: Primary) -> None:
        """The other servers follow the new primary; what they have and it has not, they undo."""
        for name, database in self.databases.items():
            if name != primary.name:
                failover.rejoin(database, primary)
                Replica(name, database, primary).pull()


def rehearse_fail_over(acknowledge_after: int, kills: int = 1) -> Report:
    """The primary dies after six orders, or at any moment before, and a replica takes over, by
    :func:`amazonian.shop.failover.fail_over`, which may die at any moment as well.

    Then the old primary comes back, first as if nothing had happened, and at last it rejoins.

    Args:
        acknowledge_after: how many replicas a primary waits for.
        kills: 2 for all pairs of moments.
    """

    def run(moments: Moments) -> list[str]:
        faults: list[str] = []
        servers = Servers(moments, acknowledge_after)
        with suppress(KilledError):
            servers.live()
        primary = servers.fail_over()
        moments.end()
        if servers.old_primary_goes_on():
            faults.append(TWO_PRIMARIES)
        servers.all_follow(primary)
        for key, order in servers.acknowledged.items():
            if primary.find(key) != order:
                faults.append(LOST_ACKNOWLEDGED)
        kept = [changelog.every(database) for database in servers.databases.values()]
        if kept[0] != kept[1] or kept[0] != kept[2]:
            faults.append(DIFFERENT)
        return faults

    return crashpoints.explore(run, kills)
