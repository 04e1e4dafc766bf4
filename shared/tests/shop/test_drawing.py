"""The drawing of the shop: every part, once, and the bottleneck lit."""

from dataclasses import replace

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from amazonian.shop import capacity, drawing
from amazonian.shop.capacity import Architecture, Demand

SHOP = Architecture(web=188, caches=1, search=15, replicas=1, shards=7)


def drawn(architecture, demand):
    """All texts, and the boxes that are lit."""
    axes = Figure().add_subplot()
    drawing.draw_shop(axes, architecture, demand, ["p50 8 ms", "218 machines"])
    lit = [p for p in axes.patches if p.get_fill() and to_hex(p.get_facecolor()) == drawing.LIT]
    return [text.get_text() for text in axes.texts], lit


def test_each_part_has_a_box_and_one_is_lit():
    texts, lit = drawn(SHOP, Demand(1_000_000))
    boxes = [text for text in texts if "busy" in text]
    assert len(boxes) == 5
    assert "database\n× 14\n70% busy" in boxes
    left, bottom = lit[0].get_xy()
    assert len(lit) == 1
    assert (left, bottom) == drawing.BOXES[capacity.DATABASE][:2]
    assert texts[0] == "1,000,000 users"
    assert "p50 8 ms\n218 machines" in texts


def test_what_is_not_there_yet_is_drawn_as_missing():
    texts, lit = drawn(Architecture(), Demand(1))
    assert "web server and database on one machine\n0% busy" in texts
    assert sum(text.endswith("\n–") for text in texts) == 3
    assert len(lit) == 1
    assert "1 user" in texts


def test_copies_in_memory_are_named():
    texts, _ = drawn(replace(SHOP, local=True), Demand(1_000_000))
    assert any("copies in memory" in text for text in texts)


@pytest.mark.parametrize(
    ("nanodollars", "shown"),
    [(22_666_667, "$0.023"), (4_942, "$0.0000049"), (1_500_000_000, "$1.50"), (99_999, "$0.00010")],
)
def test_amounts_keep_two_digits_however_small(nanodollars, shown):
    assert drawing.dollars(nanodollars) == shown
