"""Object lock: retention until a date, and legal holds.

A locked version can't be removed, nor its retention shortened: under COMPLIANCE by nobody,
under GOVERNANCE only by who may bypass it. S3 User Guide, "Locking objects with Object Lock".
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from amazonian.s3.errors import S3Error
from amazonian.s3.records import Bucket, Details, Version

MODES = ("GOVERNANCE", "COMPLIANCE")
LONGEST = {"days": 36_500, "years": 100}
"""The longest default retention, in either unit."""


def enabled(bucket: Bucket) -> bool:
    return "object_lock" in bucket.settings


def need_enabled(bucket: Bucket) -> None:
    """
    Raises:
        S3Error: ``InvalidRequest``: the bucket was made without object lock.
    """
    if not enabled(bucket):
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")


def retention(mode: str | None, until: datetime | None, now: datetime) -> dict[str, str]:
    """Retention as it is kept.

    Raises:
        S3Error: ``MalformedXML`` for an unknown mode, ``InvalidArgument`` for a date that is
            missing or past.
    """
    if mode not in MODES:
        raise S3Error("MalformedXML", f"Unknown wormMode directive: {mode}")
    if until is None or until <= now:
        raise S3Error("InvalidArgument", "The retain until date must be in the future!")
    return {"mode": mode, "until": until.astimezone(UTC).isoformat()}


def until(kept: dict[str, str]) -> datetime:
    return datetime.fromisoformat(kept["until"])


def default_retention(bucket: Bucket, now: datetime) -> dict[str, str]:
    """What a new version is given where the request says nothing."""
    rule: dict[str, Any] = bucket.settings.get("object_lock", {}).get("rule") or {}
    if not rule:
        return {}
    days = rule.get("days") or rule["years"] * 365
    return {"mode": rule["mode"], "until": (now + timedelta(days=days)).isoformat()}


def may_bypass(version: Version, now: datetime, bypass: bool) -> bool:
    """Whether the version's retention stands in nobody's way, or the caller may bypass it."""
    kept = version.details.retention
    if not kept or until(kept) <= now:
        return True
    return kept["mode"] == "GOVERNANCE" and bypass


def check_removal(version: Version, now: datetime, bypass: bool) -> None:
    """
    Raises:
        S3Error: ``AccessDenied``: the version is locked.
    """
    if version.details.legal_hold or not may_bypass(version, now, bypass):
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")


def check_change(
    kept: Details, wanted: dict[str, str], version: Version, now: datetime, bypass: bool
) -> None:
    """Whether the retention may become `wanted`: longer always, anything else (another mode too)
    only by a bypass.

    Raises:
        S3Error: ``AccessDenied``.
    """
    longer = (
        bool(wanted)
        and bool(kept.retention)
        and until(wanted) >= until(kept.retention)
        and wanted["mode"] == kept.retention["mode"]
    )
    if not longer and not may_bypass(version, now, bypass):
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")
