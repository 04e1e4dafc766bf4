"""Values as form fields, in the protocols "query" and "ec2": ``Filter.1.Name=zone``.

Source: "AWS Query protocol" and "AWS EC2 Query protocol", smithy.io.
"""

from collections.abc import Iterable
from typing import Any

from botocore.model import Shape

from amazonian.cloud.shapes import from_text, wire_name


def form_tree(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Fields as a tree: ``Filter.1.Name=zone`` gives {"Filter": {"1": {"Name": "zone"}}}.

    Raises:
        ValueError: a field is both a value and a branch.
    """
    tree: dict[str, Any] = {}
    for name, text in fields:
        *branches, leaf = name.split(".")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
            if not isinstance(node, dict):
                raise ValueError(f"{branch} in {name} is a value elsewhere")
        if isinstance(node.get(leaf), dict):
            raise ValueError(f"{name} is both a value and a branch")
        node[leaf] = text
    return tree


def from_form(shape: Shape, node: Any, ec2: bool) -> Any:
    """The value that a tree of fields holds.

    Args:
        ec2: EC2 has its own rules for names, and its lists are always flat.

    Raises:
        ValueError, KeyError, TypeError: it has another form than the shape.
    """
    match shape.type_name:
        case "structure":
            found = {}
            for member, inner in shape.members.items():
                child = node.get(_field(inner, member, ec2)) if isinstance(node, dict) else None
                if child is not None:
                    found[member] = from_form(inner, child, ec2)
            return found
        case "list":
            if not (ec2 or shape.serialization.get("flattened")):
                node = node.get(wire_name(shape.member, "member")) if node else None
            return [from_form(shape.member, item, ec2) for item in _numbered(node)]
        case "map":
            if not shape.serialization.get("flattened"):
                node = node.get("entry") if node else None
            key, value = wire_name(shape.key, "key"), wire_name(shape.value, "value")
            return {
                entry[key]: from_form(shape.value, entry[value], ec2) for entry in _numbered(node)
            }
    return from_text(shape, node)


def _numbered(node: Any) -> list[Any]:
    """The children 1, 2, 3… in that order; an empty field is an empty list."""
    return [node[number] for number in sorted(node, key=int)] if node else []


def _field(shape: Shape, member: str, ec2: bool) -> str:
    said = shape.serialization
    if ec2:
        name = said.get("name", member)
        return said.get("queryName") or (name[0].upper() + name[1:] if "name" in said else member)
    if shape.type_name == "list" and said.get("flattened"):
        return shape.member.serialization.get("name", wire_name(shape, member))
    return wire_name(shape, member)
