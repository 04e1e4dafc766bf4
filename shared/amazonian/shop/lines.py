"""What is bought: lines of an article and a quantity, in carts, reservations and orders."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from amazonian.resilience import web

MOST_LINES = 100
MOST_OF_ONE = 1_000


@dataclass(frozen=True)
class Line:
    """So many pieces of one article."""

    sku: str
    quantity: int


def parse(body: Any) -> list[Line]:
    """The lines in a JSON body's field `lines`, by article; an article may come once.

    Raises:
        ProblemError: they are missing or something else; status 422.
    """
    found = body.get("lines") if isinstance(body, dict) else None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_LINES:
        detail = f"lines is a list of 1 to {MOST_LINES} objects with sku and quantity"
        raise web.ProblemError(422, "A field is missing or wrong", detail)
    lines = [Line(web.text(o, "sku"), web.whole(o, "quantity", 1, MOST_OF_ONE)) for o in found]
    if len({line.sku for line in lines}) < len(lines):
        raise web.ProblemError(422, "A field is missing or wrong", "an article comes twice")
    return sorted(lines, key=lambda line: line.sku)


def as_json(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Lines as a JSON body has them."""
    return [asdict(line) for line in lines]


def from_rows(rows: Iterable[Sequence[Any]]) -> list[Line]:
    """Lines from a table's columns (sku, quantity)."""
    return [Line(sku, quantity) for sku, quantity in rows]
