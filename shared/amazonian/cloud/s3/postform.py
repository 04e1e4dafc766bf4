"""Upload from a form: a browser's POST, allowed by a signed policy instead of a signed request.

S3 API reference, "POST Object" and "Creating a POST policy".
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from python_multipart.multipart import MultipartParser, parse_options_header

from amazonian.cloud.s3 import attributes, grants
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.tagging import parse_tags
from amazonian.cloud.s3.wire import Response, document, parse_iso
from amazonian.iam.sigv4 import SignatureError, verify_post_policy
from amazonian.s3 import checksums, upload
from amazonian.s3.errors import S3Error
from amazonian.s3.naming import check_key

LARGEST_FIELDS_BYTES = 2**20
NEEDS_NO_CONDITION = frozenset(
    {"awsaccesskeyid", "signature", "x-amz-signature", "policy", "file", "submit"}
)


@dataclass
class Form:
    """A form's fields by lower-case name, and its file, which comes last and is streamed."""

    fields: dict[str, str] = field(default_factory=dict)
    file_name: str = ""
    file_type: str = ""
    content: Iterable[bytes] = ()


class _FormReader:
    """Feeds a multipart parser, and gives the file's bytes as they come out of it."""

    def __init__(self, boundary: bytes, chunks: Iterable[bytes]):
        self._chunks = iter(chunks)
        self._pieces: list[bytes] = []
        self._value = bytearray()
        self._headers: dict[str, str] = {}
        self._name = self._header_name = self._header_value = b""
        self._size = 0
        self.form = Form()
        self.in_file = self.ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value_part,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
        )

    def read_fields(self) -> Form:
        """All fields before the file.

        Raises:
            S3Error: ``MalformedPOSTRequest``, ``InvalidArgument`` (no file).
        """
        while not self.in_file and self._feed():
            pass
        if not self.in_file:
            raise S3Error(
                "InvalidArgument",
                "POST requires exactly one file upload per request.",
                ArgumentName="file",
                ArgumentValue="0",
            )
        self.form.content = self._file()
        return self.form

    def _file(self) -> Iterator[bytes]:
        while True:
            yield from self._pieces
            self._pieces.clear()
            if self.ended:
                return
            if not self._feed():
                raise S3Error("IncompleteBody")

    def _feed(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        try:
            self._parser.write(chunk)
        except ValueError as error:
            raise S3Error(
                "MalformedPOSTRequest",
                "The body of your POST request is not well-formed multipart/form-data.",
            ) from error
        return True

    def _part_begins(self) -> None:
        self._headers, self._value = {}, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        name = self._header_name.decode("latin-1").lower()
        self._headers[name] = self._header_value.decode(errors="replace")
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"")
        if self._name.lower() == b"file" and not self.in_file:
            self.in_file = True
            self.form.file_name = options.get(b"filename", b"").decode(errors="replace")
            self.form.file_type = self._headers.get("content-type", "")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.in_file:
            if not self.ended:
                self._pieces.append(bytes(data[start:end]))
            return
        self._value += data[start:end]
        self._size += end - start
        if self._size > LARGEST_FIELDS_BYTES:
            raise S3Error("MaxPostPreDataLengthExceeded", "Your POST request fields are too large.")

    def _part_ends(self) -> None:
        if self.in_file:
            self.ended = True
        else:
            name = self._name.decode(errors="replace").lower()
            self.form.fields.setdefault(name, self._value.decode(errors="replace"))

    def _form_ends(self) -> None:
        self.ended = True


@operation("PostObject", "POST", "bucket")
def post_object(context: Context) -> Response:
    request = context.request
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise S3Error(
            "MalformedPOSTRequest",
            "The body of your POST request is not well-formed multipart/form-data.",
        )
    form = _FormReader(options[b"boundary"], request.body).read_fields()
    fields = form.fields
    if "key" not in fields:
        raise S3Error(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.",
            ArgumentName="key",
        )
    key = fields["key"] = fields["key"].replace("${filename}", form.file_name)
    check_key(key)
    least, most = _authenticate(context, fields)
    headers = _headers_of(fields, form)
    context.request.key = key
    context.extra["request_tags"] = tags = _tags(fields)
    context.need("s3:PutObject", "WRITE")
    details = attributes.details_from(context, headers)
    acl, owner = grants.from_headers(context, headers, context.owner, context.bucket.owner)
    details = replace(details, acl=acl, owner=owner, tags=tags)
    body = _Measured(form.content, least, most, headers)
    version = upload.put(context.store, request.bucket, key, body, details)
    return _answer(context, fields, key, version.etag, attributes.version_header(context, version))


def _authenticate(context: Context, fields: dict[str, str]) -> tuple[int, int | None]:
    """Find the caller by the policy's signature; gives the bounds that it sets on the size."""
    encoded = fields.get("policy")
    if encoded is None:
        if "signature" in fields or "x-amz-signature" in fields:
            raise S3Error("AccessDenied")
        return 0, None
    if "signature" not in fields and "x-amz-signature" not in fields:
        raise S3Error("InvalidArgument", "Bucket POST must contain a field named 'Signature'.")
    try:
        access_key = verify_post_policy(encoded, fields, context.identities.secret_of)
    except SignatureError as error:
        raise S3Error(error.code, error.message, status=error.status) from None
    context.caller = context.identities.caller(access_key)
    try:
        policy = json.loads(base64.b64decode(encoded))
    except ValueError:
        raise S3Error("InvalidPolicyDocument", "The policy is not base64 of JSON.") from None
    return check_policy(policy, {**fields, "bucket": context.bucket.name}, context.store.now())


def check_policy(policy: Any, fields: dict[str, str], now: datetime) -> tuple[int, int | None]:
    """Whether a POST policy allows the fields; gives the size's bounds in bytes.

    Raises:
        S3Error: ``InvalidPolicyDocument`` (400), or ``AccessDenied`` (403): expired, a condition
            fails, or a field has no condition.
    """
    if not isinstance(policy, dict) or "expiration" not in policy:
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: Policy missing expiration.")
    conditions = policy.get("conditions")
    if not isinstance(conditions, list) or not conditions:
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: Policy missing conditions.")
    try:
        expiration = parse_iso(policy["expiration"])
    except (S3Error, TypeError):
        expiration = None
    if expiration is None:
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: Invalid 'expiration' value.")
    if expiration <= now:
        raise S3Error("AccessDenied", "Invalid according to Policy: Policy expired.")
    least, most = 0, None
    covered = set(NEEDS_NO_CONDITION)
    for condition in conditions:
        kind, name, value = _parse_condition(condition)
        if kind == "content-length-range":
            least, most = name, value
            continue
        covered.add(name)
        actual = fields.get(name, "")
        held = actual.startswith(value) if kind == "starts-with" else actual == value
        if not held:
            raise S3Error(
                "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {condition}"
            )
    extra = [n for n in fields if n not in covered and not n.startswith("x-ignore-")]
    extra = [n for n in extra if n != "bucket"]
    if extra:
        raise S3Error(
            "AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(extra)}"
        )
    return least, most


def _parse_condition(condition: Any) -> tuple[str, Any, Any]:
    malformed = S3Error("InvalidPolicyDocument", f"Invalid Policy: Invalid Condition: {condition}")
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise malformed
        ((name, value),) = condition.items()
        if not isinstance(value, str):
            raise malformed
        return "eq", name.lower(), value
    if not isinstance(condition, list) or len(condition) != 3:
        raise malformed
    kind, name, value = condition
    kind = str(kind).lower()
    if kind == "content-length-range":
        try:
            return kind, int(name), int(value)
        except (TypeError, ValueError):
            raise malformed from None
    if kind not in ("eq", "starts-with") or not isinstance(name, str) or name[:1] != "$":
        raise malformed
    return kind, name[1:].lower(), str(value)


_AS_HEADER = re.compile(r"x-amz-.*|content-.*|cache-control|expires")


def _headers_of(fields: dict[str, str], form: Form) -> dict[str, str]:
    """The fields that mean what the headers of their name mean in a PUT."""
    headers = {name: value for name, value in fields.items() if _AS_HEADER.fullmatch(name)}
    if "acl" in fields:
        headers["x-amz-acl"] = fields["acl"]
    if "content-type" not in headers and form.file_type:
        headers["content-type"] = form.file_type
    return headers


def _tags(fields: dict[str, str]) -> dict[str, str]:
    document_text = fields.get("tagging")
    return parse_tags(document_text.encode(), attributes.MOST_TAGS) if document_text else {}


class _Measured:
    """The file as a body: within the policy's bounds, and with its checksum."""

    def __init__(
        self, content: Iterable[bytes], least: int, most: int | None, headers: dict[str, str]
    ):
        self._content, self._least, self._most = content, least, most
        given = [a for a in checksums.ALGORITHMS if checksums.header(a) in headers]
        self._algorithm = given[0] if given else "CRC64NVME"
        self._promised = headers.get(checksums.header(self._algorithm))
        self.checksum: dict[str, str] = {}

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        running = checksums.ALGORITHMS[self._algorithm]()
        for piece in self._content:
            size += len(piece)
            if self._most is not None and size > self._most:
                raise S3Error("EntityTooLarge", MaxSizeAllowed=self._most)
            running.update(piece)
            yield piece
        if size < self._least:
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ProposedSize=size,
                MinSizeAllowed=self._least,
            )
        value = checksums.encode(running.digest())
        if self._promised is not None and self._promised != value:
            raise S3Error("BadDigest")
        self.checksum = {"algorithm": self._algorithm, "type": "FULL_OBJECT", "value": value}


def _answer(
    context: Context, fields: dict[str, str], key: str, etag: str, headers: dict[str, str]
) -> Response:
    bucket = context.bucket.name
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    location = f"http://{context.request.headers.get('host', '')}/{bucket}/{quote(key)}"
    headers = {**headers, "etag": f'"{etag}"', "location": location}
    if redirect and redirect.startswith(("http://", "https://")):
        query = f"bucket={quote(bucket)}&key={quote(key, safe='')}&etag=%22{etag}%22"
        mark = "&" if "?" in redirect else "?"
        return Response(303, {**headers, "location": f"{redirect}{mark}{query}"})
    status = fields.get("success_action_status", "204")
    if status == "201":
        return document(
            "PostResponse",
            {"Location": location, "Bucket": bucket, "Key": key, "ETag": f'"{etag}"'},
            201,
            **headers,
        )
    return Response(200 if status == "200" else 204, headers)
