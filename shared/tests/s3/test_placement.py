"""Placement: the same everywhere, spread evenly, and moving no more than it must."""

import uuid
from collections import Counter
from itertools import pairwise

from amazonian.s3 import placement

DEVICES = [f"d{i}" for i in range(6)]
PAYLOADS = [str(uuid.UUID(int=i * 0x9E3779B97F4A7C15)) for i in range(2000)]


def test_the_order_never_changes_since_stored_payloads_rely_on_it() -> None:
    payload = "6f1d0c1e-5a5b-4a51-9a57-0d8b6a3c2f10"
    assert placement.order(payload, DEVICES) == ["d3", "d1", "d5", "d4", "d2", "d0"]
    assert placement.order(payload, reversed(DEVICES)) == placement.order(payload, DEVICES)


def test_every_device_appears_once() -> None:
    for payload in PAYLOADS[:100]:
        assert sorted(placement.order(payload, DEVICES)) == DEVICES


def test_each_device_is_in_each_place_about_equally_often() -> None:
    orders = [placement.order(payload, DEVICES) for payload in PAYLOADS]
    for place in range(6):
        counts = Counter(order[place] for order in orders)
        expected = len(PAYLOADS) / 6
        assert all(abs(counts[device] - expected) < 0.2 * expected for device in DEVICES)


def test_a_new_device_changes_nothing_in_the_order_of_the_others() -> None:
    for payload in PAYLOADS[:200]:
        grown = placement.order(payload, [*DEVICES, "d6"])
        grown.remove("d6")
        assert grown == placement.order(payload, DEVICES)


def test_a_new_device_takes_only_its_own_share() -> None:
    moved = 0
    for payload in PAYLOADS:
        before = set(placement.order(payload, DEVICES)[:4])
        after = set(placement.order(payload, [*DEVICES, "d6"])[:4])
        assert after - before <= {"d6"}
        moved += len(after - before)
    assert abs(moved / (4 * len(PAYLOADS)) - 1 / 7) < 0.02


def test_scores_of_one_payload_are_in_the_order() -> None:
    order = placement.order(PAYLOADS[1], DEVICES)
    scores = [placement.score(PAYLOADS[1], device) for device in order]
    assert all(first > second for first, second in pairwise(scores))
