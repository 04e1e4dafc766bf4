"""Changing a data format under a running fleet, so that every step can be taken back: lab 1.5.

A model. Every host of a fleet runs one version of a program; each version writes records in one
format and can read some. All hosts share one store, and its records outlive the version that
wrote them. A *plan* is what one intends to do with the fleet, in order: the version that runs
now, then versions to deploy and migrations of the stored data.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """A version of the program: the format that it writes and those that it can read.

    Args:
        name: what to call it.
        writes: the name of a format.
        reads: names of formats, as any set; kept as a frozenset.

    Raises:
        TypeError: `reads` is text, whose letters would be taken for formats.
    """

    name: str
    writes: str
    reads: frozenset[str]

    def __post_init__(self) -> None:
        if isinstance(self.reads, str):
            raise TypeError(f"reads is a set of formats, such as {{'1', '2'}}, not {self.reads!r}")
        object.__setattr__(self, "reads", frozenset(self.reads))

    def __repr__(self) -> str:
        return f"{self.name} (writes {self.writes}, reads {', '.join(sorted(self.reads))})"


@dataclass(frozen=True)
class Migrate:
    """A step of a plan: rewrite every stored record in this format."""

    to: str


Plan = Sequence[Version | Migrate]


def compatible(old: Version, new: Version) -> bool:
    """Whether hosts of both versions can run side by side and hand records to each other.

    Args:
        old, new: two versions; in which order they are named makes no difference. The `writes` of
            each is the name of one format, its `reads` a frozenset of such names.

    Returns:
        True if each of the two reads what the other writes, and what it writes itself.
    """
    return {old.writes, new.writes} <= old.reads & new.reads


@dataclass(frozen=True)
class Step:
    """One thing that happens: `host` (from 0; None for a migration) does `action` with `what`.

    The action is "upgrade" or "roll back" (`what` is a version's name), or "write" or "migrate"
    (`what` is a format).
    """

    action: str
    host: int | None
    what: str

    def __str__(self) -> str:
        if self.host is None:
            return f"every stored record is rewritten in format {self.what}"
        verb = {"upgrade": "is upgraded to", "roll back": "is rolled back to"}
        return f"host {self.host} {verb.get(self.action, 'writes a record in format')} {self.what}"


@dataclass(frozen=True)
class State:
    """Where a plan stands: its step in progress, each host's version, the formats in the store."""

    at: int
    running: tuple[Version, ...]
    formats: frozenset[str]


@dataclass(frozen=True)
class Counterexample:
    """What can happen under a plan, one step after the other, and who then can't read what."""

    steps: tuple[Step, ...]
    host: int
    version: str
    format: str

    @property
    def writer(self) -> int | None:
        """The host that wrote the record; None if a migration did or it was there before."""
        for step in reversed(self.steps):
            if step.what == self.format and step.action in ("write", "migrate"):
                return step.host
        return None

    def __str__(self) -> str:
        wrote = {None: ""}.get(self.writer, f", written by host {self.writer}")
        last = f"host {self.host} ({self.version}) can't read format {self.format}{wrote}"
        return "\n".join(f"{i}. {step}" for i, step in enumerate([*self.steps, last], start=1))


def start(plan: Plan, hosts: int) -> State:
    """The first state of a plan: every host on its first version.

    The store may hold any format that this version reads: nobody knows how old its records are.

    Raises:
        ValueError: no host; a plan that does not begin with a version; or two versions of one
            name.
    """
    if hosts < 1:
        raise ValueError(f"a fleet has at least one host, not {hosts}")
    if not plan or not isinstance(plan[0], Version):
        raise ValueError("a plan begins with the version that runs now")
    versions = {step for step in plan if isinstance(step, Version)}
    if len({version.name for version in versions}) < len(versions):
        raise ValueError("two versions of the plan have the same name: tell them apart")
    return State(0, (plan[0],) * hosts, plan[0].reads)


def moves(plan: Plan, state: State) -> Iterator[tuple[Step, State]]:
    """Everything that can happen next in `state`, each with the state that it leads to.

    - Any host may write a record in its version's format.
    - A host that does not yet run the version in progress may be upgraded to it.
    - A host that does may be rolled back to the version before, unless that was left for good.
    - When every host runs the version in progress, the plan's next step may begin. From then on
      the version before it is left for good.
    """
    current = _version_at(plan, state.at)
    before = _version_at(plan, state.at - 1) if isinstance(plan[state.at], Version) else current
    for host, version in enumerate(state.running):
        yield (
            Step("write", host, version.writes),
            State(state.at, state.running, state.formats | {version.writes}),
        )
        if version != current:
            yield _runs("upgrade", host, current, state.at, state)
        elif before != current:
            yield _runs("roll back", host, before, state.at, state)
    if state.at + 1 < len(plan) and all(version == current for version in state.running):
        following = plan[state.at + 1]
        if isinstance(following, Migrate):
            after = State(state.at + 1, state.running, frozenset({following.to}))
            yield Step("migrate", None, following.to), after
        else:
            for host in range(len(state.running)):
                yield _runs("upgrade", host, following, state.at + 1, state)


def _version_at(plan: Plan, at: int) -> Version:
    """The version that a plan has brought by its step `at`."""
    return [step for step in plan[: max(at, 0) + 1] if isinstance(step, Version)][-1]


def _runs(action: str, host: int, version: Version, at: int, state: State) -> tuple[Step, State]:
    running = (*state.running[:host], version, *state.running[host + 1 :])
    return Step(action, host, version.name), State(at, running, state.formats)


def unreadable(state: State) -> tuple[int, str] | None:
    """A host and a stored format that it can't read, or None if every host reads everything."""
    for host, version in enumerate(state.running):
        for stored in sorted(state.formats - version.reads):
            return host, stored
    return None


def find_unsafe(plan: Plan, hosts: int) -> Counterexample | None:
    """Search everything that can happen under a plan for a host that can't read a stored record.

    Begin at ``start(plan, hosts)``; from each state, ``moves(plan, state)`` gives every step that
    can come next and the state after it; ``unreadable(state)`` tells whether a state is unsafe.
    States are many but finite, and one that was seen before needs no second look.

    Args:
        plan: the version that runs now, then versions to deploy and migrations, in order.
        hosts: how many hosts the fleet has.

    Returns:
        A counterexample with the fewest steps that lead to an unsafe state (any, if several
        have as few), or None if no state that can be reached is unsafe.

    Raises:
        ValueError: from :func:`start`, for a plan or a fleet that makes no sense.
    """
    first = start(plan, hosts)
    steps_to: dict[State, tuple[Step, ...]] = {first: ()}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        found = unreadable(state)
        if found is not None:
            host, stored = found
            return Counterexample(steps_to[state], host, state.running[host].name, stored)
        for step, after in moves(plan, state):
            if after not in steps_to:
                steps_to[after] = (*steps_to[state], step)
                waiting.append(after)
    return None


def two_phase(old: Version, new: str) -> list[Version | Migrate]:
    """A plan that leads from `old` to a version which writes and reads only the format `new`.

    Five steps: `old` itself; "prepare", which reads `new` besides all that `old` reads and still
    writes what `old` writes; "activate", which reads the same and writes `new`; a migration of
    the stored records; and "clean-up", which knows no other format than `new`.

    Args:
        old: the version that runs now.
        new: a format that it does not read.

    Returns:
        The plan; :func:`find_unsafe` finds nothing in it, for any number of hosts. (Two are
        enough to know: a counterexample needs one host that reads and at most one that wrote,
        and without the others every step of theirs can still happen.)
    """
    both = old.reads | {new}
    return [
        old,
        Version("prepare", old.writes, both),
        Version("activate", new, both),
        Migrate(new),
        Version("clean-up", new, frozenset({new})),
    ]


@dataclass(frozen=True)
class Program:
    """What a version does to real bytes."""

    encode: Callable[[object], bytes]
    decode: Callable[[bytes], object]


def replay(
    plan: Plan,
    found: Counterexample,
    programs: Mapping[str, Program],
    record: object,
    stored: Sequence[bytes],
) -> list[object]:
    """Run a counterexample's steps with real programs on real bytes, then let its host read all.

    Args:
        plan: the plan in which it was found.
        found: what :func:`find_unsafe` returned.
        programs: the program of each version, by the version's name.
        record: what every "write" writes.
        stored: the bytes in the store at the beginning.

    Returns:
        What the host read, if it could read everything.

    Raises:
        LookupError: there is no program for a version of the plan.
        Exception: whatever the host's own decoder raises; that is the point.
    """
    versions = [step for step in plan if isinstance(step, Version)]
    missing = {version.name for version in versions} - programs.keys()
    if missing:
        raise LookupError(f"no program for {', '.join(sorted(missing))}")
    encoders = {version.writes: programs[version.name].encode for version in versions}
    running: dict[int | None, str] = {}
    newest = versions[0].name
    store = list(stored)
    for step in found.steps:
        if step.action in ("upgrade", "roll back"):
            running[step.host] = newest = step.what
        elif step.action == "write":
            store.append(programs[running.get(step.host, versions[0].name)].encode(record))
        else:
            store = [encoders[step.what](programs[newest].decode(data)) for data in store]
    return [programs[running.get(found.host, versions[0].name)].decode(data) for data in store]
