"""What lab 1.5 asks of waves, the alarm and the deployment."""

from amazonian.course.evidence import (
    Answer,
    BrokenRuleError,
    call,
    difference,
    plain,
    same,
    shown,
    trace,
)
from amazonian.course.rules import RulesFor
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.delivery import AlarmActiveError, AlarmRule, Datapoint, Deployment

about = RulesFor("amazonian.resilience.delivery")


# --- waves ------------------------------------------------------------------------------------


@about.rule("waves")
def each_wave_grows(waves):
    """The first wave has `first` hosts, each further one `growth` times the one before it."""
    answer = call(waves, 40, 1, 3)
    sizes = answer.equals([1, 3, 9, 27], look="1, then 1 * 3, then 1 * 3 * 3 …")
    if any(type(size) is not int for size in sizes):
        raise answer.broken("[1, 3, 9, 27]", "hosts are counted in whole numbers, of type int")
    call(waves, 30, 2, 2).equals([2, 4, 8, 16])


@about.rule("waves")
def the_last_takes_what_is_left(waves):
    """The last wave takes what is left, so that the waves together are the fleet."""
    call(waves, 100, 1, 3).equals(
        [1, 3, 9, 27, 60], look="40 hosts have it after four waves; 60 of the 100 are left"
    )
    call(waves, 41, 1, 3).equals([1, 3, 9, 27, 1], look="a last wave of a single host is a wave")
    call(waves, 3, 10, 2).equals([3], look="there are fewer hosts than the first wave could take")


@about.rule("waves")
def no_growth_is_batches(waves):
    """With a growth of 1 all waves are equal: fixed batches, or all at once."""
    call(waves, 25, 10, 1).equals([10, 10, 5])
    call(waves, 100, 100, 1).equals([100])
    call(waves, 1, 1, 1).equals([1], look="the smallest fleet has one host")


@about.rule("waves")
def nothing_below_one(waves):
    """A fleet, a first wave or a growth below 1 is a ValueError."""
    for wrong in ((0, 1, 3), (10, 0, 3), (10, 1, 0)):
        call(waves, *wrong, shown_as=f"waves{wrong}, which should raise ValueError").raises(
            ValueError, look="test the arguments before the loop"
        )


about.hints(
    "waves",
    "How many hosts have the change after two waves? How many are left for the third?",
    """
    Wave number n (from 0) takes first * growth ** n hosts, but never more than are left. How many
    waves there are shows itself: go on while hosts are left.
    """,
    """
    sizes = []
    while sum(sizes) < hosts:
        sizes.append(min(first * growth ** …, hosts - …))
    return sizes
    and first the test that raises ValueError
    """,
)


# --- in_alarm ---------------------------------------------------------------------------------

WELL, SICK = Datapoint(300, 0), Datapoint(300, 30)


def _minutes(pattern: str) -> list[Datapoint]:
    """`x` is a minute with 10% errors, `.` one without."""
    return [SICK if minute == "x" else WELL for minute in pattern]


def _asked(in_alarm, pattern: str, m: int, n: int, look: str = "") -> Answer:
    return call(
        in_alarm,
        _minutes(pattern),
        AlarmRule(0.005, m, n),
        shown_as=f"in_alarm(minutes {pattern or '(none)'}, {m} of {n})   "
        "where x has 10% errors, the newest on the right",
    )


@about.rule("in_alarm")
def m_of_n_breach(in_alarm):
    """The rule is in alarm if at least M of the last N datapoints breach."""
    _asked(in_alarm, "..xxx", 3, 3).equals(
        True,
        look="exactly three breach, and three are enough; are you at the right end of the list?",
    )
    _asked(in_alarm, "...xx", 3, 3).equals(False, look="two breach, three are asked")
    _asked(in_alarm, "..xxx", 2, 3).equals(True, look="three are more than the two asked")
    _asked(in_alarm, ".....", 1, 5).equals(False)


@about.rule("in_alarm")
def in_any_order(in_alarm):
    """The breaching datapoints need not be neighbours."""
    _asked(in_alarm, "x.x.x", 3, 5).equals(True, look="three of the last five, with gaps")
    _asked(in_alarm, "xx...", 2, 5).equals(True, look="the newest need not breach itself")


@about.rule("in_alarm")
def only_the_newest_count(in_alarm):
    """Datapoints older than the last N do not count."""
    _asked(in_alarm, "xxx..", 3, 3).equals(
        False, look="the list is oldest first: which three are the newest?"
    )
    _asked(in_alarm, "x..xx", 3, 4).equals(False, look="one of the three lies five minutes back")
    _asked(in_alarm, ".xxx.", 3, 4).equals(True)


@about.rule("in_alarm")
def a_short_history(in_alarm):
    """With fewer than N datapoints those that exist are looked at; with none there is no alarm."""
    _asked(in_alarm, "xxx", 3, 5).equals(True, look="three breach; that they are all is no excuse")
    _asked(in_alarm, "xx", 3, 3).equals(
        False,
        look="a deployment of two minutes has no third minute yet, which is not a breach; "
        "only a minute with 0 requests is silent",
    )
    _asked(in_alarm, "", 1, 1).equals(False, look="no minute is over yet: none breaches")


@about.rule("in_alarm")
def above_the_threshold(in_alarm):
    """A datapoint breaches if its share of errors is above the threshold, not if it is equal."""
    one = AlarmRule(0.01, 1, 1)
    call(in_alarm, [Datapoint(300, 3)], one).equals(False, look="3 of 300 is exactly 1%")
    call(in_alarm, [Datapoint(300, 4)], one).equals(True)
    call(in_alarm, [Datapoint(10_000, 99)], one).equals(
        False, look="the share counts, not the number of errors"
    )
    call(in_alarm, [Datapoint(100, 29)], AlarmRule(0.29, 1, 1)).equals(
        False, look="29 / 100 is exactly 0.29, but 0.29 * 100 is 28.999999999999996"
    )


@about.rule("in_alarm")
def silence_is_not_health(in_alarm):
    """A datapoint without requests breaches."""
    call(in_alarm, [Datapoint(0, 0)], AlarmRule(0.01, 1, 1)).equals(
        True, look="a host that crashed at once has no errors, and no requests either"
    )
    call(in_alarm, [WELL, Datapoint(0, 0), SICK], AlarmRule(0.01, 2, 3)).equals(True)


about.hints(
    "in_alarm",
    "Which datapoints does the rule look at, and what makes one of them breach?",
    """
    Cut the list to its last evaluation_periods, keep those that breach (no requests, or
    errors / requests above the threshold), and compare how many they are with
    datapoints_to_alarm.
    """,
    """
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if p.requests == 0 or …]
    return len(breaching) >= …
    """,
)


# --- deploy -----------------------------------------------------------------------------------


class Hosts:
    """A target whose installations take 100 s and whose rollback takes 50 s, and an alarm."""

    def __init__(self, on_from_s: float | None = None, answer_s: float = 0.0):
        self.clock = SimulatedClock(1000.0)
        self.on_from_s, self.answer_s = on_from_s, answer_s
        self.done: list[tuple[str, float]] = []
        self.asked_s: list[float] = []

    def install(self, hosts: int) -> None:
        self.done.append((f"install({hosts})", self._passed_s()))
        self.clock.sleep(100.0)

    def roll_back(self) -> None:
        self.done.append(("roll_back()", self._passed_s()))
        self.clock.sleep(50.0)

    def alarm(self) -> bool:
        if len(self.asked_s) > 500:
            raise AssertionError("the alarm was asked 500 times: does the bake ever end?")
        self.asked_s.append(self._passed_s())
        self.clock.sleep(self.answer_s)
        return self.on_from_s is not None and self.asked_s[-1] >= self.on_from_s

    def _passed_s(self) -> float:
        return self.clock.now_s() - 1000.0

    def __repr__(self) -> str:
        return "hosts"


def _deploy(deploy, sizes, bake_s, on_from_s=None, answer_s=0.0, **options):
    hosts = Hosts(on_from_s, answer_s)
    alarm = "never goes on" if on_from_s is None else f"goes on at second {on_from_s:g}"
    if answer_s:
        alarm += f" and takes {answer_s:g} s to answer"
    looks = "".join(f", {name}={value:g}" for name, value in options.items())
    answer = call(
        deploy,
        sizes,
        bake_s,
        target=hosts,
        alarm=hosts.alarm,
        clock=hosts.clock,
        shown_as=f"deploy({sizes}, {bake_s:g}{looks}, …)\n"
        f"where an installation takes 100 s, a rollback 50 s, and the alarm {alarm}",
        **options,
    )
    return answer, hosts


def _at(moments) -> str:
    if not moments:
        return "nothing"
    if isinstance(moments[0], tuple):
        return ", ".join(f"{what} at second {at:g}" for what, at in moments)
    return "at seconds " + ", ".join(f"{at:g}" for at in moments)


def _not_raised(answer, expected):
    """An exception is a finding of its own, and what else was expected says little about it."""
    if answer.error is not None:
        too_late = "AlarmActiveError is for before the first wave only; later, roll back and return"
        look = too_late if isinstance(answer.error, AlarmActiveError) else ""
        raise answer.broken(expected, look)


def _seen(answer, came_back, wanted, look):
    _not_raised(answer, _at(wanted))
    if came_back != wanted:
        raise BrokenRuleError(trace.text(), _at(came_back), _at(wanted), look=look)


def _record(answer, wanted, look, hosts_look):
    """The record is `wanted`; where it is not, one of the two looks says what to look at."""
    _not_raised(answer, shown(wanted))
    value, asked = answer.value(shown(wanted)), plain(wanted)
    if not isinstance(value, tuple) or value[0] != "Deployment":
        answer.equals(wanted, look="return Deployment(completed, hosts_reached, duration_s)")
    if value[1]["hosts_reached"] != wanted.hosts_reached:
        look = hosts_look
    if not same(value, asked):
        raise answer.broken(shown(wanted), look, difference(value[1], asked[1]))


def _look_at_questions(asked_s, bakes, look):
    """What to look at if the alarm was asked at `asked_s`; `bakes` are (begin, end) of each."""
    if 0.0 not in asked_s:
        return "second 0 is missing: ask before the first wave"
    twice = next((at for at in asked_s if asked_s.count(at) > 1), None)
    if twice is None:
        return look
    ends = [end for _, end in bakes]
    which = "the end of a bake" if twice in ends else "one moment"
    return f"second {twice:g} is there {asked_s.count(twice)} times: {which} is one question"


@about.rule("deploy")
def wave_by_wave(deploy):
    """The waves are installed in their order, each once the one before it has baked."""
    answer, hosts = _deploy(deploy, [1, 3, 9], 300.0)
    wanted = [("install(1)", 0.0), ("install(3)", 400.0), ("install(9)", 800.0)]
    _seen(answer, hosts.done, wanted, "100 s of installation and 300 s of bake for each wave")


@about.rule("deploy")
def the_record_of_a_good_change(deploy):
    """The record of a good change: completed, all hosts reached, and its last wave has baked."""
    answer, _ = _deploy(deploy, [1, 3, 9], 300.0)
    _record(
        answer,
        Deployment(True, 13, 1200.0),
        "three waves of 100 s + 300 s; durations are differences of clock.now_s()",
        "hosts add up over the waves: 1 + 3 + 9",
    )


@about.rule("deploy")
def the_alarm_is_asked(deploy):
    """The alarm is asked first of all, then in each bake at once, every look and at the end."""
    answer, hosts = _deploy(deploy, [1, 3], 150.0)
    wanted = [0.0, 100.0, 160.0, 220.0, 250.0, 350.0, 410.0, 470.0, 500.0]
    look = _look_at_questions(
        hosts.asked_s,
        [(100.0, 250.0), (350.0, 500.0)],
        "a bake of 150 s with a look every 60 s: 0, 60, 120 and 150",
    )
    _seen(answer, hosts.asked_s, wanted, look)
    answer, hosts = _deploy(deploy, [1], 40.5, look_every_s=20.0)
    look = _look_at_questions(hosts.asked_s, [(100.0, 140.5)], "look_every_s says how often")
    _seen(answer, hosts.asked_s, [0.0, 100.0, 120.0, 140.0, 140.5], look)


@about.rule("deploy")
def a_slow_alarm_does_not_lengthen_the_bake(deploy):
    """What time the alarm takes to answer is part of the bake, which ends after `bake_s`."""
    answer, hosts = _deploy(deploy, [1, 3], 150.0, answer_s=2.0)
    _seen(
        answer,
        hosts.done,
        [("install(1)", 2.0), ("install(3)", 254.0)],
        "installed at second 102, so the last question is due at 252 and answered at 254: the "
        "bake's end is a time on the clock, not a sum of sleeps",
    )
    _record(
        answer,
        Deployment(True, 4, 506.0),
        "the duration counts from the call, so the first question belongs to it",
        "hosts add up over the waves: 1 + 3",
    )


@about.rule("deploy")
def no_bake_is_one_question(deploy):
    """Without a bake the alarm is still asked once after each wave."""
    answer, hosts = _deploy(deploy, [1, 3], 0.0)
    look = "ask first, then see whether time is left"
    _seen(answer, hosts.asked_s, [0.0, 100.0, 200.0], look)
    _record(answer, Deployment(True, 4, 200.0), "two installations of 100 s", "1 + 3 hosts")


@about.rule("deploy")
def an_alarm_rolls_back(deploy):
    """At the first alarm the deployment rolls back, once, and installs nothing more."""
    answer, hosts = _deploy(deploy, [1, 3, 9], 300.0, on_from_s=560.0)
    wanted = [("install(1)", 0.0), ("install(3)", 400.0), ("roll_back()", 560.0)]
    _seen(answer, hosts.done, wanted, "the looks of the second bake are at 500 s, 560 s, 620 s …")
    answer, hosts = _deploy(deploy, [1, 3], 300.0, on_from_s=800.0)
    wanted = [("install(1)", 0.0), ("install(3)", 400.0), ("roll_back()", 800.0)]
    _seen(answer, hosts.done, wanted, "the last moment of the last wave's bake counts too")


@about.rule("deploy")
def the_record_of_a_rollback(deploy):
    """The record of a rollback: not completed, the hosts reached so far, its own time included."""
    answer, _ = _deploy(deploy, [1, 3, 9], 300.0, on_from_s=560.0)
    _record(
        answer,
        Deployment(False, 4, 610.0),
        "the rollback began at second 560 and took 50 s",
        "two waves had the change, 1 + 3 hosts, though they were taken back",
    )
    answer, _ = _deploy(deploy, [5], 0.0, on_from_s=50.0)
    look = "the alarm came during the installation"
    _record(answer, Deployment(False, 5, 150.0), look, look)


@about.rule("deploy")
def not_into_an_alarm(deploy):
    """If the alarm is on before the first wave, AlarmActiveError is raised; nothing is done."""
    answer, hosts = _deploy(deploy, [1, 3], 300.0, on_from_s=0.0)
    answer.raises(AlarmActiveError, look="ask the alarm before the loop")
    if hosts.done:
        raise BrokenRuleError(trace.text(), _at(hosts.done), "nothing installed or rolled back")


about.hints(
    "deploy",
    """
    Write it first for a change that is always good: install, wait, next. Where in that does the
    alarm have to be asked, so that a bake of 0 s still asks it once?
    """,
    """
    After each installation note when the bake will be over. Then repeat: ask the alarm, and roll
    back and return if it is on; leave the loop if no time is left; sleep for look_every_s, or
    for what is left if that is less.
    """,
    """
    began_s, reached = clock.now_s(), 0
    for size in sizes:
        target.install(size)
        reached += size
        baked_s = clock.now_s() + bake_s
        while True:
            if alarm(): …                     # roll back, return Deployment(False, …)
            left_s = baked_s - clock.now_s()
            if left_s <= 0: break
            clock.sleep(min(…, left_s))
    return Deployment(True, …)
    """,
)
