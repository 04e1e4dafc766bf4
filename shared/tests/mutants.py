"""Wrong answers derived from the reference's own syntax tree, one change each."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amazonian.course.exercises import find_owner
from amazonian.course.sources import reference_source

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
SYMMETRIC = {"min", "max", "uniform", "isclose"}
TWINS = {"min": "max", "max": "min", "all": "any", "any": "all", "floor": "ceil", "ceil": "floor"}


@dataclass(frozen=True)
class Mutant:
    """One changed definition: `label` says which change, on which line."""

    exercise: str
    label: str
    source: str

    def definition(self) -> Any:
        """The changed function or class, living in a copy of its module's namespace."""
        owner_path, short = self.exercise.rsplit(".", 1)
        owner = find_owner(owner_path)
        module = find_owner(owner.__module__) if isinstance(owner, type) else owner
        namespace = dict(vars(module))
        exec(compile(self.source, f"<mutant of {short}>", "exec"), namespace)
        return namespace[short]


def mutants_of(exercise: str) -> list[Mutant]:
    """Every mutant of an exercise's reference, without two of the same text."""
    source = reference_source(exercise)
    tree = ast.parse(source)
    original = ast.unparse(tree)
    short = exercise.rsplit(".", 1)[1]
    found: dict[str, Mutant] = {}
    for change, line, mutated in _changes(tree, source.splitlines()):
        text = ast.unparse(ast.fix_missing_locations(mutated))
        if text == original or text in found:
            continue
        found[text] = Mutant(exercise, f"{short}: {change} [{line}]", text)
    return list(found.values())


def _changes(tree: ast.Module, lines: list[str]) -> Iterator[tuple[str, str, ast.Module]]:
    """Each change in words, the line that it is made in, and the whole changed tree."""
    nodes = [node for node in ast.walk(tree) if _executes(node, tree)]
    for node in nodes:
        line = lines[node.lineno - 1].strip() if hasattr(node, "lineno") else ""
        for change, apply in _edits(node):
            mutated = copy.deepcopy(tree)
            twin = _twin(tree, mutated, node)
            apply(twin)
            yield change, line, mutated
    for holder in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(holder, name, None)
            for place, statement in enumerate(block if isinstance(block, list) else []):
                if not _droppable(statement, holder):
                    continue
                mutated = copy.deepcopy(tree)
                getattr(_twin(tree, mutated, holder), name)[place] = ast.Pass()
                first = lines[statement.lineno - 1].strip()
                yield "dropped", first, mutated


def _twin(tree: ast.AST, mutated: ast.AST, node: ast.AST) -> ast.AST:
    """The node of the copy that stands where `node` stands in the original."""
    pairs = zip(ast.walk(tree), ast.walk(mutated), strict=True)
    return next(new for old, new in pairs if old is node)


def _executes(node: ast.AST, tree: ast.Module) -> bool:
    """False for annotations, decorators and docstrings, which a check can't see."""
    hidden: set[int] = getattr(tree, "_hidden", None) or _hide(tree)
    return id(node) not in hidden


def _hide(tree: ast.Module) -> set[int]:
    hidden: set[int] = set()

    def hide(part: ast.AST | None) -> None:
        if part is not None:
            hidden.update(id(inner) for inner in ast.walk(part))

    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            hide(node.returns)
            for argument in ast.walk(node.args):
                hide(getattr(argument, "annotation", None))
        if isinstance(node, ast.AnnAssign):
            hide(node.annotation)
        if isinstance(node, ast.Raise):
            hide(node.exc)
        for decorator in getattr(node, "decorator_list", []):
            hide(decorator)
    tree._hidden = hidden
    return hidden


def _droppable(statement: ast.stmt, holder: ast.AST) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Pass | ast.Return):
        return False
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return not docstring and not isinstance(holder, ast.Module | ast.ClassDef)


def _edits(node: ast.AST) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        other = COMPARISONS[type(node.ops[0])]
        yield f"compares with {other.__name__}", lambda n: n.ops.__setitem__(0, other())
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        other = OPERATORS[type(node.op)]
        yield f"{type(node.op).__name__} becomes {other.__name__}", _set("op", other)
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        yield "augments the other way", _set("op", OPERATORS[type(node.op)])
    if isinstance(node, ast.BoolOp):
        other = ast.And if isinstance(node.op, ast.Or) else ast.Or
        yield f"{other.__name__.lower()}", _set("op", other)
        for place in range(len(node.values)):
            if len(node.values) > 1:
                yield (
                    f"without {ast.unparse(node.values[place])}",
                    lambda n, at=place: n.values.pop(at),
                )
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "without not", lambda n: setattr(n, "op", ast.UAdd()) or _double_not(n)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield f"{node.value} + 1", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"not {node.value}", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.Return) and node.value is not None:
        yield "returns None", lambda n: setattr(n, "value", ast.Constant(None))
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        if len(node.args) >= 2 and not starred and name not in SYMMETRIC:
            yield f"{ast.unparse(node.func)} with its first two arguments swapped", _swap_arguments
        if name in TWINS:
            yield f"{name} becomes {TWINS[name]}", lambda n: _rename(n.func)


def _set(field: str, cls: type) -> Any:
    return lambda node: setattr(node, field, cls())


def _double_not(node: ast.UnaryOp) -> None:
    node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)


def _swap_arguments(node: ast.Call) -> None:
    node.args[0], node.args[1] = node.args[1], node.args[0]


def _rename(function: ast.expr) -> None:
    if isinstance(function, ast.Name):
        function.id = TWINS[function.id]
    else:
        function.attr = TWINS[function.attr]
