"""Refusing early what would come too late: load shedding that protects goodput: lab 2.2.

*Goodput* is the work whose result somebody still waits for. A service that takes more than it can
do lets its queue grow until every answer comes after its caller has given up: it is as busy as
ever and its goodput is nothing. A :class:`Gate` bounds what is begun and how long anything waits.
(David Yanacek, "Using load shedding to avoid overload", Amazon Builders' Library, 2019.)
"""

import enum
from collections import deque
from collections.abc import Callable

from amazonian.resilience.clock import Clock


class Decision(enum.Enum):
    """What a gate has said to a request."""

    WAIT = "wait"
    ADMITTED = "admitted"
    REFUSED = "refused"


class Ticket:
    """A request at a gate.

    Args:
        arrived_s: when it came to the gate, on the gate's clock.
        told: called when it is decided.

    Attributes:
        decision: what the gate has said; WAIT until it has said more.
    """

    def __init__(self, arrived_s: float, told: Callable[[], None] = lambda: None):
        self.arrived_s, self._told = arrived_s, told
        self.decision = Decision.WAIT

    def decide(self, decision: Decision) -> None:
        """Admit or refuse it, once."""
        self.decision = decision
        self._told()


class Gate:
    """Lets some requests in at a time and some wait in line, but none in vain.

    Attributes:
        inside: how many requests are inside.
        line: the tickets of those that wait, the first in line on the left.
    """

    def __init__(self, limit: int, most_waiting: int, patience_s: float, clock: Clock):
        """Begin with nobody inside and an empty line.

        Args:
            limit: how many requests may be inside at once: as many as the backends work on.
            most_waiting: how many more may wait in line.
            patience_s: how long a request may wait and still be worth the work, in seconds: the
                callers' timeout, less the time that the work itself takes.
            clock: says what time it is.
        """
        self.limit, self.most_waiting = limit, most_waiting
        self.patience_s, self.clock = patience_s, clock
        self.inside = 0
        self.line: deque[Ticket] = deque()

    def arrive(self, ticket: Ticket) -> None:
        """A request comes: admit it, let it wait, or refuse it.

        First those in line who have waited longer than `patience_s` are refused, so that they
        take no place from anybody. Then: if fewer than `limit` are inside, the ticket is decided
        ADMITTED, and ``self.inside`` counts it. Otherwise, if fewer than `most_waiting` wait, it
        joins the end of ``self.line``, undecided. Otherwise it is decided REFUSED.
        """
        self._refuse_the_late()
        if self.inside < self.limit:
            self.inside += 1
            ticket.decide(Decision.ADMITTED)
        elif len(self.line) < self.most_waiting:
            self.line.append(ticket)
        else:
            ticket.decide(Decision.REFUSED)

    def depart(self) -> None:
        """A request that was inside has ended: the next in line takes its place.

        First those who have waited longer than `patience_s` are refused: their callers would get
        an answer too late, and the work would be for nothing. Then the first in line, if there is
        one, is decided ADMITTED in place of the one that has left. Without anybody in line, one
        fewer is inside.
        """
        self._refuse_the_late()
        if self.line:
            self.line.popleft().decide(Decision.ADMITTED)
        else:
            self.inside -= 1

    def _refuse_the_late(self) -> None:
        """Take those who have waited longer than `patience_s` out of the line and refuse them."""
        now_s = self.clock.now_s()
        while self.line and now_s - self.line[0].arrived_s > self.patience_s:
            self.line.popleft().decide(Decision.REFUSED)


def give_up(gate: Gate, ticket: Ticket) -> None:
    """The caller of a request has gone: if it is in line, take it out."""
    if ticket in gate.line:
        gate.line.remove(ticket)
