"""Reading objects: what is kept beside the bytes, conditions, ranges, and who may read."""

import http.client
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.client import Config

BODY = b"0123456789a"
LARGE = bytes(range(256)) * 2**12 * 5  # 5 MiB, so that it lies in stripes and not in a row


def headers_of(answer: dict[str, Any]) -> dict[str, str]:
    return answer["ResponseMetadata"]["HTTPHeaders"]


def get(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple:
    """Status, headers and body of a plain request, as a browser or curl would make it."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    path = f"{address.path}?{address.query}" if address.query else address.path
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


@pytest.fixture(scope="module")
def shelf(main: Any) -> str:
    """A bucket with a small object, a large one, and an empty one."""
    main.s3.create_bucket(Bucket="shelf")
    for key, body in (("small", BODY), ("large", LARGE), ("empty", b"")):
        main.s3.put_object(Bucket="shelf", Key=key, Body=body)
    return "shelf"


# --- what stands beside the bytes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "written", "read"),
    [
        ("CacheControl", "public, max-age=14400", "public, max-age=14400"),
        ("ContentDisposition", 'attachment; filename="é.txt"', 'attachment; filename="é.txt"'),
        ("ContentType", "text/x-own; charset=utf-8", "text/x-own; charset=utf-8"),
        ("ContentType", "", "binary/octet-stream"),
        ("ContentLanguage", "de, en", "de, en"),
        ("ContentEncoding", "gzip", "gzip"),
        ("ContentEncoding", "deflate, gzip", "deflate, gzip"),
        ("ContentEncoding", "aws-chunked, gzip", "gzip"),
        ("ContentEncoding", "gzip, aws-chunked", "gzip"),
        ("ContentEncoding", "aws-chunked", None),
        ("ContentEncoding", "aws-chunked, aws-chunked", None),
        ("Expires", datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC), "Sun, 04 May 2031 03:02:01 GMT"),
        ("WebsiteRedirectLocation", "/elsewhere", "/elsewhere"),
        ("StorageClass", "STANDARD_IA", "STANDARD_IA"),
        ("StorageClass", "STANDARD", None),
        ("Metadata", {"one": "1", "two": ""}, {"one": "1", "two": ""}),
        ("Metadata", {}, {}),
    ],
)
def test_a_header_comes_back_as_it_was_written(s3, bucket, argument, written, read) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"old": "yes"}, ContentType="a/b")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **{argument: written})
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        if argument == "Metadata":
            assert answer["Metadata"] == read
        elif argument == "Expires":
            assert headers_of(answer)["expires"] == read
        else:
            assert answer.get(argument) == read


@pytest.mark.parametrize("value", ["Hello World\xe9", "\xe9t\xe9"])
def test_metadata_beyond_ascii_comes_back_in_the_bytes_it_came_in(endpoint, bucket, value) -> None:
    s3 = endpoint.client()

    def add(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["x-amz-meta-name"] = value

    s3.meta.events.register("before-call.s3.PutObject", add)
    s3.create_bucket(Bucket=f"accents-{len(value)}")
    s3.put_object(Bucket=f"accents-{len(value)}", Key="k", Body=b"x")
    answer = s3.get_object(Bucket=f"accents-{len(value)}", Key="k")
    assert answer["Metadata"] == {"name": value}


def test_an_object_is_written_read_replaced_and_deleted(s3, refused, bucket) -> None:
    for body in (b"bar", b"soup", b"", LARGE, b"small again"):
        etag = s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
        answer = s3.get_object(Bucket=bucket, Key="k")
        assert answer["Body"].read() == body
        assert answer["ETag"] == etag
        assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == len(body)
    s3.delete_object(Bucket=bucket, Key="k")
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    s3.delete_object(Bucket=bucket, Key="k")


def test_the_etag_is_the_md5(s3, bucket) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"bar")["ETag"]
    assert etag == '"37b51d194a7513e45b56f6524f2d51f2"'


# --- conditions -------------------------------------------------------------------------------

LONG_AGO, IN_A_WHILE = datetime(1994, 10, 29, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"IfMatch": "etag"}, 200),
        ({"IfMatch": '"other", etag'}, 200),
        ({"IfMatch": "*"}, 200),
        ({"IfMatch": '"other"'}, 412),
        ({"IfNoneMatch": '"other"'}, 200),
        ({"IfNoneMatch": "other"}, 200),
        ({"IfNoneMatch": "etag"}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfModifiedSince": LONG_AGO}, 200),
        ({"IfModifiedSince": IN_A_WHILE}, 304),
        ({"IfModifiedSince": "modified"}, 304),
        ({"IfUnmodifiedSince": LONG_AGO}, 412),
        ({"IfUnmodifiedSince": IN_A_WHILE}, 200),
        ({"IfUnmodifiedSince": "modified"}, 200),
        ({"IfMatch": "etag", "IfUnmodifiedSince": LONG_AGO}, 200),
        ({"IfMatch": '"other"', "IfNoneMatch": '"other"'}, 412),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": IN_A_WHILE}, 200),
        ({"IfNoneMatch": "etag", "IfModifiedSince": LONG_AGO}, 304),
    ],
)
def test_a_condition_decides_whether_the_object_is_sent(
    s3, refused, shelf, conditions, status
) -> None:
    head = s3.head_object(Bucket=shelf, Key="small")
    known = {"etag": head["ETag"], "modified": head["LastModified"]}
    arguments: dict[str, Any] = {"Bucket": shelf, "Key": "small"}
    for name, value in conditions.items():
        if value == '"other", etag':
            value = f'"other", {head["ETag"]}'
        arguments[name] = known.get(value, value) if isinstance(value, str) else value
    if status == 200:
        assert s3.get_object(**arguments)["Body"].read() == BODY
        assert s3.head_object(**arguments)["ContentLength"] == len(BODY)
        return
    code = {304: "304", 412: "PreconditionFailed"}[status]
    assert refused(s3.get_object, **arguments) == (status, code)
    assert refused(s3.head_object, **arguments) == (status, str(status))


def test_not_modified_has_the_etag_and_no_body(s3, shelf) -> None:
    head = s3.head_object(Bucket=shelf, Key="small")
    url = s3.generate_presigned_url("get_object", {"Bucket": shelf, "Key": "small"})
    status, headers, body = get(url, **{"if-none-match": head["ETag"]})
    assert (status, headers["etag"], body) == (304, head["ETag"], b"")
    assert headers["last-modified"] == headers_of(head)["last-modified"]


# --- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=4-7", 4, 8),
        ("bytes=4-", 4, 11),
        ("bytes=-7", 4, 11),
        ("bytes=0-0", 0, 1),
        ("bytes=10-10", 10, 11),
        ("bytes=5-1000", 5, 11),
        ("bytes=-1000", 0, 11),
        ("bytes=0-", 0, 11),
    ],
)
def test_a_range_is_sent_alone_and_named(s3, shelf, asked, start, end) -> None:
    answer = s3.get_object(Bucket=shelf, Key="small", Range=asked)
    assert answer["Body"].read() == BODY[start:end]
    assert headers_of(answer)["content-range"] == f"bytes {start}-{end - 1}/11"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.head_object(Bucket=shelf, Key="small", Range=asked)["ContentLength"] == end - start


@pytest.mark.parametrize(
    "asked", ["bytes=7-4", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=-"]
)
def test_a_range_that_is_none_is_passed_over(s3, shelf, asked) -> None:
    answer = s3.get_object(Bucket=shelf, Key="small", Range=asked)
    assert (answer["Body"].read(), answer["ResponseMetadata"]["HTTPStatusCode"]) == (BODY, 200)


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        *(("small", "bytes=11-"), ("small", "bytes=40-50"), ("small", "bytes=-0")),
        *(("empty", "bytes=40-50"), ("empty", "bytes=0-0"), ("empty", "bytes=-1")),
    ],
)
def test_a_range_behind_the_end_can_not_be_satisfied(s3, refused, shelf, key, asked) -> None:
    assert refused(s3.get_object, Bucket=shelf, Key=key, Range=asked) == (416, "InvalidRange")


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (2**20 - 1, 2**20 + 1), (3_145_728, 5_242_880), (77, 4_999_999)]
)
def test_a_range_of_a_large_object_crosses_its_stripes(s3, shelf, start, end) -> None:
    answer = s3.get_object(Bucket=shelf, Key="large", Range=f"bytes={start}-{end - 1}")
    assert answer["Body"].read() == LARGE[start:end]
    assert headers_of(answer)["content-range"] == f"bytes {start}-{end - 1}/{len(LARGE)}"


def test_an_object_of_one_piece_has_one_part(s3, refused, shelf) -> None:
    answer = s3.get_object(Bucket=shelf, Key="small", PartNumber=1)
    assert (answer["Body"].read(), "PartsCount" in answer) == (BODY, False)
    asked = {"Bucket": shelf, "Key": "small", "PartNumber": 2}
    assert refused(s3.get_object, **asked) == (400, "InvalidPart")


# --- response headers of the client's choice ----------------------------------------------------


def test_a_signed_request_chooses_headers_of_its_answer(s3, shelf) -> None:
    answer = s3.get_object(
        Bucket=shelf,
        Key="small",
        ResponseCacheControl="no-cache",
        ResponseContentDisposition="bla",
        ResponseContentEncoding="aaa",
        ResponseContentLanguage="esperanto",
        ResponseContentType="foo/bar",
        ResponseExpires=datetime(2031, 1, 1, tzinfo=UTC),
    )
    assert {
        "cache-control": "no-cache",
        "content-disposition": "bla",
        "content-encoding": "aaa",
        "content-language": "esperanto",
        "content-type": "foo/bar",
        "expires": "Wed, 01 Jan 2031 00:00:00 GMT",
    }.items() <= headers_of(answer).items()


def test_an_answer_can_not_be_split_or_falsified_by_its_url(s3, main, endpoint, shelf) -> None:
    place = {"Bucket": shelf, "Key": "small"}
    forged = "text/plain\r\nx-forged: yes"
    url = s3.generate_presigned_url(
        "get_object", Params={**place, "ResponseContentType": forged}, HttpMethod="GET"
    )
    status, headers, _ = get(url)
    assert (status, headers["x-forged"]) == (400, None)

    def append(params: dict[str, Any], **_: Any) -> None:
        params["url"] += "?response-content-length=2&response-etag=x&response-x-amz-meta-a=b"

    own = endpoint.client()
    own.create_bucket(Bucket="forgery")
    etag = own.put_object(Bucket="forgery", Key="k", Body=BODY)["ETag"]
    own.meta.events.register("before-call.s3.GetObject", append)
    answer = own.get_object(Bucket="forgery", Key="k")
    assert (answer["Body"].read(), answer["ETag"], answer["Metadata"]) == (BODY, etag, {})


# --- who may read -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket_acl", "object_acl", "status"),
    [
        ("public-read", "public-read", 200),
        ("private", "public-read", 200),
        ("public-read", "private", 403),
        ("private", "private", 403),
    ],
)
def test_an_unsigned_read_needs_the_objects_own_permission(
    endpoint, s3, new_bucket, bucket_acl, object_acl, status
) -> None:
    bucket = new_bucket(ACL=bucket_acl)
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL=object_acl)
    url = f"{endpoint.url}/{bucket}/k"
    found, _, body = get(url)
    assert found == status
    assert body == BODY if status == 200 else b"<Code>AccessDenied</Code>" in body
    if status == 200:
        assert get(f"{url}?response-content-type=a/b")[0] == 400
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


@pytest.mark.parametrize(
    ("acl", "told"), [("public-read", (404, "NoSuchKey")), ("private", (403, "AccessDenied"))]
)
def test_only_who_may_list_is_told_what_is_not_there(
    anonymous, s3, refused, new_bucket, acl, told
) -> None:
    bucket = new_bucket(ACL=acl)
    assert refused(anonymous.get_object, Bucket=bucket, Key="none") == told
    assert refused(s3.get_object, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    s3.delete_bucket(Bucket=bucket)
    for client in (anonymous, s3):
        for operation in (client.get_object, client.delete_object):
            assert refused(operation, Bucket=bucket, Key="none") == (404, "NoSuchBucket")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_reads_and_writes_what_it_names(endpoint, version) -> None:
    s3 = endpoint.client(config=Config(signature_version=version))
    bucket = f"presigned-{version}"
    s3.create_bucket(Bucket=bucket)
    place = {"Bucket": bucket, "Key": "a key+é"}

    def url(operation: str, **more: str) -> str:
        return s3.generate_presigned_url(operation, {**place, **more}, ExpiresIn=60)

    private, public = {"x-amz-acl": "private"}, {"x-amz-acl": "public-read"}
    assert get(url("put_object", ACL="private"), "PUT", BODY, **private)[0] == 200
    assert get(url("get_object"))[::2] == (200, BODY)
    assert get(url("get_object", ResponseContentType="a/b"))[1]["content-type"] == "a/b"
    assert get(url("head_object"), "HEAD")[0] == 200
    assert get(url("get_object"), "OPTIONS")[0] == 400  # no browser asks without an Origin
    assert get(url("get_object"), "DELETE")[0] == 403
    assert get(url("put_object", ACL="private"), "PUT", b"", **public)[0] == 403
    assert get(url("get_object").replace("/a%20key", "/b%20key"))[0] == 403
    assert get(f"{url('get_object')}&versionId=null")[0] == 403
    assert get(url("get_object"))[::2] == (200, BODY)


@pytest.mark.parametrize(
    ("signer", "expires_s", "status"),
    [
        *((S3SigV4QueryAuth, e, 200) for e in (60, 7 * 86_400)),
        *((S3SigV4QueryAuth, e, 403) for e in (0, -7, 7 * 86_400 + 1)),
        *((HmacV1QueryAuth, e, 200) for e in (60, 100 * 86_400)),
        *((HmacV1QueryAuth, e, 403) for e in (-7, -1000)),
    ],
)
def test_a_presigned_url_expires(endpoint, shelf, main, signer, expires_s, status) -> None:
    keys = main.s3._request_signer._credentials
    place = ("s3", "us-east-1") if signer is S3SigV4QueryAuth else ()
    main.s3.put_object(Bucket=shelf, Key="timed", Body=BODY)
    for method, body in (("GET", None), ("PUT", BODY)):
        request = AWSRequest(method, f"{endpoint.url}/{shelf}/timed")
        signer(keys, *place, expires=expires_s).add_auth(request)
        assert get(request.prepare().url, method, body)[0] == status


def test_reads_are_dated_in_whole_seconds_of_the_past(s3, bucket) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert modified.microsecond == 0
    assert modified.timestamp() <= time.time()
