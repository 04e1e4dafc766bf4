"""The condition keys of a request: what a policy's conditions can ask about it.

Source: "Actions, resources, and condition keys for Amazon S3", service authorization reference.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from amazonian.cloud.s3.wire import Request

_HEADERS = (
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "if-match",
    "if-none-match",
)
_PARAMETERS = {
    "prefix": "prefix",
    "delimiter": "delimiter",
    "max-keys": "max-keys",
    "versionId": "versionid",
}
_NAMED_OTHERWISE = {
    "user-agent": "aws:useragent",
    "referer": "aws:referer",
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
    "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
}


def of_request(
    request: Request,
    now_s: float,
    tags: Mapping[str, str] | None = None,
    existing_tags: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    """Condition keys, in lower case, and their values.

    Args:
        now_s: seconds since 1970.
        tags: that the request gives an object.
        existing_tags: of the object that it is about.
    """
    headers, parameters = request.headers, request.parameters
    keys = {
        "aws:sourceip": [request.client],
        "aws:securetransport": ["true" if request.secure else "false"],
        "aws:currenttime": [datetime.fromtimestamp(now_s, UTC).isoformat()],
        "aws:epochtime": [str(int(now_s))],
    }
    keys |= {f"s3:{name}": [headers[name]] for name in _HEADERS if name in headers}
    keys |= {key: [headers[name]] for name, key in _NAMED_OTHERWISE.items() if name in headers}
    for name, key in _PARAMETERS.items():
        if name in parameters:
            keys[f"s3:{key}"] = [parameters[name]]
    if "x-amz-copy-source" in headers:  # written with a slash before it or without, encoded or not
        keys["s3:x-amz-copy-source"] = [unquote(headers["x-amz-copy-source"]).removeprefix("/")]
    if tags:
        keys["s3:requestobjecttagkeys"] = list(tags)
        keys |= {f"s3:requestobjecttag/{tag.lower()}": [tags[tag]] for tag in tags}
    for tag, value in (existing_tags or {}).items():
        keys[f"s3:existingobjecttag/{tag.lower()}"] = [value]
    return keys
