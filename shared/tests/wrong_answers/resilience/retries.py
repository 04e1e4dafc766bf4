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


@wrong(retries, feedback="cutting off two would be too many: round down")
def timeout_s__rounds_to_the_nearest(latencies_s, false_timeout_rate):
    may_exceed = round(false_timeout_rate * len(latencies_s))
    return sorted(latencies_s)[len(latencies_s) - 1 - may_exceed]


@wrong(retries, feedback="add a hair before rounding down")
def timeout_s__trusts_floating_point(latencies_s, false_timeout_rate):
    may_exceed = int(false_timeout_rate * len(latencies_s))
    return sorted(latencies_s)[len(latencies_s) - 1 - may_exceed]


@wrong(retries, feedback="(1 - 0.7) * 10 is 3.0000000000000004")
def timeout_s__counts_the_calls_that_stay(latencies_s, false_timeout_rate):
    return sorted(latencies_s)[math.ceil((1 - false_timeout_rate) * len(latencies_s)) - 1]


@wrong(retries, feedback="calls that took equally long are still several calls")
def timeout_s__counts_equal_latencies_once(latencies_s, false_timeout_rate):
    if not latencies_s or not 0 <= false_timeout_rate < 1:
        raise ValueError
    distinct = sorted(set(latencies_s))
    return distinct[len(distinct) - 1 - math.floor(false_timeout_rate * len(distinct) + 1e-9)]


@wrong(retries, feedback="sorted() makes a new one")
def timeout_s__sorts_its_callers_list(latencies_s, false_timeout_rate):
    latencies_s.sort()
    may_exceed = math.floor(false_timeout_rate * len(latencies_s) + 1e-9)
    return latencies_s[len(latencies_s) - 1 - may_exceed]


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


@wrong(retries, feedback="it goes on doubling until it reaches the cap")
def capped_exponential__stops_doubling_at_ten(n, base_s, cap_s):
    return min(cap_s, base_s * 2.0 ** min(n, 10))


@wrong(retries, feedback="the smaller of the two")
def capped_exponential__takes_the_larger(n, base_s, cap_s):
    return max(cap_s, base_s * 2.0 ** min(n, 1000))


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


@wrong(retries, feedback="capped_exponential does not overflow: take the ceiling from it")
def full_jitter__raises_to_the_power_itself(n, base_s, cap_s, rng):
    return rng.uniform(0, min(cap_s, base_s * 2**n))


@wrong(retries, feedback="and evenly between: one draw")
def full_jitter__multiplies_two_draws(n, base_s, cap_s, rng):
    return rng.random() * rng.uniform(0, retries.capped_exponential(n, base_s, cap_s))


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


@wrong(retries, feedback="begins at base_s and ends at 3 * previous_s")
def decorrelated_jitter__adds_the_base_on_top(previous_s, base_s, cap_s, rng):
    return min(cap_s, base_s + rng.uniform(0, 3 * previous_s))


@wrong(retries, feedback="one number, drawn from a range")
def decorrelated_jitter__returns_its_range(previous_s, base_s, cap_s, rng):
    return base_s, min(cap_s, 3 * previous_s)


@wrong(retries, feedback="no wait is longer than cap_s")
def decorrelated_jitter__forgets_the_cap(previous_s, base_s, cap_s, rng):
    return rng.uniform(base_s, 3 * previous_s)


@wrong(retries, feedback="use the rng that was passed in, not the module `random`")
def decorrelated_jitter__uses_the_global_generator(previous_s, base_s, cap_s, rng):
    return min(cap_s, random.uniform(base_s, 3 * previous_s))


@wrong(retries, feedback="one rng.uniform(…) a call")
def decorrelated_jitter__draws_once_too_often(previous_s, base_s, cap_s, rng):
    rng.random()
    return min(cap_s, rng.uniform(base_s, 3 * previous_s))


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
            if wrongly == "infers safety from the kind":
                unsafe = not idempotent and error.kind != "throttling"
            refused = wrongly == "asks the quota first" and not quota.acquire(error.kind)
            jitter_s = _jitter_s(n, policy, rng, wrongly)
            wait_s = max(jitter_s, error.retry_after_s)
            if wrongly == "overrules the server":
                wait_s = jitter_s
            if wrongly == "lets the server shorten the wait":
                wait_s = error.retry_after_s or jitter_s
            if wrongly == "caps the server":
                wait_s = min(policy.cap_s, wait_s)
            left_now_s = deadline.remaining_s(clock)
            late = wait_s >= (left_s if wrongly == "trusts the old time" else left_now_s)
            if wrongly == "waits past the deadline":
                late = False
            if late and wrongly == "blames the deadline":
                raise retries.DeadlineExceededError from None
            if n + 1 == policy.max_attempts or unsafe or late or refused:
                raise
            if wrongly != "asks the quota first" and not quota.acquire(error.kind):
                raise
            paid_for = error.kind
            if wrongly != "never waits":
                clock.sleep(wait_s)
        else:
            if wrongly == "retries an empty answer" and not result:
                continue
            quota.release(None if wrongly == "forgets what it paid" else paid_for)
            return result
    return None


def _jitter_s(n, policy, rng, wrongly):
    if wrongly == "takes equal jitter":
        return retries.equal_jitter(n, policy.base_s, policy.cap_s, rng)
    if wrongly == "draws from the module":
        return retries.full_jitter(n, policy.base_s, policy.cap_s, random)
    return retries.full_jitter(n, policy.base_s, policy.cap_s, rng)


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


@wrong(retries, feedback="time has passed since the attempt began")
def retry__trusts_the_time_left_before_the_attempt(
    operation, policy, *, idempotent, quota, deadline, clock, rng
):
    wrongly = "trusts the old time"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="the longer of the two")
def retry__lets_the_server_shorten_the_wait(
    operation, policy, *, idempotent, quota, deadline, clock, rng
):
    wrongly = "lets the server shorten the wait"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="the cap is for the jitter, not for what the server asks")
def retry__caps_what_the_server_asks(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "caps the server"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="ask whether the operation raised, not what it returned")
def retry__retries_an_empty_answer(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "retries an empty answer"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="ask error.rejected")
def retry__infers_safety_from_the_kind(
    operation, policy, *, idempotent, quota, deadline, clock, rng
):
    wrongly = "infers safety from the kind"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="sleep on the clock that was passed in")
def retry__never_waits(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "never waits"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="full_jitter, drawn from the rng that was passed in")
def retry__takes_equal_jitter(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "takes equal jitter"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="full_jitter, drawn from the rng that was passed in")
def retry__draws_from_the_module(operation, policy, *, idempotent, quota, deadline, clock, rng):
    wrongly = "draws from the module"
    return _retry(operation, policy, idempotent, quota, deadline, clock, rng, wrongly)


@wrong(retries, feedback="raise the CallError itself")
def retry__blames_the_deadline_for_a_long_wait(
    operation, policy, *, idempotent, quota, deadline, clock, rng
):
    wrongly = "blames the deadline"
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
