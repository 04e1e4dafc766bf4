"""How a check calls a learner's code and looks at what comes back.

A check may do two things with a learner's definition: call it, and look at the answer. Both
go through :func:`call`, so that feedback can say what was sent, what came back and where the
two differ, and so that no comparison trusts an `__eq__` or a `__repr__` of the learner's own.
"""

import collections
import dataclasses
import enum
import linecache
import math
import random
import re
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np

LONGEST_SHOWN = 240
MOST_STEPS_SHOWN = 10

_PLAIN = (type(None), bool, int, float, complex, str, bytes, datetime)


class BrokenRuleError(Exception):
    """A rule does not hold: what was sent, what came back, and what to look at."""

    def __init__(self, sent: str, came_back: str, expected: str, differ: str = "", look: str = ""):
        super().__init__(came_back)
        self.fields = {
            "sent": sent,
            "came back": came_back,
            "expected": expected,
            "differ": differ,
            "look at": look,
        }


class StillAStubError(Exception):
    """The learner's code raised NotImplementedError: nothing is written yet."""


class Trace:
    """The calls made while one rule is tested, in order."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.stateful = False
        self.announce: Callable[[str], None] = lambda text: None

    def begin_rule(self) -> None:
        self.steps, self.stateful = [], False

    def add(self, step: str) -> None:
        self.steps.append(step)
        self.announce(self.text())

    def text(self) -> str:
        """The steps as feedback shows them: repeated ones counted, the middle left out."""
        if not self.stateful:
            return self.steps[-1] if self.steps else ""
        lines: list[list] = []
        for step in self.steps:
            if lines and lines[-1][0] == step:
                lines[-1][1] += 1
            else:
                lines.append([step, 1])
        texts = [step if times == 1 else f"{step}   ({times} times)" for step, times in lines]
        if len(texts) > MOST_STEPS_SHOWN:
            left_out = len(texts) - MOST_STEPS_SHOWN
            texts = [*texts[:3], f"… {left_out} more …", *texts[3 + left_out :]]
        return "\n".join(texts)


trace = Trace()


def given(situation: str) -> None:
    """Tell the learner the situation in which the next calls are made."""
    trace.stateful = True
    trace.add(f"given {situation}")


def scenario(situation: str) -> None:
    """Begin a new situation; feedback does not show the calls that were made in earlier ones."""
    trace.begin_rule()
    given(situation)


def call(function: Callable, *args: Any, shown_as: str | None = None, **kwargs: Any) -> "Answer":
    """Call the learner's code and keep what came back, or what it raised.

    Args:
        function: the learner's function, class, or a method of an object it made.
        shown_as: how feedback writes the call; by default the call itself.
    """
    sent = shown_as or describe_call(function, args, kwargs)
    if getattr(function, "__self__", None) is not None or isinstance(function, type):
        trace.stateful = True
    place = len(trace.steps)
    trace.add(sent)
    try:
        answer = Answer(function(*args, **kwargs), None, sent)
    except NotImplementedError as stub:
        written = traceback.extract_tb(stub.__traceback__)[-1].name
        raise StillAStubError(written) from None
    except BaseException as error:
        answer = Answer(None, error, sent)
    if trace.stateful and not isinstance(function, type):
        answer.step = trace.steps[place] = f"{sent}  →  {answer.came_back()}"
    return answer


class Answer:
    """What came back from one call."""

    def __init__(self, raw: Any, error: BaseException | None, sent: str = ""):
        self.raw, self.error, self.sent = raw, error, sent
        self.step = sent

    def came_back(self) -> str:
        return show_error(self.error) if self.error is not None else shown(self.raw)

    def broken(self, expected: str, look: str = "", differ: str = "") -> BrokenRuleError:
        """The failure to raise when this answer breaks the rule."""
        if self.sent and trace.steps and trace.steps[-1] is self.step:
            trace.steps[-1] = self.sent  # the answer itself stands below, as what came back
        return BrokenRuleError(trace.text(), self.came_back(), expected, differ, look)

    @property
    def made(self) -> Any:
        """The object that came back, whatever it is; its methods go through :func:`call`."""
        if self.error is not None:
            raise self.broken("an answer, no exception")
        return self.raw

    def value(self, expected: str = "a plain value", look: str = "") -> Any:
        """The answer as plain data (numbers, text, lists, the package's dataclasses)."""
        if self.error is not None:
            raise self.broken(expected, look)
        try:
            return plain(self.raw)
        except TypeError as problem:
            raise self.broken(expected, look, str(problem)) from None

    def equals(self, expected: Any, look: str = "") -> Any:
        """The answer is exactly `expected`."""
        wanted = plain(expected)
        value = self.value(shown(expected), look)
        if not same(value, wanted):
            raise self.broken(shown(expected), look, difference(value, wanted))
        return value

    def close_to(self, expected: Any, rel: float = 1e-9, look: str = "") -> Any:
        """The answer is `expected` (a number, or a list of them) but for rounding."""
        value, wanted = self.value(shown(expected), look), plain(expected)
        if not close(value, wanted, rel):
            raise self.broken(shown(expected), look, difference(value, wanted, rel))
        return value

    def between(self, low: float, high: float, look: str = "") -> float:
        """The answer is a number from `low` to `high`, both included."""
        expected = f"a number from {low:g} to {high:g}"
        value = self.value(expected, look)
        if not is_number(value) or not low <= value <= high:
            raise self.broken(expected, look)
        return value

    def satisfies(self, holds: Callable[[Any], bool], expected: str, look: str = "") -> Any:
        """`holds` is true of the answer; `expected` says in words what it asks."""
        value = self.value(expected, look)
        try:
            held = holds(value)
        except Exception:
            held = False
        if not held:
            raise self.broken(expected, look)
        return value

    def raises(self, kind: type[BaseException], look: str = "") -> BaseException:
        """The call raised `kind`."""
        if not isinstance(self.error, kind):
            raise self.broken(f"raised {kind.__name__}", look)
        return self.error


def fail(came_back: str, expected: str, look: str = "", differ: str = "") -> BrokenRuleError:
    """A failure that is about several calls together, to be raised."""
    trace.stateful = True
    return BrokenRuleError(trace.text(), came_back, expected, differ, look)


# --- comparing, without asking the learner's objects ----------------------------------------


def plain(value: Any) -> Any:
    """`value` as plain data that a check may compare.

    Raises:
        TypeError: it is an object of a class that checks do not know.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, np.generic | np.ndarray) and type(value).__module__ == "numpy":
        return plain(value.tolist())
    if type(value) in (list, tuple):
        return [plain(item) for item in value]
    if type(value) in (set, frozenset):
        return frozenset(plain(item) for item in value)
    if type(value) in (dict, collections.Counter, collections.defaultdict):
        return {plain(key): plain(item) for key, item in value.items()}
    cls = type(value)
    if cls.__module__.startswith("amazonian."):
        if isinstance(value, enum.Enum):
            return (cls.__name__, value.name)
        if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return (cls.__name__, {f.name: plain(getattr(value, f.name)) for f in fields})
    raise TypeError(f"an object of type {cls.__name__} came back; a plain value was asked")


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def same(value: Any, wanted: Any) -> bool:
    if type(value) is not type(wanted) and not (is_number(value) and is_number(wanted)):
        return False
    if isinstance(value, list | tuple):
        return len(value) == len(wanted) and all(map(same, value, wanted))
    if isinstance(value, dict):
        return value.keys() == wanted.keys() and all(same(value[k], wanted[k]) for k in value)
    return value == wanted


def close(value: Any, wanted: Any, rel: float) -> bool:
    if isinstance(wanted, list) and isinstance(value, list):
        pairs = zip(value, wanted, strict=False)
        return len(value) == len(wanted) and all(close(v, w, rel) for v, w in pairs)
    if is_number(value) and is_number(wanted):
        return math.isclose(value, wanted, rel_tol=rel, abs_tol=1e-12)
    return same(value, wanted)


def difference(value: Any, wanted: Any, rel: float = 0.0) -> str:
    """Where two plain values part, in one line; empty where there is no more to say.

    Args:
        rel: how far numbers may lie apart, relative to what is wanted.
    """
    if is_number(value) and is_number(wanted):
        if wanted and value and math.isfinite(value) and not 0.5 < value / wanted < 2:
            return f"{value / wanted:.4g} times what was expected"
        return f"{value - wanted:+.6g}" if math.isfinite(value) else ""
    if type(value) is not type(wanted):
        return f"{_kind(value)} came back, {_kind(wanted)} was asked"
    if isinstance(value, str | bytes):
        at = next((i for i, (a, b) in enumerate(zip(value, wanted, strict=False)) if a != b), None)
        at = min(len(value), len(wanted)) if at is None else at
        unit = "byte" if isinstance(value, bytes) else "character"
        return f"from {unit} {at} on: {shown(value[at : at + 20])} instead of " + shown(
            wanted[at : at + 20]
        )
    if isinstance(value, list):
        if len(value) != len(wanted):
            return f"{len(value)} items instead of {len(wanted)}"
        pairs = enumerate(zip(value, wanted, strict=True))
        at = next((i for i, (a, b) in pairs if a != b and not (rel and close(a, b, rel))), 0)
        return f"item {at}: {shown(value[at])} instead of {shown(wanted[at])}"
    if isinstance(value, dict):
        missing, extra = wanted.keys() - value.keys(), value.keys() - wanted.keys()
        if missing or extra:
            parts = [f"missing {shown(sorted(missing, key=repr))}"] if missing else []
            parts += [f"not asked for: {shown(sorted(extra, key=repr))}"] if extra else []
            return "; ".join(parts)
        key = next((k for k in wanted if not same(value[k], wanted[k])), None)
        return f"at {shown(key)}: {shown(value[key])} instead of {shown(wanted[key])}"
    return ""


def _kind(value: Any) -> str:
    names = {type(None): "None", list: "a list or tuple", dict: "a dictionary", frozenset: "a set"}
    names |= {bool: "a truth value", str: "text", bytes: "bytes", int: "a number"}
    if isinstance(value, tuple):
        return f"{'an' if value[0][0] in 'AEIOU' else 'a'} {value[0]}"
    return names.get(type(value), "a number" if is_number(value) else type(value).__name__)


# --- showing ---------------------------------------------------------------------------------


class Seeded(random.Random):
    """A random generator that feedback can name: ``Random(7)``."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.seed_shown = seed

    def __repr__(self) -> str:
        return f"Random({self.seed_shown})"


def shown(value: Any) -> str:
    """A short, safe `repr`: whatever the object's own does, a line of text comes back."""
    try:
        if callable(value) and hasattr(value, "__name__"):
            text = value.__name__
        else:
            text = repr(value)
        text = str(text)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    if len(text) > LONGEST_SHOWN:
        text = f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)"
    return text


def describe_call(function: Callable, args: tuple, kwargs: dict) -> str:
    """The call as Python would write it, with an object named after its class."""
    name = getattr(function, "__name__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    if isinstance(function, type):
        name = f"{_variable(function)} = {name}"
    elif owner is not None and not isinstance(owner, type):
        name = f"{_variable(type(owner))}.{name}"
    parts = [shown(arg) for arg in args] + [f"{key}={shown(arg)}" for key, arg in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def _variable(cls: type) -> str:
    """What a programmer would call an object of this class: a RetryQuota is a `quota`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", cls.__name__)
    return (words[-1] if words else cls.__name__).lower()


def show_error(error: BaseException) -> str:
    """An exception of the learner's code, with its line there (not ours)."""
    text = f"raised {type(error).__name__}"
    try:
        message = str(error)
    except Exception:
        message = ""
    if message:
        text += f": {shown(message)[1:-1]}"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "ipykernel" in frame.filename or frame.filename.startswith("<ipython-input")
    ]
    if own:
        line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip() or own[-1].line
        text += f"\n(line {own[-1].lineno} of your cell: {line})"
    return text
