"""Work in a forked process, which has all that this one has: in a lab, the learner's functions.

It may die there by a real SIGKILL, and leaves to this process what is on disk.
"""

import os
import select
import signal
import traceback
import warnings
from collections.abc import Callable

MOST_BYTES = 4_096  # of what a process says of its failure; a pipe takes so many at once


class SilentForkError(Exception):
    """A forked process neither went on nor ended: try again.

    A thread of this process may have held a lock at the moment of the fork, and then the copy waits
    for it for ever. That is rare.
    """


def run_forked(work: Callable[[], object], patience_s: float) -> tuple[int, str]:
    """Do some work in a forked process, and wait for its end.

    Args:
        work: what the process does.
        patience_s: for how many seconds it may take.

    Returns:
        Its exit code, 0 if the work returned and negative if a signal ended it; and the traceback
        if the work raised.

    Raises:
        SilentForkError: it did not end in time, and was killed.
    """
    from_it, say = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forking threads
        pid = os.fork()
    if pid == 0:
        try:
            os.close(from_it)
            work()
        except BaseException:
            os.write(say, traceback.format_exc().encode()[-MOST_BYTES:])
            os._exit(1)
        os._exit(0)
    os.close(say)
    ended = bool(select.select([from_it], [], [], patience_s)[0])
    said = os.read(from_it, MOST_BYTES).decode(errors="replace") if ended else ""
    os.close(from_it)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not ended:
        raise SilentForkError(f"a forked process said nothing for {patience_s:g} s")
    return code, said
