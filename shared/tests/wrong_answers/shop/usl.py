"""Wrong answers to lab 2.4: the fit of the Universal Scalability Law."""

import numpy as np

from amazonian.shop import usl as component
from amazonian.shop.usl import Law
from wrong_answers import wrong


def _fit(clients, rates_per_s, wrongly=""):
    """The reference, with one thing done `wrongly`."""
    n, x = np.asarray(clients, dtype=float), np.asarray(rates_per_s, dtype=float)
    different = len(n) if wrongly == "counts measurements" else len(set(n))
    if different < 3 or (x.min() <= 0 and wrongly != "takes any throughput"):
        raise ValueError("too few, or not above 0")
    columns = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1)
    wanted = n / x
    if wrongly == "squares":
        columns[:, 2] = n * n
    if wrongly != "counts absolute errors":
        columns, wanted = columns / wanted[:, None], np.ones_like(n)
    solutions = []
    for kept in ([0], [0, 1], [0, 2], [0, 1, 2]):
        if wrongly == "never leaves out crosstalk" and 2 not in kept:
            continue
        factors = np.zeros(3)
        factors[kept] = np.linalg.lstsq(columns[:, kept], wanted, rcond=None)[0]
        error = np.sum((columns @ factors - wanted) ** 2)
        if wrongly == "looks at the worst point":
            error = np.abs(columns @ factors - wanted).max()
        solutions.append((error, *factors))
    if wrongly == "takes what comes":
        _, a, b, c = solutions[-1]
    elif wrongly == "cuts off":
        _, a, b, c = solutions[-1]
        b, c = max(b, 0), max(c, 0)
    elif wrongly == "takes the simplest":
        _, a, b, c = next(s for s in solutions if s[1] > 0 and min(s) >= 0)
    else:
        _, a, b, c = min(s for s in solutions if s[1] > 0 and min(s) >= 0)
    if wrongly == "forgets to divide":
        return Law(1 / a, b, c)
    if wrongly == "takes the first measurement":
        return Law(float(x[0]), b / a, c / a)
    return Law(1 / a, b / a, c / a)


@wrong(component, feedback="to set it to 0 afterwards is not the best law without it")
def fit__cuts_off_what_is_negative(clients, rates_per_s):
    return _fit(clients, rates_per_s, "cuts off")


@wrong(component, feedback="κ would be negative here")
def fit__takes_what_comes(clients, rates_per_s):
    return _fit(clients, rates_per_s, "takes what comes")


@wrong(component, feedback="multiply each line by X/N")
def fit__counts_absolute_errors(clients, rates_per_s):
    n, x = np.asarray(clients, dtype=float), np.asarray(rates_per_s, dtype=float)
    absolute = _fit(clients, rates_per_s, "counts absolute errors")
    inside = absolute.contention > 1e-6 and absolute.crosstalk > 1e-6
    return absolute if inside else _fit(n, x)


@wrong(component, feedback="λ = 1/a, σ = b/a, κ = c/a")
def fit__forgets_to_divide_by_a(clients, rates_per_s):
    return _fit(clients, rates_per_s, "forgets to divide")


@wrong(component, feedback="the columns are 1, N - 1 and N (N - 1)")
def fit__squares_n(clients, rates_per_s):
    return _fit(clients, rates_per_s, "squares")


@wrong(component, feedback="λ = 1/a, σ = b/a, κ = c/a")
def fit__takes_the_simplest_solution(clients, rates_per_s):
    return _fit(clients, rates_per_s, "takes the simplest")


@wrong(component, feedback="κ would be negative here")
def fit__takes_the_first_measurement_for_lambda(clients, rates_per_s):
    return _fit(clients, rates_per_s, "takes the first measurement")


@wrong(component, feedback="four measurements, but two different N")
def fit__counts_measurements(clients, rates_per_s):
    return _fit(clients, rates_per_s, "counts measurements")


@wrong(component, feedback="with all three columns a comes out negative")
def fit__leaves_out_the_most_negative(clients, rates_per_s):
    n, x = np.asarray(clients, dtype=float), np.asarray(rates_per_s, dtype=float)
    if len(set(n)) < 3 or x.min() <= 0:
        raise ValueError("too few, or not above 0")
    columns = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1) * (x / n)[:, None]
    kept, factors = [0, 1, 2], np.array([0.0, -1.0, 0.0])
    while factors.min() < 0:
        factors = np.zeros(3)
        factors[kept] = np.linalg.lstsq(columns[:, kept], np.ones(len(n)), rcond=None)[0]
        if factors.min() < 0:
            kept.remove(int(factors.argmin()))
    a, b, c = factors
    return Law(1 / a, b / a, c / a) if a else Law(np.inf, b, c)


@wrong(component, feedback="which is no Law")
def fit__returns_three_numbers(clients, rates_per_s):
    law = _fit(clients, rates_per_s)
    return law.rate_per_s, law.contention, law.crosstalk


@wrong(component, feedback="a throughput that is not above 0")
def fit__takes_any_throughput(clients, rates_per_s):
    return _fit(clients, rates_per_s, "takes any throughput")


@wrong(component, feedback="not by its worst point")
def fit__looks_at_the_worst_point(clients, rates_per_s):
    return _fit(clients, rates_per_s, "looks at the worst point")


EQUIVALENT = {
    "fit: 1 + 1 [solutions.append((np.sum((columns @ factors - 1) ** 2), *factors))]": (
        "a solution by least squares leaves the sum of its errors equal to minus that of their "
        "squares, so that distances from 2 have the same order as those from 1"
    ),
}
