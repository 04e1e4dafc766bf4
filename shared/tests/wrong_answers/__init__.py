"""Plausible wrong answers, each named after its misconception.

``full_jitter__adds_it_on_top`` is a wrong answer to the exercise ``full_jitter``; ``feedback``
is a sentence that the learner must be told. A file also lists, as ``EQUIVALENT``, the mutants
of its references that no check can tell from the original, each with the reason.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from amazonian.course.exercises import owner_name

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class WrongAnswer:
    owner: ModuleType | type
    short: str
    misconception: str
    definition: Any
    feedback: str
    ends: bool

    @property
    def exercise(self) -> str:
        return f"{owner_name(self.owner)}.{self.short}"

    @property
    def label(self) -> str:
        return f"{self.short}: {self.misconception}"


_registered: list[WrongAnswer] = []


def wrong(owner: ModuleType | type, feedback: str, ends: bool = True) -> Callable[[Any], Any]:
    """Register the decorated definition as a wrong answer; `ends` is False for an endless one."""

    def register(definition: Any) -> Any:
        short, misconception = definition.__name__.split("__", 1)
        words = misconception.replace("_", " ")
        definition.__name__ = short
        _registered.append(WrongAnswer(owner, short, words, definition, feedback, ends))
        return definition

    return register


def modules() -> list[ModuleType]:
    """Every file of wrong answers, imported."""
    files = sorted(FOLDER.glob("*/[a-z]*.py"))
    return [importlib.import_module(f"wrong_answers.{f.parent.name}.{f.stem}") for f in files]


def all_wrong_answers() -> list[WrongAnswer]:
    modules()
    return _registered


def equivalent_mutants() -> dict[str, str]:
    """From a mutant's label to the reason why no check can tell it from the reference."""
    found: dict[str, str] = {}
    for module in modules():
        found |= getattr(module, "EQUIVALENT", {})
    return found
