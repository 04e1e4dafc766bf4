"""Wrong answers to lab 2.3: reading one's own writes, and applying a change."""

from weakref import WeakKeyDictionary

from amazonian.shop import changelog, replication
from amazonian.shop.replication import GapError
from wrong_answers import wrong

# --- read_after


@wrong(replication, feedback="at 7, it has the change at 7 as well")
def read_after__asks_for_more_than_was_written(position, replicas, primary):
    return next((r for r in replicas if r.position() > position), primary)


@wrong(replication, feedback="the caller's order spreads the readers")
def read_after__takes_the_furthest(position, replicas, primary):
    best = max(replicas, key=lambda r: r.position(), default=primary)
    return best if best.position() >= position else primary


@wrong(replication, feedback="would show the order as it was before the customer changed it")
def read_after__takes_any_replica(position, replicas, primary):
    return replicas[0] if replicas else primary


@wrong(replication, feedback="return the server itself, not its name or its position")
def read_after__always_asks_the_primary(position, replicas, primary):
    return primary


@wrong(replication, feedback="the first is taken")
def read_after__takes_the_last_that_has_it(position, replicas, primary):
    found = primary
    for replica in replicas:
        if replica.position() >= position:
            found = replica
    return found


@wrong(replication, feedback="there is nothing to ask it for")
def read_after__compares_with_the_primary(position, replicas, primary):
    behind = primary.position() - position
    for replica in replicas:
        if primary.position() - replica.position() <= behind:
            return replica
    return primary


@wrong(replication, feedback="return the server itself, not its name or its position")
def read_after__returns_the_position(position, replicas, primary):
    return next((r.position() for r in replicas if r.position() >= position), primary.position())


@wrong(replication, feedback="without replicas, too")
def read_after__looks_only_while_it_goes_through_them(position, replicas, primary):
    for replica in replicas:
        if replica.position() >= position:
            return replica
        if replica is replicas[-1]:
            return primary
    return None


# --- apply


def _apply(transaction, change):
    changelog.append(transaction, change)
    changelog.store(transaction, change.key, change.order)
    return True


def _end(transaction):
    return changelog.end(transaction.execute).position


@wrong(replication, feedback="What lies at or before its end was applied before")
def apply__applies_whatever_comes(transaction, change):
    transaction.execute("DELETE FROM changes WHERE position = ?", (change.position,))
    return _apply(transaction, change)


@wrong(replication, feedback="changelog.append(transaction, change)")
def apply__keeps_no_log(transaction, change):
    changelog.store(transaction, change.key, change.order)
    return True


@wrong(replication, feedback="changelog.store(transaction, change.key, change.order)")
def apply__keeps_only_the_log(transaction, change):
    if change.position <= _end(transaction):
        return False
    changelog.append(transaction, change)
    return True


@wrong(replication, feedback="would show orders that no moment ever had")
def apply__steps_over_a_gap(transaction, change):
    if change.position <= _end(transaction):
        return False
    return _apply(transaction, change)


@wrong(replication, feedback="What lies at or before its end was applied before")
def apply__takes_an_old_change_for_a_gap(transaction, change):
    if change.position != _end(transaction) + 1:
        raise GapError
    return _apply(transaction, change)


@wrong(replication, feedback="What lies at or before its end was applied before")
def apply__takes_a_gap_for_an_old_change(transaction, change):
    position = _end(transaction)
    if change.position == position:
        return False
    if change.position != position + 1:
        raise GapError
    return _apply(transaction, change)


@wrong(replication, feedback="test before you write")
def apply__writes_before_it_looks(transaction, change):
    position = _end(transaction)
    if change.position <= position:
        return False
    _apply(transaction, change)
    if change.position > position + 1:
        raise GapError
    return True


@wrong(replication, feedback="this one was applied now, so return True")
def apply__says_nothing(transaction, change):
    position = _end(transaction)
    if change.position > position + 1:
        raise GapError
    if change.position == position + 1:
        _apply(transaction, change)


@wrong(replication, feedback="changelog.store(transaction, change.key, change.order)")
def apply__ignores_deletions(transaction, change):
    position = _end(transaction)
    if change.position <= position:
        return False
    if change.position > position + 1:
        raise GapError
    changelog.append(transaction, change)
    if change.order is not None:
        changelog.store(transaction, change.key, change.order)
    return True


@wrong(replication, feedback="changelog.append(transaction, change)")
def apply__writes_the_log_as_if_it_were_the_primary(transaction, change):
    position = _end(transaction)
    if change.position <= position:
        return False
    if change.position > position + 1:
        raise GapError
    changelog.record(transaction, 1, change.key, change.order)
    return True


_applied: WeakKeyDictionary = WeakKeyDictionary()


@wrong(replication, feedback="ask changelog.end(transaction.execute) each time")
def apply__remembers_the_position_itself(transaction, change):
    position = _applied.get(transaction, 0)
    if change.position <= position:
        return False
    if change.position > position + 1:
        raise GapError
    _applied[transaction] = change.position
    return _apply(transaction, change)


@wrong(replication, feedback="the caller commits, not you")
def apply__commits(transaction, change):
    position = _end(transaction)
    if change.position <= position:
        return False
    if change.position > position + 1:
        raise GapError
    _apply(transaction, change)
    transaction.execute("COMMIT")
    transaction.execute("BEGIN")
    return True


EQUIVALENT: dict[str, str] = {}
