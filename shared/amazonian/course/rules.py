"""The register of rules and hints: which checks there are for an exercise.

A rule is a function in ``amazonian/course/checks/<room>/<file>.py``. Its docstring is the
rule itself, in one sentence for the learner; its body calls the learner's definition through
:mod:`amazonian.course.evidence` and raises where the rule does not hold.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Rules:
    """The rules and hints of one exercise, in the order in which they are tested."""

    checks: list[Callable] = field(default_factory=list)
    hints: tuple[str, ...] = ()


_rules: dict[str, Rules] = {}


class RulesFor:
    """What a checks module declares for the exercises of one component module.

    >>> about = RulesFor("amazonian.resilience.retries")
    >>> @about.rule("full_jitter")
    ... def stays_below(full_jitter): ...
    """

    def __init__(self, module: str):
        self.module = module

    def rule(self, exercise: str) -> Callable[[Callable], Callable]:
        """Register the decorated function as a rule of ``module.exercise``."""

        def register(function: Callable) -> Callable:
            if not function.__doc__:
                raise ValueError(f"{function.__name__} needs a docstring: the rule, one sentence")
            self._of(exercise).checks.append(function)
            return function

        return register

    def hints(self, exercise: str, *texts: str) -> None:
        """Register the hints of ``module.exercise``: a nudge, the rule, a sketch."""
        if len(texts) != 3:
            raise ValueError(f"{exercise}: three hints are asked, {len(texts)} given")
        self._of(exercise).hints = tuple(inspect.cleandoc(text) for text in texts)

    def _of(self, exercise: str) -> Rules:
        return _rules.setdefault(f"{self.module}.{exercise}", Rules())


def rules_of(exercise: str) -> Rules:
    """The rules of an exercise, whose name is ``amazonian.<room>.<file>.<definition>``.

    Raises:
        LookupError: there are none.
    """
    if exercise not in _rules:
        room, file = exercise.split(".")[1:3]
        importlib.import_module(f"amazonian.course.checks.{room}.{file}")
    if not _rules.get(exercise, Rules()).checks:
        raise LookupError(f"{exercise} has no checks")
    return _rules[exercise]


def sentence(rule: Callable) -> str:
    """The rule in one line."""
    return " ".join((rule.__doc__ or "").split())
