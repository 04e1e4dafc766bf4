"""Threads for tests: many at once, none left waiting."""

import threading

PATIENCE_S = 10.0


class Gate:
    """A fetch that waits, in its first call, until it is let go."""

    def __init__(self, outcome):
        self.outcome, self.calls, self.lock = outcome, 0, threading.Lock()
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, key=None):
        with self.lock:
            self.calls += 1
        self.began.set()
        assert self.go_on.wait(PATIENCE_S)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def in_threads(count, work):
    """Run ``work(number)`` in `count` threads; what each returned or raised, in order."""
    outcomes: list[object] = [None] * count

    def run(number):
        try:
            outcomes[number] = work(number)
        except BaseException as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a thread is still waiting"
    return outcomes
