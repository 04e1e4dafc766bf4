"""Conditional requests: If-Match, If-None-Match and the dates, for reads, copies and writes.

Order and outcome follow RFC 9110, section 13.2.2; S3 answers a failed condition of a read with
304 or 412, of a write with 412, and of a write on a key that is not there with 404.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from amazonian.s3.errors import S3Error
from amazonian.s3.records import Version


@dataclass(frozen=True)
class Conditions:
    """The conditions that a request carries; ETags as they were sent."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None


ALWAYS = Conditions()
"""No conditions."""


def parse_date(text: str | None) -> datetime | None:
    """An HTTP date; None for what is none, since such a condition is to be ignored."""
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def etag_matches(listed: str, etag: str) -> bool:
    """Whether one of the ETags in an If-Match or If-None-Match header is `etag`, or ``*``."""
    candidates = [item.strip().removeprefix("W/").strip('"') for item in listed.split(",")]
    return "*" in candidates or (etag != "" and etag in candidates)


def check_read(conditions: Conditions, version: Version) -> None:
    """
    Raises:
        S3Error: ``NotModified`` (304) or ``PreconditionFailed`` (412).
    """
    modified = version.modified.replace(microsecond=0)
    if conditions.if_match is not None:
        if not etag_matches(conditions.if_match, version.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")
    elif conditions.if_unmodified_since and modified > conditions.if_unmodified_since:
        raise S3Error("PreconditionFailed", Condition="If-Unmodified-Since")
    if conditions.if_none_match is not None:
        if etag_matches(conditions.if_none_match, version.etag):
            raise S3Error("NotModified")
    elif conditions.if_modified_since and modified <= conditions.if_modified_since:
        raise S3Error("NotModified")


def check_copy_source(conditions: Conditions, version: Version) -> None:
    """
    Raises:
        S3Error: ``PreconditionFailed``; a copy has no 304.
    """
    try:
        check_read(conditions, version)
    except S3Error as error:
        raise S3Error("PreconditionFailed") from error


def check_write(conditions: Conditions, current: Version | None) -> None:
    """Whether a new version may be written over `current` (None or a delete marker: nothing).

    Raises:
        S3Error: ``PreconditionFailed``, or ``NoSuchKey`` for If-Match where nothing is.
    """
    present = current is not None and not current.delete_marker
    if conditions.if_match is not None:
        if not present:
            raise S3Error("NoSuchKey")
        if not etag_matches(conditions.if_match, current.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")
    if (
        conditions.if_none_match is not None
        and present
        and etag_matches(conditions.if_none_match, current.etag)
    ):
        raise S3Error("PreconditionFailed", Condition="If-None-Match")


@dataclass(frozen=True)
class DeleteConditions:
    """The conditions of a delete: the ETag, and S3's own on time and size in bytes."""

    if_match: str | None = None
    last_modified: datetime | None = None
    size: int | None = None

    def __bool__(self) -> bool:
        return (self.if_match, self.last_modified, self.size) != (None, None, None)


DELETE_ALWAYS = DeleteConditions()
"""No conditions."""


def check_delete(conditions: DeleteConditions, current: Version | None) -> None:
    """Whether `current` may be deleted. A delete marker is there too: no ETag is its own, but
    ``*`` means it as well. Where nothing is, there is nothing to protect.

    Raises:
        S3Error: ``PreconditionFailed``.
    """
    if current is None:
        return
    if conditions.if_match is not None and not etag_matches(conditions.if_match, current.etag):
        raise S3Error("PreconditionFailed", Condition="If-Match")
    if conditions.last_modified is not None and abs(
        current.modified - conditions.last_modified
    ) >= timedelta(seconds=1):
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-last-modified-time")
    if conditions.size not in (None, current.size):
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-size")
