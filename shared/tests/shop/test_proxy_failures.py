"""A proxy whose backends fail, fall silent, or lose their client: what may be tried again."""

import contextlib
import http.client
import threading

import pytest
from backends import (
    GOOD,
    PATIENCE_S,
    Recorder,
    ask,
    dial,
    read_exactly,
    read_head,
    refusing,
    resetting,
    saying,
    saying_last,
    until,
)

# --- a backend that fails ---------------------------------------------------------------------


def test_a_refused_connection_sends_any_request_elsewhere(balanced, serving):
    backend = Recorder()
    with refusing() as dead, balanced(dead, serving(backend)) as (made, url):
        for method in ("GET", "POST"):
            assert ask(url, method, body=b"x" * 100_000).status == 200
        assert made.passive.failures["0"] == 2
    assert [seen.method for seen in backend.requests] == ["GET", "POST"]
    assert {len(seen.body) for seen in backend.requests} == {100_000}


def test_a_post_that_may_have_arrived_is_never_sent_again(balanced, scripted, serving):
    other = Recorder()
    failing = scripted(resetting())
    with balanced(failing.url, serving(other)) as (_, url):
        reply = ask(url, "POST", body=b"pay")
    assert reply.status == 502
    assert reply.headers["content-type"] == "application/problem+json"
    assert (len(failing.heads), other.requests) == (1, [])


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_an_idempotent_request_is_tried_elsewhere(balanced, scripted, serving, method):
    other = Recorder()
    with balanced(scripted(resetting()).url, serving(other)) as (_, url):
        assert ask(url, method, body=b"small").status == 200
    assert [seen.body for seen in other.requests] == [b"small"]


def test_a_body_that_was_not_kept_can_not_be_sent_again(balanced, scripted, serving):
    def script(backend, connection):
        read_exactly(connection, 200_000)
        connection.close()

    other = Recorder()
    with balanced(scripted(script).url, serving(other)) as (_, url):
        assert ask(url, "PUT", body=b"x" * 200_000).status == 502
    assert other.requests == []


def test_nothing_is_tried_more_than_three_times(balanced, scripted):
    failing = [scripted(resetting()) for _ in range(5)]
    with balanced(*[backend.url for backend in failing]) as (_, url):
        assert ask(url).status == 502
    assert sum(len(backend.heads) for backend in failing) == 3


def test_retries_stop_when_most_requests_need_one(balanced, scripted, serving):
    """An empty quota lets nothing be tried twice: retries must not double an overload."""
    failing = scripted(resetting())
    with balanced(failing.url, serving(Recorder())) as (made, url):
        made.passive.failures_to_eject = 10**9
        while made._quota.acquire("transient"):
            pass
        assert [ask(url).status for _ in range(4)] == [502, 200, 502, 200]


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"." * 500,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n\r\n",
    ],
    ids=["shorter than announced", "without its last chunk", "in broken chunks"],
)
@pytest.mark.parametrize("end", [saying_last, resetting])
def test_a_reply_that_breaks_off_is_never_made_whole(balanced, scripted, serving, beginning, end):
    other = Recorder()
    with balanced(scripted(end(beginning)).url, serving(other)) as (_, url):
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            ask(url)
        assert ask(url).status == 200
    assert len(other.requests) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"what?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 700 What\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["no HTTP", "two lengths", "length and chunks", "an upgrade", "no status", "a coding"],
)
def test_a_backend_that_breaks_the_rules_of_http_is_a_bad_gateway(balanced, scripted, nonsense):
    with balanced(scripted(saying_last(nonsense)).url) as (_, url):
        assert ask(url).status == 502


def test_a_connection_that_says_more_than_was_asked_is_not_used_again(balanced, scripted):
    backend = scripted(saying(GOOD + GOOD))
    with balanced(backend.url) as (_, url):
        assert [ask(url).content for _ in range(3)] == [b"ok"] * 3
    assert backend.connections == 3


def test_a_kept_connection_that_its_backend_has_closed_is_not_tried(balanced, scripted):
    """Even a POST is safe: the proxy has seen the connection end before it sent anything."""
    backend = scripted(saying_last(GOOD))
    with balanced(backend.url) as (made, url):

        def has_seen_it_end():
            kept = made._pool._kept.get(made._pool._address(backend.url), [])
            return not made.backends[0].outstanding and all(connection.lost for connection in kept)

        for _ in range(10):
            assert ask(url, "POST", body=b"x").status == 200
            until(has_seen_it_end)


def test_a_refusal_is_handed_on_though_its_connection_breaks_under_the_body(balanced, scripted):
    """The backend refuses, and closes while the body is coming: a write fails before we read."""
    backend = scripted(resetting(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"))
    with balanced(backend.url) as (_, url):
        for _ in range(50):
            with dial(url) as client:
                client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n")
                with contextlib.suppress(OSError):
                    client.sendall(b"." * 1_000_000)
                assert read_head(client).startswith(b"HTTP/1.1 413")


# --- silence ----------------------------------------------------------------------------------


def test_a_silent_backend_is_a_gateway_timeout_and_nothing_is_tried_twice(
    balanced, scripted, serving
):
    other = Recorder()
    silent = scripted(lambda backend, connection: None)
    with balanced(silent.url, serving(other), silent_s=0.1) as (made, url):
        assert ask(url).status == 504
        assert made.passive.failures["0"] == 1
    assert other.requests == []


def test_silence_in_the_middle_of_a_reply_breaks_it_off(balanced, scripted):
    backend = scripted(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"))
    with balanced(backend.url, silent_s=0.1) as (_, url), pytest.raises(http.client.IncompleteRead):
        ask(url)


def test_a_client_that_dawdles_in_its_body_is_told_so_and_the_backend_is_not_blamed(
    balanced, serving
):
    with balanced(serving(Recorder()), silent_s=0.1) as (made, url), dial(url) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbo")
        assert read_head(client).startswith(b"HTTP/1.1 408")
        assert made.passive.failures["0"] == 0


def test_a_long_upload_that_goes_on_and_on_is_not_silence(balanced, serving):
    backend = Recorder()
    with balanced(serving(backend), silent_s=0.4) as (_, url), dial(url) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 80\r\n\r\n")
        pause = threading.Event()
        for _ in range(80):
            pause.wait(0.01)  # altogether twice as long as anybody may be silent
            client.sendall(b".")
        assert read_head(client).startswith(b"HTTP/1.1 200")
    assert len(backend.requests[0].body) == 80


# --- a client that goes -----------------------------------------------------------------------


@pytest.mark.parametrize("begun", [False, True], ids=["before the reply", "in the reply"])
def test_when_the_client_goes_the_backend_is_told(balanced, serving, begun):
    working, told = threading.Event(), threading.Event()

    async def works(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        working.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        told.set()

    with balanced(serving(works)) as (made, url):
        with dial(url) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert working.wait(PATIENCE_S)
            if begun:
                read_head(client)
        assert told.wait(PATIENCE_S)
        assert made.passive.failures["0"] == 0


def test_when_the_client_goes_in_its_body_the_backend_gets_no_false_end(balanced, serving):
    told = []
    ended = threading.Event()

    async def reads(scope, receive, send):
        while message := await receive():
            told.append((message["type"], message.get("more_body")))
            if message["type"] == "http.disconnect" or not message["more_body"]:
                ended.set()
                return

    with balanced(serving(reads)) as (_, url):
        with dial(url) as client:
            client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            client.sendall(b"3\r\none\r\n")
        assert ended.wait(PATIENCE_S)
    assert told[-1] == ("http.disconnect", None)
