"""Wrong answers to lab 1.4: freshness, the store, the refresh and coalescing."""

import time
from dataclasses import replace

from amazonian.resilience import caching
from amazonian.resilience.caching import Cache, Entry, NotFoundError
from wrong_answers import wrong

# --- freshness


@wrong(caching, feedback="the docstring says `from this age on`")
def freshness__still_fresh_at_the_soft_ttl(age_s, soft_ttl_s, hard_ttl_s):
    if age_s > hard_ttl_s:
        return "expired"
    return "refresh" if age_s > soft_ttl_s else "fresh"


@wrong(caching, feedback="which of the two TTLs do you ask about first?")
def freshness__asks_about_the_soft_ttl_first(age_s, soft_ttl_s, hard_ttl_s):
    if age_s < soft_ttl_s:
        return "fresh"
    return "refresh" if age_s < hard_ttl_s else "expired"


@wrong(caching, feedback='it is to "refresh"')
def freshness__adds_the_two_ttls(age_s, soft_ttl_s, hard_ttl_s):
    if age_s >= soft_ttl_s + hard_ttl_s:
        return "expired"
    return "fresh" if age_s < hard_ttl_s else "refresh"


@wrong(caching, feedback="the hard one does not begin where the soft one ends")
def freshness__lets_the_hard_ttl_begin_after_the_soft_one(age_s, soft_ttl_s, hard_ttl_s):
    if age_s >= soft_ttl_s + hard_ttl_s:
        return "expired"
    return "refresh" if age_s >= soft_ttl_s else "fresh"


@wrong(caching, feedback="ages and TTLs need not be whole seconds")
def freshness__counts_whole_seconds(age_s, soft_ttl_s, hard_ttl_s):
    if int(age_s) >= hard_ttl_s:
        return "expired"
    return "refresh" if int(age_s) >= soft_ttl_s else "fresh"


@wrong(caching, feedback='there are three words, in small letters: "fresh", "refresh", "expired"')
def freshness__says_stale(age_s, soft_ttl_s, hard_ttl_s):
    if age_s >= hard_ttl_s:
        return "expired"
    return "stale" if age_s >= soft_ttl_s else "fresh"


# --- Cache.refresh


def _refresh(cache, key, wrongly):
    """The reference, with one thing done `wrongly`."""
    old = cache.entries.get(key)
    began_s = cache.clock.now_s()
    fresh = old is not None and old.freshness(began_s) == "fresh"
    if wrongly == "looks only for values" and fresh and old.error is not None:
        fresh = False
    if fresh and wrongly != "fetches in any case":
        return old
    try:
        value = cache.fetch(key)
    except NotFoundError as error:
        ttl_s = cache.hard_ttl_s if wrongly == "believes errors for long" else cache.negative_ttl_s
        entry = Entry(None, error, cache.clock.now_s(), ttl_s, ttl_s)
        if wrongly == "raises without storing":
            raise
        if wrongly == "stores and raises":
            cache.entries.put(key, entry)
            raise
        if wrongly == "hides that it is gone" and old is not None and old.error is None:
            return old
    except Exception as error:
        now_s = began_s if wrongly == "judges before it asks" else cache.clock.now_s()
        if wrongly == "forgets that there may be none" and old.freshness(now_s) == "expired":
            raise
        if old is None or old.freshness(now_s) == "expired":
            if wrongly == "remembers failures":
                ttl_s = cache.negative_ttl_s
                cache.entries.put(key, Entry(None, error, now_s, ttl_s, ttl_s))
            raise
        if wrongly == "asks again at once":
            return old
        pause_s = cache.negative_ttl_s
        if wrongly == "starts the age anew":
            entry = replace(old, stored_at_s=now_s, soft_ttl_s=pause_s)
        elif wrongly == "takes an age for a moment":
            entry = replace(old, soft_ttl_s=old.soft_ttl_s + pause_s)
        elif wrongly == "counts the pause from the answer":
            entry = replace(old, soft_ttl_s=pause_s)
        elif wrongly == "lengthens the hard TTL":
            soft_ttl_s = old.age_s(now_s) + pause_s
            entry = replace(old, soft_ttl_s=soft_ttl_s, hard_ttl_s=old.hard_ttl_s + pause_s)
        elif wrongly == "changes the entry":
            old.soft_ttl_s = old.age_s(now_s) + pause_s
            entry = old
        else:
            entry = replace(old, soft_ttl_s=old.age_s(now_s) + pause_s)
    else:
        came_s = began_s if wrongly == "counts from the question" else cache.clock.now_s()
        came_s = time.time() if wrongly == "asks the machine for the time" else came_s
        entry = Entry(value, None, came_s, cache.soft_ttl_s, cache.hard_ttl_s)
    cache.entries.put(key, entry)
    return entry


@wrong(Cache, feedback="before you fetch, look whether the stored entry is fresh by now")
def refresh__fetches_in_any_case(self, key):
    return _refresh(self, key, "fetches in any case")


@wrong(Cache, feedback="its soft and hard TTL are both negative_ttl_s")
def refresh__believes_errors_for_long(self, key):
    return _refresh(self, key, "believes errors for long")


@wrong(Cache, feedback="an entry may hold an error instead of a value")
def refresh__raises_without_storing(self, key):
    return _refresh(self, key, "raises without storing")


@wrong(Cache, feedback="this is no failure to be hidden")
def refresh__hides_that_it_is_gone(self, key):
    return _refresh(self, key, "hides that it is gone")


@wrong(Cache, feedback="read the clock after the fetch")
def refresh__judges_before_it_asks(self, key):
    return _refresh(self, key, "judges before it asks")


@wrong(Cache, feedback="this origin has not answered")
def refresh__remembers_failures(self, key):
    return _refresh(self, key, "remembers failures")


@wrong(Cache, feedback="store the old entry with a soft TTL that ends 5 s from now")
def refresh__asks_again_at_once(self, key):
    return _refresh(self, key, "asks again at once")


@wrong(Cache, feedback="an entry that holds an error is an entry too")
def refresh__looks_only_for_values(self, key):
    return _refresh(self, key, "looks only for values")


@wrong(Cache, feedback="`get` calls its answer(), which raises")
def refresh__stores_and_raises(self, key):
    return _refresh(self, key, "stores and raises")


@wrong(Cache, feedback="there may be no old entry")
def refresh__forgets_that_there_may_be_none(self, key):
    return _refresh(self, key, "forgets that there may be none")


@wrong(Cache, feedback="It counts from stored_at_s: the entry's age now, plus 5 s")
def refresh__counts_the_pause_from_the_answer(self, key):
    return _refresh(self, key, "counts the pause from the answer")


@wrong(Cache, feedback="a stored entry keeps its stored_at_s and its hard_ttl_s")
def refresh__lengthens_the_hard_ttl(self, key):
    return _refresh(self, key, "lengthens the hard TTL")


@wrong(Cache, feedback="replace(entry, soft_ttl_s=…) makes a changed copy")
def refresh__changes_the_entry(self, key):
    return _refresh(self, key, "changes the entry")


@wrong(Cache, feedback="stored_at_s is not on self.clock")
def refresh__asks_the_machine_for_the_time(self, key):
    return _refresh(self, key, "asks the machine for the time")


@wrong(Cache, feedback="a stored entry keeps its stored_at_s")
def refresh__starts_the_age_anew(self, key):
    return _refresh(self, key, "starts the age anew")


@wrong(Cache, feedback="store the old entry with a soft TTL that ends 5 s from now")
def refresh__takes_an_age_for_a_moment(self, key):
    return _refresh(self, key, "takes an age for a moment")


@wrong(Cache, feedback="the fetch began at second 0 and took 4 s")
def refresh__counts_from_the_question(self, key):
    return _refresh(self, key, "counts from the question")


@wrong(Cache, feedback="what is there to give?")
def refresh__knows_only_the_hard_ttl(self, key):
    old = self.entries.get(key)
    if old is not None and old.freshness(self.clock.now_s()) == "fresh":
        return old
    try:
        value = self.fetch(key)
    except NotFoundError as error:
        ttl_s = self.negative_ttl_s
        entry = Entry(None, error, self.clock.now_s(), ttl_s, ttl_s)
    else:
        entry = Entry(value, None, self.clock.now_s(), self.soft_ttl_s, self.hard_ttl_s)
    self.entries.put(key, entry)
    return entry


@wrong(Cache, feedback="`get` needs the entry itself")
def refresh__returns_the_value(self, key):
    return _refresh(self, key, "").answer()
