"""A proxy between real sockets: what it hands on, what it refuses, and what it never does."""

import asyncio
import contextlib
import http.client
import threading
from urllib.parse import urlsplit

import pytest
from backends import (
    GOOD,
    PATIENCE_S,
    Recorder,
    ask,
    dial,
    read_all,
    read_exactly,
    read_head,
    refusing,
    replying,
    resetting,
    saying,
    saying_last,
    until,
)

from amazonian.resilience.clock import SimulatedClock
from amazonian.shop import proxy, shedding
from amazonian.shop.balancing import Backend
from amazonian.shop.health import ActiveHealth, PassiveHealth

MIB = 2**20


# --- a request and its reply, as they were ----------------------------------------------------


def test_a_request_reaches_the_backend_as_it_was_sent(balanced, serving):
    backend = Recorder()
    with balanced(serving(backend)) as (_, url):
        headers = {"X-Thing": "a, b", "Content-Type": "text/plain", "Cookie": "a=1; b=2"}
        ask(url, "PATCH", "/a%2Fb/%C3%A9;c?x=%20y&x=1&z", b"body", headers)
    (seen,) = backend.requests
    assert (seen.method, seen.target, seen.body) == (
        "PATCH",
        "/a%2Fb/%C3%A9;c?x=%20y&x=1&z",
        b"body",
    )
    for name, value in headers.items():
        assert seen.all(name.lower()) == [value]
    assert seen.all("host") == [urlsplit(url).netloc]
    assert seen.all("content-length") == ["4"]
    assert seen.all("transfer-encoding") == []


def test_a_reply_reaches_the_client_as_it_was_sent(balanced, serving):
    sent = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"etag", b'"x"')]
    with balanced(serving(replying(418, b"short and stout", headers=sent))) as (_, url):
        reply = ask(url)
    assert (reply.status, reply.content) == (418, b"short and stout")
    assert reply.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert reply.headers.get_all("etag") == ['"x"']
    assert reply.headers.get_all("content-length") == ["15"]
    assert len(reply.headers.get_all("date")) == 1


def test_headers_about_a_connection_end_at_the_proxy_both_ways(balanced, serving):
    its_own = [(b"connection", b"x-gone, keep-alive"), (b"x-gone", b"1"), (b"keep-alive", b"max=5")]
    backend = Recorder(replying(200, b"ok", headers=[*its_own, (b"x-kept", b"1")]))
    about_it = {"Connection": "X-Mine, close", "X-Mine": "1", "TE": "trailers", "Upgrade": "h2c"}
    about_it |= {"Proxy-Connection": "keep-alive", "Proxy-Authorization": "Basic x"}
    with balanced(serving(backend)) as (_, url):
        reply = ask(url, headers={**about_it, "X-Kept": "1"})
    reached = {name for name, _ in backend.requests[0].headers}
    assert not reached & {name.lower() for name in about_it}
    assert "x-kept" in reached
    assert reply.headers["x-kept"] == "1"
    assert reply.headers["x-gone"] is reply.headers["keep-alive"] is None


def test_the_backend_is_told_who_asks_and_a_client_can_not_hide_it(balanced, serving):
    backend = Recorder()
    lies = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Via": "1.0 other"}
    with balanced(serving(backend)) as (_, url):
        ask(url, headers={**lies, "X-Forwarded-Host": "bank.example"})
    (seen,) = backend.requests
    assert seen.all("x-forwarded-for") == ["1.2.3.4, 127.0.0.1"]
    assert seen.all("x-forwarded-proto") == ["http"]
    assert seen.all("x-forwarded-host") == [urlsplit(url).netloc]
    assert seen.all("via") == ["1.0 other, 1.1 amazonian"]


def test_a_body_of_unknown_length_arrives_in_chunks_both_ways(balanced, serving):
    backend = Recorder(replying(200, b"one", b"two"))
    with balanced(serving(backend)) as (_, url):
        reply = ask(url, "POST", body=iter([b"ab", b"", b"c" * 70_000]), encode_chunked=True)
    assert backend.requests[0].body == b"ab" + b"c" * 70_000
    assert backend.requests[0].all("content-length") == []
    assert (reply.content, reply.headers["transfer-encoding"]) == (b"onetwo", "chunked")


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [
        ("HEAD", 200, [(b"content-length", b"1000")]),
        ("GET", 204, []),
        ("GET", 304, [(b"content-length", b"1000"), (b"etag", b'"x"')]),
    ],
)
def test_a_reply_without_a_body_has_none_and_the_connections_go_on(
    balanced, scripted, method, status, headers
):
    lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
    backend = scripted(saying(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, lines)))
    with balanced(backend.url) as (_, url), dial(url) as client:
        for _ in range(2):
            client.sendall(method.encode() + b" / HTTP/1.1\r\nhost: x\r\n\r\n")
            head = read_head(client)
            assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"transfer-encoding" not in head
        assert (b"content-length: 1000" in head) == (method == "HEAD")
    assert (len(backend.heads), backend.connections) == (2, 1)


def test_replies_below_200_are_not_the_reply(balanced, scripted):
    hints = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    backend = scripted(saying(hints + GOOD))
    with balanced(backend.url) as (_, url):
        for _ in range(2):
            assert (ask(url).status, ask(url).content) == (200, b"ok")
    assert backend.connections == 1


def test_a_reply_that_ends_with_its_connection_is_whole(balanced, scripted):
    backend = scripted(saying_last(b"HTTP/1.0 200 OK\r\n\r\nas long as it is"))
    with balanced(backend.url) as (_, url):
        assert ask(url).content == b"as long as it is"


def test_a_reply_that_was_to_end_with_its_connection_is_not_whole_if_that_breaks(
    balanced, scripted
):
    backend = scripted(resetting(b"HTTP/1.0 200 OK\r\n\r\nas long"))
    with balanced(backend.url) as (_, url), pytest.raises(http.client.IncompleteRead):
        ask(url)


def test_a_connection_that_its_backend_will_close_is_not_used_again(balanced, scripted):
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    backend = scripted(saying(closing))
    with balanced(backend.url) as (_, url):
        assert [ask(url, "POST", body=b"").status for _ in range(3)] == [200] * 3
    assert backend.connections == 3


def test_pipelined_requests_get_their_replies_in_order(balanced, serving):
    async def echo(scope, receive, send):
        await replying(200, scope["raw_path"])(scope, receive, send)

    with balanced(serving(echo), serving(echo)) as (_, url), dial(url) as client:
        client.sendall(
            b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\n"
            b"GET /2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        data = read_all(client)
    assert data.index(b"/1") < data.index(b"/2")


def test_connections_are_kept_on_both_sides(balanced, serving):
    backend = Recorder()
    with balanced(serving(backend)) as (_, url), dial(url) as client:
        for _ in range(20):
            client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n.")
            assert read_head(client).startswith(b"HTTP/1.1 200")
            assert read_exactly(client, 2) == b"ok"
    assert (len(backend.requests), len(backend.clients)) == (20, 1)


# --- bodies in pieces -------------------------------------------------------------------------


def test_a_reply_waits_for_a_slow_client_at_the_backend_not_in_memory(balanced, serving):
    sent = [0]

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while sent[0] < 200 * MIB:
            await send({"type": "http.response.body", "body": b"." * MIB, "more_body": True})
            sent[0] += MIB
        await send({"type": "http.response.body", "body": b""})

    with balanced(serving(endless)) as (_, url), dial(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        read_head(client)
        stood_still_at(lambda: sent[0])
        assert sent[0] < 40 * MIB
        received = 0
        while received < 100 * MIB:
            received += len(client.recv(MIB))
        assert sent[0] < 140 * MIB


def test_a_request_waits_for_a_slow_backend_at_the_client_not_in_memory(balanced, serving):
    go_on, taken = threading.Event(), [0]

    async def slow(scope, receive, send):
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, PATIENCE_S)
        more = True
        while more:
            message = await receive()
            taken[0] += len(message["body"])
            more = message["more_body"]
        await replying(200, b"ok")(scope, receive, send)

    with balanced(serving(slow)) as (_, url), dial(url) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (200 * MIB))
        client.setblocking(False)
        pushed = [0]

        def push():
            with contextlib.suppress(BlockingIOError):
                while pushed[0] < 200 * MIB:
                    pushed[0] += client.send(b"." * min(MIB, 200 * MIB - pushed[0]))
            return pushed[0]

        stood_still_at(push)
        assert pushed[0] < 40 * MIB
        go_on.set()
        client.settimeout(PATIENCE_S)
        client.sendall(b"." * (200 * MIB - pushed[0]))
        assert read_head(client).startswith(b"HTTP/1.1 200")
    assert taken[0] == 200 * MIB


def stood_still_at(look):
    """What `look` says once it has said the same for a while."""
    still = threading.Event()
    last, times = -1, 0
    while times < 20:
        still.wait(0.01)
        now = look()
        times = times + 1 if now == last else 0
        last = now
    return last


def test_a_reply_may_begin_before_the_request_has_ended(balanced, serving):
    async def echo(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    with balanced(serving(echo)) as (_, url), dial(url) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        client.sendall(b"3\r\none\r\n")
        assert read_head(client).startswith(b"HTTP/1.1 200")
        assert read_exactly(client, 8) == b"3\r\none\r\n"
        client.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
        assert read_exactly(client, 13) == b"3\r\ntwo\r\n0\r\n\r\n"


def test_a_backend_may_refuse_before_the_body_is_complete(balanced, scripted):
    """The rest of that body is never taken for the next request."""
    backend = scripted(saying(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"))
    with balanced(backend.url) as (_, url):
        for _ in range(2):
            with dial(url) as client:
                client.sendall(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n....")
                assert read_head(client).startswith(b"HTTP/1.1 413")
    assert (backend.connections, len(backend.heads)) == (2, 2)


def test_a_body_in_an_unknown_coding_is_refused(balanced, serving):
    backend = Recorder()
    with balanced(serving(backend)) as (_, url), dial(url) as client:
        client.sendall(
            b"PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
        )
        assert read_head(client).startswith(b"HTTP/1.1 501")
    assert backend.requests == []


# --- Expect: 100-continue ---------------------------------------------------------------------

ASKING = b"PUT / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"


def test_the_client_is_told_to_go_on_when_the_backend_says_so(balanced, serving):
    backend = Recorder()
    with balanced(serving(backend)) as (_, url), dial(url) as client:
        client.sendall(ASKING)
        assert read_head(client).startswith(b"HTTP/1.1 100")
        client.sendall(b"body")
        assert read_head(client).startswith(b"HTTP/1.1 200")
    assert backend.requests[0].body == b"body"


def test_a_body_that_the_backend_does_not_want_is_never_asked_for(balanced, serving):
    with balanced(serving(replying(401, b"who?"))) as (_, url), dial(url) as client:
        client.sendall(ASKING)
        data = read_all(client)
    assert data.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in data


def test_a_backend_that_knows_nothing_of_expect_gets_the_body_all_the_same(
    balanced, scripted, monkeypatch
):
    monkeypatch.setattr("amazonian.shop.caller.PERMISSION_WITHIN_S", 0.05)

    def script(backend, connection):
        assert read_exactly(connection, 4) == b"body"
        connection.sendall(GOOD)

    with balanced(scripted(script).url) as (_, url), dial(url) as client:
        client.sendall(ASKING)
        assert read_head(client).startswith(b"HTTP/1.1 100")
        client.sendall(b"body")
        assert read_head(client).startswith(b"HTTP/1.1 200")


# --- which backends ---------------------------------------------------------------------------


def test_without_any_backend_the_service_is_unavailable(balanced):
    with balanced() as (_, url):
        reply = ask(url)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")


def test_when_all_refuse_it_is_a_bad_gateway(balanced):
    with refusing() as one, refusing() as two, balanced(one, two) as (_, url):
        assert ask(url, "POST", body=b"x").status == 502


def test_a_backend_that_fails_three_times_gets_nothing_more(balanced, serving):
    clock = SimulatedClock()
    ill, well = Recorder(replying(500, b"no")), Recorder()
    passive = PassiveHealth(clock)
    with balanced(serving(ill), serving(well), passive=passive) as (_, url):
        statuses = [ask(url).status for _ in range(10)]
        assert statuses.count(500) == len(ill.requests) == 3
        clock.sleep(10.0)
        ill.reply = replying(200, b"ok")
        assert [ask(url).status for _ in range(10)] == [200] * 10
        assert len(ill.requests) == 8


def test_a_backend_that_sheds_load_is_not_taken_for_ill(balanced, serving):
    with balanced(serving(replying(503, b"busy"))) as (made, url):
        for _ in range(5):
            assert ask(url).status == 503
        assert made.healthy("0")


def test_probes_can_take_a_backend_out(balanced, serving):
    active = ActiveHealth()
    ill, well = Recorder(), Recorder()
    with balanced(serving(ill), serving(well), active=active) as (_, url):
        active.probed("0", False)
        active.probed("0", False)
        assert [ask(url).status for _ in range(4)] == [200] * 4
    assert (len(ill.requests), len(well.requests)) == (0, 4)


def test_a_draining_backend_finishes_what_it_has_and_gets_nothing_new(balanced, serving):
    working, go_on = threading.Event(), threading.Event()

    async def slow(scope, receive, send):
        working.set()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, PATIENCE_S)
        await replying(200, b"slow")(scope, receive, send)

    replies = []
    with balanced(serving(slow), serving(replying(200, b"other"))) as (made, url):
        first = threading.Thread(target=lambda: replies.append(ask(url).content))
        first.start()
        assert working.wait(PATIENCE_S)
        assert not made.drain("0", within_s=0.0)
        assert [ask(url).content for _ in range(4)] == [b"other"] * 4
        go_on.set()
        assert made.drain("0", within_s=PATIENCE_S)
        first.join(PATIENCE_S)
        assert replies == [b"slow"]
        made.remove("0")
        made.add(Backend("new", made.backends[0].url))
        assert [backend.name for backend in made.backends] == ["1", "new"]


# --- the gate ---------------------------------------------------------------------------------


def test_the_gate_refuses_cheaply_and_lets_in_whoever_comes_when_there_is_room(balanced, serving):
    working, go_on = threading.Event(), threading.Event()

    async def slow(scope, receive, send):
        working.set()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, PATIENCE_S)
        await replying(200, b"slow")(scope, receive, send)

    gate = shedding.Gate(1, 1, 100.0, SimulatedClock())
    with balanced(serving(slow), gate=gate) as (_, url):
        with dial(url) as inside, dial(url) as gives_up:
            inside.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert working.wait(PATIENCE_S)
            gives_up.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            until(lambda: len(gate.line) == 1)
            refused = ask(url)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            gives_up.close()
            until(lambda: len(gate.line) == 0)  # its caller has gone: nobody works for it
            with dial(url) as waits:
                waits.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n.")
                until(lambda: len(gate.line) == 1)
                go_on.set()
                assert read_head(inside).startswith(b"HTTP/1.1 200")
                assert read_head(waits).startswith(b"HTTP/1.1 200")
        until(lambda: gate.inside == 0)


# --- the rule ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "sent", "kept", "again"),
    [
        ("POST", False, True, True),
        ("POST", True, True, False),
        ("PATCH", True, True, False),
        ("CONNECT", True, True, False),
        ("PUT", True, True, True),
        ("PUT", True, False, False),
        ("GET", True, True, True),
    ],
)
def test_what_may_be_sent_again(method, sent, kept, again):
    assert proxy.may_send_again(method, sent, kept) is again
