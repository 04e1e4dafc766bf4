"""Timeouts, retries, backoff with jitter, a retry quota and a deadline: lab 1.1.

Words: an *attempt* is one call over the network; a *retry* is any attempt after the first.
"""

import math
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from amazonian.resilience.clock import Clock, SystemClock

Result = TypeVar("Result")


class CallError(Exception):
    """A call failed, and another attempt might succeed.

    Args:
        message: what happened.
        retry_after_s: the server's own wish (HTTP's ``Retry-After``), in seconds.

    `kind` is what the retry quota charges for. `rejected` is true where the server said that it
    did nothing: only then may an operation be repeated that must not happen twice.
    """

    kind = "transient"
    rejected = False

    def __init__(self, message: str = "", retry_after_s: float = 0.0):
        super().__init__(message or type(self).__name__)
        self.retry_after_s = retry_after_s


class TransientError(CallError):
    """The connection broke or the server answered 5xx; whether it acted is unknown."""


class TimedOutError(CallError):
    """No answer came in time; whether the server acted is unknown."""

    kind = "timeout"


class ThrottledError(CallError):
    """The server refused before doing anything: HTTP 429, or 503 with a throttling code."""

    kind = "throttling"
    rejected = True


class DeadlineExceededError(Exception):
    """The time that the caller was given is over."""


def timeout_s(latencies_s: Sequence[float], false_timeout_rate: float) -> float:
    """The timeout that gives up on at most a share of the calls that would have succeeded.

    Args:
        latencies_s: latencies of successful calls, in seconds, in any order; left as they are.
        false_timeout_rate: the accepted share of them that take longer, from 0 up to (not
            including) 1; 0.001 asks for the 99.9th percentile. The share counts as on paper:
            0.29 of 100 calls is 29, although ``0.29 * 100`` is 28.999… in floating point.

    Returns:
        The smallest observed latency that no more than that share of all calls exceeds.

    Raises:
        ValueError: no latencies, or a rate outside [0, 1).
    """
    if not latencies_s:
        raise ValueError("a timeout is chosen from measured latencies; none were given")
    if not 0 <= false_timeout_rate < 1:
        raise ValueError(f"a share lies in [0, 1), {false_timeout_rate} does not")
    may_exceed = math.floor(false_timeout_rate * len(latencies_s) + 1e-9)
    return sorted(latencies_s)[len(latencies_s) - 1 - may_exceed]


def capped_exponential(n: int, base_s: float, cap_s: float) -> float:
    """The ceiling of the wait after `n` doublings: ``base_s`` times two to the `n`, capped.

    Args:
        n: how often the wait has doubled; 0 before the first retry. It may be in the thousands.
        base_s: the ceiling at ``n = 0``, in seconds.
        cap_s: the highest value to return, in seconds.
    """
    return min(cap_s, base_s * 2.0 ** min(n, 1000))


def full_jitter(n: int, base_s: float, cap_s: float, rng: random.Random) -> float:
    """A wait drawn evenly from 0 to the capped exponential ceiling.

    Args:
        n, base_s, cap_s: as for :func:`capped_exponential`.
        rng: the source of randomness; draw from it exactly once.
    """
    return rng.uniform(0, capped_exponential(n, base_s, cap_s))


def equal_jitter(n: int, base_s: float, cap_s: float, rng: random.Random) -> float:
    """Half the capped exponential ceiling, plus a wait drawn evenly from 0 to that half."""
    half = capped_exponential(n, base_s, cap_s) / 2
    return half + rng.uniform(0, half)


def decorrelated_jitter(
    previous_s: float, base_s: float, cap_s: float, rng: random.Random
) -> float:
    """A wait drawn evenly from the base to three times the wait before it, then capped.

    Args:
        previous_s: the wait before this one, in seconds; ``base_s`` for the first.
        base_s: the shortest wait, in seconds.
        cap_s: the longest wait, in seconds.
        rng: the source of randomness; draw from it exactly once.
    """
    return min(cap_s, rng.uniform(base_s, 3 * previous_s))


@dataclass(frozen=True)
class QuotaCosts:
    """The constants of a retry quota, in tokens."""

    capacity: int
    transient: int
    timeout: int
    throttling: int

    def of(self, kind: str) -> int:
        """What a retry costs after an error of this `kind`."""
        return {
            "transient": self.transient,
            "timeout": self.timeout,
            "throttling": self.throttling,
        }[kind]


# The standard mode of the AWS SDKs before and after 10 November 2026 (AWS Developer Tools Blog).
# The newer table names no price of its own for a timeout: we charge it as transient.
SDK_UNTIL_2026_11 = QuotaCosts(capacity=500, transient=5, timeout=10, throttling=5)
SDK_FROM_2026_11 = QuotaCosts(capacity=500, transient=14, timeout=14, throttling=5)


class RetryQuota:
    """A bucket of tokens that all calls of one client share; each retry must buy its way.

    While the service is well the bucket is full and every retry is let through. When most calls
    fail, retries empty it faster than successes fill it, and only first attempts remain.
    """

    def __init__(self, costs: QuotaCosts = SDK_FROM_2026_11):
        """Begin with a full bucket of ``costs.capacity`` tokens, in ``self.tokens``."""
        self.costs = costs
        self.tokens = costs.capacity
        self._lock = threading.Lock()

    def acquire(self, kind: str) -> bool:
        """Pay for one retry after an error of this `kind`.

        Args:
            kind: "transient", "timeout" or "throttling"; the price is ``costs.of(kind)``.

        Returns:
            True and the tokens are taken; or False, and nothing is, if there are too few.
        """
        with self._lock:
            price = self.costs.of(kind)
            if self.tokens < price:
                return False
            self.tokens -= price
            return True

    def release(self, kind: str | None = None) -> None:
        """Put tokens back after a success, never above the capacity.

        Args:
            kind: None if the first attempt succeeded: one token comes back. Otherwise the kind
                for which the successful retry had paid: that price comes back.
        """
        with self._lock:
            back = 1 if kind is None else self.costs.of(kind)
            self.tokens = min(self.costs.capacity, self.tokens + back)


@dataclass(frozen=True)
class Deadline:
    """A moment on one clock after which nobody waits for the answer any more."""

    at_s: float

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> "Deadline":
        """The deadline `seconds` from now."""
        return cls(clock.now_s() + seconds)

    def remaining_s(self, clock: Clock) -> float:
        """Seconds left; negative when it has passed. This, not the moment, is what a call hands
        on to the next service, whose clock shows another time."""
        return self.at_s - clock.now_s()


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently to try; the defaults are the AWS SDKs' from November 2026."""

    max_attempts: int = 3
    base_s: float = 0.05
    cap_s: float = 20.0
    timeout_s: float = 1.0


def retry(
    operation: Callable[[float], Result],
    policy: RetryPolicy,
    *,
    idempotent: bool,
    quota: RetryQuota,
    deadline: Deadline,
    clock: Clock,
    rng: random.Random,
) -> Result:
    """Call ``operation(timeout_s)`` until it answers, as long as another attempt is wise.

    Each attempt gets ``policy.timeout_s`` seconds, or what the deadline leaves if that is less.
    After a :class:`CallError` comes a wait and another attempt, unless

    - ``policy.max_attempts`` attempts have been made,
    - the operation is not `idempotent` and the error is not ``rejected``,
    - the wait would last until the deadline or longer, or
    - the quota refuses (ask it last, so that no token pays for a retry that never happens).

    The wait before retry number 1, 2, … is :func:`full_jitter` with ``n`` = 0, 1, …, or the
    error's ``retry_after_s`` if that is longer. A success is released to the quota.

    Args:
        operation: makes one attempt; raises :class:`CallError` if another might succeed.
        idempotent: whether doing it twice has the same effect as once.
        quota: shared by all calls of this client.
        deadline: the caller's own.
        clock: to sleep on and to ask for the time.
        rng: for the jitter.

    Returns:
        What the operation returned.

    Raises:
        DeadlineExceededError: the deadline had passed before the first attempt.
        CallError: the last attempt's, when there is no further one.
        ValueError: ``policy.max_attempts`` is below 1.
        Exception: anything else that the operation raises, at once.
    """
    paid_for = None
    for n in range(policy.max_attempts):
        left_s = deadline.remaining_s(clock)
        if left_s <= 0:
            raise DeadlineExceededError("the deadline had passed before the call began")
        try:
            result = operation(min(policy.timeout_s, left_s))
        except CallError as error:
            wait_s = max(full_jitter(n, policy.base_s, policy.cap_s, rng), error.retry_after_s)
            if (
                n + 1 == policy.max_attempts
                or not (idempotent or error.rejected)
                or wait_s >= deadline.remaining_s(clock)
                or not quota.acquire(error.kind)
            ):
                raise
            paid_for = error.kind
            clock.sleep(wait_s)
        else:
            quota.release(paid_for)
            return result
    raise ValueError(f"max_attempts is {policy.max_attempts}; it must be at least 1")


class Client:
    """Calls one service: `retry` with a quota that all its calls share.

    Args:
        policy: how often and how patiently to try.
        costs: the constants of the shared quota.
    """

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        costs: QuotaCosts = SDK_FROM_2026_11,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ):
        self.policy = policy or RetryPolicy()
        self.quota = RetryQuota(costs)
        self.clock = clock or SystemClock()
        self.rng = rng or random.Random()

    def call(
        self,
        operation: Callable[[float], Result],
        *,
        idempotent: bool,
        within_s: float = 10.0,
    ) -> Result:
        """Call `operation` under this client's policy, and give up `within_s` seconds from now."""
        return retry(
            operation,
            self.policy,
            idempotent=idempotent,
            quota=self.quota,
            deadline=Deadline.after(within_s, self.clock),
            clock=self.clock,
            rng=self.rng,
        )
