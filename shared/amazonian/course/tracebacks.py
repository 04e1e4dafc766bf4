"""Tracebacks in a lab leave out the package's own answers, and say so.

Until an exercise is written its reference does the work. Where a later cell goes wrong, IPython
would show the reference's lines on the way down to the fault.
"""

import sys
from types import FrameType, TracebackType
from typing import Any

from amazonian.course.catalogue import heading, labs


def install(shell: Any) -> None:
    """Have an IPython shell leave out the frames of references, from now on."""
    shell.set_custom_exc((Exception,), _show)


def install_if_in_a_notebook() -> None:
    """Do so in the shell that runs this code, if one does."""
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        install(shell)


def _show(shell: Any, kind: type, error: BaseException, tb: TracebackType, tb_offset=None) -> None:
    error.__traceback__ = tb
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        left_out: list[str] = []
        one.__traceback__ = _without_answers(one.__traceback__, left_out)
        for name in dict.fromkeys(left_out):
            one.add_note(f"Left out above: the package's own answer to {heading(name)}.")
        one = one.__cause__ or one.__context__
    shell.showtraceback((kind, error, error.__traceback__), tb_offset=tb_offset)


def _without_answers(tb: TracebackType | None, left_out: list[str]) -> TracebackType | None:
    """The same traceback without frames of references, whose exercises go to `left_out`."""
    if tb is None:
        return None
    below = _without_answers(tb.tb_next, left_out)
    if answered := _answered_by(tb.tb_frame):
        left_out.append(answered)
        return below
    return TracebackType(below, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)


def _answered_by(frame: FrameType) -> str | None:
    """The exercise whose reference runs in this frame; None for all other code."""
    module = frame.f_globals.get("__name__", "")
    if not module.startswith("amazonian."):
        return None
    name = f"{module}.{frame.f_code.co_qualname}."
    exercises = (exercise for lab in labs() for exercise in lab.exercises)
    return next((one for one in exercises if name.startswith(f"{one}.")), None)
