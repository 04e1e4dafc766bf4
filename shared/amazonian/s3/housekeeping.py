"""What is to be done now and then, beside the requests."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

log = logging.getLogger(__name__)


@contextlib.contextmanager
def at_intervals(interval_s: float, *chores: Callable[[], Any]) -> Iterator[None]:
    """Do the chores every `interval_s` seconds, in one thread, while a ``with`` block runs.

    A chore that fails is logged, and done again at the next time.
    """
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(interval_s):
            for chore in chores:
                try:
                    chore()
                except Exception:
                    log.exception("%r failed", chore)

    thread = threading.Thread(target=work, name="housekeeping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
