"""Wrong answers to the second half of lab 1.5: formats and unsafe rollbacks."""

import itertools

from amazonian.resilience import formats
from amazonian.resilience.formats import (
    Counterexample,
    Migrate,
    Version,
    moves,
    start,
    unreadable,
)
from wrong_answers import wrong

# --- compatible


@wrong(formats, feedback="The old version must read what the new one writes.")
def compatible__looks_forward_only(old, new):
    return old.writes in new.reads and new.writes in new.reads


@wrong(formats, feedback="The new version must read what the old one writes.")
def compatible__looks_back_only(old, new):
    return new.writes in old.reads


@wrong(formats, feedback="What neither of the two writes need not be read by both.")
def compatible__wants_equal_readers(old, new):
    both = {old.writes, new.writes}
    return (old.reads == new.reads or old.reads < new.reads) and both <= old.reads & new.reads


@wrong(formats, feedback="Each version must read what it writes itself.")
def compatible__trusts_each_with_its_own(old, new):
    return old.writes in new.reads and new.writes in old.reads


@wrong(formats, feedback="format v1 is one name")
def compatible__takes_a_name_letter_by_letter(old, new):
    return set(old.writes + new.writes) <= old.reads & new.reads


# --- find_unsafe


def _search(plan, hosts, take=0, skip=lambda step: False, until=None):
    first = start(plan, hosts)
    steps_to, waiting = {first: ()}, [first]
    while waiting:
        state = waiting.pop(take)
        found = unreadable(state)
        if found is not None:
            host, stored = found
            return Counterexample(steps_to[state], host, state.running[host].name, stored)
        for step, after in moves(plan, state):
            if after not in steps_to and not skip(step) and (until is None or after.at <= until):
                steps_to[after] = (*steps_to[state], step)
                waiting.append(after)
    return None


@wrong(formats, feedback="search breadth first")
def find_unsafe__goes_deep_first(plan, hosts):
    return _search(plan, hosts, take=-1)


@wrong(formats, feedback="a rollback is one of the moves, and so is a write")
def find_unsafe__never_rolls_back(plan, hosts):
    return _search(plan, hosts, skip=lambda step: step.action == "roll back")


@wrong(formats, feedback="the whole plan must be searched, not only its first deployment")
def find_unsafe__looks_at_the_first_deployment_only(plan, hosts):
    return _search(plan, hosts, until=1)


@wrong(formats, feedback="nothing within", ends=False)
def find_unsafe__walks_in_circles(plan, hosts):
    waiting = [(start(plan, hosts), ())]
    while waiting:
        state, steps = waiting.pop()
        found = unreadable(state)
        if found is not None:
            return Counterexample(steps, found[0], state.running[found[0]].name, found[1])
        waiting += [(after, (*steps, step)) for step, after in moves(plan, state)][:1]
    return None


@wrong(formats, feedback="a host that after these steps runs that version")
def find_unsafe__compares_neighbours_only(plan, hosts):
    start(plan, hosts)
    versions = [step for step in plan if isinstance(step, Version)]
    for old, new in itertools.pairwise(versions):
        if new.writes not in old.reads:
            return Counterexample((), 0, old.name, new.writes)
        if old.writes not in new.reads:
            return Counterexample((), 0, new.name, old.writes)
    return None


@wrong(formats, feedback="unreadable(state) gives the host and the format")
def find_unsafe__blames_the_wrong_host(plan, hosts):
    found = _search(plan, hosts)
    if found is None:
        return None
    return Counterexample(found.steps, hosts - 1 - found.host, found.version, found.format)


@wrong(formats, feedback="follow only steps that moves(plan, state) gives")
def find_unsafe__tells_it_backwards(plan, hosts):
    found = _search(plan, hosts)
    if found is None:
        return None
    return Counterexample(found.steps[::-1], found.host, found.version, found.format)


@wrong(formats, feedback="more than 1,000 states come before the unsafe one")
def find_unsafe__gives_up_after_a_thousand_states(plan, hosts):
    first = start(plan, hosts)
    steps_to, waiting = {first: ()}, [first]
    while waiting and len(steps_to) < 1000:
        state = waiting.pop(0)
        found = unreadable(state)
        if found is not None:
            return Counterexample(steps_to[state], found[0], state.running[found[0]].name, found[1])
        for step, after in moves(plan, state):
            if after not in steps_to:
                steps_to[after] = (*steps_to[state], step)
                waiting.append(after)
    return None


@wrong(formats, feedback="a state that was seen before needs no second look")
def find_unsafe__calls_itself_without_end(plan, hosts):
    def follow(state, steps):
        found = unreadable(state)
        if found is not None:
            return Counterexample(steps, found[0], state.running[found[0]].name, found[1])
        ways = (follow(after, (*steps, step)) for step, after in moves(plan, state))
        return next(filter(None, ways), None)

    return follow(start(plan, hosts), ())


@wrong(formats, feedback="a list or tuple came back, a Counterexample was asked")
def find_unsafe__returns_a_tuple(plan, hosts):
    found = _search(plan, hosts)
    return found and (found.steps, found.host, found.version, found.format)


@wrong(formats, feedback="a State came back, a Counterexample was asked")
def find_unsafe__returns_the_state(plan, hosts):
    found, state = _search(plan, hosts), start(plan, hosts)
    for step in found.steps if found else ():
        state = dict(moves(plan, state))[step]
    return found and state


# --- two_phase


@wrong(formats, feedback="teach every host to read the new format before any host writes it")
def two_phase__activates_at_once(old, new):
    both = old.reads | {new}
    return [
        old,
        Version("activate", new, both),
        Migrate(new),
        Version("clean-up", new, frozenset({new})),
    ]


@wrong(formats, feedback="stop reading the old one only when no record of it is left")
def two_phase__forgets_the_old_records(old, new):
    both = old.reads | {new}
    return [
        old,
        Version("prepare", old.writes, both),
        Version("activate", new, both),
        Version("clean-up", new, frozenset({new})),
    ]


@wrong(formats, feedback="stop reading the old one only when no record of it is left")
def two_phase__migrates_too_early(old, new):
    both = old.reads | {new}
    return [
        old,
        Version("prepare", old.writes, both),
        Migrate(new),
        Version("activate", new, both),
        Version("clean-up", new, frozenset({new})),
    ]


@wrong(formats, feedback="The plan ends with a version that writes the new format and reads no")
def two_phase__never_cleans_up(old, new):
    both = old.reads | {new}
    return [old, Version("prepare", old.writes, both), Version("activate", new, both)]


@wrong(formats, feedback="one change a step keeps each one reversible")
def two_phase__forgets_older_formats(old, new):
    both = frozenset({old.writes, new})
    return [
        old,
        Version("prepare", old.writes, both | (old.reads if len(old.reads) == 1 else set())),
        Version("activate", new, both),
        Migrate(new),
        Version("clean-up", new, frozenset({new})),
    ]


@wrong(formats, feedback="{new} is a set with the format v3, set(new) one with its letters")
def two_phase__takes_a_name_letter_by_letter(old, new):
    both = old.reads | {new}
    return [
        old,
        Version("prepare", old.writes, both),
        Version("activate", new, both),
        Migrate(new),
        Version("clean-up", new, frozenset(new)),
    ]


@wrong(formats, feedback="reads is a set of formats")
def two_phase__reads_text(old, new):
    both = old.reads | {new}
    return [
        old,
        Version("prepare", old.writes, both),
        Version("activate", new, both),
        Migrate(new),
        Version("clean-up", new, new),
    ]


EQUIVALENT: dict[str, str] = {}
