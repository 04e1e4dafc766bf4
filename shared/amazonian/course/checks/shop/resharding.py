"""What lab 2.3 asks of a move of one range from shard to shard."""

from collections.abc import Callable

from amazonian.course.evidence import Answer, call, fail, given, scenario
from amazonian.course.rules import RulesFor
from amazonian.shop import changelog
from amazonian.shop.changelog import Order
from amazonian.shop.crashpoints import KilledError, Moments
from amazonian.shop.rehearsals import BACK, DOUBLED, HELD, LOST, STALE, Store, Traffic
from amazonian.shop.shards import Shard, ShardMap

about = RulesFor("amazonian.shop.resharding")

TAIL = (
    "note source.position() before the copy begins; catch_up from there; and once more, from "
    "where the first ended, when nobody can write at the source any more"
)
AGAIN = (
    "what does a move that died leave? Half a copy, in which deleted orders live on: "
    "target.clear(move) at the beginning. Or a map that names the target already: then nothing "
    "is left to do but source.clear(move), and that must be done"
)
UNOPENED = (
    "target.open(move) before shard_map.assign(move): if you die between the two, the map names "
    "a shard that takes writes already"
)
LONG = 60
CLOSE = "source.close(move)"
LOOKS = {
    LOST: "a read goes where the map names. Orders that were there when you began come to the "
    "target by copy, before assign, and leave the source after it. Those that came since: " + TAIL,
    STALE: TAIL,
    BACK: "a delete is a change, too. " + TAIL,
    DOUBLED: "in the end source.clear(move) deletes what has moved",
    HELD: "in the end the target must own the range: target.open(move)",
}


class _Noted(Shard):
    """A shard that tells what is done to it."""

    has_taken = False

    def __init__(self, role: str, shard: Shard, note: Callable[[str], None]):
        super().__init__(shard.name, shard.database)
        self.role, self.note = role, note

    def position(self) -> int:
        position = super().position()
        self.note(f"{self.role}.position() gives {position}")
        return position

    def take(self, changes) -> None:
        changes = list(changes)
        self.note(f"{self.role} takes {len(changes)} orders or changes")
        super().take(changes)
        self.has_taken = True

    def close(self, move) -> None:
        self.note(f"{self.role}.close(move)")
        super().close(move)

    def open(self, move) -> None:
        self.note(f"{self.role}.open(move)")
        super().open(move)

    def clear(self, move) -> None:
        self.note(f"{self.role}.clear(move)")
        super().clear(move)


class _NotedMap(ShardMap):
    def __init__(self, shard_map: ShardMap, note: Callable[[str], None]):
        super().__init__(shard_map.database)
        self.note = note

    def assign(self, move) -> None:
        self.note("shard_map.assign(move)")
        super().assign(move)


class _World:
    """Two shards, a third that is to have a range, and customers who act if they are let."""

    def __init__(self, moments: Moments, situation: str):
        scenario(situation)
        self.store = Store(moments)
        self.move = self.store.moves[0]
        self.faults: list[tuple[str, str]] = []
        self.steps: list[str] = []
        self.traffic = Traffic(self.store, lambda *fault: self.faults.append(fault))
        self.source = _Noted("source", self.store.moved[self.move.source], self.note)
        self.target = _Noted("target", self.store.moved[self.move.target], self.note)
        self.shard_map = _NotedMap(self.store.moved_map, self.note)

    def note(self, step: str) -> None:
        self.steps.append(step)
        if not self.faults:
            given(step)

    def customers_act(self) -> None:
        """They do, but rest after a long while, so that whoever waits for that comes to an end,
        and act again when the source is being closed."""
        tired = len(self.steps) > LONG and CLOSE not in self.steps
        if not self.faults and not tired:
            self.traffic.turn()

    def run(self, move_range) -> Answer:
        return call(
            move_range,
            self.move,
            self.source,
            self.target,
            self.shard_map,
            shown_as="move_range(move, source, target, shard_map)",
        )

    def in_range(self, shard: Shard) -> dict[str, Order]:
        orders = changelog.every(self.store.shards[shard.name].database)
        return {key: o for key, o in orders.items() if changelog.place_of(key) in self.move}

    def no_fault(self, look: str = "") -> None:
        if self.faults:
            fault, detail = self.faults[0]
            raise fail(
                f"{fault}: {detail}", "every order, as it was last written", look or LOOKS[fault]
            )

    def no_fault_after_a_death(self) -> None:
        if self.faults:
            self.no_fault(UNOPENED if self.faults[0][0] == HELD else AGAIN)


@about.rule("move_range")
def a_quiet_range_moves(move_range):
    """Without customers, all orders of the range end in the target alone, and the map names it."""
    world = _World(Moments(), "nobody reads or writes")
    before, others = world.in_range(world.source), changelog.every(world.source.database)
    answer = world.run(move_range)
    answer.made  # noqa: B018 - raises what the call raised
    if world.in_range(world.target) != before:
        raise fail(
            f"{len(world.in_range(world.target))} orders of the range in the target",
            f"the {len(before)} that were in the source",
            "copy(move, source, target), before the source is cleared",
        )
    if world.in_range(world.source):
        raise fail(
            f"{len(world.in_range(world.source))} orders of the range still in the source",
            "none",
            "source.clear(move), at last",
        )
    left = {key: order for key, order in others.items() if key not in before}
    if changelog.every(world.source.database) != left:
        raise fail("other orders of the source changed", "no change to what does not move")
    if world.store.shard_map.node_of(world.move.upto) != world.move.target:
        raise fail(
            f"the map names {world.move.source!r}",
            repr(world.move.target),
            "shard_map.assign(move)",
        )
    place = world.move.upto
    for shard, wanted, look in (
        (
            world.source,
            False,
            "source.close(move): then nobody writes there, and the log has an end",
        ),
        (world.target, True, LOOKS[HELD]),
    ):
        if shard.owns(place) != wanted:
            raise fail(
                f"the {shard.role} {'refuses' if wanted else 'still takes'} writes in the range",
                "the target takes them, and the source refuses",
                look,
            )


@about.rule("move_range")
def customers_act_at_each_moment(move_range):
    """Whatever customers write while it runs, they read it back, and nothing they deleted."""
    moments = Moments()
    world = _World(moments, "customers write, delete and read before and after each step")
    moments.meanwhile = world.customers_act
    answer = world.run(move_range)
    world.no_fault()
    answer.made  # noqa: B018 - raises what the call raised
    world.traffic.last_look()
    world.no_fault()


@about.rule("move_range")
def the_range_is_closed_for_a_moment_only(move_range):
    """While no shard owns the range, nothing is copied: only what came last is caught up with."""
    moments = Moments()
    world = _World(moments, "customers write until the copy is made, and then rest")

    moments.meanwhile = lambda: None if world.target.has_taken else world.traffic.turn()
    world.run(move_range).made  # noqa: B018 - raises what the call raised
    closed = [at for at, step in enumerate(world.steps) if step == CLOSE]
    held = world.steps[closed[0] :] if closed else []
    late = [step for step in held if step.startswith("target takes")]
    if late:
        raise fail(
            f"with the source closed, the {late[0]}",
            "nothing that was there before",
            "writes of the range wait all that time: copy and catch_up first, then close, and then "
            "catch up with what came in between",
        )


@about.rule("move_range")
def the_target_opens_when_it_has_everything(move_range):
    """The target takes writes only when the source takes none any more, and everything has come."""
    moments = Moments()
    world = _World(moments, "customers write before and after each step")
    moments.meanwhile = world.customers_act
    world.run(move_range).made  # noqa: B018 - raises what the call raised
    opened = world.steps.index("target.open(move)")
    if CLOSE not in world.steps[:opened]:
        raise fail(
            "the target is open, and the source not yet closed",
            f"{CLOSE} before it",
            "two shards that take writes of the same order: which of them is right?",
        )
    late = [step for step in world.steps[opened:] if step.startswith("target takes")]
    if late:
        raise fail(
            f"the target is open, and then it {late[0].removeprefix('target ')}",
            "target.open(move) after the last catch_up",
            "an old change of the source would undo a new one that the target has taken",
        )


@about.rule("move_range")
def it_may_die_at_any_moment(move_range):
    """It may die before or after each step: called again, it ends as if it had not."""
    moment, seen = 0, 1
    while moment < seen:
        moment += 1
        moments = Moments([moment])
        world = _World(moments, f"the process dies at its moment {moment}, and is called again")
        moments.meanwhile = world.customers_act
        answer, seen = world.run(move_range), moments.seen + 1
        if isinstance(answer.error, KilledError):
            given("a new process begins")
            answer = world.run(move_range)
        world.no_fault_after_a_death()
        answer.made  # noqa: B018 - raises what the call raised
        world.traffic.last_look()
        world.no_fault_after_a_death()


about.hints(
    "move_range",
    """
    Follow one order that a customer changes while you copy: when can the change come, and by
    which of your steps does it reach the target? And what would a customer read who comes just
    after each step?
    """,
    """
    The copy misses what comes behind its back; the source's log has it, from the position where
    the log ended when the copy began. Repeat that twice: while customers still write, so that
    little is left, and when the source is closed, so that nothing is. A shard that the map names
    has everything and takes writes. And if the map names the target already, what is left to do?
    """,
    """
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        begin = …
        copy(move, source, target)
        level = catch_up(move, source, target, …)
        source.close(move)
        catch_up(move, source, target, …)
        target.…
        shard_map.…
    source.…
    """,
)
