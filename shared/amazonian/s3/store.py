"""The store: the API service's knowledge of S3, over the data store and the metadata service.

A payload is written first and named afterwards; the commit that names it is the moment at
which the object exists. A crash in between leaves a payload without a name, which
:meth:`Store.collect` removes. Nothing here knows HTTP, nor who is asking.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from amazonian.resilience.clock import Clock
from amazonian.resilience.database import OutcomeUnknownError, Transaction
from amazonian.s3 import multipart, objectlock
from amazonian.s3.completion import NO_CLAIMS, Claims, assemble
from amazonian.s3.datastore import DataStore
from amazonian.s3.devices import Device
from amazonian.s3.errors import S3Error
from amazonian.s3.holds import DeletedError
from amazonian.s3.metadata import (
    MetadataService,
    delete_upload,
    find,
    find_parts,
    find_upload,
    insert,
    remove,
    set_details,
)
from amazonian.s3.payloads import Body, Hold, Payloads, Stored
from amazonian.s3.preconditions import (
    ALWAYS,
    DELETE_ALWAYS,
    Conditions,
    DeleteConditions,
    check_delete,
    check_write,
)
from amazonian.s3.records import EPOCH, NULL, Bucket, Details, Part, Upload, Version


class VersionGoneError(Exception):
    """A version was removed after it had been looked up."""


@dataclass(frozen=True)
class Deleted:
    """What a delete did: the version that is gone, or the marker that now hides the key."""

    version_id: str | None = None
    delete_marker: bool = False


class Store:
    """Buckets, objects, versions and multipart uploads.

    Args:
        metadata: names; its clock is the store's.
        data: payloads.
    """

    def __init__(self, metadata: MetadataService, data: DataStore):
        self.metadata, self.data = metadata, data
        self._payloads = Payloads(data)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        k: int = 4,
        m: int = 2,
        devices: Sequence[Device] | None = None,
        dsn: str | None = None,
        clock: Clock | None = None,
    ) -> "Store":
        """Open the store in a folder, or make one there.

        Args:
            folder: of the devices' directories and the SQLite file.
            k, m: fragments of data and of parity for each stripe.
            devices: where fragments lie; by default k + m directories in `folder`.
            dsn: of a PostgreSQL server for the metadata, instead of SQLite.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if devices is None:
            devices = [Device(folder / f"device-{i}") for i in range(k + m)]
        metadata = MetadataService(dsn or folder / "metadata.db", clock)
        return cls(metadata, DataStore(devices, k, m))

    def close(self) -> None:
        self.metadata.close()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.metadata.clock.now_s(), UTC)

    def delete_bucket(self, name: str) -> None:
        """
        Raises:
            S3Error: ``BucketNotEmpty``.
        """
        self.discard(self.metadata.delete_bucket(name))

    # --- bytes --------------------------------------------------------------------------------

    def keep(self, body: Body) -> Stored:
        """Write a body to the data store (or hold it, if it is small) without naming it.

        Whatever ends the body early, an exception of its own included, leaves nothing behind.
        """
        return self._payloads.keep(body)

    def discard(self, payloads: Iterable[str]) -> None:
        """Remove payloads that nothing names, each once its last reader has ended."""
        self._payloads.discard(payloads)

    def hold(self, version: Version) -> Hold:
        """Keep a version's bytes until the hold is let go, whatever becomes of the version.

        Raises:
            VersionGoneError: it is not there any more.
        """
        try:
            hold = self._payloads.hold(version.payloads)
        except DeletedError:
            raise VersionGoneError from None
        if version.payloads and not self._is_there(version):
            hold.let_go()
            raise VersionGoneError
        return hold

    def _is_there(self, version: Version) -> bool:
        found = self.metadata.find(version.bucket, version.key, version.version_id)
        return found is not None and found.seq == version.seq

    # --- versions -----------------------------------------------------------------------------

    def commit(self, version: Version, conditions: Conditions = ALWAYS) -> Version:
        """Give bytes a name: from here on the object exists.

        The bucket's versioning decides the version id and what becomes of the version before.

        Raises:
            S3Error: ``NoSuchBucket``, ``PreconditionFailed``, ``NoSuchKey`` (If-Match).
        """

        def change(t: Transaction) -> tuple[Version, list[str]]:
            return self._put(t, version, conditions)

        try:
            named, freed = self.metadata.database.write(change)
        except OutcomeUnknownError:
            self._payloads.outcome_unknown(version.payloads)
            raise
        self._payloads.named(named.payloads)
        self.discard(freed)
        return named

    def _put(
        self, t: Transaction, version: Version, conditions: Conditions
    ) -> tuple[Version, list[str]]:
        bucket = _bucket_in(t, version.bucket)
        check_write(conditions, find(t.execute, version.bucket, version.key))
        details = version.details
        if not details.retention and objectlock.enabled(bucket) and not version.delete_marker:
            default = objectlock.default_retention(bucket, self.now())
            details = replace(details, retention=default)
        version = replace(
            version,
            version_id=_new_id() if bucket.versioning == "Enabled" else NULL,
            modified=self.now(),
            details=details,
            seq=self.metadata.next_seq(),
        )
        freed: list[str] = []
        if version.version_id == NULL:
            before = find(t.execute, version.bucket, version.key, NULL)
            if before:
                remove(t, before)
                freed = before.payloads
        insert(t, version)
        return version, freed

    def version(self, bucket: str, key: str, version_id: str | None = None) -> Version:
        """The latest version of a key, or the one named.

        Raises:
            S3Error: ``NoSuchBucket``, ``NoSuchKey``, ``NoSuchVersion``; ``x-amz-delete-marker``
                says whether a marker hides the key. ``MethodNotAllowed`` where a marker itself
                is asked for.
        """
        self.metadata.bucket(bucket)
        found = self.metadata.find(bucket, key, version_id)
        if found is None:
            if version_id is not None:
                raise S3Error("NoSuchVersion", Key=key, VersionId=version_id)
            raise S3Error("NoSuchKey", headers={"x-amz-delete-marker": "false"}, Key=key)
        if found.delete_marker:
            marker = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version_id}
            if version_id is not None:
                raise S3Error("MethodNotAllowed", headers=marker)
            raise S3Error("NoSuchKey", headers=marker, Key=key)
        return found

    def change_details(self, version: Version, edit: Callable[[Version], Details]) -> None:
        """Replace what stands beside a version's bytes, in one transaction.

        Raises:
            S3Error: ``NoSuchKey``: the version is gone; or whatever `edit` raises.
        """

        def change(t: Transaction) -> None:
            current = find(t.execute, version.bucket, version.key, version.version_id)
            if current is None:
                raise S3Error("NoSuchKey", Key=version.key)
            set_details(t, current, edit(current))

        self.metadata.database.write(change)

    def delete(
        self,
        bucket: str,
        key: str,
        version_id: str | None = None,
        conditions: DeleteConditions = DELETE_ALWAYS,
        owner: str = "",
        bypass: bool = False,
    ) -> Deleted:
        """Delete a key (under versioning: hide it behind a marker), or one version for good.

        What is not there is deleted as well: deleting is idempotent. Conditions are about what
        is there; a delete with conditions on nothing changes nothing.

        Args:
            owner: the canonical id of whom a new marker is to belong to.
            bypass: whether GOVERNANCE retention may be bypassed.

        Raises:
            S3Error: ``AccessDenied`` (object lock), ``PreconditionFailed``.
        """

        def change(t: Transaction) -> tuple[Deleted, list[str]]:
            state = _bucket_in(t, bucket).versioning
            target = find(t.execute, bucket, key, version_id)
            if target is None and (conditions or version_id is not None or not state):
                return Deleted(version_id), []
            check_delete(conditions, target)
            if target is not None and (version_id is not None or not state):
                objectlock.check_removal(target, self.now(), bypass)
                remove(t, target)
                return Deleted(version_id, target.delete_marker), target.payloads
            marker = Version(bucket, key, delete_marker=True, details=Details(owner=owner))
            marker, freed = self._put(t, marker, ALWAYS)
            return Deleted(marker.version_id, True), freed

        deleted, freed = self.metadata.database.write(change)
        self.discard(freed)
        return deleted

    # --- multipart ----------------------------------------------------------------------------

    def create_upload(
        self, bucket: str, key: str, details: Details, algorithm: str = "", kind: str = ""
    ) -> Upload:
        """Begin a multipart upload; `details` are those of the object to be.

        Raises:
            S3Error: ``NoSuchBucket``.
        """
        upload = Upload(_new_id(), bucket, key, self.now(), details, algorithm, kind)
        self.metadata.create_upload(upload)
        return upload

    def put_part(self, upload: Upload, number: int, body: Body) -> Part:
        """Keep a part; one of the same number takes the place of an earlier one.

        Raises:
            S3Error: ``NoSuchUpload``: it was completed or aborted meanwhile.
        """
        stored = self._payloads.keep(body, inline_bytes=-1)  # a part's row has no room for bytes
        part = Part(number, stored.size, stored.etag, self.now(), stored.segments, stored.checksum)
        try:
            freed = self.metadata.put_part(upload.upload_id, upload.bucket, upload.key, part)
        except OutcomeUnknownError:
            self._payloads.outcome_unknown(part.payloads)
            raise
        except BaseException:
            self.discard(part.payloads)
            raise
        self._payloads.named(part.payloads)
        self.discard(freed)
        return part

    def complete_upload(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        listed: Sequence[multipart.ListedPart],
        conditions: Conditions = ALWAYS,
        claims: Claims = NO_CLAIMS,
    ) -> Version:
        """Make one object of the listed parts; the others are discarded.

        A client that did not hear the answer may ask again: the same list is answered with the
        same object.

        Raises:
            S3Error: ``NoSuchUpload``, and those of ``completion.assemble`` and :meth:`commit`.
        """

        def change(t: Transaction) -> tuple[Version, list[str]]:
            _bucket_in(t, bucket)
            try:
                upload = find_upload(t.execute, upload_id, bucket, key)
            except S3Error:
                done = find(t.execute, bucket, key)
                if done and done.details.upload_id == upload_id:
                    numbers = [part[0] for part in done.details.parts]
                    if numbers == [part.number for part in listed]:
                        return done, []
                raise
            uploaded = {part.number: part for part in find_parts(t.execute, upload_id)}
            version = assemble(upload, listed, uploaded, claims)
            version, freed = self._put(t, version, conditions)
            delete_upload(t, upload_id)
            kept = set(version.payloads)
            left = [name for part in uploaded.values() for name in part.payloads]
            return version, freed + [name for name in left if name not in kept]

        version, freed = self.metadata.database.write(change)
        self.discard(freed)
        return version

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """
        Raises:
            S3Error: ``NoSuchUpload``.
        """

        def change(t: Transaction) -> list[str]:
            find_upload(t.execute, upload_id, bucket, key)
            parts = find_parts(t.execute, upload_id)
            delete_upload(t, upload_id)
            return [name for part in parts for name in part.payloads]

        self.discard(self.metadata.database.write(change))

    # --- housekeeping -------------------------------------------------------------------------

    def collect(self) -> list[str]:
        """Remove the payloads and temporary files that interrupted writes have left.

        It may run beside writes: what is written but not yet named is left alone.
        """
        return self._payloads.collect(self.metadata.live_payloads())


def _new_id() -> str:
    return secrets.token_urlsafe(24).replace("-", ".")


def _bucket_in(t: Transaction, name: str) -> Bucket:
    rows = t.execute(
        "SELECT owner, region, versioning, settings FROM buckets WHERE name = ?", (name,)
    )
    if not rows:
        raise S3Error("NoSuchBucket", BucketName=name)
    owner, region, versioning, settings = rows[0]
    return Bucket(name, owner, EPOCH, region, versioning, json.loads(settings))
