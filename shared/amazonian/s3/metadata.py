"""The metadata service: which buckets there are, which versions of which keys, and where.

It knows names, sizes, ETags and headers, and the UUIDs under which the data store keeps the
payloads; it never sees a payload itself, but for small ones, which live in its rows. Reads see
every write that was acknowledged (strong read-after-write, and list-after-write).
"""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from amazonian.resilience.clock import Clock, WallClock
from amazonian.resilience.database import Row, Transaction, open_database
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Bucket, Details, Part, Segment, Upload, Version

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS buckets (
        name TEXT PRIMARY KEY, owner TEXT NOT NULL, created REAL NOT NULL, region TEXT NOT NULL,
        versioning TEXT NOT NULL, settings TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS versions (
        bucket TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, version_id TEXT NOT NULL,
        latest INTEGER NOT NULL, delete_marker INTEGER NOT NULL, size INTEGER NOT NULL,
        etag TEXT NOT NULL, modified REAL NOT NULL, payload TEXT NOT NULL, inline BLOB,
        details TEXT NOT NULL, PRIMARY KEY (bucket, key, seq))""",
    "CREATE UNIQUE INDEX IF NOT EXISTS latest ON versions (bucket, key) WHERE latest = 1",
    "CREATE UNIQUE INDEX IF NOT EXISTS by_id ON versions (bucket, key, version_id)",
    """CREATE TABLE IF NOT EXISTS uploads (
        upload_id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL,
        initiated REAL NOT NULL, details TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (bucket, key)",
    """CREATE TABLE IF NOT EXISTS parts (
        upload_id TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL,
        etag TEXT NOT NULL, modified REAL NOT NULL, payload TEXT NOT NULL, checksum TEXT NOT NULL,
        PRIMARY KEY (upload_id, number))""",
)


_COLUMNS = (
    "bucket, key, version_id, size, etag, modified, payload, inline, details, delete_marker,"
    " latest, seq"
)


def _version(row: Row) -> Version:
    segments = tuple(Segment(*part) for part in json.loads(row[6])) if row[6] else ()
    return Version(
        *row[:5],
        datetime.fromtimestamp(row[5], UTC),
        segments,
        None if row[7] is None else bytes(row[7]),
        Details.from_json(row[8]),
        bool(row[9]),
        bool(row[10]),
        row[11],
    )


def _payload(segments: tuple[Segment, ...]) -> str:
    parts = [[s.payload, s.size, s.start] if s.start else [s.payload, s.size] for s in segments]
    return json.dumps(parts) if parts else ""


_LAST = "\U0010ffff" * 257  # of four bytes each, so more of them than fit into a key


def after(prefix: str) -> str:
    """A text that comes after every key beginning with `prefix`, and before all later keys."""
    return prefix + _LAST


class MetadataService:
    """Buckets, versions and uploads in a database.

    Args:
        dsn: a file for SQLite, or a ``postgresql://`` DSN.
        clock: the time of day.
    """

    def __init__(self, dsn: str | Path, clock: Clock | None = None):
        self.database = open_database(dsn, SCHEMA)
        self.clock = clock or WallClock()
        self._lock = threading.Lock()
        newest = self.database.read("SELECT COALESCE(MAX(seq), 0) FROM versions")[0][0]
        self._seq = itertools.count(newest + 1)
        self._buckets: dict[str, Bucket] = {}
        self._generation = 0

    def close(self) -> None:
        self.database.close()

    # --- buckets ------------------------------------------------------------------------------

    def bucket(self, name: str) -> Bucket:
        """
        Raises:
            S3Error: ``NoSuchBucket``.
        """
        known = self._buckets.get(name)
        if known is None:
            generation = self._generation
            rows = self.database.read(
                "SELECT name, owner, created, region, versioning, settings FROM buckets"
                " WHERE name = ?",
                (name,),
            )
            if not rows:
                raise S3Error("NoSuchBucket", BucketName=name)
            known = _bucket(rows[0])
            with self._lock:
                if generation == self._generation:  # nothing has changed since the row was read
                    self._buckets[name] = known
        return known

    def _forget(self, name: str) -> None:
        with self._lock:
            self._generation += 1
            self._buckets.pop(name, None)

    def buckets(self, owner: str) -> list[Bucket]:
        """The buckets of one account, by name."""
        rows = self.database.read(
            "SELECT name, owner, created, region, versioning, settings FROM buckets"
            " WHERE owner = ? ORDER BY name",
            (owner,),
        )
        return [_bucket(row) for row in rows]

    def bucket_names(self) -> list[str]:
        """All buckets, of whatever account."""
        return [name for (name,) in self.database.read("SELECT name FROM buckets ORDER BY name")]

    def create_bucket(self, bucket: Bucket) -> None:
        """
        Raises:
            S3Error: ``BucketAlreadyOwnedByYou`` or ``BucketAlreadyExists``.
        """

        def change(t: Transaction) -> None:
            rows = t.execute("SELECT owner FROM buckets WHERE name = ?", (bucket.name,))
            if rows:
                mine = rows[0][0] == bucket.owner
                raise S3Error("BucketAlreadyOwnedByYou" if mine else "BucketAlreadyExists")
            t.execute(
                "INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?)",
                (
                    bucket.name,
                    bucket.owner,
                    bucket.created.timestamp(),
                    bucket.region,
                    bucket.versioning,
                    json.dumps(bucket.settings),
                ),
            )

        self.database.write(change)

    def change_bucket(self, name: str, edit: Callable[[Bucket], Bucket]) -> Bucket:
        """Replace a bucket by what `edit` makes of it, in one transaction."""

        def change(t: Transaction) -> Bucket:
            rows = t.execute(
                "SELECT name, owner, created, region, versioning, settings FROM buckets"
                " WHERE name = ?",
                (name,),
            )
            if not rows:
                raise S3Error("NoSuchBucket", BucketName=name)
            edited = edit(_bucket(rows[0]))
            t.execute(
                "UPDATE buckets SET versioning = ?, settings = ? WHERE name = ?",
                (edited.versioning, json.dumps(edited.settings), name),
            )
            return edited

        edited = self.database.write(change)
        self._forget(name)
        return edited

    def delete_bucket(self, name: str) -> list[str]:
        """Delete a bucket and its uploads in progress; gives the payloads of their parts.

        Raises:
            S3Error: ``BucketNotEmpty``; versions and delete markers count, uploads do not.
        """

        def change(t: Transaction) -> list[str]:
            if t.execute("SELECT 1 FROM versions WHERE bucket = ? LIMIT 1", (name,)):
                raise S3Error("BucketNotEmpty", BucketName=name)
            uploads = t.execute("SELECT upload_id FROM uploads WHERE bucket = ?", (name,))
            freed = []
            for (upload_id,) in uploads:
                freed += [p for part in find_parts(t.execute, upload_id) for p in part.payloads]
                delete_upload(t, upload_id)
            t.execute("DELETE FROM buckets WHERE name = ?", (name,))
            return freed

        freed = self.database.write(change)
        self._forget(name)
        return freed

    def usage(self, name: str) -> tuple[int, int]:
        """How many versions a bucket holds, and of how many bytes."""
        rows = self.database.read(
            "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM versions"
            " WHERE bucket = ? AND delete_marker = 0",
            (name,),
        )
        return int(rows[0][0]), int(rows[0][1])

    # --- versions -----------------------------------------------------------------------------

    def next_seq(self) -> int:
        """A number larger than that of every version so far: the order of arrival."""
        with self._lock:
            return next(self._seq)

    def find(self, bucket: str, key: str, version_id: str | None = None) -> Version | None:
        """The latest version of a key, or the one named; None if there is none."""
        return find(self.database.read, bucket, key, version_id)

    def keys(self, bucket: str, prefix: str, start: str, limit: int) -> list[Version]:
        """Up to `limit` latest versions (no delete markers) with keys > `start`, in order."""
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM versions WHERE bucket = ? AND latest = 1"
            " AND delete_marker = 0 AND key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
            (bucket, start, prefix, after(prefix), limit),
        )
        return [_version(row) for row in rows]

    def all_versions(
        self, bucket: str, prefix: str, key: str, seq: int | None, limit: int
    ) -> list[Version]:
        """Up to `limit` versions after version `seq` of `key` (None: after the whole key), in
        the order of keys, the newest first."""
        behind = "key > ?" if seq is None else "(key > ? OR (key = ? AND seq < ?))"
        values: tuple = (key,) if seq is None else (key, key, seq)
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM versions WHERE bucket = ? AND {behind} AND key >= ?"
            " AND key < ? ORDER BY key, seq DESC LIMIT ?",
            (bucket, *values, prefix, after(prefix), limit),
        )
        return [_version(row) for row in rows]

    # --- uploads ------------------------------------------------------------------------------

    def create_upload(self, upload: Upload) -> None:
        """
        Raises:
            S3Error: ``NoSuchBucket``.
        """
        details = json.loads(upload.details.to_json()) | {
            "checksum_algorithm": upload.checksum_algorithm,
            "checksum_type": upload.checksum_type,
        }

        def change(t: Transaction) -> None:
            if not t.execute("SELECT 1 FROM buckets WHERE name = ?", (upload.bucket,)):
                raise S3Error("NoSuchBucket", BucketName=upload.bucket)
            t.execute(
                "INSERT INTO uploads VALUES (?, ?, ?, ?, ?)",
                (
                    upload.upload_id,
                    upload.bucket,
                    upload.key,
                    upload.initiated.timestamp(),
                    json.dumps(details),
                ),
            )

        self.database.write(change)

    def upload(self, upload_id: str, bucket: str, key: str) -> Upload:
        """
        Raises:
            S3Error: ``NoSuchUpload``.
        """
        return find_upload(self.database.read, upload_id, bucket, key)

    def uploads(
        self, bucket: str, prefix: str, key: str, upload_id: str | None, limit: int
    ) -> list[Upload]:
        """Up to `limit` uploads after `upload_id` of `key` (None: after the whole key)."""
        behind = "key > ?" if upload_id is None else "(key > ? OR (key = ? AND upload_id > ?))"
        values: tuple = (key,) if upload_id is None else (key, key, upload_id)
        rows = self.database.read(
            "SELECT upload_id, bucket, key, initiated, details FROM uploads WHERE bucket = ?"
            f" AND {behind} AND key >= ? AND key < ? ORDER BY key, upload_id LIMIT ?",
            (bucket, *values, prefix, after(prefix), limit),
        )
        return [_upload(row) for row in rows]

    def put_part(self, upload_id: str, bucket: str, key: str, part: Part) -> list[str]:
        """Keep a part, in place of an earlier one of its number; returns what that occupied.

        Raises:
            S3Error: ``NoSuchUpload``: it was completed or aborted meanwhile.
        """

        def change(t: Transaction) -> list[str]:
            find_upload(t.execute, upload_id, bucket, key)
            before = t.execute(
                "SELECT payload FROM parts WHERE upload_id = ? AND number = ?",
                (upload_id, part.number),
            )
            t.execute(
                "DELETE FROM parts WHERE upload_id = ? AND number = ?", (upload_id, part.number)
            )
            t.execute(
                "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    upload_id,
                    part.number,
                    part.size,
                    part.etag,
                    part.modified.timestamp(),
                    _payload(part.segments),
                    json.dumps(part.checksum),
                ),
            )
            return [name for (text,) in before for name in _names(text)]

        return self.database.write(change)

    def parts(self, upload_id: str, behind: int = 0, limit: int = 10_000) -> list[Part]:
        """Up to `limit` parts with numbers > `behind`, in order."""
        return find_parts(self.database.read, upload_id, behind, limit)

    def live_payloads(self) -> Iterator[str]:
        """Every payload that a version or a part names.

        Parts come first: what is completed meanwhile goes from them to the versions.
        """
        for table in ("parts", "versions"):
            for (text,) in self.database.read(f"SELECT payload FROM {table} WHERE payload <> ''"):
                yield from _names(text)


# --- what both a read and a change look up ----------------------------------------------------


def find(
    read: Callable[..., list[Row]], bucket: str, key: str, version_id: str | None = None
) -> Version | None:
    """The latest version of a key, or the one named; None if there is none."""
    which = "latest = 1" if version_id is None else "version_id = ?"
    rows = read(
        f"SELECT {_COLUMNS} FROM versions WHERE bucket = ? AND key = ? AND {which}",
        (bucket, key) if version_id is None else (bucket, key, version_id),
    )
    return _version(rows[0]) if rows else None


def find_upload(read: Callable[..., list[Row]], upload_id: str, bucket: str, key: str) -> Upload:
    """
    Raises:
        S3Error: ``NoSuchUpload``.
    """
    rows = read(
        "SELECT upload_id, bucket, key, initiated, details FROM uploads WHERE upload_id = ?",
        (upload_id,),
    )
    if not rows or (rows[0][1], rows[0][2]) != (bucket, key):
        raise S3Error("NoSuchUpload", UploadId=upload_id)
    return _upload(rows[0])


def find_parts(
    read: Callable[..., list[Row]], upload_id: str, behind: int = 0, limit: int = 10_000
) -> list[Part]:
    """Up to `limit` parts with numbers > `behind`, in order."""
    rows = read(
        "SELECT number, size, etag, modified, payload, checksum FROM parts"
        " WHERE upload_id = ? AND number > ? ORDER BY number LIMIT ?",
        (upload_id, behind, limit),
    )
    return [
        Part(
            *row[:3],
            datetime.fromtimestamp(row[3], UTC),
            tuple(Segment(*part) for part in json.loads(row[4])) if row[4] else (),
            json.loads(row[5]),
        )
        for row in rows
    ]


def delete_upload(t: Transaction, upload_id: str) -> None:
    """Forget an upload and its parts."""
    t.execute("DELETE FROM parts WHERE upload_id = ?", (upload_id,))
    t.execute("DELETE FROM uploads WHERE upload_id = ?", (upload_id,))


def insert(t: Transaction, version: Version) -> None:
    """Make a version the latest of its key; what was the latest stays as an older version."""
    t.execute(
        "UPDATE versions SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1",
        (version.bucket, version.key),
    )
    t.execute(
        f"INSERT INTO versions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)",
        (
            version.bucket,
            version.key,
            version.version_id,
            version.size,
            version.etag,
            version.modified.timestamp(),
            _payload(version.segments),
            version.inline,
            version.details.to_json(),
            int(version.delete_marker),
            version.seq,
        ),
    )


def remove(t: Transaction, version: Version) -> None:
    """Remove a version; the newest of those that remain becomes the latest."""
    where = (version.bucket, version.key)
    t.execute(
        "DELETE FROM versions WHERE bucket = ? AND key = ? AND seq = ?", (*where, version.seq)
    )
    if version.latest:
        t.execute(
            "UPDATE versions SET latest = 1 WHERE bucket = ? AND key = ? AND seq ="
            " (SELECT MAX(seq) FROM versions WHERE bucket = ? AND key = ?)",
            (*where, *where),
        )


def set_details(t: Transaction, version: Version, details: Details) -> None:
    """Replace what is kept beside a version's bytes."""
    t.execute(
        "UPDATE versions SET details = ? WHERE bucket = ? AND key = ? AND seq = ?",
        (details.to_json(), version.bucket, version.key, version.seq),
    )


def _bucket(row: Row) -> Bucket:
    return Bucket(
        row[0], row[1], datetime.fromtimestamp(row[2], UTC), row[3], row[4], json.loads(row[5])
    )


def _upload(row: Row) -> Upload:
    document = json.loads(row[4])
    algorithm, kind = document.pop("checksum_algorithm"), document.pop("checksum_type")
    moment = datetime.fromtimestamp(row[3], UTC)
    return Upload(*row[:3], moment, Details(**document), algorithm, kind)


def _names(payload: str) -> list[str]:
    return [part[0] for part in json.loads(payload)] if payload else []
