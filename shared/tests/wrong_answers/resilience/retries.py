"""Wrong answers to lab 1.1."""

import math
import random

from amazonian.resilience import retries
from wrong_answers import wrong

# --- timeout_s


@wrong(retries, feedback="The timeout is the smallest observed latency that keeps to that share.")
def timeout_s__forgets_to_sort(latencies_s, false_timeout_rate):
    return latencies_s[len(latencies_s) - 1 - math.floor(false_timeout_rate * len(latencies_s))]


@wrong(retries, feedback="expected   0.09")
def timeout_s__one_too_low(latencies_s, false_timeout_rate):
    may_exceed = math.floor(false_timeout_rate * len(latencies_s))
    return sorted(latencies_s)[len(latencies_s) - 2 - may_exceed]


@wrong(retries, feedback="cutting off three would be too many")
def timeout_s__rounds_the_share_up(latencies_s, false_timeout_rate):
    may_exceed = math.ceil(false_timeout_rate * len(latencies_s))
    return sorted(latencies_s)[len(latencies_s) - 1 - may_exceed]


@wrong(retries, feedback="At most the accepted share of good calls takes longer")
def timeout_s__mean_plus_three_deviations(latencies_s, false_timeout_rate):
    mean = sum(latencies_s) / len(latencies_s)
    return mean + 3 * math.sqrt(sum((x - mean) ** 2 for x in latencies_s) / len(latencies_s))


# --- capped_exponential


@wrong(retries, feedback="the exponent: n = 0 gives base_s itself")
def capped_exponential__starts_at_twice_the_base(n, base_s, cap_s):
    return min(cap_s, base_s * 2.0 ** min(n + 1, 1000))


@wrong(retries, feedback="2.0 ** 5000 is too large for a float")
def capped_exponential__overflows_after_days(n, base_s, cap_s):
    return min(cap_s, base_s * 2.0**n)


@wrong(retries, feedback="The ceiling starts at the base and doubles with each step")
def capped_exponential__grows_linearly(n, base_s, cap_s):
    return min(cap_s, base_s * (n + 1))


@wrong(retries, feedback="The ceiling never exceeds the cap.")
def capped_exponential__caps_the_exponent_only(n, base_s, cap_s):
    return base_s * 2.0 ** min(n, 1000)


# --- full_jitter


@wrong(retries, feedback="Every wait lies between 0 and the capped exponential ceiling.")
def full_jitter__adds_it_on_top(n, base_s, cap_s, rng):
    ceiling = retries.capped_exponential(n, base_s, cap_s)
    return ceiling + rng.uniform(0, ceiling)


@wrong(retries, feedback="both ends of the range from which you draw")
def full_jitter__keeps_half(n, base_s, cap_s, rng):
    return retries.equal_jitter(n, base_s, cap_s, rng)


@wrong(retries, feedback="cap the ceiling first, then draw below it")
def full_jitter__caps_after_the_draw(n, base_s, cap_s, rng):
    return min(cap_s, rng.uniform(0, base_s * 2.0**n))


@wrong(retries, feedback="use the rng that was passed in, not the module `random`")
def full_jitter__uses_the_global_generator(n, base_s, cap_s, rng):
    return random.uniform(0, retries.capped_exponential(n, base_s, cap_s))


# --- decorrelated_jitter


@wrong(retries, feedback="the draw comes first and min() after it")
def decorrelated_jitter__caps_the_range(previous_s, base_s, cap_s, rng):
    return rng.uniform(base_s, min(cap_s, 3 * previous_s))


@wrong(retries, feedback="A wait lies between the base and three times the wait before it.")
def decorrelated_jitter__starts_from_zero(previous_s, base_s, cap_s, rng):
    return min(cap_s, rng.uniform(0, 3 * previous_s))


@wrong(retries, feedback="about 25%")
def decorrelated_jitter__doubles_instead_of_trebling(previous_s, base_s, cap_s, rng):
    return min(cap_s, rng.uniform(base_s, 2 * previous_s))


# --- RetryQuota


@wrong(retries, feedback="a refused retry takes nothing")
class RetryQuota__goes_into_debt(retries.RetryQuota):
    def acquire(self, kind):
        self.tokens -= self.costs.of(kind)
        return self.tokens >= 0


@wrong(retries, feedback="a year of successes must not pay for a storm of retries")
class RetryQuota__saves_without_limit(retries.RetryQuota):
    def release(self, kind=None):
        self.tokens += 1 if kind is None else self.costs.of(kind)


@wrong(retries, feedback="A clean success returns one token")
class RetryQuota__always_gives_back_one(retries.RetryQuota):
    def release(self, kind=None):
        self.tokens = min(self.costs.capacity, self.tokens + 1)


@wrong(retries, feedback="a price equal to what is left is payable")
class RetryQuota__never_spends_the_last_token(retries.RetryQuota):
    def acquire(self, kind):
        if self.tokens <= self.costs.of(kind):
            return False
        self.tokens -= self.costs.of(kind)
        return True


# --- retry


def _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly):
    """The reference's loop, with one thing done `wrongly`."""
    paid_for = None
    for n in range(policy.max_attempts):
        left_s = deadline.remaining_s(clock)
        if left_s <= 0:
            raise retries.DeadlineExceededError
        own_s = policy.timeout_s
        try:
            result = operation(own_s if wrongly == "ignores the deadline" else min(own_s, left_s))
        except retries.CallError as error:
            unsafe = not (idempotent or error.rejected)
            if wrongly == "repeats a charge":
                unsafe = False
            refused = wrongly == "asks the quota first" and not quota.acquire(error.kind)
            jitter_s = retries.full_jitter(n, policy.base_s, policy.cap_s, rng)
            wait_s = max(jitter_s, error.retry_after_s)
            if wrongly == "overrules the server":
                wait_s = jitter_s
            late = wait_s >= deadline.remaining_s(clock) and wrongly != "waits past the deadline"
            if n + 1 == policy.max_attempts or unsafe or late or refused:
                raise
            if wrongly != "asks the quota first" and not quota.acquire(error.kind):
                raise
            paid_for = error.kind
            clock.sleep(wait_s)
        else:
            quota.release(None if wrongly == "forgets what it paid" else paid_for)
            return result
    return None


@wrong(retries, feedback="the server may have acted; a repeat could act again")
def retry__repeats_what_may_have_happened(
    operation, policy, *, idempotent, quota, deadline, clock, rng
):
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, "repeats a charge")


@wrong(retries, feedback="ask the quota last")
def retry__pays_before_it_knows(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "asks the quota first"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="the smaller of the policy's timeout and what the deadline leaves")
def retry__forgets_the_deadline_of_an_attempt(
    operation, policy, *, idempotent, quota, deadline, clock, rng
):
    wrongly = "ignores the deadline"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="A wait that would reach the deadline is not begun")
def retry__waits_past_the_deadline(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "waits past the deadline"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="the longer of the two")
def retry__overrules_the_server(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "overrules the server"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="quota.release was called with [None]")
def retry__forgets_what_it_paid(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "forgets what it paid"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="which exceptions does your `except` line catch?")
def retry__catches_everything(operation, policy, *, idempotent, quota, deadline, clock, rng):
    for n in range(policy.max_attempts):
        try:
            result = operation(policy.timeout_s)
        except Exception:
            if n + 1 == policy.max_attempts:
                raise
            clock.sleep(retries.full_jitter(n, policy.base_s, policy.cap_s, rng))
            continue
        quota.release(None)
        return result
    return None


EQUIVALENT = {
    "capped_exponential: 1000 + 1 [return min(cap_s, base_s * 2.0 ** min(n, 1000))]": (
        "any limit that keeps the power within a float does"
    ),
}
