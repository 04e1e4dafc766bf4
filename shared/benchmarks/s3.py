"""S3 beside moto_server, in one run: PUT and GET by size, with 1 and with 8 connections.

    .venv/bin/python shared/benchmarks/s3.py [--seconds 3]

Requests are signed beforehand and replayed, since boto3 costs 2 ms a call and would measure
itself: small ones by wrk (Debian: apt install wrk), 64 MiB by a client on plain sockets. Both
servers are processes of their own on loopback. Ours is durable (a flush before each answer) and
codes 4+2; moto keeps objects in memory.
"""

import argparse
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.client import Config

ROOT = Path(__file__).resolve().parents[2]
MOTO = ROOT / ".venv" / "clients" / "bin" / "moto_server"
KIB, MIB = 2**10, 2**20
SIZES = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": MIB}
LARGE_BYTES = 64 * MIB
KEYS = 16
WRK = """
local paths, at = {}, 0
for line in io.lines("%(paths)s") do paths[#paths + 1] = line end
local body = string.rep("x", %(size)d)
request = function()
    at = at %% #paths + 1
    if "%(method)s" == "PUT" then return wrk.format("PUT", paths[at], nil, body) end
    return wrk.format("GET", paths[at])
end
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A server process, once it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        else:
            sys.exit(f"{command[0]} did not start")
        yield
    finally:
        process.terminate()
        process.wait(20)


class Target:
    """A server under test, and a client that signs for it."""

    def __init__(self, name: str, port: int, key: str, secret: str, folder: Path):
        self.name, self.folder = name, folder
        self.address = ("127.0.0.1", port)
        self.s3 = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
            ),
        )
        self.s3.create_bucket(Bucket="bench")

    def path(self, method: str, key: str) -> str:
        operation = "put_object" if method == "PUT" else "get_object"
        url = self.s3.generate_presigned_url(operation, {"Bucket": "bench", "Key": key}, 3600)
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}"

    def rate(self, method: str, size: int, connections: int, seconds: int) -> float:
        """Requests per second, replayed by wrk."""
        for i in range(KEYS if method == "GET" else 0):
            self.s3.put_object(Bucket="bench", Key=f"{size}/{i}", Body=bytes(size))
        paths = self.folder / "paths"
        paths.write_text("\n".join(self.path(method, f"{size}/{i}") for i in range(KEYS)))
        script = self.folder / "replay.lua"
        script.write_text(WRK % {"paths": paths, "size": size, "method": method})
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
        done = subprocess.run(
            ["wrk", *options, f"http://{self.address[0]}:{self.address[1]}"],
            capture_output=True,
            text=True,
            check=True,
        )
        if "Non-2xx" in done.stdout:
            sys.exit(f"{self.name} refused requests:\n{done.stdout}")
        found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        return float(found[1]) if found else 0.0

    def large(self, method: str, connections: int, rounds: int) -> float:
        """MB/s of 64 MiB objects, over plain sockets."""
        paths = [self.path(method, f"large/{i}") for i in range(connections)]
        body = memoryview(bytes(LARGE_BYTES))

        def work(path: str) -> None:
            for _ in range(rounds):
                self._exchange(method, path, body)

        threads = [threading.Thread(target=work, args=(path,)) for path in paths]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return LARGE_BYTES * connections * rounds / (time.perf_counter() - begun) / 1e6

    def _exchange(self, method: str, path: str, body: memoryview) -> None:
        size = len(body) if method == "PUT" else 0
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\n"
        head += f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
        buffer = memoryview(bytearray(MIB))
        with socket.create_connection(self.address, 60) as connection:
            connection.sendall(head.encode())
            if size:
                connection.sendall(body)
            connection.recv_into(buffer)
            if b" 200 " not in bytes(buffer[:15]):
                sys.exit(f"{self.name}: {bytes(buffer[:300])!r}")
            while connection.recv_into(buffer):
                pass


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=int, default=3, help="for each figure")
    seconds = arguments.parse_args().seconds
    if shutil.which("wrk") is None or not MOTO.exists():
        sys.exit("needs wrk (Debian: apt install wrk) and moto_server (make test installs it)")
    amazonian = str(ROOT / ".venv" / "bin" / "amazonian")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as servers:
        folder = Path(name)
        users = folder / "users.json"
        users.write_text(
            '{"accounts": [{"account_id": "111111111111", "canonical_id": "main",'
            ' "display_name": "main", "email": "main@example.com", "access_keys":'
            ' [{"access_key_id": "AKIAMAIN", "secret_access_key": "secret"}]}]}'
        )
        ports = free_port(), free_port()
        ours = [amazonian, "up", "--port", str(ports[0]), "--data", name, "--users", str(users)]
        servers.enter_context(running(ours, ports[0]))
        servers.enter_context(running([str(MOTO), "-p", str(ports[1])], ports[1]))
        targets = [
            Target(who, port, "AKIAMAIN", "secret", folder)
            for who, port in zip(("amazonian", "moto"), ports, strict=True)
        ]
        print(f"{os.cpu_count()} cores; {seconds} s a figure")
        print(f"{'':<22}{'amazonian':>12}{'moto':>12}{'ratio':>8}")
        for connections in (1, 8):
            for label, size in SIZES.items():
                for method in ("PUT", "GET"):
                    figures = [t.rate(method, size, connections, seconds) for t in targets]
                    report(f"{method} {label} x{connections}", "/s", figures)
            for method in ("PUT", "GET"):
                rounds = 2 if connections == 1 else 1
                figures = [t.large(method, connections, rounds) for t in targets]
                report(f"{method} 64 MiB x{connections}", "MB/s", figures)


def report(label: str, unit: str, figures: list[float]) -> None:
    ours, theirs = figures
    print(f"{label:<17}{unit:<5}{ours:>12,.0f}{theirs:>12,.0f}{ours / theirs:>7.1f}x", flush=True)


if __name__ == "__main__":
    main()
