"""A little load for a notebook: threads that fill carts, and keep what they were told."""

import threading
import time
from dataclasses import dataclass

from amazonian.resilience.retries import CallError
from amazonian.shop import calls
from amazonian.shop.calls import Call, ServiceRefusedError

WAITS_S = 30.0


@dataclass(frozen=True)
class Answered:
    """A request that ended: when it began and how long it took, in seconds, and whether well."""

    began_s: float
    took_s: float
    well: bool


class Load:
    """Threads that put one line after the other into carts; each line is a request of its own.

    Use it as a context: it begins with the ``with`` block, and the block ends when all is sent.

    Args:
        url: of the shop.
        threads: how many send at the same time.
        each: how many lines each of them sends.
        name: what their users' names begin with.

    Attributes:
        answered: the requests that have ended, in that order.
        told: by user, the lines that were acknowledged.
    """

    def __init__(self, url: str, threads: int = 4, each: int = 150, name: str = "user"):
        self._call, self._each = calls.over_http(url), each
        self._change = threading.Condition()
        self._begin_s = time.perf_counter()
        self.answered: list[Answered] = []
        self.told: dict[str, list[str]] = {f"{name}{n}": [] for n in range(threads)}
        self._threads = [
            threading.Thread(target=self._fill, args=(user,), daemon=True) for user in self.told
        ]

    def now_s(self) -> float:
        """Seconds since the load began."""
        return time.perf_counter() - self._begin_s

    def _fill(self, user: str) -> None:
        for number in range(self._each):
            began_s, well = self.now_s(), True
            try:
                self._call("PUT", f"/carts/{user}/lines/{number}", {"quantity": 1})
                self.told[user].append(f"{number}")
            except (ServiceRefusedError, CallError):
                well = False
            with self._change:
                self.answered.append(Answered(began_s, self.now_s() - began_s, well))
                self._change.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many requests have ended.

        Raises:
            TimeoutError: they don't.
        """
        with self._change:
            if not self._change.wait_for(lambda: len(self.answered) >= count, WAITS_S):
                raise TimeoutError(f"{len(self.answered)} of {count} requests have ended")

    def failed(self) -> int:
        """How many requests got no good answer."""
        return sum(not one.well for one in self.answered)

    def lost(self, call: Call) -> int:
        """How many lines were acknowledged and are not there."""
        lost = 0
        for user, told in self.told.items():
            kept = {line["sku"] for line in call("GET", f"/carts/{user}")["lines"]}
            lost += sum(sku not in kept for sku in told)
        return lost

    def __enter__(self) -> "Load":
        self._begin_s = time.perf_counter()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()
