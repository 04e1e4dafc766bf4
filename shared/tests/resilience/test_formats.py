"""The search for an unsafe rollback, against brute force and against real bytes."""

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.resilience import formats
from amazonian.resilience.formats import Migrate, Program, Step, Version, find_unsafe, two_phase

OLD = Version("old", "1", frozenset("1"))
NEW = Version("new", "2", frozenset("12"))


# --- brute force: sequences of events, with its own idea of what may happen -------------------


def events_of(plan, hosts):
    """Every event that could ever be named, possible or not."""
    for host in range(hosts):
        yield ("write", host)
        yield ("back", host)
        for at in range(1, len(plan)):
            yield ("up", host, at)
    yield from (("migrate", at) for at, step in enumerate(plan) if isinstance(step, Migrate))


def play(plan, hosts, events):
    """Whether some host can't read some record after `events`; None if they can't happen."""
    at, running, store = 0, [0] * hosts, set(plan[0].reads)  # running: places in the plan
    floor = 0  # nobody goes back behind this place
    for event in events:
        done = all(place == at for place in running) or isinstance(plan[at], Migrate)
        if event[0] == "write":
            store.add(plan[running[event[1]]].writes)
        elif event[0] == "migrate":
            if not done or event[1] != at + 1:
                return None
            at, floor, store = event[1], running[0], {plan[event[1]].to}
        elif event[0] == "up":
            _, host, place = event
            if not isinstance(plan[place], Version) or running[host] == place:
                return None
            if place == at + 1 and done:
                floor, at = running[0], place
            elif place != at:
                return None
            running[host] = place
        else:
            host = event[1]
            if running[host] != at or floor == at:
                return None
            running[host] = floor
    return any(store - plan[place].reads for place in running)


def shortest_by_brute_force(plan, hosts, longest):
    events = list(events_of(plan, hosts))
    for length in range(longest + 1):
        for sequence in itertools.product(events, repeat=length):
            if play(plan, hosts, sequence):
                return length
    return None


reads = st.frozensets(st.sampled_from("123"), min_size=1)


@st.composite
def plans(draw, steps):
    plan = [Version("v0", draw(st.sampled_from("123")), draw(reads))]
    for number in range(1, draw(st.integers(1, steps))):
        if draw(st.integers(0, 3)) == 0:
            plan.append(Migrate(draw(st.sampled_from("123"))))
        else:
            plan.append(Version(f"v{number}", draw(st.sampled_from("123")), draw(reads)))
    return plan


@settings(max_examples=60, deadline=None)
@given(plan=plans(steps=4), hosts=st.integers(1, 2))
def test_the_counterexample_is_as_short_as_brute_force_finds(plan, hosts):
    longest = 5 if hosts == 1 else 4
    found = find_unsafe(plan, hosts)
    brute = shortest_by_brute_force(plan, hosts, longest)
    if found is not None and len(found.steps) <= longest:
        assert brute == len(found.steps)
    else:
        assert brute is None


def walk(plan, hosts, rng, length):
    """A random walk through what can happen; the state at its end, and its steps."""
    state, steps = formats.start(plan, hosts), []
    for _ in range(length):
        step, state = rng.choice(list(formats.moves(plan, state)))
        steps.append(step)
    return state, steps


@settings(max_examples=60, deadline=None)
@given(plan=plans(steps=5), hosts=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_what_is_found_safe_survives_every_random_walk(plan, hosts, seed):
    if find_unsafe(plan, hosts) is None:
        rng = random.Random(seed)
        for _ in range(20):
            state, _ = walk(plan, hosts, rng, 30)
            assert formats.unreadable(state) is None


@settings(max_examples=60, deadline=None)
@given(plan=plans(steps=5), hosts=st.integers(1, 3))
def test_each_step_of_a_counterexample_can_happen(plan, hosts):
    found = find_unsafe(plan, hosts)
    if found is None:
        return
    state = formats.start(plan, hosts)
    for step in found.steps:
        state = dict(formats.moves(plan, state))[step]
    version = state.running[found.host]
    assert version.name == found.version
    assert found.format in state.formats - version.reads


@given(
    old_reads=st.frozensets(st.sampled_from("abc"), min_size=1),
    data=st.data(),
    hosts=st.integers(1, 4),
)
@settings(max_examples=25, deadline=None)
def test_two_phases_are_safe_from_any_version_on_any_fleet(old_reads, data, hosts):
    old = Version("old", data.draw(st.sampled_from(sorted(old_reads))), old_reads)
    assert find_unsafe(two_phase(old, "new"), hosts) is None


@settings(max_examples=60, deadline=None)
@given(plan=plans(steps=5), hosts=st.integers(3, 4))
def test_two_hosts_are_enough_to_know_of_any_fleet(plan, hosts):
    assert (find_unsafe(plan, 2) is None) == (find_unsafe(plan, hosts) is None)


def test_the_states_of_the_two_phases_nearly_double_with_each_host():
    for hosts in (1, 2, 5):
        plan = two_phase(OLD, "2")
        seen = {formats.start(plan, hosts)}
        waiting = list(seen)
        while waiting:
            new = {after for _, after in formats.moves(plan, waiting.pop())} - seen
            seen |= new
            waiting += new
        assert len(seen) == 4 * 2**hosts + 2


def test_a_text_is_not_taken_for_a_set_of_formats():
    with pytest.raises(TypeError, match="set of formats"):
        Version("old", "v1", "v1")
    assert Version("old", "v1", {"v1"}).reads == frozenset({"v1"})


@pytest.mark.parametrize("left_out", [1, 2, 3])
def test_every_step_of_the_two_phases_is_needed(left_out):
    plan = two_phase(OLD, "2")
    assert find_unsafe([*plan[:left_out], *plan[left_out + 1 :]], 2) is not None


@pytest.mark.parametrize(
    ("hosts", "actions"),
    [(1, ["upgrade", "write", "roll back"]), (2, ["upgrade", "write"])],
)
def test_the_direct_change_fails_by_rollback_on_one_host_and_without_on_two(hosts, actions):
    found = find_unsafe([OLD, NEW], hosts)
    assert [step.action for step in found.steps] == actions
    assert (found.version, found.format) == ("old", "2")
    assert found.writer is not None


def test_neighbours_that_are_compatible_are_not_enough():
    plan = [step for step in two_phase(OLD, "2") if isinstance(step, Version)]
    assert all(formats.compatible(a, b) for a, b in itertools.pairwise(plan))
    assert find_unsafe(plan, 2) is not None


def test_a_counterexample_tells_who_wrote_and_who_could_not_read():
    text = str(find_unsafe([OLD, NEW], 2)).splitlines()
    assert text[0] == "1. host 0 is upgraded to new"
    assert text[1] == "2. host 0 writes a record in format 2"
    assert text[2] == "3. host 1 (old) can't read format 2, written by host 0"


@pytest.mark.parametrize(
    ("plan", "hosts", "told"),
    [
        ([OLD], 0, "at least one host"),
        ([], 1, "begins with the version"),
        ([Migrate("1")], 1, "begins with the version"),
        ([OLD, Version("old", "2", frozenset("2"))], 1, "same name"),
    ],
)
def test_senseless_plans_are_refused(plan, hosts, told):
    with pytest.raises(ValueError, match=told):
        find_unsafe(plan, hosts)


# --- real bytes -------------------------------------------------------------------------------


def write_1(total):
    return json.dumps({"total": f"{total[0] / 100:.2f} {total[1]}"}).encode()


def write_2(total):
    return json.dumps({"amount_minor": total[0], "currency": total[1]}).encode()


def read_1(data):
    amount, currency = json.loads(data)["total"].split()
    return round(float(amount) * 100), currency


def read_2(data):
    record = json.loads(data)
    return record["amount_minor"], record["currency"]


def read_either(data):
    return read_2(data) if "amount_minor" in json.loads(data) else read_1(data)


PROGRAMS = {
    "old": Program(write_1, read_1),
    "new": Program(write_2, read_either),
    "prepare": Program(write_1, read_either),
    "activate": Program(write_2, read_either),
    "clean-up": Program(write_2, read_2),
}
TOTAL = (1250, "EUR")


@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_the_counterexample_fails_on_real_bytes(hosts):
    plan = [OLD, NEW]
    with pytest.raises(KeyError, match="total"):
        formats.replay(plan, find_unsafe(plan, hosts), PROGRAMS, TOTAL, [write_1(TOTAL)])


def test_a_clean_up_without_migration_fails_on_real_bytes():
    plan = [step for step in two_phase(OLD, "2") if isinstance(step, Version)]
    with pytest.raises(KeyError, match="amount_minor"):
        formats.replay(plan, find_unsafe(plan, 2), PROGRAMS, TOTAL, [write_1(TOTAL)])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), hosts=st.integers(1, 3), length=st.integers(0, 40))
def test_the_two_phases_never_fail_on_real_bytes(seed, hosts, length):
    plan = two_phase(OLD, "2")
    state, steps = walk(plan, hosts, random.Random(seed), length)
    for host in range(hosts):
        end = formats.Counterexample(tuple(steps), host, state.running[host].name, "none")
        read = formats.replay(plan, end, PROGRAMS, TOTAL, [write_1(TOTAL)])
        assert set(read) == {TOTAL}


def test_a_replay_without_a_program_says_which():
    found = find_unsafe([OLD, NEW], 1)
    with pytest.raises(LookupError, match="no program for new"):
        formats.replay([OLD, NEW], found, {"old": PROGRAMS["old"]}, TOTAL, [])


def test_steps_read_as_sentences():
    assert str(Step("migrate", None, "2")) == "every stored record is rewritten in format 2"
    assert str(Step("roll back", 1, "old")) == "host 1 is rolled back to old"
