"""Policies, and what they decide about a request: lab 4.1.

A policy is a list of statements, each of which allows or denies some actions on some resources
under some conditions. A policy of a user, group or role speaks about that principal; a policy of
a resource (a bucket, a role's trust) also says about whom it speaks.

Source: "Policy evaluation logic" and "Grammar of the IAM JSON policy language", IAM user guide.
Messages are AWS's where there is one.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from amazonian.iam.conditions import Condition
from amazonian.iam.statements import AccessRequest, Effect, Principal, Statement

__all__ = [
    "AccessRequest",
    "Effect",
    "MalformedPolicyError",
    "Policy",
    "Principal",
    "Statement",
    "evaluate",
]

NEW_LANGUAGE, OLD_LANGUAGE = "2012-10-17", "2008-10-17"


class MalformedPolicyError(ValueError):
    """A text is no policy; the message is AWS's, as far as there is one."""


@dataclass(frozen=True)
class Policy:
    """A parsed policy document."""

    statements: tuple[Statement, ...]
    version: str = OLD_LANGUAGE
    id: str = ""

    @classmethod
    def parse(
        cls, text: str | bytes | dict, *, resource_policy: bool, about_itself: bool = False
    ) -> "Policy":
        """Read a policy document.

        Args:
            text: JSON, or what JSON gave.
            resource_policy: it belongs to a resource and must name principals; the policies of
                users, groups and roles must not.
            about_itself: it belongs to the only resource that it can mean (a role's trust policy)
                and must not name resources.

        Raises:
            MalformedPolicyError: it is no policy, or not one of this kind.
        """
        try:
            document = text if isinstance(text, dict) else json.loads(text)
        except (ValueError, RecursionError):
            raise MalformedPolicyError("Policies must be valid JSON") from None
        _check_keys(document, {"Version", "Id", "Statement"})
        version = document.get("Version", OLD_LANGUAGE)
        if version not in (NEW_LANGUAGE, OLD_LANGUAGE):
            raise MalformedPolicyError(f"The policy must contain a valid version string: {version}")
        found = document.get("Statement")
        if not found:
            raise MalformedPolicyError("Missing required field Statement")
        place = _Place(resource_policy, about_itself, version == NEW_LANGUAGE)
        statements = [place.read(one) for one in (found if isinstance(found, list) else [found])]
        sids = [statement.sid for statement in statements if statement.sid]
        if len(set(sids)) < len(sids):
            raise MalformedPolicyError("Statement IDs (SID) in a single policy must be unique.")
        return cls(tuple(statements), version, _text(document.get("Id", ""), "Id"))

    def grants_public(self) -> bool:
        """Whether S3 would call the policy public: it allows something to senders at large."""
        return any(statement.is_public() for statement in self.statements)


def evaluate(policies: Iterable[Policy], request: AccessRequest) -> Effect:
    """Decide what policies together say of a request.

    A statement has a say only if it applies to the request (``statement.applies(request)``). If
    one that denies applies, in whichever policy and place, the answer is ``Effect.DENY``.
    Otherwise, if one that allows applies, it is ``Effect.ALLOW``, and if none applies,
    ``Effect.IMPLICIT_DENY``.

    Args:
        policies: each has its statements in ``policy.statements``; a statement's ``effect`` is
            ``Effect.ALLOW`` or ``Effect.DENY``.

    Source: "Determining whether a request is allowed or denied", IAM user guide.
    """
    effect = Effect.IMPLICIT_DENY
    for policy in policies:
        for statement in policy.statements:
            if statement.applies(request):
                if statement.effect is Effect.DENY:
                    return Effect.DENY
                effect = Effect.ALLOW
    return effect


# --- reading a document -----------------------------------------------------------------------

_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_PRINCIPAL_KINDS = {"AWS", "CanonicalUser", "Federated", "Service"}


def _check_keys(document: Any, known: set[str]) -> None:
    if not isinstance(document, dict):
        raise MalformedPolicyError("Syntax errors in policy.")
    for key in document:
        if key not in known:
            raise MalformedPolicyError(f"Unknown field {key}")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise MalformedPolicyError(f"{what} must be a text")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    """One text or a list of them."""
    values = value if isinstance(value, list) else [value]
    return tuple(_text(one, what) for one in values)


@dataclass(frozen=True)
class _Place:
    """Where a policy belongs, which decides what its statements must name."""

    resource_policy: bool
    about_itself: bool
    variables: bool

    def read(self, document: Any) -> Statement:
        pairs = {"Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource"}
        _check_keys(document, {"Sid", "Effect", "Condition"} | pairs)
        if document.get("Effect") not in ("Allow", "Deny"):
            raise MalformedPolicyError(f"Invalid effect: {document.get('Effect')}")
        self._check_pair(document, "Principal", self.resource_policy)
        self._check_pair(document, "Action", True)
        self._check_pair(document, "Resource", not self.about_itself)
        return Statement(
            effect=Effect(document["Effect"]),
            actions=self._list(document, "Action", _ACTION, "Policy has invalid action"),
            not_actions=self._list(document, "NotAction", _ACTION, "Policy has invalid action"),
            resources=self._resources(document, "Resource"),
            not_resources=self._resources(document, "NotResource"),
            principals=_principals(document, "Principal"),
            not_principals=_principals(document, "NotPrincipal"),
            conditions=tuple(_conditions(document.get("Condition", {}))),
            sid=_text(document.get("Sid", ""), "Sid"),
            variables=self.variables,
        )

    def _check_pair(self, document: dict, name: str, needed: bool) -> None:
        found = [key for key in (name, f"Not{name}") if key in document]
        if needed and not found:
            raise MalformedPolicyError(f"Missing required field {name}")
        if not needed and found:
            raise MalformedPolicyError(f"Has prohibited field {found[0]}")
        if len(found) == 2:
            raise MalformedPolicyError(f"Statement has both {name} and Not{name}")

    def _list(self, document: dict, name: str, form: re.Pattern, message: str) -> tuple[str, ...]:
        values = _texts(document[name], name) if name in document else ()
        if (name in document and not values) or not all(map(form.fullmatch, values)):
            raise MalformedPolicyError(message)
        return values

    def _resources(self, document: dict, name: str) -> tuple[str, ...]:
        message = f'{name} must be in ARN format or "*".'
        message = "Policy has invalid resource" if self.resource_policy else message
        return self._list(document, name, re.compile(r"\*|arn:[^\0]*", re.DOTALL), message)


def _principals(document: dict, name: str) -> tuple[tuple[str, str], ...] | None:
    if name not in document:
        return None
    found = {"AWS": "*"} if document[name] == "*" else document[name]
    if not isinstance(found, dict) or not found or set(found) - _PRINCIPAL_KINDS:
        raise MalformedPolicyError("Invalid principal in policy")
    pairs = tuple((kind, one) for kind in found for one in _texts(found[kind], "Principal"))
    for kind, one in pairs:
        if kind == "AWS" and not re.fullmatch(r"\*|\d{12}|arn:aws:(iam|sts)::[^*?]+", one):
            raise MalformedPolicyError("Invalid principal in policy")
    return pairs


def _conditions(document: Any) -> Iterable[Condition]:
    if not isinstance(document, dict):
        raise MalformedPolicyError("Syntax errors in policy.")
    for operator, keys in document.items():
        if not isinstance(keys, dict):
            raise MalformedPolicyError("Syntax errors in policy.")
        for key, value in keys.items():
            plain = value if isinstance(value, list) else [value]
            texts = [json.dumps(v) if isinstance(v, bool | int | float) else v for v in plain]
            try:
                yield Condition(operator, key, _texts(texts, key))
            except ValueError as problem:
                raise MalformedPolicyError(str(problem)) from None
