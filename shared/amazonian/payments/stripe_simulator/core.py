"""The API's front: a request comes in, an answer goes out; no network, no files, no threads.

Source of the behaviour: Stripe's API reference and guides. The objects have the fields that a
shop looks at; what the simulator does not know it refuses as Stripe does an unknown parameter.
"""

import base64
import binascii
import json
import math
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from amazonian.payments.stripe_simulator import forms, idempotency, webhooks
from amazonian.payments.stripe_simulator.account import Account, ApiObject
from amazonian.payments.stripe_simulator.errors import ApiError
from amazonian.payments.stripe_simulator.events import API_VERSION
from amazonian.payments.stripe_simulator.faults import Faults, Kind
from amazonian.payments.stripe_simulator.idempotency import Answer
from amazonian.payments.stripe_simulator.operations import OPERATIONS, expanded
from amazonian.payments.stripe_simulator.webhooks import Delivery
from amazonian.resilience.clock import Clock, SimulatedClock

API_KEY = "sk_test_simulator"
DELAY_S, LATE_S = 3.0, 30.0
NEVER_S = math.inf


@dataclass(frozen=True)
class Reply:
    """An answer to a request.

    Args:
        delay_s: seconds until the caller has it; `NEVER_S` if it is lost on the way.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay_s: float = 0.0


LOST = Reply(0, {}, b"", NEVER_S)


def call_name(method: str, path: str) -> str:
    """What a call is called: its method and path, with ":id" in the place of an object's id."""
    path = path.partition("?")[0]
    if f"{method} {path}" in OPERATIONS:
        return f"{method} {path}"
    parts = path.split("/")
    if len(parts) > 3:
        parts[3] = ":id"
    return f"{method} {'/'.join(parts)}"


@dataclass(frozen=True)
class _Call:
    name: str
    path: str
    form: forms.Form
    key: str | None
    fault: Kind | None
    request_id: str

    @property
    def id(self) -> str | None:
        """The object's id in the path."""
        return unquote(self.path.split("/")[3]) if ":id" in self.name else None

    @property
    def content(self) -> Any:
        """What must be the same if the same key comes again."""
        return self.name, self.path, self.form


class Simulator:
    """A payment service provider with one merchant, in memory.

    It stands for another company: what a shop's process does to itself leaves it as it is.
    Threads may call it at once; requests are carried out one after the other.

    Args:
        clock: the PSP's own time, in seconds since 1970.
        rng: makes the ids, so that a seed gives the same ones again.
        api_key: the key that requests must bring.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        api_key: str = API_KEY,
    ):
        self.clock = clock or SimulatedClock()
        self.api_key = api_key
        self.faults = Faults()
        self.account = Account(self.clock, rng or random.Random(0), self.faults)
        self.keys = idempotency.Keys()
        self.lock = threading.RLock()

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Carry out a request.

        Args:
            path: as on the request line, with the query.
            headers: names in any case.
            body: form-encoded.
        """
        with self.lock:
            self.account.catch_up()
            request_id = self.account.token("req")
            known = {name.lower(): value for name, value in headers.items()}
            try:
                return self._handle(method, path, known, body, request_id)
            except ApiError as error:
                body = json.dumps({"error": error.error}).encode()
                answer = Answer(error.status, body, request_id)
                return _reply(answer, known, request_id)

    def objects(self, kind: str) -> list[ApiObject]:
        """All objects of a kind, oldest first, as the PSP knows them; for tests."""
        with self.lock:
            self.account.catch_up()
            return list(self.account.objects[kind].values())

    def advance(self, seconds: float) -> None:
        """Move the PSP's time ahead of its clock: what is due until then happens."""
        with self.lock:
            self.account.ahead_s += seconds
            self.account.catch_up()

    def add_webhook(self, url: str, secret: str | None = None) -> str:
        """Register an endpoint for all events; its secret, which the PSP makes up unless told."""
        with self.lock:
            endpoint = webhooks.create(self.account, {"url": url, "enabled_events": ["*"]})
            self.account.secrets[endpoint["id"]] = secret or endpoint["secret"]
            return self.account.secrets[endpoint["id"]]

    def deliveries(self) -> list[Delivery]:
        """The webhooks that are to be sent now, in the order of sending; each comes once."""
        with self.lock:
            self.account.catch_up()
            return webhooks.due(self.account)

    def answered(self, delivery: Delivery, status: int) -> None:
        """Tell how an endpoint answered; 0 stands for no answer."""
        with self.lock:
            webhooks.answered(self.account, delivery, status)

    def _handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, request_id: str
    ) -> Reply:
        path, _, query = path.partition("?")
        name = call_name(method, path)
        fault = self.faults.strike(name)
        if fault is Kind.TIMEOUT_BEFORE:
            return LOST
        if fault is Kind.THROTTLE:
            raise ApiError(429, "Too many requests at once; try again later.", code="rate_limit")
        self._authenticate(headers)
        if name not in OPERATIONS:
            raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")
        form = forms.parse(body if method == "POST" else query.encode(errors="replace"))
        key = headers.get("idempotency-key") if method == "POST" else None
        if fault is Kind.CONFLICT:
            raise idempotency.key_in_use(key)
        call = _Call(name, path, form, key, fault, request_id)
        kept = self.keys.find(key, call.content, self.account.now_s()) if key else None
        if kept and fault in (Kind.ERROR_BEFORE, Kind.ERROR_AFTER):
            raise _internal_error()
        if kept is None and key:
            self.keys.begin(key, call.content, self.account.now_s())
        if fault is Kind.TIMEOUT_LATE:
            if kept is None:
                self.account.later(LATE_S, lambda: self._act(call))
            return LOST
        reply = _reply(kept or self._act(call), headers, request_id, replayed=kept is not None)
        return replace(reply, delay_s=_DELAYS_S.get(fault, 0.0))

    def _act(self, call: _Call) -> Answer:
        """Carry out a call, and keep its answer if the execution began."""
        self.account.cause = {"id": call.request_id, "idempotency_key": call.key}
        status, shown, began = self._execute(call)
        answer = Answer(status, json.dumps(shown).encode(), call.request_id)
        if call.key and began:
            busy_s = DELAY_S if call.fault is Kind.DELAY else 0.0
            self.keys.keep(call.key, answer, self.account.now_s() + busy_s)
        elif call.key:
            self.keys.drop(call.key)
        return answer

    def _execute(self, call: _Call) -> tuple[int, ApiObject, bool]:
        """The answer's status and object, and whether the execution began."""
        operation = OPERATIONS[call.name]
        began = True
        try:
            params = forms.read(call.form, operation.fields, operation.required)
            expansions = operation.expansions(params.pop("expand", []))
            if call.fault is Kind.ERROR_BEFORE:
                raise _internal_error()
            if call.fault is Kind.DECLINE and "payment_method" in operation.fields:
                params["payment_method"] = "pm_card_chargeDeclined"
            thing = operation.run(self.account, params, call.id)
            status, shown = 200, expanded(self.account, thing, expansions)
        except ApiError as error:
            status, shown, began = error.status, {"error": error.error}, not error.failed_validation
        if call.fault is Kind.ERROR_AFTER and began:
            return 500, {"error": _internal_error().error}, began
        return status, shown, began

    def _authenticate(self, headers: Mapping[str, str]) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[0]
            except (binascii.Error, ValueError):
                given = ""
        if not given:
            raise ApiError(401, "No API key was sent; send 'Authorization: Bearer <key>'.")
        if given != self.api_key:
            raise ApiError(401, f"Invalid API Key provided: {given[:8]}***{given[-4:]}")


_DELAYS_S = {Kind.DELAY: DELAY_S, Kind.TIMEOUT_AFTER: NEVER_S}


def _internal_error() -> ApiError:
    return ApiError(500, "Something went wrong at the PSP.", type="api_error")


def _reply(
    answer: Answer, asked: Mapping[str, str], request_id: str, replayed: bool = False
) -> Reply:
    headers = {
        "Content-Type": "application/json",
        "Request-Id": request_id,
        "Stripe-Version": asked.get("stripe-version", API_VERSION),
    }
    if "idempotency-key" in asked:
        headers["Idempotency-Key"] = asked["idempotency-key"]
        headers["Original-Request"] = answer.request_id
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    if answer.status in (409, 500):
        headers["Stripe-Should-Retry"] = "true" if answer.status == 409 else "false"
    return Reply(answer.status, headers, answer.body)
