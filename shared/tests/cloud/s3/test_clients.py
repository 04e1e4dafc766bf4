"""Clients that we did not write, each doing its ordinary work against the endpoint.

Python clients live in an environment of their own (`make test` sets it up); rclone and restic
come from the system. One that is not there is skipped by name, but never in CI.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from amazonian.course.catalogue import ROOT

CLIENTS = ROOT / ".venv" / "clients" / "bin"

Run = Callable[..., str]


def need(program: str) -> str:
    """The path of a client's program, or a skip that names it."""
    own = CLIENTS / program
    found = str(own) if own.exists() else shutil.which(program)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{program} is not installed, and CI must try it")
    if found is None:
        pytest.skip(f"{program} is not installed (make test installs the Python clients)")
    return found


@pytest.fixture
def run(endpoint, main, tmp_path: Path) -> Run:
    """Run a client's program with the endpoint and the main account's keys around it."""
    credentials = main.s3._request_signer._credentials
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ALLOW_HTTP": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }

    def call(program: str, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [need(program), *arguments],
            env={**environment, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return call


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A small tree with names that need escaping, an empty file, and one of several parts."""
    folder = tmp_path / "tree"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "plain.txt").write_text("plain")
    (folder / "deep" / "a b+c&d=é.txt").write_text("escaped")
    (folder / "deep" / "er" / "empty").touch()
    (folder / "big.bin").write_bytes(bytes(range(256)) * 4096 * 20)  # 20 MiB
    return folder


def same(one: Path, other: Path) -> bool:
    def listed(root: Path) -> dict[str, bytes]:
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    return listed(one) == listed(other)


def test_the_aws_cli_copies_syncs_moves_presigns_and_removes(
    run: Run, bucket: str, files: Path, tmp_path: Path
) -> None:
    run("aws", "s3", "sync", str(files), f"s3://{bucket}/tree", "--only-show-errors")
    assert "plain.txt" in run("aws", "s3", "ls", f"s3://{bucket}/tree/")
    back = tmp_path / "back"
    run("aws", "s3", "cp", f"s3://{bucket}/tree", str(back), "--recursive", "--only-show-errors")
    assert same(files, back)
    run("aws", "s3", "mv", f"s3://{bucket}/tree/plain.txt", f"s3://{bucket}/moved.txt")
    assert "moved.txt" in run("aws", "s3", "ls", f"s3://{bucket}/")
    assert "Signature=" in run("aws", "s3", "presign", f"s3://{bucket}/moved.txt")
    run("aws", "s3", "rb", f"s3://{bucket}", "--force")


def test_rclone_copies_checks_and_lists(run: Run, bucket: str, files: Path, endpoint) -> None:
    settings = {
        "RCLONE_CONFIG_OURS_TYPE": "s3",
        "RCLONE_CONFIG_OURS_PROVIDER": "Other",
        "RCLONE_CONFIG_OURS_ENV_AUTH": "true",
        "RCLONE_CONFIG_OURS_ENDPOINT": endpoint.url,
        "RCLONE_S3_CHUNK_SIZE": "5Mi",
        "RCLONE_S3_UPLOAD_CUTOFF": "5Mi",
    }
    run("rclone", "copy", str(files), f"ours:{bucket}/r", **settings)
    run("rclone", "check", str(files), f"ours:{bucket}/r", **settings)
    assert "big.bin" in run("rclone", "lsf", "-R", f"ours:{bucket}/r", **settings)
    run("rclone", "moveto", f"ours:{bucket}/r/plain.txt", f"ours:{bucket}/r/new.txt", **settings)
    run("rclone", "purge", f"ours:{bucket}/r", **settings)


def test_s3cmd_puts_gets_lists_and_shows_info(
    run: Run, bucket: str, files: Path, tmp_path: Path, endpoint
) -> None:
    host = endpoint.url.removeprefix("http://")
    common = ["--no-ssl", f"--host={host}", f"--host-bucket={host}", "--no-progress"]
    big = str(files / "big.bin")
    run("s3cmd", *common, "put", "--multipart-chunk-size-mb=5", big, f"s3://{bucket}/big")
    run("s3cmd", *common, "put", "--acl-public", str(files / "plain.txt"), f"s3://{bucket}/p")
    assert f"s3://{bucket}/big" in run("s3cmd", *common, "ls", f"s3://{bucket}")
    assert "ACL" in run("s3cmd", *common, "info", f"s3://{bucket}/p")
    run("s3cmd", *common, "get", f"s3://{bucket}/big", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == (files / "big.bin").read_bytes()
    run("s3cmd", *common, "del", f"s3://{bucket}/big")


def test_restic_backs_up_checks_restores_and_prunes(
    run: Run, bucket: str, files: Path, tmp_path: Path, endpoint
) -> None:
    about = {"RESTIC_PASSWORD": "secret", "RESTIC_REPOSITORY": f"s3:{endpoint.url}/{bucket}/restic"}
    run("restic", "init", **about)
    run("restic", "backup", "--no-cache", ".", **about | {"PWD": str(files)})
    run("restic", "backup", "--no-cache", str(files), **about)
    run("restic", "check", "--read-data", "--no-cache", **about)
    target = tmp_path / "restored"
    run("restic", "restore", "latest", "--no-cache", "--target", str(target), **about)
    assert same(files, target / files.relative_to("/"))
    run("restic", "forget", "--keep-last", "1", "--group-by", "", "--prune", "--no-cache", **about)
    run("restic", "check", "--no-cache", **about)


SCRIPTS = sorted((Path(__file__).parent / "clients").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_python_client_does_its_work(script: Path, run: Run, bucket: str) -> None:
    run("python", str(script), bucket)
