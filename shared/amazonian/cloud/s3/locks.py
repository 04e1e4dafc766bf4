"""Object lock: the bucket's default, and each version's retention and legal hold."""

from dataclasses import replace
from typing import Any

from amazonian.cloud.s3.buckets import set_setting
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, parse_document, parse_iso
from amazonian.s3 import objectlock
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import Details, Version


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
    setting: dict[str, Any] = {}
    if root.find("Rule") is not None:
        mode = child_text(root, "Rule/DefaultRetention/Mode")
        days = child_text(root, "Rule/DefaultRetention/Days")
        years = child_text(root, "Rule/DefaultRetention/Years")
        if mode not in objectlock.MODES or (days is None) == (years is None):
            raise S3Error("MalformedXML")
        unit, text = ("days", days) if days is not None else ("years", years)
        period = int(text) if text and text.lstrip("-").isdigit() else 0
        if period <= 0:
            raise S3Error(
                "InvalidRetentionPeriod",
                "Default retention period must be a positive integer value",
            )
        setting["rule"] = {"mode": mode, unit: period}
    set_setting(context, "object_lock", setting)
    return Response()


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
        until = parse_iso(child_text(root, "RetainUntilDate"))
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
