"""What lab 1.3 asks of shards: how they overlap, how they are chosen, whom they protect."""

import builtins
import itertools
import math
import random
import time
from collections import Counter
from contextlib import contextmanager

from amazonian.course.evidence import Seeded, call, fail, given
from amazonian.course.rules import RulesFor
from amazonian.resilience.sharding import NoShardLeftError

about = RulesFor("amazonian.resilience.sharding")


# --- overlap_distribution ---------------------------------------------------------------------


@about.rule("overlap_distribution")
def two_of_eight(overlap_distribution):
    """Of the 28 pairs of 8 workers, 15 share none with a given pair, 12 share one, and 1 is the
    same."""
    call(overlap_distribution, 8, 2).close_to(
        [15 / 28, 12 / 28, 1 / 28],
        look="fix one shard. How many of the others have j workers in it and the rest outside?",
    )


@about.rule("overlap_distribution")
def any_sizes(overlap_distribution):
    """The same holds for any sizes: item j counts the choices of j inside and the rest outside."""
    for workers, size in ((100, 5), (2048, 4), (6, 1)):
        wanted = [
            math.comb(size, j) * math.comb(workers - size, size - j) / math.comb(workers, size)
            for j in range(size + 1)
        ]
        for j, (value, target) in enumerate(
            zip(_probabilities(overlap_distribution, workers, size), wanted, strict=True)
        ):
            if not math.isclose(value, target, rel_tol=1e-6):
                raise fail(f"item {j} is {value:.6g}", f"{target:.6g}", "the count of item j")


def _probabilities(overlap_distribution, workers, size):
    return call(overlap_distribution, workers, size).satisfies(
        lambda value: len(value) == size + 1 and abs(sum(value) - 1) < 1e-9,
        f"{size + 1} probabilities, for 0 to {size} shared workers, that add up to 1",
    )


@about.rule("overlap_distribution")
def large_shards_must_overlap(overlap_distribution):
    """Where two shards can't help sharing some workers, sharing fewer has probability 0."""
    call(overlap_distribution, 5, 4).close_to([0, 0, 0, 4 / 5, 1 / 5])
    call(overlap_distribution, 3, 3).close_to([0, 0, 0, 1])


@about.rule("overlap_distribution")
def no_such_shards(overlap_distribution):
    """A shard of no workers, or of more than there are, is a ValueError."""
    call(overlap_distribution, 4, 0).raises(ValueError, look="validate_size refuses both")
    call(overlap_distribution, 4, 5).raises(ValueError)


about.hints(
    "overlap_distribution",
    "Deal one shard and lay it on the table. Of all other shards, how many take just one from it?",
    """
    Sharing j means: j of the shard_size workers on the table, and the other shard_size - j out
    of the workers that are not. math.comb(n, k) counts each of the two choices; their product is
    taken out of all the shards that there are.
    """,
    """
    return [
        math.comb(shard_size, shared) * math.comb(…, shard_size - shared) / math.comb(…)
        for shared in range(…)          # 0 to shard_size, both included
    ]
    """,
)


# --- shuffle_shard ----------------------------------------------------------------------------

NAMES = ("alice", "mallory", "Kaffeerösterei", "", "customer-0017")


@about.rule("shuffle_shard")
def different_workers_of_those_there_are(shuffle_shard):
    """A shard is `shard_size` different workers, numbered from 0 to workers - 1."""
    for name, (workers, size) in itertools.product(NAMES, ((8, 2), (4, 4), (100, 5), (3, 1))):
        call(shuffle_shard, name, workers, size).satisfies(
            lambda shard, workers=workers, size=size: _is_shard(shard, workers, size),
            f"a tuple of {size} different numbers from 0 to {workers - 1}",
        )


def _is_shard(shard, workers, size):
    return (
        isinstance(shard, list)
        and len(shard) == len(set(shard)) == size
        and all(type(worker) is int and 0 <= worker < workers for worker in shard)
    )


@about.rule("shuffle_shard")
def the_same_in_every_process(shuffle_shard):
    """The same name gets the same shard every time, in this process and in any other."""
    for name in NAMES[:3]:
        before = random.getstate()
        first = call(shuffle_shard, name, 100, 5).value()
        if random.getstate() != before:
            raise fail(
                "the module `random` was drawn from, or seeded",
                "it is left alone: others in this process draw from it too",
                "everything that may decide is in the name; hashlib mixes it well",
            )
        call(shuffle_shard, name, 100, 5).equals(first)
        given("another process, in which the built-in hash() of a text is another number")
        with _another_hash():
            answer = call(shuffle_shard, name, 100, 5)
        answer.equals(
            first, look="hash() of a text differs from process to process; hashlib's do not"
        )


@contextmanager
def _another_hash():
    ours = builtins.hash
    builtins.hash = lambda value: ours(("another process", value))
    try:
        yield
    finally:
        builtins.hash = ours


@about.rule("shuffle_shard")
def every_choice_is_as_likely(shuffle_shard):
    """All shards come up equally often, and each worker is as often the first to be tried."""
    shards = [
        tuple(
            call(shuffle_shard, f"customer-{i}", 8, 2).satisfies(
                lambda shard: _is_shard(shard, 8, 2), "2 different numbers from 0 to 7"
            )
        )
        for i in range(2_800)
    ]
    given("2,800 customers, customer-0 to customer-2799, on 8 workers")
    pairs = Counter(frozenset(shard) for shard in shards)
    for pair in map(frozenset, itertools.combinations(range(8), 2)):
        if not 50 <= pairs[pair] <= 150:
            raise fail(
                f"{pairs[pair]} of them got the workers {sorted(pair)}",
                "about 100, as for each of the 28 pairs",
                "neighbours only, or one half of the workers? Any worker may meet any other",
            )
    firsts = Counter(shard[0] for shard in shards)
    for worker in range(8):
        if not 250 <= firsts[worker] <= 450:
            raise fail(
                f"{firsts[worker]} of them try worker {worker} first",
                "about 350, as for each of the 8 workers",
                "a shard is in the order in which it is tried: do not sort it by number",
            )


@about.rule("shuffle_shard")
def a_new_worker_moves_few(shuffle_shard):
    """With one worker more, a shard keeps its workers, but for one that the new one may replace."""
    for i in range(60):
        few = call(shuffle_shard, f"customer-{i}", 8, 3).value()
        answer = call(shuffle_shard, f"customer-{i}", 9, 3)
        answer.satisfies(
            lambda many, few=few: set(many) - {8} <= set(few),
            f"workers of {few}, its shard of 8 workers, and at most worker 8 as well",
            "do not let `workers` decide about every place: let each worker have a rank of its "
            "own for this customer",
        )


@about.rule("shuffle_shard")
def no_such_shard(shuffle_shard):
    """A shard of no workers, or of more than there are, is a ValueError."""
    call(shuffle_shard, "alice", 4, 0).raises(ValueError, look="validate_size refuses both")
    call(shuffle_shard, "alice", 4, 5).raises(ValueError)


about.hints(
    "shuffle_shard",
    """
    Suppose that every worker had a number of its own for this customer, as good as random but
    always the same. How would you take three of them?
    """,
    """
    Give each worker a rank: a SHA-256 digest of the customer's name together with the worker's
    number. Sort the workers by it, and the first of them are the shard. A new worker gets a rank
    between the others and moves nobody else's. (This is called rendezvous hashing.)
    """,
    """
    def rank(worker):
        return hashlib.sha256(f"{customer}/{…}".encode()).digest()
    return tuple(sorted(range(workers), key=rank)[:…])
    """,
)


# --- blast_radius -----------------------------------------------------------------------------

SHARDS = {
    "mallory": (0, 1),
    "all dead": (1, 0),
    "first dead": (0, 5),
    "second dead": (6, 1),
    "apart": (2, 3),
}


@about.rule("blast_radius")
def whoever_has_one_worker_left_is_saved(blast_radius):
    """A client that tries its whole shard loses its call only if all of its workers are dead."""
    call(blast_radius, SHARDS, "mallory", 2).close_to(
        1 / 4, look="of the four others, only one has both of its workers in the dead shard"
    )
    three = {"p": (4, 2, 7), "a": (7, 4, 2), "b": (2, 4, 1), "c": (0, 1, 3)}
    call(blast_radius, three, "p", 3).close_to(1 / 3)
    call(blast_radius, three, "b", 3).close_to(0.0)


@about.rule("blast_radius")
def without_retries_the_first_decides(blast_radius):
    """A client that makes fewer attempts tries only the first workers of its shard."""
    call(blast_radius, SHARDS, "mallory", 1).close_to(
        2 / 4, look="with one attempt, 'first dead' never tries its second worker"
    )
    three = {"p": (4, 2, 7), "a": (7, 4, 0), "b": (2, 0, 4), "c": (0, 4, 2)}
    call(blast_radius, three, "p", 2).close_to(1 / 3)


@about.rule("blast_radius")
def more_attempts_than_workers(blast_radius):
    """More attempts than a shard has workers change nothing: there is no further worker to try."""
    call(blast_radius, SHARDS, "mallory", 5).close_to(1 / 4)


@about.rule("blast_radius")
def the_others_only(blast_radius):
    """The poison customer counts neither among the lost nor among all; only its shard does."""
    call(blast_radius, {"mallory": (0, 1), "bob": (0, 1)}, "mallory", 2).close_to(
        1.0, look="bob is somebody else, although his shard is the same"
    )
    call(blast_radius, {"mallory": (0, 1), "bob": (2, 1)}, "mallory", 2).close_to(0.0)
    call(blast_radius, SHARDS, "apart", 2).close_to(0.0)


@about.rule("blast_radius")
def questions_without_an_answer(blast_radius):
    """A poison customer without a shard, nobody else, or no attempt at all is a ValueError."""
    call(blast_radius, SHARDS, "nobody", 2).raises(ValueError)
    call(blast_radius, {"mallory": (0, 1)}, "mallory", 2).raises(ValueError)
    call(blast_radius, SHARDS, "mallory", 0).raises(ValueError)


about.hints(
    "blast_radius",
    "Which workers are dead? And which of its workers does one other client get to try?",
    """
    The dead are the workers of shards[poison]. A client tries shard[:attempts], and is lost if
    every one of these is dead. Count the lost among the others, and divide by their number.
    """,
    """
    dead = set(shards[poison])
    lost = sum(dead.issuperset(…) for customer, shard in shards.items() if …)
    return lost / (len(shards) - 1)
    and first the test that raises ValueError
    """,
)


# --- ShardSearcher ----------------------------------------------------------------------------


SEARCH = (
    "draws at random may miss the last one; only a search that tries every shard, and goes on with "
    "the next worker after a dead end, may say that none is left"
)


def _searcher(searcher_class, workers, size, overlap, seed=1):
    return call(searcher_class, workers, size, overlap, Seeded(seed)).made


def _handed_out(searcher, workers, size, most):
    """The shards of customer-0, customer-1, … until there are `most`, or no more."""
    shards = []
    for i in range(most):
        answer = call(searcher.assign, f"customer-{i}")
        if isinstance(answer.error, NoShardLeftError):
            break
        shard = answer.satisfies(
            lambda shard: _is_shard(shard, workers, size),
            f"{size} different numbers from 0 to {workers - 1}, or NoShardLeftError",
        )
        shards.append(tuple(shard))
    return shards


def _no_two_share_more(shards, overlap):
    for (i, one), (j, other) in itertools.combinations(enumerate(shards), 2):
        if len(set(one) & set(other)) > overlap:
            raise fail(
                f"customer-{i} got {one} and customer-{j} got {other}: "
                f"{len(set(one) & set(other))} workers in common",
                f"no two share more than {overlap}",
                f"every set of {overlap + 1} workers of a shard handed out must be remembered",
            )


@about.rule("ShardSearcher")
def each_customer_keeps_its_shard(searcher_class):
    """A customer gets `shard_size` different workers, and the same ones whenever it asks."""
    searcher = _searcher(searcher_class, 10, 3, 1)
    first, second = _handed_out(searcher, 10, 3, 2)
    call(searcher.assign, "customer-0").equals(first)
    call(searcher.assign, "customer-1").equals(second)
    call(lambda: searcher.shards, shown_as="searcher.shards").equals(
        {"customer-0": first, "customer-1": second}
    )


@about.rule("ShardSearcher")
def no_two_share_more_than_promised(searcher_class):
    """No two customers share more than max_overlap workers."""
    for workers, size, overlap in ((12, 3, 1), (16, 4, 2), (30, 3, 0)):
        searcher = _searcher(searcher_class, workers, size, overlap)
        _no_two_share_more(_handed_out(searcher, workers, size, 10), overlap)


@about.rule("ShardSearcher")
def every_shard_is_found(searcher_class):
    """While any shard is left that fits, it is found: of 8 workers, all 28 pairs, or 4 disjoint
    ones."""
    for workers, size, overlap, wanted in (
        (8, 2, 1, 28),
        (8, 2, 0, 4),
        (6, 3, 2, 20),
        (5, 1, 0, 5),
    ):
        searcher = _searcher(searcher_class, workers, size, overlap)
        shards = _handed_out(searcher, workers, size, wanted)
        _no_two_share_more(shards, overlap)
        if len(shards) < wanted:
            raise fail(
                f"NoShardLeftError after {len(shards)} shards",
                f"{wanted} shards of {size} of {workers} workers, sharing at most {overlap}",
                SEARCH,
            )
    for seed in range(4):
        searcher = _searcher(searcher_class, 9, 4, 2, seed)
        shards = _handed_out(searcher, 9, 4, 126)
        _no_two_share_more(shards, 2)
        for missed in itertools.combinations(range(9), 4):
            if all(len(set(missed) & set(shard)) <= 2 for shard in shards):
                raise fail(
                    f"NoShardLeftError after {len(shards)} shards",
                    f"there is room for another, {missed}",
                    SEARCH,
                )


@about.rule("ShardSearcher")
def the_last_of_a_thousand(searcher_class):
    """Even the last of 1,540 shards, which random draws would seldom hit, is found."""
    searcher = _searcher(searcher_class, 22, 3, 2)

    def last_of_all():
        for i in range(1_540):
            searcher.assign(f"customer-{i}")
        return len({frozenset(shard) for shard in searcher.shards.values()})

    call(last_of_all, shown_as="searcher.assign for 1,540 customers; different shards").equals(
        1_540, look="all C(22, 3) of them are allowed, since two may share 2 of 3 workers"
    )


@about.rule("ShardSearcher")
def it_says_when_none_is_left(searcher_class):
    """When no shard is left a new customer is a NoShardLeftError, and the old keep theirs."""
    searcher = _searcher(searcher_class, 8, 2, 0)
    shards = _handed_out(searcher, 8, 2, 4)
    for _ in range(2):
        call(searcher.assign, "one too many").raises(NoShardLeftError)
    call(searcher.assign, "customer-3").equals(shards[3])
    if len(call(lambda: searcher.shards, shown_as="searcher.shards").value()) != 4:
        raise fail("another number of customers in searcher.shards", "4", "record only successes")


@about.rule("ShardSearcher")
def repeatable_from_its_seed(searcher_class):
    """The same seed hands out the same shards, and another seed others."""
    runs = [_handed_out(_searcher(searcher_class, 9, 3, 1, seed), 9, 3, 12) for seed in (5, 5, 6)]
    if runs[0] != runs[1]:
        raise fail(
            f"{runs[0][:3]}… and {runs[1][:3]}…",
            "the same twice",
            "all randomness comes from the rng that was passed in",
        )
    if runs[0] == runs[2]:
        raise fail(f"{runs[0][:3]}… with both seeds", "others with another seed")


@about.rule("ShardSearcher")
def all_workers_get_their_share(searcher_class):
    """Workers get about equally many customers, and are about equally often the first of a
    shard."""
    searcher = _searcher(searcher_class, 20, 3, 2)

    def loads():
        shards = [searcher.assign(f"customer-{i}") for i in range(400)]
        firsts = Counter(shard[0] for shard in shards)
        total = Counter(worker for shard in shards for worker in shard)
        return [max(total.values()), min(total[i] for i in range(20)), max(firsts.values())]

    most, least, first = call(
        loads, shown_as="400 customers on 20 workers: [most, fewest, most often first]"
    ).satisfies(lambda value: len(value) == 3, "three numbers")
    if most > 90 or least < 30:
        raise fail(
            f"one worker has {most} customers, another {least}",
            "about 60 each",
            "draw at random first; search in order only when the draws do not fit",
        )
    if first > 44:
        raise fail(
            f"one worker is the first of {first} shards",
            "about 20",
            "a shard is in the order in which it is tried: draw that too, do not sort",
        )


@about.rule("ShardSearcher")
def the_thousandth_is_no_slower(searcher_class):
    """The time for one more customer does not grow with the number of customers before."""
    searcher = _searcher(searcher_class, 2048, 4, 2)

    def milliseconds():
        # CPU time of each hundred, up to three in a row that all take far longer than the first.
        names, spent_ms = iter(range(4_000)), []
        for _ in range(40):
            start_s = time.process_time()
            for i in itertools.islice(names, 100):
                searcher.assign(f"customer-{i}")
            spent_ms.append(1000 * (time.process_time() - start_s))
            if min(spent_ms[-3:]) > 5 * max(spent_ms[:3]):
                break
        return [max(spent_ms[:3]), min(spent_ms[-3:]), 100 * len(spent_ms)]

    early_ms, late_ms, served = call(
        milliseconds,
        shown_as="customers on 2,048 workers: [ms for 100 at first, for 100 at last, customers]",
    ).satisfies(lambda value: len(value) == 3, "three numbers")
    if late_ms > 5 * early_ms:
        raise fail(
            f"{early_ms:.1f} ms for a hundred customers at first, "
            f"{late_ms:.1f} ms for the last hundred of {served:,}",
            "about the same",
            "do not compare with each shard before: look up its fragments in one set",
        )


@about.rule("ShardSearcher")
def recorded_shards_count(searcher_class):
    """A recorded shard belongs to its customer, and to what later shards may not overlap."""
    searcher = _searcher(searcher_class, 4, 2, 0)
    call(searcher.record, "old", (1, 0)).equals(None)
    call(searcher.record, "old", (1, 0)).equals(None, look="the same again is no contradiction")
    call(searcher.assign, "old").equals((1, 0))
    call(searcher.assign, "new").satisfies(
        lambda shard: set(shard) == {2, 3}, "workers 2 and 3: 0 and 1 are taken"
    )
    call(searcher.assign, "third").raises(NoShardLeftError)
    given("another searcher, whose shards may share one worker")
    searcher = _searcher(searcher_class, 5, 3, 1)
    call(searcher.record, "old", (4, 2, 0)).equals(None)
    call(searcher.record, "other", (0, 1, 3)).equals(None, look="one shared worker is allowed")


@about.rule("ShardSearcher")
def contradictions_are_refused(searcher_class):
    """What can't be recorded is a ValueError and changes nothing."""
    searcher = _searcher(searcher_class, 4, 2, 0)
    call(searcher.record, "old", (0, 1)).equals(None)
    for customer, shard, why in (
        ("old", (2, 3), "the customer has another shard already"),
        ("new", (1, 2), "worker 1 is taken, and the overlap allowed is 0"),
        ("new", (2, 2), "these are not two different workers"),
        ("new", (2,), "a shard has two workers here"),
        ("new", (2, 4), "workers are numbered from 0 to 3"),
        ("new", (0, 2, 3), "a shard has two workers here"),
    ):
        call(searcher.record, customer, shard).raises(ValueError, look=why)
    call(lambda: searcher.shards, shown_as="searcher.shards").equals({"old": (0, 1)})
    call(searcher.record, "new", (3, 2)).equals(
        None, look="a record that was refused must leave no fragments behind"
    )


@about.rule("ShardSearcher")
def senseless_searchers_are_refused(searcher_class):
    """A shard that can't be cut, or an overlap that promises nothing, is a ValueError."""
    for workers, size, overlap in ((4, 5, 1), (4, 0, 0), (4, 2, 2), (4, 2, -1)):
        call(searcher_class, workers, size, overlap, Seeded(1)).raises(
            ValueError, look="1 <= shard_size <= workers and 0 <= max_overlap < shard_size"
        )


about.hints(
    "ShardSearcher",
    """
    Two shards share more than max_overlap workers just if some max_overlap + 1 workers are in
    both. Which question could you then ask of one set, instead of asking every shard?
    """,
    """
    Keep a set of fragments: sorted tuples of max_overlap + 1 workers, from itertools.combinations.
    Workers fit if none of their fragments is in the set. assign: draw some shards with rng.sample;
    if none fits, take the next from a search that was begun once, in __init__, and goes on where
    it stopped. The search adds one worker at a time to a beginning that fits, and calls itself.
    """,
    """
    def search(self, chosen, place):
        if len(chosen) == self.shard_size:
            yield chosen
            return
        for at in range(place, self.workers):
            longer = (*chosen, self.order[at])
            if self.fits(longer):
                yield from self.search(longer, at + 1)

    __init__:  self.order = rng.sample(range(workers), workers);  self.left = self.search((), 0)
    assign:    candidates = itertools.chain(<20 draws>, self.left)
               found = next(filter(self.fits, candidates), None)     # None: NoShardLeftError
    """,
)
