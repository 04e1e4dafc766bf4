"""The house's own rules: what stands where, and what may name what."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from amazonian.course.catalogue import ROOT, labs

PACKAGE = ROOT / "shared" / "amazonian"
EXERCISES = {name for lab in labs() for name in lab.exercises}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize("name", sorted({n.rsplit(".", 1)[0] for n in EXERCISES}))
def test_a_component_has_checks_wrong_answers_and_tests_of_its_name(name: str) -> None:
    module = name if (ROOT / "shared" / (name.replace(".", "/") + ".py")).exists() else None
    room, file = (module or name.rsplit(".", 1)[0]).split(".")[1:]
    assert (PACKAGE / "course" / "checks" / room / f"{file}.py").exists()
    assert (ROOT / "shared" / "tests" / "wrong_answers" / room / f"{file}.py").exists()
    assert (ROOT / "shared" / "tests" / room / f"test_{file}.py").exists()


def test_no_component_imports_an_exercise_by_its_own_name() -> None:
    found = []
    for file in PACKAGE.rglob("*.py"):
        if (PACKAGE / "course") in file.parents:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found += [f"{file.name}: {name}" for name in names & EXERCISES]
    assert not found, "import the module, so that a learner's version takes effect"


def test_no_file_names_a_machine_or_leaves_work_undone() -> None:
    signs = re.compile(r"/root/|/home/\w|/work/|\bTODO\b|\bFIXME\b|\bXXX\b")
    found = []
    for file in tracked():
        if file.suffix in {".py", ".md", ".yml", ".css", ".js", ".toml", ".ipynb", ".svg", ".in"}:
            text = file.read_text(encoding="utf-8")
            if file != Path(__file__) and signs.search(text):
                found.append(f"{file.relative_to(ROOT)}: {signs.search(text)[0]}")
    assert not found


def test_the_binder_files_stand_where_binder_looks() -> None:
    assert (ROOT / "runtime.txt").read_text().strip() == "python-3.11"
    assert "-e ./shared" in (ROOT / "requirements.txt").read_text().splitlines()
    assert not (ROOT / "binder").exists()


def test_the_lock_pins_everything_and_names_no_index() -> None:
    for file in ("requirements.txt", "requirements-test.txt"):
        for line in (ROOT / file).read_text().splitlines():
            assert "==" in line or line == "-e ./shared", line
            assert "://" not in line
