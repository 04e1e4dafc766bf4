"""boto3's transfer manager: a file in parts, up and down."""

import io
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig

bucket = sys.argv[1]
s3 = boto3.client("s3")
data = os.urandom(17 * 2**20 + 3)
parts = TransferConfig(multipart_threshold=2**20, multipart_chunksize=5 * 2**20)
s3.upload_fileobj(io.BytesIO(data), bucket, "k", Config=parts)
back = io.BytesIO()
s3.download_fileobj(bucket, "k", back, Config=parts)
assert back.getvalue() == data
