"""``amazonian watch``: check a lab at each save, and show the first exercise not yet right."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel

from amazonian.course.catalogue import Lab, labs
from amazonian.course.checking import hint_text
from amazonian.course.labs import CHECK_LINE

CELL_TIMEOUT_S = 60


class WatchError(Exception):
    """The notebook can't be watched; the message says why."""


class Watcher:
    """Runs a notebook in a kernel of its own, each time from the first cell that has changed.

    Args:
        path: the notebook.
        say: where the text for the learner goes.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = print):
        self.path, self.say = path, say
        self.lab = lab_at(path)
        self.ran: list[str] = []
        self.failures: dict[str, int] = {}
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(path.parent))

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def look(self) -> bool:
        """Run what has changed; tell what fails first.

        Returns:
            True when every check of the lab passes.
        """
        try:
            notebook = nbformat.read(self.path, as_version=4)
        except (OSError, ValueError) as error:
            self.say(f"{self.path.name} can't be read just now: {error}")
            return False
        sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        same = 0
        while same < min(len(self.ran), len(sources)) and self.ran[same] == sources[same]:
            same += 1
        del self.ran[same:]
        for source in sources[same:]:
            problem = self._run(source)
            if problem is not None:
                self._tell(source, problem)
                return False
            self.ran.append(source)
        self.say(f"Lab {self.lab.number}: every check passes. All of it is yours.")
        return True

    def _run(self, source: str) -> str | None:
        """Run one cell; returns the error's text, if there was one."""
        errors: list[str] = []

        def on_output(message: dict) -> None:
            if message["msg_type"] == "error":
                content = message["content"]
                text = content["evalue"] or content["ename"]
                known = content["ename"] in ("CheckFailedError", "NotWrittenYetError")
                errors.append(text if known else f"{content['ename']}: {text}")

        try:
            self.client.execute_interactive(
                source, timeout=CELL_TIMEOUT_S, allow_stdin=False, output_hook=on_output
            )
        except TimeoutError:
            self.manager.restart_kernel(now=True)
            self.client.wait_for_ready()
            self.ran.clear()
            return f"the cell did not end within {CELL_TIMEOUT_S} s"
        return errors[0] if errors else None

    def _tell(self, source: str, problem: str) -> None:
        self.say(problem)
        checked = CHECK_LINE.search(source)
        if not checked:
            first = next((line for line in source.splitlines() if line.strip()), "")
            self.say(f"(in the cell that begins: {first})")
            return
        short = checked[1]
        name = next((e for e in self.lab.exercises if e.endswith(f".{short}")), None)
        if name is not None:
            # The first look shows the exercise alone; each failing save after it, one more hint.
            tried = self.failures.get(name, 0)
            self.failures[name] = tried + 1
            if tried:
                self.say("\n" + hint_text(name, min(tried, 3)))


def lab_at(path: Path) -> Lab:
    """The lab that a notebook belongs to, by its name (``01_1_retries.ipynb``, or a copy of it).

    Raises:
        WatchError: there is no such file, or no such lab.
    """
    if not path.is_file():
        raise WatchError(f"There is no file {path}; name a lab, as in labs/{labs()[0].name}.ipynb")
    number = re.match(r"\d+_\d+", path.name)
    found = [lab for lab in labs() if number and lab.name.startswith(number[0] + "_")]
    if not found:
        raise WatchError(f"{path.name} is no lab of this course: its name has no lab's number")
    return found[0]


def watch(path: Path, interval_s: float = 0.3) -> None:
    """Look at each save until every check passes."""
    watcher = Watcher(path)
    try:
        seen = None
        while True:
            stamp = path.stat().st_mtime_ns if path.exists() else None
            if stamp is not None and stamp != seen:
                seen = stamp
                print(f"\n--- {path.name}, {time.strftime('%H:%M:%S')} ---")
                if watcher.look():
                    return
                print("\nWaiting for the next save (Ctrl-C ends).")
            time.sleep(interval_s)
    finally:
        watcher.close()
