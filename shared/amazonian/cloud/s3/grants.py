"""Access-control lists, as headers and as XML."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import XSI, Response, child_text, document, parse_document
from amazonian.s3 import access
from amazonian.s3.acl import GROUPS, PERMISSIONS, Grant, canned, grant
from amazonian.s3.errors import S3Error
from amazonian.s3.records import with_setting

_GRANT_HEADERS = {
    "x-amz-grant-read": "READ",
    "x-amz-grant-write": "WRITE",
    "x-amz-grant-read-acp": "READ_ACP",
    "x-amz-grant-write-acp": "WRITE_ACP",
    "x-amz-grant-full-control": "FULL_CONTROL",
}
_GRANTEE = re.compile(r'\s*(id|emailAddress|uri)\s*=\s*"?([^"]*?)"?\s*', re.IGNORECASE)


def asks_for_acl(headers: Mapping[str, str]) -> bool:
    return "x-amz-acl" in headers or any(name in headers for name in _GRANT_HEADERS)


def from_headers(
    context: Context, headers: Mapping[str, str], owner: str, bucket_owner: str
) -> tuple[list[Grant], str]:
    """The ACL of a new object, and who owns it under the bucket's ownership setting.

    Raises:
        S3Error: for an ACL that is malformed, or that the bucket does not take.
    """
    bucket = context.bucket
    name = headers.get("x-amz-acl")
    gives_all = name == "bucket-owner-full-control"
    enforced = access.acls_disabled(bucket)
    preferred = bucket.settings.get("ownership") == access.OWNER_PREFERRED
    if enforced or (preferred and gives_all):
        owner = bucket_owner
    acl = parse_headers(context, headers, owner, bucket_owner)
    if enforced and name is None:
        gives_all = acl == canned("private", bucket_owner, bucket_owner)
    if asks_for_acl(headers) and not (enforced and gives_all):
        access.check_acl(bucket, acl)
    return acl, owner


def parse_headers(
    context: Context, headers: Mapping[str, str], owner: str, bucket_owner: str
) -> list[Grant]:
    """The ACL that the headers ask for, by a canned name or by grants; by default private."""
    given = [(name, permission) for name, permission in _GRANT_HEADERS.items() if name in headers]
    if given and "x-amz-acl" in headers:
        raise S3Error(
            "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed"
        )
    if not given:
        return canned(headers.get("x-amz-acl", "private"), owner, bucket_owner)
    return [
        grant(_named_grantee(context, text), permission)
        for name, permission in given
        for text in headers[name].split(",")
    ]


def _named_grantee(context: Context, text: str) -> str:
    """A grantee as in ``id="…"``."""
    named = _GRANTEE.fullmatch(text)
    if named is None:
        raise S3Error(
            "InvalidArgument",
            "A grantee must be id=…, emailAddress=… or uri=….",
            ArgumentValue=text,
        )
    return _grantee(context, *named.groups())


def _grantee(context: Context, kind: str, value: str) -> str:
    identities = context.identities
    if kind.lower() == "uri":
        for name, uri in GROUPS.items():
            if uri == value:
                return name
        raise S3Error("InvalidArgument", "Invalid group uri", ArgumentValue=value)
    if kind.lower() == "emailaddress":
        account = identities.account_by_email(value)
        if account is None:
            raise S3Error(
                "UnresolvableGrantByEmailAddress",
                "The e-mail address you provided does not match any account on record.",
            )
        return account.canonical_id
    if identities.account_by_canonical_id(value) is None:
        raise S3Error(
            "InvalidArgument", "Invalid id", ArgumentName="CanonicalUser/ID", ArgumentValue=value
        )
    return value


def to_xml(context: Context, owner: str, acl: list[Grant]) -> Response:
    """The document of an ACL: grants to groups first."""
    acl = sorted(acl, key=lambda g: g["grantee"] not in GROUPS)
    return document(
        "AccessControlPolicy",
        {
            "Owner": _named(context, owner),
            "AccessControlList": {
                "Grant": [
                    {"Grantee": _grantee_xml(context, g["grantee"]), "Permission": g["permission"]}
                    for g in acl
                ]
            },
        },
    )


def _named(context: Context, canonical_id: str) -> dict[str, str]:
    account = context.identities.account_by_canonical_id(canonical_id)
    return {"ID": canonical_id, "DisplayName": account.display_name if account else canonical_id}


def _grantee_xml(context: Context, grantee: str) -> dict[str, Any]:
    if grantee in GROUPS:
        return {"@xmlns:xsi": XSI, "@xsi:type": "Group", "URI": GROUPS[grantee]}
    return {"@xmlns:xsi": XSI, "@xsi:type": "CanonicalUser", **_named(context, grantee)}


def parse(context: Context, body: bytes, owner: str) -> list[Grant]:
    """An ``AccessControlPolicy`` document.

    Raises:
        S3Error: ``MalformedACLError``, ``AccessDenied`` (another owner), or as for headers.
    """
    try:
        root = parse_document(body, "AccessControlPolicy")
    except S3Error:
        raise S3Error("MalformedACLError") from None
    named = child_text(root, "Owner/ID")
    listed = root.find("AccessControlList")
    if listed is None or named is None:
        raise S3Error("MalformedACLError")
    if named != owner:
        raise S3Error("AccessDenied")
    return [_parse_grant(context, element) for element in listed.findall("Grant")]


def _parse_grant(context: Context, element: ElementTree.Element) -> Grant:
    permission = child_text(element, "Permission") or ""
    grantee = element.find("Grantee")
    if permission not in PERMISSIONS or grantee is None:
        raise S3Error("MalformedACLError")
    for kind, tag in (("id", "ID"), ("emailAddress", "EmailAddress"), ("uri", "URI")):
        value = child_text(grantee, tag)
        if value:
            return grant(_grantee(context, kind, value), permission)
    raise S3Error("MalformedACLError")


def _wanted(context: Context, owner: str) -> list[Grant]:
    headers, bucket = context.request.headers, context.bucket
    body = context.document()
    if asks_for_acl(headers):
        if body.strip():
            raise S3Error("UnexpectedContent", "This request does not support content")
        acl = parse_headers(context, headers, owner, bucket.owner)
    elif body.strip():
        acl = parse(context, body, owner)
    else:
        raise S3Error("MissingSecurityHeader", "Your request was missing a required header")
    access.check_acl(bucket, acl)
    return acl


@operation(
    "GetBucketAcl",
    "GET",
    "bucket",
    subresource="acl",
    action="s3:GetBucketAcl",
    permission="READ_ACP",
)
def get_bucket_acl(context: Context) -> Response:
    bucket = context.bucket
    acl = bucket.settings.get("acl", [])
    if access.acls_disabled(bucket):
        acl = [grant(bucket.owner, "FULL_CONTROL")]
    return to_xml(context, bucket.owner, acl)


@operation(
    "PutBucketAcl",
    "PUT",
    "bucket",
    subresource="acl",
    action="s3:PutBucketAcl",
    permission="WRITE_ACP",
)
def put_bucket_acl(context: Context) -> Response:
    acl = _wanted(context, context.bucket.owner)
    context.store.metadata.change_bucket(
        context.bucket.name, lambda bucket: with_setting(bucket, "acl", acl)
    )
    return Response()


@operation(
    "GetObjectAcl",
    "GET",
    "object",
    subresource="acl",
    action="s3:GetObjectAcl",
    versioned_action="s3:GetObjectVersionAcl",
    permission="READ_ACP",
    acl_of="object",
)
def get_object_acl(context: Context) -> Response:
    details = context.existing().details
    owner, acl = details.owner, details.acl
    if access.acls_disabled(context.bucket):
        owner = context.bucket.owner
        acl = [grant(owner, "FULL_CONTROL")]
    return to_xml(context, owner, acl)


@operation(
    "PutObjectAcl",
    "PUT",
    "object",
    subresource="acl",
    action="s3:PutObjectAcl",
    versioned_action="s3:PutObjectVersionAcl",
    permission="WRITE_ACP",
    acl_of="object",
)
def put_object_acl(context: Context) -> Response:
    version = context.existing()
    acl = _wanted(context, version.details.owner)
    context.store.change_details(version, lambda current: replace(current.details, acl=acl))
    headers = {"x-amz-version-id": version.version_id} if context.bucket.versioning else {}
    return Response(200, headers)
