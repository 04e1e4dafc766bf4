"""What the data store met that it could do without: each is a reason to scrub and repair."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Incident:
    """A device that did not do its part for a payload, though the read or write succeeded.

    `kind` is what was wrong with the fragment: "missing", "slow" or "corrupt" when it was read,
    "unwritten" when it could not be written.
    """

    device: str
    payload: str
    kind: Literal["missing", "slow", "corrupt", "unwritten"]
    detail: str = ""


class Incidents:
    """The latest incidents, oldest first.

    Args:
        keep: how many of them; what is older is forgotten.
    """

    def __init__(self, keep: int = 1000):
        self._lock = threading.Lock()
        self._kept: deque[Incident] = deque(maxlen=keep)
        self.total = 0

    def add(self, incident: Incident) -> None:
        with self._lock:
            self._kept.append(incident)
            self.total += 1

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def __iter__(self) -> Iterator[Incident]:
        with self._lock:
            return iter(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)
