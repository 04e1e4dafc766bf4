"""Completing a multipart upload: the object that the listed parts make, held to what is claimed.

S3 API reference, "CompleteMultipartUpload"; User Guide, "Checking object integrity".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from amazonian.s3 import checksums, multipart
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Part, Upload, Version

DEFAULT_ALGORITHM = "CRC64NVME"
"""Of the checksum that S3 computes where the client asked for none."""


@dataclass(frozen=True)
class Claims:
    """What a client says of the object it completes, as far as it says anything.

    Args:
        checksums: the whole object's, by algorithm.
        parts: the parts', by part number and algorithm.
        checksum_type: "COMPOSITE" or "FULL_OBJECT".
        size: in bytes.
    """

    checksums: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    checksum_type: str = ""
    size: int | None = None


NO_CLAIMS = Claims()


def algorithm_of(upload: Upload) -> str:
    """The algorithm of the checksum that each part of an upload is kept with."""
    return upload.checksum_algorithm or DEFAULT_ALGORITHM


def assemble(
    upload: Upload,
    listed: Sequence[multipart.ListedPart],
    uploaded: Mapping[int, Part],
    claims: Claims = NO_CLAIMS,
) -> Version:
    """The object that the listed parts make; it has no version id yet.

    Raises:
        S3Error: what ``multipart.chosen_parts`` raises; ``InvalidPart``, ``BadDigest`` or
            ``InvalidRequest`` for a claim that does not hold.
    """
    parts = multipart.chosen_parts(listed, uploaded)
    _check_parts(parts, claims)
    size = sum(part.size for part in parts)
    if claims.size not in (None, size):
        raise S3Error(
            "InvalidRequest",
            f"The parts make up {size} bytes, not the {claims.size} that the request names.",
        )
    return Version(
        upload.bucket,
        upload.key,
        size=size,
        etag=multipart.etag_of_parts([part.etag for part in parts]),
        segments=tuple(s for part in parts for s in part.segments if s.size),
        inline=None if size else b"",
        details=replace(
            upload.details,
            checksum=_checksum(upload, parts, claims),
            parts=[[p.number, p.size, p.checksum.get("value", "")] for p in parts],
            upload_id=upload.upload_id,
        ),
    )


def _check_parts(parts: Sequence[Part], claims: Claims) -> None:
    for part in parts:
        kept = {part.checksum.get("algorithm"): part.checksum.get("value")}
        for algorithm, value in claims.parts.get(part.number, {}).items():
            if kept.get(algorithm, value) != value:
                raise S3Error("InvalidPart", PartNumber=part.number)


def _checksum(upload: Upload, parts: Sequence[Part], claims: Claims) -> dict[str, str]:
    """The whole object's checksum, from the parts'; empty where one of them has none."""
    algorithm = algorithm_of(upload)
    kind = upload.checksum_type or checksums.default_type(algorithm)
    if claims.checksum_type not in ("", kind) or set(claims.checksums) - {algorithm}:
        raise S3Error(
            "InvalidRequest",
            f"The upload's checksum is {algorithm}, {kind}; the request names another.",
        )
    if any(part.checksum.get("algorithm") != algorithm for part in parts):
        return {}
    digests = [checksums.decode(algorithm, part.checksum["value"]) for part in parts]
    if kind == "FULL_OBJECT":
        sizes = [part.size for part in parts]
        value = checksums.full_object(algorithm, list(zip(digests, sizes, strict=True)))
    else:
        value = checksums.composite(algorithm, digests)
    claimed = claims.checksums.get(algorithm, value)
    if claimed.partition("-")[0] != value.partition("-")[0]:
        raise S3Error("BadDigest", f"The {algorithm} you specified is not that of the parts.")
    return {"algorithm": algorithm, "type": kind, "value": value}
