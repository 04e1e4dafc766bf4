"""HTTP for the services: what becomes of a request, good or bad, seen by a client of its own."""

import json
import socket
from collections.abc import Iterator

import pytest
import urllib3

from amazonian.resilience import web
from amazonian.resilience.database import OutcomeUnknownError, UnavailableError
from amazonian.resilience.web import App, ProblemError, Reply

ERRORS = {
    "bug": RuntimeError("a secret"),
    "disk": UnavailableError("the disk is full"),
    "unknown": OutcomeUnknownError("the server went away"),
    "refused": ProblemError(409, "Out of stock", "none left"),
    "later": ProblemError(503, "Busy", retry_after_s=7),
}


def app() -> App:
    made = App()

    @made.route("GET", "/carts/{user}")
    def cart(request):
        return {"user": request.parameters["user"], "query": request.query}

    @made.route("PUT", "/carts/{user}")
    def change(request):
        return Reply(201, request.body, {"location": "/carts/x"})

    @made.route("DELETE", "/carts/{user}")
    def remove(request):
        return Reply(204)

    @made.route("GET", "/errors/{name}")
    def fail(request):
        raise ERRORS[request.parameters["name"]]

    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with web.serving(app()) as served:
        yield served


def ask(url: str, method: str, path: str, body: bytes | None = None) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(retries=False) as client:
        return client.request(method, url + path, body=body)


def test_a_template_takes_one_part_of_the_path_decoded(url: str) -> None:
    reply = ask(url, "GET", "/carts/a%2Fb%20%C3%A9?x=1&y=&x=2")
    assert reply.json() == {"user": "a/b é", "query": {"x": "2", "y": ""}}
    assert ask(url, "GET", "/carts/a/b").status == 404
    assert ask(url, "GET", "/carts/").status == 404
    assert ask(url, "GET", "/%63arts/a").status == 404


def test_a_json_body_goes_in_and_out(url: str) -> None:
    body = {"lines": [1, None, "é"]}
    reply = ask(url, "PUT", "/carts/ada", json.dumps(body).encode())
    assert (reply.status, reply.json()) == (201, body)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["location"] == "/carts/x"
    assert ask(url, "PUT", "/carts/ada").json() is None


def test_no_content_has_no_body(url: str) -> None:
    reply = ask(url, "DELETE", "/carts/ada")
    assert (reply.status, reply.data) == (204, b"")
    assert "content-length" not in reply.headers


@pytest.mark.parametrize("body", [b"{", b"\xff", b"NaN", b'{"a": Infinity}', b"[" * 100_000])
def test_what_is_no_json_is_refused(url: str, body: bytes) -> None:
    reply = ask(url, "PUT", "/carts/ada", body[: web.MOST_BYTES])
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["title"] == "The body is no JSON"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(url: str) -> None:
    reply = ask(url, "PUT", "/carts/ada", b"1" * (web.MOST_BYTES + 1))
    assert reply.status == 413
    assert reply.headers["connection"] == "close"


def test_a_body_without_length_is_refused_when_it_has_become_too_large(url: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(web.MOST_BYTES // 1024 + 1):
            yield b"1" * 1024

    with urllib3.PoolManager(retries=False) as client:
        assert client.request("PUT", url + "/carts/ada", body=pieces()).status == 413


def test_another_method_is_refused_with_those_that_there_are(url: str) -> None:
    reply = ask(url, "POST", "/carts/ada")
    assert (reply.status, reply.headers["allow"]) == (405, "DELETE, GET, PUT")


@pytest.mark.parametrize(
    ("name", "status", "title"),
    [
        ("bug", 500, "Internal Server Error"),
        ("disk", 503, "Service Unavailable"),
        ("unknown", 500, "Whether this was done is unknown"),
        ("refused", 409, "Out of stock"),
        ("later", 503, "Busy"),
    ],
)
def test_an_error_becomes_a_problem_that_tells_nothing_of_the_inside(
    url: str, name: str, status: int, title: str
) -> None:
    reply = ask(url, "GET", f"/errors/{name}")
    assert (reply.status, reply.json()["title"], reply.json()["status"]) == (status, title, status)
    assert b"secret" not in reply.data
    assert reply.headers.get("retry-after") == {"disk": "1", "later": "7"}.get(name)


def test_a_client_that_goes_in_the_middle_of_its_body_leaves_the_server_well(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"PUT /carts/ada HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[1")
    assert ask(url, "GET", "/carts/ada").status == 200


@pytest.mark.parametrize("value", [None, 1.0, True, "1", -1, 11])
def test_a_whole_number_is_no_other_thing(value: object) -> None:
    assert web.whole({"n": 10}, "n", 0, 10) == 10
    with pytest.raises(ProblemError, match="from 0 to 10"):
        web.whole({"n": value}, "n", 0, 10)


@pytest.mark.parametrize("body", [None, [], {}, {"name": ""}, {"name": 3}])
def test_a_text_is_there_and_not_empty(body: object) -> None:
    assert web.text({"name": "ada"}, "name") == "ada"
    with pytest.raises(ProblemError, match="name is a text"):
        web.text(body, "name")
