"""Who is using which payload, so that nothing is removed under a reader or a writer."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DeletedError(Exception):
    """The payload has been deleted; only those who were using it before still can."""


class Holds:
    """The uses that are under way, by payload, and the removals that wait for their end."""

    def __init__(self) -> None:
        # Reentrant, since a reader that is forgotten lets go wherever its thread just is.
        self._lock = threading.RLock()
        self._uses: Counter[str] = Counter()
        self._removals: dict[str, Callable[[], None]] = {}

    def take(self, payload: str) -> None:
        """Begin a use; `let_go` must follow.

        Raises:
            DeletedError: its removal waits for earlier uses to end.
        """
        with self._lock:
            if payload in self._removals:
                raise DeletedError(f"payload {payload} has been deleted")
            self._uses[payload] += 1

    def let_go(self, payload: str) -> None:
        """End a use. The last one carries out the removal, if there is one."""
        with self._lock:
            self._uses[payload] -= 1
            if self._uses[payload]:
                return
            del self._uses[payload]
            removal = self._removals.pop(payload, None)
        if removal:
            removal()

    @contextmanager
    def use(self, payload: str) -> Iterator[None]:
        """Hold a payload for the length of a `with` block; see `take`."""
        self.take(payload)
        try:
            yield
        finally:
            self.let_go(payload)

    def when_free(self, payload: str, removal: Callable[[], None]) -> None:
        """Run `removal` now if nobody uses the payload, otherwise at the end of the last use."""
        with self._lock:
            if self._uses[payload]:
                self._removals[payload] = removal
                return
        removal()

    def __contains__(self, payload: str) -> bool:
        """Whether somebody uses the payload."""
        with self._lock:
            return payload in self._uses
