"""Shards against golden values, exhaustive enumeration, other processes and threads."""

import itertools
import math
import random
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.retries import Client, RetryPolicy, TransientError
from amazonian.resilience.sharding import (
    NoShardLeftError,
    Shard,
    ShardSearcher,
    ShardStore,
    WorkerPool,
    blast_radius,
    call_shard,
    fixed_shard,
    most_shards,
    overlap_distribution,
    shuffle_shard,
)

CUSTOMERS = [f"customer-{i}" for i in range(5_600)]


def sizes(largest: int) -> st.SearchStrategy:
    """(workers, shard_size, max_overlap) that make sense together."""
    return st.integers(1, largest).flatmap(
        lambda workers: st.integers(1, min(workers, 4)).flatmap(
            lambda size: st.tuples(st.just(workers), st.just(size), st.integers(0, size - 1))
        )
    )


def searcher_of(workers: int, size: int, max_overlap: int, seed: int) -> ShardSearcher:
    return ShardSearcher(ShardStore(workers, size, max_overlap), random.Random(seed))


def until_exhausted(searcher: ShardSearcher) -> list[Shard]:
    with suppress(NoShardLeftError):
        for i in itertools.count():
            searcher.assign(f"customer-{i}")
    return list(searcher.store.shards.values())


def overlaps(shards: list[Shard]) -> set[int]:
    return {len(set(a) & set(b)) for a, b in itertools.combinations(shards, 2)}


# --- overlap


# Golden values computed independently for this course.
@pytest.mark.parametrize(
    ("workers", "size", "shards", "overlap"),
    [
        (8, 2, 28, [0.5357, 0.4286, 0.0357]),
        (100, 5, 75_287_520, [0.76959, 0.21143, 0.018385, 0.000593, 6.31e-06, 1.33e-08]),
        (2048, 4, 730_862_190_080, [0.992205, 0.0077782, 1.714e-05, 1.119e-08, 1.368e-12]),
    ],
)
def test_overlaps_agree_with_the_golden_values(
    workers: int, size: int, shards: int, overlap: list[float]
) -> None:
    assert math.comb(workers, size) == shards
    assert overlap_distribution(workers, size) == pytest.approx(overlap, rel=2e-3)
    assert overlap_distribution(workers, size)[-1] == pytest.approx(1 / shards)


@given(sizes(9))
def test_overlaps_agree_with_counting_every_shard(size: tuple[int, int, int]) -> None:
    workers, shard_size, _ = size
    mine = set(range(shard_size))
    every = list(itertools.combinations(range(workers), shard_size))
    counted = Counter(len(mine & set(other)) for other in every)
    assert overlap_distribution(workers, shard_size) == pytest.approx(
        [counted[j] / len(every) for j in range(shard_size + 1)]
    )


# --- from a name to a shard


def test_a_shard_never_changes_between_releases() -> None:
    # These are kept: a customer that moves because of an upgrade of ours loses its caches.
    assert shuffle_shard("customer-0", 8, 2) == (7, 2)
    assert shuffle_shard("Kaffeerösterei", 2048, 4) == (72, 1142, 821, 647)
    assert fixed_shard("customer-0", 8, 2) == (1, 0)


def test_a_name_gets_the_same_shard_in_processes_with_other_hash_seeds() -> None:
    program = (
        "from amazonian.resilience.sharding import fixed_shard, shuffle_shard\n"
        "names = [f'customer-{i}' for i in range(20)]\n"
        "print([(shuffle_shard(n, 100, 5), fixed_shard(n, 100, 5)) for n in names])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = [(shuffle_shard(n, 100, 5), fixed_shard(n, 100, 5)) for n in CUSTOMERS[:20]]
    assert printed == {f"{here}\n"}


def test_all_shards_and_all_orders_come_up_equally_often() -> None:
    counted = Counter(shuffle_shard(name, 8, 2) for name in CUSTOMERS)
    assert len(counted) == 56  # ordered pairs: 28 shards, each in two orders
    chi_squared = sum((seen - 100) ** 2 / 100 for seen in counted.values())
    assert chi_squared < 93.2  # 0.1% point for 55 degrees of freedom


@given(st.text(), st.integers(1, 40), st.data())
def test_a_new_worker_replaces_one_worker_at_most(
    name: str, workers: int, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, workers))
    before, after = (shuffle_shard(name, n, size) for n in (workers, workers + 1))
    assert set(after) - set(before) <= {workers}
    stayed = [worker for worker in after if worker != workers]
    assert stayed == [worker for worker in before if worker in stayed]


def test_fixed_shards_are_disjoint_groups_begun_anywhere() -> None:
    shards = {fixed_shard(name, 8, 2) for name in CUSTOMERS}
    assert shards == {(0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4), (6, 7), (7, 6)}


@pytest.mark.parametrize("choose", [shuffle_shard, fixed_shard])
def test_impossible_shards_are_refused(choose: object) -> None:
    for workers, size in ((4, 0), (4, 5), (0, 1)):
        with pytest.raises(ValueError, match="can't be cut"):
            choose("alice", workers, size)
    with pytest.raises(ValueError, match="groups of 3"):
        fixed_shard("alice", 8, 3)


# --- blast radius


def mean_radius(shards: dict[str, Shard], attempts: int) -> float:
    return sum(blast_radius(shards, name, attempts) for name in CUSTOMERS[:50]) / 50


def test_fixed_shards_lose_a_quarter_whatever_clients_do() -> None:
    shards = {name: fixed_shard(name, 8, 2) for name in CUSTOMERS}
    for attempts in (1, 2):
        # Golden value computed independently for this course: 0.25.
        assert mean_radius(shards, attempts) == pytest.approx(0.25, abs=0.02)


def test_shuffle_shards_lose_a_quarter_without_retries_and_one_in_28_with() -> None:
    shards = {name: shuffle_shard(name, 8, 2) for name in CUSTOMERS}
    assert mean_radius(shards, 1) == pytest.approx(0.25, abs=0.01)
    assert mean_radius(shards, 2) == pytest.approx(1 / 28, abs=0.004)


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_calls_through_the_real_retry_fail_just_as_often_as_predicted(attempts: int) -> None:
    shards = {name: shuffle_shard(name, 9, 3) for name in CUSTOMERS[:300]}
    pool = WorkerPool(9)
    with pytest.raises(TransientError):
        call_shard(pool, shards["customer-0"], client(3), poisoned=True)
    assert pool.dead == set(shards["customer-0"])
    failed = 0
    for name in CUSTOMERS[1:300]:
        try:
            assert call_shard(pool, shards[name], client(attempts)) in shards[name]
        except TransientError:
            failed += 1
    assert failed / 299 == blast_radius(shards, "customer-0", attempts)


def client(attempts: int) -> Client:
    policy = RetryPolicy(max_attempts=attempts)
    return Client(policy, clock=SimulatedClock(), rng=random.Random(1))


def test_a_pool_has_only_its_own_workers() -> None:
    for worker in (-1, 4):
        with pytest.raises(ValueError, match="no worker"):
            WorkerPool(4).handle(worker)


# --- the searcher


# Golden values computed independently for this course.
@pytest.mark.parametrize(("max_overlap", "shards"), [(1, 28), (0, 4)])
def test_the_searcher_hands_out_all_of_8_workers_in_pairs(max_overlap: int, shards: int) -> None:
    for seed in range(20):
        handed_out = until_exhausted(searcher_of(8, 2, max_overlap, seed))
        assert len(handed_out) == shards == most_shards(8, 2, max_overlap)
        assert max(overlaps(handed_out)) <= max_overlap


@settings(max_examples=60, deadline=None)
@given(sizes(9), st.integers(0, 2**32))
def test_when_the_searcher_gives_up_no_shard_fits_any_more(
    size: tuple[int, int, int], seed: int
) -> None:
    workers, shard_size, max_overlap = size
    shards = until_exhausted(searcher_of(*size, seed))
    assert len(shards) <= most_shards(*size)
    assert all(overlap <= max_overlap for overlap in overlaps(shards))
    for other in itertools.combinations(range(workers), shard_size):
        assert any(len(set(other) & set(shard)) > max_overlap for shard in shards)


@settings(max_examples=40, deadline=None)
@given(sizes(9), st.integers(0, 2**32), st.data())
def test_shards_recorded_at_any_moment_are_kept_clear_of(
    size: tuple[int, int, int], seed: int, data: st.DataObject
) -> None:
    workers, shard_size, max_overlap = size
    searcher = searcher_of(*size, seed)
    store = searcher.store
    for i in range(6):
        shard = tuple(data.draw(st.permutations(range(workers)))[:shard_size])
        allowed = all(len(set(shard) & set(s)) <= max_overlap for s in store.shards.values())
        try:
            store.record(f"recorded-{i}", shard)
        except ValueError:
            assert not allowed
        else:
            assert allowed
        try:
            searcher.assign(f"assigned-{i}")
        except NoShardLeftError:
            break
    shards = until_exhausted(searcher)
    assert all(overlap <= max_overlap for overlap in overlaps(shards))
    for other in itertools.combinations(range(workers), shard_size):
        assert any(len(set(other) & set(shard)) > max_overlap for shard in shards)


@given(sizes(40), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_the_same_seed_hands_out_the_same_shards(size: tuple[int, int, int], seed: int) -> None:
    runs = []
    for _ in range(2):
        searcher = searcher_of(*size, seed)
        for i in range(10):
            try:
                searcher.assign(f"customer-{i}")
            except NoShardLeftError:
                break
        runs.append(list(searcher.store.shards.items()))
    assert runs[0] == runs[1]


def test_twenty_thousand_zones_of_2048_servers_share_two_at_most() -> None:
    searcher = searcher_of(2048, 4, 2, seed=1)
    for i in range(20_000):
        searcher.assign(f"zone-{i}")
    shards = searcher.store.shards
    triples = Counter(
        triple for shard in shards.values() for triple in itertools.combinations(sorted(shard), 3)
    )
    assert len(shards) == 20_000
    assert set(triples.values()) == {1}
    # So three attempts reach a living worker, whoever is poisonous.
    assert blast_radius(shards, "zone-0", 3) == 0.0


def test_a_searcher_restarted_from_its_shards_goes_on_without_overlap() -> None:
    before = searcher_of(12, 3, 1, seed=1)
    for i in range(6):
        before.assign(f"customer-{i}")
    after = searcher_of(12, 3, 1, seed=2)
    for customer, shard in before.store.shards.items():
        after.store.record(customer, shard)
    assert after.assign("customer-3") == before.store.shards["customer-3"]
    assert max(overlaps(until_exhausted(after))) <= 1


def test_two_searchers_of_one_store_hand_out_every_shard_together() -> None:
    store = ShardStore(8, 2, 1)
    searchers = [ShardSearcher(store, random.Random(seed)) for seed in (1, 2)]
    for i in range(28):
        searchers[i % 2].assign(f"customer-{i}")
    assert len({frozenset(shard) for shard in store.shards.values()}) == 28
    for searcher in searchers:
        with pytest.raises(NoShardLeftError, match="beside 28"):
            searcher.assign("one too many")


def test_a_store_refuses_contradictions_and_is_as_it_was() -> None:
    store = ShardStore(4, 2, 0)
    store.record("old", [0, 1])
    store.record("old", (0, 1))  # the same again is none
    for customer, shard in (
        ("old", (2, 3)),
        ("old", (1, 0)),
        ("new", (1, 2)),
        ("new", (2, 2)),
        ("new", (2,)),
        ("new", (2, 4)),
        ("new", (0, 2, 3)),
    ):
        with pytest.raises(ValueError, match=r"already has|is not 2 of 4|shares too many"):
            store.record(customer, shard)
    assert store.shards == {"old": (0, 1)}
    store.record("new", (3, 2))


def test_a_store_keeps_no_list_of_the_callers() -> None:
    store, shard = ShardStore(4, 2, 0), [0, 1]
    store.record("old", shard)
    shard[0] = 3
    assert store.shards == {"old": (0, 1)}


@given(sizes(9), st.data())
def test_part_of_a_shard_fits_as_long_as_it_has_no_fragment_of_another(
    size: tuple[int, int, int], data: st.DataObject
) -> None:
    workers, shard_size, max_overlap = size
    store = ShardStore(*size)
    taken = data.draw(st.permutations(range(workers)))[:shard_size]
    store.record("taken", taken)
    part = data.draw(st.permutations(range(workers)))[: data.draw(st.integers(0, shard_size))]
    assert store.fits(part) == (len(set(part) & set(taken)) <= max_overlap)


def test_threads_that_assign_at_once_get_different_shards() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for seed in range(10):
            searcher, start = searcher_of(8, 2, 1, seed), threading.Barrier(7)

            def take(thread: int, searcher=searcher, start=start) -> list[Shard]:
                start.wait()
                return [searcher.assign(f"customer-{thread}-{i}") for i in range(4)]

            with ThreadPoolExecutor(7) as pool:
                taken = [shard for shards in pool.map(take, range(7)) for shard in shards]
            assert len({frozenset(shard) for shard in taken}) == 28
    finally:
        sys.setswitchinterval(interval)


def test_threads_that_ask_for_one_customer_get_one_shard() -> None:
    searcher, start = searcher_of(100, 3, 1, seed=1), threading.Barrier(8)

    def take(_: int) -> Shard:
        start.wait()
        return searcher.assign("everybody's")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(take, range(8)))) == 1


@given(sizes(60))
def test_no_bound_is_above_the_number_of_all_shards(size: tuple[int, int, int]) -> None:
    workers, shard_size, max_overlap = size
    assert max_overlap < shard_size
    assert 1 <= most_shards(*size) <= math.comb(workers, shard_size)


@pytest.mark.parametrize("size", [(4, 5, 1), (4, 0, 0), (4, 2, 2), (4, 2, -1)])
def test_senseless_stores_are_refused(size: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"can't be cut|max_overlap"):
        ShardStore(*size)
    with pytest.raises(ValueError, match=r"can't be cut|max_overlap"):
        most_shards(*size)
