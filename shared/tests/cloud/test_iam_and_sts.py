"""IAM and STS as boto3 sees them, its requests answered in this process."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amazonian.cloud.services import Gateway
from amazonian.iam.api import IAM, STS
from amazonian.iam.identities import Identities
from amazonian.resilience.idempotency import WallClock
from roundtrip import client_of


class MovedClock(WallClock):
    """The time of day, and how far a test has moved it."""

    moved_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.moved_s


@dataclass
class Cloud:
    """A gateway with one account, and clients of it."""

    gateway: Gateway
    identities: Identities
    clock: MovedClock
    keys: tuple[str, ...]

    def client(self, service: str, *keys: str | None) -> Any:
        """boto3's client; `keys` are an access key id, its secret and, if temporary, its token."""
        return client_of(service, self.gateway, *(keys or self.keys))

    def user(self, name: str, *statements: dict) -> tuple[str, str]:
        """The key of a new user, whose policy has these statements."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if statements:
            text = document(*statements)
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=text)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]


def document(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*") -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def trust(principal: Any, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return document(statement | ({"Condition": condition} if condition else {}))


def temporary(answer: dict) -> tuple[str, str, str]:
    made = answer["Credentials"]
    return made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    clock = MovedClock()
    identities = Identities(clock=clock, rng=random.Random(4))
    _, *keys = identities.make_account("main", account_id="111111111111")
    components = {"iam": IAM(identities), "sts": STS(identities)}
    yield Cloud(Gateway(components, identities, clock), identities, clock, tuple(keys))
    identities.close()


@pytest.fixture
def iam(cloud: Cloud) -> Any:
    return cloud.client("iam")


def refused(code: str, status: int = 0) -> Any:
    """A context in which boto3 must raise an error with this code."""
    return pytest.raises(ClientError, match=rf"\({code}\)")


# --- users, groups, roles ---------------------------------------------------------------------


def test_a_user_comes_and_goes(iam: Any) -> None:
    made = iam.create_user(UserName="anna", Path="/shop/", Tags=[{"Key": "team", "Value": "a b"}])
    assert made["User"]["Arn"] == "arn:aws:iam::111111111111:user/shop/anna"
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", made["User"]["UserId"])
    assert iam.get_user(UserName="ANNA")["User"]["Tags"] == [{"Key": "team", "Value": "a b"}]
    iam.update_user(UserName="anna", NewUserName="ann", NewPath="/")
    assert [user["Arn"] for user in iam.list_users()["Users"]] == [
        "arn:aws:iam::111111111111:user/ann"
    ]
    assert iam.list_users(PathPrefix="/shop/")["Users"] == []
    iam.delete_user(UserName="ann")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="ann")


def test_names_are_unique_whatever_their_case(iam: Any) -> None:
    iam.create_user(UserName="anna")
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName="Anna")
    iam.create_user(UserName="berta")
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.update_user(UserName="berta", NewUserName="ANNA")
    with refused("ValidationError"):
        iam.create_user(UserName="an na")


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_lists_come_in_pages(iam: Any, size: int) -> None:
    for number in range(7):
        iam.create_user(UserName=f"u{number}")
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": size}))
    assert [len(page["Users"]) for page in pages] == [size] * (7 // size) + [7 % size] * (
        7 % size > 0
    )
    names = [user["UserName"] for page in pages for user in page["Users"]]
    assert names == [f"u{number}" for number in range(7)]


def test_a_group_keeps_its_members(iam: Any) -> None:
    iam.create_group(GroupName="buyers")
    iam.create_user(UserName="anna")
    iam.add_user_to_group(GroupName="buyers", UserName="anna")
    iam.add_user_to_group(GroupName="buyers", UserName="anna")
    assert [user["UserName"] for user in iam.get_group(GroupName="buyers")["Users"]] == ["anna"]
    found = iam.list_groups_for_user(UserName="anna")["Groups"]
    assert [group["GroupName"] for group in found] == ["buyers"]
    for delete in (
        lambda: iam.delete_group(GroupName="buyers"),
        lambda: iam.delete_user(UserName="anna"),
    ):
        with pytest.raises(iam.exceptions.DeleteConflictException):
            delete()
    iam.remove_user_from_group(GroupName="buyers", UserName="anna")
    iam.delete_group(GroupName="buyers")
    iam.delete_user(UserName="anna")


def test_what_hangs_on_a_user_keeps_it(cloud: Cloud, iam: Any) -> None:
    key_id, _ = cloud.user("anna", allow("s3:*"))
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.attach_user_policy(UserName="anna", PolicyArn=administrator)
    for clean in (
        lambda: iam.detach_user_policy(UserName="anna", PolicyArn=administrator),
        lambda: iam.delete_user_policy(UserName="anna", PolicyName="own"),
        lambda: iam.delete_access_key(UserName="anna", AccessKeyId=key_id),
    ):
        with pytest.raises(iam.exceptions.DeleteConflictException):
            iam.delete_user(UserName="anna")
        clean()
    iam.delete_user(UserName="anna")


def test_a_user_has_two_keys_at_most(iam: Any) -> None:
    iam.create_user(UserName="anna")
    keys = [iam.create_access_key(UserName="anna")["AccessKey"] for _ in range(2)]
    assert all(re.fullmatch(r"AKIA[A-Z2-7]{16}", key["AccessKeyId"]) for key in keys)
    with pytest.raises(iam.exceptions.LimitExceededException):
        iam.create_access_key(UserName="anna")
    listed = iam.list_access_keys(UserName="anna")["AccessKeyMetadata"]
    assert {key["AccessKeyId"] for key in listed} == {key["AccessKeyId"] for key in keys}
    assert "SecretAccessKey" not in listed[0]


def test_an_inactive_key_opens_nothing(cloud: Cloud, iam: Any) -> None:
    keys = cloud.user("anna")
    assert cloud.client("sts", *keys).get_caller_identity()["Arn"].endswith(":user/anna")
    iam.update_access_key(UserName="anna", AccessKeyId=keys[0], Status="Inactive")
    with refused("InvalidClientTokenId"):
        cloud.client("sts", *keys).get_caller_identity()
    iam.update_access_key(UserName="anna", AccessKeyId=keys[0], Status="Active")
    cloud.client("sts", *keys).get_caller_identity()
    iam.delete_access_key(UserName="anna", AccessKeyId=keys[0])
    with refused("InvalidClientTokenId"):
        cloud.client("sts", *keys).get_caller_identity()


def test_a_role_shows_its_trust(iam: Any) -> None:
    text = trust({"Service": "lambda.amazonaws.com"})
    made = iam.create_role(
        RoleName="worker", AssumeRolePolicyDocument=text, Description="d", MaxSessionDuration=7200
    )["Role"]
    assert made["AssumeRolePolicyDocument"] == json.loads(text)
    assert (made["Description"], made["MaxSessionDuration"]) == ("d", 7200)
    iam.update_role(RoleName="worker", Description="e")
    assert iam.get_role(RoleName="worker")["Role"]["Description"] == "e"
    iam.tag_role(RoleName="worker", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_role(RoleName="worker", TagKeys=["a"])
    assert iam.list_role_tags(RoleName="worker")["Tags"] == [{"Key": "b", "Value": "2"}]
    iam.delete_role(RoleName="worker")
    assert iam.list_roles()["Roles"] == []


# --- policies ---------------------------------------------------------------------------------


def test_a_policy_has_versions(iam: Any) -> None:
    first, second = document(allow("s3:Get*")), document(allow("s3:*"))
    arn = iam.create_policy(PolicyName="p", PolicyDocument=first)["Policy"]["Arn"]
    assert arn == "arn:aws:iam::111111111111:policy/p"
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=second, SetAsDefault=True)
    assert made["PolicyVersion"]["VersionId"] == "v2"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    shown = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert (shown["Document"], shown["IsDefaultVersion"]) == (json.loads(first), False)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    for _ in range(4):
        last = iam.create_policy_version(PolicyArn=arn, PolicyDocument=first)["PolicyVersion"]
    assert last["VersionId"] == "v6"
    with pytest.raises(iam.exceptions.LimitExceededException):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=first)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v3")
    listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in listed] == [
        *(("v6", False), ("v5", False), ("v4", False), ("v3", True), ("v2", False))
    ]


def test_a_managed_policy_counts_its_users(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document(allow("s3:*")))["Policy"]["Arn"]
    iam.create_user(UserName="anna")
    iam.create_group(GroupName="buyers")
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust({"AWS": "111111111111"}))
    iam.attach_user_policy(UserName="anna", PolicyArn=arn)
    iam.attach_group_policy(GroupName="buyers", PolicyArn=arn)
    iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 3
    found = iam.list_entities_for_policy(PolicyArn=arn)
    assert [found[f"Policy{kind}s"][0][f"{kind}Name"] for kind in ("User", "Group", "Role")] == [
        *("anna", "buyers", "worker")
    ]
    listed = iam.list_policies(OnlyAttached=True)["Policies"]
    assert [one["PolicyName"] for one in listed] == ["p"]
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_user_policy(UserName="anna", PolicyArn=arn)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.detach_user_policy(UserName="anna", PolicyArn=arn)
    attached = iam.list_attached_group_policies(GroupName="buyers")["AttachedPolicies"]
    assert attached == [{"PolicyName": "p", "PolicyArn": arn}]


def test_inline_policies_of_each_kind(iam: Any) -> None:
    text = document(allow("s3:*"))
    iam.create_user(UserName="it")
    iam.create_group(GroupName="it")
    iam.create_role(RoleName="it", AssumeRolePolicyDocument=trust({"AWS": "111111111111"}))
    for kind in ("user", "group", "role"):
        whose = {f"{kind.title()}Name": "it"}
        for name in ("b", "a"):
            put = getattr(iam, f"put_{kind}_policy")
            put(**whose, PolicyName=name, PolicyDocument=text)
        assert getattr(iam, f"list_{kind}_policies")(**whose)["PolicyNames"] == ["a", "b"]
        shown = getattr(iam, f"get_{kind}_policy")(**whose, PolicyName="a")
        assert shown["PolicyDocument"] == json.loads(text)
        getattr(iam, f"delete_{kind}_policy")(**whose, PolicyName="a")
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            getattr(iam, f"get_{kind}_policy")(**whose, PolicyName="a")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"text"',
        document(),
        document({"Effect": "Allow", "Action": "s3:*"}),
        document({"Effect": "Perhaps", "Action": "s3:*", "Resource": "*"}),
        document(allow("GetObject")),
        document(allow("s3:*", "photos/*")),
        document(allow("s3:*") | {"Principal": "*"}),
        document(allow("s3:*") | {"Condition": {"StringIs": {"aws:username": "anna"}}}),
        "[" * 100_000,
    ],
)
def test_a_malformed_policy_is_refused(iam: Any, text: str) -> None:
    iam.create_group(GroupName="it")
    with refused("MalformedPolicyDocument|LimitExceeded"):
        iam.put_group_policy(GroupName="it", PolicyName="p", PolicyDocument=text)


def test_a_policy_may_be_too_large(iam: Any) -> None:
    iam.create_user(UserName="anna")
    text = document(*[allow("s3:*", f"arn:aws:s3:::bucket-{number}") for number in range(60)])
    with pytest.raises(iam.exceptions.LimitExceededException):
        iam.put_user_policy(UserName="anna", PolicyName="p", PolicyDocument=text)


# --- who may do what --------------------------------------------------------------------------


def test_a_user_may_do_what_its_policies_say(cloud: Cloud) -> None:
    iam = cloud.client("iam", *cloud.user("anna", allow("iam:List*")))
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["anna"]
    with refused("AccessDenied") as told:
        iam.create_user(UserName="berta")
    assert "user/anna is not authorized to perform: iam:CreateUser on resource: " in str(told.value)


def test_a_user_may_manage_itself_by_a_policy_variable(cloud: Cloud) -> None:
    own = allow("iam:*AccessKey*", "arn:aws:iam::*:user/${aws:username}")
    iam = cloud.client("iam", *cloud.user("anna", own))
    cloud.user("berta")
    iam.create_access_key()
    assert len(iam.list_access_keys(UserName="anna")["AccessKeyMetadata"]) == 2
    with refused("AccessDenied"):
        iam.create_access_key(UserName="berta")


def test_a_groups_policies_are_its_members(cloud: Cloud) -> None:
    keys, root = cloud.user("anna"), cloud.client("iam")
    root.create_group(GroupName="readers")
    root.add_user_to_group(GroupName="readers", UserName="anna")
    iam = cloud.client("iam", *keys)
    with refused("AccessDenied"):
        iam.list_users()
    text = document(allow("iam:ListUsers"))
    root.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=text)
    iam.list_users()
    root.remove_user_from_group(GroupName="readers", UserName="anna")
    with refused("AccessDenied"):
        iam.list_users()


def test_a_policy_may_name_what_is_attached_to(cloud: Cloud) -> None:
    buyers = "arn:aws:iam::111111111111:group/buyers"
    iam = cloud.client("iam", *cloud.user("anna", allow("iam:*", buyers)))
    iam.create_group(GroupName="buyers")
    iam.add_user_to_group(GroupName="buyers", UserName="anna")
    iam.attach_group_policy(
        GroupName="buyers", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    )
    for refuse in (
        lambda: iam.create_group(GroupName="sellers"),
        lambda: iam.create_policy(PolicyName="p", PolicyDocument=document(allow("*"))),
        lambda: iam.list_groups(),
    ):
        with refused("AccessDenied"):
            refuse()


def test_an_explicit_deny_wins_over_administrator_access(cloud: Cloud) -> None:
    denied = {"Effect": "Deny", "Action": "iam:DeleteUser", "Resource": "*"}
    keys = cloud.user("anna", denied)
    cloud.client("iam").attach_user_policy(
        UserName="anna", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    iam = cloud.client("iam", *keys)
    iam.create_user(UserName="berta")
    with refused("AccessDenied") as told:
        iam.delete_user(UserName="berta")
    assert "explicit deny" in str(told.value)


def test_accounts_do_not_see_each_other(cloud: Cloud, iam: Any) -> None:
    iam.create_user(UserName="anna")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document(allow("*")))["Policy"]["Arn"]
    _, *keys = cloud.identities.make_account("other")
    other = cloud.client("iam", *keys)
    assert other.list_users()["Users"] == []
    other.create_user(UserName="anna")
    with refused("NoSuchEntity"):
        other.attach_user_policy(UserName="anna", PolicyArn=arn)
    with refused("AccessDenied"):
        other.delete_policy(PolicyArn=arn)


# --- STS --------------------------------------------------------------------------------------


def test_the_caller_is_told_who_it_is(cloud: Cloud) -> None:
    found = cloud.client("sts").get_caller_identity()
    assert found["Arn"] == "arn:aws:iam::111111111111:root"
    assert (found["Account"], found["UserId"]) == ("111111111111", "111111111111")


def test_a_role_is_assumed_and_ends(cloud: Cloud, iam: Any) -> None:
    keys = cloud.user("anna")
    role = iam.create_role(
        RoleName="worker",
        AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::111111111111:user/anna"}),
    )["Role"]
    iam.put_role_policy(
        RoleName="worker", PolicyName="p", PolicyDocument=document(allow("iam:ListUsers"))
    )
    made = cloud.client("sts", *keys).assume_role(RoleArn=role["Arn"], RoleSessionName="monday")
    assert made["Credentials"]["AccessKeyId"].startswith("ASIA")
    session = temporary(made)
    found = cloud.client("sts", *session).get_caller_identity()
    assert found["Arn"] == "arn:aws:sts::111111111111:assumed-role/worker/monday"
    assert found["UserId"] == f"{role['RoleId']}:monday"
    cloud.client("iam", *session).list_users()
    with refused("AccessDenied"):
        cloud.client("iam", *session).list_roles()
    for token in (None, "x", session[2] + "x"):
        with refused("InvalidClientTokenId"):
            cloud.client("iam", *session[:2], token).list_users()
    cloud.clock.moved_s = 3601
    with refused("InvalidClientTokenId|ExpiredToken|SignatureDoesNotMatch"):
        cloud.client("iam", *session).list_users()
    with pytest.raises(Exception, match="ExpiredToken"):
        cloud.identities.caller(session[0], session[2])


def test_the_trust_policy_has_a_say(cloud: Cloud, iam: Any) -> None:
    anna, berta = cloud.user("anna"), cloud.user("berta", allow("sts:AssumeRole"))
    text = trust({"AWS": "arn:aws:iam::111111111111:root"}, StringEquals={"sts:ExternalId": "xyz"})
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=text)["Role"]["Arn"]
    asked = {"RoleArn": arn, "RoleSessionName": "monday"}
    with refused("AccessDenied"):  # the account is trusted, but anna's own policy is silent
        cloud.client("sts", *anna).assume_role(**asked, ExternalId="xyz")
    cloud.client("sts", *berta).assume_role(**asked, ExternalId="xyz")
    for other in ({}, {"ExternalId": "yy"}):
        with refused("AccessDenied"):
            cloud.client("sts", *berta).assume_role(**asked, **other)
    with refused("AccessDenied"):
        cloud.client("sts", *berta).assume_role(RoleArn=arn + "x", RoleSessionName="monday")


def test_another_account_needs_both_policies(cloud: Cloud, iam: Any) -> None:
    _, *root = cloud.identities.make_account("other", account_id="222222222222")
    other = Cloud(cloud.gateway, cloud.identities, cloud.clock, tuple(root))
    silent, sent = other.user("carl"), other.user("dora", allow("sts:AssumeRole"))
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": "222222222222"}))
    asked = {"RoleArn": arn["Role"]["Arn"], "RoleSessionName": "monday"}
    with refused("AccessDenied"):
        other.client("sts", *silent).assume_role(**asked)
    session = temporary(other.client("sts", *sent).assume_role(**asked))
    assert other.client("sts", *session).get_caller_identity()["Account"] == "111111111111"


def test_a_session_token_stands_for_its_user(cloud: Cloud) -> None:
    keys = cloud.user("anna", allow("iam:ListUsers"))
    session = temporary(cloud.client("sts", *keys).get_session_token(DurationSeconds=900))
    cloud.client("iam", *session).list_users()
    assert cloud.client("sts", *session).get_caller_identity()["Arn"].endswith(":user/anna")


# --- requests that are not what they should be ------------------------------------------------


def test_a_wrong_secret_is_refused(cloud: Cloud) -> None:
    with refused("SignatureDoesNotMatch"):
        cloud.client("iam", cloud.keys[0], "wrong").list_users()
    with refused("InvalidClientTokenId"):
        cloud.client("iam", "AKIANOBODY", cloud.keys[1]).list_users()


def test_a_late_request_is_refused(cloud: Cloud) -> None:
    cloud.clock.moved_s = 16 * 60
    with refused("SignatureDoesNotMatch"):
        cloud.client("iam").list_users()


def test_what_is_not_built_says_so(cloud: Cloud, iam: Any) -> None:
    with refused("NotImplemented"):
        iam.list_mfa_devices()
    with refused("NotImplemented") as told:
        iam.create_user(UserName="anna", PermissionsBoundary="arn:aws:iam::aws:policy/x-x-x")
    assert "PermissionsBoundary" in str(told.value)
    with refused("NotImplemented") as told:
        cloud.client("sqs").list_queues()
    assert "sqs is not part of this cloud" in str(told.value)


def test_a_fault_inside_is_not_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: IAM, **_: Any) -> None:
        raise RuntimeError("password of the database")

    monkeypatch.setattr(IAM, "list_users", broken)
    with refused("InternalFailure") as told:
        cloud.client("iam").list_users()
    assert "password" not in str(told.value)
