"""One request, one operation: what S3 can do, and what each operation asks of its caller.

A request is parsed once, into an :class:`Operation`. Which permission that needs, in IAM and in
the ACLs, is a property of the operation; the check is made here, once, for all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amazonian.cloud.s3 import condition_keys
from amazonian.cloud.s3.body import read_document
from amazonian.cloud.s3.wire import Request, Response
from amazonian.iam.identities import Caller, Identities
from amazonian.iam.sigv4 import Signature
from amazonian.s3 import access
from amazonian.s3.access import Question
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Bucket, Version
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
        """The canonical id that what this request makes belongs to.

        What nobody in particular writes belongs to the bucket's owner.
        """
        if self.caller:
            return self.caller.account.canonical_id
        return self.named_bucket.owner if self.named_bucket else "anonymous"

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

    @property
    def conditions(self) -> dict[str, list[str]]:
        """The condition keys of the request, as far as it is known by now."""
        return condition_keys.of_request(
            self.request,
            self.store.metadata.clock.now_s(),
            self.extra.get("request_tags"),
            self.version.details.tags if self.version else None,
        )

    def document(self) -> bytes:
        return read_document(self.request, self.signature)

    def may(self, action: str, permission: str | None = None, **changes: Any) -> bool:
        """Whether the caller may also do this, on the same bucket and key."""
        arguments = {"bucket": self.bucket, "key": self.request.key or None} | changes
        # Of a root's requests no policy speaks but the bucket's: most need no conditions.
        if "context" not in arguments and (
            self.caller is None
            or not self.caller.is_root
            or "policy" in arguments["bucket"].settings
        ):
            arguments["context"] = self.conditions
        question = Question(action, permission, **arguments)
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
        # Ceph's clients may write tenant:bucket. Here a bucket's name says enough.
        request.bucket = request.bucket.rpartition(":")[2]
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
    if chosen.acl_of == "object" and context.version is None:
        _refuse_absent(context)
    context.need(
        action, chosen.permission, object_details=context.version and context.version.details
    )


def _refuse_absent(context: Context) -> None:
    """Only who may list the bucket, under this key as prefix, is told that a key is not in it."""
    conditions = {**context.conditions, "s3:prefix": [context.request.key]}
    context.need("s3:ListBucket", "READ", key=None, context=conditions)
    raise context.version_error or S3Error("NoSuchKey")
