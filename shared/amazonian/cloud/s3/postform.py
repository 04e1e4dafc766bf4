"""Upload from a form: a browser's POST, allowed by a signed policy instead of a signed request.

S3 API reference, "POST Object".
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from python_multipart.multipart import parse_options_header

from amazonian.cloud.s3 import attributes, postpolicy
from amazonian.cloud.s3.body import LARGEST_PUT_BYTES
from amazonian.cloud.s3.formdata import NOT_A_FORM, Form, FormReader
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.postpolicy import SizeRange
from amazonian.cloud.s3.tagging import parse_tags
from amazonian.cloud.s3.wire import Response, document
from amazonian.iam.sigv4 import SignatureError, verify_post_policy
from amazonian.s3 import checksums, upload
from amazonian.s3.errors import S3Error
from amazonian.s3.naming import check_key


@operation("PostObject", "POST", "bucket")
def post_object(context: Context) -> Response:
    request = context.request
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise S3Error("MalformedPOSTRequest", NOT_A_FORM)
    form = FormReader(options[b"boundary"], request.body).read_fields()
    fields = form.fields
    if "key" not in fields:
        raise S3Error(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.",
            ArgumentName="key",
        )
    key = fields["key"] = fields["key"].replace("${filename}", form.file_name)
    check_key(key)
    allowed = _authenticate(context, fields)
    context.request.key = key
    context.extra["request_tags"] = tags = _tags(fields)
    context.need("s3:PutObject", "WRITE")
    headers = _headers_of(fields, form)
    body = _Measured(form.content, allowed, headers)
    details = replace(attributes.details_from(context, headers), tags=tags)
    version = upload.put(context.store, request.bucket, key, body, details)
    return _answer(context, fields, key, version.etag, attributes.written_headers(context, version))


def _authenticate(context: Context, fields: dict[str, str]) -> SizeRange:
    """Find the caller by the policy's signature; without either, the caller is anonymous."""
    encoded = fields.get("policy")
    signed = "signature" in fields or "x-amz-signature" in fields
    if encoded is None:
        if signed:
            raise S3Error("AccessDenied")
        return SizeRange()
    if not signed:
        raise S3Error("InvalidArgument", "Bucket POST must contain a field named 'Signature'.")
    try:
        access_key = verify_post_policy(encoded, fields, context.identities.secret_of)
        token = fields.get("x-amz-security-token")
        context.caller = context.identities.caller(access_key, token)
    except SignatureError as error:
        raise S3Error(error.code, error.message, status=error.status) from None
    named = {"bucket": context.bucket.name}
    if fields.get("bucket", context.bucket.name) != context.bucket.name:
        raise postpolicy.refused("The form names another bucket.")
    return postpolicy.check_policy(postpolicy.decode(encoded), fields | named, context.store.now())


_AS_HEADER = re.compile(r"x-amz-.*|content-.*|cache-control|expires")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REDIRECT = re.compile(r"https?://[!-~]+")


def _headers_of(fields: Mapping[str, str], form: Form) -> dict[str, str]:
    """The fields that mean what the headers of their name mean in a PUT.

    Raises:
        S3Error: ``InvalidArgument``: a line end or another control character, which no header can
            have, and which would become a header of its own when the object is read.
    """
    headers = {name: value for name, value in fields.items() if _AS_HEADER.fullmatch(name)}
    if "acl" in fields:
        headers["x-amz-acl"] = fields["acl"]
    if "content-type" not in headers and form.file_type:
        headers["content-type"] = form.file_type
    for name, value in headers.items():
        if _CONTROL.search(name + value):
            raise S3Error("InvalidArgument", f"{name[:64]!r} has a character that no header has.")
    return headers


def _tags(fields: Mapping[str, str]) -> dict[str, str]:
    text = fields.get("tagging")
    return parse_tags(text.encode(), attributes.MOST_TAGS) if text else {}


class _Measured:
    """The file as a body: within the policy's bounds, and with its checksum."""

    def __init__(self, content: Iterable[bytes], allowed: SizeRange, headers: Mapping[str, str]):
        self._content, self._allowed = content, allowed
        given = [a for a in checksums.ALGORITHMS if checksums.header(a) in headers]
        self._algorithm = given[0] if given else "CRC64NVME"
        self._promised = headers.get(checksums.header(self._algorithm))
        self.checksum: dict[str, str] = {}

    def __iter__(self) -> Iterator[bytes]:
        size, most = 0, self._allowed.most
        most = LARGEST_PUT_BYTES if most is None else most
        running = checksums.ALGORITHMS[self._algorithm]()
        for piece in self._content:
            size += len(piece)
            if size > most:
                raise S3Error("EntityTooLarge", MaxSizeAllowed=most)
            running.update(piece)
            yield piece
        if size < self._allowed.least:
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ProposedSize=size,
                MinSizeAllowed=self._allowed.least,
            )
        value = checksums.encode(running.digest())
        if self._promised is not None and self._promised != value:
            raise S3Error("BadDigest")
        self.checksum = {"algorithm": self._algorithm, "type": "FULL_OBJECT", "value": value}


def _answer(
    context: Context, fields: Mapping[str, str], key: str, etag: str, headers: dict[str, str]
) -> Response:
    bucket = context.bucket.name
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    location = f"http://{context.request.headers.get('host', '')}/{bucket}/{quote(key)}"
    headers = {**headers, "etag": f'"{etag}"', "location": location}
    if redirect and _REDIRECT.fullmatch(redirect):
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
