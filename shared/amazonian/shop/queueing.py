"""How long one waits in a queue: the closed forms that a simulation is held against: lab 2.4.

Words: requests come at a *rate* λ, a server takes a *service time* of mean 1/μ for each, and
there are c *servers* behind one queue. The *load* a = λ/μ is how many servers are busy on average
(in erlangs, after A. K. Erlang), the *utilisation* ρ = a/c is how busy each one is, and the
*wait* is the time before the service begins. M/M/c is Kendall's notation: arrivals at random
(memoryless), exponential service times (memoryless), c servers. D in place of the second M means
that every service takes the same time.

Times are in seconds, unless a docstring counts them in service times.

Sources: J. D. C. Little, "A Proof for the Queuing Formula: L = λW", 1961; L. Kleinrock,
"Queueing Systems", volume 1, 1975; M. Mitzenmacher, "The Power of Two Choices in Randomized Load
Balancing", 2001.
"""

import math
from collections.abc import Callable, Sequence


class OverloadedError(ValueError):
    """More comes in than the servers can do, so the queue grows for ever: there is no mean."""


def mean_inside(arrivals_s: Sequence[float], departures_s: Sequence[float]) -> float:
    """How many requests were inside on average, from the first arrival to the last departure.

    Each request is inside from its arrival to its departure, and so adds that many
    request-seconds. They are spread over the whole observation.

    Args:
        arrivals_s: when each request came, at least one, in any order.
        departures_s: when each of them left, in the order of `arrivals_s`: a later request may
            have left sooner.

    Returns:
        The mean number over time.

    Raises:
        ValueError: no time passed between the first arrival and the last departure.
    """
    observed_s = max(departures_s) - min(arrivals_s)
    if observed_s <= 0:
        raise ValueError("nothing can be said of an observation that takes no time")
    inside_s = sum(left - came for came, left in zip(arrivals_s, departures_s, strict=True))
    return inside_s / observed_s


def erlang_c(servers: int, load: float) -> float:
    """The probability that a request has to wait, in M/M/c (Erlang's C formula).

    It is had from Erlang's B formula, the share of requests that would be turned away if nobody
    could wait. With one server more, B falls from B(c - 1) to B(c)::

        B(0) = 1
        B(c) = a × B(c - 1) / (c + a × B(c - 1))
        C(c) = c × B(c) / (c - a × (1 - B(c)))

    which needs no factorials, and so holds for thousands of servers.

    Args:
        servers: c, at least 1.
        load: a, arrivals per second times mean service time in seconds; at least 0.

    Returns:
        From 0 to 1. It is 1 where the load is as much as the servers can do, or more.

    Raises:
        ValueError: `servers` is less than 1, or `load` is negative.
    """
    if servers < 1 or load < 0:
        raise ValueError(f"{servers} servers and a load of {load}: at least 1, at least 0")
    if load >= servers:
        return 1.0
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return servers * blocked / (servers - load * (1 - blocked))


# --- M/M/c -------------------------------------------------------------------------------------


def mean_wait_s(servers: int, rate_per_s: float, service_s: float) -> float:
    """The mean wait in M/M/c, in seconds.

    Raises:
        OverloadedError: the servers are not enough.
    """
    return erlang_c(servers, rate_per_s * service_s) / spare_rate(servers, rate_per_s, service_s)


def mean_time_s(servers: int, rate_per_s: float, service_s: float) -> float:
    """The mean time from arrival to departure in M/M/c, in seconds."""
    return mean_wait_s(servers, rate_per_s, service_s) + service_s


def spare_rate(servers: int, rate_per_s: float, service_s: float) -> float:
    """How many requests a second more the servers could do: those who wait leave at this rate.

    Raises:
        OverloadedError: none.
    """
    spare_per_s = servers / service_s - rate_per_s
    if spare_per_s <= 0:
        raise OverloadedError(
            f"{rate_per_s:g} requests/s are too many for {servers} servers, which can do "
            f"{servers / service_s:g}/s: more servers, shorter services or fewer requests"
        )
    return spare_per_s


def time_percentile_s(percent: float, servers: int, rate_per_s: float, service_s: float) -> float:
    """The time from arrival to departure that so many per cent of the requests stay below, M/M/c.

    A request waits with probability C, and then for an exponential time of rate `spare_rate`.
    After that comes its service, exponential too. The sum's distribution has a closed form; its
    percentile is found by bisection.

    Args:
        percent: for example 99; from 0 to below 100.
        servers: c.
        rate_per_s: λ.
        service_s: 1/μ.

    Raises:
        OverloadedError: the servers are not enough.
    """
    waits, leave = erlang_c(servers, rate_per_s * service_s), 1 / service_s
    spare = spare_rate(servers, rate_per_s, service_s)

    def longer_than(time_s: float) -> float:
        served = math.exp(-leave * time_s)
        if math.isclose(spare, leave, rel_tol=1e-6):
            both = (1 + leave * time_s) * served
        else:
            both = (spare * served - leave * math.exp(-spare * time_s)) / (spare - leave)
        return (1 - waits) * served + waits * both

    return _where(longer_than, 1 - percent / 100, start=service_s)


def _where(falling: Callable[[float], float], value: float, start: float) -> float:
    """Where a function that falls from 1 to 0 has this value, by bisection."""
    low, high = 0.0, start
    while falling(high) > value:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return high


def mm1_mean_wait_error(utilisation: float, requests: int) -> float:
    """The standard error of the mean wait of so many requests in M/M/1, in service times.

    One long wait follows another, so that the mean of n waits is known far worse than n
    independent samples would tell: at a utilisation of 0.9, a million requests give a mean wait
    of 9 service times give or take 0.37 (in 95 of 100 runs).

    Source: the asymptotic variance in D. J. Daley, "The Serial Correlation Coefficients of Waiting
    Times in a Stationary Single Server Queue", 1968.
    """
    rho = utilisation
    variance = rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (1 - rho) ** 4
    return math.sqrt(variance / requests)


# --- other queues, all in service times ----------------------------------------------------------


def md1_mean_wait(utilisation: float) -> float:
    """The mean wait in M/D/1, in service times: half of that in M/M/1."""
    return utilisation / (2 * (1 - utilisation))


def round_robin_rate(stations: int, utilisation: float) -> float:
    """The rate of the (exponential) time from arrival to departure, if stations take turns.

    Arrivals at random that are dealt out in turn come to each of c single servers after every
    c-th arrival: an E_c/M/1 queue. The probability σ to find its server busy solves
    σ = (cρ / (cρ + 1 - σ))^c.

    Returns:
        1 - σ, a rate per service time; the mean time is its inverse.
    """
    sigma, load = 0.0, stations * utilisation
    for _ in range(10_000):  # a fixed point, approached from below; faster the lower the load
        sigma = (load / (load + 1 - sigma)) ** stations
    return 1 - sigma


def two_choices_mean_time(utilisation: float) -> float:
    """The mean time from arrival to departure, in service times, with the shorter of two queues.

    Each request looks at two of n single servers at random and joins the shorter queue; this is
    the limit of very many servers: the sum of ρ^(2^i - 2) over i from 1 on.
    """
    return sum(utilisation ** (2**i - 2) for i in range(1, 40))
