"""Searching PaymentIntents, which Stripe warns against right after a write.

A new object is found only once it is indexed; here that takes a minute. A query is a list of
``status:'succeeded'`` or ``metadata['order_id']:'7'``, joined by AND.
Source: Stripe's guide "Search".
"""

import re
from typing import Any

from amazonian.payments.stripe_simulator import forms
from amazonian.payments.stripe_simulator.account import Account, ApiObject
from amazonian.payments.stripe_simulator.errors import invalid
from amazonian.payments.stripe_simulator.pagination import limit_of

INDEXED_AFTER_S = 60.0
FIELDS = {
    "query": forms.filled,
    "limit": forms.integer,
    "page": forms.integer,
    "expand": forms.texts,
}
_CLAUSE = re.compile(
    r"""(?:(status|currency|customer)|metadata\[(["'])(.+?)\2\])\s*:\s*(["'])(.*?)\4"""
)


def payment_intents(account: Account, params: dict[str, Any], id: str | None = None) -> ApiObject:
    """A page of the intents that match a query, newest first."""
    wanted = [_clause(text) for text in re.split(r"\s+AND\s+", params["query"].strip())]
    limit, start = limit_of(params), params.get("page", 0)
    found = [
        intent
        for intent in account.newest_first("payment_intent")
        if intent["created"] <= account.now_s() - INDEXED_AFTER_S
        and all((intent["metadata"] if inner else intent).get(key) == v for inner, key, v in wanted)
    ]
    more = len(found) > start + limit
    return {
        "object": "search_result",
        "data": found[start : start + limit],
        "has_more": more,
        "next_page": str(start + limit) if more else None,
        "url": "/v1/payment_intents/search",
    }


def _clause(text: str) -> tuple[bool, str, str]:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        raise invalid(f"This can't be searched for: {text}", "query")
    return match[3] is not None, match[1] or match[3], match[5]
