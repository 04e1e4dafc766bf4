"""What the metadata service keeps: buckets, versions, uploads and parts, as plain records."""

import json
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

EPOCH = datetime.fromtimestamp(0, UTC)
NULL = "null"
"""The version id of what was written without versioning."""


@dataclass(frozen=True)
class Segment:
    """A run of an object's bytes: a payload of the data store, or a stretch of one."""

    payload: str
    size: int
    start: int = 0


@dataclass(frozen=True)
class Details:
    """What S3 keeps beside an object's bytes, and gives back as headers or sub-resources.

    Args:
        owner: the canonical id of the account that wrote it.
        headers: system headers (``content-type``, ``cache-control``, …) by lower-case name.
        metadata: user metadata (``x-amz-meta-…``) by lower-case name without the prefix.
        acl: the access-control list, as :mod:`amazonian.s3.acl` writes it.
        checksum: ``{"algorithm", "type", "value"}``, or empty.
        parts: for a multipart object, ``[number, size, checksum value or ""]`` of each part.
        retention: ``{"mode", "until"}``, or empty; ``until`` as ISO 8601.
        legal_hold: whether a legal hold is on.
        encryption: the headers of server-side encryption to answer with.
        upload_id: for a multipart object, the upload that made it.
    """

    owner: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    acl: list[dict[str, str]] = field(default_factory=list)
    checksum: dict[str, str] = field(default_factory=dict)
    parts: list[list] = field(default_factory=list)
    storage_class: str = "STANDARD"
    retention: dict[str, str] = field(default_factory=dict)
    legal_hold: bool | None = None
    encryption: dict[str, str] = field(default_factory=dict)
    upload_id: str = ""

    def to_json(self) -> str:
        changed = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps({k: v for k, v in changed.items() if v not in ("", {}, [], None)})

    @classmethod
    @lru_cache(4096)
    def from_json(cls, text: str) -> "Details":
        """The details that ``to_json`` wrote; nobody changes them, so they can be shared."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Bucket:
    """A bucket; `owner` is a canonical id, `versioning` is "", "Enabled" or "Suspended"."""

    name: str
    owner: str
    created: datetime
    region: str
    versioning: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker.

    Args:
        etag: without quotes.
        segments: where its bytes are, in order; empty where they are `inline`.
    """

    bucket: str
    key: str
    version_id: str = NULL
    size: int = 0
    etag: str = ""
    modified: datetime = EPOCH
    segments: tuple[Segment, ...] = ()
    inline: bytes | None = None
    details: Details = field(default_factory=Details)
    delete_marker: bool = False
    latest: bool = True
    seq: int = 0

    @property
    def payloads(self) -> list[str]:
        return [segment.payload for segment in self.segments]


@dataclass(frozen=True)
class Upload:
    """A multipart upload in progress."""

    upload_id: str
    bucket: str
    key: str
    initiated: datetime
    details: Details
    checksum_algorithm: str = ""
    checksum_type: str = ""


@dataclass(frozen=True)
class Part:
    """An uploaded part; `checksum` is ``{"algorithm", "value"}`` or empty."""

    number: int
    size: int
    etag: str
    modified: datetime
    segments: tuple[Segment, ...]
    checksum: dict[str, str] = field(default_factory=dict)

    @property
    def payloads(self) -> list[str]:
        return [segment.payload for segment in self.segments]


def with_setting(bucket: Bucket, name: str, value: Any) -> Bucket:
    """The bucket with one setting replaced, or removed where `value` is None."""
    settings = {key: kept for key, kept in bucket.settings.items() if key != name}
    if value is not None:
        settings[name] = value
    return replace(bucket, settings=settings)
