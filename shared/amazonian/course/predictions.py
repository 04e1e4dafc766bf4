"""``predict``: commit to an answer before the next cell shows it.

Nothing is graded and nothing is kept beyond the notebook's own memory. On the built site,
where no kernel runs, the same call is a small form, and ``book/_static/course.js`` puts the
reader's own answer beside the measured one.
"""

import html
import os
import re
from typing import Any


class Prediction:
    """What :func:`predict` returns: a question, and the reader's answer once there is one."""

    def __init__(self, question: str, options: list[str] | None, unit: str):
        self.question, self.options, self.unit = question, options, unit
        self.answer: Any = None
        self.id = "predict-" + re.sub(r"[^a-z0-9]+", "-", question.lower()).strip("-")[:48]

    def compare(self, outcome: Any) -> "Comparison":
        """Show `outcome` beside what the reader had committed to."""
        return Comparison(self, outcome)

    def _with_unit(self, value: Any) -> str:
        text = f"{value:,.4g}" if isinstance(value, float) else f"{value}"
        return f"{text} {self.unit}".strip()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict:
        plain = f"Predict: {self.question}"
        if os.environ.get("COURSE_STATIC"):
            return {"text/plain": plain, "text/html": self._form()}
        return {**self._widget()._repr_mimebundle_(), "text/plain": plain}

    def _form(self) -> str:
        """The question as a form of the page itself."""
        question = html.escape(self.question)
        if self.options:
            fields = "".join(
                f'<label><input type="radio" name="{self.id}" value="{html.escape(option)}"> '
                f"{html.escape(option)}</label>"
                for option in self.options
            )
        else:
            fields = (
                f'<label><input type="number" step="any" name="{self.id}" '
                f'aria-label="{question}"> {html.escape(self.unit)}</label>'
            )
        return (
            f'<form class="course-predict" id="{self.id}" data-unit="{html.escape(self.unit)}">'
            f"<fieldset><legend>Predict: {question}</legend>{fields}"
            '<button type="submit">Commit</button>'
            '<p role="status"></p></fieldset></form>'
        )

    def _widget(self) -> Any:
        import ipywidgets as widgets

        title = widgets.HTML(f"<strong>Predict:</strong> {html.escape(self.question)}")
        if self.options:
            field = widgets.RadioButtons(options=self.options, value=None)
        else:
            field = widgets.Text(placeholder="a number", layout={"width": "10rem"})
        button = widgets.Button(description="Commit")
        status = widgets.HTML()

        def commit(_: Any) -> None:
            value = field.value if self.options else _number(field.value)
            if value is None:
                status.value = "Choose one." if self.options else "A number, please, as in 0.5."
                return
            self.answer = value
            status.value = f"Noted: {html.escape(self._with_unit(value))}. Now run on."

        button.on_click(commit)
        row = [field, button] if self.options else [widgets.HBox([field, button])]
        if not self.options and self.unit:
            row[0].children = [field, widgets.Label(self.unit), button]
        return widgets.VBox([title, *row, status])


class Comparison:
    """A prediction beside its outcome."""

    def __init__(self, prediction: Prediction, outcome: Any):
        self.prediction, self.outcome = prediction, outcome

    def _text(self) -> str:
        said = self.prediction.answer
        shown = f"Outcome: {self.prediction._with_unit(self.outcome)}."
        if said is None:
            return shown
        return f"You said {self.prediction._with_unit(said)}. {shown}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict:
        text = self._text()
        markup = (
            f'<p class="course-outcome" data-predict="{self.prediction.id}">'
            f'<span class="course-said"></span>{html.escape(text)}</p>'
        )
        return {"text/plain": text, "text/html": markup}


def predict(question: str, options: list[str] | None = None, unit: str = "") -> Prediction:
    """Ask the reader to commit to a number, or to one of `options`, before running on.

    Args:
        question: one sentence with a question mark.
        options: the choices; without them a number is asked.
        unit: the number's unit, as in "calls".

    Returns:
        A prediction; show ``prediction.compare(outcome)`` once the outcome is known.
    """
    return Prediction(question, options, unit)


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "").strip())
    except ValueError:
        return None
    return int(number) if number.is_integer() else number
