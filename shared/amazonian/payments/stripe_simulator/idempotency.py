"""Idempotency keys as Stripe's API v1 keeps them: the first answer, whatever it was.

Kept is the status and body of the first request whose execution began, a 500 included. A request
with other parameters is refused with 400, one that comes while the first is running with 409.
Source: Stripe API reference, "Idempotent requests"; guide "Advanced error handling".
"""

from dataclasses import dataclass
from typing import Any

from amazonian.payments.stripe_simulator.errors import ApiError

KEPT_S = 86_400.0
LONGEST_KEY = 255


@dataclass(frozen=True)
class Answer:
    """An answer as it is kept: HTTP status, body, and the id of the request that it was for."""

    status: int
    body: bytes
    request_id: str


@dataclass
class _Entry:
    request: Any
    at_s: float
    answer: Answer | None
    running_until_s: float


class Keys:
    """The keys of a day and their answers."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def find(self, key: str, request: Any, now_s: float) -> Answer | None:
        """The answer kept for a key, or None if the key is new or forgotten.

        Args:
            request: what identifies the request: method, path and parameters.

        Raises:
            ApiError: 400, the key is too long or came with another request; 409, that request is
                still running.
        """
        if len(key) > LONGEST_KEY:
            message = f"An idempotency key has up to {LONGEST_KEY} characters."
            raise ApiError(400, message, type="idempotency_error")
        self._forget(now_s)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.request != request:
            message = f"The key '{key}' came before, with another request; use a new one."
            raise ApiError(400, message, type="idempotency_error")
        if entry.answer is None or now_s < entry.running_until_s:
            raise key_in_use(key)
        return entry.answer

    def begin(self, key: str, request: Any, now_s: float) -> None:
        """Note that a request is running."""
        self._entries[key] = _Entry(request, now_s, None, now_s)

    def keep(self, key: str, answer: Answer, until_s: float) -> None:
        """Keep the answer of a running request, which its caller gets at `until_s`."""
        entry = self._entries[key]
        entry.answer, entry.running_until_s = answer, until_s

    def drop(self, key: str) -> None:
        """Keep nothing: the request was refused before anything was begun."""
        del self._entries[key]

    def _forget(self, now_s: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries))
            if now_s - self._entries[oldest].at_s < KEPT_S:
                break
            del self._entries[oldest]


def key_in_use(key: str | None) -> ApiError:
    """409: a request with this key is running."""
    message = f"A request with the key '{key}' is still running; try again later."
    return ApiError(409, message, type="idempotency_error", code="idempotency_key_in_use")
