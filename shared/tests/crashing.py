"""A server process that is killed while clients write to it, and what is there afterwards."""

import hashlib
import json
import random
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

USERS = {
    "accounts": [
        {
            "account_id": "111111111111",
            "canonical_id": "main",
            "display_name": "main",
            "email": "main@example.com",
            "access_keys": [{"access_key_id": "AKIAMAIN", "secret_access_key": "secret"}],
        }
    ]
}
SIZES = (0, 100, 5_000, 70_000, 1_500_000)  # inline, and of one stripe or two
BUCKET = "crashes"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def payload(key: str, generation: int, size: int) -> bytes:
    """Bytes that say whose they are, so that a mixture of two writes is seen."""
    seed = hashlib.sha256(f"{key} {generation}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


class Server:
    """``amazonian up`` on a folder, as a process that can be killed."""

    def __init__(self, folder: Path):
        self.folder = folder
        users = folder / "users.json"
        users.write_text(json.dumps(USERS))
        self.port = free_port()
        options = [f"--port={self.port}", f"--data={folder / 'data'}", f"--users={users}"]
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / "amazonian"), "up", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "is up" in line:
                break
        self.s3 = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="AKIAMAIN",
            aws_secret_access_key="secret",
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=20),
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.s3.close()


@dataclass
class Expected:
    """What a key may hold: what was acknowledged last, or a write that was never answered."""

    acknowledged: tuple[int, int] | None = None  # generation, size
    unanswered: list[tuple[int, int]] = field(default_factory=list)


class Writers:
    """Threads that put objects, and now and then multipart ones, until the server is gone."""

    def __init__(self, seed: int, threads: int = 4):
        self.expected: dict[str, Expected] = {}
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._generation = 0
        self._threads = threads
        self.acknowledged = 0

    def run_until_killed(self, server: Server, after: int) -> None:
        """Write; kill the server as soon as `after` more writes have been acknowledged."""
        target = self.acknowledged + after
        enough = threading.Event()

        def work(number: int) -> None:
            while True:
                with self._lock:
                    self._generation += 1
                    key = f"{number}/{self._random.randrange(6)}"
                    wish = self._generation, self._random.choice(SIZES)
                    kept = self.expected.setdefault(key, Expected())
                    kept.unanswered.append(wish)
                    parts = self._random.random() < 0.2
                try:
                    put = self._put_parts if parts else self._put
                    put(server.s3, key, payload(key, *wish))
                except (BotoCoreError, ClientError, OSError, KeyError):
                    return  # KeyError: the answer began, and what it should have told is missing
                with self._lock:
                    kept.acknowledged, kept.unanswered = wish, []
                    self.acknowledged += 1
                    if self.acknowledged >= target:
                        enough.set()

        workers = [threading.Thread(target=work, args=(n,)) for n in range(self._threads)]
        for worker in workers:
            worker.start()
        enough.wait(60)
        server.kill()
        for worker in workers:
            worker.join()

    @staticmethod
    def _put(s3: Any, key: str, body: bytes) -> None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    @staticmethod
    def _put_parts(s3: Any, key: str, body: bytes) -> None:
        where = {"Bucket": BUCKET, "Key": key}
        upload = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
        part = s3.upload_part(**upload, PartNumber=1, Body=body)
        listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(**upload, MultipartUpload=listed)

    def damage(self, server: Server) -> list[str]:
        """What contradicts the promises: an acknowledged write that is not there whole."""
        found = []
        for key, kept in self.expected.items():
            try:
                body = server.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if kept.acknowledged is not None or code != "NoSuchKey":
                    found.append(f"{key}: {code}, {kept}")
                continue
            allowed = ([kept.acknowledged] if kept.acknowledged else []) + kept.unanswered
            now = [wish for wish in allowed if body == payload(key, *wish)]
            if not now:
                found.append(f"{key}: {len(body)} bytes that nobody wrote, {kept}")
                continue
            kept.acknowledged, kept.unanswered = now[0], []
        return found


def rounds(folder: Path, seed: int, count: int) -> tuple[Writers, list[str]]:
    """Kill a server `count` times under load; gives the writers and all damage that was found."""
    writers, moments = Writers(seed), random.Random(seed)
    server = Server(folder)
    server.s3.create_bucket(Bucket=BUCKET)
    damage: list[str] = []
    try:
        for number in range(count):
            writers.run_until_killed(server, after=moments.randrange(1, 30))
            server = Server(folder)
            damage += [f"round {number}: {text}" for text in writers.damage(server)]
    finally:
        server.kill()
    return writers, damage
