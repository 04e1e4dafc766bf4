"""Which backends are fit: what requests tell, what probes tell, and when to doubt both: lab 2.2.

*Passive* checks watch the requests that are made anyway and find a dead backend within a few of
them. *Active* checks ask on purpose, and so find out when a backend is well again without trying
it on a customer. Both can be wrong about all backends at once, when what failed is something that
these share, or the check itself: :func:`rotation` then fails open.
"""

import http.client
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from amazonian.resilience.clock import Clock
from amazonian.shop.balancing import Backend

OPEN_BELOW = 0.3  # fewer than this share healthy: rather the check is wrong than the backends


class PassiveHealth:
    """Ejects a backend whose requests fail several times in a row ("outlier detection").

    Attributes:
        failures_to_eject: how many failures in a row.
        ejected_s: for how long it gets no requests, in seconds.
        failures: from a backend's name to its failures since the last success.
        ejected_until_s: from a backend's name to when its ejection ends, on `clock`.
    """

    def __init__(self, clock: Clock, failures_to_eject: int = 3, ejected_s: float = 10.0):
        self.clock, self.failures_to_eject, self.ejected_s = clock, failures_to_eject, ejected_s
        self.failures: dict[str, int] = defaultdict(int)
        self.ejected_until_s: dict[str, float] = {}

    def record(self, name: str, ok: bool) -> None:
        """Take note of how a request to the backend `name` ended, and eject it if need be.

        A success sets ``self.failures[name]`` to 0. A failure adds 1 to it; if that makes
        `failures_to_eject` or more, the backend is ejected: ``self.ejected_until_s[name]`` becomes
        the time ``self.ejected_s`` from now.

        The count goes on while a backend is ejected, and an ejection's end does not reset it. So
        a backend that comes back is on probation: its first failure ejects it again, its first
        success clears it. A success never ends an ejection early, for it may be the late answer
        to a request that was sent long before.

        Args:
            name: of a backend that may never have been named before; it then has no failures.
            ok: whether the request was answered, with anything but a failure of the backend's.
        """
        if ok:
            self.failures[name] = 0
            return
        self.failures[name] += 1
        if self.failures[name] >= self.failures_to_eject:
            self.ejected_until_s[name] = self.clock.now_s() + self.ejected_s

    def healthy(self, name: str) -> bool:
        """Whether the backend is not ejected, or not any longer."""
        return self.clock.now_s() >= self.ejected_until_s.get(name, float("-inf"))


class ActiveHealth:
    """Takes a backend out after failed probes and lets it back in after passed ones.

    A backend that has never been probed counts as healthy.

    Attributes:
        fall: failed probes in a row that take it out.
        rise: passed probes in a row that let it back in; more than one, since a process that
            is starting, or dying, may answer now and then.
    """

    def __init__(self, fall: int = 2, rise: int = 2):
        self.fall, self.rise = fall, rise
        self._probes: dict[str, _Probes] = defaultdict(_Probes)

    def probed(self, name: str, ok: bool) -> None:
        """Take note of a probe: whether the backend answered it in time, with a 2xx."""
        probes = self._probes[name]
        if ok == probes.healthy:
            probes.against = 0
            return
        probes.against += 1
        if probes.against >= (self.rise if ok else self.fall):
            probes.healthy, probes.against = ok, 0

    def healthy(self, name: str) -> bool:
        """Whether the backend may get requests, as far as probes tell."""
        return self._probes[name].healthy


@dataclass
class _Probes:
    """What a backend counts as, and how many probes in a row have said the contrary."""

    healthy: bool = True
    against: int = 0


def rotation(
    backends: Sequence[Backend],
    healthy: Callable[[str], bool],
    open_below: float = OPEN_BELOW,
) -> list[Backend]:
    """Return the backends that may get the next request, in their order.

    A backend that drains gets none, in no case. Of the others, those are chosen from that look
    healthy. But if these are fewer than the share `open_below` of all that do not drain, health is
    ignored and all of them are returned: the balancer *fails open*. That so many fell ill at once
    is less likely than that the check is wrong, or that all suffer from something they share; and
    if they really are ill, the few that are left could not carry the load of all.

    Args:
        backends: all that the balancer has.
        healthy: whether a backend of this name looks healthy.
        open_below: a share from 0 to 1; the share itself is still enough. With 0, the balancer
            never fails open, and may return nothing.
    """
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    enough = taking and len(fit) / len(taking) >= open_below
    return fit if enough else taking


# --- probing ----------------------------------------------------------------------------------


def answers(url: str, path: str, within_s: float = 1.0) -> bool:
    """Whether the backend at `url` answers ``GET path`` with a 2xx, within this time."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=within_s)
    try:
        connection.request("GET", path)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def probing(
    backends: Callable[[], Sequence[Backend]],
    active: ActiveHealth,
    path: str,
    every_s: float = 1.0,
) -> Iterator[None]:
    """Probe all backends, again and again, while a ``with`` block runs.

    Args:
        backends: says which there are by now.
        active: is told what each probe found.
        path: what is asked of a backend; it should do little, and depend on nothing that all
            backends share.
        every_s: seconds between two rounds; a probe may take as long.
    """
    stop = threading.Event()

    def rounds() -> None:
        with ThreadPoolExecutor(16, thread_name_prefix="probe") as pool:
            while not stop.is_set():
                asked = list(backends())
                found = pool.map(lambda backend: answers(backend.url, path, every_s), asked)
                for backend, ok in zip(asked, found, strict=True):
                    active.probed(backend.name, ok)
                stop.wait(every_s)

    thread = threading.Thread(target=rounds, name="probing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
