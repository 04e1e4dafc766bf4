"""Wrong answers to lab 2.4: the event loop."""

from collections import deque
from heapq import heappop, heappush

from amazonian.shop import simulator as component
from wrong_answers import wrong


def _note(log, now_s, station, start_s, end_s):
    log.arrival_s.append(now_s)
    log.station.append(station)
    log.start_s.append(start_s)
    log.end_s.append(end_s)


def _loop(arriving, stations, choose, log, wrongly):
    """The reference, with one thing done `wrongly`."""
    leaving = []
    for number, (now_s, service_s, key) in enumerate(arriving):
        if wrongly != "never lets go":
            while leaving and (
                leaving[0][0] < now_s if wrongly == "waits for the next" else leaving[0][0] <= now_s
            ):
                gone = heappop(leaving)[1]
                left = stations[0] if wrongly == "subtracts anywhere" else log.station[gone]
                left.outstanding -= 1
                if wrongly == "lets one go":
                    break
        chosen = choose(stations, None if wrongly == "drops keys" else key)
        if wrongly != "counts late":
            chosen.outstanding += 1
        start_s, end_s = chosen.admit(now_s, service_s)
        if wrongly == "counts late":
            chosen.outstanding += 1
        heappush(leaving, (now_s + service_s if wrongly == "ignores waiting" else end_s, number))
        _note(log, now_s, chosen, start_s, end_s)


@wrong(component, feedback="at 4.5 s two have left")
def run__never_lets_anybody_go(arrivals_s, services_s, keys, stations, choose, log):
    _loop(zip(arrivals_s, services_s, keys, strict=True), stations, choose, log, "never lets go")


@wrong(component, feedback="at 4.5 s two have left")
def run__lets_one_go_at_an_arrival(arrivals_s, services_s, keys, stations, choose, log):
    _loop(zip(arrivals_s, services_s, keys, strict=True), stations, choose, log, "lets one go")


@wrong(component, feedback="compare with <=, not with <")
def run__lets_them_go_at_the_next_arrival(arrivals_s, services_s, keys, stations, choose, log):
    arriving = zip(arrivals_s, services_s, keys, strict=True)
    _loop(arriving, stations, choose, log, "waits for the next")


@wrong(component, feedback="at 4.5 s two have left")
def run__ignores_the_wait(arrivals_s, services_s, keys, stations, choose, log):
    _loop(zip(arrivals_s, services_s, keys, strict=True), stations, choose, log, "ignores waiting")


@wrong(component, feedback="remember with each departure, by the request's number")
def run__subtracts_at_the_first_station(arrivals_s, services_s, keys, stations, choose, log):
    arriving = zip(arrivals_s, services_s, keys, strict=True)
    _loop(arriving, stations, choose, log, "subtracts anywhere")


@wrong(component, feedback="choose(stations, key)")
def run__forgets_the_key(arrivals_s, services_s, keys, stations, choose, log):
    _loop(zip(arrivals_s, services_s, keys, strict=True), stations, choose, log, "drops keys")


@wrong(component, feedback="outstanding goes up before `admit`")
def run__counts_after_admitting(arrivals_s, services_s, keys, stations, choose, log):
    _loop(zip(arrivals_s, services_s, keys, strict=True), stations, choose, log, "counts late")


@wrong(component, feedback="asks for all of them before anything has happened")
def run__makes_a_list_first(arrivals_s, services_s, keys, stations, choose, log):
    _loop(list(zip(arrivals_s, services_s, keys, strict=True)), stations, choose, log, "")


@wrong(component, feedback="the second leaves at 2.0 s, the first at 9.0 s")
def run__takes_departures_in_order_of_arrival(arrivals_s, services_s, keys, stations, choose, log):
    leaving = deque()
    for now_s, service_s, key in zip(arrivals_s, services_s, keys, strict=True):
        while leaving and leaving[0][0] <= now_s:
            leaving.popleft()[1].outstanding -= 1
        station = choose(stations, key)
        station.outstanding += 1
        start_s, end_s = station.admit(now_s, service_s)
        leaving.append((end_s, station))
        _note(log, now_s, station, start_s, end_s)


@wrong(component, feedback="put the request's number second")
def run__puts_stations_into_the_heap(arrivals_s, services_s, keys, stations, choose, log):
    leaving = []
    for now_s, service_s, key in zip(arrivals_s, services_s, keys, strict=True):
        while leaving and leaving[0][0] <= now_s:
            heappop(leaving)[1].outstanding -= 1
        station = choose(stations, key)
        station.outstanding += 1
        start_s, end_s = station.admit(now_s, service_s)
        heappush(leaving, (end_s, station))
        _note(log, now_s, station, start_s, end_s)


@wrong(component, feedback="the smallest of a heap is on top")
def run__looks_at_everybody_each_time(arrivals_s, services_s, keys, stations, choose, log):
    inside = []
    for now_s, service_s, key in zip(arrivals_s, services_s, keys, strict=True):
        for end_s, station in inside:
            if end_s <= now_s:
                station.outstanding -= 1
        inside = [(end_s, station) for end_s, station in inside if end_s > now_s]
        station = choose(stations, key)
        station.outstanding += 1
        start_s, end_s = station.admit(now_s, service_s)
        inside.append((end_s, station))
        _note(log, now_s, station, start_s, end_s)


@wrong(component, feedback="says when it leaves, served or not")
def run__lets_the_unserved_leave_at_once(arrivals_s, services_s, keys, stations, choose, log):
    leaving = []
    for number, arrival in enumerate(zip(arrivals_s, services_s, keys, strict=True)):
        now_s, service_s, key = arrival
        while leaving and leaving[0][0] <= now_s:
            heappop(leaving)[2].outstanding -= 1
        station = choose(stations, key)
        station.outstanding += 1
        start_s, end_s = station.admit(now_s, service_s)
        if start_s == start_s:
            heappush(leaving, (end_s, number, station))
        else:
            station.outstanding -= 1
        _note(log, now_s, station, start_s, end_s)


@wrong(component, feedback="`log` has four lists")
def run__does_not_note_arrivals(arrivals_s, services_s, keys, stations, choose, log):
    arriving = zip(arrivals_s, services_s, keys, strict=True)
    _loop(arriving, stations, choose, log, "")
    log.arrival_s.clear()


EQUIVALENT = {
    "run: not True [arriving = enumerate(zip(arrivals_s, services_s, keys, strict=True))]": (
        "there are as many services and keys as arrivals"
    ),
}
