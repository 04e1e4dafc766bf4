"""Lists as Stripe's API pages through them: newest first, a cursor that is an object's id."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from amazonian.payments.stripe_simulator import forms
from amazonian.payments.stripe_simulator.account import Account, ApiObject
from amazonian.payments.stripe_simulator.errors import invalid

PAGE = {
    "limit": forms.integer,
    "starting_after": forms.filled,
    "ending_before": forms.filled,
    "created": forms.moments,
}
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "gt": int.__gt__,
    "gte": int.__ge__,
    "lt": int.__lt__,
    "lte": int.__le__,
}


def limit_of(params: Mapping[str, Any]) -> int:
    """How many objects a page may have: 10 unless told, up to 100."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("limit is from 1 to 100.", "limit", "parameter_invalid_integer")
    return limit


def page(
    account: Account,
    kind: str,
    url: str,
    params: Mapping[str, Any],
    matches: Callable[[ApiObject], bool] = lambda thing: True,
) -> ApiObject:
    """One page of the objects of a kind that match.

    Args:
        url: the list's own address; the SDK asks there for the next page.
        params: of the request; see `PAGE`.
    """
    limit, created = limit_of(params), params.get("created", {})
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("Send starting_after or ending_before, not both.", "ending_before")
    things = account.newest_first(kind)
    if after:
        account.get(kind, after, "starting_after")
        things = itertools.dropwhile(lambda thing: thing["id"] != after, things)
        next(things)
    if before:
        account.get(kind, before, "ending_before")
        newer = list(itertools.takewhile(lambda thing: thing["id"] != before, things))
        things = reversed(newer)  # the page next to the cursor, not the newest one
    found = itertools.islice(
        (
            thing
            for thing in things
            if all(_COMPARE[name](thing["created"], bound) for name, bound in created.items())
            and matches(thing)
        ),
        limit + 1,
    )
    data = list(found)
    shown = data[:limit]
    return {
        "object": "list",
        "data": shown[::-1] if before else shown,
        "has_more": len(data) > limit,
        "url": url,
    }
