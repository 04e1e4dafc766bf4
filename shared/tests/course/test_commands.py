"""The commands, with real kernels, a real JupyterLab and a real browser."""

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from playwright import sync_api

from amazonian.course import site
from amazonian.course.catalogue import ROOT, labs
from amazonian.course.cli import main
from amazonian.course.progress import keep
from amazonian.course.sources import stub_source
from amazonian.course.watch import Watcher as LabWatcher
from amazonian.course.watch import WatchError, lab_at

FIRST = labs()[0]


def solve(notebook: nbformat.NotebookNode, solution: nbformat.NotebookNode, short: str) -> None:
    """Put the solution of one exercise into a learner's notebook."""

    def find(cells):
        head = re.compile(rf"@exercise.*\n(?:def|class) {short}\b")
        return next(c for c in cells if c.cell_type == "code" and head.match(c.source))

    find(notebook.cells).source = find(solution.cells).source


@pytest.fixture
def learner(tmp_path: Path) -> Path:
    return Path(shutil.copy(FIRST.stub_path, tmp_path / FIRST.stub_path.name))


def test_watch_shows_the_first_failing_exercise_then_hints_then_the_next(learner: Path) -> None:
    told: list[str] = []
    notebook = nbformat.read(learner, as_version=4)
    solution = nbformat.read(FIRST.solution_path, as_version=4)
    watcher = LabWatcher(learner, told.append)
    try:
        assert not watcher.look()
        assert told[0].startswith("Lab 1.1, exercise 1: timeout_s")
        assert not any("hint" in text for text in told)
        told.clear()
        assert not watcher.look()
        assert any("hint 1 of 3" in text for text in told)
        solve(notebook, solution, "timeout_s")
        nbformat.write(notebook, learner)
        told.clear()
        assert not watcher.look()
        assert told[0].startswith("Lab 1.1, exercise 2: capped_exponential")
        for name in FIRST.exercises:
            solve(notebook, solution, name.rsplit(".", 1)[1])
        nbformat.write(notebook, learner)
        told.clear()
        assert watcher.look()
        assert told == ["Lab 1.1: every check passes. All of it is yours."]
    finally:
        watcher.close()


def test_watch_survives_a_cell_that_is_no_python_and_says_which(learner: Path) -> None:
    told: list[str] = []
    notebook = nbformat.read(learner, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = "import math\nthis is no python"
    nbformat.write(notebook, learner)
    watcher = LabWatcher(learner, told.append)
    try:
        assert not watcher.look()
        learner.write_text("half a file")
        assert not watcher.look()
    finally:
        watcher.close()
    assert "SyntaxError" in told[0]
    assert told[1] == "(in the cell that begins: import math)"
    assert "can't be read" in told[2]


def test_watch_says_what_it_can_not_watch(tmp_path: Path) -> None:
    with pytest.raises(WatchError, match="There is no file"):
        lab_at(tmp_path / "01_1_retries.ipynb")
    (tmp_path / "notes.ipynb").touch()
    with pytest.raises(WatchError, match="no lab"):
        lab_at(tmp_path / "notes.ipynb")


def test_progress_lists_what_is_the_learners() -> None:
    before = CliRunner().invoke(main, ["progress"]).output
    assert re.search(r"^0 of \d+ exercises are yours", before, re.MULTILINE)
    namespace: dict = {}
    source = "def full_jitter(n, base_s, cap_s, rng):\n    return 0.0\n"
    path = Path(os.environ["AMAZONIAN_HOME"]) / "answer.py"
    path.parent.mkdir(parents=True)
    path.write_text(source)
    exec(compile(source, str(path), "exec"), namespace)
    keep("amazonian.resilience.retries.full_jitter", namespace["full_jitter"])
    after = CliRunner().invoke(main, ["progress"]).output
    assert re.search(r"full_jitter +your version", after)
    assert re.search(r"^1 of \d+ exercises are yours", after, re.MULTILINE)


def test_labs_check_passes_here_and_a_stub_is_what_the_learner_sees() -> None:
    result = CliRunner().invoke(main, ["labs", "--check"])
    assert result.exit_code == 0
    assert 'raise NotImplementedError("Lab 1.1, exercise 6: retry")' in stub_source(
        "amazonian.resilience.retries.retry"
    )


def test_a_taken_port_is_one_sentence_that_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["start", "--site-port", str(port)])
    assert result.exit_code == 1
    assert f"make SITE_PORT={port + 1}" in result.output
    assert len(result.output.strip().splitlines()) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def running() -> Iterator[tuple[int, Callable[[str], str]]]:
    """JupyterLab and the local site, running; the site's port and the labs' addresses."""
    if not site.STAMP.exists():
        pytest.skip("no site here: build it first (make book)")
    site_port = free_port()
    with site.jupyterlab(free_port()) as lab_address, site.serving(site_port, lab_address):
        yield site_port, lab_address


@pytest.mark.xdist_group("jupyterlab")
def test_the_local_site_keeps_the_token_and_gives_it_to_localhost_only(running) -> None:
    site_port, lab_address = running
    asked = http.client.HTTPConnection("127.0.0.1", site_port, timeout=10)
    asked.request("GET", f"/open/{FIRST.name}.html", headers={"Host": f"localhost:{site_port}"})
    answer = asked.getresponse()
    answer.read()
    assert answer.status == 302
    assert answer.headers["Location"] == lab_address(FIRST.name)
    asked.request("GET", f"/open/{FIRST.name}.html", headers={"Host": "elsewhere.example:80"})
    assert asked.getresponse().status == 421


@pytest.mark.xdist_group("jupyterlab")
def test_open_the_lab_leads_into_the_running_jupyterlab(running, browser) -> None:
    site_port, _ = running
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"http://localhost:{site_port}/solutions/{FIRST.name}.html")
    page.click("nav.open-lab >> text=JupyterLab")
    page.wait_for_url(f"**/lab/tree/labs/{FIRST.name}.ipynb**")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    assert "Lab 1.1" in page.locator(".jp-Notebook h1").first.inner_text()
    page.close()


EXPLORE = """
from amazonian.course import explore, slider

explore(
    lambda ax, n: ax.plot([0, n]) and f"a line up to {n}",
    title="A line",
    n=slider(1, 5, 1, 3, label="height"),
)
"""


def run_first_cell(page) -> None:
    """Run a notebook's first cell, as often as it takes until its prompt says that it runs.

    JupyterLab drops what is run before the page and the kernel have met, and its own indicator
    says "idle" from the start, so there is nothing else on the page to wait for.
    """
    started = page.locator(".jp-InputArea-prompt").first.filter(has_text=re.compile(r"\[[*\d]+\]"))
    for _ in range(30):
        page.click(".jp-Notebook .jp-CodeCell .cm-content")
        page.keyboard.press("Control+Enter")
        with contextlib.suppress(sync_api.TimeoutError):
            return started.wait_for(timeout=2_000)
    raise AssertionError("the cell did not run in a minute")


@pytest.mark.xdist_group("jupyterlab")
def test_in_jupyterlab_an_arrow_key_moves_the_slider_and_its_figure(tmp_path, browser) -> None:
    (tmp_path / "labs").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(EXPLORE.strip())])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "labs" / "explore.ipynb")
    with site.jupyterlab(free_port(), tmp_path) as address:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(address("explore"))
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        run_first_cell(page)
        figure = page.locator(".jp-OutputArea svg[role=img]")
        figure.wait_for()
        assert figure.get_attribute("aria-label") == "A line. a line up to 3"
        page.locator(".jp-OutputArea [role=slider]").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector('.jp-OutputArea svg[aria-label="A line. a line up to 4"]')
        page.close()


def install(venv: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run what `make` runs to set up an environment."""
    return subprocess.run(
        ["sh", str(ROOT / ".ci" / "install"), str(venv), "requirements.txt"],
        capture_output=True,
        text=True,
        env={"HOME": str(venv.parent), **environment},
    )


def test_without_a_python_of_the_right_age_install_says_so(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ran = install(tmp_path / "venv", PATH=f"{tmp_path}:/usr/bin:/bin", PYTHON="python3")
    assert ran.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_without_the_package_index_install_says_so(tmp_path: Path) -> None:
    ran = install(
        tmp_path / "venv",
        PATH=os.environ["PATH"],
        PYTHON=sys.executable,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_EXTRA_INDEX_URL="",
        PIP_CONFIG_FILE=os.devnull,
        PIP_RETRIES="0",
    )
    assert ran.returncode == 1
    assert "check the network or the proxy, then run make again" in ran.stderr
