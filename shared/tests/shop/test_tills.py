"""Real processes behind the proxy, a client that is not ours in front, and things that happen."""

import contextlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from backends import ask

from amazonian.course.catalogue import ROOT
from amazonian.resilience.processes import Process
from amazonian.shop import balancing, proxy, till
from amazonian.shop.balancing import Backend

USERS, SALES_EACH = 10, 30
SELLING = Path(__file__).with_name("clients") / "selling.py"
CROWD = (f"--users={USERS}", f"--spawn-rate={USERS}")
NAMES = ("a", "b", "c")


def need(program):
    """The path of a client's program, or a skip that names it."""
    own = ROOT / ".venv" / "clients" / "bin" / program
    found = str(own) if own.exists() else shutil.which(program)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{program} is not installed, and CI must try it")
    if found is None:
        pytest.skip(f"{program} is not installed (make test installs the Python clients)")
    return found


@pytest.fixture(scope="module")
def tills(tmp_path_factory):
    """Three tills on one database, and its path."""
    database = str(tmp_path_factory.mktemp("tills") / "sales.db")
    with contextlib.ExitStack() as stack:
        arguments = ["--database", database, "--work-s", "0.002", "--name"]
        yield (
            {
                name: stack.enter_context(Process("amazonian.shop.till", [*arguments, name]))
                for name in NAMES
            },
            database,
        )


@pytest.fixture
def selling(tills):
    """Have locust buy through a proxy; `events` says what happens after so many answers."""
    processes, database = tills
    locust = need("locust")

    def sell(made, events):
        before = till.sales(database)
        answers = []
        with proxy.serving(made) as url:
            load = subprocess.Popen(
                [locust, "--headless", f"--locustfile={SELLING}", f"--host={url}", *CROWD],
                env={**os.environ, "USERS": str(USERS), "SALES_EACH": str(SALES_EACH)}
                | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            with load:
                for line in load.stdout:
                    match line.split():
                        case ["GET" | "POST" as method, sale, status]:
                            answers.append((method, sale, int(status)))
                            if event := events.get(len(answers)):
                                event()
        assert len(answers) == 2 * USERS * SALES_EACH
        written = till.sales(database) - before
        return answers, written

    yield sell
    for process in processes.values():
        process.start()


def backends(processes):
    return [Backend(name, processes[name].url) for name in NAMES]


def pace(process, work_ms):
    assert ask(process.url, "PUT", "/pace", json.dumps({"work_ms": work_ms})).status == 200


def test_every_sale_that_was_acknowledged_is_kept_and_none_is_made_twice(tills, selling):
    """A backend is killed, started again, and another one is slow for a while, under load."""
    processes, _ = tills
    made = proxy.Proxy(backends(processes), balancing.PowerOfTwo(random.Random(1)))
    answers, written = selling(
        made,
        {
            100: processes["a"].kill,
            200: processes["a"].start,
            300: lambda: pace(processes["b"], 100),
            380: lambda: pace(processes["b"], 2),
            450: processes["c"].kill,
        },
    )
    acknowledged = {sale for method, sale, status in answers if method == "POST" and status == 201}
    failed = [answer for answer in answers if answer[2] not in (200, 201)]
    assert acknowledged <= written.keys()
    assert max(written.values()) == 1
    # A GET finds another backend. A POST that was under way when its backend died is refused, and
    # of those there are at most as many as customers at each of the two deaths.
    assert all(method == "POST" and status == 502 for method, _, status in failed)
    assert len(failed) <= 2 * USERS
    assert len(acknowledged) + len(failed) == USERS * SALES_EACH


def test_backends_can_be_exchanged_one_by_one_without_one_failed_request(tills, selling):
    """Drained, stopped, started again and added, each in its turn, under load: a deployment."""
    processes, _ = tills
    made = proxy.Proxy(backends(processes), balancing.RoundRobin())

    def exchange(name):
        assert made.drain(name)
        made.remove(name)
        processes[name].stop()
        processes[name].start()
        made.add(Backend(name, processes[name].url))

    answers, written = selling(
        made,
        {
            count: lambda n=name: exchange(n)
            for count, name in zip((100, 250, 400), NAMES, strict=True)
        },
    )
    assert {status for _, _, status in answers} == {200, 201}
    assert len(written) == USERS * SALES_EACH
    assert set(written.values()) == {1}


# --- clients that are not ours ----------------------------------------------------------------

ASKED = [
    ("GET", "/prices/a%2Fb?x=1", None),
    ("HEAD", "/prices/42", None),
    ("GET", "/nowhere", None),
    ("DELETE", "/sales", None),
    ("POST", "/sales", "no JSON"),
    ("POST", "/sales", "{}"),
    ("POST", "/sales", '{"sale": "' + "x" * 2_000_000 + '"}'),
]


def by_curl(url, method, body, tmp_path):
    (tmp_path / "body").write_text(body or "")
    command = [need("curl"), "-s", "-i", url, *(["-I"] if method == "HEAD" else ["-X", method])]
    if body is not None:
        command += ["--data-binary", f"@{tmp_path / 'body'}"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    while said.startswith("HTTP/1.1 100"):
        said = said.partition("\n\n")[2]
    head, _, content = said.partition("\n\n")
    status, *headers = head.splitlines()
    pairs = dict(line.split(": ", 1) for line in headers)
    return int(status.split()[1]), pairs, content


def by_library(name):
    def asking(url, method, body, tmp_path):
        library = pytest.importorskip(name)
        data = {"content" if name == "httpx" else "data": body} if body is not None else {}
        reply = library.request(method, url, timeout=30, **data)
        return reply.status_code, dict(reply.headers), reply.text

    return asking


@pytest.fixture(scope="module")
def balancer(tills):
    """The proxy as a process, as one starts it from a shell, before one till."""
    processes, _ = tills
    with Process("amazonian.shop.proxy", [processes["a"].url, "--probe=/health"]) as process:
        yield process


@pytest.mark.parametrize("asking", [by_curl, by_library("httpx"), by_library("requests")])
@pytest.mark.parametrize(("method", "target", "body"), ASKED)
def test_a_client_can_not_tell_the_proxy_from_the_till(
    tills, balancer, asking, method, target, body, tmp_path
):
    """curl asks first whether a large body may come (Expect: 100-continue)."""
    direct = asking(tills[0]["a"].url + target, method, body, tmp_path)
    through = asking(balancer.url + target, method, body, tmp_path)

    def comparable(answer):
        status, headers, content = answer
        names = {name.lower(): value for name, value in headers.items()}
        return status, {n: v for n, v in names.items() if n not in ("date", "connection")}, content

    assert comparable(through) == comparable(direct)
