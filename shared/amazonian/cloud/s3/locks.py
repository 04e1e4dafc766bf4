"""Object lock: the bucket's default, and each version's retention and legal hold."""

import re
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from amazonian.cloud.s3.buckets import set_setting
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import (
    Response,
    child_text,
    document,
    need_text,
    parse_document,
    parse_iso,
)
from amazonian.s3 import objectlock
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Details, Version


@operation(
    "GetObjectLockConfiguration",
    "GET",
    "bucket",
    subresource="object-lock",
    action="s3:GetBucketObjectLockConfiguration",
)
def get_object_lock_configuration(context: Context) -> Response:
    if not objectlock.enabled(context.bucket):
        raise S3Error(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        )
    rule = context.bucket.settings["object_lock"].get("rule")
    retention = None
    if rule:
        retention = {
            "DefaultRetention": {
                "Mode": rule["mode"],
                "Days": rule.get("days"),
                "Years": rule.get("years"),
            }
        }
    return document("ObjectLockConfiguration", {"ObjectLockEnabled": "Enabled", "Rule": retention})


@operation(
    "PutObjectLockConfiguration",
    "PUT",
    "bucket",
    subresource="object-lock",
    action="s3:PutBucketObjectLockConfiguration",
)
def put_object_lock_configuration(context: Context) -> Response:
    if context.bucket.versioning != "Enabled":
        raise S3Error(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
    root = parse_document(context.document(), "ObjectLockConfiguration")
    if child_text(root, "ObjectLockEnabled") != "Enabled":
        raise S3Error("MalformedXML")
    rule = root.find("Rule/DefaultRetention")
    setting = {} if rule is None else {"rule": _default_retention(rule)}
    set_setting(context, "object_lock", setting)
    return Response()


def _default_retention(element: Element) -> dict[str, Any]:
    mode = child_text(element, "Mode")
    periods = [
        (unit, text, most)
        for unit, most in objectlock.LONGEST.items()
        if (text := child_text(element, unit.capitalize())) is not None
    ]
    if mode not in objectlock.MODES or len(periods) != 1:
        raise S3Error("MalformedXML")
    ((unit, text, most),) = periods
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= most:
        raise S3Error(
            "InvalidRetentionPeriod",
            f"The default retention period is a number of {unit} from 1 to {most}.",
        )
    return {"mode": mode, unit: int(text)}


@operation(
    "GetObjectRetention",
    "GET",
    "object",
    subresource="retention",
    action="s3:GetObjectRetention",
    acl_of="object",
)
def get_object_retention(context: Context) -> Response:
    objectlock.need_enabled(context.bucket)
    kept = context.existing().details.retention
    if not kept:
        raise S3Error(
            "NoSuchObjectLockConfiguration",
            "The specified object does not have a ObjectLock configuration",
        )
    return document("Retention", {"Mode": kept["mode"], "RetainUntilDate": objectlock.until(kept)})


@operation(
    "PutObjectRetention",
    "PUT",
    "object",
    subresource="retention",
    action="s3:PutObjectRetention",
    acl_of="object",
)
def put_object_retention(context: Context) -> Response:
    objectlock.need_enabled(context.bucket)
    root = parse_document(context.document(), "Retention")
    now = context.store.now()
    wanted: dict[str, str] = {}
    if len(root):
        until = parse_iso(need_text(root, "RetainUntilDate"))
        wanted = objectlock.retention(child_text(root, "Mode"), until, now)
    headers = context.request.headers
    bypass = headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
    bypass = bypass and context.may("s3:BypassGovernanceRetention")

    def edit(current: Version) -> Details:
        objectlock.check_change(current.details, wanted, current, now, bypass)
        return replace(current.details, retention=wanted)

    context.store.change_details(context.existing(), edit)
    return Response()


@operation(
    "GetObjectLegalHold",
    "GET",
    "object",
    subresource="legal-hold",
    action="s3:GetObjectLegalHold",
    acl_of="object",
)
def get_object_legal_hold(context: Context) -> Response:
    objectlock.need_enabled(context.bucket)
    hold = context.existing().details.legal_hold
    if hold is None:
        raise S3Error(
            "NoSuchObjectLockConfiguration",
            "The specified object does not have a ObjectLock configuration",
        )
    return document("LegalHold", {"Status": "ON" if hold else "OFF"})


@operation(
    "PutObjectLegalHold",
    "PUT",
    "object",
    subresource="legal-hold",
    action="s3:PutObjectLegalHold",
    acl_of="object",
)
def put_object_legal_hold(context: Context) -> Response:
    objectlock.need_enabled(context.bucket)
    status = child_text(parse_document(context.document(), "LegalHold"), "Status")
    if status not in ("ON", "OFF"):
        raise S3Error("MalformedXML")
    context.store.change_details(
        context.existing(), lambda current: replace(current.details, legal_hold=status == "ON")
    )
    return Response()
