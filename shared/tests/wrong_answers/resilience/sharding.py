"""Wrong answers to lab 1.3: shards."""

import hashlib
import itertools
import math
import random

from amazonian.resilience import sharding
from amazonian.resilience.sharding import validate_size
from wrong_answers import wrong

# --- overlap_distribution


@wrong(sharding, feedback="fix one shard. How many of the others have j workers in it")
def overlap_distribution__draws_with_replacement(workers, shard_size):
    validate_size(workers, shard_size)
    p = shard_size / workers
    return [
        math.comb(shard_size, j) * p**j * (1 - p) ** (shard_size - j) for j in range(shard_size + 1)
    ]


@wrong(sharding, feedback="Of the 28 pairs of 8 workers")
def overlap_distribution__counts_ordered_shards(workers, shard_size):
    validate_size(workers, shard_size)
    return [
        math.comb(shard_size, j)
        * math.comb(workers - shard_size, shard_size - j)
        / math.perm(workers, shard_size)
        for j in range(shard_size + 1)
    ]


@wrong(sharding, feedback="2 items instead of 3")
def overlap_distribution__leaves_out_the_full_overlap(workers, shard_size):
    return sharding_overlaps(workers, shard_size)[:-1]


@wrong(sharding, feedback="item 0: 1.0 instead of 0.5357142857142857")
def overlap_distribution__says_at_least_instead_of_exactly(workers, shard_size):
    exactly = sharding_overlaps(workers, shard_size)
    return [math.fsum(exactly[j:]) for j in range(len(exactly))]


def sharding_overlaps(workers, shard_size):
    """The right answer, to go wrong from."""
    validate_size(workers, shard_size)
    return [
        math.comb(shard_size, j)
        * math.comb(workers - shard_size, shard_size - j)
        / math.comb(workers, shard_size)
        for j in range(shard_size + 1)
    ]


# --- shuffle_shard


@wrong(sharding, feedback="hash() of a text differs from process to process")
def shuffle_shard__uses_the_builtin_hash(customer, workers, shard_size):
    validate_size(workers, shard_size)
    return tuple(random.Random(hash(customer)).sample(range(workers), shard_size))


@wrong(sharding, feedback="the module `random` was drawn from, or seeded")
def shuffle_shard__seeds_everybodys_generator(customer, workers, shard_size):
    validate_size(workers, shard_size)
    random.seed(customer)
    return tuple(random.sample(range(workers), shard_size))


@wrong(sharding, feedback="With one worker more, a shard keeps its workers")
def shuffle_shard__reshuffles_everybody_for_a_new_worker(customer, workers, shard_size):
    validate_size(workers, shard_size)
    return tuple(random.Random(customer).sample(range(workers), shard_size))


@wrong(sharding, feedback="Any worker may meet any other")
def shuffle_shard__takes_neighbours(customer, workers, shard_size):
    validate_size(workers, shard_size)
    first = int.from_bytes(hashlib.sha256(customer.encode()).digest(), "big")
    return tuple((first + i) % workers for i in range(shard_size))


@wrong(sharding, feedback="4 different numbers from 0 to 3")
def shuffle_shard__may_take_a_worker_twice(customer, workers, shard_size):
    validate_size(workers, shard_size)
    digest = hashlib.sha256(customer.encode()).digest()
    return tuple(digest[i] % workers for i in range(shard_size))


@wrong(sharding, feedback="do not sort it by number")
def shuffle_shard__sorts_the_shard(customer, workers, shard_size):
    return tuple(sorted(ranked(customer, workers, shard_size)))


def ranked(customer, workers, shard_size):
    """The right answer, to go wrong from."""
    validate_size(workers, shard_size)
    return sorted(
        range(workers),
        key=lambda worker: hashlib.sha256(f"{customer}/{worker}".encode()).digest(),
    )[:shard_size]


# --- blast_radius


def _refuse(shards, poison, attempts):
    if poison not in shards or len(shards) < 2 or attempts < 1:
        raise ValueError


@wrong(sharding, feedback="only one has both of its workers in the dead shard")
def blast_radius__counts_whoever_shares_a_worker(shards, poison, attempts):
    _refuse(shards, poison, attempts)
    dead = set(shards[poison])
    others = [shard for customer, shard in shards.items() if customer != poison]
    return sum(bool(dead & set(shard[:attempts])) for shard in others) / len(others)


@wrong(sharding, feedback="'first dead' never tries its second worker")
def blast_radius__lets_everybody_retry(shards, poison, attempts):
    _refuse(shards, poison, attempts)
    dead = set(shards[poison])
    others = [shard for customer, shard in shards.items() if customer != poison]
    return sum(dead.issuperset(shard) for shard in others) / len(others)


@wrong(sharding, feedback="of the four others")
def blast_radius__counts_the_poison_customer(shards, poison, attempts):
    _refuse(shards, poison, attempts)
    dead = set(shards[poison])
    return sum(dead.issuperset(shard[:attempts]) for shard in shards.values()) / len(shards)


@wrong(sharding, feedback="A client that makes fewer attempts tries only the first workers")
def blast_radius__kills_as_many_as_the_client_tries(shards, poison, attempts):
    _refuse(shards, poison, attempts)
    dead = set(shards[poison][:attempts])
    others = [shard for customer, shard in shards.items() if customer != poison]
    return sum(dead.issuperset(shard[:attempts]) for shard in others) / len(others)


@wrong(sharding, feedback="More attempts than a shard has workers change nothing")
def blast_radius__counts_attempts_instead_of_workers(shards, poison, attempts):
    _refuse(shards, poison, attempts)
    dead = set(shards[poison])
    others = [shard for customer, shard in shards.items() if customer != poison]
    lost = sum(len(dead & set(shard[:attempts])) == attempts for shard in others)
    return lost / len(others)


@wrong(sharding, feedback="is a ValueError")
def blast_radius__of_no_attempt_is_everybody(shards, poison, attempts):
    dead = set(shards[poison])
    others = [shard for customer, shard in shards.items() if customer != poison]
    return sum(dead.issuperset(shard[:attempts]) for shard in others) / len(others)


# --- ShardSearcher


@wrong(sharding, feedback="draws at random may miss the last one")
class ShardSearcher__only_draws(sharding.ShardSearcher):
    def assign(self, customer):
        if customer not in self.shards:
            draws = (self.rng.sample(self.order, self.shard_size) for _ in range(60))
            found = next(filter(self.fits, draws), None)
            if found is None:
                raise sharding.NoShardLeftError
            self.record(customer, tuple(found))
        return self.shards[customer]


@wrong(sharding, feedback="nothing within 10 s")
class ShardSearcher__draws_until_one_fits(sharding.ShardSearcher):
    def assign(self, customer):
        while customer not in self.shards:
            found = self.rng.sample(self.order, self.shard_size)
            if self.fits(found):
                self.record(customer, tuple(found))
        return self.shards[customer]


@wrong(sharding, feedback="draw at random first; search in order only when the draws do not fit")
class ShardSearcher__only_searches(sharding.ShardSearcher):
    def assign(self, customer):
        if customer not in self.shards:
            found = next(filter(self.fits, self.left), None)
            if found is None:
                raise sharding.NoShardLeftError
            self.record(customer, tuple(self.rng.sample(found, self.shard_size)))
        return self.shards[customer]


@wrong(sharding, feedback="every set of 2 workers of a shard handed out must be remembered")
class ShardSearcher__only_avoids_the_same_shard(sharding.ShardSearcher):
    def fragments(self, chosen):
        yield tuple(sorted(chosen))


@wrong(sharding, feedback="look up its fragments in one set")
class ShardSearcher__compares_with_every_customer(sharding.ShardSearcher):
    def fits(self, chosen):
        mine = set(chosen)
        return not any(len(mine & set(s)) > self.max_overlap for s in self.shards.values())


@wrong(sharding, feedback="goes on with the next worker after a dead end")
class ShardSearcher__does_not_backtrack(sharding.ShardSearcher):
    def search(self, chosen, place):
        for at in range(place, self.workers):
            if len(chosen) < self.shard_size and self.fits((*chosen, self.order[at])):
                chosen = (*chosen, self.order[at])
        if len(chosen) == self.shard_size:
            yield chosen

    def assign(self, customer):
        self.left = self.search((), 0)
        return super().assign(customer)


@wrong(sharding, feedback="and the same ones whenever it asks")
class ShardSearcher__forgets_who_has_what(sharding.ShardSearcher):
    def assign(self, customer):
        self.shards.pop(customer, None)
        return super().assign(customer)


@wrong(sharding, feedback="all randomness comes from the rng that was passed in")
class ShardSearcher__draws_from_its_own_generator(sharding.ShardSearcher):
    def __init__(self, workers, shard_size, max_overlap, rng):
        super().__init__(workers, shard_size, max_overlap, random.Random())


@wrong(sharding, feedback="a record that was refused must leave no fragments behind")
class ShardSearcher__records_before_it_looks(sharding.ShardSearcher):
    def record(self, customer, shard):
        fitted = self.fits(shard) or self.shards.get(customer) == shard
        self.used.update(itertools.combinations(sorted(shard), self.max_overlap + 1))
        if self.shards.get(customer, shard) != shard or not fitted:
            raise ValueError
        if len(set(shard)) != self.shard_size or max(shard) >= self.workers:
            raise ValueError
        self.shards[customer] = shard


@wrong(sharding, feedback="workers 2 and 3: 0 and 1 are taken")
class ShardSearcher__writes_the_recorded_down_only(sharding.ShardSearcher):
    def record(self, customer, shard):
        if customer in self.shards and self.shards[customer] != shard:
            raise ValueError
        if len(set(shard)) != self.shard_size or not self.fits(shard):
            raise ValueError
        self.shards[customer] = shard

    def assign(self, customer):
        before = set(self.shards)
        shard = super().assign(customer)
        if customer not in before:
            self.used.update(self.fragments(shard))
        return shard


EQUIVALENT: dict[str, str] = {}
