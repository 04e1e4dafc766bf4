"""What lab 4.1 asks of `put` and `get`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from amazonian.course.evidence import call, fail, given, scenario
from amazonian.course.rules import RulesFor
from amazonian.s3.errors import S3Error
from amazonian.s3.payloads import Bytes, Stored
from amazonian.s3.preconditions import ALWAYS, Conditions
from amazonian.s3.records import Details, Segment, Version

about = RulesFor("amazonian.s3.upload")

CHECKSUM = {"algorithm": "CRC32", "type": "FULL_OBJECT", "value": "NhCmhg=="}
STORED = Stored(10, "5d41402a", (Segment("uuid-1", 10),), None, CHECKSUM)
SMALL = Stored(2, "49f68a5c", (), b"hi", CHECKSUM)
DETAILS = Details(owner="anna", metadata={"colour": "green"})


@dataclass
class Recorder:
    """A store that does nothing but write down what it is asked, in order.

    Args:
        keeps: what ``keep`` answers, or raises.
        refuses: what ``commit`` raises.
    """

    keeps: Stored | Exception = STORED
    refuses: BaseException | None = None
    asked: list[str] = field(default_factory=list)
    committed: list[tuple[Version, Conditions]] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)

    def keep(self, body: Any) -> Stored:
        self.asked.append("keep")
        if isinstance(self.keeps, Exception):
            raise self.keeps
        return self.keeps

    def commit(self, version: Version, conditions: Conditions = ALWAYS) -> Version:
        self.asked.append("commit")
        self.committed.append((version, conditions))
        if self.refuses is not None:
            raise self.refuses
        return Version(version.bucket, version.key, "id-of-the-commit", etag=version.etag)

    def discard(self, payloads: Any) -> None:
        self.asked.append("discard")
        self.discarded += list(payloads)

    def __repr__(self) -> str:
        return "store"


def _put(put: Any, store: Recorder, conditions: Conditions = ALWAYS) -> Any:
    return call(
        put,
        store,
        "photos",
        "cat.jpg",
        Bytes(b"..."),
        DETAILS,
        conditions,
        shown_as="put(store, 'photos', 'cat.jpg', body, details, conditions)",
    )


def _need_order(store: Recorder, wanted: list[str], look: str) -> None:
    if store.asked != wanted:
        came = ", then ".join(store.asked) or "nothing"
        raise fail(f"the store was asked to: {came}", ", then ".join(wanted), look)


@about.rule("put")
def bytes_first_then_the_name(put):
    """The bytes are kept before they are named, and each happens once."""
    scenario("a store that takes everything")
    store = Recorder()
    _put(put, store)
    look = "a name that points at bytes which are not there yet is an object that can't be read"
    if "discard" in store.asked:
        look = "nothing has failed: these bytes have a name, and are not to be discarded"
    _need_order(store, ["keep", "commit"], look)


@about.rule("put")
def the_name_says_where_the_bytes_are(put):
    """What is committed has the bucket, the key, and what keep said of the bytes: size, etag,
    segments, inline."""
    for keeps, what in ((STORED, "in the data store"), (SMALL, "small, and so inline")):
        scenario(f"bytes that are {what}")
        store = Recorder(keeps)
        _put(put, store)
        if not store.committed:
            raise fail("nothing was committed", "a commit")
        version, _ = store.committed[0]
        if not isinstance(version, Version):
            raise fail(f"{type(version).__name__} was committed", "a Version")
        wanted = {
            "bucket": "photos",
            "key": "cat.jpg",
            "size": keeps.size,
            "etag": keeps.etag,
            "segments": keeps.segments,
            "inline": keeps.inline,
        }
        for name, value in wanted.items():
            came = getattr(version, name)
            if came != value:
                raise fail(f"version.{name} is {came!r}", repr(value), f"the version's {name}")


@about.rule("put")
def details_go_along_with_the_checksum_that_was_computed(put):
    """The committed details are those given, but with the checksum that keep reported."""
    scenario("details with an owner and metadata, and a checksum that only keep knows")
    store = Recorder()
    _put(put, store)
    details = store.committed[0][0].details if store.committed else Details()
    if (details.owner, details.metadata) != (DETAILS.owner, DETAILS.metadata):
        raise fail(f"details were {details!r}", repr(DETAILS), "the argument `details`")
    if details.checksum != CHECKSUM:
        raise fail(
            f"the checksum was {details.checksum!r}",
            repr(CHECKSUM),
            "dataclasses.replace(details, checksum=…) makes a copy with another checksum",
        )
    if DETAILS.checksum:
        raise fail("the caller's details were changed", "a copy, with the checksum")


@about.rule("put")
def the_conditions_are_the_commits(put):
    """The conditions go to the commit, where nobody can come in between."""
    scenario("a client that asks for If-None-Match: *")
    store, conditions = Recorder(), Conditions(if_none_match="*")
    _put(put, store, conditions)
    if not store.committed or store.committed[0][1] != conditions:
        came = store.committed[0][1] if store.committed else None
        raise fail(f"commit was given {came!r}", repr(conditions), "commit's second argument")


@about.rule("put")
def what_was_committed_comes_back(put):
    """What commit returns comes back: only it knows the version id."""
    scenario("a store that takes everything")
    answer = _put(put, Recorder())
    answer.satisfies(
        lambda value: value[1]["version_id"] == "id-of-the-commit",
        "the version that commit returned",
        look="the result of store.commit, not the version that was given to it",
    )


@about.rule("put")
def a_refused_commit_leaves_no_bytes(put):
    """If the commit fails, the bytes are discarded, and the caller hears of the error."""
    for refusal in (S3Error("PreconditionFailed"), KeyboardInterrupt()):
        name = type(refusal).__name__
        scenario(f"a commit that raises {name}")
        store = Recorder(refuses=refusal)
        _put(put, store).raises(type(refusal), look="raise it again once the bytes are discarded")
        _need_order(
            store,
            ["keep", "commit", "discard"],
            f"bytes that never got a name take up space for ever; {name} is no exception to that",
        )
        if store.discarded != ["uuid-1"]:
            raise fail(
                f"discarded: {store.discarded!r}",
                "['uuid-1']",
                "discard takes the UUIDs of the payloads: version.payloads lists them",
            )


@about.rule("put")
def a_body_that_breaks_off_is_not_named(put):
    """If keep fails, nothing is committed; keep has cleaned up after itself."""
    scenario("a client that hangs up in the middle")
    store = Recorder(keeps=S3Error("IncompleteBody"))
    _put(put, store).raises(S3Error, look="if keep raises, there is nothing to discard")
    _need_order(store, ["keep"], "an object is not to get a name before its bytes are all there")


about.hints(
    "put",
    "Somebody pulls the plug between your two steps. Which order leaves a key that can't be read, "
    "and which leaves only bytes that nobody misses?",
    """
    Keep, then commit. The version to commit takes size, etag, segments and inline from what keep
    returned, and its details are the given ones with keep's checksum. A commit can fail: then the
    bytes have no name, so discard them and let the error go on.
    """,
    """
    stored = store.keep(body)
    version = Version(bucket, key, size=stored.size, …, details=replace(details, checksum=…))
    try:
        return store.commit(version, conditions)
    except BaseException:
        store.discard(…)
        raise
    """,
)


# --- get --------------------------------------------------------------------------------------

PAYLOADS = {"a": b"0123456789", "b": b"abcdefgh", "c": b"XYZ"}
PLAIN = Version("photos", "one", size=10, segments=(Segment("a", 10),))
THREE = Version(
    "photos",
    "three",
    size=18,
    segments=(Segment("a", 10), Segment("b", 5, 2), Segment("c", 3)),
)
WHOLE = b"0123456789cdefgXYZ"
INLINE = Version("photos", "small", size=5, inline=b"hello")
EMPTY = Version("photos", "empty", size=0, inline=b"")


class ReadOnly:
    """A store whose data store holds three payloads, and notes what is read of them."""

    def __init__(self) -> None:
        self.data = self
        self.reads: list[tuple[str, int, int | None]] = []

    def read(self, payload: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.reads.append((payload, start, length))
        held = PAYLOADS[payload][start:]
        run = held if length is None else held[:length]
        for at in range(0, len(run), 4):
            yield run[at : at + 4]

    def __repr__(self) -> str:
        return "store"


def _pieces(get: Any, *arguments: Any) -> list[bytes]:
    return list(get(*arguments))


def _get(get: Any, store: ReadOnly, version: Version, *run: int | None) -> Any:
    text = "".join(f", {value}" for value in run)
    return call(_pieces, get, store, version, *run, shown_as=f"list(get(store, version{text}))")


def _joined(get: Any, version: Version, wanted: bytes, *run: int | None, look: str = "") -> None:
    answer = _get(get, ReadOnly(), version, *run)
    if answer.error is None and any(hasattr(piece, "__next__") for piece in answer.raw):
        look = "`yield from` gives the pieces of read; `yield` gives the iterator itself"
    pieces = answer.value("pieces of bytes", look)
    if not isinstance(pieces, list) or not all(isinstance(piece, bytes) for piece in pieces):
        raise answer.broken("pieces of bytes", "an iterator over pieces: `yield` each of them")
    if b"" in pieces:
        raise answer.broken("no empty pieces", "yield only what has at least one byte")
    if b"".join(pieces) != wanted:
        raise answer.broken(
            f"pieces that make {wanted!r}", look, f"joined, yours make {b''.join(pieces)!r}"
        )


@about.rule("get")
def a_whole_object(get):
    """Without a range all bytes come, those of each segment after those of the one before."""
    scenario("version: 10 bytes in one segment")
    _joined(get, PLAIN, PAYLOADS["a"])
    scenario("version: segments of 10, 5 and 3 bytes; the second begins at byte 2 of its payload")
    _joined(get, THREE, WHOLE, look="a segment is a run of a payload: segment.start, segment.size")


@about.rule("get")
def small_objects_are_inline(get):
    """Bytes that are inline come from the version itself; the data store is not asked."""
    scenario("version: inline b'hello'")
    for run, wanted in (((), b"hello"), ((1,), b"ello"), ((1, 3), b"ell"), ((0, 99), b"hello")):
        look = "start and length hold for inline bytes too; byte start + length is not wanted"
        _joined(get, INLINE, wanted, *run, look=look)
    scenario("version: inline b'', an empty object")
    _joined(get, EMPTY, b"", look="`if version.inline` is false for b''; ask for `is not None`")
    store = ReadOnly()
    _get(get, store, INLINE)
    if store.reads:
        raise fail(f"the data store was asked for {store.reads!r}", "no read at all")


@about.rule("get")
def every_run_of_bytes(get):
    """Any run of bytes comes out right, wherever it begins and ends."""
    scenario("version: segments of 10, 5 and 3 bytes; the second begins at byte 2 of its payload")
    for start in range(19):
        for length in range(20):
            look = "count from the start of the object, then from that of the segment"
            if start + length > 18:
                look = "fewer bytes are left than were asked for: give those that are"
            _joined(get, THREE, WHOLE[start : start + length], start, length, look=look)
        _joined(get, THREE, WHOLE[start:], start, look="no length: all the rest")


@about.rule("get")
def only_what_is_needed_is_read(get):
    """Of the segments only those that hold wanted bytes are read, and of those only the run."""
    given("version: segments of 10, 5 and 3 bytes; the second begins at byte 2 of its payload")
    for run, wanted in (
        ((0, 10), [("a", 0, 10)]),
        ((10, 5), [("b", 2, 5)]),
        ((3, 4), [("a", 3, 4)]),
        ((12, 4), [("b", 4, 3), ("c", 0, 1)]),
        ((8, 9), [("a", 8, 2), ("b", 2, 5), ("c", 0, 2)]),
        ((4, 0), []),
    ):
        store = ReadOnly()
        _get(get, store, THREE, *run)
        reads = [
            (payload, start, len(PAYLOADS[payload]) - start if length is None else length)
            for payload, start, length in store.reads
        ]
        if reads != wanted:
            raise fail(
                f"of (payload, start, length) were read: {reads!r}",
                repr(wanted),
                "a range of a terabyte object must not read the terabyte",
            )


def _first_piece(get: Any, *arguments: Any) -> bytes:
    return next(iter(get(*arguments)))


@about.rule("get")
def the_first_piece_does_not_wait(get):
    """A piece is given as soon as it is read: the first before a second segment is asked for."""
    given("version: segments of 10, 5 and 3 bytes; the second begins at byte 2 of its payload")
    store = ReadOnly()
    call(_first_piece, get, store, THREE, shown_as="next(iter(get(store, version)))")
    payloads = [payload for payload, _, _ in store.reads]
    if payloads != ["a"]:
        raise fail(
            f"by then these payloads had been read: {payloads!r}",
            "['a']",
            "`yield from` each segment's pieces as they come; a list of them all would hold a "
            "terabyte object in memory",
        )


about.hints(
    "get",
    "A range begins at byte 12. How many of these bytes does a first segment of 10 answer for, "
    "and at which byte of the second segment does the range begin?",
    """
    Go through the segments with two numbers: how far the wanted run still is (`start`), and how
    much is still wanted (`remaining`). A segment that ends before the run begins only makes
    `start` smaller. Otherwise take the smaller of what the segment has left and what is wanted.
    """,
    """
    for segment in version.segments:
        if start >= segment.size:
            start -= segment.size
            continue
        take = min(segment.size - start, remaining)
        if take <= 0: return
        yield from store.data.read(segment.payload, segment.start + start, take)
        remaining -= take; start = …
    """,
)
