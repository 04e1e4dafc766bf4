"""Cross-origin requests: which pages a bucket's rules let in."""

from typing import Any

import pytest
import requests

WILDCARDS = [
    {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.example"]},
    {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://all*"]},
    {"AllowedMethods": ["PUT"], "AllowedOrigins": ["*.writer"]},
]


@pytest.fixture
def shared(s3, new_bucket):
    """A bucket that all may list, with the rules given; gives its name."""

    def make(*rules: dict[str, Any]) -> str:
        bucket = new_bucket(ACL="public-read")
        if rules:
            s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)})
        return bucket

    return make


@pytest.fixture
def ask(endpoint):
    """Send an unsigned request; gives its status, and who may read the answer by what methods."""

    def send(method: str, path: str, **headers: str) -> tuple[int, str | None, str | None]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("http") else f"{endpoint.url}/{path}"
        answer = requests.request(method, url, headers=named, timeout=10)
        allowed = answer.headers.get
        return (
            answer.status_code,
            allowed("access-control-allow-origin"),
            allowed("access-control-allow-methods"),
        )

    return send


ASKED = "access-control-request-method"
HEADERS = "access-control-request-headers"


@pytest.mark.parametrize(
    ("method", "key", "headers", "status", "allowed"),
    [
        ("GET", "", {}, 200, None),
        ("GET", "", {"origin": "http://a.example"}, 200, "GET"),
        ("GET", "", {"origin": "http://.example"}, 200, "GET"),
        ("GET", "", {"origin": "http://a.example.com"}, 200, None),
        ("GET", "", {"origin": "xhttp://a.example"}, 200, None),
        ("GET", "", {"origin": "http://all.of.us"}, 200, "GET"),
        ("GET", "none", {"origin": "http://a.example"}, 404, "GET"),
        ("PUT", "k", {"origin": "http://a.example"}, 403, None),
        ("PUT", "k", {"origin": "http://a.example", ASKED: "GET"}, 403, "GET"),
        ("PUT", "k", {"origin": "http://a.writer"}, 403, "PUT"),
        ("PUT", "k", {"origin": "http://a.writer", ASKED: "DELETE"}, 403, None),
        ("OPTIONS", "", {}, 400, None),
        ("OPTIONS", "", {"origin": "http://a.example"}, 400, None),
        ("OPTIONS", "", {"origin": "http://a.example", ASKED: "TRACE"}, 400, None),
        ("OPTIONS", "", {"origin": "http://a.example", ASKED: "GET"}, 200, "GET"),
        ("OPTIONS", "k", {"origin": "http://a.example", ASKED: "GET"}, 200, "GET"),
        ("OPTIONS", "k", {"origin": "http://a.example", ASKED: "PUT"}, 403, None),
        ("OPTIONS", "k", {"origin": "http://a.writer", ASKED: "PUT"}, 200, "PUT"),
        ("OPTIONS", "k", {"origin": "http://other", ASKED: "GET"}, 403, None),
    ],
)
def test_a_rule_is_found_by_origin_and_method(
    shared, ask, method, key, headers, status, allowed
) -> None:
    bucket = shared(*WILDCARDS)
    origin = headers.get("origin") if allowed else None
    assert ask(method, f"{bucket}/{key}", **headers) == (status, origin, allowed)


def test_a_rule_for_all_origins_names_none(shared, ask) -> None:
    bucket = shared({"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"]})
    assert ask("GET", bucket, origin="http://any") == (200, "*", "GET, HEAD")


@pytest.mark.parametrize(
    ("allowed", "asked", "status"),
    [
        ([], "x-amz-meta-a", 403),
        (["*"], "x-amz-meta-a, content-type", 200),
        (["x-amz-*"], "X-Amz-Meta-A", 200),
        (["X-AMZ-*"], "x-amz-meta-a, content-type", 403),
        (["content-type", "range"], "range", 200),
    ],
)
def test_a_preflight_asks_for_headers_too(shared, ask, allowed, asked, status) -> None:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": allowed}
    headers = {"origin": "http://any", ASKED: "GET", HEADERS: asked}
    assert ask("OPTIONS", f"{shared(rule)}/k", **headers)[0] == status


@pytest.mark.parametrize(("operation", "method"), [("get_object", "GET"), ("put_object", "PUT")])
def test_a_preflight_of_a_presigned_url_needs_no_signature(
    s3, shared, ask, operation, method
) -> None:
    bucket = shared({"AllowedMethods": [method], "AllowedOrigins": ["http://page"]})
    url = s3.generate_presigned_url(operation, {"Bucket": bucket, "Key": "k"})
    assert ask("OPTIONS", url)[0] == 400
    headers = {"origin": "http://page", ASKED: method}
    assert ask("OPTIONS", url, **headers) == (200, "http://page", method)


def test_the_configuration_comes_back_as_it_was_put(s3, bucket, refused) -> None:
    assert refused(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")
    rule = {
        "ID": "one",
        "AllowedMethods": ["GET", "POST"],
        "AllowedOrigins": ["http://a", "http://b"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["etag"],
        "MaxAgeSeconds": 60,
    }
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}, "InvalidRequest"),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["*.a.*"]}, "InvalidRequest"),
        ({"AllowedMethods": [], "AllowedOrigins": ["*"]}, "MalformedXML"),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": []}, "MalformedXML"),
        (
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": -1},
            "MalformedXML",
        ),
    ],
)
def test_a_bad_rule_is_refused(s3, bucket, refused, rule, code) -> None:
    configuration = {"CORSRules": [rule]}
    put = s3.put_bucket_cors
    assert refused(put, Bucket=bucket, CORSConfiguration=configuration) == (400, code)
