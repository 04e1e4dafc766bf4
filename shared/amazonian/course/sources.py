"""The source of a reference answer, and the stub made from it."""

import ast
import importlib.util
import textwrap
from functools import cache
from pathlib import Path

from amazonian.course.catalogue import heading


@cache
def _module_file(name: str) -> tuple[Path, tuple[str, ...]]:
    """The file that holds ``amazonian.room.file.Class.method``, and the names inside it."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 1, -1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        if spec is not None and spec.origin is not None:
            return Path(spec.origin), tuple(parts[cut:])
    raise LookupError(f"{name} is not in the package; the master's %exercise line names it")


def _find(name: str) -> tuple[str, ast.FunctionDef | ast.ClassDef]:
    path, inside = _module_file(name)
    text = path.read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in inside:
        matches = [
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and child.name == part
        ]
        if not matches:
            raise LookupError(f"{name}: {path.name} defines no {part}")
        node = matches[-1]
    return text, node


def reference_source(name: str) -> str:
    """The definition as it stands in the package, without indentation."""
    text, node = _find(name)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return textwrap.dedent("".join(text.splitlines(True)[first - 1 : node.end_lineno]))


def decorator_line(name: str) -> str:
    """The line above an exercise: ``@exercise(retries)``."""
    return f"@exercise({name.split('.')[-2]})"


def stub_source(name: str) -> str:
    """The definition with every body replaced by a NotImplementedError that names it."""
    source = reference_source(name)
    lines = source.splitlines()
    node = ast.parse(source).body[0]
    message = f'raise NotImplementedError("{heading(name)}")'
    for function in reversed(_functions(node)):
        body = function.body
        documented = ast.get_docstring(function) is not None
        first = body[1] if documented and len(body) > 1 else body[0]
        start = body[0].end_lineno + 1 if documented else first.lineno
        indent = " " * body[0].col_offset
        lines[start - 1 : function.end_lineno] = [indent + message]
    return "\n".join(lines) + "\n"


def task_source(name: str) -> str:
    """What the site's page shows of the task: the stub with `...` for what is to be written."""
    message = f'raise NotImplementedError("{heading(name)}")'
    return stub_source(name).replace(message, "...")


def _functions(node: ast.AST) -> list[ast.FunctionDef]:
    if isinstance(node, ast.FunctionDef):
        return [node]
    return [child for child in node.body if isinstance(child, ast.FunctionDef)]
