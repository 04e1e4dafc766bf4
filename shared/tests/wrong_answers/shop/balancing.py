"""Wrong answers to lab 2.2: round robin and two choices."""

import random

from amazonian.shop import balancing
from wrong_answers import wrong

# --- RoundRobin


@wrong(balancing, feedback="the turn is a number that begins at 0")
class RoundRobin__begins_with_the_second:
    def __init__(self):
        self.turn = 0

    def choose(self, backends, key=None):
        self.turn += 1
        return backends[self.turn % len(backends)]


@wrong(balancing, feedback="the turn is a number that begins at 0")
class RoundRobin__never_moves_on:
    def choose(self, backends, key=None):
        return backends[0]


@wrong(balancing, feedback="round robin does not look at outstanding")
class RoundRobin__skips_the_busy:
    def __init__(self):
        self.turn = 0

    def choose(self, backends, key=None):
        fewest = min(backend.outstanding for backend in backends)
        free = [backend for backend in backends if backend.outstanding <= fewest + 10]
        self.turn += 1
        return free[(self.turn - 1) % len(free)]


@wrong(balancing, feedback="The list may differ from call to call")
class RoundRobin__counts_up_to_the_length_it_has_seen:
    def __init__(self):
        self.turn = -1
        self.length = None

    def choose(self, backends, key=None):
        self.length = self.length or len(backends)
        self.turn = (self.turn + 1) % self.length
        return backends[self.turn]


@wrong(balancing, feedback="may be beyond the end of this one")
class RoundRobin__keeps_a_place_in_the_list:
    def __init__(self):
        self.place = 0

    def choose(self, backends, key=None):
        chosen = backends[self.place]
        self.place = (self.place + 1) % len(backends)
        return chosen


@wrong(balancing, feedback="what you remember of an earlier list may be gone")
class RoundRobin__keeps_the_first_list:
    def __init__(self):
        self.turn, self.all = 0, None

    def choose(self, backends, key=None):
        self.all = self.all or list(backends)
        self.turn += 1
        chosen = self.all[(self.turn - 1) % len(self.all)]
        return chosen if chosen in backends else backends[0]


@wrong(balancing, feedback="look into it, change nothing")
class RoundRobin__turns_the_list_itself_around:
    def choose(self, backends, key=None):
        backends.append(backends.pop(0))
        return backends[-1]


@wrong(balancing, feedback="what stands in the class body, or in the module, belongs to all")
class RoundRobin__keeps_its_turn_in_the_class:
    turn = -1

    def choose(self, backends, key=None):
        RoundRobin__keeps_its_turn_in_the_class.turn += 1
        return backends[RoundRobin__keeps_its_turn_in_the_class.turn % len(backends)]


@wrong(balancing, feedback="return one of the backends that were passed in, itself")
class RoundRobin__returns_the_place:
    def __init__(self):
        self.turn = -1

    def choose(self, backends, key=None):
        self.turn += 1
        return self.turn % len(backends)


# --- PowerOfTwo


class _Keeping:
    def __init__(self, rng):
        self.rng = rng


def _outstanding(backend):
    return backend.outstanding


@wrong(balancing, feedback="fewer outstanding is better: min, not max")
class PowerOfTwo__takes_the_busier(_Keeping):
    def choose(self, backends, key=None):
        return max(self.rng.sample(backends, min(2, len(backends))), key=_outstanding)


@wrong(balancing, feedback="of one backend two can't be drawn")
class PowerOfTwo__needs_two(_Keeping):
    def choose(self, backends, key=None):
        return min(self.rng.sample(backends, 2), key=_outstanding)


@wrong(balancing, feedback="two draws one after the other may hit the same backend")
class PowerOfTwo__may_draw_one_twice(_Keeping):
    def choose(self, backends, key=None):
        if len(backends) <= 2:
            return min(backends, key=_outstanding)
        return min(self.rng.choice(backends), self.rng.choice(backends), key=_outstanding)


@wrong(balancing, feedback="two draws one after the other may hit the same backend")
class PowerOfTwo__draws_twice_even_from_two(_Keeping):
    def choose(self, backends, key=None):
        return min(self.rng.choice(backends), self.rng.choice(backends), key=_outstanding)


@wrong(balancing, feedback="look at no more than these two")
class PowerOfTwo__takes_the_least_busy_of_all(_Keeping):
    def choose(self, backends, key=None):
        fewest = min(map(_outstanding, backends))
        return self.rng.choice([b for b in backends if b.outstanding == fewest])


@wrong(balancing, feedback="look at no more than these two")
class PowerOfTwo__looks_at_three(_Keeping):
    def choose(self, backends, key=None):
        return min(self.rng.sample(backends, min(3, len(backends))), key=_outstanding)


@wrong(balancing, feedback="draw two at random from the whole list")
class PowerOfTwo__draws_one_and_its_neighbour(_Keeping):
    def choose(self, backends, key=None):
        at = self.rng.randrange(len(backends))
        return min(backends[at], backends[at - 1], key=_outstanding)


@wrong(balancing, feedback="draw two at random from the whole list")
class PowerOfTwo__moves_on_if_it_draws_the_same(_Keeping):
    def choose(self, backends, key=None):
        one, other = (self.rng.randrange(len(backends)) for _ in range(2))
        if one == other:
            other = (other + 1) % len(backends)
        return min(backends[one], backends[other], key=_outstanding)


@wrong(balancing, feedback="A comparison by place or name favours somebody")
class PowerOfTwo__takes_the_first_of_equals_in_the_list(_Keeping):
    def choose(self, backends, key=None):
        drawn = self.rng.sample(backends, min(2, len(backends)))
        return min(drawn, key=lambda backend: (backend.outstanding, backend.name))


@wrong(balancing, feedback="not the module random")
class PowerOfTwo__draws_from_the_module_random(_Keeping):
    def choose(self, backends, key=None):
        return min(random.sample(backends, min(2, len(backends))), key=_outstanding)


@wrong(balancing, feedback="shuffling turns the balancer's own list around")
class PowerOfTwo__shuffles(_Keeping):
    def choose(self, backends, key=None):
        self.rng.shuffle(backends)
        return min(backends[:2], key=_outstanding)


@wrong(balancing, feedback="ask each backend again at each call")
class PowerOfTwo__remembers_how_busy_they_were(_Keeping):
    def __init__(self, rng):
        super().__init__(rng)
        self.known = {}

    def choose(self, backends, key=None):
        drawn = self.rng.sample(backends, min(2, len(backends)))
        return min(drawn, key=lambda b: self.known.setdefault(b.name, b.outstanding))


EQUIVALENT: dict[str, str] = {}
