"""What lab 1.4 asks of freshness, the LRU store, the cache's refresh and coalescing."""

import gc
import itertools
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import FrozenInstanceError

from amazonian.course.evidence import (
    Answer,
    StillAStubError,
    call,
    fail,
    given,
    scenario,
    shown,
)
from amazonian.course.rules import RulesFor
from amazonian.resilience import caching
from amazonian.resilience.caching import Entry, NotFoundError
from amazonian.resilience.clock import SimulatedClock

about = RulesFor("amazonian.resilience.caching")

PATIENCE_S = 2.0  # how long a check waits for something that a right answer does at once


# --- freshness --------------------------------------------------------------------------------


def _says(freshness, age_s, soft_ttl_s, hard_ttl_s, word, look=""):
    words = ("fresh", "refresh", "expired")
    answer = call(freshness, age_s, soft_ttl_s, hard_ttl_s)
    if answer.error is None and not (isinstance(answer.raw, str) and answer.raw in words):
        look = 'there are three words, in small letters: "fresh", "refresh", "expired"'
    answer.equals(word, look)


@about.rule("freshness")
def fresh_up_to_the_soft_ttl(freshness):
    """Below the soft TTL an answer is "fresh"."""
    _says(freshness, 0.0, 60.0, 300.0, "fresh")
    _says(freshness, 59.9, 60.0, 300.0, "fresh")


@about.rule("freshness")
def refreshed_between_the_two(freshness):
    """From the soft TTL on, and below the hard one, it is to "refresh"."""
    _says(freshness, 60.0, 60.0, 300.0, "refresh", "the docstring says `from this age on`")
    _says(freshness, 299.9, 60.0, 300.0, "refresh")
    _says(freshness, 0.7, 0.5, 2.0, "refresh", "ages and TTLs need not be whole seconds")


@about.rule("freshness")
def expired_from_the_hard_ttl(freshness):
    """From the hard TTL on it is "expired"."""
    _says(
        freshness,
        301.0,
        60.0,
        300.0,
        "expired",
        "both TTLs begin when the answer came: the hard one does not begin where the soft one ends",
    )
    _says(freshness, 300.0, 60.0, 300.0, "expired", "the docstring says `from this age on`")
    _says(freshness, 1e6, 60.0, 300.0, "expired")
    _says(freshness, 60.0, 60.0, 60.0, "expired", "with equal TTLs nothing is between")


@about.rule("freshness")
def the_hard_ttl_has_the_last_word(freshness):
    """The hard TTL holds whatever the soft one is, even if that is longer."""
    _says(
        freshness, 150.0, 200.0, 100.0, "expired", "which of the two TTLs do you ask about first?"
    )


about.hints(
    "freshness",
    "Which of the three words is decided by one comparison alone, whatever the other TTL says?",
    "First the hard TTL: at or above it, expired. Then the soft one: at or above it, refresh.",
    """
    if age_s >= hard_ttl_s:
        return …
    return … if age_s >= … else "fresh"
    """,
)


# --- LRU --------------------------------------------------------------------------------------


@about.rule("LRU")
def what_is_put_is_found(lru_class):
    """What is put is found; what is not stored comes back as None."""
    lru = call(lru_class, 2).made
    call(lru.get, "a").equals(None)
    call(lru.put, "a", 1).equals(None)
    call(lru.get, "a").equals(1)
    call(lru.put, "b", 0).equals(None)
    call(lru.get, "b").equals(0, look="0 is a value like any other")
    call(lru.get, "a").equals(1)


@about.rule("LRU")
def the_least_recently_put_goes_first(lru_class):
    """A new key in a full store takes the place of one other, the least recently used."""
    lru = call(lru_class, 2).made
    for key in "abc":
        call(lru.put, key, key.upper())
    call(lru.get, "a").equals(None, look="a store for two has seen three keys: which is oldest?")
    call(lru.get, "b").equals("B", look="only as many are dropped as must be")
    call(lru.get, "c").equals("C", look="the key that was just put must be there")


@about.rule("LRU")
def a_get_is_a_use(lru_class):
    """A get that finds its key makes it the most recently used."""
    lru = call(lru_class, 2).made
    call(lru.put, "a", 1)
    call(lru.put, "b", 2)
    call(lru.get, "a").equals(1)
    call(lru.put, "c", 3)
    call(lru.get, "a").equals(1, look="it was used after b: b had to go")
    call(lru.get, "b").equals(None)


@about.rule("LRU")
def a_put_replaces_and_is_a_use(lru_class):
    """A put for a stored key replaces its value, is a use of it, and drops nobody."""
    lru = call(lru_class, 2).made
    call(lru.put, "a", 1)
    call(lru.put, "b", 2)
    call(lru.put, "b", 20)
    call(lru.get, "a").equals(1, look="a key that is stored already needs no room: drop nobody")
    call(lru.get, "b").equals(20)
    call(lru.put, "a", 10)
    call(lru.put, "c", 3)
    call(lru.get, "a").equals(10, look="is a put of a stored key a use of it?")
    call(lru.get, "b").equals(None)


@about.rule("LRU")
def never_more_than_its_capacity(lru_class):
    """It never holds more than its capacity, and len() says how many it holds."""
    lru = call(lru_class, 3).made
    call(lambda: len(lru), shown_as="len(lru)").equals(0)
    for key, held in zip("abacda", (1, 2, 2, 3, 3, 3), strict=True):
        call(lru.put, key, 1)
        call(lambda: len(lru), shown_as="len(lru)").equals(held)
    call(lru.get, "z").equals(None)
    call(lambda: len(lru), shown_as="len(lru)").equals(3, look="a miss stores nothing")


@about.rule("LRU")
def capacity_one_works_and_zero_does_not(lru_class):
    """A capacity of 1 is a store; a capacity below 1 is a ValueError."""
    lru = call(lru_class, 1).made
    call(lru.put, "a", 1)
    call(lru.put, "b", 2)
    call(lru.get, "a").equals(None)
    call(lru.get, "b").equals(2)
    call(lru_class, 0).raises(ValueError)
    call(lru_class, -1).raises(ValueError)


class _Counted:
    """A key that counts how often such keys are looked at: hashed or compared."""

    looks = 0

    def __init__(self, number: int):
        self.number = number

    def __hash__(self) -> int:
        type(self).looks += 1
        return self.number

    def __eq__(self, other: object) -> bool:
        type(self).looks += 1
        return isinstance(other, _Counted) and self.number == other.number

    def __repr__(self) -> str:
        return f"key {self.number}"


@about.rule("LRU")
def it_does_not_search(lru_class):
    """get and put do not look through the stored keys, not even to find the one to drop."""
    lru = call(lru_class, 500).made
    given("500 stored keys, which fill it")
    for number in range(500):
        call(lambda n=number: lru.put(_Counted(n), n), shown_as="lru.put(key, …)")
    for operation, text in (
        (lambda: lru.get(_Counted(250)), "lru.get(key 250)"),
        (lambda: lru.put(_Counted(251), 0), "lru.put(key 251, 0)"),
        (lambda: lru.put(_Counted(500), 0), "lru.put(key 500, 0)"),
    ):
        _Counted.looks = 0
        call(operation, shown_as=text).value()
        if _Counted.looks > 50:
            raise fail(
                f"{_Counted.looks} looks at stored keys (hash or ==) in this one call",
                "a handful",
                "a list is searched from its start, and min() looks at everything; an OrderedDict "
                "finds a key at once and has the one to drop at its end",
            )


class _Pausing:
    """A key whose use stops, once, in the middle of whatever the store does with it."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def _pause(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(PATIENCE_S)

    def __hash__(self) -> int:
        self._pause()
        return 1

    def __eq__(self, other: object) -> bool:
        self._pause()
        return self is other


NOT_LET_GO = "a lock that is taken must be let go: `with self._lock:` does both"


@about.rule("LRU")
def one_thread_at_a_time(lru_class):
    """Two threads may use it at once: while one is inside get or put, another waits."""
    for method, args in (("put", (1,)), ("get", ())):
        scenario("a new store")
        lru = call(lru_class, 2).made
        call(lru.put, "a", 1)
        given(f"a thread that is in the middle of a {method}")
        key = _Pausing()
        inside = _Caller(getattr(lru, method), key, *args)
        key.reached.wait(PATIENCE_S)
        other = _Caller(lru.put, "b", 2)
        got_in = other.ended.wait(0.05)
        key.go_on.set()
        inside.answer(look=NOT_LET_GO)
        other.answer(look=NOT_LET_GO)
        if got_in:
            raise fail(
                "a second thread's put went through meanwhile",
                "it waits until the first is done",
                f"a threading.Lock, and `with self._lock:` around all that {method} does",
            )


def _traced(function: Callable, at_line: Callable[[], None]) -> Callable:
    """`function`, calling `at_line` before each line of the learner's code that it runs."""
    others = {__name__, "threading", "collections", "concurrent.futures._base"}

    def trace(frame, event, _):
        if frame.f_globals.get("__name__") in others:
            return None
        if event == "line":
            at_line()
        return trace

    def run(*args):
        sys.settrace(trace)  # for this thread only
        try:
            return function(*args)
        finally:
            sys.settrace(None)

    return run


@about.rule("LRU")
def a_full_store_stays_full(lru_class):
    """Two threads that put at once never drop more than there is too much."""
    for pause_at in range(1, 30):
        scenario("a new store")
        lru = call(lru_class, 2).made
        call(lru.put, "a", 1)
        call(lru.put, "b", 2)
        given(
            "a thread that is in the middle of lru.put('c', 3), and a second one that calls "
            "lru.put('b', 20) right then"
        )
        reached, go_on, lines = threading.Event(), threading.Event(), itertools.count(1)

        def pause(lines=lines, at=pause_at, reached=reached, go_on=go_on):
            if next(lines) == at:
                reached.set()
                go_on.wait(PATIENCE_S)

        first = _Caller(_traced(lru.put, pause), "c", 3)
        while not reached.wait(0.001) and not first.ended.is_set():
            pass
        second = _Caller(lru.put, "b", 20)
        second.ended.wait(0.01)
        go_on.set()
        first.answer(look=NOT_LET_GO).equals(None)
        second.answer(look=NOT_LET_GO).equals(None)
        call(lambda lru=lru: len(lru), shown_as="len(lru)").equals(
            2,
            look="both saw one entry too many, and each dropped one: count and drop under the lock "
            "under which you stored",
        )
        if not reached.is_set():
            break  # `put` has fewer lines: the first thread was not paused any more


about.hints(
    "LRU",
    """
    Which order must the store remember? When does it change: at a put, at a get, at both? (And
    what does collections.OrderedDict offer for it?)
    """,
    """
    Keep the entries in an OrderedDict, the least recently used first. Every use moves its key to
    the end; when there is one too many, the first goes. One lock around each of get and put.
    """,
    """
    get:  with self._lock:
              if key not in self._entries: …
              self._entries.move_to_end(key)
              return …
    put:  with self._lock:
              self._entries[key] = value
              self._entries.move_to_end(key)
              if len(self._entries) > …: self._entries.popitem(last=False)
    """,
)


# --- Cache.refresh ----------------------------------------------------------------------------


class OriginDownError(Exception):
    """The scripted origin could not answer."""


class _Origin:
    """A fetch that answers from a list, takes time, and counts."""

    def __init__(self, clock: SimulatedClock, *outcomes: object, takes_s: float = 0.0):
        self.clock, self.outcomes, self.takes_s = clock, list(outcomes), takes_s
        self.asked: list[object] = []
        self.meanwhile = lambda: None

    def __call__(self, key: object) -> object:
        self.asked.append(key)
        self.clock.sleep(self.takes_s)
        self.meanwhile()
        if not self.outcomes:
            raise AssertionError("the origin was asked more often than expected")
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class _Entries:
    """The plainest store; `stored` remembers every entry that was put."""

    def __init__(self) -> None:
        self.kept: dict[object, Entry] = {}
        self.stored: list[Entry] = []

    def get(self, key: object) -> Entry | None:
        return self.kept.get(key)

    def put(self, key: object, entry: Entry) -> None:
        self.stored.append(entry)
        self.kept[key] = entry


class Cache(caching.Cache):
    """A cache whose only part that a learner wrote is `refresh`."""

    def __init__(self, refresh: object, origin: _Origin, clock: SimulatedClock):
        self._refresh, self.fetch, self.clock, self.entries = refresh, origin, clock, _Entries()
        self.soft_ttl_s, self.hard_ttl_s, self.negative_ttl_s = 60.0, 300.0, 5.0

    def get(self, key: object) -> object:
        entry = self.entries.get(key)
        if entry is None or entry.freshness(self.clock.now_s()) != "fresh":
            entry = self._refresh(self, key)
        if not isinstance(entry, Entry):
            raise TypeError(f"refresh returned {shown(entry)}; `get` needs the entry itself")
        return entry.answer()


TTLS = "soft TTL 60 s, hard TTL 300 s, negative TTL 5 s"


def _cache(refresh, *outcomes, takes_s=0.0):
    _freshness_works()
    clock = SimulatedClock()
    origin = _Origin(clock, *outcomes, takes_s=takes_s)
    scenario(f"a cache ({TTLS})")
    return Cache(refresh, origin, clock), origin, clock


def _freshness_works():
    """An entry asks the learner's own `freshness`: where that is wrong, it is not for refresh."""
    for age_s, word in ((0, "fresh"), (59.9, "fresh"), (60, "refresh"), (300, "expired")):
        scenario("what Entry.freshness asks")
        call(caching.freshness, age_s, 60.0, 300.0).equals(
            word, look="`freshness` is what refresh rests on: exercise 1 comes first"
        )


def _look(answer: Answer, otherwise: str) -> str:
    """What to look at: the mistake that the error gives away, or else `otherwise`."""
    if isinstance(answer.error, FrozenInstanceError):
        return "an Entry is frozen: replace(entry, soft_ttl_s=…) makes a changed copy"
    if isinstance(answer.error, AttributeError) and "'NoneType'" in str(answer.error):
        return "there may be no old entry: then self.entries.get(key) is None"
    return otherwise


def _at(clock, moment_s):
    clock.sleep(moment_s - clock.now_s())
    given(f"second {moment_s:g}")


def _asked(origin, times, look):
    if len(origin.asked) != times:
        raise fail(f"the origin was asked {len(origin.asked)} times", f"{times}", look)


@about.rule("Cache.refresh")
def a_value_is_stored_and_given(refresh):
    """A value that the origin returns is given, and stored with the cache's own TTLs."""
    cache, origin, clock = _cache(refresh, "red", None)
    got = call(cache.get, "k")
    got.equals("red", look=_look(got, "store an Entry, and return that entry"))
    if origin.asked != ["k"]:
        raise fail(f"the origin was asked for {shown(origin.asked)}", "['k']")
    for entry in cache.entries.stored:
        if isinstance(entry, Entry) and entry.stored_at_s != 0.0:
            raise fail(
                f"stored: {shown(entry)}",
                "stored_at_s=0.0, the time on the cache's clock",
                "stored_at_s is not on self.clock: self.clock.now_s() is what the cache calls now",
            )
    _at(clock, 59)
    call(cache.get, "k").equals("red", look="self.entries.put(key, …) keeps it for the next get")
    _asked(origin, 1, "a stored entry with soft_ttl_s 60 is fresh at second 59")
    call(cache.get, "other").equals(None, look="None is a value too, if the origin returns it")
    call(cache.get, "other").equals(None)
    _asked(origin, 2, "one fetch for each key")


@about.rule("Cache.refresh")
def not_found_is_an_answer(refresh):
    """A NotFoundError is raised, and remembered for the negative TTL."""
    cache, origin, clock = _cache(refresh, NotFoundError("no k"), NotFoundError("no k"), "red")
    call(cache.get, "k").raises(
        NotFoundError, look="Entry(None, error, …) holds it, and its answer() raises it"
    )
    _at(clock, 4.9)
    call(cache.get, "k").raises(NotFoundError)
    _asked(origin, 1, "an entry may hold an error instead of a value")
    _at(clock, 5)
    call(cache.get, "k").raises(NotFoundError)
    _asked(origin, 2, "its soft and hard TTL are both negative_ttl_s")
    _at(clock, 10)
    call(cache.get, "k").equals("red", look="it was created in the meantime")
    cache, _, _ = _cache(refresh, NotFoundError("no k"))
    returned = call(lambda: cache._refresh(cache, "k"), shown_as="cache.refresh('k')")
    if not isinstance(returned.raw, Entry):
        raise returned.broken(
            "an Entry that holds the error",
            "return that entry, as for a value: `get` calls its answer(), which raises",
        )


@about.rule("Cache.refresh")
def without_an_old_value_failures_show(refresh):
    """Where there is nothing to give, the origin's own error is raised, and not stored."""
    cache, _, _ = _cache(refresh, OriginDownError("down"), "red")
    got = call(cache.get, "k")
    got.raises(OriginDownError, look=_look(got, "a bare `raise` hands the error on"))
    if cache.entries.stored:
        raise fail(
            f"stored: {shown(cache.entries.stored[0])}",
            "nothing stored",
            "only NotFoundError is an answer; this origin has not answered",
        )
    call(cache.get, "k").equals("red")


@about.rule("Cache.refresh")
def its_age_counts_from_when_it_came(refresh):
    """An answer's age counts from the moment when it came, not when it was asked for."""
    cache, origin, clock = _cache(refresh, "red", NotFoundError(), takes_s=4.0)
    call(cache.get, "k").equals("red")
    call(lambda: cache.entries.get("k"), shown_as="cache.entries.get('k')").equals(
        Entry("red", None, 4.0, 60.0, 300.0),
        look="the fetch began at second 0 and took 4 s; read the clock after it",
    )
    call(cache.get, "none").raises(NotFoundError)
    given("second 12, 4 s after the second fetch ended")
    clock.sleep(4.0)
    call(cache.get, "none").raises(NotFoundError, look="for errors too: read the clock after it")
    _asked(origin, 2, "an error that came 4 s ago is believed for another second")


@about.rule("Cache.refresh")
def who_comes_late_does_not_fetch(refresh):
    """If another thread has stored a fresh entry since, that is returned without a fetch."""
    cache, origin, clock = _cache(refresh, "red", "blue")
    call(cache.get, "k").equals("red")
    call(
        lambda: cache._refresh(cache, "k").answer(), shown_as="cache.refresh('k').answer()"
    ).equals("red", look="before you fetch, look whether the stored entry is fresh by now")
    _asked(origin, 1, "before you fetch, look whether the stored entry is fresh by now")
    _at(clock, 60)
    call(cache.get, "k").equals("blue", look="an entry that is no longer fresh is fetched anew")
    cache, origin, clock = _cache(refresh, NotFoundError("no k"), "blue")
    call(cache.get, "k").raises(NotFoundError)
    _at(clock, 4)
    call(
        lambda: cache._refresh(cache, "k").answer(), shown_as="cache.refresh('k').answer()"
    ).raises(NotFoundError, look="an entry that holds an error is an entry too: is it fresh?")
    _asked(origin, 1, "an entry that holds an error is an entry too: is it fresh?")


@about.rule("Cache.refresh")
def an_old_value_is_better_than_none(refresh):
    """Between soft and hard TTL, a failing origin goes unnoticed: the old value is given."""
    cache, origin, clock = _cache(refresh, "red", OriginDownError("down"), "blue")
    call(cache.get, "k").equals("red")
    _at(clock, 100)
    got = call(cache.get, "k")
    got.equals("red", look=_look(got, "100 s is below the hard TTL: what is there to give?"))
    _asked(origin, 2, "first try to refresh, and only then fall back")
    _at(clock, 110)
    call(cache.get, "k").equals("blue", look="the origin is back; the next attempt succeeds")


@about.rule("Cache.refresh")
def a_failing_origin_is_left_alone(refresh):
    """After a failed refresh the origin is not asked again before the negative TTL is over."""
    cache, origin, clock = _cache(refresh, "red", OriginDownError(), OriginDownError(), "blue")
    call(cache.get, "k").equals("red")
    _at(clock, 100)
    call(cache.get, "k").equals("red")
    _at(clock, 104.9)
    call(cache.get, "k").equals("red", look="store the old entry with a longer soft TTL")
    _asked(
        origin,
        2,
        "store the old entry with a soft TTL that ends 5 s from now. It counts from stored_at_s: "
        "the entry's age now, plus 5 s",
    )
    _at(clock, 105)
    call(cache.get, "k").equals("red")
    _asked(origin, 3, "5 s later the origin is tried again; the soft TTL is an age, not a moment")
    _at(clock, 110)
    call(cache.get, "k").equals("blue")


@about.rule("Cache.refresh")
def the_hard_ttl_ends_it(refresh):
    """However often a refresh fails, the hard TTL counts from the answer itself."""
    cache, origin, clock = _cache(refresh, "red", *[OriginDownError("down")] * 9)
    call(cache.get, "k").equals("red")
    for moment_s in (100, 200, 298):
        _at(clock, moment_s)
        call(cache.get, "k").equals("red")
    _at(clock, 300)
    call(cache.get, "k").raises(
        OriginDownError,
        look="a stored entry keeps its stored_at_s and its hard_ttl_s when it is stored again",
    )
    _at(clock, 301)
    call(cache.get, "k").raises(OriginDownError)
    _asked(origin, 6, "once it has expired nothing is stored, and each get asks the origin")


@about.rule("Cache.refresh")
def judged_when_the_answer_is_given(refresh):
    """Whether an entry has expired is judged after the failed fetch, which takes its time."""
    cache, origin, clock = _cache(refresh, "red", OriginDownError("down"))
    call(cache.get, "k").equals("red")
    origin.takes_s = 2.0
    _at(clock, 299)
    call(cache.get, "k").raises(
        OriginDownError, look="asked at second 299, failed at 301: read the clock after the fetch"
    )
    cache, origin, clock = _cache(refresh, "red", OriginDownError("down"), "blue")
    call(cache.get, "k").equals("red")
    origin.takes_s = 2.0
    _at(clock, 100)
    call(cache.get, "k").equals("red")
    given("second 106, 4 s after that fetch failed")
    clock.sleep(4.0)
    call(cache.get, "k").equals("red", look="the pause begins when the fetch has failed")


@about.rule("Cache.refresh")
def not_found_replaces(refresh):
    """A NotFoundError replaces an older value: what is gone is not given any more."""
    cache, origin, clock = _cache(refresh, "red", NotFoundError("gone"), OriginDownError("down"))
    call(cache.get, "k").equals("red")
    _at(clock, 100)
    call(cache.get, "k").raises(
        NotFoundError, look="the origin has answered: this is no failure to be hidden"
    )
    _at(clock, 102)
    call(cache.get, "k").raises(NotFoundError, look="it must replace the stored entry")
    _asked(origin, 2, "the error is stored in place of the value")
    _at(clock, 106)
    call(cache.get, "k").raises(
        OriginDownError, look="the remembered error has expired, hard TTL and all"
    )


@about.rule("Cache.refresh")
def only_exceptions_are_failures(refresh):
    """Only an Exception counts as a failure: a KeyboardInterrupt goes through."""
    cache, _, clock = _cache(refresh, "red", KeyboardInterrupt())
    call(cache.get, "k").equals("red")
    _at(clock, 100)
    call(cache.get, "k").raises(
        KeyboardInterrupt, look="`except Exception:` lets it pass; a bare `except:` does not"
    )


about.hints(
    "Cache.refresh",
    """
    A fetch can end in three ways. Which of them is an answer, which is worth storing, and for how
    long? And what can have happened between `get`'s look at the entries and yours?
    """,
    """
    First look again: a fresh entry is returned as it is. Then try / except NotFoundError /
    except Exception / else, each making the entry to store. In `except Exception` ask the old
    entry for its freshness *now*; if there is none or it has expired, a bare `raise`.
    """,
    """
    old = self.entries.get(key)
    if …: return old
    try:
        value = self.fetch(key)
    except NotFoundError as error:
        entry = Entry(None, error, self.clock.now_s(), …, …)
    except Exception:
        now_s = self.clock.now_s()
        if old is None or …: raise
        entry = replace(old, soft_ttl_s=old.age_s(now_s) + …)
    else:
        entry = Entry(value, None, …)
    self.entries.put(key, entry)
    return entry
    """,
)


# --- Coalescer --------------------------------------------------------------------------------


class _Caller:
    """A thread that makes one call and keeps what came of it."""

    def __init__(self, function: object, *args: object):
        self.ended = threading.Event()
        self._function, self._args = function, args
        self._answer: Answer | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._answer = Answer(self._function(*self._args), None)
        except BaseException as error:
            self._answer = Answer(None, error)
        self.ended.set()

    def answer(
        self,
        until: float | None = None,
        look: str = "who tells the waiters that it is over, and does that happen in every case?",
        expected: str = "an answer",
    ) -> Answer:
        """What came back; a broken rule if nothing has by `until` (of time.monotonic)."""
        left_s = PATIENCE_S if until is None else max(0.0, until - time.monotonic())
        if not self.ended.wait(left_s):
            raise fail(
                f"a caller was still waiting after {PATIENCE_S:g} s",
                expected,
                look,
            )
        if isinstance(self._answer.error, NotImplementedError):
            raise StillAStubError
        return self._answer


class _Key:
    """A key that knows which threads have looked it up: they are inside `do`.

    With `pause_at`, the first of them is held in the middle of its so-manieth look.
    """

    def __init__(self, wanted: int, pause_at: int = 0, paused: threading.Event | None = None):
        self.looks: dict[int, int] = {}
        self.all_inside, self.go_on = threading.Event(), threading.Event()
        self._wanted, self._pause_at, self._paused = wanted, pause_at, paused

    def __hash__(self) -> int:
        me = threading.get_ident()
        self.looks[me] = self.looks.get(me, 0) + 1
        if len(self.looks) >= self._wanted:
            self.all_inside.set()
        if self._paused and next(iter(self.looks)) == me and self.looks[me] == self._pause_at:
            self._paused.set()
            self.go_on.wait(PATIENCE_S)
        return 7

    def __repr__(self) -> str:
        return "key"

    def __eq__(self, other: object) -> bool:
        return self is other


class _Fetch:
    """A fetch whose first call lasts until it is let go; all calls are counted."""

    def __init__(self, outcome: object, begun: threading.Event | None = None):
        self.outcome, self.calls, self.calls_meanwhile = outcome, 0, 0
        self.began, self.go_on = threading.Event(), threading.Event()
        self._begun, self._lock = begun or self.began, threading.Lock()

    def __call__(self) -> object:
        with self._lock:
            self.calls += 1
            first = self.calls == 1
            self.calls_meanwhile += not self.go_on.is_set()
        if first:
            self.began.set()
            self._begun.set()
            self.go_on.wait(2 * PATIENCE_S)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


RAISED = "the error that fetch raised"
HELD = "the lock is held while somebody fetches or waits; hold it only to look at the flights"


def _begun(coalescer, key: _Key, fetch: _Fetch) -> _Caller:
    """A thread that has begun the fetch for `key`."""
    first = _Caller(coalescer.do, key, fetch)
    if not fetch.began.wait(PATIENCE_S):
        first.answer()
        raise fail("the first caller's fetch was never called", "it is called at once")
    if not key.looks:
        fetch.go_on.set()
        raise fail(
            "a fetch has begun, and the key has not been looked up as the key itself",
            "the key is what the flight is found by",
            "a dictionary from the key itself to its flight: a lock alone lets them fetch one "
            "after the other; its id() differs where keys are equal, its str() may be the same "
            "where they are not",
        )
    return first


def _together(coalescer_class, callers: int, outcome: object) -> tuple[_Fetch, list[Answer]]:
    """`callers` threads that all ask for one key before its fetch has ended."""
    failed = isinstance(outcome, BaseException)
    ends = f"raises {type(outcome).__name__}" if failed else f"returns {outcome!r}"
    scenario("a new coalescer")
    coalescer = call(coalescer_class).made
    given(
        f"{callers} threads that call coalescer.do(key, fetch) while one fetch lasts, then {ends}"
    )
    key, fetch = _Key(callers), _Fetch(outcome)
    threads = [_begun(coalescer, key, fetch)]
    threads += [_Caller(coalescer.do, key, fetch) for _ in range(callers - 1)]
    all_inside = key.all_inside.wait(PATIENCE_S)
    fetch.go_on.set()
    if not all_inside:
        raise fail(
            f"only {len(key.looks)} of {callers} threads had looked for a flight after "
            f"{PATIENCE_S:g} s",
            "all of them, while the fetch lasts",
            HELD,
        )
    until = time.monotonic() + PATIENCE_S
    expected = RAISED if failed else "an answer"
    return fetch, [thread.answer(until, expected=expected) for thread in threads]


def _raises_the_very(answer: Answer, error: BaseException, look: str) -> None:
    """The answer is `error`, the same object and no other like it."""
    if answer.raises(type(error), look) is not error:
        raise answer.broken(
            f"{RAISED}, the same object",
            "an error made anew has lost the first one's traceback, cause and attributes: keep "
            "the one that was caught, and raise that",
            "another object of the same class",
        )


@about.rule("Coalescer")
def alone_it_is_just_a_call(coalescer_class):
    """Without company, `do` calls fetch once, in the caller's thread, and hands on what it returns
    or raises."""
    coalescer = call(coalescer_class).made
    fetched_in = []
    call(
        lambda: coalescer.do("k", lambda: fetched_in.append(threading.get_ident()) or "red"),
        shown_as="coalescer.do('k', fetch)",
    ).equals("red", look="what fetch() returns is what `do` returns")
    if len(fetched_in) != 1:
        raise fail(f"{len(fetched_in)} calls of fetch", "1")
    if fetched_in != [threading.get_ident()]:
        raise fail(
            "fetch was called in another thread",
            "the caller's own thread calls it",
            "with a pool of threads, as many keys are fetched at once as it has, and no more",
        )
    call(lambda: coalescer.do("l", lambda: None), shown_as="coalescer.do('l', fetch)").equals(
        None, look="None is an answer like any other"
    )

    def fetch():
        raise OriginDownError("down")

    call(coalescer.do, "m", fetch).raises(OriginDownError)


@about.rule("Coalescer")
def nothing_is_kept(coalescer_class):
    """Once a fetch has ended, the next call fetches anew, whether it returned or raised."""
    coalescer = call(coalescer_class).made
    outcomes = ["red", "blue", OriginDownError("down"), "green"]

    def fetch():
        outcome = outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    call(coalescer.do, "k", fetch).equals("red")
    call(coalescer.do, "k", fetch).equals("blue", look="this is no cache: forget the flight")
    call(coalescer.do, "k", fetch).raises(OriginDownError)
    call(coalescer.do, "k", fetch).equals(
        "green", look="after an error too, in every case, the flight must be forgotten"
    )


@about.rule("Coalescer")
def other_keys_go_on(coalescer_class):
    """While one key's fetch lasts, another key is not held up."""
    coalescer = call(coalescer_class).made
    given("a thread whose fetch for one key lasts")
    fetch, key = _Fetch("slow"), _Key(2)
    slow = _begun(coalescer, key, fetch)
    given("a second thread that waits for the same fetch")
    waiting = _Caller(coalescer.do, key, fetch)
    key.all_inside.wait(PATIENCE_S / 2)
    given("a third thread that calls coalescer.do(7, …), a key that happens to have the same hash")
    quick = _Caller(coalescer.do, 7, lambda: "quick")
    held_up = not quick.ended.wait(PATIENCE_S / 2)
    fetch.go_on.set()
    if not held_up or quick.ended.wait(PATIENCE_S / 4):
        quick.answer().equals("quick", look="each key has its own flight and its own answer")
    if held_up:
        raise fail("the third thread waited for the first one's fetch", "an answer at once", HELD)
    slow.answer().equals("slow")
    waiting.answer().equals("slow", look="the waiters get what the one fetch returned")


@about.rule("Coalescer")
def two_coalescers_share_nothing(coalescer_class):
    """Two coalescers have no flight in common, even for the same key."""
    one, two = call(coalescer_class).made, call(coalescer_class).made
    given("a thread whose fetch for 'k' lasts, in the first of two coalescers")
    fetch = _Fetch("of the first")
    slow = _Caller(one.do, "k", fetch)
    fetch.began.wait(PATIENCE_S)
    given("a second thread that calls do('k', …) of the second coalescer")
    other = _Caller(two.do, "k", lambda: "of the second")
    held_up = not other.ended.wait(PATIENCE_S / 4)
    fetch.go_on.set()
    look = "what stands in the class body belongs to all of them: make it in __init__, as self.…"
    if held_up:
        raise fail("the second thread waited for the first one's fetch", "an answer at once", look)
    slow.answer().equals("of the first", look)
    other.answer().equals("of the second", look)


@about.rule("Coalescer")
def waiting_costs_nothing(coalescer_class):
    """Whoever waits for a fetch sleeps until it ends, and takes no processor time."""
    coalescer = call(coalescer_class).made
    given("a thread whose fetch lasts, and a second one that waits for it")
    fetch, key = _Fetch("slow"), _Key(2)
    threads = [_begun(coalescer, key, fetch), _Caller(coalescer.do, key, fetch)]
    key.all_inside.wait(PATIENCE_S)
    before_s = time.process_time()
    time.sleep(0.1)
    used_s = time.process_time() - before_s
    fetch.go_on.set()
    if used_s > 0.03:
        raise fail(
            f"{1000 * used_s:.0f} ms of processor time used while they waited for 100 ms",
            "next to none",
            "a waiter is spinning: a loop that looks again and again. Future.result() and "
            "Event.wait() sleep until they are woken",
        )
    for thread in threads:
        thread.answer().equals("slow")


@about.rule("Coalescer")
def a_hundred_callers_one_fetch(coalescer_class):
    """A hundred threads that want one key at the same time cost one fetch, and all get its
    answer."""
    fetch, answers = _together(coalescer_class, 100, "red")
    if fetch.calls != 1:
        raise fail(
            f"{fetch.calls} calls of fetch",
            "1",
            "who looks whether there is a flight, and who enters one, must do both under one lock"
            if fetch.calls_meanwhile > 1
            else "the others waited for the first fetch, and then fetched again: hand them its "
            "outcome instead",
        )
    for answer in answers:
        answer.equals("red", look="the waiters get what the one fetch returned")


@about.rule("Coalescer")
def nothing_is_an_answer_too(coalescer_class):
    """None, 0 and "" are shared like any other answer."""
    for outcome in (None, 0, ""):
        look = (
            f"{outcome!r} is an answer like any other, for the waiters too: whether a fetch has "
            "ended cannot be read off what it returned"
        )
        fetch, answers = _together(coalescer_class, 4, outcome)
        for answer in answers:
            answer.equals(outcome, look)
        if fetch.calls != 1:
            raise fail(f"{fetch.calls} calls of fetch", "1", look)


@about.rule("Coalescer")
def two_at_the_very_same_moment(coalescer_class):
    """Between looking for a flight and entering one, nobody else can look."""
    for pause_at in (2, 3):
        scenario("a new coalescer")
        coalescer = call(coalescer_class).made
        given("a thread that has just found no flight, and a second one that comes right then")
        signal = threading.Event()
        key, fetch = _Key(2, pause_at, signal), _Fetch("red", signal)
        first = _Caller(coalescer.do, key, fetch)
        signal.wait(PATIENCE_S)
        second = _Caller(coalescer.do, key, fetch)
        fetch.began.wait(0.1)
        key.go_on.set()
        key.all_inside.wait(PATIENCE_S)
        fetch.go_on.set()
        answers = [first.answer(), second.answer()]
        look = (
            "both have looked before either had entered a flight: look and enter under one lock, "
            "without letting go of it in between"
        )
        if fetch.calls != 1:
            raise fail(f"{fetch.calls} calls of fetch", "1", look)
        for answer in answers:
            answer.equals("red", look)


@about.rule("Coalescer")
def an_error_reaches_everyone(coalescer_class):
    """If the one fetch raises, everyone who shared it gets that very error, and nobody fetches
    again."""
    error = OriginDownError("down")
    fetch, answers = _together(coalescer_class, 20, error)
    for answer in answers:
        _raises_the_very(answer, error, "an error is an outcome: hand it to the waiters")
    if fetch.calls != 1:
        raise fail(
            f"{fetch.calls} calls of fetch",
            "1",
            "a waiter who fetches for itself after an error makes a crowd out of a failure",
        )


@about.rule("Coalescer")
def nobody_is_left_waiting(coalescer_class):
    """Even if the fetch ends in something that is no Exception, everyone gets it."""
    error = SystemExit("the thread is told to stop")
    _, answers = _together(coalescer_class, 3, error)
    for answer in answers:
        _raises_the_very(answer, error, "`except Exception` does not catch a SystemExit")


@about.rule("Coalescer")
def forgotten_before_it_is_told(coalescer_class):
    """Whoever has shared a fetch and calls again gets a new one, not the ended one's answer or
    error."""
    for outcome in ("old", OriginDownError("old")):
        failed = isinstance(outcome, OriginDownError)
        scenario("a new coalescer")
        coalescer = call(coalescer_class).made
        given(
            "a first caller, whose fetch "
            + ("raises OriginDownError" if failed else "returns 'old'")
            + " and who goes on slowly once it has ended"
        )
        key, old = _Key(2), _Fetch(outcome)

        def slowly(old=old):
            if old.go_on.is_set():
                time.sleep(0.02)

        def ask_twice(do=coalescer.do, key=key, old=old):
            try:
                told = do(key, old)
            except OriginDownError as error:
                told = f"raised OriginDownError: {error}"
            return [told, do(key, lambda: "new")]

        first = _Caller(_traced(coalescer.do, slowly), key, old)
        old.began.wait(PATIENCE_S)
        given("a second one, who shares that fetch and, as soon as it is told, calls again")
        waiter = _Caller(ask_twice)
        key.all_inside.wait(PATIENCE_S)
        old.go_on.set()
        look = (
            "each call ends as its own flight did: keep the outcome in the flight, not under the "
            "key"
        )
        if failed:
            first.answer(expected=RAISED).raises(OriginDownError, look)
        else:
            first.answer().equals("old", look)
        waiter.answer().equals(
            ["raised OriginDownError: old" if failed else "old", "new"],
            look="the waiters are told before the flight is forgotten: until then it is found "
            "again",
        )


@about.rule("Coalescer")
def it_does_not_grow(coalescer_class):
    """When a key's fetch has ended, nothing of the key is kept."""
    coalescer = call(coalescer_class).made
    key = _Key(1)
    watched = weakref.ref(key)
    call(
        lambda held: coalescer.do(held, lambda: "red"), key, shown_as="coalescer.do(key, fetch)"
    ).equals("red")
    del key
    gc.collect()
    if watched() is not None:
        raise fail(
            "the key is still referred to",
            "nothing is left of it",
            "a dictionary that is only added to grows for as long as the process lives",
        )


about.hints(
    "Coalescer",
    """
    What must the second caller find, to know that there is a first one? Where does it wait, and
    how does it learn the outcome?
    """,
    """
    A dictionary from key to flight, and one lock around every look at it. Under the lock: is
    there a flight? If not, enter one and be the first. Outside the lock: the first fetches, takes
    the flight out again (under the lock), then publishes the outcome; the others wait for it.
    concurrent.futures.Future is a ready-made flight: set_result, set_exception, and a result()
    that waits and then returns or raises.
    """,
    """
    with self._lock:
        flight = self._flights.get(key)
        first = flight is None
        if first:
            flight = self._flights[key] = Future()
    if not first:
        return flight.result()
    try: …                      # fetch, and catch BaseException
    with self._lock:
        del self._flights[key]
    …                           # flight.set_exception(error) or flight.set_result(value)
    return flight.result()
    """,
)
