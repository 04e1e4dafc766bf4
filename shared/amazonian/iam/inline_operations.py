"""IAM's operations on inline policies, each of which belongs to one user, group or role."""

from typing import Any

from amazonian.iam.directory import Entity
from amazonian.iam.errors import AWSError
from amazonian.iam.operations import (
    LARGEST_INLINE,
    Operations,
    checked,
    page,
    quoted,
)


class InlinePolicyOperations(Operations):
    """The same four operations for users, groups and roles."""

    def _put_inline(self, entity: Entity, name: str, document: str) -> None:
        text = checked(document, LARGEST_INLINE[entity.kind])
        with self.directory.transaction():
            self.directory.execute(
                "INSERT OR REPLACE INTO inline_policies VALUES (?, ?, ?)", entity.id, name, text
            )

    def _get_inline(self, entity: Entity, name: str) -> dict[str, str]:
        rows = self.directory.rows(
            "SELECT document FROM inline_policies WHERE entity_id = ? AND name = ?", entity.id, name
        )
        if not rows:
            raise _no_inline(entity, name)
        owner = f"{entity.kind.title()}Name"
        return {owner: entity.name, "PolicyName": name, "PolicyDocument": quoted(rows[0][0])}

    def _delete_inline(self, entity: Entity, name: str) -> None:
        with self.directory.transaction():
            if not self.directory.execute(
                "DELETE FROM inline_policies WHERE entity_id = ? AND name = ?", entity.id, name
            ):
                raise _no_inline(entity, name)

    def _list_inline(self, entity: Entity, marker: str | None, most: int) -> dict[str, Any]:
        rows = self.directory.rows(
            "SELECT name FROM inline_policies WHERE entity_id = ? ORDER BY name", entity.id
        )
        return page("PolicyNames", [name for (name,) in rows], str, marker, most)

    def put_user_policy(self, *, UserName, PolicyName, PolicyDocument, caller):
        self._put_inline(self._find(caller.account, "user", UserName), PolicyName, PolicyDocument)

    def get_user_policy(self, *, UserName, PolicyName, caller):
        return self._get_inline(self._find(caller.account, "user", UserName), PolicyName)

    def delete_user_policy(self, *, UserName, PolicyName, caller):
        self._delete_inline(self._find(caller.account, "user", UserName), PolicyName)

    def list_user_policies(self, *, UserName, Marker=None, MaxItems=100, caller):
        return self._list_inline(self._find(caller.account, "user", UserName), Marker, MaxItems)

    def put_group_policy(self, *, GroupName, PolicyName, PolicyDocument, caller):
        self._put_inline(self._find(caller.account, "group", GroupName), PolicyName, PolicyDocument)

    def get_group_policy(self, *, GroupName, PolicyName, caller):
        return self._get_inline(self._find(caller.account, "group", GroupName), PolicyName)

    def delete_group_policy(self, *, GroupName, PolicyName, caller):
        self._delete_inline(self._find(caller.account, "group", GroupName), PolicyName)

    def list_group_policies(self, *, GroupName, Marker=None, MaxItems=100, caller):
        return self._list_inline(self._find(caller.account, "group", GroupName), Marker, MaxItems)

    def put_role_policy(self, *, RoleName, PolicyName, PolicyDocument, caller):
        self._put_inline(self._find(caller.account, "role", RoleName), PolicyName, PolicyDocument)

    def get_role_policy(self, *, RoleName, PolicyName, caller):
        return self._get_inline(self._find(caller.account, "role", RoleName), PolicyName)

    def delete_role_policy(self, *, RoleName, PolicyName, caller):
        self._delete_inline(self._find(caller.account, "role", RoleName), PolicyName)

    def list_role_policies(self, *, RoleName, Marker=None, MaxItems=100, caller):
        return self._list_inline(self._find(caller.account, "role", RoleName), Marker, MaxItems)


def _no_inline(entity: Entity, name: str) -> AWSError:
    text = f"The {entity.kind} policy with name {name} cannot be found."
    return AWSError("NoSuchEntity", text, 404)
