"""Lifecycle: objects that expire, and uploads that nobody completes.

A bucket keeps rules; each names what it is for (by prefix, tags and size) and when that goes. All
times are rounded up to the next midnight UTC, so rules need applying once a day, and when they
change. S3 User Guide, "Managing the lifecycle of objects".
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

from amazonian.s3.errors import S3Error
from amazonian.s3.preconditions import DELETE_ALWAYS, DeleteConditions
from amazonian.s3.records import Bucket, Upload, Version
from amazonian.s3.store import Store

DAY = timedelta(days=1)
MOST_DAYS = 1_000_000  # further on, the calendar ends
PAGE = 1000


@dataclass(frozen=True)
class Rule:
    """One rule; a time that is None is one that the rule does not set.

    Args:
        prefixes, tags, larger_than_bytes, smaller_than_bytes: what the rule is for; all must hold.
        days: after which an object that is the latest version of its key expires.
        date: from which on all of them do.
        markers: whether a delete marker goes that hides nothing any more.
        noncurrent_days: after which a version goes that was replaced.
        newer_noncurrent: how many replaced versions stay whatever their age.
        abort_days: after which an incomplete upload is aborted.
    """

    id: str
    enabled: bool = True
    prefixes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    larger_than_bytes: int | None = None
    smaller_than_bytes: int | None = None
    days: int | None = None
    date: datetime | None = None
    markers: bool = False
    noncurrent_days: int | None = None
    newer_noncurrent: int = 0
    abort_days: int | None = None

    def is_for(self, version: Version) -> bool:
        """Whether the rule's filter holds for a version; a marker has no tags, and size 0."""
        tags = version.details.tags
        return (
            self.enabled
            and self.covers(version.key)
            and all(tags.get(name) == value for name, value in self.tags.items())
            and (self.larger_than_bytes is None or version.size > self.larger_than_bytes)
            and (self.smaller_than_bytes is None or version.size < self.smaller_than_bytes)
        )

    def covers(self, key: str) -> bool:
        return all(key.startswith(prefix) for prefix in self.prefixes)

    def expires(self, version: Version) -> datetime | None:
        """When the latest version of a key expires by this rule; None: never."""
        if self.days is not None:
            return after(version.modified, self.days)
        return self.date


def after(moment: datetime, days: int) -> datetime:
    """The first midnight UTC that is at least `days` days after a moment."""
    due = moment.astimezone(UTC) + min(days, MOST_DAYS) * DAY
    midnight = due.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == due else midnight + DAY


def rules_of(bucket: Bucket) -> list[Rule]:
    """A bucket's rules, from the document that it keeps."""
    return [_rule(kept) for kept in bucket.settings.get("lifecycle", ())]


def _rule(kept: Mapping[str, Any]) -> Rule:
    """A rule as the document has it: S3's element names, in nested dictionaries."""
    conditions = kept.get("Filter", {})
    both = conditions.get("And", {})
    pairs = [*_listed(conditions.get("Tag")), *_listed(both.get("Tag"))]
    prefixes = (kept.get("Prefix"), conditions.get("Prefix"), both.get("Prefix"))
    expiration = kept.get("Expiration", {})
    noncurrent = kept.get("NoncurrentVersionExpiration", {})
    date = expiration.get("Date")
    return Rule(
        id=kept["ID"],
        enabled=kept["Status"] == "Enabled",
        prefixes=tuple(filter(None, prefixes)),
        tags={pair["Key"]: pair["Value"] for pair in pairs},
        larger_than_bytes=(conditions | both).get("ObjectSizeGreaterThan"),
        smaller_than_bytes=(conditions | both).get("ObjectSizeLessThan"),
        days=expiration.get("Days"),
        date=datetime.fromisoformat(date) if date else None,
        markers=expiration.get("ExpiredObjectDeleteMarker", False),
        noncurrent_days=noncurrent.get("NoncurrentDays"),
        newer_noncurrent=noncurrent.get("NewerNoncurrentVersions", 0),
        abort_days=kept.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
    )


def _listed(value: Any) -> list:
    return value if isinstance(value, list) else [value] if value else []


def expiry(bucket: Bucket, version: Version) -> tuple[datetime, str] | None:
    """When the latest version of a key expires, and by which rule; None: it does not."""
    found = [
        (moment, rule.id)
        for rule in rules_of(bucket)
        if rule.is_for(version) and (moment := rule.expires(version)) is not None
    ]
    return min(found, default=None)


class Lifecycle:
    """Applies the rules of a store's buckets, by the store's clock."""

    def __init__(self, store: Store):
        self._store = store
        self._applied: dict[str, tuple[Any, Any]] = {}

    def run_due(self) -> int:
        """Apply the rules of buckets where rules or day have changed since the last time."""
        today, done, applied = self._store.now().date(), 0, {}
        for name in self._store.metadata.bucket_names():
            with contextlib.suppress(S3Error):  # the bucket has been deleted
                bucket = self._store.metadata.bucket(name)
                applied[name] = (bucket.settings.get("lifecycle"), today)
                if self._applied.get(name) != applied[name]:
                    done += self.apply(bucket)
        self._applied = applied
        return done

    def apply(self, bucket: Bucket) -> int:
        """Apply a bucket's rules; gives how many versions and uploads have gone."""
        rules = [rule for rule in rules_of(bucket) if rule.enabled]
        if not rules:
            return 0
        done = sum(
            self._abort(upload)
            for upload in self._uploads(bucket)
            if any(self._is_stale(rule, upload) for rule in rules)
        )
        for _, versions in groupby(self._versions(bucket), key=attrgetter("key")):
            done += self._apply_to_key(bucket, rules, list(versions))
        return done

    def _apply_to_key(self, bucket: Bucket, rules: list[Rule], versions: list[Version]) -> int:
        """Apply the rules to all versions of one key, which come newest first."""
        now, latest = self._store.now(), versions[0]
        gone = 0
        for place, (newer, version) in enumerate(pairwise(versions)):
            if any(
                rule.noncurrent_days is not None
                and rule.is_for(version)
                and place >= rule.newer_noncurrent
                and after(newer.modified, rule.noncurrent_days) <= now
                for rule in rules
            ):
                gone += self._remove(version)
        for rule in rules:
            if not rule.is_for(latest):
                continue
            moment = rule.expires(latest)
            expired = moment is not None and moment <= now
            if not latest.delete_marker and expired:
                return gone + self._expire(bucket, latest)
            if latest.delete_marker and gone == len(versions) - 1 and (expired or rule.markers):
                return gone + self._remove(latest)
        return gone

    def _expire(self, bucket: Bucket, version: Version) -> int:
        """Delete the key, if the version is still its latest one: under versioning, hide it."""
        unchanged = DeleteConditions(version.etag, version.modified, version.size)
        return self._delete(version, None, unchanged, bucket.owner)

    def _remove(self, version: Version) -> int:
        return self._delete(version, version.version_id, DELETE_ALWAYS, "")

    def _delete(
        self, version: Version, version_id: str | None, conditions: DeleteConditions, owner: str
    ) -> int:
        try:
            self._store.delete(version.bucket, version.key, version_id, conditions, owner)
        except S3Error:  # locked, or changed meanwhile: it stays
            return 0
        return 1

    def _is_stale(self, rule: Rule, upload: Upload) -> bool:
        return (
            rule.abort_days is not None
            and rule.covers(upload.key)
            and after(upload.initiated, rule.abort_days) <= self._store.now()
        )

    def _abort(self, upload: Upload) -> int:
        try:
            self._store.abort_upload(upload.bucket, upload.key, upload.upload_id)
        except S3Error:  # completed meanwhile
            return 0
        return 1

    def _versions(self, bucket: Bucket) -> Iterator[Version]:
        position: tuple[str, int | None] = ("", None)
        while page := self._store.metadata.all_versions(bucket.name, "", *position, PAGE):
            yield from page
            position = (page[-1].key, page[-1].seq)

    def _uploads(self, bucket: Bucket) -> Iterator[Upload]:
        position: tuple[str, str | None] = ("", None)
        while page := self._store.metadata.uploads(bucket.name, "", *position, PAGE):
            yield from page
            position = (page[-1].key, page[-1].upload_id)
