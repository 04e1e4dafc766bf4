"""Contracts: what the checkout expects holds, and a provider that breaks it is told by name."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amazonian.resilience import web
from amazonian.resilience.database import open_database
from amazonian.shop import catalogue, checkout, contracts, saga, services
from amazonian.shop.contracts import Asked, Expectation, NotInContractError, broken_by

ALL = (*contracts.EXPECTATIONS, *contracts.COMPENSATIONS)


@pytest.mark.parametrize(
    ("shape", "value", "broken"),
    [
        (int, 1, []),
        (int, True, ["body is bool, not int"]),
        (int, 1.0, ["body is float, not int"]),
        (str, None, ["body is NoneType, not str"]),
        ({"a": int}, {"a": 1, "more": "x"}, []),
        ({"a": int, "b": str}, {"b": 2}, ["body.a is missing", "body.b is int, not str"]),
        ({"a": {"b": int}}, {"a": {}}, ["body.a.b is missing"]),
        ({"a": int}, [1], ["body is list, not dict"]),
        ([int], {}, ["body is dict, not list"]),
        ([int], [], []),
        ([{"a": int}], [{"a": 1}, {}, {"a": "x"}], ["body[1].a is missing"]),
        ({"a": int}, {"a": None}, ["body.a is NoneType, not int"]),
        ({}, {"a": 1}, []),
    ],
)
def test_what_a_reply_lacks_is_said(shape: object, value: object, broken: list[str]) -> None:
    assert broken_by(shape, value)[: len(broken) or None] == broken


@pytest.fixture(params=["catalogue", "carts", "inventory", "payments", "orders"])
def provider(
    request: pytest.FixtureRequest, tmp_path: Path, closing: Callable
) -> Iterator[tuple[str, str]]:
    """A service alone, over HTTP: its name and URL."""
    schema = services.SERVICES[request.param].schema
    database = closing(open_database(tmp_path / "provider.db", schema))
    with web.serving(services.app(request.param, database)) as url:
        yield request.param, url


def test_each_service_keeps_what_the_checkout_expects_of_it(provider: tuple[str, str]) -> None:
    name, url = provider
    mine = [expected for expected in ALL if expected.provider == name]
    assert mine
    assert contracts.verify(mine, url) == []


def test_a_provider_that_renames_a_field_fails_by_name(tmp_path: Path, closing: Callable) -> None:
    database = closing(open_database(tmp_path / "provider.db", catalogue.SCHEMA))
    app = web.App()
    for route in catalogue.routes(database):

        def renamed(request: web.Request, route: web.Route = route) -> object:
            found = route.handler(request)
            found["price"] = found.pop("price_cents")
            return found

        app.add(web.Route(route.method, route.template, renamed))
    mine = [expected for expected in ALL if expected.provider == "catalogue"]
    with web.serving(app) as url:
        assert contracts.verify(mine, url) == [
            "checkout expects of catalogue, GET /products/sample: body.price_cents is missing"
        ]


def test_another_status_is_said_without_a_look_at_the_body() -> None:
    expected = Expectation("us", "them", Asked("GET", "/x"), 200, {"a": int})
    with web.serving(web.App()) as url:
        assert contracts.verify([expected], url) == [
            "us expects of them, GET /x: status is 404, not 200"
        ]


def test_the_checkout_needs_no_more_than_it_has_written_down(
    tmp_path: Path, closing: Callable
) -> None:
    database = closing(open_database(tmp_path / "checkout.db", checkout.SCHEMA))
    own = checkout.Checkouts(database, contracts.stub(contracts.EXPECTATIONS))
    bought = own.buy(contracts.CHECKOUT, contracts.USER, contracts.CARD)
    assert bought == saga.DONE


@pytest.mark.parametrize("left_out", range(len(contracts.EXPECTATIONS)))
def test_each_expectation_is_needed(left_out: int, tmp_path: Path, closing: Callable) -> None:
    database = closing(open_database(tmp_path / "checkout.db", checkout.SCHEMA))
    others = [e for n, e in enumerate(contracts.EXPECTATIONS) if n != left_out]
    own = checkout.Checkouts(database, contracts.stub(others))
    with pytest.raises(NotInContractError):
        own.buy(contracts.CHECKOUT, contracts.USER, contracts.CARD)
