"""Shuffle sharding, so that one customer's trouble stays that customer's: lab 1.3.

Workers are numbered from 0. A *shard* is the handful of workers that serve one customer, in the
order in which the customer's client tries them.
"""

import hashlib
import itertools
import math
import random
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from amazonian.resilience.retries import Client, TransientError

Shard = tuple[int, ...]

# How often the searcher draws at random before it searches systematically.
DRAWS = 20


class NoShardLeftError(Exception):
    """Every shard that is left shares too many workers with one that was handed out."""


def validate_size(workers: int, shard_size: int, max_overlap: int = 0) -> None:
    """Refuse a shard that can't be cut from so many workers, and an overlap that says nothing.

    Raises:
        ValueError: `shard_size` is below 1 or above `workers`, or `max_overlap` is not from 0 to
            ``shard_size - 1``.
    """
    if not 1 <= shard_size <= workers:
        raise ValueError(f"a shard of {shard_size} can't be cut from {workers} workers")
    if not 0 <= max_overlap < shard_size:
        raise ValueError(f"max_overlap is from 0 to {shard_size - 1} here, not {max_overlap}")


def overlap_distribution(workers: int, shard_size: int) -> list[float]:
    """How likely two random shards are to share 0, 1, 2, … workers.

    Each shard is any `shard_size` different workers, all choices being equally likely (the
    hypergeometric distribution).

    Args:
        workers: how many there are.
        shard_size: how many of them one customer gets.

    Returns:
        ``shard_size + 1`` probabilities: item `j` is that of sharing exactly `j` workers.

    Raises:
        ValueError: `shard_size` is below 1 or above `workers`.
    """
    validate_size(workers, shard_size)
    return [
        math.comb(shard_size, shared)
        * math.comb(workers - shard_size, shard_size - shared)
        / math.comb(workers, shard_size)
        for shared in range(shard_size + 1)
    ]


def fixed_shard(customer: str, workers: int, shard_size: int) -> Shard:
    """A customer's shard where the workers are cut into groups that have none in common.

    Args:
        customer: a name; the same name gets the same shard in every process.
        workers: how many there are; a multiple of `shard_size`.
        shard_size: how many workers are in a group.

    Raises:
        ValueError: the groups would not come out even, or be empty.
    """
    validate_size(workers, shard_size)
    if workers % shard_size:
        raise ValueError(f"{workers} workers can't be cut into groups of {shard_size}")
    number = int.from_bytes(hashlib.sha256(customer.encode()).digest(), "big")
    group, first = number % (workers // shard_size), number // workers % shard_size
    members = [group * shard_size + place for place in range(shard_size)]
    return tuple(members[first:] + members[:first])


def shuffle_shard(customer: str, workers: int, shard_size: int) -> Shard:
    """A customer's shard, from nothing but the customer's name.

    Every choice of workers is equally likely, in every order. The same name gets the same shard
    in every process and on every machine, and names that are alike do not get shards that are.
    With one worker more (number ``workers``), a shard stays as it is or has one of its workers
    replaced by the new one.

    Args:
        customer: a name, any text.
        workers: how many there are.
        shard_size: how many of them the customer gets.

    Returns:
        `shard_size` different numbers from 0 to ``workers - 1``.

    Raises:
        ValueError: `shard_size` is below 1 or above `workers`.
    """
    validate_size(workers, shard_size)

    def rank(worker: int) -> bytes:
        return hashlib.sha256(f"{customer}/{worker}".encode()).digest()

    return tuple(sorted(range(workers), key=rank)[:shard_size])


def blast_radius(shards: Mapping[str, Shard], poison: str, attempts: int) -> float:
    """The share of the other customers whose calls fail once one customer's whole shard is dead.

    A client tries the workers of its shard in the shard's order, at most `attempts` of them, and
    its call fails if all that it tries are dead. Shards may differ in size, and `attempts` may
    exceed it. All workers of the poison customer are dead, whatever `attempts` is.

    Args:
        shards: from each customer's name to its shard; at least two customers. It stays as it is.
        poison: the customer whose requests kill each worker that takes one.
        attempts: how many workers a client tries; 1 means that it does not retry.

    Returns:
        From 0 to 1. The poison customer itself does not count, neither above nor below the line.
        Another customer counts even if its shard is the same.

    Raises:
        ValueError: `poison` has no shard, there are no other customers, or `attempts` is below 1.
    """
    if poison not in shards or len(shards) < 2 or attempts < 1:
        raise ValueError(f"needed: a shard for {poison!r}, another customer, 1 attempt or more")
    dead = set(shards[poison])
    lost = sum(
        dead.issuperset(shard[:attempts])
        for customer, shard in shards.items()
        if customer != poison
    )
    return lost / (len(shards) - 1)


def most_shards(workers: int, shard_size: int, max_overlap: int) -> int:
    """No searcher can hand out more shards than this, of which no two share more workers.

    Each shard uses up its subsets of ``max_overlap + 1`` workers, and there are only so many.
    """
    validate_size(workers, shard_size, max_overlap)
    fragment = max_overlap + 1
    return math.comb(workers, fragment) // math.comb(shard_size, fragment)


@dataclass(eq=False)
class ShardStore:
    """The shards handed out, of which no two share more than `max_overlap` workers.

    It remembers every subset of ``max_overlap + 1`` workers of each shard, its *fragments*: two
    shards share too many workers just if they share a fragment. So whether one more shard fits
    takes a few look-ups, however many there are. (The library awslabs/route53-infima keeps
    fragments for the same purpose.)

    Args:
        workers: how many there are.
        shard_size: how many of them one customer gets.
        max_overlap: how many any two customers may share, from 0 to ``shard_size - 1``.

    Attributes:
        shards: from each customer to its shard. Keep it, and `record` it again after a restart.
        used: the fragments of all shards, each in ascending order.
        lock: held by `record`; hold it yourself over steps that belong together.

    Raises:
        ValueError: an argument out of its range.
    """

    workers: int
    shard_size: int
    max_overlap: int
    shards: dict[str, Shard] = field(default_factory=dict, init=False, repr=False)
    used: set[Shard] = field(default_factory=set, init=False, repr=False)
    lock: AbstractContextManager = field(default_factory=threading.RLock, init=False, repr=False)

    def __post_init__(self):
        validate_size(self.workers, self.shard_size, self.max_overlap)

    def fragments(self, chosen: Iterable[int]) -> Iterator[Shard]:
        """Each subset of ``max_overlap + 1`` of the `chosen` workers, in ascending order.

        (7, 0) and (0, 7) are one set, so each is written in one way.
        """
        return itertools.combinations(sorted(chosen), self.max_overlap + 1)

    def fits(self, chosen: Iterable[int]) -> bool:
        """Whether none of the fragments of these workers (a whole shard or fewer) is used.

        What does not fit will never fit, as the store only grows.
        """
        return self.used.isdisjoint(self.fragments(chosen))

    def record(self, customer: str, shard: Iterable[int]) -> None:
        """Keep a customer's shard. The same one again, in the same order, changes nothing.

        Raises:
            ValueError: the customer has another shard (another order is another shard); this one
                is not `shard_size` different workers; or it shares too many with one that is
                handed out. Nothing has changed.
        """
        shard = tuple(shard)
        with self.lock:
            if self.shards.get(customer) == shard:
                return
            if customer in self.shards:
                raise ValueError(f"{customer} already has the shard {self.shards[customer]}")
            known = set(range(self.workers)).intersection(shard)
            if not len(shard) == len(known) == self.shard_size:
                raise ValueError(f"{shard} is not {self.shard_size} of {self.workers} workers")
            if not self.fits(shard):
                raise ValueError(f"{shard} shares too many workers with another shard")
            self.used.update(self.fragments(shard))
            self.shards[customer] = shard


class ShardSearcher:
    """Finds shards that fit into a store, as long as there are any.

    (After the StatefulSearchingShuffleSharder of the library awslabs/route53-infima.)
    """

    def __init__(self, store: ShardStore, rng: random.Random):
        """Begin a search that has not looked at any shard yet.

        Args:
            store: the shards handed out so far, by this searcher or others. Its `workers` and
                `shard_size` say what a shard is, its `fits` and `record` do the remembering.
            rng: the source of all randomness; the same seed hands out the same shards. After a
                restart take another seed, else the first draws repeat what is taken.
        """
        self.store, self.rng = store, rng
        self.order = rng.sample(range(store.workers), store.workers)
        self.left = self.search((), 0)

    def search(self, chosen: Shard, place: int) -> Iterator[Shard]:
        """Every shard that fits, of those that begin with `chosen` and go on in `self.order`.

        A beginning that does not fit is not gone on with. Any order of the workers will do.

        Args:
            chosen: the workers chosen so far, which fit.
            place: where in `self.order` the next may come from, and after.
        """
        if len(chosen) == self.store.shard_size:
            yield chosen
            return
        for at in range(place, self.store.workers):
            longer = (*chosen, self.order[at])
            if self.store.fits(longer):
                yield from self.search(longer, at + 1)

    def assign(self, customer: str) -> Shard:
        """The shard of a customer: the one that the store has, or a new one, which it records.

        A new one is drawn at random, `DRAWS` times at most, so that all workers get their share.
        If none of the draws fits, it comes from the search, which goes on where it stopped: one
        walk through all shards serves all calls together, and a refusal does not restart it.
        Whether a shard fits, `store.fits` is asked first; `store.record` is not the test.

        Returns:
            `shard_size` different numbers from 0 to ``workers - 1``, in random order, whether
            they were drawn or searched for.

        Raises:
            NoShardLeftError: no shard fits any more beside those that were handed out. (Others
                from the beginning might have left room for more.)
        """
        store = self.store
        with store.lock:
            if customer not in store.shards:
                draws = (self.rng.sample(self.order, store.shard_size) for _ in range(DRAWS))
                found = next(filter(store.fits, itertools.chain(draws, self.left)), None)
                if found is None:
                    raise NoShardLeftError(f"add workers: no shard fits beside {len(store.shards)}")
                store.record(customer, self.rng.sample(found, store.shard_size))
            return store.shards[customer]


class WorkerPool:
    """Workers of which each dies of the first poisoned request that it takes."""

    def __init__(self, workers: int):
        self.workers = workers
        self.dead: set[int] = set()

    def handle(self, worker: int, poisoned: bool = False) -> int:
        """Let a worker answer, with its number.

        Raises:
            TransientError: it is dead, or dies of this.
        """
        if worker not in range(self.workers):
            raise ValueError(f"there is no worker {worker} among {self.workers}")
        if poisoned:
            self.dead.add(worker)
        if worker in self.dead:
            raise TransientError(f"worker {worker} is dead")
        return worker


def call_shard(pool: WorkerPool, shard: Shard, client: Client, poisoned: bool = False) -> int:
    """One call through lab 1.1's `retry`, each attempt at the next worker of the shard.

    Raises:
        TransientError: every attempt met a dead worker.
    """
    untried = itertools.cycle(shard)
    return client.call(lambda timeout_s: pool.handle(next(untried), poisoned), idempotent=True)
