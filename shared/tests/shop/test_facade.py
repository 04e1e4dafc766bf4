"""The façade: which route a path belongs to, how a route moves, and what a client sees of it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
from crew import PATIENCE_S, Gate, in_threads
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience import web
from amazonian.resilience.database import open_database
from amazonian.shop import carts, facade
from amazonian.shop.copying import copy_tables
from amazonian.shop.facade import (
    Facade,
    StillBusyError,
    Turnstile,
    UnknownRouteError,
    longest_prefix,
)

# --- the route table


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/carts", "/carts"),
        ("/carts/", "/carts"),
        ("/carts/bob", "/carts"),
        ("/carts/ada/lines/x", "/carts/ada"),
        ("/cartoons", "/"),
        ("/", "/"),
        ("/other/carts", "/"),
    ],
)
def test_a_path_belongs_to_the_longest_prefix_by_whole_parts(path: str, route: str) -> None:
    assert longest_prefix(["/", "/carts", "/carts/ada"], path) == route
    assert longest_prefix(["/carts/ada", "/carts", "/"], path) == route


PATHS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4).map(lambda p: "/" + "/".join(p))


@given(st.sets(PATHS), PATHS)
def test_a_prefix_agrees_with_comparing_part_by_part(prefixes: set[str], path: str) -> None:
    def parts(text: str) -> list[str]:
        return [part for part in text.split("/") if part]

    fitting = [p for p in prefixes if parts(p) == parts(path)[: len(parts(p))]]
    expected = max(fitting, key=lambda p: len(parts(p)), default=None)
    assert longest_prefix(prefixes, path) == expected


# --- the turnstile


def test_it_tells_where_to_go_at_once_or_when_it_lets_go_in_order() -> None:
    turnstile = Turnstile("old")
    assert turnstile.enter().result(0) == "old"
    turnstile.hold()
    waiting = [turnstile.enter() for _ in range(3)]
    told: list[int] = []
    for number, one in enumerate(waiting):
        one.add_done_callback(lambda _, number=number: told.append(number))
    assert not any(one.done() for one in waiting)
    turnstile.to = "new"
    turnstile.let_go()
    assert [one.result(0) for one in waiting] == ["new"] * 3
    assert told == [0, 1, 2]


def test_it_is_idle_when_all_that_passed_have_left() -> None:
    turnstile = Turnstile("old")
    turnstile.enter()
    turnstile.hold()
    with pytest.raises(StillBusyError, match="1 requests are not answered after 0 s"):
        turnstile.wait_until_idle(0)
    turnstile.enter()  # held, so not inside

    def work(number: int) -> None:
        if number:
            turnstile.leave()
        else:
            turnstile.wait_until_idle(PATIENCE_S)

    assert in_threads(2, work) == [None, None]


def test_one_that_was_given_up_while_held_does_not_count() -> None:
    turnstile = Turnstile("old")
    turnstile.hold()
    gone: Future[str] = turnstile.enter()
    assert gone.cancel()
    turnstile.let_go()
    turnstile.wait_until_idle(0)


# --- a route that moves, between two services in this process


def place(name: str, gate: Gate | None = None) -> web.App:
    """A service that says its name, and may be kept from answering."""
    app = web.App()

    @app.route("GET", "/carts/{user}")
    def get(request: web.Request) -> dict:
        if gate is not None:
            gate()
        return {"by": name, "query": request.query}

    @app.route("PUT", "/carts/{user}")
    def put(request: web.Request) -> web.Reply:
        return web.Reply(201, {"by": name, "body": request.body}, {"x-seen": seen(request)})

    @app.route("DELETE", "/carts/{user}")
    def delete(request: web.Request) -> web.Reply:
        return web.Reply(204)

    return app


def seen(request: web.Request) -> str:
    names = ("x-forwarded-for", "content-length", "expect", "x-own")
    return "; ".join(f"{name}={request.headers.get(name)}" for name in names)


@contextmanager
def between(gate: Gate | None = None) -> Iterator[tuple[Facade, str, str]]:
    """A façade, its URL, and the URL of the new place."""
    with web.serving(place("old", gate)) as old, web.serving(place("new")) as new:
        before = Facade(old, ["/carts"])
        with facade.serving(before) as url:
            yield before, url, new


def get(url: str) -> str:
    with urllib3.PoolManager(retries=False) as client:
        return client.request("GET", url + "/carts/ada").json()["by"]


def test_a_route_moves_and_moves_back_and_the_data_is_copied_each_time() -> None:
    copied: list[str] = []
    with between() as (before, url, new):
        assert get(url) == "old"
        before.move("/carts", new, lambda: copied.append("there"))
        assert get(url) == "new"
        before.move_back("/carts", lambda: copied.append("back"))
        assert get(url) == "old"
    assert copied == ["there", "back"]


class Watched(Turnstile):
    """A turnstile that tells when it holds, and when somebody is held."""

    def __init__(self, to: str):
        super().__init__(to)
        self.held, self.somebody_waits = threading.Event(), threading.Event()

    def enter(self) -> "Future[str]":
        entered = super().enter()
        if not entered.done():
            self.somebody_waits.set()
        return entered

    def hold(self) -> None:
        super().hold()
        self.held.set()


def test_the_move_waits_for_what_is_under_way_and_holds_what_comes_since() -> None:
    gate = Gate(None)
    copied: list[bool] = []
    with between(gate) as (before, url, new):
        turnstile = before.routes["/carts"] = Watched(before.monolith)

        def work(number: int) -> str | None:
            if number == 0:
                return get(url)
            if number == 1:
                assert gate.began.wait(PATIENCE_S)
                before.move("/carts", new, lambda: copied.append(gate.go_on.is_set()))
                return None
            if number == 2:
                assert turnstile.held.wait(PATIENCE_S)
                return get(url)
            assert turnstile.somebody_waits.wait(PATIENCE_S)
            gate.go_on.set()
            return None

        assert in_threads(4, work) == ["old", None, "new", None]
    assert copied == [True], "it was copied while a request was under way"


def test_a_move_that_can_not_be_made_leaves_the_route_where_it_was() -> None:
    def fails() -> None:
        raise OSError("the disk is full")

    gate = Gate(None)
    with between(gate) as (before, url, new):
        with pytest.raises(UnknownRouteError, match="the table has /, /carts"):
            before.move("/users", new)
        with pytest.raises(OSError, match="the disk is full"):
            before.move("/carts", new, fails)

        def work(number: int) -> object:
            if number == 0:
                return get(url)
            assert gate.began.wait(PATIENCE_S)
            try:
                with pytest.raises(StillBusyError):
                    before.move("/carts", new, within_s=0)
            finally:
                gate.go_on.set()
            return "refused"

        assert in_threads(2, work) == ["old", "refused"]
        assert get(url) == "old"


# --- what a client sees


def test_a_request_and_its_reply_go_through_whole() -> None:
    with between() as (_, url, _), urllib3.PoolManager(retries=False) as client:
        reply = client.request("GET", url + "/carts/a%20b?x=1&y=%26")
        assert reply.json() == {"by": "old", "query": {"x": "1", "y": "&"}}
        own = {"X-Own": "mine", "Expect": "100-continue"}
        reply = client.request("PUT", url + "/carts/ada", body=b'{"a": 1}', headers=own)
        assert (reply.status, reply.json()["body"]) == (201, {"a": 1})
        through = "x-forwarded-for=127.0.0.1; content-length=8; expect=None; x-own=mine"
        assert reply.headers["x-seen"] == through
        pieces = iter([b'{"a"', b": 2}"])
        assert client.request("PUT", url + "/carts/ada", body=pieces).json()["body"] == {"a": 2}
        reply = client.request("DELETE", url + "/carts/ada")
        assert (reply.status, reply.data) == (204, b"")
        assert client.request("GET", url + "/nothing").status == 404
        assert client.request("POST", url + "/carts/ada").headers["allow"] == "DELETE, GET, PUT"
        too_much = b"1" * (web.MOST_BYTES + 1)
        assert client.request("PUT", url + "/carts/ada", body=too_much).status == 413


def test_a_place_that_is_not_there_is_a_bad_gateway() -> None:
    with web.serving(place("old")) as old:
        pass
    with facade.serving(Facade(old, [])) as url, urllib3.PoolManager(retries=False) as client:
        assert client.request("GET", url + "/carts/ada").status == 502


# --- the copy


def test_a_copy_replaces_what_was_there(tmp_path: Path, closing: Callable) -> None:
    one, other = (
        closing(open_database(tmp_path / name, carts.SCHEMA)) for name in ("one.db", "other.db")
    )
    one.write(lambda tx: carts.put(tx, "ada", "book", 2))
    one.write(lambda tx: carts.take_out(tx, "c1", "bob", []))
    other.write(lambda tx: carts.put(tx, "ada", "pen", 1))
    for _ in range(2):
        assert copy_tables(one, other, carts.TABLES) == 2
    assert [tuple(row) for row in other.read("SELECT * FROM cart_lines")] == [("ada", "book", 2)]
    assert other.read("SELECT * FROM carts_bought") == one.read("SELECT * FROM carts_bought")
