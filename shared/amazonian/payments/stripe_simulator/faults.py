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
    DUPLICATE = "duplicate"  # a webhook comes twice
    REORDER = "reorder"  # a webhook comes after the next one
    LATE = "late"  # a webhook comes an hour later
    DROP = "drop"  # a webhook never comes


OF_WEBHOOKS = frozenset({Kind.DUPLICATE, Kind.REORDER, Kind.LATE, Kind.DROP})


@dataclass(frozen=True)
class Fault:
    """One fault and whom it strikes.

    Args:
        kind: what goes wrong.
        on: the call's name, as in ``POST /v1/payment_intents`` or
            ``POST /v1/payment_intents/:id/capture``; for a fault of webhooks the event's type;
            "*" stands for every one.
        nth: which of the calls (events) that come from now on, counted from 1.
        times: how many in a row it strikes.
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

    def waiting(self) -> list[Fault]:
        """The faults that still wait."""
        with self._lock:
            return [fault for fault, _ in self._waiting]

    def strike(self, name: str, webhook: bool = False) -> Kind | None:
        """What becomes of this call, or event. Each waiting fault that it concerns counts it.

        If two faults meet, the one that was added first strikes.
        """
        hit = None
        with self._lock:
            for waiting in list(self._waiting):
                fault, _ = waiting
                if fault.on not in ("*", name) or (fault.kind in OF_WEBHOOKS) is not webhook:
                    continue
                waiting[1] += 1
                if waiting[1] >= fault.nth and hit is None:
                    hit = fault
                if waiting[1] >= fault.nth + fault.times - 1:
                    self._waiting.remove(waiting)
            if hit:
                self.struck.append((name, hit))
        return hit.kind if hit else None
