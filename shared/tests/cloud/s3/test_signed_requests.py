"""Requests whose headers are missing, empty or wrong."""

import base64
import hashlib
import http.client
import socket
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

BODY = b"bar"
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()


@pytest.fixture
def wire(endpoint: Any) -> Callable[..., tuple[int, str, dict[str, str]]]:
    """Send a request byte by byte as given; status, S3's code and headers of the answer."""
    address = urlsplit(endpoint.url)

    def send(
        method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, str, dict[str, str]]:
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall("\r\n".join(lines).encode("latin-1") + body)
            with connection.makefile("rb") as answer:
                status = int(answer.readline().split(b" ")[1])
                found = dict(http.client.parse_headers(answer).items())
                content = answer.read(int(found.get("content-length", 0)))
        code = ElementTree.fromstring(content).findtext("Code") if content[:1] == b"<" else ""
        return status, code or "", found

    return send


@pytest.fixture
def signed(endpoint: Any, main: Any) -> Callable[..., dict[str, str]]:
    """The headers of a signed request, as botocore makes them."""

    def sign(method: str, path: str, body: bytes = b"", **headers: str) -> dict[str, str]:
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, f"{endpoint.url}{path}", own, body)
        keys = main.s3._request_signer._credentials
        S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
        address = urlsplit(endpoint.url).netloc
        return {"Host": address, "Content-Length": str(len(body)), **dict(request.headers.items())}

    return sign


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, 200, ""),
        ({"Content-MD5": MD5}, 200, ""),
        ({"Content-MD5": "YWJyYWNhZGFicmE="}, 400, "InvalidDigest"),
        ({"Content-MD5": "AWS HAHAHA"}, 400, "InvalidDigest"),
        ({"Content-MD5": ""}, 400, "InvalidDigest"),
        ({"Content-MD5": "rL0Y20xC+Fzt72VPzMSk2A=="}, 400, "BadDigest"),
        ({"Expect": "200"}, 200, ""),
        ({"Expect": ""}, 200, ""),
        ({"Content-Type": ""}, 200, ""),
        ({"Content-Type": "text/plain"}, 200, ""),
        ({"User-Agent": ""}, 200, ""),
        ({"User-Agent": None}, 200, ""),
        ({"Content-Length": ""}, 400, ""),
        ({"Content-Length": "-1"}, 400, ""),
        ({"Content-Length": "three"}, 400, ""),
        ({"Content-Length": None}, 411, "MissingContentLength"),
        ({"Authorization": ""}, 403, "AccessDenied"),
        ({"Authorization": None}, 403, "AccessDenied"),
        ({"Authorization": "AWS HAHAHA"}, 400, "InvalidArgument"),
        ({"Authorization": "AWS AKIAIGR7ZNNBHC5BKSUB:FWeDfw="}, 403, "InvalidAccessKeyId"),
        ({"Authorization": "Bearer abc"}, 400, "InvalidArgument"),
        ({"Authorization": "AWS4-HMAC-SHA256"}, 400, "AuthorizationHeaderMalformed"),
        ({"X-Amz-Date": ""}, 403, "AccessDenied"),
        ({"X-Amz-Date": None}, 403, "AccessDenied"),
        ({"X-Amz-Date": "Bad Date"}, 403, "AccessDenied"),
        ({"X-Amz-Date": "20100707T215304Z"}, 403, "RequestTimeTooSkewed"),
        ({"X-Amz-Date": "Wed, 07 Jul 2010 21:53:04 GMT"}, 403, "RequestTimeTooSkewed"),
        ({"X-Amz-Date": "Wed, 07 Jul 9999 21:53:04 GMT"}, 403, "RequestTimeTooSkewed"),
        ({"X-Amz-Date": "Fri, 07 Jul 1950 21:53:04 GMT"}, 403, "AccessDenied"),
        ({"X-Amz-Content-SHA256": None}, 400, "InvalidRequest"),
        ({"X-Amz-Content-SHA256": "0" * 64}, 403, "SignatureDoesNotMatch"),
        ({"X-Amz-Meta-Unsigned": "1"}, 403, "AccessDenied"),
        ({"Host": "elsewhere.example"}, 403, "SignatureDoesNotMatch"),
    ],
)
def test_a_header_that_is_wrong_is_refused_by_its_own_code(
    wire, signed, s3, bucket, changes, status, code
) -> None:
    path = f"/{bucket}/k"
    headers = signed("PUT", path, BODY)
    for name, value in changes.items():
        headers = {n: v for n, v in headers.items() if n.lower() != name.lower()}
        if value is not None:
            headers[name] = value
    body = BODY if "Content-Length" in headers else b""
    assert wire("PUT", path, headers, body)[:2] == (status, code)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == (status == 200)


@pytest.mark.parametrize(
    "dates",
    [
        {"Date": formatdate(usegmt=True), "X-Amz-Date": formatdate(usegmt=True)},
        {"Date": "", "X-Amz-Date": formatdate(usegmt=True)},
        {"Date": formatdate()},
    ],
)
def test_either_date_will_do(endpoint, dates) -> None:
    s3 = endpoint.client()
    s3.create_bucket(Bucket="dated")
    s3.meta.events.register(
        "before-call.s3.PutObject", lambda params, **_: params["headers"].update(dates)
    )
    s3.put_object(Bucket="dated", Key="k", Body=BODY)


def test_a_wrong_secret_is_refused(endpoint, refused) -> None:
    wrong = replace(endpoint, secret_access_key="s" * 40)
    assert refused(wrong.client().list_buckets) == (403, "SignatureDoesNotMatch")
    unknown = replace(endpoint, access_key_id="AKIAUNKNOWN000000000")
    assert refused(unknown.client().list_buckets) == (403, "InvalidAccessKeyId")


@pytest.mark.parametrize(
    ("method", "length", "status"),
    [("PUT", None, 200), ("PUT", "0", 200), ("PUT", "", 400), ("PUT", "-1", 400)],
)
def test_a_request_without_a_body_needs_no_length(
    wire, signed, s3, bucket, method, length, status
) -> None:
    s3.put_object(Bucket=bucket, Key="k")
    for path, own in (
        (f"/{bucket}-{length or status}", {}),
        (f"/{bucket}/k?acl", {"x_amz_acl": "private"}),
    ):
        headers = signed(method, path, **own)
        del headers["Content-Length"]
        if length is not None:
            headers["Content-Length"] = length
        assert wire(method, path, headers)[0] == status


def test_who_may_not_write_is_told_so_before_the_body(wire, endpoint, new_bucket) -> None:
    address = urlsplit(endpoint.url)
    asked = {"Host": address.netloc, "Content-Length": "123", "Expect": "100-continue"}
    private, public = new_bucket(), new_bucket(ACL="public-read-write")
    status, code, headers = wire("PUT", f"/{private}/k", asked)
    assert (status, code, headers["connection"]) == (403, "AccessDenied", "close")
    assert wire("PUT", "/no-such-bucket/k", asked)[:2] == (404, "NoSuchBucket")
    assert wire("PUT", f"/{public}/k", asked)[0] == 100


def test_a_client_that_was_refused_before_its_body_goes_on(s3, refused, bucket) -> None:
    for _ in range(3):
        told = refused(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x" * 100_000)
        assert told == (404, "NoSuchBucket")
        s3.put_object(Bucket=bucket, Key="k", Body=BODY)


def test_a_body_in_chunks_has_no_length(endpoint) -> None:
    s3 = endpoint.client()
    s3.create_bucket(Bucket="chunked")
    s3.meta.events.register_first(
        "before-sign.s3.PutObject",
        lambda request, **_: request.headers.add_header("Transfer-Encoding", "chunked"),
    )
    s3.put_object(Bucket="chunked", Key="k", Body=BODY)
    assert s3.get_object(Bucket="chunked", Key="k")["Body"].read() == BODY


def test_a_body_that_ends_early_leaves_nothing(endpoint, signed, s3, bucket) -> None:
    address = urlsplit(endpoint.url)
    for length in ("10", "5000000"):
        headers = {**signed("PUT", f"/{bucket}/k", BODY), "Content-Length": length}
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        connection.putrequest("PUT", f"/{bucket}/k", skip_host=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(BODY)
        connection.close()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_canned_acl_must_be_one(s3, refused, endpoint, bucket) -> None:
    s3 = endpoint.client()
    s3.create_bucket(Bucket="canned")
    s3.meta.events.register(
        "before-call.s3.PutBucketAcl",
        lambda params, **_: params["headers"].update({"x-amz-acl": "public-ready"}),
    )
    told = refused(s3.put_bucket_acl, Bucket="canned", ACL="public-read")
    assert told == (400, "InvalidArgument")
