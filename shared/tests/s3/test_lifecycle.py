"""Lifecycle rules at work, on a clock that the tests move."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amazonian.resilience.clock import SimulatedClock
from amazonian.s3 import upload
from amazonian.s3.lifecycle import Lifecycle, after
from amazonian.s3.payloads import Bytes
from amazonian.s3.records import EPOCH, Bucket, Details, with_setting
from amazonian.s3.store import Store

DAY_S = 86_400
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON.timestamp())


@pytest.fixture
def store(tmp_path: Path, clock: SimulatedClock) -> Iterator[Store]:
    store = Store.open(tmp_path / "store", clock=clock)
    yield store
    store.close()


@pytest.fixture
def bucket(store: Store) -> Callable[..., str]:
    """Make a bucket with these rules."""

    def make(*rules: dict[str, Any], versioning: str = "", **settings: Any) -> str:
        kept = [{"ID": str(n), "Status": "Enabled", **rule} for n, rule in enumerate(rules)]
        settings["lifecycle"] = kept
        store.metadata.create_bucket(Bucket("b", "me", EPOCH, "here", versioning, settings))
        return "b"

    return make


def put(store: Store, key: str, size: int = 1, **details: Any) -> str:
    version = upload.put(store, "b", key, Bytes(bytes(size)), Details(**details))
    return version.version_id


def left(store: Store) -> list[tuple[str, str]]:
    """What is in the bucket, newest first: each key with its version, "marker" for a marker."""
    versions = store.metadata.all_versions("b", "", "", None, 100)
    return [(v.key, "marker" if v.delete_marker else v.version_id) for v in versions]


def keys(store: Store) -> list[str]:
    return [version.key for version in store.metadata.keys("b", "", "", 100)]


@pytest.mark.parametrize(
    ("moment", "days", "expected"),
    [
        (NOON, 1, datetime(2026, 11, 28, tzinfo=UTC)),
        (datetime(2026, 11, 26, tzinfo=UTC), 1, datetime(2026, 11, 27, tzinfo=UTC)),
        (NOON, 2**31, datetime(4764, 10, 24, tzinfo=UTC)),
    ],
)
def test_days_are_rounded_up_to_midnight(moment, days, expected) -> None:
    assert after(moment, days) == expected


def test_an_object_expires_at_the_midnight_after_its_days(store, bucket, clock) -> None:
    bucket({"Filter": {"Prefix": "old/"}, "Expiration": {"Days": 1}})
    put(store, "old/a")
    put(store, "new/a")
    lifecycle = Lifecycle(store)
    clock.sleep(1.4 * DAY_S)  # 21:36 of the next day
    assert lifecycle.run_due() == 0
    clock.sleep(0.1 * DAY_S)
    assert lifecycle.run_due() == 1
    assert keys(store) == ["new/a"]


def test_what_an_expired_object_occupied_is_given_back(store, bucket, clock) -> None:
    bucket({"Filter": {}, "Expiration": {"Days": 1}})
    put(store, "large", 100_000)
    assert len(list(store.data.payloads())) == 1
    clock.sleep(2 * DAY_S)
    Lifecycle(store).run_due()
    assert list(store.data.payloads()) == []


TAGGED = {"Key": "a", "Value": "1"}


@pytest.mark.parametrize(
    ("conditions", "gone"),
    [
        ({"Prefix": "x/"}, {"x/1", "x/2", "x/big"}),
        ({"Filter": {}}, {"x/1", "x/2", "x/big", "y"}),
        ({"Filter": {"Tag": [TAGGED]}}, {"x/1", "y"}),
        ({"Filter": {"And": {"Prefix": "x/", "Tag": [TAGGED]}}}, {"x/1"}),
        ({"Filter": {"And": {"Tag": [TAGGED, {"Key": "b", "Value": "2"}]}}}, {"y"}),
        ({"Filter": {"Prefix": "x/", "Tag": [TAGGED]}}, {"x/1"}),
        ({"Filter": {"ObjectSizeGreaterThan": 5}}, {"x/big"}),
        ({"Filter": {"And": {"Prefix": "x", "ObjectSizeLessThan": 6}}}, {"x/1", "x/2"}),
        ({"Filter": {}, "Status": "Disabled"}, set()),
    ],
)
def test_a_rule_is_for_what_its_filter_names(store, bucket, clock, conditions, gone) -> None:
    bucket({**conditions, "Expiration": {"Days": 1}})
    put(store, "x/1", 5, tags={"a": "1"})
    put(store, "x/2", 5)
    put(store, "x/big", 6)
    put(store, "y", 5, tags={"a": "1", "b": "2"})
    before = set(keys(store))
    clock.sleep(2 * DAY_S)
    Lifecycle(store).run_due()
    assert before - set(keys(store)) == gone


@pytest.mark.parametrize(("date", "expected"), [("2026-11-26", []), ("2026-11-27", ["k"])])
def test_from_a_date_on_all_objects_expire(store, bucket, date, expected) -> None:
    bucket({"Filter": {}, "Expiration": {"Date": f"{date}T00:00:00.000Z"}})
    put(store, "k")
    Lifecycle(store).run_due()
    assert keys(store) == expected


def test_an_expired_version_is_hidden_and_leaves_later(store, bucket, clock) -> None:
    """The marker that hides the version goes too, once it hides nothing."""
    bucket(
        {"Filter": {}, "Expiration": {"Days": 1}},
        {"Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        versioning="Enabled",
    )
    first = put(store, "k")
    lifecycle = Lifecycle(store)
    clock.sleep(2 * DAY_S)
    assert lifecycle.run_due() == 1
    assert left(store) == [("k", "marker"), ("k", first)]
    clock.sleep(1 * DAY_S)
    assert lifecycle.run_due() == 0
    clock.sleep(1 * DAY_S)
    assert lifecycle.run_due() == 2
    assert left(store) == []


def test_of_the_replaced_versions_the_newest_may_stay(store, bucket, clock) -> None:
    bucket(
        {
            "Filter": {},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2},
        },
        versioning="Enabled",
    )
    versions = [put(store, "k") for _ in range(5)]
    clock.sleep(2 * DAY_S)
    assert Lifecycle(store).run_due() == 2
    assert [version for _, version in left(store)] == versions[:1:-1]


def test_a_version_counts_its_days_from_when_it_was_replaced(store, bucket, clock) -> None:
    bucket(
        {"Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 2}},
        versioning="Enabled",
    )
    put(store, "k")
    clock.sleep(30 * DAY_S)
    put(store, "k")
    lifecycle = Lifecycle(store)
    assert lifecycle.run_due() == 0
    clock.sleep(2.5 * DAY_S)
    assert lifecycle.run_due() == 1


def test_a_marker_that_hides_nothing_goes_at_once(store, bucket) -> None:
    bucket({"Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}}, versioning="Enabled")
    store.delete("b", "alone")
    kept = put(store, "hidden")
    store.delete("b", "hidden")
    Lifecycle(store).run_due()
    assert left(store) == [("hidden", "marker"), ("hidden", kept)]


def test_a_locked_version_outlives_the_rule(store, bucket, clock) -> None:
    bucket(
        {"Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        versioning="Enabled",
        object_lock={},
    )
    until = NOON + timedelta(days=10)
    locked = put(store, "k", retention={"mode": "GOVERNANCE", "until": until.isoformat()})
    latest = put(store, "k")
    lifecycle = Lifecycle(store)
    clock.sleep(9 * DAY_S)
    assert lifecycle.run_due() == 0
    assert left(store) == [("k", latest), ("k", locked)]
    clock.sleep(2 * DAY_S)
    assert lifecycle.run_due() == 1


def test_an_upload_that_nobody_completes_is_aborted(store, bucket, clock) -> None:
    bucket(
        {"Filter": {"Prefix": "a"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}
    )
    for key in ("a", "b"):
        store.put_part(store.create_upload("b", key, Details()), 1, Bytes(b"part"))
    lifecycle = Lifecycle(store)
    clock.sleep(2 * DAY_S)
    assert lifecycle.run_due() == 0
    clock.sleep(DAY_S)
    assert lifecycle.run_due() == 1
    assert [u.key for u in store.metadata.uploads("b", "", "", None, 9)] == ["b"]
    assert len(list(store.data.payloads())) == 1


def test_rules_are_applied_when_they_change_and_once_a_day(
    store, bucket, clock, monkeypatch
) -> None:
    bucket({"Filter": {}, "Expiration": {"Days": 9}})
    lifecycle, applied = Lifecycle(store), []
    monkeypatch.setattr(lifecycle, "apply", lambda bucket: applied.append(bucket.name) or 0)
    for change in (None, None, "rules", None, "day", None):
        if change == "rules":
            store.metadata.change_bucket("b", lambda b: with_setting(b, "lifecycle", None))
        if change == "day":
            clock.sleep(DAY_S)
        lifecycle.run_due()
    assert len(applied) == 3


def test_an_object_that_is_written_anew_meanwhile_stays(store, bucket, clock, monkeypatch) -> None:
    bucket({"Filter": {}, "Expiration": {"Days": 1}})
    put(store, "k")
    clock.sleep(2 * DAY_S)
    stale = list(store.metadata.all_versions("b", "", "", None, 9))
    put(store, "k")
    pages = iter([stale, []])
    monkeypatch.setattr(store.metadata, "all_versions", lambda *_: next(pages))
    assert Lifecycle(store).run_due() == 0
    assert keys(store) == ["k"]
