"""The crash test once more, for real: a process of its own, a file, HTTP, and SIGKILL.

The process is forked from this one, so that it runs on the functions that this one has: in the
lab, the learner's. The PSP lives on in this one.
"""

import os
import signal
import traceback
import warnings
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amazonian.payments import crashes, properties, scenario, store
from amazonian.payments.crashes import Run
from amazonian.payments.points import PSP, Points, WatchedDatabase
from amazonian.payments.scenario import NOON_S, Design, Process, Shop
from amazonian.payments.stripe_simulator import transport
from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.server import running
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.database import open_database

RESTART_S = 3_600.0  # the next process starts so much later; the lease of the first has run out


class ProcessFailedError(Exception):
    """The process neither reached its end nor the point where it was to be killed."""


def kill_for_real(number: int, design: Design | None = None) -> Run:
    """Live through the day of ``scenario``, with SIGKILL at a point of the first process.

    Args:
        number: the point's, as ``crashes.explore`` counts them.
        design: makes the executor; by default ``executor.Executor``.

    Raises:
        ProcessFailedError: a process failed by itself, or there is no such point.
    """
    psp = Simulator(SimulatedClock(NOON_S))
    with TemporaryDirectory() as name, running(psp) as url:
        folder = Path(name)
        first = _forked(folder, url, NOON_S, number, design)
        second = _forked(folder, url, NOON_S + RESTART_S, None, design)
        if (first, second) != (-signal.SIGKILL, 0):
            raise ProcessFailedError(f"point {number}: the processes ended with {first}, {second}")
        return Run((number,), crashes.CALM, _violations(folder, psp))


def _forked(folder: Path, url: str, now_s: float, end_at: int | None, design: Design | None) -> int:
    """One life in a process of its own; its exit code, negative if a signal ended it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forking threads
        pid = os.fork()
    if pid == 0:
        try:
            _live(folder, url, now_s, end_at, design)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _live(folder: Path, url: str, now_s: float, end_at: int | None, design: Design | None) -> None:
    points = Points(end_at, lambda: os.kill(os.getpid(), signal.SIGKILL))

    def on_call(call: str, when: str) -> None:
        points.reach(PSP, call, when)

    with closing(store.open_store(folder / "payments.db")) as database, _shop(folder) as shop:
        process = Process(
            WatchedDatabase(database, points),
            Shop(shop),
            transport.client_for(url, on_call=on_call),
            SimulatedClock(now_s),
            _Reader(url),
            design,
        )
        process.live()


def _shop(folder: Path) -> Any:
    return closing(open_database(folder / "shop.db", scenario.SHOP_SCHEMA))


class _Reader:
    """Reads the PSP's objects over HTTP; these calls are no points."""

    def __init__(self, url: str):
        self.client = transport.client_for(url)

    def __call__(self, kind: str) -> list[dict[str, Any]]:
        response = self.client.raw_request("get", f"/v1/{kind}s", limit=100)
        newest_first: list[dict[str, Any]] = response.data["data"]
        return newest_first[::-1]


def _violations(folder: Path, psp: Simulator) -> tuple[str, ...]:
    known = {kind: psp.objects(kind) for kind in crashes.WITNESSES}
    with closing(store.open_store(folder / "payments.db")) as database, _shop(folder) as shop:
        return tuple(properties.violations(database.read, known, Shop(shop).heard()))
