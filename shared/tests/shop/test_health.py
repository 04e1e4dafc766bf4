"""Who is fit for requests: ejection, probation, probes, and failing open."""

import pytest
from backends import Recorder, refusing, replying, until

from amazonian.resilience import processes
from amazonian.resilience.clock import SimulatedClock
from amazonian.shop import health
from amazonian.shop.balancing import Backend
from amazonian.shop.health import ActiveHealth, PassiveHealth, rotation


@pytest.fixture
def clock():
    return SimulatedClock(1000.0)


def record(passive, outcomes, name="a"):
    for outcome in outcomes:
        passive.record(name, outcome == "+")


@pytest.mark.parametrize(
    ("outcomes", "healthy"),
    [("", True), ("--", True), ("---", False), ("--+--", True), ("--+---", False)],
)
def test_three_failures_in_a_row_eject(clock, outcomes, healthy):
    passive = PassiveHealth(clock)
    record(passive, outcomes)
    assert passive.healthy("a") is healthy
    assert passive.healthy("b")


def test_an_ejection_ends_by_itself_and_its_backend_is_on_probation(clock):
    passive = PassiveHealth(clock, ejected_s=10.0)
    record(passive, "---")
    clock.sleep(9.9)
    assert not passive.healthy("a")
    clock.sleep(0.1)
    assert passive.healthy("a")
    record(passive, "-")  # one is enough now
    assert not passive.healthy("a")
    clock.sleep(10.0)
    record(passive, "+--")
    assert passive.healthy("a")


def test_a_late_success_does_not_end_an_ejection(clock):
    passive = PassiveHealth(clock)
    record(passive, "---+")
    assert not passive.healthy("a")


@pytest.mark.parametrize(
    ("probes", "healthy"),
    [("-", True), ("--", False), ("-+-", True), ("--+", False), ("--++", True), ("--+-+", False)],
)
def test_probes_take_a_backend_out_and_in_again(probes, healthy):
    active = ActiveHealth(fall=2, rise=2)
    for probe in probes:
        active.probed("a", probe == "+")
    assert active.healthy("a") is healthy


def names(found):
    return "".join(backend.name for backend in found)


@pytest.mark.parametrize(
    ("healthy", "chosen"),
    [
        ("abcdefghij", "abcdefghij"),
        ("bd", "abcdefghij"),  # a fifth: rather the check is wrong
        ("bdf", "bdf"),  # just as many as it takes
        ("", "abcdefghij"),
    ],
)
def test_when_too_few_look_healthy_all_are_chosen(healthy, chosen):
    all_of_them = [Backend(name) for name in "abcdefghij"]
    assert names(rotation(all_of_them, lambda name: name in healthy)) == chosen


def test_a_draining_backend_is_never_chosen_and_never_counted():
    among = [Backend(name, draining=name in "ab") for name in "abcd"]
    assert names(rotation(among, lambda name: True)) == "cd"
    assert names(rotation(among, lambda name: name in "ab")) == "cd"
    assert names(rotation(among, lambda name: name == "c", open_below=0.5)) == "c"
    assert rotation([Backend("a", draining=True)], lambda name: True) == []


def test_with_a_share_of_zero_it_never_fails_open():
    assert rotation([Backend("a")], lambda name: False, open_below=0.0) == []


def test_probing_finds_out_who_answers(rack):
    active = ActiveHealth()
    with (
        rack.serving(Recorder()) as well,
        rack.serving(replying(500, b"no")) as ill,
        refusing() as dead,
    ):
        among = [Backend("well", well), Backend("ill", ill), Backend("dead", dead)]
        with health.probing(lambda: among, active, "/health", every_s=0.01):
            until(lambda: not active.healthy("ill") and not active.healthy("dead"))
        assert active.healthy("well")


def test_probing_notices_that_a_dead_process_is_back(tmp_path):
    active = ActiveHealth()
    arguments = ["--database", str(tmp_path / "sales.db"), "--name", "a"]
    with processes.Process("amazonian.shop.till", arguments) as process:
        among = [Backend("a", process.url)]
        with health.probing(lambda: among, active, "/health", every_s=0.01):
            process.kill()
            until(lambda: not active.healthy("a"))
            process.start()
            until(lambda: active.healthy("a"))
