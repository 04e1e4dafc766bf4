"""Object lock: what is locked stays, until its date, or until who may lifts the lock."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

SOON = datetime(2035, 1, 1, tzinfo=UTC)
LATER = datetime(2036, 1, 1, tzinfo=UTC)
DENIED = (403, "AccessDenied")


def until(date: datetime, mode: str = "GOVERNANCE") -> dict[str, Any]:
    return {"Mode": mode, "RetainUntilDate": date}


@pytest.fixture
def vault(new_bucket) -> str:
    return new_bucket(ObjectLockEnabledForBucket=True)


@pytest.fixture
def locked(s3, vault):
    """Put an object with these arguments; gives how to name the version."""

    def put(key: str = "k", **arguments: Any) -> dict[str, str]:
        version = s3.put_object(Bucket=vault, Key=key, Body=b"v", **arguments)["VersionId"]
        return {"Bucket": vault, "Key": key, "VersionId": version}

    return put


def default(mode: str = "GOVERNANCE", enabled: str = "Enabled", **period: int) -> dict[str, Any]:
    rule = {"DefaultRetention": {"Mode": mode, **period}}
    return {"ObjectLockEnabled": enabled, "Rule": rule}


# --- the bucket -------------------------------------------------------------------------------


@pytest.mark.parametrize("configuration", [default(Days=1), default("COMPLIANCE", Years=2)])
def test_the_default_comes_back_and_is_given_to_new_versions(
    s3, vault, locked, configuration
) -> None:
    s3.put_object_lock_configuration(Bucket=vault, ObjectLockConfiguration=configuration)
    found = s3.get_object_lock_configuration(Bucket=vault)["ObjectLockConfiguration"]
    assert found == configuration
    rule = configuration["Rule"]["DefaultRetention"]
    kept = s3.get_object_retention(**locked())["Retention"]
    days = rule.get("Days") or 365 * rule["Years"]
    left = kept["RetainUntilDate"] - datetime.now(UTC)
    assert kept["Mode"] == rule["Mode"]
    assert abs(left - timedelta(days=days)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        (default(Days=1, Years=1), "MalformedXML"),
        (default(), "MalformedXML"),
        (default(Days=0), "InvalidRetentionPeriod"),
        (default(Years=-1), "InvalidRetentionPeriod"),
        (default(Days=36_501), "InvalidRetentionPeriod"),
        (default(Years=101), "InvalidRetentionPeriod"),
        (default("governance", Days=1), "MalformedXML"),
        (default("keep", Days=1), "MalformedXML"),
        (default(enabled="Disabled", Days=1), "MalformedXML"),
    ],
)
def test_a_bad_default_is_refused(s3, vault, refused, configuration, code) -> None:
    put = s3.put_object_lock_configuration
    assert refused(put, Bucket=vault, ObjectLockConfiguration=configuration) == (400, code)


def test_only_a_versioned_bucket_can_be_given_object_lock(s3, bucket, refused) -> None:
    arguments = {"Bucket": bucket, "ObjectLockConfiguration": default(Days=1)}
    get, put = s3.get_object_lock_configuration, s3.put_object_lock_configuration
    assert refused(put, **arguments) == (409, "InvalidBucketState")
    assert refused(get, Bucket=bucket) == (404, "ObjectLockConfigurationNotFoundError")
    for status, accepted in (("Suspended", False), ("Enabled", True)):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        if not accepted:
            assert refused(put, **arguments) == (409, "InvalidBucketState")
    put(**arguments)


def test_a_bucket_with_object_lock_stays_versioned(s3, vault, refused) -> None:
    assert s3.get_bucket_versioning(Bucket=vault)["Status"] == "Enabled"
    arguments = {"Bucket": vault, "VersioningConfiguration": {"Status": "Suspended"}}
    assert refused(s3.put_bucket_versioning, **arguments) == (409, "InvalidBucketState")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_object_retention", {}),
        ("put_object_retention", {"Retention": until(SOON)}),
        ("get_object_legal_hold", {}),
        ("put_object_legal_hold", {"LegalHold": {"Status": "ON"}}),
        ("put_object", {"ObjectLockLegalHoldStatus": "ON"}),
        ("put_object", {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": SOON}),
    ],
)
def test_without_object_lock_there_is_nothing_to_lock(
    s3, bucket, refused, operation, arguments
) -> None:
    s3.put_object(Bucket=bucket, Key="k")
    found = refused(getattr(s3, operation), Bucket=bucket, Key="k", **arguments)
    assert found == (400, "InvalidRequest")


# --- retention --------------------------------------------------------------------------------


def test_retention_is_read_as_it_was_set_by_either_way(s3, locked) -> None:
    by_header = locked(ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=SOON)
    by_call = locked("other")
    s3.put_object_retention(**by_call, Retention=until(SOON))
    for version in (by_header, by_call):
        assert s3.get_object_retention(**version)["Retention"] == until(SOON)
        found = s3.head_object(**version)
        assert found["ObjectLockMode"] == "GOVERNANCE"
        assert found["ObjectLockRetainUntilDate"] == SOON


def test_what_was_never_locked_has_no_lock_to_show(s3, locked, refused) -> None:
    version, none = locked(), (404, "NoSuchObjectLockConfiguration")
    assert refused(s3.get_object_retention, **version) == none
    assert refused(s3.get_object_legal_hold, **version) == none


@pytest.mark.parametrize(
    ("before", "after", "bypass", "accepted"),
    [
        (until(SOON), until(LATER), False, True),
        (until(LATER), until(SOON), False, False),
        (until(LATER), until(SOON), True, True),
        (until(SOON), {}, False, False),
        (until(SOON), {}, True, True),
        (until(SOON), until(SOON, "COMPLIANCE"), False, False),
        (until(SOON), until(SOON, "COMPLIANCE"), True, True),
        (until(SOON, "COMPLIANCE"), until(LATER, "COMPLIANCE"), False, True),
        (until(LATER, "COMPLIANCE"), until(SOON, "COMPLIANCE"), True, False),
        (until(SOON, "COMPLIANCE"), until(LATER), True, False),
    ],
)
def test_retention_may_grow_and_shrinks_only_by_a_bypass_of_governance(
    s3, locked, refused, before, after, bypass, accepted
) -> None:
    version = locked()
    s3.put_object_retention(**version, Retention=before)
    arguments = {**version, "Retention": after, "BypassGovernanceRetention": bypass}
    if accepted:
        s3.put_object_retention(**arguments)
    else:
        assert refused(s3.put_object_retention, **arguments) == DENIED
        assert s3.get_object_retention(**version)["Retention"] == before


@pytest.mark.parametrize(
    ("retention", "code"),
    [
        (until(SOON, "governance"), "MalformedXML"),
        (until(SOON, "keep"), "MalformedXML"),
        (until(datetime(2020, 1, 1, tzinfo=UTC)), "InvalidArgument"),
        ({"Mode": "GOVERNANCE"}, "MalformedXML"),
    ],
)
def test_bad_retention_is_refused(s3, locked, refused, retention, code) -> None:
    version = locked()
    assert refused(s3.put_object_retention, **version, Retention=retention) == (400, code)


@pytest.mark.parametrize("given", [{"ObjectLockMode": "GOVERNANCE"},
                                   {"ObjectLockRetainUntilDate": SOON}])  # fmt: skip
def test_mode_and_date_come_together(s3, vault, refused, given) -> None:
    found = refused(s3.put_object, Bucket=vault, Key="k", **given)
    assert found == (400, "InvalidArgument")


# --- deleting ---------------------------------------------------------------------------------

MANY_WAYS = [
    {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": SOON},
    {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": SOON},
    {"ObjectLockLegalHoldStatus": "ON"},
]


@pytest.mark.parametrize("lock", MANY_WAYS)
@pytest.mark.parametrize("way", ["put", "multipart", "copy"])
def test_a_locked_version_survives_a_delete(s3, vault, locked, refused, lock, way) -> None:
    if way == "put":
        version = locked(**lock)
    elif way == "copy":
        version = locked("source")
        source = {name: version[name] for name in ("Bucket", "Key")}
        copied = s3.copy_object(Bucket=vault, Key="k", CopySource=source, **lock)
        version = {"Bucket": vault, "Key": "k", "VersionId": copied["VersionId"]}
    else:
        named = {"Bucket": vault, "Key": "k"}
        named["UploadId"] = s3.create_multipart_upload(**named, **lock)["UploadId"]
        part = {"PartNumber": 1, "ETag": s3.upload_part(**named, PartNumber=1, Body=b"v")["ETag"]}
        done = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [part]})
        version = {"Bucket": vault, "Key": "k", "VersionId": done["VersionId"]}
    marker = s3.delete_object(Bucket=vault, Key="k")
    assert marker["DeleteMarker"]
    assert refused(s3.delete_object, **version) == DENIED
    s3.delete_object(Bucket=vault, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=vault, Key="k")["Body"].read() == b"v"
    if lock.get("ObjectLockMode") == "GOVERNANCE":
        s3.delete_object(**version, BypassGovernanceRetention=True)
    else:
        assert refused(s3.delete_object, **version, BypassGovernanceRetention=True) == DENIED


def test_a_legal_hold_that_is_lifted_frees_the_version(s3, locked, refused) -> None:
    version = locked()
    for status in ("ON", "OFF"):
        s3.put_object_legal_hold(**version, LegalHold={"Status": status})
        assert s3.get_object_legal_hold(**version)["LegalHold"] == {"Status": status}
        assert s3.head_object(**version)["ObjectLockLegalHoldStatus"] == status
        if status == "ON":
            assert refused(s3.delete_object, **version) == DENIED
    bad = refused(s3.put_object_legal_hold, **version, LegalHold={"Status": "MAYBE"})
    assert bad == (400, "MalformedXML")
    s3.delete_object(**version)


def test_a_multi_delete_says_which_versions_are_locked(s3, vault, locked) -> None:
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": SOON}
    held, free = locked("held", **lock), locked("free")
    names = [{name: version[name] for name in ("Key", "VersionId")} for version in (held, free)]
    answer = s3.delete_objects(Bucket=vault, Delete={"Objects": names})
    assert answer["Deleted"] == [names[1]]
    assert [(e["Key"], e["VersionId"], e["Code"]) for e in answer["Errors"]] == [
        ("held", held["VersionId"], "AccessDenied")
    ]
    arguments = {"Delete": {"Objects": names[:1]}, "BypassGovernanceRetention": True}
    answer = s3.delete_objects(Bucket=vault, **arguments)
    assert answer["Deleted"] == names[:1]
    assert "Errors" not in answer


def test_a_bypass_is_an_action_of_its_own(s3, vault, locked, alt, refused) -> None:
    """Another account may delete versions, but not those under retention."""
    actions = ["s3:DeleteObjectVersion", "s3:DeleteObject"]
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{alt.account.account_id}:root"},
        "Action": actions,
        "Resource": f"arn:aws:s3:::{vault}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=vault, Policy=json.dumps(policy))
    version = locked(ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=SOON)
    assert refused(alt.s3.delete_object, **version, BypassGovernanceRetention=True) == DENIED
    actions.append("s3:BypassGovernanceRetention")
    s3.put_bucket_policy(Bucket=vault, Policy=json.dumps(policy))
    alt.s3.delete_object(**version, BypassGovernanceRetention=True)
