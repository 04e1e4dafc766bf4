"""``check`` and ``hint``: what the learner is told."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amazonian.course import evidence, progress
from amazonian.course.catalogue import heading, labs
from amazonian.course.exercises import CourseError, NotConnectedError, name_of
from amazonian.course.limits import run_limited
from amazonian.course.rules import Rules, rules_of, sentence

TIME_LIMIT_S = 10.0
WIDTH = 86


class CheckFailedError(CourseError, AssertionError):
    """A rule of the exercise does not hold; the message is the feedback."""


class NotWrittenYetError(CourseError, NotImplementedError):
    """The exercise is still a stub."""


@dataclass
class Verdict:
    """What testing the rules of one exercise showed."""

    held: int
    broken: dict[str, str] = field(default_factory=dict)
    stub: str = ""
    printed: str = ""

    @property
    def passed(self) -> bool:
        return not self.broken and not self.stub


def check(definition: Any, time_limit_s: float = TIME_LIMIT_S) -> None:
    """Test the learner's definition against the rules of its exercise.

    Args:
        definition: the function or class below an ``@exercise(...)`` line.
        time_limit_s: how long all rules together may take, in seconds.

    Raises:
        NotWrittenYetError: the exercise is still a stub.
        CheckFailedError: a rule does not hold; the message says which, and how.
        NotConnectedError: `definition` is not an exercise.
    """
    name = _exercise_name(definition)
    rules = rules_of(name)
    verdict = examine(definition, rules, time_limit_s)
    if verdict.stub:
        raise NotWrittenYetError(
            f"{heading(name)}\n  {_place(verdict.stub)} is not written yet: replace its line "
            "`raise NotImplementedError(…)`, run its cell, then run this one."
        )
    if not verdict.passed:
        raise CheckFailedError(failure_text(name, rules, verdict))
    progress.keep(name, definition)
    print(passed_text(name))


def examine(definition: Any, rules: Rules, time_limit_s: float) -> Verdict:
    """Test the rules one after the other, in a child process, up to the first that fails."""

    def job(send: Callable[[dict], None]) -> None:
        for number, rule in enumerate(rules.checks):
            evidence.trace.begin_rule()
            evidence.trace.announce = lambda text: send({"sent": text})
            send({"rule": number, "sent": ""})
            try:
                rule(definition)
            except evidence.StillAStubError as stub:
                send({"stub": str(stub) or definition.__name__})
                return
            except evidence.BrokenRuleError as broken:
                send({"broken": broken.fields})
                return
            except BaseException as error:
                send({"broken": _unusable(error)})
                return
        send({"rule": len(rules.checks)})

    run = run_limited(job, time_limit_s)
    verdict = Verdict(held=0, printed=run.printed)
    sent = ""
    for event in run.events:
        verdict.held = event.get("rule", verdict.held)
        sent = event.get("sent", sent)
        verdict.broken = event.get("broken", verdict.broken)
        verdict.stub = event.get("stub", verdict.stub)
    if not run.finished:
        verdict.broken = {
            "sent": sent,
            "came back": f"nothing within {time_limit_s:g} s" if run.timed_out else run.ending(),
            "expected": "an answer",
            "look at": "a loop that never ends, or a wait for something that never comes"
            if run.timed_out
            else "what ends or kills the process (sys.exit, os._exit, a signal)",
        }
    return verdict


def _unusable(error: BaseException) -> dict[str, str]:
    """Something came back that the rule could not work with, and that is the finding."""
    return {
        "sent": evidence.trace.text(),
        "came back": f"something that can't be used like this: {type(error).__name__}: "
        + evidence.shown(str(error))[1:-1],
        "expected": "an answer of the kind that the docstring describes",
    }


def passed_text(name: str) -> str:
    """What ``check`` prints when every rule holds. It depends on nothing but the rules."""
    lines = [heading(name), *(_mark("✓", rule) for rule in rules_of(name).checks)]
    owner = name.rsplit(".", 1)[0]
    return "\n".join([*lines, f"Your version now runs in {owner}."])


def failure_text(name: str, rules: Rules, verdict: Verdict) -> str:
    """The feedback for a rule that does not hold."""
    short = name.rsplit(".", 1)[1]
    lines = [heading(name)]
    lines += [_mark("✓", rule) for rule in rules.checks[: verdict.held]]
    lines += [_mark("✗", rule) for rule in rules.checks[verdict.held : verdict.held + 1]]
    lines.append("")
    for label, text in verdict.broken.items():
        if text:
            lines += _field(label, text)
    if verdict.printed.strip():
        lines += _field("printed", verdict.printed.strip()[:500])
    behind = len(rules.checks) - verdict.held - 1
    more = {0: "", 1: "One more rule waits behind this one. "}.get(
        behind, f"{behind} more rules wait behind this one. "
    )
    return "\n".join([*lines, "", f"  {more}hint({short}) gives a nudge."])


def _mark(mark: str, rule: Callable) -> str:
    return textwrap.fill(
        sentence(rule), WIDTH, initial_indent=f"  {mark} ", subsequent_indent="    "
    )


def _field(label: str, text: str) -> list[str]:
    first, *rest = [
        piece
        for line in text.splitlines() or [""]
        for piece in textwrap.wrap(line, WIDTH - 13, drop_whitespace=False) or [""]
    ]
    return [f"  {label:<11}{first}", *(f"  {'':<11}{line}" for line in rest)]


_hints_given: dict[str, int] = {}


def hint(definition: Any) -> None:
    """Print the next hint for an exercise: a nudge, then the rule, then a sketch."""
    name = _exercise_name(definition)
    hints = rules_of(name).hints
    given = min(_hints_given.get(name, 0) + 1, len(hints))
    _hints_given[name] = given
    print(hint_text(name, given))


def hint_text(name: str, number: int) -> str:
    """Hint `number` (from 1) of an exercise."""
    hints = rules_of(name).hints
    lines = [f"{heading(name)}, hint {number} of {len(hints)}", "", hints[number - 1]]
    if number == len(hints):
        lines += ["", "That was the last hint. The lab's page on the site has a solution, folded."]
    return "\n".join(lines)


def _place(short: str) -> str:
    """A definition's name, with its exercise if it is one of its own."""
    found = [heading(e) for lab in labs() for e in lab.exercises if e.endswith(f".{short}")]
    return f"{short} ({found[0].rsplit(':', 1)[0]})" if found else short


def _exercise_name(definition: Any) -> str:
    name = name_of(definition)
    if name is not None:
        return name
    short = getattr(definition, "__name__", None)
    known = [e for lab in labs() for e in lab.exercises if e.endswith(f".{short}")]
    if isinstance(short, str) and known:
        owner = known[0].split(".")[-2]
        raise NotConnectedError(
            f"{short} stands on its own: the line above it, @exercise({owner}), is missing. "
            "Put it back, run that cell again, then this one."
        )
    raise NotConnectedError(
        "check and hint take an exercise's function or class by its name, without "
        f"parentheses, as in check(full_jitter); this was {evidence.shown(definition)}."
    )
