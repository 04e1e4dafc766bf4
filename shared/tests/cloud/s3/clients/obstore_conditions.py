"""obstore (the Rust crate object_store): create only, compare and swap, parts, ranges."""

import os
import sys

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

store = S3Store(
    sys.argv[1],
    endpoint=os.environ["AWS_ENDPOINT_URL"],
    client_options={"allow_http": True},
)
first = obstore.put(store, "k", b"one", mode="create")
try:
    obstore.put(store, "k", b"two", mode="create")
except AlreadyExistsError:
    pass
else:
    sys.exit("created twice")
obstore.put(store, "k", b"three", mode={"e_tag": first["e_tag"]})
try:
    obstore.put(store, "k", b"four", mode={"e_tag": first["e_tag"]})
except PreconditionError:
    pass
else:
    sys.exit("swapped an ETag that is no longer there")
assert bytes(obstore.get(store, "k").bytes()) == b"three"
obstore.put(store, "big", os.urandom(12 * 2**20), chunk_size=5 * 2**20)
assert len(obstore.get_range(store, "big", start=2**20, end=2**20 + 7)) == 7
assert len(obstore.list(store).collect()) == 2
obstore.delete(store, ["k", "big"])
