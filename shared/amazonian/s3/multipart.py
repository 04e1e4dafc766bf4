"""Multipart upload: one object, sent as parts that may come in any order, and again.

S3 User Guide, "Uploading and copying objects using multipart upload". The client splits and
sends; the service keeps the parts apart until the client lists those that make the object.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from amazonian.s3.errors import S3Error
from amazonian.s3.records import Part

SMALLEST_PART_BYTES = 5 * 2**20
LARGEST_PART_BYTES = 5 * 2**30
MOST_PARTS = 10_000


@dataclass(frozen=True)
class ListedPart:
    """A part as the client lists it to complete an upload; the ETag without quotes."""

    number: int
    etag: str


def split(data: bytes, part_size: int) -> list[bytes]:
    """Cut `data` into parts of `part_size` bytes; the last may be shorter.

    Args:
        data: the whole object; nothing gives one empty part.
        part_size: in bytes, at least 1.

    Returns:
        The parts in order. Joined, they are `data`.

    Raises:
        ValueError: `part_size` is less than 1.
    """
    if part_size < 1:
        raise ValueError(f"a part has at least one byte, not {part_size}")
    return [data[i : i + part_size] for i in range(0, len(data), part_size)] or [b""]


def part_size_for(size: int, smallest: int = SMALLEST_PART_BYTES) -> int:
    """The part size for an object: the smallest whole number of MiB that S3 accepts.

    Args:
        size: of the object, in bytes.
        smallest: no part is to be smaller, in bytes.

    Returns:
        Bytes: a multiple of 1 MiB, at least `smallest`, such that at most 10,000 parts make up
        the object.

    Raises:
        ValueError: even parts of 5 GiB would be more than 10,000.
    """
    mib = 2**20
    for_count = -(-size // MOST_PARTS)
    part_size = -(-max(for_count, smallest) // mib) * mib
    if part_size > LARGEST_PART_BYTES:
        raise ValueError(f"{size:,} bytes are more than 10,000 parts of 5 GiB")
    return part_size


def etag_of_parts(part_etags: Sequence[str]) -> str:
    """The ETag of a multipart object: the MD5 of its parts' MD5s, and how many there are.

    Args:
        part_etags: the ETag of each part in order, in hex, without quotes.

    Returns:
        The MD5, in hex, of the parts' MD5 digests (16 bytes each) laid end to end, a hyphen,
        and the number of parts: ``"…-12"``.

    Source: S3 API reference, "Checking object integrity": ETags of multipart uploads.
    """
    digests = b"".join(bytes.fromhex(etag) for etag in part_etags)
    return f"{hashlib.md5(digests).hexdigest()}-{len(part_etags)}"


def chosen_parts(
    listed: Sequence[ListedPart], uploaded: Mapping[int, Part], smallest: int = SMALLEST_PART_BYTES
) -> list[Part]:
    """The parts that make up the object when the client completes its upload.

    Args:
        listed: what the client lists, in its order.
        uploaded: the parts that the service holds, by number; of a number that was sent more
            than once, the last. Parts that are not listed are left out of the object.
        smallest: what every part but the last must have, in bytes.

    Returns:
        The uploaded parts, in the order of the list.

    Raises:
        S3Error: ``MalformedXML``: nothing is listed. ``InvalidPartOrder``: the numbers do not
            rise from each to the next. ``InvalidPart``: a part was not uploaded, or its ETag is
            another. ``EntityTooSmall``: a part other than the last listed is too small. Where
            several hold, the first of them in this order.
    """
    if not listed:
        raise S3Error("MalformedXML")
    numbers = [part.number for part in listed]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise S3Error("InvalidPartOrder")
    for part in listed:
        if part.number not in uploaded or uploaded[part.number].etag != part.etag:
            raise S3Error("InvalidPart", PartNumber=part.number)
    parts = [uploaded[number] for number in numbers]
    for part in parts[:-1]:
        if part.size < smallest:
            raise S3Error("EntityTooSmall", PartNumber=part.number, ProposedSize=part.size)
    return parts


class UploadSession(Protocol):
    """A client's view of one upload in progress."""

    def held(self) -> Mapping[int, str]:
        """The parts that the service holds: from number to ETag, without quotes."""

    def send(self, number: int, part: bytes) -> str:
        """Send a part and return its ETag; raises ConnectionError if the line drops."""


def send_missing(session: UploadSession, parts: Sequence[bytes]) -> list[ListedPart]:
    """Bring an upload to where it can be completed, sending no part that is there already.

    What the service holds is asked once, at the start. A part is there already if the service
    holds one of its number whose ETag is the MD5 of the part, in hex. Each other part is sent,
    in order.

    Args:
        session: see :class:`UploadSession`.
        parts: the object, cut into its parts; the first has number 1.

    Returns:
        The list with which the upload can be completed, with number and ETag of every part in
        order.

    Raises:
        ConnectionError: whatever `session` raises; the caller may try again later, from here.
    """
    held = session.held()
    listed = []
    for number, part in enumerate(parts, start=1):
        etag = hashlib.md5(part).hexdigest()
        if held.get(number) != etag:
            etag = session.send(number, part)
        listed.append(ListedPart(number, etag))
    return listed
