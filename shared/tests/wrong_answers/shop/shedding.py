"""Wrong answers to lab 2.2: the gate."""

from collections import deque

from amazonian.shop import shedding
from amazonian.shop.shedding import Decision
from wrong_answers import wrong


@wrong(shedding, feedback="three may be inside")
class Gate__admits_one_too_few(shedding.Gate):
    def __init__(self, limit, most_waiting, patience_s, clock):
        super().__init__(limit - 1, most_waiting, patience_s, clock)


@wrong(shedding, feedback="inside is full and nobody may wait")
class Gate__admits_one_too_many(shedding.Gate):
    def __init__(self, limit, most_waiting, patience_s, clock):
        super().__init__(limit + 1, most_waiting, patience_s, clock)


@wrong(shedding, feedback="two may wait, the others are refused")
class Gate__lets_everybody_wait(shedding.Gate):
    def arrive(self, ticket):
        self._refuse_the_late()
        if self.inside < self.limit:
            self.inside += 1
            ticket.decide(Decision.ADMITTED)
        elif self.most_waiting:
            self.line.append(ticket)
        else:
            ticket.decide(Decision.REFUSED)


@wrong(shedding, feedback="first inside, then the line, then no more")
class Gate__refuses_instead_of_letting_wait(shedding.Gate):
    def arrive(self, ticket):
        if self.inside < self.limit:
            self.inside += 1
            ticket.decide(Decision.ADMITTED)
        else:
            ticket.decide(Decision.REFUSED)


@wrong(shedding, feedback="first come, first served: popleft takes the first")
class Gate__admits_the_last_in_line(shedding.Gate):
    def depart(self):
        self._refuse_the_late()
        if self.line:
            self.line.pop().decide(Decision.ADMITTED)
        else:
            self.inside -= 1


@wrong(shedding, feedback="as many inside as before")
class Gate__counts_the_next_one_twice(shedding.Gate):
    def depart(self):
        self._refuse_the_late()
        if self.line:
            self.inside += 1
            self.line.popleft().decide(Decision.ADMITTED)
        else:
            self.inside -= 1


@wrong(shedding, feedback="as many inside as before")
class Gate__does_not_count_the_next_one(shedding.Gate):
    def depart(self):
        self._refuse_the_late()
        self.inside -= 1
        if self.line:
            self.line.popleft().decide(Decision.ADMITTED)


@wrong(shedding, feedback="who is admitted leaves the line")
class Gate__leaves_the_admitted_in_line(shedding.Gate):
    def depart(self):
        self._refuse_the_late()
        waiting = [ticket for ticket in self.line if ticket.decision is Decision.WAIT]
        if waiting:
            waiting[0].decide(Decision.ADMITTED)
        else:
            self.inside -= 1


@wrong(shedding, feedback="refuse them, however many, and admit the next")
class Gate__admits_whoever_is_first(shedding.Gate):
    def depart(self):
        if self.line:
            self.line.popleft().decide(Decision.ADMITTED)
        else:
            self.inside -= 1


@wrong(shedding, feedback="refuse them, however many, and admit the next")
class Gate__refuses_only_one_of_the_late(shedding.Gate):
    def _refuse_the_late(self):
        if self.line and self.clock.now_s() - self.line[0].arrived_s > self.patience_s:
            self.line.popleft().decide(Decision.REFUSED)


@wrong(shedding, feedback="refuse them, however many, and admit the next")
class Gate__drops_the_late_without_a_word(shedding.Gate):
    def _refuse_the_late(self):
        while self.line and self.clock.now_s() - self.line[0].arrived_s > self.patience_s:
            self.line.popleft()


@wrong(shedding, feedback="refused is who has waited longer than patience_s")
class Gate__refuses_just_in_time(shedding.Gate):
    def _refuse_the_late(self):
        while self.line and self.clock.now_s() - self.line[0].arrived_s >= self.patience_s:
            self.line.popleft().decide(Decision.REFUSED)


@wrong(shedding, feedback="clear it before you look at its length")
class Gate__clears_the_line_only_when_somebody_departs(shedding.Gate):
    def arrive(self, ticket):
        if self.inside < self.limit:
            self.inside += 1
            ticket.decide(Decision.ADMITTED)
        elif len(self.line) < self.most_waiting:
            self.line.append(ticket)
        else:
            ticket.decide(Decision.REFUSED)


@wrong(shedding, feedback="all who waited were refused: nobody has taken the place")
class Gate__loses_a_place_with_each_crowd_that_is_late(shedding.Gate):
    def depart(self):
        had = bool(self.line)
        self._refuse_the_late()
        if self.line:
            self.line.popleft().decide(Decision.ADMITTED)
        elif not had:
            self.inside -= 1


@wrong(shedding, feedback="call it once for each")
class Gate__sets_the_decision_itself(shedding.Gate):
    def depart(self):
        self._refuse_the_late()
        if self.line:
            self.line.popleft().decision = Decision.ADMITTED
        else:
            self.inside -= 1


@wrong(shedding, feedback="one that waits is not decided")
class Gate__decides_that_somebody_waits(shedding.Gate):
    def arrive(self, ticket):
        self._refuse_the_late()
        if self.inside < self.limit:
            self.inside += 1
            ticket.decide(Decision.ADMITTED)
        elif len(self.line) < self.most_waiting:
            self.line.append(ticket)
            ticket.decide(Decision.WAIT)
        else:
            ticket.decide(Decision.REFUSED)


_LINE = deque()


@wrong(shedding, feedback="what stands in the class body belongs to all gates")
class Gate__has_one_line_for_all(shedding.Gate):
    def __init__(self, limit, most_waiting, patience_s, clock, line=_LINE):
        self.limit, self.most_waiting = limit, most_waiting
        self.patience_s, self.clock, self.inside, self.line = patience_s, clock, 0, line


@wrong(shedding, feedback="clear the line at each arrival")
class Gate__clears_the_line_only_when_it_is_full(shedding.Gate):
    def arrive(self, ticket):
        if len(self.line) >= self.most_waiting:
            self._refuse_the_late()
        if self.inside < self.limit:
            self.inside += 1
            ticket.decide(Decision.ADMITTED)
        elif len(self.line) < self.most_waiting:
            self.line.append(ticket)
        else:
            ticket.decide(Decision.REFUSED)


EQUIVALENT: dict[str, str] = {}
