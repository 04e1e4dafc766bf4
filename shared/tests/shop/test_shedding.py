"""The gate: who comes in, who waits, who is refused, and what that does for goodput."""

import pytest

from amazonian.resilience.clock import SimulatedClock
from amazonian.shop import overload
from amazonian.shop.shedding import Decision, Gate, Ticket, give_up

WAIT, ADMITTED, REFUSED = Decision.WAIT, Decision.ADMITTED, Decision.REFUSED


@pytest.fixture
def clock():
    return SimulatedClock(1000.0)


def arriving(gate, clock, count):
    tickets = [Ticket(clock.now_s()) for _ in range(count)]
    for ticket in tickets:
        gate.arrive(ticket)
    return tickets


def decisions(tickets):
    return [ticket.decision for ticket in tickets]


def test_so_many_come_in_some_wait_and_the_others_are_refused(clock):
    gate = Gate(2, 3, 1.0, clock)
    tickets = arriving(gate, clock, 7)
    assert decisions(tickets) == [ADMITTED] * 2 + [WAIT] * 3 + [REFUSED] * 2
    assert (gate.inside, len(gate.line)) == (2, 3)


def test_whoever_leaves_lets_the_first_in_line_in(clock):
    gate = Gate(1, 5, 1.0, clock)
    tickets = arriving(gate, clock, 3)
    gate.depart()
    assert decisions(tickets) == [ADMITTED, ADMITTED, WAIT]
    gate.depart()
    gate.depart()
    assert decisions(tickets) == [ADMITTED] * 3
    assert gate.inside == 0
    assert decisions(arriving(gate, clock, 2)) == [ADMITTED, WAIT]


def test_nobody_is_let_in_who_has_waited_too_long(clock):
    gate = Gate(1, 5, 0.5, clock)
    early = arriving(gate, clock, 3)
    clock.sleep(0.2)
    later = arriving(gate, clock, 1)
    clock.sleep(0.4)
    gate.depart()
    assert decisions(early) == [ADMITTED, REFUSED, REFUSED]
    assert decisions(later) == [ADMITTED]


def test_just_as_long_as_patience_lasts_is_not_too_long(clock):
    gate = Gate(1, 5, 0.5, clock)
    _, waiting = arriving(gate, clock, 2)
    clock.sleep(0.5)
    gate.depart()
    assert waiting.decision is ADMITTED


def test_those_who_wait_in_vain_take_no_place_in_line(clock):
    gate = Gate(1, 2, 0.5, clock)
    old = arriving(gate, clock, 3)
    clock.sleep(1.0)
    assert decisions(arriving(gate, clock, 2)) == [WAIT, WAIT]
    assert decisions(old) == [ADMITTED, REFUSED, REFUSED]


def test_a_caller_who_gives_up_leaves_the_line(clock):
    gate = Gate(1, 2, 0.5, clock)
    _, gone, waiting = arriving(gate, clock, 3)
    give_up(gate, gone)
    give_up(gate, gone)
    gate.depart()
    assert decisions([gone, waiting]) == [WAIT, ADMITTED]


def test_a_decision_is_told_at_once(clock):
    told = []
    gate = Gate(1, 0, 0.0, clock)
    for name in ("first", "second"):
        gate.arrive(Ticket(clock.now_s(), lambda name=name: told.append(name)))
    assert told == ["first", "second"]


# --- goodput, in the model: four servers, 20 ms of work, clients that wait 300 ms --------------


def goodput(rate_per_s, gate):
    outcome = overload.simulate(rate_per_s, gate)
    assert outcome.offered == outcome.in_time + outcome.too_late + outcome.refused
    return outcome.goodput_per_s


def test_without_a_gate_goodput_collapses_and_with_one_it_stays():
    """At twice the capacity of 200 requests a second."""
    assert goodput(400.0, overload.no_gate) < 10
    assert goodput(400.0, lambda clock: Gate(4, 10**9, 0.3 - 3 * 0.02, clock)) > 180
    assert goodput(400.0, lambda clock: Gate(4, 10, 10.0, clock)) > 180


def test_a_patience_as_long_as_the_clients_leaves_no_time_for_the_work():
    """Each one that is admitted has waited until just before its client hangs up."""
    assert goodput(400.0, lambda clock: Gate(4, 10**9, 0.3, clock)) < 80


def test_a_gate_costs_next_to_nothing_below_capacity():
    bounded = goodput(100.0, lambda clock: Gate(4, 10**9, 0.24, clock))
    assert bounded >= 0.99 * goodput(100.0, overload.no_gate)
