"""What lab 2.2 asks of ejection and of failing open."""

from amazonian.course.evidence import call, fail, given, scenario
from amazonian.course.rules import RulesFor
from amazonian.resilience.clock import SimulatedClock
from amazonian.shop.balancing import Backend
from amazonian.shop.health import PassiveHealth

about = RulesFor("amazonian.shop.health")
START_S = 1000.0


# --- PassiveHealth.record ---------------------------------------------------------------------


class _Watched:
    """A PassiveHealth on a clock that stands still, asked only through its data."""

    def __init__(self, record, failures_to_eject=3, ejected_s=10.0):
        scenario(f"failures_to_eject={failures_to_eject}, ejected_s={ejected_s:g}")
        self.clock = SimulatedClock(START_S)
        self.passive = PassiveHealth(self.clock, failures_to_eject, ejected_s)
        self._record = record

    def outcomes(self, text, name="a"):
        """Record a success for each + and a failure for each -."""
        for outcome in text:
            ok = outcome == "+"
            call(
                self._record, self.passive, name, ok, shown_as=f"passive.record({name!r}, {ok})"
            ).equals(None)

    def later(self, seconds):
        self.clock.sleep(seconds)
        given(f"{seconds:g} s later")

    def counted(self, expected, look, name="a"):
        call(
            lambda: self.passive.failures.get(name), shown_as=f"passive.failures[{name!r}]"
        ).equals(expected, look)

    def is_ejected(self, look, name="a"):
        call(
            lambda: name in self.passive.ejected_until_s,
            shown_as=f"{name!r} in passive.ejected_until_s",
        ).equals(True, look)

    def ejected_for(self, expected_s, look, name="a"):
        """How much longer the backend is ejected, from now; 0 if it is not."""
        until_s = call(
            lambda: self.passive.ejected_until_s.get(name, START_S),
            shown_as=f"passive.ejected_until_s.get({name!r}, {START_S:g})",
        )
        until_s.close_to(START_S + expected_s, look=look)


@about.rule("PassiveHealth.record")
def failures_are_counted_and_a_success_sets_them_to_zero(record):
    """A failure adds 1 to the backend's count and a success sets it to 0: what counts is failures
    in a row."""
    watched = _Watched(record)
    watched.outcomes("-")
    watched.counted(1, "self.failures[name] grows by 1 with each failure")
    watched.outcomes("-")
    watched.counted(2, "self.failures[name] grows by 1 with each failure")
    watched.outcomes("+")
    watched.counted(0, "a success ends the row: the count is 0 again")
    watched.outcomes("--+--")
    watched.counted(2, "a success ends the row: the count is 0 again")
    watched.ejected_for(0, "never three failures in a row: nobody is ejected")
    watched.outcomes("+++")
    watched.ejected_for(0, "successes eject nobody")


@about.rule("PassiveHealth.record")
def enough_in_a_row_eject(record):
    """As many failures in a row as `failures_to_eject` eject a backend until `ejected_s` from now,
    one fewer do not."""
    for enough, ejected_s in ((3, 10.0), (1, 2.5), (5, 60.0)):
        watched = _Watched(record, enough, ejected_s)
        watched.later(20.0)
        watched.outcomes("-" * (enough - 1))
        watched.ejected_for(0, "one failure fewer than failures_to_eject ejects nobody")
        watched.outcomes("-")
        watched.is_ejected(f"{enough} in a row are enough: failures_to_eject or more")
        watched.ejected_for(
            20.0 + ejected_s,
            "the end of the ejection is a time: self.clock.now_s() plus self.ejected_s",
        )


@about.rule("PassiveHealth.record")
def backends_are_counted_apart(record):
    """Each backend has a count of its own."""
    watched = _Watched(record)
    watched.outcomes("--", "a")
    watched.outcomes("-", "b")
    watched.ejected_for(0, "two failures of a and one of b: neither has three", "a")
    watched.ejected_for(0, "two failures of a and one of b: neither has three", "b")
    watched.outcomes("+", "b")
    watched.counted(2, "a success of b says nothing about a", "a")
    watched.outcomes("-", "a")
    watched.ejected_for(10.0, "three failures of a", "a")
    watched.ejected_for(0, "b has none", "b")


@about.rule("PassiveHealth.record")
def a_late_success_ends_no_ejection(record):
    """A success never ends an ejection early: it may be the late answer to an old request."""
    watched = _Watched(record)
    watched.outcomes("---")
    watched.later(1.0)
    watched.outcomes("+")
    watched.ejected_for(10.0, "a success sets the count to 0 and leaves ejected_until_s alone")
    watched.counted(0, "a success sets the count to 0, during an ejection too")


@about.rule("PassiveHealth.record")
def on_probation_after_an_ejection(record):
    """A backend whose ejection has ended is on probation: its first failure ejects it again, from
    then on."""
    watched = _Watched(record)
    watched.outcomes("---")
    watched.later(15.0)
    watched.outcomes("-")
    watched.ejected_for(
        25.0,
        "the count is not reset when a backend is ejected, and a count above failures_to_eject "
        "ejects as well",
    )
    watched.later(15.0)
    watched.outcomes("+--")
    watched.ejected_for(25.0, "a success has cleared it: two failures do not eject it again")


@about.rule("PassiveHealth.record")
def failures_during_an_ejection_count(record):
    """Failures that come in during an ejection are counted, and it lasts from the last of them."""
    watched = _Watched(record)
    watched.outcomes("---")
    watched.later(4.0)
    watched.outcomes("-")
    watched.counted(4, "the count goes on while a backend is ejected")
    watched.ejected_for(14.0, "failures_to_eject or more: every such failure ejects anew")


about.hints(
    "PassiveHealth.record",
    "Which of the two dictionaries does a success change? Which does a failure change, always?",
    """
    A success: failures[name] = 0, and that is all. A failure: one more; then, if the count is
    failures_to_eject or more, ejected_until_s[name] = now + ejected_s. Nothing ever resets the
    count but a success.
    """,
    """
    if ok:
        self.failures[name] = …
        return
    self.failures[name] += 1
    if self.failures[name] >= …:
        self.ejected_until_s[name] = self.clock.now_s() + …
    """,
)


# --- rotation ---------------------------------------------------------------------------------


def _says(rotation, all_names, draining, healthy, expected, look="", **arguments):
    """Ask for the rotation of these backends; the names say who drains and who is healthy."""
    backends = [
        Backend(name, draining=name in draining, outstanding=7 * place % 5)
        for place, name in enumerate(all_names)
    ]
    scenario(
        f"backends {', '.join(all_names) or 'none'}; draining: {', '.join(draining) or 'none'}; "
        f"healthy: {', '.join(healthy) or 'none'}"
    )
    well = frozenset(healthy)
    more = "".join(f", {name}={value:g}" for name, value in arguments.items())
    answer = call(
        rotation,
        backends,
        lambda name: name in well,
        shown_as=f"rotation(backends, healthy{more})",
        **arguments,
    )
    answer.satisfies(
        lambda chosen: [fields["name"] for _, fields in chosen] == list(expected),
        f"a list of the backends {', '.join(expected) or '(none)'}, in this order",
        look,
    )
    if not all(any(chosen is backend for backend in backends) for chosen in answer.raw):
        raise answer.broken(
            "the backends themselves", "return those that were passed in, no copies"
        )
    if [backend.name for backend in backends] != list(all_names):
        raise fail(
            "the list that was passed in has changed", "it stays as it was", "make a new list"
        )


@about.rule("rotation")
def those_that_look_healthy(rotation):
    """Backends that look healthy are returned, in their order, and others are not."""
    _says(
        rotation, "abcd", "", "abcd", "abcd", "as they come in `backends`, not the less busy first"
    )
    _says(
        rotation, "abcd", "", "acd", "acd", "healthy(name) says who looks healthy; it takes a name"
    )
    _says(rotation, "abcd", "", "dcb", "bcd", "the order is that of `backends`")
    _says(rotation, "dbca", "", "abd", "dba", "the order is that of `backends`, not of names")


@about.rule("rotation")
def nothing_for_those_that_drain(rotation):
    """A draining backend gets no request, however healthy it is."""
    _says(rotation, "abcd", "bc", "abcd", "ad", "backend.draining says that it gets nothing new")


@about.rule("rotation")
def it_fails_open(rotation):
    """If fewer than the share `open_below` look healthy, health is ignored and all are returned."""
    _says(
        rotation,
        "abcdefghij",
        "",
        "",
        "abcdefghij",
        "none of ten looks healthy: rather the check is wrong than all ten",
    )
    _says(rotation, "abcdefghij", "", "bf", "abcdefghij", "two of ten are less than 0.3 of them")
    _says(rotation, "abcd", "", "a", "abcd", "one of four is less than 0.5", open_below=0.5)
    _says(rotation, "abcd", "", "abc", "abcd", "three of four are fewer than all", open_below=1.0)


@about.rule("rotation")
def the_share_itself_is_enough(rotation):
    """As many as the share `open_below` are still enough: then only these are returned."""
    _says(rotation, "abcdefghij", "", "bfj", "bfj", "three of ten are 0.3 of them")
    _says(rotation, "abcd", "", "cd", "cd", "two of four are 0.5 of them", open_below=0.5)
    _says(rotation, "abcd", "", "abcd", "abcd", open_below=1.0)
    _says(rotation, "abc", "", "", "", "with 0 it never fails open", open_below=0.0)


@about.rule("rotation")
def draining_backends_are_never_counted(rotation):
    """Draining backends count neither as healthy nor as ill, and get nothing even when it fails
    open."""
    _says(
        rotation,
        "abcdef",
        "abcd",
        "abcd",
        "ef",
        "none of the two that do not drain looks healthy: it fails open, to those two alone",
    )
    _says(
        rotation,
        "abcdef",
        "abcd",
        "e",
        "e",
        "one of two is 0.5 of those that do not drain: the others are not in the count",
    )
    _says(rotation, "abcd", "ab", "abc", "cd", "one of two is less than 0.6", open_below=0.6)


@about.rule("rotation")
def nobody_is_left(rotation):
    """Without backends, or if all of them drain, the list is empty."""
    _says(rotation, "", "", "", "")
    _says(rotation, "ab", "ab", "ab", "", "backends that drain are not returned in any case")


about.hints(
    "rotation",
    "Which backends are out of the question, whatever their health? Begin by leaving them out.",
    """
    Two lists: those that do not drain, and of these the ones that look healthy. Compare their
    lengths: is the second at least the share open_below of the first? Then it is the answer,
    otherwise the first is.
    """,
    """
    taking = [backend for backend in backends if not …]
    fit = [backend for backend in taking if healthy(…)]
    return fit if len(fit) >= open_below * len(…) else …
    """,
)
