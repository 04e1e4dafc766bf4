"""Shards, their map and their router, while nothing moves and while something does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.database import open_database
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import changelog
from amazonian.shop.changelog import Order
from amazonian.shop.ring import SPACE, Move, Ring, moves
from amazonian.shop.router import RangeHeldError, Router
from amazonian.shop.shards import Layout, NotOwnedError, Range, Shard, ShardMap

CUSTOMERS = [f"customer-{number}" for number in range(12)]


def order_of(customer: str, number: int = 0, product: str = "kettle") -> Order:
    return Order(f"{customer}/{number}", product, 1_000 + number)


def memory_shard(name: str) -> Shard:
    return Shard(name, MemoryDatabase(Shard.SCHEMA))


class Store:
    """Shards by name, laid out by a ring, in memory."""

    def __init__(self, names: str, more: str = ""):
        self.shard_map = ShardMap(MemoryDatabase(ShardMap.SCHEMA))
        self.shards = {name: memory_shard(name) for name in names + more}
        self.shard_map.lay_out(Ring(names, virtual=4), self.shards)

    def router(self, **options) -> Router:
        return Router(self.shard_map, self.shards, SimulatedClock(), **options)


# --- a shard


def test_a_shard_keeps_what_it_owns_and_refuses_the_rest(dsn, closing) -> None:
    shard = Shard("a", closing(open_database(dsn, Shard.SCHEMA)))
    ada = changelog.place_of("ada")
    with pytest.raises(NotOwnedError):
        shard.write("ada/1", order_of("ada", 1))
    shard.open(Range(ada - 1, ada))
    shard.write("ada/1", order_of("ada", 1))
    shard.write("ada/2", order_of("ada", 2))
    with pytest.raises(NotOwnedError):
        shard.write("ben/1", order_of("ben", 1))
    assert shard.read("ada") == (True, [order_of("ada", 1), order_of("ada", 2)])
    assert shard.read("ada", "ada/2") == (True, [order_of("ada", 2)])
    assert shard.read("ada", "ada/3") == (True, [])
    assert shard.read("ben") == (False, [])
    assert shard.sold([Range(ada - 1, ada)]) == {"kettle": (2, 2_003)}
    assert shard.sold([Range(ada, SPACE - 1), Range(-1, ada - 1)]) == {}
    assert shard.position() == 2


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=12
    )
)
def test_what_is_opened_and_closed_is_owned_place_by_place(steps) -> None:
    shard, owned = memory_shard("a"), set()
    for opening, above, length in steps:
        places = set(range(above + 1, above + length + 1))
        if opening and owned & places:
            continue  # a range is opened where nothing of it is owned
        owned = owned | places if opening else owned - places
        move = Move(above, above + length, "b", "a")
        (shard.open if opening else shard.close)(move)
        (shard.open if opening else shard.close)(move)  # twice is once
    read = shard.database.read
    found = {
        place
        for place in range(50)
        if read("SELECT 1 FROM owned WHERE above < ? AND upto >= ?", (place, place))
    }
    assert found == owned
    shard.database.close()


# --- the map


@given(st.integers(0, 2**16))
def test_the_map_of_a_ring_says_what_the_ring_says(seed: int) -> None:
    ring = Ring([f"{seed}/{node}" for node in range(3)], virtual=2)
    shard_map = ShardMap(MemoryDatabase(ShardMap.SCHEMA))
    shards = {name: memory_shard(name) for name in ring.nodes}
    shard_map.lay_out(ring, shards)
    shard_map.lay_out(Ring(["other"]), {})  # there is a map already
    layout = shard_map.layout()
    for customer in CUSTOMERS:
        place = changelog.place_of(customer)
        assert layout.node_of(place) == shard_map.node_of(place) == ring.node_of(customer)
        owners = [name for name, shard in shards.items() if shard.read(customer)[0]]
        assert owners == [ring.node_of(customer)]


def test_moves_turn_the_map_of_one_ring_into_that_of_another(dsn, closing) -> None:
    before, after = Ring("ab", virtual=3), Ring("abc", virtual=3)
    shard_map = ShardMap(closing(open_database(dsn, ShardMap.SCHEMA)))
    shard_map.lay_out(before, {name: memory_shard(name) for name in "ab"})
    for number, move in enumerate(moves(before, after)):
        shard_map.assign(move)
        shard_map.assign(move)
        assert shard_map.version() == 1 + 2 * (number + 1)
    for customer in CUSTOMERS:
        assert shard_map.node_of(changelog.place_of(customer)) == after.node_of(customer)
    for move in moves(after, before):
        shard_map.assign(move)
    for customer in CUSTOMERS:
        assert shard_map.node_of(changelog.place_of(customer)) == before.node_of(customer)


def test_a_part_of_a_range_can_change_hands() -> None:
    shard_map = ShardMap(MemoryDatabase(ShardMap.SCHEMA))
    shard_map.lay_out(Ring(["a"], virtual=1), {"a": memory_shard("a")})
    shard_map.assign(Move(9, 19, "a", "b"))
    shard_map.assign(Move(-1, 4, "a", "c"))
    layout = shard_map.layout()
    assert [layout.node_of(at) for at in (0, 4, 5, 9, 10, 19, 20, SPACE - 1)] == list("ccaabbaa")
    assert layout.ranges()["b"] == [Range(9, 19)]


def test_a_layout_knows_each_shards_ranges() -> None:
    layout = Layout(1, (4, 9, 99), ("a", "b", "a"))
    assert layout.ranges() == {"a": [Range(-1, 4), Range(9, 99)], "b": [Range(4, 9)]}


# --- the router


def test_customers_find_their_orders_and_no_others() -> None:
    store = Store("abc")
    router = store.router()
    for customer in CUSTOMERS:
        for number in range(3):
            router.write(f"{customer}/{number}", order_of(customer, number))
    router.write(f"{CUSTOMERS[0]}/1", None)
    router.write(f"{CUSTOMERS[1]}/1", order_of(CUSTOMERS[1], 1, "lamp"))
    assert router.find(f"{CUSTOMERS[0]}/1") is None
    assert [order.key[-1] for order in router.orders_of(CUSTOMERS[0])] == ["0", "2"]
    assert router.orders_of(CUSTOMERS[1])[1].product == "lamp"
    assert router.sold() == {"kettle": (34, 34_034), "lamp": (1, 1_001)}
    held = [len(changelog.every(shard.database)) for shard in store.shards.values()]
    assert sum(held) == 35
    assert min(held) > 0, "every shard has some"
    assert not router.waits_s


def moved(store: Store, customer: str, target: str) -> Move:
    """The move of one customer's place to a shard, and nothing done yet."""
    place = changelog.place_of(customer)
    return Move(place - 1, place, store.shard_map.node_of(place), target)


def test_a_router_with_an_old_map_is_told_and_reads_the_new_one() -> None:
    store = Store("ab", more="c")
    old, customer = store.router(), CUSTOMERS[0]
    old.write(f"{customer}/0", order_of(customer))
    move = moved(store, customer, "c")
    source, target = store.shards[move.source], store.shards["c"]
    target.take([(f"{customer}/0", order_of(customer))])
    source.close(move)
    target.open(move)
    store.shard_map.assign(move)
    source.clear(move)
    version = old.layout.version
    assert old.find(f"{customer}/0") == order_of(customer)
    assert old.layout.version == version + 1
    old.write(f"{customer}/1", order_of(customer, 1))
    assert [len(changelog.every(s.database)) for s in store.shards.values()] == [0, 0, 2]


def test_while_a_range_is_held_it_can_be_read_but_a_write_waits() -> None:
    store = Store("ab", more="c")
    router, customer = store.router(patience_s=1.0), CUSTOMERS[0]
    router.write(f"{customer}/0", order_of(customer))
    move = moved(store, customer, "c")
    store.shards[move.source].close(move)
    assert router.find(f"{customer}/0") == order_of(customer)
    assert router.orders_of(customer) == [order_of(customer)]
    with pytest.raises(RangeHeldError):
        router.write(f"{customer}/0", None)
    assert router.clock.now_s() == pytest.approx(1.0, abs=0.01)
    router.write(f"{CUSTOMERS[1]}/0", order_of(CUSTOMERS[1]))  # others are not held

    class Opens(SimulatedClock):
        def sleep(self, seconds):
            super().sleep(seconds)
            if self.now_s() > 0.5:
                store.shards["c"].open(move)
                store.shard_map.assign(move)

    patient = Router(store.shard_map, store.shards, Opens())
    patient.write(f"{customer}/0", order_of(customer, 0, "lamp"))
    assert store.shards["c"].read(customer) == (True, [order_of(customer, 0, "lamp")])
    assert patient.waits_s == [pytest.approx(0.5, abs=0.01)]


def test_copies_are_not_counted_and_a_count_across_a_switch_begins_anew() -> None:
    store = Store("ab", more="c")
    router, customer = store.router(), CUSTOMERS[0]
    router.write(f"{customer}/0", order_of(customer))
    move = moved(store, customer, "c")
    store.shards["c"].take([(f"{customer}/0", order_of(customer))])
    assert router.sold() == {"kettle": (1, 1_000)}

    class Switching(Shard):
        """The map changes just after this shard has been asked."""

        def sold(self, ranges):
            found = super().sold(ranges)
            if store.shard_map.node_of(move.upto) == move.source:
                store.shards["c"].open(move)
                store.shard_map.assign(move)
                store.shards[move.source].clear(move)
            return found

    for name in ("a", "b"):
        store.shards[name] = Switching(name, store.shards[name].database)
    assert router.sold() == {"kettle": (1, 1_000)}


def test_a_range_that_went_and_came_back_while_a_router_read_is_read_again() -> None:
    store = Store("ab", more="c")
    router, customer = store.router(), CUSTOMERS[0]
    router.write(f"{customer}/0", order_of(customer))
    move = moved(store, customer, "c")
    source, target = store.shards[move.source], store.shards["c"]

    def carry(one: Shard, other: Shard, way: Move) -> None:
        other.take([(f"{customer}/0", order_of(customer))])
        one.close(way)
        other.open(way)
        store.shard_map.assign(way)
        one.clear(way)

    class Asked(Shard):
        """Asked while the range is away; it is back before the router can look at the map."""

        times = 0

        def read(self, customer, key=None):
            self.times += 1
            if self.times > 1:
                return super().read(customer, key)
            carry(source, target, move)
            answer = super().read(customer, key)
            carry(target, source, Move(move.above, move.upto, "c", move.source))
            return answer

    asked = store.shards[move.source] = Asked(move.source, source.database)
    assert router.find(f"{customer}/0") == order_of(customer)
    assert asked.times == 2
