"""Which headers a reverse proxy hands on, which it adds, and which end with it (RFC 9110, 7.6).

Names are in lower case, as ASGI and the parser give them.
"""

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]

# They are about one connection, and the proxy has another one on its other side. Proxy-… are meant
# for a proxy, and trailers don't get through the server that we run on.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization "
    b"te trailer transfer-encoding upgrade".split()
)
VIA = b"1.1 amazonian"


def end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Those that are meant for the far end: not hop-by-hop, and not named in Connection."""
    headers = list(headers)
    named = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    }
    return [pair for pair in headers if pair[0] not in HOP_BY_HOP and pair[0] not in named]


def to_backend(headers: Headers, client: str, scheme: str) -> list[tuple[bytes, bytes]]:
    """A request's headers as the backend gets them.

    The client's address is added at the end of X-Forwarded-For. What stood there before is only
    what the client says: a backend must trust no more than the last entry. X-Forwarded-Proto and
    X-Forwarded-Host are set anew, and Host stays what the client asked for.
    """
    kept, forwarded_for, via, host = [], [], [], None
    for name, value in end_to_end(headers):
        if name == b"x-forwarded-for":
            forwarded_for.append(value)
        elif name == b"via":
            via.append(value)
        elif name not in (b"x-forwarded-proto", b"x-forwarded-host"):
            kept.append((name, value))
        if name == b"host":
            host = value
    kept.append((b"x-forwarded-for", b", ".join([*forwarded_for, client.encode()])))
    kept.append((b"x-forwarded-proto", scheme.encode()))
    if host is not None:
        kept.append((b"x-forwarded-host", host))
    kept.append((b"via", b", ".join([*via, VIA])))
    return kept


def to_client(headers: Headers, status: int) -> list[tuple[bytes, bytes]]:
    """A reply's headers as the client gets them.

    Date is left out, since the server that we run on sets its own, as a gateway may. So is the
    Content-Length of a reply that has no body (204, 304).
    """
    dropped = {b"date", b"content-length"} if status in (204, 304) else {b"date"}
    return [pair for pair in end_to_end(headers) if pair[0] not in dropped]
