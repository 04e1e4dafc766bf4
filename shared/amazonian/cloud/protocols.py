"""How a request names its operation and where values stand: AWS's protocols with one URL.

"json" names the operation in a header, "query" and "ec2" in a form field. (Those with many URLs
are in :mod:`.rest`.)

Source: "AWS JSON 1.0", "AWS Query" and "AWS EC2 Query" protocols, smithy.io.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from botocore.model import OperationModel, ServiceModel

from amazonian.cloud.forms import form_tree, from_form
from amazonian.cloud.http import MOST_FIELDS, HttpRequest, HttpResponse
from amazonian.cloud.markup import members_to_xml, xml_text
from amazonian.cloud.shapes import from_json, to_json
from amazonian.iam.errors import AWSError


@dataclass(frozen=True)
class Named:
    """The operation that a request names, and what was read on the way there."""

    operation: OperationModel
    found: Any = None


class Protocol:
    """One spelling of requests and answers; `model` is botocore's description of the service."""

    # AWS has several names for the same refusal; each protocol has its own. See services.py.
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {}

    def __init__(self, model: ServiceModel):
        self.model = model
        self.namespace = model.metadata.get("xmlNamespace", "")
        self._errors = {}
        for shape in model.error_shapes:
            self._errors[shape.name] = self._errors[shape.error_code] = shape

    def named(self, request: HttpRequest) -> Named:
        """The operation that a request is for.

        Raises:
            LookupError: it names none.
        """
        raise NotImplementedError

    def parse(self, named: Named, request: HttpRequest) -> dict[str, Any]:
        """The operation's parameters.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: they have another form.
        """
        raise NotImplementedError

    def answer(self, operation: OperationModel, result: dict[str, Any], rid: str) -> HttpResponse:
        """What the operation returned, as HTTP; `rid` is the request's id."""
        raise NotImplementedError

    def refuse(self, error: AWSError, rid: str) -> HttpResponse:
        """Why the operation failed, as HTTP."""
        raise NotImplementedError

    def operation(self, name: str) -> OperationModel:
        """Raises LookupError if the service has no such operation."""
        if name not in self.model.operation_names:
            raise LookupError(name)
        return self.model.operation_model(name)

    def code_and_status(self, error: AWSError) -> tuple[str, int]:
        """The model knows the wire code and the status of the errors that it declares."""
        if error.code in self.codes:
            return self.codes[error.code]
        shape = self._errors.get(error.code)
        declared = (shape.metadata.get("error") or {}) if shape else {}
        status = declared.get("httpStatusCode", error.status)
        return declared.get("code", error.code), status


class JSON(Protocol):
    codes: ClassVar = {
        "MissingAuthenticationToken": ("MissingAuthenticationTokenException", 400),
        "IncompleteSignature": ("IncompleteSignatureException", 400),
        "InvalidClientTokenId": ("UnrecognizedClientException", 400),
        "SignatureDoesNotMatch": ("InvalidSignatureException", 400),
        "ExpiredToken": ("ExpiredTokenException", 400),
        "AccessDenied": ("AccessDeniedException", 400),
        "InvalidAction": ("UnknownOperationException", 400),
        "ValidationError": ("ValidationException", 400),
    }

    def __init__(self, model: ServiceModel):
        super().__init__(model)
        self.type = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.0')}"

    def named(self, request: HttpRequest) -> Named:
        target = request.headers.get("x-amz-target", "")
        return Named(self.operation(target.rpartition(".")[2]))

    def parse(self, named: Named, request: HttpRequest) -> dict[str, Any]:
        return from_json(named.operation.input_shape, json.loads(request.content or b"{}"))

    def answer(self, operation: OperationModel, result: dict[str, Any], rid: str) -> HttpResponse:
        shape = operation.output_shape
        content = to_json(shape, result) if shape is not None else {}
        return HttpResponse(200, {"Content-Type": self.type}, json.dumps(content).encode())

    def refuse(self, error: AWSError, rid: str) -> HttpResponse:
        code, status = self.code_and_status(error)
        headers, kind = {"Content-Type": self.type}, code
        if error.code in self._errors and code != error.code:
            # SQS spoke "query" once: the header carries the code that clients knew then.
            headers["x-amzn-query-error"], kind = f"{code};Sender", error.code
        body = {"__type": kind, "message": error.message}
        return HttpResponse(status, headers, json.dumps(body).encode())


class Query(Protocol):
    ec2 = False

    def named(self, request: HttpRequest) -> Named:
        fields = parse_qsl(
            request.content.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS
        )
        fields = [*request.parameters, *fields]
        return Named(self.operation(dict(fields).get("Action", "")), fields)

    def parse(self, named: Named, request: HttpRequest) -> dict[str, Any]:
        return from_form(named.operation.input_shape, form_tree(named.found), self.ec2)

    def answer(self, operation: OperationModel, result: dict[str, Any], rid: str) -> HttpResponse:
        shape, name = operation.output_shape, f"{operation.name}Response"
        out = [f'<{name} xmlns="{self.namespace}">']
        if shape is not None:
            wrapper = shape.serialization.get("resultWrapper")
            out.append(f"<{wrapper}>" if wrapper else "")
            members_to_xml(shape, result, out)
            out.append(f"</{wrapper}>" if wrapper else "")
        out.append(f"<ResponseMetadata><RequestId>{rid}</RequestId></ResponseMetadata></{name}>")
        return _xml(200, *out)

    def refuse(self, error: AWSError, rid: str) -> HttpResponse:
        code, status = self.code_and_status(error)
        fault = "Sender" if status < 500 else "Receiver"
        return _xml(
            status,
            f'<ErrorResponse xmlns="{self.namespace}"><Error><Type>{fault}</Type>',
            f"<Code>{xml_text(code)}</Code><Message>{xml_text(error.message)}</Message></Error>",
            f"<RequestId>{rid}</RequestId></ErrorResponse>",
        )


class EC2(Query):
    ec2 = True
    codes: ClassVar = {
        "MissingAuthenticationToken": ("AuthFailure", 401),
        "IncompleteSignature": ("AuthFailure", 401),
        "InvalidClientTokenId": ("AuthFailure", 401),
        "SignatureDoesNotMatch": ("AuthFailure", 401),
        "ExpiredToken": ("RequestExpired", 400),
        "AccessDenied": ("UnauthorizedOperation", 403),
        "ValidationError": ("InvalidParameterValue", 400),
    }

    def answer(self, operation: OperationModel, result: dict[str, Any], rid: str) -> HttpResponse:
        name, version = f"{operation.name}Response", self.model.api_version
        out = [f'<{name} xmlns="http://ec2.amazonaws.com/doc/{version}/">']
        out.append(f"<requestId>{rid}</requestId>")
        if operation.output_shape is not None:
            members_to_xml(operation.output_shape, result, out)
        return _xml(200, *out, f"</{name}>")

    def refuse(self, error: AWSError, rid: str) -> HttpResponse:
        code, status = self.code_and_status(error)
        return _xml(
            status,
            f"<Response><Errors><Error><Code>{xml_text(code)}</Code>",
            f"<Message>{xml_text(error.message)}</Message></Error></Errors>",
            f"<RequestID>{rid}</RequestID></Response>",
        )


def _xml(status: int, *parts: str) -> HttpResponse:
    return HttpResponse(status, {"Content-Type": "text/xml"}, "".join(parts).encode())
