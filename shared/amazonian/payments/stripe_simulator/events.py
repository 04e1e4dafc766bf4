"""Events: what happened in the account, each with the object as it was then."""

from amazonian.payments.stripe_simulator import webhooks
from amazonian.payments.stripe_simulator.account import Account, ApiObject

API_VERSION = "2026-10-28.endive"


def emit(account: Account, type: str, thing: ApiObject) -> ApiObject:
    """Write down an event, and queue it for the webhook endpoints that want it."""
    event = account.new(
        "event",
        api_version=API_VERSION,
        data={"object": thing},
        pending_webhooks=0,
        request=account.cause,
        type=type,
    )
    return account.put(event, pending_webhooks=webhooks.queue(account, event))
