"""Who may sign: users, groups, roles and temporary credentials, made through IAM and STS."""

import itertools
import json
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.client import Config

from .conftest import NO_RETRIES, client

ANSWER = b"forty-two"
_numbers = itertools.count(1)


def statement(effect: str, *actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": list(actions), "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def signed(endpoint) -> Any:
    """A client of any service with any keys."""

    def make(credentials: dict[str, str], service: str = "s3", version: str | None = None) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint.url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            region_name="us-east-1",
            config=Config(retries=NO_RETRIES, signature_version=version),
        )

    return make


@pytest.fixture(scope="module")
def iam(endpoint, main) -> Any:
    keys = main.s3._request_signer._credentials
    return client(endpoint.url, keys.access_key, keys.secret_key, "iam")


@pytest.fixture
def user(iam, signed) -> Any:
    """A new IAM user of the main account: its name, and its client."""
    name = f"user-{next(_numbers)}"
    iam.create_user(UserName=name)
    return name, signed(iam.create_access_key(UserName=name)["AccessKey"])


@pytest.fixture
def shelf(s3, bucket) -> str:
    """A bucket with one object under each of two prefixes."""
    for key in ("open/a", "closed/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=ANSWER)
    return bucket


def reads(s3: Any, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_user_without_policies_may_do_nothing(user, shelf, refused) -> None:
    _, theirs = user
    assert refused(theirs.get_object, Bucket=shelf, Key="open/a") == (403, "AccessDenied")
    assert refused(theirs.list_objects_v2, Bucket=shelf) == (403, "AccessDenied")
    assert refused(theirs.list_buckets) == (403, "AccessDenied")
    assert refused(theirs.put_object, Bucket=shelf, Key="mine") == (403, "AccessDenied")
    assert refused(theirs.create_bucket, Bucket=f"{shelf}-of-a-user")[0] == 403


@pytest.mark.parametrize("way", ["inline", "managed", "group"])
def test_a_users_policies_allow_just_what_they_name(iam, user, shelf, refused, way) -> None:
    name, theirs = user
    text = policy(
        statement("Allow", "s3:GetObject", resource=f"arn:aws:s3:::{shelf}/open/*"),
        statement("Allow", "s3:ListBucket", resource=f"arn:aws:s3:::{shelf}"),
        statement("Deny", "s3:ListBucket", Condition={"Null": {"s3:prefix": "true"}}),
    )
    if way == "inline":
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=text)
    elif way == "managed":
        made = iam.create_policy(PolicyName=f"of-{name}", PolicyDocument=text)
        iam.attach_user_policy(UserName=name, PolicyArn=made["Policy"]["Arn"])
    else:
        iam.create_group(GroupName=f"of-{name}")
        iam.put_group_policy(GroupName=f"of-{name}", PolicyName="p", PolicyDocument=text)
        iam.add_user_to_group(GroupName=f"of-{name}", UserName=name)
    assert reads(theirs, shelf, "open/a") == ANSWER
    assert refused(theirs.get_object, Bucket=shelf, Key="closed/a") == (403, "AccessDenied")
    assert theirs.list_objects_v2(Bucket=shelf, Prefix="open/")["KeyCount"] == 1
    assert refused(theirs.list_objects_v2, Bucket=shelf) == (403, "AccessDenied")


def test_a_bucket_policy_may_let_a_user_of_its_account_in(s3, iam, user, shelf, refused) -> None:
    name, theirs = user
    arn = iam.get_user(UserName=name)["User"]["Arn"]
    allow = statement(
        "Allow", "s3:GetObject", resource=f"arn:aws:s3:::{shelf}/*", Principal={"AWS": arn}
    )
    s3.put_bucket_policy(Bucket=shelf, Policy=policy(allow))
    assert reads(theirs, shelf, "open/a") == ANSWER
    root = {"AWS": arn.partition(":user/")[0] + ":root"}
    s3.put_bucket_policy(Bucket=shelf, Policy=policy({**allow, "Principal": root}))
    assert refused(theirs.get_object, Bucket=shelf, Key="open/a") == (403, "AccessDenied")


def test_a_deny_of_the_bucket_outweighs_a_users_every_right(s3, iam, user, shelf, refused) -> None:
    name, theirs = user
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    theirs.put_object(Bucket=shelf, Key="open/b", Body=ANSWER)
    assert shelf in [found["Name"] for found in theirs.list_buckets()["Buckets"]]
    deny = statement(
        "Deny", "s3:PutObject", resource=f"arn:aws:s3:::{shelf}/closed/*", Principal="*"
    )
    s3.put_bucket_policy(Bucket=shelf, Policy=policy(deny))
    assert refused(theirs.put_object, Bucket=shelf, Key="closed/b") == (403, "AccessDenied")
    theirs.put_object(Bucket=shelf, Key="open/b", Body=ANSWER)


def test_across_accounts_both_must_allow(s3, alt, endpoint, shelf, signed, refused) -> None:
    keys = alt.s3._request_signer._credentials
    iam = client(endpoint.url, keys.access_key, keys.secret_key, "iam")
    iam.create_user(UserName="guest")
    theirs = signed(iam.create_access_key(UserName="guest")["AccessKey"])
    allow = statement(
        "Allow",
        "s3:GetObject",
        resource=f"arn:aws:s3:::{shelf}/*",
        Principal={"AWS": alt.account.account_id},
    )
    s3.put_bucket_policy(Bucket=shelf, Policy=policy(allow))
    assert refused(theirs.get_object, Bucket=shelf, Key="open/a") == (403, "AccessDenied")
    own = policy(statement("Allow", "s3:GetObject"))
    iam.put_user_policy(UserName="guest", PolicyName="p", PolicyDocument=own)
    assert reads(theirs, shelf, "open/a") == ANSWER
    s3.delete_bucket_policy(Bucket=shelf)
    assert refused(theirs.get_object, Bucket=shelf, Key="open/a") == (403, "AccessDenied")


def test_a_role_is_what_its_policies_allow(iam, user, shelf, signed, endpoint, refused) -> None:
    name, theirs = user
    arn = iam.get_user(UserName=name)["User"]["Arn"]
    trust = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    made = iam.create_role(RoleName=f"role-of-{name}", AssumeRolePolicyDocument=policy(trust))
    allow = policy(statement("Allow", "s3:GetObject", resource=f"arn:aws:s3:::{shelf}/open/*"))
    iam.put_role_policy(RoleName=f"role-of-{name}", PolicyName="p", PolicyDocument=allow)
    keys = theirs._request_signer._credentials
    sts = client(endpoint.url, keys.access_key, keys.secret_key, "sts")
    session = sts.assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="visit")["Credentials"]
    visitor = signed(session)
    assert reads(visitor, shelf, "open/a") == ANSWER
    assert refused(visitor.get_object, Bucket=shelf, Key="closed/a") == (403, "AccessDenied")
    assert refused(visitor.list_objects_v2, Bucket=shelf) == (403, "AccessDenied")


@pytest.fixture
def session(endpoint, main) -> dict[str, str]:
    """Temporary credentials of the main account's root."""
    keys = main.s3._request_signer._credentials
    sts = client(endpoint.url, keys.access_key, keys.secret_key, "sts")
    return sts.get_session_token()["Credentials"]


@pytest.mark.parametrize("token", [None, "another"])
def test_temporary_keys_are_nothing_without_their_token(
    session, signed, shelf, refused, token
) -> None:
    assert reads(signed(session), shelf, "open/a") == ANSWER
    theirs = signed({**session, "SessionToken": token})
    assert refused(theirs.get_object, Bucket=shelf, Key="open/a") == (400, "InvalidToken")


def test_temporary_keys_end(session, signed, shelf, refused, endpoint) -> None:
    directory = endpoint.identities.directory
    with directory.transaction():
        directory.execute(
            "UPDATE access_keys SET expires_s = 1 WHERE id = ?", session["AccessKeyId"]
        )
    outcome = refused(signed(session).get_object, Bucket=shelf, Key="open/a")
    assert outcome == (400, "ExpiredToken")


def test_a_presigned_url_carries_the_token(session, signed, shelf) -> None:
    url = signed(session, version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": shelf, "Key": "open/a"}
    )
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == ANSWER
    name = "X-Amz-Security-Token="
    without = "&".join(p for p in url.split("&") if not p.startswith(name))
    with pytest.raises(urllib.error.HTTPError) as told:
        urllib.request.urlopen(without, timeout=10)
    told.value.close()
    assert told.value.code in (400, 403)


def test_a_bucket_may_be_named_with_its_tenant(s3, shelf, refused) -> None:
    s3.meta.events.unregister("before-parameter-build.s3", _validator())
    for name in (f":{shelf}", f"tenant:{shelf}"):
        assert s3.list_objects(Bucket=name)["Name"] == shelf
    assert refused(s3.create_bucket, Bucket=f"tenant:{shelf}-2") == (400, "InvalidBucketName")


def _validator() -> Any:
    from botocore.handlers import validate_bucket_name

    return validate_bucket_name
