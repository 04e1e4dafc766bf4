"""Requests that no client should send: the right error, nothing stored, the server alive."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from amazonian.cloud.endpoint import Endpoint, serve
from amazonian.iam.identities import Identities
from amazonian.s3.store import Store


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Endpoint]:
    """An endpoint that gives up on a silent client after a tenth of a second."""
    store = Store.open(tmp_path)
    with serve(store, Identities(), idle_s=0.1) as running:
        running.client().create_bucket(Bucket="bucket")
        yield running
    store.close()


@pytest.fixture
def send(endpoint, main) -> Callable[..., tuple[int, bytes]]:
    """Sign a request as botocore would, and send its bytes as they are; gives status and body."""
    credentials = main.s3._request_signer._credentials
    address = urlsplit(endpoint.url)

    def call(
        method: str, path: str, body: bytes = b"", sent: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        request = AWSRequest(method, f"{endpoint.url}{path}", data=body)
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {address.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if "Content-Length" not in request.headers:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode()
        data = body if sent is None else sent
        return exchange(endpoint.url, head + data, hang_up=len(data) < len(body))

    return call


def exchange(url: str, data: bytes, hang_up: bool = False) -> tuple[int, bytes]:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), 20) as connection:
        connection.sendall(data)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def keys(s3, bucket: str) -> list[str]:
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


DOCUMENTS = {
    "not XML": b"this is no XML",
    "cut off": b"<Delete><Object><Key>a</Key>",
    "another root": b"<Remove><Object><Key>a</Key></Object></Remove>",
    "empty": b"",
    "an entity that grows": b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 9))
    + b"]><Delete><Object><Key>&a8;</Key></Object></Delete>",
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize(
    "path", ["?delete", "?versioning", "?cors", "?tagging", "?lifecycle", "?object-lock"]
)
def test_a_malformed_document_is_refused(send, s3, bucket, name: str, path: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"stays")
    method = "POST" if path == "?delete" else "PUT"
    body = DOCUMENTS[name]
    status, answer = send(method, f"/{bucket}{path}", body)
    assert status in (400, 409), answer
    assert b"<Code>InternalError" not in answer
    assert keys(s3, bucket) == ["a"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content_MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400, b"BadDigest"),
        ({"Content_MD5": "rubbish"}, 400, b"InvalidDigest"),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, 400, b"BadDigest"),
        ({"x_amz_checksum_sha256": "AAAA"}, 400, b"BadDigest"),
        ({"Content_Length": "-1"}, 400, b""),
        ({"Content_Length": "many"}, 400, b""),
        ({"x_amz_meta_big": "x" * 3000}, 400, b"MetadataTooLarge"),
        ({"x_amz_meta_vast": "x" * 20_000}, 400, b"RequestHeaderSectionTooLarge"),
    ],
)
def test_a_put_that_does_not_keep_its_promises_stores_nothing(
    send, s3, bucket, headers: dict[str, str], status: int, code: bytes
) -> None:
    got, answer = send("PUT", f"/{bucket}/key", b"some bytes", **headers)
    assert got == status
    assert code in answer
    assert keys(s3, bucket) == []


def test_a_body_other_than_the_one_that_was_signed_is_not_stored(send, s3, bucket) -> None:
    status, answer = send("PUT", f"/{bucket}/key", b"some bytes", sent=b"same bytes")
    assert (status, b"XAmzContentSHA256Mismatch" in answer) == (400, True)
    assert keys(s3, bucket) == []


def test_a_body_that_ends_early_stores_nothing(send, s3, endpoint, bucket) -> None:
    held = len(list(endpoint.store.data.payloads()))
    body = bytes(200_000)
    with pytest.raises(IndexError):  # there is nobody left to answer
        send("PUT", f"/{bucket}/key", body, sent=body[:100_000])
    assert keys(s3, bucket) == []
    assert len(list(endpoint.store.data.payloads())) == held


NAMES = {
    "dots": "../../etc/passwd",
    "dots inside": "a/../b/./c",
    "slashes": "/a//b/",
    "NUL": "a\x00b",
    "control characters": "a\x01\x1f\x7fb",
    "line ends": "a\r\nb",
    "emoji": "🦆/ü/漢字",
    "percent": "100%25",
    "1,024 bytes": "ü" * 512,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_strange_key_is_a_key_like_any_other(send, s3, bucket, name: str) -> None:
    key = NAMES[name]
    path = f"/{bucket}/{quote(key, safe='/')}"
    assert send("PUT", path, key.encode())[0] == 200
    assert send("GET", path) == (200, key.encode())
    assert keys(s3, bucket) == [key]
    assert send("DELETE", path)[0] == 204
    assert keys(s3, bucket) == []


def test_a_key_of_1025_bytes_is_too_long(send, s3, bucket) -> None:
    status, answer = send("PUT", f"/{bucket}/{'k' * 1025}", b"x")
    assert (status, b"KeyTooLongError" in answer) == (400, True)
    assert keys(s3, bucket) == []


def test_bytes_that_are_no_utf_8_are_no_key(send, bucket) -> None:
    status, answer = send("GET", f"/{bucket}/%ff%fe")
    assert (status, b"InvalidURI" in answer) == (400, True)


def test_a_client_that_stops_in_the_middle_is_told_and_frees_its_thread(impatient) -> None:
    s3 = impatient.client()
    url = s3.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": "slow"})
    parts = urlsplit(url)
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    for already in (b"", bytes(10), bytes(3 * 2**20)):
        data = f"{head}Content-Length: {2**23}\r\n\r\n".encode() + already
        status, answer = exchange(impatient.url, data)
        assert (status, b"RequestTimeout" in answer) == (400, True)
    assert keys(s3, "bucket") == []
    assert list(impatient.store.data.payloads()) == []


def test_rubbish_instead_of_http_ends_the_connection_and_nothing_else(endpoint, s3) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\x00" * 1000):
        assert exchange(endpoint.url, data)[0] == 400
    assert s3.list_buckets()["Buckets"] is not None


def test_nothing_is_served_unsigned(endpoint, s3, bucket) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    host = urlsplit(endpoint.url).netloc
    paths = ("", "?acl", "?policy", "?versions", "?uploads", "/k", "/k?acl", "/k?tagging", "/none")
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        for path in paths:
            head = f"{method} /{bucket}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            status, answer = exchange(endpoint.url, f"{head}Content-Length: 0\r\n\r\n".encode())
            assert status in (400, 403, 405, 411), (method, path, answer)
            assert b"secret" not in answer
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"secret"
