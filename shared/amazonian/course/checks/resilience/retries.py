"""What lab 1.1 asks of timeouts, backoff, the retry quota and `retry`."""

import random

from amazonian.course.evidence import Seeded, call, fail, scenario
from amazonian.course.rules import RulesFor
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.retries import (
    SDK_FROM_2026_11,
    SDK_UNTIL_2026_11,
    CallError,
    Deadline,
    DeadlineExceededError,
    QuotaCosts,
    RetryPolicy,
    ThrottledError,
    TimedOutError,
    TransientError,
)

about = RulesFor("amazonian.resilience.retries")


# --- timeout_s --------------------------------------------------------------------------------


@about.rule("timeout_s")
def no_more_than_the_accepted_share_is_cut_off(timeout_s):
    """At most the accepted share of good calls takes longer than the timeout."""
    latencies = [0.010 * i for i in range(1, 11)]
    call(timeout_s, latencies, 0.1).close_to(
        0.09, look="one of ten calls may be cut off: which latency do nine of them not exceed?"
    )
    call(timeout_s, latencies, 0.25).close_to(
        0.08, look="a quarter of ten is two and a half; cutting off three would be too many"
    )
    latencies = [0.010 * i for i in range(1, 19)]
    call(timeout_s, latencies, 0.1).close_to(
        0.17, look="a tenth of 18 is 1.8; cutting off two would be too many: round down"
    )


@about.rule("timeout_s")
def the_smallest_such_latency(timeout_s):
    """The timeout is the smallest observed latency that keeps to that share."""
    call(timeout_s, [0.2, 0.1, 0.4, 0.3], 0.5).close_to(
        0.2, look="the latencies come in any order; two of the four may be cut off"
    )
    call(timeout_s, [0.05], 0.5).close_to(0.05)
    call(timeout_s, [0.1, 0.3, 0.1, 0.1, 0.2, 0.1], 0.5).close_to(
        0.1, look="calls that took equally long are still several calls: count each of them"
    )
    draw = random.Random(11)
    many = [draw.lognormvariate(-3, 0.7) for _ in range(2_000)]
    call(timeout_s, many, 0.001, shown_as="timeout_s(2,000 log-normal latencies, 0.001)").close_to(
        sorted(many)[1997], look="two of 2,000 may be cut off"
    )


@about.rule("timeout_s")
def a_rate_of_zero_cuts_off_none(timeout_s):
    """With a rate of 0 no observed call is cut off: the timeout is the slowest of them."""
    call(timeout_s, [0.3, 0.9, 0.1], 0.0).close_to(0.9)


@about.rule("timeout_s")
def exact_shares_are_exact(timeout_s):
    """A share that is exact on paper is exact here: 0.29 of 100 calls is 29, though 0.29 * 100
    is 28.999999999999996 in floating point."""
    for n, rate, wanted, look in (
        (100, 0.07, 92.0, "0.07 * 100 is 7.000000000000001: of 100 calls 7 may be cut off"),
        (100, 0.29, 70.0, "0.29 * 100 is 28.999999999999996: add a hair before rounding down"),
        (10, 0.7, 2.0, "(1 - 0.7) * 10 is 3.0000000000000004: seven of ten may be cut off"),
        (100, 0.41, 58.0, "(1 - 0.41) * 100 is 59.00000000000001: 41 of 100 may be cut off"),
    ):
        call(
            timeout_s,
            [float(i) for i in range(n)],
            rate,
            shown_as=f"timeout_s([0.0, 1.0, … {n - 1}.0], {rate})",
        ).close_to(wanted, look=look)


@about.rule("timeout_s")
def the_measurements_stay_as_they_are(timeout_s):
    """The latencies that were passed in are left in their order."""
    scenario("latencies that their owner goes on using")
    latencies = [0.3, 0.1, 0.2]
    call(timeout_s, latencies, 0.0).close_to(0.3)
    call(lambda: latencies, shown_as="the latencies afterwards").equals(
        [0.3, 0.1, 0.2], look="list.sort() reorders the caller's own list; sorted() makes a new one"
    )


@about.rule("timeout_s")
def senseless_input_is_refused(timeout_s):
    """No latencies, or a rate outside [0, 1), is a ValueError."""
    call(timeout_s, [], 0.1).raises(ValueError)
    call(timeout_s, [0.1], 1.0).raises(ValueError, look="a rate of 1 would accept any timeout")
    call(timeout_s, [0.1], -0.1).raises(ValueError)


about.hints(
    "timeout_s",
    "If you sort the latencies, which of them is exceeded by exactly one call? By two?",
    """
    Of `n` calls, `false_timeout_rate * n` may be cut off, rounded down. Take the latency that has
    just so many above it. Beware of 0.29 * 100, which is 28.999999999999996 in floating point:
    add a hair (1e-9) before you round down.
    """,
    """
    may_exceed = math.floor(false_timeout_rate * len(latencies_s) + 1e-9)
    return sorted(latencies_s)[… - may_exceed]       # the last index is len - 1
    and first the two tests that raise ValueError
    """,
)


# --- capped_exponential -----------------------------------------------------------------------


@about.rule("capped_exponential")
def it_doubles(capped_exponential):
    """The ceiling starts at the base and doubles with each step: 0.05, 0.1, 0.2, 0.4 …"""
    for n in range(6):
        call(capped_exponential, n, 0.05, 100.0).close_to(
            0.05 * 2**n,
            look="the exponent: n = 0 gives base_s itself; and take the smaller of the two",
        )
    call(capped_exponential, 13, 0.002, 20.0).close_to(
        16.384, look="it goes on doubling until it reaches the cap"
    )
    call(capped_exponential, 30, 0.000001, 3600.0).close_to(
        1073.741824, look="an exponent that stops growing too soon never reaches the cap"
    )


@about.rule("capped_exponential")
def it_is_capped(capped_exponential):
    """The ceiling never exceeds the cap."""
    call(capped_exponential, 8, 0.05, 2.0).close_to(2.0, look="the smaller of the two")
    call(capped_exponential, 3, 0.05, 0.1).close_to(0.1, look="the smaller of the two")
    call(capped_exponential, 0, 5.0, 2.0).close_to(2.0, look="a base above the cap is capped too")


@about.rule("capped_exponential")
def thousands_of_failures_are_no_problem(capped_exponential):
    """A client that has failed for days still gets the cap, not an exception."""
    call(capped_exponential, 5_000, 0.05, 20.0).close_to(
        20.0, look="2.0 ** 5000 is too large for a float: limit the exponent before raising to it"
    )


about.hints(
    "capped_exponential",
    "What does Python answer to 0.05 * 2**3? And to 2.0**5000?",
    "The smaller of two numbers: the cap, and the base times a power of two.",
    "return min(cap_s, base_s * 2.0 ** …)       # with an exponent that stays below about 1,000",
)


# --- full_jitter ------------------------------------------------------------------------------


def _drawn_from_once(draw_one):
    rng, once = Seeded(6), Seeded(6)
    once.random()
    draw_one(rng)
    if rng.random() != once.random():
        raise fail(
            "an rng that had not been drawn from exactly once",
            "one draw",
            "one rng.uniform(…) a call, and nothing else of rng",
        )


def _spread_evenly(waits, low, high, look):
    """Each quarter of the range holds about a quarter of the waits."""
    for quarter in range(4):
        begin, end = (low + (high - low) * part / 4 for part in (quarter, quarter + 1))
        share = sum(begin <= wait < end for wait in waits) / len(waits)
        if not 0.15 < share < 0.35:
            came_back = f"{share:.0%} of {len(waits)} waits between {begin:g} and {end:g} s"
            raise fail(came_back, "about 25%", look)


def _waits(full_jitter, n, base_s, cap_s, seed, count=400):
    rng = Seeded(seed)
    return [call(full_jitter, n, base_s, cap_s, rng) for _ in range(count)]


@about.rule("full_jitter")
def never_above_the_ceiling(full_jitter):
    """Every wait lies between 0 and the capped exponential ceiling."""
    for answer in _waits(full_jitter, 3, 0.05, 20.0, seed=1):
        answer.between(0, 0.4, look="the ceiling here is 0.05 * 2**3 = 0.4 s")
    for answer in _waits(full_jitter, 9, 0.05, 2.0, seed=2):
        answer.between(0, 2.0, look="the cap applies before the draw: the ceiling here is 2 s")


@about.rule("full_jitter")
def spread_over_the_whole_range(full_jitter):
    """Waits are spread evenly over the whole range, from 0 to the ceiling."""
    waits = [answer.between(0, 0.8) for answer in _waits(full_jitter, 3, 0.1, 20.0, seed=3)]
    look = "both ends of the range from which you draw, and evenly between: one draw, once"
    _spread_evenly(waits, 0, 0.8, look)


@about.rule("full_jitter")
def the_cap_does_not_pile_up(full_jitter):
    """Capped waits are spread evenly too; they do not pile up at the cap."""
    waits = [answer.between(0, 2.0) for answer in _waits(full_jitter, 9, 0.05, 2.0, seed=4)]
    share = sum(wait > 1.5 for wait in waits) / len(waits)
    if not 0.15 < share < 0.35:
        raise fail(
            f"{share:.0%} of 400 waits in the last quarter, above 1.5 s",
            "about 25%",
            "the order: cap the ceiling first, then draw below it",
        )


@about.rule("full_jitter")
def a_wait_after_thousands_of_failures(full_jitter):
    """A client that has failed for days still gets a wait below the cap, not an exception."""
    call(full_jitter, 5_000, 0.05, 20.0, Seeded(7)).between(
        0, 20.0, look="capped_exponential does not overflow: take the ceiling from it"
    )


@about.rule("full_jitter")
def one_draw_from_the_given_rng(full_jitter):
    """The randomness comes from `rng`, one draw a call, so that a seed repeats the wait."""
    first = call(full_jitter, 3, 0.05, 20.0, Seeded(5)).between(0, 0.4)
    call(full_jitter, 3, 0.05, 20.0, Seeded(5)).equals(
        first, look="use the rng that was passed in, not the module `random`"
    )
    _drawn_from_once(lambda rng: call(full_jitter, 3, 0.05, 20.0, rng).between(0, 0.4))


about.hints(
    "full_jitter",
    "Between which two numbers may the wait lie? You have just written one of them.",
    "Draw evenly between 0 and capped_exponential(n, base_s, cap_s). Random.uniform draws evenly.",
    "return rng.uniform(0, capped_exponential(…))",
)


# --- decorrelated_jitter ----------------------------------------------------------------------


@about.rule("decorrelated_jitter")
def from_the_base_to_three_times_the_wait_before(decorrelated_jitter):
    """A wait lies between the base and three times the wait before it."""
    rng = Seeded(7)
    look = "one number, drawn from a range that begins at base_s and ends at 3 * previous_s"
    waits = [
        call(decorrelated_jitter, 0.4, 0.1, 20.0, rng).between(0.1, 1.2, look) for _ in range(400)
    ]
    _spread_evenly(waits, 0.1, 1.2, "draw evenly from base_s to 3 * previous_s")


@about.rule("decorrelated_jitter")
def capped_after_the_draw(decorrelated_jitter):
    """No wait exceeds the cap, and the cap is applied after the draw."""
    rng = Seeded(8)
    look = "no wait is longer than cap_s: apply min() to what was drawn"
    waits = [
        call(decorrelated_jitter, 2.0, 0.1, 2.0, rng).between(0.1, 2.0, look) for _ in range(400)
    ]
    share = sum(wait == 2.0 for wait in waits) / len(waits)
    if not 0.55 < share < 0.8:
        raise fail(
            f"{share:.0%} of 400 waits equal to the cap",
            "about 68%: of the range from 0.1 to 6 s, so much lies above 2 s",
            "here, unlike in full_jitter, the draw comes first and min() after it",
        )


@about.rule("decorrelated_jitter")
def decorrelated_uses_the_rng(decorrelated_jitter):
    """The randomness comes from `rng`, one draw a call, so that a seed repeats the wait."""
    first = call(decorrelated_jitter, 0.4, 0.1, 20.0, Seeded(9)).between(0.1, 1.2)
    call(decorrelated_jitter, 0.4, 0.1, 20.0, Seeded(9)).equals(
        first, look="use the rng that was passed in, not the module `random`"
    )
    _drawn_from_once(lambda rng: call(decorrelated_jitter, 0.4, 0.1, 20.0, rng).between(0.1, 1.2))


about.hints(
    "decorrelated_jitter",
    "This one knows nothing of attempts. What does it know instead?",
    "Draw evenly between base_s and three times previous_s, then apply the cap to what was drawn.",
    "return min(cap_s, rng.uniform(…, …))",
)


# --- RetryQuota -------------------------------------------------------------------------------

COSTS = QuotaCosts(capacity=20, transient=7, timeout=10, throttling=3)


@about.rule("RetryQuota")
def retries_cost_what_their_error_costs(quota_class):
    """A bucket begins full; each retry takes what its kind of error costs."""
    quota = call(quota_class, COSTS).made
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(20)
    call(quota.acquire, "transient").equals(True)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(13)
    call(quota.acquire, "timeout").equals(True)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(3)
    call(quota.acquire, "throttling").equals(True, look="a price equal to what is left is payable")
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(0)


@about.rule("RetryQuota")
def too_few_tokens_refuse_and_stay(quota_class):
    """With too few tokens the answer is False and none are taken."""
    quota = call(quota_class, COSTS).made
    call(quota.acquire, "timeout").equals(True)
    call(quota.acquire, "transient").equals(True)
    call(quota.acquire, "transient").equals(False)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(
        3, look="a refused retry takes nothing: compare first, subtract after"
    )
    call(quota.acquire, "throttling").equals(True, look="a cheaper retry may still be affordable")


@about.rule("RetryQuota")
def success_gives_back(quota_class):
    """A clean success returns one token; a success after a retry returns that retry's cost."""
    quota = call(quota_class, COSTS).made
    call(quota.acquire, "timeout").equals(True)
    call(quota.release).equals(None)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(11)
    call(quota.release, "transient").equals(None)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(18)


@about.rule("RetryQuota")
def never_above_capacity(quota_class):
    """The bucket never holds more than its capacity."""
    quota = call(quota_class, COSTS).made
    call(quota.release).equals(None)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(
        20, look="a year of successes must not pay for a storm of retries"
    )
    call(quota.acquire, "throttling").equals(True)
    call(quota.release, "timeout").equals(None)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(20)


@about.rule("RetryQuota")
def a_full_sdk_bucket(quota_class):
    """A full bucket pays for 35 transient retries today; before November 2026 it was 100."""
    for costs, retries in ((SDK_FROM_2026_11, 35), (SDK_UNTIL_2026_11, 100)):
        scenario(f"{costs.capacity} tokens, and a price of {costs.transient} for a transient retry")
        quota = call(quota_class, costs).made
        for _ in range(retries):
            call(quota.acquire, "transient").equals(True)
        call(quota.acquire, "transient").equals(False)


@about.rule("RetryQuota")
def the_default_is_todays(quota_class):
    """Without costs, a quota is the SDKs' of today: 500 tokens, 14 for a transient retry."""
    quota = call(quota_class).made
    call(quota.acquire, "transient").equals(True)
    call(lambda: quota.tokens, shown_as="quota.tokens").equals(486)


about.hints(
    "RetryQuota",
    "Which one number must the object remember between calls? When does it grow, when shrink?",
    """
    acquire: look up the price with self.costs.of(kind); refuse if the tokens do not cover it,
    otherwise take it. release: one token, or the price again, and never beyond the capacity.
    """,
    """
    price = self.costs.of(kind)
    if self.tokens < price: return False
    …
    self.tokens = min(self.costs.capacity, self.tokens + …)
    """,
)


# --- retry ------------------------------------------------------------------------------------


class Script:
    """An operation that answers from a list, and remembers when it was called."""

    def __init__(self, clock: SimulatedClock, *outcomes: object, takes_s: float = 0.0):
        self.clock, self.outcomes, self.takes_s = clock, list(outcomes), takes_s
        self.timeouts_s: list[float] = []
        self.__name__ = "operation"

    def __call__(self, timeout_s: float) -> object:
        self.timeouts_s.append(timeout_s)
        self.clock.sleep(max(0.0, min(self.takes_s, timeout_s)))
        self.clock.sleeps_s.pop()
        if not self.outcomes:
            raise AssertionError("called more often than max_attempts allows")
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class BusyError(CallError):
    """The server did nothing, and the retry is charged as a transient one."""

    rejected = True


class CutShortError(CallError):
    """Throttled half-way: the server may have acted."""

    kind = "throttling"


class Quota:
    """A quota that remembers what it was asked."""

    def __init__(self, grants: bool = True):
        self.grants, self.asked, self.released = grants, [], []

    def acquire(self, kind: str) -> bool:
        self.asked.append(kind)
        return self.grants

    def release(self, kind: str | None = None) -> None:
        self.released.append(kind)

    def __repr__(self) -> str:
        return "quota"


def _run(
    retry, *outcomes, situation, idempotent=True, left_s=60.0, grants=True, takes_s=0.0, policy=None
):
    scenario(f"an operation that {situation}")
    clock, quota = SimulatedClock(), Quota(grants)
    operation = Script(clock, *outcomes, takes_s=takes_s)
    answer = call(
        retry,
        operation,
        policy or RetryPolicy(),
        idempotent=idempotent,
        quota=quota,
        deadline=Deadline(left_s),
        clock=clock,
        rng=Seeded(1),
        shown_as=f"retry(operation, …, idempotent={idempotent}, {left_s:g} s to the deadline)",
    )
    return answer, operation, quota, clock


def _attempts(operation, wanted, look):
    made = len(operation.timeouts_s)
    if made != wanted:
        raise fail(f"{made} attempts", f"{wanted}", look)


@about.rule("retry")
def an_answer_comes_back(retry):
    """An operation that answers is called once, with the policy's timeout, and its answer comes
    back."""
    answer, operation, quota, clock = _run(retry, "done", situation="answers")
    answer.equals("done")
    _attempts(operation, 1, "return as soon as there is an answer")
    if operation.timeouts_s != [1.0]:
        raise fail(f"the operation got timeout_s = {operation.timeouts_s[0]}", "1.0")
    if clock.sleeps_s:
        raise fail(f"a wait of {clock.sleeps_s} s", "none", "wait only before a retry")
    if quota.asked:
        raise fail("the quota was asked", "it is not", "first attempts are free")


@about.rule("retry")
def any_answer_is_an_answer(retry):
    """Whatever the operation returns is its answer, None and 0 too."""
    for result in (None, 0):
        answer, _, _, _ = _run(retry, result, "a second answer", situation=f"answers {result}")
        answer.equals(result, look="ask whether the operation raised, not what it returned")


@about.rule("retry")
def call_errors_are_retried(retry):
    """After a CallError comes another attempt, up to max_attempts in all."""
    answer, operation, _, _ = _run(
        retry, TransientError(), TimedOutError(), "done", situation="fails twice, then answers"
    )
    answer.equals("done")
    _attempts(operation, 3, "")
    last = TransientError("the third")
    answer, operation, _, clock = _run(
        retry, TransientError("a"), TransientError("b"), last, situation="fails three times"
    )
    if answer.raises(TransientError) is not last:
        raise fail(answer.came_back(), "the error of the last attempt")
    _attempts(operation, 3, "max_attempts counts the first attempt too")
    if len(clock.sleeps_s) != 2:
        raise fail(
            f"{len(clock.sleeps_s)} waits on the clock",
            "2",
            "no wait after the last attempt"
            if clock.sleeps_s
            else "sleep on the clock that was passed in: clock.sleep(wait_s)",
        )


@about.rule("retry")
def other_errors_are_not(retry):
    """Any other exception goes to the caller at once: a bug is not cured by repeating it."""
    answer, operation, _, _ = _run(retry, KeyError("x"), "done", situation="raises KeyError")
    answer.raises(KeyError, look="which exceptions does your `except` line catch?")
    _attempts(operation, 1, "only a CallError may succeed on another attempt")


@about.rule("retry")
def waits_are_full_jitter(retry):
    """The waits are full_jitter with n = 0, then 1, then 2, from the policy's base and cap."""
    policy = RetryPolicy(max_attempts=6, base_s=0.1, cap_s=0.3)
    _, _, _, clock = _run(
        retry, *[TransientError()] * 6, situation="fails six times", policy=policy
    )
    rng = random.Random(1)
    wanted = [rng.uniform(0, min(0.3, 0.1 * 2**n)) for n in range(5)]
    if len(clock.sleeps_s) != 5 or any(
        abs(a - b) > 1e-9 for a, b in zip(clock.sleeps_s, wanted, strict=True)
    ):
        raise fail(
            "waits of " + ", ".join(f"{wait:.3f}" for wait in clock.sleeps_s) + " s",
            ", ".join(f"{wait:.3f}" for wait in wanted) + " s (of the same rng)",
            "the n of the first wait is 0; full_jitter, drawn from the rng that was passed in, "
            "once a wait",
        )


@about.rule("retry")
def the_servers_wish_is_a_minimum(retry):
    """A retry_after_s longer than the jitter is waited for; a shorter one changes nothing."""
    jitter_s = random.Random(1).uniform(0, 10.0)
    for asked_s, policy, wanted_s, situation in (
        (4.0, RetryPolicy(), 4.0, "is told to wait 4 s, longer than any jitter here"),
        (
            0.001,
            RetryPolicy(base_s=10.0),
            jitter_s,
            f"is told to wait 0.001 s, where the jitter is {jitter_s:.3f} s",
        ),
        (
            4.0,
            RetryPolicy(cap_s=2.0),
            4.0,
            "is told to wait 4 s, under a policy whose cap_s is 2 s",
        ),
    ):
        _, _, _, clock = _run(
            retry,
            ThrottledError(retry_after_s=asked_s),
            "done",
            situation=situation,
            policy=policy,
        )
        if len(clock.sleeps_s) != 1 or abs(clock.sleeps_s[0] - wanted_s) > 1e-9:
            raise fail(
                f"waits of {[round(wait, 3) for wait in clock.sleeps_s]} s",
                f"[{round(wanted_s, 3)}]",
                "the longer of the two; the cap is for the jitter, not for what the server asks",
            )


@about.rule("retry")
def only_what_is_safe(retry):
    """What is not idempotent is repeated only if the error says that nothing was done."""
    for error in (TimedOutError, TransientError):
        answer, operation, _, _ = _run(
            retry,
            error(),
            "done",
            idempotent=False,
            situation=f"is not idempotent and raises {error.__name__}",
        )
        answer.raises(error, look="the server may have acted; a repeat could act again")
        _attempts(operation, 1, "error.rejected is False here")
    answer, operation, _, _ = _run(
        retry,
        ThrottledError(),
        "done",
        idempotent=False,
        situation="is not idempotent and is throttled",
    )
    answer.equals("done", look="error.rejected is True: nothing was done, so repeating is safe")
    look = "ask error.rejected, which says whether anything was done; the kind is only the price"
    for error, repeated in ((BusyError, True), (CutShortError, False)):
        answer, _, _, _ = _run(
            retry,
            error(),
            "done",
            idempotent=False,
            situation=f"is not idempotent and raises {error.__name__}, a CallError with "
            f"kind = {error.kind!r} and rejected = {error.rejected}",
        )
        if repeated:
            answer.equals("done", look=look)
        else:
            answer.raises(error, look=look)


@about.rule("retry")
def the_deadline_bounds_the_attempt(retry):
    """An attempt gets no more time than the deadline leaves, and none begins after it."""
    _, operation, _, _ = _run(retry, "done", left_s=0.25, situation="has 0.25 s left")
    if operation.timeouts_s != [0.25]:
        raise fail(
            f"the operation got timeout_s = {operation.timeouts_s}",
            "[0.25]",
            "the smaller of the policy's timeout and what the deadline leaves",
        )
    answer, operation, _, _ = _run(retry, "done", left_s=0.0, situation="has no time left")
    answer.raises(DeadlineExceededError)
    _attempts(operation, 0, "work for which nobody waits is not begun")
    answer, operation, _, _ = _run(
        retry,
        TimedOutError(),
        "done",
        left_s=1.5,
        takes_s=1.0,
        situation="takes its whole second and fails, with 1.5 s to the deadline",
    )
    answer.equals("done")
    if len(operation.timeouts_s) != 2 or operation.timeouts_s[1] >= 0.5:
        raise fail(
            f"timeouts of {[round(t, 3) for t in operation.timeouts_s]} s",
            "1.0, then less than 0.5: one second and the wait are gone",
            "ask the deadline anew before each attempt",
        )


@about.rule("retry")
def no_wait_past_the_deadline(retry):
    """A wait that would reach the deadline is not begun: the error goes to the caller now."""
    early = "before you sleep, compare the wait with deadline.remaining_s(clock)"
    again = "time has passed since the attempt began: ask deadline.remaining_s(clock) again"
    for asked_s, left_s, takes_s, look in (
        (4.0, 2.0, 0.0, early),
        (4.0, 4.0, 0.0, early),
        (0.8, 1.5, 1.0, again),
    ):
        takes = f"takes {takes_s:g} s and then " if takes_s else ""
        answer, operation, quota, clock = _run(
            retry,
            ThrottledError(retry_after_s=asked_s),
            "done",
            left_s=left_s,
            takes_s=takes_s,
            situation=f"{takes}is told to wait {asked_s:g} s, with {left_s:g} s to the deadline",
        )
        if clock.sleeps_s:
            after = "at the deadline" if asked_s == left_s else "after the deadline"
            raise fail(f"a wait of {clock.sleeps_s[0]:g} s, which ended {after}", "no wait", look)
        answer.raises(ThrottledError, look="raise the CallError itself: a bare `raise` does")
        _attempts(operation, 1, look)
        if quota.asked:
            raise fail("the quota was asked", "it is not", "ask the quota last")


@about.rule("retry")
def the_quota_decides(retry):
    """Each retry asks the quota with the error's kind; if it refuses, the error is raised."""
    answer, operation, quota, clock = _run(
        retry, TimedOutError(), "done", grants=False, situation="times out, and the quota refuses"
    )
    answer.raises(TimedOutError)
    _attempts(operation, 1, "without tokens there is no retry")
    if clock.sleeps_s:
        raise fail(f"a wait of {clock.sleeps_s[0]} s", "none: there is nothing to wait for")
    _, _, quota, _ = _run(
        retry,
        TimedOutError(),
        ThrottledError(),
        TransientError(),
        situation="times out, is throttled, then fails",
    )
    if quota.asked != ["timeout", "throttling"]:
        raise fail(
            f"the quota was asked for {quota.asked}",
            "['timeout', 'throttling']: the third error has no retry to pay for",
        )
    _, _, quota, _ = _run(
        retry,
        TimedOutError(),
        idempotent=False,
        situation="is not idempotent and times out",
    )
    if quota.asked:
        raise fail("the quota was asked", "it is not", "no token for a retry that never happens")


@about.rule("retry")
def success_is_released(retry):
    """A success is released to the quota once: None if clean, or the kind last paid for."""
    for outcomes, situation, wanted in (
        (["done"], "answers", [None]),
        ([TimedOutError(), TransientError(), "done"], "fails twice, then answers", ["transient"]),
        ([TransientError()] * 3, "fails three times", []),
    ):
        _, _, quota, _ = _run(retry, *outcomes, situation=situation)
        if quota.released != wanted:
            raise fail(
                f"quota.release was called with {quota.released}",
                f"{wanted}",
                "after a success, once: the kind that the last retry paid for, or None",
            )


@about.rule("retry")
def a_policy_without_attempts_is_refused(retry):
    """A policy with max_attempts below 1 is a ValueError: without one there is no answer."""
    answer, operation, _, _ = _run(
        retry, "done", situation="is never called", policy=RetryPolicy(max_attempts=0)
    )
    answer.raises(ValueError, look="what does your function do after, or before, an empty loop?")
    _attempts(operation, 0, "max_attempts is 0 here")


about.hints(
    "retry",
    """
    Write the loop without any of the four conditions first: try, return, except CallError, sleep.
    What must be true for the `except` branch to go on, and what happens when it is not?
    """,
    """
    In the `except` branch compute the wait, then test the four reasons to stop, the quota last;
    if one holds, a bare `raise` hands the error on. Time has passed in the attempt: ask the
    deadline again. Before the attempt: how much time is left? After an answer: release, return.
    """,
    """
    paid_for = None
    for n in range(policy.max_attempts):
        left_s = deadline.remaining_s(clock)          # raise if nothing is left
        try:
            result = operation(min(…, left_s))
        except CallError as error:
            wait_s = max(full_jitter(n, …), error.retry_after_s)
            if n + 1 == policy.max_attempts or … or … or not quota.acquire(error.kind):
                raise
            paid_for = error.kind
            clock.sleep(wait_s)
        else:
            …
    raise ValueError(…)                               # no attempt was allowed
    """,
)
