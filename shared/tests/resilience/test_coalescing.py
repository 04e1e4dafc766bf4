"""The coalescer of lab 1.4: one fetch for all who want the same thing at the same time."""

import gc
import threading
import weakref

import pytest
from crew import PATIENCE_S, Gate, in_threads

from amazonian.resilience.coalescing import Coalescer


class OriginDownError(Exception):
    pass


class InsideKey:
    """A key that opens the gate when `wanted` threads have looked it up."""

    def __init__(self, wanted, gate):
        self.wanted, self.gate, self.threads = wanted, gate, set()

    def __hash__(self):
        self.threads.add(threading.get_ident())
        if len(self.threads) >= self.wanted and self.gate.began.is_set():
            self.gate.go_on.set()
        return 1

    def __eq__(self, other):
        return self is other


def share(coalescer, threads, outcome):
    """Have `threads` threads ask while one fetch lasts; the gate and what they got."""
    gate = Gate(outcome)
    key = InsideKey(threads, gate)

    def work(number):
        if number:
            assert gate.began.wait(PATIENCE_S)
        return coalescer.do(key, gate)

    return gate, in_threads(threads, work)


def test_a_hundred_threads_share_one_fetch():
    gate, outcomes = share(Coalescer(), 100, "red")
    assert gate.calls == 1
    assert outcomes == ["red"] * 100


@pytest.mark.parametrize("error", [OriginDownError("down"), SystemExit("stop")])
def test_an_error_reaches_all_who_shared_the_fetch_and_the_next_caller_fetches_anew(error):
    coalescer = Coalescer()
    gate, outcomes = share(coalescer, 30, error)
    assert gate.calls == 1
    assert all(outcome is error for outcome in outcomes)
    assert coalescer.do("k", lambda: "red") == "red"


def test_a_fetch_runs_in_the_thread_of_its_first_caller():
    assert Coalescer().do("k", threading.get_ident) == threading.get_ident()


def test_two_coalescers_do_not_share_a_fetch_for_the_same_key():
    one, two = Coalescer(), Coalescer()
    assert one.do("k", lambda: two.do("k", lambda: "of the second")) == "of the second"


def test_a_waiter_that_asks_again_at_once_gets_a_new_fetch_and_not_the_old_outcome():
    for _ in range(50):
        coalescer, gate = Coalescer(), Gate("old")
        key = InsideKey(8, gate)

        def work(number, coalescer=coalescer, gate=gate, key=key):
            if number:
                assert gate.began.wait(PATIENCE_S)
            assert coalescer.do(key, gate) == "old"
            return coalescer.do(key, lambda: "new")

        assert in_threads(8, work) == ["new"] * 8


def test_a_slow_key_does_not_hold_up_another():
    coalescer, gate = Coalescer(), Gate("slow")
    slow = threading.Thread(target=coalescer.do, args=("slow", gate), daemon=True)
    slow.start()
    assert gate.began.wait(PATIENCE_S)
    assert in_threads(1, lambda _: coalescer.do("quick", lambda: "quick")) == ["quick"]
    gate.go_on.set()
    slow.join(PATIENCE_S)


def test_the_coalescer_keeps_nothing_of_a_key():
    class Key:
        pass

    coalescer, key = Coalescer(), Key()
    held = weakref.ref(key)
    coalescer.do(key, lambda: "red")
    del key
    gc.collect()
    assert held() is None
