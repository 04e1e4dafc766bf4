"""What lab 2.2 asks of the gate."""

from amazonian.course.evidence import call, fail, given, scenario, shown
from amazonian.course.rules import RulesFor
from amazonian.resilience.clock import SimulatedClock
from amazonian.shop.shedding import Decision, Ticket

about = RulesFor("amazonian.shop.shedding")
WORDS = {Decision.WAIT: "waits", Decision.ADMITTED: "admitted", Decision.REFUSED: "refused"}


class _Watched:
    """A learner's gate, its clock, and the tickets that have come to it, named A, B, C …"""

    def __init__(self, gate_class, limit, most_waiting, patience_s=1.0):
        self.clock = SimulatedClock(1000.0)
        scenario("a clock that stands still")
        self.gate = call(
            gate_class,
            limit,
            most_waiting,
            patience_s,
            self.clock,
            shown_as=f"gate = Gate({limit}, {most_waiting}, {patience_s:g}, clock)",
        ).made
        self.tickets, self.told = {}, []

    def arrive(self, names):
        for name in names:
            self.tickets[name] = Ticket(
                self.clock.now_s(), lambda name=name: self.told.append(name)
            )
            call(self.gate.arrive, self.tickets[name], shown_as=f"gate.arrive({name})").equals(None)

    def depart(self):
        call(self.gate.depart).equals(None)

    def later(self, seconds):
        self.clock.sleep(seconds)
        given(f"{seconds:g} s later")

    def expect(self, look, **decisions):
        """Each ticket has this decision: admitted="AB", waits="C", refused=""."""
        for word, names in decisions.items():
            for name in names:
                found = WORDS[self.tickets[name].decision]
                if found != word:
                    now = ", ".join(f"{n} {WORDS[t.decision]}" for n, t in self.tickets.items())
                    raise fail(now, f"{name} {word}", look)

    def expect_inside(self, expected, look):
        call(lambda: self.gate.inside, shown_as="gate.inside").equals(expected, look)

    def expect_line(self, names, look):
        """These wait, in this order, in ``gate.line``."""
        tickets = {id(ticket): name for name, ticket in self.tickets.items()}
        line = [tickets.get(id(ticket), shown(ticket)) for ticket in self.gate.line]
        if line != list(names):
            raise fail(f"gate.line holds {', '.join(line) or 'nobody'}", names or "nobody", look)


@about.rule("Gate")
def so_many_are_admitted(gate_class):
    """Up to `limit` requests are admitted at once and counted in `inside`."""
    watched = _Watched(gate_class, limit=3, most_waiting=0)
    watched.expect_inside(0, "a new gate has nobody inside")
    watched.expect_line("", "a new gate has nobody in line")
    watched.arrive("AB")
    watched.expect("there is room inside", admitted="AB")
    watched.expect_inside(2, "who is admitted is counted in self.inside")
    watched.arrive("CD")
    watched.expect("three may be inside", admitted="ABC")
    watched.expect("inside is full and nobody may wait", refused="D")
    watched.expect_inside(3, "who is refused is not counted")


@about.rule("Gate")
def some_wait_the_others_are_refused(gate_class):
    """When the inside is full, up to `most_waiting` wait in line, undecided, and all others are
    refused at once."""
    watched = _Watched(gate_class, limit=1, most_waiting=2)
    watched.arrive("ABCDE")
    watched.expect("first inside, then the line, then no more", admitted="A", waits="BC")
    watched.expect("two may wait, the others are refused", refused="DE")
    watched.expect_line("BC", "who comes later stands behind: append adds on the right")
    watched.expect_inside(1, "who waits is not inside")


@about.rule("Gate")
def gates_are_apart(gate_class):
    """Two gates share nothing."""
    one = _Watched(gate_class, limit=1, most_waiting=3)
    one.arrive("AB")
    other = _Watched(gate_class, limit=1, most_waiting=3)
    other.arrive("CD")
    look = "what stands in the class body belongs to all gates: make it in __init__, as self.…"
    other.expect(look, admitted="C", waits="D")
    other.expect_line("D", look)


@about.rule("Gate")
def the_first_in_line_takes_the_place(gate_class):
    """When a request departs, the first in line is admitted in its place."""
    watched = _Watched(gate_class, limit=1, most_waiting=5)
    watched.arrive("ABC")
    watched.depart()
    watched.expect("first come, first served: popleft takes the first", admitted="AB", waits="C")
    watched.expect_inside(1, "one has left and one has come in: as many inside as before")
    watched.expect_line("C", "who is admitted leaves the line")
    watched.arrive("D")
    watched.expect("the inside is still full", waits="CD")


@about.rule("Gate")
def with_an_empty_line_there_is_room(gate_class):
    """When a request departs and nobody waits, one fewer is inside: there is room again."""
    watched = _Watched(gate_class, limit=2, most_waiting=5)
    watched.arrive("ABC")
    for inside in (2, 1, 0):
        watched.depart()
        watched.expect_inside(inside, "one fewer inside only if nobody takes the place")
    watched.arrive("DEF")
    watched.expect("there is room again, for two", admitted="DE", waits="F")


@about.rule("Gate")
def nobody_is_admitted_too_late(gate_class):
    """When a request departs, those who have waited longer than `patience_s` are refused and the
    first of the others is admitted."""
    watched = _Watched(gate_class, limit=1, most_waiting=9, patience_s=0.5)
    watched.arrive("ABC")
    watched.later(0.25)
    watched.arrive("DE")
    watched.later(0.375)
    watched.depart()
    watched.expect(
        "B and C have waited 0.625 s and their callers have given up, or will before the work is "
        "done: refuse them, however many, and admit the next",
        refused="BC",
        admitted="AD",
        waits="E",
    )
    watched.expect_inside(1, "only D has come in for A")
    watched.later(5.0)
    watched.depart()
    watched.expect("nobody is left who could be admitted", refused="BCE", admitted="AD")
    watched.expect_inside(0, "all who waited were refused: nobody has taken the place")


@about.rule("Gate")
def patience_is_inclusive(gate_class):
    """Who has waited just as long as `patience_s`, not longer, is admitted."""
    watched = _Watched(gate_class, limit=1, most_waiting=9, patience_s=0.5)
    watched.arrive("AB")
    watched.later(0.5)
    watched.depart()
    watched.expect("refused is who has waited longer than patience_s", admitted="AB")


@about.rule("Gate")
def the_late_take_no_place_in_line(gate_class):
    """When a request arrives, those who have waited too long are refused first: they take no place
    in line from anybody."""
    watched = _Watched(gate_class, limit=1, most_waiting=2, patience_s=0.5)
    watched.arrive("ABC")
    watched.later(1.0)
    watched.arrive("D")
    watched.expect(
        "the line was full of those who wait in vain: clear it before you look at its length",
        admitted="A",
        refused="BC",
        waits="D",
    )
    watched.expect_line("D", "who is refused leaves the line")
    watched = _Watched(gate_class, limit=1, most_waiting=9, patience_s=0.5)
    watched.arrive("ABC")
    watched.later(1.0)
    watched.arrive("D")
    watched.expect(
        "clear the line at each arrival, also while there is room in it: nobody waits in vain",
        admitted="A",
        refused="BC",
        waits="D",
    )


@about.rule("Gate")
def each_is_told_once(gate_class):
    """Each ticket is decided through its method `decide`, at once and only once; one that waits is
    not decided."""
    watched = _Watched(gate_class, limit=1, most_waiting=2, patience_s=0.5)
    watched.arrive("ABCD")
    watched.later(0.25)
    watched.depart()
    watched.later(1.0)
    watched.depart()
    if watched.told != ["A", "D", "B", "C"]:
        raise fail(
            f"told, in this order: {', '.join(watched.told)}",
            "A (admitted), D (refused), B (admitted when A left), C (refused when B left)",
            "ticket.decide(…) sets the decision and tells the caller; call it once for each",
        )


about.hints(
    "Gate",
    """
    Which of the callers in line can't be helped any more, and where in the line do they stand?
    What has to happen before you look at the line's length, or take somebody from it?
    """,
    """
    The line is a deque in order of arrival, so those who have waited too long are on its left.
    _refuse_the_late takes them off one by one while the leftmost is too old. arrive: clear the
    line; room inside? room in line? otherwise refuse. depart: clear the line; if somebody is left,
    admit the first and leave `inside` as it is; otherwise count one fewer.
    """,
    """
    def arrive(self, ticket):
        self._refuse_the_late()
        if self.inside < self.limit: …        # count it, and decide ADMITTED
        elif len(self.line) < …: self.line.append(ticket)
        else: ticket.decide(Decision.REFUSED)

    def depart(self):
        self._refuse_the_late()
        if self.line: self.line.popleft().decide(…)
        else: …

    def _refuse_the_late(self):
        while self.line and self.clock.now_s() - self.line[0].arrived_s > …:
            …
    """,
)
