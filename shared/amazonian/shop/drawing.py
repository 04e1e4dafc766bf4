"""The shop of the model as a drawing, with its bottleneck lit: lab 2.4.

It draws on axes that it is given, in units of its own, so that the same drawing serves a wide
page and a phone.
"""

from typing import Any

from matplotlib.patches import Rectangle

from amazonian.shop import capacity
from amazonian.shop.capacity import Architecture, Demand, Part

LIT = "#d55e00"
INK = "#000000"  # a page turns black into the colour of its text
# Left, bottom, width and height of each part's box, on a sheet of 12 by 10.
BOXES = {
    capacity.WEB: (0.0, 6.9, 12.0, 2.1),
    capacity.CACHE: (0.0, 3.2, 3.8, 2.7),
    capacity.SEARCH: (4.1, 3.2, 3.8, 2.7),
    capacity.DATABASE: (8.2, 3.2, 3.8, 2.7),
    capacity.STOCK: (8.2, 0.0, 3.8, 2.4),
}


def draw_shop(ax: Any, architecture: Architecture, demand: Demand, notes: list[str]) -> None:
    """Draw every part as a box: how many machines, how busy; dashed if it is not there yet.

    Args:
        ax: matplotlib axes with nothing on them.
        architecture: the shop.
        demand: what it has to stand.
        notes: lines of text for the free corner.
    """
    found = {part.name: part for part in capacity.parts(architecture, demand)}
    lit = capacity.bottleneck(list(found.values())).name
    ax.set_axis_off()
    ax.set_xlim(-0.1, 12.1)
    ax.set_ylim(-0.15, 10)
    ax.text(6, 9.2, counted(demand.users, "user"), ha="center", va="bottom")
    whole = found.get(capacity.ONE_MACHINE)
    for name, box in BOXES.items():
        part = whole if whole and name == capacity.WEB else found.get(name)
        _box(ax, box, name, part, architecture, lit=part is not None and part.name == lit)
    for across, below, gap in ((1.9, 6.9, 1.0), (6, 6.9, 1.0), (10.1, 6.9, 1.0), (10.1, 3.2, 0.8)):
        ax.plot([across, across], [below, below - gap], color=INK, linewidth=1)
    ax.text(0, 2.4, "\n".join(notes), va="top", linespacing=1.4)


def _box(
    ax: Any,
    box: tuple[float, float, float, float],
    name: str,
    part: Part | None,
    architecture: Architecture,
    lit: bool,
) -> None:
    left, bottom, width, height = box
    outline = Rectangle(
        (left, bottom),
        width,
        height,
        facecolor=(LIT if lit else "none"),
        alpha=0.25 if lit else 1.0,
        edgecolor="none" if lit else INK,
        linestyle="-" if part else (0, (4, 3)),
        linewidth=1,
    )
    ax.add_patch(outline)
    if lit:
        ax.add_patch(Rectangle((left, bottom), width, height, fill=False, ec=LIT, lw=3))
    lines = [name, "–"] if part is None else _lines(name, part, architecture)
    ax.text(
        left + width / 2,
        bottom + height / 2,
        "\n".join(lines),
        ha="center",
        va="center",
        fontsize=9,
    )


def _lines(name: str, part: Part, architecture: Architecture) -> list[str]:
    """What stands in a part's box: what it is, how many there are, how busy the busiest is."""
    busy = f"{100 * part.utilisation:.0f}% busy"
    if part.name == capacity.ONE_MACHINE:
        return ["web server and database on one machine", busy]
    if name == capacity.WEB:
        copies = ", copies in memory" if architecture.local else ""
        return [f"{name} × {part.machines:,}{copies}", busy]
    return [name, f"× {part.machines:,}", busy]


def dollars(nanodollars: int) -> str:
    """An amount with two digits that count, however small: $0.0000049. Cents always show."""
    amount = nanodollars / 1e9
    exponent = int(f"{amount:.1e}".partition("e")[2])  # that of the rounded amount
    return f"${amount:.{max(2, 1 - exponent)}f}"


def counted(number: float, what: str) -> str:
    """A number of things, in words that agree: 1 user, 1,000 users."""
    return f"{number:,.0f} {what}" + ("" if number == 1 else "s")
