"""Listing keys: both versions of the operation answer alike, page by page."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest

from amazonian.s3 import upload
from amazonian.s3.payloads import Bytes

TREE = ("asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud")
FLAT = ("bar", "baz", "cab", "foo")


@dataclass(frozen=True)
class Listing:
    """One of the two list operations, under names that they share."""

    call: Callable[..., dict[str, Any]]
    marker: str
    next_marker: str

    def __call__(self, **arguments: Any) -> dict[str, Any]:
        marker = arguments.pop("marker", None)
        if marker is not None:
            arguments[self.marker] = marker
        return self.call(**arguments)

    def pages(self, **arguments: Any) -> Iterator[tuple[list[str], list[str]]]:
        """Keys and common prefixes of every page, as a client would walk them."""
        more = {}
        while True:
            page = self.call(**arguments, **more)
            yield keys(page), prefixes(page)
            if not page["IsTruncated"]:
                assert self.next_marker not in page
                return
            place = page.get(self.next_marker) or keys(page)[-1]
            more = {self.next_marker.removeprefix("Next"): place}


def keys(page: dict[str, Any]) -> list[str]:
    return [entry["Key"] for entry in page.get("Contents", [])]


def prefixes(page: dict[str, Any]) -> list[str]:
    return [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


@pytest.fixture(params=["version 1", "version 2"])
def listing(request: pytest.FixtureRequest, s3: Any) -> Listing:
    if request.param == "version 1":
        return Listing(s3.list_objects, "Marker", "NextMarker")
    return Listing(s3.list_objects_v2, "StartAfter", "NextContinuationToken")


@pytest.fixture(scope="module")
def filled(main: Any) -> Callable[..., str]:
    """A bucket that holds these keys, each with its own name as content; made once."""
    made: dict[tuple[str, ...], str] = {}

    def fill(*names: str) -> str:
        if names not in made:
            made[names] = f"listed-{len(made)}"
            main.s3.create_bucket(Bucket=made[names])
            for name in names:
                main.s3.put_object(Bucket=made[names], Key=name, Body=name)
        return made[names]

    return fill


ROLLED_UP = [
    # keys, prefix, delimiter, keys expected, common prefixes expected
    (TREE, "", "/", ["asdf"], ["boo/", "cquux/"]),
    (TREE, "boo/", "/", ["boo/bar"], ["boo/baz/"]),
    (TREE, "boo", "/", [], ["boo/"]),
    (TREE, "", "", list(TREE), []),
    (TREE, "boo/", "", ["boo/bar", "boo/baz/xyzzy"], []),
    (TREE, "d", "", [], []),
    (TREE, "d", "/", [], []),
    (TREE, "\n", "", [], []),
    (TREE, "c", "z", ["cquux/bla", "cquux/thud"], []),
    (FLAT, "", "a", ["foo"], ["ba", "ca"]),
    (FLAT, "ba", "a", ["bar", "baz"], []),
    (FLAT, "", "\n", list(FLAT), []),
    (FLAT, "", "az", ["bar", "cab", "foo"], ["baz"]),
    (("bar", "bazar", "cab"), "ba", "a", ["bar"], ["baza"]),
    (("b%ar", "b%az", "c%ab", "foo"), "", "%", ["foo"], ["b%", "c%"]),
    (("b ar", "b az", "c ab", "foo"), "", " ", ["foo"], ["b ", "c "]),
    (("a+b/c", "a+b/d", "é/ü", "日/本"), "", "/", [], ["a+b/", "é/", "日/"]),
    (("dir/",), "dir/", "/", ["dir/"], []),
    (("dir/", "dir/a"), "", "/", [], ["dir/"]),
]


@pytest.mark.parametrize(("names", "prefix", "delimiter", "expected", "common"), ROLLED_UP)
def test_a_delimiter_rolls_up_what_lies_behind_it(
    listing, filled, names, prefix, delimiter, expected, common
) -> None:
    page = listing(Bucket=filled(*names), Prefix=prefix, Delimiter=delimiter)
    assert (keys(page), prefixes(page)) == (expected, common)
    assert page["Prefix"] == prefix
    assert page.get("Delimiter", "") == delimiter
    assert not page["IsTruncated"]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("names", "prefix", "delimiter"),
    [
        (TREE, "", ""),
        (TREE, "", "/"),
        (TREE, "boo/", "/"),
        (FLAT, "", "a"),
        (("dir/", "dir/a", "dir/b/c", "dir/b/d"), "dir/", "/"),
        (("x", "x/1", "x/2", "x0"), "", "/"),
    ],
)
def test_pages_of_any_size_hold_the_same_as_one(
    listing, filled, names, prefix, delimiter, size
) -> None:
    where = {"Bucket": filled(*names), "Prefix": prefix, "Delimiter": delimiter}
    (whole,) = listing.pages(**where)
    pages = list(listing.pages(**where, MaxKeys=size))
    assert ([k for page in pages for k in page[0]], [p for page in pages for p in page[1]]) == whole
    sizes = [len(page[0]) + len(page[1]) for page in pages]
    assert all(n == size for n in sizes[:-1])
    assert 0 < sizes[-1] <= size


def test_a_common_prefix_of_a_thousand_keys_counts_as_one_entry(s3, new_bucket, endpoint) -> None:
    bucket = new_bucket()
    with ThreadPoolExecutor(32) as threads:  # so that they share their flushes
        for number in range(1001):
            name = f"0/{number:04}"
            threads.submit(upload.put, endpoint.store, bucket, name, Bytes(b""))
    others = ["1999", "1999#", "1999+", "2000"]
    for name in others:
        s3.put_object(Bucket=bucket, Key=name)
    page = s3.list_objects(Bucket=bucket, Delimiter="/")
    assert (keys(page), prefixes(page)) == (others, ["0/"])
    assert [len(keys(p)) for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)] == [
        1000,
        5,
    ]


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        ("", ["bar", "baz", "cab", "foo"]),
        ("\n", ["bar", "baz", "cab", "foo"]),
        ("bar", ["baz", "cab", "foo"]),
        ("bb", ["cab", "foo"]),
        ("zzz", []),
    ],
)
def test_a_marker_need_not_be_a_key(listing, filled, marker, left) -> None:
    page = listing(Bucket=filled(*FLAT), marker=marker)
    assert keys(page) == left
    assert page[listing.marker] == marker
    assert not page["IsTruncated"]


def test_a_page_of_no_keys_is_not_truncated(listing, filled) -> None:
    page = listing(Bucket=filled(*FLAT), MaxKeys=0)
    assert (keys(page), page["IsTruncated"], page["MaxKeys"]) == ([], False, 0)
    assert listing(Bucket=filled(*FLAT))["MaxKeys"] == 1000


def test_names_are_percent_encoded_where_the_client_asks_for_it(listing, filled) -> None:
    names = ("asdf+b", "foo bar/é", "foo+1/bar", "~-_.!'()*")
    page = listing(Bucket=filled(*names), Delimiter="/", EncodingType="url")
    assert [*keys(page), *prefixes(page)] == ["asdf%2Bb", "~-_.!'()*", "foo%20bar/", "foo%2B1/"]
    flat = listing(Bucket=filled(*names), EncodingType="url")
    assert [unquote(key) for key in keys(flat)] == sorted(names)


def test_keys_of_awkward_characters_are_listed_and_read(s3, filled) -> None:
    names = [" ", '"', "$", "%", "&", "'", "..", "<", ">", "\\", "_", "_ ", "a//b", "é", "\x01\r\n"]
    bucket = filled(*names)
    assert keys(s3.list_objects(Bucket=bucket)) == sorted(names, key=str.encode)
    for name in names:
        assert s3.get_object(Bucket=bucket, Key=name)["Body"].read().decode() == name


def test_version_2_counts_keys_and_names_owners_when_asked(s3, main, filled) -> None:
    bucket = filled(*TREE)
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", FetchOwner=True)
    assert page["KeyCount"] == 3
    assert page["Contents"][0]["Owner"] == {
        "ID": main.account.canonical_id,
        "DisplayName": main.account.display_name,
    }
    for arguments in ({}, {"FetchOwner": False}):
        assert "Owner" not in s3.list_objects_v2(Bucket=bucket, **arguments)["Contents"][0]
    assert "Owner" in s3.list_objects(Bucket=bucket)["Contents"][0]


def test_a_continuation_token_goes_before_start_after(s3, filled) -> None:
    bucket = filled(*FLAT)
    first = s3.list_objects_v2(Bucket=bucket, StartAfter="bar", MaxKeys=1)
    token = first["NextContinuationToken"]
    second = s3.list_objects_v2(Bucket=bucket, StartAfter="bar", ContinuationToken=token)
    assert (keys(first), keys(second)) == (["baz"], ["cab", "foo"])
    assert (second["ContinuationToken"], second["StartAfter"]) == (token, "bar")
    empty = s3.list_objects_v2(Bucket=bucket, ContinuationToken="")
    assert (keys(empty), empty["ContinuationToken"]) == (list(FLAT), "")


def test_an_entry_says_what_head_says(s3, filled) -> None:
    bucket = filled(*FLAT)
    for entry in s3.list_objects(Bucket=bucket)["Contents"]:
        head = s3.head_object(Bucket=bucket, Key=entry["Key"])
        assert entry["ETag"] == head["ETag"]
        assert entry["Size"] == head["ContentLength"] == 3
        assert entry["LastModified"] == head["LastModified"]
        assert entry["StorageClass"] == "STANDARD"


@pytest.mark.parametrize(
    "query",
    [
        "max-keys=blah",
        "max-keys=-1",
        "max-keys=2147483648",
        "encoding-type=base64",
        "list-type=2&continuation-token=%21",
        "delimiter=/&allow-unordered=true",
    ],
)
def test_a_senseless_parameter_is_an_invalid_argument(endpoint, refused, filled, query) -> None:
    s3 = endpoint.client()
    s3.create_bucket(Bucket="senseless")

    def append(params: dict[str, Any], **_: Any) -> None:
        url, _, old = params["url"].partition("?")
        kept = [p for p in old.split("&") if p.partition("=")[0] not in query]
        params["url"] = f"{url}?{'&'.join([*kept, query])}"

    s3.meta.events.register("before-call.s3.ListObjects", append)
    assert refused(s3.list_objects, Bucket="senseless") == (400, "InvalidArgument")
    s3.delete_bucket(Bucket="senseless")


def test_who_may_read_a_bucket_may_list_it(listing, s3, anonymous, refused, bucket) -> None:
    method = listing.call.__name__
    ask = getattr(anonymous, method)
    assert refused(ask, Bucket=bucket) == (403, "AccessDenied")
    assert refused(ask, Bucket="no-such-bucket") == (404, "NoSuchBucket")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert keys(ask(Bucket=bucket)) == []
    wrong = {"Bucket": bucket, "ExpectedBucketOwner": "1" * 11}
    assert refused(ask, **wrong) == (403, "AccessDenied")


def test_versions_are_paged_too_even_while_they_are_deleted(s3, new_bucket) -> None:
    bucket = new_bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for name in ("a", "a", "a", "b/1", "b/2", "c", "c"):
        s3.put_object(Bucket=bucket, Key=name)
    s3.delete_object(Bucket=bucket, Key="c")

    rolled = []
    arguments: dict[str, Any] = {"Bucket": bucket, "Delimiter": "/", "MaxKeys": 1}
    while True:
        page = s3.list_object_versions(**arguments)
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        rolled += [entry["Key"] for entry in entries] + prefixes(page)
        if not page["IsTruncated"]:
            break
        arguments["KeyMarker"] = page["NextKeyMarker"]
        arguments["VersionIdMarker"] = page.get("NextVersionIdMarker", "")
    assert rolled == ["a", "a", "a", "b/", "c", "c", "c"]

    more: dict[str, Any] = {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, MaxKeys=2, **more)
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        named = [{"Key": e["Key"], "VersionId": e["VersionId"]} for e in entries]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
        if not page["IsTruncated"]:
            break
        more = {
            "KeyMarker": page["NextKeyMarker"],
            "VersionIdMarker": page["NextVersionIdMarker"],
        }
    s3.delete_bucket(Bucket=bucket)
