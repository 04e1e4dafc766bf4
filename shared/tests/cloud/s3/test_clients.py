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
def python(run: Run, endpoint, bucket: str) -> Run:
    """Run a script in the clients' Python; it finds `bucket`, `url`, `key` and `secret`."""
    head = (
        "import os\n"
        f"bucket, url = {bucket!r}, {endpoint.url!r}\n"
        "key, secret = os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY']\n"
    )
    return lambda script: run("python", "-c", head + script)


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
    assert "X-Amz-Signature" in run("aws", "s3", "presign", f"s3://{bucket}/moved.txt")
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


SCRIPTS = {
    "boto3's transfer manager": """
import io, boto3
from boto3.s3.transfer import TransferConfig
s3 = boto3.client("s3")
data = os.urandom(17 * 2**20 + 3)
parts = TransferConfig(multipart_threshold=2**20, multipart_chunksize=5 * 2**20)
s3.upload_fileobj(io.BytesIO(data), bucket, "k", Config=parts)
back = io.BytesIO(); s3.download_fileobj(bucket, "k", back, Config=parts)
assert back.getvalue() == data
""",
    "s3fs with pandas": """
import pandas, s3fs
frame = pandas.DataFrame({"a": range(1000), "b": [str(i) for i in range(1000)]})
options = {"endpoint_url": url}
frame.to_csv(f"s3://{bucket}/f/x.csv", index=False, storage_options=options)
back = pandas.read_csv(f"s3://{bucket}/f/x.csv", storage_options=options)
assert back.a.sum() == frame.a.sum()
fs = s3fs.S3FileSystem(endpoint_url=url)
with fs.open(f"{bucket}/f/y", "wb") as f: f.write(b"0123456789" * 10**6)
with fs.open(f"{bucket}/f/y", "rb") as f: f.seek(5); assert f.read(5) == b"56789"
assert sorted(fs.ls(f"{bucket}/f")) == [f"{bucket}/f/x.csv", f"{bucket}/f/y"]
fs.mv(f"{bucket}/f/y", f"{bucket}/f/z"); fs.rm(f"{bucket}/f", recursive=True)
assert not fs.exists(f"{bucket}/f/z")
""",
    "pyarrow with Parquet": """
import pyarrow, pyarrow.parquet as parquet
from pyarrow.fs import S3FileSystem, FileSelector
fs = S3FileSystem(endpoint_override=url.removeprefix("http://"), scheme="http", access_key=key, secret_key=secret, region="us-east-1")
table = pyarrow.table({"n": list(range(100_000)), "s": ["x" * (i % 50) for i in range(100_000)]})
parquet.write_to_dataset(pyarrow.table({"p": ["a", "b"], "v": [1, 2]}), f"{bucket}/set", partition_cols=["p"], filesystem=fs)
parquet.write_table(table, f"{bucket}/t.parquet", filesystem=fs, row_group_size=10_000)
assert parquet.read_table(f"{bucket}/t.parquet", filesystem=fs, columns=["n"])["n"].to_pylist() == list(range(100_000))
assert parquet.read_table(f"{bucket}/set", filesystem=fs).num_rows == 2
assert len(fs.get_file_info(FileSelector(f"{bucket}/set", recursive=True))) >= 4
""",
    "minio-py": """
import io
from minio import Minio
from minio.commonconfig import CopySource, Tags
client = Minio(endpoint=url.removeprefix("http://"), access_key=key, secret_key=secret, secure=False, region="us-east-1")
data = os.urandom(12 * 2**20)
client.put_object(bucket_name=bucket, object_name="a", data=io.BytesIO(data), length=-1, part_size=5 * 2**20)
assert client.get_object(bucket_name=bucket, object_name="a").read() == data
client.copy_object(bucket_name=bucket, object_name="b", source=CopySource(bucket_name=bucket, object_name="a"))
tags = Tags.new_object_tags(); tags["x"] = "y"
client.set_object_tags(bucket_name=bucket, object_name="b", tags=tags)
assert client.get_object_tags(bucket_name=bucket, object_name="b")["x"] == "y"
assert client.stat_object(bucket_name=bucket, object_name="b").size == len(data)
assert [o.object_name for o in client.list_objects(bucket_name=bucket)] == ["a", "b"]
for name in "ab": client.remove_object(bucket_name=bucket, object_name=name)
""",
    "deltalake": """
import pyarrow
from deltalake import DeltaTable, write_deltalake
options = {"aws_endpoint": url, "aws_allow_http": "true", "aws_conditional_put": "etag"}
place = f"s3://{bucket}/delta"
write_deltalake(place, pyarrow.table({"a": [1, 2]}), storage_options=options)
write_deltalake(place, pyarrow.table({"a": [3]}), mode="append", storage_options=options)
table = DeltaTable(place, storage_options=options)
assert table.version() == 1
assert sorted(table.to_pyarrow_table()["a"].to_pylist()) == [1, 2, 3]
""",
    "obstore": """
import obstore
from obstore.store import S3Store
store = S3Store(bucket, endpoint=url, client_options={"allow_http": True})
first = obstore.put(store, "k", b"one", mode="create")
try: obstore.put(store, "k", b"two", mode="create"); raise SystemExit("no conflict")
except obstore.exceptions.AlreadyExistsError: pass
obstore.put(store, "k", b"three", mode={"e_tag": first["e_tag"]})
try: obstore.put(store, "k", b"four", mode={"e_tag": first["e_tag"]}); raise SystemExit("no conflict")
except obstore.exceptions.PreconditionError: pass
assert bytes(obstore.get(store, "k").bytes()) == b"three"
obstore.put(store, "big", os.urandom(12 * 2**20), chunk_size=5 * 2**20)
assert len(obstore.get_range(store, "big", start=2**20, end=2**20 + 7)) == 7
assert len(obstore.list(store).collect()) == 2
obstore.delete(store, ["k", "big"])
""",
    "polars": """
import polars
options = {"aws_endpoint_url": url, "aws_allow_http": "true"}
frame = polars.DataFrame({"n": range(10_000), "g": [i % 7 for i in range(10_000)]})
frame.write_parquet(f"s3://{bucket}/p/a.parquet", storage_options=options)
lazy = polars.scan_parquet(f"s3://{bucket}/p/*.parquet", storage_options=options)
assert lazy.filter(polars.col("g") == 3).select(polars.len()).collect().item() == 1429
""",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_python_client_does_its_work(name: str, python: Run) -> None:
    python(SCRIPTS[name])
