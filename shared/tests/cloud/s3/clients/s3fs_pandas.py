"""s3fs under pandas: CSV written and read, seeks, moves, a tree removed."""

import os
import sys

import pandas
import s3fs

bucket, url = sys.argv[1], os.environ["AWS_ENDPOINT_URL"]
frame = pandas.DataFrame({"a": range(1000), "b": [str(i) for i in range(1000)]})
options = {"endpoint_url": url}
frame.to_csv(f"s3://{bucket}/f/x.csv", index=False, storage_options=options)
back = pandas.read_csv(f"s3://{bucket}/f/x.csv", storage_options=options)
assert back.a.sum() == frame.a.sum()

files = s3fs.S3FileSystem(endpoint_url=url)
with files.open(f"{bucket}/f/y", "wb") as file:
    file.write(b"0123456789" * 10**6)
with files.open(f"{bucket}/f/y", "rb") as file:
    file.seek(5)
    assert file.read(5) == b"56789"
assert sorted(files.ls(f"{bucket}/f")) == [f"{bucket}/f/x.csv", f"{bucket}/f/y"]
files.mv(f"{bucket}/f/y", f"{bucket}/f/z")
files.rm(f"{bucket}/f", recursive=True)
assert not files.exists(f"{bucket}/f/z")
