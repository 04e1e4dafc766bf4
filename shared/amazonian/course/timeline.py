"""Drawing where a crash breaks a design: its points in the order of time, on two lanes."""

from collections.abc import Mapping
from typing import Any

from amazonian.payments.crashes import Exploration
from amazonian.payments.points import DATABASE

LANE = 0.32  # half the distance of the two lanes of one design
MARKERS = ("X", "P", "D", "v")


def timelines(ax: Any, explorations: Mapping[str, Exploration], last: int | None = None) -> None:
    """Draw one line for each design; a mark where a single crash violates a property.

    The upper lane of a line is the database, the lower one the PSP; a filled dot is a point after
    a write or call, an empty one a point before it.

    Args:
        ax: matplotlib's axes.
        explorations: by what their design is called.
        last: the number of the last point to draw; None for all.
    """
    named: dict[str, str] = {}
    for row, (name, found) in enumerate(explorations.items()):
        points = found.points[: None if last is None else last + 1]
        x = [point.number for point in points]
        y = [(LANE if point.lane == DATABASE else -LANE) - 2 * row for point in points]
        ax.plot(x, y, color="#8a8f98", linewidth=1, zorder=1)
        for when, fill in (("before", "none"), ("after", "#8a8f98")):
            chosen = [i for i, point in enumerate(points) if point.when == when]
            ax.scatter(
                [x[i] for i in chosen], [y[i] for i in chosen], s=16, facecolors=fill,
                edgecolors="#8a8f98", linewidths=1, zorder=2,
            )  # fmt: skip
        for number, broken in sorted(found.at_points().items()):
            if number < len(points):
                marker = named.setdefault(broken[0], MARKERS[len(named) % len(MARKERS)])
                colour = f"C{list(named).index(broken[0])}"
                ax.scatter([x[number]], [y[number]], s=80, marker=marker, color=colour, zorder=3)
        ax.text(0, 0.62 - 2 * row, name, va="bottom")
    for lane, y in (("database", LANE), ("PSP", -LANE)):
        ax.text(len(points) - 0.2, y, lane, va="center")
    for place, (property_name, marker) in enumerate(named.items()):
        ax.scatter([], [], s=60, marker=marker, color=f"C{place}", label=property_name)
    ax.set_ylim(-2 * len(explorations) + 1.1, 1.5)
    ax.set_xlim(-0.8, 1.3 * len(points))
    ax.set_yticks([])
    ax.grid(False)
    ax.set_xlabel("points at which the process may die, in order")
    if named:
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
