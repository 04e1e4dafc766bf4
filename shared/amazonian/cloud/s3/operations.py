"""One request, one operation: what S3 can do, and what each operation asks of its caller.

A request is parsed once, into an :class:`Operation`. Which permission that needs, in IAM and in
the ACLs, is a property of the operation; the check is made here, once, for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from amazonian.cloud.s3.body import read_document
from amazonian.cloud.s3.wire import Request, Response
from amazonian.iam.identities import Caller, Identities
from amazonian.iam.sigv4 import Signature
from amazonian.s3 import access
from amazonian.s3.access import Question
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import Bucket, Version
from amazonian.s3.store import Store


@dataclass
class Context:
    """What an operation works with."""

    store: Store
    identities: Identities
    request: Request
    caller: Caller | None = None
    signature: Signature | None = None
    operation: "Operation | None" = None
    named_bucket: Bucket | None = None
    version: Version | None = None
    version_error: S3Error | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def bucket(self) -> Bucket:
        assert self.named_bucket is not None
        return self.named_bucket

    @property
    def owner(self) -> str:
        """The canonical id that what this request makes belongs to."""
        return self.caller.account.canonical_id if self.caller else "anonymous"

    def existing(self) -> Version:
        """The object version that the request names.

        Raises:
            S3Error: it is not there.
        """
        if self.version is None:
            raise self.version_error or S3Error("NoSuchKey", Key=self.request.key)
        return self.version

    def start_again(self) -> None:
        """Forget what was looked up."""
        self.version = self.version_error = None
        self.extra.clear()

    def document(self) -> bytes:
        return read_document(self.request, self.signature)

    def may(self, action: str, permission: str | None = None, **changes: Any) -> bool:
        """Whether the caller may also do this, on the same bucket and key."""
        arguments = {"bucket": self.bucket, "key": self.request.key or None} | changes
        question = Question(action, permission, context=condition_context(self), **arguments)
        return access.may(self.identities, self.caller, question)

    def need(self, action: str, permission: str | None = None, **changes: Any) -> None:
        """
        Raises:
            S3Error: ``AccessDenied``.
        """
        if not self.may(action, permission, **changes):
            raise S3Error("AccessDenied")


@dataclass(frozen=True)
class Operation:
    """An operation of S3's API.

    Args:
        on: "service", "bucket" or "object".
        subresource: a query parameter that must be there, such as ``tagging``.
        header: a header that must be there, such as ``x-amz-copy-source``.
        action: IAM's name of what it does; "" where the handler asks by itself.
        versioned_action: the same where the request names a version.
        permission: the ACL permission that allows it too.
        acl_of: whose ACL that is, "bucket" or "object".
        quick: it reads metadata only, and so may run on the event loop itself.
    """

    name: str
    method: str
    on: str
    handler: Callable[[Context], Response]
    subresource: str = ""
    header: str = ""
    action: str = ""
    versioned_action: str = ""
    permission: str | None = None
    acl_of: str = "bucket"
    quick: bool = False


_operations: dict[tuple[str, str], list[Operation]] = {}


def operation(
    name: str, method: str, on: str, **properties: Any
) -> Callable[[Callable[[Context], Response]], Callable[[Context], Response]]:
    """Register the decorated function as an operation; those with more conditions come first."""

    def register(handler: Callable[[Context], Response]) -> Callable[[Context], Response]:
        listed = _operations.setdefault((method, on), [])
        listed.append(Operation(name, method, on, handler, **properties))
        listed.sort(key=lambda op: bool(op.subresource) + bool(op.header), reverse=True)
        return handler

    return register


def all_operations() -> list[Operation]:
    return [op for listed in _operations.values() for op in listed]


# Sub-resources of S3 that this one does not have: they are not to be taken for a plain GET or PUT.
NOT_IMPLEMENTED = frozenset(
    {
        "analytics", "intelligent-tiering", "inventory", "metrics", "metadataTable", "select",
        "metadataConfiguration", "session", "torrent", "renameObject", "abac", "annotation",
    }
)  # fmt: skip


def find_operation(request: Request) -> Operation:
    """
    Raises:
        S3Error: ``MethodNotAllowed`` or ``NotImplemented``.
    """
    on = "object" if request.key else "bucket" if request.bucket else "service"
    parameters = request.parameters
    if not NOT_IMPLEMENTED.isdisjoint(parameters):
        raise S3Error("NotImplemented", "This S3 does not have that.")
    for candidate in _operations.get((request.method, on), ()):
        if candidate.subresource and candidate.subresource not in parameters:
            continue
        if candidate.header and candidate.header not in request.headers:
            continue
        return candidate
    raise S3Error("MethodNotAllowed", Method=request.method, ResourceType=on.upper())


def perform(context: Context) -> Response:
    """Authorise and carry out the request's operation.

    Raises:
        S3Error: whatever S3 refuses.
    """
    request, chosen = context.request, context.operation
    assert chosen is not None
    if chosen.on != "service" and chosen.name != "CreateBucket":
        context.named_bucket = context.store.metadata.bucket(request.bucket)
        expected = request.headers.get("x-amz-expected-bucket-owner")
        if expected is not None:
            owner = context.identities.account_by_canonical_id(context.bucket.owner)
            if owner is None or owner.account_id != expected:
                raise S3Error("AccessDenied")
        if chosen.acl_of == "object":
            _look_up(context)
        if chosen.action:
            _authorise(context, chosen)
    elif context.caller is None:
        raise S3Error("AccessDenied")
    return chosen.handler(context)


def _look_up(context: Context) -> None:
    request = context.request
    try:
        context.version = context.store.version(
            request.bucket, request.key, request.parameter("versionId")
        )
    except S3Error as error:
        context.version_error = error


def _authorise(context: Context, chosen: Operation) -> None:
    action, request = chosen.action, context.request
    if chosen.versioned_action and request.parameter("versionId") is not None:
        action = chosen.versioned_action
    details = context.version.details if context.version else None
    absent = chosen.acl_of == "object" and context.version is None
    if context.may(action, chosen.permission, object_details=details):
        # Only who may list the bucket is told that a key is not in it.
        if not absent or context.may("s3:ListBucket", "READ", key=None):
            return
    elif absent and context.may("s3:ListBucket", "READ", key=None):
        raise context.version_error or S3Error("NoSuchKey")
    raise S3Error("AccessDenied")


_CONDITION_HEADERS = (
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-grant-read",
    "x-amz-grant-write",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
    "x-amz-grant-full-control",
    "x-amz-content-sha256",
    "x-amz-object-ownership",
    "if-match",
    "if-none-match",
)


def condition_context(context: Context) -> Mapping[str, list[str]]:
    """The condition keys of a request, in lower case, for policies."""
    if "conditions" in context.extra:
        return context.extra["conditions"]
    request = context.request
    keys = {
        "aws:sourceip": [request.client],
        "aws:securetransport": ["true" if request.secure else "false"],
        "aws:currenttime": [
            datetime.fromtimestamp(context.store.metadata.clock.now_s(), UTC).isoformat()
        ],
        "aws:epochtime": [str(int(context.store.metadata.clock.now_s()))],
    }
    for header, key in (("user-agent", "aws:useragent"), ("referer", "aws:referer")):
        if header in request.headers:
            keys[key] = [request.headers[header]]
    for name in _CONDITION_HEADERS:
        if name in request.headers:
            keys[f"s3:{name}"] = [request.headers[name]]
    for name in ("prefix", "delimiter", "max-keys"):
        if name in request.parameters:
            keys[f"s3:{name}"] = [request.parameters[name]]
    if "versionId" in request.parameters:
        keys["s3:versionid"] = [request.parameters["versionId"]]
    if context.version is not None:
        for tag, value in context.version.details.tags.items():
            keys[f"s3:existingobjecttag/{tag.lower()}"] = [value]
    for tag, value in context.extra.get("request_tags", {}).items():
        keys[f"s3:requestobjecttag/{tag.lower()}"] = [value]
        keys.setdefault("s3:requestobjecttagkeys", []).append(tag)
    if context.caller is not None:
        keys["aws:principalaccount"] = [context.caller.account.account_id]
    context.extra["conditions"] = keys
    return keys
