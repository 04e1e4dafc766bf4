"""What all of IAM's operations share: finding entities, errors in AWS's words, and pages.

Operations bear boto3's names, take AWS's parameters, and return AWS's results; the front in
``amazonian.cloud`` turns them into HTTP. Each also gets the `caller`, in whose account it acts.

Source: AWS Identity and Access Management API reference.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from amazonian.iam.directory import Entity
from amazonian.iam.errors import AWSError
from amazonian.iam.identities import Account, Caller, Identities
from amazonian.iam.policy import MalformedPolicyError, Policy

LIMITS = {
    "AccessKeysPerUser": 2,
    "GroupsPerUser": 10,
    "AttachedPoliciesPerUser": 10,
    "AttachedPoliciesPerGroup": 10,
    "AttachedPoliciesPerRole": 10,
    "VersionsPerPolicy": 5,
    "TagsPerResource": 50,
}
LARGEST_INLINE = {"user": 2_048, "group": 5_120, "role": 10_240}
LARGEST_MANAGED = 6_144


def no_such(what: str, name: str) -> AWSError:
    return AWSError("NoSuchEntity", f"The {what} with name {name} cannot be found.", 404)


def already(kind: str, name: str) -> AWSError:
    text = f"{kind.title()} with name {name} already exists."
    return AWSError("EntityAlreadyExists", text, 409)


def conflict(message: str) -> AWSError:
    return AWSError("DeleteConflict", f"Cannot delete entity, {message}", 409)


def within(limit: str, count: int) -> None:
    """Raises AWSError if one more would be more than AWS allows by default."""
    if count >= LIMITS[limit]:
        raise AWSError("LimitExceeded", f"Cannot exceed quota for {limit}: {LIMITS[limit]}", 409)


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def page(
    name: str, items: Iterable[Any], key: Callable[[Any], str], marker: str | None, most: int
) -> dict[str, Any]:
    """The items after the marker, at most `most`; the next marker is the last item's key."""
    rest = sorted((item for item in items if marker is None or key(item) > marker), key=key)
    answer: dict[str, Any] = {name: rest[:most], "IsTruncated": len(rest) > most}
    if len(rest) > most:
        answer["Marker"] = key(rest[most - 1])
    return answer


def by(field: str) -> Callable[[dict], str]:
    """A page's key: one field, whatever its letters' case."""
    return lambda item: item[field].lower()


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Operations:
    """The part of IAM that the others are built on."""

    def __init__(self, identities: Identities):
        self.identities = identities
        self.directory = identities.directory

    def _find(self, account: Account, kind: str, name: str) -> Entity:
        found = self.directory.find(account.account_id, kind, name)
        if found is None:
            raise no_such(kind, name)
        return found

    def _user(self, caller: Caller, name: str | None) -> Entity:
        """The user named, or else the caller."""
        if name is not None:
            return self._find(caller.account, "user", name)
        found = self.directory.by_id(caller.principal.user_id)
        if found is None:
            raise AWSError("ValidationError", "Must specify userName when calling as no user", 400)
        return found

    def _policy(self, arn: str) -> Entity:
        found = self.directory.by_arn(arn)
        if found is None or found.kind != "policy":
            raise AWSError(
                "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404
            )
        return found

    def _own_policy(self, caller: Caller, arn: str) -> Entity:
        """A managed policy that the caller's account may change; AWS's own it may not."""
        found = self._policy(arn)
        if found.account_id != caller.account.account_id:
            text = f"Policy {arn} is outside of account {caller.account.account_id}"
            raise AWSError("AccessDenied", text, 403)
        return found

    def _add(
        self,
        caller: Caller,
        kind: str,
        name: str,
        path: str,
        tags: Iterable[dict[str, str]],
        **document: Any,
    ) -> Entity:
        """A new entity, in a transaction that is open."""
        if not re.fullmatch(r"[\w+=,.@-]+", name, re.ASCII):
            raise AWSError("ValidationError", f"The specified value for {kind}Name is invalid.")
        if not re.fullmatch(r"/|/[!-~]+/", path):
            raise AWSError("ValidationError", "The specified value for path is invalid.")
        if self.directory.find(caller.account.account_id, kind, name) is not None:
            raise already(kind, name)
        entity = self.identities.make_entity(
            caller.account.account_id, kind, name, path, **document
        )
        if tags:
            self._put_tags(entity, tags)
        return entity

    def _put_tags(self, entity: Entity, tags: Iterable[dict[str, str]]) -> None:
        kept = self.directory.tags(entity.id) | {tag["Key"]: tag["Value"] for tag in tags}
        within("TagsPerResource", len(kept) - 1)
        for key, value in kept.items():
            self.directory.execute(
                "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", entity.id, key, value
            )

    def _delete(self, entity: Entity) -> None:
        """Delete an entity that nothing hangs on any more, in a transaction that is open."""
        if self.directory.rows("SELECT 1 FROM attachments WHERE entity_id = ?", entity.id):
            raise conflict("must detach all policies first.")
        if self.directory.rows("SELECT 1 FROM inline_policies WHERE entity_id = ?", entity.id):
            raise conflict("must delete policies first.")
        if self.directory.rows("SELECT 1 FROM members WHERE user_id = ?", entity.id):
            raise conflict("must remove users from group first.")
        if self.directory.rows("SELECT 1 FROM members WHERE group_id = ?", entity.id):
            raise conflict("must remove users from group first.")
        lasting = "SELECT 1 FROM access_keys WHERE entity_id = ? AND token IS NULL"
        if self.directory.rows(lasting, entity.id):
            raise conflict("must delete access keys first.")
        self.directory.execute("DELETE FROM access_keys WHERE entity_id = ?", entity.id)
        self.directory.execute("DELETE FROM entities WHERE id = ?", entity.id)

    def _rename(self, entity: Entity, name: str | None, path: str | None) -> None:
        with self.directory.transaction():
            there = self.directory.find(entity.account_id, entity.kind, name or entity.name)
            if there is not None and there.id != entity.id:
                raise already(entity.kind, there.name)
            self.directory.execute(
                "UPDATE entities SET name = ?, path = ? WHERE id = ?",
                *(name or entity.name, path or entity.path, entity.id),
            )

    def _note(self, entity: Entity, **changes: Any) -> None:
        """Change what only this kind of entity has, as far as the changes are not None."""
        changes = {key: value for key, value in changes.items() if value is not None}
        with self.directory.transaction():
            self.directory.execute(
                "UPDATE entities SET document = json_patch(document, ?) WHERE id = ?",
                *(json.dumps(changes), entity.id),
            )

    def _list(
        self, caller: Caller, kind: str, prefix: str | None, view: Callable[[Entity], dict]
    ) -> list[dict]:
        found = self.directory.entities(
            "account_id = ? AND kind = ? AND substr(path || name, 1, ?) = ?",
            *(caller.account.account_id, kind, len(prefix or "/"), prefix or "/"),
        )
        return [view(entity) for entity in found]


def checked(
    document: str, largest_bytes: int, resource_policy: bool = False, about_itself: bool = False
) -> str:
    """A policy document that a user sent; its white space does not count.

    Raises:
        AWSError: MalformedPolicyDocument or LimitExceeded.
    """
    if len(re.sub(r"\s", "", document).encode()) > largest_bytes:
        text = f"Maximum policy size of {largest_bytes} bytes exceeded"
        raise AWSError("LimitExceeded", text, 409)
    try:
        Policy.parse(document, resource_policy=resource_policy, about_itself=about_itself)
    except MalformedPolicyError as problem:
        raise AWSError("MalformedPolicyDocument", str(problem)) from None
    return document


def quoted(document: str) -> str:
    """As IAM's answers hold documents: percent-encoded JSON, which SDKs decode."""
    return quote(document, safe="")


def plain(entity: Entity, **more: Any) -> dict[str, Any]:
    """What users, groups, roles and policies have in common, in AWS's words."""
    name = {"user": "User", "group": "Group", "role": "Role", "policy": "Policy"}[entity.kind]
    return {
        "Path": entity.path,
        f"{name}Name": entity.name,
        f"{name}Id": entity.id,
        "Arn": entity.arn,
        "CreateDate": when(entity.created_s),
        **more,
    }


def described(text: str | None) -> dict[str, str]:
    return {} if text is None else {"Description": text}
