"""A simulator of queues: requests arrive, wait for a server, are served, and leave: lab 2.4.

It is a *discrete-event* simulation: nothing happens between two events, so time jumps from one
to the next. A :class:`Station` is one or more equal servers behind one queue, first come, first
served. Since nobody overtakes, the moment when a request will leave is known as soon as it has
arrived, so that the only events to be kept in order are arrivals and departures.

Everything is deterministic: the times between arrivals and the service times are arrays that are
made beforehand, from a random generator that is passed in. Time is in seconds.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace

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
        heapreplace(self._free_s, end_s)
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
        """From arrival to departure, which is waiting and service together."""
        return self.end_s - self.arrival_s

    @property
    def rejected(self) -> np.ndarray:
        """True where the request found no room."""
        return np.isnan(self.start_s) & (self.end_s == self.arrival_s)

    @property
    def good(self) -> np.ndarray:
        """True where the caller got its answer before it went away; these are the *goodput*."""
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
    """The times of `count` arrivals, independent of each other, `rate_per_s` a second."""
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


@dataclass
class Log:
    """What an event loop writes down of each request, in order of arrival: four lists."""

    arrival_s: list[float] = field(default_factory=list)
    station: list[Station] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)


def run(
    arrivals_s: Iterable[float],
    services_s: Iterable[float],
    keys: Iterable[Hashable],
    stations: Sequence[Station],
    choose: Choose,
    log: Log,
) -> None:
    """The event loop: each arrival in turn, and before it every departure that is due.

    At an arrival, whoever leaves by then (at that very moment included) is no longer
    `outstanding` at its station. Then ``choose(stations, key)`` names a station, where the
    request is `outstanding` from now on, and that station's ``admit(now_s, service_s)`` says when
    it begins with it and when it leaves.

    Args:
        arrivals_s: when each request comes, in ascending order. It may be a generator that reads
            `log` to know when its next one comes, so do not ask for an arrival before all of the
            one before is written down.
        services_s: how long each takes.
        keys: what each is about.
        stations: where they may go; nobody is in them.
        choose: the policy.
        log: to its four lists, append what became of each request.
    """
    leaving: list[tuple[float, int]] = []
    arriving = enumerate(zip(arrivals_s, services_s, keys, strict=True))
    for number, (now_s, service_s, key) in arriving:
        while leaving and leaving[0][0] <= now_s:
            _, gone = heappop(leaving)
            log.station[gone].outstanding -= 1
        station = choose(stations, key)
        station.outstanding += 1
        start_s, end_s = station.admit(now_s, service_s)
        heappush(leaving, (end_s, number))
        log.arrival_s.append(now_s)
        log.station.append(station)
        log.start_s.append(start_s)
        log.end_s.append(end_s)


def simulate(
    arrivals_s: np.ndarray,
    services_s: np.ndarray,
    stations: Sequence[Station],
    choose: Choose = only,
    keys: Sequence[Hashable] | None = None,
) -> Visits:
    """An open system: requests come when they come, however full it is.

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
    return _simulated(arrivals_s.tolist(), services_s, stations, choose, keys, Log())


def simulate_clients(
    clients: int,
    pauses_s: np.ndarray,
    services_s: np.ndarray,
    stations: Sequence[Station],
    choose: Choose = only,
) -> Visits:
    """A closed system: each client waits for its answer, pauses, and sends its next request.

    Args:
        clients: how many there are, so that no more requests than these are ever inside.
        pauses_s: how long the client of each request has paused before it, shape (n,); the first
            ones count from time 0.
        services_s: how long a server of speed 1 works on each, shape (n,).
        stations: where they may go; they are emptied first.
        choose: picks the station for each request.

    Raises:
        ValueError: as for :func:`simulate`.
    """
    log, pauses = Log(), iter(pauses_s.tolist())

    def arrivals() -> Iterator[float]:
        coming = list(itertools.islice(pauses, clients))
        heapify(coming)
        while coming:
            yield heappop(coming)
            for pause_s in itertools.islice(pauses, 1):
                heappush(coming, log.end_s[-1] + pause_s)

    return _simulated(arrivals(), services_s, stations, choose, None, log)


def _simulated(
    arrivals_s: Iterable[float],
    services_s: np.ndarray,
    stations: Sequence[Station],
    choose: Choose,
    keys: Sequence[Hashable] | None,
    log: Log,
) -> Visits:
    if choose is only and len(stations) != 1:
        raise ValueError(f"a policy is needed to choose between {len(stations)} stations")
    for station in stations:
        station.empty()
    keys = itertools.repeat(None, len(services_s)) if keys is None else keys
    run(arrivals_s, services_s.tolist(), keys, stations, choose, log)
    numbers = {station: number for number, station in enumerate(stations)}
    station = np.array([numbers[chosen] for chosen in log.station], int)
    deadlines_s = np.array([each.deadline_s for each in stations])
    times_s = (np.array(times) for times in (log.arrival_s, log.start_s, log.end_s))
    return Visits(*times_s, station, deadlines_s[station])
