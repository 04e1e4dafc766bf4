"""Which backend gets the next request: five policies behind one method: lab 2.2.

A policy is asked once for each request. It sees the backends that may be chosen, at least one, and
of each how many requests this balancer has sent there that are not answered yet. What other
balancers have sent it can't see.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from amazonian.shop.ring import Ring


@dataclass(eq=False)
class Backend:
    """One of the processes that do the work behind a balancer.

    Attributes:
        name: by which health checks, logs and people know it.
        url: where it listens, as in ``http://127.0.0.1:8101``.
        outstanding: requests that this balancer has sent it and that are not answered yet.
        draining: whether it finishes what it has and gets nothing new.
    """

    name: str
    url: str = ""
    outstanding: int = 0
    draining: bool = False


class Policy(Protocol):
    """What a balancer asks for each request."""

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend: ...


class RoundRobin:
    """Each backend in its turn, however busy it is."""

    def __init__(self) -> None:
        """Begin with the first backend of the list."""
        self._turn = 0

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend:
        """Return the next backend of the list; after the last comes the first again.

        Args:
            backends: those that may be chosen, at least one. The list may differ from call to
                call, as backends come, go and fall ill. While it stays the same, each of its n
                backends is returned once in n calls.
            key: not used.
        """
        backend = backends[self._turn % len(backends)]
        self._turn += 1
        return backend


class Random:
    """Any backend, each as likely as the others.

    Args:
        rng: the source of randomness, drawn from once a call.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend:
        return self._rng.choice(backends)


class LeastOutstanding:
    """A backend with the fewest requests outstanding.

    Args:
        rng: decides between those with equally few. Without it the first of the list would get
            every request that finds several idle.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend:
        fewest = min(backend.outstanding for backend in backends)
        return self._rng.choice([b for b in backends if b.outstanding == fewest])


class PowerOfTwo:
    """The better of two, drawn at random (Mitzenmacher 2001, "The Power of Two Choices")."""

    def __init__(self, rng: random.Random):
        """Keep the source of randomness.

        Args:
            rng: from which every choice is drawn.
        """
        self._rng = rng

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend:
        """Draw two different backends and return the one with fewer requests outstanding.

        Each pair is as likely as any other. If both have equally many, each is returned in half
        of the cases.

        Args:
            backends: those that may be chosen, at least one; the list stays as it is. A backend
                that is alone is chosen without a second.
            key: not used.
        """
        drawn = self._rng.sample(backends, min(2, len(backends)))
        return min(drawn, key=lambda backend: backend.outstanding)


class Stale:
    """A policy that sees how busy its backends were at the last report, not how busy they are.

    So it is with balancers that learn the load from elsewhere: from the backends themselves, or
    from each other.

    Args:
        policy: chooses by what the report says.
        every: how many requests are sent by one report.
    """

    def __init__(self, policy: Policy, every: int):
        self._policy, self._every, self._asked = policy, every, 0
        self._report: list[Backend] = []

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend:
        if self._asked % self._every == 0:
            self._report = [
                Backend(str(place), outstanding=backend.outstanding)
                for place, backend in enumerate(backends)
            ]
        self._asked += 1
        return backends[int(self._policy.choose(self._report, key).name)]


class ConsistentHash:
    """The backend to which the key belongs, so that equal keys meet the same backend.

    When a backend goes, only its own keys find others. Load plays no part: a hot key makes a hot
    backend.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._ring = Ring()

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend:
        """Return the backend to which `key` belongs.

        Raises:
            ValueError: there is no key.
        """
        if key is None:
            raise ValueError("consistent hashing needs a key for each request: pass one")
        names = [backend.name for backend in backends]
        if names != self._names:
            self._names, self._ring = names, Ring(names)
        return backends[names.index(self._ring.node_of(key))]
