"""The policy of a form that uploads: which fields may come with it, until when, and how much.

S3 API reference, "Creating a POST policy".
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from json import loads
from typing import Any

from amazonian.s3.errors import S3Error

NEEDS_NO_CONDITION = frozenset(
    {"awsaccesskeyid", "signature", "x-amz-signature", "policy", "file", "submit"}
)
_EXPIRATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


@dataclass(frozen=True)
class SizeRange:
    """How many bytes the file may have; `most` None: as many as S3 takes."""

    least: int = 0
    most: int | None = None


def invalid(message: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {message}")


def refused(message: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {message}")


def decode(encoded: str) -> Any:
    """The policy in a form's field: base64 of JSON.

    Raises:
        S3Error: ``InvalidPolicyDocument``.
    """
    try:
        return loads(base64.b64decode(encoded))
    except (ValueError, RecursionError):
        raise invalid("It is not base64 of JSON.") from None


def check_policy(policy: Any, fields: Mapping[str, str], now: datetime) -> SizeRange:
    """Whether a POST policy allows a form.

    Names of fields and kinds of conditions may be in any case; the policy's own two names,
    ``expiration`` and ``conditions``, may not.

    Args:
        fields: the form's, by lower-case name, and the ``bucket`` it was sent to.

    Raises:
        S3Error: ``InvalidPolicyDocument`` (400), or ``AccessDenied`` (403): expired, a condition
            fails, or a field has no condition.
    """
    if not isinstance(policy, dict) or "expiration" not in policy:
        raise invalid("Policy missing expiration.")
    conditions = policy.get("conditions")
    if not isinstance(conditions, list) or not conditions:
        raise invalid("Policy missing conditions.")
    if _expiration(policy["expiration"]) <= now:
        raise refused("Policy expired.")
    size = SizeRange()
    covered = set(NEEDS_NO_CONDITION)
    for condition in conditions:
        kind, name, value = _parse_condition(condition)
        if kind == "content-length-range":
            size = SizeRange(name, value)
            continue
        covered.add(name)
        actual = fields.get(name, "")
        if not (actual.startswith(value) if kind == "starts-with" else actual == value):
            raise refused(f"Policy Condition failed: {condition}")
    extra = [name for name in fields if name not in covered and not name.startswith("x-ignore-")]
    if extra:
        raise refused(f"Extra input fields: {', '.join(extra)}")
    return size


def _expiration(text: Any) -> datetime:
    if isinstance(text, str) and _EXPIRATION.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise invalid("Invalid 'expiration' value.")


def _parse_condition(condition: Any) -> tuple[str, Any, Any]:
    """A condition's kind, the field it is on, and the value; or the two bounds of a range."""
    malformed = invalid(f"Invalid Condition: {condition}")
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise malformed
        ((name, value),) = condition.items()
        if not isinstance(value, str):
            raise malformed
        return "eq", name.lower(), value
    if not isinstance(condition, list) or len(condition) != 3:
        raise malformed
    kind, name, value = condition
    kind = str(kind).lower()
    if kind == "content-length-range":
        try:
            least, most = int(name), int(value)
        except (TypeError, ValueError):
            raise malformed from None
        if not 0 <= least <= most:
            raise malformed
        return kind, least, most
    if kind not in ("eq", "starts-with") or not isinstance(name, str) or name[:1] != "$":
        raise malformed
    return kind, name[1:].lower(), str(value)
