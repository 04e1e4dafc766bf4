"""pyarrow's own S3 client: Parquet files and a partitioned data set."""

import os
import sys

import pyarrow
from pyarrow import parquet
from pyarrow.fs import FileSelector, S3FileSystem

bucket = sys.argv[1]
files = S3FileSystem(
    endpoint_override=os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"),
    scheme="http",
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    region="us-east-1",
)
small = pyarrow.table({"p": ["a", "b"], "v": [1, 2]})
parquet.write_to_dataset(small, f"{bucket}/set", partition_cols=["p"], filesystem=files)
assert parquet.read_table(f"{bucket}/set", filesystem=files).num_rows == 2
assert len(files.get_file_info(FileSelector(f"{bucket}/set", recursive=True))) >= 4

table = pyarrow.table({"n": list(range(100_000)), "s": ["x" * (i % 50) for i in range(100_000)]})
parquet.write_table(table, f"{bucket}/t.parquet", filesystem=files, row_group_size=10_000)
numbers = parquet.read_table(f"{bucket}/t.parquet", filesystem=files, columns=["n"])
assert numbers["n"].to_pylist() == list(range(100_000))
