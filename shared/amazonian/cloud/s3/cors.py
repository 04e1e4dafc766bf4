"""Cross-origin requests: which pages of other hosts a browser may let at a bucket."""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from amazonian.cloud.s3.buckets import set_setting
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Request, Response, child_text, document, parse_document
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Bucket

METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")
MOST_RULES = 100
Rule = dict[str, Any]


@operation("GetBucketCors", "GET", "bucket", subresource="cors", action="s3:GetBucketCORS")
def get_bucket_cors(context: Context) -> Response:
    rules = context.bucket.settings.get("cors")
    if not rules:
        raise S3Error("NoSuchCORSConfiguration", "The CORS configuration does not exist")
    return document(
        "CORSConfiguration",
        {
            "CORSRule": [
                {
                    "ID": rule["id"],
                    "AllowedOrigin": rule["origins"],
                    "AllowedMethod": rule["methods"],
                    "AllowedHeader": rule["headers"],
                    "ExposeHeader": rule["expose"],
                    "MaxAgeSeconds": rule["max_age_s"],
                }
                for rule in rules
            ]
        },
    )


@operation("PutBucketCors", "PUT", "bucket", subresource="cors", action="s3:PutBucketCORS")
def put_bucket_cors(context: Context) -> Response:
    root = parse_document(context.document(), "CORSConfiguration")
    rules = [_parse(element) for element in root.findall("CORSRule")]
    if not 1 <= len(rules) <= MOST_RULES:
        raise S3Error("MalformedXML")
    set_setting(context, "cors", rules)
    return Response()


def _parse(element: Element) -> Rule:
    age = child_text(element, "MaxAgeSeconds")
    if age is not None and not age.isdecimal():
        raise S3Error("MalformedXML")
    rule = {
        "id": child_text(element, "ID"),
        "origins": [e.text or "" for e in element.findall("AllowedOrigin")],
        "methods": [e.text or "" for e in element.findall("AllowedMethod")],
        "headers": [e.text or "" for e in element.findall("AllowedHeader")],
        "expose": [e.text or "" for e in element.findall("ExposeHeader")],
        "max_age_s": int(age) if age else None,
    }
    for method in rule["methods"]:
        if method not in METHODS:
            raise S3Error(
                "InvalidRequest", f"Found unsupported HTTP method in CORS config: {method}"
            )
    for pattern in rule["origins"] + rule["headers"]:
        if pattern.count("*") > 1:
            raise S3Error("InvalidRequest", f"{pattern!r} can not have more than one wildcard.")
    if not rule["origins"] or not rule["methods"]:
        raise S3Error("MalformedXML")
    return rule


@operation("DeleteBucketCors", "DELETE", "bucket", subresource="cors", action="s3:PutBucketCORS")
def delete_bucket_cors(context: Context) -> Response:
    set_setting(context, "cors", None)
    return Response(204)


def preflight(bucket: Bucket, request: Request) -> Response:
    """The answer to a browser's OPTIONS.

    Raises:
        S3Error: ``BadRequest`` or ``AccessForbidden``.
    """
    origin = request.headers.get("origin")
    method = request.headers.get("access-control-request-method")
    if not origin:
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    if method not in METHODS:
        raise S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {method}")
    asked = request.headers.get("access-control-request-headers", "")
    headers = [name.strip().lower() for name in asked.split(",") if name.strip()]
    for rule in bucket.settings.get("cors") or []:
        if _applies(rule, origin, method) and all(_allows(rule, name) for name in headers):
            answer = response_headers_of(rule, origin)
            if headers:
                answer["access-control-allow-headers"] = ", ".join(headers)
            return Response(200, answer)
    raise S3Error(
        "AccessForbidden",
        "CORSResponse: This CORS request is not allowed. This is usually because the evaluation "
        "of Origin, request method / Access-Control-Request-Method or "
        "Access-Control-Request-Headers are not allowed by the bucket's CORS rules.",
        status=403,
    )


def response_headers(bucket: Bucket | None, request: Request) -> dict[str, str]:
    """The headers that let the page read the answer, if a rule lets it.

    A preflight has its answer already; another request that names a method as a preflight does is
    answered for that method.
    """
    origin = request.headers.get("origin")
    if not origin or bucket is None or request.method == "OPTIONS":
        return {}
    method = request.headers.get("access-control-request-method", request.method)
    for rule in bucket.settings.get("cors") or []:
        if _applies(rule, origin, method):
            return response_headers_of(rule, origin)
    return {}


def response_headers_of(rule: Mapping[str, Any], origin: str) -> dict[str, str]:
    anyone = "*" in rule["origins"]
    headers = {
        "access-control-allow-origin": "*" if anyone else origin,
        "access-control-allow-methods": ", ".join(rule["methods"]),
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if not anyone:
        headers["access-control-allow-credentials"] = "true"
    if rule["expose"]:
        headers["access-control-expose-headers"] = ", ".join(rule["expose"])
    if rule["max_age_s"] is not None:
        headers["access-control-max-age"] = str(rule["max_age_s"])
    return headers


def _applies(rule: Mapping[str, Any], origin: str, method: str) -> bool:
    return method in rule["methods"] and any(_matches(o, origin) for o in rule["origins"])


def _allows(rule: Mapping[str, Any], header: str) -> bool:
    return any(_matches(allowed.lower(), header) for allowed in rule["headers"])


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None
