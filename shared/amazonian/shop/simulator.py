"""A simulator of queues: requests arrive, wait for a server, are served, and leave: lab 2.4.

It is a *discrete-event* simulation: nothing happens between two events, so time jumps from one
to the next. A :class:`Station` is one or more equal servers behind one queue, first come, first
served. Since nobody overtakes, the moment when a request will leave is known as soon as it has
arrived, so that the only events to be kept in order are arrivals and departures.

Everything is deterministic: the times between arrivals and the service times are arrays that are
made beforehand, from a random generator that is passed in. Time is in seconds.
"""

import heapq
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

# From the stations and a request's key to the station that gets the request. The policies of
# lab 2.2 are of this kind: a station has the `outstanding` that they look at.
Choose = Callable[[Sequence["Station"], Hashable], "Station"]

# Which quantile of Student's t with 19 degrees of freedom makes a 95% interval of 20 batches.
BATCHES = 20
T_95 = 2.093


class Station:
    """Equal servers behind one queue, first come, first served.

    Args:
        servers: how many requests are served at once.
        queue_limit: how many may wait, besides those in service; more are rejected at once.
        deadline_s: how long a caller waits for its answer before it goes away.
        drops_late: whether a server looks, before it begins, if the caller has gone, and then
            does not serve it; otherwise it works for nobody.
        speed: how fast the servers are; at 0.5 everything takes twice as long.
        name: what a drawing or a table calls it.

    Attributes:
        outstanding: how many requests have arrived and not left, in service or waiting.

    Raises:
        ValueError: there is no server, or the speed is not positive.
    """

    def __init__(
        self,
        servers: int = 1,
        *,
        queue_limit: float = math.inf,
        deadline_s: float = math.inf,
        drops_late: bool = False,
        speed: float = 1.0,
        name: str = "",
    ):
        if servers < 1 or not speed > 0:
            raise ValueError(f"{servers} servers at speed {speed}: at least 1, faster than 0")
        self.servers, self.speed, self.name = servers, speed, name
        self.room = servers + queue_limit
        self.deadline_s, self.drops_late = deadline_s, drops_late
        self.empty()

    def empty(self) -> None:
        """Forget all requests: every server is free."""
        self.outstanding = 0
        self._free_s = [0.0] * self.servers  # a heap: when each server will be free

    def admit(self, now_s: float, service_s: float) -> tuple[float, float]:
        """Let a request in, which is `outstanding` already, and tell its future.

        Args:
            now_s: the moment of its arrival; not before that of the one before.
            service_s: how long a server of speed 1 works on it.

        Returns:
            When a server begins with it and when it leaves the station, in seconds. If it is
            never served the first is NaN: it is rejected and leaves at once, or a server drops it
            when it comes to it.
        """
        if self.outstanding > self.room:
            return math.nan, now_s
        free_s = self._free_s[0]
        start_s = free_s if free_s > now_s else now_s
        if self.drops_late and start_s - now_s > self.deadline_s:
            return math.nan, start_s
        end_s = start_s + service_s / self.speed
        heapq.heapreplace(self._free_s, end_s)
        return start_s, end_s


@dataclass(frozen=True)
class Visits:
    """What became of each request, in order of arrival: arrays of one length.

    Args:
        arrival_s: when it came.
        start_s: when a server began with it; NaN if none ever did.
        end_s: when it left its station: at once if it was rejected.
        station: the number of the station that it was sent to.
        deadline_s: how long its caller waited at most.
    """

    arrival_s: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    station: np.ndarray
    deadline_s: np.ndarray

    @property
    def wait_s(self) -> np.ndarray:
        """From arrival to the beginning of the service; NaN where that never began."""
        return self.start_s - self.arrival_s

    @property
    def time_s(self) -> np.ndarray:
        """From arrival to departure: waiting and service."""
        return self.end_s - self.arrival_s

    @property
    def rejected(self) -> np.ndarray:
        """True where the request found no room."""
        return np.isnan(self.start_s) & (self.end_s == self.arrival_s)

    @property
    def good(self) -> np.ndarray:
        """True where the caller got its answer before it went away: what *goodput* counts."""
        return ~np.isnan(self.start_s) & (self.time_s <= self.deadline_s)

    def __len__(self) -> int:
        return len(self.arrival_s)

    def after(self, warm_up: int) -> "Visits":
        """Without the first `warm_up` requests, which came to a system that was still empty."""
        columns = (self.arrival_s, self.start_s, self.end_s, self.station, self.deadline_s)
        return Visits(*(column[warm_up:] for column in columns))


@dataclass(frozen=True)
class Estimate:
    """What a simulation says of a number, and the interval that holds it in 95 of 100 runs."""

    value: float
    low: float
    high: float

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high


def batch_means(samples: np.ndarray, of: Callable[[np.ndarray], float] = np.mean) -> Estimate:
    """A mean (or a percentile, …) of samples that depend on each other, with its 95% interval.

    One long wait follows another, so that n samples say less than n independent ones, and the
    usual interval is too narrow. The samples are therefore cut into `BATCHES` long runs. What
    these say is nearly independent of each other, and its scatter gives the interval (method of
    batch means).

    Args:
        samples: in order of arrival, shape (n,); each batch should be far longer than the
            longest busy time.
        of: what is wanted of a batch, for example ``lambda batch: np.percentile(batch, 99)``.
    """
    size = len(samples) // BATCHES
    values = [float(of(samples[i * size : (i + 1) * size])) for i in range(BATCHES)]
    mean = float(np.mean(values))
    margin = T_95 * float(np.std(values, ddof=1)) / math.sqrt(BATCHES)
    return Estimate(mean, mean - margin, mean + margin)


def poisson(rate_per_s: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """The times of `count` arrivals that come independently of each other, `rate_per_s` a second."""
    return np.cumsum(rng.exponential(1 / rate_per_s, count))


def exponential(mean_s: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` service times, most of them short and some several times the mean."""
    return rng.exponential(mean_s, count)


def constant(mean_s: float, count: int) -> np.ndarray:
    """`count` service times, all the same."""
    return np.full(count, mean_s)


def only(stations: Sequence[Station], key: Hashable = None) -> Station:
    """The policy where there is nothing to choose."""
    return stations[0]


def run(
    arrivals_s: Sequence[float],
    services_s: Sequence[float],
    stations: Sequence[Station],
    choose: Choose,
    keys: Sequence[Hashable],
) -> tuple[list[Station], list[float], list[float]]:
    """The event loop: each arrival in turn, and before it every departure that is due.

    Args:
        arrivals_s: when each request comes, in ascending order.
        services_s: how long each takes.
        stations: where they may go; nobody is in them.
        choose: ``choose(stations, key)`` is asked at each arrival, when whoever has left by then
            (at that very moment included) is no longer `outstanding`.
        keys: what each request is about.

    Returns:
        For each request its station, and when it began and ended, as `admit` said.
    """
    leaving: list[tuple[float, int]] = []
    chosen, starts_s, ends_s = [], [], []
    for number, (now_s, service_s, key) in enumerate(
        zip(arrivals_s, services_s, keys, strict=True)
    ):
        while leaving and leaving[0][0] <= now_s:
            chosen[heapq.heappop(leaving)[1]].outstanding -= 1
        station = choose(stations, key)
        station.outstanding += 1
        start_s, end_s = station.admit(now_s, service_s)
        heapq.heappush(leaving, (end_s, number))
        chosen.append(station)
        starts_s.append(start_s)
        ends_s.append(end_s)
    return chosen, starts_s, ends_s


def simulate(
    arrivals_s: np.ndarray,
    services_s: np.ndarray,
    stations: Sequence[Station],
    choose: Choose = only,
    keys: Sequence[Hashable] | None = None,
) -> Visits:
    """Send requests to stations, as `choose` says, and see what becomes of each.

    Args:
        arrivals_s: when each comes, in seconds, in ascending order, shape (n,).
        services_s: how long a server of speed 1 works on each, shape (n,).
        stations: where they may go; they are emptied first.
        choose: picks the station for each request.
        keys: what each request is about, for policies that look at it.

    Raises:
        ValueError: the arrays differ in length, or there are several stations and nothing
            chooses between them.
    """
    if len(arrivals_s) != len(services_s) or (choose is only and len(stations) != 1):
        raise ValueError(
            f"{len(arrivals_s)} arrivals, {len(services_s)} service times and {len(stations)} "
            "stations: as many of the first as of the second, and one station or a policy"
        )
    for station in stations:
        station.empty()
    keys = keys if keys is not None else [None] * len(arrivals_s)
    chosen, starts_s, ends_s = run(arrivals_s.tolist(), services_s.tolist(), stations, choose, keys)
    numbers = {station: number for number, station in enumerate(stations)}
    station = np.array([numbers[s] for s in chosen], int)
    deadlines_s = np.array([s.deadline_s for s in stations])
    return Visits(arrivals_s, np.array(starts_s), np.array(ends_s), station, deadlines_s[station])
