"""A bucket's lifecycle rules: read, checked and kept as S3 writes them."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any
from xml.etree.ElementTree import Element

from amazonian.cloud.s3.buckets import set_setting
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, parse_document
from amazonian.s3.errors import S3Error

LONGEST_ID = 255
MOST_RULES = 1000
LARGEST_NUMBER = 2**31 - 1
ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")


@operation(
    "GetBucketLifecycleConfiguration",
    "GET",
    "bucket",
    subresource="lifecycle",
    action="s3:GetLifecycleConfiguration",
)
def get_bucket_lifecycle_configuration(context: Context) -> Response:
    rules = context.bucket.settings.get("lifecycle")
    if not rules:
        raise S3Error("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
    return document("LifecycleConfiguration", {"Rule": rules})


@operation(
    "PutBucketLifecycleConfiguration",
    "PUT",
    "bucket",
    subresource="lifecycle",
    action="s3:PutLifecycleConfiguration",
)
def put_bucket_lifecycle_configuration(context: Context) -> Response:
    root = parse_document(context.document(), "LifecycleConfiguration")
    rules = [_parse(element) for element in root.findall("Rule")]
    if not 1 <= len(rules) <= MOST_RULES:
        raise S3Error("MalformedXML")
    if len({rule["ID"] for rule in rules}) < len(rules):
        raise S3Error("InvalidArgument", "Rule ID must be unique.")
    set_setting(context, "lifecycle", rules)
    return Response()


@operation(
    "DeleteBucketLifecycle",
    "DELETE",
    "bucket",
    subresource="lifecycle",
    action="s3:PutLifecycleConfiguration",
)
def delete_bucket_lifecycle(context: Context) -> Response:
    set_setting(context, "lifecycle", None)
    return Response(204)


def _parse(element: Element) -> dict[str, Any]:
    """A rule, in nested dictionaries of S3's element names.

    Raises:
        S3Error: ``MalformedXML``, ``InvalidArgument``, ``InvalidRequest``; ``NotImplemented`` for
            transitions: this S3 has one place to keep things.
    """
    name = child_text(element, "ID") or secrets.token_hex(16)
    if len(name) > LONGEST_ID:
        raise S3Error("InvalidArgument", "ID length should not exceed allowed limit of 255")
    status = child_text(element, "Status")
    if status not in ("Enabled", "Disabled"):
        raise S3Error("MalformedXML")
    for transition in ("Transition", "NoncurrentVersionTransition"):
        for found in element.findall(transition):
            _fields(found, {"Date": _midnight})
            raise S3Error("NotImplemented", "This S3 has no other storage class to move to.")
    actions = {
        action: _fields(found, _FIELDS[action])
        for action in ACTIONS
        if (found := element.find(action)) is not None
    }
    if not actions:
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule.")
    if "Expiration" in actions and len(actions["Expiration"]) != 1:
        raise S3Error("MalformedXML")
    conditions = _conditions(element)
    _check_filter(conditions.get("Filter", {}), actions)
    return {"ID": name, **conditions, "Status": status, **actions}


def _conditions(element: Element) -> dict[str, Any]:
    """What the rule is for: its Filter, or in the older form its Prefix."""
    prefix, found = child_text(element, "Prefix"), element.find("Filter")
    if (prefix is None) == (found is None):
        raise S3Error("MalformedXML")
    return {"Prefix": prefix} if found is None else {"Filter": _filter(found)}


def _filter(element: Element) -> dict[str, Any]:
    kept = _fields(
        element,
        {"Prefix": str, "ObjectSizeGreaterThan": _size, "ObjectSizeLessThan": _size},
    )
    tags = [
        {"Key": child_text(tag, "Key") or "", "Value": child_text(tag, "Value") or ""}
        for tag in element.findall("Tag")
    ]
    both = element.find("And")
    return kept | ({"Tag": tags} if tags else {}) | ({} if both is None else {"And": _filter(both)})


def _check_filter(conditions: dict[str, Any], actions: dict[str, Any]) -> None:
    """Uploads and markers have neither tags nor a size to be chosen by."""
    names = {*conditions, *conditions.get("And", {})}
    marker = "ExpiredObjectDeleteMarker" in actions.get("Expiration", {})
    if "Tag" in names and (marker or "AbortIncompleteMultipartUpload" in actions):
        raise S3Error("InvalidRequest", "This action can not be chosen by a tag.")
    sized = {"ObjectSizeGreaterThan", "ObjectSizeLessThan"} & names
    if sized and "AbortIncompleteMultipartUpload" in actions:
        raise S3Error("InvalidRequest", "An incomplete upload can not be chosen by its size.")


# --- values -----------------------------------------------------------------------------------


def _fields(element: Element, readers: dict[str, Callable[[str], Any]]) -> dict[str, Any]:
    """The children that are there, each read by its reader."""
    texts = {name: child_text(element, name) for name in readers}
    return {name: readers[name](text) for name, text in texts.items() if text is not None}


def _number(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or len(text) > 11:
        raise S3Error("MalformedXML")
    return int(text)


def _size(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise S3Error("MalformedXML")
    return int(text)


def _positive(text: str) -> int:
    if not 1 <= _number(text) <= LARGEST_NUMBER:
        raise S3Error("InvalidArgument", "A number of days or versions must be positive.")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise S3Error("MalformedXML")
    return text == "true"


def _midnight(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise S3Error("MalformedXML") from None
    if moment.year < 1970 or moment.time() != time():
        raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


_FIELDS: dict[str, dict[str, Callable[[str], Any]]] = {
    "Expiration": {"Days": _positive, "Date": _midnight, "ExpiredObjectDeleteMarker": _flag},
    "NoncurrentVersionExpiration": {
        "NoncurrentDays": _positive,
        "NewerNoncurrentVersions": _positive,
    },
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _positive},
}
