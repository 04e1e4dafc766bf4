"""What lab 2.4 asks of the fit of the Universal Scalability Law."""

from collections.abc import Callable, Sequence

from amazonian.course.evidence import Answer, call, shown
from amazonian.course.rules import RulesFor
from amazonian.shop.usl import Law

about = RulesFor("amazonian.shop.usl")

CLIENTS = [1, 2, 4, 8, 16]


def _numbers(fit: Callable, clients: Sequence[float], rates_per_s: Sequence[float]) -> Answer:
    """λ, σ and κ as the learner's law has them."""

    def fitted() -> list[float] | str:
        law = fit(clients, rates_per_s)
        if type(law) is not Law:
            return f"{shown(law)}, which is no Law"
        return [law.rate_per_s, law.contention, law.crosstalk]

    rounded = [round(rate, 6) for rate in rates_per_s]
    return call(fitted, shown_as=f"fit({shown(clients)}, {rounded}): λ, σ, κ")


def _on_a_law(fit: Callable, law: Law, look: str) -> None:
    rates = [law.throughput(n) for n in CLIENTS]
    _numbers(fit, CLIENTS, rates).close_to(
        [law.rate_per_s, law.contention, law.crosstalk], rel=1e-6, look=look
    )


@about.rule("fit")
def measurements_without_noise(fit):
    """Where the measurements lie on a law, that law comes back."""
    _on_a_law(
        fit,
        Law(1000.0, 0.05, 0.0005),
        "λ = 1/a, σ = b/a, κ = c/a; the columns are 1, N - 1 and N (N - 1)",
    )
    _on_a_law(fit, Law(20.0, 0.4, 0.02), "neither λ nor anything else is known beforehand")


@about.rule("fit")
def a_number_may_be_zero(fit):
    """Contention alone, crosstalk alone, or neither of them, are laws too."""
    _on_a_law(fit, Law(100.0, 0.3, 0.0), "without crosstalk")
    _on_a_law(fit, Law(100.0, 0.0, 0.01), "without contention")
    _on_a_law(fit, Law(100.0, 0.0, 0.0), "throughput that grows with N, without any loss")


@about.rule("fit")
def nothing_is_negative(fit):
    """Where noise would make κ or σ negative, it is 0, and the other numbers are those that fit
    best without it."""
    # The expected numbers are the minimum of the same sum of squares, found by coordinate descent.
    cases = (
        ([100, 150, 180, 200, 230], [102.126, 0.417603, 0.0], "κ would be negative here"),
        ([100, 205, 390, 700, 900], [101.972, 0.0, 0.00333841], "σ would be negative here"),
        (
            [100, 220, 460, 990, 2100],
            [117.0097, 0.0, 0.0],
            "with two clients more than twice as much is done as with one: neither σ nor κ is left",
        ),
    )
    for rates, numbers, why in cases:
        _numbers(fit, CLIENTS, rates).close_to(
            numbers,
            rel=1e-4,
            look=f"{why}; to set it to 0 afterwards is not the best law without it: solve again "
            "without its column",
        )


@about.rule("fit")
def lambda_is_not_negative_either(fit):
    """However wild the measurements, λ is above 0."""
    _numbers(fit, CLIENTS, [37, 378, 65, 92, 381]).close_to(
        [265.0549, 0.773019, 0.0],
        rel=1e-4,
        look="with all three columns a comes out negative, and the best law has σ alone: try all "
        "four choices of columns, each with the 1 in it",
    )


@about.rule("fit")
def relative_errors_count(fit):
    """Errors count relative to the throughput: 10% are 10%, with one client or with sixteen."""
    _numbers(fit, CLIENTS, [110, 170, 260, 350, 380]).close_to(
        [106.9759, 0.202951, 0.00172690],
        rel=1e-4,
        look="multiply each line by X/N; then every right-hand side is 1",
    )


@about.rule("fit")
def the_best_has_the_smallest_sum_of_squares(fit):
    """Of the fits that are allowed, the best has the smallest sum of squared relative errors."""
    for rates, numbers in (
        ([110, 170, 390, 600, 770], [103.0811, 0.0279501, 0.00300217]),
        ([170, 140, 310, 910, 840], [138.6310, 0.0452137, 0.00310666]),
    ):
        _numbers(fit, CLIENTS, rates).close_to(
            numbers,
            rel=1e-4,
            look="compare the four by what each of them minimised, not by its worst point and not "
            "by absolute errors",
        )


@about.rule("fit")
def any_order_and_any_number(fit):
    """Measurements come in any order, and one N may have been measured several times."""
    law = Law(50.0, 0.1, 0.002)
    clients = [8, 1, 3, 1, 16, 8]
    _numbers(fit, clients, [law.throughput(n) for n in clients]).close_to(
        [50.0, 0.1, 0.002], rel=1e-6
    )


@about.rule("fit")
def too_little_to_go_by(fit):
    """Fewer than three different N, or a throughput that is not above 0, are a ValueError."""
    call(fit, [1, 2, 2, 1], [100.0, 190.0, 195.0, 99.0]).raises(
        ValueError, look="four measurements, but two different N: three unknowns need three"
    )
    call(fit, [1, 2, 4], [100.0, 0.0, 300.0]).raises(ValueError)
    call(fit, [1, 2, 4], [100.0, 150.0, -20.0]).raises(ValueError)
    _numbers(fit, [1, 2, 3], [1.0, 2.0, 3.0]).close_to(
        [1.0, 0.0, 0.0], look="three different N are enough, and so is 1 request a second"
    )
    _numbers(fit, [1, 2, 3], [0.5, 1.0, 1.5]).close_to([0.5, 0.0, 0.0])


about.hints(
    "fit",
    """
    Written as 1 = a × (…) + b × (…) + c × (…), what are the three brackets, if N and X are known?
    With five measurements you have five such lines. Which numpy function wants them as a matrix?
    """,
    """
    The columns are X/N, (N - 1) X/N and (N - 1) X. np.linalg.lstsq(columns[:, kept], ones) solves
    for the columns in `kept`; those that are left out have the factor 0. Do it for [0], [0, 1],
    [0, 2] and [0, 1, 2], and keep the solution with the smallest sum of squared errors among those
    in which no factor is negative.
    """,
    """
    columns = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1) * (x / n)[:, None]
    solutions = []
    for kept in ([0], [0, 1], [0, 2], [0, 1, 2]):
        factors = np.zeros(3)
        factors[kept] = np.linalg.lstsq(columns[:, kept], np.ones(len(n)), rcond=None)[0]
        if …:
            solutions.append((np.sum((columns @ factors - 1) ** 2), *factors))
    _, a, b, c = min(solutions)
    """,
)
