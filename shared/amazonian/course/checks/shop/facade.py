"""What lab 2.1 asks of the façade: which route a path belongs to, and how a route moves."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from amazonian.course.evidence import Answer, call, fail, given, scenario
from amazonian.course.rules import RulesFor
from amazonian.shop.facade import Facade, StillBusyError, Turnstile, UnknownRouteError

about = RulesFor("amazonian.shop.facade")


# --- longest_prefix ---------------------------------------------------------------------------


@about.rule("longest_prefix")
def a_path_belongs_to_a_prefix_of_it(longest_prefix):
    """A path belongs to a prefix that it begins with, or that it is."""
    call(longest_prefix, ["/users", "/carts"], "/carts/ada").equals("/carts")
    call(longest_prefix, ["/users", "/carts"], "/users").equals(
        "/users", look="a prefix of a path may be all of it"
    )
    call(longest_prefix, ["/users", "/carts"], "/users/").equals("/users")


@about.rule("longest_prefix")
def whole_parts_only(longest_prefix):
    """A prefix ends where a part of the path ends: /cart is no prefix of /carts or /cartoons."""
    look = "compare with a slash behind both, or part by part"
    call(longest_prefix, ["/shop", "/shop/cart"], "/shop/carts/ada").equals("/shop", look)
    call(longest_prefix, ["/shop/cart", "/shop"], "/shop/cartoons").equals("/shop", look)
    call(longest_prefix, ["/shop", "/shop/cart"], "/shop/cart-old").equals(
        "/shop", look="a part ends at a slash, and at no other character"
    )


@about.rule("longest_prefix")
def the_longest_one_wins_in_any_order(longest_prefix):
    """Of several prefixes the longest counts, wherever it stands in the table."""
    table = ["/inventory", "/inventory/stock", "/"]
    look = "the order of the table says nothing: compare the lengths"
    for prefixes in (table, table[::-1], [table[1], table[2], table[0]]):
        call(longest_prefix, prefixes, "/inventory/stock/book").equals("/inventory/stock", look)
        call(longest_prefix, prefixes, "/inventory/reservations/c1").equals("/inventory", look)
    call(longest_prefix, ["/b/c", "/b"], "/b/x").equals("/b")


@about.rule("longest_prefix")
def the_root_is_a_prefix_of_everything(longest_prefix):
    """The prefix / fits every path, when nothing longer does."""
    look = "a slash behind / makes //, which no path begins with"
    call(longest_prefix, ["/carts", "/"], "/products/book").equals("/", look)
    call(longest_prefix, ["/"], "/").equals("/", look)


@about.rule("longest_prefix")
def none_if_none_fits(longest_prefix):
    """Where no prefix fits, the answer is None."""
    call(longest_prefix, [], "/carts").equals(None, look="an empty table: max needs a default")
    call(longest_prefix, ["/carts"], "/").equals(None)
    call(longest_prefix, ["/cart"], "/cartoons").equals(None)
    call(longest_prefix, ["/carts"], "/old/carts").equals(
        None, look="a prefix stands at the beginning of the path"
    )
    call(longest_prefix, ["/carts"], "/Carts").equals(None, look="paths know small and capital")


@about.rule("longest_prefix")
def any_iterable_is_a_table(longest_prefix):
    """The prefixes may come as a dictionary, or one after the other."""
    call(longest_prefix, {"/": "monolith", "/carts": "carts"}, "/carts").equals("/carts")
    call(
        longest_prefix,
        iter(["/", "/carts"]),
        "/carts/ada",
        shown_as="longest_prefix(iter(['/', '/carts']), '/carts/ada')",
    ).equals("/carts", look="an iterator can be gone through only once")


about.hints(
    "longest_prefix",
    'Why does `"/cartoons".startswith("/cart")` say yes, and what would you add to both?',
    """
    A prefix fits if the path, with a slash behind it, begins with the prefix, with a slash behind
    it. For the prefix / that slash is there already. Of those that fit, take the longest.
    """,
    """
    fitting = [p for p in prefixes if f"{path}/".startswith(f"{p.rstrip('/')}/")]
    return max(fitting, key=…, default=…)
    """,
)


# --- Facade.move ------------------------------------------------------------------------------

OLD, NEW = "http://old", "http://new"


class _Route(Turnstile):
    """A turnstile whose requests under way finish exactly when somebody waits for them."""

    def __init__(self) -> None:
        super().__init__(OLD)
        self.under_way = 0
        self.stuck = False
        self.waited_s: list[float] = []

    def pass_one(self) -> None:
        self.enter()
        self.under_way += 1

    def wait_until_idle(self, within_s: float) -> None:
        self.waited_s.append(within_s)
        if not self._holding:
            self.pass_one()  # while nobody is held, one more is always under way
        if self.stuck:
            raise StillBusyError("one request is not answered")
        while self.under_way > (0 if self._holding else 1):
            self.under_way -= 1
            self.leave()


class _Moving(Facade):
    """A façade whose routes can be watched."""

    def __init__(self) -> None:
        super().__init__(OLD, ["/carts", "/users"])
        self.carts = _Route()
        self.routes["/carts"] = self.carts
        self.alone = False

    @contextmanager
    def moving(self, prefix: str) -> Iterator[Turnstile]:
        with super().moving(prefix) as turnstile:
            self.alone = True
            try:
                yield turnstile
            finally:
                self.alone = False

    def where(self, prefix: str = "/carts") -> str:
        """Where a request is told to go now; an empty text if it is held."""
        entered = self.routes[prefix].enter()
        return entered.result() if entered.done() else ""


class _Copy:
    """A copy that looks around while it runs."""

    def __init__(self, facade: _Moving, error: BaseException | None = None):
        self.facade, self.error = facade, error
        self.calls = self.under_way = 0
        self.alone = False
        self.held: list[Future[str]] = []
        self.was_held = self.had_waited = False
        self.others = self.to = ""

    def __call__(self) -> None:
        self.calls += 1
        self.under_way = self.facade.carts.under_way
        self.had_waited = bool(self.facade.carts.waited_s)
        self.alone = self.facade.alone
        self.held.append(self.facade.carts.enter())
        self.was_held = not self.held[-1].done()
        self.others = self.facade.where("/users")
        self.to = self.facade.carts.to
        if self.error is not None:
            raise self.error


def _move(move: Callable, facade: _Moving, copy: Callable | None = None, **more: float) -> Answer:
    shown = ", ".join(
        [
            "'/carts'",
            f"'{NEW}'",
            *(["copy"] if copy else []),
            *(f"{k}={v}" for k, v in more.items()),
        ]
    )
    arguments = [copy] if copy else []
    return call(move, facade, "/carts", NEW, *arguments, **more, shown_as=f"facade.move({shown})")


def _went(future: "Future[str]") -> str:
    return f"went to {future.result()}" if future.done() else "is still held"


@about.rule("Facade.move")
def the_route_leads_to_the_new_place(move):
    """After the move, requests of this route go to the new place, and no others do."""
    scenario("a façade whose routes lead to http://old, and no request under way")
    facade = _Moving()
    _move(move, facade).equals(None)
    if not facade.where():
        raise fail("a request that comes now is held", "it passes", "turnstile.let_go()")
    if facade.where() != NEW:
        raise fail(
            f"a request that comes now goes to {facade.where()}",
            f"to {NEW}",
            "turnstile.to says where requests go",
        )
    if facade.where("/users") != OLD:
        raise fail("requests to /users go elsewhere, too", f"to {OLD}", "move one route only")


@about.rule("Facade.move")
def new_requests_are_held_while_the_data_is_copied(move):
    """A request of this route that comes during the copy is held, then goes to the new place."""
    scenario("a request to /carts, and one to /users, that come in the middle of the copy")
    facade = _Moving()
    copy = _Copy(facade)
    _move(move, facade, copy).equals(None)
    if copy.calls != 1:
        raise fail(f"copy was called {copy.calls} times", "once", "copy()")
    (held,) = copy.held
    if not held.done():
        raise fail("the held request was never let go", f"it goes to {NEW}", "turnstile.let_go()")
    if not copy.was_held:
        raise fail(
            f"the request to /carts {_went(held)} at once",
            f"it is held, and then goes to {NEW}",
            "hold before you copy: what it writes after the copy is not in the copy",
        )
    if held.result() != NEW:
        raise fail(
            f"the held request to /carts {_went(held)}",
            f"it goes to {NEW}",
            "set turnstile.to before you let go",
        )
    if copy.to != OLD:
        raise fail(
            "the route led to the new place before its data was there",
            "turnstile.to changes after the copy",
            "what if the copy fails?",
        )
    if copy.others != OLD:
        raise fail("the request to /users was held", "only /carts waits", "hold one turnstile")


@about.rule("Facade.move")
def those_under_way_are_answered_before_the_copy(move):
    """The copy begins when no request of this route is under way any more."""
    scenario("two requests to /carts under way, which write until somebody waits for them")
    facade = _Moving()
    facade.carts.pass_one()
    facade.carts.pass_one()
    copy = _Copy(facade)
    _move(move, facade, copy).equals(None)
    if copy.under_way:
        look = "turnstile.wait_until_idle(within_s) stands between hold and copy"
        if copy.had_waited:
            look = "hold first, then wait: otherwise new requests come as others finish"
        raise fail(
            f"{copy.under_way} requests were under way while the data was copied", "none", look
        )


@about.rule("Facade.move")
def it_waits_as_long_as_it_was_told(move):
    """Those under way get `within_s` seconds."""
    scenario("a façade with nothing under way")
    facade = _Moving()
    _move(move, facade, within_s=3.5).equals(None)
    if facade.carts.waited_s != [3.5]:
        raise fail(f"wait_until_idle was told {facade.carts.waited_s}", "[3.5]", "pass within_s on")


@about.rule("Facade.move")
def if_they_take_too_long_nothing_moves(move):
    """If those under way take longer, StillBusyError goes through, and everything is as before."""
    scenario("a request to /carts that is not answered in time, and one that comes meanwhile")
    facade = _Moving()
    facade.carts.pass_one()
    facade.carts.stuck = True
    copy = _Copy(facade)
    _move(move, facade, copy).raises(
        StillBusyError, look="let the error of wait_until_idle through: nothing has moved"
    )
    if copy.calls:
        raise fail("copy was called", "it is not: a write is under way")
    if len(facade.carts.waited_s) != 1:
        raise fail(f"it waited {len(facade.carts.waited_s)} times", "once, for within_s seconds")
    _is_as_before(facade)


@about.rule("Facade.move")
def if_the_copy_fails_nothing_moves(move):
    """If the copy fails, its error goes through, and held requests go where they would have."""
    for error in (OSError("the disk is full"), KeyboardInterrupt("the operator")):
        scenario(f"a copy that raises {type(error).__name__}, and a request that comes meanwhile")
        facade = _Moving()
        copy = _Copy(facade, error)
        _move(move, facade, copy).raises(
            type(error), look="whoever moves the route must hear that it has not moved"
        )
        _is_as_before(facade)
        if _went(copy.held[0]) != f"went to {OLD}":
            raise fail(f"the held request {_went(copy.held[0])}", f"it goes to {OLD}")


def _is_as_before(facade: _Moving) -> None:
    given("a request that comes after that")
    if not facade.where():
        raise fail(
            "it is held, and nobody will let it go",
            f"it goes to {OLD}",
            "whatever happens, let go: try … finally",
        )
    if facade.where() != OLD:
        raise fail(f"it goes to {facade.where()}", f"to {OLD}, where the data is")


@about.rule("Facade.move")
def an_unknown_route_is_refused(move):
    """A prefix that is not in the route table is an UnknownRouteError."""
    scenario("a façade with the routes /, /carts and /users")
    call(move, _Moving(), "/orders", NEW, shown_as=f"facade.move('/orders', '{NEW}')").raises(
        UnknownRouteError, look="self.moving(prefix) raises it"
    )


@about.rule("Facade.move")
def nothing_else_moves_meanwhile(move):
    """While a route moves, no other move is made: all of it stands inside `self.moving`."""
    scenario("a copy that looks whether another move could begin")
    facade = _Moving()
    copy = _Copy(facade)
    _move(move, facade, copy).equals(None)
    if not copy.alone:
        raise fail(
            "another move may begin during the copy",
            "self.moving(prefix) keeps it out until all is done",
            "two moves of one route at once: the first lets go what the second holds",
        )


about.hints(
    "Facade.move",
    """
    A write that is answered just before you copy is in the copy. One that is answered just after
    is not. Which requests must not be answered while you copy, and what about those that the old
    place has already begun?
    """,
    """
    Inside `with self.moving(prefix) as turnstile`: hold, then wait until idle, copy, change
    turnstile.to. Let go in any case, and last: in the `finally` of a `try` that begins after hold.
    """,
    """
    with self.moving(prefix) as turnstile:
        turnstile.hold()
        try:
            turnstile.wait_until_idle(…)
            …                       # the data, then where the route leads
        finally:
            turnstile.…
    """,
)
