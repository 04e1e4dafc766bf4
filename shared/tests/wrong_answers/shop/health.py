"""Wrong answers to lab 2.2: ejection, and failing open."""

from amazonian.shop import health
from amazonian.shop.health import PassiveHealth
from wrong_answers import wrong

# --- PassiveHealth.record


def _eject(self, name):
    self.ejected_until_s[name] = self.clock.now_s() + self.ejected_s


@wrong(PassiveHealth, feedback="a success ends the row")
def record__counts_all_failures(self, name, ok):
    if not ok:
        self.failures[name] += 1
        if self.failures[name] >= self.failures_to_eject:
            _eject(self, name)


@wrong(PassiveHealth, feedback="a success ends the row")
def record__a_success_takes_one_off(self, name, ok):
    self.failures[name] = max(0, self.failures[name] - 1) if ok else self.failures[name] + 1
    if not ok and self.failures[name] >= self.failures_to_eject:
        _eject(self, name)


@wrong(PassiveHealth, feedback="never three failures in a row")
def record__ejects_one_too_soon(self, name, ok):
    self.failures[name] = 0 if ok else self.failures[name] + 1
    if not ok and self.failures[name] >= self.failures_to_eject - 1:
        _eject(self, name)


@wrong(PassiveHealth, feedback="As many failures in a row as `failures_to_eject` eject")
def record__ejects_one_too_late(self, name, ok):
    self.failures[name] = 0 if ok else self.failures[name] + 1
    if self.failures[name] > self.failures_to_eject:
        _eject(self, name)


@wrong(PassiveHealth, feedback="the end of the ejection is a time")
def record__stores_how_long(self, name, ok):
    self.failures[name] = 0 if ok else self.failures[name] + 1
    if self.failures[name] >= self.failures_to_eject:
        self.ejected_until_s[name] = self.ejected_s


@wrong(PassiveHealth, feedback="expected   1022.5")
def record__has_numbers_of_its_own(self, name, ok):
    self.failures[name] = 0 if ok else self.failures[name] + 1
    if self.failures[name] >= self.failures_to_eject:
        self.ejected_until_s[name] = self.clock.now_s() + 10.0


@wrong(PassiveHealth, feedback="the count is not reset when a backend is ejected")
def record__begins_anew_after_an_ejection(self, name, ok):
    self.failures[name] = 0 if ok else self.failures[name] + 1
    if self.failures[name] >= self.failures_to_eject:
        _eject(self, name)
        self.failures[name] = 0


@wrong(PassiveHealth, feedback="a count above failures_to_eject ejects as well")
def record__ejects_once_and_never_again(self, name, ok):
    self.failures[name] = 0 if ok else self.failures[name] + 1
    if self.failures[name] == self.failures_to_eject:
        _eject(self, name)


@wrong(PassiveHealth, feedback="leaves ejected_until_s alone")
def record__a_success_ends_the_ejection(self, name, ok):
    if ok:
        self.failures[name] = 0
        self.ejected_until_s.pop(name, None)
        return
    self.failures[name] += 1
    if self.failures[name] >= self.failures_to_eject:
        _eject(self, name)


@wrong(PassiveHealth, feedback="the count goes on while a backend is ejected")
def record__ignores_whoever_is_ejected(self, name, ok):
    if ok:
        self.failures[name] = 0
    elif self.healthy(name):
        self.failures[name] += 1
        if self.failures[name] >= self.failures_to_eject:
            _eject(self, name)


@wrong(PassiveHealth, feedback="a success of b says nothing about a")
def record__counts_all_backends_together(self, name, ok):
    for known in {*self.failures, name}:
        self.failures[known] = 0 if ok else self.failures[known] + 1
    if self.failures[name] >= self.failures_to_eject:
        _eject(self, name)


@wrong(PassiveHealth, feedback="self.failures[name] grows by 1 with each failure")
def record__takes_ok_for_failed(self, name, ok):
    self.failures[name] = 0 if not ok else self.failures[name] + 1
    if self.failures[name] >= self.failures_to_eject:
        _eject(self, name)


# --- rotation


@wrong(health, feedback="healthy(name) says who looks healthy; it takes a name")
def rotation__looks_only_at_draining(backends, healthy, open_below=0.3):
    return [backend for backend in backends if not backend.draining]


@wrong(health, feedback="it takes a name")
def rotation__asks_about_the_backend_itself(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend)]
    return fit if len(fit) >= open_below * len(taking) else taking


@wrong(health, feedback="backend.draining says that it gets nothing new")
def rotation__forgets_draining(backends, healthy, open_below=0.3):
    fit = [backend for backend in backends if healthy(backend.name)]
    return fit if len(fit) >= open_below * len(backends) else list(backends)


@wrong(health, feedback="rather the check is wrong than all ten")
def rotation__never_fails_open(backends, healthy, open_below=0.3):
    return [b for b in backends if not b.draining and healthy(b.name)]


@wrong(health, feedback="two of ten are less than 0.3 of them")
def rotation__fails_open_only_when_nobody_is_left(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    return [backend for backend in taking if healthy(backend.name)] or taking


@wrong(health, feedback="three of ten are 0.3 of them")
def rotation__wants_more_than_the_share(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    return fit if len(fit) > open_below * len(taking) else taking


@wrong(health, feedback="to those two alone")
def rotation__opens_to_those_that_drain_as_well(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    return fit if len(fit) >= open_below * len(taking) else list(backends)


@wrong(health, feedback="the others are not in the count")
def rotation__counts_those_that_drain(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    return fit if len(fit) >= open_below * len(backends) else taking


@wrong(health, feedback="health is ignored and all are returned")
def rotation__returns_the_ill_alone(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    if len(fit) >= open_below * len(taking):
        return fit
    return [backend for backend in taking if backend not in fit]


@wrong(health, feedback="less than 0.5")
def rotation__has_a_share_of_its_own(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    return fit if taking and len(fit) / len(taking) >= min(open_below, 0.25) else taking


@wrong(health, feedback="Without backends, or if all of them drain, the list is empty")
def rotation__divides_by_nobody(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    return fit if len(fit) / len(taking) >= open_below else taking


@wrong(health, feedback="it stays as it was")
def rotation__takes_the_ill_out_of_the_list_itself(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    if fit == taking or len(fit) < open_below * len(taking):
        return taking
    backends[:] = fit
    return fit


@wrong(health, feedback="not of names")
def rotation__sorts_by_name(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    enough = taking and len(fit) / len(taking) >= open_below
    return sorted(fit if enough else taking, key=lambda backend: backend.name)


@wrong(health, feedback="not the less busy first")
def rotation__puts_the_less_busy_first(backends, healthy, open_below=0.3):
    taking = [backend for backend in backends if not backend.draining]
    fit = [backend for backend in taking if healthy(backend.name)]
    enough = taking and len(fit) / len(taking) >= open_below
    return sorted(fit if enough else taking, key=lambda backend: backend.outstanding)


EQUIVALENT: dict[str, str] = {}
