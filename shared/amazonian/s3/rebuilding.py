"""Making lost fragments anew from those that are left."""

from collections.abc import Callable, Mapping, Sequence

from amazonian.s3.device_queues import DeviceQueue
from amazonian.s3.reading import Sources, StripeRead
from amazonian.s3.writing import FragmentWriter


def rebuild(
    sources_of: Callable[[], Sources], lacking: Sequence[int], targets: Sequence[DeviceQueue]
) -> dict[int, DeviceQueue]:
    """Put each lacking fragment onto the next target that takes it.

    Args:
        sources_of: gives what can be read of the payload now.
        lacking: numbers of fragments.
        targets: devices that hold none of the payload's sound fragments, the best first.

    Returns:
        The devices that hold durable fragments now, by number. Some are lacking still if there
        were too few targets, or too few that work.

    Raises:
        PayloadLostError: the payload can't be read any more; nothing was changed.
    """
    built: dict[int, DeviceQueue] = {}
    left, targets = list(lacking), list(targets)
    while left and targets:
        pairs = dict(zip(left, targets, strict=False))
        targets = targets[len(pairs) :]
        built |= _rebuild_once(sources_of(), pairs)
        left = [index for index in lacking if index not in built]
    return built


def _rebuild_once(sources: Sources, pairs: Mapping[int, DeviceQueue]) -> dict[int, DeviceQueue]:
    """Read the payload once and write these fragments to these devices, as far as they obey."""
    writers = {i: FragmentWriter(queue, sources.payload, i) for i, queue in pairs.items()}
    try:
        for stripe in range(sources.layout.stripes):
            cells = StripeRead(sources, stripe, list(writers)).cells()
            _on_all(writers, lambda writer: writer.append(cells[writer.index]))  # noqa: B023
        _on_all(writers, lambda writer: writer.finish(sources.layout))
    except BaseException:
        for writer in writers.values():
            writer.remove_partial()
        raise
    return {index: pairs[index] for index in writers}


def _on_all(writers: dict[int, FragmentWriter], work: Callable[[FragmentWriter], None]) -> None:
    """Do something with each fragment; forget those whose device fails."""
    for index, writer in list(writers.items()):
        try:
            work(writer)
        except OSError:
            writer.remove_partial()
            del writers[index]
