"""Wrong answers to lab 2.4: Little's law and Erlang's C formula."""

import math

from amazonian.shop import queueing as component
from wrong_answers import wrong


@wrong(component, feedback="the observation takes 3.5 s")
def mean_inside__divides_by_the_number_of_requests(arrivals_s, departures_s):
    observed_s = max(departures_s) - min(arrivals_s)
    if observed_s <= 0:
        raise ValueError("no time")
    return sum(d - a for a, d in zip(arrivals_s, departures_s, strict=True)) / len(arrivals_s)


@wrong(component, feedback="the first to come is the last to go")
def mean_inside__takes_the_last_of_the_list(arrivals_s, departures_s):
    observed_s = departures_s[-1] - arrivals_s[0]
    if observed_s <= 0:
        raise ValueError("no time")
    return sum(d - a for a, d in zip(arrivals_s, departures_s, strict=True)) / observed_s


@wrong(component, feedback="the observation begins with the first arrival")
def mean_inside__observes_from_time_zero(arrivals_s, departures_s):
    if max(departures_s) <= min(arrivals_s):
        raise ValueError("no time")
    return sum(d - a for a, d in zip(arrivals_s, departures_s, strict=True)) / max(departures_s)


@wrong(component, feedback="two request-seconds, spread over all of the 10 s")
def mean_inside__leaves_out_idle_time(arrivals_s, departures_s):
    events = sorted([(a, 1) for a in arrivals_s] + [(d, -1) for d in departures_s])
    if max(departures_s) <= min(arrivals_s):
        raise ValueError("no time")
    inside, busy_s, total, before = 0, 0.0, 0.0, events[0][0]
    for now_s, change in events:
        total += inside * (now_s - before)
        busy_s += (now_s - before) * (inside > 0)
        inside, before = inside + change, now_s
    return total / busy_s


@wrong(component, feedback="the first arrival is the smallest, the last departure the largest")
def mean_inside__takes_the_first_of_the_list(arrivals_s, departures_s):
    observed_s = max(departures_s) - arrivals_s[0]
    if observed_s <= 0:
        raise ValueError("no time")
    return sum(d - a for a, d in zip(arrivals_s, departures_s, strict=True)) / observed_s


@wrong(component, feedback="Where no time passed there is no mean")
def mean_inside__divides_by_zero(arrivals_s, departures_s):
    observed_s = max(departures_s) - min(arrivals_s)
    return sum(d - a for a, d in zip(arrivals_s, departures_s, strict=True)) / observed_s


def _erlang(servers, load, blocked):
    return servers * blocked / (servers - load * (1 - blocked))


@wrong(component, feedback="a**c and c! are too large for a float")
def erlang_c__with_factorials(servers, load):
    if servers < 1 or load < 0:
        raise ValueError("servers or load")
    if load >= servers:
        return 1.0
    terms = [float(load) ** k / math.factorial(k) for k in range(servers + 1)]
    waiting = terms[-1] * servers / (servers - load)
    return waiting / (sum(terms[:-1]) + waiting)


@wrong(component, feedback="5,000 calls within each other are too many for Python")
def erlang_c__calls_itself(servers, load):
    if servers < 1 or load < 0:
        raise ValueError("servers or load")
    if load >= servers:
        return 1.0

    def blocked(busy):
        if not busy:
            return 1.0
        before = blocked(busy - 1)
        return load * before / (busy + load * before)

    return _erlang(servers, load, blocked(servers))


@wrong(component, feedback="B(1) is a / (1 + a), and C(1) comes to a")
def erlang_c__gives_erlang_b(servers, load):
    if servers < 1 or load < 0:
        raise ValueError("servers or load")
    if load >= servers:
        return 1.0
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked


@wrong(component, feedback="B(0), B(1), B(2) are 1, 1/2, 1/5")
def erlang_c__is_the_utilisation(servers, load):
    if servers < 1 or load < 0:
        raise ValueError("servers or load")
    return min(1.0, load / servers)


@wrong(component, feedback="B(1) is a / (1 + a), and C(1) comes to a")
def erlang_c__stops_one_server_early(servers, load):
    if servers < 1 or load < 0:
        raise ValueError("servers or load")
    if load >= servers:
        return 1.0
    blocked = 1.0
    for busy in range(1, servers):
        blocked = load * blocked / (busy + load * blocked)
    return _erlang(servers, load, blocked)


@wrong(component, feedback="B(0), B(1), B(2) are 1, 1/2, 1/5")
def erlang_c__divides_by_all_servers_each_time(servers, load):
    if servers < 1 or load < 0:
        raise ValueError("servers or load")
    if load >= servers:
        return 1.0
    blocked = 1.0
    for _ in range(servers):
        blocked = load * blocked / (servers + load * blocked)
    return _erlang(servers, load, blocked)


@wrong(component, feedback="nor is it negative: test the load first")
def erlang_c__trusts_the_formula_with_too_much_load(servers, load):
    if servers < 1 or load < 0:
        raise ValueError("servers or load")
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return _erlang(servers, load, blocked)


EQUIVALENT = {
    "mean_inside: not True [inside_s = sum(left - came for came, left in "
    "zip(arrivals_s, departures_s, strict=True))]": "as many requests leave as came",
    "erlang_c: compares with Gt [if load >= servers:]": (
        "with as much load as servers the formula itself gives 1"
    ),
}
