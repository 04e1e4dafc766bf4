"""A Delta table: its log relies on conditional writes."""

import os
import sys

import pyarrow
from deltalake import DeltaTable, write_deltalake

place = f"s3://{sys.argv[1]}/delta"
options = {
    "aws_endpoint": os.environ["AWS_ENDPOINT_URL"],
    "aws_allow_http": "true",
    "aws_conditional_put": "etag",
}
write_deltalake(place, pyarrow.table({"a": [1, 2]}), storage_options=options)
write_deltalake(place, pyarrow.table({"a": [3]}), mode="append", storage_options=options)
table = DeltaTable(place, storage_options=options)
assert table.version() == 1
assert sorted(table.to_pyarrow_table()["a"].to_pylist()) == [1, 2, 3]
os._exit(0)  # on a busy machine its threads outlive the interpreter, which aborts it
