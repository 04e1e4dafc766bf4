"""Values as XML: the answers of "query" and "ec2", and both ways in "rest-xml".

Source: "AWS restXml protocol" and "XML bindings", smithy.io.
"""

import re
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from botocore.model import Shape

from amazonian.cloud.shapes import from_text, to_text, wire_name

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def xml_text(text: str) -> str:
    """A text inside an element; characters that XML can't hold are shown as U+FFFD."""
    return escape(_NOT_IN_XML.sub("\ufffd", text), {"\r": "&#13;"})


def to_xml(shape: Shape, value: Any, name: str, out: list[str]) -> None:
    """Append ``<name>…</name>`` to `out`."""
    if value is None:
        return
    match shape.type_name:
        case "list":
            _list_to_xml(shape, value, name, out)
        case "map":
            _map_to_xml(shape, value, name, out)
        case "structure":
            out.append(f"<{name}{_attributes(shape, value)}>")
            members_to_xml(shape, value, out)
            out.append(f"</{name}>")
        case _:
            out.append(f"<{name}>{xml_text(to_text(shape, value))}</{name}>")


def members_to_xml(shape: Shape, value: dict[str, Any], out: list[str]) -> None:
    """Append a structure's members, but for those in headers, the status line or attributes."""
    for member, inner in shape.members.items():
        said = inner.serialization
        if not said.get("xmlAttribute") and "location" not in said:
            to_xml(inner, value.get(member), wire_name(inner, member), out)


def _list_to_xml(shape: Shape, value: list, name: str, out: list[str]) -> None:
    flat = shape.serialization.get("flattened")
    item_name = wire_name(shape.member, name if flat else "member")
    out.append("" if flat else f"<{name}>")
    for item in value:
        to_xml(shape.member, item, item_name, out)
    out.append("" if flat else f"</{name}>")


def _map_to_xml(shape: Shape, value: dict, name: str, out: list[str]) -> None:
    flat = shape.serialization.get("flattened")
    key_name, value_name = wire_name(shape.key, "key"), wire_name(shape.value, "value")
    entry = name if flat else "entry"
    out.append("" if flat else f"<{name}>")
    for key, item in value.items():
        out.append(f"<{entry}><{key_name}>{xml_text(str(key))}</{key_name}>")
        to_xml(shape.value, item, value_name, out)
        out.append(f"</{entry}>")
    out.append("" if flat else f"</{name}>")


def _attributes(shape: Shape, value: dict[str, Any]) -> str:
    text = ""
    namespace = shape.serialization.get("xmlNamespace")
    if namespace:
        prefix = f":{namespace['prefix']}" if "prefix" in namespace else ""
        text += f" xmlns{prefix}={quoteattr(namespace['uri'])}"
    for member, inner in shape.members.items():
        if inner.serialization.get("xmlAttribute") and value.get(member) is not None:
            text += f" {wire_name(inner, member)}={quoteattr(to_text(inner, value[member]))}"
    return text


def parse_xml(body: bytes) -> Element:
    """The root of an XML body.

    Raises:
        ValueError: it is no XML, or declares entities of its own.
    """
    if b"<!DOCTYPE" in body.upper():
        raise ValueError("a request has no document type")
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as problem:
        raise ValueError(str(problem)) from None


def from_xml(shape: Shape, node: Any) -> Any:
    """The value that an element holds; of a flat list or map, a list of elements.

    Raises:
        ValueError, KeyError: it has another form than the shape.
    """
    match shape.type_name:
        case "structure":
            return _structure_from_xml(shape, node)
        case "list":
            return [from_xml(shape.member, item) for item in node]
        case "map":
            key, value = wire_name(shape.key, "key"), wire_name(shape.value, "value")
            entries = [{_local(part.tag): part for part in entry} for entry in node]
            return {e[key].text or "": from_xml(shape.value, e[value]) for e in entries}
    return from_text(shape, node.text or "")


def _structure_from_xml(shape: Shape, node: Element) -> dict[str, Any]:
    attributes = {_local(name): text for name, text in node.attrib.items()}
    found = {}
    for member, inner in shape.members.items():
        name, said = wire_name(inner, member), inner.serialization
        if said.get("xmlAttribute"):
            attribute = name.rpartition(":")[2]
            if attribute in attributes:
                found[member] = from_text(inner, attributes[attribute])
            continue
        flat = said.get("flattened") and inner.type_name in ("list", "map")
        if flat and inner.type_name == "list":
            name = wire_name(inner.member, name)
        children = [child for child in node if _local(child.tag) == name]
        if children:
            found[member] = from_xml(inner, children if flat else children[0])
    return found


def _local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]
