"""The shop's parts: each operation may be repeated, may come late, and is done whole or not."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience import web
from amazonian.resilience.database import Database, open_database
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import calls, carts, catalogue, inventory, monolith, payment_stub
from amazonian.shop.calls import Call, ServiceRefusedError
from amazonian.shop.lines import Line


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    opened = open_database(dsn, monolith.SCHEMA)
    yield opened
    opened.close()


@pytest.fixture
def shop(database: Database) -> Call:
    """The monolith with two articles, on SQLite and on PostgreSQL."""
    call = calls.in_process(web.App(monolith.routes(database)))
    call("PUT", "/products/book", {"title": "A book", "price_cents": 1999})
    call("PUT", "/products/pen", {"title": "A pen", "price_cents": 150})
    call("PUT", "/inventory/stock/book", {"free": 3})
    call("PUT", "/inventory/stock/pen", {"free": 10})
    return call


def lines(**quantities: int) -> dict:
    return {"lines": [{"sku": sku, "quantity": number} for sku, number in quantities.items()]}


def free(shop: Call, sku: str) -> tuple[int, int]:
    found = shop("GET", f"/inventory/stock/{sku}")
    return found["free"], found["held"]


def refused(call: Call, method: str, path: str, body: object = None) -> int:
    with pytest.raises(ServiceRefusedError) as error:
        call(method, path, body)
    return error.value.status


# --- the inventory


def test_a_reservation_holds_all_of_its_lines_or_none(shop: Call) -> None:
    assert refused(shop, "PUT", "/inventory/reservations/r", lines(pen=2, book=4)) == 409
    assert refused(shop, "PUT", "/inventory/reservations/r", lines(pen=2, chair=1)) == 409
    assert (free(shop, "book"), free(shop, "pen")) == ((3, 0), (10, 0))
    shop("PUT", "/inventory/reservations/r", lines(pen=2, book=3))
    assert (free(shop, "book"), free(shop, "pen")) == ((0, 3), (8, 2))


def test_a_reservation_is_made_released_and_confirmed_once_however_often(shop: Call) -> None:
    for _ in range(3):
        assert shop("PUT", "/inventory/reservations/r", lines(book=1))["state"] == "held"
    assert free(shop, "book") == (2, 1)
    for _ in range(3):
        assert shop("PUT", "/inventory/reservations/r/release")["state"] == "released"
    assert free(shop, "book") == (3, 0)
    shop("PUT", "/inventory/reservations/s", lines(book=1))
    for _ in range(3):
        assert shop("PUT", "/inventory/reservations/s/confirmation")["state"] == "confirmed"
        assert shop("PUT", "/inventory/reservations/s", lines(book=1))["state"] == "confirmed"
    assert free(shop, "book") == (2, 0)


def test_a_reservation_goes_one_way_only(shop: Call) -> None:
    shop("PUT", "/inventory/reservations/r", lines(book=1))
    shop("PUT", "/inventory/reservations/r/release")
    assert refused(shop, "PUT", "/inventory/reservations/r/confirmation") == 409
    shop("PUT", "/inventory/reservations/s", lines(book=1))
    shop("PUT", "/inventory/reservations/s/confirmation")
    assert refused(shop, "PUT", "/inventory/reservations/s/release") == 409
    assert refused(shop, "PUT", "/inventory/reservations/none/confirmation") == 404


def test_a_reservation_that_comes_after_its_release_holds_nothing(shop: Call) -> None:
    shop("PUT", "/inventory/reservations/r/release")
    assert refused(shop, "PUT", "/inventory/reservations/r", lines(book=1)) == 409
    assert free(shop, "book") == (3, 0)


def test_one_id_is_no_two_reservations(shop: Call) -> None:
    shop("PUT", "/inventory/reservations/r", lines(book=1))
    assert refused(shop, "PUT", "/inventory/reservations/r", lines(book=2)) == 422


OPERATIONS = st.tuples(
    st.sampled_from(["reserve", "release", "confirm"]), st.sampled_from("abc"), st.integers(1, 3)
)


@given(st.lists(OPERATIONS, max_size=12))
def test_no_piece_is_lost_or_made_by_any_order_of_operations(operations: list) -> None:
    database = MemoryDatabase(inventory.SCHEMA)
    database.write(lambda tx: inventory.put(tx, "book", 5))
    for operation, reservation, quantity in operations:
        try:
            if operation == "reserve":
                wanted = [Line("book", quantity)]
                database.write(lambda tx: inventory.reserve(tx, reservation, wanted))  # noqa: B023
            else:
                act = getattr(inventory, operation)
                database.write(lambda tx: act(tx, reservation))  # noqa: B023
        except web.ProblemError:
            pass
    states = dict(database.read("SELECT id, state FROM reservations"))
    taken = database.read("SELECT id, quantity FROM reserved_lines")
    live = sum(quantity for id, quantity in taken if states[id] in ("held", "confirmed"))
    ((left,),) = database.read("SELECT free FROM stock")
    assert left >= 0
    assert left + live == 5


# --- payments and orders


def test_a_payment_is_authorised_once_and_not_after_it_was_voided(shop: Call) -> None:
    ask = {"user": "ada", "amount_cents": 500, "card": "visa"}
    for _ in range(2):
        assert shop("PUT", "/payments/authorisations/p", ask)["state"] == "authorised"
    assert refused(shop, "PUT", "/payments/authorisations/p", ask | {"amount_cents": 501}) == 422
    shop("PUT", "/payments/authorisations/p/void")
    assert refused(shop, "PUT", "/payments/authorisations/p", ask) == 402
    assert shop("GET", "/payments/authorisations/p")["state"] == "voided"
    shop("PUT", "/payments/authorisations/q/void")
    assert refused(shop, "PUT", "/payments/authorisations/q", ask) == 402
    assert refused(shop, "PUT", "/payments/authorisations/d", ask | {"card": "declined"}) == 402
    assert refused(shop, "GET", "/payments/authorisations/d") == 404
    assert payment_stub.DECLINED_CARD == "declined"


def test_an_order_is_placed_once_and_not_after_it_was_cancelled(shop: Call) -> None:
    order = {"user": "ada", **lines(pen=1, book=2), "total_cents": 4148}
    for _ in range(2):
        assert shop("PUT", "/orders/o", order) == {"id": "o", "state": "placed"}
    assert refused(shop, "PUT", "/orders/o", order | {"user": "bob"}) == 422
    assert shop("GET", "/orders/o") == {
        "id": "o",
        "user": "ada",
        **lines(book=2, pen=1),
        "total_cents": 4148,
        "state": "placed",
    }
    assert [found["id"] for found in shop("GET", "/orders?user=ada")["orders"]] == ["o"]
    shop("PUT", "/orders/o/cancellation")
    assert refused(shop, "PUT", "/orders/o", order) == 409
    shop("PUT", "/orders/late/cancellation")
    assert refused(shop, "PUT", "/orders/late", order) == 409


# --- catalogue, users, carts


def test_the_catalogue_is_read_page_by_page(shop: Call, database: Database) -> None:
    numbers = range(150)
    database.write(lambda tx: [catalogue.put(tx, f"n{n:03}", "N", n) for n in numbers])
    first = shop("GET", "/products")
    second = shop("GET", f"/products?after={first['next']}")
    skus = [product["sku"] for product in first["products"] + second["products"]]
    assert skus == sorted(skus)
    assert len(set(skus)) == 152
    assert second["next"] is None
    assert refused(shop, "GET", "/products/none") == 404


def test_users_are_added_and_changed(shop: Call) -> None:
    shop("PUT", "/users/ada", {"name": "Ada", "email": "a@example.com"})
    shop("PUT", "/users/ada", {"name": "Ada L.", "email": "a@example.com"})
    assert shop("GET", "/users/ada")["name"] == "Ada L."
    assert refused(shop, "GET", "/users/bob") == 404


def test_a_cart_loses_what_was_bought_once_and_keeps_what_came_since(database: Database) -> None:
    shop = calls.in_process(web.App(carts.routes(database)))
    shop("PUT", "/carts/ada/lines/book", {"quantity": 2})
    shop("PUT", "/carts/ada/lines/pen", {"quantity": 1})
    shop("PUT", "/carts/ada/lines/book", {"quantity": 3})  # one more, while the checkout runs
    for _ in range(2):
        shop("PUT", "/carts/ada/bought/c1", lines(book=2, pen=1, gone=1))
    assert shop("GET", "/carts/ada")["lines"] == [{"sku": "book", "quantity": 1}]
    shop("PUT", "/carts/ada/lines/book", {"quantity": 0})
    assert shop("GET", "/carts/ada")["lines"] == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"lines": []},
        {"lines": {}},
        {"lines": [1]},
        {"lines": [{"sku": "a"}]},
        {"lines": [{"sku": "a", "quantity": 0}]},
        {"lines": [{"sku": "a", "quantity": 1}, {"sku": "a", "quantity": 2}]},
        {"lines": [{"sku": f"{n}", "quantity": 1} for n in range(101)]},
    ],
)
def test_lines_that_are_none_are_refused(body: object) -> None:
    call = calls.in_process(web.App(carts.routes(MemoryDatabase(carts.SCHEMA))))
    assert refused(call, "PUT", "/carts/ada/bought/c", body) == 422


# --- the monolith's checkout


def test_a_checkout_changes_everything_at_once(shop: Call) -> None:
    shop("PUT", "/carts/ada/lines/book", {"quantity": 2})
    bought = {"user": "ada", "card": "visa"}
    placed = {"id": "c1", "state": "placed", "total_cents": 3998}
    for _ in range(2):
        assert shop("PUT", "/checkouts/c1", bought) == placed
    assert shop("GET", "/checkouts/c1") == placed
    assert free(shop, "book") == (1, 0)
    assert shop("GET", "/carts/ada")["lines"] == []
    assert shop("GET", "/payments/authorisations/c1")["amount_cents"] == 3998
    assert shop("GET", "/orders/c1")["state"] == "placed"
    assert refused(shop, "PUT", "/checkouts/c2", bought) == 422
    assert refused(shop, "GET", "/checkouts/c2") == 404


@pytest.mark.parametrize(("quantity", "card", "status"), [(4, "visa", 409), (1, "declined", 402)])
def test_a_checkout_that_is_refused_leaves_nothing(
    shop: Call, quantity: int, card: str, status: int
) -> None:
    shop("PUT", "/carts/ada/lines/book", {"quantity": quantity})
    assert refused(shop, "PUT", "/checkouts/c1", {"user": "ada", "card": card}) == status
    assert free(shop, "book") == (3, 0)
    assert refused(shop, "GET", "/orders/c1") == 404
    assert refused(shop, "GET", "/payments/authorisations/c1") == 404
    assert shop("GET", "/carts/ada")["lines"] == [{"sku": "book", "quantity": quantity}]
    shop("PUT", "/carts/ada/lines/book", {"quantity": 3})
    assert shop("PUT", "/checkouts/c1", {"user": "ada", "card": "visa"})["state"] == "placed"
