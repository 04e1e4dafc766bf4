"""AWS's own interface to identities: the class IAM, and STS beside it.

Source: AWS Identity and Access Management API reference.
"""

from collections.abc import Iterable
from typing import Any

from amazonian.iam.directory import Entity
from amazonian.iam.errors import AWSError
from amazonian.iam.identities import Caller, Credentials
from amazonian.iam.inline_operations import InlinePolicyOperations
from amazonian.iam.managed_operations import ManagedPolicyOperations
from amazonian.iam.operations import (
    by,
    checked,
    described,
    no_such,
    page,
    pairs,
    plain,
    quoted,
    when,
    within,
)
from amazonian.iam.sts import STS

__all__ = ["IAM", "STS"]

LARGEST_TRUST = 2_048
# Operations that mean the caller where they name no user.
ABOUT_THE_CALLER = frozenset(
    ("GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey")
)


class IAM(InlinePolicyOperations, ManagedPolicyOperations):
    """Users, groups, roles, their keys, tags and policies."""

    def resource_of(self, operation: str, params: dict[str, Any], caller: Caller) -> str:
        """The ARN that a request is about, which policies can name; "*" if there is none."""
        for kind in ("group", "role", "user"):
            name = params.get(f"{kind.title()}Name")
            if name is not None:
                return self._arn(caller, kind, name, params.get("Path", "/"))
        if operation in ABOUT_THE_CALLER:
            return caller.principal.arn
        if operation == "CreatePolicy":
            return self._arn(caller, "policy", params["PolicyName"], params.get("Path", "/"))
        return params.get("PolicyArn", "*")

    def _arn(self, caller: Caller, kind: str, name: str, path: str) -> str:
        """Of the entity with this name or, if there is none yet, of the one that is to be made."""
        account_id = caller.account.account_id
        found = self.directory.find(account_id, kind, name)
        return (found or Entity("", account_id, kind, name, path, 0.0, {})).arn

    # --- users --------------------------------------------------------------------------------

    def _show_user(self, user: Entity, tags: bool = False) -> dict[str, Any]:
        more = {"Tags": pairs(self.directory.tags(user.id))} if tags else {}
        return plain(user, **more)

    def create_user(self, *, UserName, Path="/", Tags=(), caller):
        with self.directory.transaction():
            user = self._add(caller, "user", UserName, Path, Tags)
        return {"User": self._show_user(user, tags=True)}

    def get_user(self, *, UserName=None, caller):
        if UserName is None and caller.is_root:
            account = caller.account
            shown = {"Path": "/", "UserId": account.account_id, "Arn": account.root_arn}
            return {"User": shown | {"UserName": account.display_name, "CreateDate": when(0)}}
        return {"User": self._show_user(self._user(caller, UserName), tags=True)}

    def update_user(self, *, UserName, NewUserName=None, NewPath=None, caller):
        self._rename(self._find(caller.account, "user", UserName), NewUserName, NewPath)

    def delete_user(self, *, UserName, caller):
        user = self._find(caller.account, "user", UserName)
        with self.directory.transaction():
            self._delete(user)

    def list_users(self, *, PathPrefix="/", Marker=None, MaxItems=100, caller):
        found = self._list(caller, "user", PathPrefix, self._show_user)
        return page("Users", found, by("UserName"), Marker, MaxItems)

    # --- access keys --------------------------------------------------------------------------

    def _keys(self, caller: Caller, name: str | None) -> tuple[Entity | None, list[Credentials]]:
        """The user named, or the caller (None if that is root), and the lasting keys it has."""
        user = None if name is None and caller.is_root else self._user(caller, name)
        rows = self.directory.rows(
            "SELECT * FROM access_keys WHERE account_id = ? AND entity_id IS ? AND token IS NULL"
            " ORDER BY id",
            *(caller.account.account_id, user.id if user else None),
        )
        return user, [Credentials(*row) for row in rows]

    def _key(self, caller: Caller, name: str | None, key_id: str) -> Credentials:
        for key in self._keys(caller, name)[1]:
            if key.access_key_id == key_id:
                return key
        raise AWSError("NoSuchEntity", f"The Access Key with id {key_id} cannot be found.", 404)

    def create_access_key(self, *, UserName=None, caller):
        user, keys = self._keys(caller, UserName)
        within("AccessKeysPerUser", len(keys))
        with self.directory.transaction():
            entity_id = user.id if user else None
            made = self.identities.make_credentials(caller.account.account_id, entity_id)
        return {"AccessKey": _show_key(made, user) | {"SecretAccessKey": made.secret}}

    def update_access_key(self, *, UserName=None, AccessKeyId, Status, caller):
        key = self._key(caller, UserName, AccessKeyId)
        with self.directory.transaction():
            self.directory.execute(
                "UPDATE access_keys SET active = ? WHERE id = ?",
                *(Status == "Active", key.access_key_id),
            )

    def delete_access_key(self, *, UserName=None, AccessKeyId, caller):
        key = self._key(caller, UserName, AccessKeyId)
        with self.directory.transaction():
            self.directory.execute("DELETE FROM access_keys WHERE id = ?", key.access_key_id)

    def list_access_keys(self, *, UserName=None, Marker=None, MaxItems=100, caller):
        user, keys = self._keys(caller, UserName)
        found = [_show_key(key, user) for key in keys]
        return page("AccessKeyMetadata", found, by("AccessKeyId"), Marker, MaxItems)

    # --- groups -------------------------------------------------------------------------------

    def create_group(self, *, GroupName, Path="/", caller):
        with self.directory.transaction():
            group = self._add(caller, "group", GroupName, Path, ())
        return {"Group": plain(group)}

    def get_group(self, *, GroupName, Marker=None, MaxItems=100, caller):
        group = self._find(caller.account, "group", GroupName)
        users = self.directory.entities(
            "id IN (SELECT user_id FROM members WHERE group_id = ?)", group.id
        )
        found = [self._show_user(user) for user in users]
        return {"Group": plain(group), **page("Users", found, by("UserName"), Marker, MaxItems)}

    def update_group(self, *, GroupName, NewGroupName=None, NewPath=None, caller):
        self._rename(self._find(caller.account, "group", GroupName), NewGroupName, NewPath)

    def delete_group(self, *, GroupName, caller):
        group = self._find(caller.account, "group", GroupName)
        with self.directory.transaction():
            self._delete(group)

    def list_groups(self, *, PathPrefix="/", Marker=None, MaxItems=100, caller):
        found = self._list(caller, "group", PathPrefix, plain)
        return page("Groups", found, by("GroupName"), Marker, MaxItems)

    def add_user_to_group(self, *, GroupName, UserName, caller):
        group = self._find(caller.account, "group", GroupName)
        user = self._find(caller.account, "user", UserName)
        with self.directory.transaction():
            found = self.directory.rows("SELECT group_id FROM members WHERE user_id = ?", user.id)
            if (group.id,) not in found:
                within("GroupsPerUser", len(found))
                self.directory.execute("INSERT INTO members VALUES (?, ?)", group.id, user.id)

    def remove_user_from_group(self, *, GroupName, UserName, caller):
        group = self._find(caller.account, "group", GroupName)
        user = self._find(caller.account, "user", UserName)
        with self.directory.transaction():
            if not self.directory.execute(
                "DELETE FROM members WHERE group_id = ? AND user_id = ?", group.id, user.id
            ):
                raise no_such("user in this group", UserName)

    def list_groups_for_user(self, *, UserName, Marker=None, MaxItems=100, caller):
        user = self._find(caller.account, "user", UserName)
        groups = self.directory.entities(
            "id IN (SELECT group_id FROM members WHERE user_id = ?)", user.id
        )
        return page("Groups", map(plain, groups), by("GroupName"), Marker, MaxItems)

    # --- roles --------------------------------------------------------------------------------

    def _show_role(self, role: Entity, tags: bool = False) -> dict[str, Any]:
        more = {"Tags": pairs(self.directory.tags(role.id))} if tags else {}
        return plain(
            role,
            AssumeRolePolicyDocument=quoted(role.document["trust"]),
            MaxSessionDuration=role.document["max_session_s"],
            **described(role.document.get("description")),
            **more,
        )

    def create_role(
        self,
        *,
        RoleName,
        AssumeRolePolicyDocument,
        Path="/",
        Description=None,
        MaxSessionDuration=3600,
        Tags=(),
        caller,
    ):
        trust = checked(AssumeRolePolicyDocument, LARGEST_TRUST, True, True)
        about = {"trust": trust, "max_session_s": MaxSessionDuration, "description": Description}
        with self.directory.transaction():
            role = self._add(caller, "role", RoleName, Path, Tags, **about)
        return {"Role": self._show_role(role, tags=True)}

    def get_role(self, *, RoleName, caller):
        return {"Role": self._show_role(self._find(caller.account, "role", RoleName), tags=True)}

    def update_role(self, *, RoleName, Description=None, MaxSessionDuration=None, caller):
        role = self._find(caller.account, "role", RoleName)
        self._note(role, description=Description, max_session_s=MaxSessionDuration)
        return {}

    def update_assume_role_policy(self, *, RoleName, PolicyDocument, caller):
        role = self._find(caller.account, "role", RoleName)
        self._note(role, trust=checked(PolicyDocument, LARGEST_TRUST, True, True))

    def delete_role(self, *, RoleName, caller):
        role = self._find(caller.account, "role", RoleName)
        with self.directory.transaction():
            self._delete(role)

    def list_roles(self, *, PathPrefix="/", Marker=None, MaxItems=100, caller):
        found = self._list(caller, "role", PathPrefix, self._show_role)
        return page("Roles", found, by("RoleName"), Marker, MaxItems)

    def list_open_id_connect_providers(self, *, caller):
        return {"OpenIDConnectProviderList": []}  # nobody can sign in from outside

    # --- tags ---------------------------------------------------------------------------------

    def _tag(self, entity: Entity, tags: Iterable[dict[str, str]]) -> None:
        with self.directory.transaction():
            self._put_tags(entity, tags)

    def _untag(self, entity: Entity, keys: Iterable[str]) -> None:
        with self.directory.transaction():
            for key in keys:
                self.directory.execute(
                    "DELETE FROM tags WHERE entity_id = ? AND key = ?", entity.id, key
                )

    def _tags(self, entity: Entity, marker: str | None, most: int) -> dict[str, Any]:
        tags = pairs(self.directory.tags(entity.id))
        return page("Tags", tags, lambda tag: tag["Key"], marker, most)

    def tag_user(self, *, UserName, Tags, caller):
        self._tag(self._find(caller.account, "user", UserName), Tags)

    def untag_user(self, *, UserName, TagKeys, caller):
        self._untag(self._find(caller.account, "user", UserName), TagKeys)

    def list_user_tags(self, *, UserName, Marker=None, MaxItems=100, caller):
        return self._tags(self._find(caller.account, "user", UserName), Marker, MaxItems)

    def tag_role(self, *, RoleName, Tags, caller):
        self._tag(self._find(caller.account, "role", RoleName), Tags)

    def untag_role(self, *, RoleName, TagKeys, caller):
        self._untag(self._find(caller.account, "role", RoleName), TagKeys)

    def list_role_tags(self, *, RoleName, Marker=None, MaxItems=100, caller):
        return self._tags(self._find(caller.account, "role", RoleName), Marker, MaxItems)


def _show_key(key: Credentials, user: Entity | None) -> dict[str, Any]:
    return {
        **({"UserName": user.name} if user else {}),
        "AccessKeyId": key.access_key_id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": when(key.created_s),
    }
