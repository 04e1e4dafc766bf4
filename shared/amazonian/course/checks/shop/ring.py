"""What lab 2.3 asks of the look-up in a ring."""

from amazonian.course.evidence import call, fail, scenario
from amazonian.course.rules import RulesFor
from amazonian.shop.ring import SPACE, EmptyRingError, Ring, place

about = RulesFor("amazonian.shop.ring")


class _Points(list):
    """Points that count how often somebody looks at one."""

    looks = 0

    def __getitem__(self, at):
        self.looks += len(range(*at.indices(len(self)))) if isinstance(at, slice) else 1
        return super().__getitem__(at)

    def __iter__(self):
        self.looks += len(self)
        return super().__iter__()


def _ring(node_of, points, situation):
    """A ring with the learner's look-up, and with these points."""
    scenario(situation)
    ring = type("Ring", (Ring,), {"node_of": node_of})()
    ring.points = _Points(points)
    return ring


PAIRS = (
    "the points are pairs, so compare with a pair: (place(key),) is below any point at that place"
)
WRAPS = "behind the last point the circle begins again: the first point has those keys"


@about.rule("Ring.node_of")
def the_next_point_has_the_key(node_of):
    """A key belongs to the node of the first point behind its place, wherever others lie."""
    at = place("ada")
    for points, wanted in (
        ([(at - 500, "a"), (at - 1, "b"), (at + 90, "c"), (at + 91, "d")], "c"),
        ([(at + 7, "b"), (at + 9, "a")], "b"),
        ([(at - 1, "a"), (at + SPACE // 3, "b")], "b"),
    ):
        beside = ", ".join(f"{point - at:+} ({node})" for point, node in points)
        ring = _ring(node_of, points, f"points at place('ada'){beside.replace(', ', ', … ')}")
        answer = call(ring.node_of, "ada")
        if isinstance(answer.error, TypeError):
            raise answer.broken(repr(wanted), PAIRS)
        answer.equals(
            wanted,
            look="the next point clockwise, not the nearest and not the one before: "
            "bisect.bisect_left gives its index",
        )


@about.rule("Ring.node_of")
def a_point_at_the_place_itself_has_the_key(node_of):
    """A point that lies at the key's own place has the key."""
    at = place("ada")
    look = "bisect_left and bisect_right differ in just this case; compare with (place,)"
    for points in (
        [(at - 5, "a"), (at, "b"), (at + 5, "c")],
        [(at - 5, "c"), (at, "a"), (at + 5, "b")],
        [(at - 9, "a"), (at - 5, "c"), (at, "b")],
    ):
        ring = _ring(node_of, points, "a point at place('ada')")
        call(ring.node_of, "ada").equals(dict(points)[at], look)


@about.rule("Ring.node_of")
def behind_the_last_point_comes_the_first(node_of):
    """Keys behind the last point belong to the first one: the ring is closed."""
    at = place("ada")
    ring = _ring(node_of, [(at - 9, "a"), (at - 8, "b"), (at - 1, "c")], "all points before 'ada'")
    call(ring.node_of, "ada").equals("a", look=WRAPS)
    ring = _ring(node_of, [(at - 9, "a")], "one point, before 'ada'")
    call(ring.node_of, "ada").equals("a", look=WRAPS)


@about.rule("Ring.node_of")
def many_keys_find_their_nodes(node_of):
    """In a ring of five nodes, each of 300 keys finds the node that a search finds point by
    point."""
    points = Ring(["a", "b", "c", "d", "e"], virtual=20).points
    ring = _ring(node_of, points, "Ring(['a', 'b', 'c', 'd', 'e'], virtual=20)")
    for number in range(300):
        key = f"order-{number}"
        after = [node for at, node in points if at >= place(key)]
        call(ring.node_of, key).equals((after or [points[0][1]])[0])


@about.rule("Ring.node_of")
def it_looks_at_few_points(node_of):
    """In a ring of 10,000 points it looks at about 14 of them, not at all."""
    points = Ring([f"node{number}" for number in range(100)]).points
    ring = _ring(node_of, points, "a ring of 100 nodes, of 100 points each")
    call(ring.node_of, "order-1").value()
    if ring.points.looks > 40:
        raise fail(
            f"{ring.points.looks:,} looks at points for one key",
            "about 14: the logarithm of 10,000 to base 2",
            "bisect on self.points as it is: a list made from it looks at every point",
        )


@about.rule("Ring.node_of")
def a_ring_without_nodes_says_so(node_of):
    """A ring without nodes raises EmptyRingError."""
    ring = _ring(node_of, [], "Ring() without nodes")
    call(ring.node_of, "ada").raises(
        EmptyRingError, look="ask first whether there are points; % len(points) divides by 0"
    )


about.hints(
    "Ring.node_of",
    "A dictionary's words are in order. How do you find one without reading the first half?",
    """
    bisect.bisect_left(list, item) gives the index of the first entry that is not below `item`.
    The entries are pairs, and Python compares pairs by their first item: (place(key),) is below
    every point at that very place. If the index is len(points), go on with 0.
    """,
    """
    if not self.points: raise EmptyRingError("…")
    first = bisect.bisect_left(self.points, (…,))
    return self.points[first % …][1]
    """,
)
