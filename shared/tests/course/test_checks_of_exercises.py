"""The checks are themselves checked: right answers pass, wrong ones are told why."""

import pytest

import wrong_answers
from amazonian.course import check, checking, exercise
from amazonian.course.catalogue import heading, labs
from amazonian.course.checking import NotWrittenYetError, examine, failure_text
from amazonian.course.exercises import find_owner
from amazonian.course.rules import rules_of
from amazonian.course.sources import decorator_line, stub_source
from mutants import Mutant, mutants_of

EXERCISES = [name for lab in labs() for name in lab.exercises]
MUTANTS = [mutant for name in EXERCISES for mutant in mutants_of(name)]
ENDLESS_S = 1.5  # waited for what is meant not to end; the slowest right answer takes half of that


def short(name: str) -> str:
    return name.rsplit(".", 1)[1]


def install(name: str, definition: object) -> object:
    owner = find_owner(name.rsplit(".", 1)[0])
    return exercise(owner)(definition)


@pytest.mark.parametrize("name", EXERCISES, ids=short)
def test_the_reference_keeps_every_rule(name: str, capsys: pytest.CaptureFixture) -> None:
    owner, last = name.rsplit(".", 1)
    check(install(name, getattr(find_owner(owner), last)))
    assert capsys.readouterr().out.strip() == checking.passed_text(name)


@pytest.mark.parametrize("name", EXERCISES, ids=short)
def test_the_stub_fails_by_name_with_not_implemented(name: str) -> None:
    owner = find_owner(name.rsplit(".", 1)[0])
    module = find_owner(owner.__module__) if isinstance(owner, type) else owner
    namespace = {**vars(module), "exercise": exercise, owner.__name__.split(".")[-1]: owner}
    exec(f"{decorator_line(name)}\n{stub_source(name)}", namespace)
    with pytest.raises(NotWrittenYetError) as told:
        check(namespace[short(name)])
    assert isinstance(told.value, NotImplementedError)
    assert heading(name) in str(told.value)


@pytest.mark.parametrize("name", EXERCISES, ids=short)
def test_it_has_three_hints_and_three_wrong_answers(name: str) -> None:
    assert len(rules_of(name).hints) == 3
    answers = [a for a in wrong_answers.all_wrong_answers() if a.exercise == name]
    assert len(answers) >= 3


@pytest.mark.parametrize("answer", wrong_answers.all_wrong_answers(), ids=lambda a: a.label)
def test_a_wrong_answer_is_told_why(answer: wrong_answers.WrongAnswer) -> None:
    rules = rules_of(answer.exercise)
    limit_s = checking.TIME_LIMIT_S if answer.ends else ENDLESS_S
    verdict = examine(install(answer.exercise, answer.definition), rules, limit_s)
    assert not verdict.passed
    told = " ".join(failure_text(answer.exercise, rules, verdict).split())
    assert " ".join(answer.feedback.split()) in told


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.label)
def test_a_mutant_is_caught_or_known_to_be_equivalent(mutant: Mutant) -> None:
    known = mutant.label in wrong_answers.equivalent_mutants()
    verdict = examine(
        install(mutant.exercise, mutant.definition()),
        rules_of(mutant.exercise),
        checking.TIME_LIMIT_S if known else ENDLESS_S,
    )
    assert verdict.passed == known, f"{mutant.label}\n\n{mutant.source}\n\n" + (
        "listed as equivalent, but a check catches it" if known else "no check catches it"
    )


def test_every_mutant_listed_as_equivalent_exists() -> None:
    labels = {mutant.label for mutant in MUTANTS}
    assert set(wrong_answers.equivalent_mutants()) <= labels
