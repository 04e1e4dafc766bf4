"""An HTTP request and its answer, as far as AWS's protocols look at them."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from amazonian.iam.errors import AWSError

LARGEST_UNPACKED = 16 << 20
MOST_FIELDS = 20_000


@dataclass
class HttpRequest:
    """A request whose body has been read.

    Args:
        path: as on the request line, still percent-encoded, without the query.
        query: what follows the ``?``, still percent-encoded.
        headers: names in lower case.
        source_ip: the sender's address, for policies; "" if the front does not know it.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    source_ip: str = ""

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """The query's parameters, decoded, in their order."""
        return parse_qsl(self.query, keep_blank_values=True, max_num_fields=MOST_FIELDS)

    @cached_property
    def content(self) -> bytes:
        """The body, unpacked if it came as gzip.

        Raises:
            AWSError: it is no gzip, or a small one that would fill the memory.
        """
        if self.headers.get("content-encoding") != "gzip":
            return self.body
        unpack = zlib.decompressobj(wbits=31)
        try:
            content = unpack.decompress(self.body, LARGEST_UNPACKED)
        except zlib.error:
            raise AWSError("SerializationException", "the body is no gzip") from None
        if not unpack.eof:
            raise AWSError("RequestTooLarge", f"more than {LARGEST_UNPACKED} bytes", 413)
        return content


@dataclass
class HttpResponse:
    """An answer; a front adds Content-Length and leaves the body out for HEAD."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
