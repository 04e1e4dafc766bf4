"""The store: the API service's knowledge of S3, over the data store and the metadata service.

A payload is written first and named afterwards; the commit that names it is the moment at
which the object exists. A crash in between leaves a payload without a name, which
:meth:`Store.collect` removes. Nothing here knows HTTP, nor who is asking.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from amazonian.resilience.clock import Clock
from amazonian.s3 import checksums, multipart, objectlock
from amazonian.s3.database import OutcomeUnknownError, Transaction
from amazonian.s3.datastore import DataStore
from amazonian.s3.devices import Device
from amazonian.s3.errors import S3Error
from amazonian.s3.holds import Holds
from amazonian.s3.metadata import (
    EPOCH,
    NULL,
    Bucket,
    Details,
    MetadataService,
    Part,
    Segment,
    Upload,
    Version,
    delete_upload,
    find,
    find_parts,
    find_upload,
    insert,
    remove,
    set_details,
)
from amazonian.s3.preconditions import (
    ALWAYS,
    DELETE_ALWAYS,
    Conditions,
    DeleteConditions,
    check_delete,
    check_write,
)

INLINE_BYTES = 4096
"""Objects up to this size live in the metadata service: one flush instead of six files."""


class Body(Protocol):
    """An object's bytes as they arrive. `checksum` is known once all of them have been read."""

    checksum: dict[str, str]

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass
class Bytes:
    """A body that is in memory already."""

    data: bytes
    checksum: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[bytes]:
        yield self.data


@dataclass(frozen=True)
class Stored:
    """Bytes that are on disk, or about to be, but have no name yet."""

    size: int
    etag: str
    segments: tuple[Segment, ...] = ()
    inline: bytes | None = None
    checksum: dict[str, str] = field(default_factory=dict)


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
        self._unnamed: set[str] = set()  # written, but not committed yet
        self.readers = Holds()  # of versions that are being read, see ``opening``
        self._uncertain: set[str] = set()  # perhaps committed, perhaps not

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
        md5, size = hashlib.md5(usedforsecurity=False), 0
        held: list[bytes] = []
        chunks = iter(body)
        for chunk in chunks:
            md5.update(chunk)
            held.append(chunk)
            size += len(chunk)
            if size > INLINE_BYTES:
                break
        else:
            return Stored(size, md5.hexdigest(), (), b"".join(held), body.checksum)

        def all_of_it() -> Iterator[bytes]:
            nonlocal size
            yield from held
            for chunk in chunks:
                md5.update(chunk)
                size += len(chunk)
                yield chunk

        payload = self._write(all_of_it())
        return Stored(size, md5.hexdigest(), (Segment(payload, size),), None, body.checksum)

    def _write(self, pieces: Iterable[bytes]) -> str:
        """Write a payload that :meth:`collect` leaves alone until it has a name."""
        with self.data.writer() as writer:
            for piece in pieces:
                writer.write(piece)
            payload = writer.finish()
            self._unnamed.add(payload)  # before the writer lets go of it
        return payload

    def discard(self, payloads: Iterable[str]) -> None:
        """Remove payloads that nothing names.

        Where a commit's outcome is not known they stay, until the store is opened and collected
        the next time.
        """
        for payload in set(payloads) - self._uncertain:
            self._unnamed.discard(payload)
            self.readers.when_free(payload, partial(self.data.delete, payload))

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
            self._uncertain.update(version.payloads)
            raise
        self._unnamed.difference_update(named.payloads)
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
            S3Error: ``NoSuchBucket``, ``NoSuchKey``, ``NoSuchVersion``; with
                ``x-amz-delete-marker`` where a marker hides the key, and ``MethodNotAllowed``
                where a marker itself is asked for.
        """
        self.metadata.bucket(bucket)
        found = self.metadata.find(bucket, key, version_id)
        if found is None:
            if version_id is not None:
                raise S3Error("NoSuchVersion", Key=key, VersionId=version_id)
            raise S3Error("NoSuchKey", Key=key)
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

        What is not there is deleted as well: deleting is idempotent.

        Args:
            owner: the canonical id of whom a new marker is to belong to.
            bypass: whether GOVERNANCE retention may be bypassed.

        Raises:
            S3Error: ``AccessDenied`` (object lock), ``PreconditionFailed``, ``NoSuchKey`` (only
                with conditions).
        """

        def change(t: Transaction) -> tuple[Deleted, list[str]]:
            state = _bucket_in(t, bucket).versioning
            target = find(t.execute, bucket, key, version_id)
            check_delete(conditions, target)
            if version_id is not None or not state:
                if target is None:
                    return Deleted(version_id), []
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

    def put_part(self, upload: Upload, number: int, stored: Stored) -> Part:
        """Keep a part; one of the same number takes the place of an earlier one."""
        if stored.inline is not None:
            segment = Segment(self._write([stored.inline]), stored.size)
            stored = replace(stored, segments=(segment,), inline=None)
        part = Part(number, stored.size, stored.etag, self.now(), stored.segments, stored.checksum)
        try:
            freed = self.metadata.put_part(upload.upload_id, upload.bucket, upload.key, part)
        except OutcomeUnknownError:
            self._uncertain.update(part.payloads)
            raise
        except BaseException:
            self.discard(part.payloads)
            raise
        self._unnamed.difference_update(part.payloads)
        self.discard(freed)
        return part

    def complete_upload(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        listed: Sequence[multipart.ListedPart],
        conditions: Conditions = ALWAYS,
        claimed: Mapping[str, str] | None = None,
    ) -> Version:
        """Make one object of the listed parts; the others are discarded.

        A client that did not hear the answer may ask again: the same list is answered with the
        same object.

        Args:
            claimed: the whole object's checksum as the client knows it, by algorithm.

        Raises:
            S3Error: ``NoSuchUpload``, those of :func:`multipart.chosen_parts`, ``BadDigest``,
                and those of :meth:`commit`.
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
            parts = multipart.chosen_parts(listed, uploaded)
            checksum = _checksum_of_parts(upload, parts, claimed or {})
            version = Version(
                bucket,
                key,
                size=sum(part.size for part in parts),
                etag=multipart.etag_of_parts([part.etag for part in parts]),
                segments=tuple(s for part in parts for s in part.segments if s.size),
                inline=None if any(part.size for part in parts) else b"",
                details=replace(
                    upload.details,
                    checksum=checksum,
                    parts=[[p.number, p.size, p.checksum.get("value", "")] for p in parts],
                    upload_id=upload_id,
                ),
            )
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
        doomed = set(self.data.payloads())
        doomed -= self._unnamed.copy()
        doomed -= set(self.metadata.live_payloads())
        doomed = {payload for payload in doomed if payload not in self.readers}
        return self.data.collect(_AllBut(doomed))


class _AllBut:
    """Everything but a few."""

    def __init__(self, few: set[str]):
        self._few = few

    def __contains__(self, item: str) -> bool:
        return item not in self._few


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


def _checksum_of_parts(
    upload: Upload, parts: Sequence[Part], claimed: Mapping[str, str]
) -> dict[str, str]:
    """The whole object's checksum, if each part has one of the upload's algorithm."""
    algorithm = upload.checksum_algorithm
    if not algorithm or any(part.checksum.get("algorithm") != algorithm for part in parts):
        return {}
    kind = upload.checksum_type
    digests = [checksums.decode(algorithm, part.checksum["value"]) for part in parts]
    if kind == "FULL_OBJECT":
        sizes = [part.size for part in parts]
        value = checksums.full_object(algorithm, list(zip(digests, sizes, strict=True)))
    else:
        value = checksums.composite(algorithm, digests)
    wanted = claimed.get(algorithm)
    if wanted is not None and wanted.partition("-")[0] != value.partition("-")[0]:
        raise S3Error("BadDigest", f"The {algorithm} you specified did not match what we computed.")
    return {"algorithm": algorithm, "type": kind, "value": value}
