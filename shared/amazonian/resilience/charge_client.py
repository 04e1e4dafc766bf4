"""The payment service's client: one attempt, and one charge for each intent: lab 1.2."""

import http.client
import json
import random
import sqlite3
from collections.abc import Callable

from amazonian.resilience import idempotency, retries


class RefusedByServerError(Exception):
    """The service answered 4xx or 501: repeating the same request can't help."""

    def __init__(self, status: int, problem: dict):
        text = f"{status} {problem.get('title', '')}"
        if problem.get("detail"):
            text += f": {problem['detail']}"
        super().__init__(text)
        self.status, self.problem = status, problem


def post(port: int, token: str | None, charge: dict, timeout_s: float) -> dict:
    """One attempt: POST /charges on this loopback port.

    Returns:
        The answer, from JSON.

    Raises:
        TimedOutError: no answer within `timeout_s` seconds.
        TransientError: 409 (the first attempt still runs), 5xx but 501, or a broken connection.
        RefusedByServerError: any other status but 201.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    headers = {"Content-Type": "application/json", "Connection": "close"}
    if token is not None:
        headers["Idempotency-Key"] = f'"{token}"'
    try:
        connection.request("POST", "/charges", json.dumps(charge), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except TimeoutError:
        raise retries.TimedOutError(f"no answer within {timeout_s:.3f} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise retries.TransientError(str(error) or "the connection broke") from None
    finally:
        connection.close()
    if response.status == 409 or (response.status >= 500 and response.status != 501):
        wait_s = float(response.headers.get("Retry-After", "0"))
        raise retries.TransientError(f"{response.status} {answer.get('title')}", wait_s)
    if response.status != 201:
        raise RefusedByServerError(response.status, answer)
    return answer


class ChargeClient:
    """Charges customers, once for each intent.

    Args:
        transport: makes one attempt, given token, charge and timeout in seconds; see :func:`post`.
        tokens: where it keeps its tokens, from ``idempotency.open_tokens``.
        client: its retries; by default up to eight attempts, so that a restart of the service
            fits between them.
    """

    def __init__(
        self,
        transport: Callable[[str, dict, float], dict],
        tokens: sqlite3.Connection,
        client: retries.Client | None = None,
    ):
        policy = retries.RetryPolicy(max_attempts=8, base_s=0.01, cap_s=0.5)
        self.transport, self.tokens = transport, tokens
        self.client = client or retries.Client(policy, rng=random.Random())

    def charge(self, intent: str, charge: dict, within_s: float = 10.0) -> dict:
        """Charge, and repeat until there is an answer or the time is over."""
        token = idempotency.token_for(self.tokens, intent)
        return self.client.call(
            lambda timeout_s: self.transport(token, charge, timeout_s),
            idempotent=True,
            within_s=within_s,
        )
