"""One fetch for all who want the same thing at the same time: the last exercise of lab 1.4.

A *flight* is a fetch that is under way; Go's package ``singleflight`` has the same idea under the
same name (https://pkg.go.dev/golang.org/x/sync/singleflight).
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TypeVar

Value = TypeVar("Value")


class Coalescer:
    """Lets callers who want the same thing at the same time share one fetch ("single flight")."""

    def __init__(self) -> None:
        """Begin with no fetch in flight."""
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Future] = {}

    def do(self, key: Hashable, fetch: Callable[[], Value]) -> Value:
        """Call ``fetch()``, unless another thread's for the same `key` is under way: then share it.

        The first caller of a key runs its own `fetch`, in its own thread. Whoever calls with an
        equal key before that has ended waits for it, however long it takes, and gets the same
        outcome; their own `fetch` is not called. Other keys are not held up. Once a fetch has
        ended, nothing of it is kept: the next call fetches anew, even that of a caller who has
        just been told the outcome.

        Args:
            key: what is wanted, hashable.
            fetch: gets it. It must not ask this coalescer for the same key: it would wait for
                itself.

        Returns:
            What the one fetch returned, to all who shared it.

        Raises:
            BaseException: what the one fetch raised, whatever it was: that same object, to all
                who shared it.
        """
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        value = error = None
        try:
            value = fetch()
        except BaseException as raised:
            error = raised
        with self._lock:
            del self._flights[key]  # before anybody is told: whoever asks again then, asks anew
        if error is not None:
            flight.set_exception(error)
        else:
            flight.set_result(value)
        return flight.result()
