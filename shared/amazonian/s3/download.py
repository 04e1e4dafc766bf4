"""The way back: a version's bytes, which stay until the last of them has been read.

An object may be overwritten or deleted while it is read. Its name changes at once; its bytes go
when nobody reads them any more, so that a reader sees one version, whole.
"""

from collections.abc import Iterator
from contextlib import suppress

from amazonian.s3 import upload
from amazonian.s3.records import Version
from amazonian.s3.store import Store


class Download(Iterator[bytes]):
    """A run of a version's bytes, in pieces. Close it, or read it to its end.

    Args:
        start: the first byte wanted.
        length: how many bytes; None: all the rest.

    Raises:
        VersionGoneError: the version was removed after it was looked up; look again.
    """

    def __init__(self, store: Store, version: Version, start: int = 0, length: int | None = None):
        self._hold = store.hold(version)
        self._pieces = iter(upload.get(store, version, start, length))

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Read nothing more."""
        pieces, self._pieces = self._pieces, iter(())
        with suppress(AttributeError):
            pieces.close()
        self._hold.let_go()

    def __del__(self) -> None:
        with suppress(AttributeError):  # the version was gone before there was anything to close
            self.close()
