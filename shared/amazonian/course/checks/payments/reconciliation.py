"""What lab 3.3 asks of a break's kind, and of the merge join."""

from collections.abc import Iterator
from datetime import date

from amazonian.course.evidence import Answer, call, fail, scenario
from amazonian.course.rules import RulesFor
from amazonian.payments.reconciliation import Kind, Line, Night, Pair

about = RulesFor("amazonian.payments.reconciliation")

NIGHT = Night(date(2026, 7, 28), cut_off_s=600.0)
NOON_S = NIGHT.ends_s - 43_200


def _line(reference: str, amount: int = 4200, currency: str = "EUR", at_s: float = NOON_S) -> Line:
    return Line(reference, amount, currency, at_s)


def _with_fee(reference: str, amount: int, fee: int) -> Line:
    return _line(reference, amount)._replace(fee=fee)


def _shown(line: Line | None) -> str:
    if line is None:
        return "None"
    return f"<{line.reference} {line.amount} {line.currency} {_clock(line.at_s)}>"


def _clock(at_s: float) -> str:
    day, second = divmod(int(at_s - NIGHT.starts_s), 86_400)
    later = f"+{day}d" if day else ""
    return f"{second // 3600:02}:{second % 3600 // 60:02}:{second % 60:02}{later}"


# --- classify ---------------------------------------------------------------------------------


def _classify(classify, ours: Line | None, theirs: Line | None, wanted: Kind, look: str) -> None:
    shown = f"classify({_shown(ours)}, {_shown(theirs)}, <28 July, cut-off 600 s>)"
    call(classify, ours, theirs, NIGHT, shown_as=shown).equals(wanted, look)


@about.rule("classify")
def two_that_agree_match(classify):
    """Two lines with the same amount and currency match, whenever they were written."""
    look = "only amount and currency are compared; the two sides' clocks never agree"
    _classify(classify, _line("charge:a"), _line("charge:a"), Kind.MATCHED, look)
    late = _line("charge:a", at_s=NIGHT.ends_s + 30)
    _classify(classify, _line("charge:a"), late, Kind.MATCHED, look)
    _classify(classify, late, _line("charge:a"), Kind.MATCHED, look)
    look = "amounts are before fees on both sides: compare them as they are"
    _classify(classify, _line("charge:a"), _with_fee("charge:a", 4200, 147), Kind.MATCHED, look)


@about.rule("classify")
def two_that_differ_say_how(classify):
    """The currency differs, whatever the amounts; or else the amount does."""
    look = "4200 EUR and 4200 JPY are not the same amount: look at the currency first"
    for amount in (4200, 4201):
        other = _line("charge:a", amount, "JPY")
        _classify(classify, _line("charge:a"), other, Kind.CURRENCY_DIFFERS, look)
    for amount in (4199, 4201, -4200):
        other = _line("charge:a", amount)
        look = "to the last unit, and with the sign"
        _classify(classify, _line("charge:a"), other, Kind.AMOUNT_DIFFERS, look)
    near = _line("charge:a", at_s=NIGHT.ends_s - 5), _line("charge:a", 4199, at_s=NIGHT.ends_s + 5)
    look = "there are two lines: how near they are to midnight plays no part"
    _classify(classify, *near, Kind.AMOUNT_DIFFERS, look)
    fee = _with_fee("charge:a", 4347, 147)
    look = "amounts are before fees on both sides: compare them as they are"
    _classify(classify, _line("charge:a"), fee, Kind.AMOUNT_DIFFERS, look)


@about.rule("classify")
def one_alone_is_missing_on_the_other_side(classify):
    """A line alone is missing on the other side: here if it is theirs, there if it is ours."""
    look = (
        "missing here: the PSP has it and our books don't; a cut-off break is only what stands at "
        "most night.cut_off_s from night.ends_s"
    )
    for at_s in (NOON_S, NIGHT.starts_s, NIGHT.ends_s - 600.5, NIGHT.ends_s + 601):
        alone = _line("charge:a", at_s=at_s)
        _classify(classify, None, alone, Kind.MISSING_HERE, look)
        _classify(classify, alone, None, Kind.MISSING_THERE, look)


@about.rule("classify")
def close_to_midnight_it_is_a_cut_off(classify):
    """A line alone at most cut_off_s from the day's end, before or after, is a cut-off break."""
    look = "the distance from night.ends_s in either direction, against night.cut_off_s"
    for distance in (-600, -5, 0, 30, 600):
        alone = _line("charge:a", at_s=NIGHT.ends_s + distance)
        _classify(classify, None, alone, Kind.CUT_OFF, look)
        _classify(classify, alone, None, Kind.CUT_OFF, look)


about.hints(
    "classify",
    "What can be compared if there are two lines, and what if there is one?",
    """
    Two lines: first the currency, then the amount. One: how far is its time from night.ends_s?
    Only if that is more than night.cut_off_s is it missing, on the side that is None.
    """,
    """
    if ours is not None and theirs is not None:
        if ours.currency != …: return Kind.…
        return Kind.MATCHED if … else Kind.AMOUNT_DIFFERS
    alone = ours or theirs
    if abs(alone.at_s - …) <= …: return Kind.CUT_OFF
    return Kind.MISSING_HERE if … is None else Kind.MISSING_THERE
    """,
)


# --- match ------------------------------------------------------------------------------------


class Stream:
    """A sorted stream of lines that remembers how many of them were taken."""

    def __init__(self, *lines: Line):
        self.lines, self.taken = lines, 0

    def __iter__(self) -> Iterator[Line]:
        for line in self.lines:
            self.taken += 1
            yield line


def _found(match, ours: Stream, theirs: Stream) -> Answer:
    """All pairs, as (kind, our amount, their amount, reference)."""
    left, right = (", ".join(map(_shown, side.lines)) for side in (ours, theirs))
    shown = f"list(match([{left}], [{right}], <28 July>))"
    return call(lambda: [_plain(p) for p in match(ours, theirs, NIGHT)], shown_as=shown)


def _plain(pair: Pair) -> tuple:
    if type(pair) is not Pair:
        raise TypeError(f"{type(pair).__name__} came, where a Pair was asked")
    amounts = [line and line.amount for line in (pair.ours, pair.theirs)]
    return (str(pair.kind), pair.reference, *amounts)


@about.rule("match")
def what_is_on_both_sides_is_paired(match):
    """Lines with the same reference are paired, in the order of the references."""
    ours = Stream(_line("charge:a", 1), _line("charge:b", 2), _line("charge:c", 3))
    theirs = Stream(_line("charge:a", 1), _line("charge:b", 9), _line("charge:c", 3))
    _found(match, ours, theirs).equals(
        [
            ("matched", "charge:a", 1, 1),
            ("amount differs", "charge:b", 2, 9),
            ("matched", "charge:c", 3, 3),
        ],
        look="pair_up(left, right, night) pairs the lines of one reference, and says of which kind",
    )


@about.rule("match")
def what_one_side_lacks_is_found(match):
    """A reference that one side lacks is found, at the beginning, in the middle and at the end."""
    look = "the smaller of the two next references is the next one; the other side waits"
    ours = Stream(_line("charge:a", 1), _line("charge:c", 3), _line("charge:d", 4))
    theirs = Stream(_line("charge:b", 2), _line("charge:c", 3), _line("charge:e", 5))
    _found(match, ours, theirs).equals(
        [
            ("missing there", "charge:a", 1, None),
            ("missing here", "charge:b", None, 2),
            ("matched", "charge:c", 3, 3),
            ("missing there", "charge:d", 4, None),
            ("missing here", "charge:e", None, 5),
        ],
        look,
    )
    three = [_line("charge:a", 1), _line("charge:b", 2), _line("charge:c", 3)]
    alone = [(line.reference, line.amount) for line in three]
    look = "when one side has ended, what is left of the other one still counts"
    _found(match, Stream(*three), Stream()).equals(
        [("missing there", reference, amount, None) for reference, amount in alone], look
    )
    _found(match, Stream(), Stream(*three)).equals(
        [("missing here", reference, None, amount) for reference, amount in alone], look
    )
    _found(match, Stream(), Stream()).equals([], "two empty days")


@about.rule("match")
def several_of_one_reference_go_together(match):
    """All lines of one reference, from both sides, are paired together."""
    look = "take lines from each side as long as they have this reference, then pair_up all of them"
    ours = Stream(_line("charge:a", 1), _line("charge:b", 2))
    theirs = Stream(_line("charge:a", 1), _line("charge:a", 1), _line("charge:b", 2))
    _found(match, ours, theirs).equals(
        [
            ("matched", "charge:a", 1, 1),
            ("duplicate", "charge:a", None, 1),
            ("matched", "charge:b", 2, 2),
        ],
        look,
    )
    ours = Stream(_line("charge:a", 7), _line("charge:a", 1), _line("charge:a", 5))
    theirs = Stream(_line("charge:a", 5), _line("charge:a", 7))
    _found(match, ours, theirs).equals(
        [
            ("matched", "charge:a", 7, 7),
            ("matched", "charge:a", 5, 5),
            ("duplicate", "charge:a", 1, None),
        ],
        look,
    )


@about.rule("match")
def several_of_one_side_alone_go_together_too(match):
    """Lines of one reference that only one side has are paired together as well."""
    look = "a reference that one side lacks is handled like any other: all its lines, one pair_up"
    twice = [_line("charge:b", 2), _line("charge:b", 2)]
    for rest in ([_line("charge:c", 3)], []):
        kept = [("matched", "charge:c", 3, 3)] * len(rest)
        _found(match, Stream(*twice, *rest), Stream(*rest)).equals(
            [("missing there", "charge:b", 2, None), ("duplicate", "charge:b", 2, None), *kept],
            look,
        )
        _found(match, Stream(*rest), Stream(*twice, *rest)).equals(
            [("missing here", "charge:b", None, 2), ("duplicate", "charge:b", None, 2), *kept],
            look,
        )


@about.rule("match")
def it_holds_a_few_lines_only(match):
    """Streams may be longer than memory: of each, only one reference and one line more is held."""
    lines = [_line(f"charge:{number:02}") for number in range(50)]
    scenario("two streams of 50 lines each, all with references of their own")
    _takes_few(match, Stream(*lines), Stream(*lines))
    scenario("50 lines on our side, each with a reference of its own, and none on theirs")
    _takes_few(match, Stream(*lines), Stream())
    scenario("50 lines on their side, each with a reference of its own, and none on ours")
    _takes_few(match, Stream(), Stream(*lines))


def _takes_few(match, ours: Stream, theirs: Stream) -> None:
    pairs = call(match, iter(ours), iter(theirs), NIGHT, shown_as="pairs = match(…)").made
    for count in (1, 10, 30):
        call(lambda: [next(pairs) for _ in range(count)].clear(), shown_as=f"{count} pairs").made  # noqa: B018, B023
    most = max(ours.taken, theirs.taken)
    if most > 42:
        raise fail(
            f"after 41 pairs {most} lines of a side were taken",
            "at most 42",
            "yield each reference's pairs before going on; no list or dictionary of a whole side",
        )


about.hints(
    "match",
    "Both streams are sorted. Ours goes on with b and theirs with c: which reference comes next?",
    """
    Keep one line of each side at hand: next(stream, None). While there is one on either side, take
    the smaller reference, collect the lines that have it from both sides, and pair_up those.
    """,
    """
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    while mine or other:
        reference = min(line.reference for line in (mine, other) if …)
        left, right = [], []
        while mine and mine.reference == reference:
            left.append(mine)
            mine = …
        …
        yield from pair_up(left, right, night)
    """,
)
