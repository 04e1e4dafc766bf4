"""Faults on demand: the n-th request of a kind, from now on, meets with this."""

import threading
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong. *Acted* means that the PSP has done what was asked."""

    DECLINE = "decline"  # the card is declined
    DELAY = "delay"  # acted; the answer takes 3 s
    TIMEOUT_BEFORE = "timeout_before"  # the request is lost: not acted, no answer
    TIMEOUT_AFTER = "timeout_after"  # acted, no answer
    TIMEOUT_LATE = "timeout_late"  # no answer; acted, but only 30 s later
    ERROR_BEFORE = "error_before"  # 500, not acted
    ERROR_AFTER = "error_after"  # 500, acted
    THROTTLE = "throttle"  # 429, not acted
    CONFLICT = "conflict"  # 409, not acted


@dataclass(frozen=True)
class Fault:
    """One fault and whom it strikes.

    Args:
        kind: what goes wrong.
        on: the call's name, as in ``POST /v1/payment_intents`` or
            ``POST /v1/payment_intents/:id/capture``; "*" stands for every call.
        nth: which of the calls that come from now on, counted from 1.
        times: how many calls in a row it strikes.
    """

    kind: Kind
    on: str = "*"
    nth: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))
        if self.nth < 1 or self.times < 1:
            raise ValueError("a fault strikes the 1st call or a later one, once or more often")


class Faults:
    """The faults that wait for their call, and those that struck."""

    def __init__(self) -> None:
        self.struck: list[tuple[str, Fault]] = []
        self._waiting: list[list] = []  # [fault, calls seen since it was added]
        self._lock = threading.Lock()

    def add(self, kind: Kind | str, on: str = "*", nth: int = 1, times: int = 1) -> Fault:
        """Have a fault strike; see :class:`Fault`."""
        fault = Fault(Kind(kind), on, nth, times)
        with self._lock:
            self._waiting.append([fault, 0])
        return fault

    def clear(self) -> None:
        """Forget the faults that still wait."""
        with self._lock:
            self._waiting.clear()

    def strike(self, call: str) -> Kind | None:
        """What becomes of this call. Each waiting fault that it concerns counts it.

        If two faults meet in one call, the one that was added first strikes.
        """
        hit = None
        with self._lock:
            for waiting in list(self._waiting):
                fault, _ = waiting
                if fault.on not in ("*", call):
                    continue
                waiting[1] += 1
                if waiting[1] >= fault.nth and hit is None:
                    hit = fault
                if waiting[1] >= fault.nth + fault.times - 1:
                    self._waiting.remove(waiting)
            if hit:
                self.struck.append((call, hit))
        return hit.kind if hit else None
