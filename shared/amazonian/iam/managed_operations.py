"""IAM's operations on managed policies: their versions, and what they are attached to."""

from typing import Any

from amazonian.iam.directory import Entity
from amazonian.iam.errors import AWSError
from amazonian.iam.identities import Caller
from amazonian.iam.operations import (
    LARGEST_MANAGED,
    Operations,
    by,
    checked,
    conflict,
    described,
    page,
    pairs,
    plain,
    quoted,
    when,
    within,
)


class ManagedPolicyOperations(Operations):
    """Policies that have an ARN of their own and may be attached many times."""

    # --- attachments --------------------------------------------------------------------------

    def _attach(self, caller: Caller, entity: Entity, arn: str) -> None:
        policy = self._policy(arn)
        if policy.account_id not in ("aws", caller.account.account_id):
            text = f"Policy {arn} does not exist or is not attachable."
            raise AWSError("NoSuchEntity", text, 404)
        with self.directory.transaction():
            found = self.directory.rows(
                "SELECT policy_id FROM attachments WHERE entity_id = ?", entity.id
            )
            if (policy.id,) not in found:
                within(f"AttachedPoliciesPer{entity.kind.title()}", len(found))
                self.directory.execute(
                    "INSERT INTO attachments VALUES (?, ?)", entity.id, policy.id
                )

    def _detach(self, entity: Entity, arn: str) -> None:
        policy = self.directory.by_arn(arn)
        with self.directory.transaction():
            if policy is None or not self.directory.execute(
                "DELETE FROM attachments WHERE entity_id = ? AND policy_id = ?",
                *(entity.id, policy.id),
            ):
                raise AWSError("NoSuchEntity", f"Policy {arn} was not found.", 404)

    def _attached(self, entity: Entity, prefix: str, marker: str | None, most: int) -> dict:
        found = self.directory.entities(
            "id IN (SELECT policy_id FROM attachments WHERE entity_id = ?)"
            " AND substr(path, 1, ?) = ?",
            *(entity.id, len(prefix), prefix),
        )
        items = [{"PolicyName": one.name, "PolicyArn": one.arn} for one in found]
        return page("AttachedPolicies", items, by("PolicyName"), marker, most)

    def attach_user_policy(self, *, UserName, PolicyArn, caller):
        self._attach(caller, self._find(caller.account, "user", UserName), PolicyArn)

    def detach_user_policy(self, *, UserName, PolicyArn, caller):
        self._detach(self._find(caller.account, "user", UserName), PolicyArn)

    def list_attached_user_policies(
        self, *, UserName, PathPrefix="/", Marker=None, MaxItems=100, caller
    ):
        user = self._find(caller.account, "user", UserName)
        return self._attached(user, PathPrefix, Marker, MaxItems)

    def attach_group_policy(self, *, GroupName, PolicyArn, caller):
        self._attach(caller, self._find(caller.account, "group", GroupName), PolicyArn)

    def detach_group_policy(self, *, GroupName, PolicyArn, caller):
        self._detach(self._find(caller.account, "group", GroupName), PolicyArn)

    def list_attached_group_policies(
        self, *, GroupName, PathPrefix="/", Marker=None, MaxItems=100, caller
    ):
        group = self._find(caller.account, "group", GroupName)
        return self._attached(group, PathPrefix, Marker, MaxItems)

    def attach_role_policy(self, *, RoleName, PolicyArn, caller):
        self._attach(caller, self._find(caller.account, "role", RoleName), PolicyArn)

    def detach_role_policy(self, *, RoleName, PolicyArn, caller):
        self._detach(self._find(caller.account, "role", RoleName), PolicyArn)

    def list_attached_role_policies(
        self, *, RoleName, PathPrefix="/", Marker=None, MaxItems=100, caller
    ):
        role = self._find(caller.account, "role", RoleName)
        return self._attached(role, PathPrefix, Marker, MaxItems)

    def list_entities_for_policy(self, *, PolicyArn, Marker=None, MaxItems=100, caller, **_):
        policy = self._policy(PolicyArn)
        found = self.directory.entities(
            "account_id = ? AND id IN (SELECT entity_id FROM attachments WHERE policy_id = ?)",
            *(caller.account.account_id, policy.id),
        )
        answer = page("found", found, lambda one: one.id, Marker, MaxItems)
        shown = answer.pop("found")
        for kind in ("User", "Group", "Role"):
            answer[f"Policy{kind}s"] = [
                {f"{kind}Name": one.name, f"{kind}Id": one.id}
                for one in shown
                if one.kind == kind.lower()
            ]
        return answer

    # --- managed policies ---------------------------------------------------------------------

    def _show_policy(self, policy: Entity, tags: bool = False) -> dict[str, Any]:
        ((number, changed_s),) = self.directory.rows(
            "SELECT max(number) FILTER (WHERE is_default), max(created_s) FROM versions"
            " WHERE policy_id = ?",
            policy.id,
        )
        ((users,),) = self.directory.rows(
            "SELECT count(*) FROM attachments WHERE policy_id = ?", policy.id
        )
        return plain(
            policy,
            DefaultVersionId=f"v{number}",
            AttachmentCount=users,
            IsAttachable=True,
            UpdateDate=when(changed_s),
            **described(policy.document.get("description")),
            **({"Tags": pairs(self.directory.tags(policy.id))} if tags else {}),
        )

    def create_policy(
        self, *, PolicyName, PolicyDocument, Path="/", Description=None, Tags=(), caller
    ):
        text = checked(PolicyDocument, LARGEST_MANAGED)
        with self.directory.transaction():
            policy = self._add(caller, "policy", PolicyName, Path, Tags, description=Description)
            self._add_version(policy, 1, text, True)
        return {"Policy": self._show_policy(policy, tags=True)}

    def get_policy(self, *, PolicyArn, caller):
        return {"Policy": self._show_policy(self._policy(PolicyArn), tags=True)}

    def delete_policy(self, *, PolicyArn, caller):
        policy = self._own_policy(caller, PolicyArn)
        with self.directory.transaction():
            if self.directory.rows("SELECT 1 FROM attachments WHERE policy_id = ?", policy.id):
                raise conflict("must detach all policies first.")
            if len(self._versions(policy)) > 1:
                raise conflict("must delete all non-default versions of the policy first.")
            self._delete(policy)

    def list_policies(
        self,
        *,
        Scope="All",
        OnlyAttached=False,
        PathPrefix="/",
        Marker=None,
        MaxItems=100,
        caller,
        **_,
    ):
        owners = {"All": ("aws", caller.account.account_id), "AWS": ("aws",)}
        owners = owners.get(Scope, (caller.account.account_id,))
        found = self.directory.entities(
            f"kind = 'policy' AND account_id IN ({','.join('?' * len(owners))})"
            " AND substr(path, 1, ?) = ?",
            *(*owners, len(PathPrefix), PathPrefix),
        )
        items = [self._show_policy(one) for one in found]
        items = [one for one in items if one["AttachmentCount"] or not OnlyAttached]
        return page("Policies", items, by("Arn"), Marker, MaxItems)

    def _versions(self, policy: Entity) -> list[dict[str, Any]]:
        """Newest first, each with its document under "Document"."""
        rows = self.directory.rows(
            "SELECT number, document, created_s, is_default FROM versions WHERE policy_id = ?"
            " ORDER BY number DESC",
            policy.id,
        )
        return [
            {
                "VersionId": f"v{number}",
                "Document": quoted(document),
                "CreateDate": when(created_s),
                "IsDefaultVersion": bool(is_default),
            }
            for number, document, created_s, is_default in rows
        ]

    def _version(self, policy: Entity, version: str) -> dict[str, Any]:
        for found in self._versions(policy):
            if found["VersionId"] == version:
                return found
        text = f"Policy {policy.arn} version {version} does not exist or is not attachable."
        raise AWSError("NoSuchEntity", text, 404)

    def _add_version(self, policy: Entity, number: int, document: str, default: bool) -> None:
        if default:
            self.directory.execute(
                "UPDATE versions SET is_default = 0 WHERE policy_id = ?", policy.id
            )
        now_s = self.identities.clock.now_s()
        self.directory.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?)",
            *(policy.id, number, document, now_s, default),
        )

    def create_policy_version(self, *, PolicyArn, PolicyDocument, SetAsDefault=False, caller):
        policy = self._own_policy(caller, PolicyArn)
        text = checked(PolicyDocument, LARGEST_MANAGED)
        with self.directory.transaction():
            versions = self._versions(policy)
            within("VersionsPerPolicy", len(versions))
            number = policy.document.get("last_version", 1) + 1
            self._add_version(policy, number, text, SetAsDefault)
            self.directory.execute(
                "UPDATE entities SET document = json_set(document, '$.last_version', ?)"
                " WHERE id = ?",
                *(number, policy.id),
            )
        shown = self._version(policy, f"v{number}")
        return {"PolicyVersion": {key: shown[key] for key in shown if key != "Document"}}

    def get_policy_version(self, *, PolicyArn, VersionId, caller):
        return {"PolicyVersion": self._version(self._policy(PolicyArn), VersionId)}

    def list_policy_versions(self, *, PolicyArn, Marker=None, MaxItems=100, caller):
        found = self._versions(self._policy(PolicyArn))
        for version in found:
            del version["Document"]
        return page("Versions", found, lambda one: _age(one["VersionId"]), Marker, MaxItems)

    def delete_policy_version(self, *, PolicyArn, VersionId, caller):
        policy = self._own_policy(caller, PolicyArn)
        if self._version(policy, VersionId)["IsDefaultVersion"]:
            raise conflict("must not be the default version of the policy.")
        with self.directory.transaction():
            self.directory.execute(
                "DELETE FROM versions WHERE policy_id = ? AND number = ?",
                *(policy.id, int(VersionId[1:])),
            )

    def set_default_policy_version(self, *, PolicyArn, VersionId, caller):
        policy = self._own_policy(caller, PolicyArn)
        self._version(policy, VersionId)
        with self.directory.transaction():
            self.directory.execute(
                "UPDATE versions SET is_default = (number = ?) WHERE policy_id = ?",
                *(int(VersionId[1:]), policy.id),
            )


def _age(version: str) -> str:
    """A key that sorts versions from the newest to the oldest."""
    return f"{10**9 - int(version[1:]):09d}"
