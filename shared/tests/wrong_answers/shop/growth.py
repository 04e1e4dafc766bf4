"""Wrong answers to lab 2.4: what to add next."""

from amazonian.shop import growth as component
from amazonian.shop.capacity import Demand, bottleneck, parts, utilisation_of
from amazonian.shop.growth import FULL, RELIEF, NothingHelpsError, steps
from wrong_answers import wrong


def _next(architecture, demand, price, relief=RELIEF, tried=None):
    """The reference with another `price`: a function of a step, and what it leaves of the part."""
    full = bottleneck(parts(architecture, demand))
    if full.utilisation <= FULL:
        return None

    def left(step):
        return utilisation_of(full.name, step, tried or demand)

    helpful = [step for step in steps(architecture) if left(step) < relief * full.utilisation]
    if not helpful:
        raise NothingHelpsError(full.name)
    return min(helpful, key=lambda step: price(step, left(step)))


@wrong(component, feedback="leaves of the database by all the machines")
def next_step__takes_the_cheapest_that_helps(architecture, demand):
    return _next(architecture, demand, lambda step, left: (step.machines, left))


@wrong(component, feedback="shards would leave a little less, for 48 machines more")
def next_step__takes_what_helps_most(architecture, demand):
    return _next(architecture, demand, lambda step, left: left)


@wrong(component, feedback="leaves of the database by all the machines")
def next_step__counts_only_the_new_machines(architecture, demand):
    full = bottleneck(parts(architecture, demand)).utilisation
    return _next(
        architecture,
        demand,
        lambda step, left: (step.machines - architecture.machines) / (full - left),
    )


@wrong(component, feedback="which of the steps that don't costs least for what it leaves?")
def next_step__adds_web_servers(architecture, demand):
    if bottleneck(parts(architecture, demand)).utilisation <= FULL:
        return None
    return steps(architecture)[0]


@wrong(component, feedback="that the web servers are full too does not matter now")
def next_step__wants_the_whole_shop_relieved(architecture, demand):
    full = bottleneck(parts(architecture, demand)).utilisation
    if full <= FULL:
        return None
    after = {step: bottleneck(parts(step, demand)).utilisation for step in steps(architecture)}
    helpful = [step for step, busy in after.items() if busy < RELIEF * full]
    if not helpful:
        raise NothingHelpsError("no step helps")
    return min(helpful, key=lambda step: step.machines * after[step])


@wrong(component, feedback="with the demand as it is")
def next_step__tries_steps_on_an_ordinary_day(architecture, demand):
    return _next(
        architecture,
        demand,
        lambda step, left: step.machines * left,
        tried=Demand(demand.users),
    )


@wrong(component, feedback="a relief is a utilisation below RELIEF × the present one")
def next_step__takes_any_relief(architecture, demand):
    return _next(architecture, demand, lambda step, left: step.machines * left, relief=1.0)


@wrong(component, feedback="it is still too much, and it is a relief")
def next_step__wants_all_or_nothing(architecture, demand):
    full = bottleneck(parts(architecture, demand))
    if full.utilisation <= FULL:
        return None
    left = {step: utilisation_of(full.name, step, demand) for step in steps(architecture)}
    helpful = [step for step in left if left[step] < min(1.0, RELIEF * full.utilisation)]
    if not helpful:
        raise NothingHelpsError("no step helps")
    return min(helpful, key=lambda step: step.machines * left[step])


@wrong(component, feedback="not just below RELIEF")
def next_step__takes_relief_for_a_utilisation(architecture, demand):
    full = bottleneck(parts(architecture, demand))
    if full.utilisation <= FULL:
        return None
    left = {step: utilisation_of(full.name, step, demand) for step in steps(architecture)}
    most = RELIEF if full.utilisation < 1 else RELIEF * full.utilisation
    helpful = [step for step in left if left[step] < most]
    if not helpful:
        raise NothingHelpsError("no step helps")
    return min(helpful, key=lambda step: step.machines * left[step])


@wrong(component, feedback="the web servers are 69.4% busy")
def next_step__never_says_that_it_is_enough(architecture, demand):
    full = bottleneck(parts(architecture, demand))
    if full.utilisation < 0.5:
        return None
    return min(
        steps(architecture),
        key=lambda step: step.machines * utilisation_of(full.name, step, demand),
    )


EQUIVALENT = {
    "next_step: compares with Lt [if full.utilisation <= FULL:]": (
        "no number of users makes a part busy for exactly 0.7, to the last bit"
    ),
    "next_step: compares with LtE [helpful = [step for step in steps(architecture) "
    "if left(step) < RELIEF * full.utilisation]]": "nor leaves any step exactly nine tenths",
}
