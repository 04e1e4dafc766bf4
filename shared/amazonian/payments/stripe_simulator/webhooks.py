"""Webhooks: events sent to the merchant's endpoints, signed, and again until they are taken.

The header ``Stripe-Signature`` is ``t=<seconds>,v1=<HMAC-SHA256 of "t.payload">``. What is not
answered with 2xx within the sender's patience comes again after a growing wait, for three days.
Events may come twice, late or out of order, and with a fault they do.
Source: Stripe's guide "Receive Stripe events in your webhook endpoint".
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from amazonian.payments.stripe_simulator.account import Account, ApiObject, Pending
from amazonian.payments.stripe_simulator.errors import invalid
from amazonian.payments.stripe_simulator.faults import Kind

FIRST_WAIT_S, LONGEST_WAIT_S, GIVEN_UP_AFTER_S = 10.0, 12 * 3_600.0, 3 * 86_400.0
LATE_S = 3_600.0


@dataclass(frozen=True)
class Delivery:
    """One attempt at handing over an event.

    Args:
        payload: the body, to be verified byte for byte.
        signature: the header ``Stripe-Signature``.
        attempt: 0 for the first.
    """

    url: str
    payload: bytes
    signature: str
    event_id: str
    endpoint_id: str
    attempt: int


def sign(payload: bytes, secret: str, at_s: int) -> str:
    """The value of ``Stripe-Signature`` for a payload sent at `at_s`, in seconds since 1970."""
    signed = f"{at_s}.".encode() + payload
    return f"t={at_s},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def create(account: Account, params: dict[str, Any], id: str | None = None) -> ApiObject:
    """Register an endpoint. Its secret is told now and never again."""
    _check_url(params["url"])
    endpoint = account.new(
        "webhook_endpoint",
        api_version=None,
        description=params.get("description") or None,
        enabled_events=_known(params["enabled_events"]),
        metadata=params.get("metadata", {}),
        status="enabled",
        url=params["url"],
    )
    account.secrets[endpoint["id"]] = account.token("whsec")
    return {**account.put(endpoint), "secret": account.secrets[endpoint["id"]]}


def update(account: Account, params: dict[str, Any], id: str) -> ApiObject:
    """Change an endpoint; `disabled` says whether it gets nothing for the time being."""
    endpoint = account.get("webhook_endpoint", id)
    changes = {name: value for name, value in params.items() if name != "disabled"}
    if "url" in changes:
        _check_url(changes["url"])
    if "enabled_events" in changes:
        _known(changes["enabled_events"])
    if "disabled" in params:
        changes["status"] = "disabled" if params["disabled"] else "enabled"
    return account.put(endpoint, **changes)


def delete(account: Account, params: dict[str, Any], id: str) -> ApiObject:
    """Forget an endpoint, and what was to be sent to it."""
    account.get("webhook_endpoint", id)
    del account.objects["webhook_endpoint"][id]
    return {"id": id, "object": "webhook_endpoint", "deleted": True}


def queue(account: Account, event: ApiObject) -> int:
    """Queue an event for each endpoint that wants it; how many these are."""
    endpoints = [
        endpoint["id"]
        for endpoint in account.objects["webhook_endpoint"].values()
        if endpoint["status"] == "enabled"
        and not {"*", event["type"]}.isdisjoint(endpoint["enabled_events"])
    ]
    fault = account.faults.strike(event["type"], webhook=True) if endpoints else None
    for id in endpoints:
        _queue(account, id, event["id"], fault)
    return len(endpoints)


def _queue(account: Account, endpoint_id: str, event_id: str, fault: Kind | None) -> None:
    now_s = account.now_s()
    overtaken = [
        pending
        for pending in account.pending
        if pending.waits_for_next and pending.endpoint_id == endpoint_id
    ]
    copies = {Kind.DROP: 0, Kind.DUPLICATE: 2}.get(fault, 1)
    due_s = now_s + (LATE_S if fault in (Kind.LATE, Kind.REORDER) else 0.0)
    sent = Pending(due_s, endpoint_id, event_id, waits_for_next=fault is Kind.REORDER)
    account.pending += [sent] * copies
    for pending in overtaken:  # the next one is queued: now these may go, behind it
        account.pending.remove(pending)
        account.pending.append(Pending(now_s, endpoint_id, pending.event_id))


def due(account: Account) -> list[Delivery]:
    """What is to be sent now; each is taken off the queue."""
    now_s, secrets = account.now_s(), account.secrets
    going = sorted((p for p in account.pending if p.due_s <= now_s), key=lambda p: p.due_s)
    account.pending = [p for p in account.pending if p.due_s > now_s]
    deliveries = []
    for pending in going:
        endpoint = account.objects["webhook_endpoint"].get(pending.endpoint_id)
        if endpoint is not None and endpoint["status"] == "enabled":
            event = account.get("event", pending.event_id)
            payload = json.dumps(event).encode()
            header = sign(payload, secrets[pending.endpoint_id], int(account.clock.now_s()))
            where = (pending.event_id, pending.endpoint_id, pending.attempt)
            deliveries.append(Delivery(endpoint["url"], payload, header, *where))
    return deliveries


def answered(account: Account, delivery: Delivery, status: int) -> None:
    """Note how an endpoint answered a delivery; if not with 2xx, it comes again."""
    event = account.get("event", delivery.event_id)
    now_s = account.now_s()
    if 200 <= status < 300:
        account.put(event, pending_webhooks=max(0, event["pending_webhooks"] - 1))
    elif now_s < event["created"] + GIVEN_UP_AFTER_S:
        wait_s = min(FIRST_WAIT_S * 4**delivery.attempt, LONGEST_WAIT_S)
        again = (delivery.endpoint_id, delivery.event_id, delivery.attempt + 1)
        account.pending.append(Pending(now_s + wait_s, *again))


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise invalid(f"Invalid URL: {url}", "url", "url_invalid")


def _known(types: list[str]) -> list[str]:
    if not types or not all(type == "*" or "." in type for type in types):
        raise invalid("enabled_events names events, or is *.", "enabled_events")
    return types
