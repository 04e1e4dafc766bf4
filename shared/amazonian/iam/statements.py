"""One statement of a policy, and whether it applies to a request.

Source: "IAM JSON policy elements reference", IAM user guide; for what counts as public, "Blocking
public access to your Amazon S3 storage", Amazon S3 user guide.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from amazonian.iam.conditions import Condition, Context, matches


class Effect(Enum):
    """What policies say of a request. Nobody said anything: it is denied, implicitly."""

    ALLOW = "Allow"
    DENY = "Deny"
    IMPLICIT_DENY = "ImplicitDeny"


@dataclass(frozen=True)
class Principal:
    """Who asks: a user, a role's session, or an account's root.

    Args:
        user_id: as in AIDA…; of a session, the role's id, a colon, the session's name.
        issuer_arn: of the role whose session this is.
        canonical_id: the account's, as S3's ACLs write it.
    """

    arn: str
    account_id: str
    user_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    issuer_arn: str = ""
    canonical_id: str = ""


@dataclass(frozen=True)
class AccessRequest:
    """What is asked.

    Args:
        principal: None if the sender is anonymous.
        action: as in "s3:GetObject".
        resource: as in "arn:aws:s3:::bucket/key".
        context: condition keys, in lower case, with their values.
        delegated: whether an account that a policy names stands for everyone in it.
    """

    principal: Principal | None
    action: str
    resource: str
    context: Context = field(default_factory=dict)
    delegated: bool = True

    @cached_property
    def full_context(self) -> dict[str, Sequence[str]]:
        """The context, with what the principal adds to it."""
        who = self.principal
        if who is None:
            return {**self.context, "aws:principaltype": ["Anonymous"]}
        kind = who.arn.rpartition(":")[2].partition("/")[0]
        types = {"root": "Account", "user": "User", "assumed-role": "AssumedRole"}
        about = {
            "aws:principalarn": [who.issuer_arn or who.arn],
            "aws:principalaccount": [who.account_id],
            "aws:principaltype": [types.get(kind, "Service")],
            "aws:userid": [who.user_id],
        }
        if kind == "user":
            about["aws:username"] = [who.arn.rpartition("/")[2]]
        for key, value in who.tags.items():
            about[f"aws:principaltag/{key.lower()}"] = [value]
        return {**self.context, **about}


@dataclass(frozen=True)
class Statement:
    """One statement. Of each pair (actions, resources, principals) the second is its Not… form."""

    effect: Effect
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: tuple[tuple[str, str], ...] | None = None
    not_principals: tuple[tuple[str, str], ...] | None = None
    conditions: tuple[Condition, ...] = ()
    sid: str = ""
    variables: bool = True

    def applies(self, request: AccessRequest) -> bool:
        """Whether this statement speaks about the request: all its elements must match."""
        return (
            self._names(request)
            and _listed(
                self.actions,
                self.not_actions,
                lambda pattern: matches(pattern, request.action, None, ignore_case=True),
            )
            and self._covers(request)
        )

    def _covers(self, request: AccessRequest) -> bool:
        context = request.full_context
        variables = context if self.variables else None
        return _listed(
            self.resources,
            self.not_resources,
            lambda pattern: matches(pattern, request.resource, variables),
        ) and all(condition.holds(context, variables) for condition in self.conditions)

    def _names(self, request: AccessRequest) -> bool:
        delegated = request.delegated or self.effect is Effect.DENY
        if self.principals is not None:
            return any(_is(*named, request.principal, delegated) for named in self.principals)
        if self.not_principals is not None:
            return not any(_is(*named, request.principal, True) for named in self.not_principals)
        return True

    def is_public(self) -> bool:
        """Whether it allows something to everyone, in S3's sense of "public"."""
        if self.effect is not Effect.ALLOW:
            return False
        everyone = self.not_principals is not None or any(
            "*" in name for kind, name in self.principals or () if kind == "AWS"
        )
        return everyone and not any(_narrows(condition) for condition in self.conditions)


def _listed(patterns: Sequence[str], excluded: Sequence[str], match: Callable[[str], bool]) -> bool:
    """In the list, or outside of its Not… form; without either, everything is meant."""
    if patterns:
        return any(map(match, patterns))
    return not any(map(match, excluded))


def _is(kind: str, name: str, who: Principal | None, delegated: bool) -> bool:
    """Whether a policy's principal (`kind` is AWS, CanonicalUser, Service…) is who asks."""
    if kind == "AWS" and name == "*":
        return True
    if who is None:
        return False
    if kind == "CanonicalUser":
        return name == who.canonical_id
    if name in (who.arn, who.issuer_arn):
        return True
    root = f"arn:aws:iam::{who.account_id}:root"
    return kind == "AWS" and name in (who.account_id, root) and (delegated or who.arn == root)


_NARROWING_KEYS = {
    *("aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount"),
    *("aws:userid", "aws:principalorgid", "aws:principalaccount", "aws:principalarn"),
    *("s3:dataaccesspointarn", "s3:dataaccesspointaccount"),
}


def _narrows(condition: Condition) -> bool:
    """Whether a condition leaves only fixed values of a key that tells senders apart."""
    quantifier, name, if_exists = condition.parts
    if if_exists or quantifier == "ForAllValues":
        return False
    if name == "IpAddress" and condition.key.lower() == "aws:sourceip":
        return all(map(_narrow_network, condition.values))
    fixed = not any(re.search(r"[*?]|\$\{", value) for value in condition.values)
    positive = name in ("StringEquals", "StringEqualsIgnoreCase", "StringLike")
    positive = positive or name in ("ArnEquals", "ArnLike")
    return positive and fixed and condition.key.lower() in _NARROWING_KEYS


def _narrow_network(text: str) -> bool:
    if "$" in text:
        return False
    network = ipaddress.ip_network(text, strict=False)
    return network.prefixlen >= (8 if network.version == 4 else 32)
