"""Time as an argument, so that a wait of an hour can be tested in a microsecond."""

import time
from typing import Protocol


class Clock(Protocol):
    """What a component needs of time. Both values are in seconds."""

    def now_s(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class WallClock(SystemClock):
    """Seconds since 1970, for what outlives its process; a monotonic clock may not."""

    def now_s(self) -> float:
        return time.time()


class SimulatedClock:
    """A clock that moves only when somebody sleeps on it."""

    def __init__(self, now_s: float = 0.0):
        self._now_s = now_s
        self.sleeps_s: list[float] = []

    def now_s(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Move the clock on by `seconds`.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"can't sleep for {seconds} s: a wait is zero or more")
        self._now_s += seconds
        self.sleeps_s.append(seconds)

    def __repr__(self) -> str:
        return "SimulatedClock()"
