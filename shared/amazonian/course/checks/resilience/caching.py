"""What lab 1.4 asks of freshness and of the cache's refresh."""

from dataclasses import FrozenInstanceError

from amazonian.course.evidence import Answer, call, fail, given, scenario, shown
from amazonian.course.rules import RulesFor
from amazonian.resilience import caching
from amazonian.resilience.caching import Entry, NotFoundError
from amazonian.resilience.clock import SimulatedClock

about = RulesFor("amazonian.resilience.caching")

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
