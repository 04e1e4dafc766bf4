"""Running somebody's code so that nothing it does can hurt the process that asked.

The job runs in a forked child, which is killed when its time is over: an endless loop, an
`except:` that swallows everything, a full memory or an `os._exit` all end there. What the
child has to say comes back through a pipe, one JSON object a line; nothing is pickled.
"""

import builtins
import contextlib
import io
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

MEMORY_BYTES = 2 * 1024**3
LONGEST_PRINTED = 2_000


@dataclass
class Run:
    """What a job said, and how it ended."""

    events: list[dict] = field(default_factory=list)
    finished: bool = False
    timed_out: bool = False
    status: int = 0
    printed: str = ""

    def ending(self) -> str:
        """How the job ended when it did not finish, in words."""
        if self.timed_out:
            return "no answer in time"
        if os.WIFSIGNALED(self.status):
            name = signal.Signals(os.WTERMSIG(self.status)).name
            return f"nothing: the code ended its own process ({name})"
        code = os.waitstatus_to_exitcode(self.status)
        return f"nothing: the code ended its own process (exit {code})"


class _Captured(io.TextIOBase):
    """Keeps the first characters that are printed and drops the rest."""

    def __init__(self) -> None:
        self.kept = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.kept += text[: LONGEST_PRINTED - len(self.kept)]
        return len(text)


def run_limited(job: Callable[[Callable[[dict], None]], None], time_limit_s: float) -> Run:
    """Run ``job(send)`` in a child process for at most `time_limit_s` seconds.

    Args:
        job: gets a function that sends a JSON-able dictionary to the caller.
    """
    receiver, sender = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        # Python 3.12 warns that forking a process with threads may deadlock the child. It may;
        # the child then says nothing, and the time limit below ends it.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _be_the_child(job, receiver, sender)
    os.close(sender)
    run = Run()
    try:
        _listen(run, receiver, time.monotonic() + time_limit_s)
    finally:
        os.close(receiver)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        run.status = os.waitpid(child, 0)[1] if not run.status else run.status
    return run


def _listen(run: Run, receiver: int, deadline: float) -> None:
    rest = b""
    poll = select.poll()
    poll.register(receiver, select.POLLIN | select.POLLHUP)
    while not run.finished:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            run.timed_out = True
            return
        chunk = os.read(receiver, 65536)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if "finished" in event:
                run.finished, run.printed = True, event["finished"]
            else:
                run.events.append(event)


def _be_the_child(job: Callable, receiver: int, sender: int) -> None:
    """Run the job and leave; never return into the parent's code."""
    status = 1
    me = os.getpid()
    try:
        os.setpgid(0, 0)
        os.close(receiver)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        captured = _Captured()
        sys.stdout = sys.stderr = captured
        builtins.input = _no_input
        _limit_memory()

        def send(event: dict) -> None:
            if os.getpid() != me:  # the code under test forked, and its copy came back here
                os._exit(0)
            line = json.dumps(event).encode() + b"\n"
            while line:
                line = line[os.write(sender, line) :]

        job(send)
        send({"finished": captured.kept})
        status = 0
    finally:
        os._exit(status)


def _no_input(prompt: object = "") -> str:
    raise EOFError("a check has no keyboard: input() can't be answered here")


def _limit_memory() -> None:
    """Let the child take 2 GiB more than its parent has, where the system allows it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as statm:
            now = int(statm.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, hard))
