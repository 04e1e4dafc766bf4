"""What a lab's cells call: exercises, checks, hints, predictions and figures."""

from amazonian.course.checking import check, hint
from amazonian.course.exercises import exercise
from amazonian.course.figures import explore, figure, slider
from amazonian.course.predictions import predict
from amazonian.course.tracebacks import install_if_in_a_notebook

__all__ = ["check", "exercise", "explore", "figure", "hint", "predict", "slider"]

install_if_in_a_notebook()
