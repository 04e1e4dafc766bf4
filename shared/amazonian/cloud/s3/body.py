"""The request's body: unwrapped from aws-chunked, and checked against what was promised.

A body may promise its SHA-256 (``x-amz-content-sha256``), its MD5 (``content-md5``), a checksum
of S3's own (in a header or in a trailer), a signature for each chunk, and its length. All are
tested as it streams by; a promise that is not kept is an error raised at its end, before the
object has been given a name. S3 API reference, "Signature calculations: transferring payload in
multiple chunks".
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator

from amazonian.cloud.s3.wire import LARGEST_DOCUMENT_BYTES, Request
from amazonian.iam.sigv4 import ChunkSignatures, Signature
from amazonian.s3 import checksums
from amazonian.s3.errors import S3Error

LARGEST_PUT_BYTES = 5 * 2**30
_LONGEST_LINE_BYTES = 8192
_PIECE_BYTES = 2**20


class RequestBody:
    """An iterable of the body's bytes; afterwards its `checksum` and `size` are known, and the
    checksum that the client promised (`promise_kept`), if it did.

    Args:
        request: its headers say what is promised.
        signature: of the request; None for an anonymous one.
        default_algorithm: of the checksum to compute where the client promises none.
        kept_algorithm: of the `checksum`, where that is not to be the client's choice.
    """

    def __init__(
        self,
        request: Request,
        signature: Signature | None = None,
        default_algorithm: str | None = None,
        kept_algorithm: str | None = None,
    ):
        self._headers, self._raw = request.headers, request.body
        self._signature = signature
        self.size = 0
        self.checksum: dict[str, str] = {}
        self.promise_kept: dict[str, str] = {}
        sha256 = self._headers.get("x-amz-content-sha256", "")
        self._streaming = sha256.startswith("STREAMING-")
        self._sha256 = sha256.lower() if len(sha256) == 64 else None
        self.promised_algorithm, self._promised = self._promised_checksum()
        self._trailing = self._promised is None and bool(self.promised_algorithm)
        self._kept_algorithm = kept_algorithm or self.promised_algorithm or default_algorithm
        self._md5 = _decoded_md5(self._headers.get("content-md5"))
        self._length = self._promised_length()

    def _promised_checksum(self) -> tuple[str | None, str | None]:
        """The algorithm, and the value where it is known already (not in a trailer)."""
        given = [a for a in checksums.ALGORITHMS if checksums.header(a) in self._headers]
        if len(given) > 1:
            raise S3Error(
                "InvalidRequest",
                "Expecting a single x-amz-checksum- header; several are not allowed.",
            )
        if given:
            value = self._headers[checksums.header(given[0])]
            checksums.decode(given[0], value)
            return given[0], value
        trailer = self._headers.get("x-amz-trailer", "").lower()
        if trailer.startswith("x-amz-checksum-"):
            return checksums.need_algorithm(trailer.removeprefix("x-amz-checksum-")), None
        return None, None

    def _promised_length(self) -> int | None:
        name = "x-amz-decoded-content-length" if self._streaming else "content-length"
        text = self._headers.get(name)
        if text is None:
            if self._streaming or "transfer-encoding" not in self._headers:
                raise S3Error("MissingContentLength")
            return None
        if not text.isdigit():
            raise S3Error("InvalidArgument", f"{name} is not a number of bytes")
        if int(text) > LARGEST_PUT_BYTES:
            raise S3Error("EntityTooLarge", ProposedSize=text, MaxSizeAllowed=LARGEST_PUT_BYTES)
        return int(text)

    def __iter__(self) -> Iterator[bytes]:
        sha256 = hashlib.sha256() if self._sha256 else None
        md5 = hashlib.md5(usedforsecurity=False) if self._md5 else None
        wanted = {a for a in (self._kept_algorithm, self.promised_algorithm) if a}
        running = {algorithm: checksums.ALGORITHMS[algorithm]() for algorithm in wanted}
        hashes = [h for h in (sha256, md5, *running.values()) if h is not None]
        trailers: dict[str, str] = {}
        for chunk in self._unwrapped(trailers) if self._streaming else self._raw:
            self.size += len(chunk)
            if self.size > LARGEST_PUT_BYTES:
                raise S3Error("EntityTooLarge", MaxSizeAllowed=LARGEST_PUT_BYTES)
            for running_hash in hashes:
                running_hash.update(chunk)
            if chunk:
                yield chunk
        if self._length is not None and self.size != self._length:
            raise S3Error("IncompleteBody")
        if sha256 and sha256.hexdigest() != self._sha256:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                ClientComputedContentSHA256=self._sha256,
                S3ComputedContentSHA256=sha256.hexdigest(),
            )
        if md5 and md5.digest() != self._md5:
            raise S3Error(
                "BadDigest", "The Content-MD5 you specified did not match what we received."
            )
        computed = {a: checksums.encode(checksum.digest()) for a, checksum in running.items()}
        self._check(computed, trailers)

    def _check(self, computed: dict[str, str], trailers: dict[str, str]) -> None:
        algorithm = self.promised_algorithm
        if algorithm:
            promised = self._promised
            if self._trailing:
                promised = trailers.get(checksums.header(algorithm))
            if promised is None:
                raise S3Error(
                    "MalformedTrailerError",
                    "The request contained trailing data that "
                    "was not well-formed or did not conform to our published schema.",
                )
            if checksums.decode(algorithm, promised) != checksums.decode(
                algorithm, computed[algorithm]
            ):
                raise S3Error(
                    "BadDigest",
                    f"The {algorithm} you specified did not match the calculated checksum.",
                )
            self.promise_kept = _checksum(algorithm, computed)
        if self._kept_algorithm:
            self.checksum = _checksum(self._kept_algorithm, computed)

    # --- aws-chunked --------------------------------------------------------------------------

    def _unwrapped(self, trailers: dict[str, str]) -> Iterator[bytes]:
        kind = self._headers["x-amz-content-sha256"]
        signed = "AWS4-HMAC-SHA256" in kind
        signatures = ChunkSignatures(self._signature) if signed and self._signature else None
        source = _Lines(self._raw)
        while True:
            head = source.line().decode("latin-1")
            length, _, extension = head.partition(";")
            try:
                remaining = int(length, 16)
            except ValueError:
                raise S3Error("InvalidRequest", "The chunk's size is not valid.") from None
            claimed = extension.strip().removeprefix("chunk-signature=")
            digest = hashlib.sha256() if signatures else None
            pieces = source.take(remaining)
            if digest is None or signatures is None:
                yield from pieces
            else:
                held = []  # nothing of a chunk is believed before its signature has been checked
                for piece in pieces:
                    digest.update(piece)
                    held.append(piece)
                signatures.check(digest.hexdigest(), claimed)
                yield from held
            if remaining == 0:
                break
            source.line()
        self._read_trailers(source, trailers, signatures)

    def _read_trailers(
        self, source: "_Lines", trailers: dict[str, str], signatures: ChunkSignatures | None
    ) -> None:
        signed = hashlib.sha256()
        claimed = None
        for line in source.rest():
            name, _, value = line.decode("latin-1").partition(":")
            name = name.strip().lower()
            if name == "x-amz-trailer-signature":
                claimed = value.strip()
            elif name:
                trailers[name] = value.strip()
                signed.update(f"{name}:{value.strip()}\n".encode())
        if signatures and self._headers["x-amz-content-sha256"].endswith("-TRAILER"):
            signatures.check_trailer(signed.hexdigest(), claimed or "")


class _Lines:
    """A stream of chunks, read by lines and by counts of bytes."""

    def __init__(self, chunks: Iterable[bytes]):
        self._chunks, self._buffer = iter(chunks), b""

    def _more(self) -> bool:
        chunk = next(self._chunks, b"")
        while chunk == b"":
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
        self._buffer = self._buffer + chunk if self._buffer else chunk
        return True

    def line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE_BYTES:
                raise S3Error("InvalidRequest", "A chunk's head is too long.")
            if not self._more():
                raise S3Error("IncompleteBody")
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def take(self, count: int) -> Iterator[bytes]:
        while count:
            if not self._buffer and not self._more():
                raise S3Error("IncompleteBody")
            piece = self._buffer[: min(count, _PIECE_BYTES)]
            self._buffer = self._buffer[len(piece) :]
            count -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """The lines up to an empty one, or to the end."""
        while self._more():
            if len(self._buffer) > _LONGEST_LINE_BYTES:
                raise S3Error("InvalidRequest", "The trailer is too long.")
        for line in self._buffer.split(b"\r\n"):
            yield from line.split(b"\n")


def read_document(request: Request, signature: Signature | None) -> bytes:
    """A body that is a document, whole and checked.

    Raises:
        S3Error: ``EntityTooLarge``, and what :class:`RequestBody` raises.
    """
    pieces, size = [], 0
    if "content-length" not in request.headers and "transfer-encoding" not in request.headers:
        return b""
    for piece in RequestBody(request, signature):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_DOCUMENT_BYTES:
            raise S3Error("EntityTooLarge", MaxSizeAllowed=LARGEST_DOCUMENT_BYTES)
    return b"".join(pieces)


def _checksum(algorithm: str, computed: dict[str, str]) -> dict[str, str]:
    return {"algorithm": algorithm, "type": "FULL_OBJECT", "value": computed[algorithm]}


def _decoded_md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != 16:
        raise S3Error("InvalidDigest", **{"Content-MD5": text})
    return digest
