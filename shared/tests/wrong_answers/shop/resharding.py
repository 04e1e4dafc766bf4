"""Wrong answers to lab 2.3: the move of a range."""

from amazonian.shop import resharding
from amazonian.shop.resharding import catch_up, copy
from wrong_answers import wrong


def _named(move, shard_map):
    return shard_map.node_of(move.upto) == move.source


@wrong(resharding, feedback="before assign, and leave the source after it")
def move_range__switches_before_it_copies(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        source.close(move)
        target.open(move)
        shard_map.assign(move)
        copy(move, source, target)
        catch_up(move, source, target, begin)
    source.clear(move)


@wrong(resharding, feedback="note source.position() before the copy begins")
def move_range__copies_without_what_comes_meanwhile(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        copy(move, source, target)
        source.close(move)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="note source.position() before the copy begins")
def move_range__notes_the_position_after_the_copy(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        copy(move, source, target)
        level = catch_up(move, source, target, source.position())
        source.close(move)
        catch_up(move, source, target, level)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="when nobody can write at the source any more")
def move_range__catches_up_once_and_then_closes(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        catch_up(move, source, target, begin)
        source.close(move)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="before assign, and leave the source after it")
def move_range__deletes_before_the_switch(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        catch_up(move, source, target, level)
        source.clear(move)
        target.open(move)
        shard_map.assign(move)


@wrong(resharding, feedback="source.clear(move), at last")
def move_range__leaves_the_old_rows(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        catch_up(move, source, target, level)
        target.open(move)
        shard_map.assign(move)


@wrong(resharding, feedback="then nothing is left to do but source.clear(move), and that must be")
def move_range__clears_the_source_only_if_it_moved_something(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        catch_up(move, source, target, level)
        target.open(move)
        shard_map.assign(move)
        source.clear(move)


@wrong(resharding, feedback="writes of the range wait all that time")
def move_range__closes_first_to_be_safe(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        source.close(move)
        copy(move, source, target)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="writes of the range wait all that time")
def move_range__catches_up_only_while_it_is_closed(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        source.close(move)
        catch_up(move, source, target, begin)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="the source still takes writes in the range")
def move_range__does_not_close_the_source(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        catch_up(move, source, target, level)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="when nobody can write at the source any more")
def move_range__closes_the_source_after_the_switch(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        catch_up(move, source, target, level)
        target.open(move)
        shard_map.assign(move)
        source.close(move)
    source.clear(move)


@wrong(resharding, feedback="Half a copy, in which deleted orders live on")
def move_range__goes_on_with_an_old_copy(move, source, target, shard_map):
    if _named(move, shard_map):
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        catch_up(move, source, target, level)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="Or a map that names the target already")
def move_range__begins_again_after_the_switch(move, source, target, shard_map):
    target.clear(move)
    begin = source.position()
    copy(move, source, target)
    level = catch_up(move, source, target, begin)
    source.close(move)
    catch_up(move, source, target, level)
    target.open(move)
    shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="the target must own the range: target.open(move)")
def move_range__forgets_to_open_the_target(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        catch_up(move, source, target, level)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="when nobody can write at the source any more")
def move_range__waits_until_it_is_level(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        level = source.position()
        copy(move, source, target)
        while level < source.position():
            level = catch_up(move, source, target, level)
        source.close(move)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="target.open(move) before shard_map.assign(move)")
def move_range__opens_after_the_switch(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        catch_up(move, source, target, level)
        shard_map.assign(move)
        target.open(move)
    source.clear(move)


@wrong(resharding, feedback="two shards that take writes of the same order")
def move_range__opens_before_it_closes(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        target.open(move)
        source.close(move)
        catch_up(move, source, target, level)
        shard_map.assign(move)
    source.clear(move)


@wrong(resharding, feedback="an old change of the source would undo a new one")
def move_range__opens_before_everything_has_come(move, source, target, shard_map):
    if _named(move, shard_map):
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        level = catch_up(move, source, target, begin)
        source.close(move)
        target.open(move)
        catch_up(move, source, target, level)
        shard_map.assign(move)
    source.clear(move)


EQUIVALENT: dict[str, str] = {}
