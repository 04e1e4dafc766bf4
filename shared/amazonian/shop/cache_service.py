"""A layer of caching as a process of its own, over HTTP: product pages, kept for a while: lab 2.4.

It answers as the catalogue does and stands before it, or before another layer. One beside the
catalogue is *shared* by all web servers, one in each web server is *local*, and one near the
readers is at the *edge*; they differ in what they ask, and in how long and how much they keep.

::

    python -m amazonian.shop.cache_service --origin http://127.0.0.1:8101 --ttl-s 10 --capacity 1000
"""

import argparse
from typing import Any
from urllib.parse import quote

from amazonian.resilience import processes, web
from amazonian.resilience.caching import NotFoundError
from amazonian.resilience.clock import SystemClock
from amazonian.resilience.web import ProblemError, Reply, Request, Route
from amazonian.shop import calls
from amazonian.shop.calls import NoAnswerError, ServiceRefusedError
from amazonian.shop.catalogue import UnknownProductError
from amazonian.shop.layers import Layer


class CacheService:
    """One layer, and the functions that answer for it.

    A product that is written through it is forgotten as soon as the origin has answered. Other
    layers have to be told (``DELETE /copies/{sku}``), or go on with what they have for its time.
    A fetch that is under way at that moment may still store the old value.

    Args:
        origin: the URL of the next layer, or of the catalogue.
        ttl_s: how long a copy is given without asking.
        keep_s: how long it is given if the origin does not answer; at least `ttl_s`.
        capacity: how many products are kept.

    Raises:
        ValueError: one of these numbers makes no sense.
    """

    def __init__(self, origin: str, ttl_s: float, keep_s: float, capacity: int):
        self._ask = calls.exchange(origin)
        self.layer = Layer(self._fetch, ttl_s, capacity, SystemClock(), keep_s)

    def _fetch(self, sku: str) -> Any:
        status, body = self._ask("GET", _path(sku), None)
        if status == 404:
            raise NotFoundError(sku)
        return calls.answer(status, body)

    def get(self, request: Request) -> Any:
        """A product, from here or from behind."""
        sku = request.parameters["sku"]
        try:
            return self.layer.get(sku)
        except NotFoundError:
            raise UnknownProductError(sku) from None
        except ServiceRefusedError as refused:
            raise ProblemError(refused.status, refused.title, refused.detail) from None
        except NoAnswerError as error:
            raise _no_answer(error) from None

    def change(self, request: Request) -> Reply:
        """Hand a change on to the origin, and forget what was kept of the product."""
        sku = request.parameters["sku"]
        try:
            return Reply(*self._ask("PUT", _path(sku), request.body))
        except NoAnswerError as error:
            raise _no_answer(error) from None
        finally:
            self.layer.forget(sku)

    def page(self, request: Request) -> Reply:
        """The list of products is not kept: each question goes to the origin."""
        after = request.query.get("after")
        path = "/products" if after is None else f"/products?after={quote(after, safe='')}"
        try:
            return Reply(*self._ask("GET", path, None))
        except NoAnswerError as error:
            raise _no_answer(error) from None

    def forget(self, request: Request) -> Reply:
        """Somebody has changed this product."""
        self.layer.forget(request.parameters["sku"])
        return Reply(204)

    def counts(self, request: Request) -> dict[str, int]:
        """How often it was asked for a product, and how often it had to ask in turn."""
        return {"asked": self.layer.asked, "missed": self.layer.missed}

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/products", self.page),
            Route("GET", "/products/{sku}", self.get),
            Route("PUT", "/products/{sku}", self.change),
            Route("DELETE", "/copies/{sku}", self.forget),
            Route("GET", "/copies", self.counts),
        ]


def _path(sku: str) -> str:
    return f"/products/{quote(sku, safe='')}"


def _no_answer(error: NoAnswerError) -> ProblemError:
    return ProblemError(502, "Bad Gateway", str(error))


def main() -> None:
    """Serve a layer until it is told to end."""
    parser = argparse.ArgumentParser(description="Keep product pages in front of a service.")
    parser.add_argument("--origin", required=True, help="the URL of what stands behind it")
    parser.add_argument("--ttl-s", type=float, default=10.0, help="given for so long unasked")
    parser.add_argument("--keep-s", type=float, help="and so long if there is no answer")
    parser.add_argument("--capacity", type=int, default=1000, help="so many products are kept")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    chosen = parser.parse_args()
    keep_s = chosen.ttl_s if chosen.keep_s is None else chosen.keep_s
    try:
        service = CacheService(chosen.origin, chosen.ttl_s, keep_s, chosen.capacity)
    except ValueError as error:
        parser.error(str(error))
    processes.serve(web.App(service.routes()), chosen.port, chosen.with_parent)


if __name__ == "__main__":
    main()
