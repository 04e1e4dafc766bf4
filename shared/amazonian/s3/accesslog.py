"""Server access logs: a line for each request to a bucket, delivered as objects of another one.

Lines are held for some seconds and delivered together, on a best-effort basis: what is held when
the process is killed is lost. S3 User Guide, "Logging requests with server access logging".
"""

import logging
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from amazonian.iam import policy
from amazonian.iam.policy import AccessRequest, Effect, Principal
from amazonian.s3 import access, acl, upload
from amazonian.s3.errors import S3Error
from amazonian.s3.payloads import Bytes
from amazonian.s3.records import Bucket, Details
from amazonian.s3.store import Store

log = logging.getLogger(__name__)

HELD_S = 5.0
SERVICE = "logging.s3.amazonaws.com"


@dataclass(frozen=True)
class Destination:
    """Where a bucket's log goes.

    Args:
        folder: between prefix and date, for a partitioned log: ``account/region/bucket``.
        by_event: whether the partition's date is that of the first request, not of the delivery.
    """

    source: str
    target: str
    prefix: str = ""
    folder: str = ""
    by_event: bool = False
    accounts: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str, str, bool]:
        """Logs of several buckets in the same place go into the same objects."""
        return self.target, self.prefix, self.folder, self.by_event


@dataclass
class _Batch:
    began: datetime
    destination: Destination
    lines: list[str] = field(default_factory=list)


def may_deliver(destination: Destination, target: Bucket) -> bool:
    """Whether the target takes logs of this source: by its policy, which must name the service
    and may name the source and its account, or by its ACL, which must name the group."""
    grants = [] if access.acls_disabled(target) else target.settings.get("acl", [])
    by_acl = acl.grant("LogDelivery", "WRITE") in grants
    attached = access.bucket_policy(target)
    if attached is None:
        return by_acl
    about_it = [
        statement
        for statement in attached.statements
        if statement.effect is Effect.DENY or ("Service", SERVICE) in (statement.principals or ())
    ]
    request = AccessRequest(
        Principal(SERVICE, "", ""),
        "s3:PutObject",
        f"arn:aws:s3:::{target.name}/{destination.prefix}",
        {
            "aws:sourcearn": [f"arn:aws:s3:::{destination.source}"],
            "aws:sourceaccount": destination.accounts,
        },
    )
    effect = policy.evaluate([replace(attached, statements=tuple(about_it))], request)
    return effect is Effect.ALLOW or (by_acl and effect is not Effect.DENY)


class AccessLogs:
    """Holds lines, and delivers those that have been held long enough."""

    def __init__(self, store: Store):
        self._store = store
        self._batches: dict[tuple, _Batch] = {}
        self._lock = threading.Lock()

    def add(self, destination: Destination, line: str) -> None:
        with self._lock:
            fresh = _Batch(self._store.now(), destination)
            self._batches.setdefault(destination.place, fresh).lines.append(line)

    def deliver(self, held_s: float | None = None) -> None:
        """Deliver what has been held for `held_s` seconds, by default `HELD_S`."""
        if not self._batches:
            return
        now, held_s = self._store.now(), HELD_S if held_s is None else held_s
        with self._lock:
            due = [b for b in self._batches.values() if (now - b.began).total_seconds() >= held_s]
            for batch in due:
                del self._batches[batch.destination.place]
        for batch in due:
            try:
                self._write(batch, now)
            except Exception as error:  # whoever's request this is must not fail of it
                log.warning("log of %s not delivered: %s", batch.destination.source, error)

    def _write(self, batch: _Batch, now: datetime) -> None:
        destination = batch.destination
        target = self._store.metadata.bucket(destination.target)
        if not may_deliver(destination, target):
            raise S3Error("AccessDenied", f"Bucket {target.name} takes no logs of this bucket.")
        details = Details(
            owner=target.owner,
            headers={"content-type": "text/plain"},
            acl=acl.canned("private", target.owner, target.owner),
        )
        key = f"{destination.prefix}{_folder(batch, now)}{now:%Y-%m-%d-%H-%M-%S}-{_unique()}"
        upload.put(self._store, target.name, key, Bytes(_text(batch.lines)), details)


def _folder(batch: _Batch, now: datetime) -> str:
    if not batch.destination.folder:
        return ""
    day = batch.began if batch.destination.by_event else now
    return f"{batch.destination.folder}/{day:%Y/%m/%d}/"


def _text(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _unique() -> str:
    return secrets.token_hex(8).upper()
