"""A cache that outlives its origin's bad minutes: lab 1.4.

Words: the *origin* is whoever is asked when the cache has no answer; a *fetch* is one question to
it. A *soft TTL* says from when on to ask again, a *hard TTL* how long the old answer may still be
given if that fails. The vocabulary is that of "Caching challenges and strategies" by Matt Brinkley
and Jas Chhabra (Amazon Builders' Library).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from amazonian.resilience import coalescing
from amazonian.resilience.clock import Clock, SystemClock

Value = TypeVar("Value")


class NotFoundError(Exception):
    """The origin answered, and the answer is that there is nothing under this key.

    A fetch raises it, so that the cache can tell "nothing there" (worth remembering) from a
    failure to answer (worth another try).
    """


class TooManyFetchesError(Exception):
    """As many fetches as are allowed were under way; the origin was not asked."""


def freshness(age_s: float, soft_ttl_s: float, hard_ttl_s: float) -> str:
    """What to do with an answer that has been kept for `age_s` seconds.

    Args:
        age_s: seconds since the answer came from the origin.
        soft_ttl_s: from this age on, ask the origin again.
        hard_ttl_s: from this age on, do not give the answer to anybody, whatever the soft TTL.

    Returns:
        The word "fresh" (give it), "refresh" (ask the origin, and give this one if that fails) or
        "expired" (as good as not there).
    """
    if age_s >= hard_ttl_s:
        return "expired"
    return "refresh" if age_s >= soft_ttl_s else "fresh"


class LRU:
    """A bounded store that drops the least recently used entry when it is full.

    `get` and `put` take the same time however much is stored, and two threads may call them at
    once.
    """

    def __init__(self, capacity: int):
        """An empty store for at most `capacity` entries.

        Raises:
            ValueError: `capacity` is less than 1.
        """
        if capacity < 1:
            raise ValueError(f"a store for {capacity} entries keeps nothing: at least 1")
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()  # the least recent comes first
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """The value of `key`, which is now the most recently used; or None if it is not stored."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: Hashable, value: Any) -> None:
        """Store `value` under `key`, which is now the most recently used.

        A new value for a stored key takes the old one's place. A new key in a full store takes
        the place of the least recently used one.
        """
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        """How many entries are stored."""
        return len(self._entries)


@dataclass(frozen=True)
class Entry(Generic[Value]):
    """What the cache keeps for one key: a value, or the error that says that there is none.

    Args:
        value: what the origin returned; None if it raised.
        error: what it raised instead, or None.
        stored_at_s: when the answer came, on the cache's clock.
        soft_ttl_s, hard_ttl_s: as for :func:`freshness`.
    """

    value: Value | None
    error: Exception | None
    stored_at_s: float
    soft_ttl_s: float
    hard_ttl_s: float

    def age_s(self, now_s: float) -> float:
        """Seconds since the answer came."""
        return now_s - self.stored_at_s

    def freshness(self, now_s: float) -> str:
        """:func:`freshness` at this moment."""
        return freshness(self.age_s(now_s), self.soft_ttl_s, self.hard_ttl_s)

    def answer(self) -> Value:
        """Return the value, or raise the error."""
        if self.error is not None:
            # The same object is raised many times, and would gather a traceback each time.
            raise self.error.with_traceback(None)
        return self.value


class Cache(Generic[Value]):
    """A cache in front of a function: ``cache.get(key)`` instead of ``fetch(key)``.

    Any number of threads may share it. A thread that needs the origin waits for it; others that
    want the same key wait with it, and all other keys go on.

    Args:
        fetch: asks the origin for one key. It raises :class:`NotFoundError` if there is nothing,
            and anything else if the origin could not answer. It needs a timeout of its own.
        soft_ttl_s: from this age on, an answer is refreshed when somebody asks for it.
        hard_ttl_s: until this age, it is given if the refresh fails.
        negative_ttl_s: how long an error is believed: a "not found" is repeated for so long
            without asking, and so long passes between two attempts to refresh.
        capacity: how many keys are kept; the least recently used are dropped.
        clock: where the time comes from.

    Raises:
        ValueError: the TTLs are negative, or the soft one is longer than the hard one.
    """

    def __init__(
        self,
        fetch: Callable[[Hashable], Value],
        soft_ttl_s: float,
        hard_ttl_s: float,
        negative_ttl_s: float,
        capacity: int,
        clock: Clock | None = None,
    ):
        if not 0 <= soft_ttl_s <= hard_ttl_s or not negative_ttl_s >= 0:
            raise ValueError(
                f"TTLs of {soft_ttl_s} s (soft), {hard_ttl_s} s (hard), {negative_ttl_s} s "
                "(negative): none may be negative, nor the soft one longer than the hard one"
            )
        self.fetch = fetch
        self.soft_ttl_s, self.hard_ttl_s = soft_ttl_s, hard_ttl_s
        self.negative_ttl_s = negative_ttl_s
        self.clock = clock or SystemClock()
        self.entries = LRU(capacity)
        self.coalescer = coalescing.Coalescer()

    def get(self, key: Hashable) -> Value:
        """The value of `key`, from the cache or from the origin.

        Raises:
            NotFoundError: the origin has nothing under this key, or had `negative_ttl_s` ago.
            Exception: what `fetch` raised, where no older value may be given instead.
        """
        entry = self.entries.get(key)
        if entry is None or entry.freshness(self.clock.now_s()) != "fresh":
            entry = self.coalescer.do(key, lambda: self.refresh(key))
        return entry.answer()

    def refresh(self, key: Hashable) -> Entry[Value]:
        """Ask the origin for `key`, store what it says, and return the entry to answer from.

        It runs in one thread at a time for a key. `get` calls it when it found no fresh entry;
        since then another thread may have stored one. If so, return that and do not fetch.

        - The fetch returns a value: store it with the cache's `soft_ttl_s` and `hard_ttl_s`.
        - It raises NotFoundError: store the error, with `negative_ttl_s` for both TTLs. That is
          an answer, and replaces an older value.
        - It raises any other Exception: if the old entry has not expired by *now* (a failing
          fetch may take long), store it again with a soft TTL that ends `negative_ttl_s` from
          now; everything else in it stays. Otherwise store nothing and raise.

        Uses ``self.fetch(key)``, ``self.entries`` (its `get` and `put`), ``self.clock.now_s()``
        and the TTLs. The age of an answer counts from the moment when it came. An Entry is
        frozen: ``replace(entry, soft_ttl_s=...)`` makes a changed copy.
        """
        old = self.entries.get(key)
        if old is not None and old.freshness(self.clock.now_s()) == "fresh":
            return old
        try:
            value = self.fetch(key)
        except NotFoundError as error:
            ttl_s = self.negative_ttl_s
            entry = Entry(None, error, self.clock.now_s(), ttl_s, ttl_s)
        except Exception:
            now_s = self.clock.now_s()
            if old is None or old.freshness(now_s) == "expired":
                raise
            entry = replace(old, soft_ttl_s=old.age_s(now_s) + self.negative_ttl_s)
        else:
            entry = Entry(value, None, self.clock.now_s(), self.soft_ttl_s, self.hard_ttl_s)
        self.entries.put(key, entry)
        return entry


def limited(fetch: Callable[[Hashable], Value], most_in_flight: int) -> Callable[[Hashable], Value]:
    """The same fetch, refusing at once when `most_in_flight` calls are already under way.

    It is what protects an origin from a cache that has just lost its entries. To a
    :class:`Cache` a refusal is a failed fetch: an old value goes on being given.

    Raises:
        ValueError: `most_in_flight` is less than 1.
        TooManyFetchesError: from the returned function, when it refuses.
    """
    if most_in_flight < 1:
        raise ValueError(f"{most_in_flight} fetches at most would allow none: at least 1")
    slots = threading.BoundedSemaphore(most_in_flight)

    def fetch_if_free(key: Hashable) -> Value:
        if not slots.acquire(blocking=False):
            raise TooManyFetchesError(f"{most_in_flight} fetches are under way already")
        try:
            return fetch(key)
        finally:
            slots.release()

    return fetch_if_free
