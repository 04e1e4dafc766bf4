"""Requests signed in the older way, with HMAC-SHA-1: boto3 presigns so by default."""

import base64
import hashlib
import hmac
from email.utils import formatdate
from urllib.parse import quote

import boto3
import pytest
import requests
from botocore.client import Config
from defusedxml import ElementTree


@pytest.fixture(scope="module")
def older(endpoint, main):
    """A boto3 client that signs every request in the older way."""
    keys = main.s3._request_signer._credentials
    made = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3", retries={"max_attempts": 1}),
    )
    yield made
    made.close()


def code_of(answer: requests.Response) -> tuple[int, str | None]:
    return answer.status_code, ElementTree.fromstring(answer.content).findtext("Code")


def test_a_client_does_its_work_with_the_older_signatures(older, bucket) -> None:
    older.put_object(Bucket=bucket, Key="a/ä +~", Body=b"v", Metadata={"colour": "green"})
    found = older.get_object(Bucket=bucket, Key="a/ä +~", ResponseContentType="a/b; c")
    assert (found["Body"].read(), found["ContentType"]) == (b"v", "a/b; c")
    assert found["Metadata"] == {"colour": "green"}
    older.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    listed = older.list_objects_v2(Bucket=bucket, Prefix="a/")["Contents"]
    assert [item["Key"] for item in listed] == ["a/ä +~"]
    named = {"Bucket": bucket, "Key": "big"}
    named["UploadId"] = older.create_multipart_upload(**named)["UploadId"]
    part = {"PartNumber": 1, "ETag": older.upload_part(**named, PartNumber=1, Body=b"p")["ETag"]}
    older.complete_multipart_upload(**named, MultipartUpload={"Parts": [part]})
    keys = [{"Key": item["Key"]} for item in older.list_objects(Bucket=bucket)["Contents"]]
    assert len(older.delete_objects(Bucket=bucket, Delete={"Objects": keys})["Deleted"]) == 2


def test_a_presigned_url_of_the_older_kind_puts_and_gets(s3, bucket, anonymous) -> None:
    put = s3.generate_presigned_url(
        "put_object", {"Bucket": bucket, "Key": "k", "ACL": "public-read", "Metadata": {"a": "1"}}
    )
    get = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert "AWSAccessKeyId=" in put
    assert requests.put(put, data=b"content", timeout=10).status_code == 200
    assert requests.get(get, timeout=10).content == b"content"
    found = anonymous.get_object(Bucket=bucket, Key="k")  # the URL's own headers were heard
    assert found["Metadata"] == {"a": "1"}


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("/k?", "/other?"),
        lambda url: url.replace("Expires=", "Expires=9"),
        lambda url: url.replace("Signature=", "Signature=A"),
        lambda url: url + "&x-amz-acl=public-read",
        lambda url: url + "&acl",
    ],
)
def test_a_changed_url_is_refused(s3, bucket, change) -> None:
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    answer = requests.put(change(url), data=b"content", timeout=10)
    assert code_of(answer) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("added", ["legal-hold", "retention"])
def test_a_url_can_not_be_turned_into_another_operation(s3, new_bucket, added) -> None:
    bucket = new_bucket(ObjectLockEnabledForBucket=True)
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    assert code_of(requests.put(f"{url}&{added}", timeout=10)) == (403, "AccessDenied")


def test_an_old_url_is_refused(s3, bucket) -> None:
    for expires_s in (0, -100):
        url = s3.generate_presigned_url(
            "get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=expires_s
        )
        assert code_of(requests.get(url, timeout=10)) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": "AWS nonsense"}, 400, "InvalidArgument"),
        ({"authorization": "AWS nobody:AAAA"}, 403, "InvalidAccessKeyId"),
        ({"date": None}, 403, "AccessDenied"),
        ({"date": "yesterday"}, 403, "AccessDenied"),
        ({"date": "Tue, 07 Jul 2010 21:53:04 GMT"}, 403, "RequestTimeTooSkewed"),
        ({"x-amz-date": ""}, 403, "AccessDenied"),
        ({"x-amz-date": "Tue, 07 Jul 2099 21:53:04 GMT"}, 403, "RequestTimeTooSkewed"),
        ({"content-type": "other/type"}, 403, "SignatureDoesNotMatch"),
        ({"x-amz-meta-a": "unsigned"}, 403, "SignatureDoesNotMatch"),
        ({}, 404, "NoSuchKey"),
    ],
)
def test_what_is_wrong_with_a_signature_is_said(
    main, endpoint, bucket, headers, status, code
) -> None:
    keys = main.s3._request_signer._credentials
    path, date = f"/{bucket}/{quote('a b')}", formatdate(usegmt=True)
    text = f"GET\n\n\n{date}\n{path}"
    digest = hmac.digest(keys.secret_key.encode(), text.encode(), hashlib.sha1)
    right = f"AWS {keys.access_key}:{base64.b64encode(digest).decode()}"
    sent = {"authorization": right, "date": date} | headers
    assert code_of(requests.get(endpoint.url + path, headers=sent, timeout=10)) == (status, code)
