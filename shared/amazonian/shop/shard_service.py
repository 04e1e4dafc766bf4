"""The sharded orders over HTTP: what a customer's client talks to, and knows of no shards."""

from amazonian.resilience.web import App, ProblemError, Reply, Request
from amazonian.shop.changelog import Order
from amazonian.shop.router import RangeHeldError, Router


def app(router: Router) -> App:
    """The service: an order under ``/orders/{customer}/{number}``, and ``/sold`` of all."""
    made = App()

    @made.route("PUT", "/orders/{customer}/{number}")
    def put(request: Request) -> dict:
        order = order_in(request)
        write(router, order.key, order)
        return shown(order)

    @made.route("DELETE", "/orders/{customer}/{number}")
    def delete(request: Request) -> Reply:
        write(router, key_in(request), None)
        return Reply(204)

    @made.route("GET", "/orders/{customer}/{number}")
    def get(request: Request) -> dict:
        order = router.find(key_in(request))
        if order is None:
            raise ProblemError(404, "Not Found", f"there is no order {key_in(request)}")
        return shown(order)

    @made.route("GET", "/orders/{customer}")
    def orders_of(request: Request) -> list[dict]:
        return [shown(order) for order in router.orders_of(request.parameters["customer"])]

    @made.route("GET", "/sold")
    def sold(request: Request) -> dict:
        return {
            product: {"orders": count, "total_minor": total}
            for product, (count, total) in sorted(router.sold().items())
        }

    return made


def write(router: Router, key: str, order: Order | None) -> None:
    """A write, whose range may be between two shards for too long.

    Raises:
        ProblemError: it was; status 503.
    """
    try:
        router.write(key, order)
    except RangeHeldError as held:
        raise ProblemError(503, "Service Unavailable", str(held), retry_after_s=1) from held


def key_in(request: Request) -> str:
    """The key that a path names."""
    return f"{request.parameters['customer']}/{request.parameters['number']}"


def order_in(request: Request) -> Order:
    """The order in a body.

    Raises:
        ProblemError: there is none; status 400.
    """
    body = request.body if isinstance(request.body, dict) else {}
    product, total_minor = body.get("product"), body.get("total_minor")
    status = body.get("status", "placed")
    if not (isinstance(product, str) and type(total_minor) is int and isinstance(status, str)):
        raise ProblemError(400, "No order", "send product (text), total_minor (cents), status")
    return Order(key_in(request), product, total_minor, status)


def shown(order: Order) -> dict:
    """An order as the service shows it."""
    return {
        "key": order.key,
        "product": order.product,
        "total_minor": order.total_minor,
        "status": order.status,
    }
