"""What lab 2.2 asks of round robin and of two choices."""

from collections import Counter

from amazonian.course.evidence import Seeded, call, fail, given, scenario
from amazonian.course.rules import RulesFor
from amazonian.shop.balancing import Backend

about = RulesFor("amazonian.shop.balancing")


def _backends(*outstanding):
    return [Backend("abcdefgh"[n], outstanding=busy) for n, busy in enumerate(outstanding)]


def _described(backends):
    loads = ", ".join(f"{backend.name} has {backend.outstanding}" for backend in backends)
    return f"backends with so many requests outstanding: {loads}"


def _name_of(policy, backends, look="return one of the backends that were passed in, itself"):
    """The name of the backend that the policy chose, which must be one of these."""
    answer = call(policy.choose, backends, shown_as=f"{_policy(policy)}.choose(backends)")
    if not any(answer.raw is backend for backend in backends):
        raise answer.broken("one of the backends", look)
    answer.raw.name.encode()
    return answer.raw.name


def _policy(policy):
    return "robin" if type(policy).__name__ == "RoundRobin" else "two"


def _chosen(policy, backends, times, look=""):
    """How often each backend is chosen, by its name."""
    chosen = []

    def ask() -> dict[str, int]:
        chosen.extend(policy.choose(backends) for _ in range(times))
        return dict(Counter(getattr(backend, "name", "?") for backend in chosen))

    answer = call(ask, shown_as=f"{times} times {_policy(policy)}.choose(backends)")
    if answer.error is not None:
        raise answer.broken("one of the backends, each time", look)
    places = {id(backend): backend.name for backend in backends}
    if not all(id(backend) in places for backend in chosen):
        raise fail(
            "something that is not in the list of this call",
            "one of the backends that were passed in, itself",
            look,
        )
    return Counter(places[id(backend)] for backend in chosen)


def _unchanged(backends, names, look):
    left = "".join(backend.name for backend in backends)
    if left != names:
        raise fail(f"the list has become {left!r}", f"the list stays {names!r}", look)


# --- RoundRobin -------------------------------------------------------------------------------


@about.rule("RoundRobin")
def each_in_its_turn(round_robin):
    """The first call returns the first backend, each further call the next one, and after the last
    comes the first again."""
    robin = call(round_robin).made
    backends = _backends(0, 0, 0)
    given("three backends: a, b, c")
    for number, expected in enumerate("abcabca"):
        name = _name_of(robin, backends)
        if name != expected:
            raise fail(
                f"{name} at call {number + 1}",
                f"{expected}",
                "the turn is a number that begins at 0 and grows by 1 with each call; the "
                "remainder of its division by the length of the list says who is next",
            )


@about.rule("RoundRobin")
def the_list_stays_as_it_is(round_robin):
    """The list is only looked at."""
    robin = call(round_robin).made
    backends = _backends(0, 0, 0)
    _name_of(robin, backends)
    _unchanged(backends, "abc", "the list belongs to the balancer: look into it, change nothing")


@about.rule("RoundRobin")
def each_has_a_turn_of_its_own(round_robin):
    """Two balancers do not share their turn."""
    one, two = call(round_robin).made, call(round_robin).made
    given("two RoundRobin objects, and three backends that they are asked for in turn")
    backends = _backends(0, 0, 0)
    names = "".join(_name_of(robin, backends) for _ in range(4) for robin in (one, two))
    if names != "aabbccaa":
        raise fail(
            f"one after the other {', '.join(names)}",
            "a, a, b, b, c, c, a, a",
            "what stands in the class body, or in the module, belongs to all: make it in "
            "__init__, as self.…",
        )


@about.rule("RoundRobin")
def load_plays_no_part(round_robin):
    """How busy a backend is plays no part."""
    robin = call(round_robin).made
    backends = _backends(0, 50, 7)
    given(_described(backends))
    names = "".join(_name_of(robin, backends) for _ in range(6))
    if names != "abcabc":
        raise fail(f"in six calls {names}", "abcabc", "round robin does not look at outstanding")


@about.rule("RoundRobin")
def the_list_may_change(round_robin):
    """The list may differ from call to call; while it stays the same, each of its n backends is
    returned once in n calls."""
    robin = call(round_robin).made
    five = _backends(0, 0, 0, 0, 0)
    look = (
        "keep a number and no list: what you remember of an earlier list may be gone, and a place "
        "in it may be beyond the end of this one"
    )
    for size in (5, 2, 1, 4, 3, 5):
        given(f"from now on {size} backends")
        among = five[5 - size :]
        for _ in range(2):
            counts = _chosen(robin, among, size, look)
            if len(counts) != size:
                raise fail(f"in {size} calls {dict(counts)}", "each of them once", look)
        _chosen(robin, among, size - 1, look)


about.hints(
    "RoundRobin",
    "What is the one thing that it must remember between two calls? What is it at the beginning?",
    """
    Count the calls. The backend number count % len(backends) is next, and the remainder fits
    whatever length the list has today.
    """,
    """
    self._turn = 0                            # in __init__
    backend = backends[self._turn % …]        # in choose
    self._turn += …
    return backend
    """,
)


# --- PowerOfTwo -------------------------------------------------------------------------------


@about.rule("PowerOfTwo")
def the_less_busy_of_two(power_of_two):
    """Of two backends the one with fewer requests outstanding is returned, as they stand now."""
    for loads, expected in (((3, 1), "b"), ((0, 9), "a")):
        scenario("a balancer of its own")
        two = call(power_of_two, Seeded(1)).made
        backends = _backends(*loads)
        given(_described(backends))
        counts = Counter(_name_of(two, backends) for _ in range(12))
        if counts[expected] == 0:
            raise fail("always the busier", expected, "fewer outstanding is better: min, not max")
        if counts[expected] < 12:
            raise fail(
                f"{expected} {counts[expected]} times in 12",
                "12 times: both are drawn, and the less busy one is returned",
                "two draws one after the other may hit the same backend; Random.sample draws "
                "different ones",
            )
        backends[0].outstanding, backends[1].outstanding = loads[1], loads[0]
        given(_described(backends))
        name = _name_of(two, backends)
        if name == expected:
            raise fail(
                f"{name}", "the other one", "ask each backend again at each call: loads change"
            )


@about.rule("PowerOfTwo")
def alone_it_is_chosen(power_of_two):
    """A backend that is alone is chosen without a second."""
    two = call(power_of_two, Seeded(2)).made
    given("one backend")
    _name_of(
        two,
        _backends(4),
        "of one backend two can't be drawn: draw min(2, len(backends)), or ask first",
    )


@about.rule("PowerOfTwo")
def two_different_ones(power_of_two):
    """The two that are drawn are different ones, so the busiest of all is never returned."""
    two = call(power_of_two, Seeded(3)).made
    backends = _backends(0, 1, 2, 3)
    given(_described(backends))
    counts = _chosen(two, backends, 400)
    if counts["d"]:
        raise fail(
            f"d, the busiest, {counts['d']} times in 400",
            "never: any other beats it",
            "two draws one after the other may hit the same backend; Random.sample draws "
            "different ones",
        )


@about.rule("PowerOfTwo")
def every_pair_alike(power_of_two):
    """Each pair is as likely as any other: no third backend is looked at, and neighbours have no
    advantage."""
    two = call(power_of_two, Seeded(4)).made
    backends = _backends(0, 2, 1, 3)
    given(_described(backends))
    counts = _chosen(two, backends, 6000)
    for name, share in (("a", 3 / 6), ("b", 1 / 6), ("c", 2 / 6)):
        if abs(counts[name] / 6000 - share) > 0.025:
            raise fail(
                f"a {counts['a']}, b {counts['b']}, c {counts['c']} times in 6000",
                "about 3000, 1000 and 2000 times: a wins three of the six pairs, c two, b one",
                "draw two at random from the whole list, and look at no more than these two",
            )


@about.rule("PowerOfTwo")
def equals_share(power_of_two):
    """Among equally busy backends nobody has an advantage."""
    two = call(power_of_two, Seeded(5)).made
    backends = _backends(2, 2, 2, 2)
    given(_described(backends))
    counts = _chosen(two, backends, 2000)
    if not all(400 < counts[name] < 600 for name in "abcd"):
        raise fail(
            ", ".join(f"{name} {counts[name]}" for name in "abcd") + " times in 2000",
            "about 500 times each",
            "when both are equally busy, take the one that was drawn first: it is as often the "
            "one as the other. A comparison by place or name favours somebody",
        )


@about.rule("PowerOfTwo")
def all_randomness_from_the_rng(power_of_two):
    """Everything random comes from the `rng` that was passed in: equal seeds, equal choices; and
    the list stays as it is."""
    backends = _backends(*[0] * 8)
    given(_described(backends))
    runs = []
    for seed in (6, 6, 7):
        two = call(power_of_two, Seeded(seed)).made
        runs.append("".join(_name_of(two, backends) for _ in range(40)))
        _unchanged(
            backends, "abcdefgh", "shuffling turns the balancer's own list around: draw instead"
        )
    if runs[0] != runs[1]:
        raise fail(
            f"from two times the same seed {runs[0][:12]}… and {runs[1][:12]}…",
            "the same choices",
            "the rng was passed in to be kept and used: not the module random, and no generator "
            "of your own",
        )
    if runs[0] == runs[2]:
        raise fail("the same choices from another seed", "others", "draw from the rng at each call")


about.hints(
    "PowerOfTwo",
    """
    How do you draw two different things from a list? And what would happen if you drew twice, one
    after the other, from the whole list?
    """,
    """
    rng.sample(backends, 2) draws two different ones, in random order. min with a key finds the one
    with fewer outstanding, and takes the first of equals. Of one backend you can draw only one.
    """,
    """
    drawn = self._rng.sample(backends, min(2, …))
    return min(drawn, key=lambda backend: …)
    """,
)
