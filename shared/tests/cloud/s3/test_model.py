"""boto3 against a plain dictionary: whatever is done in whatever order, both say the same."""

import hashlib
import itertools
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

MIB = 2**20
BOUNDED = settings(
    max_examples=30,
    stateful_step_count=30,
    derandomize=True,
    phases=[Phase.generate],  # to shrink a failure takes minutes; remove this line to do it
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
KEYS = st.sampled_from(["a", "a/", "a/b", "a/b/c", "a0", "b", "é/ü", "x y+z%", "\U0010ffff"])
FEW = st.sampled_from(["a", "é/ü", "\U0010ffff"])  # so that a key has many versions
PLACES = st.integers(0, 3)
BODIES = st.one_of(
    st.binary(max_size=20),
    st.builds(
        lambda seed, size: (bytes([seed]) + b"0123456789abcdef" * 8) * size,
        st.integers(0, 255),
        st.sampled_from([31, 32, 600, 9000]),
    ),
)  # inline up to 4,096 bytes; up to 1.1 MiB in the data store
_numbers = itertools.count(1)


def etag_of(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


class Machine(RuleBasedStateMachine):
    """What both machines need: a bucket of their own, and how S3 refuses."""

    s3: Any
    versioning = False

    def __init__(self) -> None:
        super().__init__()
        self.bucket = f"{type(self).__name__.lower()}-{next(_numbers)}"
        self.s3.create_bucket(Bucket=self.bucket)

    def call(self, operation: str, **arguments: Any) -> Any:
        """The answer, or S3's code where it refuses."""
        try:
            return getattr(self.s3, operation)(Bucket=self.bucket, **arguments)
        except ClientError as error:
            return error.response["Error"]["Code"]

    def read(self, **arguments: Any) -> Any:
        answer = self.call("get_object", **arguments)
        return answer if isinstance(answer, str) else answer["Body"].read()


class Objects(Machine):
    """A bucket without versions is a dictionary from keys to bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}

    def put_in_model(self, key: str, body: bytes, etag: str = "") -> None:
        self.model[key], self.etags[key] = body, etag or etag_of(body)

    @rule(key=KEYS, body=BODIES)
    def put(self, key: str, body: bytes) -> None:
        assert self.call("put_object", Key=key, Body=body)["ETag"] == etag_of(body)
        self.put_in_model(key, body)

    @rule(key=KEYS, body=BODIES)
    def put_if_absent(self, key: str, body: bytes) -> None:
        answer = self.call("put_object", Key=key, Body=body, IfNoneMatch="*")
        if key in self.model:
            assert answer == "PreconditionFailed"
        else:
            assert answer["ETag"] == etag_of(body)
            self.put_in_model(key, body)

    @rule(key=KEYS, seen=KEYS, body=BODIES)
    def put_if_it_is_what_was_seen(self, key: str, seen: str, body: bytes) -> None:
        etag = self.etags.get(seen, etag_of(b"never"))
        answer = self.call("put_object", Key=key, Body=body, IfMatch=etag)
        if key not in self.model:
            assert answer == "NoSuchKey"
        elif self.etags[key] != etag:
            assert answer == "PreconditionFailed"
        else:
            assert answer["ETag"] == etag_of(body)
            self.put_in_model(key, body)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.read(Key=key) == self.model.get(key, "NoSuchKey")

    @rule(key=KEYS, first=st.integers(0, 5000), length=st.none() | st.integers(1, 5000))
    def get_a_range(self, key: str, first: int, length: int | None) -> None:
        last = "" if length is None else first + length - 1
        answer = self.read(Key=key, Range=f"bytes={first}-{last}")
        body = self.model.get(key)
        if body is None:
            assert answer == "NoSuchKey"
        elif first >= len(body):
            assert answer == "InvalidRange"
        else:
            assert answer == body[first:][:length]

    @rule(key=KEYS, length=st.integers(1, 5000))
    def get_the_end(self, key: str, length: int) -> None:
        answer = self.read(Key=key, Range=f"bytes=-{length}")
        body = self.model.get(key)
        if body is None:
            assert answer == "NoSuchKey"
        else:
            assert answer == (body[-length:] or "InvalidRange")

    @rule(key=KEYS)
    def head(self, key: str) -> None:
        answer = self.call("head_object", Key=key)
        if key in self.model:
            found = answer["ContentLength"], answer["ETag"]
            assert found == (len(self.model[key]), self.etags[key])
        else:
            assert answer == "404"

    @rule(key=KEYS)
    def get_unless_it_is_known(self, key: str) -> None:
        answer = self.read(Key=key, IfNoneMatch=self.etags.get(key, "*"))
        assert answer == ("304" if key in self.model else "NoSuchKey")

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.call("delete_object", Key=key)
        self.model.pop(key, None)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=4, unique=True))
    def delete_several(self, keys: list[str]) -> None:
        listed = {"Objects": [{"Key": key} for key in keys]}
        answer = self.call("delete_objects", Delete=listed)
        assert [deleted["Key"] for deleted in answer["Deleted"]] == keys
        for key in keys:
            self.model.pop(key, None)

    @rule(source=KEYS, key=KEYS)
    def copy(self, source: str, key: str) -> None:
        where = {"Bucket": self.bucket, "Key": source}
        answer = self.call("copy_object", Key=key, CopySource=where)
        if source not in self.model:
            assert answer == "NoSuchKey"
        elif source == key:
            assert answer == "InvalidRequest"
        else:
            body = self.model[source]
            assert answer["CopyObjectResult"]["ETag"] == etag_of(body)
            self.put_in_model(key, body)

    @rule(
        key=KEYS,
        order=st.permutations([1, 3, 7]),
        again=st.sampled_from([1, 3, 7]),
        last=BODIES,
        ends=st.sampled_from(["complete", "twice", "abort", "small"]),
    )
    def upload_parts(self, key: str, order: list[int], again: int, last: bytes, ends: str) -> None:
        small = 4096 if ends == "small" else 5 * MIB
        parts = {1: b"1" * small, 3: b"3" * small, 7: last}
        upload = {"Key": key, "UploadId": self.call("create_multipart_upload", Key=key)["UploadId"]}
        etags = {}
        for number in [*order, again]:
            sent = self.call("upload_part", **upload, PartNumber=number, Body=parts[number])
            etags[number] = sent["ETag"]
        listed = {"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in sorted(parts)]}
        if ends == "abort":
            self.call("abort_multipart_upload", **upload)
            gone = self.call("complete_multipart_upload", **upload, MultipartUpload=listed)
            assert gone == "NoSuchUpload"
            return
        done = self.call("complete_multipart_upload", **upload, MultipartUpload=listed)
        if ends == "small":
            assert done == "EntityTooSmall"
            self.call("abort_multipart_upload", **upload)
            return
        digests = b"".join(hashlib.md5(parts[n]).digest() for n in sorted(parts))
        assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
        if ends == "twice":
            again_done = self.call("complete_multipart_upload", **upload, MultipartUpload=listed)
            assert again_done["ETag"] == done["ETag"]
        self.put_in_model(key, b"".join(parts[n] for n in sorted(parts)), done["ETag"])

    @rule(
        prefix=st.sampled_from(["", "a", "a/", "a/b", "é", "\U0010ffff", "none"]),
        delimiter=st.sampled_from(["", "/", "b"]),
        page=st.integers(1, 4),
        version=st.sampled_from([1, 2]),
    )
    def list(self, prefix: str, delimiter: str, page: int, version: int) -> None:
        keys, prefixes = [], []
        name = "list_objects_v2" if version == 2 else "list_objects"
        pages = self.s3.get_paginator(name).paginate(
            Bucket=self.bucket,
            Prefix=prefix,
            Delimiter=delimiter,
            PaginationConfig={"PageSize": page},
        )
        for found in pages:
            listed = [(entry["Key"], entry["Size"]) for entry in found.get("Contents", [])]
            rolled = [entry["Prefix"] for entry in found.get("CommonPrefixes", [])]
            assert len(listed) + len(rolled) <= page
            keys += listed
            prefixes += rolled
        expected_keys, expected_prefixes = [], []
        for key in sorted(self.model, key=str.encode):
            if not key.startswith(prefix):
                continue
            head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if not cut:
                expected_keys.append((key, len(self.model[key])))
            elif prefix + head + cut not in expected_prefixes:
                expected_prefixes.append(prefix + head + cut)
        assert keys == expected_keys
        assert prefixes == expected_prefixes


class Versions(Machine):
    """A bucket whose versioning goes on and off is a list of versions for each key."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ""
        self.model: dict[str, list[tuple[str, bytes | None]]] = {}  # newest first; None: a marker

    def add(self, key: str, version_id: str, body: bytes | None) -> None:
        kept = [entry for entry in self.model.get(key, []) if entry[0] != version_id]
        self.model[key] = [(version_id, body), *kept]

    def latest(self, key: str) -> bytes | None:
        versions = self.model.get(key)
        return versions[0][1] if versions else None

    def id_at(self, key: str, place: int) -> str:
        """The id of a key's version, counted from the newest; one of none if there are fewer."""
        versions = self.model.get(key, [])
        return versions[place][0] if place < len(versions) else "none"

    @initialize(state=st.sampled_from(["Enabled", "Suspended"]))
    def begin_with_versioning(self, state: str) -> None:
        self.put("a", b"null")
        self.set_versioning(state)

    @rule(state=st.sampled_from(["Enabled", "Enabled", "Suspended"]))
    def set_versioning(self, state: str) -> None:
        self.call("put_bucket_versioning", VersioningConfiguration={"Status": state})
        self.state = state

    @rule(key=FEW, body=BODIES)
    def put(self, key: str, body: bytes) -> None:
        answer = self.call("put_object", Key=key, Body=body)
        version_id = answer.get("VersionId", "null")
        if self.state == "Enabled":
            known = {entry[0] for versions in self.model.values() for entry in versions}
            assert version_id not in known | {"null"}
        else:
            assert version_id == "null"
        self.add(key, version_id, body)

    @rule(key=FEW, body=BODIES)
    def put_if_absent(self, key: str, body: bytes) -> None:
        answer = self.call("put_object", Key=key, Body=body, IfNoneMatch="*")
        if self.latest(key) is not None:
            assert answer == "PreconditionFailed"
        else:
            self.add(key, answer.get("VersionId", "null"), body)

    @rule(key=FEW)
    def delete(self, key: str) -> None:
        answer = self.call("delete_object", Key=key)
        if not self.state:
            assert not answer.get("DeleteMarker")
            self.model.pop(key, None)
            return
        assert answer["DeleteMarker"]
        assert (answer["VersionId"] == "null") == (self.state == "Suspended")
        self.add(key, answer["VersionId"], None)

    @rule(key=FEW, place=PLACES)
    def delete_a_version(self, key: str, place: int) -> None:
        version_id = self.id_at(key, place)
        answer = self.call("delete_object", Key=key, VersionId=version_id)
        was_marker = (version_id, None) in self.model.get(key, [])
        assert bool(answer.get("DeleteMarker")) == was_marker
        kept = [entry for entry in self.model.get(key, []) if entry[0] != version_id]
        self.model[key] = kept

    @rule(key=FEW)
    def get(self, key: str) -> None:
        body = self.latest(key)
        assert self.read(Key=key) == ("NoSuchKey" if body is None else body)

    @rule(key=FEW, place=PLACES)
    def get_a_version(self, key: str, place: int) -> None:
        version_id = self.id_at(key, place)
        expected = dict(self.model.get(key, [])).get(version_id, "NoSuchVersion")
        answer = self.read(Key=key, VersionId=version_id)
        assert answer == ("MethodNotAllowed" if expected is None else expected)

    @rule(source=FEW, place=PLACES, key=FEW)
    def copy_a_version(self, source: str, place: int, key: str) -> None:
        version_id = self.id_at(source, place)
        body = dict(self.model.get(source, [])).get(version_id)
        where = {"Bucket": self.bucket, "Key": source, "VersionId": version_id}
        if source == key:
            return
        answer = self.call("copy_object", Key=key, CopySource=where)
        if body is None:
            assert answer in ("NoSuchVersion", "InvalidRequest")
        else:
            self.add(key, answer.get("VersionId", "null"), body)

    @rule(page=st.integers(1, 4))
    def list_versions(self, page: int) -> None:
        seen: list[tuple[str, str, bool, bool]] = []
        paginator = self.s3.get_paginator("list_object_versions")
        for found in paginator.paginate(Bucket=self.bucket, PaginationConfig={"PageSize": page}):
            entries = found.get("Versions", []), found.get("DeleteMarkers", [])
            assert sum(map(len, entries)) <= page
            for marker, listed in enumerate(entries):
                seen += [(e["Key"], e["VersionId"], bool(marker), e["IsLatest"]) for e in listed]
        expected = [
            (key, version_id, body is None, place == 0)
            for key, versions in self.model.items()
            for place, (version_id, body) in enumerate(versions)
        ]
        assert sorted(seen) == sorted(expected)

    @invariant()
    def the_latest_versions_are_listed_unless_hidden(self) -> None:
        listed = self.call("list_objects_v2").get("Contents", [])
        shown = [(key, self.latest(key)) for key in sorted(self.model, key=str.encode)]
        expected = [(key, etag_of(body)) for key, body in shown if body is not None]
        assert [(entry["Key"], entry["ETag"]) for entry in listed] == expected


@pytest.mark.parametrize("machine", [Objects, Versions])
def test_boto3_sees_what_a_dictionary_would_say(machine: type[Machine], s3: Any) -> None:
    run_state_machine_as_test(type(machine.__name__, (machine,), {"s3": s3}), settings=BOUNDED)
