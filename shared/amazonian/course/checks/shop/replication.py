"""What lab 2.3 asks of a reader of its own writes, and of a replica that applies a change."""

from amazonian.course.evidence import Answer, call, fail, given, scenario, shown
from amazonian.course.rules import RulesFor
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import changelog, replication
from amazonian.shop.changelog import Change, End, Order
from amazonian.shop.replication import GapError

about = RulesFor("amazonian.shop.replication")


# --- read_after -------------------------------------------------------------------------------


class _Server:
    """A server whose position is known, and that counts who asks for it."""

    def __init__(self, name: str, position: int):
        self.name, self._position, self.asked = name, position, 0

    def position(self) -> int:
        self.asked += 1
        return self._position

    def find(self, key: str) -> None:
        return None

    def __repr__(self) -> str:
        return f"<{self.name} at {self._position}>"


def _goes_to(read_after, position: int, positions: list[int], wanted: int | None, look: str):
    """The read goes to the replica with this index, or to the primary if that is None."""
    replicas = [_Server(f"replica {number}", at) for number, at in enumerate(positions)]
    primary = _Server("primary", max([position, *positions]) + 2)
    answer = call(read_after, position, replicas, primary)
    server = primary if wanted is None else replicas[wanted]
    if answer.error is not None or answer.raw is not server:
        raise answer.broken(repr(server), look)
    return replicas, primary


@about.rule("read_after")
def a_replica_that_has_the_change_is_read_from(read_after):
    """A replica that has the change at that very position, or more, is read from."""
    _goes_to(read_after, 7, [9], 0, "return the server itself, not its name or its position")
    _goes_to(read_after, 7, [7], 0, "at 7, it has the change at 7 as well")
    _goes_to(read_after, 0, [0], 0, "a newcomer has written nothing, so any replica will do")


@about.rule("read_after")
def a_replica_that_lacks_it_is_not(read_after):
    """A replica that is behind is passed over, even by one change."""
    look = "that replica would show the order as it was before the customer changed it"
    _goes_to(read_after, 7, [6, 7], 1, look)
    _goes_to(read_after, 7, [3, 6, 0, 12], 3, look)


@about.rule("read_after")
def the_first_that_has_it_is_taken(read_after):
    """Of several replicas that have it, the first is taken, not the one that is furthest."""
    look = "the caller's order spreads the readers; if all take the furthest, one replica has all"
    _goes_to(read_after, 7, [8, 99, 7], 0, look)
    _goes_to(read_after, 7, [2, 7, 8], 1, look)


@about.rule("read_after")
def the_primary_is_the_last_resort(read_after):
    """Only if no replica has the change, the primary is read from; and it is not asked before."""
    _goes_to(read_after, 7, [6, 5], None, "no replica has it: return the primary")
    _goes_to(read_after, 7, [], None, "without replicas, too")
    _goes_to(read_after, 0, [], None, "without replicas, a newcomer reads from the primary, too")
    _, primary = _goes_to(read_after, 7, [6, 7], 1, "")
    if primary.asked:
        raise fail(
            "primary.position() was called",
            "no question to the primary",
            "it has every change, and the least time: there is nothing to ask it for",
        )


about.hints(
    "read_after",
    "What does a replica's position say about the change at position 7, if it is 6? If it is 8?",
    "Go through the replicas in order. The first whose position() is `position` or more will do.",
    """
    for replica in replicas:
        if replica.position() … position:
            return …
    return …
    """,
)


# --- apply ------------------------------------------------------------------------------------


def _order(number: int, total_minor: int = 4_200) -> Order:
    return Order(f"ada/{number}", "kettle", total_minor)


FIRST = Change(1, 1, "ada/1", _order(1))
SECOND = Change(2, 1, "ada/1", _order(1, 99))
THIRD = Change(3, 2, "ada/2", _order(2))
GONE = Change(4, 2, "ada/1", None)


class _Replica:
    """A replica's database, and the learner's `apply` on it, each time in a transaction."""

    def __init__(self, apply, situation: str = "an empty replica"):
        scenario(situation)
        self.apply, self.database = apply, MemoryDatabase(replication.SCHEMA)

    def take(self, change: Change) -> Answer:
        """One change in a transaction of its own, which is committed even after an error, so
        that what was done before it shows."""
        return self.database.write(
            lambda transaction: call(
                self.apply, transaction, change, shown_as=f"apply(transaction, {_short(change)})"
            )
        )

    def holds(self, log: list[Change], look: str = "") -> None:
        """The log holds these changes, and the orders are what they say."""
        found = changelog.changes(self.database.read, 0)
        if found != log:
            texts = [f"log: {[_short(change) for change in part]}" for part in (found, log)]
            raise fail(texts[0], texts[1], look or "changelog.append(transaction, change)")
        orders = {change.key: change.order for change in log}
        wanted = {key: order for key, order in orders.items() if order is not None}
        kept = changelog.every(self.database)
        if kept != wanted:
            raise fail(
                f"orders: {shown(list(kept.values()))}",
                f"orders: {shown(list(wanted.values()))}",
                look or "changelog.store(transaction, change.key, change.order)",
            )


def _short(change: Change) -> str:
    total = "deleted" if change.order is None else f"{change.order.total_minor} cents"
    return f"<change {change.position} of epoch {change.epoch}: {change.key} {total}>"


@about.rule("apply")
def the_next_change_is_applied(apply):
    """The change after the end of the log goes into the orders and into the log: True."""
    replica = _Replica(apply)
    for number, change in enumerate((FIRST, SECOND, THIRD, GONE), 1):
        replica.take(change).equals(True, look="this one was applied now, so return True")
        replica.holds([FIRST, SECOND, THIRD, GONE][:number])


@about.rule("apply")
def a_change_that_comes_again_does_nothing(apply):
    """A change that the log has already changes nothing, even if it is an old one: False."""
    replica = _Replica(apply)
    for change in (FIRST, SECOND):
        replica.take(change).equals(True)
    for again in (SECOND, FIRST):
        replica.take(again).equals(
            False, look="where does this log end? What lies at or before its end was applied before"
        )
        replica.holds([FIRST, SECOND], "an old change again would bring back what it was then")


@about.rule("apply")
def a_gap_is_refused(apply):
    """A change whose predecessor is missing raises GapError, and nothing has changed."""
    for log, early in (([], SECOND), ([FIRST], THIRD), ([FIRST], GONE)):
        replica = _Replica(apply)
        for change in log:
            replica.take(change).equals(True)
        replica.take(early).raises(
            GapError,
            look=f"after {len(log)} comes {len(log) + 1}. A replica with a gap would show orders "
            "that no moment ever had",
        )
        replica.holds(log, "test before you write: what was written before the error may be kept")


@about.rule("apply")
def the_log_alone_says_where_it_is(apply):
    """Where a replica is, its log says: also for one whose log others have written to."""
    replica = _Replica(apply, "a replica that was a primary, and wrote changes 1 to 3 itself")
    for change in (FIRST, SECOND, THIRD):

        def write(transaction, change=change) -> None:
            changelog.append(transaction, change)
            changelog.store(transaction, change.key, change.order)

        replica.database.write(write)
    replica.take(SECOND).equals(False, look="ask changelog.end(transaction.execute) each time")
    replica.take(GONE).equals(True, look="ask changelog.end(transaction.execute) each time")
    replica.holds([FIRST, SECOND, THIRD, GONE])


@about.rule("apply")
def many_changes_are_one_transaction(apply):
    """Several changes in one transaction all count, and if the caller gives it up none does."""
    replica = _Replica(apply, "one transaction for changes 1 to 4, given up at its end")

    def both(transaction) -> None:
        for change in (FIRST, SECOND, THIRD, GONE):
            shown_as = f"apply(transaction, {_short(change)})"
            call(apply, transaction, change, shown_as=shown_as).equals(True)
        raise RuntimeError

    try:
        replica.database.write(both)
    except RuntimeError:
        given("the caller rolls it back")
    if changelog.end(replica.database.read) != End():
        raise fail("a log that is not empty", "an empty log", "the caller commits, not you")
    replica.take(FIRST).equals(True, look="nothing of the first time was kept")
    replica.holds([FIRST])


about.hints(
    "apply",
    "The log ends at 7. What do you do with change 7, with change 8, and with change 9?",
    """
    Three cases, by the change's position and the position where the log ends: at or before the
    end it was applied already; more than one behind the end there is a gap; else append it to the
    log and store its order.
    """,
    """
    position = changelog.end(transaction.execute).position
    if change.position … position: return False
    if change.position > …: raise GapError("…")
    changelog.append(…, …)
    changelog.store(…, …, …)
    return True
    """,
)
