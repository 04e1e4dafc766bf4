"""A value's shape comes from botocore's model of a service; here it is spelt as text and JSON.

AWS's protocols are four spellings of the same trees: headers and queries hold single values as
text, bodies hold JSON, form fields (:mod:`.forms`) or XML (:mod:`.markup`). Each spelling is a
walk over a shape, one way and the other.

Source: "Smithy AWS protocol tests and traits", smithy.io.
"""

import base64
import json
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from botocore.model import Shape


def wire_name(shape: Shape, default: str) -> str:
    """What a member is called on the wire."""
    return shape.serialization.get("name", default)


def is_document(shape: Shape) -> bool:
    """A document is any JSON at all: it has no shape of its own."""
    return bool(getattr(shape, "is_document_type", False))


# --- times ------------------------------------------------------------------------------------


def spell_time(value: datetime | float, style: str) -> str | float:
    """A time as rfc822, as iso8601, or as unixtimestamp (a number of seconds)."""
    if not isinstance(value, datetime):
        value = datetime.fromtimestamp(value, UTC)
    value = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if style == "rfc822":
        return format_datetime(value, usegmt=True)
    if style == "unixtimestamp":
        return round(value.timestamp(), 3)
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def read_time(value: str | float) -> datetime:
    """A time in any of the three styles: they can't be taken for one another."""
    if isinstance(value, int | float) or re.fullmatch(r"-?\d+(\.\d*)?([eE][+-]?\d+)?", value):
        return datetime.fromtimestamp(float(value), UTC)
    if value[:1].isalpha():
        return parsedate_to_datetime(value)
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# --- single values as text --------------------------------------------------------------------


def from_text(shape: Shape, text: str) -> Any:
    """A value from a header, a query, a form field, or an XML element.

    Raises:
        ValueError: the text is no value of this shape.
    """
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "float" | "double":
            return float(text)
        case "boolean":
            return _truth(text)
        case "timestamp":
            return read_time(text)
        case "blob":
            return base64.b64decode(text)
        case "list":  # only a header holds a list as one text
            return [from_text(shape.member, part.strip()) for part in text.split(",")]
    if shape.serialization.get("jsonvalue"):
        return json.loads(base64.b64decode(text))
    return text


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def to_text(shape: Shape, value: Any, times: str = "iso8601") -> str:
    """The same way back; `times` is how times are written where the model does not say it."""
    match shape.type_name:
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            return str(spell_time(value, shape.serialization.get("timestampFormat", times)))
        case "blob":
            return base64.b64encode(_bytes(value)).decode()
        case "list":
            return ", ".join(to_text(shape.member, item, times) for item in value)
    if shape.serialization.get("jsonvalue"):
        return base64.b64encode(json.dumps(value).encode()).decode()
    return str(value)


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


# --- JSON -------------------------------------------------------------------------------------


def from_json(shape: Shape, value: Any) -> Any:
    """A value from parsed JSON; members that the shape does not have are left out.

    Raises:
        TypeError, ValueError, AttributeError: the JSON has another form than the shape.
    """
    if value is None or is_document(shape):
        return value
    match shape.type_name:
        case "structure":
            found = {}
            for member, inner in shape.members.items():
                item = value.get(wire_name(inner, member))
                if item is not None:
                    found[member] = from_json(inner, item)
            return found
        case "list":
            if not isinstance(value, list):
                raise TypeError(f"{shape.name} must be a list")
            return [from_json(shape.member, item) for item in value]
        case "map":
            return {key: from_json(shape.value, item) for key, item in value.items()}
        case "timestamp":
            return read_time(value)
        case "blob":
            return base64.b64decode(value)
    return value


def to_json(shape: Shape, value: Any) -> Any:
    """The same way back; what a header or the status line holds is left out."""
    if value is None or is_document(shape):
        return value
    match shape.type_name:
        case "structure":
            return {
                wire_name(inner, member): to_json(inner, value[member])
                for member, inner in shape.members.items()
                if value.get(member) is not None and "location" not in inner.serialization
            }
        case "list":
            return [to_json(shape.member, item) for item in value]
        case "map":
            return {key: to_json(shape.value, item) for key, item in value.items()}
        case "timestamp":
            return spell_time(value, shape.serialization.get("timestampFormat", "unixtimestamp"))
        case "blob":
            return to_text(shape, value)
    return value
