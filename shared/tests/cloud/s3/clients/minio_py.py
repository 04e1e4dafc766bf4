"""minio-py: a stream of unknown length, a copy, tags, a listing."""

import io
import os
import sys

from minio import Minio
from minio.commonconfig import CopySource, Tags

bucket = sys.argv[1]
client = Minio(
    endpoint=os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"),
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    secure=False,
    region="us-east-1",
)
data = os.urandom(12 * 2**20)
here = {"bucket_name": bucket}
stream = {"data": io.BytesIO(data), "length": -1, "part_size": 5 * 2**20}
client.put_object(**here, object_name="a", **stream)
assert client.get_object(**here, object_name="a").read() == data
source = CopySource(**here, object_name="a")
client.copy_object(**here, object_name="b", source=source)
tags = Tags.new_object_tags()
tags["x"] = "y"
client.set_object_tags(**here, object_name="b", tags=tags)
assert client.get_object_tags(**here, object_name="b")["x"] == "y"
assert client.stat_object(**here, object_name="b").size == len(data)
assert [found.object_name for found in client.list_objects(**here)] == ["a", "b"]
for name in "ab":
    client.remove_object(**here, object_name=name)
