"""What lab 2.4 asks of the event loop."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from amazonian.course.evidence import Answer, call, scenario
from amazonian.course.rules import RulesFor
from amazonian.shop.simulator import Log, Station, only

about = RulesFor("amazonian.shop.simulator")

Row = tuple[int, float | None, float]


def _play(
    run: Callable,
    arrivals_s: Iterable[float],
    services_s: Sequence[float],
    stations: Sequence[Station],
    choose: Callable = only,
    keys: Sequence | None = None,
    log: Log | None = None,
) -> list[Row]:
    """Run the loop; of each request its station's number, its start (None for NaN) and its end."""
    log = log or Log()
    keys = [None] * len(services_s) if keys is None else keys
    run(arrivals_s, services_s, keys, stations, choose, log)
    starts = [None if math.isnan(start_s) else start_s for start_s in log.start_s]
    numbers = [next(n for n, s in enumerate(stations) if s is station) for station in log.station]
    return list(zip(numbers, starts, log.end_s, strict=True))


def _played(run: Callable, arrivals_s: list, services_s: list, **more: object) -> Answer:
    """The same as an answer, with the call in short."""
    stations = more.pop("stations", None) or [Station()]
    return call(
        lambda: _play(run, arrivals_s, services_s, stations, **more),
        shown_as=f"run({arrivals_s}, {services_s}, …): (station, start, end) of each in `log`",
    )


class _Watching:
    """A policy that notes what is outstanding at each station when it is asked."""

    def __init__(self, policy: Callable = only):
        self.policy, self.seen = policy, []

    def __call__(self, stations, key):
        self.seen.append([station.outstanding for station in stations])
        return self.policy(stations, key)


def _least(stations, key):
    return min(stations, key=lambda station: station.outstanding)


def _seen(run: Callable, arrivals_s: list, services_s: list, stations: list, policy=only) -> Answer:
    """What a policy sees outstanding at each arrival."""
    watching = _Watching(policy)

    def outstanding() -> list[list[int]]:
        _play(run, arrivals_s, services_s, stations, watching)
        return watching.seen

    return call(
        outstanding,
        shown_as=f"run({arrivals_s}, {services_s}, …): what `choose` saw outstanding, each time",
    )


@about.rule("run")
def requests_wait_for_those_before_them(run):
    """At one server a request begins when it comes, or when those before it are done."""
    scenario("one station with one server")
    _played(run, [0.0, 1.0, 5.0], [2.0, 2.0, 1.0]).equals(
        [(0, 0.0, 2.0), (0, 2.0, 4.0), (0, 5.0, 6.0)],
        look="append what admit(now_s, service_s) returns to `log.start_s` and `log.end_s`, and "
        "the station to `log.station`",
    )


@about.rule("run")
def arrivals_are_written_down(run):
    """The time of each arrival is written down as well."""

    def arrivals() -> list[float]:
        log = Log()
        _play(run, [0.0, 1.5], [1.0, 1.0], [Station()], log=log)
        return log.arrival_s

    call(arrivals, shown_as="run([0.0, 1.5], [1.0, 1.0], …): log.arrival_s").equals(
        [0.0, 1.5], look="`log` has four lists"
    )


@about.rule("run")
def whoever_is_inside_is_outstanding(run):
    """From its arrival to its departure a request is outstanding at its station."""
    scenario("one station with one server")
    _seen(run, [0.0, 0.5, 1.0, 4.5], [2.0, 2.0, 2.0, 1.0], [Station()]).equals(
        [[0], [1], [2], [1]],
        look="`choose` is asked after the departures that are due, and before the new one counts; "
        "at 4.5 s two have left, at 2.0 and at 4.0 s",
    )


@about.rule("run")
def a_departure_at_the_moment_of_an_arrival_comes_first(run):
    """Whoever leaves at the very moment of an arrival has left."""
    scenario("one station with one server")
    _seen(run, [0.0, 1.0, 2.0], [1.0, 1.0, 1.0], [Station()]).equals(
        [[0], [0], [0]], look="compare with <=, not with <"
    )


@about.rule("run")
def departures_have_an_order_of_their_own(run):
    """Departures happen in the order of their times, which need not be that of the arrivals."""
    scenario("one station with two servers; the first request takes long, the second does not")
    _seen(run, [0.0, 1.0, 3.0, 4.0], [9.0, 1.0, 0.5, 0.5], [Station(2)]).equals(
        [[0], [1], [1], [1]],
        look="the second leaves at 2.0 s, the first at 9.0 s: which is on top of your heap?",
    )
    scenario("two requests that leave at the same moment")
    _seen(run, [0.0, 1.0, 9.0], [3.0, 2.0, 1.0], [Station(2)]).equals([[0], [1], [0]])


@about.rule("run")
def each_station_has_its_own(run):
    """The policy chooses the station, and who leaves is subtracted where it was."""
    scenario("two stations, and a policy that takes the one with fewest outstanding")
    stations = [Station(), Station()]
    arrivals_s, services_s = [0.0, 1.0, 2.0, 4.0, 5.0], [9.0, 1.5, 1.0, 2.0, 1.0]
    _seen(run, arrivals_s, services_s, stations, _least).equals(
        [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1]],
        look="remember with each departure, by the request's number, which station it was",
    )
    scenario("the same once more, with new stations")
    _played(run, [0.0, 1.0], [2.0, 2.0], stations=[Station(), Station()], choose=_least).equals(
        [(0, 0.0, 2.0), (1, 1.0, 3.0)]
    )


@about.rule("run")
def two_may_leave_at_once(run):
    """Two requests may leave two stations at the same moment."""
    scenario("two requests that leave at the same moment, from two stations")
    _seen(run, [0.0, 1.0, 9.0], [3.0, 2.0, 1.0], [Station(), Station()], _least).equals(
        [[0, 0], [1, 0], [0, 0]],
        look="heaps compare whole tuples, and stations have no order: put the request's number "
        "second, which no two share",
    )


@about.rule("run")
def keys_belong_to_their_requests(run):
    """The policy is given the key of the request that it chooses for."""
    scenario("two stations, and a policy that takes the station whose number is the key")
    _played(
        run,
        [0.0, 1.0, 2.0],
        [5.0, 5.0, 5.0],
        stations=[Station(), Station()],
        choose=lambda stations, key: stations[key],
        keys=[1, 0, 1],
    ).equals([(1, 0.0, 5.0), (0, 1.0, 6.0), (1, 5.0, 10.0)], look="choose(stations, key)")


@about.rule("run")
def the_rejected_do_not_stay(run):
    """A request that a station rejects is written down too, and is gone by the next arrival."""
    scenario("one station with one server, where nobody may wait")
    _played(run, [0.0, 1.0, 3.0], [2.0, 2.0, 2.0], stations=[Station(queue_limit=0)]).equals(
        [(0, 0.0, 2.0), (0, None, 1.0), (0, 3.0, 5.0)],
        look="outstanding goes up before `admit`, which looks at it; a rejected request is one "
        "that leaves at once, so it needs no case of its own",
    )


@about.rule("run")
def who_is_dropped_late_stays_until_then(run):
    """A request that is dropped when its turn comes is outstanding until that moment."""
    scenario("one station with one server, which drops whoever has waited longer than a second")
    late = Station(deadline_s=1.0, drops_late=True)
    _seen(run, [0.0, 0.1, 0.2, 0.3, 5.1], [2.0] * 5, [late]).equals(
        [[0], [1], [2], [3], [0]],
        look="what admit returns as the end says when it leaves, served or not: push that",
    )


@about.rule("run")
def an_arrival_may_depend_on_the_departure_before_it(run):
    """Arrivals may come from a generator that reads the log: one at a time, each written down."""
    scenario("one client who comes 1 s after the answer before, with services of 2 s")
    log = Log()

    def arrivals() -> Iterator[float]:
        yield 0.0
        for _ in range(2):
            yield log.end_s[-1] + 1.0

    call(
        lambda: _play(run, arrivals(), [2.0, 2.0, 2.0], [Station()], log=log),
        shown_as="run(arrivals(), [2.0, 2.0, 2.0], …): (station, start, end) of each in `log`",
    ).equals(
        [(0, 0.0, 2.0), (0, 3.0, 5.0), (0, 6.0, 8.0)],
        look="go through `arrivals_s` with one loop: a list made of it at the start asks for all "
        "of them before anything has happened",
    )


class _Counted(float):
    """A time that counts how often it is compared."""

    comparisons = 0

    def _counting(name: str) -> Callable:  # noqa: N805 - makes the methods below
        plain = getattr(float, name)

        def compare(self, other):
            _Counted.comparisons += 1
            return plain(self, other)

        return compare

    __lt__, __le__, __gt__, __ge__ = map(_counting, ("__lt__", "__le__", "__gt__", "__ge__"))
    __eq__ = _counting("__eq__")
    __hash__ = float.__hash__


class _CountingStation(Station):
    def admit(self, now_s, service_s):
        start_s, end_s = super().admit(now_s, service_s)
        return start_s, _Counted(end_s)


@about.rule("run")
def not_everybody_is_looked_at(run):
    """The next departure is found without looking at all those who are inside."""
    count = 1_000

    def comparisons() -> int:
        _Counted.comparisons = 0
        arrivals_s = [number / count for number in range(count)]
        _play(run, arrivals_s, [1.0] * count, [_CountingStation()])
        return _Counted.comparisons

    call(
        comparisons,
        shown_as="1,000 requests within one second, which take one second each: how often times of "
        "departure are compared",
    ).between(0, 50_000, look="the smallest of a heap is on top: one look at an arrival will do")


about.hints(
    "run",
    """
    Which departures happen before the arrival that you are looking at? If you kept all departures
    that are still to come in one pile, which would you want on top?
    """,
    """
    Keep a heap of (end_s, number). For each arrival: pop while the top's time is <= now_s, and take
    1 from the outstanding of that request's station, which the log has under its number. Then
    choose, add 1, admit, push, and append to the log's four lists.
    """,
    """
    leaving = []
    for number, (now_s, service_s, key) in enumerate(zip(arrivals_s, services_s, keys)):
        while leaving and leaving[0][0] <= now_s:
            _, gone = heappop(leaving)
            log.station[gone].outstanding -= 1
        station = …
        station.outstanding += 1
        start_s, end_s = …
        heappush(leaving, (end_s, number))
        …                                     # four times append
    """,
)
