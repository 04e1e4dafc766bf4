"""Work in a forked process: how it ended, what it said, and that nobody waits for ever."""

import os
import signal
import threading
from pathlib import Path

import pytest

from amazonian.resilience.forks import SilentForkError, run_forked


def test_work_that_returns_ends_with_0_and_leaves_what_is_on_disk(tmp_path: Path) -> None:
    assert run_forked(lambda: (tmp_path / "left").write_text("here"), 20.0) == (0, "")
    assert (tmp_path / "left").read_text() == "here"


def test_work_that_is_killed_ends_with_its_signal() -> None:
    assert run_forked(lambda: os.kill(os.getpid(), signal.SIGKILL), 20.0)[0] == -signal.SIGKILL


def test_work_that_fails_says_why() -> None:
    code, said = run_forked(lambda: {}["missing"], 20.0)
    assert code == 1
    assert "KeyError: 'missing'" in said


def test_work_that_never_ends_is_not_waited_for() -> None:
    with pytest.raises(SilentForkError):
        run_forked(lambda: threading.Event().wait(), 0.05)
