"""Server access logs: who asked what of a bucket, kept in another one."""

import json
import re
import shlex
from typing import Any

import pytest
import requests

from amazonian.s3 import accesslog

FIELDS = [
    "owner", "bucket", "time", "ip", "requester", "request_id", "operation", "key", "uri",
    "status", "error", "sent", "size", "total", "turnaround", "referrer", "agent", "version",
    "host_id", "signature", "cipher", "auth", "host", "tls", "access_point", "acl",
]  # fmt: skip


def allowing(logs: str, sources: str = "*", prefix: str = "log/", **changes: Any) -> str:
    """A policy of the bucket `logs`: the service may put logs of these sources there."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{logs}/{prefix}*",
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{sources}"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | changes]})


@pytest.fixture
def logs(s3, new_bucket) -> str:
    bucket = new_bucket()
    s3.put_bucket_policy(Bucket=bucket, Policy=allowing(bucket))
    return bucket


@pytest.fixture
def turn_on(s3, bucket, logs):
    """Log `bucket` to `logs`; the arguments are more of the configuration."""

    def put(**more: Any) -> None:
        enabled = {"TargetBucket": logs, "TargetPrefix": "log/", **more}
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})

    return put


@pytest.fixture
def delivered(s3, bucket, logs, monkeypatch):
    """Everything that was logged, delivered by one more request; gives keys and records."""

    def read() -> tuple[list[str], list[dict[str, str]]]:
        monkeypatch.setattr(accesslog, "HELD_S", 0)
        s3.put_object(Bucket=bucket, Key="one-more")
        monkeypatch.undo()
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=logs).get("Contents", [])]
        text = "".join(s3.get_object(Bucket=logs, Key=k)["Body"].read().decode() for k in keys)
        lines = [shlex.split(re.sub(r"[\[\]]", '"', line)) for line in text.splitlines()]
        return keys, [dict(zip(FIELDS, line, strict=True)) for line in lines]

    return read


def test_each_request_leaves_a_line(s3, main, bucket, turn_on, delivered) -> None:
    turn_on()
    named = {"Bucket": bucket, "Key": "a b"}
    put = s3.put_object(**named, Body=b"four")
    s3.get_object(**named)
    s3.head_object(**named)
    s3.copy_object(**named | {"Key": "copy"}, CopySource=named)
    s3.put_object_tagging(**named, Tagging={"TagSet": []})
    upload = s3.create_multipart_upload(**named)["UploadId"]
    s3.upload_part(**named, UploadId=upload, PartNumber=1, Body=b"p")
    s3.abort_multipart_upload(**named, UploadId=upload)
    s3.list_objects_v2(Bucket=bucket)
    s3.delete_object(**named)
    keys, records = delivered()
    assert len(keys) == 1
    assert re.fullmatch(r"log/(\d\d\d\d)(-\d\d){5}-[0-9A-F]{16}", keys[0])
    assert [record["operation"] for record in records] == [
        "REST.PUT.OBJECT",
        "REST.GET.OBJECT",
        "REST.HEAD.OBJECT",
        "REST.PUT.OBJECT",
        "REST.PUT.TAGGING",
        "REST.POST.UPLOADS",
        "REST.PUT.PART",
        "REST.DELETE.UPLOAD",
        "REST.GET.BUCKET",
        "REST.DELETE.OBJECT",
    ]
    first, got = records[:2]
    assert first["request_id"] == put["ResponseMetadata"]["RequestId"]
    assert (first["bucket"], first["key"], first["status"]) == (bucket, "a%20b", "200")
    assert first["owner"] == first["requester"] == main.account.canonical_id
    assert (got["sent"], got["size"], got["auth"], got["signature"]) == (
        *("4", "4", "AuthHeader", "SigV4"),
    )


def test_a_line_says_how_the_caller_was_let_in(
    s3, alt, anonymous, endpoint, bucket, turn_on, delivered
) -> None:
    s3.put_object(Bucket=bucket, Key="k", ACL="public-read")
    turn_on()
    named = {"Bucket": bucket, "Key": "k"}
    anonymous.get_object(**named)
    requests.get(s3.generate_presigned_url("get_object", named), timeout=10)
    alt.s3.get_object(**named)
    requests.get(f"{endpoint.url}/{bucket}/none", headers={"user-agent": 'a "b" [c]'}, timeout=10)
    _, records = delivered()
    seen = [
        (r["requester"], r["auth"], r["signature"], r["acl"], r["status"], r["error"])
        for r in records
    ]
    owner, other = records[0]["owner"], alt.account.canonical_id
    assert seen == [
        ("-", "-", "-", "Yes", "200", "-"),
        (owner, "QueryString", "SigV2", "-", "200", "-"),
        (other, "AuthHeader", "SigV4", "Yes", "200", "-"),
        ("-", "-", "-", "-", "403", "AccessDenied"),
    ]
    assert records[3]["agent"] == "a %22b%22 %5Bc%5D"


def test_a_partitioned_log_lies_in_folders(s3, main, bucket, turn_on, delivered) -> None:
    turn_on(TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    s3.put_object(Bucket=bucket, Key="k")
    (key,), _ = delivered()
    folder = f"log/{main.account.account_id}/us-east-1/{bucket}"
    assert re.fullmatch(rf"{folder}/\d\d\d\d/\d\d/\d\d/[\d-]{{19}}-[0-9A-F]{{16}}", key)


def test_the_configuration_comes_back_and_goes(s3, bucket, logs, turn_on) -> None:
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    turn_on()
    simple = {"TargetBucket": logs, "TargetPrefix": "log/"}
    simple["TargetObjectKeyFormat"] = {"SimplePrefix": {}}
    first = s3.get_bucket_logging(Bucket=bucket)
    assert first["LoggingEnabled"] == simple
    turn_on()
    again = s3.get_bucket_logging(Bucket=bucket)
    modified = "last-modified"
    headers = [answer["ResponseMetadata"]["HTTPHeaders"] for answer in (first, again)]
    assert headers[0][modified] == headers[1][modified]
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


@pytest.mark.parametrize(
    "policy",
    [
        None,
        {"Principal": {"AWS": "*"}},
        {"Principal": {"Service": "other.amazonaws.com"}},
        {"Action": "s3:GetObject"},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::another"}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}},
    ],
)
def test_the_target_must_take_the_log(s3, bucket, new_bucket, refused, policy) -> None:
    target = new_bucket()
    if policy is not None:
        s3.put_bucket_policy(Bucket=target, Policy=allowing(target, **policy))
    status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "log/"}}
    found = refused(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=status)
    assert found == (403, "AccessDenied")


def test_the_log_delivery_group_may_be_given_the_target_by_acl(s3, bucket, new_bucket) -> None:
    target = new_bucket(ACL="log-delivery-write")
    status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": ""}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=status)


def test_a_target_that_takes_no_more_loses_the_lines(s3, bucket, logs, turn_on, delivered) -> None:
    turn_on()
    s3.put_object(Bucket=bucket, Key="k")
    s3.delete_bucket_policy(Bucket=logs)
    assert delivered() == ([], [])


def test_bad_configurations_are_refused(s3, alt, bucket, logs, turn_on, refused) -> None:
    def put(target: str, client: Any = s3, **more: Any) -> tuple[int, str]:
        status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "log/", **more}}
        return refused(client.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=status)

    odd = {"PartitionedPrefix": {"PartitionDateSource": "Yesterday"}}
    assert put("no-such-bucket") == (400, "InvalidTargetBucketForLogging")
    assert put(bucket) == (400, "InvalidArgument")
    assert put(logs, TargetObjectKeyFormat=odd) == (400, "MalformedXML")
    assert put(logs, alt.s3) == (403, "AccessDenied")
