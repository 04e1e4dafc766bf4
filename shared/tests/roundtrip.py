"""Every operation of a service through real boto3, with random parameters and random answers."""

import io
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore import xform_name
from botocore.awsrequest import AWSRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.model import Shape

from amazonian.cloud.http import HttpRequest
from amazonian.cloud.services import Gateway
from amazonian.iam.identities import Identities
from amazonian.resilience.idempotency import WallClock

DEEPEST = 3  # optional members further down are left out
TEXTS = ("abc", "a b&<c>", "héllo", "x/y+z%20=", "1.5", " spaces ", "line\nline")


class Values:
    """Random values of any shape."""

    def __init__(self, rng: random.Random):
        self.rng = rng

    def of(self, shape: Shape, depth: int = 0, place: str | None = None) -> Any:
        """`place` is the location of the member that the value is in: header, uri…"""
        if getattr(shape, "is_document_type", False):
            return {"a": [1, "b"]}
        match shape.type_name:
            case "structure":
                return self._structure(shape, depth)
            case "list":
                count = max(shape.metadata.get("min", 0), self.rng.randint(1, 2))
                return [self.of(shape.member, depth + 1, place) for _ in range(count)]
            case "map":
                key = self.of(shape.key, depth + 1, "key")
                return {key: self.of(shape.value, depth + 1, place)}
            case "string":
                return self._text(shape, place)
            case "integer" | "long":
                low = int(shape.metadata.get("min", 1))
                return 200 if place == "statusCode" else low
            case "float" | "double":
                return float(shape.metadata.get("min", 1)) + 0.5
            case "boolean":
                return self.rng.random() < 0.5
            case "timestamp":
                return datetime(2026, 11, 23, 4, 5, self.rng.randrange(60), tzinfo=UTC)
            case "blob":
                return bytes([0, 255, 65, self.rng.randrange(256)])
        raise AssertionError(f"no value for {shape.type_name}")

    def _structure(self, shape: Shape, depth: int) -> dict[str, Any]:
        members = dict(shape.members)
        if getattr(shape, "is_tagged_union", False):
            one = self.rng.choice(list(members))
            return {one: self.of(members[one], depth + 1)}
        found = {}
        for name, inner in members.items():
            place = inner.serialization.get("location")
            if place == "headers":
                continue
            if name in shape.required_members or place == "uri" or self._takes(depth):
                found[name] = self.of(inner, depth + 1, place)
        if not found and members and depth:  # "query" can't spell an empty structure
            name, inner = next(iter(members.items()))
            found[name] = self.of(inner, depth + 1, inner.serialization.get("location"))
        return found

    def _takes(self, depth: int) -> bool:
        return depth < DEEPEST and self.rng.random() < 0.6

    def _text(self, shape: Shape, place: str | None) -> str | dict:
        if shape.serialization.get("jsonvalue"):
            return {"k": 1} if place else "{}"
        if shape.name == "policyDocumentType":  # boto3 decodes those that are JSON
            return "{no JSON".ljust(shape.metadata.get("min", 1))
        if place == "uri" and (shape.name or "").lower().endswith("arn"):
            return "arn:aws:x:us-east-1:123456789012:y/zzzzzzzzzz"
        if getattr(shape, "enum", None):
            return self.rng.choice(shape.enum)
        low = shape.metadata.get("min", 1)
        text = "abc" if place else self.rng.choice(TEXTS)
        return text.ljust(low, "x")[: max(shape.metadata.get("max", low + 30), 1)]


class Recorder:
    """A component that has every operation: it keeps what came and answers what it was told."""

    authorises_itself = True

    def __init__(self):
        self.seen: dict[str, Any] | None = None
        self.told: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("actions", "resource_of"):
            raise AttributeError(name)

        def operation(self: Recorder, *, caller: Any, **params: Any) -> dict[str, Any]:
            self.seen = params
            return self.told

        return operation.__get__(self)


class _Raw(io.BytesIO):
    def stream(self, **_: Any):
        yield self.read()


class InProcess:
    """Takes boto3's requests to a gateway, without a socket."""

    def __init__(self, gateway: Gateway):
        self.gateway = gateway

    def send(self, request: AWSRequest, **_: Any) -> AWSResponse:
        body = request.body or b""
        body = body.read() if hasattr(body, "read") else body
        body = body.encode() if isinstance(body, str) else bytes(body)
        host, _, target = request.url.partition("://")[2].partition("/")
        path, _, query = f"/{target}".partition("?")
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        headers.setdefault("host", host)
        response = self.gateway.handle(HttpRequest(request.method, path, query, headers, body))
        return AWSResponse(
            request.url, response.status, HeadersDict(response.headers), _Raw(response.body)
        )


@dataclass
class Report:
    passed: int = 0
    skipped: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def client_of(
    service: str,
    gateway: Gateway,
    key_id: str,
    secret: str,
    token: str | None = None,
    **config: Any,
) -> Any:
    """A real boto3 client whose requests go to the gateway in this process."""
    client = boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        endpoint_url="http://127.0.0.1:1",
        config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False, **config),
    )
    client.meta.events.register("before-send", InProcess(gateway).send)
    return client


def round_trip(service: str, seed: int) -> Report:
    """Send every operation of a service once."""
    recorder, identities, report = Recorder(), Identities(rng=random.Random(seed)), Report()
    _, key_id, secret = identities.make_account("main")
    gateway = Gateway({service: recorder}, identities, WallClock())
    client = client_of(service, gateway, key_id, secret, parameter_validation=False)
    values = Values(random.Random(seed))
    model = client.meta.service_model
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.has_event_stream_input or operation.has_event_stream_output:
            report.skipped += 1
            continue
        sent = values.of(operation.input_shape) if operation.input_shape else {}
        recorder.seen = None
        recorder.told = values.of(operation.output_shape) if operation.output_shape else {}
        try:
            got = getattr(client, xform_name(name))(**sent)
            got.pop("ResponseMetadata", None)
            problem = first_difference(plain(sent), plain(recorder.seen), "request")
            problem = problem or first_difference(plain(recorder.told), plain(got), "answer")
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"[:300]
        if problem:
            report.failures[name] = problem
        else:
            report.passed += 1
    return report


def plain(value: Any) -> Any:
    """A value as the wire can carry it: nothing empty, nothing below a second."""
    if hasattr(value, "read"):
        return value.read()
    if isinstance(value, dict):
        found = {key: plain(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item not in (None, {}, [])}
    if isinstance(value, list | tuple):
        return [item for item in map(plain, value) if item not in (None, {}, [])]
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0)
    return value


def first_difference(wanted: Any, found: Any, where: str) -> str:
    """Where what arrived lacks something of what was sent; empty if nowhere."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            if key not in found:
                return f"{where}.{key} is missing: {value!r}"[:300]
            if problem := first_difference(value, found[key], f"{where}.{key}"):
                return problem
        return ""
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for place, (one, other) in enumerate(zip(wanted, found, strict=True)):
            if problem := first_difference(one, other, f"{where}[{place}]"):
                return problem
        return ""
    return "" if wanted == found else f"{where}: {wanted!r} became {found!r}"[:300]
