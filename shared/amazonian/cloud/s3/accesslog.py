"""A bucket's access log: where it goes, and the line that each request leaves in it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from amazonian.cloud.s3.buckets import set_setting
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import (
    Response,
    child_text,
    document,
    http_date,
    need_text,
    parse_document,
)
from amazonian.iam.identities import Identities
from amazonian.s3 import accesslog
from amazonian.s3.accesslog import Destination
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Bucket

DATE_SOURCES = ("EventTime", "DeliveryTime")
_FORMAT = "TargetObjectKeyFormat"


@operation("GetBucketLogging", "GET", "bucket", subresource="logging", action="s3:GetBucketLogging")
def get_bucket_logging(context: Context) -> Response:
    kept = context.bucket.settings.get("logging")
    if kept is None:
        return document("BucketLoggingStatus", {})
    source = kept["date_source"]
    format_ = {"PartitionedPrefix": {"PartitionDateSource": source}} if source else None
    enabled = {
        "TargetBucket": kept["target"],
        "TargetPrefix": kept["prefix"],
        _FORMAT: format_ or {"SimplePrefix": {}},
    }
    modified = http_date(datetime.fromtimestamp(kept["modified_s"], UTC))
    return document(
        "BucketLoggingStatus", {"LoggingEnabled": enabled}, **{"last-modified": modified}
    )


@operation("PutBucketLogging", "PUT", "bucket", subresource="logging", action="s3:PutBucketLogging")
def put_bucket_logging(context: Context) -> Response:
    if context.owner != context.bucket.owner:
        raise S3Error("AccessDenied")
    root = parse_document(context.document(), "BucketLoggingStatus")
    enabled = root.find("LoggingEnabled")
    if enabled is None:
        set_setting(context, "logging", None)
        return Response()
    wanted: dict[str, Any] = {
        "target": need_text(enabled, "TargetBucket"),
        "prefix": child_text(enabled, "TargetPrefix") or "",
        "date_source": child_text(enabled, f"{_FORMAT}/PartitionedPrefix/PartitionDateSource"),
    }
    if wanted["date_source"] not in (None, *DATE_SOURCES):
        raise S3Error("MalformedXML")
    _check_target(context, wanted)
    kept = context.bucket.settings.get("logging", {})
    if any(kept.get(name) != value for name, value in wanted.items()):
        wanted["modified_s"] = context.store.metadata.clock.now_s()
        set_setting(context, "logging", wanted)
    return Response()


def _check_target(context: Context, wanted: Mapping[str, Any]) -> None:
    try:
        target = context.store.metadata.bucket(wanted["target"])
    except S3Error:
        raise S3Error(
            "InvalidTargetBucketForLogging", "The target bucket for logging does not exist"
        ) from None
    if target.name == context.bucket.name or "logging" in target.settings:
        raise S3Error("InvalidArgument", "A bucket of logs can not have a log itself.")
    destination = destination_of(context.identities, context.bucket, wanted)
    if not accesslog.may_deliver(destination, target):
        raise S3Error("AccessDenied", "The target bucket does not allow that logs are delivered.")


def destination_of(identities: Identities, bucket: Bucket, kept: Mapping[str, Any]) -> Destination:
    account = identities.account_by_canonical_id(bucket.owner)
    # Policies name the source's account by its number, or as Ceph does by its canonical id.
    accounts = (account.account_id, bucket.owner) if account else (bucket.owner,)
    source = kept["date_source"]
    folder = f"{accounts[0]}/{bucket.region}/{bucket.name}" if source else ""
    return Destination(
        bucket.name, kept["target"], kept["prefix"], folder, source == "EventTime", accounts
    )


# --- the line ---------------------------------------------------------------------------------

_RESOURCES = {
    "list-type": "BUCKET",
    "policy": "BUCKETPOLICY",
    "uploadId": "UPLOAD",
    "delete": "MULTI_OBJECT_DELETE",
}


def line(context: Context, response: Response) -> str:
    """The line of a request: 26 fields, in the order of "Amazon S3 server access log format"."""
    request, signature, chosen = context.request, context.signature, context.operation
    moment = context.store.now()
    version, headers = context.version, request.headers
    began_s = context.extra.get("began_s", moment.timestamp())
    length = response.length if response.length is not None else len(response.body)
    kinds = ("QueryString" if signature.presigned else "AuthHeader") if signature else None
    fields = [
        context.bucket.owner,
        context.bucket.name,
        f"[{moment:%d/%b/%Y:%H:%M:%S %z}]",
        request.client,
        _requester(context),
        request.id,
        f"REST.{request.method}.{_resource(context)}",
        quote(request.key),
        _quoted(f"{request.method} {request.path}{'?' if request.query else ''}{request.query}"),
        response.status,
        context.extra.get("error_code"),
        None if request.method == "HEAD" else length or None,
        version.size if version else None,
        round((moment.timestamp() - began_s) * 1000),
        None,
        _quoted(headers.get("referer")),
        _quoted(headers.get("user-agent")),
        request.parameter("versionId"),
        request.id,
        ("SigV4" if signature.date else "SigV2") if signature else None,
        None,
        kinds,
        headers.get("host"),
        None,
        None,
        "Yes" if chosen and _needs_acl(context) else None,
    ]
    return " ".join("-" if text in (None, "") else str(text) for text in fields)


def _requester(context: Context) -> str | None:
    caller = context.caller
    if caller is None:
        return None
    return caller.account.canonical_id if caller.is_root else caller.principal.arn


def _resource(context: Context) -> str:
    request, chosen = context.request, context.operation
    subresource = chosen.subresource if chosen else ""
    if "partNumber" in request.parameters and request.method == "PUT":
        return "PART"
    plain = "OBJECT" if request.key else "BUCKET"
    return _RESOURCES.get(subresource, subresource.upper().replace("-", "_")) or plain


def _quoted(text: str | None) -> str:
    """In quotes, where no quote, bracket or line end of the client's can end the field."""
    kept = (text or "-").translate({ord(c): quote(c) for c in '"[]\\\r\n'})
    return f'"{kept}"'


def _needs_acl(context: Context) -> bool:
    """Whether the request was allowed, and by an ACL alone."""
    chosen = context.operation
    if context.extra.get("error_code") or not chosen or not chosen.action or not chosen.permission:
        return False
    details = context.version.details if context.version else None
    return not context.may(chosen.action, None, object_details=details)
