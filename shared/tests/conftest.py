"""What all tests share: the package's own answers, a home of their own, a real browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from amazonian.course import exercises

# The same examples every time, however slow the machine: a test that fails here fails anywhere.
hypothesis.settings.register_profile("course", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("course")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AMAZONIAN_HOME", str(tmp_path / "amazonian-home"))
    yield tmp_path / "amazonian-home"
    exercises.restore_references()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The machine's own Chromium, driven by playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="make test installs playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium for the site's tests: install it (Debian: apt install chromium)")
    arguments = ["--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()
