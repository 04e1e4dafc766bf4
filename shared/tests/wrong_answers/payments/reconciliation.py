"""Wrong answers to lab 3.3: the kind of a break, and the merge join."""

from itertools import groupby, zip_longest

from amazonian.payments import reconciliation
from amazonian.payments.reconciliation import Kind, pair_up
from wrong_answers import wrong


def _alone(ours, theirs, night, cut_off):
    if cut_off:
        return Kind.CUT_OFF
    return Kind.MISSING_HERE if ours is None else Kind.MISSING_THERE


def _both(ours, theirs):
    if ours.currency != theirs.currency:
        return Kind.CURRENCY_DIFFERS
    return Kind.MATCHED if ours.amount == theirs.amount else Kind.AMOUNT_DIFFERS


def _taken(stream, line, reference):
    """The lines of one reference from here on, and the one after them."""
    lines = []
    while line and line.reference == reference:
        lines.append(line)
        line = next(stream, None)
    return lines, line


@wrong(reconciliation, feedback="look at the currency first")
def classify__looks_at_the_amount_first(ours, theirs, night):
    if ours and theirs:
        if ours.amount != theirs.amount:
            return Kind.AMOUNT_DIFFERS
        return Kind.MATCHED if ours.currency == theirs.currency else Kind.CURRENCY_DIFFERS
    at_s = (ours or theirs).at_s
    return _alone(ours, theirs, night, abs(at_s - night.ends_s) <= night.cut_off_s)


@wrong(reconciliation, feedback="the PSP has it and our books don't")
def classify__confuses_here_and_there(ours, theirs, night):
    if ours and theirs:
        return _both(ours, theirs)
    at_s = (ours or theirs).at_s
    return _alone(theirs, ours, night, abs(at_s - night.ends_s) <= night.cut_off_s)


@wrong(reconciliation, feedback="the distance from night.ends_s in either direction")
def classify__looks_before_midnight_only(ours, theirs, night):
    if ours and theirs:
        return _both(ours, theirs)
    left_s = night.ends_s - (ours or theirs).at_s
    return _alone(ours, theirs, night, 0 <= left_s <= night.cut_off_s)


@wrong(reconciliation, feedback="the PSP has it and our books don't")
def classify__forgives_everything_after_midnight(ours, theirs, night):
    if ours and theirs:
        return _both(ours, theirs)
    at_s = (ours or theirs).at_s
    return _alone(ours, theirs, night, at_s >= night.ends_s - night.cut_off_s)


@wrong(reconciliation, feedback="only amount and currency are compared")
def classify__compares_the_times_as_well(ours, theirs, night):
    if ours and theirs:
        if abs(ours.at_s - theirs.at_s) > night.cut_off_s:
            return Kind.CUT_OFF
        return _both(ours, theirs)
    at_s = (ours or theirs).at_s
    return _alone(ours, theirs, night, abs(at_s - night.ends_s) <= night.cut_off_s)


@wrong(reconciliation, feedback="the smaller of the two next references is the next one")
def match__goes_in_step(ours, theirs, night):
    for mine, other in zip_longest(ours, theirs):
        yield from pair_up([mine] if mine else [], [other] if other else [], night)


@wrong(reconciliation, feedback="when one side has ended")
def match__ends_with_the_shorter_side(ours, theirs, night):
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    last = ""
    while mine and other:
        last = min(mine.reference, other.reference)
        left, mine = _taken(ours, mine, last)
        right, other = _taken(theirs, other, last)
        yield from pair_up(left, right, night)
    if last:
        for line in (mine, other):
            if line:
                yield from pair_up([line] * (line is mine), [line] * (line is other), night)


@wrong(reconciliation, feedback="take lines from each side as long as they have this reference")
def match__takes_one_line_at_a_time(ours, theirs, night):
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    while mine or other:
        reference = min(line.reference for line in (mine, other) if line)
        left, right = [], []
        if mine and mine.reference == reference:
            left.append(mine)
            mine = next(ours, None)
        if other and other.reference == reference:
            right.append(other)
            other = next(theirs, None)
        yield from pair_up(left, right, night)


@wrong(reconciliation, feedback="no list or dictionary of a whole side")
def match__keeps_both_sides_in_dictionaries(ours, theirs, night):
    sides = []
    for side in (ours, theirs):
        groups = groupby(side, key=lambda line: line.reference)
        sides.append({reference: list(lines) for reference, lines in groups})
    for reference in sorted(sides[0].keys() | sides[1].keys()):
        yield from pair_up(*(side.get(reference, []) for side in sides), night)


@wrong(reconciliation, feedback="no list or dictionary of a whole side")
def match__returns_all_at_once(ours, theirs, night):
    return iter(list(match__right(ours, theirs, night)))


@wrong(reconciliation, feedback="amounts are before fees")
def classify__takes_the_fee_off(ours, theirs, night):
    if ours and theirs:
        return _both(ours, theirs._replace(amount=theirs.amount - theirs.fee))
    at_s = (ours or theirs).at_s
    return _alone(ours, theirs, night, abs(at_s - night.ends_s) <= night.cut_off_s)


@wrong(reconciliation, feedback="how near they are to midnight plays no part")
def classify__forgives_near_midnight(ours, theirs, night):
    if ours and theirs and _both(ours, theirs) is not Kind.AMOUNT_DIFFERS:
        return _both(ours, theirs)
    if ours and theirs and abs(ours.at_s - night.ends_s) > night.cut_off_s:
        return Kind.AMOUNT_DIFFERS
    at_s = (ours or theirs).at_s
    return _alone(ours, theirs, night, abs(at_s - night.ends_s) <= night.cut_off_s)


@wrong(reconciliation, feedback="a reference that one side lacks is handled like any other")
def match__takes_lone_lines_one_at_a_time(ours, theirs, night):
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    while mine or other:
        if other is None or (mine and mine.reference < other.reference):
            yield from pair_up([mine], [], night)
            mine = next(ours, None)
        elif mine is None or other.reference < mine.reference:
            yield from pair_up([], [other], night)
            other = next(theirs, None)
        else:
            reference = mine.reference
            left, mine = _taken(ours, mine, reference)
            right, other = _taken(theirs, other, reference)
            yield from pair_up(left, right, night)


@wrong(reconciliation, feedback="no list or dictionary of a whole side")
def match__collects_what_is_left_at_the_end(ours, theirs, night):
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    while mine and other:
        reference = min(mine.reference, other.reference)
        left, mine = _taken(ours, mine, reference)
        right, other = _taken(theirs, other, reference)
        yield from pair_up(left, right, night)
    rest = [mine, *ours] if mine else [other, *theirs] if other else []
    for _, lines in groupby(rest, key=lambda line: line.reference):
        lines = list(lines)
        yield from pair_up(lines if mine else [], [] if mine else lines, night)


def match__right(ours, theirs, night):
    ours, theirs = iter(ours), iter(theirs)
    mine, other = next(ours, None), next(theirs, None)
    while mine or other:
        reference = min(line.reference for line in (mine, other) if line)
        left, mine = _taken(ours, mine, reference)
        right, other = _taken(theirs, other, reference)
        yield from pair_up(left, right, night)
