"""Every test begins with the package's own answers, and keeps none of the machine's progress."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from amazonian.course import exercises


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AMAZONIAN_HOME", str(tmp_path / "amazonian-home"))
    yield tmp_path / "amazonian-home"
    exercises.restore_references()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the cells of one notebook, which share a kernel, on one worker."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
