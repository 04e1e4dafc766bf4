"""What lab 1.3 asks of shards: how they overlap, how they are chosen, whom they protect."""

import builtins
import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from amazonian.course.evidence import Seeded, call, close, fail, given, scenario, trace
from amazonian.course.rules import RulesFor
from amazonian.resilience.sharding import DRAWS, NoShardLeftError, ShardStore

about = RulesFor("amazonian.resilience.sharding")


# --- overlap_distribution ---------------------------------------------------------------------


@about.rule("overlap_distribution")
def two_of_eight(overlap_distribution):
    """Of the 28 pairs of 8 workers, 15 share none with a given pair, 12 share one, and 1 is the
    same."""
    answer = call(overlap_distribution, 8, 2)
    answer.close_to([15 / 28, 12 / 28, 1 / 28], look=_seen_before(answer.raw))


# What a mistake makes of 8 workers and shards of 2, and what to say about it.
MISTAKES = (
    ([15, 12, 1], "these are counts: divide by the 28 shards that there are"),
    ([15 / 56, 12 / 56, 1 / 56], "56 are pairs in a given order; of shards there are 28"),
    ([1 / 28, 12 / 28, 15 / 28], "item 0 is for sharing none: this list is the other way round"),
    ([1, 13 / 28, 1 / 28], "item j is for sharing exactly j workers, not j or more"),
    ([15 / 28, 27 / 28, 1], "item j is for sharing exactly j workers, not j or fewer"),
    ([15 / 28, 12 / 28], "two shards can share all of their workers: that item is missing"),
    ([12 / 28, 1 / 28], "two shards can share no worker: that item is missing"),
)


def _seen_before(value):
    if isinstance(value, Iterator):
        return "this can be read only once: return a list, [… for …] with square brackets"
    for mistake, look in MISTAKES:
        if isinstance(value, list | tuple) and close(list(value), mistake, 1e-9):
            return look
    return "fix one shard. How many of the others have j workers in it and the rest outside?"


@about.rule("overlap_distribution")
def any_sizes(overlap_distribution):
    """The same holds for any sizes: item j counts the choices of j inside and the rest outside."""
    for workers, size in ((100, 5), (2048, 4), (6, 1)):
        shards = math.comb(workers, size)
        scenario(
            f"{shards:,} shards of {size} of {workers} workers"
            + (": too many to go through, count them with math.comb" if shards > 1e6 else "")
        )
        wanted = [
            math.comb(size, j) * math.comb(workers - size, size - j) / shards
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


def _shards_of(shuffle_shard, names, workers, size):
    """Each name's shard, called one by one; feedback about all of them does not list them."""
    shards = [
        tuple(
            call(shuffle_shard, name, workers, size).satisfies(
                lambda shard: _is_shard(shard, workers, size),
                f"{size} different numbers from 0 to {workers - 1}",
            )
        )
        for name in names
    ]
    scenario(
        f"{len(names):,} customers, {names[0]} to {names[-1]}, "
        f"with shards of {size} of {workers:,} workers"
    )
    return shards


@about.rule("shuffle_shard")
def every_choice_is_as_likely(shuffle_shard):
    """All shards come up equally often, and each worker is as often the first to be tried."""
    shards = _shards_of(shuffle_shard, [f"customer-{i}" for i in range(2_800)], 8, 2)
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
def thousands_of_workers(shuffle_shard):
    """With 2,048 workers, too, every one is as likely as every other."""
    names = [f"customer-{i}" for i in range(140)]
    shards = _shards_of(shuffle_shard, names, 2048, 4)
    every = [worker for shard in shards for worker in shard]
    for label, workers in (("first worker", [shard[0] for shard in shards]), ("worker", every)):
        # A mean of n fair choices strays by 591 / sqrt(n); this allows 4.5 times as much.
        mean, stray = sum(workers) / len(workers), 4.5 * 591 / math.sqrt(len(workers))
        if abs(mean - 1023.5) > stray:
            raise fail(
                f"the mean number of a {label} is {mean:.0f}",
                f"about 1,024, and not over {stray:.0f} away from it",
                "if many workers have one rank, the lowest number wins: compare whole digests",
            )


@about.rule("shuffle_shard")
def no_two_of_a_rank(shuffle_shard):
    """In a shard of 200 of 60,000 workers, too, the next worker's number is as often the lower as
    the higher."""
    shard = call(shuffle_shard, "alice", 60_000, 200).satisfies(
        lambda shard: _is_shard(shard, 60_000, 200), "200 different numbers from 0 to 59,999"
    )
    higher = sum(one < next_one for one, next_one in itertools.pairwise(shard))
    # A fair order has 99.5 of 199 on average and strays by 4.1. Ranks of two bytes give 134.
    if not 81 <= higher <= 118:
        raise fail(
            f"{higher} of the 199 next workers have the higher number",
            "about 100",
            "if many workers have one rank, the lowest number wins: compare whole digests",
        )


@about.rule("shuffle_shard")
def every_letter_counts(shuffle_shard):
    """Names that are alike do not get shards that are alike."""
    for one, other in (("Ä", "Ö"), ("a", "A"), ("a", "a "), ("1", "01")):
        first = call(shuffle_shard, one, 2048, 4).value()
        call(shuffle_shard, other, 2048, 4).satisfies(
            lambda shard, first=first: set(shard) != set(first),
            f"other workers than {first}, those of {one!r}",
            "take the name as it is; str.encode() writes every letter of it",
        )
    for i in range(2, 7):
        short, long = f"c{i}", f"c{i}1"
        first = call(shuffle_shard, short, 2048, 4).value()
        second = call(shuffle_shard, long, 2048, 4).value()
        alike = [worker for worker in second if int(f"1{worker}") in first]
        if len(alike) > 1:
            scenario(f"customers {short!r} and {long!r}, with shards of 4 of 2,048 workers")
            raise fail(
                f"{first} for {short!r}, {second} for {long!r}",
                "nothing to do with each other",
                f"{short!r} with worker 1{alike[0]} and {long!r} with worker {alike[0]} must not "
                "be one text: write something between the name and the number",
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
    number, and something between the two, so that customer-1 with worker 23 and customer-12 with
    worker 3 differ. Sort the workers by rank, and the first of them are the shard. A new worker
    gets a rank between the others and moves nobody else's. (This is called rendezvous hashing.)
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
    "first dead too": (1, 7),
    "second dead": (6, 1),
    "apart": (2, 3),
}


def _radius(blast_radius, shards, poison, attempts):
    """The answer, from a copy of the shards that must stay as it is."""
    given_ones = dict(shards)
    answer = call(blast_radius, given_ones, poison, attempts)
    if given_ones != shards:
        raise fail(
            f"{given_ones} stands in the caller's dictionary now",
            f"{shards}, as before",
            "your function changed its argument; pass over the poison customer, do not remove it",
        )
    return answer


@about.rule("blast_radius")
def whoever_has_one_worker_left_is_saved(blast_radius):
    """A client that tries its whole shard loses its call only if all of its workers are dead."""
    _radius(blast_radius, SHARDS, "mallory", 2).close_to(
        1 / 5, look="of the five others, only one has both of its workers in the dead shard"
    )
    three = {"p": (4, 2, 7), "a": (7, 4, 2), "b": (2, 4, 1), "c": (0, 1, 3)}
    _radius(blast_radius, three, "p", 3).close_to(1 / 3)
    _radius(blast_radius, three, "b", 3).close_to(0.0)


@about.rule("blast_radius")
def without_retries_the_first_decides(blast_radius):
    """A client that makes fewer attempts tries only the first workers of its shard."""
    _radius(blast_radius, SHARDS, "mallory", 1).close_to(
        3 / 5,
        look="with one attempt, 'first dead' never tries its second worker, and 'second dead' "
        "need not; both of mallory's workers are dead, whatever attempts is",
    )
    three = {"p": (4, 2, 7), "a": (7, 4, 0), "b": (2, 0, 4), "c": (0, 4, 2)}
    _radius(blast_radius, three, "p", 2).close_to(
        1 / 3, look="all three of p's workers are dead, and others try their first two"
    )
    four = {"p": (0, 1, 2, 3), "a": (2, 3, 8, 9), "b": (8, 2, 3, 0), "c": (8, 9, 1, 0)}
    _radius(blast_radius, four, "p", 2).close_to(
        1 / 3, look="a tries 2 and 3, both dead; b and c try 8 first, which is alive"
    )


@about.rule("blast_radius")
def more_attempts_than_workers(blast_radius):
    """More attempts than a shard has workers change nothing: there is no further worker to try."""
    _radius(blast_radius, SHARDS, "mallory", 5).close_to(1 / 5)


@about.rule("blast_radius")
def shards_of_any_size(blast_radius):
    """A shard may be larger or smaller than that of the poison customer."""
    _radius(blast_radius, {"p": (0, 1), "a": (0, 1, 5), "b": (1,)}, "p", 3).close_to(
        1 / 2, look="a's third worker is alive, and is tried; b's only one is dead"
    )


@about.rule("blast_radius")
def the_others_only(blast_radius):
    """The poison customer counts neither among the lost nor among all; only its shard does."""
    twins = {"mallory": (0, 1), "bob": (0, 1), "carol": (2, 1)}
    _radius(blast_radius, twins, "mallory", 2).close_to(
        1 / 2,
        look="bob is somebody else, although his shard is the same: pass over the poison "
        "customer by name, not by shard",
    )
    _radius(blast_radius, {"mallory": (0, 1), "bob": (0, 1)}, "mallory", 2).close_to(
        1.0, look="bob is somebody else, although his shard is the same"
    )
    _radius(blast_radius, {"mallory": (0, 1), "bob": (2, 1)}, "mallory", 2).close_to(0.0)
    _radius(blast_radius, SHARDS, "apart", 2).close_to(0.0)


@about.rule("blast_radius")
def questions_without_an_answer(blast_radius):
    """A poison customer without a shard, nobody else, or no attempt at all is a ValueError."""
    _radius(blast_radius, SHARDS, "nobody", 2).raises(ValueError)
    _radius(blast_radius, {"mallory": (0, 1)}, "mallory", 2).raises(ValueError)
    for attempts in (0, -1):
        _radius(blast_radius, SHARDS, "mallory", attempts).raises(
            ValueError, look="1 attempt is the fewest"
        )


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


MOST_QUESTIONS = 300_000
SEARCH = (
    "draws at random may miss the last one; only a search that tries every shard, and goes on with "
    "the next worker after a dead end, may say that none is left"
)
ONE_WALK = (
    "draw a few times, then take the next of one search, begun in __init__ and never again. It "
    "asks at each worker that it adds, and goes no further with a beginning that does not fit"
)

KEEPS = "a customer in store.shards keeps what it has"
AT_THE_END = "an exhausted search means NoShardLeftError: raise it yourself"
DIFFERENT = (
    "a shard has different workers: let the search go on behind the last one that it chose, and "
    "draw with rng.sample, which takes none twice"
)


class AskedTooOftenError(BaseException):
    """`fits` was asked so often that the search can't be the one that is asked for."""


class Store(ShardStore):
    """A ShardStore that counts how often a searcher asks whether something fits."""

    def __post_init__(self):
        super().__post_init__()
        self.asked, self.beginnings = 0, Counter()

    def __repr__(self):
        return f"ShardStore({self.workers}, {self.shard_size}, {self.max_overlap})"

    def fits(self, chosen):
        self.asked += 1
        chosen = tuple(chosen)
        if len(chosen) < self.shard_size:
            self.beginnings[chosen] += 1
        if self.asked > MOST_QUESTIONS:
            raise AskedTooOftenError(f"store.fits was called over {MOST_QUESTIONS:,} times")
        return super().fits(chosen)

    def record(self, customer, shard):
        asked = self.asked
        super().record(customer, shard)
        self.asked = asked


def _begin(searcher_class, store, seed=1, situation=""):
    """A searcher of the learner's; feedback begins with this, whatever was called before."""
    trace.begin_rule()
    if situation:
        given(situation)
    return call(searcher_class, store, Seeded(seed)).made


def _assigned(answer, store):
    """The shard that came back, or None if it was NoShardLeftError."""
    if isinstance(answer.error, NoShardLeftError):
        return None
    if isinstance(answer.error, AskedTooOftenError):
        raise answer.broken("a shard, or NoShardLeftError, after far fewer questions", ONE_WALK)
    shard = answer.satisfies(
        lambda shard: _is_shard(shard, store.workers, store.shard_size),
        f"{store.shard_size} different numbers from 0 to {store.workers - 1}, or NoShardLeftError",
        _what_went_wrong(answer, store),
    )
    return tuple(shard)


def _what_went_wrong(answer, store):
    """What to say about an answer that is no shard."""
    if isinstance(answer.error, ValueError):
        if "already has the shard" in str(answer.error):
            return KEEPS
        if f"is not {store.shard_size} of" in str(answer.error):
            return DIFFERENT
        return "ask store.fits before you record"
    if isinstance(answer.error, StopIteration) or (answer.error is None and answer.raw is None):
        return AT_THE_END
    return ""


def _all(store):
    return math.comb(store.workers, store.shard_size)


def _handed_out(searcher, store, most):
    """The shards of customer-0, customer-1, … until there are `most`, or no more."""
    shards = []
    for i in range(most):
        shard = _assigned(call(searcher.assign, f"customer-{i}"), store)
        if shard is None:
            break
        shards.append(shard)
    return shards


def _run_out(searcher, store):
    """The same until there are no more, as one call: how many there were."""

    def until_none_is_left():
        for i in range(_all(store) + 1):
            try:
                searcher.assign(f"customer-{i}")
            except NoShardLeftError:
                return i
        return _all(store) + 1

    answer = call(
        until_none_is_left,
        shown_as="searcher.assign for customer-0, customer-1, … until NoShardLeftError; customers",
    )
    if isinstance(answer.error, AskedTooOftenError):
        _assigned(answer, store)
    return answer.value("a number of customers", _what_went_wrong(answer, store))


def _no_two_share_more(shards, overlap):
    for (i, one), (j, other) in itertools.combinations(enumerate(shards), 2):
        if len(set(one) & set(other)) > overlap:
            raise fail(
                f"customer-{i} got {one} and customer-{j} got {other}: "
                f"{len(set(one) & set(other))} workers in common",
                f"no two share more than {overlap}",
                "hand out only what store.fits, and tell it to store.record",
            )


def _nothing_is_left(shards, store):
    fragments = {
        fragment
        for shard in shards
        for fragment in itertools.combinations(sorted(shard), store.max_overlap + 1)
    }
    for missed in itertools.combinations(range(store.workers), store.shard_size):
        if fragments.isdisjoint(itertools.combinations(missed, store.max_overlap + 1)):
            raise fail(
                f"NoShardLeftError after {len(shards)} shards",
                f"there is room for another, {missed}",
                SEARCH,
            )


@about.rule("ShardSearcher")
def each_customer_keeps_its_shard(searcher_class):
    """A customer gets `shard_size` different workers, and the same ones whenever it asks."""
    store = Store(10, 3, 1)
    searcher = _begin(searcher_class, store)
    first, second = _handed_out(searcher, store, 2)
    call(searcher.assign, "customer-0").equals(first, look=KEEPS)
    call(searcher.assign, "customer-1").equals(second, look=KEEPS)
    call(lambda: store.shards, shown_as="store.shards").equals(
        {"customer-0": first, "customer-1": second},
        look="what you return is what store.record keeps, in the same order",
    )


@about.rule("ShardSearcher")
def no_two_share_more_than_promised(searcher_class):
    """No two customers share more than max_overlap workers: each new shard is one that
    `store.fits`."""
    for workers, size, overlap in ((12, 3, 1), (16, 4, 2), (30, 3, 0)):
        store = Store(workers, size, overlap)
        shards = _handed_out(_begin(searcher_class, store), store, 10)
        _no_two_share_more(shards, overlap)
        if store.asked < len(shards):
            raise fail(
                f"store.fits was called {store.asked} times for {len(shards)} customers",
                "at least once for each",
                "ask store.fits first. record is not the test: a ValueError of it may mean "
                "another mistake. Nor compare with each shard before: the store looks up "
                "fragments in one set, in the same time however many customers there are",
            )


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
        store = Store(workers, size, overlap)
        shards = _handed_out(_begin(searcher_class, store), store, wanted)
        _no_two_share_more(shards, overlap)
        if len(shards) < wanted:
            raise fail(
                f"NoShardLeftError after {len(shards)} shards",
                f"{wanted} shards of {size} of {workers} workers, sharing at most {overlap}",
                SEARCH,
            )
    for seed in range(4):
        store = Store(9, 4, 2)
        shards = _handed_out(_begin(searcher_class, store, seed), store, 126)
        _no_two_share_more(shards, 2)
        _nothing_is_left(shards, store)


@about.rule("ShardSearcher")
def it_says_when_none_is_left(searcher_class):
    """When no shard is left a new customer is a NoShardLeftError, and the old keep theirs."""
    store = Store(8, 2, 0)
    searcher = _begin(searcher_class, store)
    shards = _handed_out(searcher, store, 4)
    for _ in range(2):
        call(searcher.assign, "one too many").raises(NoShardLeftError, look=AT_THE_END)
    call(searcher.assign, "customer-3").equals(shards[3])
    if len(call(lambda: store.shards, shown_as="store.shards").value()) != 4:
        raise fail("another number of customers in store.shards", "4", "record only successes")


@about.rule("ShardSearcher")
def the_last_of_thousands(searcher_class):
    """Even the last shard that fits is found, one in 34,220, which random draws would seldom
    hit."""
    store = Store(22, 3, 2)
    searcher = _begin(searcher_class, store)
    served = _run_out(searcher, store)
    if served != 1_540:
        raise fail(f"NoShardLeftError after {served:,} shards", "1,540: all of C(22, 3)", SEARCH)
    store = Store(60, 3, 1)
    _run_out(_begin(searcher_class, store), store)
    _nothing_is_left(list(store.shards.values()), store)


@about.rule("ShardSearcher")
def one_walk_serves_all(searcher_class):
    """The search never starts again, and goes no further with a beginning that does not fit."""
    store = Store(100, 4, 1)
    _run_out(_begin(searcher_class, store), store)
    searcher, store, _ = _few_left(searcher_class, 7)
    store.asked = 0
    call(searcher.assign, "one too many").raises(NoShardLeftError, look=AT_THE_END)
    if store.asked > 3 * DRAWS:
        raise fail(
            f"store.fits was called {store.asked:,} times for a customer who came after the first "
            "NoShardLeftError",
            f"{DRAWS} times, for the draws: nothing is left to search",
            "a refusal must not begin the walk again: what did not fit will never fit",
        )
    _, store, _ = _few_left(searcher_class, 10)
    beginning, times = max(store.beginnings.items(), key=lambda item: item[1], default=((), 0))
    if times > 4:
        raise fail(
            f"store.fits was asked {times} times about the beginning {beginning}",
            "once, in one walk",
            ONE_WALK,
        )


def _few_left(searcher_class, workers):
    """A searcher where just the shards of the first few workers were left, its store, and those
    shards.

    Nearly all of them are found by search, and it has said once that none is left.
    """
    store = Store(40, 3, 2)
    old = [shard for shard in itertools.combinations(range(40), 3) if shard[-1] >= workers]
    store.shards.update((f"old-{number}", shard) for number, shard in enumerate(old))
    store.used.update(old)  # of an overlap of 2, a shard of 3 is its own only fragment
    left = math.comb(workers, 3)
    searcher = _begin(
        searcher_class,
        store,
        situation=f"{len(old):,} shards recorded in ShardStore(40, 3, 2); only the {left} of "
        f"workers 0 to {workers - 1} are left",
    )
    shards = _handed_out(searcher, store, left + 1)
    if len(shards) != left or not set().union(*shards) <= set(range(workers)):
        raise fail(
            f"{len(shards)} shards, then NoShardLeftError", f"{left} shards, then that", SEARCH
        )
    if store.asked > 40_000:
        raise fail(f"store.fits was called {store.asked:,} times", "10,000 to 20,000", ONE_WALK)
    return searcher, store, shards


@about.rule("ShardSearcher")
def what_was_searched_is_shuffled_too(searcher_class):
    """A shard is in random order, whether it was drawn or searched for."""
    _, _, shards = _few_left(searcher_class, 7)
    before = Counter(pair for shard in shards for pair in itertools.combinations(shard, 2))
    alike = sum(max(before[a, b], before[b, a]) for a, b in itertools.combinations(range(7), 2))
    # Each of the 21 pairs stands in 5 shards: 105 times; in random order about 72 agree.
    if alike > 90:
        raise fail(
            f"the shards list their workers in one and the same order: {shards[:4]}…",
            "each in an order of its own",
            "else all customers try the same worker first: shuffle what the search found, with "
            "rng.sample(found, shard_size)",
        )


@about.rule("ShardSearcher")
def what_was_searched_is_kept_too(searcher_class):
    """A customer keeps its shard, in its order, whether it was drawn or searched for."""
    searcher, _, shards = _few_left(searcher_class, 7)
    for number, shard in enumerate(shards):
        call(searcher.assign, f"customer-{number}").equals(
            shard, look="shuffle first, then record, then return what was recorded"
        )


@about.rule("ShardSearcher")
def all_workers_get_their_share(searcher_class):
    """Workers get about equally many customers, and are about equally often the first of a
    shard."""
    store = Store(20, 3, 2)
    searcher = _begin(searcher_class, store)

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
def repeatable_from_its_seed(searcher_class):
    """The same seed hands out the same shards, and another seed others."""
    runs = []
    for seed in (5, 5, 6):
        store = Store(9, 3, 1)
        runs.append(_handed_out(_begin(searcher_class, store, seed), store, 12))
    scenario("three searchers of ShardStore(9, 3, 1), with Random(5), Random(5) and Random(6)")
    if runs[0] != runs[1]:
        raise fail(
            f"{runs[0][:3]}… and {runs[1][:3]}… with Random(5)",
            "the same twice",
            "all randomness comes from the rng that was passed in",
        )
    if runs[0] == runs[2]:
        raise fail(f"{runs[0][:3]}… with both seeds", "others with another seed")


@about.rule("ShardSearcher")
def shards_of_others_count(searcher_class):
    """What others have recorded in the store, before or since, belongs to its customer."""
    store = Store(6, 2, 0)
    store.record("before", (1, 0))
    searcher = _begin(searcher_class, store, situation='"before" has (1, 0) in the store')
    call(searcher.assign, "before").equals((1, 0), look=KEEPS)
    given('"since" is recorded with (3, 2)')
    store.record("since", (3, 2))
    call(searcher.assign, "since").equals((3, 2), look=KEEPS)
    call(searcher.assign, "new").satisfies(
        lambda shard: set(shard) == {4, 5},
        "workers 4 and 5: the others are taken",
        "keep no copy of the shards: ask the store, each time",
    )
    call(searcher.assign, "one too many").raises(NoShardLeftError)


about.hints(
    "ShardSearcher",
    """
    A customer comes whom the store does not know. Where do you look first, where when that fails
    20 times, and what must you keep so that you do not look twice at what was refused?
    """,
    """
    assign: draw some shards with rng.sample; if none fits, take the next from a search that was
    begun once, in __init__, and goes on where it stopped: a generator in an attribute, of which
    next(…) takes one. The search adds one worker at a time to a beginning that fits, and calls
    itself with what has become longer.
    """,
    """
    def search(self, chosen, place):
        if len(chosen) == self.store.shard_size:
            yield chosen
            return
        for at in range(place, self.store.workers):
            longer = (*chosen, self.order[at])
            if …:                                        # does it fit?
                yield from self.search(longer, …)

    __init__:  self.order = rng.sample(range(…), …);  self.left = self.search((), 0)
    assign:    candidates = itertools.chain(<DRAWS draws>, self.left)
               found = next(filter(self.store.fits, candidates), None)   # None: NoShardLeftError
    """,
)
