"""The crash test once more, for real: a process of its own, a file, HTTP, and SIGKILL.

The process is forked from this one, so that it runs on the functions that this one has: in the
lab, the learner's. The PSP lives on in this one.
"""

import os
import signal
from collections.abc import Callable
from contextlib import closing, suppress
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
from amazonian.resilience.forks import SilentForkError, run_forked

PATIENCE_S = 30.0
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
    for _ in range(3):
        with suppress(SilentForkError):
            return _kill(number, design)
    raise ProcessFailedError("the processes fell silent; restart the kernel and try again")


def _kill(number: int, design: Design | None) -> Run:
    psp = Simulator(SimulatedClock(NOON_S))
    with TemporaryDirectory() as name, running(psp) as url:
        folder = Path(name)
        _in_a_process(lambda: _live(folder, url, NOON_S, number, design), -signal.SIGKILL)
        _in_a_process(lambda: _live(folder, url, NOON_S + RESTART_S, None, design), 0)
        return Run((number,), crashes.CALM, _violations(folder, psp))


def _in_a_process(work: Callable[[], None], wanted: int) -> None:
    """Do something in a process of its own that has to end with this code.

    Raises:
        ProcessFailedError: it ended otherwise.
        SilentForkError: it did not end.
    """
    code, said = run_forked(work, PATIENCE_S)
    if code != wanted:
        raise ProcessFailedError(f"a process ended with {code}, not with {wanted}. {said}")


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
