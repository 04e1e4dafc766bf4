"""Which exercises are the learner's own, and their source.

Each answer that passed is kept as a file of its own, ``~/.amazonian/answers/<exercise>.py``
(``AMAZONIAN_HOME`` names another folder). What runs in the folder of the solutions is not kept:
whoever runs a solution has not written it.
"""

import inspect
import os
import textwrap
from pathlib import Path
from typing import Any

from amazonian.course.catalogue import SOLUTIONS


def home() -> Path:
    """The folder in which the learner's answers are kept."""
    return Path(os.environ.get("AMAZONIAN_HOME") or Path.home() / ".amazonian")


def keep(name: str, definition: Any) -> None:
    """Keep the source of an answer that passed, unless a solution is being run."""
    if Path.cwd() == SOLUTIONS:
        return
    try:
        source = textwrap.dedent(inspect.getsource(definition))
    except (OSError, TypeError):
        return  # typed where Python keeps no source, as at a plain prompt
    path = _path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    except OSError as error:
        print(f"(The answer passed but could not be kept in {path.parent}: {error.strerror}.)")


def kept(name: str) -> str | None:
    """The learner's source for an exercise, or None."""
    path = _path(name)
    return path.read_text(encoding="utf-8") if path.exists() else None


def _path(name: str) -> Path:
    return home() / "answers" / f"{name}.py"
