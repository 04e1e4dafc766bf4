"""polars: Parquet written, and scanned lazily by ranges."""

import os
import sys

import polars

bucket = sys.argv[1]
options = {"aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"], "aws_allow_http": "true"}
frame = polars.DataFrame({"n": range(10_000), "g": [i % 7 for i in range(10_000)]})
frame.write_parquet(f"s3://{bucket}/p/a.parquet", storage_options=options)
lazy = polars.scan_parquet(f"s3://{bucket}/p/*.parquet", storage_options=options)
assert lazy.filter(polars.col("g") == 3).select(polars.len()).collect().item() == 1429
