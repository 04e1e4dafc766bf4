"""Scrub, repair and collect: keeping payloads whole while devices rot, break and are replaced."""

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from amazonian.s3 import placement
from amazonian.s3.device_queues import DeviceQueue, ask_all
from amazonian.s3.examination import Examination, Finding
from amazonian.s3.fragments import PARTIAL, is_payload
from amazonian.s3.holds import DeletedError, Holds
from amazonian.s3.reading import PayloadLostError, Sources
from amazonian.s3.rebuilding import rebuild


@dataclass
class ScrubReport:
    """What a scrub looked at, and what is wrong with it.

    `unreachable` names the devices that do not answer; what they hold was not looked at. `lost`
    names the payloads that can't be read any more from the others.
    """

    payloads: int = 0
    fragments: int = 0
    cells: int = 0
    unreachable: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.unreachable or self.findings or self.lost)


@dataclass(frozen=True)
class Rebuilt:
    """A fragment that a repair has put onto a device."""

    device: str
    payload: str
    index: int


@dataclass
class RepairReport:
    """What a repair did.

    `rebuilt` has the fragments that were put in place, `removed` what was superfluous then,
    `degraded` the payloads that still lack fragments for want of devices, `lost` those that can't
    be read any more from the devices that answer: of them nothing is touched. `unreachable` names
    the devices that do not.
    """

    rebuilt: list[Rebuilt] = field(default_factory=list)
    removed: list[Finding] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)


class Upkeep:
    """One pass over all payloads, on the devices that can be reached now.

    Args:
        queues: every device's, by name.
        writers, readers: who is using which payload.
        sources_of: gives what a payload can be read from.
        guess: k and m, if no fragment of a payload tells.
        give_up_s: how long to wait for a device, in seconds, before it counts as unreachable.
    """

    def __init__(
        self,
        queues: Mapping[str, DeviceQueue],
        writers: Holds,
        readers: Holds,
        sources_of: Callable[[str], Sources],
        guess: tuple[int, int],
        give_up_s: float,
    ):
        self.writers, self.readers, self.sources_of = writers, readers, sources_of
        self.guess, self.give_up_s = guess, give_up_s
        answers = ask_all(queues.values(), lambda queue: queue.device.list(), give_up_s)
        self.names = {
            queue.device.name: sorted(answer.result)
            for queue, answer in answers.items()
            if answer.error is None
        }
        self.reachable = {name: queue for name, queue in queues.items() if name in self.names}
        self.unreachable = [name for name in queues if name not in self.names]

    def payloads(self) -> list[str]:
        """Every payload of which some device holds a fragment, unless it is being written."""
        names = {name for names in self.names.values() for name in names if is_payload(name)}
        return sorted(name for name in names if name not in self.writers)

    def scrub(self) -> ScrubReport:
        """See ``DataStore.scrub``."""
        report = ScrubReport(findings=list(self._strays()))
        for examination in self._examined():
            report.payloads += 1
            report.fragments += len(examination.copies)
            report.cells += examination.cells
            report.findings += examination.findings()
            if examination.lost:
                report.lost.append(examination.payload)
        report.unreachable = self.unreachable
        return report

    def repair(self) -> RepairReport:
        """See ``DataStore.repair``."""
        report = RepairReport()
        for examination in self._examined():
            try:
                self._repair(examination, report)
            except PayloadLostError:
                report.lost.append(examination.payload)
        report.unreachable = self.unreachable
        return report

    def collect(self, live: Container[str], delete: Callable[[str], None]) -> list[str]:
        """See ``DataStore.collect``."""
        removed = set()
        for payload in self.payloads():
            # In this order: whoever wrote it has named it before letting it go.
            if payload not in self.writers and payload not in live:
                delete(payload)
                removed.add(payload)
        for stray in self._strays():
            if stray.kind == "leftover":
                removed.add(stray.payload.partition(".")[0])
                _remove(self.reachable[stray.device], stray.payload)
        return sorted(removed)

    def _examined(self) -> Iterator[Examination]:
        """Each payload, checked to its last cell; it is not removed while it is looked at."""
        for payload in self.payloads():
            with suppress(DeletedError), self.readers.use(payload):
                order = placement.order(payload, self.reachable)
                queues = [self.reachable[name] for name in order]
                examination = Examination(queues, payload, self.guess, self.give_up_s)
                for queue in examination.silent:
                    del self.reachable[queue.device.name]
                    self.unreachable.append(queue.device.name)
                if examination.copies:  # none: it was deleted since the devices were listed
                    yield examination

    def _strays(self) -> Iterator[Finding]:
        """Files that are no fragments: what broken writes left, and what others put there."""
        for device, names in self.names.items():
            for name in names:
                payload, _, rest = name.partition(".")
                if not is_payload(payload) or (rest and not name.endswith(PARTIAL)):
                    yield Finding(device, name, "unknown")
                elif name == payload or payload in self.writers or payload in self.readers:
                    continue
                elif _is_there(self.reachable[device], name):  # else its write has ended since
                    yield Finding(device, name, "leftover")

    def _repair(self, examination: Examination, report: RepairReport) -> None:
        """Put every fragment where it belongs; only then remove what is too much."""
        if examination.lost:
            raise PayloadLostError(examination.payload)
        payload, n = examination.payload, examination.layout.n
        placed = {index: copy.queue for index, copy in examination.keepers.items()}
        built = rebuild(
            lambda: self.sources_of(payload), examination.lacking, examination.targets()
        )
        placed |= built
        report.rebuilt += [Rebuilt(built[i].device.name, payload, i) for i in built]
        still = {copy.index for copy in examination.copies if copy.sound} | placed.keys()
        if len(still) < n:
            report.degraded.append(payload)
        for copy in examination.copies:
            superfluous = copy.index in placed or len(placed) == n
            if superfluous and copy.queue not in placed.values():
                _remove(copy.queue, payload)
                report.removed.append(Finding(copy.device, payload, "misplaced"))


def _is_there(queue: DeviceQueue, name: str) -> bool:
    try:
        queue.device.read_end(name, 0)
    except OSError:
        return False
    return True


def _remove(queue: DeviceQueue, name: str) -> None:
    with suppress(OSError):
        queue.device.remove(name)
