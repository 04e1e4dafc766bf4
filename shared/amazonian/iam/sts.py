"""AWS's own interface to temporary credentials: the class STS.

Source: AWS Security Token Service API reference.
"""

from dataclasses import replace
from typing import Any

from amazonian.iam import policy
from amazonian.iam.directory import Entity
from amazonian.iam.errors import AWSError
from amazonian.iam.identities import Caller, Identities
from amazonian.iam.operations import when
from amazonian.iam.policy import AccessRequest, Effect, Policy


class STS:
    """Who am I, and temporary credentials.

    It decides itself who may do what: a role's trust policy has a say in who may assume it.
    """

    authorises_itself = True

    def __init__(self, identities: Identities):
        self.identities = identities
        self.directory = identities.directory

    def get_caller_identity(self, *, caller):
        who = caller.principal
        return {"UserId": who.user_id, "Account": who.account_id, "Arn": who.arn}

    def get_session_token(self, *, DurationSeconds=43_200, caller):
        if caller.principal.issuer_arn:
            raise AWSError(
                "AccessDenied", "Cannot call GetSessionToken with session credentials", 403
            )
        entity_id = None if caller.is_root else caller.principal.user_id
        return {
            "Credentials": self._make(caller.account.account_id, entity_id, None, DurationSeconds)
        }

    def assume_role(
        self, *, RoleArn, RoleSessionName, DurationSeconds=3600, ExternalId=None, caller
    ):
        role = self.directory.by_arn(RoleArn)
        context = {} if ExternalId is None else {"sts:externalid": [ExternalId]}
        context["sts:rolesessionname"] = [RoleSessionName]
        request = AccessRequest(caller.principal, "sts:AssumeRole", RoleArn, context)
        if role is None or role.kind != "role" or not self._may_assume(request, role, caller):
            text = f"User: {caller.principal.arn} is not authorized to perform: sts:AssumeRole on "
            raise AWSError("AccessDenied", f"{text}resource: {RoleArn}", 403)
        if DurationSeconds > role.document["max_session_s"]:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise AWSError("ValidationError", text)
        made = self._make(role.account_id, role.id, RoleSessionName, DurationSeconds)
        arn = f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{RoleSessionName}"
        who = {"AssumedRoleId": f"{role.id}:{RoleSessionName}", "Arn": arn}
        return {"Credentials": made, "AssumedRoleUser": who, "PackedPolicySize": 0}

    def _may_assume(self, request: AccessRequest, role: Entity, caller: Caller) -> bool:
        """A role's trust policy must allow, whatever the caller's own policies say.

        Where it names the caller itself, and both are of one account, that is enough. Where it
        names the account, it leaves the choice to the account: the caller's own policy must allow.
        """
        trust = Policy.parse(role.document["trust"], resource_policy=True, about_itself=True)
        own = policy.evaluate(self.identities.policies_of(caller.principal), request)
        by_name = policy.evaluate([trust], replace(request, delegated=False))
        by_account = policy.evaluate([trust], request)
        if Effect.DENY in (own, by_account) or caller.is_root:  # AWS lets no root assume a role
            return False
        if by_name is Effect.ALLOW and role.account_id == caller.account.account_id:
            return True
        return by_account is own is Effect.ALLOW

    def _make(
        self, account_id: str, entity_id: str | None, session: str | None, duration_s: float
    ) -> dict[str, Any]:
        with self.directory.transaction():
            made = self.identities.make_credentials(account_id, entity_id, session, duration_s)
        return {
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret,
            "SessionToken": made.token,
            "Expiration": when(made.expires_s),
        }
