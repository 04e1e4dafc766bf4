"""AWS's front door for every service but S3: from a signed request to a component's method.

A component is a plain class whose methods have boto3's names, take AWS's parameters and return
AWS's results. What is on the wire comes from botocore's own model of the service, so that a
component knows nothing of HTTP and every SDK is its client::

    class STS:
        def get_caller_identity(self, *, caller):
            return {"Account": caller.account.account_id, …}

    Gateway({"sts": STS()}, identities, clock).handle(request)

A component may also have

- ``resource_of(operation, params, caller) -> arn``: what a request is about, as policies name it;
- ``authorises_itself = True``: the gateway then leaves all authorisation to it;
- ``actions = {"Invoke": "InvokeFunction"}``: operations that policies call by another name.
"""

import inspect
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from amazonian.cloud.http import HttpRequest, HttpResponse
from amazonian.cloud.protocols import EC2, JSON, Named, Protocol, Query
from amazonian.cloud.rest import RestJSON, RestXML
from amazonian.iam import policy, sigv4
from amazonian.iam.claims import SignatureError
from amazonian.iam.errors import AWSError
from amazonian.iam.identities import Caller, Identities
from amazonian.iam.policy import AccessRequest, Effect
from amazonian.resilience.clock import Clock

PROTOCOLS: dict[str, type[Protocol]] = {
    "json": JSON,
    "query": Query,
    "ec2": EC2,
    "rest-json": RestJSON,
    "rest-xml": RestXML,
}
# How policies write a service's name, where its signatures write another one.
ACTION_PREFIXES = {"monitoring": "cloudwatch"}

# S3's names for what is wrong with a signature, and those of all other services.
SIGNATURE_CODES = {
    "InvalidAccessKeyId": ("InvalidClientTokenId", 403),
    "InvalidToken": ("InvalidClientTokenId", 403),
    "SignatureDoesNotMatch": ("SignatureDoesNotMatch", 403),
    "RequestTimeTooSkewed": ("SignatureDoesNotMatch", 403),
    "XAmzContentSHA256Mismatch": ("SignatureDoesNotMatch", 403),
    "ExpiredToken": ("ExpiredToken", 403),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parsed:
    """A request in a component's own words."""

    operation: OperationModel
    method: str
    params: dict[str, Any]


class Service:
    """One component, and botocore's model of its service.

    Args:
        name: the service as boto3 calls it, such as "iam".
    """

    def __init__(self, name: str, component: object):
        description = Loader().load_service_model(name, "service-2")
        self.model = ServiceModel(description, name)
        self.component = component
        said = self.model.metadata.get("protocols", [self.model.metadata["protocol"]])
        self.protocols = [PROTOCOLS[one](self.model) for one in said if one in PROTOCOLS]
        self._validator = ParamValidator()

    def protocol(self, request: HttpRequest) -> Protocol:
        """The protocol that a request speaks; SDKs of different age speak different ones."""
        spoken = JSON if "x-amz-target" in request.headers else Query
        found = [one for one in self.protocols if isinstance(one, spoken)]
        return (found or self.protocols)[0]

    def parse(self, protocol: Protocol, request: HttpRequest) -> Parsed:
        """Which operation is asked, and with which parameters.

        Raises:
            AWSError: there is no such operation, or its parameters are not as they must be.
        """
        try:
            named = protocol.named(request)
        except (LookupError, ValueError) as problem:
            raise AWSError("InvalidAction", f"There is no operation {problem}") from None
        operation = named.operation
        if operation.has_event_stream_input or operation.has_event_stream_output:
            raise AWSError("NotImplemented", f"{operation.name} is an event stream", 501)
        params = self._parameters(protocol, named, request) if operation.input_shape else {}
        return Parsed(operation, xform_name(operation.name), params)

    def _parameters(self, protocol: Protocol, named: Named, request: HttpRequest) -> dict[str, Any]:
        shape = named.operation.input_shape
        try:
            params = protocol.parse(named, request)
            report = self._validator.validate(params, shape)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as problem:
            raise AWSError(
                "SerializationException", f"The request is malformed: {problem}"
            ) from None
        if report.has_errors():
            raise AWSError("ValidationError", report.generate_report())
        return params

    def perform(self, parsed: Parsed, caller: Caller) -> dict[str, Any]:
        """Call the component.

        Raises:
            AWSError: it has no such method, or refuses.
        """
        method = getattr(self.component, parsed.method, None)
        name = parsed.operation.name
        if method is None:
            raise AWSError("NotImplemented", f"{name} is not part of this cloud", 501)
        unknown = _unknown(method.__func__, tuple(parsed.params))
        if unknown:
            text = f"{name} does not know {', '.join(unknown)} in this cloud"
            raise AWSError("NotImplemented", text, 501)
        return method(**parsed.params, caller=caller) or {}

    def action(self, operation: OperationModel) -> str:
        """What policies call an operation: "iam:CreateUser"."""
        name = getattr(self.component, "actions", {}).get(operation.name, operation.name)
        signing_name = self.model.signing_name
        return f"{ACTION_PREFIXES.get(signing_name, signing_name)}:{name}"


@lru_cache(maxsize=4096)
def _unknown(function: Callable, names: tuple[str, ...]) -> list[str]:
    """Those names that are no parameters of a component's method."""
    known = inspect.signature(function).parameters
    if any(one.kind is one.VAR_KEYWORD for one in known.values()):
        return []
    return sorted(set(names) - set(known))


class Gateway:
    """One front door for all components: a signature says which service it was made for.

    Args:
        components: by the service's name in boto3: {"iam": IAM(…), "sts": STS(…)}.
        clock: seconds since 1970; signatures are valid for a few minutes.
    """

    def __init__(self, components: Mapping[str, object], identities: Identities, clock: Clock):
        services = [Service(name, component) for name, component in components.items()]
        self.services = {service.model.signing_name: service for service in services}
        self.identities = identities
        self.clock = clock

    def serves(self, signing_name: str) -> bool:
        """Whether there is a component for the service that a credential scope names."""
        return signing_name in self.services

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request: who is it, may they, and what does the component say?"""
        rid = str(uuid.uuid4())
        name = signing_name(request)
        service = self.services.get(name or "")
        protocol = service.protocol(request) if service else _common_protocol(request)
        try:
            if name is None:
                text = "Request is missing Authentication Token"
                raise AWSError("MissingAuthenticationToken", text, 403)
            if service is None:
                raise AWSError("NotImplemented", f"{name} is not part of this cloud", 501)
            caller = self._authenticate(request, service)
            parsed = service.parse(protocol, request)
            self._authorise(service, parsed, caller, request)
            response = protocol.answer(parsed.operation, service.perform(parsed, caller), rid)
        except AWSError as error:
            response = protocol.refuse(error, rid)
        except Exception:
            log.exception("%s %s failed, request id %s", request.method, request.path, rid)
            text = "The request processing has failed because of an unknown error."
            response = protocol.refuse(AWSError("InternalFailure", text, 500), rid)
        response.headers["x-amzn-RequestId"] = rid
        return response

    def _authenticate(self, request: HttpRequest, service: Service) -> Caller:
        signed = sigv4.SignedRequest(request.method, request.path, request.query, request.headers)
        now = datetime.fromtimestamp(self.clock.now_s(), UTC)
        secret_of, name = self.identities.secret_of, service.model.signing_name
        try:
            found = sigv4.verify(signed, secret_of, now, request.body, name)
            if found is None:
                raise SignatureError("AccessDenied", "Request is missing Authentication Token")
            return self.identities.caller(found.access_key_id, found.token)
        except SignatureError as error:
            code, status = SIGNATURE_CODES.get(error.code, ("IncompleteSignature", 400))
            raise AWSError(code, error.message, status) from None

    def _authorise(
        self, service: Service, parsed: Parsed, caller: Caller, request: HttpRequest
    ) -> None:
        if caller.is_root or getattr(service.component, "authorises_itself", False):
            return
        action, resource = service.action(parsed.operation), "*"
        if hasattr(service.component, "resource_of"):
            resource = service.component.resource_of(parsed.operation.name, parsed.params, caller)
        asked = AccessRequest(caller.principal, action, resource, self._context(request))
        effect = policy.evaluate(self.identities.policies_of(caller.principal), asked)
        if effect is not Effect.ALLOW:
            why = "with an explicit deny in an" if effect is Effect.DENY else "because no"
            end = "policy" if effect is Effect.DENY else f"policy allows the {action} action"
            text = f"User: {caller.principal.arn} is not authorized to perform: {action} on "
            raise AWSError(
                "AccessDenied", f"{text}resource: {resource} {why} identity-based {end}", 403
            )

    def _context(self, request: HttpRequest) -> dict[str, list[str]]:
        """The condition keys that every request has, whatever its service."""
        now = datetime.fromtimestamp(self.clock.now_s(), UTC)
        context = {
            "aws:currenttime": [now.isoformat()],
            "aws:epochtime": [str(int(now.timestamp()))],
            "aws:securetransport": ["false"],
        }
        if "user-agent" in request.headers:
            context["aws:useragent"] = [request.headers["user-agent"]]
        if request.source_ip:
            context["aws:sourceip"] = [request.source_ip]
        return context


_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/,\s]*/([^/,\s]+)/aws4_request")


def signing_name(request: HttpRequest) -> str | None:
    """The service that a request says it was signed for; nothing is verified here."""
    text = request.headers.get("authorization") or ""
    for name, value in request.parameters if not text else ():
        if name == "X-Amz-Credential":
            text = f"Credential={value}"
    found = _SCOPE.search(text)
    return found[1] if found else None


def _common_protocol(request: HttpRequest) -> Protocol:
    """What a request for no service that is here is answered in."""
    model = ServiceModel({"metadata": {}, "operations": {}, "shapes": {}}, "none")
    return JSON(model) if "x-amz-target" in request.headers else Query(model)
