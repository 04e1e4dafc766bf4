"""Calling a service: one attempt, with JSON both ways, in this process or over HTTP.

A call ends in one of three ways, and its caller must tell them apart: the answer; a refusal,
after which nothing was done; or no answer, after which nobody knows.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

import urllib3

from amazonian.resilience import retries, web

TIMEOUT_S = 5.0


class Call(Protocol):
    """One attempt: give method, path and body; get the body of a reply with a status below 400."""

    def __call__(self, method: str, path: str, body: Any = None) -> Any: ...


class ServiceRefusedError(Exception):
    """The service said no (4xx): it has done nothing, and the same request can't help."""

    def __init__(self, status: int, title: str, detail: str = ""):
        super().__init__(f"{status} {title}" + (f": {detail}" if detail else ""))
        self.status, self.title, self.detail = status, title, detail


class NoAnswerError(retries.TransientError):
    """No answer came, or 5xx: whether the service has done it, nobody knows."""


def answer(status: int, body: Any) -> Any:
    """The body of a good reply.

    Raises:
        ServiceRefusedError: the status is 4xx.
        NoAnswerError: it is 5xx.
    """
    if status < 400:
        return body
    told = body if isinstance(body, dict) else {}
    title, detail = str(told.get("title", "")), str(told.get("detail", ""))
    if status < 500:
        raise ServiceRefusedError(status, title, detail)
    raise NoAnswerError(f"{status} {title}")


def exchange(url: str, timeout_s: float = TIMEOUT_S) -> Callable[[str, str, Any], tuple[int, Any]]:
    """Requests to the service at a URL, over connections that are kept. Any thread may use it.

    Returns:
        From method, path and body to the reply's status and body. It raises ``NoAnswerError`` if
        no reply comes, or one that is no JSON.
    """
    pool = urllib3.PoolManager(maxsize=64, retries=False, timeout=timeout_s)

    def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        sent = None if body is None else json.dumps(body)
        try:
            reply = pool.request(method, url + path, body=sent, redirect=False)
            return reply.status, json.loads(reply.data) if reply.data else None
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError(f"{method} {path}: {error}") from None
        except ValueError:
            raise NoAnswerError(f"{method} {path}: the reply is no JSON") from None

    return ask


def over_http(url: str, timeout_s: float = TIMEOUT_S) -> Call:
    """Calls to the service at a URL; any thread may make them."""
    ask = exchange(url, timeout_s)

    def call(method: str, path: str, body: Any = None) -> Any:
        return answer(*ask(method, path, body))

    return call


def in_process(app: web.App) -> Call:
    """Calls to an application in this process: a function call, and nothing in between."""

    def call(method: str, path: str, body: Any = None) -> Any:
        path, _, query = path.partition("?")
        request = web.Request(method, path, query=web.parse_query(query), body=body)
        reply = app.handle(request)
        return answer(reply.status, reply.body)

    return call


def patient(call: Call, client: retries.Client) -> Call:
    """The same calls, repeated by chapter 1's retries when no answer comes."""

    def again(method: str, path: str, body: Any = None) -> Any:
        return client.call(lambda timeout_s: call(method, path, body), idempotent=True)

    return again
