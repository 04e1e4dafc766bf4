"""The Universal Scalability Law: its fit, its peak, and measurements of something that answers."""

import itertools
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience.clock import SimulatedClock
from amazonian.shop import usl
from amazonian.shop.usl import Law

CLIENTS = [1, 2, 3, 4, 6, 8, 12, 16]


def squared_error(law, clients, rates):
    """What the fit makes small: relative errors, squared."""
    return sum((x / law.throughput(n) - 1) ** 2 for n, x in zip(clients, rates, strict=True))


def test_the_published_example_has_its_peak_at_44_clients_and_a_speed_up_of_ten():
    law = Law(1.0, 0.05, 0.0005)
    assert law.peak() == pytest.approx(44, abs=0.5)
    assert law.throughput(44) == pytest.approx(10.7, abs=0.05)


@pytest.mark.parametrize("law", [Law(900, 0.3, 0.01), Law(20, 0.0, 0.002), Law(5, 0.9, 0.5)])
def test_no_number_of_clients_gets_more_done_than_at_the_peak(law):
    most = law.throughput(law.peak())
    assert all(law.throughput(n) <= most + 1e-9 for n in np.linspace(1, 200, 2_000))


def test_without_crosstalk_there_is_no_peak_and_with_full_contention_one_client_is_best():
    assert Law(100, 0.3, 0.0).peak() == math.inf
    assert Law(100, 1.2, 0.0).peak() == 1.0
    assert Law(100, 0.99, 5.0).peak() == 1.0


@pytest.mark.parametrize("law", [Law(1000, 0.05, 0.0005), Law(3, 0.6, 0.0), Law(70, 0.0, 0.01)])
def test_a_law_without_noise_comes_back(law):
    found = usl.fit(CLIENTS, [law.throughput(n) for n in CLIENTS])
    assert found.rate_per_s == pytest.approx(law.rate_per_s)
    assert found.contention == pytest.approx(law.contention, abs=1e-9)
    assert found.crosstalk == pytest.approx(law.crosstalk, abs=1e-9)


rates = st.lists(st.floats(0.1, 1e5), min_size=8, max_size=8)


@given(rates)
def test_any_measurements_have_a_law_without_negative_numbers(rates):
    law = usl.fit(CLIENTS, rates)
    assert law.rate_per_s > 0
    assert law.contention >= 0
    assert law.crosstalk >= 0
    assert law.peak() >= 1
    assert all(math.isfinite(law.throughput(n)) for n in CLIENTS)


noise = st.lists(st.floats(0.7, 1.3), min_size=8, max_size=8)


@given(noise, st.floats(0, 0.8), st.floats(0, 0.05))
def test_no_law_nearby_fits_better(noise, contention, crosstalk):
    true = Law(500.0, contention, crosstalk)
    rates = [true.throughput(n) * off for n, off in zip(CLIENTS, noise, strict=True)]
    found = usl.fit(CLIENTS, rates)
    least = squared_error(found, CLIENTS, rates)
    for factor, sigma, kappa in itertools.product((0.97, 1, 1.03), (-0.01, 0, 0.01), (-1e-3, 1e-3)):
        other = Law(
            found.rate_per_s * factor,
            max(0.0, found.contention + sigma),
            max(0.0, found.crosstalk + kappa),
        )
        assert least <= squared_error(other, CLIENTS, rates) + 1e-9


# --- measuring ------------------------------------------------------------------------------------


def test_a_measurement_counts_and_times_every_request():
    clock = SimulatedClock()
    measured = usl.measure(lambda: clock.sleep(0.02), clients=1, requests=50, clock=clock)
    assert measured.rate_per_s == pytest.approx(50)
    assert measured.times_s == pytest.approx(np.full(50, 0.02))


def test_all_clients_are_under_way_at_once_and_share_the_requests():
    together, clients = threading.Barrier(4), set()

    def request():
        clients.add(threading.get_ident())
        together.wait(10)  # breaks, and fails the test, unless four come

    measured = usl.measure(request, clients=4, requests=42)
    assert len(measured.arrivals_s) == 40  # ten each, and the same for all
    assert len(clients) == 4


def test_a_request_that_fails_fails_the_measurement():
    def request():
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError):
        usl.measure(request, clients=2, requests=4)
