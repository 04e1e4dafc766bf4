"""A fleet that takes a change, good or bad, while an alarm reads its noisy error counts.

A model. A load balancer gives every host the same number of requests; 0.1% of them fail whatever
the version, and once in 300 minutes, for a minute (a blip of the network), 5%. Installing takes two
minutes however many hosts are in the wave, and until it is done they go on serving with the
version before. Each minute's counts can be seen a minute later.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from amazonian.resilience import delivery
from amazonian.resilience.clock import SimulatedClock

HOSTS = 100
REQUESTS_PER_HOST_S = 5
USUAL_ERRORS = 0.001
BLIP_ERRORS, BLIP_RATE = 0.05, 1 / 300
INSTALL_S = 120.0
PERIOD_S = 60.0
METRIC_DELAY_S = 60.0
PERSON_S = 1800.0  # from the page to the rollback, where a person does it
WATCHED_S = 6 * 3600.0

THREE_OF_THREE = delivery.AlarmRule(0.005, 3, 3)


@dataclass(frozen=True)
class Change:
    """A change that makes a host fail a share of its requests, from `after_s` seconds on."""

    name: str
    failing: float
    after_s: float = 0.0


GOOD = Change("good", 0.0)
ALL_FAIL = Change("fails all", 1.0)
FEW_FAIL = Change("fails 1%", 0.01)
LEAK = Change("leaks, fails after 20 min", 1.0, after_s=1200.0)


@dataclass(frozen=True)
class Policy:
    """How a change is delivered.

    Args:
        sizes: the hosts of each wave.
        bake_s: how long each wave is watched, in seconds.
        automatic: whether the deployment itself rolls back; otherwise the alarm pages a person,
            who rolls back half an hour later, and until then it goes on.
        rule: when to alarm.
        watch_all: whether the alarm reads the counts of all hosts; otherwise only of those with
            the new version.
    """

    sizes: tuple[int, ...]
    bake_s: float
    automatic: bool = True
    rule: delivery.AlarmRule = THREE_OF_THREE
    watch_all: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one change did under one policy.

    Args:
        completed: whether the deployment went through to its end.
        rolled_back: whether the change was taken back, by the deployment or later by a person.
        hosts_reached: how many hosts ran the change at any time.
        requests_failed: requests that failed because of the change.
        duration_s: of the deployment, its rollback included, in seconds.
        alarm_s: when the alarm went on, in seconds from the start, or None.
        running: (seconds, hosts on the new version) at each change of the latter.
    """

    completed: bool
    rolled_back: bool
    hosts_reached: int
    requests_failed: int
    duration_s: float
    alarm_s: float | None
    running: tuple[tuple[float, int], ...]


class Fleet:
    """The hosts as a deployment's target, and the counts that their alarm reads."""

    def __init__(self, policy: Policy, change: Change, clock: SimulatedClock, rng: random.Random):
        self.policy, self.change, self.clock, self.rng = policy, change, clock, rng
        self.installed: list[tuple[int, float]] = []  # hosts, and since when
        self.removed_s: float | None = None
        self.running: list[tuple[float, int]] = [(clock.now_s(), 0)]
        self.requests_failed = 0
        self.alarm_s: float | None = None
        self._datapoints: list[delivery.Datapoint] = []
        self._counted_s = clock.now_s()

    def install(self, hosts: int) -> None:
        self.clock.sleep(INSTALL_S)
        self._count()
        self.installed.append((hosts, self.clock.now_s()))
        self.running.append((self.clock.now_s(), self.hosts_reached))

    def roll_back(self) -> None:
        self.clock.sleep(INSTALL_S)
        self._count()
        self.removed_s = self.clock.now_s()
        self.running.append((self.removed_s, 0))

    @property
    def hosts_reached(self) -> int:
        return sum(hosts for hosts, _ in self.installed)

    def alarm(self) -> bool:
        """What the deployment asks: is the alarm on, or has the person whom it paged decided?"""
        return self._on_for(0.0 if self.policy.automatic else PERSON_S)

    def person_decides(self) -> bool:
        """Whether a person whom the alarm paged would roll back by now."""
        return self._on_for(PERSON_S)

    def _on_for(self, seconds: float) -> bool:
        self._count()
        return self.alarm_s is not None and self.clock.now_s() >= self.alarm_s + seconds

    def _count(self) -> None:
        """Count every whole period up to now, and look at the alarm after each."""
        while self._counted_s + PERIOD_S <= self.clock.now_s():
            from_s, until_s = self._counted_s, self._counted_s + PERIOD_S
            served = self._served(from_s, until_s, after_s=0.0)
            failing = self._served(from_s, until_s, after_s=self.change.after_s)
            broken = binomial(failing, self.change.failing, self.rng)
            self.requests_failed += broken
            if self.policy.watch_all:
                served = round(HOSTS * REQUESTS_PER_HOST_S * PERIOD_S)
            usual = BLIP_ERRORS if self.rng.random() < BLIP_RATE else USUAL_ERRORS
            if served:
                errors = min(served, broken + binomial(served, usual, self.rng))
                self._datapoints.append(delivery.Datapoint(served, errors))
            if self.alarm_s is None and delivery.in_alarm(self._datapoints, self.policy.rule):
                self.alarm_s = until_s + METRIC_DELAY_S
            self._counted_s = until_s

    def _served(self, from_s: float, until_s: float, after_s: float) -> int:
        """Requests to hosts that had run the new version for `after_s` seconds or longer."""
        end_s = until_s if self.removed_s is None else min(until_s, self.removed_s)
        seconds = sum(
            hosts * max(0.0, end_s - max(from_s, since_s + after_s))
            for hosts, since_s in self.installed
        )
        return round(seconds * REQUESTS_PER_HOST_S)


def simulate(policy: Policy, change: Change, seed: int, watched_s: float = WATCHED_S) -> Outcome:
    """Deploy `change` under `policy`, then watch the fleet until `watched_s` from the start.

    Once the deployment is over, an alarm pages a person in any case.
    """
    clock = SimulatedClock()
    fleet = Fleet(policy, change, clock, random.Random(seed))
    deployment = delivery.deploy(
        policy.sizes, policy.bake_s, target=fleet, alarm=fleet.alarm, clock=clock
    )
    while fleet.removed_s is None and clock.now_s() < watched_s:
        if fleet.person_decides():
            fleet.roll_back()
        else:
            clock.sleep(PERIOD_S)
    return Outcome(
        completed=deployment.completed,
        rolled_back=fleet.removed_s is not None,
        hosts_reached=fleet.hosts_reached,
        requests_failed=fleet.requests_failed,
        duration_s=deployment.duration_s,
        alarm_s=fleet.alarm_s,
        running=tuple(fleet.running),
    )


def false_alarms(policy: Policy, seeds: Sequence[int]) -> float:
    """The share of good deployments that `policy` rolls back."""
    completed = [simulate(policy, GOOD, seed, watched_s=0.0).completed for seed in seeds]
    return completed.count(False) / len(completed)


def binomial(n: int, p: float, rng: random.Random) -> int:
    """How many of `n` independent trials succeed, each with probability `p`.

    Jumps from success to success, since most trials fail: the gap between two is geometric.

    Raises:
        ValueError: `p` is not a probability.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"a probability lies in [0, 1], {p} does not")
    if p in (0, 1):
        return round(n * p)
    successes, at = 0, 0
    while True:
        at += 1 + int(math.log(1.0 - rng.random()) / math.log(1.0 - p))
        if at > n:
            return successes
        successes += 1
