"""S3's integrity checksums: of whole objects, and of objects composed of parts.

An object's checksum is FULL_OBJECT (of its bytes) or COMPOSITE (of its parts' checksums, with
the number of parts behind a hyphen). CRCs of parts can be combined into the CRC of the whole;
hashes cannot. S3 User Guide, "Checking object integrity".
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

from awscrt import checksums as crt

from amazonian.s3.errors import S3Error


class Checksum(Protocol):
    """A running checksum, as hashlib's objects."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _CRC:
    def __init__(self, update: Callable[[bytes, int], int], width_bytes: int):
        self._update, self._width_bytes, self._value = update, width_bytes, 0

    def update(self, data: bytes, /) -> None:
        self._value = self._update(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width_bytes, "big")


ALGORITHMS: dict[str, Callable[[], Checksum]] = {
    "CRC32": lambda: _CRC(crt.crc32, 4),
    "CRC32C": lambda: _CRC(crt.crc32c, 4),
    "CRC64NVME": lambda: _CRC(crt.crc64nvme, 8),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}
SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
_COMBINE = {
    "CRC32": crt.combine_crc32,
    "CRC32C": crt.combine_crc32c,
    "CRC64NVME": crt.combine_crc64nvme,
}


def need_algorithm(name: str) -> str:
    """The algorithm's name in capitals.

    Raises:
        S3Error: ``InvalidRequest``: S3 has no such checksum.
    """
    if name.upper() not in ALGORITHMS:
        raise S3Error("InvalidRequest", f"Checksum algorithm provided is unsupported: {name}")
    return name.upper()


def header(algorithm: str) -> str:
    """The header that carries a checksum: ``x-amz-checksum-crc32``."""
    return f"x-amz-checksum-{algorithm.lower()}"


def encode(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def decode(algorithm: str, text: str) -> bytes:
    """
    Raises:
        S3Error: ``BadDigest``: not base64, or not of the algorithm's size.
    """
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != SIZES[algorithm]:
        raise S3Error("BadDigest", f"The value for {header(algorithm)} is not a {algorithm}.")
    return digest


def default_type(algorithm: str) -> str:
    """The type of a multipart object's checksum where the client names none."""
    return "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"


def need_type(algorithm: str, kind: str) -> str:
    """
    Raises:
        S3Error: ``InvalidRequest``: the algorithm can't give a checksum of this type.
    """
    allowed = {"CRC64NVME": ("FULL_OBJECT",), "SHA1": ("COMPOSITE",), "SHA256": ("COMPOSITE",)}
    if kind not in allowed.get(algorithm, ("COMPOSITE", "FULL_OBJECT")):
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} algorithm.",
        )
    return kind


def composite(algorithm: str, digests: Sequence[bytes]) -> str:
    """The checksum of the parts' checksums: ``<base64>-<number of parts>``."""
    running = ALGORITHMS[algorithm]()
    running.update(b"".join(digests))
    return f"{encode(running.digest())}-{len(digests)}"


def full_object(algorithm: str, parts: Sequence[tuple[bytes, int]]) -> str:
    """The CRC of the whole from each part's CRC and size in bytes."""
    total = 0
    for digest, size in parts:
        total = _COMBINE[algorithm](total, int.from_bytes(digest, "big"), size)
    return encode(total.to_bytes(SIZES[algorithm], "big"))
