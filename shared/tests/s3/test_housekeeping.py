"""Chores beside the requests."""

import logging
import threading

from amazonian.s3.housekeeping import at_intervals


def test_chores_are_done_until_the_block_ends_even_if_one_fails(caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    done = threading.Barrier(2)

    def failing() -> None:
        raise OSError("no room")

    with at_intervals(0.001, failing, lambda: done.wait(5)):
        done.wait(5)
        done.wait(5)
        done.abort()
    assert not [thread for thread in threading.enumerate() if thread.name == "housekeeping"]
