"""A fragment: the file in which one device holds its share of a payload.

A payload is cut into *stripes*, each stripe into k *cells* of one length, to which the code adds
m parity cells. Fragment i is the file of all cells number i, in the order of the stripes::

    cell | cell | … | last cell    a checksum (CRC32C, 4 bytes) for each cell    footer

Whatever a file claims is believed only as far as it is checked: the footer by its own checksum,
each cell by its own, which also covers whose cell it is, so that a sound cell in a wrong place is
found as well.
"""

import secrets
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from awscrt.checksums import crc32c

from amazonian.s3.devices import Buffer, Device
from amazonian.s3.erasure import ALIGNMENT_BYTES

MAGIC = b"amzfrag1"
# magic, payload, index, k, m, unit, length of the payload; then the checksum of all these
FOOTER = struct.Struct("<8s16sHHHIQ")
CHECKSUM, CHECKSUMS = struct.Struct("<I"), np.dtype("<u4")
FOOTER_BYTES = FOOTER.size + CHECKSUM.size
# A fragment up to this size is read in one go, with its footer.
END_BYTES = 64 * 1024

PARTIAL = ".partial"  # a file with this ending belongs to a write that has not ended


def partial_name(payload: str) -> str:
    """A name for a fragment in the making that no earlier attempt has, crashed or stuck."""
    return f"{payload}.{secrets.token_hex(8)}{PARTIAL}"


def is_payload(name: str) -> bool:
    """Whether this is a UUID as the data store writes them."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


class CorruptFragmentError(Exception):
    """What a device holds is not what was written there."""


@dataclass(frozen=True)
class Layout:
    """How a payload of `length` bytes is cut, with cells of `unit` bytes at most."""

    k: int
    m: int
    unit: int
    length: int

    @property
    def n(self) -> int:
        """How many fragments there are."""
        return self.k + self.m

    @property
    def stripe_bytes(self) -> int:
        """How much of the payload a full stripe holds."""
        return self.k * self.unit

    @property
    def stripes(self) -> int:
        return -(-self.length // self.stripe_bytes)

    def cell_bytes(self, stripe: int) -> int:
        """How long a stripe's cells are: the unit, or what the rest needs in the last stripe."""
        rest = min(self.stripe_bytes, self.length - stripe * self.stripe_bytes)
        return -(-rest // (self.k * ALIGNMENT_BYTES)) * ALIGNMENT_BYTES

    @property
    def cells_bytes(self) -> int:
        """How long the cells of a fragment are together."""
        last = self.stripes - 1
        return last * self.unit + self.cell_bytes(last) if self.length else 0

    @property
    def fragment_bytes(self) -> int:
        """How long a fragment is, with checksums and footer."""
        return self.cells_bytes + self.stripes * CHECKSUM.size + FOOTER_BYTES


def cell_checksum(payload: str, index: int, stripe: int, cell: Buffer) -> int:
    """The CRC32C of a cell that starts from whose cell it is: payload, fragment and stripe."""
    return crc32c(cell, _seed(payload, index) ^ stripe)


def _seed(payload: str, index: int) -> int:
    return crc32c(f"{payload}/{index}".encode())


def end_of_fragment(payload: str, index: int, layout: Layout, checksums: Sequence[int]) -> bytes:
    """What stands behind a fragment's cells: their checksums and the footer."""
    identity = uuid.UUID(payload).bytes
    fields = (MAGIC, identity, index, layout.k, layout.m, layout.unit, layout.length)
    footer = FOOTER.pack(*fields)
    table = np.asarray(checksums, CHECKSUMS).tobytes()
    return table + footer + CHECKSUM.pack(crc32c(footer))


class Fragment:
    """A fragment as it is found on a device, read from there piece by piece.

    Args:
        device: where it is.
        payload: the payload's UUID.
        name: the file's name, if it is not the payload's.
    """

    def __init__(self, device: Device, payload: str, name: str | None = None):
        self.device, self.payload, self.name = device, payload, name or payload
        self.index = -1
        self.layout: Layout | None = None
        self._whole = b""
        self._checksums = np.empty(0, CHECKSUMS)
        self._seed = 0

    def open(self) -> "Fragment":
        """Read and check the footer, so that `index` and `layout` are known.

        Raises:
            OSError: the device does not give it.
            CorruptFragmentError: it is not a fragment of this payload, or not a whole one.
        """
        if self.layout is not None:
            return self
        end, size = self.device.read_end(self.name, END_BYTES)
        index, layout = self._parse(end[-FOOTER_BYTES:])
        if size != layout.fragment_bytes:
            raise CorruptFragmentError(f"{size} bytes long, not {layout.fragment_bytes}")
        table = end[-layout.stripes * CHECKSUM.size - FOOTER_BYTES : -FOOTER_BYTES]
        if len(table) < layout.stripes * CHECKSUM.size:
            table = self.device.read(self.name, layout.cells_bytes, layout.stripes * CHECKSUM.size)
        self._checksums = np.frombuffer(table, CHECKSUMS)
        if len(end) == size:
            self._whole = end
        self.index, self._seed = index, _seed(self.payload, index)
        self.layout = layout
        return self

    def _parse(self, footer: bytes) -> tuple[int, Layout]:
        if len(footer) < FOOTER_BYTES:
            raise CorruptFragmentError("too short for a footer")
        fields, checksum = footer[: FOOTER.size], footer[FOOTER.size :]
        if CHECKSUM.unpack(checksum)[0] != crc32c(fields):
            raise CorruptFragmentError("the footer does not match its checksum")
        magic, identity, index, k, m, unit, length = FOOTER.unpack(fields)
        if magic != MAGIC:
            raise CorruptFragmentError("not a fragment of this format")
        if str(uuid.UUID(bytes=identity)) != self.payload:
            raise CorruptFragmentError(f"a fragment of {uuid.UUID(bytes=identity)}")
        return index, Layout(k, m, unit, length)

    def in_memory(self) -> bool:
        """Whether `open` has already brought in the whole file."""
        return bool(self._whole)

    def cell(self, stripe: int) -> bytes:
        """Read and check one cell.

        Raises:
            OSError, CorruptFragmentError: see `open`, which is called first.
        """
        layout = self.open().layout
        start, length = stripe * layout.unit, layout.cell_bytes(stripe)
        if self._whole:
            cell = self._whole[start : start + length]
        else:
            cell = self.device.read(self.name, start, length)
        if len(cell) != length:
            raise CorruptFragmentError(f"cell {stripe} is cut off")
        if crc32c(cell, self._seed ^ stripe) != self._checksums[stripe]:
            raise CorruptFragmentError(f"cell {stripe} does not match its checksum")
        return cell
