"""Signatures: AWS's published examples, botocore's own signer, and what an attacker would try."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.iam import sigv4
from amazonian.iam.claims import UNSIGNED_PAYLOAD
from amazonian.iam.sigv4 import (
    EMPTY_SHA256,
    ChunkSignatures,
    Signature,
    SignatureError,
    SignedRequest,
    canonical_request,
    signature,
    signing_key,
    string_to_sign,
    verify,
    verify_post_policy,
)

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
S3_KEY_ID, S3_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SECRETS = {KEY_ID: SECRET, S3_KEY_ID: S3_SECRET}
MAY_2013 = datetime(2013, 5, 24, tzinfo=UTC)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def now() -> datetime:
    return datetime.now(UTC)


def signed(
    url: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    service: str = "s3",
    region: str = "us-east-1",
    token: str | None = None,
    expires_s: int | None = None,
    payload: str | None = None,
) -> SignedRequest:
    """A request as botocore signs it; with `expires_s`, a presigned URL.

    Args:
        payload: a word in place of the body's hash.
    """
    credentials = Credentials(KEY_ID, SECRET, token)
    if expires_s is None:
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        auth = signer(credentials, service, region)
    else:
        signer = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
        auth = signer(credentials, service, region, expires=expires_s)
    if payload is not None:
        auth.payload = lambda request: payload
    request = AWSRequest(method, url, headers=headers or {}, data=body)
    auth.add_auth(request)
    parts = urlsplit(request.url)
    lower = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    lower.setdefault("host", parts.netloc)
    return SignedRequest(method, parts.path, parts.query, lower)


def check(
    request: SignedRequest,
    body: bytes | None = None,
    at: datetime | None = None,
    service: str = "s3",
) -> Signature | None:
    return verify(request, SECRETS.get, at or now(), body, service)


def refused(request: SignedRequest, code: str, status: int, **more: object) -> SignatureError:
    with pytest.raises(SignatureError) as told:
        check(request, **more)
    assert (told.value.code, told.value.status) == (code, status)
    return told.value


def changed(request: SignedRequest, **headers: str | None) -> SignedRequest:
    """The request with some headers replaced or, where the value is None, removed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in (request.headers | named).items() if value is not None}
    return replace(request, headers=kept)


# --- what AWS publishes -----------------------------------------------------------------------


def test_the_users_guides_example() -> None:
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": "iam.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
    }
    request = SignedRequest("GET", "/", "Action=ListUsers&Version=2010-05-08", headers)
    text = canonical_request(request, "iam", sorted(headers), EMPTY_SHA256)
    to_sign = string_to_sign("20150830T123600Z", "20150830/us-east-1/iam/aws4_request", text)
    key = signing_key(SECRET, "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    assert (
        signature(key, to_sign)
        == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


@pytest.mark.parametrize(
    ("path", "query", "method", "expected"),
    [
        ("/", "", "GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/", "", "POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("/ሴ", "", "GET", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        (
            "/",
            "Param2=value2&Param1=value1",
            "GET",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "",
            "GET",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        ("/./", "", "GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("//", "", "GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/a/..", "", "GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ],
)
def test_the_sigv4_test_suite(path: str, query: str, method: str, expected: str) -> None:
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    text = canonical_request(
        SignedRequest(method, path, query, headers), "service", sorted(headers), EMPTY_SHA256
    )
    to_sign = string_to_sign("20150830T123600Z", "20150830/us-east-1/service/aws4_request", text)
    key = signing_key(SECRET, "20150830", "us-east-1", "service")
    assert signature(key, to_sign) == expected


@pytest.mark.parametrize(
    ("target", "more", "expected"),
    [
        (
            "/test.txt",
            {"range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        ("/?lifecycle", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "/?max-keys=2&prefix=J",
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_s3s_examples_of_the_authorization_header(target: str, more: dict, expected: str) -> None:
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": EMPTY_SHA256,
        "x-amz-date": "20130524T000000Z",
        **more,
    }
    path, _, query = target.partition("?")
    names = ";".join(sorted(headers))
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={S3_KEY_ID}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={names},Signature={expected}"
    )
    found = check(SignedRequest("GET", path, query, headers), at=MAY_2013)
    assert (found.access_key_id, found.signature) == (S3_KEY_ID, expected)
    assert (found.payload_hash, found.presigned, found.token) == (EMPTY_SHA256, False, None)


PRESIGNED = (
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={S3_KEY_ID}%2F20130524%2Fus-east-1%2Fs3"
    "%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


def test_s3s_example_of_a_presigned_url_and_its_end() -> None:
    request = SignedRequest(
        "GET", "/test.txt", PRESIGNED, {"host": "examplebucket.s3.amazonaws.com"}
    )
    found = check(request, at=MAY_2013)
    assert (found.presigned, found.payload_hash) == (True, UNSIGNED_PAYLOAD)
    check(request, at=MAY_2013 + timedelta(seconds=86_399))
    late = refused(request, "AccessDenied", 403, at=MAY_2013 + timedelta(seconds=86_400))
    assert late.message == "Request has expired"
    refused(request, "AccessDenied", 403, at=MAY_2013 - timedelta(minutes=16))


def _chunked(payload: str, seed: str, trailer: bool) -> ChunkSignatures:
    headers = {
        "content-encoding": "aws-chunked",
        "host": "s3.amazonaws.com",
        "x-amz-content-sha256": payload,
        "x-amz-date": "20130524T000000Z",
        "x-amz-decoded-content-length": "66560",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        **({"x-amz-trailer": "x-amz-checksum-crc32c"} if trailer else {"content-length": "66824"}),
    }
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={S3_KEY_ID}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={';'.join(sorted(headers))},Signature={seed}"
    )
    request = SignedRequest("PUT", "/examplebucket/chunkObject.txt", "", headers)
    return ChunkSignatures(check(request, at=MAY_2013))


def test_s3s_example_of_signed_chunks() -> None:
    chunks = _chunked(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        trailer=False,
    )
    first = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
    second = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
    with pytest.raises(SignatureError, match="SignatureDoesNotMatch"):
        chunks.check(sha256(b"a" * 1024), second)  # not in its place
    chunks.check(sha256(b"a" * 65_536), first)
    with pytest.raises(SignatureError):
        chunks.check(sha256(b"a" * 65_536), first)  # a second time
    chunks.check(sha256(b"a" * 1024), second)
    with pytest.raises(SignatureError):
        chunks.check(sha256(b""), "é" * 64)
    chunks.check(sha256(b""), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")


def test_s3s_example_of_signed_chunks_with_a_trailer() -> None:
    chunks = _chunked(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        trailer=True,
    )
    for chunk, claimed in (
        (b"a" * 65_536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (b"a" * 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (b"", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ):
        chunks.check(sha256(chunk), claimed)
    right = sha256(b"x-amz-checksum-crc32c:sOO8/Q==\n")
    claimed = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
    with pytest.raises(SignatureError):
        chunks.check_trailer(sha256(b"x-amz-checksum-crc32c:AAAAAA==\n"), claimed)
    chunks.check_trailer(right, claimed)


# --- what botocore signs ----------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
KEYS = st.one_of(
    TEXT, st.sampled_from(["a//b", "../x", "a/./b", "~me", "a+b", "a%2Fb", "a b", "é/ü", "!'()*"])
)


@settings(max_examples=300, deadline=None)
@given(
    key=KEYS,
    query=st.lists(st.tuples(TEXT, TEXT), max_size=4),
    note=HEADER,
    presigned=st.booleans(),
    service=st.sampled_from(["s3", "lambda", "iam"]),
    region=st.sampled_from(["us-east-1", "US", "eu-west-1"]),
    port=st.sampled_from(["", ":4566"]),
)
def test_whatever_botocore_signs_is_valid(
    key, query, note, presigned, service, region, port
) -> None:
    path = quote(key, safe="/~") if service == "s3" else quote(key, safe="~")
    names = [name for name, _ in query if not name.lower().startswith("x-amz")]
    sent = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in query
        if name in names
    )
    request = signed(
        f"http://localhost{port}/bucket/{path}" + (f"?{sent}" if sent else ""),
        headers={"x-amz-meta-note": note},
        service=service,
        region=region,
        expires_s=300 if presigned else None,
    )
    found = check(request, b"", service=service)
    assert (found.access_key_id, found.region, found.service) == (KEY_ID, region, service)
    assert found.presigned is presigned
    for other in (
        replace(request, method="PUT"),
        replace(request, path=request.path + "x"),
        replace(request, query=request.query + "&x"),
        changed(request, host="elsewhere"),
        changed(request, x_amz_meta_note=note + "x"),
    ):
        refused(other, "SignatureDoesNotMatch", 403, body=b"", service=service)


@pytest.mark.parametrize(
    "query", ["acl", "acl=", "uploads", "versioning&x=1", "list-type=2&prefix="]
)
def test_a_query_without_values(query: str) -> None:
    assert check(signed(f"http://localhost/bucket?{query}"))


def test_the_path_may_be_spelt_otherwise_on_the_wire() -> None:
    """A proxy or a client library may encode more than it must: the key is the same."""
    request = signed("http://localhost/bucket/~a%28b%29")
    for path in ("/bucket/%7Ea%28b%29", "/bucket/~a(b)", "/bucket/%7ea%28b)"):
        check(replace(request, path=path))


def test_a_path_beyond_ascii_may_come_as_it_is() -> None:
    """Some clients sign é as %C3%A9 and send its two bytes."""
    request = signed("http://localhost/b/%C3%A9?prefix=%C3%A9")
    for sent in ("é", "é".encode().decode("latin-1")):
        check(replace(request, path=f"/b/{sent}", query=f"prefix={sent}"))


def test_an_empty_path_is_the_root() -> None:
    assert check(replace(signed("http://localhost/"), path=""))


def test_the_date_header_alone_will_do() -> None:
    """botocore signs with Date, and removes X-Amz-Date, if the request already had a Date."""
    request = signed("http://localhost/b/k", headers={"Date": "now", "X-Amz-Date": "now"})
    assert "x-amz-date" not in request.headers
    assert check(request)


@pytest.mark.parametrize("date", ["", "Bad Date", "Tue, 07 Jul 2010 21:53:04 GMT"])
def test_an_unsigned_date_header_means_nothing_beside_x_amz_date(date: str) -> None:
    assert check(changed(signed("http://localhost/b/k"), date=date))


def test_header_values_are_folded() -> None:
    request = signed("http://localhost/b/k", headers={"x-amz-meta-a": "  a   b  "})
    check(changed(request, x_amz_meta_a="a b"))
    check(changed(request, x_amz_meta_a=" a\tb "))
    refused(changed(request, x_amz_meta_a="ab"), "SignatureDoesNotMatch", 403)


def test_repeated_headers_are_signed_joined() -> None:
    check(signed("http://localhost/b/k", headers={"x-amz-meta-a": "one,two"}))


@pytest.mark.parametrize("value", ["é", "naïve café", "日本"])
def test_headers_beyond_ascii(value: str) -> None:
    """A front may decode a header as UTF-8 or byte by byte: the bytes that were signed count."""
    request = signed("http://localhost/b/k", headers={"x-amz-meta-a": value})
    check(changed(request, x_amz_meta_a=value))
    check(changed(request, x_amz_meta_a=value.encode().decode("latin-1")))


def test_a_token_is_handed_on_and_signed() -> None:
    for expires_s in (None, 60):
        request = signed("http://localhost/b/k", token="t/+=", expires_s=expires_s)
        assert check(request).token == "t/+="
    refused(changed(signed("http://localhost/b/k"), x_amz_security_token="t"), "AccessDenied", 403)


def test_a_body_is_hashed_where_no_header_says_its_hash() -> None:
    request = signed("http://localhost/", "POST", body=b"Action=ListUsers", service="iam")
    found = check(request, b"Action=ListUsers", service="iam")
    assert found.payload_hash == sha256(b"Action=ListUsers")
    refused(request, "SignatureDoesNotMatch", 403, body=b"Action=DeleteUser", service="iam")


def test_a_body_must_be_what_the_header_says() -> None:
    request = signed("http://localhost/b/k", "PUT", body=b"one")
    assert check(request, b"one").payload_hash == sha256(b"one")
    refused(request, "XAmzContentSHA256Mismatch", 400, body=b"two")


@pytest.mark.parametrize(
    "payload",
    [
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    ],
)
def test_words_in_place_of_a_hash(payload: str) -> None:
    request = signed("http://localhost/b/k", "PUT", payload=payload)
    assert check(request).payload_hash == payload


# --- what does not come from botocore ---------------------------------------------------------


def test_no_signature_is_nobody() -> None:
    assert check(SignedRequest("GET", "/b/k", "list-type=2", {"host": "localhost"})) is None


@pytest.mark.parametrize(
    ("authorization", "code", "status"),
    [
        ("", "AccessDenied", 403),
        ("  ", "AccessDenied", 403),
        ("AWS4 HAHAHA", "InvalidArgument", 400),
        ("Basic QWxhZGRpbjpvcGVu", "InvalidArgument", 400),
        ("AWS HAHAHA", "InvalidArgument", 400),
        ("AWS AKIAIGR7ZNNBHC5BKSUB:FWeDfwojDSdS2Ztmpfeubhd9isU=", "InvalidAccessKeyId", 403),
        (f"AWS {KEY_ID}:FWeDfwojDSdS2Ztmpfeubhd9isU=", "InvalidRequest", 400),
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed", 400),
        ("AWS4-HMAC-SHA256 Credential=HAHAHA", "AuthorizationHeaderMalformed", 400),
        (
            "AWS4-HMAC-SHA256 Credential=AKIAIGR7ZNNBHC5BKSUB/20150930/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;user-agent,Signature=FWeDfwojDSdS2Ztmpfeubhd9isU=",
            "InvalidAccessKeyId",
            403,
        ),
        (
            f"AWS4-HMAC-SHA256 Credential={KEY_ID}/1/us-east-1/s3/aws4_request,"
            "SignedHeaders=host,Signature=00",
            "AuthorizationHeaderMalformed",
            400,
        ),
        (
            f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20150930/us-east-1/s3/aws5_request,"
            "SignedHeaders=host,Signature=00",
            "AuthorizationHeaderMalformed",
            400,
        ),
    ],
)
def test_unreadable_authorization(authorization: str, code: str, status: int) -> None:
    request = signed("http://localhost/b/k")
    refused(changed(request, authorization=authorization), code, status)


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("", "AccessDenied"),
        (None, "AccessDenied"),
        ("Bad Date", "AccessDenied"),
        ("20261399T999999Z", "AccessDenied"),
        ("19500707T215304Z", "AccessDenied"),
        ("20100707T215304Z", "RequestTimeTooSkewed"),
        ("99990707T215304Z", "RequestTimeTooSkewed"),
        ("99991231T235959Z", "RequestTimeTooSkewed"),
        ("٢٠٢٦١١٢٦T215304Z", "AccessDenied"),
    ],
)
def test_bad_times(date: str | None, code: str) -> None:
    refused(changed(signed("http://localhost/b/k"), x_amz_date=date), code, 403)


def test_the_clocks_may_differ_by_a_quarter_of_an_hour() -> None:
    request = signed("http://localhost/b/k")
    at = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    for minutes in (-15, 15):
        check(request, at=at + timedelta(minutes=minutes))
        late = at + timedelta(minutes=minutes, seconds=minutes / 15)
        refused(request, "RequestTimeTooSkewed", 403, at=late)


def test_the_scope_must_be_of_the_same_day() -> None:
    request = signed("http://localhost/b/k")
    text = request.headers["authorization"]
    today = request.headers["x-amz-date"][:8]
    refused(
        changed(request, authorization=text.replace(f"/{today}/", "/20200101/")),
        "AuthorizationHeaderMalformed",
        400,
    )


def test_another_region_is_another_key() -> None:
    request = signed("http://localhost/b/k")
    text = request.headers["authorization"].replace("us-east-1/s3", "eu-west-1/s3")
    refused(changed(request, authorization=text), "SignatureDoesNotMatch", 403)


def test_a_signature_for_one_service_opens_no_other() -> None:
    request = signed("http://localhost/b/k", service="iam")
    told = refused(request, "AuthorizationHeaderMalformed", 400)
    assert 'incorrect service "iam". This endpoint belongs to "s3".' in told.message
    presigned = signed("http://localhost/b/k", service="iam", expires_s=60)
    refused(presigned, "AuthorizationQueryParametersError", 400)


def test_headers_that_matter_must_be_signed() -> None:
    request = signed("http://localhost/b/k")
    told = refused(changed(request, x_amz_acl="public-read"), "AccessDenied", 403)
    assert "x-amz-acl" in told.message
    text = request.headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    told = refused(changed(request, authorization=text), "AccessDenied", 403)
    assert "host" in told.message
    check(changed(request, user_agent="curl", range="bytes=0-1"))
    presigned = signed("http://localhost/b/k", expires_s=60)
    refused(changed(presigned, x_amz_acl="public-read"), "AccessDenied", 403)
    check(changed(presigned, x_amz_content_sha256=UNSIGNED_PAYLOAD))


def test_a_header_that_was_signed_must_arrive() -> None:
    request = signed("http://localhost/b/k", headers={"x-amz-meta-a": "1"})
    refused(changed(request, x_amz_meta_a=None), "SignatureDoesNotMatch", 403)


def test_s3_asks_for_a_payload_hash() -> None:
    request = signed("http://localhost/b/k")
    refused(changed(request, x_amz_content_sha256=None), "InvalidRequest", 400)
    refused(changed(request, x_amz_content_sha256="abc"), "InvalidArgument", 400)


def test_two_signatures_are_one_too_many() -> None:
    request = signed("http://localhost/b/k")
    both = replace(request, query=signed("http://localhost/b/k", expires_s=60).query)
    refused(both, "InvalidArgument", 400)


@pytest.mark.parametrize(
    ("old", "new", "code", "status"),
    [
        ("X-Amz-Expires=60", "", "AuthorizationQueryParametersError", 400),
        ("Expires=60", "Expires=soon", "AuthorizationQueryParametersError", 400),
        ("Expires=60", "Expires=-7", "AuthorizationQueryParametersError", 403),
        ("Expires=60", "Expires=609901", "AuthorizationQueryParametersError", 403),
        ("Expires=60", "Expires=" + "9" * 5000, "AuthorizationQueryParametersError", 400),
        ("Expires=60", "Expires=0", "AccessDenied", 403),
        ("Expires=60", "Expires=61", "SignatureDoesNotMatch", 403),
        ("Algorithm=AWS4", "Algorithm=AWS3", "AuthorizationQueryParametersError", 400),
        ("%2Faws4_request", "", "AuthorizationQueryParametersError", 400),
        (KEY_ID, "NOBODY", "InvalidAccessKeyId", 403),
        ("X-Amz-Date=2", "X-Amz-Date=x", "AuthorizationQueryParametersError", 400),
        ("SignedHeaders=host", "SignedHeaders=range", "AccessDenied", 403),
    ],
)
def test_presigned_urls_that_were_changed(old: str, new: str, code: str, status: int) -> None:
    request = signed("http://localhost/b/k", expires_s=60)
    assert old in request.query
    refused(replace(request, query=request.query.replace(old, new)), code, status)


def test_a_presigned_url_of_the_older_kind_is_named() -> None:
    for key_id, code, status in ((KEY_ID, "InvalidRequest", 400), ("X", "InvalidAccessKeyId", 403)):
        query = f"AWSAccessKeyId={key_id}&Signature=abc&Expires=1"
        refused(SignedRequest("GET", "/b/k", query, {"host": "h"}), code, status)


@settings(max_examples=300, deadline=None)
@given(
    authorization=st.one_of(
        st.none(),
        st.text(max_size=60),
        st.builds(
            (
                "AWS4-HMAC-SHA256 Credential={}/20261126/r/s3/aws4_request,"
                "SignedHeaders={},Signature={}"
            ).format,
            st.sampled_from([KEY_ID, "x"]),
            st.text(max_size=10),
            st.text(max_size=10),
        ),
    ),
    path=st.text(max_size=10),
    query=st.one_of(st.text(max_size=20), st.just(PRESIGNED), st.just("X-Amz-Signature=%ff%00")),
    date=st.text(max_size=20),
    value=st.text(max_size=20),
)
def test_rubbish_is_refused_and_never_raises_anything_else(
    authorization, path, query, date, value
) -> None:
    headers = {"host": "h", "x-amz-date": date, "x-amz-content-sha256": value}
    if authorization is not None:
        headers["authorization"] = authorization
    try:
        found = check(SignedRequest("GET", path, query, headers))
    except SignatureError:
        return
    assert found is None


# --- forms ------------------------------------------------------------------------------------

POLICY = base64.b64encode(b'{"expiration": "2026-12-30T12:00:00Z", "conditions": []}').decode()


def form(day: str = "20261126", **changes: str | None) -> dict[str, str]:
    key = signing_key(SECRET, day, "us-east-1", "s3")
    fields = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{KEY_ID}/{day}/us-east-1/s3/aws4_request",
        "x-amz-date": f"{day}T000000Z",
        "x-amz-signature": hmac.new(key, POLICY.encode(), "sha256").hexdigest(),
    }
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in fields.items() if value is not None}


def older_form() -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), POLICY.encode(), "sha1").digest()
    return {"awsaccesskeyid": KEY_ID, "signature": base64.b64encode(digest).decode()}


def test_a_form_is_signed_in_either_way() -> None:
    assert verify_post_policy(POLICY, form(), SECRETS.get) == KEY_ID
    assert verify_post_policy(POLICY, older_form(), SECRETS.get) == KEY_ID


def test_s3s_example_of_a_form() -> None:
    lines = [
        '{ "expiration": "2015-12-30T12:00:00.000Z",',
        '  "conditions": [',
        '    {"bucket": "sigv4examplebucket"},',
        '    ["starts-with", "$key", "user/user1/"],',
        '    {"acl": "public-read"},',
        '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/'
        'successful_upload.html"},',
        '    ["starts-with", "$Content-Type", "image/"],',
        '    {"x-amz-meta-uuid": "14365123651274"},',
        '    {"x-amz-server-side-encryption": "AES256"},',
        '    ["starts-with", "$x-amz-meta-tag", ""],',
        "",
        f'    {{"x-amz-credential": "{S3_KEY_ID}/20151229/us-east-1/s3/aws4_request"}},',
        '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
        '    {"x-amz-date": "20151229T000000Z" }',
        "  ]",
        "}",
    ]
    policy = base64.b64encode("\r\n".join(lines).encode()).decode()
    fields = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{S3_KEY_ID}/20151229/us-east-1/s3/aws4_request",
        "x-amz-date": "20151229T000000Z",
        "x-amz-signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
    }
    assert verify_post_policy(policy, fields, SECRETS.get) == S3_KEY_ID


@pytest.mark.parametrize(
    ("fields", "code", "status"),
    [
        ({}, "InvalidArgument", 400),
        ({"awsaccesskeyid": KEY_ID}, "InvalidArgument", 400),
        ({"signature": "x"}, "InvalidArgument", 400),
        (form(x_amz_signature=None), "InvalidArgument", 400),
        (form(x_amz_date=None), "InvalidArgument", 400),
        (form(x_amz_algorithm="AWS4-HMAC-SHA1"), "InvalidArgument", 400),
        (form(x_amz_credential="x"), "InvalidArgument", 400),
        (
            form(x_amz_credential=f"{KEY_ID}/20261126/us-east-1/iam/aws4_request"),
            "InvalidArgument",
            400,
        ),
        (form(x_amz_date="20261127T000000Z"), "InvalidArgument", 400),
        (form(x_amz_signature="é"), "SignatureDoesNotMatch", 403),
        (older_form() | {"signature": "é"}, "SignatureDoesNotMatch", 403),
        (older_form() | {"awsaccesskeyid": "foo"}, "InvalidAccessKeyId", 403),
    ],
)
def test_a_form_that_is_not_signed(fields: dict, code: str, status: int) -> None:
    with pytest.raises(SignatureError) as told:
        verify_post_policy(POLICY, fields, SECRETS.get)
    assert (told.value.code, told.value.status) == (code, status)


def test_another_policy_has_another_signature() -> None:
    for fields in (form(), older_form()):
        with pytest.raises(SignatureError, match="SignatureDoesNotMatch"):
            verify_post_policy(POLICY + "x", fields, SECRETS.get)


# --- the learner's version --------------------------------------------------------------------


def test_another_definition_takes_effect_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that were derived by the reference are not kept for somebody else's signing_key."""
    request = signed("http://localhost/b/k")
    assert isinstance(check(request), Signature)
    monkeypatch.setattr(sigv4, "signing_key", lambda *scope: b"another")
    refused(request, "SignatureDoesNotMatch", 403)


def test_rfc_dates_are_read() -> None:
    at = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)
    headers = {"host": "h", "date": format_datetime(at, usegmt=True)}
    headers["x-amz-content-sha256"] = UNSIGNED_PAYLOAD
    names = ["date", "host", "x-amz-content-sha256"]
    request = SignedRequest("GET", "/b", "", headers)
    text = canonical_request(request, "s3", names, UNSIGNED_PAYLOAD)
    to_sign = string_to_sign("20261126T210000Z", "20261126/US/s3/aws4_request", text)
    made = signature(signing_key(SECRET, "20261126", "US", "s3"), to_sign)
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20261126/US/s3/aws4_request, "
        f"SignedHeaders={';'.join(names)}, Signature={made}"
    )
    assert check(request, at=at).amz_date == "20261126T210000Z"
