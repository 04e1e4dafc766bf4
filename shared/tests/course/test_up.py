"""``amazonian up`` as a process: what it prints, what it keeps, how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from amazonian.course import exercises
from amazonian.course.progress import keep
from amazonian.s3 import multipart
from crashing import USERS, free_port

COMMAND = str(Path(sys.executable).parent / "amazonian")
PATIENCE_S = 30
CLIENT = """
import boto3, sys
s3 = boto3.client("s3")
if sys.argv[1] == "write":
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=b"kept " * 2000)
    s3.put_object(Bucket="bucket", Key="small", Body=b"kept")
print(s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"kept " * 2000)
print(s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"kept")
print(boto3.client("sts").get_caller_identity()["Arn"])
"""


class Up:
    """A running `amazonian up`, and what it has printed until it was up."""

    def __init__(self, *options: str):
        self.process = subprocess.Popen(
            [COMMAND, "up", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "80"},
        )
        assert self.process.stdout is not None
        self.printed = ""
        for line in self.process.stdout:
            self.printed += line
            if "is up at" in line:
                break

    @property
    def exports(self) -> str:
        return "".join(line for line in self.printed.splitlines(True) if line[:7] == "export ")

    def end(self, how: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; gives the exit code, and what was printed on the way out."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        out, error = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out + error


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Start it on a free port and on a folder of the test's own."""
    running: list[Up] = []

    def start(*options: str, data: Path = tmp_path / "data", port: int | None = None) -> Up:
        running.append(Up(f"--port={port or free_port()}", f"--data={data}", *options))
        return running[-1]

    yield start
    for one in running:
        one.end(signal.SIGKILL)


def refused(*options: str) -> str:
    """What is said where it can't start: to be one sentence, and no traceback."""
    ended = subprocess.run(
        [COMMAND, "up", *options], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1
    return ended.stderr.strip()


def client_in_a_shell(exports: str, what: str) -> list[str]:
    """Evaluate the export lines in a shell, and run a client that knows nothing else."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    script = f'eval "$EXPORTS"\nexec "$PYTHON" -c "$CLIENT" {what}'
    mine = {"EXPORTS": exports, "PYTHON": sys.executable, "CLIENT": CLIENT}
    ended = subprocess.run(
        ["sh", "-c", script],
        env=clean | mine,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_a_shell_evaluates_what_it_prints_and_data_and_keys_outlive_a_restart(up) -> None:
    first = up()
    written = client_in_a_shell(first.exports, "write")
    assert written[:2] == ["True", "True"]
    assert re.fullmatch(r"arn:aws:iam::\d{12}:root", written[2])
    assert first.end() == (0, "")
    second = up()
    keys = re.compile(r"export AWS_(?:ACCESS|SECRET)_\w+=.*")
    assert keys.findall(second.exports) == keys.findall(first.exports)
    assert len(keys.findall(second.exports)) == 2
    assert client_in_a_shell(second.exports, "read") == written


def test_it_prints_nothing_but_exports_and_where_it_is(up, tmp_path) -> None:
    started = up()
    *exports, last = started.printed.splitlines()
    assert [line.partition("=")[0] for line in exports] == [
        "export AWS_ENDPOINT_URL",
        "export AWS_ACCESS_KEY_ID",
        "export AWS_SECRET_ACCESS_KEY",
        "export AWS_DEFAULT_REGION",
    ]
    assert last.startswith("The cloud is up at http://127.0.0.1:")
    assert str(tmp_path / "data") in last


def test_other_users_of_the_machine_can_not_read_the_keys(up, tmp_path) -> None:
    up()
    assert (tmp_path / "data" / "credentials.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(up, how) -> None:
    assert up().end(how) == (0, "")


def test_what_was_acknowledged_outlives_sigkill(up) -> None:
    first = up()
    assert client_in_a_shell(first.exports, "write")[0] == "True"
    assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert client_in_a_shell(up().exports, "read")[0] == "True"


def test_users_of_a_file_have_their_keys_and_are_the_same_after_a_restart(up, tmp_path) -> None:
    users = tmp_path / "users.json"
    users.write_text(json.dumps(USERS))
    for what in ("write", "read"):
        started = up(f"--users={users}")
        assert "export AWS_ACCESS_KEY_ID=AKIAMAIN\n" in started.exports
        answers = client_in_a_shell(started.exports, what)
        assert answers == ["True", "True", "arn:aws:iam::111111111111:root"]
        assert started.end() == (0, "")


def test_a_taken_port_is_one_sentence(up, tmp_path) -> None:
    port = free_port()
    up(port=port)
    told = refused(f"--port={port}", f"--data={tmp_path / 'other'}")
    assert told == f"Port {port} is taken; name another: --port {port + 1}"


def test_a_folder_in_use_is_one_sentence(up, tmp_path) -> None:
    up()
    told = refused(f"--port={free_port()}", f"--data={tmp_path / 'data'}")
    assert told == f"Another amazonian up runs on {tmp_path / 'data'}; name another: --data"


def test_a_folder_that_can_not_be_made_is_one_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    told = refused(f"--port={free_port()}", f"--data={tmp_path / 'file' / 'data'}")
    assert "--data" in told


@pytest.mark.parametrize(
    "content",
    ["no JSON", "{}", "[]", '{"accounts": []}', '{"accounts": [{"display_name": "main"}]}', "\xff"],
)
def test_a_users_file_that_is_none_is_one_sentence(tmp_path, content) -> None:
    users = tmp_path / "users.json"
    users.write_bytes(content.encode("latin-1"))
    told = refused(f"--port={free_port()}", f"--data={tmp_path / 'data'}", f"--users={users}")
    assert told.startswith(f"{users} is not a users file")


@pytest.mark.parametrize("dsn", ["postgresql://127.0.0.1:{}/none", "postgresql://nonsense:{}x/?"])
def test_a_database_out_of_reach_is_one_sentence(tmp_path, dsn) -> None:
    dsn = dsn.format(free_port())
    told = refused(f"--port={free_port()}", f"--data={tmp_path / 'data'}", f"--dsn={dsn}")
    assert "--dsn" in told


MINE = """
@exercise(multipart)
def etag_of_parts(part_etags):
    return "{}-{}".format("ab" * 16, len(part_etags))
"""


@pytest.mark.parametrize("mine", [True, False])
def test_a_learners_kept_answer_is_what_answers_with_mine(up, tmp_path, mine) -> None:
    """The answer is a wrong one on purpose, so that it is seen who answers."""
    file = tmp_path / "answer.py"
    file.write_text(MINE)
    namespace = {"exercise": exercises.exercise, "multipart": multipart}
    exec(compile(MINE, str(file), "exec"), namespace)
    keep("amazonian.s3.multipart.etag_of_parts", namespace["etag_of_parts"])
    exercises.restore_references()
    started = up(*["--mine"] * mine)
    assert ("On your own answers: etag_of_parts" in started.printed) == mine
    where = dict(re.findall(r"export AWS_(\w+)=(.*)", started.exports))
    s3 = boto3.client(
        "s3",
        endpoint_url=where["ENDPOINT_URL"],
        aws_access_key_id=where["ACCESS_KEY_ID"],
        aws_secret_access_key=where["SECRET_ACCESS_KEY"],
        region_name=where["DEFAULT_REGION"],
    )
    s3.create_bucket(Bucket="bucket")
    upload = {"Bucket": "bucket", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x")
    listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = s3.complete_multipart_upload(**upload, MultipartUpload=listed)
    own = multipart.etag_of_parts([part["ETag"].strip('"')])
    assert done["ETag"] == (f'"{"ab" * 16}-1"' if mine else f'"{own}"')
    s3.close()


def test_mine_without_an_answer_says_so(up) -> None:
    assert up("--mine").printed.startswith("On your own answers: none yet\n")
