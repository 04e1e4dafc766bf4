"""Parameters of a request: form-encoded with brackets, then read by the operation's fields.

Stripe's v1 API sends ``metadata[order_id]=7&expand[0]=latest_charge``. :func:`parse` turns that
into nested dictionaries, :func:`read` into the values that an operation works with.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from amazonian.payments.stripe_simulator.errors import ApiError, invalid

MOST_PARAMETERS, DEEPEST = 1_000, 5
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")

Form = dict[str, Any]
Field = Callable[[str, Any], Any]
"""Takes a parameter's name and its value (text, or a Form), returns it read; or an ApiError."""


def parse(encoded: bytes) -> Form:
    """Decode a query or a body.

    Raises:
        ApiError: 400, for what is no form, or nested without sense.
    """
    form: Form = {}
    try:
        pairs = parse_qsl(
            encoded.decode(),
            keep_blank_values=True,
            max_num_fields=MOST_PARAMETERS,
            errors="strict",
        )
    except ValueError:
        raise ApiError(400, "The request is no form in UTF-8, or a very long one.") from None
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        path = [match[1], *match[2][1:-1].split("][")] if match and match[2] else [name]
        if match is None or len(path) > DEEPEST:
            raise invalid(f"Invalid parameter name: {name}", name)
        _put(form, path, value, name)
    return form


def _put(form: Form, path: list[str], value: str, name: str) -> None:
    for step in path[:-1]:
        form = form.setdefault(step or str(len(form)), {})
        if not isinstance(form, dict):
            raise invalid(f"{name} is given as a value and as an object", name)
    form[path[-1] or str(len(form))] = value


def read(form: Form, fields: Mapping[str, Field], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a request's parameters.

    Args:
        fields: how to read each parameter that the operation has.
        required: those without which it can't begin.

    Raises:
        ApiError: 400 with the parameter at fault.
    """
    for name in form:
        if name not in fields:
            raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")
    for name in required:
        if name not in form:
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return {name: fields[name](name, value) for name, value in form.items()}


# --- fields ------------------------------------------------------------------------------------


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {name} was sent as an object", name)
    return value


def filled(name: str, value: Any) -> str:
    """Text that may not be empty."""
    if not text(name, value):
        raise invalid(f"{name} is empty; leave it out instead.", name, "parameter_invalid_empty")
    return value


def integer(name: str, value: Any) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", filled(name, value)):
        raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
    return int(value)


def boolean(name: str, value: Any) -> bool:
    if text(name, value) not in ("true", "false"):
        raise invalid(f"Invalid boolean: {value}", name)
    return value == "true"


def one_of(*choices: str) -> Field:
    def field(name: str, value: Any) -> str:
        if text(name, value) not in choices:
            raise invalid(f"Invalid {name}: must be one of {', '.join(choices)}", name)
        return value

    return field


def texts(name: str, value: Any) -> list[str]:
    if value == "":
        return []
    if not isinstance(value, dict) or not all(key.isdecimal() for key in value):
        raise invalid("Invalid array", name)
    return [text(f"{name}[{key}]", value[key]) for key in sorted(value, key=int)]


def metadata(name: str, value: Any) -> dict[str, str]:
    """Up to 50 keys of up to 40 characters, with values of up to 500; ``""`` removes."""
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise invalid("Invalid object", name)
    if len(value) > 50:
        raise invalid("Metadata can have up to 50 keys.", name)
    for key, item in value.items():
        if len(key) > 40 or len(text(f"{name}[{key}]", item)) > 500:
            raise invalid("Metadata keys have up to 40 characters, values up to 500.", name)
    return value


def record(**fields: Field) -> Field:
    """An object with these fields."""

    def field(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid("Invalid object", name)
        known = {f"{name}[{key}]": reader for key, reader in fields.items()}
        read_values = read({f"{name}[{key}]": item for key, item in value.items()}, known)
        return {key[len(name) + 1 : -1]: item for key, item in read_values.items()}

    return field


def moments(name: str, value: Any) -> dict[str, int]:
    """A moment, or bounds for it: gt, gte, lt, lte; in seconds since 1970."""
    if isinstance(value, str):
        return {"gte": integer(name, value), "lte": integer(name, value)}
    return record(gt=integer, gte=integer, lt=integer, lte=integer)(name, value)
