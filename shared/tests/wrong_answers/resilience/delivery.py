"""Wrong answers to the first half of lab 1.5: waves, the alarm, the deployment."""

from amazonian.resilience import delivery
from amazonian.resilience.delivery import AlarmActiveError, Deployment
from wrong_answers import wrong

# --- waves


@wrong(delivery, feedback="The last wave takes what is left")
def waves__overshoots_the_fleet(hosts, first, growth):
    if min(hosts, first, growth) < 1:
        raise ValueError
    sizes = []
    while sum(sizes) < hosts:
        sizes.append(first * growth ** len(sizes))
    return sizes


@wrong(delivery, feedback="each further one `growth` times the one before it")
def waves__adds_instead_of_multiplying(hosts, first, growth):
    sizes, size = [], first
    while hosts > 0:
        sizes.append(min(size, hosts))
        hosts -= sizes[-1]
        size += growth
    return sizes


@wrong(delivery, feedback="each further one `growth` times the one before it")
def waves__gives_totals_not_sizes(hosts, first, growth):
    totals, size = [], first
    while not totals or totals[-1] < hosts:
        totals.append(min((totals[-1] if totals else 0) + size, hosts))
        size *= growth
    return totals


@wrong(delivery, feedback="The last wave takes what is left")
def waves__forgets_the_rest(hosts, first, growth):
    sizes, size = [], first
    while sum(sizes) + size <= hosts:
        sizes.append(size)
        size *= growth
    return sizes


@wrong(delivery, feedback="hosts are counted in whole numbers, of type int")
def waves__divides_into_floats(hosts, first, growth):
    if min(hosts, first, growth) < 1:
        raise ValueError
    sizes, size = [], first / 1
    while sum(sizes) < hosts:
        sizes.append(min(size, hosts - sum(sizes)))
        size *= growth
    return sizes


@wrong(delivery, feedback="waves(10, 0, 3), which should raise ValueError", ends=False)
def waves__never_ends_on_a_first_wave_of_nobody(hosts, first, growth):
    if hosts < 1:
        raise ValueError
    sizes = []
    while sum(sizes) < hosts:
        sizes.append(min(first * growth ** len(sizes), hosts - sum(sizes)))
    return sizes


# --- in_alarm


@wrong(delivery, feedback="The breaching datapoints need not be neighbours.")
def in_alarm__wants_them_in_a_row(datapoints, rule):
    row = 0
    for p in datapoints[-rule.evaluation_periods :]:
        row = row + 1 if p.requests == 0 or p.errors / p.requests > rule.threshold else 0
        if row >= rule.datapoints_to_alarm:
            return True
    return False


@wrong(delivery, feedback="Datapoints older than the last N do not count.")
def in_alarm__never_forgets(datapoints, rule):
    breaching = [p for p in datapoints if not p.requests or p.errors / p.requests > rule.threshold]
    return len(breaching) >= rule.datapoints_to_alarm


@wrong(delivery, feedback="A datapoint without requests breaches.")
def in_alarm__takes_silence_for_health(datapoints, rule):
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if p.requests and p.errors / p.requests > rule.threshold]
    return len(breaching) >= rule.datapoints_to_alarm


@wrong(delivery, feedback="ZeroDivisionError")
def in_alarm__divides_by_nothing(datapoints, rule):
    recent = datapoints[-rule.evaluation_periods :]
    return sum(p.errors / p.requests > rule.threshold for p in recent) >= rule.datapoints_to_alarm


@wrong(delivery, feedback="only a minute with 0 requests is silent")
def in_alarm__takes_a_minute_to_come_for_silent(datapoints, rule):
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if not p.requests or p.errors / p.requests > rule.threshold]
    to_come = rule.evaluation_periods - len(recent)
    return bool(recent) and len(breaching) + to_come >= rule.datapoints_to_alarm


@wrong(delivery, feedback="no minute is over yet: none breaches")
def in_alarm__takes_no_minutes_for_silence(datapoints, rule):
    if not datapoints:
        return True
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if not p.requests or p.errors / p.requests > rule.threshold]
    return len(breaching) >= rule.datapoints_to_alarm


@wrong(delivery, feedback="exactly three breach, and three are enough")
def in_alarm__wants_more_than_m(datapoints, rule):
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if not p.requests or p.errors / p.requests > rule.threshold]
    return len(breaching) > rule.datapoints_to_alarm


@wrong(delivery, feedback="are you at the right end of the list?")
def in_alarm__looks_at_the_oldest(datapoints, rule):
    recent = datapoints[: rule.evaluation_periods]
    breaching = [p for p in recent if not p.requests or p.errors / p.requests > rule.threshold]
    return len(breaching) >= rule.datapoints_to_alarm


@wrong(delivery, feedback="The breaching datapoints need not be neighbours.")
def in_alarm__pools_the_window(datapoints, rule):
    recent = datapoints[-rule.datapoints_to_alarm :]
    requests = sum(p.requests for p in recent)
    if len(recent) < rule.datapoints_to_alarm or not requests:
        return False
    return all(p.errors / p.requests > rule.threshold for p in recent)


@wrong(delivery, feedback="but 0.29 * 100 is 28.999999999999996")
def in_alarm__multiplies_the_threshold(datapoints, rule):
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if not p.requests or p.errors > rule.threshold * p.requests]
    return len(breaching) >= rule.datapoints_to_alarm


@wrong(delivery, feedback="With fewer than N datapoints those that exist are looked at")
def in_alarm__waits_for_a_full_window(datapoints, rule):
    recent = datapoints[-rule.evaluation_periods :]
    breaching = [p for p in recent if not p.requests or p.errors / p.requests > rule.threshold]
    return len(recent) == rule.evaluation_periods and len(breaching) >= rule.datapoints_to_alarm


# --- deploy


def _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly):
    """The reference's loop, with one thing done `wrongly`."""
    began_s, reached = clock.now_s(), 0
    if wrongly != "deploys into an alarm" and alarm():
        raise AlarmActiveError
    if wrongly == "starts the clock after the first question":
        began_s = clock.now_s()
    for number, size in enumerate(sizes):
        baked_s = clock.now_s() + bake_s
        target.install(size)
        reached = size if wrongly == "keeps the last wave only" else reached + size
        if wrongly != "bakes from the start of the installation":
            baked_s = clock.now_s() + bake_s
        if wrongly == "does not bake the last wave" and number == len(sizes) - 1:
            break
        if wrongly == "sleeps through the bake":
            clock.sleep(bake_s)
        if wrongly == "sleeps before it looks" and bake_s:
            clock.sleep(min(look_every_s, bake_s))
        while True:
            if alarm() and wrongly != "only counts":
                if wrongly == "stops and leaves it there":
                    return Deployment(False, reached, clock.now_s() - began_s)
                ended_s = clock.now_s()
                target.roll_back()
                if wrongly == "raises after the rollback":
                    raise AlarmActiveError
                if wrongly != "forgets the time of the rollback":
                    ended_s = clock.now_s()
                return Deployment(False, reached, ended_s - began_s)
            left_s = baked_s - clock.now_s()
            if left_s <= 0:
                break
            full = wrongly == "sleeps past the end of the bake"
            clock.sleep(look_every_s if full else min(look_every_s, left_s))
        if wrongly == "asks twice at the end":
            alarm()
    if wrongly == "returns a tuple":
        return True, reached, clock.now_s() - began_s
    return Deployment(True, reached, clock.now_s() - began_s)


@wrong(delivery, feedback="The record of a good change: completed, all hosts reached")
def deploy__does_not_bake_the_last_wave(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "does not bake the last wave"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="a bake of 150 s with a look every 60 s: 0, 60, 120 and 150")
def deploy__looks_only_when_the_bake_is_over(
    sizes, bake_s, *, target, alarm, clock, look_every_s=60.0
):
    wrongly = "sleeps through the bake"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="in each bake at once, every look and at the end")
def deploy__sleeps_before_it_looks(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "sleeps before it looks"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="100 s of installation and 300 s of bake for each wave")
def deploy__bakes_while_it_installs(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "bakes from the start of the installation"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="in each bake at once, every look and at the end")
def deploy__sleeps_past_the_end_of_the_bake(
    sizes, bake_s, *, target, alarm, clock, look_every_s=60.0
):
    wrongly = "sleeps past the end of the bake"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="At the first alarm the deployment rolls back, once")
def deploy__stops_and_leaves_it_there(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "stops and leaves it there"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="At the first alarm the deployment rolls back, once")
def deploy__only_watches(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, "only counts")


@wrong(delivery, feedback="the rollback began at second 560 and took 50 s")
def deploy__forgets_the_time_of_the_rollback(
    sizes, bake_s, *, target, alarm, clock, look_every_s=60.0
):
    wrongly = "forgets the time of the rollback"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="second 0 is missing: ask before the first wave")
def deploy__goes_into_an_alarm(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "deploys into an alarm"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="is part of the bake, which ends after `bake_s`.")
def deploy__counts_the_bake_down(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    began_s, reached = clock.now_s(), 0
    if alarm():
        raise AlarmActiveError
    for size in sizes:
        target.install(size)
        reached += size
        left_s = bake_s
        while not alarm():
            if left_s <= 0:
                break
            clock.sleep(min(look_every_s, left_s))
            left_s -= look_every_s
        else:
            target.roll_back()
            return Deployment(False, reached, clock.now_s() - began_s)
    return Deployment(True, reached, clock.now_s() - began_s)


@wrong(delivery, feedback="the duration counts from the call")
def deploy__starts_the_clock_late(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "starts the clock after the first question"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="second 250 is there 2 times: the end of a bake is one question")
def deploy__asks_twice_at_the_end(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "asks twice at the end"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="hosts add up over the waves: 1 + 3 + 9")
def deploy__keeps_the_last_wave_only(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "keeps the last wave only"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="return Deployment(completed, hosts_reached, duration_s)")
def deploy__returns_a_tuple(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "returns a tuple"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


@wrong(delivery, feedback="AlarmActiveError is for before the first wave only")
def deploy__raises_after_the_rollback(sizes, bake_s, *, target, alarm, clock, look_every_s=60.0):
    wrongly = "raises after the rollback"
    return _deploy(sizes, bake_s, target, alarm, clock, look_every_s, wrongly)


EQUIVALENT: dict[str, str] = {}
