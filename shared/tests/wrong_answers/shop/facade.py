"""Wrong answers to lab 2.1, on the façade."""

import re
from contextlib import suppress

from amazonian.shop import facade
from amazonian.shop.facade import IDLE_WITHIN_S, Facade, StillBusyError, Turnstile, nothing
from wrong_answers import wrong

# --- longest_prefix


@wrong(facade, feedback="compare with a slash behind both, or part by part")
def longest_prefix__compares_letters(prefixes, path):
    return max((p for p in prefixes if path.startswith(p)), key=len, default=None)


@wrong(facade, feedback="a slash behind / makes //")
def longest_prefix__forgets_the_root(prefixes, path):
    fitting = [p for p in prefixes if path == p or path.startswith(p + "/")]
    return max(fitting, key=len, default=None)


@wrong(facade, feedback="the order of the table says nothing")
def longest_prefix__takes_the_first_that_fits(prefixes, path):
    for prefix in prefixes:
        if f"{path}/".startswith(f"{prefix.rstrip('/')}/"):
            return prefix
    return None


@wrong(facade, feedback="the order of the table says nothing")
def longest_prefix__takes_the_last_that_fits(prefixes, path):
    found = None
    for prefix in prefixes:
        if f"{path}/".startswith(f"{prefix.rstrip('/')}/"):
            found = prefix
    return found


@wrong(facade, feedback="Where no prefix fits, the answer is None")
def longest_prefix__has_a_default_of_its_own(prefixes, path):
    fitting = [p for p in prefixes if f"{path}/".startswith(f"{p.rstrip('/')}/")]
    return max(fitting, key=len, default="/")


@wrong(facade, feedback="max needs a default")
def longest_prefix__expects_one_to_fit(prefixes, path):
    return max((p for p in prefixes if f"{path}/".startswith(f"{p.rstrip('/')}/")), key=len) or None


@wrong(facade, feedback="a prefix stands at the beginning of the path")
def longest_prefix__looks_anywhere(prefixes, path):
    fitting = [p for p in prefixes if f"{p.rstrip('/')}/" in f"{path}/"]
    return max(fitting, key=len, default=None)


@wrong(facade, feedback="an iterator can be gone through only once")
def longest_prefix__goes_through_them_twice(prefixes, path):
    longest = max(map(len, prefixes), default=0)
    fitting = [p for p in prefixes if f"{path}/".startswith(f"{p.rstrip('/')}/")]
    return max(fitting, key=len, default=None) if longest else None


@wrong(facade, feedback="an iterator can be gone through only once")
def longest_prefix__looks_for_each_part_of_the_path(prefixes, path):
    found, parts = None, path.rstrip("/").split("/")
    for end in range(len(parts), 0, -1):
        part = "/".join(parts[:end]) or "/"
        if found is None and part in prefixes:
            found = part
    return found


@wrong(facade, feedback="a part ends at a slash, and at no other character")
def longest_prefix__ends_at_a_border_of_words(prefixes, path):
    fitting = [p for p in prefixes if p == "/" or re.match(re.escape(p.rstrip("/")) + r"\b", path)]
    return max(fitting, key=len, default=None)


@wrong(facade, feedback="paths know small and capital")
def longest_prefix__takes_letters_as_they_come(prefixes, path):
    fitting = [p for p in prefixes if f"{path.lower()}/".startswith(f"{p.rstrip('/').lower()}/")]
    return max(fitting, key=len, default=None)


@wrong(facade, feedback="The prefix / fits every path, when nothing longer does")
def longest_prefix__walks_up_to_nothing(prefixes, path):
    known = set(prefixes)
    path = path.rstrip("/")
    while path and path not in known:
        path = path.rpartition("/")[0]
    return path or None


@wrong(facade, feedback="the order of the table says nothing: compare the lengths")
def longest_prefix__looks_at_the_first_part(prefixes, path):
    known, first = set(prefixes), "/" + path.split("/")[1]
    nested = next((p for p in known if p != first and f"{path}/".startswith(f"{p}/")), None)
    found = first if first in known else nested
    return found or ("/" if "/" in known else None)


# --- Facade.move


@wrong(Facade, feedback="hold before you copy")
def move__switches_at_once(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.wait_until_idle(within_s)
        copy()
        turnstile.to = to


@wrong(Facade, feedback="turnstile.wait_until_idle(within_s) stands between hold and copy")
def move__does_not_wait_for_those_under_way(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            copy()
            turnstile.to = to
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="turnstile.wait_until_idle(within_s) stands between hold and copy")
def move__copies_before_it_waits(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            copy()
            turnstile.wait_until_idle(within_s)
            turnstile.to = to
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="it waited 2 times")
def move__gives_them_a_second_chance(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            try:
                turnstile.wait_until_idle(within_s)
            except StillBusyError:
                turnstile.wait_until_idle(within_s)
            copy()
            turnstile.to = to
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="hold first, then wait: otherwise new requests come as others finish")
def move__waits_before_it_holds(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.wait_until_idle(within_s)
        turnstile.hold()
        try:
            copy()
            turnstile.to = to
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="set turnstile.to before you let go")
def move__lets_go_and_then_switches(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            turnstile.wait_until_idle(within_s)
            copy()
        finally:
            turnstile.let_go()
        turnstile.to = to


@wrong(Facade, feedback="what if the copy fails?")
def move__switches_before_it_copies(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            turnstile.wait_until_idle(within_s)
            turnstile.to = to
            copy()
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="whatever happens, let go: try … finally")
def move__lets_go_only_when_all_is_well(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        turnstile.wait_until_idle(within_s)
        copy()
        turnstile.to = to
        turnstile.let_go()


@wrong(Facade, feedback="whatever happens, let go: try … finally")
def move__lets_go_after_errors_it_knows(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            turnstile.wait_until_idle(within_s)
            copy()
            turnstile.to = to
        except Exception:
            turnstile.let_go()
            raise
        turnstile.let_go()


@wrong(Facade, feedback="whoever moves the route must hear that it has not moved")
def move__keeps_the_failure_to_itself(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            turnstile.wait_until_idle(within_s)
            copy()
            turnstile.to = to
        except OSError:
            pass
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="let the error of wait_until_idle through: nothing has moved")
def move__copies_though_they_are_busy(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            with suppress(StillBusyError):
                turnstile.wait_until_idle(within_s)
            copy()
            turnstile.to = to
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="pass within_s on")
def move__waits_as_long_as_it_likes(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            turnstile.wait_until_idle(IDLE_WITHIN_S)
            copy()
            turnstile.to = to
        finally:
            turnstile.let_go()


@wrong(Facade, feedback="hold one turnstile")
def move__holds_every_route(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        for route in self.routes.values():
            route.hold()
        try:
            turnstile.wait_until_idle(within_s)
            copy()
            turnstile.to = to
        finally:
            for route in self.routes.values():
                route.let_go()


@wrong(Facade, feedback="the first lets go what the second holds")
def move__lets_others_move_meanwhile(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
    try:
        turnstile.wait_until_idle(within_s)
        copy()
        turnstile.to = to
    finally:
        turnstile.let_go()


@wrong(Facade, feedback="self.moving(prefix) raises it")
def move__takes_any_prefix(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    if prefix in self.routes:
        with self.moving(prefix) as turnstile:
            turnstile.hold()
            try:
                turnstile.wait_until_idle(within_s)
                copy()
                turnstile.to = to
            finally:
                turnstile.let_go()


@wrong(Facade, feedback="the held request was never let go")
def move__puts_up_a_new_turnstile(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        turnstile.wait_until_idle(within_s)
        copy()
        self.routes[prefix] = Turnstile(to)


@wrong(Facade, feedback="whatever happens, let go: try … finally")
def move__waits_outside_of_the_try(self, prefix, to, copy=nothing, within_s=IDLE_WITHIN_S):
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        turnstile.wait_until_idle(within_s)
        try:
            copy()
            turnstile.to = to
        finally:
            turnstile.let_go()
