"""What lab 1.4 asks of request coalescing, with real threads."""

import contextlib
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable

from amazonian.course.evidence import Answer, StillAStubError, call, fail, given, scenario
from amazonian.course.rules import RulesFor

about = RulesFor("amazonian.resilience.coalescing")

PATIENCE_S = 2.0  # how long a check waits for something that a right answer does at once


class OriginDownError(Exception):
    """The scripted origin could not answer."""


class _Caller:
    """A thread that makes one call and keeps what came of it."""

    def __init__(self, function: object, *args: object, patient: bool = True):
        self.ended, self.ident = threading.Event(), 0
        self._function, self._args = function, args
        self._answer: Answer | None = None
        if patient:
            self.start()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self.ident = threading.get_ident()
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


def _used_by_others(while_burning_s: float) -> float:
    """Processor time, in seconds, that other threads use while this one uses so much itself.

    Who shares a processor with a thread that burns gets about as much as it, if it wants it: that
    holds on an idle machine as on a busy one, where a wall clock would tell nothing.
    """
    all_before_s, own_before_s = time.process_time(), time.thread_time()
    while time.thread_time() - own_before_s < while_burning_s:
        pass
    own_s = time.thread_time() - own_before_s
    return time.process_time() - all_before_s - own_s


@about.rule("Coalescer")
def waiting_costs_nothing(coalescer_class):
    """Whoever waits for a fetch sleeps until it ends, and takes no processor time."""
    coalescer = call(coalescer_class).made
    given("a thread whose fetch lasts, and a second one that waits for it")
    fetch, key = _Fetch("slow"), _Key(2)
    threads = [_begun(coalescer, key, fetch), _Caller(coalescer.do, key, fetch)]
    key.all_inside.wait(PATIENCE_S)
    used_s = _used_by_others(while_burning_s=0.05)
    fetch.go_on.set()
    if used_s > 0.015:
        raise fail(
            f"{1000 * used_s:.0f} ms of processor time used while they waited",
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


@contextlib.contextmanager
def _no_patience(thread: "_Caller"):
    """While it lasts, a bounded wait of this thread is over at once, as after a long time."""
    wait = threading.Condition.wait

    def wait_no_longer(condition, timeout=None):
        if timeout is not None and threading.get_ident() == thread.ident:
            timeout = min(timeout, 0.005)
        return wait(condition, timeout)

    threading.Condition.wait = wait_no_longer  # Event and Future wait by it too
    try:
        yield
    finally:
        threading.Condition.wait = wait


@about.rule("Coalescer")
def waiting_has_no_end_of_its_own(coalescer_class):
    """Whoever waits for a fetch waits for as long as it takes, be it an hour."""
    coalescer = call(coalescer_class).made
    given("a thread whose fetch takes an hour, and a second one that waits for it")
    fetch, key = _Fetch("slow"), _Key(2)
    first = _begun(coalescer, key, fetch)
    second = _Caller(coalescer.do, key, fetch, patient=False)
    with _no_patience(second):
        second.start()
        key.all_inside.wait(PATIENCE_S)
        gave_up = second.ended.wait(0.05)
        fetch.go_on.set()
        look = (
            "a wait with a timeout ends although the fetch has not: whoever waits has no say in "
            "how long that takes"
        )
        answers = [first.answer(), second.answer()]
    if gave_up or fetch.calls != 1:
        second_got = answers[1].came_back()
        raise fail(
            f"the second one did not wait for the end, {fetch.calls} calls of fetch; it got: "
            f"{second_got}",
            "it waits; 1 call of fetch",
            look,
        )
    for answer in answers:
        answer.equals("slow", look)


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
