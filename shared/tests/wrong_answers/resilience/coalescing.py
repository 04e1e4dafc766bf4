"""Wrong answers to lab 1.4: coalescing."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from amazonian.resilience import coalescing
from wrong_answers import wrong


@wrong(coalescing, feedback="20 calls of fetch")
class Coalescer__lets_waiters_try_for_themselves(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            try:
                return flight.result()
            except Exception:
                return fetch()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        with self._lock:
            del self._flights[key]
        return flight.result()


@wrong(coalescing, feedback="the lock is held while somebody fetches or waits")
class Coalescer__locks_everyone_out(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = Future()
                try:
                    flight.set_result(fetch())
                except BaseException as error:
                    flight.set_exception(error)
                del self._flights[key]
        return flight.result()


@wrong(coalescing, feedback="the third thread waited for the first one's fetch")
class Coalescer__waits_with_the_lock_in_its_hand(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight.result()
            flight = self._flights[key] = Future()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        with self._lock:
            del self._flights[key]
        return flight.result()


@wrong(coalescing, feedback="hold it only to look at the flights")
class Coalescer__waits_so_that_nobody_can_end_it(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight.result()
            flight = self._flights[key] = Future()
        try:
            flight_ends = flight.set_result, fetch()
        except BaseException as error:
            flight_ends = flight.set_exception, error
        with self._lock:
            del self._flights[key]
        flight_ends[0](flight_ends[1])
        return flight.result()


@wrong(coalescing, feedback="make it in __init__")
class Coalescer__keeps_its_flights_in_the_class(coalescing.Coalescer):
    _lock, _flights = threading.Lock(), {}

    def __init__(self):
        pass


@wrong(coalescing, feedback="fetch was called in another thread")
class Coalescer__has_a_pool_of_threads:
    def __init__(self):
        self.pool, self.lock, self.flights = ThreadPoolExecutor(8), threading.RLock(), {}

    def do(self, key, fetch):
        with self.lock:
            flight = self.flights.get(key)
            if flight is None:
                flight = self.flights[key] = self.pool.submit(fetch)
                flight.add_done_callback(lambda _: self.flights.pop(key, None))
        return flight.result()


@wrong(coalescing, feedback="a waiter is spinning")
class Coalescer__spins(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            while not flight.done():
                pass
            return flight.result()
        try:
            end, outcome = flight.set_result, fetch()
        except BaseException as error:
            end, outcome = flight.set_exception, error
        with self._lock:
            del self._flights[key]
        end(outcome)
        return flight.result()


class _Renamed(coalescing.Coalescer):
    """It looks for something made of the key, and not for the key itself."""

    def do(self, key, fetch):
        return super().do(self.name(key), fetch)


@wrong(coalescing, feedback="its id() differs where keys are equal")
class Coalescer__looks_for_the_id(_Renamed):
    name = staticmethod(id)


@wrong(coalescing, feedback="the key has not been looked up as the key itself")
class Coalescer__looks_for_the_text(_Renamed):
    name = staticmethod(str)


@wrong(coalescing, feedback="each key has its own flight and its own answer")
class Coalescer__looks_for_the_hash(_Renamed):
    name = staticmethod(hash)


@wrong(coalescing, feedback="keep the outcome in the flight, not under the key")
class Coalescer__keeps_the_outcome_under_the_key(coalescing.Coalescer):
    def __init__(self):
        super().__init__()
        self._outcomes = {}

    def do(self, key, fetch):
        with self._lock:
            event = self._flights.get(key)
            first = event is None
            if first:
                event = self._flights[key] = threading.Event()
        if first:
            try:
                outcome = fetch(), None
            except BaseException as error:
                outcome = None, error
            with self._lock:
                self._outcomes[key] = outcome
                del self._flights[key]
            event.set()
        event.wait()
        value, error = self._outcomes[key]
        if error is not None:
            raise error
        return value


@wrong(coalescing, feedback="a lock alone lets them fetch one after the other")
class Coalescer__has_only_a_lock(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            return fetch()


@wrong(coalescing, feedback="the waiters are told before the flight is forgotten")
class Coalescer__tells_before_it_forgets(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        with self._lock:
            del self._flights[key]
        return flight.result()


@wrong(coalescing, feedback="both have looked before either had entered a flight")
class Coalescer__looks_without_a_lock_and_deletes_twice(coalescing.Coalescer):
    def do(self, key, fetch):
        flight = self._flights.get(key)
        if flight is not None:
            return flight.result()
        flight = self._flights[key] = Future()
        try:
            end, outcome = flight.set_result, fetch()
        except BaseException as error:
            end, outcome = flight.set_exception, error
        del self._flights[key]
        end(outcome)
        return flight.result()


@wrong(coalescing, feedback="both have looked before either had entered a flight")
class Coalescer__looks_without_a_lock(coalescing.Coalescer):
    def do(self, key, fetch):
        if key in self._flights:
            return self._flights[key].result()
        flight = self._flights[key] = Future()
        try:
            flight.set_result(fetch())
        except BaseException as error:
            flight.set_exception(error)
        self._flights.pop(key, None)
        return flight.result()


@wrong(coalescing, feedback="the others waited for the first fetch, and then fetched again")
class Coalescer__lets_them_queue_up(coalescing.Coalescer):
    """One lock a key: they go one after the other, and every one of them fetches."""

    def do(self, key, fetch):
        with self._lock:
            lock = self._flights.setdefault(key, threading.Lock())
        with lock:
            return fetch()


@wrong(coalescing, feedback="this is no cache: forget the flight")
class Coalescer__never_forgets(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if first:
            try:
                flight.set_result(fetch())
            except BaseException as error:
                flight.set_exception(error)
        return flight.result()


@wrong(coalescing, feedback="after an error too, in every case, the flight must be forgotten")
class Coalescer__forgets_only_after_success(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if first:
            try:
                value = fetch()
            except BaseException as error:
                flight.set_exception(error)
                raise
            with self._lock:
                del self._flights[key]
            flight.set_result(value)
        return flight.result()


@wrong(coalescing, feedback="expected the error that fetch raised")
class Coalescer__leaves_them_waiting_after_an_error(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            flight.set_result(fetch())
        finally:
            with self._lock:
                del self._flights[key]
        return flight.result()


@wrong(coalescing, feedback="a caller was still waiting")
class Coalescer__catches_only_exceptions(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            flight.set_result(fetch())
        except Exception as error:
            flight.set_exception(error)
        finally:
            with self._lock:
                del self._flights[key]
        return flight.result()


@wrong(coalescing, feedback="each key has its own flight and its own answer")
class Coalescer__has_one_flight_for_all:
    def __init__(self):
        self.lock, self.flight = threading.Lock(), None

    def do(self, key, fetch):
        with self.lock:
            hash(key)
            flight = self.flight
            if first := flight is None:
                flight = self.flight = Future()
        if not first:
            return flight.result()
        try:
            result = fetch()
        except BaseException as error:
            self.flight = None
            flight.set_exception(error)
        else:
            self.flight = None
            flight.set_result(result)
        return flight.result()


@wrong(coalescing, feedback="a dictionary that is only added to grows")
class Coalescer__keeps_every_key:
    def __init__(self):
        self.lock, self.flights = threading.Lock(), {}

    def do(self, key, fetch):
        with self.lock:
            flight = self.flights.get(key)
            if first := (flight is None or flight.done()):
                flight = self.flights[key] = Future()
        if first:
            try:
                flight.set_result(fetch())
            except BaseException as error:
                flight.set_exception(error)
        return flight.result()


class _Handing(coalescing.Coalescer):
    """Right, but for what a waiter makes of the flight."""

    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return self.shared(flight, key, fetch)
        try:
            end, outcome = flight.set_result, fetch()
        except BaseException as error:
            end, outcome = flight.set_exception, error
        with self._lock:
            del self._flights[key]
        end(outcome)
        return flight.result()


@wrong(coalescing, feedback="a wait with a timeout ends although the fetch has not")
class Coalescer__gives_up_after_a_minute(_Handing):
    def shared(self, flight, key, fetch):
        return flight.result(timeout=60)


@wrong(coalescing, feedback="it waits; 1 call of fetch")
class Coalescer__fetches_for_itself_after_ten_seconds(_Handing):
    def shared(self, flight, key, fetch):
        try:
            return flight.result(timeout=10)
        except TimeoutError:
            return fetch()


@wrong(coalescing, feedback="0 is an answer like any other, for the waiters too")
class Coalescer__asks_again_for_a_zero(_Handing):
    def shared(self, flight, key, fetch):
        value = flight.result()
        return value if value is None else value or self.do(key, fetch)


@wrong(coalescing, feedback="None is an answer like any other, for the waiters too")
class Coalescer__asks_again_for_what_is_false(_Handing):
    def shared(self, flight, key, fetch):
        return flight.result() or self.do(key, fetch)


@wrong(coalescing, feedback="whether a fetch has ended cannot be read off what it returned")
class Coalescer__takes_none_for_no_outcome(_Handing):
    def shared(self, flight, key, fetch):
        value = flight.result()
        return value if value is not None else fetch()


@wrong(coalescing, feedback="an error made anew has lost the first one's traceback")
class Coalescer__raises_a_copy_of_the_error(_Handing):
    def shared(self, flight, key, fetch):
        error = flight.exception()
        if error is not None:
            raise type(error)(*error.args)
        return flight.result()


@wrong(coalescing, feedback="the waiters are told before the flight is forgotten")
class Coalescer__tells_of_an_error_before_it_forgets(coalescing.Coalescer):
    def do(self, key, fetch):
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result()
        try:
            value = fetch()
        except BaseException as error:
            flight.set_exception(error)
            with self._lock:
                del self._flights[key]
            raise
        with self._lock:
            del self._flights[key]
        flight.set_result(value)
        return value
