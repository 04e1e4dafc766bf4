"""The upload path: payload to the data store, then its name to the metadata service.

Before either, the front has asked ``amazonian.iam`` whether the request may be made.
"""

from collections.abc import Iterator
from dataclasses import replace

from amazonian.s3.payloads import Body
from amazonian.s3.preconditions import ALWAYS, Conditions
from amazonian.s3.records import Details, Version
from amazonian.s3.store import Store

NO_DETAILS = Details()


def put(
    store: Store,
    bucket: str,
    key: str,
    body: Body,
    details: Details = NO_DETAILS,
    conditions: Conditions = ALWAYS,
) -> Version:
    """Store an object: first its bytes, then its name.

    Args:
        store: ``store.keep(body)`` writes the bytes and says where they are (a ``Stored``: size,
            etag, segments, inline, checksum); ``store.commit(version, conditions)`` names them
            and gives the version its id and time; ``store.discard(payloads)`` removes bytes that
            have no name, by the UUIDs in ``version.payloads``.
        body: the bytes, as they arrive.
        details: what is kept beside the bytes; its checksum is the one that ``keep`` reports.
        conditions: what must hold at the moment of the commit.

    Returns:
        The version as it was committed.

    Raises:
        S3Error: what ``keep`` or ``commit`` raises. If the commit fails, the bytes are
            discarded: nothing remains that has no name.
    """
    stored = store.keep(body)
    version = Version(
        bucket,
        key,
        size=stored.size,
        etag=stored.etag,
        segments=stored.segments,
        inline=stored.inline,
        details=replace(details, checksum=stored.checksum),
    )
    try:
        return store.commit(version, conditions)
    except BaseException:
        store.discard(version.payloads)
        raise


def get(
    store: Store, version: Version, start: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """The bytes of a version, or a run of them, in pieces.

    Args:
        store: ``store.data.read(payload, start, length)`` gives a run of a payload's bytes.
        version: its bytes are ``version.inline``, if that is not None; otherwise those of its
            segments, one after the other. A segment has a payload, a size, and the `start`
            within the payload at which it begins.
        start: the first byte wanted, from 0.
        length: how many bytes; None: all the rest. Where fewer are left, those that are.

    Returns:
        An iterator over the pieces, each given as soon as it is read, none of them empty. Only
        segments that hold wanted bytes are read.
    """
    remaining = version.size if length is None else length
    if version.inline is not None:
        if piece := version.inline[start : start + remaining]:
            yield piece
        return
    for segment in version.segments:
        if start >= segment.size:
            start -= segment.size
            continue
        take = min(segment.size - start, remaining)
        if take <= 0:
            return
        yield from store.data.read(segment.payload, segment.start + start, take)
        remaining -= take
        start = 0
