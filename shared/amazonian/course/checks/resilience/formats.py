"""What lab 1.5 asks of versions, their formats and the search for an unsafe rollback."""

from amazonian.course.evidence import (
    Answer,
    BrokenRuleError,
    call,
    difference,
    fail,
    plain,
    same,
    trace,
)
from amazonian.course.rules import RulesFor
from amazonian.resilience.formats import (
    Counterexample,
    Migrate,
    State,
    Step,
    Version,
    moves,
    start,
    unreadable,
)

about = RulesFor("amazonian.resilience.formats")

OLD = Version("old", "1", frozenset("1"))
NEW = Version("new", "2", frozenset("12"))
PREPARE = Version("prepare", "1", frozenset("12"))
ONLY_NEW = Version("only new", "2", frozenset("2"))


# --- compatible -------------------------------------------------------------------------------


@about.rule("compatible")
def the_new_reads_the_old(compatible):
    """The new version must read what the old one writes."""
    call(compatible, OLD, PREPARE).equals(True)
    call(compatible, PREPARE, ONLY_NEW).equals(
        False, look="records of the old version are still being written while both run"
    )


@about.rule("compatible")
def the_old_reads_the_new(compatible):
    """The old version must read what the new one writes."""
    call(compatible, OLD, NEW).equals(
        False, look="a host that still runs the old version meets a record of format 2"
    )
    call(compatible, PREPARE, NEW).equals(True)


@about.rule("compatible")
def each_reads_itself(compatible):
    """Each version must read what it writes itself."""
    call(compatible, OLD, OLD).equals(True)
    blind = Version("blind", "2", frozenset("1"))
    call(compatible, PREPARE, blind).equals(False, look="`blind` can't read its own records")
    call(compatible, blind, PREPARE).equals(False)


@about.rule("compatible")
def only_what_is_written_matters(compatible):
    """What neither of the two writes need not be read by both."""
    call(compatible, NEW, ONLY_NEW).equals(
        True, look="both write format 2 and both read it; only one of them reads format 1"
    )
    call(compatible, ONLY_NEW, NEW).equals(True, look="the order of the two does not matter")
    call(compatible, OLD, ONLY_NEW).equals(False, look="they have no format in common")


@about.rule("compatible")
def a_format_is_a_name(compatible):
    """A format is a name of any length: `writes` is one, `reads` a frozenset of them."""
    old, prepare = Version("old", "v1", {"v1"}), Version("prepare", "v1", {"v1", "v2"})
    call(compatible, old, prepare).equals(
        True, look="format v1 is one name: {old.writes} is a set with it, set(old.writes) is not"
    )
    call(compatible, prepare, Version("new", "v2", {"v1", "v2"})).equals(True)


about.hints(
    "compatible",
    "Which formats are being written while both versions run? Who meets them?",
    "Two formats are written: old.writes and new.writes. Both must be in old.reads and new.reads.",
    "return {old.writes, new.writes} <= …       # <= between sets: is a subset of",
)


# --- find_unsafe ------------------------------------------------------------------------------

MOST_LINES = 20


def _search(plan, hosts: int) -> Counterexample | None:
    """The shortest counterexample, found one length after the other."""
    layer: dict[State, tuple[Step, ...]] = {start(plan, hosts): ()}
    seen = set(layer)
    while layer:
        for state, steps in layer.items():
            if (found := unreadable(state)) is not None:
                return Counterexample(steps, found[0], state.running[found[0]].name, found[1])
        following = {}
        for state, steps in layer.items():
            for step, after in moves(plan, state):
                if after not in seen:
                    seen.add(after)
                    following[after] = (*steps, step)
        layer = following
    return None


def _asked(find_unsafe, plan, hosts, described: str = "") -> Answer:
    names = [f"Migrate({s.to})" if isinstance(s, Migrate) else repr(s) for s in plan]
    number = "1 host" if hosts == 1 else f"{hosts} hosts"
    return call(
        find_unsafe,
        plan,
        hosts,
        shown_as=f"find_unsafe(plan, {number})\nwhere the plan is {described or ' → '.join(names)}",
    )


def _broken(answer: Answer, expected: str, look: str = "", differ: str = "") -> BrokenRuleError:
    """As ``answer.broken``, with a counterexample's steps numbered like those that are expected."""
    told = answer.came_back()
    if type(answer.raw) is Counterexample:
        try:
            lines = str(answer.raw).splitlines()
        except Exception:
            lines = [told]
        if len(lines) > MOST_LINES:
            lines[MOST_LINES - 3 : -2] = [f"… {len(lines) - MOST_LINES + 1} more …"]
        told = "\n".join(lines)
    return BrokenRuleError(trace.text(), told, expected, differ, look)


def _value(answer: Answer, expected: str):
    endless = isinstance(answer.error, MemoryError | RecursionError)
    look = "a state that was seen before needs no second look" if endless else ""
    return answer.value(expected, look)


def _finds(find_unsafe, plan, hosts, look: str = "", described: str = "") -> None:
    """A counterexample comes back, every step of which can happen, and none is shorter."""
    answer = _asked(find_unsafe, plan, hosts, described)
    wanted = _search(plan, hosts)
    expected = f"a counterexample, such as\n{wanted}"
    value = _value(answer, expected)
    if value is None:
        raise _broken(answer, expected, look)
    if not isinstance(value, tuple) or value[0] != "Counterexample":
        kind = f"a {value[0]}" if isinstance(value, tuple) else ""
        differ = f"{kind} came back, a Counterexample was asked"
        raise _broken(
            answer,
            expected,
            "return Counterexample(steps, host, version, format)",
            differ if kind else difference(value, plain(wanted)),
        )
    claimed = value[1]
    if not isinstance(claimed["steps"], list):
        raise _broken(answer, expected, "the first field, steps, is a tuple of steps")
    state = start(plan, hosts)
    for number, step in enumerate(claimed["steps"], start=1):
        after = [there for one, there in moves(plan, state) if same(plain(one), step)]
        if not after:
            raise _broken(
                answer,
                f"steps that can happen one after the other; number {number} can't",
                "follow only steps that moves(plan, state) gives, and keep them in their order",
            )
        state = after[0]
    running = dict(enumerate(state.running))
    version = running.get(claimed["host"])
    unread = version is not None and claimed["format"] in state.formats - version.reads
    if not unread or claimed["version"] != version.name:
        raise _broken(
            answer,
            "a host that after these steps runs that version and can't read that stored format",
            "unreadable(state) gives the host and the format; state.running[host].name its version",
        )
    if len(claimed["steps"]) > len(wanted.steps):
        raise _broken(
            answer,
            f"{len(wanted.steps)} steps and then the reading, such as\n{wanted}",
            "search breadth first: look at every state that is n steps away before any further one",
        )


def _is_safe(find_unsafe, plan, hosts, look: str = "") -> None:
    answer = _asked(find_unsafe, plan, hosts)
    expected = "None: nothing can go wrong"
    if _value(answer, expected) is not None:
        raise _broken(answer, expected, look)


@about.rule("find_unsafe")
def a_rollback_is_found(find_unsafe):
    """On one host, an upgrade, a write and a rollback make a record that can't be read."""
    _finds(find_unsafe, [OLD, NEW], 1, "a rollback is one of the moves, and so is a write")


@about.rule("find_unsafe")
def a_mixed_fleet_is_found(find_unsafe):
    """On two hosts no rollback is needed: the other host still runs the old version."""
    _finds(find_unsafe, [OLD, NEW], 2, "one host writes, another one reads: there is one store")


@about.rule("find_unsafe")
def the_first_and_the_last_state_count(find_unsafe):
    """States are judged from the first to the last that can be reached."""
    _finds(find_unsafe, [Version("blind", "2", frozenset("1"))], 1, "one step is enough here")
    many = Version("many", "1", frozenset("123"))
    _finds(find_unsafe, [many, Version("few", "1", frozenset("12"))], 2)


@about.rule("find_unsafe")
def a_safe_plan_is_safe(find_unsafe):
    """A plan in which nothing can go wrong gives None."""
    _is_safe(find_unsafe, [OLD], 3, "with a single version no record is ever unreadable")
    _is_safe(find_unsafe, [OLD, PREPARE, NEW], 1, "take every state from moves(plan, state)")
    _is_safe(
        find_unsafe,
        [OLD, PREPARE, NEW, Migrate("2"), ONLY_NEW],
        3,
        "which of your steps does moves(plan, state) not give?",
    )


@about.rule("find_unsafe")
def old_records_are_found(find_unsafe):
    """A version that no longer reads the old format fails if records of it are left."""
    _finds(
        find_unsafe,
        [OLD, PREPARE, NEW, ONLY_NEW],
        2,
        "the whole plan must be searched, not only its first deployment",
    )
    _finds(
        find_unsafe,
        [OLD, PREPARE, Migrate("2"), NEW, ONLY_NEW],
        2,
        "after a migration that comes too early, `prepare` writes format 1 again",
    )
    _finds(find_unsafe, [OLD, Migrate("2")], 2, "a migration is a step like the others")


LATE = 14


@about.rule("find_unsafe")
def a_late_fault_is_found(find_unsafe):
    """The search ends with a counterexample or when no state is left, however many there are."""
    formats = [f"f{number}" for number in range(LATE + 1)]
    versions = [Version(f"v{n}", formats[n], {*formats[: n + 2]}) for n in range(LATE)]
    _finds(
        find_unsafe,
        [*versions, Version("last", formats[LATE], {*formats[1:]})],
        1,
        "more than 1,000 states come before the unsafe one: stop when none is left, not after "
        "some number of them",
        described=f"v0 → v1 → … → v{LATE - 1} → last; each writes a format of its own, reads those "
        "before it and the next, and only `last` can't read f0 any more",
    )


@about.rule("find_unsafe")
def the_shortest_of_all(find_unsafe):
    """The counterexample has the fewest steps possible, on larger fleets too."""
    three = Version("three", "3", frozenset("123"))
    for hosts in (1, 3):
        _finds(find_unsafe, [PREPARE, NEW, three], hosts)
    _finds(find_unsafe, [OLD, PREPARE, NEW, Migrate("2"), ONLY_NEW, OLD], 3)


@about.rule("find_unsafe")
def senseless_plans_are_refused(find_unsafe):
    """A plan or a fleet that makes no sense is a ValueError, as from start."""
    _asked(find_unsafe, [OLD], 0).raises(ValueError)
    _asked(find_unsafe, [Migrate("2"), OLD], 1).raises(ValueError, look="start(plan, hosts) tells")


about.hints(
    "find_unsafe",
    """
    Take a sheet of paper: one host, old and new. Draw the first state, and an arrow for each move
    out of it. Which states do you draw next, and when do you stop?
    """,
    """
    Keep a queue of states to look at and a dictionary from each state seen to the steps that led
    to it. Take the oldest state from the queue: if it is unsafe, you have the shortest
    counterexample; otherwise put every state that a move leads to, and that was not seen before,
    at the queue's end.
    """,
    """
    first = start(plan, hosts)
    steps_to, waiting = {first: ()}, deque([first])
    while waiting:
        state = waiting.popleft()
        found = unreadable(state)
        if found is not None:
            return Counterexample(steps_to[state], …)
        for step, after in moves(plan, state):
            if after not in steps_to: …
    return None
    """,
)


# --- two_phase --------------------------------------------------------------------------------

LONG_LIVED = Version("2024", "v2", frozenset({"v1", "v2"}))


def _plan(two_phase, old: Version, new: str) -> list:
    answer = call(two_phase, old, new)
    value = answer.value("a list of versions and migrations, beginning with `old`")
    kinds = [item[0] if isinstance(item, tuple) else None for item in value or []]
    if not isinstance(value, list) or not kinds or set(kinds) - {"Version", "Migrate"}:
        raise answer.broken("a list of versions and migrations, beginning with `old`")
    if not same(value[0], plain(old)):
        raise answer.broken("a plan that begins with the version that runs now")
    return list(answer.raw)


@about.rule("two_phase")
def nothing_unsafe_can_happen(two_phase):
    """Nothing that can happen under the plan leaves a host with a record that it can't read."""
    for hosts in (1, 2, 3):
        plan = _plan(two_phase, OLD, "2")
        try:
            found = _search(plan, hosts)
        except (ValueError, TypeError) as problem:
            raise fail(f"a plan that can't be run: {problem}", "one that begins at `old`") from None
        if found is not None:
            raise fail(
                f"a plan under which this can happen:\n{found}",
                "a plan under which nothing can",
                "teach every host to read the new format before any host writes it, and stop "
                "reading the old one only when no record of it is left",
            )


@about.rule("two_phase")
def it_arrives(two_phase):
    """The plan ends with a version that writes the new format and reads no other."""
    for old, new in ((OLD, "2"), (LONG_LIVED, "v3")):
        last = _plan(two_phase, old, new)[-1]
        if not isinstance(last, Version) or (last.writes, last.reads) != (new, frozenset({new})):
            raise fail(
                f"a plan that ends with {last!r}",
                f"a version that writes {new} and reads only {new}",
                f"{{new}} is a set with the format {new}, set(new) one with its letters"
                if isinstance(last, Version) and last.reads == frozenset(new)
                else "",
            )


@about.rule("two_phase")
def five_steps(two_phase):
    """Its five steps: old, prepare, activate, a migration to the new format, clean-up."""
    for old, new in ((OLD, "2"), (LONG_LIVED, "v3")):
        steps = [
            f"Migrate({step.to})" if isinstance(step, Migrate) else step.name
            for step in _plan(two_phase, old, new)
        ]
        wanted = [old.name, "prepare", "activate", f"Migrate({new})", "clean-up"]
        if steps != wanted:
            raise fail(" → ".join(map(str, steps)), " → ".join(wanted))


@about.rule("two_phase")
def one_change_a_step(two_phase):
    """Prepare adds only the reading, activate changes only the writing."""
    for old, new in ((OLD, "2"), (LONG_LIVED, "v3")):
        for step, writes in zip(_plan(two_phase, old, new)[1:3], (old.writes, new), strict=True):
            wanted = Version(step.name, writes, old.reads | {new})
            if (step.writes, step.reads) != (wanted.writes, wanted.reads):
                raise fail(repr(step), repr(wanted), "one change a step keeps each one reversible")


about.hints(
    "two_phase",
    """
    Which version can every host of `old` live beside, though it already knows the new format? And
    which version can live beside that one?
    """,
    """
    First all learn to read (prepare), then all begin to write (activate), then the stored records
    are rewritten (Migrate), and only then may the program forget (clean-up).
    """,
    """
    both = old.reads | {new}
    return [old, Version("prepare", …, both), Version("activate", …, both), Migrate(…), Version(…)]
    """,
)
