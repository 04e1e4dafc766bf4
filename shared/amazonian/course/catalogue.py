"""Which labs there are and which exercises stand in them, read from the masters.

A lab's master (``labs/src/01_1_retries.md``) is the only place that says so. Where the
package is installed without the course's folders, the catalogue is empty and everything
else still works.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MASTERS = ROOT / "labs" / "src"
LABS = ROOT / "labs"
SOLUTIONS = ROOT / "solutions"

EXERCISE_LINE = re.compile(r"^%exercise\s+([\w.]+)\s*$", re.MULTILINE)
TITLE_LINE = re.compile(r"^# (?:Lab [\d.]+:?\s*)?(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Lab:
    """One lab: its number ("1.1"), its file name without ending, its title, its exercises."""

    number: str
    name: str
    title: str
    exercises: tuple[str, ...]

    @property
    def chapter(self) -> int:
        return int(self.number.split(".")[0])

    @property
    def master(self) -> Path:
        return MASTERS / f"{self.name}.md"

    @property
    def stub_path(self) -> Path:
        return LABS / f"{self.name}.ipynb"

    @property
    def solution_path(self) -> Path:
        return SOLUTIONS / f"{self.name}.ipynb"


@cache
def labs() -> tuple[Lab, ...]:
    """All labs in the order of their numbers."""
    return tuple(_read(path) for path in sorted(MASTERS.glob("[0-9]*.md")))


def _read(master: Path) -> Lab:
    chapter, part = master.stem.split("_")[:2]
    text = master.read_text(encoding="utf-8")
    title = TITLE_LINE.search(text)
    if title is None:
        raise ValueError(f"{master.name} has no title; begin its prose with '# Lab 1.1: …'")
    return Lab(
        number=f"{int(chapter)}.{int(part)}",
        name=master.stem,
        title=title[1].strip(),
        exercises=tuple(EXERCISE_LINE.findall(text)),
    )


def lab_of(exercise_name: str) -> tuple[Lab, int] | None:
    """The lab in which an exercise stands, and its number there (from 1)."""
    for lab in labs():
        if exercise_name in lab.exercises:
            return lab, lab.exercises.index(exercise_name) + 1
    return None


def heading(exercise_name: str) -> str:
    """How feedback names an exercise: ``Lab 1.1, exercise 2: full_jitter``."""
    short = exercise_name.rsplit(".", 1)[1]
    place = lab_of(exercise_name)
    return short if place is None else f"Lab {place[0].number}, exercise {place[1]}: {short}"
