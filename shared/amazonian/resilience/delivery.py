"""Deploying a change wave by wave, under an alarm that can take it back: lab 1.5.

Words: a *one-box* is a first wave of a single host; a wave *bakes* while its hosts serve and the
alarm watches them; a *rollback* puts the version before back on every host that was reached.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from amazonian.resilience.clock import Clock


class AlarmActiveError(Exception):
    """The alarm was on before the deployment began; see to that first."""


def waves(hosts: int, first: int, growth: int) -> list[int]:
    """How many hosts each wave of a deployment takes.

    The first wave takes `first` hosts, each further one `growth` times as many as the one before
    it, and the last what is left. So ``waves(100, 1, 3)`` is a one-box and growing waves,
    ``waves(100, 10, 1)`` is fixed batches, and ``waves(100, 100, 1)`` is all at once.

    Args:
        hosts: the size of the fleet, at least 1.
        first: the size of the first wave, at least 1.
        growth: the factor from wave to wave, at least 1.

    Returns:
        The sizes in order; none is zero, and together they are the fleet.

    Raises:
        ValueError: an argument is below 1.
    """
    if min(hosts, first, growth) < 1:
        raise ValueError(f"hosts, first, growth are 1 or more, not {hosts}, {first}, {growth}")
    sizes: list[int] = []
    while sum(sizes) < hosts:
        sizes.append(min(first * growth ** len(sizes), hosts - sum(sizes)))
    return sizes


@dataclass(frozen=True)
class Datapoint:
    """What the watched hosts counted in one period, usually a minute."""

    requests: int
    errors: int


@dataclass(frozen=True)
class AlarmRule:
    """M out of N, in CloudWatch's words: `datapoints_to_alarm` out of `evaluation_periods`.

    `threshold` is a share of requests: 0.005 is half a percent.
    """

    threshold: float
    datapoints_to_alarm: int
    evaluation_periods: int

    def __post_init__(self) -> None:
        if not 1 <= self.datapoints_to_alarm <= self.evaluation_periods:
            raise ValueError(
                f"{self.datapoints_to_alarm} of {self.evaluation_periods} datapoints: ask for at "
                "least one, and for no more than are looked at"
            )


def in_alarm(datapoints: Sequence[Datapoint], rule: AlarmRule) -> bool:
    """Whether the newest datapoints put the rule into alarm.

    Looks at the last ``rule.evaluation_periods`` datapoints, or at all if there are fewer. One of
    them *breaches* if its share of errors is above ``rule.threshold``, or if it has no requests
    at all: hosts that should serve and are silent are not well. The rule is in alarm if at least
    ``rule.datapoints_to_alarm`` of them breach, next to each other or not.

    Args:
        datapoints: the oldest first; perhaps none yet.
        rule: how many of how many, and the threshold.

    Source of the rule: CloudWatch's ``PutMetricAlarm`` (EvaluationPeriods, DatapointsToAlarm,
    TreatMissingData = breaching).
    """
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if p.requests == 0 or p.errors / p.requests > rule.threshold]
    return len(breaching) >= rule.datapoints_to_alarm


class Target(Protocol):
    """What a deployment acts on. Both calls return when the hosts serve again."""

    def install(self, hosts: int) -> None:
        """Put the new version on this many further hosts."""

    def roll_back(self) -> None:
        """Put the version before back on every host that has the new one."""


@dataclass(frozen=True)
class Deployment:
    """How a deployment went: whether it completed, how far it came, and how long that took."""

    completed: bool
    hosts_reached: int
    duration_s: float


def deploy(
    sizes: Sequence[int],
    bake_s: float,
    *,
    target: Target,
    alarm: Callable[[], bool],
    clock: Clock,
    look_every_s: float = 60.0,
) -> Deployment:
    """Install wave after wave, each baked under the alarm; at the first alarm roll back.

    Ask the alarm once before anything is installed. Then, for each wave, install it and bake it:
    ask the alarm at once, then every `look_every_s` seconds, and for the last time when the wave
    has been installed for exactly `bake_s` seconds (with ``bake_s = 0`` that is one question).
    The time that the alarm takes to answer is part of the bake. If it answers True, roll back
    and stop. The last wave bakes like the others.

    Args:
        sizes: the number of hosts in each wave, as from :func:`waves`.
        bake_s: how long each wave is watched before the next, in seconds.
        target: the hosts; ``target.install(size)`` and ``target.roll_back()`` may take time.
        alarm: True if the new version looks bad.
        clock: to sleep on and to ask for the time.
        look_every_s: the longest sleep between two questions to the alarm, in seconds.

    Returns:
        Whether it completed, how many hosts got the new version, and the seconds from the call
        to the end, a rollback included.

    Raises:
        AlarmActiveError: the alarm was on before the first wave; nothing has been installed.
    """
    began_s, reached = clock.now_s(), 0
    if alarm():
        raise AlarmActiveError("the alarm is on already: a new version could not be judged")
    for size in sizes:
        target.install(size)
        reached += size
        baked_s = clock.now_s() + bake_s
        while True:
            if alarm():
                target.roll_back()
                return Deployment(False, reached, clock.now_s() - began_s)
            left_s = baked_s - clock.now_s()
            if left_s <= 0:
                break
            clock.sleep(min(look_every_s, left_s))
    return Deployment(True, reached, clock.now_s() - began_s)
