"""A learner's code may do anything; `check` always says what, and never hangs."""

import contextlib
import os
import time
from collections import Counter, defaultdict

import pytest

from amazonian.course import check, exercise, hint
from amazonian.course.catalogue import SOLUTIONS
from amazonian.course.checking import CheckFailedError
from amazonian.course.evidence import difference, plain
from amazonian.course.exercises import NotConnectedError
from amazonian.course.progress import kept
from amazonian.resilience import retries

NAME = "amazonian.resilience.retries.capped_exponential"


def feedback(definition, time_limit_s: float = 10.0) -> str:
    definition.__name__ = "capped_exponential"
    with pytest.raises(CheckFailedError) as told:
        check(exercise(retries)(definition), time_limit_s)
    return str(told.value)


def assert_complete(text: str) -> None:
    for part in (
        "Lab 1.1, exercise 2: capped_exponential",
        "✗",
        "sent ",
        "came back ",
        "expected ",
    ):
        assert part in text
    assert "Traceback" not in text
    assert "evidence.py" not in text


def test_an_endless_loop_ends_at_the_time_limit() -> None:
    def endless(n, base_s, cap_s):
        while True:
            pass

    text = feedback(endless, time_limit_s=0.5)
    assert_complete(text)
    assert "nothing within 0.5 s" in text
    assert "capped_exponential(0, 0.05, 100.0)" in text


def test_an_endless_loop_that_swallows_every_exception_ends_too() -> None:
    def stubborn(n, base_s, cap_s):
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(1)

    assert_complete(feedback(stubborn, time_limit_s=0.5))


def test_a_child_process_left_behind_does_not_hold_the_check() -> None:
    def forks(n, base_s, cap_s):
        if os.fork() == 0:
            time.sleep(60)
        return 0.0

    began = time.monotonic()
    assert_complete(feedback(forks))
    assert time.monotonic() - began < 9


@pytest.mark.parametrize(
    ("body", "came_back"),
    [
        (lambda n, base_s, cap_s: None, "None"),
        (lambda n, base_s, cap_s: "0.05", "'0.05'"),
        (lambda n, base_s, cap_s: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda n, base_s: 0.05, "raised TypeError"),
        (lambda n, base_s, cap_s: exit(3), "raised SystemExit: 3"),
        (lambda n, base_s, cap_s: os._exit(3), "ended its own process (exit 3)"),
        (lambda n, base_s, cap_s: os.kill(os.getpid(), 9), "ended its own process (SIGKILL)"),
        (lambda n, base_s, cap_s: input("number? "), "raised EOFError"),
        (lambda n, base_s, cap_s: [0.0] * 10**10, "raised MemoryError"),
        (lambda n, base_s, cap_s: lambda: None, "an object of type function"),
        (lambda n, base_s, cap_s: float("nan"), "nan"),
        (lambda n, base_s, cap_s: print("working") or 0.1, "0.1"),
    ],
)
def test_whatever_comes_back_is_shown(body, came_back: str) -> None:
    text = feedback(body)
    assert_complete(text)
    assert came_back in text


def test_an_object_that_claims_to_equal_everything_is_not_believed() -> None:
    class Liar(float):
        def __eq__(self, other):
            return True

        __hash__ = float.__hash__

    text = feedback(lambda n, base_s, cap_s: Liar(7))
    assert "a plain value was asked" in text


def test_the_first_number_that_is_too_far_off_is_named() -> None:
    told = "item 1: 3.0 instead of 2.0"
    assert difference([1.0 + 1e-9, 3.0], [1.0, 2.0], rel=1e-6) == told
    assert difference([1.0 + 1e-9, 3.0], [1.0, 2.0]).startswith("item 0")


def test_a_counter_is_a_dictionary_too() -> None:
    assert plain(Counter(a=1)) == plain(defaultdict(int, a=1)) == {"a": 1}


def test_an_object_whose_repr_raises_is_shown_all_the_same() -> None:
    class Rude:
        def __repr__(self):
            raise RuntimeError("no")

    assert "whose repr raises RuntimeError" in feedback(lambda n, base_s, cap_s: Rude())


def test_what_the_code_printed_is_shown() -> None:
    assert "working" in feedback(lambda n, base_s, cap_s: print("working") or 0.1)


def test_the_process_that_checks_is_not_touched() -> None:
    feedback(lambda n, base_s, cap_s: setattr(retries, "RetryPolicy", None))
    assert retries.RetryPolicy is not None


def test_a_definition_without_its_decorator_is_told_how_to_connect() -> None:
    def full_jitter(n, base_s, cap_s, rng):
        return 0.0

    with pytest.raises(NotConnectedError, match=r"@exercise\(retries\), is missing"):
        check(full_jitter)


def test_a_call_in_place_of_a_name_is_told_apart() -> None:
    with pytest.raises(NotConnectedError, match="without parentheses"):
        check(0.4)


def test_a_renamed_definition_is_refused() -> None:
    with pytest.raises(NotConnectedError, match="full_jiter"):

        @exercise(retries)
        def full_jiter(n, base_s, cap_s, rng):
            return 0.0


def test_an_owner_that_is_no_module_is_refused() -> None:
    with pytest.raises(NotConnectedError, match="takes a module or a class"):
        exercise("retries")(retries.full_jitter)


def test_the_component_runs_on_the_learners_version() -> None:
    @exercise(retries)
    def capped_exponential(n, base_s, cap_s):
        return 0.0

    class Never:
        def uniform(self, low, high):
            return high

    assert retries.full_jitter(3, 1.0, 20.0, Never()) == 0.0


def test_an_answer_that_passed_is_kept_with_its_source(capsys: pytest.CaptureFixture) -> None:
    @exercise(retries)
    def capped_exponential(n, base_s, cap_s):
        # mine
        return min(cap_s, base_s * 2.0 ** (n if n < 900 else 900))

    check(capped_exponential)
    assert "Your version now runs in amazonian.resilience.retries." in capsys.readouterr().out
    assert "# mine" in kept(NAME)


def test_what_a_solution_runs_is_not_kept_as_the_learners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(SOLUTIONS)
        check(exercise(retries)(retries.capped_exponential))
    assert kept(NAME) is None
    check(exercise(retries)(retries.capped_exponential))
    assert kept(NAME) is not None


def test_an_answer_that_failed_is_not_kept() -> None:
    feedback(lambda n, base_s, cap_s: 0.0)
    assert kept(NAME) is None


def test_hints_grow_and_then_stay_at_the_last(capsys: pytest.CaptureFixture) -> None:
    connected = exercise(retries)(retries.capped_exponential)
    told = []
    for _ in range(4):
        hint(connected)
        told.append(capsys.readouterr().out)
    assert ["hint 1" in told[0], "hint 2" in told[1], "hint 3" in told[2]] == [True] * 3
    assert told[3] == told[2]
