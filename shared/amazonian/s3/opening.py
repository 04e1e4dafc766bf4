"""Reading a version's bytes while others may replace or delete it.

Between the look at a version's name and the reading of its last byte, another request may take
the version away, and its payloads with it. So a reader takes hold of the payloads first and looks
at the name again: if that still stands, what it names stays until the reader is done.
"""

from collections.abc import Iterator

from amazonian.s3 import upload
from amazonian.s3.holds import DeletedError
from amazonian.s3.metadata import Version
from amazonian.s3.store import Store


class VersionGoneError(Exception):
    """The version was replaced or deleted after it had been looked up: look it up again."""


class OpenVersion(Iterator[bytes]):
    """The bytes of a version, or a run of them; see :func:`amazonian.s3.upload.get`.

    They stay until it is closed, read to its end or forgotten.

    Raises:
        VersionGoneError: at once; later it is not raised any more.
    """

    def __init__(self, store: Store, version: Version, start: int = 0, length: int | None = None):
        self._store, self._held = store, list[str]()
        try:
            for payload in version.payloads:
                store.readers.take(payload)
                self._held.append(payload)
            if self._held:
                now = store.metadata.find(version.bucket, version.key, version.version_id)
                if now is None or now.seq != version.seq:
                    raise VersionGoneError(f"{version.bucket}/{version.key}")
            self._pieces = upload.get(store, version, start, length)
        except DeletedError as error:  # its removal waits for earlier readers
            self.close()
            raise VersionGoneError(str(error)) from None
        except BaseException:
            self.close()
            raise

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:  # its end among them
            self.close()
            raise

    def close(self) -> None:
        """Read nothing more; the payloads may be removed now."""
        self._pieces: Iterator[bytes] = iter(())
        held, self._held = self._held, []
        for payload in held:
            self._store.readers.let_go(payload)

    def __del__(self) -> None:
        self.close()
