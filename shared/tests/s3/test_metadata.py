"""The metadata service on SQLite and on PostgreSQL, and the rules of names beside it."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from crew import in_threads

from amazonian.resilience.database import UnstorableError
from amazonian.s3 import checksums, naming
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import MetadataService, after, find, insert, remove
from amazonian.s3.preconditions import (
    Conditions,
    DeleteConditions,
    check_copy_source,
    check_delete,
    check_read,
    check_write,
    etag_matches,
    parse_date,
)
from amazonian.s3.records import (
    EPOCH,
    Bucket,
    Details,
    Part,
    Segment,
    Upload,
    Version,
    with_setting,
)


@pytest.fixture
def service(dsn: str, closing: Callable) -> MetadataService:
    return closing(MetadataService(dsn))


@pytest.fixture
def filled(service: MetadataService) -> MetadataService:
    service.create_bucket(Bucket("b", "me", EPOCH, "here"))
    return service


def add(service: MetadataService, key: str, version_id: str = "null", **fields) -> Version:
    version = Version("b", key, version_id, seq=service.next_seq(), **fields)
    service.database.write(lambda t: insert(t, version))
    return version


def code_of(call: Callable, *arguments) -> str:
    with pytest.raises(S3Error) as refused:
        call(*arguments)
    return refused.value.code


# --- buckets ----------------------------------------------------------------------------------


def test_a_bucket_comes_back_as_it_was_made(service) -> None:
    made = datetime(2026, 11, 26, 12, 30, 1, 250_000, UTC)
    bucket = Bucket("b", "me", made, "eu-west-1", "Enabled", {"cors": [{"a": ["é", 1, None]}]})
    service.create_bucket(bucket)
    assert service.bucket("b") == bucket
    assert service.buckets("me") == [bucket]
    assert service.buckets("you") == []


def test_a_name_is_taken_by_whoever_comes_first(filled) -> None:
    again = Bucket("b", "me", EPOCH, "here")
    assert code_of(filled.create_bucket, again) == "BucketAlreadyOwnedByYou"
    assert code_of(filled.create_bucket, replace(again, owner="you")) == "BucketAlreadyExists"


def test_of_sixteen_who_make_one_bucket_exactly_one_succeeds(service) -> None:
    outcomes = in_threads(
        16, lambda n: service.create_bucket(Bucket("b", f"owner {n}", EPOCH, "here"))
    )
    assert outcomes.count(None) == 1
    assert {error.code for error in outcomes if error} == {"BucketAlreadyExists"}
    assert service.bucket("b").owner == f"owner {outcomes.index(None)}"


def test_a_missing_bucket_is_never_remembered_as_missing(service) -> None:
    assert code_of(service.bucket, "b") == "NoSuchBucket"
    service.create_bucket(Bucket("b", "me", EPOCH, "here"))
    assert service.bucket("b").owner == "me"
    service.delete_bucket("b")
    assert code_of(service.bucket, "b") == "NoSuchBucket"
    assert code_of(service.change_bucket, "b", lambda bucket: bucket) == "NoSuchBucket"


@pytest.mark.parametrize("change", ["edit", "delete"])
def test_a_reader_that_was_overtaken_does_not_spoil_the_cache(filled, change, monkeypatch) -> None:
    """The row is read, the bucket changes, and only then the row is about to be remembered."""
    read = filled.database.read

    def overtaken(sql, parameters=()):
        rows = read(sql, parameters)
        monkeypatch.undo()
        if change == "edit":
            filled.change_bucket("b", lambda b: replace(b, versioning="Enabled"))
        else:
            filled.delete_bucket("b")
        return rows

    monkeypatch.setattr(filled.database, "read", overtaken)
    filled.bucket("b")
    if change == "edit":
        assert filled.bucket("b").versioning == "Enabled"
    else:
        assert code_of(filled.bucket, "b") == "NoSuchBucket"


def test_the_bucket_cache_is_never_behind_an_acknowledged_change(filled) -> None:
    def work(_: int) -> list[tuple[int, int]]:
        stale = []
        for _ in range(25):
            edited = filled.change_bucket(
                "b", lambda b: with_setting(b, "n", b.settings.get("n", 0) + 1)
            )
            least, seen = edited.settings["n"], filled.bucket("b").settings["n"]
            if seen < least:
                stale.append((seen, least))
        return stale

    assert in_threads(4, work) == [[]] * 4
    assert filled.bucket("b").settings["n"] == 100


def test_a_bucket_with_a_version_or_a_marker_stays(filled) -> None:
    marker = add(filled, "k", delete_marker=True)
    assert code_of(filled.delete_bucket, "b") == "BucketNotEmpty"
    filled.database.write(lambda t: remove(t, marker))
    filled.delete_bucket("b")
    assert filled.bucket_names() == []


def test_a_bucket_takes_its_uploads_with_it_and_tells_what_their_parts_occupy(filled) -> None:
    filled.create_upload(Upload("u", "b", "k", EPOCH, Details()))
    for number in (1, 2):
        segments = (Segment(f"payload {number}", 3),)
        filled.put_part("u", "b", "k", Part(number, 3, "e", EPOCH, segments))
    assert sorted(filled.delete_bucket("b")) == ["payload 1", "payload 2"]
    filled.create_bucket(Bucket("b", "you", EPOCH, "here"))
    assert filled.uploads("b", "", "", None, 10) == []
    assert filled.parts("u") == []


def test_no_upload_begins_in_a_bucket_that_is_gone(service) -> None:
    assert code_of(service.create_upload, Upload("u", "b", "k", EPOCH, Details())) == "NoSuchBucket"


def test_usage_counts_versions_and_bytes_but_no_markers(filled) -> None:
    assert filled.usage("b") == (0, 0)
    add(filled, "a", "1", size=2**40)
    add(filled, "a", "2", size=5)
    add(filled, "a", "3", delete_marker=True)
    assert filled.usage("b") == (2, 2**40 + 5)


# --- versions ---------------------------------------------------------------------------------


def test_a_version_comes_back_as_it_was_named(filled) -> None:
    details = Details(
        owner="me",
        headers={"content-type": "text/plain"},
        metadata={"name": "Grüße 🙂"},
        tags={"a": "1"},
        acl=[{"grantee": "you", "permission": "READ"}],
        checksum={"algorithm": "CRC32", "type": "FULL_OBJECT", "value": "AAAA"},
        parts=[[1, 3, "x"], [2, 4, ""]],
        storage_class="GLACIER",
        retention={"mode": "GOVERNANCE", "until": "2030-01-01T00:00:00+00:00"},
        legal_hold=False,
        encryption={"x-amz-server-side-encryption": "AES256"},
        upload_id="u",
    )
    moment = datetime(2026, 11, 26, 12, 30, 1, 123_456, UTC)
    segments = (Segment("p", 3), Segment("q", 4, 10))
    stored = add(
        filled, "k", "v", size=7, etag="e-2", modified=moment, segments=segments, details=details
    )
    assert filled.find("b", "k") == filled.find("b", "k", "v") == stored
    small = add(filled, "small", inline=bytes(range(256)))
    assert filled.find("b", "small") == small
    assert filled.find("b", "K") is None
    assert filled.find("b", "k", "w") is None


def test_the_newest_of_the_versions_that_remain_is_the_latest(filled) -> None:
    versions = [add(filled, "k", f"{n}") for n in range(4)]
    for gone, latest in ((1, "3"), (3, "2"), (2, "0")):
        current = filled.find("b", "k", f"{gone}")
        filled.database.write(lambda t, current=current: remove(t, current))
        assert filled.find("b", "k").version_id == latest
    assert [v.latest for v in filled.all_versions("b", "", "", None, 9)] == [True]
    assert versions[0].seq < versions[3].seq


def test_versions_are_listed_by_key_and_the_newest_first(filled) -> None:
    for key, version_id in [("b", "1"), ("a", "1"), ("b", "2"), ("a", "2"), ("c", "1")]:
        add(filled, key, version_id)
    everything = [("a", "2"), ("a", "1"), ("b", "2"), ("b", "1"), ("c", "1")]

    def page(key: str, seq: int | None, limit: int) -> list[tuple[str, str, int]]:
        found = filled.all_versions("b", "", key, seq, limit)
        return [(v.key, v.version_id, v.seq) for v in found]

    for limit in (1, 2, 3, 10):
        seen, position = [], ("", None)
        while found := page(*position, limit):
            seen += [entry[:2] for entry in found]
            position = found[-1][0], found[-1][2]
        assert seen == everything
    assert page("b", None, 9)[0][:2] == ("c", "1")


LAST = "\U0010ffff"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["a", "a/", "a/b", f"a{LAST}", f"a{LAST}{LAST}b", "b", LAST, LAST * 256]),
        ("a", ["a", "a/", "a/b", f"a{LAST}", f"a{LAST}{LAST}b"]),
        ("a/", ["a/", "a/b"]),
        (LAST, [LAST, LAST * 256]),
        (f"a{LAST}", [f"a{LAST}", f"a{LAST}{LAST}b"]),
        ("c", []),
    ],
)
def test_a_prefix_has_all_its_keys_to_the_last_character_of_unicode(
    filled, prefix, expected
) -> None:
    for key in ["b", LAST * 256, f"a{LAST}{LAST}b", LAST, "a/b", "a", f"a{LAST}", "a/"]:
        add(filled, key)
    assert [v.key for v in filled.keys("b", prefix, "", 99)] == expected
    assert [v.key for v in filled.all_versions("b", prefix, "", None, 99)] == expected
    assert all(key < after(prefix) for key in expected)


def test_pages_of_keys_join_without_markers_and_older_versions(filled) -> None:
    for number in range(7):
        add(filled, f"{number}", "old")
        add(filled, f"{number}", "new", delete_marker=number == 3)
    seen, start = [], ""
    while page := filled.keys("b", "", start, 2):
        seen += [(version.key, version.version_id) for version in page]
        start = page[-1].key
    assert seen == [(f"{number}", "new") for number in (0, 1, 2, 4, 5, 6)]


def test_two_buckets_share_no_keys(filled) -> None:
    filled.create_bucket(Bucket("c", "me", EPOCH, "here"))
    add(filled, "k")
    assert filled.find("c", "k") is None
    assert filled.keys("c", "", "", 9) == []


def test_sequence_numbers_go_on_where_they_ended(dsn, closing) -> None:
    first = MetadataService(dsn)
    first.create_bucket(Bucket("b", "me", EPOCH, "here"))
    kept = add(first, "k")
    first.close()
    assert closing(MetadataService(dsn)).next_seq() > kept.seq


@pytest.mark.parametrize("key", ["\x01", "a\nb", "é", "\U0001f600", "../../etc/passwd", "a" * 1024])
def test_a_key_is_any_text(filled, key) -> None:
    add(filled, key)
    assert filled.find("b", key).key == key
    assert [v.key for v in filled.keys("b", key, "", 9)] == [key]


def test_a_nul_in_a_key_is_kept_or_refused_clearly(filled, dsn) -> None:
    """PostgreSQL has no place for it in a text."""
    if dsn.startswith("postgresql"):
        with pytest.raises(UnstorableError):
            add(filled, "a\x00b")
        with pytest.raises(UnstorableError):
            filled.find("b", "a\x00b")
        add(filled, "afterwards")
    else:
        add(filled, "a\x00b")
        add(filled, "a")
        assert [v.key for v in filled.keys("b", "a", "", 9)] == ["a", "a\x00b"]


# --- uploads ----------------------------------------------------------------------------------


def test_an_upload_comes_back_as_it_was_begun(filled) -> None:
    upload = Upload("u", "b", "k", EPOCH, Details(owner="me"), "CRC32C", "COMPOSITE")
    filled.create_upload(upload)
    assert filled.upload("u", "b", "k") == upload
    for wrong in (("v", "b", "k"), ("u", "c", "k"), ("u", "b", "K")):
        assert code_of(filled.upload, *wrong) == "NoSuchUpload"


def test_a_part_takes_the_place_of_the_earlier_one_and_tells_what_that_occupied(filled) -> None:
    filled.create_upload(Upload("u", "b", "k", EPOCH, Details()))
    first = Part(2, 3, "e", EPOCH, (Segment("p", 3),), {"algorithm": "CRC32", "value": "x"})
    second = replace(first, etag="f", segments=(Segment("q", 3),))
    assert filled.put_part("u", "b", "k", first) == []
    assert filled.put_part("u", "b", "k", second) == ["p"]
    assert filled.parts("u") == [second]
    assert code_of(filled.put_part, "v", "b", "k", first) == "NoSuchUpload"


def test_uploads_and_parts_come_in_order_and_in_pages(filled) -> None:
    for upload_id, key in [("3", "a"), ("1", "b"), ("2", "a"), ("4", "c")]:
        filled.create_upload(Upload(upload_id, "b", key, EPOCH, Details()))
    for number in (10_000, 9, 10, 1):
        filled.put_part("1", "b", "b", Part(number, 0, "e", EPOCH, ()))
    everything = filled.uploads("b", "", "", None, 9)
    assert [(u.key, u.upload_id) for u in everything] == [
        ("a", "2"),
        ("a", "3"),
        ("b", "1"),
        ("c", "4"),
    ]
    assert filled.uploads("b", "", "a", "2", 2) == everything[1:3]
    assert filled.uploads("b", "", "a", None, 9) == everything[2:]
    assert filled.uploads("b", "b", "", None, 9) == everything[2:3]
    assert [part.number for part in filled.parts("1")] == [1, 9, 10, 10_000]
    assert [part.number for part in filled.parts("1", behind=9, limit=1)] == [10]


def test_a_payload_is_live_while_it_goes_from_a_part_to_a_version(filled, monkeypatch) -> None:
    """The completion comes between the two looks that live_payloads takes."""
    filled.create_upload(Upload("u", "b", "k", EPOCH, Details()))
    filled.put_part("u", "b", "k", Part(1, 3, "e", EPOCH, (Segment("p", 3),)))
    read = filled.database.read

    def overtaken(sql, parameters=()):
        rows = read(sql, parameters)
        monkeypatch.undo()
        filled.database.write(
            lambda t: [t.execute("DELETE FROM parts"), t.execute("DELETE FROM uploads")]
        )
        add(filled, "k", segments=(Segment("p", 3),))
        return rows

    monkeypatch.setattr(filled.database, "read", overtaken)
    assert "p" in set(filled.live_payloads())


def test_live_payloads_are_those_of_all_versions_and_parts(filled) -> None:
    add(filled, "k", "1", segments=(Segment("p", 3), Segment("q", 3)))
    add(filled, "k", "2", segments=(Segment("r", 3),))
    add(filled, "small", inline=b"")
    filled.create_upload(Upload("u", "b", "k", EPOCH, Details()))
    filled.put_part("u", "b", "k", Part(1, 3, "e", EPOCH, (Segment("s", 3),)))
    assert sorted(filled.live_payloads()) == ["p", "q", "r", "s"]


def test_a_key_is_found_within_a_transaction_as_outside(filled) -> None:
    kept = add(filled, "k")
    assert filled.database.write(lambda t: find(t.execute, "b", "k")) == kept


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["abc", "a" * 63, "my-bucket", "my.bucket.1", "1abc", "a1b", "192.168.5", "256.1.1.1", "a--b"],
)
def test_a_bucket_may_have_this_name(name: str) -> None:
    naming.check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-abc",
        "abc-",
        ".abc",
        "abc.",
        "a..b",
        "a.-b",
        "a-.b",
        "192.168.5.4",
        "xn--abc",
        "sthree-abc",
        "abc-s3alias",
        "abc--ol-s3",
        "abc.mrap",
        "abc--x-s3",
        "äbc",
        "abc\n",
        "a/b",
    ],
)
def test_a_bucket_may_not_have_this_name(name: str) -> None:
    assert code_of(naming.check_bucket_name, name) == "InvalidBucketName"


@pytest.mark.parametrize("key", ["a" * 1024, "é" * 512, "\U0001f600" * 256])
def test_a_key_has_at_most_1024_bytes_of_utf_8(key: str) -> None:
    naming.check_key(key)
    assert code_of(naming.check_key, key + "a") == "KeyTooLongError"


# --- checksums --------------------------------------------------------------------------------

CHECK = b"123456789"
PUBLISHED = {  # "check" in the catalogue of parametrised CRC algorithms; FIPS 180-4 for the hashes
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}


@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_a_checksum_has_its_published_check_value_however_the_bytes_come(algorithm) -> None:
    for cut in range(len(CHECK) + 1):
        running = checksums.ALGORITHMS[algorithm]()
        running.update(CHECK[:cut])
        running.update(CHECK[cut:])
        assert running.digest().hex() == PUBLISHED[algorithm]
    assert checksums.SIZES[algorithm] == len(bytes.fromhex(PUBLISHED[algorithm]))


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_the_parts_checksums_give_that_of_the_whole(algorithm) -> None:
    parts = []
    for piece in (CHECK[:4], b"", CHECK[4:5], CHECK[5:]):
        running = checksums.ALGORITHMS[algorithm]()
        running.update(piece)
        parts.append((running.digest(), len(piece)))
    whole = base64.b64encode(bytes.fromhex(PUBLISHED[algorithm])).decode()
    assert checksums.full_object(algorithm, parts) == whole


def test_a_composite_checksum_is_that_of_the_parts_checksums_and_their_number() -> None:
    digests = [hashlib.sha256(part).digest() for part in (b"a", b"b", b"c")]
    expected = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    assert checksums.composite("SHA256", digests) == f"{expected}-3"


@pytest.mark.parametrize("text", ["", "AAAA", "!!!!!!==", "AAAAAA", "AAAAAAA=", "y/Q5Jg==\n"])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    assert checksums.decode("CRC32", "y/Q5Jg==").hex() == PUBLISHED["CRC32"]
    assert code_of(checksums.decode, "CRC32", text) == "BadDigest"


@pytest.mark.parametrize(
    ("algorithm", "allowed"),
    [
        ("CRC32", ("COMPOSITE", "FULL_OBJECT")),
        ("CRC32C", ("COMPOSITE", "FULL_OBJECT")),
        ("CRC64NVME", ("FULL_OBJECT",)),
        ("SHA1", ("COMPOSITE",)),
        ("SHA256", ("COMPOSITE",)),
    ],
)
def test_an_algorithm_gives_only_checksums_of_its_types(algorithm, allowed) -> None:
    for kind in ("COMPOSITE", "FULL_OBJECT"):
        if kind in allowed:
            assert checksums.need_type(algorithm, kind) == kind
        else:
            assert code_of(checksums.need_type, algorithm, kind) == "InvalidRequest"
    assert checksums.default_type(algorithm) in allowed
    assert checksums.need_algorithm(algorithm.lower()) == algorithm
    assert code_of(checksums.need_algorithm, "MD4") == "InvalidRequest"


# --- preconditions ----------------------------------------------------------------------------

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
OBJECT = Version("b", "k", etag="e", size=5, modified=NOON + timedelta(milliseconds=700))
MARKER = replace(OBJECT, delete_marker=True, etag="", size=0)
BEFORE, SINCE = NOON - timedelta(seconds=1), NOON


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        (Conditions(), ""),
        (Conditions(if_match='"e"'), ""),
        (Conditions(if_match="e"), ""),
        (Conditions(if_match="*"), ""),
        (Conditions(if_match='"d", W/"e"'), ""),
        (Conditions(if_match='"f"'), "PreconditionFailed"),
        (Conditions(if_none_match='"e"'), "NotModified"),
        (Conditions(if_none_match="*"), "NotModified"),
        (Conditions(if_none_match='"f"'), ""),
        (Conditions(if_unmodified_since=SINCE), ""),
        (Conditions(if_unmodified_since=BEFORE), "PreconditionFailed"),
        (Conditions(if_modified_since=BEFORE), ""),
        (Conditions(if_modified_since=SINCE), "NotModified"),
        # where both are given, the ETag decides (RFC 9110, 13.2.2)
        (Conditions(if_match='"e"', if_unmodified_since=BEFORE), ""),
        (Conditions(if_none_match='"f"', if_modified_since=SINCE), ""),
        (Conditions(if_none_match='"e"', if_modified_since=BEFORE), "NotModified"),
        (Conditions(if_match='"f"', if_none_match='"e"'), "PreconditionFailed"),
    ],
)
def test_a_read_is_conditional(conditions: Conditions, outcome: str) -> None:
    if not outcome:
        check_read(conditions, OBJECT)
        check_copy_source(conditions, OBJECT)
    else:
        assert code_of(check_read, conditions, OBJECT) == outcome
        assert code_of(check_copy_source, conditions, OBJECT) == "PreconditionFailed"


@pytest.mark.parametrize("current", [OBJECT, MARKER, None])
@pytest.mark.parametrize(
    ("conditions", "on_object", "on_nothing"),
    [
        (Conditions(), "", ""),
        (Conditions(if_match='"e"'), "", "NoSuchKey"),
        (Conditions(if_match='"f"'), "PreconditionFailed", "NoSuchKey"),
        (Conditions(if_none_match="*"), "PreconditionFailed", ""),
        (Conditions(if_none_match='"f"'), "", ""),
    ],
)
def test_a_write_is_conditional(conditions, on_object, on_nothing, current) -> None:
    outcome = on_object if current is OBJECT else on_nothing
    if outcome:
        assert code_of(check_write, conditions, current) == outcome
    else:
        check_write(conditions, current)


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        (DeleteConditions(if_match='"e"', last_modified=NOON, size=5), ""),
        (DeleteConditions(if_match="*"), ""),
        (DeleteConditions(if_match='"f"'), "PreconditionFailed"),
        (DeleteConditions(size=6), "PreconditionFailed"),
        (DeleteConditions(size=0), "PreconditionFailed"),
        (DeleteConditions(last_modified=NOON - timedelta(seconds=1)), "PreconditionFailed"),
    ],
)
def test_a_delete_is_conditional(conditions: DeleteConditions, outcome: str) -> None:
    if outcome:
        assert code_of(check_delete, conditions, OBJECT) == outcome
    else:
        check_delete(conditions, OBJECT)
    check_delete(conditions, None)  # where nothing is, there is nothing to protect


def test_a_marker_is_there_but_has_no_etag() -> None:
    check_delete(DeleteConditions(if_match="*"), MARKER)
    assert code_of(check_delete, DeleteConditions(if_match='"e"'), MARKER) == "PreconditionFailed"


def test_a_list_of_etags_is_read_item_by_item() -> None:
    assert etag_matches('"a" , "b",W/"c"', "c")
    assert not etag_matches('"ab"', "a")


def test_a_date_that_is_none_is_no_condition() -> None:
    assert parse_date("Thu, 26 Nov 2026 12:00:00 GMT") == NOON
    assert parse_date("yesterday") is None
    assert parse_date("") is None
    assert parse_date(None) is None
