"""What a lab's traceback shows when the fault is below an answer that is not the learner's."""

import subprocess
import sys

CELL = """
from amazonian.course import exercise
from amazonian.resilience import caching, coalescing

{exercise}

def fetch(key):
    return 1 / 0

caching.Cache(fetch, 1.0, 2.0, 0.5, 10).get("k")
"""
OWN = """
@exercise(coalescing)
class Coalescer:
    def do(self, key, fetch):
        mine = fetch()
        return mine
"""


def traceback_of(code: str) -> str:
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ran.stdout + ran.stderr


def test_the_packages_answers_are_left_out_and_named() -> None:
    shown = traceback_of(CELL.format(exercise=""))
    assert "ZeroDivisionError" in shown
    assert "return 1 / 0" in shown
    assert "def get(self, key" in shown or "self.coalescer.do" in shown
    assert "flight.result()" not in shown
    assert "value = fetch()" not in shown
    assert "Left out above: the package's own answer to Lab 1.4, exercise 4: Coalescer." in shown


def test_the_learners_own_code_is_shown() -> None:
    shown = traceback_of(CELL.format(exercise=OWN))
    assert "mine = fetch()" in shown
    assert "exercise 4" not in shown


def test_a_message_for_the_learner_stays_a_message() -> None:
    shown = traceback_of("from amazonian.course import exercise\nexercise(3)(print)")
    assert "@exercise takes a module or a class" in shown
    assert "Traceback" not in shown
