"""Which node has a key: consistent hashing with virtual nodes, and three others: lab 2.3.

Each function here answers for a key and a list of nodes, from nothing but their names, so that
every client and every process finds the same node without asking anyone.
"""

import bisect
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SPACE = 2**63  # places lie from 0 to SPACE - 1, and so fit a database's signed 64-bit column


class EmptyRingError(LookupError):
    """A ring without nodes can't say where a key belongs: add a node first."""


def place(name: str) -> int:
    """Where a name lies, from 0 to ``SPACE - 1``: the same in every process, and well spread."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


class Ring:
    """Consistent hashing (Karger et al., STOC 1997) with virtual nodes.

    Every node has many points on a circle of `SPACE` places. A key belongs to the node whose
    point comes first, at the key's own place or after it; behind the last point the circle
    begins again. A node that comes takes keys from all others, and a node that goes leaves its
    keys to all others; no other key moves.

    Attributes:
        virtual: the points of a node of weight 1.
        points: (place, node) of every point, in ascending order. A change of the ring puts
            another list in its place, so that threads may look up keys meanwhile.
    """

    def __init__(
        self,
        nodes: Iterable[str] = (),
        virtual: int = 100,
        weights: Mapping[str, float] | None = None,
    ):
        """Begin with these nodes.

        Args:
            nodes: their names, all different.
            virtual: how many points a node of weight 1 has. More of them balance better: with
                `n` nodes the shares' standard deviation is ``sqrt((n - 1) / (n * virtual + 1))``
                of their mean.
            weights: of the nodes that have another weight than 1: a node of weight 2 has twice
                as many points, and about twice as many keys.

        Raises:
            ValueError: `virtual` is below 1, or as for `add`.
        """
        if virtual < 1:
            raise ValueError(f"a node needs a point at least, not {virtual}")
        self.virtual = virtual
        self.points: list[tuple[int, str]] = []
        for node in nodes:
            self.add(node, (weights or {}).get(node, 1.0))

    @property
    def nodes(self) -> list[str]:
        """The nodes' names, in ascending order."""
        return sorted({node for _, node in self.points})

    def node_of(self, key: str) -> str:
        """The node that a key belongs to: that of the first point at or after its place.

        Behind the last point comes the first. `self.points` is in ascending order, and long: halve
        it again and again (`bisect`) rather than walk through it.

        Args:
            key: any text; its place on the circle is ``place(key)``.

        Raises:
            EmptyRingError: the ring has no nodes.
        """
        points = self.points
        if not points:
            raise EmptyRingError(f"{key!r} belongs nowhere: add a node first")
        first = bisect.bisect_left(points, (place(key),))
        return points[first % len(points)][1]

    def add(self, node: str, weight: float = 1.0) -> None:
        """Let a node take its share of the keys.

        Raises:
            ValueError: it is there already, or its weight leaves it without a point.
        """
        count = round(self.virtual * weight)
        if node in self.nodes or count < 1:
            raise ValueError(f"{node!r} is there already, or its weight {weight} gives no point")
        new = [(place(f"{node}#{number}"), node) for number in range(count)]
        self.points = sorted(self.points + new)

    def remove(self, node: str) -> None:
        """Leave a node's keys to the others.

        Raises:
            ValueError: there is no such node.
        """
        if node not in self.nodes:
            raise ValueError(f"there is no node {node!r}, only {self.nodes}")
        self.points = [point for point in self.points if point[1] != node]

    def copy(self) -> "Ring":
        """A ring of its own with the same points."""
        other = Ring(virtual=self.virtual)
        other.points = self.points
        return other

    def arcs(self) -> Iterator[tuple[int, int, str]]:
        """The circle cut open at 0: ``(above, upto, node)`` of every piece, in ascending order.

        A piece holds the places above its first number and up to its second. The first piece
        and the last belong to one node.

        Raises:
            EmptyRingError: the ring has no nodes.
        """
        if not self.points:
            raise EmptyRingError("a ring without nodes has no arcs: add a node first")
        ends = [*self.points, (SPACE - 1, self.points[0][1])]
        for (above, _), (upto, node) in pairwise([(-1, ""), *ends]):
            yield above, upto, node

    def shares(self) -> dict[str, float]:
        """The share of the circle that each node has; together 1."""
        lengths: Counter[str] = Counter()
        for above, upto, node in self.arcs():
            lengths[node] += upto - above
        return {node: length / SPACE for node, length in lengths.items()}


@dataclass(frozen=True)
class Move:
    """A piece of the circle that changes hands: the places above `above`, up to `upto`."""

    above: int
    upto: int
    source: str
    target: str

    def __contains__(self, at: object) -> bool:
        return isinstance(at, int) and self.above < at <= self.upto


def moves(before: Ring, after: Ring) -> list[Move]:
    """Every piece of the circle that belongs to another node afterwards, in ascending order.

    Pieces side by side that go from one node to one other are one.

    Raises:
        EmptyRingError: one of the rings has no nodes.
    """
    found: list[Move] = []
    old, new = list(before.arcs()), list(after.arcs())
    above = -1
    for upto in sorted({upto for _, upto, _ in old + new}):
        source, target = owner(old, upto), owner(new, upto)
        last = found[-1] if found else None
        if (
            source != target
            and last
            and (last.upto, last.source, last.target)
            == (
                above,
                source,
                target,
            )
        ):
            found[-1] = Move(last.above, upto, source, target)
        elif source != target:
            found.append(Move(above, upto, source, target))
        above = upto
    return found


def owner(arcs: Sequence[tuple[int, int, str]], at: int) -> str:
    """The node of the piece that holds a place."""
    return arcs[bisect.bisect_left(arcs, at, key=lambda arc: arc[1])][2]


def modulo(key: str, nodes: Sequence[str]) -> str:
    """The key's number, modulo the number of nodes.

    As even as can be, and of use only as long as nothing changes: with one node more than `n`,
    `n` keys of ``n + 1`` move.
    """
    return nodes[place(key) % len(nodes)]


def rendezvous(key: str, nodes: Sequence[str]) -> str:
    """Each node draws a number for the key, and the highest wins (Thaler, Ravishankar 1998).

    Even, and moves what must move; but a look-up asks every node.
    """
    return max(nodes, key=lambda node: place(f"{node}/{key}"))


def jump(key: str, nodes: Sequence[str]) -> str:
    """Jump consistent hash (Lamping, Veach 2014): even, no memory, moves what must move.

    Nodes are numbered: one more can come at the end of the list and only the last can go, so it
    suits shards that never leave rather than servers that fail.
    """
    return nodes[jump_number(place(key), len(nodes))]


def jump_number(state: int, buckets: int) -> int:
    """The bucket, from 0 on, that a key of 64 bits belongs to, as the paper has it."""
    here, there = -1, 0
    while there < buckets:
        here = there
        state = (state * 2_862_933_555_777_941_757 + 1) % 2**64
        there = int((here + 1) * (2**31 / ((state >> 33) + 1)))
    return here


def moved_share(
    before: Callable[[str], str], after: Callable[[str], str], keys: list[str]
) -> float:
    """The share of these keys that belong to another node afterwards."""
    return sum(before(key) != after(key) for key in keys) / len(keys)


def max_over_mean(
    node_of: Callable[[str], str], nodes: Sequence[str], keys: Sequence[str]
) -> float:
    """The fullest node's keys, over the mean: 1 is perfect, `len(nodes)` is all in one place."""
    return max(Counter(map(node_of, keys)).values()) * len(nodes) / len(keys)


def expected_spread(nodes: int, virtual: int) -> float:
    """The standard deviation of a node's share of the ring, in shares of the mean.

    The points cut the circle into pieces as random numbers do (a Dirichlet distribution): one
    node's share is the sum of `virtual` of ``nodes * virtual`` pieces, a beta distribution.
    """
    return math.sqrt((nodes - 1) / (nodes * virtual + 1))
