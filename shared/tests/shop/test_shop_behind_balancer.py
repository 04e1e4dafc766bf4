"""The shop itself, three processes of it behind the balancer, and customers that are not ours."""

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import shops

from amazonian.resilience.processes import Process
from amazonian.shop import balancing, calls, proxy
from amazonian.shop.balancing import Backend

USERS, ROUNDS = 6, 50  # more than enough for all that happens meanwhile


class Counting(balancing.PowerOfTwo):
    """Two choices; a test can wait until more requests have come."""

    def __init__(self) -> None:
        super().__init__(random.Random(5))
        self._come, self._more = 0, threading.Condition()

    def choose(self, backends: Sequence[Backend], key: str | None = None) -> Backend:
        with self._more:
            self._come += 1
            self._more.notify_all()
        return super().choose(backends, key)

    def wait_for_more(self, count: int, within_s: float = 30.0) -> None:
        with self._more:
            enough = self._come + count
            assert self._more.wait_for(lambda: self._come >= enough, within_s), "no load came"


@contextmanager
def limping(process: Process) -> Iterator[None]:
    """The process is stopped for three quarters of the time, a few milliseconds each."""
    well = threading.Event()

    def limp() -> None:
        while not well.wait(0.005):
            process.pause()
            well.wait(0.015)
            process.resume()

    thread = threading.Thread(target=limp, daemon=True)
    thread.start()
    try:
        yield
    finally:
        well.set()
        thread.join()


def test_every_order_is_kept_while_a_shop_is_killed_started_again_and_slow(tmp_path: Path) -> None:
    """All that the customers ask may be repeated, so the balancer tries elsewhere: none fails."""
    arguments = ["monolith", f"--database={tmp_path / 'shop.db'}"]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(Process("amazonian.shop.services", arguments)) for _ in range(3)
        ]
        shops.stock(calls.over_http(processes[0].url))
        policy = Counting()
        backends = [Backend(name, p.url) for name, p in zip("abc", processes, strict=True)]
        url = stack.enter_context(proxy.serving(proxy.Proxy(backends, policy)))
        load = stack.enter_context(shops.shoppers(url, tmp_path, USERS, ROUNDS))
        policy.wait_for_more(100)
        processes[0].kill()
        policy.wait_for_more(60)
        processes[0].start()
        policy.wait_for_more(60)
        with limping(processes[1]):
            policy.wait_for_more(100)
        processes[2].kill()
        policy.wait_for_more(60)
        assert load.poll() is None, "the load ended before the last fault"
        printed, complaints = load.communicate(timeout=60)
        assert load.returncode == 0, complaints
        requests = json.loads(printed)
        assert [entry["num_failures"] for entry in requests] == [0] * len(requests)
        told = shops.Told.read(tmp_path / "told.jsonl")
        assert len(told.orders) == USERS * ROUNDS
        shops.assert_kept(calls.over_http(url), told)
