"""How throughput grows with concurrency, and when it stops to: lab 2.4.

The *Universal Scalability Law* says what N clients get done together that never pause::

    X(N) = λ N / (1 + σ (N - 1) + κ N (N - 1))

λ is what one alone gets done. σ, *contention*, is the share of the work that only one can do at
a time: a lock, a disk, the one writer of a database. κ, *crosstalk*, is what each costs every
other one: caches to be kept equal, locks to be handed on. With σ the curve flattens out; with κ
it has a peak, and beyond that more clients get less done.

Source: N. J. Gunther, "Guerrilla Capacity Planning", 2007, chapters 4 to 6.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from amazonian.resilience.clock import Clock, SystemClock


@dataclass(frozen=True)
class Law:
    """The three numbers of the Universal Scalability Law.

    Args:
        rate_per_s: λ, requests a second of one client.
        contention: σ, at least 0.
        crosstalk: κ, at least 0.
    """

    rate_per_s: float
    contention: float
    crosstalk: float

    def throughput(self, clients: float) -> float:
        """What so many clients get done together, in requests a second."""
        lost = self.contention * (clients - 1) + self.crosstalk * clients * (clients - 1)
        return self.rate_per_s * clients / (1 + lost)

    def peak(self) -> float:
        """With how many clients the most gets done: sqrt((1 - σ) / κ), but at least 1.

        It is infinite if there is no crosstalk, and the throughput grows for ever.
        """
        if self.contention >= 1:
            return 1.0
        if self.crosstalk == 0:
            return math.inf
        return max(1.0, math.sqrt((1 - self.contention) / self.crosstalk))


def fit(clients: Sequence[float], rates_per_s: Sequence[float]) -> Law:
    """The law that comes nearest to measurements, without a negative number in it.

    Turned around, the law is linear in three unknowns, a = 1/λ, b = σ/λ and c = κ/λ::

        N / X = a + b (N - 1) + c N (N - 1)

    Multiply each measurement's line by X/N, so that what is left over is a *relative* error, and
    small throughputs count as much as large ones. Then 1 = (a + b (N - 1) + c N (N - 1)) X/N, as
    nearly as can be, is a problem of least squares. Noise may make a number in its solution
    negative, which means nothing. So solve it four times, with b, with c, with both and with
    neither, and take the best of those solutions in which nothing is negative: the one with
    neither is always among them.

    Args:
        clients: N of each measurement, at least 1; three different ones at least.
        rates_per_s: X of each measurement, above 0, in requests a second.

    Raises:
        ValueError: fewer than three different N, or a throughput that is not above 0.
    """
    n, x = np.asarray(clients, dtype=float), np.asarray(rates_per_s, dtype=float)
    if len(set(n)) < 3 or x.min() <= 0:
        raise ValueError(f"three different N and X above 0 are needed, not N = {n}, X = {x}")
    columns = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1) * (x / n)[:, None]
    solutions = []
    for kept in ([0], [0, 1], [0, 2], [0, 1, 2]):
        factors = np.zeros(3)
        factors[kept] = np.linalg.lstsq(columns[:, kept], np.ones(len(n)), rcond=None)[0]
        if factors.min() >= 0:
            solutions.append((np.sum((columns @ factors - 1) ** 2), *factors))
    _, a, b, c = min(solutions)
    return Law(float(1 / a), float(b / a), float(c / a))


# --- measuring ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measurement:
    """When each request was sent and answered, in seconds, while so many clients never paused."""

    clients: int
    arrivals_s: tuple[float, ...]
    departures_s: tuple[float, ...]

    @property
    def rate_per_s(self) -> float:
        """Answers a second, from the first request to the last answer."""
        return len(self.arrivals_s) / (max(self.departures_s) - min(self.arrivals_s))

    @property
    def times_s(self) -> np.ndarray:
        """How long each took."""
        return np.array(self.departures_s) - np.array(self.arrivals_s)


def measure(
    request: Callable[[], object], clients: int, requests: int, clock: Clock | None = None
) -> Measurement:
    """Make requests in a closed loop: each client sends its next one as soon as it has an answer.

    Args:
        request: makes one request and returns when it is answered; called in `clients` threads.
        clients: how many send at the same time.
        requests: how many in all; each client makes its share of them, the same for all.
        clock: times them.

    Raises:
        Exception: what `request` raised.
    """
    clock = clock or SystemClock()

    def client(_: int) -> list[tuple[float, float]]:
        times = []
        for _ in range(max(1, requests // clients)):
            sent_s = clock.now_s()
            request()
            times.append((sent_s, clock.now_s()))
        return times

    with ThreadPoolExecutor(clients) as pool:
        times = [pair for share in pool.map(client, range(clients)) for pair in share]
    arrivals_s, departures_s = zip(*times, strict=True)
    return Measurement(clients, arrivals_s, departures_s)
