"""Requests and responses as S3 writes them: paths, headers, XML, dates."""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.etree import ElementTree

from amazonian.iam.sigv4 import SignedRequest
from amazonian.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
LARGEST_DOCUMENT_BYTES = 2 * 2**20


@dataclass
class Request:
    """One HTTP request to S3, before anything of it has been believed.

    Args:
        path, query: as on the request line, percent-encoded. `resource` is the path with the
            bucket in it, wherever the request names that.
        headers: lower-case names; repeated ones joined by a comma.
        body: the raw body, in chunks; read at most once.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Iterable[bytes] = ()
    client: str = "127.0.0.1"
    secure: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(8).upper())

    def __post_init__(self) -> None:
        host = self.headers.get("host", "").rpartition(":")[0] or self.headers.get("host", "")
        path = self.path
        if host.endswith(".localhost"):  # virtual-hosted: the bucket stands in the host's name
            path = f"/{host.removesuffix('.localhost').removesuffix('.s3')}{path}"
        self.resource = path
        bucket, _, key = path.lstrip("/").partition("/") if path[:2] != "//" else ("", "", "")
        try:
            self.bucket = unquote(bucket, errors="strict")
            self.key = unquote(key, errors="strict")
        except UnicodeDecodeError:
            raise S3Error("InvalidURI", "Couldn't parse the specified URI.") from None

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query's parameters, decoded; of a repeated one the first."""
        pairs = parse_qsl(self.query, keep_blank_values=True) if self.query else []
        return dict(reversed(pairs))

    @property
    def signed(self) -> SignedRequest:
        return SignedRequest(self.method, self.path, self.query, self.headers)

    def parameter(self, name: str, default: str | None = None) -> str | None:
        return self.parameters.get(name, default)

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A parameter that is a whole number of at least 0.

        Raises:
            S3Error: ``InvalidArgument``.
        """
        text = self.parameters.get(name)
        if not text:
            return default
        try:
            value = int(text)
        except ValueError:
            value = -1
        if value < 0 or value > 2**31 - 1:
            raise S3Error(
                "InvalidArgument",
                f"Provided {name} not an integer or within integer range",
                ArgumentName=name,
                ArgumentValue=text,
            )
        return value if most is None else min(value, most)


@dataclass
class Response:
    """What goes back: `body` whole, or in pieces with `length` in bytes.

    `first` is the first piece, once it has been read.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""
    length: int | None = None
    first: bytes | None = None


# --- XML --------------------------------------------------------------------------------------


def document(root: str, content: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """A response with an XML document, made of nested dictionaries and lists.

    A list repeats its element; None leaves it out; a key that begins with ``@`` is an attribute.
    """
    element = ElementTree.Element(root, {"xmlns": NAMESPACE})
    _fill(element, content)
    return Response(status, {"content-type": "application/xml", **headers}, _serialized(element))


_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f]")


def _serialized(element: ElementTree.Element) -> bytes:
    """The document. Characters that XML 1.0 has no place for are written as S3 does, ``&#x1;``."""
    text = _CONTROL.sub(lambda found: b"&#x%x;" % ord(found[0]), ElementTree.tostring(element))
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text


def _fill(element: ElementTree.Element, content: Mapping[str, Any]) -> None:
    for name, value in content.items():
        if name.startswith("@"):
            element.set(name[1:], value)
            continue
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            child = ElementTree.SubElement(element, name)
            if isinstance(item, Mapping):
                _fill(child, item)
            else:
                child.text = text_of(item)


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    return str(value)


def parse_document(body: bytes, *roots: str) -> ElementTree.Element:
    """An XML document without its namespaces.

    Raises:
        S3Error: ``MalformedXML``: it is none, or its root is not one of `roots`.
    """
    try:
        element = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise S3Error("MalformedXML") from None
    for part in element.iter():
        part.tag = part.tag.rpartition("}")[2]
        part.attrib = {name.rpartition("}")[2]: value for name, value in part.attrib.items()}
    if roots and element.tag not in roots:
        raise S3Error("MalformedXML")
    return element


def child_text(element: ElementTree.Element, name: str) -> str | None:
    """The text of a child, without space around it; None if there is no such child."""
    found = element.find(name)
    return None if found is None else (found.text or "").strip()


def need_text(element: ElementTree.Element, name: str) -> str:
    """
    Raises:
        S3Error: ``MalformedXML``: there is no such child, or nothing in it.
    """
    text = child_text(element, name)
    if not text:
        raise S3Error("MalformedXML")
    return text


def error_response(error: S3Error, request: Request) -> Response:
    """The error as S3 writes it; nothing but headers for HEAD and 304."""
    if request.method == "HEAD" or error.status == 304:
        return Response(error.status, dict(error.headers))
    root = ElementTree.Element("Error")
    fields = {
        "Code": error.code,
        "Message": error.message,
        **error.fields,
        "Resource": unquote(request.path, errors="replace"),
        "RequestId": request.id,
        "HostId": request.id,
    }
    _fill(root, fields)
    headers = {"content-type": "application/xml", **error.headers}
    return Response(error.status, headers, _serialized(root))


# --- dates and names --------------------------------------------------------------------------


def iso(moment: datetime) -> str:
    """As in documents: ``2026-11-26T21:00:00.000Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(moment: datetime) -> str:
    """As in headers: ``Thu, 26 Nov 2026 21:00:00 GMT``."""
    return _http_date(int(moment.timestamp()))


@lru_cache(4096)
def _http_date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)


def parse_iso(text: str | None) -> datetime | None:
    """
    Raises:
        S3Error: ``MalformedXML``: not an ISO 8601 date.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise S3Error("MalformedXML") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def url_encoded(text: str) -> str:
    """A key as ``encoding-type=url`` asks for it."""
    return quote(text, safe="/-_.~*()!'")
