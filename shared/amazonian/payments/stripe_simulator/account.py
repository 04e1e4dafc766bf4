"""A merchant's account at the payment service provider (PSP): all its objects, in memory."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from amazonian.payments.stripe_simulator.errors import missing
from amazonian.payments.stripe_simulator.faults import Faults
from amazonian.resilience.clock import Clock

ApiObject = dict[str, Any]
"""An object as the API shows it. It is never changed in place: a change puts a new one."""

PREFIXES = {
    "payment_intent": "pi",
    "charge": "ch",
    "refund": "re",
    "balance_transaction": "txn",
    "customer": "cus",
    "event": "evt",
    "webhook_endpoint": "we",
}


@dataclass(frozen=True)
class Pending:
    """An event on its way to an endpoint.

    Args:
        due_s: when it is to be sent.
        attempt: how often it was sent before.
        waits_for_next: whether the event after it is to overtake it.
    """

    due_s: float
    endpoint_id: str
    event_id: str
    attempt: int = 0
    waits_for_next: bool = False


class Account:
    """Objects by kind and id, in the order of their making, and what is to happen later.

    Args:
        clock: tells the time, in seconds since 1970.
        rng: makes the ids.
        faults: strike the events on their way.
    """

    def __init__(self, clock: Clock, rng: random.Random, faults: Faults):
        self.clock, self.rng, self.faults = clock, rng, faults
        self.ahead_s = 0.0
        self.objects: dict[str, dict[str, ApiObject]] = {kind: {} for kind in PREFIXES}
        self.cause: ApiObject = {"id": None, "idempotency_key": None}
        self.pending: list[Pending] = []
        self.secrets: dict[str, str] = {}
        self._agenda: list[tuple[float, int, Callable[[], Any]]] = []
        self._order = itertools.count()

    def now_s(self) -> float:
        """The account's time: the clock's, and what it was moved ahead by."""
        return self.clock.now_s() + self.ahead_s

    def now(self) -> int:
        return int(self.now_s())

    def token(self, prefix: str) -> str:
        """A name that nobody else has."""
        return f"{prefix}_{self.rng.getrandbits(96):024x}"

    def new(self, kind: str, **fields: Any) -> ApiObject:
        """Make an object; it is not kept before :meth:`put`."""
        id = self.token(PREFIXES[kind])
        return {"id": id, "object": kind, "created": self.now(), "livemode": False, **fields}

    def put(self, thing: ApiObject, **changes: Any) -> ApiObject:
        """Keep an object, with `changes`."""
        changed = {**thing, **changes}
        self.objects[changed["object"]][changed["id"]] = changed
        return changed

    def get(self, kind: str, id: str, param: str = "id") -> ApiObject:
        """An object by its id.

        Raises:
            ApiError: 404; the parameter `param` named an object that isn't there.
        """
        try:
            return self.objects[kind][id]
        except KeyError:
            raise missing(kind, id, param) from None

    def newest_first(self, kind: str) -> Iterable[ApiObject]:
        return reversed(self.objects[kind].values())

    def later(self, wait_s: float, action: Callable[[], Any]) -> None:
        """Have something happen once the clock has gone on by `wait_s` seconds."""
        heapq.heappush(self._agenda, (self.now_s() + wait_s, next(self._order), action))

    def catch_up(self) -> None:
        """Let happen what is due by now, in its order."""
        while self._agenda and self._agenda[0][0] <= self.now_s():
            heapq.heappop(self._agenda)[2]()
