"""``@exercise(owner)``: the learner's definition takes the place of the package's own."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

_references: dict[str, Any] = {}


class CourseError(Exception):
    """A message for the learner; notebooks show it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotConnectedError(CourseError):
    """A definition is not, or cannot be, put in the place of an exercise."""


def exercise(owner: ModuleType | type) -> Callable[[Any], Any]:
    """Put the decorated function, method or class into `owner` in place of the reference.

    Args:
        owner: the module (or, for a method, the class) in which the exercise stands.

    Returns:
        A decorator that returns the definition unchanged. From then on every component that
        reaches the exercise through its owner runs the learner's code.

    Raises:
        NotConnectedError: `owner` has nothing of that name.
    """

    def connect(definition: Any) -> Any:
        short = getattr(definition, "__name__", None)
        if not isinstance(owner, ModuleType | type):
            raise NotConnectedError(
                f"@exercise takes a module or a class, not {owner!r}; "
                "keep the line as the lab gave it, for example @exercise(retries)."
            )
        if short is None or not hasattr(owner, short):
            raise NotConnectedError(
                f"{owner.__name__} has no exercise called {short!r}. "
                "Was the function renamed? Its name must stay as the lab gave it."
            )
        name = f"{owner_name(owner)}.{short}"
        # What stands there first is the reference, even if it has itself been decorated before.
        _references.setdefault(name, inspect.getattr_static(owner, short))
        definition.__exercise__ = name
        setattr(owner, short, definition)
        return definition

    return connect


def owner_name(owner: ModuleType | type) -> str:
    """The dotted name of a module or class."""
    if isinstance(owner, ModuleType):
        return owner.__name__
    return f"{owner.__module__}.{owner.__qualname__}"


def name_of(definition: Any) -> str | None:
    """The exercise that a definition was decorated as, or None."""
    name = inspect.getattr_static(definition, "__exercise__", None)
    return name if isinstance(name, str) else None


def restore_references() -> None:
    """Put every reference back, as if no learner's definition had ever run (for tests)."""
    for name, reference in _references.items():
        owner_path, short = name.rsplit(".", 1)
        setattr(find_owner(owner_path), short, reference)
    _references.clear()


def find_owner(path: str) -> ModuleType | type:
    """The module or class with this dotted name.

    Raises:
        ModuleNotFoundError: there is none.
    """
    try:
        return __import__(path, fromlist=["_"])
    except ModuleNotFoundError:
        module_path, _, class_name = path.rpartition(".")
        if not module_path or not class_name[:1].isupper():
            raise
        return getattr(find_owner(module_path), class_name)
