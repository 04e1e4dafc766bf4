"""Many at once, on the same orders and the same keys: nothing lost, nothing twice, no deadlock."""

import multiprocessing
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from paying import NOON_S, Payments, event

from amazonian.payments import (
    dead_letters,
    ledger,
    orders,
    outbox,
    properties,
    refunds,
    scenario,
    store,
)
from amazonian.payments.crashes import WITNESSES
from amazonian.payments.orders import State
from amazonian.payments.refunds import NotRefundableError
from amazonian.payments.scenario import Process, Shop
from amazonian.payments.stripe_simulator import transport
from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.faults import Kind
from amazonian.payments.stripe_simulator.server import running
from amazonian.resilience.database import open_database

THREADS, PROCESSES = 16, 4
EVENTS = [
    orders.PaymentEvent(
        f"e{n}",
        "ada",
        "EUR",
        "pm_card_chargeDeclined" if n % 5 == 0 else "pm_card_visa",
        (orders.Item("books", 1_000 + n), orders.Item("toys", 500 + n)),
        NOON_S,
    )
    for n in range(10)
]
GIVEN_BACK = [f"e{n}-1" for n in range(10) if n % 3 == 1]
SPEED = 20  # so many of the clock's seconds pass in one
PATIENCE_S = 120


class FastClock:
    """A clock that all processes of this machine share, and that hurries."""

    def now_s(self):
        return NOON_S + time.monotonic() * SPEED

    def sleep(self, seconds):
        time.sleep(seconds / SPEED)


def at_once(count, work):
    """What ``work(number)`` gives in each of `count` threads; an error goes through."""
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(work, number) for number in range(count)]
        return [future.result(PATIENCE_S) for future in running]


def stores(dsn, folder):
    """Our database, and the shop's."""
    return store.open_store(dsn), open_database(folder / "shop.db", scenario.SHOP_SCHEMA)


def work(process, seed):
    """What each thread does: buy (all buy the same), refund, advance, relay, take in webhooks."""
    rng = random.Random(seed)
    for bought in rng.sample(EVENTS, len(EVENTS)):
        process.database.write(lambda t, bought=bought: orders.create(t, bought))
        process.executor.run_once()
        for order_id in rng.sample(GIVEN_BACK, 2):
            with suppress(NotRefundableError, orders.UnknownOrderError):
                now_s = process.clock.now_s()
                process.database.write(lambda t, id=order_id, s=now_s: refunds.begin(t, id, s))
        if rng.random() < 0.3:
            process.deliver(rng.sample(sent := process.webhooks_sent(), len(sent)))
            outbox.relay(process.database, process.shop.publish, process.clock.now_s())


def finish(process):
    """The faults are over: redrive, wait, and settle, until nothing is left to do."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        process.redrive()
        process.settle_down()
        states = {state for (state,) in process.database.read("SELECT state FROM payment_orders")}
        if states <= {"captured", "declined", "refunded", "settled"}:
            break
    for order_id in GIVEN_BACK:
        process.request_refund(order_id)
    process.settle_down()
    process.book_payouts()
    outbox.relay(process.database, process.shop.publish, process.clock.now_s())


def check(database, shop, psp):
    known = {kind: psp.objects(kind) for kind in WITNESSES}
    assert properties.violations(database.read, known, shop.heard()) == []
    assert dead_letters.waiting(database.read) == []
    [(count,)] = database.read("SELECT count(*) FROM payment_orders")
    assert count == 2 * len(EVENTS)
    for order_id in GIVEN_BACK:
        refundable = orders.get(database.read, order_id).state is not State.DECLINED
        assert (orders.get(database.read, order_id).state is State.REFUNDED) == refundable


# --- threads


def test_of_sixteen_who_advance_one_order_one_calls_the_psp(dsn, closing):
    payments = Payments(closing(store.open_store(dsn)))
    payments.buy()
    start = threading.Barrier(THREADS)

    def advance(number):
        start.wait()
        return payments.executor.advance("e-1").state

    states = at_once(THREADS, advance)
    assert set(states) <= {State.CREATED, State.AUTHORISING, State.CAPTURED}
    assert payments.calls == ["POST /v1/payment_intents"]
    assert payments.order().state is State.CAPTURED
    assert len(ledger.entries(payments.database.read)) == 1


def test_of_sixteen_who_send_one_event_one_creates_it(dsn, closing):
    database = closing(store.open_store(dsn))
    made = at_once(THREADS, lambda _: database.write(lambda t: orders.create(t, event())))
    assert made == [made[0]] * THREADS


def test_sixteen_threads_work_on_the_same_orders(dsn, closing, tmp_path):
    database, shops = map(closing, stores(dsn, tmp_path))
    payments, shop = Payments(database), Shop(shops)
    faults = [Kind.ERROR_AFTER, Kind.TIMEOUT_AFTER, Kind.THROTTLE, Kind.ERROR_BEFORE]
    for number, kind in enumerate(faults * 3):
        payments.psp.faults.add(kind, nth=1 + 4 * number)
    client = payments.provider.client

    def process():
        return Process(database, shop, client, payments.clock, payments.psp.objects)

    at_once(THREADS, lambda number: work(process(), number))
    payments.psp.faults.clear()
    finish(last := process())
    assert last.errors == []
    check(database, shop, payments.psp)


# --- processes, one of which is killed


def live(dsn, folder, url, seed):
    """One process: four threads on connections of their own."""
    database, shops = stores(dsn, folder)
    with closing(database), closing(shops):
        at_once(4, lambda n: work(over_http(database, shops, url), 4 * seed + n))


def over_http(database, shops, url):
    client = transport.client_for(url, timeout_s=2.0)

    def psp(kind):
        return client.raw_request("get", f"/v1/{kind}s", limit=100).data["data"][::-1]

    return Process(database, Shop(shops), client, FastClock(), psp)


def test_four_processes_work_on_the_same_orders_and_one_is_killed(dsn, closing, tmp_path):
    database, shops = map(closing, stores(dsn, tmp_path))
    psp = Simulator(FastClock())
    for number, kind in enumerate([Kind.ERROR_AFTER, Kind.THROTTLE, Kind.ERROR_BEFORE] * 7):
        psp.faults.add(kind, on="POST /v1/payment_intents", nth=1 + 3 * number)
    with running(psp) as url:
        fork = multiprocessing.get_context("fork")
        processes = [
            fork.Process(target=live, args=(dsn, tmp_path, url, seed), daemon=True)
            for seed in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        while not database.read("SELECT 1 FROM payment_orders WHERE state <> 'created'"):
            assert processes[0].is_alive()
        os.kill(processes[0].pid, signal.SIGKILL)
        for process in processes:
            process.join(PATIENCE_S)
        assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0, 0, 0]
        psp.faults.clear()
        finish(over_http(database, shops, url))
        check(database, Shop(shops), psp)
