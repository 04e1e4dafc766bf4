"""AWS's protocols with many URLs: method and path name the operation ("rest-json", "rest-xml").

Values stand in the path, the query, headers, the status line, and the body.

Source: "AWS restJson1 protocol", "AWS restXml protocol" and "HTTP bindings", smithy.io.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote

from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from amazonian.cloud.http import HttpRequest, HttpResponse
from amazonian.cloud.markup import from_xml, members_to_xml, parse_xml, to_xml, xml_text
from amazonian.cloud.protocols import JSON, Named, Protocol
from amazonian.cloud.shapes import from_json, from_text, to_json, to_text, wire_name
from amazonian.iam.errors import AWSError


@dataclass(frozen=True)
class Route:
    """One operation's URL: `fixed` are parameters that must be in the query as they are."""

    method: str
    pattern: re.Pattern
    labels: tuple[str, ...]
    fixed: dict[str, str]
    operation: OperationModel
    rank: tuple

    @classmethod
    def of(cls, operation: OperationModel) -> "Route":
        path, _, query = operation.http["requestUri"].partition("?")
        fixed = dict(parse_qsl(query, keep_blank_values=True))
        pattern, labels = "", []
        for text, label in re.findall(r"([^{]+)|\{([^}]+)\}", path.rstrip("/")):
            if label:
                labels.append(label.rstrip("+"))
                pattern += "(.+)" if label.endswith("+") else "([^/]+)"
            else:
                pattern += re.escape(text)
        rank = (-len(fixed), len(labels), -len(path))  # the most specific one is tried first
        compiled = re.compile(pattern + "/?")
        return cls(operation.http["method"], compiled, tuple(labels), fixed, operation, rank)


class Rest(Protocol):
    type = ""

    def __init__(self, model: ServiceModel):
        super().__init__(model)
        routes = [Route.of(model.operation_model(name)) for name in model.operation_names]
        self.routes = sorted(routes, key=lambda route: route.rank)

    def read_body(self, shape: Shape, body: bytes) -> Any:
        raise NotImplementedError

    def write_body(self, shape: Shape, value: Any, name: str) -> bytes:
        raise NotImplementedError

    def named(self, request: HttpRequest) -> Named:
        sent = dict(request.parameters)
        for route in self.routes:
            match = route.method == request.method and route.pattern.fullmatch(request.path)
            if match and route.fixed.items() <= sent.items():
                values = map(unquote, match.groups())
                return Named(route.operation, dict(zip(route.labels, values, strict=True)))
        raise LookupError(f"{request.method} {request.path}")

    def parse(self, named: Named, request: HttpRequest) -> dict[str, Any]:
        shape = named.operation.input_shape
        params = {}
        for member, inner in shape.members.items():
            value = _from_head(shape, member, inner, named.found, request)
            if value is not None:
                params[member] = value
        payload = shape.serialization.get("payload")
        if not request.content:
            return params
        if payload is None:
            return params | self.read_body(shape, request.content)
        inner = shape.members[payload]
        if inner.type_name == "blob":
            params[payload] = request.content
        elif inner.type_name == "string":
            params[payload] = request.content.decode()
        else:
            params[payload] = self.read_body(inner, request.content)
        return params

    def answer(self, operation: OperationModel, result: dict[str, Any], rid: str) -> HttpResponse:
        response = HttpResponse(operation.http.get("responseCode", 200))
        shape = operation.output_shape
        if shape is None:
            return response
        response.headers["Content-Type"] = self.type
        for member, inner in shape.members.items():
            if result.get(member) is not None:
                _to_head(member, inner, result[member], response)
        payload = shape.serialization.get("payload")
        if payload is None:
            in_body = any("location" not in inner.serialization for inner in shape.members.values())
            if in_body:
                response.body = self.write_body(shape, result, f"{operation.name}Result")
        elif result.get(payload) is not None:
            response.body = self._payload(shape.members[payload], payload, result[payload])
        return response

    def _payload(self, shape: Shape, member: str, value: Any) -> bytes:
        if isinstance(value, bytes | str):
            return value.encode() if isinstance(value, str) else value
        return self.write_body(shape, value, wire_name(shape, member))


def _from_head(
    shape: StructureShape, member: str, inner: Shape, labels: dict[str, str], request: HttpRequest
) -> Any:
    """What the path, the query or a header says of a member; None if nothing."""
    where, name = inner.serialization.get("location"), wire_name(inner, member)
    if where == "uri":
        return from_text(inner, labels[name])
    if where == "querystring":
        if inner.type_name == "map":  # every parameter that is not another member's
            others = {wire_name(one, other) for other, one in shape.members.items()}
            return {key: text for key, text in request.parameters if key not in others}
        sent = [text for key, text in request.parameters if key == name]
        if inner.type_name == "list":
            return [from_text(inner.member, text) for text in sent] or None
        return from_text(inner, sent[-1]) if sent else None
    if where == "header" and name.lower() in request.headers:
        return from_text(inner, request.headers[name.lower()])
    if where == "headers":
        prefix = name.lower()
        sent = request.headers.items()
        return {key[len(prefix) :]: text for key, text in sent if key.startswith(prefix)}
    return None


def _to_head(member: str, shape: Shape, value: Any, response: HttpResponse) -> None:
    where, name = shape.serialization.get("location"), wire_name(shape, member)
    if where == "statusCode":
        response.status = value
    elif where == "header":
        response.headers[name] = to_text(shape, value, "rfc822")
    elif where == "headers":
        response.headers.update({name + key: text for key, text in value.items()})


class RestJSON(Rest):
    type = "application/json"
    codes: ClassVar = {code: (name, 403) for code, (name, _) in JSON.codes.items()} | {
        "InvalidAction": ("UnknownOperationException", 404),
        "ValidationError": ("ValidationException", 400),
    }

    def read_body(self, shape: Shape, body: bytes) -> Any:
        return from_json(shape, json.loads(body))

    def write_body(self, shape: Shape, value: Any, name: str) -> bytes:
        return json.dumps(to_json(shape, value)).encode()

    def refuse(self, error: AWSError, rid: str) -> HttpResponse:
        code, status = self.code_and_status(error)
        headers = {"Content-Type": self.type, "x-amzn-ErrorType": code}
        body = {"Message": error.message, "message": error.message}
        return HttpResponse(status, headers, json.dumps(body).encode())


class RestXML(Rest):
    type = "application/xml"

    def read_body(self, shape: Shape, body: bytes) -> Any:
        return from_xml(shape, parse_xml(body))

    def write_body(self, shape: Shape, value: Any, name: str) -> bytes:
        if shape.type_name != "structure":
            out: list[str] = []
            to_xml(shape, value, name, out)
            return "".join(out).encode()
        out = [f'<{name} xmlns="{self.namespace}">' if self.namespace else f"<{name}>"]
        members_to_xml(shape, value, out)
        return "".join([*out, f"</{name}>"]).encode()

    def refuse(self, error: AWSError, rid: str) -> HttpResponse:
        code, status = self.code_and_status(error)
        body = (
            f"<ErrorResponse><Error><Code>{xml_text(code)}</Code>"
            f"<Message>{xml_text(error.message)}</Message></Error>"
            f"<RequestId>{rid}</RequestId></ErrorResponse>"
        )
        return HttpResponse(status, {"Content-Type": self.type}, body.encode())
