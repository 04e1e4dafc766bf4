"""``figure`` and ``explore``: plots with a title that is a finding and a text that says it.

Both take a function ``draw(ax, **values)`` that draws on matplotlib axes and returns one
sentence about what is to be seen: the text for those who can't see it. The plot becomes an
SVG with its text kept as text and its black taken from the page, so that it reads on light
and dark alike. ``explore`` adds sliders: ipywidgets where a kernel runs, and where the book
is built (``COURSE_STATIC=1``) every frame in advance, as differences from the first. A page
that was built has each plot twice, the second time narrow, with larger text and its legend
below: ``course.css`` shows the one that fits, since nobody can read the first on a phone.
"""

import html
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MAX_FRAMES = 240
SIZE = (5.6, 3.3)  # inches, beside a text size of 10 points
NARROW_WIDTH, NARROW_HEIGHT, LEGEND_ROW = 3.4, 2.8, 0.21  # on a phone; a row adds to the height
# Okabe and Ito's palette without its yellow, in an order that starts with the course's orange.
COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"]
STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "path.simplify_threshold": 0.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "amazonian",
}

Draw = Callable[..., str | None]


@dataclass(frozen=True)
class slider:  # noqa: N801 - reads as a word in the call: explore(draw, n=slider(1, 9, 1))
    """The values of one slider: from `start` to `stop` by `step`, beginning at `value`."""

    start: float
    stop: float
    step: float
    value: float | None = None
    label: str = ""

    @property
    def values(self) -> list[float]:
        count = round((self.stop - self.start) / self.step) + 1
        values = [round(self.start + i * self.step, 10) for i in range(count)]
        return [int(v) if float(v).is_integer() else v for v in values]

    @property
    def index(self) -> int:
        if self.value is None:
            return 0
        return min(range(len(self.values)), key=lambda i: abs(self.values[i] - self.value))


def figure(draw: Draw, *, title: str, size: tuple[float, float] = SIZE) -> "Figure":
    """A still plot.

    Args:
        draw: draws on the axes that it is given and returns a sentence that describes the plot.
        title: the finding.
        size: width and height in inches.
    """
    return Figure(draw, title, size)


def explore(
    draw: Draw, *, title: str, size: tuple[float, float] = SIZE, **sliders: slider
) -> "Explorer":
    """A plot with a slider for each keyword of `draw`.

    Args:
        draw: draws on the axes that it is given, with one value for each slider, and returns a
            sentence that describes the plot at those values.
        title: what the figure shows.
        size: width and height in inches.
        **sliders: a :class:`slider` for each keyword argument of `draw`.

    Raises:
        ValueError: no slider, or more than 240 frames.
    """
    frames = 1
    for one in sliders.values():
        frames *= len(one.values)
    if not sliders or frames > MAX_FRAMES:
        raise ValueError(f"explore() takes 1 to {MAX_FRAMES} frames, not {frames}: larger steps?")
    return Explorer(draw, title, size, sliders)


class Figure:
    """What :func:`figure` returns; a notebook shows it."""

    def __init__(self, draw: Draw, title: str, size: tuple[float, float]):
        self.draw, self.title, self.size = draw, title, size

    def frame(self, **values: Any) -> tuple[str, str]:
        """The plot at these values, as SVG, and its sentence."""
        (svg,), text = self._drawn(values, [False])
        return svg, text

    def _drawn(self, values: dict[str, Any], forms: Sequence[bool]) -> tuple[list[str], str]:
        """The plot in each of these forms (narrow or not), and its sentence."""
        svgs, text = _svgs(self.draw, self.title, values, self.size, forms)
        alt = html.escape(f"{self.title}. {text}", quote=True)
        size = 'style="width: 100%; max-width: 40rem; height: auto"'
        start = f'<svg role="img" aria-label="{alt}" {size} '
        return [svg.replace("<svg ", start, 1) for svg in svgs], text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict:
        static = bool(os.environ.get("COURSE_STATIC"))
        (svg, *others), text = self._drawn({}, [False, True] if static else [False])
        for narrow in others:
            svg = f'<div class="wide">{svg}</div><div class="narrow">{narrow}</div>'
        markup = f'<figure class="course-figure">{self._caption()}{svg}</figure>'
        return {"text/plain": f"{self.title}. {text}", "text/html": markup}

    def _caption(self) -> str:
        return f"<figcaption><strong>{html.escape(self.title)}</strong></figcaption>"


class Explorer(Figure):
    """What :func:`explore` returns; a notebook shows it in the richest form it can."""

    def __init__(
        self, draw: Draw, title: str, size: tuple[float, float], sliders: dict[str, slider]
    ):
        super().__init__(draw, title, size)
        self.sliders = sliders

    def widget(self) -> Any:
        """The form with a kernel: ipywidgets above a plot that is drawn anew at each move."""
        import ipywidgets as widgets

        picture, status = widgets.HTML(), widgets.HTML()
        controls = {
            name: widgets.SelectionSlider(
                options=one.values,
                value=one.values[one.index],
                description=one.label or name,
                style={"description_width": "11rem"},
                layout={"width": "36rem", "max_width": "100%"},
            )
            for name, one in self.sliders.items()
        }

        def show(_: Any = None) -> None:
            svg, text = self.frame(**{name: c.value for name, c in controls.items()})
            picture.value, status.value = svg, html.escape(text)

        for control in controls.values():
            control.observe(show, "value")
        show()
        return widgets.VBox([widgets.HTML(self._heading()), *controls.values(), picture, status])

    def _heading(self) -> str:
        return f'<p class="title"><strong>{html.escape(self.title)}</strong></p>'

    def static(self) -> str:
        """The form without a kernel: every frame, for ``book/_static/course.js`` to choose from."""
        names = list(self.sliders)
        all_values = [
            dict(zip(names, values, strict=True))
            for values in itertools.product(*(one.values for one in self.sliders.values()))
        ]
        drawn = [self._drawn(values, [False, True]) for values in all_values]
        wide, narrow = zip(*(svgs for svgs, _ in drawn), strict=True)
        start = 0
        for one in self.sliders.values():
            start = start * len(one.values) + one.index
        data = {
            "values": [[f"{v:g}" for v in one.values] for one in self.sliders.values()],
            "wide": _packed(wide, start),
            "narrow": _packed(narrow, start),
            "texts": [text for _, text in drawn],
        }
        stem = "explore-" + re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")[:40]
        rows = "".join(
            f'<div><label for="{stem}-{name}">{html.escape(one.label or name)}</label>'
            f'<input id="{stem}-{name}" type="range" min="0" max="{len(one.values) - 1}" step="1" '
            f'value="{one.index}" aria-valuetext="{one.values[one.index]:g}">'
            f'<output for="{stem}-{name}">{one.values[one.index]:g}</output></div>'
            for name, one in self.sliders.items()
        )
        packed = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
        return (
            f'<course-explore>{self._heading()}<div class="controls" role="group" '
            f'aria-label="{html.escape(self.title)}" hidden>{rows}</div>'
            f'<div class="frame wide">{wide[start]}</div>'
            f'<div class="frame narrow">{narrow[start]}</div>'
            f'<p role="status">{html.escape(drawn[start][1])}</p>'
            f'<script type="application/json">{packed}</script></course-explore>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict:
        plain = f"{self.title} (a figure with sliders)"
        if os.environ.get("COURSE_STATIC"):
            return {"text/plain": plain, "text/html": self.static()}
        return {**self.widget()._repr_mimebundle_(), "text/plain": plain}


def _packed(svgs: Sequence[str], start: int) -> dict[str, list]:
    """All frames, as the lines of one and the lines in which each differs from it."""
    frames = [svg.split("\n") for svg in svgs]
    return {"base": frames[start], "frames": [_changes(frame, frames[start]) for frame in frames]}


def _changes(frame: list[str], base: list[str]) -> dict[int, str]:
    """The lines in which a frame differs from the first one shown."""
    if len(frame) != len(base):
        frame = ["\n".join(frame), *[""] * (len(base) - 1)]
    return {i: line for i, (line, b) in enumerate(zip(frame, base, strict=True)) if line != b}


def _svgs(
    draw: Draw, title: str, values: dict[str, Any], size: tuple, forms: Sequence[bool]
) -> tuple[list[str], str]:
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    svgs = []
    with mpl.rc_context({**STYLE, "axes.prop_cycle": cycler(color=COLOURS)}):
        canvas = Canvas(figsize=size)
        FigureCanvasSVG(canvas)
        axes = canvas.add_subplot()
        text = draw(axes, **values) or ""
        for narrow in forms:
            if narrow:
                canvas.set_size_inches(NARROW_WIDTH, NARROW_HEIGHT)
                _put_legend_below(canvas, axes)
            # Laid out by hand, since savefig would draw everything once more to do it.
            canvas.set_layout_engine("constrained")
            canvas.get_layout_engine().execute(canvas)
            canvas.set_layout_engine("none")
            out = io.StringIO()
            nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
            canvas.savefig(out, format="svg", transparent=True, metadata=nothing)
            # matplotlib names its parts the same in every figure, and a page has many figures.
            prefix = ("n-" if narrow else "") + re.sub(r"[^a-z0-9]+", "", title.lower())[:24]
            svgs.append(_lean(out.getvalue(), prefix))
    return svgs, text


def _put_legend_below(canvas: Any, axes: Any) -> None:
    """A narrow plot has no room for a legend between its lines."""
    if axes.get_legend() is None:
        return
    handles, labels = axes.get_legend_handles_labels()
    axes.get_legend().remove()
    columns = 2 if max(map(len, labels)) < 15 else 1
    canvas.legend(handles, labels, loc="outside lower center", ncols=columns)
    rows = -(-len(labels) // columns)
    canvas.set_figheight(NARROW_HEIGHT + LEGEND_ROW * rows)


def _lean(svg: str, prefix: str) -> str:
    """Cut what a page does not need, and let black follow the page's own text colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    number = re.compile(r"-?\d+\.\d+")

    def shorter(match: re.Match) -> str:
        return number.sub(lambda n: f"{float(n[0]):.1f}".rstrip("0").rstrip("."), match[0])

    svg = re.sub(r'(?<= d=")[^"]+|(?<= [xy]=")[^"]+', shorter, svg)
    svg = svg.replace("\nL ", "L").replace("\nz", "z").replace("#000000", "currentColor")
    svg = re.sub(r"<text(?=[ >])", '<text fill="currentColor"', svg)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return re.sub(r' (?:width|height)="[^"]*pt"', "", svg, count=2)
