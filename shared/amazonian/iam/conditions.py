"""The conditions of a policy statement: comparing what a request says with what a policy asks.

Source: "IAM JSON policy elements: Condition operators" and "Policies with multiple context keys
or values", IAM user guide.
"""

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

Context = Mapping[str, Sequence[str]]

_PIECE = re.compile(r"\$\{([^}]*)\}|([*?])|([^*?$]+|\$)")


@lru_cache(maxsize=4096)
def _glob(pieces: tuple[tuple[str, bool], ...], ignore_case: bool) -> re.Pattern:
    """Pieces of text, each a wildcard or not, as one regular expression.

    What stands between two stars is looked for once, from the left, and that choice is kept (an
    atomic group). Plain ``.*`` would try every division of a long key among many stars.
    """
    runs = [""]
    for text, wild in pieces:
        if wild and text == "*":
            runs.append("")
        else:
            runs[-1] += "." if wild else re.escape(text)
    first, *rest = runs
    middle = "".join(f"(?>.*?{run})" for run in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.compile(first + middle + last, flags)


@lru_cache(maxsize=4096)
def _pieces(pattern: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(_PIECE.findall(pattern))


def _filled(pattern: str, context: Context | None) -> tuple[tuple[str, bool], ...] | None:
    """The pattern with its policy variables filled in; None if one has no single value.

    A variable's value is plain text: a ``*`` in a user's name is no wildcard.
    """
    filled = []
    for variable, wildcard, text in _pieces(pattern):
        if wildcard or text:
            filled.append((wildcard or text, bool(wildcard)))
        elif variable in ("*", "?", "$"):
            filled.append((variable, False))
        elif context is None:
            filled.append((f"${{{variable}}}", False))
        else:
            name, comma, default = variable.partition(",")
            values = context.get(name.strip().lower(), ())
            if len(values) == 1:
                filled.append((values[0], False))
            elif comma and not values:
                filled.append((default.strip().strip("'"), False))
            else:
                return None
    return tuple(filled)


def matches(pattern: str, text: str, context: Context | None, ignore_case: bool = False) -> bool:
    """Whether a text is what a pattern describes: ``*`` any text, ``?`` any one character.

    Args:
        context: gives ``${aws:username}`` and the like their values, by lower-case key; None in
            the policy language of 2008, which has no variables.
    """
    if "$" not in pattern and "*" not in pattern and "?" not in pattern and not ignore_case:
        return pattern == text
    pieces = _filled(pattern, context)
    return pieces is not None and _glob(pieces, ignore_case).fullmatch(text) is not None


def _literal(pattern: str, context: Context | None) -> str | None:
    """The pattern's text with variables filled in, where wildcards mean nothing."""
    if "${" not in pattern:
        return pattern
    pieces = _filled(pattern, context)
    return None if pieces is None else "".join(text for text, _ in pieces)


def _date(text: str) -> datetime:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _arn_like(value: str, pattern: str, context: Context | None) -> bool:
    """Part by part, so that no ``*`` reaches over a colon of the first five."""
    parts, wanted = value.split(":", 5), pattern.split(":", 5)
    pairs = zip(wanted, parts, strict=False)
    return len(parts) == len(wanted) == 6 and all(matches(w, p, context) for w, p in pairs)


@dataclass(frozen=True)
class _Operator:
    """How one value of a request is compared with one of the policy's, once both are read."""

    compare: Callable
    read: Callable = str
    pattern: bool = False  # compare(value, pattern, context): wildcards mean something
    negated: bool = False


def _family(name: str, read: Callable) -> dict[str, _Operator]:
    return {
        f"{name}Equals": _Operator(lambda a, b: a == b, read),
        f"{name}NotEquals": _Operator(lambda a, b: a == b, read, negated=True),
        f"{name}LessThan": _Operator(lambda a, b: a < b, read),
        f"{name}LessThanEquals": _Operator(lambda a, b: a <= b, read),
        f"{name}GreaterThan": _Operator(lambda a, b: a > b, read),
        f"{name}GreaterThanEquals": _Operator(lambda a, b: a >= b, read),
    }


def _like(value: str, pattern: str, context: Context | None) -> bool:
    return matches(pattern, value, context)


def _inside(address: ipaddress.IPv4Network, network: ipaddress.IPv4Network) -> bool:
    return address.version == network.version and address.subnet_of(network)


OPERATORS: dict[str, _Operator] = {
    "StringEquals": _Operator(lambda a, b: a == b),
    "StringNotEquals": _Operator(lambda a, b: a == b, negated=True),
    "StringEqualsIgnoreCase": _Operator(lambda a, b: a == b, str.lower),
    "StringNotEqualsIgnoreCase": _Operator(lambda a, b: a == b, str.lower, negated=True),
    "StringLike": _Operator(_like, pattern=True),
    "StringNotLike": _Operator(_like, pattern=True, negated=True),
    **_family("Numeric", float),
    **_family("Date", _date),
    "Bool": _Operator(lambda a, b: a == b, _truth),
    "BinaryEquals": _Operator(lambda a, b: a == b, base64.b64decode),
    "IpAddress": _Operator(_inside, _network),
    "NotIpAddress": _Operator(_inside, _network, negated=True),
    "ArnEquals": _Operator(_arn_like, pattern=True),
    "ArnLike": _Operator(_arn_like, pattern=True),
    "ArnNotEquals": _Operator(_arn_like, pattern=True, negated=True),
    "ArnNotLike": _Operator(_arn_like, pattern=True, negated=True),
}

_NAME = re.compile(r"(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?")


@dataclass(frozen=True)
class Condition:
    """One line of a Condition block: ``operator: {key: values}``.

    Raises:
        ValueError: there is no such operator, or it can't read one of the values.
    """

    operator: str
    key: str
    values: tuple[str, ...]

    def __post_init__(self):
        found = _NAME.fullmatch(self.operator)
        if not found or (found[2] not in OPERATORS and self.operator != "Null"):
            raise ValueError(f"Invalid Condition type : {self.operator}")
        if self.operator == "Null":
            read, pattern = _truth, False
        else:
            read, pattern = OPERATORS[found[2]].read, OPERATORS[found[2]].pattern
        for value in self.values:
            try:
                if "${" not in value and not pattern:
                    read(value)
            except (ValueError, KeyError):
                raise ValueError(f"Invalid value {value!r} for {self.operator}") from None

    @property
    def parts(self) -> tuple[str | None, str, bool]:
        """ForAllValues, ForAnyValue or None; the operator proper; whether IfExists follows it."""
        quantifier, name, if_exists = _NAME.fullmatch(self.operator).groups()
        return quantifier, name, if_exists is not None

    def holds(self, context: Context, variables: Context | None) -> bool:
        """Whether the request's values for this key are as asked.

        A key that the request does not have fails the condition, unless the operator is a
        negated one, or says IfExists or ForAllValues.

        Args:
            context: the request's keys, in lower case, and their values.
            variables: `context` again, or None if the policy's language has no variables.
        """
        quantifier, name, if_exists = self.parts
        found = context.get(self.key.lower(), ())
        if name == "Null":
            return (not found) in [_truth(value) for value in self.values]
        operator = OPERATORS[name]
        if not found:
            return (
                if_exists
                or quantifier == "ForAllValues"
                or (operator.negated and quantifier is None)
            )
        every = quantifier == "ForAllValues" or (quantifier is None and operator.negated)
        quantify = all if every else any
        return quantify(
            self._one_of(operator, value, variables) != operator.negated for value in found
        )

    def _one_of(self, operator: _Operator, value: str, variables: Context | None) -> bool:
        return any(_compare(operator, value, wanted, variables) for wanted in self.values)


def _compare(operator: _Operator, value: str, wanted: str, variables: Context | None) -> bool:
    if operator.pattern:
        return operator.compare(value, wanted, variables)
    wanted = _literal(wanted, variables) if variables is not None else wanted
    try:
        return wanted is not None and operator.compare(operator.read(value), operator.read(wanted))
    except (ValueError, KeyError, TypeError):
        return False
