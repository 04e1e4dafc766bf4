"""Wrong answers to lab 2.3: the look-up in a ring."""

import bisect

from amazonian.shop.ring import SPACE, EmptyRingError, Ring, place
from wrong_answers import wrong


def _checked(ring):
    if not ring.points:
        raise EmptyRingError("add a node first")
    return ring.points


@wrong(Ring, feedback="behind the last point the circle begins again")
def node_of__forgets_to_wrap(self, key):
    points = _checked(self)
    return points[bisect.bisect_left(points, (place(key),))][1]


@wrong(Ring, feedback="behind the last point the circle begins again")
def node_of__gives_the_rest_to_the_last(self, key):
    points = _checked(self)
    return points[min(bisect.bisect_left(points, (place(key),)), len(points) - 1)][1]


@wrong(Ring, feedback="the next point clockwise, not the nearest and not the one before")
def node_of__takes_the_point_before(self, key):
    points = _checked(self)
    return points[bisect.bisect_left(points, (place(key),)) - 1][1]


@wrong(Ring, feedback="the next point clockwise, not the nearest and not the one before")
def node_of__takes_the_nearest_point(self, key):
    at = place(key)
    return min(
        _checked(self), key=lambda point: min(abs(point[0] - at), SPACE - abs(point[0] - at))
    )[1]


@wrong(Ring, feedback="bisect_left and bisect_right differ in just this case")
def node_of__steps_over_a_point_at_its_place(self, key):
    points = _checked(self)
    return points[bisect.bisect_right(points, (place(key), "￿")) % len(points)][1]


@wrong(Ring, feedback="the points are pairs, so compare with a pair")
def node_of__compares_pairs_with_a_number(self, key):
    points = _checked(self)
    return points[bisect.bisect_left(points, place(key)) % len(points)][1]


@wrong(Ring, feedback="a list made from it looks at every point")
def node_of__makes_a_list_first(self, key):
    places = [at for at, _ in _checked(self)]
    return self.points[bisect.bisect_left(places, place(key)) % len(places)][1]


@wrong(Ring, feedback="about 14: the logarithm of 10,000 to base 2")
def node_of__walks_along(self, key):
    for at, node in _checked(self):
        if at >= place(key):
            return node
    return self.points[0][1]


@wrong(Ring, feedback="the next point clockwise, not the nearest and not the one before")
def node_of__takes_the_remainder(self, key):
    points = _checked(self)
    return points[place(key) % len(points)][1]


@wrong(Ring, feedback="compare with (place,)")
def node_of__compares_with_the_key_as_well(self, key):
    points = _checked(self)
    return points[bisect.bisect_left(points, (place(key), key)) % len(points)][1]


@wrong(Ring, feedback="compare with (place,)")
def node_of__sends_the_last_point_round(self, key):
    points = _checked(self)
    if place(key) >= points[-1][0]:
        return points[0][1]
    return points[bisect.bisect_left(points, (place(key),))][1]


@wrong(Ring, feedback="ask first whether there are points")
def node_of__forgets_the_empty_ring(self, key):
    points = self.points
    return points[bisect.bisect_left(points, (place(key),)) % len(points)][1]


EQUIVALENT: dict[str, str] = {}
