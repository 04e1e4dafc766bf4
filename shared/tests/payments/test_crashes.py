"""The process dies at every point, and no payment is made twice, lost or left lying.

How many runs there are is computed. ``shared/benchmarks/payment_crashes.py`` prints the counts,
and takes pairs of crashes together with all troubles as well.
"""

import threading

import pytest

from amazonian.payments import crashes, executor, kills, naive, properties, scenario
from amazonian.payments.crashes import CALM, NEXT_DAY_S, Trouble
from amazonian.payments.executor import Executor
from amazonian.payments.points import DATABASE, PSP, Points
from amazonian.payments.stripe_simulator.faults import OF_WEBHOOKS, Kind

TROUBLES = crashes.all_troubles()
POINTS = crashes.run(()).lives[0]


def report(exploration, record_testsuite_property, name):
    record_testsuite_property(name, str(exploration))
    print(exploration)
    assert not exploration.broken, exploration.broken[:3]


# --- the design that is right


def test_the_points_are_all_writes_and_all_calls_before_and_after():
    """Each write of this day is a point twice, and each call to the PSP."""
    database = [point for point in POINTS if point.lane == DATABASE]
    psp = [point for point in POINTS if point.lane == PSP]
    assert [point.number for point in POINTS] == list(range(len(POINTS)))
    assert {point.when for point in POINTS} == {"before", "after"}
    assert [point.what for point in psp[::2]] == [
        *["POST /v1/payment_intents"] * 3,
        "GET /v1/refunds",
        "POST /v1/refunds",
    ]
    commits = []
    world = crashes.World(CALM, None)
    write = world.database.write

    def counted(change):
        rows_before = world.database.read("SELECT total_changes()")
        result = write(change)
        commits.append(world.database.read("SELECT total_changes()") != rows_before)
        return result

    world.database.write = counted
    world.live(None)
    assert len(database) == 2 * sum(commits)


def test_a_run_can_be_repeated():
    trouble = Trouble(Kind.TIMEOUT_AFTER, at_call=2, times=2)
    assert crashes.run((9, 3), trouble) == crashes.run((9, 3), trouble)


def test_one_crash_at_every_point(record_testsuite_property):
    exploration = crashes.explore()
    assert exploration.points == POINTS
    assert exploration.runs == 1 + len(POINTS)
    report(exploration, record_testsuite_property, "one crash")


def test_two_crashes_at_every_pair_of_points(record_testsuite_property):
    exploration = crashes.explore(depth=2)
    firsts = [crashes.run((point.number,)) for point in POINTS]
    assert exploration.runs == 1 + sum(1 + len(run.lives[1]) for run in firsts)
    report(exploration, record_testsuite_property, "two crashes")


def test_the_troubles_are_all_faults_at_all_calls():
    told = {(trouble.fault, trouble.at_call) for trouble in TROUBLES}
    for number, call in enumerate(crashes.calls(), 1):
        faults = {fault for fault, at_call in told if at_call == number}
        changes = set(Kind) - OF_WEBHOOKS - {Kind.CONFLICT}
        assert faults >= (changes if call.startswith("POST") else set(crashes.FAULTS_OF_GET))
    assert len({str(trouble) for trouble in TROUBLES}) == len(TROUBLES)


# In two halves, for two workers.
@pytest.mark.parametrize("half", [0, 1])
def test_one_crash_at_every_point_with_every_trouble(half, record_testsuite_property):
    exploration = crashes.explore(troubles=TROUBLES[half::2])
    assert exploration.runs > len(POINTS) * len(TROUBLES[half::2])
    report(exploration, record_testsuite_property, f"one crash and one trouble, half {half}")


def test_an_outage_makes_dead_letters_and_a_redrive_finishes_them():
    world = crashes.World(Trouble(Kind.TIMEOUT_BEFORE, times=crashes.OUTAGE_CALLS), None)
    world.live(None)
    assert properties.STUCK in world.violations()
    world.recover()
    assert world.violations() == ()


# --- designs that are wrong: the tests of the test


@pytest.mark.parametrize(
    ("design", "named"),
    [
        (naive.FreshKey, properties.DOUBLE_CHARGE),
        (naive.WalletFirst, properties.WALLET),
        (naive.LegByLeg, properties.BOOKS),
    ],
)
def test_a_wrong_design_fails_and_the_property_is_named(design, named):
    exploration = crashes.explore(design)
    broken = exploration.at_points()
    assert broken
    assert all(named in names for names in broken.values())
    assert exploration.violated[named] == len(broken)


def places(design):
    """Where it fails: lane, what, and when of the points, each once."""
    exploration = crashes.explore(design)
    points = [exploration.points[number] for number in sorted(exploration.at_points())]
    return list(dict.fromkeys((point.lane, point.what, point.when) for point in points))


def test_a_fresh_key_fails_between_the_charge_and_the_commit():
    assert places(naive.FreshKey) == [
        (PSP, "POST /v1/payment_intents", "after"),
        (DATABASE, "order, journal, wallet, message", "before"),
    ]


def test_a_wallet_of_its_own_fails_between_the_two_commits():
    assert places(naive.WalletFirst) == [
        (DATABASE, "wallet", "after"),
        (DATABASE, "order, journal, wallet, message", "before"),
    ]


def test_legs_of_their_own_fail_between_the_two_commits():
    assert places(naive.LegByLeg) == [
        (DATABASE, "order, journal, message", "after"),
        (DATABASE, "journal, wallet", "before"),
    ]


@pytest.mark.parametrize(
    ("design", "trouble", "named"),
    [
        (naive.TimeoutMeansNo, Trouble(Kind.TIMEOUT_AFTER, times=2), properties.MONEY_LOST),
        (naive.TimeoutMeansNo, Trouble(Kind.DELAY), properties.MONEY_LOST),
        (naive.TimeoutMeansNo, Trouble(Kind.ERROR_AFTER), properties.MONEY_LOST),
        (naive.NeverAsks, Trouble(Kind.ERROR_AFTER), properties.DOUBLE_CHARGE),
        (naive.SameKeyForEver, Trouble(Kind.ERROR_BEFORE), properties.STUCK),
        (naive.WalletFirst, Trouble(webhooks="early"), properties.WALLET),
    ],
)
def test_some_wrong_designs_need_no_crash_but_a_trouble(design, trouble, named):
    assert crashes.run((), CALM, design).violations == ()
    assert named in crashes.run((), trouble, design).violations


@pytest.mark.parametrize("design", [naive.StateAfterwards, naive.NeverAsks])
def test_some_wrong_designs_need_a_crash_and_a_day(design):
    assert not crashes.explore(design).broken
    found = crashes.explore(design, troubles=[Trouble(restart_s=NEXT_DAY_S)])
    assert properties.DOUBLE_CHARGE in found.violated


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("DELETE FROM outbox", properties.MESSAGE_LOST),
        (
            "UPDATE payment_orders SET state = 'declined' WHERE id = 'ada-1-2'",
            properties.MONEY_LOST,
        ),
        (
            "UPDATE payment_orders SET state = 'settled' WHERE id = 'ben-1-1'",
            properties.NOT_CHARGED,
        ),
        ("UPDATE payment_orders SET state = 'captured' WHERE id = 'ada-1-2'", properties.STUCK),
        (
            "UPDATE payment_orders SET state = 'settled' WHERE id = 'ada-1-1'",
            properties.WRONG_REFUND,
        ),
        ("UPDATE wallets SET available = available + 1", properties.WALLET),
    ],
)
def test_each_property_is_seen_when_it_is_broken(broken, named, monkeypatch):
    world = crashes.World(CALM, None)
    if "outbox" in broken:
        monkeypatch.setattr(scenario.outbox, "relay", lambda database, publish, now_s: 0)
    world.live(None)
    world.database.write(lambda t: t.execute(broken))
    assert named in world.violations()


def test_a_message_that_takes_effect_twice_is_seen(monkeypatch):
    monkeypatch.setattr(
        scenario.outbox, "receive", lambda t, message, effect: effect(t, message) or True
    )
    found = crashes.explore()
    assert list(found.violated) == [properties.MESSAGE_TWICE]


def test_a_learners_version_is_the_one_that_is_explored(monkeypatch):
    class Mine(Executor):
        def conclude(self, order, outcome):
            raise NotImplementedError("Lab 3.3")

    monkeypatch.setattr(executor, "Executor", Mine)
    with pytest.raises(NotImplementedError, match=r"Lab 3\.3"):
        crashes.explore()


def test_an_executor_that_raises_is_reported_with_its_error(monkeypatch):
    monkeypatch.setattr(Executor, "conclude", lambda self, order, outcome: 1 / 0)
    done = crashes.run((), Trouble(webhooks="never"))
    assert properties.STUCK in done.violations
    assert "ZeroDivisionError: division by zero" in done.errors


# --- for real


def test_a_real_kill_at_every_point():
    """A process of its own on an SQLite file, a PSP over HTTP, and SIGKILL."""
    runs = [kills.kill_for_real(point.number) for point in POINTS]
    assert [run.violations for run in runs] == [()] * len(POINTS)


@pytest.mark.parametrize(
    ("design", "named"),
    [
        (naive.FreshKey, properties.DOUBLE_CHARGE),
        (naive.WalletFirst, properties.WALLET),
        (naive.LegByLeg, properties.BOOKS),
    ],
)
def test_a_real_kill_finds_what_the_explorer_finds(design, named):
    number = min(crashes.explore(design).at_points())
    assert named in kills.kill_for_real(number, design).violations


def test_a_kill_at_no_point_is_an_error():
    with pytest.raises(kills.ProcessFailedError, match="ended with 0, not with -9"):
        kills.kill_for_real(len(POINTS))


def test_what_fails_in_the_process_is_told_here(monkeypatch):
    def mine(self, order):
        raise NotImplementedError("Lab 3.3, exercise 1")

    monkeypatch.setattr(Executor, "attempt", mine)
    with pytest.raises(kills.ProcessFailedError, match=r"Lab 3\.3, exercise 1"):
        kills.kill_for_real(10)


def test_a_process_that_falls_silent_is_ended_and_tried_again(monkeypatch):
    monkeypatch.setattr(kills, "PATIENCE_S", 0.2)
    monkeypatch.setattr(Executor, "attempt", lambda self, order: threading.Event().wait())
    with pytest.raises(kills.ProcessFailedError, match="silent"):
        kills.kill_for_real(10)


def test_points_end_what_they_are_told_to_end():
    ended = []
    points = Points(1, lambda: ended.append(True))
    points.reach(PSP, "a call", "before")
    assert not ended
    with pytest.raises(BaseException, match=r"^$"):
        points.reach(PSP, "a call", "after")
    assert ended
