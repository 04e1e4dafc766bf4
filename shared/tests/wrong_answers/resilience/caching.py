"""Wrong answers to lab 1.4: freshness, the store, the refresh and coalescing."""

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
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


# --- LRU


@wrong(caching, feedback="it was used after b: b had to go")
class LRU__forgets_that_a_get_is_a_use(caching.LRU):
    def get(self, key):
        with self._lock:
            return self._entries.get(key)


@wrong(caching, feedback="is a put of a stored key a use of it?")
class LRU__forgets_that_a_put_is_a_use(caching.LRU):
    def put(self, key, value):
        with self._lock:
            self._entries[key] = value
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)


@wrong(caching, feedback="a key that is stored already needs no room")
class LRU__makes_room_that_it_does_not_need(caching.LRU):
    def put(self, key, value):
        with self._lock:
            if len(self._entries) >= self._capacity:
                self._entries.popitem(last=False)
            self._entries[key] = value
            self._entries.move_to_end(key)


@wrong(caching, feedback="which is oldest?")
class LRU__drops_the_most_recent(caching.LRU):
    def put(self, key, value):
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem()


@wrong(caching, feedback="a list is searched from its start")
class LRU__keeps_its_order_in_a_list:
    def __init__(self, capacity):
        if capacity < 1:
            raise ValueError
        self.capacity, self.order, self.values = capacity, [], {}

    def get(self, key):
        if key not in self.values:
            return None
        self.order.remove(key)
        self.order.append(key)
        return self.values[key]

    def put(self, key, value):
        if key in self.values:
            self.order.remove(key)
        elif len(self.values) == self.capacity:
            del self.values[self.order.pop(0)]
        self.order.append(key)
        self.values[key] = value

    def __len__(self):
        return len(self.values)


@wrong(caching, feedback="a second thread's put went through meanwhile")
class LRU__has_no_lock:
    def __init__(self, capacity):
        if capacity < 1:
            raise ValueError
        self.capacity, self.entries = capacity, OrderedDict()

    def get(self, key):
        if key not in self.entries:
            return None
        self.entries.move_to_end(key)
        return self.entries[key]

    def put(self, key, value):
        self.entries[key] = value
        self.entries.move_to_end(key)
        if len(self.entries) > self.capacity:
            self.entries.popitem(last=False)

    def __len__(self):
        return len(self.entries)


class _Stamped:
    """A store that keeps, for every key, when it was last used: finding the oldest takes time."""

    def __init__(self, capacity):
        if capacity < 1:
            raise ValueError
        self.capacity, self.values, self.used, self.uses = capacity, {}, {}, 0
        self.lock = threading.Lock()

    def get(self, key):
        with self.lock:
            if key not in self.values:
                return None
            self.uses += 1
            self.used[key] = self.uses
            return self.values[key]

    def put(self, key, value):
        with self.lock:
            if key not in self.values and len(self.values) >= self.capacity:
                oldest = self.oldest()
                del self.values[oldest], self.used[oldest]
            self.uses += 1
            self.values[key], self.used[key] = value, self.uses

    def __len__(self):
        return len(self.values)


@wrong(caching, feedback="min() looks at everything")
class LRU__searches_for_the_oldest_key(_Stamped):
    def oldest(self):
        return min(self.used, key=self.used.get)


@wrong(caching, feedback="count and drop under the lock under which you stored")
class LRU__drops_outside_the_lock(caching.LRU):
    def put(self, key, value):
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


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


# --- Coalescer


@wrong(caching, feedback="20 calls of fetch")
class Coalescer__lets_waiters_try_for_themselves(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            try:
                return flight.result()
            except Exception:
                return fetch()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        with self._lock:
            del self._flights[key]
        return flight.result()


@wrong(caching, feedback="the lock is held while somebody fetches or waits")
class Coalescer__locks_everyone_out(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = Future()
                try:
                    flight.set_result(fetch())
                except BaseException as error:
                    flight.set_exception(error)
                del self._flights[key]
        return flight.result()


@wrong(caching, feedback="the third thread waited for the first one's fetch")
class Coalescer__waits_with_the_lock_in_its_hand(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight.result()
            flight = self._flights[key] = Future()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        with self._lock:
            del self._flights[key]
        return flight.result()


@wrong(caching, feedback="hold it only to look at the flights")
class Coalescer__waits_so_that_nobody_can_end_it(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight.result()
            flight = self._flights[key] = Future()
        try:
            flight_ends = flight.set_result, fetch()
        except BaseException as error:
            flight_ends = flight.set_exception, error
        with self._lock:
            del self._flights[key]
        flight_ends[0](flight_ends[1])
        return flight.result()


@wrong(caching, feedback="make it in __init__")
class Coalescer__keeps_its_flights_in_the_class(caching.Coalescer):
    _lock, _flights = threading.Lock(), {}

    def __init__(self):
        pass


@wrong(caching, feedback="fetch was called in another thread")
class Coalescer__has_a_pool_of_threads:
    def __init__(self):
        self.pool, self.lock, self.flights = ThreadPoolExecutor(8), threading.RLock(), {}

    def do(self, key, fetch):
        with self.lock:
            flight = self.flights.get(key)
            if flight is None:
                flight = self.flights[key] = self.pool.submit(fetch)
                flight.add_done_callback(lambda _: self.flights.pop(key, None))
        return flight.result()


@wrong(caching, feedback="a waiter is spinning")
class Coalescer__spins(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            while not flight.done():
                pass
            return flight.result()
        try:
            end, outcome = flight.set_result, fetch()
        except BaseException as error:
            end, outcome = flight.set_exception, error
        with self._lock:
            del self._flights[key]
        end(outcome)
        return flight.result()


class _Renamed(caching.Coalescer):
    """It looks for something made of the key, and not for the key itself."""

    def do(self, key, fetch):
        return super().do(self.name(key), fetch)


@wrong(caching, feedback="its id() differs where keys are equal")
class Coalescer__looks_for_the_id(_Renamed):
    name = staticmethod(id)


@wrong(caching, feedback="the key has not been looked up as the key itself")
class Coalescer__looks_for_the_text(_Renamed):
    name = staticmethod(str)


@wrong(caching, feedback="each key has its own flight and its own answer")
class Coalescer__looks_for_the_hash(_Renamed):
    name = staticmethod(hash)


@wrong(caching, feedback="keep the outcome in the flight, not under the key")
class Coalescer__keeps_the_outcome_under_the_key(caching.Coalescer):
    def __init__(self):
        super().__init__()
        self._outcomes = {}

    def do(self, key, fetch):
        with self._lock:
            event = self._flights.get(key)
            first = event is None
            if first:
                event = self._flights[key] = threading.Event()
        if first:
            try:
                outcome = fetch(), None
            except BaseException as error:
                outcome = None, error
            with self._lock:
                self._outcomes[key] = outcome
                del self._flights[key]
            event.set()
        event.wait()
        value, error = self._outcomes[key]
        if error is not None:
            raise error
        return value


@wrong(caching, feedback="a lock alone lets them fetch one after the other")
class Coalescer__has_only_a_lock(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            return fetch()


@wrong(caching, feedback="the waiters are told before the flight is forgotten")
class Coalescer__tells_before_it_forgets(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        with self._lock:
            del self._flights[key]
        return flight.result()


@wrong(caching, feedback="both have looked before either had entered a flight")
class Coalescer__looks_without_a_lock_and_deletes_twice(caching.Coalescer):
    def do(self, key, fetch):
        flight = self._flights.get(key)
        if flight is not None:
            return flight.result()
        flight = self._flights[key] = Future()
        try:
            end, outcome = flight.set_result, fetch()
        except BaseException as error:
            end, outcome = flight.set_exception, error
        del self._flights[key]
        end(outcome)
        return flight.result()


@wrong(caching, feedback="both have looked before either had entered a flight")
class Coalescer__looks_without_a_lock(caching.Coalescer):
    def do(self, key, fetch):
        if key in self._flights:
            return self._flights[key].result()
        flight = self._flights[key] = Future()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        self._flights.pop(key, None)
        return flight.result()


@wrong(caching, feedback="the others waited for the first fetch, and then fetched again")
class Coalescer__lets_them_queue_up(caching.Coalescer):
    """One lock a key: they go one after the other, and every one of them fetches."""

    def do(self, key, fetch):
        with self._lock:
            lock = self._flights.setdefault(key, threading.Lock())
        with lock:
            return fetch()


@wrong(caching, feedback="this is no cache: forget the flight")
class Coalescer__never_forgets(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if first:
            try:
                flight.set_result(fetch())
            except BaseException as error:
                flight.set_exception(error)
        return flight.result()


@wrong(caching, feedback="after an error too, in every case, the flight must be forgotten")
class Coalescer__forgets_only_after_success(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if first:
            try:
                value = fetch()
            except BaseException as error:
                flight.set_exception(error)
                raise
            with self._lock:
                del self._flights[key]
            flight.set_result(value)
        return flight.result()


@wrong(caching, feedback="expected the error that fetch raised")
class Coalescer__leaves_them_waiting_after_an_error(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            flight.set_result(fetch())
        finally:
            with self._lock:
                del self._flights[key]
        return flight.result()


@wrong(caching, feedback="a caller was still waiting")
class Coalescer__catches_only_exceptions(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            flight.set_result(fetch())
        except Exception as error:
            flight.set_exception(error)
        finally:
            with self._lock:
                del self._flights[key]
        return flight.result()


@wrong(caching, feedback="each key has its own flight and its own answer")
class Coalescer__has_one_flight_for_all:
    def __init__(self):
        self.lock, self.flight = threading.Lock(), None

    def do(self, key, fetch):
        with self.lock:
            hash(key)
            flight = self.flight
            if first := flight is None:
                flight = self.flight = Future()
        if not first:
            return flight.result()
        try:
            result = fetch()
        except BaseException as error:
            self.flight = None
            flight.set_exception(error)
        else:
            self.flight = None
            flight.set_result(result)
        return flight.result()


@wrong(caching, feedback="a dictionary that is only added to grows")
class Coalescer__keeps_every_key:
    def __init__(self):
        self.lock, self.flights = threading.Lock(), {}

    def do(self, key, fetch):
        with self.lock:
            flight = self.flights.get(key)
            if first := (flight is None or flight.done()):
                flight = self.flights[key] = Future()
        if first:
            try:
                flight.set_result(fetch())
            except BaseException as error:
                flight.set_exception(error)
        return flight.result()


class _Handing(caching.Coalescer):
    """Right, but for what a waiter makes of the flight."""

    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return self.shared(flight, key, fetch)
        try:
            end, outcome = flight.set_result, fetch()
        except BaseException as error:
            end, outcome = flight.set_exception, error
        with self._lock:
            del self._flights[key]
        end(outcome)
        return flight.result()


@wrong(caching, feedback="0 is an answer like any other, for the waiters too")
class Coalescer__asks_again_for_a_zero(_Handing):
    def shared(self, flight, key, fetch):
        value = flight.result()
        return value if value is None else value or self.do(key, fetch)


@wrong(caching, feedback="None is an answer like any other, for the waiters too")
class Coalescer__asks_again_for_what_is_false(_Handing):
    def shared(self, flight, key, fetch):
        return flight.result() or self.do(key, fetch)


@wrong(caching, feedback="whether a fetch has ended cannot be read off what it returned")
class Coalescer__takes_none_for_no_outcome(_Handing):
    def shared(self, flight, key, fetch):
        value = flight.result()
        return value if value is not None else fetch()


@wrong(caching, feedback="an error made anew has lost the first one's traceback")
class Coalescer__raises_a_copy_of_the_error(_Handing):
    def shared(self, flight, key, fetch):
        error = flight.exception()
        if error is not None:
            raise type(error)(*error.args)
        return flight.result()


@wrong(caching, feedback="the waiters are told before the flight is forgotten")
class Coalescer__tells_of_an_error_before_it_forgets(caching.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            value = fetch()
        except BaseException as error:
            flight.set_exception(error)
            with self._lock:
                del self._flights[key]
            raise
        with self._lock:
            del self._flights[key]
        flight.set_result(value)
        return value


EQUIVALENT = {}
