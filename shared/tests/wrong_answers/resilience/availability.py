"""Wrong answers to the first two exercises of lab 1.3."""

import math

from amazonian.resilience import availability
from amazonian.resilience.availability import shares
from wrong_answers import wrong

# --- series


@wrong(availability, feedback="two coins: how often do both show heads?")
def series__is_as_strong_as_its_weakest_part(availabilities):
    return min(shares(availabilities), default=1.0)


@wrong(availability, feedback="A service that needs all its parts is up as often as all of them")
def series__adds_the_downtimes(availabilities):
    return 1 - sum(1 - availability for availability in shares(availabilities))


@wrong(availability, feedback="expected   0.25")
def series__averages(availabilities):
    values = shares(availabilities)
    return sum(values) / len(values)


@wrong(availability, feedback="so that 99.9 is not taken for 99.9%")
def series__takes_percentages(availabilities):
    return math.prod(availabilities)


@wrong(availability, feedback="a service that needs nothing has nothing to wait for")
def series__starts_from_zero_parts_as_down(availabilities):
    values = shares(availabilities)
    return math.prod(values) if values else 0.0


@wrong(availability, feedback="go on with the list that it returns")
def series__reads_an_iterator_twice(availabilities):
    shares(availabilities)
    return math.prod(availabilities)


# --- parallel


@wrong(availability, feedback="two coins: how often does at least one show heads?")
def parallel__is_as_strong_as_the_best_replica(availabilities):
    return max(shares(availabilities), default=0.0)


@wrong(availability, feedback="is down only while all of them are down")
def parallel__multiplies_what_works(availabilities):
    return math.prod(shares(availabilities))


@wrong(availability, feedback="expected   0.75")
def parallel__answers_the_downtime(availabilities):
    return math.prod(1 - availability for availability in shares(availabilities))


@wrong(availability, feedback="expected   0.75")
def parallel__adds_the_availabilities(availabilities):
    return min(1.0, sum(shares(availabilities)))


@wrong(availability, feedback="shares() refuses what is no share")
def parallel__takes_percentages(availabilities):
    return 1 - math.prod(1 - availability for availability in availabilities)


@wrong(availability, feedback="go on with the list that it returns")
def parallel__reads_an_iterator_twice(availabilities):
    shares(availabilities)
    return 1 - math.prod(1 - availability for availability in availabilities)
