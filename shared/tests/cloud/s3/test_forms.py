"""Uploads from a form: what a signed policy lets through, and what it stops."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import boto3
import pytest
import requests
from botocore.client import Config

EXPIRES_S = 600


@pytest.fixture
def keys(endpoint, main) -> tuple[str, str]:
    signer = main.s3._request_signer._credentials
    return signer.access_key, signer.secret_key


def policy_of(bucket: str, *more: Any, **changes: Any) -> dict[str, Any]:
    """A policy for keys beginning with ``in/``; `changes` replace its parts, None removes one."""
    until = datetime.now(UTC) + timedelta(seconds=EXPIRES_S)
    policy = {
        "expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": [{"bucket": bucket}, ["starts-with", "$key", "in/"], *more],
    }
    return {name: value for name, value in (policy | changes).items() if value is not None}


@pytest.fixture
def post(endpoint, keys) -> Callable[..., requests.Response]:
    """Send a form; with a policy, sign it in the older way (HMAC-SHA-1)."""

    def send(
        bucket: str,
        fields: dict[str, Any],
        policy: dict | None = None,
        file: Any = ("note.txt", b"content"),
    ) -> requests.Response:
        parts = dict(fields)
        if policy is not None:
            key, secret = keys
            encoded = base64.b64encode(json.dumps(policy).encode())
            digest = hmac.digest(secret.encode(), encoded, hashlib.sha1)
            signed = {"AWSAccessKeyId": key, "policy": encoded.decode()}
            signed["signature"] = base64.b64encode(digest).decode()
            parts = {name: text for name, text in (signed | parts).items() if text is not None}
        return requests.post(
            f"{endpoint.url}/{bucket}",
            files=[*((n, (None, text)) for n, text in parts.items()), ("file", file)],
            allow_redirects=False,
            timeout=20,
        )

    return send


def code_of(answer: requests.Response) -> tuple[int, str | None]:
    return answer.status_code, ElementTree.fromstring(answer.content).findtext("Code")


def body_of(s3: Any, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


# --- what is let through ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 7, 3 * 2**20 + 1])
def test_a_form_signed_in_the_older_way_stores_its_file(s3, bucket, post, size) -> None:
    content = b"x" * size
    answer = post(bucket, {"key": "in/a"}, policy_of(bucket), ("a", content))
    assert (answer.status_code, answer.content) == (204, b"")
    assert body_of(s3, bucket, "in/a") == content


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_boto3_s_own_form_is_accepted_whole(s3, bucket, endpoint, keys, version) -> None:
    signer = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        region_name="us-east-1",
        config=Config(signature_version=version),
    )
    form = signer.generate_presigned_post(
        bucket,
        "in/${filename}",
        Fields={"x-amz-meta-colour": "green", "Content-Type": "text/plain"},
        Conditions=[
            {"x-amz-meta-colour": "green"},
            ["starts-with", "$Content-Type", "text/"],
            ["content-length-range", 3, 5],
        ],
    )
    url = f"{endpoint.url}/{bucket}"
    file = {"file": ("b.txt", b"four")}
    assert requests.post(url, data=form["fields"], files=file, timeout=20).status_code == 204
    found = s3.head_object(Bucket=bucket, Key="in/b.txt")
    assert found["Metadata"] == {"colour": "green"}
    assert found["ContentType"] == "text/plain"
    field = "signature" if version == "s3" else "x-amz-signature"
    tampered = form["fields"] | {field: form["fields"][field][::-1]}
    refused = requests.post(url, data=tampered, files=file, timeout=20)
    assert code_of(refused) == (403, "SignatureDoesNotMatch")


def test_names_of_fields_and_kinds_of_conditions_may_be_in_any_case(s3, bucket, post) -> None:
    policy = policy_of(
        bucket,
        conditions=[{"BUCKET": bucket}, ["Starts-With", "$KEY", "in/"], {"aCl": "private"}],
    )
    assert post(bucket, {"Key": "in/c", "ACL": "private"}, policy).status_code == 204


@pytest.mark.parametrize(
    ("key", "file", "stored"),
    [
        ("in/${filename}", ("plain.txt", b"1"), "in/plain.txt"),
        (r"in/\$1", ("x", b"1"), r"in/\$1"),
        ("in/ä b", ("x", b"1"), "in/ä b"),
    ],
)
def test_the_key_is_the_field_s_with_the_file_s_name_in_it(
    s3, bucket, post, key, file, stored
) -> None:
    assert post(bucket, {"key": key}, policy_of(bucket), file).status_code == 204
    assert body_of(s3, bucket, stored) == b"1"


def test_a_field_named_ignore_needs_no_condition(bucket, post) -> None:
    fields = {"key": "in/d", "x-ignore-me": "whatever"}
    assert post(bucket, fields, policy_of(bucket)).status_code == 204


def test_tags_and_acl_of_a_form_are_the_object_s(s3, bucket, post, anonymous) -> None:
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    fields = {"key": "in/e", "tagging": tagging, "acl": "public-read"}
    policy = policy_of(bucket, ["starts-with", "$tagging", ""], {"acl": "public-read"})
    assert post(bucket, fields, policy).status_code == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="in/e")["TagSet"] == [
        {"Key": "a", "Value": "1"}
    ]
    assert body_of(anonymous, bucket, "in/e") == b"content"


def test_an_anonymous_form_needs_a_bucket_that_all_may_write(
    s3, bucket, new_bucket, post, anonymous
) -> None:
    assert code_of(post(bucket, {"key": "k"})) == (403, "AccessDenied")
    open_bucket = new_bucket(ACL="public-read-write")
    fields = {"key": "k", "acl": "public-read", "tagging": "<Tagging><TagSet/></Tagging>"}
    assert post(open_bucket, fields).status_code == 204
    assert body_of(anonymous, open_bucket, "k") == b"content"
    s3.put_object_acl(Bucket=open_bucket, Key="k", ACL="private")  # it is the bucket owner's


def test_a_checksum_in_the_form_is_held_against_the_file(s3, bucket, post) -> None:
    digest = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    policy = policy_of(bucket, ["starts-with", "$x-amz-checksum-sha256", ""])
    fields = {"key": "in/f", "x-amz-checksum-sha256": digest}
    assert post(bucket, fields, policy).status_code == 204
    found = s3.head_object(Bucket=bucket, Key="in/f", ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"] == digest
    answer = post(bucket, fields | {"key": "in/g"}, policy, ("x", b"other"))
    assert code_of(answer) == (400, "BadDigest")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="in/g")


# --- the answer -------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "status"), [("200", 200), ("201", 201), ("404", 204)])
def test_success_action_status_chooses_among_three(bucket, post, asked, status) -> None:
    fields = {"key": "in/h", "success_action_status": asked}
    answer = post(bucket, fields, policy_of(bucket, {"success_action_status": asked}))
    assert answer.status_code == status
    if status == 201:
        root = ElementTree.fromstring(answer.content)
        assert root.findtext("{*}Key") == "in/h"
        assert root.findtext("{*}ETag") == answer.headers["etag"]
    else:
        assert answer.content == b""


@pytest.mark.parametrize(("url", "mark"), [("http://a.example/ok", "?"), ("http://b/?c=d", "&")])
def test_success_action_redirect_tells_the_page_what_was_stored(bucket, post, url, mark) -> None:
    fields = {"key": "in/i j", "success_action_redirect": url}
    answer = post(bucket, fields, policy_of(bucket, ["eq", "$success_action_redirect", url]))
    etag = answer.headers["etag"].strip('"')
    assert answer.status_code == 303
    assert (
        answer.headers["location"] == f"{url}{mark}bucket={bucket}&key=in%2Fi%20j&etag=%22{etag}%22"
    )


# --- what is refused --------------------------------------------------------------------------

PAST = "2020-01-01T00:00:00Z"
LIMITED = ["content-length-range", 0, 3]

BAD_POLICIES = {
    "expired": ({"expiration": PAST}, 403, "AccessDenied"),
    "no expiration": ({"expiration": None}, 400, "InvalidPolicyDocument"),
    "EXPIRATION": ({"expiration": None, "EXPIRATION": PAST}, 400, "InvalidPolicyDocument"),
    "a date that is not ISO 8601": (
        {"expiration": "2100-01-01 00:00:00.5+00:00"},
        400,
        "InvalidPolicyDocument",
    ),
    "a month of 13": ({"expiration": "2100-13-01T00:00:00Z"}, 400, "InvalidPolicyDocument"),
    "no conditions": ({"conditions": None}, 400, "InvalidPolicyDocument"),
    "CONDITIONS": ({"conditions": None, "CONDITIONS": [[]]}, 400, "InvalidPolicyDocument"),
    "an empty list": ({"conditions": []}, 400, "InvalidPolicyDocument"),
    "an empty condition": ({"conditions": [{}]}, 400, "InvalidPolicyDocument"),
    "an unknown kind": ({"conditions": [["like", "$key", "in"]]}, 400, "InvalidPolicyDocument"),
    "no bucket": ({"conditions": [["starts-with", "$key", ""]]}, 403, "AccessDenied"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_POLICIES)
def test_a_bad_policy_lets_nothing_through(s3, bucket, post, name) -> None:
    changes, status, code = BAD_POLICIES[name]
    assert code_of(post(bucket, {"key": "in/x"}, policy_of(bucket, **changes))) == (status, code)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


REFUSED_CONDITIONS = {
    "another key": ({"key": "out/x"}, [], 403, "AccessDenied"),
    "a field that no condition names": (
        {"key": "in/x", "x-amz-meta-a": "1"}, [], 403, "AccessDenied",
    ),
    "another value": (
        {"key": "in/x", "x-amz-meta-a": "1"}, [["eq", "$x-amz-meta-a", ""]], 403, "AccessDenied",
    ),
    "a field that the policy asks for": (
        {"key": "in/x"}, [["starts-with", "$x-amz-meta-a", "b"]], 403, "AccessDenied",
    ),
    "a file that is too large": ({"key": "in/x"}, [LIMITED], 400, "EntityTooLarge"),
    "a file that is too small": (
        {"key": "in/x"}, [["content-length-range", 512, 999]], 400, "EntityTooSmall",
    ),
    "a range of one bound": (
        {"key": "in/x"}, [["content-length-range", 0]], 400, "InvalidPolicyDocument",
    ),
    "a negative bound": (
        {"key": "in/x"}, [["content-length-range", -1, 9]], 400, "InvalidPolicyDocument",
    ),
    "no key": ({}, [], 400, "InvalidArgument"),
    "another bucket": ({"key": "in/x", "bucket": "elsewhere"}, [], 403, "AccessDenied"),
    "no signature": ({"key": "in/x", "signature": None}, [], 400, "InvalidArgument"),
    "a wrong signature": (
        {"key": "in/x", "signature": "AAAA"}, [], 403, "SignatureDoesNotMatch",
    ),
    "an unknown access key": (
        {"key": "in/x", "AWSAccessKeyId": "nobody"}, [], 403, "InvalidAccessKeyId",
    ),
    "a line end in what becomes a header": (
        {"key": "in/x", "x-amz-meta-a": "1\r\nset-cookie: a"},
        [["starts-with", "$x-amz-meta-a", ""]], 400, "InvalidArgument",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_CONDITIONS)
def test_a_form_that_its_policy_does_not_allow_is_refused(s3, bucket, post, name) -> None:
    fields, conditions, status, code = REFUSED_CONDITIONS[name]
    answer = post(bucket, fields, policy_of(bucket, *conditions))
    assert code_of(answer) == (status, code)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_redirect_can_not_smuggle_in_a_header(bucket, post) -> None:
    url = "http://a.example/\r\nset-cookie: a=b"
    fields = {"key": "in/k", "success_action_redirect": url}
    policy = policy_of(bucket, ["starts-with", "$success_action_redirect", "http"])
    answer = post(bucket, fields, policy)
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("text/plain", b"hello", "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=B", b"--C\r\n\r\n", "MalformedPOSTRequest"),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\ncontent-disposition: form-data; name="key"\r\n\r\nk\r\n--B--\r\n',
            "InvalidArgument",
        ),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\ncontent-disposition: form-data; name="key"\r\n\r\n' + b"k" * 2**21,
            "MaxPostPreDataLengthExceeded",
        ),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\ncontent-disposition: form-data; name="key"\r\n\r\nk\r\n'
            b'--B\r\ncontent-disposition: form-data; name="file"\r\n\r\ncut of',
            "IncompleteBody",
        ),
    ],
)
def test_what_is_no_form_stores_nothing(s3, new_bucket, endpoint, kind, body, code) -> None:
    bucket = new_bucket(ACL="public-read-write")
    headers = {"content-type": kind}
    answer = requests.post(f"{endpoint.url}/{bucket}", body, headers=headers, timeout=20)
    assert code_of(answer) == (400, code)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
