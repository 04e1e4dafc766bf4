"""The cache of lab 1.4: what it stores, how long it gives it, and what it asks of its origin."""

import random
import threading
from collections import OrderedDict

import pytest
from crew import PATIENCE_S, Gate, in_threads
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience.caching import (
    LRU,
    Cache,
    Entry,
    NotFoundError,
    TooManyFetchesError,
    freshness,
    limited,
)
from amazonian.resilience.clock import SimulatedClock


class OriginDownError(Exception):
    pass


class Origin:
    """A fetch whose answers, failures and duration can be set; it remembers when it was asked."""

    def __init__(self, clock: SimulatedClock, takes_s: float = 0.0):
        self.clock, self.takes_s = clock, takes_s
        self.answers: dict[object, object] = {}
        self.error: Exception | None = None
        self.asked_s: list[float] = []

    def __call__(self, key: object) -> object:
        self.asked_s.append(self.clock.now_s())
        self.clock.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        if key not in self.answers:
            raise NotFoundError(key)
        return self.answers[key]


def cache_of(clock, origin, soft_ttl_s=60.0, hard_ttl_s=300.0, negative_ttl_s=5.0, capacity=10):
    return Cache(origin, soft_ttl_s, hard_ttl_s, negative_ttl_s, capacity, clock)


# --- freshness and LRU


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_an_answer_never_outlives_its_hard_ttl_and_is_never_refreshed_before_its_soft_one(
    age_s, soft_ttl_s, hard_ttl_s
):
    state = freshness(age_s, soft_ttl_s, hard_ttl_s)
    assert (state == "expired") == (age_s >= hard_ttl_s)
    assert (state == "fresh") == (age_s < soft_ttl_s and age_s < hard_ttl_s)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 6)), max_size=60),
)
def test_an_lru_store_agrees_with_a_list_kept_in_order_of_use(capacity, operations):
    lru, model = LRU(capacity), []
    for serial, (operation, key) in enumerate(operations):
        known = next((pair for pair in model if pair[0] == key), None)
        if operation == "get":
            assert lru.get(key) == (known[1] if known else None)
        else:
            lru.put(key, serial)
        if known:
            model.remove(known)
        if operation == "put":
            model.append((key, serial))
        elif known:
            model.append(known)
        model = model[-capacity:]
        assert len(lru) == len(model)


def test_threads_that_hammer_a_small_store_never_break_it():
    lru = LRU(3)

    def work(number):
        rng = random.Random(number)
        for _ in range(3000):
            key = rng.randrange(6)
            lru.put(key, key)
            got = lru.get(rng.randrange(6))
            assert got is None or 0 <= got < 6
            assert len(lru) <= 4
        return "done"

    assert in_threads(8, work) == ["done"] * 8
    assert len(lru) == 3


def test_a_store_for_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        LRU(0)


# --- a cache shared by threads


def test_a_hundred_threads_and_a_cold_cache_cost_exactly_one_fetch_each_time_it_expires():
    clock, start = SimulatedClock(), threading.Barrier(100)
    lock, asked = threading.Lock(), []

    def fetch(key):
        with lock:
            asked.append(key)
        return len(asked)

    cache = Cache(fetch, 60.0, 300.0, 5.0, 10, clock)
    for expiries in range(1, 6):

        def work(_):
            start.wait(PATIENCE_S)
            return cache.get("k")

        assert in_threads(100, work) == [expiries] * 100
        assert len(asked) == expiries
        clock.sleep(60.0)


def test_an_error_of_the_one_fetch_reaches_every_thread_of_a_cache():
    clock = SimulatedClock()
    origin = Origin(clock)
    origin.error = OriginDownError("down")
    cache = cache_of(clock, origin)
    outcomes = in_threads(20, lambda _: cache.get("k"))
    assert all(isinstance(outcome, OriginDownError) for outcome in outcomes)


# --- a cache in time


def test_a_value_is_fetched_once_and_again_from_the_soft_ttl_on():
    clock = SimulatedClock()
    origin = Origin(clock)
    origin.answers["k"] = "red"
    cache = cache_of(clock, origin)
    for _ in range(240):
        assert cache.get("k") == "red"
        clock.sleep(1.0)
    assert origin.asked_s == [0.0, 60.0, 120.0, 180.0]


def test_an_outage_shorter_than_the_hard_ttl_is_not_noticed_and_costs_one_try_per_negative_ttl():
    clock = SimulatedClock()
    origin = Origin(clock)
    origin.answers["k"] = "red"
    cache = cache_of(clock, origin)
    cache.get("k")
    origin.error = OriginDownError("down")
    for _ in range(299):
        clock.sleep(1.0)
        assert cache.get("k") == "red"
    assert origin.asked_s == [0.0, *(60.0 + 5 * n for n in range(48))]
    clock.sleep(1.0)
    with pytest.raises(OriginDownError):
        cache.get("k")


def test_not_found_is_remembered_and_replaces_a_value():
    clock = SimulatedClock()
    origin = Origin(clock)
    cache = cache_of(clock, origin)
    for _ in range(10):
        with pytest.raises(NotFoundError):
            cache.get("k")
        clock.sleep(1.0)
    assert origin.asked_s == [0.0, 5.0]
    origin.answers["k"] = "red"
    assert cache.get("k") == "red"
    del origin.answers["k"]
    clock.sleep(60.0)
    with pytest.raises(NotFoundError):
        cache.get("k")


def test_a_remembered_error_gathers_no_traceback_from_being_raised_again():
    error = NotFoundError("k")
    entry = Entry(None, error, 0.0, 5.0, 5.0)
    depths = []
    for _ in range(3):
        with pytest.raises(NotFoundError):
            entry.answer()
        depth, link = 0, error.__traceback__
        while link is not None:
            depth, link = depth + 1, link.tb_next
        depths.append(depth)
    assert depths == [depths[0]] * 3


def test_the_least_recently_used_key_is_the_one_that_is_fetched_again():
    clock = SimulatedClock()
    origin = Origin(clock)
    origin.answers = dict.fromkeys("abc", 1)
    cache = cache_of(clock, origin, capacity=2)
    for key in "abaca":
        cache.get(key)
    assert len(origin.asked_s) == 3
    cache.get("b")
    assert len(origin.asked_s) == 4


@pytest.mark.parametrize("soft_s", [10.0, 60.0])
def test_the_real_cache_asks_its_origin_once_in_soft_ttl_plus_gap_plus_fetch(soft_s):
    clock, rng = SimulatedClock(), random.Random(14)
    origin = Origin(clock, takes_s=0.5)
    origin.answers["k"] = "red"
    cache = cache_of(clock, origin, soft_ttl_s=soft_s, hard_ttl_s=10 * soft_s)
    arrival_s, rate_per_s = 0.0, 2.0
    while arrival_s < 20_000:
        arrival_s += rng.expovariate(rate_per_s)
        if arrival_s > clock.now_s():  # who comes during a fetch waits for it and shares it
            clock.sleep(arrival_s - clock.now_s())
        cache.get("k")
    measured = len(origin.asked_s) / arrival_s
    assert measured == pytest.approx(1 / (soft_s + 1 / rate_per_s + 0.5), rel=0.02)


@pytest.mark.parametrize(
    "ttls_s", [(-1, 300, 5), (301, 300, 5), (60, 300, -1), (float("nan"), 1, 1)]
)
def test_senseless_ttls_are_refused_with_their_values(ttls_s):
    with pytest.raises(ValueError, match="none may be negative"):
        Cache(str, *ttls_s, 10)


def test_without_a_clock_it_runs_on_the_machines_own():
    assert Cache(str, 60, 300, 5, 10).get(7) == "7"


# --- the limit


def test_a_fetch_beyond_the_limit_is_refused_at_once_and_the_slot_comes_back():
    gate = Gate("red")
    fetch = limited(gate, 1)
    first = threading.Thread(target=fetch, args=("k",), daemon=True)
    first.start()
    assert gate.began.wait(PATIENCE_S)
    with pytest.raises(TooManyFetchesError, match="1 fetches are under way"):
        fetch("l")
    gate.go_on.set()
    first.join(PATIENCE_S)
    assert fetch("m") == "red"


def test_an_error_gives_the_slot_back_too():
    def fail(key):
        raise OriginDownError

    fetch = limited(fail, 1)
    for _ in range(3):
        with pytest.raises(OriginDownError):
            fetch("k")
    with pytest.raises(ValueError, match="at least 1"):
        limited(fail, 0)


def test_a_refused_refresh_leaves_the_old_value_in_place():
    clock = SimulatedClock()
    refused = []

    def fetch(key):
        if refused:
            raise TooManyFetchesError
        return "red"

    cache = cache_of(clock, fetch)
    assert cache.get("k") == "red"
    refused.append(True)
    clock.sleep(100.0)
    assert cache.get("k") == "red"


def test_the_store_is_an_ordered_dict_in_order_of_use():
    lru = LRU(3)
    for key in "abc":
        lru.put(key, key)
    lru.get("a")
    assert isinstance(lru._entries, OrderedDict)
    assert list(lru._entries) == ["b", "c", "a"]
