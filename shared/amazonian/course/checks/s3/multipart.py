"""What lab 4.2 asks of a multipart upload's two ends."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from amazonian.course.evidence import (
    BrokenRuleError,
    call,
    fail,
    given,
    plain,
    same,
    scenario,
)
from amazonian.course.rules import RulesFor
from amazonian.s3.errors import S3Error
from amazonian.s3.multipart import ListedPart
from amazonian.s3.records import Part, Segment

about = RulesFor("amazonian.s3.multipart")

MIB = 2**20


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# --- split ------------------------------------------------------------------------------------


@about.rule("split")
def parts_of_the_size_asked_for(split):
    """Every part but the last has the size asked for, and joined they are the data."""
    look = "each part begins part_size bytes after the one before; what is left is the last part"
    call(split, b"abcdefgh", 3).equals([b"abc", b"def", b"gh"], look=look)
    call(split, b"abcdefg", 3).equals(
        [b"abc", b"def", b"g"], look="the last part takes what is left; the others stay full"
    )


@about.rule("split")
def no_empty_part_at_the_end(split):
    """Data of just two parts gives two parts, not a third that is empty."""
    call(split, b"abcdef", 3).equals([b"abc", b"def"], look="what is left after the last part?")
    call(split, b"abc", 3).equals([b"abc"])
    call(split, b"abcdefgh", 1).equals([bytes([letter]) for letter in b"abcdefgh"])
    call(split, b"abc", 100).equals([b"abc"], look="the last part may be shorter, the only one too")


@about.rule("split")
def nothing_is_one_empty_part(split):
    """No data at all gives one empty part: an upload needs a part to be completed with."""
    call(split, b"", 5).equals([b""], look="range(0, 0, 5) has no number at all")


@about.rule("split")
def a_part_has_a_byte(split):
    """A part size below 1 is a ValueError."""
    call(split, b"abc", 0).raises(ValueError, look="raise ValueError before anything is cut")
    call(split, b"abc", -3).raises(ValueError, look="a negative size gives an empty range")


about.hints(
    "split",
    "At which byte does each part begin? range() can count in steps.",
    "A slice data[i : i + part_size] ends at the data's end by itself. For no data there is no i.",
    """
    if part_size < 1: raise ValueError(…)
    return [data[i : …] for i in range(0, len(data), …)] or [b""]
    """,
)


# --- etag_of_parts ----------------------------------------------------------------------------


@about.rule("etag_of_parts")
def of_digests_not_of_hex(etag_of_parts):
    """It is the MD5 of the parts' digests, 16 bytes each, not of their hexadecimal text."""
    etags = sorted([md5(b"a" * 5), md5(b"b" * 3)])
    wanted = md5(b"".join(bytes.fromhex(etag) for etag in etags)) + "-2"
    answer = call(etag_of_parts, etags)
    look = "bytes.fromhex turns 32 hexadecimal digits into 16 bytes"
    if isinstance(answer.raw, str) and wanted[:32] in answer.raw:
        look = "the digits are right; behind them come a hyphen and the number of parts, no quotes"
    answer.equals(wanted, look=look)
    backwards = md5(b"".join(bytes.fromhex(etag) for etag in reversed(etags))) + "-2"
    call(etag_of_parts, etags[::-1]).equals(backwards, look="in the order of the list")


@about.rule("etag_of_parts")
def the_number_of_parts_stands_behind(etag_of_parts):
    """Behind a hyphen stands how many parts there are, even if it is one."""
    one = md5(b"hello")
    call(etag_of_parts, [one]).equals(
        md5(bytes.fromhex(one)) + "-1",
        look="an object of one part still has a multipart ETag: not the part's own",
    )
    etags = [md5(bytes([i])) for i in range(12)]
    wanted = md5(b"".join(bytes.fromhex(etag) for etag in etags)) + "-12"
    call(etag_of_parts, etags, shown_as="etag_of_parts(12 ETags)").equals(wanted)
    twice = md5(bytes.fromhex(one) * 2) + "-2"
    call(etag_of_parts, [one, one]).equals(twice, look="two parts may have the same bytes")


about.hints(
    "etag_of_parts",
    "An MD5 is 16 bytes. How many characters does an ETag have, and what are they?",
    "Turn each ETag into its 16 bytes, lay them end to end, take the MD5 of that in hex.",
    """
    digests = b"".join(bytes.fromhex(…) for … in part_etags)
    return f"{hashlib.md5(digests).hexdigest()}-{…}"
    """,
)


# --- chosen_parts -----------------------------------------------------------------------------


def _part(number: int, size: int = 10, etag: str = "") -> Part:
    moment = datetime(2026, 11, 26, tzinfo=UTC)
    return Part(number, size, etag or f"etag{number}", moment, (Segment(f"uuid-{number}", size),))


UPLOADED = {number: _part(number) for number in (1, 2, 3, 5, 9)}


def _choose(chosen_parts: Any, numbers: str, uploaded: Mapping[int, Part] = UPLOADED) -> Any:
    """`numbers` as in "1 2 5x": an x stands for another ETag."""
    listed = [
        ListedPart(int(n.rstrip("x")), f"etag{n.rstrip('x')}" if n[-1] != "x" else "other")
        for n in numbers.split()
    ]
    text = ", ".join(
        f"{part.number}{'' if part.etag != 'other' else ' with another ETag'}" for part in listed
    )
    return call(
        chosen_parts,
        listed,
        uploaded,
        10,
        shown_as=f"chosen_parts([{text}], uploaded, smallest=10)",
    )


def _numbers(parts: Sequence[Part]) -> str:
    return f"the uploaded parts {', '.join(str(part.number) for part in parts)}"


def _broken(answer: Any, expected: str, look: str) -> BrokenRuleError:
    """What came back is told by its numbers, if it is a list of parts."""
    problem = answer.broken(expected, look)
    if isinstance(answer.raw, list | tuple) and all(type(part) is Part for part in answer.raw):
        problem.fields["came back"] = _numbers(answer.raw) if answer.raw else "an empty list"
    return problem


def _chosen(answer: Any, wanted: list[Part], look: str) -> None:
    value = answer.value(_numbers(wanted), look)
    if not same(value, plain(wanted)):
        raise _broken(answer, _numbers(wanted), look)


def _refused(answer: Any, code: str, look: str) -> None:
    if not isinstance(answer.error, S3Error) or answer.error.code != code:
        raise _broken(answer, f'raised S3Error("{code}")', look)


def _given() -> None:
    scenario("uploaded parts 1, 2, 3, 5 and 9, of 10 bytes each")


@about.rule("chosen_parts")
def the_listed_parts_in_order(chosen_parts):
    """The object is made of the listed parts and no other; numbers may have gaps."""
    for numbers, look in (
        ("1 2 3", "a list of Part, from `uploaded`: those listed, all of `smallest` bytes or more"),
        ("1 5 9", "numbers need only rise: there may be gaps between them"),
        ("9", "the first number need not be 1"),
        ("2 3", "the first number need not be 1"),
    ):
        _given()
        answer = _choose(chosen_parts, numbers)
        _chosen(answer, [UPLOADED[int(n)] for n in numbers.split()], look)


@about.rule("chosen_parts")
def numbers_rise(chosen_parts):
    """A list whose numbers do not rise is refused as InvalidPartOrder, a repeated number too."""
    look = "each number must be greater than the one before it"
    for numbers in ("2 1", "1 3 2", "1 1", "1 2 2 3"):
        _given()
        _refused(_choose(chosen_parts, numbers), "InvalidPartOrder", look)


@about.rule("chosen_parts")
def each_was_uploaded_as_listed(chosen_parts):
    """A part that was not uploaded, or has another ETag, is refused as InvalidPart."""
    for numbers, look in (
        ("1 4", "part 4 was never uploaded"),
        ("1 2x", "part 2 was uploaded, but what the client has in mind is another part 2"),
        ("9x", "the last part too"),
    ):
        _given()
        _refused(_choose(chosen_parts, numbers), "InvalidPart", look)


@about.rule("chosen_parts")
def only_the_last_may_be_small(chosen_parts):
    """Every part but the last listed must have the smallest size: EntityTooSmall otherwise."""
    uploaded = {1: _part(1, 10), 2: _part(2, 9), 3: _part(3, 1)}
    what = "uploaded parts 1, 2 and 3 of 10, 9 and 1 bytes"
    scenario(what)
    _refused(_choose(chosen_parts, "1 2 3", uploaded), "EntityTooSmall", "part 2 has 9 bytes of 10")
    scenario(what)
    look = "part 3 is the last and may be small; part 1 has the smallest size, and that is enough"
    _chosen(_choose(chosen_parts, "1 3", uploaded), [uploaded[1], uploaded[3]], look)
    scenario(what)
    look = "the last *listed*; that a part 3 was uploaded as well does not matter"
    _chosen(_choose(chosen_parts, "1 2", uploaded), [uploaded[1], uploaded[2]], look)
    scenario(what)
    _chosen(_choose(chosen_parts, "3", uploaded), [uploaded[3]], "the only part is the last")


@about.rule("chosen_parts")
def an_empty_list_is_no_list(chosen_parts):
    """A list without parts is refused as MalformedXML."""
    _given()
    _refused(_choose(chosen_parts, ""), "MalformedXML", "an object of no parts can't be meant")


@about.rule("chosen_parts")
def the_first_rule_that_is_broken_is_named(chosen_parts):
    """Where several rules are broken the order of the docstring decides."""
    uploaded = {1: _part(1, 3), 2: _part(2, 10)}
    what = "uploaded parts 1 and 2 of 3 and 10 bytes"
    for numbers, code, look in (
        ("2 1x", "InvalidPartOrder", "order before ETags"),
        ("2x 1", "InvalidPartOrder", "look at all numbers before any ETag"),
        ("2 1", "InvalidPartOrder", "order before sizes"),
        ("1 2x", "InvalidPart", "look at all ETags before any size"),
        ("1 4", "InvalidPart", "look for all parts before any size"),
    ):
        scenario(what)
        _refused(_choose(chosen_parts, numbers, uploaded), code, look)


about.hints(
    "chosen_parts",
    "Four things can be wrong. Which of them can be told from the list alone?",
    """
    Test in this order: is the list empty; do its numbers rise; is each part there with this ETag;
    is each but the last large enough. Only when all parts have passed a test go on to the next.
    """,
    """
    numbers = [part.number for part in listed]
    if any(later <= earlier for earlier, later in pairwise(numbers)): raise S3Error("…")
    for part in listed: if part.number not in uploaded or uploaded[…].etag != …: raise …
    parts = [uploaded[n] for n in numbers]
    for part in parts[:-1]: …
    """,
)


# --- send_missing -----------------------------------------------------------------------------

PARTS = [b"first", b"second", b"third", b"last"]
LISTED = [ListedPart(number, md5(part)) for number, part in enumerate(PARTS, start=1)]


@dataclass
class Session:
    """A service that holds some parts already; the line can drop at one of them."""

    there: dict[int, str] = field(default_factory=dict)
    drops_at: int | None = None
    sent: list[int] = field(default_factory=list)
    asked: int = 0

    def held(self) -> dict[int, str]:
        self.asked += 1
        return dict(self.there)

    def send(self, number: int, part: bytes) -> str:
        self.sent.append(number)
        if number == self.drops_at:
            raise ConnectionError("the line dropped")
        self.there[number] = md5(part)
        return self.there[number]

    def __repr__(self) -> str:
        return "session"


def _send(send_missing: Any, session: Session, parts: list[bytes]) -> Any:
    return call(send_missing, session, parts)


@about.rule("send_missing")
def a_fresh_upload_sends_all(send_missing):
    """If the service holds nothing, every part is sent once, in order, from number 1."""
    scenario("a service that holds nothing")
    session = Session()
    _send(send_missing, session, PARTS).equals(
        LISTED, look="ListedPart(number, etag) of each, the numbers from 1"
    )
    if session.sent != [1, 2, 3, 4]:
        raise fail(f"sent, in this order: {session.sent}", "[1, 2, 3, 4]", "in order")


@about.rule("send_missing")
def what_is_there_is_not_sent_again(send_missing):
    """Parts that are there already are not sent, but they are in the list."""
    for there in ((1, 2), (2, 4), (1, 2, 3, 4)):
        scenario(f"a service that holds parts {', '.join(map(str, there))}")
        session = Session({number: md5(PARTS[number - 1]) for number in there})
        _send(send_missing, session, PARTS).equals(
            LISTED, look="the list must name every part of the object, those sent before too"
        )
        wanted = [number for number in (1, 2, 3, 4) if number not in there]
        if session.sent != wanted:
            look = "session.held() says which numbers are there, and with which ETag"
            raise fail(f"sent: {session.sent}", repr(wanted), look)


@about.rule("send_missing")
def equal_parts_are_parts_of_their_own(send_missing):
    """Two parts with the same bytes are sent both: what is held is held under a number."""
    scenario("a service that holds part 1 of a file of zeros")
    zeros = [bytes(5)] * 3
    session = Session({1: md5(zeros[0])})
    listed = [ListedPart(number, md5(zeros[0])) for number in (1, 2, 3)]
    look = "look an ETag up by the part's number, not among all that are held"
    _send(send_missing, session, zeros).equals(listed, look=look)
    if session.sent != [2, 3]:
        raise fail(f"sent: {session.sent}", "[2, 3]", look)


@about.rule("send_missing")
def a_part_that_has_changed_is_sent_again(send_missing):
    """A part that is held with another ETag is sent again: the file has changed since."""
    scenario("a service that holds parts 1 and 2, but part 2 of an older version of the file")
    session = Session({1: md5(PARTS[0]), 2: md5(b"as it was yesterday")})
    _send(send_missing, session, PARTS).equals(LISTED, look="the ETag that came back for part 2")
    if session.sent != [2, 3, 4]:
        raise fail(
            f"sent: {session.sent}",
            "[2, 3, 4]",
            "that a part has the number is not enough: compare its ETag with the part's MD5",
        )


@about.rule("send_missing")
def parts_of_another_cut_do_not_get_in(send_missing):
    """Parts that are held beyond the last are not listed."""
    scenario("a service that holds parts 1 to 6 of a longer file, of which we send four")
    session = Session({number: md5(bytes([number])) for number in range(1, 7)})
    _send(send_missing, session, PARTS).equals(LISTED, look="list your parts, not what is held")


@about.rule("send_missing")
def a_dropped_line_is_the_callers_to_hear_of(send_missing):
    """If the line drops the caller hears of it, and nothing after that part is sent."""
    scenario("a line that drops at part 3")
    session = Session(drops_at=3)
    _send(send_missing, session, PARTS).raises(
        ConnectionError, look="how long to wait before the next attempt is not decided here"
    )
    if session.sent != [1, 2, 3]:
        raise fail(f"sent: {session.sent}", "[1, 2, 3]", "retries are the caller's (lab 1.1)")
    given("the line is back: the same session, again")
    session.drops_at, session.sent = None, []
    _send(send_missing, session, PARTS).equals(LISTED)
    if session.sent != [3, 4]:
        raise fail(f"sent on the second attempt: {session.sent}", "[3, 4]", "what is missing only")


@about.rule("send_missing")
def the_service_is_asked_once(send_missing):
    """What the service holds is asked once, not for each part."""
    scenario("a service that holds parts 1 and 2")
    session = Session({1: md5(PARTS[0]), 2: md5(PARTS[1])})
    _send(send_missing, session, PARTS).equals(LISTED)
    if session.asked != 1:
        raise fail(f"held() was called {session.asked} times", "once", "ask before the loop")


about.hints(
    "send_missing",
    "The connection dropped at part 7. Who knows which parts have arrived: you, or the service?",
    """
    Ask the service once what it holds. Go through your parts with their numbers, from 1. A part
    whose MD5 is the ETag that is held needs no sending. List every part, sent or not.
    """,
    """
    held = session.held()
    for number, part in enumerate(parts, start=1):
        etag = …MD5 of the part…
        if held.get(number) != etag:
            etag = session.send(…)
        listed.append(ListedPart(…))
    """,
)
