"""Rings against golden values, the theory of their balance, and other processes and threads."""

import math
import subprocess
import sys
import threading
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.shop.ring import (
    SPACE,
    EmptyRingError,
    Ring,
    expected_spread,
    jump,
    jump_number,
    max_over_mean,
    modulo,
    moved_share,
    moves,
    place,
    rendezvous,
)

TEN = [f"node{number}" for number in range(10)]
ELEVEN = [*TEN, "node10"]
KEYS = [f"order-{number}" for number in range(10_000)]
NAMES = st.lists(
    st.text(st.characters(codec="ascii"), max_size=4), min_size=1, max_size=5, unique=True
)


# Golden values measured independently for this course, from 10 nodes to 11; one layout is one
# draw, so the ring's balance is a band, and so is the share that moves (1/11, whose own relative
# standard deviation is that of a share).
MOST = 1.1  # of 10,000 keys: the standard deviation of a node's share is 3% of it


@pytest.mark.parametrize(
    ("way", "moved"),
    [(modulo, 0.91), (jump, 0.089), (rendezvous, 0.09)],
    ids=["modulo", "jump", "rendezvous"],
)
def test_the_other_ways_agree_with_the_golden_values(way, moved: float) -> None:
    before, after = partial(way, nodes=TEN), partial(way, nodes=ELEVEN)
    assert 1 <= max_over_mean(before, TEN, KEYS) < MOST
    assert moved_share(before, after, KEYS) == pytest.approx(moved, abs=0.01)


def test_a_ring_of_a_hundred_virtual_nodes_lies_in_the_golden_band() -> None:
    before, after = Ring(TEN), Ring(ELEVEN)
    assert 1.08 <= max_over_mean(before.node_of, TEN, KEYS) <= 1.26
    deviation = expected_spread(11, 100) / 11
    moved = moved_share(before.node_of, after.node_of, KEYS)
    assert abs(moved - 1 / 11) < 4 * deviation
    assert abs(moved - 0.094) < 4 * deviation  # the golden layout is another draw


@pytest.mark.parametrize("virtual", [1, 10, 100])
def test_shares_spread_as_the_formula_says(virtual: int) -> None:
    layouts = 60
    errors = [
        len(TEN) * share - 1
        for layout in range(layouts)
        for share in Ring([f"{layout}/{node}" for node in TEN], virtual).shares().values()
    ]
    measured = math.sqrt(sum(error**2 for error in errors) / len(errors))
    # A standard deviation of N draws is itself uncertain by 1/sqrt(2N), more for skewed ones.
    uncertain = (1 + 2 / math.sqrt(virtual)) / math.sqrt(2 * layouts * (len(TEN) - 1))
    assert measured == pytest.approx(expected_spread(len(TEN), virtual), rel=4 * uncertain)


def test_a_share_of_the_circle_is_a_share_of_the_keys() -> None:
    ring = Ring(TEN)
    for node, share in ring.shares().items():
        counted = sum(ring.node_of(key) == node for key in KEYS) / len(KEYS)
        assert counted == pytest.approx(share, abs=4 * math.sqrt(share / len(KEYS)))


def test_a_key_belongs_to_the_first_point_at_or_after_it() -> None:
    ring, at = Ring(), place("k")
    for points, node in (
        ([(at - 9, "a"), (at, "b"), (at + 9, "c")], "b"),
        ([(at - 1, "a"), (at + 1, "b")], "b"),
        ([(at - 2, "a"), (at - 1, "b")], "a"),  # behind the last point comes the first
    ):
        ring.points = points
        assert ring.node_of("k") == node


@settings(max_examples=40)
@given(NAMES, st.text(max_size=8))
def test_the_arcs_say_the_same_as_the_look_up(nodes: list[str], key: str) -> None:
    ring = Ring(nodes, virtual=3)
    arcs = list(ring.arcs())
    assert [above for above, _, _ in arcs] == [-1, *(upto for _, upto, _ in arcs[:-1])]
    assert arcs[-1][1] == SPACE - 1
    assert [n for above, upto, n in arcs if above < place(key) <= upto] == [ring.node_of(key)]
    assert sum(ring.shares().values()) == pytest.approx(1)


@settings(max_examples=40)
@given(NAMES, NAMES, st.lists(st.text(max_size=8), min_size=1))
def test_moves_say_of_every_key_whether_it_moves(
    one: list[str], other: list[str], keys: list[str]
) -> None:
    before, after = Ring(one, virtual=3), Ring(other, virtual=3)
    planned = moves(before, after)
    assert all(a.upto <= b.above for a, b in pairwise(planned))
    for key in keys:
        of_key = [(move.source, move.target) for move in planned if place(key) in move]
        here, there = before.node_of(key), after.node_of(key)
        assert of_key == ([] if here == there else [(here, there)])


def test_a_new_node_takes_from_all_and_nothing_else_moves() -> None:
    before, after = Ring(TEN), Ring(ELEVEN)
    planned = moves(before, after)
    assert {move.target for move in planned} == {"node10"}
    assert {move.source for move in planned} == set(TEN)
    moved = sum(move.upto - move.above for move in planned) / SPACE
    assert moved == pytest.approx(after.shares()["node10"])


def test_a_node_that_goes_leaves_the_ring_as_it_was_without_it() -> None:
    ring = Ring(ELEVEN)
    ring.remove("node10")
    assert ring.points == Ring(TEN).points
    assert ring.nodes == TEN


def test_the_order_in_which_nodes_came_does_not_matter() -> None:
    assert Ring(TEN).points == Ring(TEN[::-1]).points


def test_a_node_of_weight_three_has_three_times_as_much() -> None:
    shares = Ring(TEN, virtual=400, weights={"node3": 3}).shares()
    others = [share for node, share in shares.items() if node != "node3"]
    assert 2.4 < shares["node3"] / (sum(others) / 9) < 3.6


def test_a_copy_goes_its_own_way() -> None:
    ring = Ring(["a", "b"])
    other = ring.copy()
    other.add("c")
    assert ring.nodes == ["a", "b"]
    assert other.nodes == ["a", "b", "c"]


def test_what_can_not_be_is_refused() -> None:
    ring = Ring(["a"])
    for wrong in (
        lambda: ring.add("a"),
        lambda: ring.add("b", weight=0.001),
        lambda: ring.remove("c"),
        lambda: Ring(["a"], virtual=0),
    ):
        with pytest.raises(ValueError, match=r"there|point"):
            wrong()
    assert ring.nodes == ["a"]
    with pytest.raises(EmptyRingError):
        Ring().node_of("order-1")
    with pytest.raises(EmptyRingError):
        list(Ring().arcs())


def test_another_process_finds_the_same_nodes() -> None:
    code = (
        "from amazonian.shop.ring import Ring, jump, rendezvous;"
        f"nodes = {TEN!r}; ring = Ring(nodes);"
        "print([(ring.node_of(k), jump(k, nodes), rendezvous(k, nodes)) for k in 'abcdefgh'])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    ring = Ring(TEN)
    here = [(ring.node_of(k), jump(k, TEN), rendezvous(k, TEN)) for k in "abcdefgh"]
    assert found == {f"{here}\n"}


def test_look_ups_go_on_while_nodes_come_and_go() -> None:
    ring, stop = Ring(TEN), threading.Event()
    seen: set[str] = set()

    def look() -> None:
        while not stop.is_set():
            seen.update(ring.node_of(key) for key in KEYS[:50])

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(40):
        ring.add("node10")
        ring.remove("node10")
    stop.set()
    thread.join()
    assert set(TEN) <= seen <= set(ELEVEN)


@pytest.mark.parametrize(
    ("key", "buckets", "bucket"),
    [(1, 1, 0), (42, 57, 43), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361), (256, 1024, 520)],
)
def test_jump_agrees_with_the_vectors_that_its_implementations_share(
    key: int, buckets: int, bucket: int
) -> None:
    assert jump_number(key, buckets) == bucket


@pytest.mark.parametrize("way", [jump, rendezvous])
def test_with_one_node_more_keys_move_to_that_node_alone(way) -> None:
    for key in KEYS[:1_000]:
        assert way(key, ELEVEN) in (way(key, TEN), "node10")


def test_rendezvous_leaves_the_others_alone_when_a_node_goes() -> None:
    left = [node for node in TEN if node != "node4"]
    for key in KEYS[:1_000]:
        before = rendezvous(key, TEN)
        assert before == "node4" or rendezvous(key, left) == before
