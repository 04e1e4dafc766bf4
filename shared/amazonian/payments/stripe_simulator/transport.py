"""The real stripe SDK on a simulator: in this process without sockets, or over HTTP."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from requests.structures import CaseInsensitiveDict

from amazonian.payments.stripe_simulator.core import API_KEY, Simulator, call_name

OnCall = Callable[[str, str], None]
"""Told a call's name, and "before" it is sent or "after" its answer came, or did not."""


class InProcessHTTPClient(stripe.HTTPClient):
    """What the SDK sends goes to the simulator by a method call.

    Args:
        timeout_s: after so many seconds of the simulator's clock without an answer the SDK raises
            APIConnectionError, as it does over a network.
    """

    name = "in-process"

    def __init__(self, simulator: Simulator, timeout_s: float = 80.0):
        super().__init__()
        self.simulator, self.timeout_s = simulator, timeout_s

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = (post_data or "").encode()
        reply = self.simulator.handle(method.upper(), target, headers or {}, body)
        if reply.delay_s:
            self.simulator.clock.sleep(min(reply.delay_s, self.timeout_s))
        if reply.delay_s > self.timeout_s:
            message = f"No answer within {self.timeout_s} s"
            raise stripe.APIConnectionError(message, should_retry=True)
        return reply.body, reply.status, CaseInsensitiveDict(reply.headers)

    def close(self) -> None:
        """There is nothing to close."""


class WatchedHTTPClient(stripe.HTTPClient):
    """An HTTP client that tells of each call, so that a process can be ended right there."""

    def __init__(self, client: stripe.HTTPClient, on_call: OnCall):
        super().__init__()
        self.client, self.on_call, self.name = client, on_call, client.name

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[Any, int, Mapping[str, str]]:
        call = call_name(method.upper(), urlsplit(url).path)
        self.on_call(call, "before")
        try:
            return self.client.request(method, url, headers, post_data)
        finally:
            self.on_call(call, "after")

    def close(self) -> None:
        self.client.close()


def client(
    simulator: Simulator, timeout_s: float = 80.0, on_call: OnCall | None = None
) -> stripe.StripeClient:
    """The SDK's client of a simulator in this process. It does not retry by itself."""
    http_client: stripe.HTTPClient = InProcessHTTPClient(simulator, timeout_s)
    if on_call:
        http_client = WatchedHTTPClient(http_client, on_call)
    return stripe.StripeClient(simulator.api_key, http_client=http_client, max_network_retries=0)


def client_for(
    url: str, timeout_s: float = 5.0, api_key: str = API_KEY, on_call: OnCall | None = None
) -> stripe.StripeClient:
    """The SDK's client of a simulator that listens at `url`. It does not retry by itself."""
    http_client: stripe.HTTPClient = stripe.RequestsClient(timeout=timeout_s)
    if on_call:
        http_client = WatchedHTTPClient(http_client, on_call)
    return stripe.StripeClient(
        api_key,
        http_client=http_client,
        base_addresses={"api": url},
        max_network_retries=0,
    )
